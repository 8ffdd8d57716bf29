"""Entry point: the group of commands, and how errors reach a person.

Only click and light modules are imported here, so that `kerasnets --help` is instant.
"""

import errno
import shlex
import signal
import sys
from collections.abc import Sequence

import click

from kerasnets.cli.benchmark import benchmark
from kerasnets.cli.compare import compare
from kerasnets.cli.datasets import datasets
from kerasnets.cli.diagnose import diagnose
from kerasnets.cli.diff import diff
from kerasnets.cli.drill import drill
from kerasnets.cli.evaluate import evaluate
from kerasnets.cli.fit import fit
from kerasnets.cli.networks import networks
from kerasnets.cli.parity import parity
from kerasnets.cli.prepare import prepare
from kerasnets.cli.report import report
from kerasnets.cli.reproduce import reproduce
from kerasnets.cli.runs import runs
from kerasnets.cli.summary import summary
from kerasnets.cli.verify import verify
from kerasnets.errors import (
    InstallationError,
    Interrupted,
    KerasnetsError,
    command_line,
    import_failure,
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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context):
        # Here, as click would print an empty line for it.
        try:
            with command_line():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _Stopped(ctx.meta[_ARGUMENTS], error) from error


_ARGUMENTS = "kerasnets.arguments"


class _Stopped(click.ClickException):
    """Ctrl-C or SIGTERM: one line, and the exit status that shells expect."""

    def __init__(self, arguments: list[str], error: BaseException) -> None:
        if not isinstance(error, Interrupted):
            error = Interrupted(signal.SIGINT)
        self.exit_code = error.exit_status
        told = str(error).partition("; --resume")[0].rstrip(".")
        if arguments[:1] == ["fit"]:
            kept = [word for word in arguments if word not in _AFRESH_OR_ON]
            then = f"to go on: {shlex.join(['kerasnets', *kept, '--resume'])}"
        else:
            then = "every file that it had written is whole"
        super().__init__(f"{told}; {then}")


_AFRESH_OR_ON = ("--overwrite", "--resume")


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
)
@click.version_option(__version__, prog_name="kerasnets")
def kerasnets() -> None:
    """Train, evaluate and compare deep image-classification networks.

    The Keras backend is PyTorch; the environment variable KERAS_BACKEND switches it
    to jax or tensorflow. TFDS_DATA_DIR says where prepared datasets are.

    \b
    Example:
      kerasnets fit vgg19 --bn --head compact --dataset digits --epochs 3
      kerasnets evaluate
    """


for command in (
    fit,
    evaluate,
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
    prepare,
    benchmark,
    parity,
    drill,
):
    kerasnets.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with its exit status."""
    signal.signal(signal.SIGTERM, _end)
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        status = kerasnets.main(arguments, "kerasnets", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "kerasnets"
        message = " ".join(error.format_message().split())
        return _fail(f"{message} See '{command} --help'.", error.exit_code)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except KerasnetsError as error:
        return _fail(str(error), error.exit_status)
    except (click.Abort, KeyboardInterrupt) as error:  # before the command began
        stopped = _Stopped([], error.__cause__ or error)
        return _fail(stopped.format_message(), stopped.exit_code)
    except BrokenPipeError:
        # The reader of a pipe (head, say) has seen enough.
        sys.stderr.close()
        return 0
    except (ImportError, AttributeError) as error:
        failure = import_failure(error)
        if failure is None or "kerasnets" in failure.partition(":")[0]:
            raise
        return _fail(failure, InstallationError.exit_status)
    except MemoryError:
        return _fail("the memory is full; fewer or smaller images may fit.", 2)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            name = shown(error.filename or "a file")
            return _fail(f"cannot write {name}: {error.strerror}.", 1)
        if error.filename is None:
            raise
        # A name that is too long, a folder in the place of a file, and the like.
        return _fail(f"cannot use {shown(error.filename)}: {error.strerror}.", 2)


def _end(number: int, frame: object) -> None:
    """As Ctrl-C does, so that what is half-written is removed on the way out."""
    raise Interrupted(number)


def _fail(message: str, status: int) -> int:
    # A name from elsewhere must not begin another line or move the cursor.
    line = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in message)
    click.echo(f"kerasnets: {line}", err=True)
    return status


if __name__ == "__main__":
    main()
