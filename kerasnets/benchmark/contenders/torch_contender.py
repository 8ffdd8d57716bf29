"""torchvision's networks in a hand-written PyTorch loop."""

import contextlib
from contextlib import AbstractContextManager
from typing import Any

import torch

from kerasnets.benchmark.clock import Clock
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.contenders.torch_batches import TorchBatches
from kerasnets.benchmark.work import CLASSES, LEARNING_RATE, MOMENTUM, Work
from kerasnets.catalog.networks import NETWORKS
from kerasnets.compute.memory import out_of_memory

_HALF = {"mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}


def make(contender: Contender, work: Work) -> "PlainRunner":
    return PlainRunner(contender, work)


class PlainRunner:
    """A training loop as an experienced PyTorch user writes it: the uint8 images of
    `TorchBatches`, autocast, cross-entropy, default torch.optim.SGD, and loss and
    accuracy accumulated on the device without synchronization.

    A compiled contender uses torch.compile, on CUDA with CUDA graphs.

    Args:
        contender: one without an engine.
    """

    def __init__(self, contender: Contender, work: Work) -> None:
        self._work, self._contender = work, contender
        self._kind = work.device.partition(":")[0]
        layout = (
            torch.channels_last if contender.channels_last else torch.contiguous_format
        )
        torch.manual_seed(0)
        module: Any = _network(contender, work)
        self._module = module.to(work.device, memory_format=layout)
        self._network: Any = self._module
        if contender.compiled:
            mode = "reduce-overhead" if self._kind == "cuda" else "default"
            self._network = torch.compile(self._module, mode=mode)
        self._optimizer = torch.optim.SGD(
            self._module.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM
        )
        self._loss = torch.nn.CrossEntropyLoss()
        scaled = work.precision == "mixed_float16" and work.what == "train"
        self._scaler = torch.amp.GradScaler(self._kind) if scaled else None
        self._batches: tuple[int, TorchBatches] | None = None

    def counts(self) -> dict[str, int]:
        return {}

    def run(self, steps: int, clock: Clock, *, warm_up: int = 0) -> None:
        batches = self._made(warm_up + steps)
        run = self._train if self._work.what == "train" else self._predict
        with out_of_memory.explained(self._work.batch_size):
            run(batches, steps, clock, warm_up)

    def _train(
        self, batches: TorchBatches, steps: int, clock: Clock, warm_up: int
    ) -> None:
        self._module.train()
        device = self._work.device
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), dtype=torch.int64, device=device)
        if warm_up == 0:
            clock.start()
        for done, (images, labels) in enumerate(batches.training(), start=1):
            self._optimizer.zero_grad(set_to_none=True)
            with self._autocast():
                logits = self._network(images)
                loss = self._loss(logits, labels)
            if self._scaler:
                self._scaler.scale(loss).backward()
                self._scaler.step(self._optimizer)
                self._scaler.update()
            else:
                loss.backward()
                self._optimizer.step()
            with torch.no_grad():
                loss_sum += loss * len(labels)
                correct += (logits.argmax(1) == labels).sum()
            if done == warm_up:
                clock.start()
        clock.stop()
        if not torch.isfinite(loss_sum):
            raise ValueError(f"the loss of {self._contender.name} is not a number")

    def _predict(
        self, batches: TorchBatches, steps: int, clock: Clock, warm_up: int
    ) -> None:
        self._module.eval()
        size = self._work.batch_size
        count = (warm_up + steps) * size
        found = torch.empty(count, CLASSES, device=self._work.device)
        # torch.compile's guards do not support inference mode in every version.
        grad = torch.no_grad if self._contender.compiled else torch.inference_mode
        if warm_up == 0:
            clock.start()
        with grad():
            for done, (images, _) in enumerate(batches.evaluation(), start=1):
                with self._autocast():
                    found[(done - 1) * size : done * size] = self._network(images)
                if done == warm_up:
                    clock.start()
        clock.stop()

    def _autocast(self) -> AbstractContextManager:
        half = _HALF.get(self._work.precision)
        if half is None:
            return contextlib.nullcontext()
        return torch.autocast(self._kind, half)

    def _made(self, steps: int) -> TorchBatches:
        """Batches for this number of steps, cached for the next turn."""
        if self._batches is None or self._batches[0] != steps:
            self._batches = None  # frees the old ones first
            last = self._contender.channels_last
            made = TorchBatches(self._work, steps, channels_last=last)
            self._batches = (steps, made)
        return self._batches[1]


def _network(contender: Contender, work: Work) -> torch.nn.Module:
    if contender.twin:
        from kerasnets.benchmark.contenders.plain_torch import plain_network

        return plain_network(
            work.network,
            batch_norm=True,
            channels=work.channels,
            num_classes=CLASSES,
        )
    import torchvision

    suffix = "_bn" if NETWORKS[work.network].family == "vgg" else ""
    return getattr(torchvision.models, work.network + suffix)(num_classes=CLASSES)
