"""What a reader of a comparison should know, one line each."""

from collections.abc import Iterator, Mapping, Sequence

from kerasnets.names import dataset_title
from kerasnets.study.evaluated import Evaluated, why_other_images
from kerasnets.study.row import Row


def comparison_notes(
    rows: Sequence[Row],
    results: Mapping[str, Evaluated],
    *,
    left_out: Sequence[str],
    smoothed: Sequence[str],
) -> list[str]:
    """Notes on what is missing, and on what cannot be compared and why.

    Args:
        rows: the runs of the comparison.
        results: of those that are evaluated, by label.
        left_out: runs that have not finished an epoch.
        smoothed: labels of the runs whose validation loss has label smoothing in it,
            as that of runs had that were begun before it was told apart.
    """
    return [
        *_on_what_is_missing(rows, left_out),
        *_on_test_images(rows, results),
        *_on_training(rows, smoothed),
    ]


def _on_what_is_missing(rows: Sequence[Row], left_out: Sequence[str]) -> Iterator[str]:
    if left_out:
        yield f"Left out, no finished epoch: {', '.join(left_out)}."
    short = [
        f"{row.label} ({row.epochs} of {row.planned_epochs} epochs)"
        for row in rows
        if row.epochs < row.planned_epochs and not row.stopped
    ]
    if short:
        yield f"Training has not finished: {', '.join(short)}."
    stopped = [
        f"{row.label} (after {row.epochs} of {row.planned_epochs} epochs; "
        f"{row.stopped})"
        for row in rows
        if row.stopped
    ]
    if stopped:
        yield f"Stopped early: {'; '.join(stopped)}."
    waiting = [row.label for row in rows if row.group is None]
    if waiting:
        yield (
            f"Not evaluated on the test split yet: {', '.join(waiting)} ('kerasnets "
            "evaluate RUN' does that)."
        )
    untimed = [row.label for row in rows if row.total_s is None]
    if untimed:
        yield f"No times of every epoch: {', '.join(untimed)}."


def _on_test_images(
    rows: Sequence[Row], results: Mapping[str, Evaluated]
) -> Iterator[str]:
    datasets = sorted({row.dataset for row in rows})
    if len(datasets) > 1:
        titles = ", ".join(map(dataset_title, datasets))
        yield f"Accuracies are compared within a dataset only (here: {titles})."
    for dataset in datasets:
        evaluated = [
            row for row in rows if row.dataset == dataset and row.group is not None
        ]
        for row in evaluated:
            first = evaluated[0]
            why = why_other_images(results[first.label], results[row.label])
            if row.group != first.group and why:
                yield (
                    f"{row.label} is not compared with {first.label} image by image: "
                    f"{why}."
                )


def _on_training(rows: Sequence[Row], smoothed: Sequence[str]) -> Iterator[str]:
    if len({row.device for row in rows}) > 1:
        devices = "; ".join(f"{row.label} {row.device}" for row in rows)
        yield f"Times are of different devices: {devices}."
    monitored = [row.label for row in rows if row.monitored == "test"]
    if monitored:
        yield f"Validation of {', '.join(monitored)} is on the test split."
    if smoothed:
        yield f"The validation loss of {', '.join(smoothed)} has label smoothing in it."
