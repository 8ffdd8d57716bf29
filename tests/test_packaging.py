"""What is installed is what is in the repository."""

import ast
import os
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CODE = (".py", ".pyc")


def test_every_folder_of_code_is_installed(monkeypatch):
    monkeypatch.chdir(ROOT)
    given = {}
    monkeypatch.setattr("setuptools.setup", lambda **options: given.update(options))
    runpy.run_path("setup.py")
    folders = {path.parent for path in (ROOT / "kerasnets").rglob("*.py")}
    folders |= {path.parent for path in (ROOT / "cli").rglob("*.py")}
    installed = {
        ROOT / "cli" / Path(*name.split(".")[2:])
        if name.startswith("kerasnets.cli")
        else ROOT / Path(*name.split("."))
        for name in given["packages"]
    }
    assert installed == folders


def settings() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_file_beside_the_code_is_installed():
    patterns = settings()["tool"]["setuptools"]["package-data"]
    installed = {
        file
        for package, globs in patterns.items()
        for glob in globs
        for file in (ROOT / package.replace(".", "/")).glob(glob)
    }
    found = {
        file
        for top in ("kerasnets", "cli")
        for file in (ROOT / top).rglob("[!.]*")
        if file.is_file() and file.suffix not in CODE
    }
    assert found == installed


def declared() -> dict[str, list[str]]:
    """The names of the packages that kerasnets needs (under ""), and by extra."""
    project = settings()["project"]
    needed = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: [canonicalize_name(Requirement(one).name) for one in requirements]
        for extra, requirements in needed.items()
    }


def test_constraints_cover_every_dependency():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert pins == sorted(pins, key=str.lower)
    pinned = [canonicalize_name(line.partition("==")[0]) for line in pins]
    assert len(pinned) == len(set(pinned))
    for extra, names in declared().items():
        assert set(names) - {"kerasnets"} <= set(pinned), extra


# The package of an import by another name.
PACKAGES = {
    "absl": "absl-py",
    "importlinter": "import-linter",
    "PIL": "pillow",
    "pynvml": "nvidia-ml-py",
    "sklearn": "scikit-learn",
    "tree": "dm-tree",
}
BY_NAME = ("import_module", "find_spec", "importorskip")


def imported(file: Path) -> Iterator[str]:
    """Names of the modules that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(name)):
                yield name
            case ast.Call(func=function, args=[ast.Constant(str(name)), *_]):
                if ast.unparse(function).endswith(BY_NAME):
                    yield name


def needed_by(folder: str) -> dict[str, str]:
    """The packages that a folder's code imports, each with a file that does."""
    files = [*(ROOT / folder).rglob("*.py")]
    own = {"kerasnets", *sys.stdlib_module_names}
    if folder == "tests":
        own |= {"needs_broken_one", *(file.stem for file in files)}
    return {
        canonicalize_name(PACKAGES.get(root, root)): str(file)
        for file in files
        for root in [name.partition(".")[0] for name in imported(file)]
        if root not in own
    }


@pytest.mark.parametrize("folder", ["kerasnets", "cli", "tests", "examples"])
def test_every_imported_package_is_declared(folder):
    names = {name for names in declared().values() for name in names}
    found = needed_by(folder)
    assert {name: found[name] for name in found.keys() - names} == {}


def test_every_dependency_is_imported():
    indirect = {"importlib-resources"}  # says pyproject.toml
    assert set(declared()[""]) - indirect <= needed_by("kerasnets").keys() | {"click"}


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_an_old_python_leaves_no_environment(tmp_path):
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")  # what it answers when asked for its version
    old.chmod(0o755)
    place = tmp_path / ".venv"
    made = subprocess.run(
        ["make", f"PYTHON={old}", f"VENV={place}", f"{place}/.installed"],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key != "MAKEFLAGS"},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 2
    assert "Python 3.11 or newer is needed: make PYTHON=" in made.stderr
    assert not place.exists()
