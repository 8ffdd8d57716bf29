"""kerasnets predict: classify images with a trained run."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerasnets.cli.options import check_out, device_option, engine_option
from kerasnets.errors import DatasetError, shown
from kerasnets.text import Table, percent

if TYPE_CHECKING:
    from kerasnets.inference.predict import Answer


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", metavar="IMAGE|FOLDER|GLOB|-...", nargs=-1, required=True)
@click.option(
    "--top-k",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Number of classes to list.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "jsonl"]),
    help="Output format.  [default: by the ending of --out, else table]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write to this file; an existing one is replaced when all is done.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Maximum images in a step.",
)
@click.option(
    "--on-corrupt",
    type=click.Choice(["skip", "stop"]),
    default="skip",
    show_default=True,
    help="Whether to continue after a file that cannot be read; the exit status is 1 "
    "either way.",
)
@click.option(
    "--tta",
    is_flag=True,
    help="Average the predictions for each image and its mirror image.",
)
@device_option
@engine_option
def predict(
    run: Path,
    images: tuple[str, ...],
    top_k: int,
    form: str | None,
    out: Path | None,
    batch_size: int,
    on_corrupt: str,
    tta: bool,
    device: str,
    engine: str,
) -> int:
    """Classify images with a trained run.

    RUN is a run folder, or the name of one under artifacts/runs. FOLDER stands for all
    images in it, at any depth; "-" reads an image, or file names, one per line, from
    standard input. Images are resized and normalized as in training.

    Files that cannot be read are listed on standard error, and the exit status is 1.

    \b
    Examples:
      kerasnets predict mnist-vgg19-bn seven.png
      kerasnets predict mnist-vgg19-bn photos --out predictions.csv
      find photos -name '*.jpg' | kerasnets predict mnist-vgg19-bn - --format jsonl
    """
    from kerasnets import runs
    from kerasnets.runs.trained import check_trained

    chosen = runs.load(run)
    check_trained(chosen)
    if out is not None:
        check_out(out)
    from kerasnets.inference.files import image_files

    files = image_files(images, sys.stdin.buffer)
    if out is not None and _is_one_of(files, out):
        raise DatasetError(f"{shown(out)} is one of the images; choose another --out.")

    from kerasnets.compute.execution import Execution
    from kerasnets.inference.classifier import load
    from kerasnets.inference.predict import (
        WRITERS,
        Answer,
        format_of,
        predict_files,
    )

    classifier = load(chosen, execution=Execution(device, engine))
    unreadable: list[Answer] = []

    def readable() -> Iterator[Answer]:
        for answer in _shown_progress(
            predict_files(
                classifier,
                files,
                top_k=top_k,
                batch_size=batch_size,
                tta=tta,
                on_corrupt=on_corrupt,
            ),
            len(files),
        ):
            if answer.why:
                unreadable.append(answer)
            else:
                yield answer

    answers = readable()
    first = next(answers, None)
    if first is None:  # nothing to write
        _say_unreadable(unreadable, len(files))
        return 1
    answers = chain([first], answers)
    form = form or (format_of(out) if out else "table")
    columns = min(top_k, len(classifier.class_names))
    if form == "table":
        lines = _table_lines(answers, wide=out is not None)
    else:
        lines = WRITERS[form](answers, columns)
    if out is None:
        for line in lines:
            click.echo(line, nl=False)
    else:
        from kerasnets.storage.files import atomic_file

        with atomic_file(out) as file:
            file.writelines(lines)
    _say_unreadable(unreadable, len(files))
    return 1 if unreadable else 0


def _is_one_of(files: Iterable[str | bytes], out: Path) -> bool:
    there = (Path(one) for one in files if isinstance(one, str))
    return out.exists() and any(one.exists() and out.samefile(one) for one in there)


def _say_unreadable(unreadable: Sequence["Answer"], count: int) -> None:
    if unreadable and len(unreadable) == count:
        one = unreadable[0]
        others = f"{count - 1:,} other file{'s' * (count > 2)}"
        more = f", nor can {others}" if count > 1 else ""
        click.echo(
            f"kerasnets: {shown(one.name)} cannot be read{more}: {one.why}", err=True
        )
        return
    for answer in unreadable:
        click.echo(f"kerasnets: {shown(answer.name)}: {answer.why}", err=True)
    if unreadable:
        click.echo(
            f"kerasnets: {len(unreadable):,} of {count:,} files cannot be read.",
            err=True,
        )


def answers_table(answers: Iterable["Answer"]) -> Table:
    """Predictions for files: the best class, its probability, and the runners-up."""
    rows = []
    for answer in answers:
        (name, share), *others = answer.best
        then = ", ".join(f"{other} {percent(p)}" for other, p in others)
        rows.append((answer.name, name, percent(share), then))
    columns = ("image", "prediction", "confidence", "then")
    return Table(columns, tuple(rows), words=("prediction", "then"))


def _table_lines(answers: Iterable["Answer"], wide: bool) -> Iterator[str]:
    from kerasnets.cli.tables import print_table
    from kerasnets.console import console

    printer = console(width=1000) if wide else console()
    with printer.capture() as captured:
        print_table(answers_table(answers), wrap=True, screen=printer)
    yield captured.get()


def _shown_progress(answers: Iterator, count: int) -> Iterator:
    if count < 256 or not sys.stderr.isatty():
        yield from answers
        return
    from rich.progress import track

    from kerasnets.console import console

    yield from track(
        answers, "images", count, console=console(stderr=True), transient=True
    )
