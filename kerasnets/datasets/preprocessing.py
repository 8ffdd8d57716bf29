"""preprocessing.json: how an image becomes the input of a run's network.

Together with model.keras it is all that a user needs; see docs/run-folder.md for code.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnets.datasets.dataset import Dataset
from kerasnets.recipe import Recipe
from kerasnets.recipe.fields import BACKGROUNDS, DECODES, RESIZES
from kerasnets.runs import Run
from kerasnets.storage import schema
from kerasnets.storage.files import read_json, write_json

if TYPE_CHECKING:
    import keras

FILE = "preprocessing.json"


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of an image: put it on `background`, convert it to `mode`,
    resize it to `height` and `width` by the rule `resize` (Pillow's antialiased
    bilinear filter), then map values 0 ... 255 to (value * scale - mean) / std.

    Attributes:
        input_name: name of the network's input.
        data_format: "channels_last" for input float32 [N, H, W, C], or
            "channels_first" for [N, C, H, W].
        mode: Pillow mode, "L" (grey) or "RGB".
        height, width: pixels.
        resampling: "bilinear".
        scale: 1 / 255.
        mean, std: per channel; 0 and 1 without standardization.
        output: "logits": class scores; softmax turns them into probabilities.
        class_names: by logit index.
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
        """The preprocessing for a recipe's network."""
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
        """How an image becomes uint8 [H, W, C], as a phrase without a full stop."""
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
        """The dataset, normalized as the network's training data was. A dataset with
        another number of channels, which the network cannot process, is unchanged."""
        if len(self.mean) != len(dataset.mean):
            return dataset
        return replace(dataset, mean=np.array(self.mean), std=np.array(self.std))

    def write(self, run: Run) -> None:
        write_json(run.path / FILE, asdict(self))


def normalization(recipe: Recipe, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean to subtract and deviation to divide by, float64 [C], for pixels in [0, 1].

    Args:
        dataset: already normalized by the weights if `normalize` is "weights".
    """
    if recipe.normalize == "unit":
        return np.zeros_like(dataset.mean), np.ones_like(dataset.std)
    # At least one grey level: a constant channel must not become infinite.
    return dataset.mean, np.maximum(dataset.std, 1 / 255)


def read(run: Run) -> Preprocessing | None:
    """The preprocessing recorded by training; None for runs of earlier versions.

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
        "data_format": schema.one_of("channels_last", "channels_first"),
        "mode": schema.one_of("L", "RGB"),
        "height": schema.COUNT,
        "width": schema.COUNT,
        "resampling": schema.one_of("bilinear"),
        "scale": schema.NUMBER,
        "mean": _CHANNELS,
        "std": _CHANNELS,
        "output": schema.one_of("logits"),
        "class_names": schema.NAMES,
    }.items()
} | {
    "resize": schema.one_of(*RESIZES),
    "background": schema.or_null(schema.one_of(*BACKGROUNDS)),
    "decode": schema.one_of(*DECODES),
}
