"""Saliency maps by four methods.

Each method maps a functional model with logits, its input images (float32) and a class
per image (int64 [N]) to float32 [N, H, W], larger for pixels that contribute more to
the class.
"""

from collections.abc import Callable

import keras
import numpy as np
from PIL import Image

from kerasnets.errors import RunError
from kerasnets.inference.explain.gradients import score_gradients

_FINE = 4  # minimum height and width of a feature map for a useful localization
_STEPS = 50  # of the numerical integration
_WINDOWS = 8  # occluding windows per side
_BATCH = 64


def grad_cam(model: keras.Model, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Grad-CAM (Selvaraju et al. 2017): the positive part of the sum of the last
    feature maps, weighted by the mean gradient of the class's logit in each."""
    features, gradients = _features(model, images, classes)
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    return _enlarged(np.maximum((features * weights).sum(axis=3), 0), model)


def grad_cam_plus(
    model: keras.Model, images: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Grad-CAM++ (Chattopadhay et al. 2018): as Grad-CAM, with weights that treat
    several instances of a class equally; the score is the logit's exponential."""
    features, gradients = _features(model, images, classes)
    sums = features.sum(axis=(1, 2), keepdims=True)
    divisor = 2 * gradients**2 + sums * gradients**3
    shares = np.where(
        gradients != 0, gradients**2 / np.where(divisor != 0, divisor, 1), 0
    )
    weights = (np.maximum(gradients, 0) * shares).sum(axis=(1, 2), keepdims=True)
    return _enlarged(np.maximum((features * weights).sum(axis=3), 0), model)


def integrated_gradients(
    model: keras.Model, images: np.ndarray, classes: np.ndarray, black: np.ndarray
) -> np.ndarray:
    """Integrated gradients (Sundararajan et al. 2017) from a black image, summed over
    channels. The sum over all pixels is the logit's increase from the black image.

    Args:
        black: float32, of the shape of one image.
    """
    places, weights = np.polynomial.legendre.leggauss(_STEPS)
    sums = np.zeros(images.shape)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        between = (black + np.float32(place) * (images - black)).astype("float32")
        sums += weight * score_gradients(model, between, classes)
    return _over_channels((images - black) * sums, model)


def occlusion(
    model: keras.Model, images: np.ndarray, classes: np.ndarray, grey: np.ndarray
) -> np.ndarray:
    """Occlusion (Zeiler & Fergus 2014): the logit's decrease when a window is covered,
    averaged over the windows that cover a pixel. A window's side is an eighth of the
    image's, its stride half of that.

    Args:
        grey: float32 [C], the pixel that covers a window.
    """
    axes = _image_axes(model)
    height, width = (images.shape[axis] for axis in axes)
    size = [max(1, round(side / _WINDOWS)) for side in (height, width)]
    windows = [
        (slice(top, top + size[0]), slice(left, left + size[1]))
        for top in _starts(height, size[0])
        for left in _starts(width, size[1])
    ]
    rows = np.arange(len(images))
    whole = _logits(model, images)[rows, classes]
    lost = np.zeros((len(images), height, width))
    covered = np.zeros((height, width))
    for window in windows:
        changed = images.copy()
        if axes == (1, 2):
            changed[:, window[0], window[1], :] = grey
        else:
            changed[:, :, window[0], window[1]] = grey[:, None, None]
        loss = whole - _logits(model, changed)[rows, classes]
        lost[:, window[0], window[1]] += loss[:, None, None]
        covered[window] += 1
    return (lost / covered).astype("float32")


def _starts(side: int, size: int) -> list[int]:
    """First pixels of the windows; the last window ends with the image."""
    last = side - size
    return sorted({*range(0, last, max(1, size // 2)), last})


def _features(
    model: keras.Model, images: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The feature maps of `_feature_layer` and the gradient of the class's logit in
    them, float64 [N, h, w, C]."""
    layer = _feature_layer(model)
    before = keras.Model(model.inputs[0], layer.output)
    after = keras.Model(layer.output, model.outputs[0])
    maps = keras.ops.convert_to_numpy(before(images, training=False)).astype("float32")
    gradients = score_gradients(after, maps, classes)
    if _image_axes(model) == (2, 3):
        maps, gradients = (part.transpose(0, 2, 3, 1) for part in (maps, gradients))
    return maps.astype(np.float64), gradients.astype(np.float64)


def _feature_layer(model: keras.Model) -> keras.Layer:
    """The last ReLU that lies on every path and whose maps have at least 4x4 pixels;
    otherwise the last of those with the largest maps.

    For images of 32x32 pixels, a ResNet's last maps have one pixel each.

    Raises:
        RunError: no such layer has maps with more than one pixel.
    """
    first, second = _image_axes(model)
    best, size = None, 1
    for layer in reversed(model.layers):
        if not isinstance(layer, keras.layers.ReLU) or len(layer.output.shape) != 4:
            continue
        here = min(layer.output.shape[first], layer.output.shape[second])
        if here > size and _all_passes(model, layer):
            best, size = layer, here
            if size >= _FINE:
                break
    if best is None:
        raise RunError(
            "the network has no feature maps of more than one pixel; the methods "
            "integrated-gradients and occlusion do not need any."
        )
    return best


def _all_passes(model: keras.Model, layer: keras.Layer) -> bool:
    """Whether every path from the images to the logits passes through the layer."""
    makers = {
        id(tensor): one
        for one in model.layers
        for tensor in keras.tree.flatten(one.output)
    }
    left, seen = [model.outputs[0]], {layer}
    while left:
        maker = makers[id(left.pop())]
        if isinstance(maker, keras.layers.InputLayer):
            return False
        if maker not in seen:
            seen.add(maker)
            left += keras.tree.flatten(maker.input)
    return True


def _image_axes(model: keras.Model) -> tuple[int, int]:
    """The axes of height and width."""
    for layer in model.layers:
        layout = getattr(layer, "data_format", None)
        if layout:
            return (2, 3) if layout == "channels_first" else (1, 2)
    return (1, 2)


def _enlarged(maps: np.ndarray, model: keras.Model) -> np.ndarray:
    """Resize maps [N, h, w] bilinearly to the images' size."""
    first, second = _image_axes(model)
    size = (model.input_shape[second], model.input_shape[first])
    images = (Image.fromarray(one.astype("float32")) for one in maps)
    return np.stack(
        [np.asarray(one.resize(size, Image.Resampling.BILINEAR)) for one in images]
    )


def _over_channels(values: np.ndarray, model: keras.Model) -> np.ndarray:
    channels = 1 if _image_axes(model) == (2, 3) else 3
    return values.sum(axis=channels).astype("float32")


def _logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    parts = (images[first : first + _BATCH] for first in range(0, len(images), _BATCH))
    logits = [keras.ops.convert_to_numpy(model(part, training=False)) for part in parts]
    return np.concatenate(logits).astype(np.float64)


METHODS: dict[str, Callable[..., np.ndarray]] = {
    "grad-cam": grad_cam,
    "grad-cam++": grad_cam_plus,
    "integrated-gradients": integrated_gradients,
    "occlusion": occlusion,
}
