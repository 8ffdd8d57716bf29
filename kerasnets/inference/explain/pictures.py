"""Explanations as PNG files: each map as an overlay on its image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kerasnets.errors import RunError
from kerasnets.inference.explain.explain import Explanation
from kerasnets.runs.explanations import COLUMNS, FILE, Explained, clear
from kerasnets.storage.files import atomic_path, write_csv
from kerasnets.storage.folders import prepare_folder

_SIZE = 224  # minimum size of an image in pixels
_OPAQUE = 0.6  # opacity of the most important pixels


def write_pictures(
    explanations: Sequence[Explanation], folder: Path, *, method: str
) -> list[Path]:
    """Write a picture of each image next to its overlay, and explanations.csv, which
    describes them. Files of an earlier call are removed.

    Args:
        folder: created if missing; it may contain only files of an earlier call.
        method: recorded in explanations.csv.

    Raises:
        RunError: the folder contains other files, or cannot be written.
    """
    paths = []
    rows = []
    prepare_folder(folder, (), FILE)
    try:
        clear(folder)
        for number, one in enumerate(explanations, start=1):
            path = folder / f"{number:03}-{_word(one.explained)}.png"
            with atomic_path(path) as temporary:
                Image.fromarray(overlay(one.pixels, one.map)).save(temporary, "PNG")
            paths.append(path)
            row = Explained(
                path.name,
                one.name,
                one.label,
                one.prediction,
                round(one.confidence, 6),
                one.explained,
                method,
            )
            rows.append(row)
        write_csv(folder / FILE, COLUMNS, rows)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror}.") from error
    return paths


def overlay(pixels: np.ndarray, map_: np.ndarray) -> np.ndarray:
    """The image next to its overlay, uint8 [H, 2 W, 3].

    Args:
        pixels: uint8 [h, w, 1 or 3].
        map_: float32 [h, w]; negative values are ignored.
    """
    times = -(-_SIZE // max(pixels.shape[:2]))
    image = np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)
    image = np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.float64)
    size = (image.shape[1], image.shape[0])
    positive = np.maximum(map_, 0)
    shares = positive / (positive.max() or 1)
    smooth = Image.fromarray(shares.astype("float32")).resize(
        size, Image.Resampling.BILINEAR
    )
    heat = np.clip(np.asarray(smooth), 0, 1)
    # From black over red and yellow to white.
    colors = np.stack([np.clip(3 * heat - step, 0, 1) for step in range(3)], axis=-1)
    opaque = _OPAQUE * heat[..., None]
    covered = image * (1 - opaque) + 255 * colors * opaque
    return np.concatenate([image, covered], axis=1).round().astype(np.uint8)


def _word(name: str) -> str:
    """A class name in a form suitable for file names."""
    kept = "".join(letter if letter.isalnum() else "-" for letter in name)
    return kept.strip("-")[:40] or "class"
