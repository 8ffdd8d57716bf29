import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS
from kerasnets.errors import DatasetError, RecipeError
from kerasnets.paper.rows import PAPER
from kerasnets.recipe import Recipe


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_network_has_a_recipe_for_every_dataset(network, dataset):
    recipe = Recipe.for_paper(network, dataset)
    assert recipe.departures() == {}
    assert recipe.name == f"{dataset}-{network}"
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_paper_protocols():
    mnist, cifar = (Recipe.for_paper("vgg19", name) for name in ("mnist", "cifar10"))
    assert (mnist.epochs, mnist.batch_size, mnist.augment) == (20, 128, "flip")
    assert (cifar.epochs, cifar.batch_size, cifar.augment) == (50, 64, "crop-flip")
    assert mnist.learning_rate == cifar.learning_rate == 0.001
    assert Recipe.for_paper("densenet121", "mnist").epochs == 15
    assert Recipe.for_paper("densenet121", "cifar10").epochs == 40


def test_paper_rows():
    assert len(PAPER) == 9
    modified = PAPER["cifar10-resnet34-modified"]
    assert modified.test_accuracy == 91.18
    assert modified.recipe.departures() == {"dropout": 0.2, "glorot": True}
    assert PAPER["mnist-vgg19-original"].recipe.departures() == {}


def test_names_tell_recipes_apart():
    names = [
        Recipe.for_paper("densenet121", "mnist", **named).name
        for named in (
            {},
            {"batch_norm": False},
            {"growth_rate": 12},
            {"dropout": 0.2},
            {"validation": "test"},
            {"validation": 0.2},
            {"limit": 6000},
            {"seed": 1},
            {"optimizer": "adam"},
            {"glorot": True},
            {"glorot": "normal"},
        )
    ]
    assert len(set(names)) == len(names)
    assert "mnist-densenet121-no-bn" in names


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"glorot": "norml"}, "Did you mean 'normal'"),
        ({"learning_rate": 0.0}, "learning_rate must be a number > 0, not 0.0"),
        ({"learning_rate": float("nan")}, "not nan"),
        ({"learning_rate": float("inf")}, "not inf"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), not 1.0"),
        ({"dropout": -0.1}, "not -0.1"),
        ({"dropout": float("nan")}, "not nan"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 1.5}, "batch_size must be a whole number"),
        ({"epochs": True}, "epochs must be a whole number"),
        ({"optimizer": "sdg"}, "Did you mean 'sgd'"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"validation": "tset"}, "Did you mean 'test'"),
        ({"validation": 0.0}, "between 0 and 1"),
        ({"validation": 1.0}, "between 0 and 1"),
        ({"channels": 2}, "channels must be 1 or 3"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"seed": -1}, "seed must be"),
        ({"warmup": 20.0}, "shorter than the run's 20 epochs"),
        ({"initial_weights": "torch"}, "unknown initial_weights 'torch'"),
        ({"stem": "cifar"}, "for ResNet and DenseNet"),
        ({"growth_rate": 32}, "growth_rate 32 does not fit vgg19"),
        ({"lerning_rate": 1}, "Did you mean 'learning_rate'"),
    ],
)
def test_values_out_of_range_are_refused_in_one_line(named, says):
    with pytest.raises(RecipeError, match=says) as error:
        Recipe.for_paper("vgg19", "mnist", **named)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", " ", "a/b/c", "mnist ", "mn$st", "a\0b"])
def test_dataset_names_are_names(name):
    with pytest.raises(RecipeError, match="unknown dataset"):
        Recipe.for_paper("vgg19", name)


@pytest.mark.parametrize("path", ["../mnist", "/etc/passwd", "./a.csv", "~/no/such"])
def test_paths_must_be_of_images(path):
    with pytest.raises(
        DatasetError, match="name a folder with one subfolder per class"
    ):
        Recipe.for_paper("vgg19", path)


def test_compact_head_is_for_vgg_only():
    assert Recipe.for_paper("vgg16", "mnist", head="compact").head == "compact"
    with pytest.raises(RecipeError, match="for VGG networks"):
        Recipe.for_paper("resnet34", "mnist", head="compact")


def test_json_with_missing_or_unknown_fields_is_refused():
    values = json.loads(Recipe.for_paper("vgg19", "mnist").to_json())
    with pytest.raises(RecipeError, match="unknown recipe field 'colour'"):
        Recipe.from_json(json.dumps({**values, "colour": 1}))
    del values["seed"]
    with pytest.raises(RecipeError, match="lacks the field 'seed'"):
        Recipe.from_json(json.dumps(values))


def test_recipes_from_before_it_was_recorded_had_their_weights_from_the_backend():
    recipe = Recipe.for_paper("vgg19", "mnist")
    assert recipe.initial_weights == "numpy"
    values = json.loads(recipe.to_json())
    del values["initial_weights"]
    before = Recipe.from_json(json.dumps(values))
    assert before == dataclasses.replace(recipe, initial_weights="backend")
    assert Recipe.from_json(before.to_json()) == before
    assert before.name == "mnist-vgg19-init-backend"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_fields = [field.name for field in dataclasses.fields(Recipe)]


@given(changes=st.dictionaries(st.sampled_from(_fields), _json))
def test_any_json_is_a_valid_recipe_or_one_line_of_error(changes):
    values = json.loads(Recipe.for_paper("densenet121", "mnist").to_json())
    try:
        recipe = Recipe.from_json(json.dumps({**values, **changes}))
    except RecipeError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert Recipe.from_json(recipe.to_json()) == recipe


def test_a_choice_of_another_type_is_told_what_is_allowed():
    with pytest.raises(
        RecipeError, match=r"augment must be text \(none, flip, .*False"
    ):
        Recipe.for_paper("resnet18", "digits", augment=False)
