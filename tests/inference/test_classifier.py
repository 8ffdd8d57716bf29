"""A trained run as a classifier: what goes in, and that nothing is lost on the way."""

import io

import narrow
import numpy as np
import pytest
from PIL import Image
from trained_run import make_run

import kerasnets
from kerasnets import datasets, runs
from kerasnets.errors import DatasetError, RunError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.runs.results import read_predictions


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small network whose preprocessing is recorded, and standardizes."""
    recipe = kerasnets.Recipe.for_paper(
        "resnet18",
        "digits",
        image_size=16,
        epochs=1,
        limit=100,
        batch_size=50,
        normalize="standardize",
        stem="cifar",
    )
    path = tmp_path_factory.mktemp("trained") / "run"
    with narrow.narrowed():
        return kerasnets.fit(recipe, path, device="cpu", verbosity=0)


@pytest.fixture(scope="module")
def classifier(trained):
    return kerasnets.load(trained, device="cpu")


def test_images_of_every_kind_are_the_same_image(run, digit_files):
    classifier = kerasnets.load(run, device="cpu")
    path = digit_files[3]
    image = Image.open(path)
    array = np.asarray(image)
    found = classifier.predict(
        [path, str(path), image, image.convert("RGB"), array, array[..., None]]
    )
    assert len(found) == 6
    assert np.ptp(found.probabilities, axis=0).max() < 1e-6
    stacked = np.stack([array[..., None]] * 2)
    assert classifier.predict(stacked).names == found.names[:2]
    assert classifier.predict(path).names == found.names[:1]
    assert found.confidences[0] == found.top(1)[0][0][1] == found.probabilities[0].max()
    assert found.probabilities.sum(axis=1) == pytest.approx(1)
    assert classifier.class_names == tuple("0123456789")
    assert len(classifier.predict([])) == 0


def test_an_image_that_ends_early_is_one_line(classifier, digit_files):
    data = digit_files[0].read_bytes()
    for image in (data[:-40], Image.open(io.BytesIO(data[:-40]))):
        with pytest.raises(DatasetError, match="the image cannot be read") as raised:
            classifier.predict(image)
        assert len(str(raised.value).splitlines()) == 1


def test_test_images_get_what_evaluate_gives_them(trained, classifier):
    evaluate(trained, device="cpu")
    expected = read_predictions(trained.path / "predictions.csv")
    images = datasets.load("digits", image_size=16).test.images
    found = classifier.predict(np.asarray(images))
    assert found.indices.tolist() == expected.prediction.tolist()
    shares = [f"{share:.6f}" for share in found.confidences]
    assert shares == [f"{share:.6f}" for share in expected.confidence]


def test_the_model_alone_takes_what_preprocess_gives(classifier, digit_files):
    images = classifier.preprocess(digit_files[:3])
    assert images.shape == (3, 16, 16, 1)
    assert images.dtype == np.float32
    assert images.min() < 0  # standardized
    logits = np.asarray(classifier.model.predict_on_batch(images))
    assert logits.argmax(axis=1).tolist() == (
        classifier.predict(digit_files[:3]).indices.tolist()
    )
    # Its own call, also after a prediction by the engine: it may be trained on.
    assert classifier.model.call.__func__ is type(classifier.model).call


def test_mirrored_images_are_averaged(classifier, digit_files):
    images = [np.asarray(Image.open(path)) for path in digit_files[:4]]
    one = classifier.predict(images).probabilities
    other = classifier.predict([image[:, ::-1] for image in images]).probabilities
    averaged = classifier.predict(images, tta=True).probabilities
    assert averaged == pytest.approx((one + other) / 2, abs=1e-6)
    assert not np.allclose(averaged, one)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((8, 8), "float32"), "must be uint8"),
        (np.zeros((8, 8, 2), "uint8"), r"not uint8 \[8, 8, 2\]"),
        (np.zeros((0, 8), "uint8"), r"not uint8 \[0, 8\]"),
        ("nowhere.png", r"nowhere\.png cannot be read: No such file"),
        (__file__, "it is not an image of"),
        (3, "must be a path, a PIL image or a uint8 array, not 3"),
        ([None], "must be a path"),
    ],
)
def test_what_is_no_image_is_one_line(classifier, image, says):
    with pytest.raises(DatasetError, match=says) as caught:
        classifier.predict(image)
    assert len(str(caught.value).splitlines()) == 1


def test_a_batch_size_is_at_least_one(classifier):
    with pytest.raises(RunError, match="batch_size must be a whole number >= 1"):
        classifier.predict([], batch_size=0)


def test_preprocessing_of_another_network_is_refused(trained, tmp_path):
    run = make_run(tmp_path / "other")
    text = (trained.path / "preprocessing.json").read_text(encoding="utf-8")
    runs.write_text(run.path / "preprocessing.json", text)
    with pytest.raises(RunError, match=r"is for \(16, 16, 1\) and 10"):
        kerasnets.load(run, device="cpu")


def test_a_run_that_is_not_trained_is_refused(tmp_path):
    recipe = kerasnets.Recipe.for_paper("resnet18", "digits")
    runs.create(tmp_path / "run", recipe)
    with pytest.raises(RunError, match=r"has no model\.keras"):
        kerasnets.load(tmp_path / "run")
