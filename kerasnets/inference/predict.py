"""Predictions for image files, and their output formats."""

import io
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnets.datasets.pipeline.batches import even_size
from kerasnets.errors import DatasetError, option, shown
from kerasnets.inference.classifier import Classifier, Predictions
from kerasnets.inference.files import decoded
from kerasnets.storage.files import write_csv_row


class UnreadableImage(DatasetError):
    """A file to classify cannot be read."""

    exit_status = 1


@dataclass(frozen=True)
class Answer:
    """The prediction for one file.

    Attributes:
        name: the file's name as given, or "-" for standard input.
        best: classes with their probabilities, most probable first; empty if the file
            cannot be read.
        why: why the file cannot be read, in one line; else "".
    """

    name: str
    best: Sequence[tuple[str, float]]
    why: str = ""


def predict_files(
    classifier: Classifier,
    files: Sequence[str | bytes],
    *,
    top_k: int = 5,
    batch_size: int = 256,
    tta: bool = False,
    on_corrupt: str = "skip",
    workers: int | None = None,
) -> Iterator[Answer]:
    """Classify image files in order; only a few are in memory at a time.

    Args:
        files: a result of `kerasnets.inference.files.image_files`.
        top_k: maximum number of classes per answer.
        batch_size, tta: see `Classifier.predict`. A smaller batch size that makes all
            batches equal is preferred, as in `evaluate`, so that both yield the same
            bits for the test images.
        on_corrupt: "skip" yields an answer with the reason for a file that cannot be
            read; "stop" raises.
        workers: processes that decode, see `kerasnets.inference.files.decoded`.

    Raises:
        UnreadableImage: a file cannot be read and `on_corrupt` is "stop".
    """
    size = even_size(len(files), batch_size)
    waiting: list[tuple[str, np.ndarray | str]] = []
    images = 0
    with classifier.session() as (session, _):
        ahead = session.device != "cpu"
    steps = classifier.preprocessing
    pixels = decoded(files, steps, workers, batch=max(1, size), ahead=ahead)
    for file, read in zip(files, pixels, strict=True):
        name = "-" if isinstance(file, bytes) else file
        if isinstance(read, str) and on_corrupt == "stop":
            raise UnreadableImage(
                f"{shown(name)} cannot be read: {read}; "
                f"{option('on_corrupt', 'skip')} leaves such files out."
            )
        waiting.append((name, read))
        images += not isinstance(read, str)
        if images == size:
            yield from _answers(classifier, waiting, top_k, tta)
            waiting, images = [], 0
    yield from _answers(classifier, waiting, top_k, tta)


def _answers(
    classifier: Classifier,
    waiting: Sequence[tuple[str, np.ndarray | str]],
    top_k: int,
    tta: bool,
) -> Iterator[Answer]:
    pixels = [read for _, read in waiting if not isinstance(read, str)]
    best: Iterator[list[tuple[str, float]]] = iter(())
    if pixels:
        found = classifier.probabilities(np.stack(pixels), tta=tta)
        best = iter(Predictions(classifier.class_names, found).top(top_k))
    for name, read in waiting:
        if isinstance(read, str):
            yield Answer(name, (), read)
        else:
            yield Answer(name, next(best))


def csv_lines(answers: Iterable[Answer], classes: int) -> Iterator[str]:
    """Header and rows: path, prediction, confidence, class_2, confidence_2, ... up to
    `classes`."""
    head = ["path", "prediction", "confidence"]
    for rank in range(2, classes + 1):
        head += [f"class_{rank}", f"confidence_{rank}"]
    yield _csv_line(head)
    for answer in answers:
        best = ((name, f"{share:.6f}") for name, share in answer.best)
        yield _csv_line([answer.name, *itertools.chain.from_iterable(best)])


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO(newline="")
    write_csv_row(line, cells)
    return line.getvalue()


def json_lines(answers: Iterable[Answer]) -> Iterator[str]:
    """One object per line: path, prediction, confidence and the best `classes`."""
    for answer in answers:
        yield json.dumps(_record(answer)) + "\n"


def json_array(answers: Iterable[Answer]) -> Iterator[str]:
    """One array with the objects of `json_lines`."""
    before = "["
    for answer in answers:
        yield f"{before}\n  {json.dumps(_record(answer))}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _record(answer: Answer) -> dict[str, Any]:
    (prediction, confidence), *_ = answer.best
    return {
        "path": answer.name,
        "prediction": prediction,
        "confidence": round(confidence, 6),
        "classes": [
            {"class": name, "confidence": round(share, 6)}
            for name, share in answer.best
        ],
    }


WRITERS: dict[str, Callable[[Iterable[Answer], int], Iterator[str]]] = {
    "csv": csv_lines,
    "json": lambda answers, _: json_array(answers),
    "jsonl": lambda answers, _: json_lines(answers),
}


def format_of(path: str | os.PathLike[str]) -> str:
    """The format for a file's extension: csv, json, jsonl, or else table."""
    ending = os.path.splitext(path)[1][1:].lower()  # noqa: PTH122
    return ending if ending in WRITERS else "table"
