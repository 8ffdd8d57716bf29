"""The test images of scikit-learn's digits as files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasnets import datasets


@pytest.fixture(scope="session")
def digit_files(tmp_path_factory) -> list[Path]:
    """360 PNG files of 8x8 pixels, in the order of the test split."""
    folder = tmp_path_factory.mktemp("digits")
    images = datasets.load("digits", image_size=8).test.images
    paths = [folder / f"{row:03}.png" for row in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(np.asarray(image)[..., 0]).save(path)
    return paths
