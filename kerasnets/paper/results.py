"""A study's results, gathered from its run folders."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from kerasnets.paper.claims import Claim, claims
from kerasnets.paper.outcomes import FAILED, FINISHED, Cell, Outcome, outcome
from kerasnets.paper.plan import Study


@dataclass(frozen=True)
class Results:
    """The current results of a study.

    Attributes:
        study: the planned study.
        cells: one for each row, in the paper's order.
        claims: claims of the paper's text, checked.
    """

    study: Study
    cells: tuple[Cell, ...]
    claims: tuple[Claim, ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(one for cell in self.cells for one in cell.outcomes)

    @property
    def finished(self) -> int:
        return sum(one.state == FINISHED for one in self.outcomes)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(one for one in self.outcomes if one.state == FAILED)

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines of the runs, most common first."""
        return machines(self.outcomes)

    @property
    def data_notes(self) -> tuple[tuple[str, str], ...]:
        """Pairs of dataset and remark on its images."""
        notes = {
            (cell.recipe.dataset, str(one.environment["dataset_note"]))
            for cell in self.cells
            for one in cell.outcomes
            if one.environment.get("dataset_note")
        }
        return tuple(sorted(notes))


def machines(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """Descriptions of the machines on which runs began, most common first."""
    named = Counter(
        f"{e['device_name']}, {e['threads']} thread{'s' * (e['threads'] != 1)}, "
        f"{e['backend']} {e['packages'][e['backend']]}, engine {e['engine']}"
        for e in (one.environment for one in outcomes)
        if e.keys() >= {"device_name", "threads", "backend", "packages", "engine"}
    )
    return tuple(name for name, _ in named.most_common())


def gather(study: Study) -> Results:
    """Read every run folder of a study.

    Raises:
        RunError: a file of a run is damaged.
    """
    outcomes = [outcome(planned) for planned in study.runs]
    cells = tuple(
        Cell(row, study.recipe(row), tuple(one for one in outcomes if one.row == row))
        for row in study.rows
    )
    return Results(study, cells, claims(cells))
