"""Find run folders: by name in artifacts/runs, and below a folder."""

from pathlib import Path

from kerasnets.errors import RunError

RUNS = Path("artifacts/runs")  # folder of runs that are given by name
RECIPE_FILE = "recipe.json"


def is_run(path: Path | str) -> bool:
    return (Path(path) / RECIPE_FILE).is_file()


def named(path: Path) -> Path:
    """The path, or the folder of this name in artifacts/runs if only that exists."""
    there = RUNS / path
    return there if not path.exists() and there.is_dir() else path


def names() -> list[str]:
    """The names of the runs in artifacts/runs."""
    return sorted(file.parent.name for file in RUNS.glob(f"*/{RECIPE_FILE}"))


def below(root: Path) -> list[Path]:
    """All run folders in `root` and its subfolders, or `root` itself if it is a run,
    sorted. Runs are not nested. Links are not followed.

    Raises:
        RunError: `root` is missing or cannot be read.
    """
    found, folders = [], [root]
    while folders:
        folder = folders.pop()
        if is_run(folder):
            found.append(folder)
            continue
        try:
            folders += [
                entry
                for entry in folder.iterdir()
                # Hidden folders are runs being created or replaced.
                if not entry.name.startswith(".")
                and entry.is_dir()
                and not entry.is_symlink()
            ]
        except OSError as error:
            if folder == root:
                raise RunError(f"{root} cannot be read: {error.strerror}.") from error
    return sorted(found)
