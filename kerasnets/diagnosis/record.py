"""The results of a diagnosis, and its tables as files."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets import runs
from kerasnets.diagnosis.trial import LayerRow, Trial
from kerasnets.diagnosis.variants import Variant, settings
from kerasnets.errors import RunError, option
from kerasnets.evaluation.layer_signals import LayerSignal
from kerasnets.recipe import Recipe
from kerasnets.storage import folders

FILES = (
    "diagnosis.json",
    "diagnosis.md",
    "layers.csv",
    "ablation.csv",
    "signal.png",
    "signal.svg",
)


@dataclass(frozen=True)
class Diagnosis:
    """Why a network trains, or does not, in its first steps.

    Attributes:
        recipe: the diagnosed recipe.
        steps: optimizer steps of every trial.
        monitored: "validation" or "test": the images that trials are evaluated on.
        images: their number.
        guess_loss: lowest loss of a constant prediction for these images, the entropy
            of the class shares, in nats.
        guess_accuracy: share of their most frequent class.
        planned: number of planned trials.
        layers: signals and gradients of each variant at the recipe's own learning rate
            and momentum, before the first step and after the last.
        ablation: the finished trials; those at the recipe's own settings come first.
        environment: machine and software, as in environment.json.
        verdict: a paragraph computed from these numbers.
    """

    recipe: Recipe
    steps: int
    monitored: str
    images: int
    guess_loss: float
    guess_accuracy: float
    planned: int
    layers: tuple[LayerRow, ...]
    ablation: tuple[Trial, ...]
    environment: dict[str, Any]
    verdict: str = ""

    @property
    def own(self) -> dict[Variant, Trial]:
        """The trials at the recipe's own learning rate and momentum."""
        own = settings(self.recipe)
        return {one.variant: one for one in self.ablation if settings(one) == own}

    def signals(self, variant: Variant, step: int) -> tuple[LayerSignal, ...]:
        """A variant's layers, from input to output; empty if not measured."""
        moment = (variant, step)
        return tuple(row.signal for row in self.layers if row[:2] == moment)

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as JSON values, with the rows of the CSV files."""
        return {
            **vars(self),
            "recipe": dataclasses.asdict(self.recipe),
            "layers": [
                {"variant": variant.label, "step": step, **dataclasses.asdict(signal)}
                for variant, step, signal in self.layers
            ],
            "ablation": [
                {**dataclasses.asdict(trial), "variant": trial.variant.label}
                for trial in self.ablation
            ],
        }


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Check that a diagnosis can be written to `folder`, without changing anything.

    Raises:
        RunError: a diagnosis exists, or the folder cannot be written.
    """
    if not overwrite and any((folder / name).exists() for name in FILES):
        raise RunError(
            f"the diagnosis {folder} exists; {option('overwrite', True)} replaces "
            f"it, {option('folder')} chooses another folder."
        )
    if obstacle := folders.why_not_writable(folder):
        raise RunError(f"{obstacle}; choose another {option('folder')}.")


def clear(folder: Path) -> None:
    """Create the folder of a diagnosis, and remove the files of an earlier one.

    Raises:
        RunError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror}.") from error


def write_tables(folder: Path, diagnosis: Diagnosis) -> None:
    """Write layers.csv and ablation.csv of the trials finished so far."""
    values = diagnosis.to_json()
    for name in ("layers", "ablation"):
        cells = (
            [f"{x:.6g}" if isinstance(x, float) else x for x in row.values()]
            for row in values[name]
        )
        runs.write_csv(folder / f"{name}.csv", list(values[name][0]), cells)
