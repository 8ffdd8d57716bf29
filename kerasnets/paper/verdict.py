"""Whether a result agrees with the paper's, by one rule.

The paper's accuracy comes from one run on `n` test images; its Wilson interval is about
±0.2 points at an accuracy of 99 % and ±0.6 at 90 %. Ours gets the t-interval of its
mean over seeds, or the Wilson interval of a single run. All have the confidence of
`kerasnets.statistics.CONFIDENCE`. Then

    not comparable   the run is not the paper's protocol (another dataset, fewer images
                     or epochs: a scaled-down run is never called a reproduction), its
                     data changed since, or there is no result;
    agrees           the two intervals overlap;
    differs          they do not.

Overlap is slow to say "differs": two equally wide intervals part only where the
difference is 2.8 of its standard errors. With two or three seeds the t-interval is
wide, and agreeing says little. How much the paper's own number varies from seed to seed
is not known.
"""

import dataclasses
from dataclasses import dataclass

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.titles import dataset_title
from kerasnets.paper.rows import PAPER
from kerasnets.paper.scales import ASSUMPTIONS
from kerasnets.recipe import Recipe
from kerasnets.statistics import INTERVAL, Interval

AGREES, DIFFERS, NOT_COMPARABLE = "agrees", "differs", "not comparable"


@dataclass(frozen=True)
class Verdict:
    """The verdict on one number beside the paper's.

    Attributes:
        outcome: `AGREES`, `DIFFERS` or `NOT_COMPARABLE`.
        reason: why, in a few words.
    """

    outcome: str
    reason: str

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


def judge(
    paper: Interval, ours: Interval | None, obstacle: str = "", note: str = ""
) -> Verdict:
    """The rule of this module.

    Args:
        ours: None where there is no result.
        obstacle: why the two cannot be compared, or "".
        note: what else may explain a difference, or "".
    """
    also = f"; {note}" if note else ""
    if obstacle:
        return Verdict(NOT_COMPARABLE, obstacle)
    if ours is None:
        return Verdict(NOT_COMPARABLE, "no result")
    if ours.overlaps(paper):
        return Verdict(AGREES, f"the {INTERVAL}s overlap{also}")
    return Verdict(DIFFERS, f"the {INTERVAL}s do not overlap{also}")


def scaled_down(row: str, recipe: Recipe) -> str:
    """Where a recipe falls short of the paper's protocol, or "".

    The seed, the generator of the first weights and what the paper leaves unsaid
    (`ASSUMPTIONS`) may differ.
    """
    paper = PAPER[row].recipe
    parts = []
    if recipe.dataset != paper.dataset:
        parts.append(
            f"{dataset_title(recipe.dataset)} instead of {dataset_title(paper.dataset)}"
        )
    if recipe.limit is not None:
        available = DATASETS[recipe.dataset].train
        parts.append(f"{recipe.limit:,} of {available:,} training images")
    if recipe.epochs != paper.epochs:
        parts.append(f"{recipe.epochs} of {paper.epochs} epochs")
    said = {"dataset", "limit", "epochs", "seed", "initial_weights", "decay"}
    said |= {*ASSUMPTIONS}
    for name, value in dataclasses.asdict(recipe).items():
        if name not in said and value != getattr(paper, name):
            parts.append(f"{name.replace('_', ' ')} {value}")
    return "scaled down: " + ", ".join(parts) if parts else ""
