"""A package that is missing is told as that, not as damaged data."""

import contextlib
import subprocess
import sys
from importlib import import_module

import keras
import made_dataset as made
import pytest
from backend_here import without_tensorflow_logs

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


READERS = [
    ("six", "six"),
    ("google", "protobuf"),
    ("tree", "dm-tree"),
    ("array_record", "array_record"),
    ("tensorflow_datasets", "tensorflow_datasets"),
    ("PIL", "Pillow"),
]


@pytest.mark.parametrize(
    ("command", "package", "install"),
    [
        # It imports no Keras, and reads the data as `fit` does.
        *(("inspect", *reader) for reader in READERS),
        ("fit resnet18 --device cpu --dataset", *READERS[0]),
        *(
            pytest.param(
                "fit resnet18 --device cpu --dataset", *reader, marks=pytest.mark.slow
            )
            for reader in READERS[1:]
        ),
    ],
)
def test_a_missing_package_of_the_reader_is_named(command, package, install, tmp_path):
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
            *(*command.split(), "made", "--out", str(out)),
            *("--data-dir", str(tmp_path / "data")),
        ],
    )
    assert status == 2
    assert len(without_tensorflow_logs(err).splitlines()) == 1, err
    assert f"cannot import {package}: " in err and err.endswith(f"install {install}.\n")
    assert "damaged" not in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("sklearn", ["fit", "resnet18", "--dataset", "digits"]),
        (keras.backend.backend(), ["summary", "resnet18"]),
        ("rich", ["networks"]),
    ],
)
def test_any_command_names_a_missing_package(package, arguments, tmp_path):
    status, err = run_without(package, arguments)
    assert status == 2
    assert len(without_tensorflow_logs(err).splitlines()) == 1, err
    assert package in err


BROKEN = {
    "attribute": "raise AttributeError('no attribute x')",
    "import": "raise ImportError('too old')",
    "value": "raise ValueError('numpy.dtype size changed')",
    "configuration": "[].get('floatx')",  # of a keras.json that is a list
    "syntax": "def (",
}


@pytest.mark.parametrize("how", BROKEN)
def test_the_package_whose_import_fails_is_named(how, tmp_path, monkeypatch):
    """Not the one that needs it."""
    (tmp_path / "needs_broken_one.py").write_text("import broken_one.part")
    (tmp_path / "broken_one").mkdir()
    (tmp_path / "broken_one" / "__init__.py").write_text("")
    (tmp_path / "broken_one" / "part.py").write_text(BROKEN[how])
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("broken_one", None)  # of another case
    with pytest.raises(InstallationError, match=r"^cannot import broken_one: ") as said:
        try:
            import_module("needs_broken_one")
        except Exception as error:
            raise_unless_data(error)
    assert len(str(said.value).splitlines()) == 1
    configured = how in ("attribute", "value", "configuration")
    assert ("settings" in str(said.value)) == configured


def test_a_broken_package_of_the_reader_is_named(tmp_path):
    made.write(tmp_path / "data", {"train": made.examples(made.grey(4))})
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "etils.py").write_text(BROKEN["attribute"])
    code = (
        "import sys; sys.path.insert(0, 'broken')\n"
        "from kerasnets import datasets, errors\n"
        "try: datasets.load('made', data_dir='data')\n"
        "except errors.InstallationError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.startswith("cannot import etils: no attribute x; "), done.stderr
    assert len(done.stdout.splitlines()) == 1


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


@pytest.mark.parametrize(("module", "bug"), [("kerasnets.made", True), ("PIL", False)])
def test_a_name_that_does_not_exist_is_damage_in_a_library_only(module, bug):
    made = {"__name__": module}
    exec("def read(): missing", made)
    try:
        made["read"]()
    except NameError as error:
        with pytest.raises(NameError) if bug else contextlib.nullcontext():
            raise_unless_data(error)


def test_the_kinds_are_errors_of_kerasnets():
    assert issubclass(InstallationError, KerasnetsError)
