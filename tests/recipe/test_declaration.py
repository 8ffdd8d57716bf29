"""A field of the recipe is declared once; everything else follows from that."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from as_installed import copy_package

from kerasnets.catalog.networks import NETWORKS
from kerasnets.errors import RecipeError
from kerasnets.recipe import SETTINGS, Recipe
from kerasnets.recipe.setting import PROTOCOLS, Case

ROOT = Path(__file__).parents[2]

FIELD = """
    loss_scale: float | None = setting(
        "Largest norm of the gradient",
        paper=None,
        within=at_least(1),
        unit="norms",
        null="none",
        option="scale",
        tag="scale",
        default=None,
    )
"""
BEFORE = "    protocol: str | None = setting("

# Prints what a person meets of the field, as JSON.
PROBE = """
import contextlib, io, json, runpy
from kerasnets.cli.commands import run as _run
from kerasnets.cli.options import named
from kerasnets.cli.training.fit import fit
from kerasnets.errors import KerasnetsError
from kerasnets.recipe import Recipe
from kerasnets.report.commands import fit_command

def printed(*words):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        _run(words)
    return " ".join(out.getvalue().split())

def refused(action):
    try:
        action()
    except KerasnetsError as error:
        return str(error)

given = fit.make_context("fit", ["vgg11", "--dataset", "digits", "--scale", "2.5"])
recipe = Recipe.for_paper("vgg11", "digits", loss_scale=2.5)
values = json.loads(recipe.to_json())
old = {name: value for name, value in values.items() if name != "loss_scale"}
print(json.dumps({
    "help": printed("fit", "--help"),
    "option": named({"loss_scale": given.params["loss_scale"]}),
    "record": values["loss_scale"],
    "old": Recipe.from_json(json.dumps(old)).loss_scale,
    "name": recipe.name,
    "command": fit_command(recipe),
    "screen": recipe.described("training"),
    "range": refused(lambda: recipe.replace(loss_scale=0)),
    "type": refused(lambda: Recipe.from_record({**values, "loss_scale": "2"})),
    "typo": refused(lambda: recipe.replace(loss_sclae=2)),
    "line": printed("fit", "vgg11", "--dataset", "digits", "--scale", "0"),
    "page": runpy.run_path("docs/recipe_page.py")["recipe_page"](),
    "documented": Recipe.__doc__,
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the package shows once `FIELD` stands in the declaration, and nothing else
    has changed."""
    folder = tmp_path_factory.mktemp("package")
    copy_package(folder)
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "recipe_page.py", folder / "docs")
    file = folder / "kerasnets" / "recipe" / "fields.py"
    text = file.read_text(encoding="utf-8")
    assert text.count(BEFORE) == 1
    file.write_text(text.replace(BEFORE, f"{FIELD}\n{BEFORE}"), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (
            "help",
            "--scale NORMS Largest norm of the gradient, at least 1. [default: none]",
        ),
        ("name", "digits-vgg11-scale2.5"),
        ("command", "fit vgg11 --dataset digits --scale 2.5"),
        ("screen", "loss scale 2.5 norms"),
        ("range", "loss_scale must be at least 1, not 0."),
        ("type", "loss_scale must be a number or null, not '2'."),
        ("typo", "unknown recipe field 'loss_sclae'. Did you mean 'loss_scale'?"),
        ("line", "kerasnets: loss_scale must be at least 1, not 0.0."),
        (
            "page",
            "| `loss_scale` | `--scale` | Largest norm of the gradient, at least 1.",
        ),
        ("documented", "loss_scale: Largest norm of the gradient, at least 1."),
    ],
)
def test_a_field_declared_in_one_place_shows_up(found, where, says):
    assert says in found[where]


def test_a_field_declared_in_one_place_is_recorded_and_read(found):
    assert found["option"] == {"loss_scale": 2.5}
    assert found["record"] == 2.5
    assert found["old"] is None


def test_every_declared_value_passes_its_own_checks():
    for name, one in SETTINGS.items():
        assert one.help and (one.default or not one.paper), name
        for spec in filter(one.applies_to, NETWORKS.values()):
            for protocol in PROTOCOLS:
                if one.paper:
                    one.check(one.paper(Case(spec, protocol)))


def test_folder_words_and_options_tell_fields_apart():
    flags = [one.flag for one in SETTINGS.values()] + [
        shortcut.flag for one in SETTINGS.values() for shortcut in one.shortcuts
    ]
    assert len(set(flags)) == len(flags)
    tags = [one.tag for one in SETTINGS.values() if one.tag]
    assert len(set(tags)) == len(tags)
    # Values without a tag must not be mistaken for another field's.
    words = [
        word
        for one in SETTINGS.values()
        if one.paper and not one.tag
        for word in one.choices
    ]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ("batch_norm", "VGG off; ResNet and DenseNet on"),
        ("dropout", "VGG 0.5; ResNet and DenseNet 0"),
        ("growth_rate", "32 or 48"),
        (
            "epochs",
            "VGG and ResNet 20 (grey), 50 (color, own images); "
            "DenseNet 15 (grey), 40 (color, own images)",
        ),
        ("batch_size", "128 (grey), 64 (color, own images)"),
        ("augment", "flip (grey), crop-flip (color), resized-crop (own images)"),
        ("resize", "squash; own images crop"),
        ("learning_rate", "0.001"),
        ("channels", "the dataset's"),
        ("limit", "all"),
        ("network", ""),
    ],
)
def test_the_papers_value_in_words(field, default):
    assert SETTINGS[field].default == default


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("dropout", True, "dropout must be a number, not True."),
        ("channels", True, "channels must be a whole number or null, not True."),
        ("glorot", 1, "glorot must be true or false or text, not 1."),
        ("limit", 2.0, "limit must be a whole number or null, not 2.0."),
        ("epochs", 2**63, "epochs must be smaller than 2^63."),
        ("warmup", float("inf"), "warmup must be at least 0, not inf."),
        ("validation", 1, "validation must be a fraction between 0 and 1, or 'test'"),
        ("test_fraction", 1.0, "test_fraction must be a fraction between 0 and 1, not"),
        ("seed", 2**32, "seed must be a whole number from 0 to 4294967295, not"),
        ("protocol", "cifar", "unknown protocol 'cifar'. Did you mean 'cifar10'?"),
    ],
)
def test_one_line_says_what_a_field_may_be(field, value, says):
    recipe = Recipe.for_paper("vgg19", "mnist")
    for refused in (
        lambda: recipe.replace(**{field: value}),
        lambda: Recipe.for_paper("vgg19", "mnist", **{field: value}),
        lambda: Recipe.from_record(json.loads(recipe.to_json()) | {field: value}),
    ):
        with pytest.raises(RecipeError) as error:
            refused()
        assert str(error.value).startswith(says)
