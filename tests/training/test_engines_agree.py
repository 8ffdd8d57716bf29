"""Two epochs on real images: each engine writes the same history, to round-off.

Without batch norm: over the 1x1 maps that a 32x32 image ends as, it makes training
chaotic. A change of the images by 1e-7 changes the loss by 1 % within four steps, under
plain Keras too (tests/engines compares the two for such networks).
"""

import keras
import narrow
import pytest

from kerasnets import datasets
from kerasnets.errors import DatasetError
from kerasnets.recipe import Recipe
from kerasnets.training.fit import fit

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the PyTorch backend has two engines"
)


def needs(dataset: str, request: pytest.FixtureRequest) -> None:
    if dataset != "digits":
        request.getfixturevalue("real_data")
    try:
        datasets.load(dataset, image_size=32)
    except DatasetError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("resnet18", {"batch_norm": False, "glorot": True}),
        ("vgg11", {"head": "compact", "glorot": True}),
    ],
)
def test_the_history_is_the_same(dataset, network, options, tmp_path, request):
    needs(dataset, request)
    recipe = Recipe.for_paper(
        network, dataset, epochs=2, limit=200, batch_size=32, dropout=0.2, **options
    )
    with narrow.narrowed():
        lowered, plain = (
            fit(recipe, tmp_path / engine, engine=engine, verbosity=0).history
            for engine in ("torch_graph", "keras")
        )
    assert len(lowered) == 2
    for ours, theirs in zip(lowered, plain, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
