"""`predict` on photographs beside the network's own inference, images a second.

The network alone gets pixels that are in memory, through the calls and in the batches
of `predict`, which reads and decodes the files as well.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kerasnets.benchmark.contenders.untrained import untrained
from kerasnets.benchmark.data import HEIGHT, WIDTH, load_average, make_photos
from kerasnets.benchmark.measure import interleave
from kerasnets.benchmark.part import numbers_of, ratio_of
from kerasnets.catalog.networks import check_size
from kerasnets.compute.execution import DEFAULT, Execution
from kerasnets.compute.memory.use import resident_bytes
from kerasnets.compute.threads import allowed_cores
from kerasnets.inference.classifier import Classifier
from kerasnets.inference.predict import predict_files
from kerasnets.storage.files import write_json

SIZE = 224  # pixels
BATCHES = 4  # of a pass that is timed
_PHOTOS = 256  # that differ
_UNTIMED = 2  # batches of a pass: the first, and the last, in which none is decoded


def file_of(network: str, image_size: int) -> str:
    return f"predict/{network}-{image_size}.json"  # apart from the reports of networks


def benchmark_predict(
    network: str = "resnet34",
    *,
    rounds: int = 7,
    batch_size: int = 64,
    image_size: int = SIZE,
    execution: Execution = DEFAULT,
    folder: Path | str | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure both in turns.

    A pass of `predict` is timed from the end of its first batch to the end of the one
    before its last: like most of a long one, whose workers have started.

    Args:
        network: a name; its weights are random.
        rounds: interleaved repetitions that count.
        batch_size: images in a step.
        image_size: height and width in pixels that the network takes.
        folder: where to write `file_of`; nothing is written if None.
        say: receives a line when the photographs are made.

    Returns:
        What the file holds: images a second of each, the ratio with its bootstrap
        interval, and the memory of all processes at the start and at the end.
    """
    check_size(network, "imagenet", image_size, image_size)
    count = (BATCHES + _UNTIMED) * batch_size
    classifier = untrained(network, image_size, execution)
    with tempfile.TemporaryDirectory(prefix="kerasnets-predict-") as place:
        distinct = make_photos(Path(place), min(_PHOTOS, count))
        say(f"{len(distinct)} photographs of {WIDTH}x{HEIGHT}")
        files = [os.fspath(distinct[row % len(distinct)]) for row in range(count)]
        predicting = _Predicting(classifier, files, batch_size)
        timings = interleave(
            {
                "predict": predicting.turn,
                "network": _alone(classifier, files[:batch_size]),
            },
            images=BATCHES * batch_size,
            rounds=rounds,
            warm_up=1,
        )
        with classifier.session() as (session, engine):
            environment = session.environment()
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment,
        "engine": engine,
        "load_average": [round(one, 2) for one in load_average()],
        "network": network,
        "image_size": image_size,
        "photograph": [WIDTH, HEIGHT],
        "batch_size": batch_size,
        "images": BATCHES * batch_size,
        "images_read": predicting.images,
        "workers": predicting.workers,
        "rounds": rounds,
        "contenders": {name: numbers_of(timing) for name, timing in timings.items()},
        "ratio": ratio_of(timings["predict"], timings["network"]),
        "first_batch_s": round(predicting.first_batch_s, 3),
        "memory_mb": predicting.memory,
    }
    if folder is not None:
        file = Path(folder) / file_of(network, image_size)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, report)
    return report


class _Predicting:
    """Passes of `predict` over files.

    Attributes:
        images: read so far.
        workers: processes that decode.
        first_batch_s: seconds to the answers of the first batch, worker processes
            started, in the latest pass.
    """

    def __init__(
        self, classifier: Classifier, files: list[str], batch_size: int
    ) -> None:
        self._classifier, self._files = classifier, files
        self._batch_size = batch_size
        self.images = self.workers = 0
        self.first_batch_s = 0.0
        self._memory_mb: list[float] = []

    @property
    def memory(self) -> dict[str, float] | None:
        """Of all processes, the workers included, in megabytes (10^6 bytes): after the
        first batch, and before the last one of the last pass. None where the platform
        does not say."""
        if not self._memory_mb:
            return None
        return {"first": self._memory_mb[0], "last": self._memory_mb[-1]}

    def turn(self) -> float:
        """Seconds of the timed batches of a pass."""
        ends, began = [], time.perf_counter()
        for row, _ in enumerate(self._answers(), start=1):
            if row % self._batch_size == 0:
                ends.append(time.perf_counter())
            if row in (self._batch_size, len(self._files) - self._batch_size):
                self._count_processes()
        self.images += len(self._files)
        self.first_batch_s = ends[0] - began
        return ends[-2] - ends[0]

    def _answers(self) -> Iterator:
        return predict_files(
            self._classifier,
            self._files,
            batch_size=self._batch_size,
            workers=allowed_cores(),  # as many as for a long list of files
        )

    def _count_processes(self) -> None:
        children = [one.pid for one in multiprocessing.active_children()]
        self.workers = len(children)
        sizes = [resident_bytes(pid) for pid in (os.getpid(), *children)]
        if None not in sizes:
            self._memory_mb.append(round(sum(filter(None, sizes)) / 1e6, 1))


def _alone(classifier: Classifier, files: list[str]) -> Callable[[], float]:
    pixels = classifier.pixels(files)

    def turn() -> float:
        began = time.perf_counter()
        for _ in range(BATCHES):
            classifier.probabilities(pixels)
        return time.perf_counter() - began

    return turn
