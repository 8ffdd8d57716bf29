"""Runs a tool on the package as it is installed, where cli/ is kerasnets/cli. What only
reads files takes cli/ of the checkout for another package and finds no kerasnets.cli.

    python tests/as_installed.py mypy
    python tests/as_installed.py lint-imports
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = {
    "mypy": ("-m", "mypy"),
    "lint-imports": (
        "-c",
        "from importlinter.cli import lint_imports_command as lint; lint()",
        "--no-cache",
    ),
}


def copy_package(folder: Path) -> None:
    """Copy kerasnets/, with cli/ in it, and the tools' settings into a folder."""
    leave = shutil.ignore_patterns("__pycache__", "cli")
    shutil.copytree(ROOT / "kerasnets", folder / "kerasnets", ignore=leave)
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "cli", folder / "kerasnets" / "cli", ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", folder)


def run_in(folder: Path, tool: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *TOOLS[tool]]
    cache = {"MYPY_CACHE_DIR": str(ROOT / ".mypy_cache")}
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **cache}, text=True, **options
    )


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in TOOLS:
        sys.exit(f"usage: python tests/as_installed.py {'|'.join(TOOLS)}")
    with tempfile.TemporaryDirectory() as temporary:
        copy_package(Path(temporary))
        sys.exit(run_in(Path(temporary), sys.argv[1]).returncode)
