"""The facts of a run: shown on screen before the first step, and recorded in
environment.json."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import keras

from kerasnets import runs
from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.compute.runtime import Session
from kerasnets.compute.settings import determinism
from kerasnets.datasets import Dataset, Partition
from kerasnets.errors import RunError, shown
from kerasnets.recipe import Recipe
from kerasnets.recipe.setting import DATA, NETWORK, TRAINING
from kerasnets.runs import Run, records
from kerasnets.training.transfer.source import Source


@dataclass(frozen=True)
class Facts:
    """Everything known about a run before it trains.

    Attributes:
        engine: runs the network; a result of `kerasnets.engines.choice.check`.
        deterministic: whether only deterministic algorithms are used.
        steps: optimizer steps per epoch.
        began: `time.perf_counter()` at the beginning of the startup.
        dataset_load_s: seconds that loading the dataset took.
        source: the pretrained weights, if any.
    """

    recipe: Recipe
    session: Session
    engine: str
    deterministic: bool
    dataset: Dataset
    parts: Partition
    model: keras.Model
    steps: int
    began: float
    dataset_load_s: float
    source: Source | None = None

    @property
    def trainable_parameters(self) -> int:
        """All parameters of the network, frozen or not, without norm statistics."""
        return _count(
            weight
            for weight in self.model.weights
            if not weight.name.startswith("moving_")  # statistics of norms
        )

    @property
    def title(self) -> str:
        recipe = self.recipe
        return (
            f"{network_title(recipe.network, batch_norm=recipe.batch_norm)} on "
            f"{dataset_title(recipe.dataset)}"
        )

    def screen(self) -> dict[str, str]:
        """Names and values shown before training."""
        recipe, session, packages = (
            self.recipe,
            self.session,
            self.session.environment()["packages"],
        )
        learned = _count(self.model.trainable_weights)
        height, width, channels = self.dataset.train.images.shape[1:]
        monitored = (
            "test split monitored, never selected on"
            if recipe.validation == "test"
            else f"{len(self.parts.validation):,} validation"
        )
        return {
            "backend": f"Keras {packages['keras']} on {session.backend} "
            f"{packages[session.backend]}, engine {self.engine}",
            "device": f"{session.device} ({session.device_name})"
            + (f"; {determinism.COST}" if self.deterministic else ""),
            "data": f"{len(self.parts.train):,} training images, {monitored}, "
            f"{len(self.parts.test):,} test; {height}×{width}×{channels}"
            + (f"; {self.dataset.note}" if self.dataset.note else ""),
            "parameters": f"{self.trainable_parameters:,} trainable"
            + (f", of which {learned:,} learn" if recipe.freeze != "none" else ""),
            "network": recipe.described(NETWORK),
            **self._weights(),
            "images": recipe.described(DATA),
            "training": f"{self.steps} steps an epoch, {recipe.described(TRAINING)}",
            **self._departures(),
        }

    def _weights(self) -> dict[str, str]:
        """How pretrained weights were transferred."""
        if self.source is None or self.source.became is None:
            return {}
        return {"weights": "; ".join(self.source.lines())}

    def _departures(self) -> dict[str, str]:
        """The recipe's defaults, and its departures from them."""
        recipe = self.recipe
        named = ", ".join(f"{k} {v}" for k, v in recipe.departures().items())
        if self.dataset.files is None:
            return {"named": named or "nothing: the paper's recipe"}
        if recipe.paper_protocol == "own":
            defaults = "those for own images" + (f", but {named}" if named else "")
        else:
            defaults = f"the paper's for {recipe.paper_protocol}, but {named}"
        return {"from": str(self.dataset.files["place"]), "defaults": defaults}

    def changed(self, run: Run) -> str | None:
        """A line that names what has changed since `run` began and may alter the last
        bits of its result; None if nothing has."""
        before, now = records.begun_environment(run), self._environment()
        if before is None:
            return None
        # Older runs did not record these.
        for name in ("settings", "deterministic"):
            before.setdefault(name, now[name])
        on_cpu = self.session.device == "cpu"  # deterministic in any case
        changes = [
            f"{name} {now[name]} (begun with {before.get(name)})"
            for name in _DECIDE_BITS
            if before.get(name) != now[name]
            and not (name == "deterministic" and on_cpu)
        ]
        if not changes:
            return None
        return (
            f"resuming with {', '.join(changes)}: the result may differ in its last "
            "bits from that of an uninterrupted run."
        )

    def record(self, run: Run, history_columns: Sequence[str]) -> None:
        """Write environment.json, or add this resumption to it.

        Args:
            history_columns: columns of history.csv in a new run.

        Raises:
            RunError: the run began on other data.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        environment = records.begun_environment(run)
        if environment is not None:
            if environment.get("dataset_fingerprint") != self.dataset.fingerprint:
                raise RunError(
                    f"the dataset {self.recipe.dataset} is not the one {run.path} was "
                    "started on: its fingerprint changed."
                )
            resumption = {
                "at": now,
                **self.session.environment(),
                "engine": self.engine,
                "deterministic": self.deterministic,
                "dataset_load_s": round(self.dataset_load_s, 3),
            }
            environment.setdefault("resumed", []).append(resumption)
            environment.pop("stopped_early", None)  # training continues
        else:
            environment = {
                "started": now,
                **self._environment(),
                "history_columns": list(history_columns),
            }
        _write(run, environment)

    def record_stop(self, run: Run, reason: str) -> None:
        """Record in environment.json that a callback has ended training, and why."""
        environment = records.environment(run)
        stopped = {"epochs": len(run.history), "reason": shown(reason)}
        _write(run, {**environment, "stopped_early": stopped})

    def record_start(self, run: Run) -> float:
        """Record the startup's seconds, up to the end of the first training step, in
        environment.json, and return them."""
        environment = records.environment(run)
        start = environment.get("resumed", [environment])[-1]
        start["start_s"] = round(time.perf_counter() - self.began, 3)
        _write(run, environment)
        return start["start_s"]

    def _environment(self) -> dict[str, Any]:
        files = self.dataset.files
        return {
            **self.session.environment(),
            "engine": self.engine,
            "deterministic": self.deterministic,
            "dataset_fingerprint": self.dataset.fingerprint,
            "dataset_note": self.dataset.note,
            **({"dataset_files": dict(files)} if files else {}),
            "class_names": list(self.dataset.class_names),
            "train_images": len(self.parts.train),
            "validation_images": len(self.parts.validation),
            "test_images": len(self.parts.test),
            "trainable_parameters": self.trainable_parameters,
            "dataset_load_s": round(self.dataset_load_s, 3),
        }


def _count(weights: Iterable[keras.Variable]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


_DECIDE_BITS = (
    *("backend", "device_name", "threads", "engine", "deterministic"),
    *("packages", "settings"),
)


def _write(run: Run, environment: dict[str, Any]) -> None:
    runs.write_json(run.path / records.ENVIRONMENT_FILE, environment)
