"""Write docs/recipe.md from the recipe's declaration: python docs/recipe_page.py

Run it after a field of the recipe has changed; a test compares the page with this.
"""

from collections.abc import Iterator
from pathlib import Path

from kerasnets.recipe import SETTINGS
from kerasnets.recipe.setting import GROUPS, KINDS, Setting

PAGE = Path(__file__).with_name("recipe.md")
_INTRODUCTION = """\
# The recipe

A recipe is everything that decides what a training run computes. Each field has one
name in Python and in recipe.json, and one option of `kerasnets fit`. A field that you
do not name has the paper's value for the network and the dataset, or that of another
[preset](#presets); "grey" and "RGB" stand for the paper's MNIST and CIFAR-10 protocols.

```python
import kerasnets

recipe = kerasnets.Recipe.for_paper("resnet34", "mnist", dropout=0.2, glorot=True)
longer = recipe.replace(epochs=30)
```

A value that differs from the preset's is part of the run folder's name, as the last
column shows.

<!-- Made by `python docs/recipe_page.py`; do not edit. -->
"""
_NOTES = """\
## Presets

`--preset paper` is the default. `--preset modern` gives unnamed fields other values:

| field | value | source |
| --- | --- | --- |
| optimizer | SGD with Nesterov momentum 0.9, rate 0.1, weight decay 5e-4, batches of 128 | DeVries & Taylor 2017 (Cutout), section 4 |
| cutout | half of the image's side up to 64 pixels, a third of larger ones | the same: CIFAR-10, STL-10 |
| schedule | one cycle | Smith & Topin 2018 (Super-Convergence); PyTorch's OneCycleLR |
| label smoothing | 0.1 | Szegedy et al. 2016, section 7 |
| EMA | 0.999 | Polyak & Juditsky 1992; the warm-up is TensorFlow's |
| stem | cifar up to 64 pixels (ResNet, DenseNet) | He et al. 2016, section 4.2 |
| normalization | standardize | the paper's CIFAR-10 protocol |

Epochs, augmentation, momentum and all other fields keep the paper's values. Options on
the command line win over the preset.

## Recipe files

`kerasnets fit --recipe FILE` takes a TOML file, a recipe.json or a run folder. Fields
that a TOML file does not name have the preset's values; a recipe.json names every field.
Options come on top, NETWORK and `--dataset` too:

```toml
network = "resnet18"
dataset = "cifar10"
preset = "modern"
epochs = 10
```

```console
$ kerasnets fit --recipe modern.toml --seed 1
$ kerasnets fit --recipe artifacts/runs/cifar10-resnet34 --weight-decay 5e-4
```

In Python, `kerasnets.recipe.files.from_file` does the same.

## What the training options do

- **Weight decay.** With sgd, adam and rmsprop it is added to the gradient, after clipping
  and before momentum, as in torch.optim (`decay` l2). With adamw it is decoupled.
  `--decay decoupled` is the rule of runs whose recipe.json lacks the field; it is about
  1 − momentum times as strong at the same number. Such runs keep it when they are
  resumed. `--no-decay-norms` spares biases and normalization layers.
- **EMA.** The average covers all weights and the statistics of batch normalization.
  Validation, and so `--keep best` and `--early-stopping`, measure the average, and
  model.keras holds it. Training goes on with the weights themselves; checkpoints hold
  both. Callbacks see the weights.
- **`--keep best`** saves the weights of the first epoch with the highest validation
  accuracy; `epoch` in metrics.json says which. **`--early-stopping`** watches the same
  number. Both are refused with `--validation test`, as they would select on the test
  split.
- **`--accumulate N`** updates the weights after every N batches with the mean of their
  gradients. The count runs on from one epoch to the next; up to N − 1 batches at the end
  of training make no update. Schedules count batches.
- **`--class-weights balanced`** weighs an image by 1 / (classes × share of its class), as
  scikit-learn does. history.csv has the unweighted cross-entropy as the loss, and the
  weighted mean as the objective.
- **`--precision auto`** is mixed_bfloat16 on GPUs of compute capability 8.0 or higher,
  and on processors with AVX512_BF16, AMX or ARM's BF16 (with PyTorch and TensorFlow).
  The choice is said before training, recorded in recipe.json, and kept by `--resume`.
- `--clip-norm` and `--accumulate` leave PyTorch's fused update for Keras's own, which is
  slower and computes the same.
"""
_COLUMNS = ("field", "option", "meaning", "values", "default", "in the folder's name")


def recipe_page() -> str:
    """The page, in Markdown."""
    parts = [_INTRODUCTION]
    for group in GROUPS:
        rows = [_row(one) for one in SETTINGS.values() if one.group == group]
        lines = [_COLUMNS, ["---"] * len(_COLUMNS), *rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"## {group.capitalize()}\n\n{table}\n")
    return "\n".join([*parts, _NOTES])


def _row(one: Setting) -> list[str]:
    word = f"`{one.tag}…`" if one.tag else "itself"
    if bool in one.kinds:
        word = f"`{one.tag}`, `no-{one.tag}`"
    if one.paper is None:
        word = "itself"
    argument = "NETWORK" if one.name == "network" else one.flags
    shortcuts = (shortcut.flag for shortcut in one.shortcuts)
    options = ", ".join(f"`{flag}`" for flag in (argument, *shortcuts))
    values = "; ".join(_values(one))
    return [f"`{one.name}`", options, one.sentences, values, one.default, word]


def _values(one: Setting) -> Iterator[str]:
    for kind in one.kinds:
        if kind is str and one.choices:
            yield ", ".join(f"`{choice}`" for choice in one.choices)
        elif kind is type(None):
            yield f"null: {one.null}"
        else:
            yield f"{KINDS[kind]} ({one.unit})" if one.unit else KINDS[kind]


if __name__ == "__main__":
    PAGE.write_text(recipe_page(), encoding="utf-8")
