"""The commands as a new user types them."""

import json
import shutil
import subprocess
import sys

import click
import narrow
import pytest
from made_records import add_metrics, make_records

from kerasnets.cli.commands import kerasnets
from kerasnets.cli.commands import run as _run
from kerasnets.cli.options import architecture_options, training_options
from kerasnets.engines.choice import ENGINES
from kerasnets.recipe import Recipe
from kerasnets.storage.files import write_text


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    status = _run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("name", kerasnets.commands)
def test_every_command_has_help_with_an_example(name, capsys):
    status, out, _ = run(capsys, name, "--help")
    assert status == 0
    assert "Example" in out
    assert f"kerasnets {name}" in out.partition("Example")[2]


def test_the_engine_option_names_every_engine():
    (option,) = [
        one for one in kerasnets.commands["fit"].params if one.name == "engine"
    ]
    assert option.metavar.split("|") == list(ENGINES)


def test_every_recipe_field_has_an_option():
    def blank():
        """Nothing."""

    command = click.command()(training_options(architecture_options(blank)))
    options = {parameter.name for parameter in command.params} - {
        "no_augment",
        "glorot_normal",
    }
    fields = set(Recipe.__dataclass_fields__) - {"network", "dataset"}
    assert options == fields


@pytest.mark.parametrize(
    "named, meant",
    [("learning-rate", "lr"), ("batch-norm", "bn"), ("batch_size", "batch-size")],
)
def test_a_recipe_field_that_is_no_option_gets_its_option(capsys, named, meant):
    status, _, err = run(capsys, "fit", "vgg11", "--dataset", "digits", f"--{named}")
    assert status == 2
    assert f"No such option '--{named}'. Did you mean '--{meant}'?" in err


def test_version(capsys):
    status, out, _ = run(capsys, "--version")
    assert (status, out.split()[0]) == (0, "kerasnets,")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("fti", "Did you mean 'fit'"),
        ("fit", "Missing argument"),
        ("fit vgg19", "Missing option '--dataset'"),
        ("fit vgg91 --dataset digits", "Did you mean 'vgg19'"),
        ("fit vgg19 --dataset mnits", "Did you mean 'mnist'"),
        ("fit vgg19 --dataset digits --drpout 0", "--dropout"),
        ("fit vgg19 --dataset digits --dropout 1", "dropout must be in [0, 1)"),
        ("fit vgg19 --dataset digits --dropout many", "'many' is not a valid float"),
        ("fit vgg19 --dataset digits --lr 0", "learning_rate must be a number > 0"),
        ("fit vgg19 --dataset digits --lr nan", "learning_rate must be a number > 0"),
        ("fit vgg19 --dataset digits --optimizer sdg", "Did you mean 'sgd'"),
        ("fit vgg19 --dataset digits --batch-size 5000", "5000"),
        ("fit vgg19 --dataset digits --limit 5000", "1437"),
        ("fit vgg19 --dataset digits --device gpu", "Did you mean"),
        ("fit vgg19 --dataset digits --device cuda:7", "CUDA"),
        ("fit vgg19 --dataset digits -q -v", "contradicts"),
        ("fit vgg19 --dataset digits --resume --overwrite", "contradicts"),
        ("fit vgg19 --dataset digits --augment flip --no-augment", "contradicts"),
        ("fit resnet34 --dataset digits --head compact", "for VGG networks"),
        ("fit resnet18 --dataset digits --image-size 10000", "smaller image size"),
        ("fit resnet18 --dataset digits --engine tf", "unknown engine 'tf'"),
        ("evaluate nowhere", "no run folder nowhere"),
        ("evaluate", "no trained run"),
        ("evaluate --split tset", "'tset'"),
        ("summary resnet43", "Did you mean 'resnet34'"),
        ("prepare minst", "Did you mean 'mnist'"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    arguments, says, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "no-data"))
    status, out, err = run(capsys, *arguments.split())
    assert status == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    ("backend", "says"),
    [("torhc", "Did you mean 'torch'"), ("tensorflow", "not installed")],
)
def test_a_backend_that_is_not_there(backend, says, tmp_path):
    if backend == "tensorflow":
        pytest.importorskip("keras")
        if subprocess.run([sys.executable, "-c", "import tensorflow"]).returncode == 0:
            pytest.skip("tensorflow is installed here")
    result = subprocess.run(
        [sys.executable, "-m", "kerasnets.cli.main", "summary", "vgg11"],
        env={"KERAS_BACKEND": backend, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert result.returncode == 2
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_networks_lists_all_with_their_parameters(capsys):
    status, out, _ = run(capsys, "networks")
    assert status == 0
    assert "139,611,210" in out and "139,622,218" in out and "6,964,106" in out


def test_summary_prints_layers(capsys):
    status, out, _ = run(capsys, "summary", "resnet18", "--stem", "cifar")
    assert status == 0
    assert "stage2_block1_conv1" in out and "Trainable params" in out


def test_datasets_lists_states(capsys, tmp_path):
    status, out, _ = run(capsys, "datasets", "--data-dir", tmp_path)
    assert status == 0
    assert "built in" in out and "downloadable" in out and "cifar100" in out


def test_runs_are_listed(capsys, tmp_path, monkeypatch):
    add_metrics(make_records(tmp_path / "one"))
    make_records(tmp_path / "two", done=1, trained=False)
    broken = make_records(tmp_path / "[red]three")
    write_text(broken.path / "history.csv", "nothing\n")
    status, out, _ = run(capsys, "runs", tmp_path)
    assert status == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    *found, size, unit = rows["one"]
    assert found == ["complete", "2/2", "89.00%", "88.00%", "87.50%", "24", "s"]
    assert (float(size) > 0, unit) == (True, "kB")
    assert rows["two"][:-2] == ["interrupted", "1/2", "89.00%", "89.00%", "12", "s"]
    assert rows["[red]three"][:-2] == ["corrupt"]
    assert "history.csv lacks the column 'epoch'" in out
    status, out, _ = run(capsys, "runs", tmp_path, "--json")
    listed = {row["path"]: row for row in json.loads(out)}
    assert listed[str(tmp_path / "one")]["test_accuracy"] == 0.875
    assert listed[str(broken.path)]["state"] == "corrupt"
    status, out, err = run(capsys, "runs", tmp_path / "nowhere")
    assert (status, len(err.splitlines())) == (2, 1)


def test_verify_names_what_is_not_as_it_was_written(capsys, tmp_path, monkeypatch):
    made = make_records(tmp_path / "artifacts" / "runs" / "one")
    monkeypatch.chdir(tmp_path)
    status, out, _ = run(capsys, "verify", "one", made.path)
    assert status == 0
    assert out.count("6 files are unchanged") == 2
    (made.path / "history.csv").write_text("another")
    (made.path / "model.keras").unlink()
    (made.path / "new\nline").write_text("")
    status, out, _ = run(capsys, "verify", "one")
    assert status == 1
    where = "artifacts/runs/one/"
    assert out.splitlines() == [
        f"{where}history.csv: damaged",
        f"{where}model.keras: missing",
        f"'{where}new\\nline': unknown",
    ]


def test_verify_knows_runs_that_were_published_without_weights(capsys, tmp_path):
    made = make_records(tmp_path / "run")
    add_metrics(made)
    shutil.rmtree(made.checkpoint_folder)
    status, out, _ = run(capsys, "verify", made.path)  # only the checkpoints are lost
    assert (status, out.count("missing")) == (1, 1)
    made.model_file.unlink()
    status, out, _ = run(capsys, "verify", made.path)
    assert status == 0
    assert out.endswith("run: published without weights; 5 files are unchanged\n")
    (made.path / "epoch_times.csv").unlink()
    (made.path / "foreign").touch()
    (made.path / "history.csv").write_text("another")
    status, out, _ = run(capsys, "verify", made.path)
    assert status == 1
    assert [line.removeprefix(f"{made.path}/") for line in out.splitlines()] == [
        "epoch_times.csv: missing",
        "foreign: unknown",
        "history.csv: damaged",
    ]


def test_verify_wants_the_weights_of_a_run_that_is_not_evaluated(capsys, tmp_path):
    made = make_records(tmp_path / "run")
    shutil.rmtree(made.checkpoint_folder)
    made.model_file.unlink()
    status, out, _ = run(capsys, "verify", made.path)
    assert (status, out.count("missing")) == (1, 2)


def test_verify_says_where_there_is_nothing_to_go_by(capsys, tmp_path):
    made = make_records(tmp_path / "run")
    (made.path / "digests.json").unlink()
    status, out, _ = run(capsys, "verify", made.path)
    assert status == 1
    assert "not recorded" in out
    status, _, err = run(capsys, "verify", tmp_path / "nowhere")
    assert (status, len(err.splitlines())) == (2, 1)


def test_fit_then_evaluate_makes_every_file_of_the_contract(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    options = "--dataset digits --limit 60 --epochs 1 --batch-size 18 --device cpu"
    with narrow.narrowed():
        status, out, err = run(capsys, "fit", "resnet18", *options.split())
    assert status == 0, err
    name = "digits-resnet18-epochs1-batch18-limit60"
    folder = tmp_path / "artifacts" / "runs" / name
    assert f"kerasnets evaluate artifacts/runs/{name}" in out
    status, out, err = run(capsys, "evaluate", "--first-batch", "--device", "cpu")
    assert status == 0, err
    assert "accuracy" in out and "precision" in out
    files = {file.name for file in folder.iterdir()}
    assert files >= {
        "recipe.json",
        "environment.json",
        "history.csv",
        "epoch_times.csv",
        "model.keras",
        "checkpoint",
        "metrics.json",
        "confusion_matrix.csv",
        "confusion_matrix.png",
        "first_batch_confusion_matrix.csv",
        "first_batch_confusion_matrix.png",
        "per_class.csv",
        "curves.png",
        "predictions.csv",
        "examples.png",
        "validation_confusion.csv",
        "validation_confusion.png",
        "run.log",
    }
    status, out, _ = run(capsys, "evaluate", name, "--split", "validation", "--json")
    metrics = json.loads(out)
    assert (status, metrics["images"], metrics["split"]) == (0, 6, "validation")
    status, out, _ = run(capsys, "verify", name)
    assert (status, out.count("\n")) == (0, 1)
    assert (folder / "validation" / "metrics.json").exists()

    status, _, err = run(capsys, "fit", "resnet18", *options.split())
    assert status == 2
    assert "--resume continues it, --overwrite replaces it" in err
    status, out, _ = run(capsys, "fit", "resnet18", *options.split(), "--resume")
    assert status == 0
    assert "is finished" in out
