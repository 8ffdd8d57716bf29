"""Entry point: the group of commands, and how errors reach a person.

Only click and light modules are imported here, so that `kerasnets --help` is instant.
"""

import errno
import sys
from collections.abc import Sequence

import click

from kerasnets.cli.benchmark import benchmark
from kerasnets.cli.compare import compare
from kerasnets.cli.datasets import datasets
from kerasnets.cli.diagnose import diagnose
from kerasnets.cli.diff import diff
from kerasnets.cli.evaluate import evaluate
from kerasnets.cli.fit import fit
from kerasnets.cli.networks import networks
from kerasnets.cli.prepare import prepare
from kerasnets.cli.report import report
from kerasnets.cli.reproduce import reproduce
from kerasnets.cli.summary import summary
from kerasnets.errors import KerasnetsError, unknown
from kerasnets.version import __version__

INTERRUPTED = 130


class _Group(click.Group):
    def resolve_command(self, ctx: click.Context, args: list[str]):
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(unknown("command", name, self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


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
    networks,
    summary,
    datasets,
    prepare,
    benchmark,
):
    kerasnets.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with its exit status."""
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
    except (click.Abort, KeyboardInterrupt):
        return _fail(
            "interrupted; finished epochs are kept ('kerasnets fit --resume' goes on).",
            INTERRUPTED,
        )
    except BrokenPipeError:
        # The reader of a pipe (head, say) has seen enough.
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        return _fail(f"cannot write {error.filename or 'a file'}: {error.strerror}.", 1)


def _fail(message: str, status: int) -> int:
    click.echo(f"kerasnets: {message}", err=True)
    return status


if __name__ == "__main__":
    main()
