"""Options that several commands share."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS, check_size
from kerasnets.engines.names import ENGINES
from kerasnets.errors import RunError, shown, unknown
from kerasnets.recipe import SETTINGS, Recipe, protocol_of
from kerasnets.recipe.fields import OF_EPOCHS, OF_TRANSFER
from kerasnets.recipe.files import from_file
from kerasnets.recipe.setting import NETWORK, Setting
from kerasnets.storage.folders import not_a_file, why_not_writable


class Name(click.ParamType):
    """One of a list of names; the error suggests the nearest.

    Args:
        kind: what they name, for the message.
        names: the valid ones.
        strict: whether other names are refused here; otherwise the recipe checks them.
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


class NumberOrText(click.ParamType):
    """A number, or text, which the recipe checks."""

    name = "number"

    def convert(self, value, param, ctx):
        try:
            return float(value)
        except ValueError:
            return value


def _network_argument(*, required: bool) -> Callable[[Callable], Callable]:
    return click.argument(
        "network",
        metavar="NETWORK" if required else "[NETWORK]",
        type=Name("network", NETWORKS),
        required=required,
    )


def _dataset_option(*, required: bool) -> Callable[[Callable], Callable]:
    return click.option(
        "--dataset",
        type=Name("dataset", DATASETS, strict=False),
        metavar="NAME|PATH",
        required=required,
        help=SETTINGS["dataset"].sentences,
    )


network_argument = _network_argument(required=True)
dataset_option = _dataset_option(required=True)


def dataset_or_recipe_options(command: Callable) -> Callable:
    """The network and dataset, or a recipe file that names them."""
    command = click.option(
        "--recipe",
        "recipe_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Train the recipe of a .toml file, a recipe.json or a run folder, with "
        "options overriding it; it may name NETWORK and --dataset.",
    )(command)
    command = _dataset_option(required=False)(command)
    return _network_argument(required=False)(command)


device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Where to compute; auto uses an accelerator if there is one.",
)


def engine_option(command: Callable) -> Callable:
    """--engine, and --compile as a shorthand for one of its values."""

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
        metavar="|".join(ENGINES),
        help="What runs the network: Keras itself, or PyTorch calls directly; auto "
        "takes the faster.",
    )(with_engine)


data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of prepared TFDS datasets, or where your own images are now.  "
    "[default: TFDS_DATA_DIR]",
)

deterministic_option = click.option(
    "--deterministic",
    is_flag=True,
    help="Bit-identical results on accelerators too, at some cost in speed.",
)


class Threads(click.ParamType):
    """A number of threads, or "auto"."""

    name = "threads"

    def convert(self, value, param, ctx):
        from kerasnets.compute.threads import check

        threads = int(value) if value.isdecimal() else value
        check(threads)
        return threads

    def shell_complete(self, ctx, param, incomplete):
        return [CompletionItem("auto")]


threads_option = click.option(
    "--threads",
    type=Threads(),
    metavar="auto|N",
    help="CPU threads of PyTorch; auto uses as many as cores are free at the start.  "
    "[default: PyTorch's number; a resumed run keeps its own]",
)


_EXECUTION: list[Callable[[Callable], Callable]] = [
    device_option,
    engine_option,
    deterministic_option,
    threads_option,
    data_dir_option,
]


def execution_options(
    *, data: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that become the argument `execution`.

    Args:
        data: whether --data-dir is among them.
    """

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_execution(*arguments: Any, **named: Any) -> Any:
            from kerasnets.compute.execution import Execution, ExecutionOptions

            fields = ExecutionOptions.__annotations__
            given = {name: named.pop(name) for name in fields if name in named}
            return command(*arguments, execution=Execution(**given), **named)

        for option in reversed(_EXECUTION if data else _EXECUTION[:-1]):
            with_execution = option(with_execution)
        return with_execution

    return with_options


def recipe_options(*names: str) -> Callable[[Callable], Callable]:
    """The options of these recipe fields; those not given are None."""
    options = [option for name in names for option in _options(SETTINGS[name])]

    def with_options(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


def _options(setting: Setting) -> Iterator[Callable[[Callable], Callable]]:
    metavar = setting.unit.upper() or None
    kind: Any = int if int in setting.kinds else float
    if bool in setting.kinds:
        kind = bool
    elif {float, str} <= set(setting.kinds):
        kind, metavar = NumberOrText(), "|".join(("NUMBER", *setting.choices))
    elif str in setting.kinds:
        kind = Name(setting.title, setting.choices) if setting.choices else str
        metavar = setting.form or metavar
    yield click.option(
        setting.flags,
        setting.name,
        type=kind,
        default=None,
        metavar=metavar,
        help=f"{setting.sentences}  [default: {setting.default}]",
    )
    for shortcut in setting.shortcuts:
        yield click.option(shortcut.flag, is_flag=True, help=shortcut.help)


_CHOSEN = [name for name, setting in SETTINGS.items() if setting.paper]
_OF_NETWORK = [name for name in _CHOSEN if SETTINGS[name].group == NETWORK]

# Options of the network itself; of data and training; and those of them that matter for
# single steps from random weights.
_OF_TRAINING = [one for one in _CHOSEN if one not in _OF_NETWORK]
architecture_options = recipe_options(*_OF_NETWORK)
training_options = recipe_options(*_OF_TRAINING)
_OF_STEPS = [one for one in _OF_TRAINING if one not in (*OF_EPOCHS, *OF_TRANSFER)]
step_options = recipe_options(*_OF_STEPS)


def named(options: dict[str, Any]) -> dict[str, Any]:
    """The recipe fields that the user gave."""
    for name, setting in SETTINGS.items():
        for shortcut in setting.shortcuts:
            if options.pop(shortcut.name, False):
                # A flag that is only switched on contradicts no shortcut.
                if options.get(name) not in (None, True, shortcut.value):
                    other = " ".join(setting.arguments(options[name]))
                    raise click.UsageError(f"{shortcut.flag} contradicts {other}.")
                options[name] = shortcut.value
    return {name: value for name, value in options.items() if value is not None}


def recipe_of(
    network: str | None,
    dataset: str | None,
    options: dict[str, Any],
    data_dir: Path | str | None,
    file: Path | None = None,
) -> Recipe:
    """The recipe of a file with the options overriding it, checked as far as possible
    before the data is read. A dataset whose protocol depends on its images is prepared
    first."""
    fields = named(options)

    def made() -> Recipe:
        if file is not None:
            return from_file(
                file, network=network, dataset=dataset, data_dir=data_dir, **fields
            )
        if network is None:
            raise click.UsageError("Missing argument 'NETWORK'.")
        if dataset is None:
            raise click.UsageError("Missing option '--dataset'.")
        return Recipe.for_paper(network, dataset, data_dir=data_dir, **fields)

    recipe = made()
    if recipe.weights is None:  # a resumed run may have another stem
        check_size(recipe.network, recipe.stem, recipe.image_size, recipe.image_size)
    say_data_dir(recipe.dataset, data_dir)
    if recipe.protocol is None and protocol_of(recipe.dataset, data_dir) is None:
        from kerasnets.datasets.download.prepare import prepare

        prepare(recipe.dataset, data_dir=data_dir)
        recipe = made()
    return recipe


def check_out(out: Path) -> None:
    """Raise RunError unless the file of --out can be written."""
    folder = out.absolute().parent
    if other := not_a_file(out):
        raise RunError(f"{shown(out)} is {other}; --out needs a file.")
    if not folder.is_dir():
        raise RunError(f"there is no folder {shown(out.parent)} for --out.")
    obstacle = why_not_writable(folder)
    if obstacle:
        raise RunError(f"{obstacle}; choose another --out.")


def say_data_dir(dataset: str, data_dir: Path | str | None) -> None:
    """Print a note if the data folder has no effect."""
    if dataset == "digits" and data_dir is not None:
        click.echo(
            "kerasnets: --data-dir has no effect: digits comes with scikit-learn.",
            err=True,
        )
