"""Loss and accuracy by epoch (the paper's appendix figures)."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from kerasnets import runs
from kerasnets.errors import RunError
from kerasnets.figures.style import BLUE, GRAY, SMALL_SIZE, VERMILION, run_title, sheet
from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.runs.records import environment

_MARKED_EPOCHS = 20  # with more, markers hide the lines


def draw_curves(run: Run | Path | str, path: Path | str | None = None) -> Path:
    """Draw the loss and accuracy of the training and the monitored images by epoch.

    Args:
        run: a run with at least one finished epoch.
        path: a PNG or SVG file; curves.png in the run folder unless given.

    Returns:
        The file written.

    Raises:
        RunError: no epoch is finished, or the folder is damaged or not writable.
    """
    run = runs.opened(run)
    history = run.history
    if not history:
        raise RunError(f"{run.path} has no finished epoch to draw.")
    path = Path(path or run.path / "curves.png")
    monitored = run.recipe.monitored_split
    images = environment(run).get("train_images")
    with sheet(
        path,
        title=run_title(run.recipe),
        subtitle=_facts(run.recipe, len(history), images),
        body_height=3.4,
    ) as figure:
        losses, accuracies = figure.subplots(1, 2)
        _draw(losses, history, "loss", monitored, "{:.4f}".format)
        smoothed = ", with label smoothing" if run.loss_is_smoothed else ""
        losses.set_ylabel(f"cross-entropy{smoothed} (nats per image)")
        _draw(accuracies, history, "accuracy", monitored, "{:.2%}".format)
        accuracies.set_ylabel("accuracy")
        accuracies.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        figure.legend(
            losses.get_lines(),
            ["train", f"{monitored} ({_kind(run.recipe)})"],
            loc="outside lower center",
            ncols=2,
            handlelength=2.8,
        )
    return path


def _draw(
    axes: Axes,
    history: list[dict[str, float]],
    name: str,
    monitored: str,
    written: Callable[[float], str],
) -> None:
    epochs = [row["epoch"] for row in history]
    marked = len(epochs) <= _MARKED_EPOCHS
    for column, color, line, marker in (
        (name, BLUE, "--", "o"),
        (f"val_{name}", VERMILION, "-", "s"),
    ):
        axes.plot(
            epochs,
            [row[column] for row in history],
            color=color,
            linestyle=line,
            marker=marker if marked else "",
            markersize=3.5,
        )
    last = history[-1]
    axes.set_title(
        f"last: train {written(last[name])}, "
        f"{monitored} {written(last[f'val_{name}'])}",
        color=GRAY,
        size=SMALL_SIZE,
    )
    axes.set_xlabel("epoch")
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(
        MaxNLocator(8, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    )
    axes.grid(axis="y")
    axes.spines[["top", "right"]].set_visible(False)


def _kind(recipe: Recipe) -> str:
    if recipe.validation == "test":
        return "monitored, never selected on"
    if isinstance(recipe.validation, str):
        return "the dataset's own split"
    return f"{recipe.validation * 100:g}% of train"


def _facts(recipe: Recipe, epochs: int, images: int | None) -> str:
    done = f"{epochs} of {recipe.epochs}" if epochs < recipe.epochs else f"{epochs}"
    facts = [
        f"{done} epoch{'s' * (recipe.epochs > 1)}",
        f"batch {recipe.batch_size}",
        f"{recipe.optimizer}, learning rate {recipe.learning_rate:g}"
        + (f" ({recipe.schedule})" if recipe.schedule != "constant" else ""),
        *([f"{images:,} training images"] if images else []),
        f"seed {recipe.seed}",
    ]
    return " · ".join(facts)
