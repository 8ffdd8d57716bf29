"""Presets: sets of defaults other than the paper's."""

from typing import Any

PRESETS = PAPER, MODERN = ("paper", "modern")

# DeVries & Taylor 2017, "Improved Regularization of Convolutional Neural Networks with
# Cutout", section 4: Nesterov momentum 0.9, rate 0.1, decay 5e-4, batch 128. Page 2018,
# "How to Train Your ResNet": squares of a quarter of the side, since short training has
# no use for DeVries and Taylor's half, which is for 200 epochs. Smith & Topin 2018,
# "Super-Convergence": one cycle. Szegedy et al. 2016, section 7: label smoothing 0.1.
# He et al. 2016, section 4.2: the stem.
_MODERN = {
    "nesterov": True,
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "batch_size": 128,
    "schedule": "one-cycle",
    "label_smoothing": 0.1,
    "ema": 0.999,
    "normalize": "standardize",
}
_SMALL = 64  # pixels: the imagenet stem discards too much detail of smaller images

SUMMARY = (
    "the cifar stem for images of up to 64 pixels, batches of 128, Nesterov momentum, "
    "one cycle up to a rate of 0.1, weight decay 5e-4, label smoothing 0.1, an EMA of "
    "0.999, cutout of a quarter of the side, standardized pixels."
)


def changes(preset: str, family: str, image_size: int) -> dict[str, Any]:
    """The fields whose defaults a preset changes, with their values.

    Args:
        family: of the network, one of `kerasnets.catalog.titles.FAMILIES`.
        image_size: height and width in pixels.
    """
    if preset == PAPER:
        return {}
    found = {**_MODERN, "cutout": image_size // 4}
    if image_size <= _SMALL and family != "vgg":
        found["stem"] = "cifar"
    return found
