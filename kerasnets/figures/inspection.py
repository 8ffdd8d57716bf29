"""The output of an inspection: a page, and the mean image of each class."""

from collections import Counter
from pathlib import Path

import numpy as np

from kerasnets import text
from kerasnets.catalog.places import as_place, folder_word
from kerasnets.catalog.titles import dataset_title
from kerasnets.datasets.duplicates import MOST, Group
from kerasnets.datasets.inspection import Inspection, inspect
from kerasnets.errors import RunError, shown
from kerasnets.figures.gallery import Picture, Section, draw_gallery
from kerasnets.figures.style import BLUE, one_line
from kerasnets.storage.files import remove, write_json, write_text
from kerasnets.storage.folders import as_path, check_folder, prepare_folder

DEFAULT_ROOT = Path("artifacts/inspections")
FILES = ("inspection.json", "inspection.md", "classes.png")
_DRAWN = 60  # maximum number of classes drawn
_LISTED = 20  # maximum number of files or groups on the page; the JSON has all
_NAME_LENGTH = 13  # characters of a class name that fit below an image


def write_inspection(
    dataset: str,
    folder: Path | str | None = None,
    *,
    data_dir: Path | str | None = None,
) -> tuple[Inspection, Path]:
    """Inspect a dataset, and write inspection.json, inspection.md and classes.png.

    Args:
        folder: artifacts/inspections/<name> unless given.
        dataset, data_dir: see `kerasnets.datasets.inspection.inspect`.

    Returns:
        The result, and the folder.

    Raises:
        RunError: the folder contains other files, or cannot be written.
        DatasetError: as `kerasnets.datasets.inspection.inspect`.
    """
    word = folder_word(as_place(dataset, data_dir))
    folder = DEFAULT_ROOT / word if folder is None else as_path(folder, "path")
    check_folder(folder, FILES, FILES[0])
    found = inspect(dataset, data_dir)
    prepare_folder(folder, FILES, FILES[0])
    record, brief, picture = (folder / name for name in FILES)
    try:
        remove(record)
        write_text(brief, page(found).markdown())
        draw_class_means(found, picture)
        write_json(record, found.to_json())  # last, so that its files belong to it
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror}.") from error
    return found, folder


def draw_class_means(found: Inspection, path: Path) -> Path:
    """Draw the mean image of each class, in descending order of the number of
    images."""
    totals = found.counts.sum(axis=0)
    order = np.argsort(-totals, kind="stable")[:_DRAWN]
    return draw_gallery(
        [
            Section(
                f"{len(order)} of {len(totals)} classes",
                BLUE,
                [
                    Picture(
                        found.means[label],
                        one_line(found.class_names[label], _NAME_LENGTH),
                        f"{totals[label]:,} images",
                    )
                    for label in order
                ],
            )
        ],
        path,
        title=f"{dataset_title(found.dataset)}: the mean image of each class",
        subtitle="Each image is resized to a square first; those with most images come "
        "first.",
    )


def page(found: Inspection) -> text.Page:
    """The page of an inspection."""
    brief: list[str | text.Bullets | text.Table] = [
        text.Bullets(_facts(found)),
        _classes(found),
    ]
    parts: list[text.Part] = [*brief]
    for heading, lines in (
        (
            "Empty classes",
            [f"{shown(c)}: no {split} images" for c, split in found.empty],
        ),
        (
            "Files that cannot be read",
            [f"{shown(name)}: {shown(why)}" for name, why in found.unreadable.items()],
        ),
        (
            "The same image in two classes",
            _groups(found, found.duplicates.across_classes),
        ),
        (
            "The same image in two splits",
            _groups(found, [g for g in found.duplicates.exact if _splits(g) > 1]),
        ),
        (
            "The same image twice in a split",
            _groups(
                found,
                [
                    group
                    for group in found.duplicates.exact
                    if _splits(group) == 1
                    and group not in found.duplicates.across_classes
                ],
            ),
        ),
        ("Images that look alike", _groups(found, found.duplicates.near, "≈")),
    ):
        if lines:
            more = len(lines) - _LISTED
            told = lines[:_LISTED] + ([f"and {more:,} more"] if more > 0 else [])
            heading = f"{heading}: {len(lines):,}"
            parts += [text.Heading(heading), text.Bullets(told)]
            brief += [heading, text.Bullets(told, lead="  ")]
    return text.Page(
        f"Inspection of {dataset_title(found.dataset)}",
        tuple(parts),
        brief=tuple(brief),
    )


def _facts(found: Inspection) -> list[str]:
    images = int(found.counts.sum())
    lines = [
        f"{images:,} images in {len(found.class_names):,} classes"
        + (f"; {found.ignored:,} other files ignored" if found.ignored else "")
    ]
    if images:
        ratios = found.widths / found.heights
        lines += [
            f"width {_range(found.widths)}, height {_range(found.heights)}, aspect "
            f"ratio {ratios.min():.2f} to {ratios.max():.2f} (median "
            f"{np.median(ratios):.2f})",
            f"modes {_counts(found.modes)}; formats {_counts(found.forms)}",
        ]
    if found.frames:
        lines.append(f"{found.frames:,} with several images: the first of them counts")
    counts = found.duplicates.counts()
    lines.append(
        f"{len(found.unreadable):,} files cannot be read; {len(found.empty):,} classes "
        "are empty"
    )
    lines += [
        f"{what}: {counts[kind]['all']:,}, of which {counts[kind]['across_splits']:,} "
        f"across splits and {counts[kind]['across_classes']:,} across classes"
        for kind, what in (
            ("exact", "the same image more than once"),
            ("near", "pairs that look alike"),
        )
    ]
    if counts["near"]["all"] >= MOST:
        lines.append(f"the search for pairs ended at {MOST:,}: there may be more")
    return lines


def _range(values: np.ndarray) -> str:
    return f"{values.min():,} to {values.max():,} (median {np.median(values):,.0f})"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())


def _classes(found: Inspection) -> text.Table:
    totals = found.counts.sum(axis=0)
    return text.Table.of(
        {
            "class": [shown(name) for name in found.class_names],
            **{
                split: [f"{count:,}" for count in found.counts[row]]
                for row, split in enumerate(found.splits)
            },
            "share": [text.percent(n / max(totals.sum(), 1)) for n in totals],
        }
    )


def _splits(group: Group) -> int:
    return len({one.split for one in group})


def _groups(
    found: Inspection, groups: tuple[Group, ...] | list[Group], sign: str = "="
) -> list[str]:
    return [
        f" {sign} ".join(
            f"{shown(one.name)} ({one.split}, {shown(found.class_names[one.label])})"
            for one in group
        )
        for group in groups
    ]
