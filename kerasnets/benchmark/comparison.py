"""A benchmark of networks, batch sizes and precisions, and its report.

Files are written as results arrive, so an interrupted benchmark keeps its results.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Unpack

from kerasnets import runs
from kerasnets.benchmark import profile, roofline
from kerasnets.benchmark.compiling import Compiled, empty_cache
from kerasnets.benchmark.contenders import choice
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.failures import Failure, failure
from kerasnets.benchmark.footprint import Footprint, footprint
from kerasnets.benchmark.part import part_of, said
from kerasnets.benchmark.processes import Processes
from kerasnets.benchmark.work import PARTS, USUAL_SIZE, Plan, Work
from kerasnets.catalog.networks import NETWORKS
from kerasnets.compute import runtime
from kerasnets.compute.execution import DEFAULT, Execution, ExecutionOptions
from kerasnets.compute.worker import Worker
from kerasnets.errors import BackendError, OutOfMemory, unknown
from kerasnets.recipe.fields import PRECISIONS


def benchmark(
    networks: Sequence[str],
    *,
    batch_sizes: Sequence[int] = (64,),
    inference_batch_size: int = 256,
    precisions: Sequence[str] = ("float32",),
    image_size: int = USUAL_SIZE,
    against: tuple[str, ...] = ("torchvision", "keras"),
    only: Sequence[str] = PARTS,
    rounds: int = 7,
    budget_s: float | None = None,
    channels: int = 3,
    execution: Execution = DEFAULT,
    folder: Path | str | None = None,
    profiled: bool = False,
    say: Callable[[str], None] = print,
    **options: Unpack[ExecutionOptions],
) -> list[dict[str, Any]]:
    """Compare training, inference, start-up and memory.

    Each contender of a network has its own process, and they take turns; this process
    only waits. If a single contender fails, this is recorded, and the others continue.

    Args:
        networks: names; batch norm on, head and stem "imagenet".
        batch_sizes: images in a training step.
        inference_batch_size: images in an inference step.
        precisions: from `kerasnets.recipe.fields.PRECISIONS`; plain PyTorch uses
            autocast.
        image_size: height and width in pixels.
        against: contenders to compare with, from `contenders.OTHERS`.
        only: what to measure, from `PARTS`.
        rounds: number of interleaved repetitions, without warm-up.
        budget_s: seconds after which no new measurement begins.
        channels: of the images, 1 or 3.
        execution: settings of all contenders; the engine applies to kerasnets only. No
            data is read.
        folder: folder of NETWORK.json, or NETWORK-SIZE.json for image sizes other than
            32x32; nothing is written if None.
        profiled: also write NETWORK-profile.csv there, for a training step at the first
            batch size and precision.
        say: receives a line when a network begins, and when a comparison ends.
        options: fields of `execution` to replace, such as `device`.

    Returns:
        The content of each file.

    Raises:
        BackendError: a contender is unknown, or it or the device is not available.
        ProcessEnded: a contender's process was killed, for example because memory ran
            out.
    """
    execution = execution.replace(**options)
    _check(networks, precisions, against, only)
    if profiled:
        profile.check()
    until = math.inf if budget_s is None else time.perf_counter() + budget_s
    names = choice.expand(against, engine=execution.engine, channels=channels)
    reports = []
    for network in networks:
        plan = Plan(
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
        choice.check_takes_part(names, plan.works(execution))
        one = _Benchmark(plan, names, folder, say)
        reports.append(one.run(execution, profiled))
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


class _Benchmark:
    """The benchmark of one network.

    Args:
        names: the contenders, ours first.
        folder: folder of the report, which is updated after each result, or None.
    """

    def __init__(
        self,
        plan: Plan,
        names: list[Contender],
        folder: Path | str | None,
        say: Callable[[str], None],
    ) -> None:
        self._plan, self._names, self._say = plan, names, say
        self._folder = None if folder is None else Path(folder)
        self._report: dict[str, Any] = {}

    def run(self, execution: Execution, profiled: bool) -> dict[str, Any]:
        plan = self._plan
        compiled = [one for one in self._names if one.compiled]
        with contextlib.ExitStack() as stack:
            stack.enter_context(empty_cache())
            beforehand = Compiled()
            processes = stack.enter_context(
                Processes(self._names, beforehand, rounds=plan.rounds, until=plan.until)
            )
            ours = processes.worker(self._names[0])
            environment, execution = ours.call(_place, execution)
            self._say(f"{plan.network}: {', '.join(one.name for one in self._names)}")
            self._begin(environment, execution.engine)
            works = plan.works(execution)
            choice.check_takes_part(self._names, works)
            if compiled and works and works[0].on_cuda:
                self._compile(beforehand, compiled[0], works)
            for work in works:
                if plan.over:
                    self._leave_out(work.title)
                else:
                    self._compare(processes, work)
            first = plan.first(execution)
            if profiled:
                self._profile(processes, first)
            if "start" in plan.only:
                processes.__exit__()
                self._measure_footprints(beforehand, first)
        self._report["finished"] = True
        self._write()
        return self._report

    def _begin(self, environment: dict[str, Any], engine: str) -> None:
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
            "failed": {"start": {}, "profile": {}},
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
        part = part_of(work, self._names, found, ceiling)
        self._report[work.what].append(part)
        self._write()
        taken, asked = part["rounds"], self._plan.rounds
        cut = "" if taken == asked else f" of {asked}, as the budget is used up"
        self._say(f"{work.title}: {taken} rounds{cut}{said(part)}")

    def _ceiling(self, work: Work) -> dict[str, float] | None:
        if runtime.backend() != "torch":
            return None
        ceilings = self._report["ceilings"]
        if work.precision not in ceilings:
            with Worker("the ceiling") as worker:
                ceilings[work.precision] = worker.call(
                    roofline.measure_ceiling, work.precision, work.device, work.threads
                )
        return ceilings[work.precision]

    def _profile(self, processes: Processes, work: Work) -> None:
        if self._plan.over:
            self._leave_out("profile")
            return
        rows = []
        for one in self._names:
            if one.takes_part(work):
                with self._kept_failure("profile", one):
                    rows += profile.profile(one, work, processes.worker(one))
        if self._folder is not None:
            table = self._folder / f"{self._plan.stem}-profile.csv"
            self._folder.mkdir(parents=True, exist_ok=True)
            runs.write_csv(table, profile.COLUMNS, rows)

    def _measure_footprints(self, compiled: Compiled, work: Work) -> None:
        for one in self._names:
            if not one.takes_part(work):
                continue
            ready = compiled.ready.get(work) if one.compiled else None
            if one.compiled and ready is None and work in compiled.failed:
                self._fail("start", one, compiled.failed[work])
                continue
            if ready is None and self._plan.over:
                self._leave_out(f"start of {one.name}")
                continue
            with self._kept_failure("start", one):
                measured = (
                    Footprint.of(ready)
                    if ready
                    else footprint(one, work, until=self._plan.until)
                )
                self._report["footprint"][one.name] = dataclasses.asdict(measured)
            self._write()

    @contextlib.contextmanager
    def _kept_failure(self, what: str, one: Contender) -> Iterator[None]:
        """Record a failure of the contender instead of raising it."""
        try:
            yield
        except OutOfMemory as error:
            self._fail(what, one, Failure(str(error)))
        except Exception as error:
            self._fail(what, one, failure(one, error))

    def _fail(self, what: str, one: Contender, failed: Failure) -> None:
        self._report["failed"][what][one.name] = dataclasses.asdict(failed)
        self._say(f"{self._plan.network}, {what}: {one.name} failed: {failed.why}")


def _place(execution: Execution) -> tuple[dict[str, Any], Execution]:
    """The environment, and the execution with "auto" resolved."""
    with execution.begin() as (session, engine):
        environment = session.environment()
        if session.backend == "torch" and session.device.startswith("cuda"):
            import torch

            environment["cuda"] = torch.version.cuda
            environment["cudnn"] = torch.backends.cudnn.version()
        return environment, dataclasses.replace(
            execution,
            device=session.device,
            engine=engine,
            threads=execution.threads and session.threads,
        )
