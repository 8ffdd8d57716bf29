"""A comparison as files."""

from dataclasses import asdict
from pathlib import Path

from kerasnets.comparison.compare import Comparison
from kerasnets.comparison.compare_page import page
from kerasnets.comparison.row import Row
from kerasnets.figures import draw_overlay, draw_pareto
from kerasnets.runs import write_csv, write_json, write_text
from kerasnets.storage.folders import prepare_folder

DEFAULT_ROOT = Path("artifacts/comparisons")

FIGURES = ("curves.png", "curves.svg", "pareto.png", "pareto.svg")
FILES = (
    "comparison.json",
    "comparison.csv",
    "mcnemar.csv",
    "agreement.csv",
    "comparison.md",
    *FIGURES,
)


def write_comparison(comparison: Comparison, folder: Path | str) -> None:
    """Write every file of a comparison; docs/comparing.md lists them.

    Files of an earlier comparison in the folder are replaced.

    Raises:
        RunError: the folder holds other files, or cannot be written.
    """
    folder = Path(folder)
    prepare_folder(folder, FILES, marker="comparison.json")
    write_csv(folder / "comparison.csv", *_rows(comparison))
    write_csv(folder / "mcnemar.csv", *_tests(comparison))
    labels = [row.label for row in comparison.rows]
    write_csv(
        folder / "agreement.csv",
        ["run", *labels],
        (
            [label, *shares]
            for label, shares in zip(labels, comparison.agreement, strict=True)
        ),
    )
    report = comparison.to_json()
    drawn = []
    for suffix in ("png", "svg"):
        drawn.append(draw_overlay(report, folder / f"curves.{suffix}"))
        if comparison.pareto:
            drawn.append(draw_pareto(report, folder / f"pareto.{suffix}"))
    figures = {path.name for path in drawn}
    for name in set(FIGURES) - figures:  # of an earlier comparison
        (folder / name).unlink(missing_ok=True)
    write_text(folder / "comparison.md", page(comparison, figures))
    write_json(folder / "comparison.json", report)


def _rows(comparison: Comparison) -> tuple[list[str], list[list]]:
    """Every number of the rows, unrounded; the interval in two columns."""
    columns = [name for name in Row.__dataclass_fields__ if name != "curve"]
    place = columns.index("interval")
    rows = []
    for row in comparison.rows:
        values = [getattr(row, name) for name in columns]
        ends = [row.interval.low, row.interval.high] if row.interval else [None, None]
        rows.append([*values[:place], *ends, *values[place + 1 :]])
    columns[place : place + 1] = ["interval_low", "interval_high"]
    return columns, rows


def _tests(comparison: Comparison) -> tuple[list[str], list[list]]:
    columns = [
        "first",
        "second",
        "only_first",
        "only_second",
        "difference",
        "difference_low",
        "difference_high",
        "p",
        "holm_p",
    ]
    rows = []
    for pair in comparison.mcnemar:
        test = asdict(pair.test)
        interval = test.pop("interval")
        p = test.pop("p")
        rows.append(
            [
                pair.first,
                pair.second,
                *test.values(),
                *interval.values(),
                p,
                pair.holm_p,
            ]
        )
    return columns, rows
