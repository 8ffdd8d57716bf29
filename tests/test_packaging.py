"""What is installed is what is in the repository."""

import runpy
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


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


def test_constraints_cover_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    for requirement in project["project"]["dependencies"]:
        name = requirement.partition(">")[0].lower().replace("_", "-")
        assert name in pinned, requirement
