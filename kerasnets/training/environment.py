"""What a run is, said twice: to the person before the first step, and to
environment.json for whoever reads the run later."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import keras

from kerasnets import runs
from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.compute import determinism
from kerasnets.compute.runtime import Session
from kerasnets.datasets import Dataset, Partition
from kerasnets.errors import RunError, shown
from kerasnets.recipe import Recipe
from kerasnets.recipe.setting import DATA, NETWORK, TRAINING
from kerasnets.runs import Run, records
from kerasnets.training.transfer.source import Source


@dataclass(frozen=True)
class Facts:
    """Everything that is known of a run before it trains.

    Attributes:
        engine: what runs the network, as `kerasnets.engines.choice.check` gives it.
        deterministic: whether only deterministic algorithms run it.
        steps: optimizer steps an epoch.
        began: `time.perf_counter()` when the start of the run began.
        dataset_load_s: seconds that loading the dataset took.
        source: of the weights, where they come from elsewhere.
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
        """Those of the network, frozen or not."""
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
        """Names and values of the screen that precedes training."""
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
        """What has become of weights from elsewhere."""
        if self.source is None or self.source.became is None:
            return {}
        return {"weights": "; ".join(self.source.lines())}

    def _departures(self) -> dict[str, str]:
        """Which defaults the recipe has, and what differs from them."""
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
        """What is no longer as it was when `run` was begun and decides the last bits
        of its result, for a person; None where nothing is."""
        before, now = records.begun_environment(run), self._environment()
        if before is None:
            return None
        # Of runs that were begun before settings were recorded, none is known.
        before.setdefault("settings", now["settings"])
        changes = [
            f"{name} {now[name]} (begun with {before.get(name)})"
            for name in _DECIDE_BITS
            if before.get(name) != now[name]
        ]
        if not changes:
            return None
        return (
            f"going on with {', '.join(changes)}: the result may differ in its last "
            "bits from that of an uninterrupted run."
        )

    def record(self, run: Run, history_columns: Sequence[str]) -> None:
        """Write environment.json, or add this resumption to it.

        Args:
            history_columns: what a run that begins writes to history.csv.

        Raises:
            RunError: the run was begun on other data.
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
            environment.pop("stopped_early", None)  # it goes on
        else:
            environment = {
                "started": now,
                **self._environment(),
                "history_columns": list(history_columns),
            }
        _write(run, environment)

    def record_stop(self, run: Run, reason: str) -> None:
        """Add to environment.json that a callback has ended training, and why."""
        environment = records.environment(run)
        stopped = {"epochs": len(run.history), "reason": shown(reason)}
        _write(run, {**environment, "stopped_early": stopped})

    def record_start(self, run: Run) -> float:
        """Add to environment.json the seconds that the start took, which ends now with
        the first training step, and return them."""
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


_DECIDE_BITS = ("backend", "device_name", "threads", "engine", "packages", "settings")


def _write(run: Run, environment: dict[str, Any]) -> None:
    runs.write_json(run.path / records.ENVIRONMENT_FILE, environment)
