"""The rule by which a result agrees with the paper's or not.

The paper's accuracy comes from one run on `n` test images; its Wilson interval is about
±0.2 points at an accuracy of 99 % and ±0.6 at 90 %. Ours has the t-interval of the mean
over seeds, or the Wilson interval of a single run. All have the confidence
`kerasnets.statistics.CONFIDENCE`. The verdict is

    not comparable   if the run does not follow the paper's protocol (another dataset,
                     fewer images or epochs: a scaled-down run is never called a
                     reproduction), its data has changed, or there is no result;
    agrees           if the two intervals overlap;
    differs          if they do not.

The criterion is conservative: intervals of equal width are disjoint only if the
difference exceeds 2.8 times its standard error. With two or three seeds the t-interval
is wide, and agreement says little. The variation of the paper's own number with the
seed is unknown.
"""

import dataclasses
from dataclasses import dataclass

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.titles import dataset_title
from kerasnets.paper.rows import PAPER
from kerasnets.paper.scales import ASSUMPTIONS
from kerasnets.recipe import Recipe
from kerasnets.statistics import INTERVAL, Interval, accuracy_interval

AGREES, DIFFERS, NOT_COMPARABLE = "agrees", "differs", "not comparable"


@dataclass(frozen=True)
class Verdict:
    """The verdict on one number compared with the paper's.

    Attributes:
        outcome: `AGREES`, `DIFFERS` or `NOT_COMPARABLE`.
        reason: a brief reason.
    """

    outcome: str
    reason: str

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


def paper_interval(row: str) -> Interval:
    """The interval of the paper's accuracy, from its number of test images."""
    paper = PAPER[row]
    return accuracy_interval([paper.accuracy], DATASETS[paper.recipe.dataset].test)


def judge(
    paper: Interval, ours: Interval | None, obstacle: str = "", note: str = ""
) -> Verdict:
    """Apply this module's rule.

    Args:
        ours: None if there is no result.
        obstacle: why the two cannot be compared, or "".
        note: a possible explanation of a difference, or "".
    """
    also = f"; {note}" if note else ""
    if obstacle or ours is None:
        return Verdict(NOT_COMPARABLE, obstacle or "no result")
    if ours.overlaps(paper):
        return Verdict(AGREES, f"the {INTERVAL}s overlap{also}")
    return Verdict(DIFFERS, f"the {INTERVAL}s do not overlap{also}")


def scaled_down(row: str, recipe: Recipe) -> str:
    """How a recipe departs from the paper's protocol, or "".

    The seed, the generator of the initial weights and what the paper leaves open
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
