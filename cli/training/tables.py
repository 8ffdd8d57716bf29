"""What the commands for networks and backends print."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kerasnets.catalog.titles import network_title
from kerasnets.cli.tables import print_table
from kerasnets.statistics import INTERVAL
from kerasnets.text import Table, rate

if TYPE_CHECKING:
    from kerasnets.parity import Row


def print_benchmark(reports: Sequence[dict[str, Any]]) -> None:
    """Print images per second of each contender, and how many times faster ours is."""
    compiles = any(
        "compile_s" in numbers
        for report in reports
        for part in (*report["train"], *report["inference"])
        for numbers in part["contenders"].values()
    )
    columns = ["network", "what", "with", "images/s", "times faster"]
    columns += ["compiled in"] * compiles
    rows: list[tuple[str, ...]] = []

    def add(*cells: str) -> None:
        missing = max(0, len(columns) - len(cells))
        rows.append((*cells, *[""] * missing)[: len(columns)])

    for report in reports:
        for what in ("train", "inference"):
            for part in report[what]:
                label = f"{what} {part['batch_size']}"
                if part["image_size"] != 32:
                    label += f", {part['image_size']} px"
                if part["precision"] != "float32":
                    label += f", {part['precision']}"
                for name, numbers in part["contenders"].items():
                    add(
                        report["network"],
                        label,
                        _short(name),
                        rate(numbers["images_per_s"]),
                        _times_faster(part["ratios"].get(name)),
                        _compiled_in(numbers),
                    )
                for name in part["failed"]:
                    add(report["network"], label, _short(name), "failed")
        for name, one in report["footprint"].items():
            peak, imports = one["peak_memory_mb"], one["imports_memory_mb"]
            add(
                report["network"],
                "start",
                _short(name),
                f"{one['start_s']:.1f} s",
                "" if peak is None else f"{peak - imports:,.0f} of {peak:,.0f} MB",
            )
        for name in report.get("failed", {}).get("start", ()):
            add(report["network"], "start", _short(name), "failed")
    print_table(
        Table(tuple(columns), tuple(rows), words=("what", "with")),
        "Train and inference with their batch size: images/s, and how many times "
        f"faster than that kerasnets is, with its {INTERVAL} (* the faster of two "
        "memory formats; NCHW is contiguous, NHWC channels-last). Start: seconds to "
        "the end of the first training step, compiling included, and peak memory, "
        "without the memory of the imports and with it.",
    )


def _compiled_in(numbers: dict[str, Any]) -> str:
    return f"{numbers['compile_s']:.0f} s" if "compile_s" in numbers else ""


def _times_faster(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    star = "*" if "faster_of" in found else ""
    return f"{found['ratio']:.2f}{star} ({found['low']:.2f}–{found['high']:.2f})"


def _short(contender: str) -> str:
    layouts = {"channels-last": "NHWC", "contiguous": "NCHW"}
    return " ".join(layouts.get(word, word) for word in contender.split())


_PARITY = ("network", "backend", "weights", "logits", "loss", "evaluation", "verdict")
_PARITY_WIDTHS = (14, 10, 9, 7, 7, 10, 9)


def parity_line(row: "Row | None" = None) -> str:
    """A network under a backend, with its largest differences from the first backend.

    Printed line by line, because the widths of a table are only known at the end.

    Args:
        row: None for the names of the columns.
    """
    cells: tuple[str, ...] = _PARITY
    if row:
        cells = (
            network_title(row.network),
            row.backend,
            "same bits" if row.weights else "DIFFER",
            *(f"{one:.1e}" for one in (row.logits, row.loss, row.evaluation)),
            "agrees" if row.agrees else "DISAGREES",
        )
    return "  ".join(map(str.ljust, cells, _PARITY_WIDTHS)).rstrip()
