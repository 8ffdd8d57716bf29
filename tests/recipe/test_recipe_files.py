"""`fit --recipe`: a file's recipe, with options on top."""

import json

import pytest

from kerasnets import runs
from kerasnets.cli.commands import run as _run
from kerasnets.errors import RecipeError
from kerasnets.recipe import Recipe, presets
from kerasnets.recipe.files import from_file

TOML = """
network = "resnet18"
dataset = "digits"
learning_rate = 0.5
nesterov = true
"""


@pytest.fixture
def toml(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(TOML)
    return file


@pytest.fixture
def record(tmp_path):
    """A run folder with its recipe.json."""
    recipe = Recipe.for_paper("resnet34", "digits", epochs=3, weight_decay=0.1)
    (tmp_path / "run").mkdir()
    file = tmp_path / "run" / "recipe.json"
    file.write_text(recipe.to_json())
    return file


def test_toml_names_some_fields(toml):
    expected = Recipe.for_paper("resnet18", "digits", learning_rate=0.5, nesterov=True)
    assert from_file(toml) == expected
    found = from_file(toml, network="vgg11", learning_rate=0.1, preset="modern")
    assert (found.network, found.learning_rate) == ("vgg11", 0.1)
    assert (found.batch_size, found.preset) == (128, "modern")


def test_a_runs_recipe_names_all(record):
    recipe = Recipe.from_json(record.read_text())
    assert from_file(record) == from_file(record.parent) == recipe
    assert from_file(record, seed=2) == recipe.replace(seed=2)
    values = json.loads(record.read_text())
    del values["decay"]
    record.write_text(json.dumps(values))
    assert from_file(record).decay == "decoupled"


@pytest.mark.parametrize("option", ["--recipe", "--weights"])
def test_a_runs_recipe_with_a_flipped_digit_is_refused(
    option, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    recipe = Recipe.for_paper("densenet121", "digits", growth_rate=12)
    file = runs.create(tmp_path / "run", recipe).path / "recipe.json"
    command = ["fit", "densenet121", "--dataset", "digits", option, "run"]
    assert from_file("run") == recipe
    file.write_text(file.read_text().replace('"growth_rate": 12', '"growth_rate": 13'))
    before = sorted(tmp_path.rglob("*"))
    assert _run(command) == 2
    _, err = capsys.readouterr()
    assert "recipe.json is damaged: its SHA-256 is not the one in digests.json" in err
    assert len(err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "named", "says"),
    [
        ("network = ", {}, "it is not valid TOML"),
        ('network = "vgg11"', {}, "it names no dataset."),
        ('dataset = "digits"', {}, "it names no network."),
        (TOML + "momentum = 0", {}, "nesterov needs a momentum > 0."),
        (TOML + "epoch = 1", {}, "unknown recipe field 'epoch'. Did you mean 'epochs'"),
        (TOML + "data_dir = '.'", {}, "unknown recipe field 'data_dir'. Did you mean"),
        (TOML + "cls = 1", {}, "unknown recipe field 'cls'."),
        (TOML + "self = 1", {}, "unknown recipe field 'self'."),
        (TOML, {"decay": "l2"}, "decay needs a weight_decay > 0."),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path, text, named, says):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(RecipeError) as error:
        from_file(file, **named)
    assert says in str(error.value)
    assert "mine.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_is_not_part_of_the_recipe(toml, record):
    for file in (toml, record):
        plain = from_file(file)
        file.write_text(file.read_text(), encoding="utf-8-sig")
        assert from_file(file) == plain


def test_what_a_record_leaves_without_effect_is_refused(record):
    with pytest.raises(RecipeError, match="preset only fills fields that are not"):
        from_file(record, preset="modern")
    with pytest.raises(RecipeError, match="momentum is for sgd and rmsprop"):
        from_file(record, optimizer="adam", momentum=0.5)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("fit", "Missing argument 'NETWORK'"),
        ("fit vgg11", "Missing option '--dataset'"),
        ("fit --recipe absent.toml", "absent.toml cannot be read: No such file"),
        ("fit --recipe mine.toml --epochs 0", "epochs must be at least 1"),
    ],
)
def test_the_command_says_what_is_missing(
    toml, line, says, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert _run(line.split()) == 2
    _, err = capsys.readouterr()
    assert says in err and len(err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_the_modern_preset_follows_the_image_size_and_the_network():
    def modern(network, **named):
        return Recipe.for_paper(network, "cifar10", preset="modern", **named)

    small, large = modern("resnet18"), modern("resnet18", image_size=224)
    assert (small.stem, small.cutout) == ("cifar", 8)
    assert (large.stem, large.cutout) == ("imagenet", 56)
    assert modern("vgg11").stem == "imagenet"
    assert small.name == "cifar10-resnet18-modern"
    assert modern("resnet18", epochs=9, ema=0.0).departures() == {
        "preset": "modern",
        "epochs": 9,
        "ema": 0.0,
    }
    assert small == Recipe.from_json(small.to_json())
    assert Recipe.for_paper("resnet18", "cifar10").preset == presets.PAPER
