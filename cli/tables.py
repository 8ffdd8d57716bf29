"""The tables that commands print."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from kerasnets import text
from kerasnets.catalog.locations import data_folder_if_any
from kerasnets.catalog.networks import NETWORKS
from kerasnets.catalog.titles import dataset_title, measured_name, network_title
from kerasnets.console import console, line
from kerasnets.datasets import listing
from kerasnets.errors import shown
from kerasnets.recipe import SETTINGS
from kerasnets.recipe.setting import NETWORK
from kerasnets.runs import Run
from kerasnets.runs.status import (
    COMPLETE,
    CORRUPT,
    INTERRUPTED,
    RUNNING,
    STOPPED,
    RunState,
)
from kerasnets.text import duration, file_size

if TYPE_CHECKING:
    from rich.console import Console

    from kerasnets.inference.predict import Answer
    from kerasnets.paper.plan import Study
    from kerasnets.paper.reproduction.estimate import Estimate
    from kerasnets.paper.results import Results
    from kerasnets.parity import Row

_COLORS = {
    RUNNING: "cyan",
    INTERRUPTED: "yellow",
    COMPLETE: "green",
    STOPPED: "green",
    CORRUPT: "bold red",
}


def networks_table() -> Table:
    table = _table(
        ("name", "depth", "parameters without bn", "with bn", "own options"),
        right=(1, 2, 3),
    )
    options = [one for one in SETTINGS.values() if one.group == NETWORK and one.paper]
    for name, spec in NETWORKS.items():
        counts = [Text(f"{count:,}") for count in spec.parameters]
        counts[spec.batch_norm].stylize("bold")
        own = " ".join(one.flag for one in options if spec.family in one.families)
        table.add_row(name, str(spec.depth), *counts, own)
    *some, last = (one.flags for one in options if not one.families)
    table.caption = (
        "Trainable parameters for 10 classes and 3 channels; bold: the original "
        f"network. All take {', '.join(some)} and {last}."
    )
    return table


def datasets_table(data_dir: Path | None) -> Table:
    table = _table(
        ("name", "state", "train", "test", "images", "classes"),
        right=(2, 3, 4, 5),
    )
    for known in listing.states(data_dir):
        size, channels = (
            known.image_size,
            {1: "grey", 3: "RGB"}.get(known.channels or 0),
        )
        mb = f" ({known.download_mb} MB)" if known.download_mb else ""
        table.add_row(
            known.name,
            known.state + mb,
            text.number(known.train, ","),
            text.number(known.test, ","),
            f"{size}×{size} {channels}" if size else "",
            text.number(known.classes, ","),
        )
    folder = data_folder_if_any(data_dir)
    table.caption = (
        f"Prepared datasets are looked for in {shown(folder)}."
        if folder
        else "There is no home folder: TFDS_DATA_DIR says where prepared datasets are."
    )
    return table


def runs_table(root: Path, states: Sequence[RunState]) -> Table:
    table = _table(
        ("run", "state", "epochs", "best", "last", "test", "time", "size"),
        right=(2, 3, 4, 5, 6, 7),
    )
    # Names are what a person copies: they are broken rather than cut.
    table.columns[0].no_wrap = False
    table.columns[0].overflow = "fold"
    for one in states:
        name = one.path.relative_to(root).as_posix()
        table.add_row(
            shown(one.path.name if name == "." else name),
            Text(one.state, _COLORS[one.state]),
            "" if one.epochs is None else f"{one.epochs_done}/{one.epochs}",
            text.percent(one.best_val_accuracy),
            text.percent(one.last_val_accuracy),
            text.percent(one.test_accuracy),
            "" if one.seconds is None else duration(one.seconds),
            file_size(one.size),
        )
    sizes = file_size(sum(one.size for one in states))
    checkpoints = sum(one.checkpoints_size for one in states)
    if checkpoints:
        sizes += f", of which {file_size(checkpoints)} are checkpoints"
    table.caption = (
        f"{len(states)} run{'s' * (len(states) != 1)} in {shown(root)}: {sizes}. "
        "Accuracy on the monitored images in the best and the last epoch and, once "
        "evaluated, on the test split; time of training and validation."
    )
    return table


def answers_table(answers: "Iterable[Answer]") -> Table:
    """Predictions for files: the best class, its probability, and the runners-up."""
    table = _table(("image", "prediction", "confidence", "then"), right=(2,))
    # The runners-up give way first: the widest column that may wrap.
    table.columns[0].no_wrap = table.columns[3].no_wrap = False
    table.columns[0].overflow = "fold"
    for answer in answers:
        (name, share), *others = answer.best
        then = ", ".join(f"{shown(other)} {text.percent(p)}" for other, p in others)
        table.add_row(shown(answer.name), shown(name), text.percent(share), then)
    return table


def metrics_lines(run: Run, metrics: dict[str, Any]) -> list[str]:
    """Loss, accuracies, and what else is to be said of an evaluation."""
    recipe = run.recipe
    title = network_title(recipe.network, batch_norm=recipe.batch_norm)
    lines = [
        f"{title} on {dataset_title(recipe.dataset)}, {metrics['split']} split "
        f"({metrics['images']:,} images)",
        f"accuracy {metrics['accuracy']:.2%}, loss {metrics['loss']:.4f}",
    ]
    if metrics["top5_accuracy"] is not None:
        lines[1] += f", top-5 accuracy {metrics['top5_accuracy']:.2%}"
    lines.append(
        f"balanced accuracy {metrics['balanced_accuracy']:.2%}, macro F1 "
        f"{metrics['macro_f1']:.4f}"
    )
    if metrics["positive_class"] is not None:
        auc, precision = (
            "none" if metrics[name] is None else f"{metrics[name]:.4f}"
            for name in ("roc_auc", "average_precision")
        )
        lines.append(
            f"ROC AUC {auc}, average precision {precision} of class "
            f"{metrics['positive_class']!r}"
        )
    if metrics["first_batch"]:
        first = metrics["first_batch"]
        lines.append(
            f"first batch: accuracy {first['accuracy']:.2%} ({first['images']} images)"
        )
    if metrics["dataset_note"]:
        lines.append(f"note: {line(metrics['dataset_note'])}")
    if metrics["collapsed"]:
        collapsed = metrics["collapsed"]
        lines.append(
            f"collapsed: {collapsed['share']:.1%} of the predictions are class "
            f"{collapsed['class']!r}"
        )
    return lines


def per_class_table(run: Run, split: str) -> Table:
    """Precision, recall and F1 of each class."""
    from kerasnets.runs.results import PER_CLASS, read_per_class

    table = _table(("class", "precision", "recall", "F1", "images"), right=(1, 2, 3, 4))
    rows = read_per_class(run.results_folder(split) / PER_CLASS.file)
    for name, precision, recall, f1, support in rows[:_CLASSES_SHOWN]:
        shares = (f"{share:.3f}" for share in (precision, recall, f1))
        table.add_row(shown(name), *shares, str(support))
    if len(rows) > _CLASSES_SHOWN:
        table.caption = f"{len(rows) - _CLASSES_SHOWN} more classes in {PER_CLASS.file}"
    return table


def thresholds_table(run: Run, metrics: dict[str, Any]) -> Table:
    """What two classes give from each probability of the positive one on."""
    from kerasnets.runs.results import THRESHOLDS, read_thresholds

    columns = ("threshold", "precision", "recall", "specificity", "F1", "predicted")
    table = _table(columns, right=range(len(columns)))
    folder = run.results_folder(metrics["split"])
    for threshold, *shares, predicted in read_thresholds(folder / THRESHOLDS.file):
        words = (f"{share:.3f}" for share in shares)
        table.add_row(f"{threshold:.2f}", *words, str(predicted))
    table.caption = (
        f"An image counts as {shown(metrics['positive_class'])} from this probability "
        "on."
    )
    return table


def benchmark_table(reports: Sequence[dict[str, Any]]) -> Table:
    """Images per second of each contender, and how many times faster ours is."""
    compiles = any(
        "compile_s" in numbers
        for report in reports
        for part in (*report["train"], *report["inference"])
        for numbers in part["contenders"].values()
    )
    columns = ["network", "what", "with", "images/s", "times faster"]
    table = _table(columns + ["compiled in"] * compiles, right=(3, 4, 5))
    for report in reports:
        for what in ("train", "inference"):
            for part in report[what]:
                label = f"{what} {part['batch_size']}"
                if part["image_size"] != 32:
                    label += f", {part['image_size']} px"
                if part["precision"] != "float32":
                    label += f", {part['precision']}"
                for name, numbers in part["contenders"].items():
                    table.add_row(
                        report["network"],
                        label,
                        _short(name),
                        f"{numbers['images_per_s']:,.1f}",
                        _times_faster(part["ratios"].get(name)),
                        _compiled_in(numbers),
                    )
                for name in part["failed"]:
                    table.add_row(report["network"], label, _short(name), "failed")
        for name, one in report["footprint"].items():
            peak, imports = one["peak_memory_mb"], one["imports_memory_mb"]
            table.add_row(
                report["network"],
                "start",
                _short(name),
                f"{one['start_s']:.1f} s",
                "" if peak is None else f"{peak - imports:,.0f} of {peak:,.0f} MB",
            )
    from kerasnets.statistics import INTERVAL

    table.caption = (
        "Train and inference with their batch size: images/s, and how many times "
        f"faster than that kerasnets is, with its {INTERVAL} (* the faster of two "
        "memory formats; NCHW is contiguous, NHWC channels-last). Start: seconds to "
        "the end of the first training step, compiling included, and peak memory, "
        "without what the imports take and with it."
    )
    return table


def _compiled_in(numbers: dict[str, Any]) -> str:
    return f"{numbers['compile_s']:.0f} s" if "compile_s" in numbers else ""


def _times_faster(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    star = "*" if "faster_of" in found else ""
    return f"{found['ratio']:.2f}{star} ({found['low']:.2f}–{found['high']:.2f})"


def print_benchmark(reports: Sequence[dict[str, Any]]) -> None:
    _screen().print(benchmark_table(reports))


def _screen() -> "Console":
    screen = console()
    if not screen.is_terminal:
        screen.width = _FILE_WIDTH
    return screen


def print_page(page: text.Page) -> None:
    """Print what a page has for a terminal, its tables as far as they have rows."""
    after_text = False
    for part in page.brief:
        if not isinstance(part, text.Table):
            bullets = part if isinstance(part, text.Bullets) else text.Bullets([part])
            for one in bullets.lines:
                click.echo(f"{bullets.lead}{line(text.plain(one))}")
            after_text = True
        elif part.rows:
            if after_text:
                click.echo()
            print_table(part)
            after_text = False


def print_table(cells: text.Table) -> None:
    """Print a table of ready cells, as a list of its rows where the screen is too
    narrow for it."""
    screen = _screen()
    table = Table(box=None, header_style="bold")
    for index, column in enumerate(cells.columns):
        side: JustifyMethod = "right" if cells.is_number(index) else "left"
        table.add_column(shown(column), justify=side, overflow="fold")
    for row in cells.rows:
        table.add_row(*map(shown, row))
    if screen.measure(table).maximum <= screen.width:
        screen.print(table, "")
        return
    for first, *others in cells.rows:
        screen.print(Text(shown(first), "bold"))
        for column, cell in zip(cells.columns[1:], others, strict=True):
            if cell:
                screen.print(f"  {shown(column)}: {shown(cell)}")
    screen.print()


def estimates_table(study: "Study", estimates: "Sequence[Estimate]") -> Table:
    """What a study would run, and for how long."""
    table = _table(
        ("run", "training images", "epochs", "state", "time left"), right=(1, 2, 4)
    )
    for one in estimates:
        found = one.outcome
        state = f"{found.state}, {found.epochs} done" if found.epochs else found.state
        table.add_row(
            measured_name(one.planned.name, one.planned.recipe.dataset),
            f"{one.train_images:,}",
            str(one.planned.recipe.epochs),
            state,
            duration(one.seconds) if one.seconds else "",
        )
    total = duration(sum(one.seconds for one in estimates))
    table.caption = (
        f"Scale {study.scale}, in {shown(study.path)}. About {total} in one process, "
        "from a few measured steps; start-up, checkpoints and figures are not counted."
    )
    return table


def study_table(results: "Results") -> Table:
    """The paper's tables with ours and the verdicts."""
    from kerasnets.statistics import INTERVAL

    table = _table(("row", "paper", "ours", INTERVAL, "verdict"), right=(1, 2, 3))
    for cell in results.cells:
        found = cell.interval
        table.add_row(
            cell.name,
            f"{100 * cell.paper_accuracy:.2f}",
            "" if cell.accuracy is None else f"{100 * cell.accuracy:.2f}",
            "" if found is None else f"{100 * found.low:.2f}–{100 * found.high:.2f}",
            cell.verdict.outcome,
        )
    table.caption = (
        f"Test accuracy in percent; {results.finished} of {len(results.outcomes)} runs "
        "finished. results.md gives the reasons."
    )
    return table


_PARITY = ("network", "backend", "weights", "logits", "loss", "evaluation", "verdict")
_PARITY_WIDTHS = (14, 10, 9, 7, 7, 10, 9)


def parity_line(row: "Row | None" = None) -> str:
    """A network under a backend, with its largest differences from the first backend;
    the names of the columns without one. Not part of a table, whose widths are only
    known at the end."""
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


def _short(contender: str) -> str:
    layouts = {"channels-last": "NHWC", "contiguous": "NCHW"}
    return " ".join(layouts.get(word, word) for word in contender.split())


def _table(columns: Sequence[str], right: Sequence[int]) -> Table:
    table = Table(
        box=None, header_style="bold", title_justify="left", caption_justify="left"
    )
    for index, column in enumerate(columns):
        table.add_column(
            column,
            justify="right" if index in right else "left",
            no_wrap=True,
        )
    return table


_CLASSES_SHOWN = 20
_FILE_WIDTH = 200  # letters; a file or a pipe is as wide as a table
