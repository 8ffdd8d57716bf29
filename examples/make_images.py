"""Make two folders of images to try kerasnets on: scikit-learn's handwritten digits.

    python examples/make_images.py images

images/many has the digits zero to four, at least 150 images of each; images/few has
five to nine, with 20 training images of each, and the others for testing.
"""

import sys
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TRAINED = 20  # training images per class in images/few


def make_images(folder: Path | str) -> None:
    """Write PNG files of 32x32 pixels into `folder`."""
    digits = load_digits()
    counts = [0] * len(NAMES)
    for image, label in zip(digits.images, digits.target, strict=True):
        number, name = counts[label], NAMES[label]
        counts[label] += 1
        if label < 5:
            place = Path(folder, "many", name)
        else:
            split = "train" if number < TRAINED else "test"
            place = Path(folder, "few", split, name)
        place.mkdir(parents=True, exist_ok=True)
        drawn = Image.fromarray((image * 255 / 16).astype("uint8"))
        drawn.resize((32, 32)).save(place / f"{number:03}.png")


if __name__ == "__main__":
    make_images(sys.argv[1] if len(sys.argv) > 1 else "images")
