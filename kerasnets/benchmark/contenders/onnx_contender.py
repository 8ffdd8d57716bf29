"""The network as an ONNX file, which `export` writes and onnxruntime runs."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from kerasnets.benchmark.clock import Clock
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.contenders.untrained import untrained
from kerasnets.benchmark.work import CLASSES, Work, random_images, rows
from kerasnets.compute.execution import Execution
from kerasnets.inference.export.formats import checked, onnx_runner
from kerasnets.inference.export.network import metadata


def make(contender: Contender, work: Work) -> "OnnxRunner":
    return OnnxRunner(work)


class OnnxRunner:
    """Inference on a CPU: from uint8 images to probabilities, as the file has it, with
    as many threads as PyTorch has."""

    def __init__(self, work: Work) -> None:
        self._work = work
        classifier = untrained(
            work.network, work.image_size, Execution("cpu"), channels=work.channels
        )
        with tempfile.TemporaryDirectory(prefix="kerasnets-onnx-") as folder:
            file = Path(folder) / f"{work.network}.onnx"
            checked("onnx").write(classifier, file, metadata(classifier))
            self._run = onnx_runner(file, threads=torch.get_num_threads())
        self._images, _ = random_images(work)

    def counts(self) -> dict[str, int]:
        return {}

    def run(self, steps: int, clock: Clock, *, warm_up: int = 0) -> None:
        work, count = self._work, warm_up + steps
        order = rows(len(self._images), work, count).reshape(count, work.batch_size)
        found = np.empty((count, work.batch_size, CLASSES), np.float32)
        for step, chosen in enumerate(order):
            if step == warm_up:
                clock.start()
            found[step] = self._run(self._images[chosen])
        clock.stop()
