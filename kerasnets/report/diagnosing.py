"""Diagnose the networks that collapsed, before a report tells of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasnets.errors import KerasnetsError
from kerasnets.report.data import is_at_hand
from kerasnets.report.failure import FOLDER, read_diagnoses, undiagnosed
from kerasnets.report.sources import Sources
from kerasnets.study import diagnose as study


def diagnose_collapsed(
    sources: Sources,
    *,
    required: bool,
    data_dir: Path | str | None = None,
    say: Callable[[str], None],
    **options: Any,
) -> None:
    """Diagnose one run of each collapsed network that has no whole diagnosis yet.

    Args:
        required: whether to download missing data, and to raise what keeps a diagnosis
            from being made. Else nothing is downloaded, and the obstacle is said.
        data_dir: where prepared datasets are; TFDS_DATA_DIR unless given.
        say: takes a line of progress.
        options: device and engine, as for `kerasnets.study.diagnose.diagnose`.

    Raises:
        KerasnetsError: `required`, and a diagnosis cannot be made.
    """
    whole = [one for one in read_diagnoses(sources.folder) if one.is_whole]
    for record in undiagnosed(sources, whole):
        recipe = record.run.recipe
        if not (required or is_at_hand(recipe.dataset, data_dir)):
            say(f"{record.label} collapsed; it takes {recipe.dataset} to see why.")
            continue
        say(f"{record.label} collapsed: switching one thing at a time to see why")
        try:
            study.diagnose(
                recipe,
                sources.folder / FOLDER / record.label.replace("/", "-"),
                ablate=True,
                overwrite=True,  # what an interrupted one has left
                data_dir=data_dir,
                say=say,
                **options,
            )
        except KerasnetsError as error:
            if required:
                raise
            say(f"{record.label} is not diagnosed: {error}")
