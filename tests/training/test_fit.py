"""Training as a user sees it: the run folder, resuming, and what goes wrong."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import warm_python
from backend_here import only_under

from kerasnets import runs
from kerasnets.compute.memory.use import peak_memory_bytes
from kerasnets.errors import (
    BackendError,
    DatasetError,
    KerasnetsError,
    RunError,
    TrainingDiverged,
)
from kerasnets.recipe import Recipe
from kerasnets.training.fit import fit

FILES = {
    "digests.json",
    "recipe.json",
    "environment.json",
    "preprocessing.json",
    "history.csv",
    "epoch_times.csv",
    "validation_confusion.csv",
    "model.keras",
    "run.log",
}


def small(**named) -> Recipe:
    options = {"limit": 80, "epochs": 2, "batch_size": 24, "dropout": 0.2, **named}
    return Recipe.for_paper("resnet18", "digits", **options)


def weights(run: runs.Run) -> list[bytes]:
    model = keras.saving.load_model(run.model_file, compile=False)
    return [np.asarray(w).tobytes() for w in model.get_weights()]


class Cut(KeyboardInterrupt):
    """Not what a signal to the tests' own process raises, which ends them."""


class InterruptAt(keras.callbacks.Callback):
    """Stands in for Ctrl-C at a step of an epoch."""

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__()
        self.at = (epoch, step)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch + 1) == self.at:
            raise Cut


def test_the_run_folder_has_every_record(tmp_path):
    run = fit(small(), tmp_path / "run", device="cpu", verbosity=0)
    files = {file.name for file in run.path.iterdir() if file.is_file()}
    assert files - {".lock", ".digests.lock"} == FILES
    rows = run.history
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all(0 <= row["val_accuracy"] <= 1 and row["loss"] > 0 for row in rows)
    assert all(row["learning_rate"] == pytest.approx(0.001) for row in rows)
    with (run.path / "epoch_times.csv").open() as file:
        for row in csv.DictReader(file):
            assert float(row["train_s"]) > float(row["data_wait_s"]) >= 0
            assert float(row["train_images_per_s"]) > 0
            assert float(row["peak_memory_mb"]) > 10
    confusion = runs.read_csv(run.path / "validation_confusion.csv")
    for epoch, row in zip("12", rows, strict=True):
        counts = [r for r in confusion if r["epoch"] == epoch]
        assert sum(int(r["count"]) for r in counts) == 8
        right = sum(int(r["count"]) for r in counts if r["label"] == r["prediction"])
        assert right / 8 == pytest.approx(row["val_accuracy"])
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["train_images"] == 72
    assert environment["trainable_parameters"] > 11_000_000
    assert 0 <= environment["dataset_load_s"] < environment["start_s"]
    started = f"first step done after {environment['start_s']:.1f} s"
    assert started in (run.path / "run.log").read_text()
    assert runs.load(run.path).recipe == small()


@pytest.mark.skipif(sys.platform != "linux", reason="the peak cannot be reset")
def test_the_most_memory_is_that_of_the_run(tmp_path, narrow_networks):
    # As an earlier run of the process, in pieces that malloc keeps once freed.
    earlier = [np.ones(1 << 17) for _ in range(400)]
    peak_mb = peak_memory_bytes(keras.backend.backend(), "cpu") / 1e6
    del earlier
    run = fit(small(limit=30, epochs=1), tmp_path / "run", device="cpu", verbosity=0)
    (row,) = runs.read_csv(run.path / "epoch_times.csv")
    assert float(row["peak_memory_mb"]) < peak_mb - 200


def test_the_model_file_loads_without_kerasnets(tmp_path):
    run = fit(small(epochs=1), tmp_path / "run", device="cpu", verbosity=0)
    code = (
        "import sys, keras\n"
        f"model = keras.saving.load_model({str(run.model_file)!r})\n"
        "assert not model.compiled\n"
        "print(model.name, model.output_shape, 'kerasnets' in sys.modules)"
    )
    result = subprocess.run(
        [warm_python.executable(), "-c", code],
        check=True,
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip() == "resnet18 (None, 10) False"
    assert run.model_file.stat().st_size < 1.1 * 4 * 11_200_000


@only_under("torch")
def test_compilation_is_announced(tmp_path, monkeypatch, capsys, narrow_networks):
    monkeypatch.setattr("torch.compile", lambda graph, **options: graph)
    fit(small(epochs=1), tmp_path / "run", device="cpu", engine="torch_compile")
    told = capsys.readouterr().out
    assert 0 < told.find("PyTorch compiles the network") < told.find("first step done")


@pytest.mark.parametrize("at", [(1, 2), (2, 1), (3, 3)])
def test_resumed_equals_uninterrupted_to_the_bit(tmp_path, at, narrow_networks):
    recipe = small(epochs=3, schedule="cosine", warmup=1.0)
    whole = fit(recipe, tmp_path / "whole", device="cpu", verbosity=0)
    with pytest.raises(Cut):
        fit(
            recipe,
            tmp_path / "parts",
            device="cpu",
            verbosity=0,
            callbacks=[InterruptAt(*at)],
        )
    assert not (tmp_path / "parts" / "model.keras").exists()
    parts = fit(recipe, tmp_path / "parts", device="cpu", verbosity=0, resume=True)
    assert weights(parts) == weights(whole)
    for name in ("history.csv", "validation_confusion.csv", "recipe.json"):
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert [row["epoch"] for row in parts.history] == [1, 2, 3]
    environment = json.loads((parts.path / "environment.json").read_text())
    for start in (environment, *environment["resumed"]):
        assert 0 <= start["dataset_load_s"] < start["start_s"]


def test_a_finished_run_says_so_and_epochs_may_be_raised(
    tmp_path, capsys, narrow_networks
):
    run = fit(small(epochs=1), tmp_path / "run", device="cpu", verbosity=0)
    before = run.model_file.read_bytes()
    fit(small(epochs=1), run.path, device="cpu", resume=True)
    assert "is finished" in capsys.readouterr().out
    assert run.model_file.read_bytes() == before
    fit(small(epochs=2), run.path, device="cpu", resume=True, verbosity=0)
    assert [row["epoch"] for row in run.history] == [1, 2]
    assert runs.load(run.path).recipe.epochs == 2
    with pytest.raises(RunError, match="was made with epochs 2, not 1"):
        fit(small(epochs=1), run.path, device="cpu", resume=True)


def test_resuming_with_another_recipe_is_refused_by_field(tmp_path, narrow_networks):
    run = fit(small(epochs=1), tmp_path / "run", device="cpu", verbosity=0)
    with pytest.raises(RunError, match=r"made with learning_rate 0\.001, not 0\.01"):
        fit(small(epochs=1, learning_rate=0.01), run.path, resume=True)


def test_nan_stops_with_a_clear_line_and_no_model(tmp_path, narrow_networks):
    with pytest.raises(TrainingDiverged, match=r"the loss became .* of epoch 1"):
        fit(small(learning_rate=1e30), tmp_path / "run", device="cpu", verbosity=0)
    assert not (tmp_path / "run" / "model.keras").exists()


def test_a_collapsed_network_is_named(tmp_path, capsys, narrow_networks):
    # As in the paper's Table 1: without batch norm VGG-19 predicts one class.
    recipe = Recipe.for_paper(
        "vgg19",
        "digits",
        head="compact",
        limit=40,
        epochs=1,
        batch_size=20,
        learning_rate=1e-12,
        validation=0.5,
    )
    run = fit(recipe, tmp_path / "run", device="cpu", verbosity=0)
    line = "collapsed: 100.0% of the validation predictions of epoch 1 are class"
    assert line in capsys.readouterr().out
    assert line in (run.path / "run.log").read_text()


@pytest.mark.parametrize(
    ("recipe", "options", "error"),
    [
        (small(limit=100_000), {}, DatasetError),
        (small(batch_size=1000), {}, KerasnetsError),
        (Recipe.for_paper("resnet18", "no_such_data"), {}, DatasetError),
        (small(), {"device": "gpu"}, BackendError),
        (small(), {"device": "cuda:99"}, BackendError),
        (Recipe.for_paper("vgg11", "digits", image_size=16), {}, KerasnetsError),
    ],
)
def test_bad_input_leaves_no_folder(tmp_path, monkeypatch, recipe, options, error):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    with pytest.raises(error) as raised:
        fit(recipe, tmp_path / "run", verbosity=0, **options)
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_the_test_split_can_be_monitored(tmp_path, narrow_networks):
    run = fit(
        small(validation="test", epochs=1), tmp_path / "run", device="cpu", verbosity=0
    )
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["train_images"] == 80
    assert environment["validation_images"] == environment["test_images"] == 360


def test_progress_lines(tmp_path, capsys):
    recipe = small(epochs=1, batch_size=6)
    fit(recipe, tmp_path / "run", device="cpu", verbosity=2)
    out = capsys.readouterr().out
    for part in (
        "ResNet-18 on Digits",
        "72 training images, 8 validation, 360 test; 32×32×1",
        "11,175,370 trainable",
        "Keras 3",
        "about ",
        "epoch 1 step 12/12: loss",
        "epoch 1/1: loss",
        "model and records are in",
    ):
        assert part in out, part


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_other_backends_write_the_same_run_folder(tmp_path, backend):
    pytest.importorskip(backend)
    code = (
        "from small_run import fit, recipe\n"
        f"run = fit({str(tmp_path / 'run')!r}, on=recipe(epochs=2))\n"
        "fit(run.path, on=recipe(epochs=3), resume=True)\n"
    )
    paths = [str(Path(__file__).parents[1] / "reliability"), *sys.path]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join(paths),
    }
    subprocess.run(
        [warm_python.executable(backend), "-c", code], check=True, env=environment
    )
    run = runs.load(tmp_path / "run")
    files = {file.name for file in run.path.iterdir() if file.is_file()}
    assert files - {".lock", ".digests.lock"} == FILES
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    facts = json.loads((run.path / "environment.json").read_text())
    assert facts["backend"] == backend
