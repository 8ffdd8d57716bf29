"""A whole benchmark: every network, batch size and precision, and what is said of them.

What a file holds grows as it is found out: a benchmark that is cut off leaves that.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kerasnets import runs
from kerasnets.benchmark import profile, roofline
from kerasnets.benchmark.compiling import Compiled, empty_cache
from kerasnets.benchmark.contenders import choice
from kerasnets.benchmark.contenders.choice import OURS
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.footprint import Footprint, footprint
from kerasnets.benchmark.measure import Ready, Timing, ratio
from kerasnets.benchmark.processes import Found, Processes
from kerasnets.benchmark.work import Work
from kerasnets.catalog.networks import NETWORKS
from kerasnets.compute import runtime
from kerasnets.compute.worker import Worker
from kerasnets.errors import BackendError, unknown
from kerasnets.recipe import PRECISIONS

# What is measured; the first two have turns.
PARTS = ("train", "inference", "start")
USUAL_SIZE = 32


def benchmark(
    networks: Sequence[str],
    *,
    batch_sizes: Sequence[int] = (64,),
    inference_batch_size: int = 256,
    precisions: Sequence[str] = ("float32",),
    image_size: int = USUAL_SIZE,
    against: tuple[str, ...] = ("torchvision", "keras"),
    engine: str = "auto",
    only: Sequence[str] = PARTS,
    rounds: int = 7,
    budget_s: float | None = None,
    channels: int = 3,
    device: str = "auto",
    folder: Path | str | None = None,
    profiled: bool = False,
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Compare training, inference, start-up and memory.

    Each contender of a network has a process of its own; they take turns. This process
    only waits. A contender that fails alone is recorded as failed; the others go on.

    Args:
        networks: names; batch norm on, head and stem "imagenet".
        batch_sizes: images in a training step.
        inference_batch_size: images in an inference step.
        precisions: of `kerasnets.recipe.PRECISIONS`; plain PyTorch's is autocast's.
        image_size: height and width in pixels.
        against: what kerasnets is compared with, of `contenders.OTHERS`.
        engine: kerasnets' own, one of `kerasnets.engines.choice.ENGINES`.
        only: what to measure, of `PARTS`.
        rounds: interleaved repetitions that count.
        budget_s: seconds after which nothing is begun any more.
        folder: where to write NETWORK.json, or NETWORK-SIZE.json for other images than
            32x32; nothing is written if None.
        profiled: also write NETWORK-profile.csv there, of a training step at the first
            batch size and precision.
        say: takes a line when a network is begun, and when a comparison has ended.

    Returns:
        What each file holds.

    Raises:
        BackendError: a contender is unknown or the backend does not have it, or the
            device.
        ProcessEnded: a contender's process was killed, by the system for example when
            memory ran out.
    """
    _check(networks, precisions, against, only)
    if profiled:
        profile.check()
    until = math.inf if budget_s is None else time.perf_counter() + budget_s
    names = choice.expand(against, engine=engine, channels=channels)
    reports = []
    for network in networks:
        plan = _Plan(
            network,
            tuple(batch_sizes),
            inference_batch_size,
            tuple(precisions),
            image_size,
            channels,
            tuple(part for part in PARTS if part in only),
            rounds,
            until,
        )
        one = _Benchmark(plan, names, folder, say)
        reports.append(one.run(device, engine, profiled))
    return reports


def _check(
    networks: Sequence[str],
    precisions: Sequence[str],
    against: tuple[str, ...],
    only: Sequence[str],
) -> None:
    choice.check(against)
    for kind, asked, allowed in (
        ("network", networks, NETWORKS),
        ("precision", precisions, PRECISIONS),
        ("part", only, PARTS),
    ):
        for name in asked:
            if name not in allowed:
                raise BackendError(unknown(kind, name, allowed))


@dataclasses.dataclass(frozen=True)
class _Plan:
    """What is measured of one network.

    Attributes:
        until: of `time.perf_counter()`, when the budget ends.
    """

    network: str
    batch_sizes: tuple[int, ...]
    inference_batch_size: int
    precisions: tuple[str, ...]
    image_size: int
    channels: int
    only: tuple[str, ...]
    rounds: int
    until: float

    def works(self, device: str) -> list[Work]:
        sizes = {"train": self.batch_sizes, "inference": (self.inference_batch_size,)}
        return [
            self.work(what, size, precision, device)
            for precision in self.precisions
            for what in ("train", "inference")
            if what in self.only
            for size in sizes[what]
        ]

    def work(self, what: str, size: int, precision: str, device: str) -> Work:
        return Work(
            network=self.network,
            what=what,
            batch_size=size,
            image_size=self.image_size,
            channels=self.channels,
            precision=precision,
            device=device,
        )

    def first(self, device: str) -> Work:
        return self.work("train", self.batch_sizes[0], self.precisions[0], device)

    @property
    def over(self) -> bool:
        return time.perf_counter() > self.until

    @property
    def stem(self) -> str:
        """Of the names of the files."""
        size = self.image_size
        return self.network + ("" if size == USUAL_SIZE else f"-{size}")


class _Benchmark:
    """One network's.

    Args:
        names: the contenders, ours first.
        folder: where the report is written whenever it has grown; None for nowhere.
    """

    def __init__(
        self,
        plan: _Plan,
        names: list[Contender],
        folder: Path | str | None,
        say: Callable[[str], None],
    ) -> None:
        self._plan, self._names, self._say = plan, names, say
        self._folder = None if folder is None else Path(folder)
        self._report: dict[str, Any] = {}

    def run(self, device: str, engine: str, profiled: bool) -> dict[str, Any]:
        plan = self._plan
        compiled = [one for one in self._names if one.compiled]
        with contextlib.ExitStack() as stack:
            stack.enter_context(empty_cache())
            beforehand = Compiled()
            processes = stack.enter_context(
                Processes(self._names, beforehand, rounds=plan.rounds, until=plan.until)
            )
            ours = processes.worker(self._names[0])
            environment, device, *engines = ours.call(_place, device, engine)
            self._say(f"{plan.network}: {', '.join(one.name for one in self._names)}")
            self._begin(environment, *engines)
            works = plan.works(device)
            if compiled and works and works[0].on_cuda:
                self._compile(beforehand, compiled[0], works)
            for work in works:
                if plan.over:
                    self._leave_out(work.title)
                else:
                    self._compare(processes, work)
            first = plan.first(device)
            if profiled:
                self._profile(processes, first)
            if "start" in plan.only:
                processes.__exit__()
                self._measure_footprints(beforehand, first)
        self._report["finished"] = True
        self._write()
        return self._report

    def _begin(self, environment: dict[str, Any], engine: str = "") -> None:
        plan = self._plan
        self._report = {
            "network": plan.network,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": environment,
            "engine": engine,
            "torchvision_is": choice.plain_source(self._names),
            "processes": "one for each contender",
            "loop": "fit's epochs; plain PyTorch: a loop that does the same",
            "rounds": plan.rounds,
            "image_size": plan.image_size,
            "channels": plan.channels,
            "precisions": list(plan.precisions),
            "ceilings": {},
            "train": [],
            "inference": [],
            "footprint": {},
            "left_out": [],
            "finished": False,
        }

    def _write(self) -> None:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            runs.write_json(self._folder / f"{self._plan.stem}.json", self._report)

    def _leave_out(self, title: str) -> None:
        self._report["left_out"].append(title)
        self._say(f"{title}: left out, as the budget is used up")

    def _compile(self, compiled: Compiled, one: Contender, works: list[Work]) -> None:
        began = time.perf_counter()
        compiled.compile(one, works, until=self._plan.until)
        self._report["compiled_together"] = compiled.together
        self._say(
            f"{self._plan.network}: {one.name} compiled {len(works)} times, "
            f"{compiled.together} at a time, in "
            f"{time.perf_counter() - began:.0f} s"
        )

    def _compare(self, processes: Processes, work: Work) -> None:
        ceiling = self._ceiling(work)
        found = processes.compare(work)
        part = _part(work, self._names, found, ceiling)
        self._report[work.what].append(part)
        self._write()
        taken, asked = part["rounds"], self._plan.rounds
        cut = "" if taken == asked else f" of {asked}, as the budget is used up"
        self._say(f"{work.title}: {taken} rounds{cut}{_said(part)}")

    def _ceiling(self, work: Work) -> dict[str, float] | None:
        if runtime.backend() != "torch":
            return None
        ceilings = self._report["ceilings"]
        if work.precision not in ceilings:
            with Worker("the ceiling") as worker:
                ceilings[work.precision] = worker.call(
                    roofline.measure_ceiling, work.precision, work.device
                )
        return ceilings[work.precision]

    def _profile(self, processes: Processes, work: Work) -> None:
        if self._plan.over:
            self._leave_out("profile")
            return
        rows = [
            row
            for one in self._names
            for row in profile.profile(one, work, processes.worker(one))
        ]
        if self._folder is not None:
            table = self._folder / f"{self._plan.stem}-profile.csv"
            self._folder.mkdir(parents=True, exist_ok=True)
            runs.write_csv(table, profile.COLUMNS, rows)

    def _measure_footprints(self, compiled: Compiled, work: Work) -> None:
        for one in self._names:
            told = compiled.ready.get(work) if one.compiled else None
            if one.compiled and told is None and work in compiled.failed:
                continue
            if told is None and self._plan.over:
                self._leave_out(f"start of {one.name}")
                continue
            measured = Footprint.of(told) if told else footprint(one, work)
            self._report["footprint"][one.name] = dataclasses.asdict(measured)
            self._write()


def _place(device: str, engine: str) -> tuple[dict[str, Any], str, str]:
    """The environment, the device by its full name, and the engine by its own."""
    from kerasnets.engines import choice

    with runtime.session(device) as session:
        environment = session.environment()
        if session.backend == "torch" and session.device.startswith("cuda"):
            import torch

            environment["cuda"] = torch.version.cuda
            environment["cudnn"] = torch.backends.cudnn.version()
        return environment, session.device, choice.check(engine, session.device)


def _part(
    work: Work,
    names: list[Contender],
    found: Found,
    ceiling: dict[str, float] | None,
) -> dict[str, Any]:
    counted = [told.counts for told in found.ready.values() if told.counts]
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
        "rounds": max(timings, default=0),
        "turns": found.turns,
        "contenders": described,
        "ratios": _ratios(found.timings, names),
        "failed": {
            name: dataclasses.asdict(failed) for name, failed in found.failed.items()
        },
        "demands": demands,
    }


def _numbers(timing: Timing, one: Contender, ready: Ready) -> dict[str, Any]:
    found: dict[str, Any] = {
        "images_per_s": round(timing.images_per_s, 2),
        "spread": round(timing.spread, 4),
        "seconds": [float(f"{second:.4g}") for second in timing.seconds.tolist()],
    }
    if one.memory_format:
        found["memory_format"] = one.memory_format
    if one.compiled:
        found["compile_s"] = round(ready.compile_s, 2)
    return found


def _ratios(
    timings: dict[str, Timing], names: list[Contender]
) -> dict[str, dict[str, Any]]:
    """Ours against each other. Of plain PyTorch's two memory formats, the faster, with
    the names of both."""
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
        middle, low, high = ratio(timings[OURS], timing)
        found[name] = {
            "ratio": round(middle, 3),
            "low": round(low, 3),
            "high": round(high, 3),
        }
        if name == best and len(formats) > 1:
            found[name]["faster_of"] = formats
    return found


def _said(part: dict[str, Any]) -> str:
    ratios = [f"{found['ratio']:.2f}x {name}" for name, found in part["ratios"].items()]
    failed = [f"{name} failed: {one['why']}" for name, one in part["failed"].items()]
    return "".join(f"; {one}" for one in (*ratios, *failed))
