"""Every option reaches what the command calls, under its name and with its value."""

import inspect
import json
from importlib import import_module

import pytest
from click.core import ParameterSource
from made_records import make_records
from PIL import Image

from kerasnets.cli.commands import kerasnets
from kerasnets.cli.commands import run as _run
from kerasnets.cli.options import recipe_of
from kerasnets.compute.execution import Execution
from kerasnets.recipe import SETTINGS, Recipe
from kerasnets.training.checkpointing import Interval

# A value of each field that is not its default, and the fields that it needs. Pictures
# are a folder of images.
FIELDS = {
    "network": ("vgg11", {}),
    "dataset": ("mnist", {}),
    "batch_norm": (False, {}),
    "dropout": (0.25, {}),
    "glorot": (True, {}),
    "head": ("compact", {"network": "vgg11"}),
    "stem": ("cifar", {}),
    "growth_rate": (12, {"network": "densenet121"}),
    "image_size": (48, {}),
    "resize": ("pad", {}),
    "background": ("grey", {}),
    "on_corrupt": ("skip", {"dataset": "pictures"}),
    "decode": ("full", {"dataset": "pictures"}),
    "channels": (3, {}),
    "epochs": (7, {}),
    "batch_size": (33, {}),
    "learning_rate": (0.02, {}),
    "momentum": (0.5, {}),
    "nesterov": (True, {}),
    "weight_decay": (0.0005, {}),
    "decay": ("decoupled", {"weight_decay": 0.1}),
    "decay_norms": (False, {"weight_decay": 0.1}),
    "optimizer": ("rmsprop", {}),
    "schedule": ("cosine", {}),
    "warmup": (1.5, {}),
    "label_smoothing": (0.1, {}),
    "class_weights": ("balanced", {}),
    "clip_norm": (2.5, {}),
    "accumulate": (4, {}),
    "ema": (0.99, {}),
    "early_stopping": (3, {}),
    "keep": ("best", {}),
    "augment": ("resized-crop", {}),
    "crop_from": ("file", {"dataset": "pictures"}),
    "randaugment": (9, {}),
    "trivialaugment": (True, {}),
    "color_jitter": (0.4, {}),
    "random_erasing": (0.3, {}),
    "cutout": (8, {}),
    "mixup": (0.2, {}),
    "cutmix": (1.0, {}),
    "normalize": ("standardize", {}),
    "validation": ("test", {}),
    "limit": (500, {}),
    "seed": (4294967295, {}),
    "precision": ("mixed_bfloat16", {}),
    "initial_weights": ("backend", {}),
    "test_fraction": (0.3, {"dataset": "pictures"}),
    "preset": ("modern", {}),
    "classes": ("3,1", {}),
    "weights": ("imagenet", {}),
    "weights_sha256": ("89abcdef", {"weights": "imagenet"}),
    "freeze": ("stages:2", {"weights": "imagenet"}),
    "unfreeze_after": (2, {"weights": "imagenet", "freeze": "all-but-head"}),
    "head_lr": (10.0, {}),
    "layer_decay": (0.7, {}),
    "protocol": ("mnist", {"dataset": "pictures"}),
}
SHORTCUTS = {
    "no_augment": ("augment", "none"),
    "glorot_normal": ("glorot", "normal"),
}


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """The working folder, with a folder of images."""
    monkeypatch.chdir(tmp_path)
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "pictures" / label / "1.png")
    return tmp_path


def recipe_of_command(words: list[str]) -> Recipe:
    """What `kerasnets fit` makes of its options."""
    given = kerasnets.commands["fit"].make_context("fit", words).params
    fields = {one: given[one] for one in (*FIELDS, *SHORTCUTS)}
    network, dataset = fields.pop("network"), fields.pop("dataset")
    return recipe_of(network, dataset, fields, None)


def test_every_field_is_tried():
    assert FIELDS.keys() == SETTINGS.keys()


@pytest.mark.parametrize("name", FIELDS)
def test_the_option_of_a_field_sets_it(name, pictures):
    value, needed = FIELDS[name]
    usual = {"network": "resnet18", "dataset": "digits", **needed}
    before = Recipe.for_paper(**usual)
    wanted = Recipe.for_paper(**{**usual, name: value})
    assert getattr(before, name) != value == getattr(wanted, name)
    fields = {**usual, name: value}
    words = [fields.pop("network"), "--dataset", fields.pop("dataset")]
    for one, chosen in fields.items():
        words += SETTINGS[one].arguments(chosen)
    assert recipe_of_command(words) == wanted


@pytest.mark.parametrize(("flag", "sets"), SHORTCUTS.items())
def test_a_shortcut_sets_its_field(flag, sets):
    field, value = sets
    words = ["resnet18", "--dataset", "digits", f"--{flag.replace('_', '-')}"]
    assert getattr(recipe_of_command(words), field) == value


class Called(Exception):
    """Raised with the arguments."""


@pytest.fixture
def called(monkeypatch):
    """A function that runs a command line whose callee records its arguments, which
    must fit its signature, instead of doing anything."""

    def run(target: str, *words: object) -> dict:
        module, _, name = target.rpartition(".")
        callee = inspect.signature(getattr(import_module(module), name))

        def record(*arguments, **named):
            given = callee.bind(*arguments, **named).arguments
            more = given.pop("settings", {})
            raise Called({**given, **more})

        with monkeypatch.context() as patch, pytest.raises(Called) as caught:
            patch.setattr(target, record)
            assert _run(list(map(str, words))) == 0
        return caught.value.args[0]

    return run


def tried(name: str, *lines: list) -> set[str]:
    """The parameters of a command that the lines give another value than its default;
    fails unless it has no more."""
    command = kerasnets.commands[name]
    found = set()
    for line in lines:
        context = command.make_context(name, list(map(str, line)))
        for one in command.params:
            source = context.get_parameter_source(one.name)
            if source is ParameterSource.COMMANDLINE:
                value = context.params[one.name]
                assert value != one.get_default(context), one.name
                found.add(one.name)
    return found


def check_all_tried(name: str, *lines: list, fields=frozenset()) -> None:
    options = {one.name for one in kerasnets.commands[name].params}
    assert tried(name, *lines) | set(fields) == options, "an option is not tried here"


EXECUTION = (
    *("--device", "cpu", "--engine", "torch_graph"),
    *("--deterministic", "--threads", 3),
)
MEANT = Execution("cpu", "torch_graph", None, True, 3)


def test_fit(called, tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text(Recipe.for_paper("vgg11", "mnist", seed=7).to_json())
    one = [
        *("resnet18", "--dataset", "digits", "--out", tmp_path / "run", "--resume"),
        *("--confusion-every", 4, "--checkpoint-every", "90s", "--verbose"),
        *("--keep-checkpoints", "all", "--workers", 2, "--no-stream"),
        *(*EXECUTION, "--data-dir", tmp_path),
    ]
    other = ["--recipe", file, "--overwrite", "--stream", "-q", "--compile"]
    check_all_tried("fit", one, other, fields=[*FIELDS, *SHORTCUTS])

    found = called("kerasnets.training.fit.fit", "fit", *one)
    began = found.pop("began")
    assert isinstance(began, float)
    assert found == {
        "recipe": Recipe.for_paper("resnet18", "digits"),
        "path": tmp_path / "run",
        "resume": True,
        "overwrite": False,
        "execution": MEANT.replace(data_dir=tmp_path),
        "confusion_every": 4,
        "checkpoint_every": Interval(seconds=90.0),
        "keep_checkpoints": "all",
        "workers": 2,
        "stream": False,
        "verbosity": 2,
    }
    found = called("kerasnets.training.fit.fit", "fit", *other)
    assert found["recipe"] == Recipe.for_paper("vgg11", "mnist", seed=7)
    assert found["overwrite"] and found["stream"] and not found["resume"]
    assert found["verbosity"] == 0
    assert found["execution"] == Execution(engine="torch_compile")


def test_predict(called, tmp_path, monkeypatch):
    run = make_records(tmp_path / "run").path
    images = [tmp_path / "a.png", tmp_path / "b.png"]
    for image in images:
        Image.new("L", (8, 8)).save(image)
    one = [
        *(run, *images, "--top-k", 2, "--format", "jsonl", "--batch-size", 3),
        *("--out", tmp_path / "out.txt", "--on-corrupt", "stop", "--tta"),
        *("--device", "cpu", "--engine", "torch_graph"),
    ]
    other = [run, *images, "--compile"]
    check_all_tried("predict", one, other)

    load = "kerasnets.inference.classifier.load"
    found = called(load, "predict", *one)
    assert found["run"].path == run
    assert found["execution"] == Execution("cpu", "torch_graph")
    assert called(load, "predict", *other)["execution"].engine == "torch_compile"

    from kerasnets.inference import predict
    from kerasnets.inference.predict import Answer

    class Classifier:
        class_names = ("x", "y", "z")

    monkeypatch.setattr(load, lambda run, execution: Classifier)
    name = "kerasnets.inference.predict.predict_files"
    assert called(name, "predict", *one) == {
        "classifier": Classifier,
        "files": [str(image) for image in images],
        "top_k": 2,
        "batch_size": 3,
        "tta": True,
        "on_corrupt": "stop",
    }
    answers = [Answer(str(image), [("x", 0.75), ("y", 0.25)]) for image in images]
    monkeypatch.setattr(predict, "predict_files", lambda *_, **__: iter(answers))
    assert _run(["predict", *map(str, one)]) == 0
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == [str(one) for one in images]


def test_evaluate(called, tmp_path, monkeypatch, capsys):
    run = make_records(tmp_path / "run").path
    line = [
        *(run, "--split", "validation", "--first-batch", "--batch-size", 7),
        *(*EXECUTION, "--data-dir", tmp_path, "--json"),
    ]
    check_all_tried("evaluate", line, ["--compile"])

    measure = "kerasnets.evaluation.evaluate.evaluate"
    found = called(measure, "evaluate", *line)
    assert found.pop("run").path == run
    assert found == {
        "split": "validation",
        "first_batch": True,
        "batch_size": 7,
        "execution": MEANT.replace(data_dir=tmp_path),
    }
    found = called(measure, "evaluate", run, "--compile")
    assert found["execution"] == Execution(engine="torch_compile")
    capsys.readouterr()
    monkeypatch.setattr(measure, lambda run, **settings: {"accuracy": 0.5})
    drawn = called("kerasnets.figures.draw_evaluation", "evaluate", *line)
    assert (drawn["run"].path, drawn["split"]) == (run, "validation")
    assert drawn["data_dir"] == tmp_path
    monkeypatch.setattr("kerasnets.figures.draw_evaluation", lambda *_, **__: None)
    assert _run(["evaluate", *map(str, line)]) == 0
    assert json.loads(capsys.readouterr().out) == {"accuracy": 0.5}


def test_reproduce(called, tmp_path):
    from kerasnets.paper.scales import ASSUMPTIONS

    row = "mnist-densenet121"
    changed = [
        word for one in ASSUMPTIONS for word in SETTINGS[one].arguments(FIELDS[one][0])
    ]
    line = [
        *(row, "--scale", "smoke", "--seeds", 3, "--out", tmp_path / "study", *changed),
        *("--jobs", 2, "--keep-checkpoints", "last", "--wait", "--quiet"),
        *(*EXECUTION, "--data-dir", tmp_path),
    ]
    again = ["--reconcile", row, "--scale", "smoke", "--out", tmp_path / "other"]
    estimated = [*again, "--dry-run", "--compile"]
    check_all_tried("reproduce", line, again, estimated)

    found = called(
        "kerasnets.paper.reproduction.reproduce.reproduce", "reproduce", *line
    )
    study = found.pop("study")
    assert (study.path, study.scale, study.seeds) == (tmp_path / "study", "smoke", 3)
    assert study.assumptions == {one: FIELDS[one][0] for one in ASSUMPTIONS}
    settings = {
        "execution": MEANT.replace(data_dir=tmp_path),
        "jobs": 2,
        "keep_checkpoints": "last",
        "wait": True,
        "verbosity": 0,
    }
    assert found.pop("rows") == (row,)
    assert callable(found.pop("say")) and callable(found.pop("ended"))
    assert found == settings

    name = "kerasnets.paper.reconciliation.reconcile.reconcile"
    found = called(name, "reproduce", *again, *line[line.index("--jobs") :])
    planned = found.pop("reconciliation")
    assert (planned.row, planned.study.path) == (row, tmp_path / "other")
    assert found.items() >= settings.items()

    name = "kerasnets.paper.reproduction.estimate.estimate"
    found = called(name, "reproduce", *estimated)
    assert {one.name for one in found["runs"]} == {one.name for one in planned.all_runs}
    assert found["execution"] == Execution(engine="torch_compile")
    assert not (tmp_path / "other").exists()


def test_drill(called, tmp_path):
    line = ["vgg11", "--kills", 2, "--seed", 9, "--out", tmp_path / "kept", *EXECUTION]
    check_all_tried("drill", line, ["--compile"])
    name = "kerasnets.training.drill.drill"
    found = called(name, "drill", *line)
    assert found["recipe"].network == "vgg11"
    assert callable(found.pop("say"))
    del found["recipe"]
    assert found == {
        "folder": tmp_path / "kept",
        "kills": 2,
        "seed": 9,
        "execution": MEANT,
    }
    found = called(name, "drill", "--compile")
    assert found["execution"] == Execution(engine="torch_compile")
