"""Pillow operations on single images, under the names of torchvision's policies.

An operation is a name and a strength, such as ("Rotate", -30.0).
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

Operation = tuple[str, float]

_ENHANCERS = {
    "Brightness": ImageEnhance.Brightness,
    "Color": ImageEnhance.Color,
    "Contrast": ImageEnhance.Contrast,
    "Sharpness": ImageEnhance.Sharpness,
}


def operate(
    images: np.ndarray, operations: Sequence[Sequence[Operation]]
) -> np.ndarray:
    """Apply to each of the images, uint8 [N, H, W, C], its operations in order."""
    changed = np.empty_like(images)
    for index, (pixels, chosen) in enumerate(zip(images, operations, strict=True)):
        image = Image.fromarray(pixels if pixels.shape[-1] > 1 else pixels[..., 0])
        for name, strength in chosen:
            image = apply(image, name, strength)
        changed[index] = np.asarray(image).reshape(pixels.shape)
    return changed


def apply(image: Image.Image, name: str, strength: float) -> Image.Image:
    """Apply one operation. Pixels from outside the image are black.

    Args:
        name: "Identity"; "ShearX", "ShearY" (tangent of the angle); "TranslateX",
            "TranslateY" (pixels); "Rotate" (degrees, counterclockwise); "Brightness",
            "Color", "Contrast", "Sharpness" (factor minus 1); "Posterize" (bits to
            keep); "Solarize" (threshold from which on pixels are inverted);
            "AutoContrast"; "Equalize".
    """
    if name in _ENHANCERS:
        return _ENHANCERS[name](image).enhance(1 + strength)
    if name == "Identity":
        return image
    if name == "ShearX":
        return _affine(image, (1, strength, 0, 0, 1, 0))
    if name == "ShearY":
        return _affine(image, (1, 0, 0, strength, 1, 0))
    if name == "TranslateX":
        return _affine(image, (1, 0, -math.trunc(strength), 0, 1, 0))
    if name == "TranslateY":
        return _affine(image, (1, 0, 0, 0, 1, -math.trunc(strength)))
    if name == "Rotate":
        return image.rotate(strength, Image.Resampling.NEAREST)
    if name == "Posterize":
        return ImageOps.posterize(image, int(strength))
    if name == "Solarize":
        return ImageOps.solarize(image, math.ceil(strength))
    if name == "AutoContrast":
        return ImageOps.autocontrast(image)
    return ImageOps.equalize(image)


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    """An affine transform; `matrix` maps pixels of the result to those of the image."""
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST
    )
