"""preprocessing.json: what is done to an image before a run's network is given it.

With model.keras it is all that a user needs; docs/run-folder.md has the lines.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnets.datasets.dataset import Dataset
from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.storage import schema
from kerasnets.storage.files import read_json, write_json

if TYPE_CHECKING:
    import keras

FILE = "preprocessing.json"


@dataclass(frozen=True)
class Preprocessing:
    """An image is put on `background`, converted to `mode`, resized bilinearly (Pillow,
    with its antialiasing) to `height` and `width` as `resize` says, and its values in
    0 ... 255 become (value * scale - mean) / std.

    Attributes:
        input_name: of the network's input.
        data_format: "channels_last": the network takes float32 [N, H, W, C]; or
            "channels_first": [N, C, H, W].
        mode: Pillow's: "L" (grey) or "RGB".
        height, width: pixels.
        resampling: "bilinear".
        scale: 1 / 255.
        mean, std: of each channel; 0 and 1 where nothing is subtracted or divided by.
        output: "logits": class scores, of which softmax makes probabilities.
        class_names: by the index of the logit.
        resize, background, decode: as in the recipe.
    """

    input_name: str
    data_format: str
    mode: str
    height: int
    width: int
    resampling: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    output: str
    class_names: tuple[str, ...]
    resize: str = "squash"
    background: str | None = None
    decode: str = "full"

    @classmethod
    def of(
        cls, recipe: Recipe, dataset: Dataset, model: "keras.Model"
    ) -> "Preprocessing":
        """That of a recipe's network."""
        import keras

        height, width, channels = dataset.train.images.shape[1:]
        mean, std = normalization(recipe, dataset)
        return cls(
            input_name=model.inputs[0].name,
            data_format=keras.config.image_data_format(),
            mode="L" if channels == 1 else "RGB",
            height=height,
            width=width,
            resampling="bilinear",
            scale=1 / 255,
            mean=tuple(mean.tolist()),
            std=tuple(std.tolist()),
            output="logits",
            class_names=dataset.class_names,
            resize=recipe.resize,
            background=recipe.background,
            decode=recipe.decode,
        )

    @property
    def rule(self) -> str:
        """How an image becomes uint8 [H, W, C], in words without a full stop."""
        size = f"{self.width}x{self.height} pixels"
        filter_ = f"with Pillow's {self.resampling} filter (antialiased)"
        resized = {
            "squash": f"resized to {size} {filter_}, whatever its aspect ratio",
            "crop": f"its shorter side resized to size / 0.875 {filter_}, and the "
            f"centre of {size} taken",
            "pad": f"its longer side resized to fit {size} {filter_}, the rest filled",
        }[self.resize]
        shown = f", on {self.background}" if self.background else ""
        colors = "RGB" if self.mode == "RGB" else "grey"
        reduced = (
            "; JPEG files decoded at a half, quarter or eighth of their width where "
            "that is still twice as large"
        )
        ending = reduced if self.decode == "reduced" else ""
        return f"{colors}, 0 to 255{shown}; {resized}{ending}"

    def applied_to(self, dataset: Dataset) -> Dataset:
        """The dataset with this mean and deviation: what a network was trained with
        does not change with the data. A dataset with other channels stays as it is: the
        network cannot take it."""
        if len(self.mean) != len(dataset.mean):
            return dataset
        return replace(dataset, mean=np.array(self.mean), std=np.array(self.std))

    def write(self, run: Run) -> None:
        write_json(run.path / FILE, asdict(self))


def normalization(recipe: Recipe, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean to subtract and deviation to divide by, float64 [C], of pixels in [0, 1]
    units.

    Args:
        dataset: with the values of the weights where `normalize` is "weights".
    """
    if recipe.normalize == "unit":
        return np.zeros_like(dataset.mean), np.ones_like(dataset.std)
    # One grey level at least: a channel without variation must not become infinite.
    return dataset.mean, np.maximum(dataset.std, 1 / 255)


def read(run: Run) -> Preprocessing | None:
    """What training recorded; None of a run that an earlier version made.

    Raises:
        RunError: preprocessing.json is damaged.
    """
    path = run.path / FILE
    if not path.exists():
        return None
    values = read_json(path, _FIELDS)
    for name in ("mean", "std", "class_names"):
        values[name] = tuple(values[name])
    return Preprocessing(**values)


def _is_channels(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (1, 3)
        and all(schema.NUMBER.check(one) and math.isfinite(one) for one in value)
    )


_CHANNELS = schema.Field("a number for each channel", _is_channels)
_FIELDS = {
    name: schema.required(field)
    for name, field in {
        "input_name": schema.LINE,
        "data_format": schema.LINE,
        "mode": schema.LINE,
        "height": schema.COUNT,
        "width": schema.COUNT,
        "resampling": schema.LINE,
        "scale": schema.NUMBER,
        "mean": _CHANNELS,
        "std": _CHANNELS,
        "output": schema.LINE,
        "class_names": schema.NAMES,
    }.items()
} | {
    "resize": schema.LINE,
    "background": schema.or_null(schema.LINE),
    "decode": schema.LINE,
}
