"""Alternative assumptions that may explain the paper's number: one at a time, then
together all that usually help.

<study>/reconcile/<row>/  reconcile.json  reconcile.md
        runs/<alternative>-seed<N>/        run folders
        failures/  locks/                  as in the study
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerasnets.catalog.networks import NETWORKS
from kerasnets.paper.plan import PlannedRun, RunsFolder, Study
from kerasnets.recipe import Recipe
from kerasnets.recipe.fields import DECOUPLED

FOLDER = "reconcile"  # in the study's folder
TOGETHER = "together"
ON_TEST = "Validation = test: trained on all training images"
_UNHELPFUL = ("momentum-0", "stem-imagenet")
_DECAY = 5e-4  # the most common with SGD on CIFAR-10


@dataclass(frozen=True)
class Alternative:
    """One change to a choice that the paper leaves open.

    Attributes:
        name: prefix of its runs' names.
        assumed: its description in a table.
        changes: recipe fields; a single one, so that nothing else explains a
            difference, except in `TOGETHER`.
    """

    name: str
    assumed: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Reconciliation(RunsFolder):
    """The runs that repeat a row of a study under other assumptions.

    Attributes:
        study: the study; its recipe of the row is changed, for each of its seeds.
        row: a name from `kerasnets.paper.rows.PAPER`.
    """

    study: Study
    row: str

    @property
    def recipe(self) -> Recipe:
        """The study's recipe of the row, which the alternatives change."""
        return self.study.recipe(self.row)

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        return alternatives(self.recipe)

    @property
    def unchanged(self) -> tuple[PlannedRun, ...]:
        """The study's runs of the row, in the study's folder, one per seed."""
        return tuple(one for one in self.study.runs if one.row == self.row)

    def runs_of(self, alternative: Alternative) -> tuple[PlannedRun, ...]:
        """The runs of an alternative, one per seed."""
        changes = dict(alternative.changes)
        if "weight_decay" in changes:
            changes["decay"] = DECOUPLED  # the alternatives' values assume it
        return tuple(
            PlannedRun(
                self,
                self.row,
                seed,
                dataclasses.replace(self.study.recipe(self.row, seed), **changes),
                alternative.name,
            )
            for seed in range(self.study.seeds)
        )

    @property
    def all_runs(self) -> tuple[PlannedRun, ...]:
        """Every run, unchanged ones first."""
        own = [run for one in self.alternatives for run in self.runs_of(one)]
        return (*self.unchanged, *own)


def reconciliation(study: Study, row: str) -> Reconciliation:
    """The reconciliation of a study's row; writes nothing."""
    return Reconciliation(study.path / FOLDER / row, study, row)


def begun(study: Study) -> tuple[Reconciliation, ...]:
    """The reconciliations in the study's folder, in the paper's order."""
    every = (reconciliation(study, row) for row in study.rows)
    return tuple(one for one in every if one.path.is_dir())


def alternatives(recipe: Recipe) -> tuple[Alternative, ...]:
    """The alternatives to a recipe; each changes it."""
    found = []
    if NETWORKS[recipe.network].family != "vgg":
        if recipe.stem != "cifar":
            text = "First layers for 32×32 images: one 3×3/1 convolution, no pool"
            found.append(Alternative("stem-cifar", text, {"stem": "cifar"}))
        else:
            text = "First layers for 224×224 images: 7×7/2 convolution and pool"
            found.append(Alternative("stem-imagenet", text, {"stem": "imagenet"}))
    momentum = 0.0 if recipe.momentum else 0.9
    found.append(
        Alternative(
            f"momentum-{momentum:g}", f"Momentum {momentum:g}", {"momentum": momentum}
        )
    )
    decays = {_DECAY: f"Weight decay {_DECAY:g}, decoupled (as in AdamW)"}
    # Momentum amplifies a gradient, with the decay in it, by 1 / (1 - momentum).
    coupled = round(_DECAY / (1 - recipe.momentum), 12)
    decays.setdefault(
        coupled,
        f"Weight decay {_DECAY:g} added to the gradient as PyTorch's SGD does: with "
        f"momentum {recipe.momentum:g} about {coupled:g} decoupled",
    )
    found += [
        Alternative(f"weight-decay-{decay:g}", text, {"weight_decay": decay})
        for decay, text in decays.items()
        if decay != recipe.weight_decay
    ]
    if recipe.validation != "test":
        found.append(Alternative("validation-test", ON_TEST, {"validation": "test"}))
    # If there are two decays, the later one is used.
    helpful = {
        field: value
        for one in found
        if one.name not in _UNHELPFUL
        for field, value in one.changes.items()
    }
    if len(helpful) > 1:
        all_of = ", ".join(f"{name} {value}" for name, value in helpful.items())
        text = f"All that usually help: {all_of.replace('_', ' ')}"
        found.append(Alternative(TOGETHER, text, helpful))
    return tuple(found)


def not_tried(recipe: Recipe) -> dict[str, str]:
    """Other possible explanations of the paper's number, and why they are not tried."""
    found = {"ImageNet weights": "the study trains from scratch; try fit --weights"}
    if NETWORKS[recipe.network].family == "vgg":
        found["First layers for 32×32 images"] = "VGG's are the same for every size"
    return found
