"""The group of commands, and the reporting of errors.

Only click and light modules are imported here, so that `kerasnets --help` is instant.
"""

import contextlib
import errno
import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence

import click

from kerasnets.cli.data.datasets import datasets
from kerasnets.cli.data.inspect import inspect
from kerasnets.cli.data.prepare import prepare
from kerasnets.cli.runs.compare import compare
from kerasnets.cli.runs.diagnose import diagnose
from kerasnets.cli.runs.diff import diff
from kerasnets.cli.runs.evaluate import evaluate
from kerasnets.cli.runs.runs import runs
from kerasnets.cli.runs.verify import verify
from kerasnets.cli.stopping import is_stop, last_words, listen_no_more
from kerasnets.cli.study.report import report
from kerasnets.cli.study.reproduce import reproduce
from kerasnets.cli.training.benchmark import benchmark
from kerasnets.cli.training.drill import drill
from kerasnets.cli.training.fit import fit
from kerasnets.cli.training.networks import networks
from kerasnets.cli.training.parity import parity
from kerasnets.cli.training.summary import summary
from kerasnets.cli.use.card import card
from kerasnets.cli.use.explain import explain
from kerasnets.cli.use.export import export
from kerasnets.cli.use.predict import predict
from kerasnets.compute.import_guards import light_keras
from kerasnets.console import line, printable
from kerasnets.errors import (
    InstallationError,
    KerasnetsError,
    command_line,
    frames,
    import_failure,
    option,
    shown,
    unknown,
)
from kerasnets.version import __version__


class _Group(click.Group):
    def resolve_command(self, ctx: click.Context, args: list[str]):
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(unknown("command", name, self.list_commands(ctx)))
        return super().resolve_command(ctx, args)

    # Stops are caught in these two, because click would print an empty line first.

    def make_context(self, *given, **named):
        with _stops():
            return super().make_context(*given, **named)

    def invoke(self, ctx: click.Context):
        with _stops(), command_line():
            return super().invoke(ctx)


class _Stopped(Exception):
    """Raised from what has stopped the command."""


@contextlib.contextmanager
def _stops() -> Iterator[None]:
    try:
        if is_stop():
            raise KeyboardInterrupt
        yield
    except BaseException as error:
        if not is_stop(error):
            raise
        raise _Stopped from error


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
)
@click.version_option(__version__, prog_name="kerasnets")
def kerasnets() -> None:
    """Train, evaluate and compare deep image-classification networks.

    The Keras backend is PyTorch; the environment variable KERAS_BACKEND switches it
    to jax or tensorflow. TFDS_DATA_DIR names the folder of prepared datasets.

    \b
    Example:
      kerasnets fit vgg19 --bn --head compact --dataset digits --epochs 3
      kerasnets evaluate
    """


# Commands that only read small files. All others first check that the backend can be
# used: otherwise the import of Keras would end with a traceback.
_WITHOUT_KERAS = {networks, datasets, inspect, prepare, runs, verify, card}


def _with_backend(callback: Callable) -> Callable:
    @functools.wraps(callback)
    def checked(*arguments, **named):
        from kerasnets.compute.runtime import backend

        backend()
        return callback(*arguments, **named)

    return checked


for command in (
    fit,
    evaluate,
    predict,
    explain,
    export,
    card,
    compare,
    diff,
    diagnose,
    reproduce,
    report,
    runs,
    verify,
    networks,
    summary,
    datasets,
    inspect,
    prepare,
    benchmark,
    parity,
    drill,
):
    if command not in _WITHOUT_KERAS and command.callback:
        command.callback = _with_backend(command.callback)
    kerasnets.add_command(command)


def run_on_its_own(arguments: Sequence[str] | None) -> int:
    """Run the command line in a process of its own; return its exit status."""
    # Commands write figures and show none. Keras imports matplotlib, and a notebook
    # passes on a backend that only its own installation has.
    os.environ["MPLBACKEND"] = "agg"
    # Without a home folder, matplotlib warns at length that it has no place for its
    # cache.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with light_keras(), printable():
        return run(arguments)


def run(arguments: Sequence[str] | None) -> int:
    """Run the command line, print errors, and return the exit status."""
    try:
        return _answer(arguments)
    except Exception as error:
        failure = import_failure(error)
        if failure is None:
            raise
        return fail(failure, InstallationError.exit_status)


_PRINTING = ("click.utils", "rich.console", "keras.src.utils.io_utils")


def _not_printed(error: Exception) -> bool:
    """Whether printing raised the error: standard output accepts no more."""
    return any(module in _PRINTING for module, _ in frames(error))


def _answer(arguments: Sequence[str] | None) -> int:
    try:
        status = kerasnets.main(arguments, "kerasnets", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "kerasnets"
        message = " ".join(_with_option(error).format_message().split())
        return fail(f"{message} See '{command} --help'.", error.exit_code)
    except click.ClickException as error:
        return fail(error.format_message(), error.exit_code)
    except KerasnetsError as error:
        return fail(str(error), error.exit_status)
    except (_Stopped, click.Abort, KeyboardInterrupt) as error:
        words = list(sys.argv[1:] if arguments is None else arguments)
        return fail(*last_words(words, error.__cause__ or error))
    except MemoryError:
        return fail("the memory is full; fewer or smaller images may fit.", 2)
    except OSError as error:
        if import_failure(error):
            raise
        if _not_printed(error):
            _print_no_more()
            return fail(f"cannot write to standard output: {error.strerror}.", 1)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            name = shown(error.filename or "a file")
            return fail(f"cannot write {name}: {error.strerror}.", 1)
        if error.filename is None:
            raise
        # A name that is too long, a folder where a file is expected, and the like.
        return fail(f"cannot use {shown(error.filename)}: {error.strerror}.", 2)


def _with_option(error: click.UsageError) -> click.UsageError:
    """The error; if a parameter was named as in Python, it proposes the option:
    --learning-rate is --lr."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error
    with command_line():
        meant = option(error.option_name.lstrip("-").replace("-", "_"))
    if not any(meant in one.opts for one in error.ctx.command.params):
        return error
    return click.UsageError(f"{error.message} Did you mean '{meant}'?", error.ctx)


def _print_no_more() -> None:
    """Discard further output: Python would retry at exit, and print that it failed."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # no stream at all
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def fail(message: str, status: int) -> int:
    """Print the message as the command's last line; return the status."""
    listen_no_more()
    click.echo(f"kerasnets: {line(message)}", err=True)
    return status
