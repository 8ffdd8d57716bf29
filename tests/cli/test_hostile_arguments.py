"""Arguments of any kind to every command: one line and exit status 2, or an answer."""

import contextlib
import io
import itertools
import os
import pkgutil
from importlib import import_module

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import add_metrics, make_records

import kerasnets as package
from kerasnets.cli.commands import kerasnets
from kerasnets.cli.commands import run as _run
from kerasnets.errors import KerasnetsError

NAMES = [
    "vgg11",
    "densenet121",
    "digits",
    "mnist",
    "run",
    "test",
    "auto",
    "cpu",
    "torch",
]
NUMBERS = ["0", "1", "-1", "0.5", "nan", "inf", "1e999", "9" * 20, "0x10", "٣", "true"]
SIGNS = [
    "",
    " ",
    "-",
    "--",
    "--json",
    "--help",
    "é",
    "\udcff",
    "a\nb",
    "\x1b[2J",
]
PATHS = ["/proc/x", "/dev/null", "file", "file/x", "new/run", "~", "../x", "x" * 5000]
# No system passes a NUL in an argument, nor another surrogate than those that stand for
# bytes that are not UTF-8, as the one above does.
TEXT = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
)
WORDS = st.sampled_from(NAMES + NUMBERS + SIGNS + PATHS) | TEXT


def options(command: click.Command) -> list[str]:
    return [
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    ]


def arguments(name: str):
    option = st.sampled_from(options(kerasnets.commands[name]) or ["--json"])
    part = (
        st.tuples(WORDS)
        | st.tuples(option)
        | st.tuples(option, WORDS)
        | st.tuples(option, WORDS).map(lambda two: ("=".join(two),))
    )
    return st.lists(part, max_size=5).map(
        lambda parts: [name, *itertools.chain.from_iterable(parts)]
    )


class NotNow(KerasnetsError):
    """Where a command would download, compute or draw."""


def refuse(*_, **__):
    raise NotNow("not now.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder with a run, where commands get as far as their data."""
    from kerasnets import datasets, parity
    from kerasnets.benchmark import comparison
    from kerasnets.comparison import files as comparison_files
    from kerasnets.datasets.download import prepare
    from kerasnets.diagnosis import diagnose
    from kerasnets.paper.reproduction import estimate
    from kerasnets.paper.reproduction import reproduce as study
    from kerasnets.report import page
    from kerasnets.training import drill

    # A module imported while these are replaced would keep what stands in for them.
    for module in pkgutil.walk_packages(package.__path__, "kerasnets."):
        import_module(module.name)

    outside = tmp_path_factory.mktemp("outside")
    inside = outside / "inside"
    add_metrics(make_records(inside / "run"))
    (inside / "file").write_text("years of work")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(inside)
        patch.setenv("HOME", str(inside / "home"))
        patch.setenv("TFDS_DATA_DIR", str(inside / "no-data"))
        patch.setattr(datasets, "load", refuse)
        patch.setattr(prepare, "_builder", refuse)
        patch.setattr(comparison, "benchmark", refuse)
        patch.setattr(drill, "drill", refuse)
        patch.setattr(parity, "compare", refuse)
        patch.setattr(diagnose, "diagnose", refuse)
        patch.setattr(study, "reproduce", refuse)
        patch.setattr(estimate, "estimate", refuse)
        patch.setattr(comparison_files, "write_comparison", refuse)
        patch.setattr(comparison_files, "write_difference", refuse)
        patch.setattr(page, "write_page", refuse)
        patch.setattr("kerasnets.inference.card.model_card", refuse)
        patch.setattr("kerasnets.networks.build_model", refuse)
        yield inside


def check(folder, line: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    before = sorted(os.walk(folder.parent))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = _run(line)
    said = err.getvalue()
    assert "Traceback" not in said + out.getvalue()
    assert status in (0, 1, 2)
    if status == 2:
        assert out.getvalue() == ""
        assert len(said.strip().splitlines()) == 1, said
    assert sorted(os.walk(folder.parent)) == before


@pytest.mark.parametrize("name", sorted(kerasnets.commands))
def test_any_arguments_are_an_answer_or_one_line(folder, name):
    @given(line=arguments(name))
    def try_all(line):
        check(folder, line)

    # As many in all as another test draws.
    every = settings.default.max_examples
    settings(max_examples=max(10, every // len(kerasnets.commands)))(try_all)()


@given(line=st.lists(WORDS, max_size=3))
def test_any_command_is_an_answer_or_one_line(folder, line):
    check(folder, line)
