"""Options that several commands share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import (
    HEADS,
    INITIAL_WEIGHTS,
    NETWORKS,
    STEMS,
    check_size,
)
from kerasnets.errors import unknown
from kerasnets.recipe import (
    AUGMENTATIONS,
    NORMALIZATIONS,
    OPTIMIZERS,
    PRECISIONS,
    PROTOCOLS,
    SCHEDULES,
    Recipe,
    protocol_of,
)


class Name(click.ParamType):
    """One of a list of names; the error says which is nearest.

    Args:
        kind: what the names are, for the message.
        names: those allowed.
        strict: whether other names are refused here.
    """

    def __init__(self, kind: str, names, *, strict: bool = True) -> None:
        self.name = kind
        self.names = tuple(names)
        self.strict = strict

    def convert(self, value, param, ctx):
        if self.strict and value not in self.names:
            raise click.UsageError(unknown(self.name, value, self.names), ctx)
        return value

    def shell_complete(self, ctx, param, incomplete):
        return [CompletionItem(n) for n in self.names if n.startswith(incomplete)]

    def get_metavar(self, param, ctx):
        return "NAME" if len(self.names) > 5 else f"[{'|'.join(self.names)}]"


class Validation(click.ParamType):
    name = "fraction|test"

    def convert(self, value, param, ctx):
        try:
            return float(value)
        except ValueError:
            return value


network_argument = click.argument(
    "network", metavar="NETWORK", type=Name("network", NETWORKS)
)

dataset_option = click.option(
    "--dataset",
    type=Name("dataset", DATASETS, strict=False),
    required=True,
    help="digits (needs no network), mnist, cifar10, ...: see 'kerasnets datasets'.",
)

device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Where to compute; auto takes an accelerator where there is one.",
)


def engine_option(command: Callable) -> Callable:
    """What runs the network."""

    @functools.wraps(command)
    def with_engine(*arguments: Any, engine: str, compiled: bool, **named: Any) -> Any:
        if compiled and engine not in ("auto", "torch_compile"):
            raise click.UsageError(f"--compile contradicts --engine {engine}.")
        engine = "torch_compile" if compiled else engine
        return command(*arguments, engine=engine, **named)

    with_engine = click.option(
        "--compile",
        "compiled",
        is_flag=True,
        help="Short for --engine torch_compile: PyTorch compiles the network first, "
        "which takes minutes; with CUDA graphs on a CUDA device.",
    )(with_engine)
    return click.option(
        "--engine",
        default="auto",
        show_default=True,
        metavar="auto|keras|torch_graph|torch_compile",
        help="What runs the network: Keras itself, or PyTorch calls directly; auto "
        "takes the faster.",
    )(with_engine)


data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of prepared TFDS datasets.  [default: TFDS_DATA_DIR]",
)


def architecture_options(command: Callable) -> Callable:
    """The options that decide the network itself."""
    for option in reversed(
        (
            click.option(
                "--bn/--no-bn",
                "batch_norm",
                default=None,
                help="Batch normalization.  [default: VGG no, others yes]",
            ),
            click.option(
                "--dropout",
                type=float,
                help="Dropout rate in [0, 1).  [default: VGG 0.5, others 0]",
            ),
            click.option(
                "--glorot/--no-glorot",
                default=None,
                help="Glorot-uniform initialization.  [default: the network's own]",
            ),
            click.option(
                "--glorot-normal", is_flag=True, help="The same with normal kernels."
            ),
            click.option(
                "--head",
                type=Name("head", HEADS),
                help="VGG's classifier: after a 7x7 adaptive pool, or a global pool.  "
                "[default: imagenet]",
            ),
            click.option(
                "--stem",
                type=Name("stem", STEMS),
                help="First layers of ResNet and DenseNet: 7x7/2 and pool, or 3x3/1.  "
                "[default: imagenet]",
            ),
            click.option(
                "--growth-rate",
                type=int,
                help="Channels that each DenseNet layer adds.  [default: 32 or 48]",
            ),
        )
    ):
        command = option(command)
    return command


def training_options(command: Callable) -> Callable:
    """The options that decide data and training; unnamed ones are the paper's."""
    for option in reversed(
        (
            click.option(
                "--channels", type=int, help="1 or 3.  [default: the dataset's]"
            ),
            click.option(
                "--image-size", type=int, help="Pixels a side.  [default: 32]"
            ),
            click.option("--epochs", type=int, help="[default: the paper's, 15 to 50]"),
            click.option("--batch-size", type=int, help="[default: grey 128, RGB 64]"),
            click.option("--lr", "learning_rate", type=float, help="[default: 0.001]"),
            click.option("--momentum", type=float, help="[default: 0.9]"),
            click.option("--weight-decay", type=float, help="Decoupled.  [default: 0]"),
            click.option(
                "--optimizer", type=Name("optimizer", OPTIMIZERS), help="[default: sgd]"
            ),
            click.option(
                "--schedule",
                type=Name("schedule", SCHEDULES),
                help="[default: constant]",
            ),
            click.option(
                "--warmup", type=float, help="Epochs of linear warm-up.  [default: 0]"
            ),
            click.option("--label-smoothing", type=float, help="[default: 0]"),
            click.option(
                "--augment",
                type=Name("augmentation", AUGMENTATIONS),
                help="[default: grey flip, RGB crop-flip]",
            ),
            click.option(
                "--no-augment", is_flag=True, help="Short for --augment none."
            ),
            click.option(
                "--normalize",
                type=Name("normalization", NORMALIZATIONS),
                help="[default: grey unit, RGB standardize]",
            ),
            click.option(
                "--validation",
                type=Validation(),
                metavar="FRACTION|test",
                help="Fraction of the training images held out, or 'test' to monitor "
                "the test split as the paper's figures do.  [default: 0.1]",
            ),
            click.option(
                "--limit", type=int, help="Use only this many training images."
            ),
            click.option(
                "--test-fraction",
                type=float,
                help="Fraction of the training images to test on, where the dataset "
                "has no labelled test split.  [default: 0.1]",
            ),
            click.option(
                "--protocol",
                type=Name("protocol", PROTOCOLS),
                help="Whose defaults: those that the paper has for this dataset.  "
                "[default: grey mnist, RGB cifar10]",
            ),
            click.option("--seed", type=int, help="[default: 0]"),
            click.option(
                "--precision",
                type=Name("precision", PRECISIONS),
                help="[default: float32]",
            ),
            click.option(
                "--initial-weights",
                type=Name("initial_weights", INITIAL_WEIGHTS),
                help="What draws them: numpy, the same under every backend, or the "
                "backend's generator.  [default: numpy; with --resume, the run's]",
            ),
        )
    ):
        command = option(command)
    return command


def named(options: dict[str, Any]) -> dict[str, Any]:
    """The recipe fields that the user named."""
    if options.pop("no_augment", False):
        if options.get("augment") not in (None, "none"):
            raise click.UsageError(
                f"--no-augment contradicts --augment {options['augment']}."
            )
        options["augment"] = "none"
    if options.pop("glorot_normal", False):
        if options.get("glorot") is False:
            raise click.UsageError("--glorot-normal contradicts --no-glorot.")
        options["glorot"] = "normal"
    return {name: value for name, value in options.items() if value is not None}


def recipe_of(
    network: str, dataset: str, options: dict[str, Any], data_dir: Path | None
) -> Recipe:
    """The recipe that the options name, which can be trained as far as is known before
    the data is read. A dataset that must be seen for its protocol is prepared."""
    fields = named(options)
    recipe = Recipe.for_paper(network, dataset, data_dir=data_dir, **fields)
    check_size(network, recipe.stem, recipe.image_size, recipe.image_size)
    say_data_dir(dataset, data_dir)
    if "protocol" not in fields and protocol_of(dataset, data_dir) is None:
        from kerasnets.datasets.download.prepare import prepare

        prepare(dataset, data_dir=data_dir)
        recipe = Recipe.for_paper(network, dataset, data_dir=data_dir, **fields)
    return recipe


def say_data_dir(dataset: str, data_dir: Path | None) -> None:
    """Say it where the data folder does not matter."""
    if dataset == "digits" and data_dir is not None:
        click.echo(
            "kerasnets: --data-dir has no effect: digits comes with scikit-learn.",
            err=True,
        )
