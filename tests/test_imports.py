"""Imports go one way, and nothing heavy is imported before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A module may import from rooms of a lower rank and from its own room.
RANKS = {
    "version": 0,
    "errors": 0,
    "collapse": 0,
    "energy": 0,
    "printing": 0,
    "user_cache": 0.5,
    "schema": 1,
    "manifest": 1,
    "specs": 1,
    "folders": 1,
    "names": 2,
    "recipes": 2,
    "files": 2,
    "lock": 2.5,
    "runs": 3,
    "run_results": 3.5,
    "run_states": 4,
    "networks": 4,
    "datasets": 4,
    "engines": 4,
    "training": 5,
    "evaluation": 6,
    "figures": 7,
    "study": 8,
    "benchmark": 8.5,
    "drill": 8,
    "parity": 8.7,
    "report": 9,
    "cli": 10,
}


def room(module: str) -> str:
    parts = module.split(".")
    if len(parts) == 1:
        return "version"  # `kerasnets` itself: light, and imported by everything
    # Facts and small files, which the recipe looks at.
    return parts[-1] if parts[-1] in ("specs", "folders") else parts[1]


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


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=str)
def test_imports_go_left_to_right(module, path):
    if module == "kerasnets":
        pytest.skip("the package itself imports its rooms lazily, by name")
    here = room(module)
    for other in imported_modules(path):
        if other.partition(".")[0] != "kerasnets":
            continue
        there = room(other)
        if there != here:
            assert RANKS[there] < RANKS[here], f"{module} imports {other}"


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def test_only_figures_import_matplotlib():
    for module, path in modules():
        if room(module) != "figures":
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
        "from kerasnets.cli.main import _run\n"
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()): assert _run(['--help']) == 0\n"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    heavy = {"keras", "torch", "numpy", "tensorflow", "matplotlib", "sklearn", "rich"}
    assert not heavy & set(loaded.split())


def test_tensorflow_is_never_imported_on_the_default_path():
    loaded = run_python(
        "import sys\n"
        "import kerasnets, kerasnets.training.fit, kerasnets.evaluation.evaluate\n"
        "import kerasnets.figures, kerasnets.datasets.pipeline.batches\n"
        "kerasnets.build_model('vgg11', head='compact')\n"
        "print('tensorflow' in sys.modules)"
    )
    assert loaded == "False"


def test_public_names_resolve():
    import kerasnets

    for name in kerasnets.__all__:
        assert getattr(kerasnets, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kerasnets.nothing
