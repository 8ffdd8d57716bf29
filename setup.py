"""The packages. The commands live in cli/ at the top of the repository, and are
installed as kerasnets.cli: a wheel must not claim the global import name "cli"."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(
            include=["kerasnets", "kerasnets.*"], exclude=["kerasnets.cli*"]
        ),
        "kerasnets.cli",
        *(f"kerasnets.cli.{name}" for name in find_packages("cli")),
    ],
    package_dir={"kerasnets.cli": "cli"},
)
