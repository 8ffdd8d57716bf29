"""What may be assumed instead, one thing at a time, so that the paper's number follows.

<study>/reconcile/<row>/  reconcile.json  reconcile.md
        runs/<alternative>-seed<N>/        a run folder each
        failures/  locks/                  as in the study
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets.catalog.networks import NETWORKS
from kerasnets.paper.plan import PlannedRun, RunsFolder, Study
from kerasnets.recipe import Recipe

FOLDER = "reconcile"  # in the study's
_DECAY = 5e-4  # the commonest with SGD on CIFAR-10


@dataclass(frozen=True)
class Alternative:
    """One change of what the paper leaves unsaid.

    Attributes:
        name: of its runs.
        assumed: what it says in a table.
        changes: recipe fields; one, so that nothing else explains a difference.
    """

    name: str
    assumed: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Reconciliation(RunsFolder):
    """The runs that try a row of a study under other assumptions.

    Attributes:
        study: whose recipe of the row is changed, for each of its seeds.
        row: a name of `kerasnets.paper.rows.PAPER`.
    """

    study: Study
    row: str

    @property
    def recipe(self) -> Recipe:
        """What is changed: the study's own."""
        return self.study.recipe(self.row)

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        return alternatives(self.recipe)

    @property
    def unchanged(self) -> tuple[PlannedRun, ...]:
        """The study's runs of the row, in the study's folder, one a seed."""
        return tuple(one for one in self.study.runs if one.row == self.row)

    def runs_of(self, alternative: Alternative) -> tuple[PlannedRun, ...]:
        """One a seed."""
        return tuple(
            PlannedRun(
                self.row,
                seed,
                dataclasses.replace(
                    self.study.recipe(self.row, seed), **alternative.changes
                ),
                alternative.name,
            )
            for seed in range(self.study.seeds)
        )

    @property
    def all_runs(self) -> tuple[tuple[RunsFolder, PlannedRun], ...]:
        """Every run and the folder that it is in, unchanged ones first."""
        own = [run for one in self.alternatives for run in self.runs_of(one)]
        return (
            *((self.study, run) for run in self.unchanged),
            *((self, run) for run in own),
        )


def reconciliation(study: Study, row: str) -> Reconciliation:
    """The reconciliation of a study's row; nothing is written."""
    return Reconciliation(study.path / FOLDER / row, study, row)


def begun(study: Study) -> tuple[Reconciliation, ...]:
    """Those that the study's folder holds, in the paper's order."""
    found: list[Path] = [study.path / FOLDER / row for row in study.rows]
    return tuple(reconciliation(study, one.name) for one in found if one.is_dir())


def alternatives(recipe: Recipe) -> tuple[Alternative, ...]:
    """The changes of a recipe that are tried; none leaves it as it is."""
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
    # Momentum repeats a gradient 1 / (1 - momentum) times, and a decay that is part of
    # it as well.
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
        text = "Validation = test: trained on all training images"
        found.append(Alternative("validation-test", text, {"validation": "test"}))
    return tuple(found)


def not_tried(recipe: Recipe) -> dict[str, str]:
    """What else may be behind the paper's number, and why no run tries it."""
    found = {"ImageNet weights": "every network here begins with random weights"}
    if NETWORKS[recipe.network].family == "vgg":
        found["First layers for 32×32 images"] = "VGG's are the same for every size"
    return found
