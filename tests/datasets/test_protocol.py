"""Which of the paper's two protocols a dataset follows: by its name or its files."""

import shlex

import made_dataset as made
import pytest

from kerasnets.cli.commands import run as _run
from kerasnets.errors import RecipeError
from kerasnets.recipe import Recipe
from kerasnets.report.commands import fit_command

FIELDS = ("epochs", "batch_size", "augment", "normalize")


def values(recipe: Recipe) -> tuple:
    return tuple(getattr(recipe, field) for field in FIELDS)


GREY, RGB = (
    values(Recipe.for_paper("resnet34", name)) for name in ("mnist", "cifar10")
)


def write(data, channels: int, name: str = "glyphs", **named):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Image(shape=(None, None, channels)),
        "label": tfds.features.ClassLabel(num_classes=2),
    }
    splits = {
        "train": made.examples(made.grey(30)),
        "test": made.examples(made.grey(8)),
    }
    made.write(data, splits, name=name, features=features, **named)


@pytest.mark.parametrize("name", ["emnist", "emnist/letters", "quickdraw_bitmap"])
def test_grey_datasets_of_tfds_are_known_by_name(name):
    recipe = Recipe.for_paper("resnet34", name)
    assert values(recipe) == GREY
    assert recipe.departures() == {}
    assert recipe.name == f"{name.replace('/', '-')}-resnet34"


@pytest.mark.parametrize(("channels", "expected"), [(1, GREY), (3, RGB)])
def test_the_files_of_a_dataset_decide(tmp_path, monkeypatch, channels, expected):
    write(tmp_path, channels, config="small")
    recipe = Recipe.for_paper("resnet34", "glyphs/small", data_dir=tmp_path)
    assert values(recipe) == expected
    # Grey images stay what they are with three channels.
    three = Recipe.for_paper("resnet34", "glyphs/small", data_dir=tmp_path, channels=3)
    assert values(three) == expected
    assert (recipe.departures(), three.departures()) == ({}, {"channels": 3})
    assert recipe.name == "glyphs-small-resnet34"
    assert Recipe.from_json(recipe.to_json()) == recipe
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert Recipe.for_paper("resnet34", "glyphs/small") == recipe


def test_without_files_it_is_that_of_color_images():
    assert values(Recipe.for_paper("resnet34", "glyphs")) == RGB


def test_the_protocol_can_be_named(tmp_path):
    write(tmp_path, 1)
    named = Recipe.for_paper(
        "resnet34", "glyphs", data_dir=tmp_path, protocol="cifar10"
    )
    assert values(named) == RGB
    other = Recipe.for_paper("resnet34", "mnist", protocol="cifar10")
    assert values(other) == RGB
    assert other.departures() == {"protocol": "cifar10"}
    assert other.name == "mnist-resnet34-protocol-cifar10"
    same = Recipe.for_paper("resnet34", "mnist", protocol="mnist")
    assert same == Recipe.for_paper("resnet34", "mnist")
    with pytest.raises(RecipeError, match="Did you mean 'mnist'"):
        Recipe.for_paper("resnet34", "glyphs", protocol="minst")


@pytest.mark.parametrize(("channels", "said"), [(1, True), (3, False)])
def test_defaults_for_other_images_are_said(
    tmp_path, capsys, monkeypatch, channels, said
):
    from keras import Input, Model, layers

    from kerasnets.training import fit as training

    def network(recipe, image_shape, num_classes):
        inputs = Input(image_shape)
        return Model(inputs, layers.Dense(num_classes)(layers.Flatten()(inputs)))

    monkeypatch.setattr("kerasnets.training.compile.from_recipe", network)
    write(tmp_path, channels)
    blind = Recipe.for_paper("resnet18", "glyphs", epochs=1, batch_size=10)
    named = {"data_dir": tmp_path, "device": "cpu", "engine": "keras"}
    run = training.fit(blind, tmp_path / "run", **named)
    line = "glyphs calls for the defaults for mnist, but the recipe has those"
    assert (line in capsys.readouterr().out) == said
    assert run.recipe == blind


@pytest.fixture
def asked(monkeypatch):
    """The recipes that `kerasnets fit` would train."""
    recipes = []

    def fit(recipe, *_, **__):
        recipes.append(recipe)
        raise RecipeError("not now.")

    monkeypatch.setattr("kerasnets.training.fit.fit", fit)
    return recipes


@pytest.mark.parametrize(("channels", "expected"), [(1, GREY), (3, RGB)])
def test_the_command_looks_where_the_data_is(tmp_path, asked, channels, expected):
    write(tmp_path, channels)
    line = ["fit", "resnet34", "--dataset", "glyphs", "--data-dir", str(tmp_path)]
    assert _run(line) == 2
    assert values(asked[0]) == expected


def test_a_dataset_that_must_be_seen_is_prepared_first(tmp_path, asked, monkeypatch):
    def prepare(name, *, data_dir):
        write(data_dir, 1)

    monkeypatch.setattr("kerasnets.datasets.download.prepare.prepare", prepare)
    line = ["fit", "resnet34", "--dataset", "glyphs", "--data-dir", str(tmp_path)]
    assert _run(line) == 2
    assert values(asked[0]) == GREY


@pytest.mark.parametrize("name", ["glyphs", "mnist", "cifar10", "emnist"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("protocol", [None, "mnist", "cifar10"])
def test_the_command_of_a_report_makes_the_same_recipe(
    tmp_path, asked, name, channels, protocol
):
    write(tmp_path, channels)
    recipe = Recipe.for_paper(
        *("resnet34", name), data_dir=tmp_path, protocol=protocol, epochs=20, seed=3
    )
    words = shlex.split(fit_command(recipe))[1:]
    assert _run([*words, "--data-dir", str(tmp_path)]) == 2
    assert asked == [recipe]


def test_a_recipe_without_the_younger_fields_is_read():
    recipe = Recipe.for_paper("resnet34", "glyphs")
    text = recipe.to_json()
    for line in ('"test_fraction": null', '"protocol": null'):
        assert line in text
        text = text.replace(f",\n  {line}", "")
    assert Recipe.from_json(text) == recipe
