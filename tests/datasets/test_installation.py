"""A package that is missing is told as that, not as damaged data."""

import subprocess
import sys

import made_dataset as made
import pytest

from kerasnets.errors import (
    DatasetError,
    InstallationError,
    KerasnetsError,
    import_failure,
    raise_unless_data,
)

# A process in which a package cannot be imported, and what it then says.
HIDDEN = """
import sys
from importlib.abc import MetaPathFinder
class Hide(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
from kerasnets.cli.main import main
main({arguments!r})
"""


def run_without(package: str, arguments: list[str]) -> tuple[int, str]:
    code = HIDDEN.format(package=package, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("package", "install"),
    [
        ("six", "six"),
        ("google", "protobuf"),
        ("tree", "dm-tree"),
        ("array_record", "array_record"),
        ("tensorflow_datasets", "tensorflow_datasets"),
        ("PIL", "Pillow"),
    ],
)
def test_a_missing_package_of_the_reader_is_named(package, install, tmp_path):
    splits = {
        "train": made.examples(made.grey(12)),
        "test": made.examples(made.grey(4)),
    }
    made.write(tmp_path / "data", splits)
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / "run"
    status, err = run_without(
        package,
        [
            *("fit", "resnet18", "--dataset", "made", "--out", str(out)),
            *("--data-dir", str(tmp_path / "data"), "--device", "cpu"),
        ],
    )
    assert status == 2
    assert len(err.strip().splitlines()) == 1, err
    assert f"cannot import {package}: " in err and err.endswith(f"install {install}.\n")
    assert "damaged" not in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("sklearn", ["fit", "resnet18", "--dataset", "digits"]),
        ("torch", ["summary", "resnet18"]),
        ("rich", ["networks"]),
    ],
)
def test_any_command_names_a_missing_package(package, arguments, tmp_path):
    status, err = run_without(package, arguments)
    assert status == 2
    assert len(err.strip().splitlines()) == 1, err
    assert package in err


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'six'", name="six"),
        ImportError("libx.so: cannot open shared object file", name="x"),
        ImportError("neither has a name"),
        AttributeError("module 'sys' has no attribute 'a'", name="a", obj=sys),
        raised(ValueError("cannot read"), ModuleNotFoundError("No x", name="x")),
    ],
)
def test_failing_imports_are_no_damage(error):
    with pytest.raises(InstallationError) as caught:
        raise_unless_data(error)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("error", [MemoryError(), DatasetError("said already")])
def test_a_full_memory_is_no_damage(error):
    with pytest.raises(type(error)):
        raise_unless_data(error)


@pytest.mark.parametrize(
    "error",
    [
        *(ValueError("x"), KeyError("x"), RuntimeError(), OSError(5, "x")),
        *(RecursionError(), AttributeError("no attribute 'a'", name="a", obj=3)),
    ],
)
def test_damage_is_damage(error):
    assert import_failure(error) is None
    raise_unless_data(error)


def test_the_kinds_are_errors_of_kerasnets():
    assert issubclass(InstallationError, KerasnetsError)
