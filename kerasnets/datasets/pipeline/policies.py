"""RandAugment, TrivialAugment and color jitter: random choice of operations.

Search spaces and distributions are torchvision's. keras.layers would draw with the
backend's generator, so that each backend would train on different images.
"""

import numpy as np

from kerasnets.datasets.pipeline.operations import Operation

BINS = 31  # strengths of an operation, from zero to the maximum
_RANDAUGMENT_OPERATIONS = 2  # per image
_SIGNED = (
    *("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"),
    *("Brightness", "Color", "Contrast", "Sharpness"),
)

Space = dict[str, np.ndarray]


def randaugment_space(height: int, width: int) -> Space:
    """Strengths by operation, [BINS] each (Cubuk et al. 2020)."""
    reach = 150 / 331  # of the image's side
    return _space(
        shear=0.3,
        translate=(reach * width, reach * height),
        rotate=30.0,
        enhance=0.9,
        posterize=4,
    )


def trivialaugment_space() -> Space:
    """Strengths by operation, [BINS] each (Müller and Hutter 2021, "wide")."""
    return _space(
        shear=0.99, translate=(32.0, 32.0), rotate=135.0, enhance=0.99, posterize=6
    )


def _space(
    *,
    shear: float,
    translate: tuple[float, float],
    rotate: float,
    enhance: float,
    posterize: int,
) -> Space:
    def up_to(most: float) -> np.ndarray:
        return np.linspace(0, most, BINS)

    none = np.zeros(BINS)
    return {
        "Identity": none,
        "ShearX": up_to(shear),
        "ShearY": up_to(shear),
        "TranslateX": up_to(translate[0]),
        "TranslateY": up_to(translate[1]),
        "Rotate": up_to(rotate),
        "Brightness": up_to(enhance),
        "Color": up_to(enhance),
        "Contrast": up_to(enhance),
        "Sharpness": up_to(enhance),
        "Posterize": 8 - np.rint(up_to(posterize)),
        "Solarize": np.linspace(255, 0, BINS),
        "AutoContrast": none,
        "Equalize": none,
    }


def draw_randaugment(
    count: int, height: int, width: int, magnitude: int, rng: np.random.Generator
) -> list[list[Operation]]:
    """Draw two operations of the same strength for each of `count` images.

    Args:
        magnitude: index of the strength, in 0 ... `BINS` - 1.
    """
    space = randaugment_space(height, width)
    chosen = rng.integers(len(space), size=(count, _RANDAUGMENT_OPERATIONS))
    bins = np.full_like(chosen, magnitude)
    return _operations(space, chosen, bins, rng)


def draw_trivialaugment(count: int, rng: np.random.Generator) -> list[list[Operation]]:
    """Draw one operation of random strength for each of `count` images."""
    space = trivialaugment_space()
    chosen = rng.integers(len(space), size=(count, 1))
    return _operations(space, chosen, rng.integers(BINS, size=(count, 1)), rng)


def _operations(
    space: Space, chosen: np.ndarray, bins: np.ndarray, rng: np.random.Generator
) -> list[list[Operation]]:
    names = list(space)
    signs = 1 - 2 * rng.integers(2, size=chosen.shape)
    return [
        [
            (name, float(space[name][at]) * (sign if name in _SIGNED else 1))
            for name, at, sign in zip(map(names.__getitem__, row), *others, strict=True)
        ]
        for row, *others in zip(
            chosen.tolist(), bins.tolist(), signs.tolist(), strict=True
        )
    ]


def draw_color_jitter(
    count: int, strength: float, rng: np.random.Generator
) -> list[list[Operation]]:
    """Draw brightness, contrast and saturation for each of `count` images, in random
    order.

    Args:
        strength: factors are uniform in [max(0, 1 - strength), 1 + strength].
    """
    names = ("Brightness", "Contrast", "Color")
    factors = rng.uniform(max(0, 1 - strength), 1 + strength, (count, len(names)))
    orders = rng.permuted(np.tile(np.arange(len(names)), (count, 1)), axis=1)
    return [
        [(names[at], row[at] - 1) for at in order]
        for row, order in zip(factors.tolist(), orders.tolist(), strict=True)
    ]
