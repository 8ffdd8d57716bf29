"""Diagnoses of collapsed networks that a report lacks."""

import re
from collections.abc import Callable

from kerasnets.compute.execution import Execution
from kerasnets.diagnosis import diagnose as study
from kerasnets.diagnosis.diagnose import expected_s
from kerasnets.report.sections.failure import FOLDER, named_collapsed, to_diagnose
from kerasnets.report.sources import Sources
from kerasnets.text import duration


def diagnose_collapsed(
    sources: Sources, execution: Execution, say: Callable[[str], None]
) -> None:
    """Diagnose one run of each collapsed network that has no complete diagnosis, after
    printing an estimate of the time. Missing data is downloaded.

    Args:
        execution: see `kerasnets.diagnosis.diagnose.diagnose`.
        say: receives lines of progress.

    Raises:
        KerasnetsError: a diagnosis cannot be made.
    """
    left = to_diagnose(sources)
    if not left:
        return
    seconds = sum(expected_s(record.run.recipe, execution) for record in left)
    say(
        f"{named_collapsed(left)}: switching one thing at a time to see why takes "
        f"about {duration(seconds)}"
    )
    for record in left:
        study.diagnose(
            record.run.recipe,
            sources.folder / FOLDER / re.sub(r"[^\w.-]+", "-", record.label).strip("-"),
            ablate=True,
            overwrite=True,  # left by an interrupted diagnosis
            say=lambda line, label=record.label: say(f"{label}: {line}"),  # type: ignore[misc]
            execution=execution,
        )
