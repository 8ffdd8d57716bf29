"""Commands where the backend, the terminal, the home folder or an installation is not
as they would have it."""

import errno
import importlib.util
import io
import json
import os
import pwd
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import click
import matplotlib
import pytest
from made_records import add_metrics, make_records
from made_runs import make_run

from kerasnets import runs
from kerasnets.catalog.locations import cache_folders, data_folder
from kerasnets.cli.commands import kerasnets
from kerasnets.cli.commands import run as _run
from kerasnets.cli.options import Name
from kerasnets.compute import runtime
from kerasnets.console import printable
from kerasnets.errors import KerasnetsError
from kerasnets.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    run = make_records(tmp_path_factory.mktemp("work") / "artifacts" / "runs" / "run")
    add_metrics(run)
    return run


@pytest.fixture
def place(run, monkeypatch, tmp_path):
    """A working folder with a run, and no data."""
    monkeypatch.chdir(run.path.parents[2])
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "no-data"))
    monkeypatch.setattr("kerasnets.datasets.download.prepare._check_reachable", refuse)


def refuse(*_):
    raise OSError(errno.ENETUNREACH, "no network in tests", "network")


def shortest(command: click.Command, run: Run) -> list[str]:
    """The command's name with the arguments that it needs."""
    words = [command.name or ""]
    for parameter in command.params:
        if parameter.required:
            # An inspection of a known dataset would be made.
            named = isinstance(parameter.type, Name) and command.name != "inspect"
            words += parameter.opts[:1] if isinstance(parameter, click.Option) else []
            words.append(parameter.type.names[0] if named else str(run.path))
    return words


def said(words: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = _run(words)
    return status, out.getvalue(), err.getvalue()


# Those that work whatever Keras is like.
WITHOUT_KERAS = {"card", "datasets", "inspect", "networks", "prepare", "runs", "verify"}


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        ("theano", "unknown KERAS_BACKEND 'theano'"),
        ("Torch", "Did you mean 'torch'"),
        ("", "unknown KERAS_BACKEND ''"),
        ("jax", "pip install 'kerasnets[jax]' adds it"),
    ],
)
@pytest.mark.parametrize("name", kerasnets.commands)
def test_a_backend_is_checked_before_keras_is_imported(
    name, backend, says, run, place, monkeypatch
):
    # As if nothing had imported Keras, nor installed JAX.
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(
        runtime,
        "find_spec",
        lambda name: None if name == "jax" else importlib.util.find_spec(name),
    )
    monkeypatch.setenv("KERAS_BACKEND", backend)
    before = sorted(os.walk("."))
    status, out, err = said(shortest(kerasnets.commands[name], run))
    assert "keras" not in sys.modules
    assert sorted(os.walk(".")) == before
    assert len(err.splitlines()) == (status == 2)
    if name in WITHOUT_KERAS:
        assert says not in err
    else:
        assert (status, out) == (2, "")
        assert says in err
    assert said([name, "--help"])[0] == 0


def test_another_backend_of_an_imported_keras_is_one_line(monkeypatch, tmp_path):
    import keras

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    status, _, err = said(["fit", "vgg11", "--dataset", "digits"])
    assert (status, len(err.splitlines())) == (2, 1)
    assert "import kerasnets before keras" in err


def test_a_package_that_is_missing_is_named(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    status, _, err = said(["prepare", "mnist"])
    assert (status, len(err.splitlines())) == (2, 1)
    assert "cannot import tensorflow_datasets" in err


def test_settings_that_keras_refuses_are_one_line(place, monkeypatch, tmp_path):
    (tmp_path / "keras.py").write_text("int('ten')  # as of KERAS_MAX_EPOCHS\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    try:
        status, _, err = said(["summary", "vgg11"])
    finally:
        sys.modules.pop("keras", None)
    assert (status, len(err.splitlines())) == (2, 1)
    assert "cannot import keras: invalid literal for int()" in err


@pytest.mark.parametrize("command", ["fit", "diagnose"])
def test_a_missing_folder_is_told_before_keras_is_imported(command, place, monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    # Modules that import Keras, which an earlier test may have imported.
    for name in [name for name in sys.modules if name.startswith("kerasnets.training")]:
        monkeypatch.delitem(sys.modules, name)
    before = sorted(os.walk("."))
    status, _, err = said([command, "resnet18", "--dataset", "./gone"])
    assert "keras" not in sys.modules
    assert (status, len(err.splitlines())) == (2, 1)
    assert "is not there" in err
    assert sorted(os.walk(".")) == before


@pytest.fixture
def homeless(monkeypatch):
    """A user with a number alone, as `docker run --user 54321` makes one."""

    def unknown(*_):
        raise KeyError("uid not found")

    for name in ("HOME", "TFDS_DATA_DIR", "KERASNETS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)


def test_no_home_folder_is_needed(homeless, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, out, _ = said(["datasets"])
    assert status == 0
    assert "There is no home folder: set TFDS_DATA_DIR to" in out
    status, _, err = said(["fit", "vgg11", "--dataset", "mnist"])
    assert (status, len(err.splitlines())) == (2, 1)
    assert "name a folder with TFDS_DATA_DIR" in err
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    status, out, _ = said(["datasets"])
    assert (status, "no home" in out) == (0, False)


@pytest.mark.parametrize("variable", ["TFDS_DATA_DIR", "KERASNETS_CACHE"])
def test_the_home_folder_of_nobody_is_one_line(variable, homeless, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/none")
    monkeypatch.setenv(variable, "~nobody/data")
    with pytest.raises(KerasnetsError, match="'~nobody/data' refers to a home folder"):
        cache_folders(data_folder(None))


LINES = {
    "datasets": [],
    "networks": [],
    "runs": [],
    "summary": ["resnet18"],
    "verify": ["run"],
}


@pytest.mark.parametrize("name", LINES)
def test_text_reaches_a_terminal_that_knows_ascii_alone(name, place, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    with printable():
        assert _run([name, *LINES[name]]) == 0
    assert stream.buffer.getvalue().decode("ascii")


@pytest.mark.parametrize("name", ["[/x] :smile:", "chat\N{NO-BREAK SPACE}noir\x1b[2J"])
def test_a_folder_of_any_name_is_shown(name, tmp_path, capsys, monkeypatch):
    folder = tmp_path / name
    for which in (name, f"{name}2"):
        make_run(folder / which)
    monkeypatch.chdir(folder)
    written = name if name.isprintable() else ascii(name)[1:-1]
    for words in (
        ["datasets", "--data-dir", "data" + name],
        ["runs", "."],
        ["verify", name],
        ["compare", name, f"{name}2", "--out", "out" + name],
        ["diff", name, f"{name}2", "--out", "diff" + name],
        ["evaluate", "none" + name],
    ):
        _run(words)
        out, err = capsys.readouterr()
        # A table may break a long name in two.
        assert written.replace(" ", "") in "".join((out + err).split()), words
        assert "\x1b" not in out + err


class Full(io.StringIO):
    """Standard output on a disk that is full."""

    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", LINES)
def test_what_cannot_be_printed_is_one_line(name, place, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr("kerasnets.cli.commands._print_no_more", lambda: None)
    assert _run([name, *LINES[name]]) == 1
    err = capsys.readouterr().err
    assert err == f"kerasnets: cannot write to standard output: {os.strerror(28)}.\n"


def test_fit_and_evaluate_amid_all_of_it(tmp_path):
    """A container: no home, the C locale, a notebook's environment, Keras's settings of
    another project."""
    name = "r\xf3n [/x] 'q'"
    keras = tmp_path / "keras"
    keras.mkdir()
    (keras / "keras.json").write_text(json.dumps({"floatx": "float64"}))
    environment = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "MPLBACKEND": "module://not_installed.backend_inline",
        "KERAS_HOME": str(keras),
        "KERAS_MAX_EPOCHS": "1",
        "HOME": "/nonexistent",
        "MPLCONFIGDIR": matplotlib.get_configdir(),  # or it looks at every font anew
        "OMP_NUM_THREADS": "1",
    }
    code = (
        "import sys; from kerasnets.cli.main import main\n"
        "try: main(['fit', 'resnet18', *sys.argv[2:], '--out', sys.argv[1]])\n"
        "except SystemExit as end: assert not end.code\n"
        "main(['evaluate', sys.argv[1]])"
    )
    options = "--dataset digits --limit 30 --batch-size 9 --epochs 2 --device cpu"
    result = subprocess.run(
        [sys.executable, "-c", code, os.fsencode(name), *options.split()],
        env=environment,
        capture_output=True,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    out = result.stdout.decode("ascii")
    assert len(runs.load(tmp_path / name).history) == 2
    assert "32x32x1" in out
    assert "next: kerasnets evaluate $'r\\xc3\\xb3n [/x] \\'q\\''" in out
    assert "accuracy" in out.partition("next:")[2]
