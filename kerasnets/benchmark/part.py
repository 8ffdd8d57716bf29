"""The entry of a comparison in a report, and its line of output."""

import dataclasses
from typing import Any

from kerasnets.benchmark import roofline
from kerasnets.benchmark.contenders.choice import OURS
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.measure import Ready, Timing, ratio
from kerasnets.benchmark.processes import Found
from kerasnets.benchmark.work import Work


def part_of(
    work: Work,
    names: list[Contender],
    found: Found,
    ceiling: dict[str, float] | None,
) -> dict[str, Any]:
    """The entry of a comparison in NETWORK.json.

    Args:
        names: the contenders, ours first.
        ceiling: a result of `roofline.measure_ceiling`, if known.
    """
    counted = [ready.counts for ready in found.ready.values() if ready.counts]
    demands = roofline.demands(counted[0], work) if counted else None
    described = {}
    for one in names:
        if one.name in found.timings:
            timing, ready = found.timings[one.name], found.ready[one.name]
            described[one.name] = _numbers(timing, one, ready)
            if demands:
                reached = roofline.reached(demands, ceiling, timing.step_s)
                described[one.name].update(reached)
    timings = [len(timing.seconds) for timing in found.timings.values()]
    return {
        "batch_size": work.batch_size,
        "image_size": work.image_size,
        "precision": work.precision,
        "rounds": min(timings, default=0),
        "turns": found.turns,
        "contenders": described,
        "ratios": _ratios(found.timings, names),
        "failed": {
            name: dataclasses.asdict(failed) for name, failed in found.failed.items()
        },
        "demands": demands,
    }


def numbers_of(timing: Timing) -> dict[str, Any]:
    """A contender's times for the report."""
    return {
        "images_per_s": round(timing.images_per_s, 2),
        "spread": round(timing.spread, 4),
        "seconds": [float(f"{second:.4g}") for second in timing.seconds.tolist()],
    }


def ratio_of(ours: Timing, theirs: Timing) -> dict[str, Any]:
    """Our speedup and its interval for the report."""
    names = ("ratio", "low", "high")
    values = ratio(ours, theirs)
    return {name: round(one, 3) for name, one in zip(names, values, strict=True)}


def _numbers(timing: Timing, one: Contender, ready: Ready) -> dict[str, Any]:
    found = numbers_of(timing)
    if one.memory_format:
        found["memory_format"] = one.memory_format
    if one.compiled:
        found["compile_s"] = round(ready.compile_s, 2)
    return found


def _ratios(
    timings: dict[str, Timing], names: list[Contender]
) -> dict[str, dict[str, Any]]:
    """Our speedup over each other contender. Of plain PyTorch's two memory formats,
    only the faster is used, with the names of both."""
    if OURS not in timings:
        return {}
    formats = [
        one.name
        for one in names
        if one.is_plain and not one.compiled and one.name in timings
    ]
    best = max(formats, key=lambda name: timings[name].images_per_s, default=None)
    found: dict[str, dict[str, Any]] = {}
    for name, timing in timings.items():
        if name == OURS or (name in formats and name != best):
            continue
        found[name] = ratio_of(timings[OURS], timing)
        if name == best and len(formats) > 1:
            found[name]["faster_of"] = formats
    return found


def said(part: dict[str, Any]) -> str:
    """Ratios and failures, as the end of a line."""
    ratios = [f"{found['ratio']:.2f}x {name}" for name, found in part["ratios"].items()]
    failed = [f"{name} failed: {one['why']}" for name, one in part["failed"].items()]
    return "".join(f"; {one}" for one in (*ratios, *failed))
