"""Imports go one way, and nothing heavy is imported before it is needed."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import as_installed
import pytest

ROOT = Path(__file__).parent.parent


def imported_modules(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                file = ROOT / inner.replace(".", "/")
                is_module = file.is_dir() or file.with_suffix(".py").exists()
                yield inner if is_module else node.module


def modules():
    for folder, prefix in (("kerasnets", "kerasnets"), ("cli", "kerasnets.cli")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join((prefix, *(p for p in parts if p != "__init__"))), path


def lint_imports(folder: Path) -> subprocess.CompletedProcess:
    return as_installed.run_in(folder, "lint-imports", capture_output=True)


def test_imports_go_one_way(tmp_path):
    as_installed.copy_package(tmp_path)
    result = lint_imports(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("kerasnets/storage/files.py", "from kerasnets.runs import load", "below them"),
        ("kerasnets/runs/find.py", "from kerasnets.networks import cost", "below them"),
        ("kerasnets/paper/scales.py", "from kerasnets.paper import plan", "No circles"),
        ("kerasnets/cli/tables.py", "from kerasnets.cli import commands", "No circles"),
        ("kerasnets/figures/examples.py", "import kerasnets.cli.tables", "below them"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path, file, line, broken):
    as_installed.copy_package(tmp_path)
    planted = tmp_path / file
    planted.write_text(f"{planted.read_text(encoding='utf-8')}\n{line}\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert any(
        broken in text and text.endswith("BROKEN") for text in result.stdout.split("\n")
    )


def test_only_commands_import_commands():
    for module, path in modules():
        if not module.startswith("kerasnets.cli"):
            found = imported_modules(path)
            assert not any(name.startswith("kerasnets.cli") for name in found), module


@pytest.mark.parametrize("top", ["kerasnets", "cli"])
def test_rooms_are_small(top):
    for folder, _, names in os.walk(ROOT / top):
        files = [name for name in names if name.endswith(".py")]
        assert len(files) <= 14, folder
    loose = {path.stem for path in (ROOT / "kerasnets").glob("*.py")} - {"__init__"}
    assert len(loose) <= 7


def run_python(code: str, executable: str = sys.executable) -> str:
    result = subprocess.run(
        [executable, "-c", code], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def test_only_figures_import_matplotlib():
    for module, path in modules():
        if not module.startswith("kerasnets.figures"):
            roots = {name.partition(".")[0] for name in imported_modules(path)}
            assert "matplotlib" not in roots, module


def test_one_console_prints_names_as_they_are():
    # Another one would take "[/x]" in the name of a folder or a class for markup.
    for module, path in modules():
        if module != "kerasnets.console":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                assert not (made and node.func.id == "Console"), module


def test_help_imports_nothing_heavy():
    loaded = run_python(
        "import sys\n"
        "from kerasnets.cli.commands import run as _run\n"
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()): assert _run(['--help']) == 0\n"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    heavy = {"keras", "torch", "jax", "tensorflow", "numpy", "scipy", "sklearn"}
    heavy |= {"matplotlib", "PIL", "jinja2", "rich"}
    assert not heavy & set(loaded.split())


# Trains and evaluates; guarded imports of TensorFlow, Keras's too, end the process.
TRAINING = """
from kerasnets.compute.import_guards import light_keras
with light_keras():
    import narrow
    from kerasnets import Recipe, evaluate, fit
    options = {"image_size": 8, "limit": 20, "batch_size": 18, "epochs": 1}
    with narrow.narrowed():
        recipe = Recipe.for_paper("resnet18", "digits", **options)
        evaluate(fit(recipe, "run", device="cpu", verbosity=0), device="cpu")
"""


@pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
def test_commands_work_under_every_backend_that_is_installed(backend):
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-m", "kerasnets.cli.main", "summary", "resnet18"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_light_keras_leaves_tensorflow_what_it_imports(tmp_path):
    for name, imports in (("tensorflow", "requests"), ("keras", "tensorflow")):
        (tmp_path / f"{name}.py").write_text(f"import {imports}\n")
    code = (
        "from kerasnets.compute.import_guards import light_keras\n"
        "with light_keras(): import keras\n"
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_tensorflow_is_never_imported_on_the_default_path(tmp_path):
    fake = tmp_path / "fake" / "tensorflow"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("import os\nos._exit(3)\n")
    paths = [str(fake.parent), *sys.path]
    environment = {
        **os.environ,
        "KERAS_BACKEND": "torch",
        "PYTHONPATH": os.pathsep.join(paths),
    }
    result = subprocess.run(
        [sys.executable, "-c", TRAINING],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr or "TensorFlow is imported"
    assert (tmp_path / "run" / "metrics.json").exists()


def test_public_names_resolve():
    import kerasnets

    for name in kerasnets.__all__:
        assert getattr(kerasnets, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kerasnets.nothing
