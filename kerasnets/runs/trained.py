"""Load the trained network of a run."""

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasnets.compute.nothing_drawn import nothing_drawn
from kerasnets.errors import RunError, command, shown, spelled
from kerasnets.runs import Run
from kerasnets.runs.status import progress
from kerasnets.storage.files import check_digest

if TYPE_CHECKING:
    import keras


def check_trained(run: Run) -> None:
    """Check that training has written its model.

    Raises:
        RunError: it has not, or the run was published without weights.
    """
    if run.model_file.is_file():
        return
    reached = progress(run)
    if reached.finished:
        raise RunError(
            f"{run.path} has no model.keras: it was published without weights."
        )
    how = spelled(
        command=f"'kerasnets fit ... {command('--out', run.path, '--resume')}'",
        python=f"fit(..., {str(run.path)!r}, resume=True)",
    )
    raise RunError(
        f"{run.path} has no model.keras: its training has not finished ({reached}); "
        f"continue it with {how}."
    )


# All classes in kerasnets's networks. Keras's safe mode refuses lambdas; this list also
# excludes layers that read files or execute their input.
_CLASSES = {
    *("Functional", "InputLayer", "__keras_tensor__", "DTypePolicy"),
    *("Conv2D", "Dense", "BatchNormalization", "ReLU", "Dropout", "Flatten"),
    *("Add", "Concatenate", "ZeroPadding2D", "Cropping2D", "MaxPooling2D"),
    *("AveragePooling2D", "AdaptiveAveragePooling2D", "GlobalAveragePooling2D"),
    "UpSampling2D",
    *("GlorotUniform", "VarianceScaling", "RandomNormal", "RandomUniform"),
    *("Zeros", "Ones"),
}
_LARGEST_CONFIG = 64_000_000  # bytes


def load_model(run: Run) -> "keras.Model":
    """Load the trained network: a functional Keras model with logits, not compiled.

    The file may be foreign; loading it executes no code.

    Raises:
        RunError: training has not finished, or model.keras is damaged or contains
            layers that no network of kerasnets has.
    """
    check_trained(run)
    check_digest(run.model_file)
    # Keras imports h5py when it reads weights. It is imported here first, so that it is
    # not mistaken for a module named by the file.
    import h5py  # noqa: F401
    import keras

    try:
        foreign = _classes(run.model_file) - _CLASSES
        if not foreign:
            with nothing_drawn():
                model = keras.saving.load_model(
                    run.model_file, compile=False, safe_mode=True
                )
            return _repeating_one_pixel(model)
    except MemoryError:
        raise
    except Exception as error:
        # The zip, JSON, HDF5 and Keras readers each raise their own errors.
        raise RunError(
            f"{run.model_file} cannot be read as a Keras model: it is damaged, or was "
            "not written by kerasnets."
        ) from error
    raise RunError(
        f"{run.model_file} is refused: it has {shown(min(foreign))}, which no network "
        "of kerasnets has."
    )


def check_finite(run: Run, logits: np.ndarray) -> None:
    """Check that logits [images, classes] of a run's network are finite.

    Raises:
        RunError: some are NaN or infinite.
    """
    bad = int((~np.isfinite(logits)).any(axis=1).sum())
    if bad:
        raise RunError(
            f"{run.model_file} yields logits that are not finite for {bad} of "
            f"{len(logits)} images: its weights are damaged or too large."
        )


def follow_layout(model: "keras.Model") -> None:
    """Set Keras's image layout to that of a trained network, for the current session: a
    run may have been trained with channels first, whereas sessions begin with channels
    last."""
    from keras import config

    for layer in model.layers:
        layout = getattr(layer, "data_format", None)
        if layout:
            config.set_image_data_format(layout)
            return


def _repeating_one_pixel(model: "keras.Model") -> "keras.Model":
    """The network with adaptive pools replaced. Earlier runs have them on maps of one
    pixel, where Keras's layer fails under TensorFlow. The outputs are identical."""
    from keras import layers, models

    pool = layers.AdaptiveAveragePooling2D
    if not any(type(layer) is pool for layer in model.layers):
        return model

    def renewed(layer: layers.Layer) -> layers.Layer:
        if type(layer) is not pool:
            return layer.__class__.from_config(layer.get_config())
        return layers.UpSampling2D(
            layer.output_size,
            data_format=layer.data_format,
            name=layer.name,
            dtype=layer.dtype_policy,
        )

    copy = models.clone_model(model, clone_function=renewed)
    copy.set_weights(model.get_weights())
    return copy


def _classes(model_file: Path) -> set[str]:
    """Names of all classes that loading a .keras file would instantiate."""
    with zipfile.ZipFile(model_file) as archive:
        if archive.getinfo("config.json").file_size > _LARGEST_CONFIG:
            raise ValueError("config.json is too large")
        found, left = set(), [json.loads(archive.read("config.json"))]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                found.add(str(value["class_name"]))
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return found
