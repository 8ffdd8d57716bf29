"""A whole benchmark: every network and batch size, and what is said of them."""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kerasnets import runs
from kerasnets.benchmark import contenders, profile
from kerasnets.benchmark.footprint import footprint
from kerasnets.benchmark.measure import Timing, interleave, ratio
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
    """Compare training steps, inference, start-up and memory, interleaved in one run.

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
    with runtime.session(device) as session:
        for network in networks:
            say(f"{network}: {', '.join(names)}")
            report = {
                "network": network,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "environment": session.environment(),
                "torchvision_is": contenders.plain_source(),
                "rounds": rounds,
                "image_size": contenders.IMAGE_SIZE,
                "channels": channels,
                "train": [
                    _compare(names, network, size, channels, session, rounds, "train")
                    for size in batch_sizes
                ],
                "inference": [
                    _compare(
                        names,
                        network,
                        inference_batch_size,
                        channels,
                        session,
                        rounds,
                        "predict",
                    )
                ],
                "footprint": _footprints(
                    names, network, batch_sizes[0], channels, session.device
                ),
            }
            reports.append(report)
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                runs.write_json(folder / f"{network}.json", report)
                if profiled:
                    rows = profile.profile(
                        names, network, batch_sizes[0], channels, session.device
                    )
                    table = folder / f"{network}-profile.csv"
                    runs.write_csv(table, profile.COLUMNS, rows)
    return reports


def _compare(
    names: list[str],
    network: str,
    batch_size: int,
    channels: int,
    session: runtime.Session,
    rounds: int,
    what: str,
) -> dict[str, Any]:
    made = {
        name: contenders.make(name, network, batch_size, channels, session.device)
        for name in names
    }
    calls = {name: getattr(one, what) for name, one in made.items()}
    timings = interleave(calls, images=batch_size, rounds=rounds, warm_up=2)
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
