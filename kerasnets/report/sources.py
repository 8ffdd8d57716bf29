"""The input of a report: a study's folder, or a folder of runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets import runs
from kerasnets.catalog.titles import dataset_title
from kerasnets.comparison.compare import Comparison, compare
from kerasnets.comparison.evaluated import Evaluated, read_evaluated
from kerasnets.errors import RunError
from kerasnets.paper import plan
from kerasnets.paper.plan import PlannedRun
from kerasnets.paper.reconciliation import alternatives
from kerasnets.paper.reconciliation.table import Reconciled
from kerasnets.paper.reconciliation.table import gather as reconcile
from kerasnets.paper.results import Results, gather
from kerasnets.paper.rows import PAPER
from kerasnets.runs import Run
from kerasnets.runs.find import find_runs, labels
from kerasnets.runs.records import LearningCurve, environment, learning_curve


@dataclass(frozen=True)
class Record:
    """A run that has finished an epoch.

    Attributes:
        label: distinguishes it from the others.
        group: heading of its curves: "MNIST", or "Digits, for the paper's MNIST" in a
            study whose scale replaces the dataset.
        curve: loss and accuracy by epoch.
        environment: the content of environment.json.
        evaluated: its results on the test split, or None.
    """

    label: str
    group: str
    run: Run
    curve: LearningCurve
    environment: dict[str, Any]
    evaluated: Evaluated | None

    @property
    def accuracy(self) -> float:
        """Share of the test images that an evaluated run classifies correctly."""
        assert self.evaluated
        return float(self.evaluated.metrics["accuracy"])

    @property
    def collapsed(self) -> str:
        """The class predicted for (almost) all test images, or ""."""
        found = self.evaluated and self.evaluated.metrics.get("collapsed")
        return str(found["class"]) if found else ""

    @property
    def dataset_note(self) -> str:
        """A remark on its images, or ""."""
        return str(self.environment.get("dataset_note") or "")


@dataclass(frozen=True)
class Sources:
    """The content of a folder.

    Attributes:
        results: a study's results, or None for a folder of runs.
        records: runs with a finished epoch.
        not_begun: names of runs without one.
        comparison: of the records, or None if there are fewer than two.
        reconciled: rows of the study tried under other assumptions.
        data_dir: folder of prepared datasets; TFDS_DATA_DIR unless given.
    """

    folder: Path
    results: Results | None
    records: tuple[Record, ...]
    not_begun: tuple[str, ...]
    comparison: Comparison | None
    reconciled: tuple[Reconciled, ...] = ()
    data_dir: Path | str | None = None


def _group(planned: PlannedRun) -> str:
    """A run's dataset, and the paper's if it differs."""
    dataset, paper = planned.recipe.dataset, PAPER[planned.row].recipe.dataset
    if dataset == paper:
        return dataset_title(dataset)
    return f"{dataset_title(dataset)}, for the paper's {dataset_title(paper)}"


def read_sources(folder: Path | str, data_dir: Path | str | None = None) -> Sources:
    """Read a study's folder, or a folder with runs at any depth.

    Args:
        data_dir: folder of prepared datasets, for images of confused classes; nothing
            is downloaded.

    Raises:
        RunError: the folder is neither, no run has finished an epoch, or a file is
            damaged.
        RecipeError: the recipe of a run is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(
            f"there is no folder {folder}; a report needs a study's folder "
            "('kerasnets reproduce') or a folder of runs."
        )
    results = None
    reconciled: tuple[Reconciled, ...] = ()
    if (folder / "study.json").exists():
        results = gather(plan.load(folder))
        reconciled = tuple(map(reconcile, alternatives.begun(results.study)))
        groups = {
            path: _group(planned)
            for planned in results.study.runs
            if runs.is_run(path := planned.folder)
        }
        found = [runs.load(path) for path in groups]
    else:
        found = find_runs([str(folder)])
        groups = {run.path: dataset_title(run.recipe.dataset) for run in found}
    begun = [run for run in found if run.history]
    if not begun and results is None:
        raise RunError(f"no run in {folder} has finished an epoch.")
    return Sources(
        folder=folder,
        results=results,
        records=tuple(
            Record(
                label,
                groups[run.path],
                run,
                learning_curve(run),
                environment(run),
                read_evaluated(run),
            )
            for label, run in zip(labels(begun), begun, strict=True)
        ),
        not_begun=tuple(run.path.name for run in found if not run.history),
        comparison=compare(begun) if len(begun) > 1 else None,
        reconciled=reconciled,
        data_dir=data_dir,
    )
