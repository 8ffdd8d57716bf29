"""A whole benchmark: every network and batch size, and what is said of them."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kerasnets import runs
from kerasnets.benchmark import contenders, profile
from kerasnets.benchmark.footprint import footprint
from kerasnets.benchmark.measure import Timing, interleave, ratio
from kerasnets.benchmark.turns import turns
from kerasnets.benchmark.worker import Worker
from kerasnets.engines import runtime
from kerasnets.errors import BackendError, unknown
from kerasnets.networks.specs import NETWORKS

OURS = "kerasnets"


def benchmark(
    networks: Sequence[str],
    *,
    batch_sizes: Sequence[int] = (64,),
    inference_batch_size: int = 256,
    against: tuple[str, ...] = ("torchvision", "keras"),
    rounds: int = 7,
    channels: int = 3,
    device: str = "auto",
    folder: Path | None = None,
    profiled: bool = False,
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Compare training steps, inference, start-up and memory.

    Each contender of a network has a process of its own; they take turns. This process
    only waits.

    Args:
        networks: names; batch norm on, head and stem "imagenet", 32x32 images.
        batch_sizes: images in a training step.
        inference_batch_size: images in one inference call.
        against: what kerasnets is compared with, of "torchvision" and "keras".
        rounds: interleaved repetitions that count.
        folder: where to write NETWORK.json; nothing is written if None.
        profiled: also write NETWORK-profile.csv there, of a training step at the first
            batch size.
        say: takes a line when a network is begun.

    Returns:
        What each NETWORK.json holds.

    Raises:
        BackendError: a contender is unknown or the backend does not have it.
        ProcessEnded: a contender's process was killed, by the system for example when
            memory ran out.
    """
    contenders.check(against)
    if profiled:
        profile.check()
    if "torchvision" in against and runtime.backend() != "torch":
        raise BackendError(
            "comparing with torchvision needs the PyTorch backend; --against keras "
            "works with others."
        )
    for network in networks:
        if network not in NETWORKS:
            raise BackendError(unknown("network", network, NETWORKS))
    names = contenders.expand((OURS, *against))
    reports = []
    for network in networks:
        with contextlib.ExitStack() as stack:
            workers = {name: stack.enter_context(Worker(name)) for name in names}
            environment, place = workers[OURS].call(_place, device)
            say(f"{network}: {', '.join(names)}")
            report = {
                "network": network,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "environment": environment,
                "torchvision_is": contenders.plain_source(),
                "processes": "one for each contender",
                "rounds": rounds,
                "image_size": contenders.IMAGE_SIZE,
                "channels": channels,
                "train": [
                    _compare(workers, network, size, channels, place, rounds, "train")
                    for size in batch_sizes
                ],
                "inference": [
                    _compare(
                        workers,
                        network,
                        inference_batch_size,
                        channels,
                        place,
                        rounds,
                        "predict",
                    )
                ],
            }
            first = batch_sizes[0]
            rows = []
            if profiled:
                rows = profile.profile(workers, network, first, channels, place)
        report["footprint"] = _footprints(names, network, first, channels, place)
        reports.append(report)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            runs.write_json(folder / f"{network}.json", report)
            if rows:
                table = folder / f"{network}-profile.csv"
                runs.write_csv(table, profile.COLUMNS, rows)
    return reports


def _place(device: str) -> tuple[dict[str, Any], str]:
    """The environment, and the device by its full name."""
    with runtime.session(device) as session:
        return session.environment(), session.device


def _compare(
    workers: dict[str, Worker],
    network: str,
    batch_size: int,
    channels: int,
    device: str,
    rounds: int,
    what: str,
) -> dict[str, Any]:
    # All drop what they had before any makes anew.
    for name, worker in workers.items():
        worker.begin(turns, name, network, batch_size, channels, device, what)
    timings = interleave(
        {name: worker.next for name, worker in workers.items()},
        images=batch_size,
        rounds=rounds,
        warm_up=1,
    )
    return {
        "batch_size": batch_size,
        "contenders": {name: _numbers(timing) for name, timing in timings.items()},
        "ratios": _ratios(timings),
    }


def _numbers(timing: Timing) -> dict[str, Any]:
    return {
        "images_per_s": round(timing.images_per_s, 2),
        "spread": round(timing.spread, 4),
        "seconds": [round(second, 5) for second in timing.seconds.tolist()],
    }


def _ratios(timings: dict[str, Timing]) -> dict[str, dict[str, float]]:
    """Ours against each other; of torchvision's two memory formats, the faster."""
    others = {name: timing for name, timing in timings.items() if name != OURS}
    formats = [name for name in others if name.startswith("torchvision")]
    if formats:
        best = max(formats, key=lambda name: others[name].images_per_s)
        for name in formats:
            if name != best:
                del others[name]
    found = {}
    for name, timing in others.items():
        middle, low, high = ratio(timings[OURS], timing)
        found[name] = {
            "ratio": round(middle, 3),
            "low": round(low, 3),
            "high": round(high, 3),
        }
    return found


def _footprints(
    names: list[str], network: str, batch_size: int, channels: int, device: str
) -> dict[str, dict[str, Any]]:
    return {
        name: dataclasses.asdict(footprint(name, network, batch_size, channels, device))
        for name in names
    }
