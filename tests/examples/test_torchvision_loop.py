"""The example in plain PyTorch trains the recipe of a run, or refuses it."""

import json
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from kerasnets import runs
from kerasnets.recipe import Recipe
from kerasnets.recipe.fields import AUGMENTATIONS

LOOP = Path(__file__).parents[2] / "examples" / "torchvision_loop.py"


def call(monkeypatch, run: Path, out: Path) -> None:
    monkeypatch.setattr(sys, "argv", [LOOP.name, str(run), "--out", str(out)])
    runpy.run_path(str(LOOP), run_name="__main__")


@pytest.fixture
def torchvision(monkeypatch):
    """A module in its place: what is refused needs none of it."""
    transforms = ModuleType("torchvision.transforms")
    transforms.v2 = SimpleNamespace(Compose=object)
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.transforms", transforms)


@pytest.mark.parametrize(
    ("network", "named", "says"),
    [
        ("resnet18", {"dropout": 0.3}, "without dropout"),
        ("resnet18", {"mixup": 0.2, "optimizer": "adam", "nesterov": False}, "mixup"),
        ("resnet18", {"keep": "best"}, "without keep"),
        ("resnet18", {"precision": "mixed_float16"}, "without precision"),
        ("resnet18", {"preset": "paper"}, "with --preset modern"),
        ("vgg11", {}, "must be of a ResNet"),
    ],
)
def test_what_it_does_not_follow_is_refused(
    network, named, says, tmp_path, monkeypatch, capsys, torchvision
):
    recipe = Recipe.for_paper(network, "digits", **{"preset": "modern", **named})
    run = runs.create(tmp_path / "run", recipe)
    with pytest.raises(SystemExit) as ended:
        call(monkeypatch, run.path, tmp_path / "out.json")
    assert ended.value.code == 2
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out.json").exists()


def recipe_of_loop(**named) -> Recipe:
    options = {"preset": "modern", "image_size": 8, "limit": 40, "batch_size": 18}
    return Recipe.for_paper("resnet18", "digits", **options, **named)


@pytest.mark.parametrize("augment", AUGMENTATIONS)
def test_it_augments(augment):
    pytest.importorskip("torchvision")
    import torch

    augmentation = runpy.run_path(str(LOOP))["augmentation"]
    image = torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8)
    change = augmentation(recipe_of_loop(augment=augment))
    found = [change(image) for _ in range(9)]
    assert all(one.shape == (1, 8, 8) for one in found)
    assert all(bool((one == image).all()) for one in found) == (augment == "none")


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_it_trains_and_continues(precision, tmp_path, monkeypatch, capsys):
    pytest.importorskip("torchvision")
    recipe = recipe_of_loop(stem="imagenet", epochs=2, precision=precision)
    run, out = runs.create(tmp_path / "run", recipe), tmp_path / "out.json"
    call(monkeypatch, run.path, out)
    made = json.loads(out.read_text())
    assert (made["images"], made["network"], made["epochs"]) == (360, "resnet18", 2)
    assert made["precision"] == precision
    assert "epoch 2/2: loss" in capsys.readouterr().out
    call(monkeypatch, run.path, out)
    assert "epoch" not in capsys.readouterr().out
    assert json.loads(out.read_text()) == made
