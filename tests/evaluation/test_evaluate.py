"""Evaluation of a whole run folder on scikit-learn's digits."""

import csv
import dataclasses
import json
import logging

import numpy as np
import pytest
from trained_run import make_run

from kerasnets import datasets, runs
from kerasnets.errors import KerasnetsError, RunError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.evaluation.metrics import predict_logits
from kerasnets.figures import draw_evaluation
from kerasnets.runs.results import FILES as ALL
from kerasnets.runs.results import read_confusion, read_predictions, stale

FILES = {"metrics.json", "confusion_matrix.csv", "per_class.csv", "predictions.csv"}


def measured(metrics):
    return {
        name: value
        for name, value in metrics.items()
        if name not in ("seconds", "images_per_s")
    }


def test_writes_files_that_agree_with_each_other(run):
    before = {file.name for file in run.path.iterdir()}
    metrics = evaluate(run, device="cpu")
    new = {file.name for file in run.path.iterdir()} - before - {".lock"}
    assert new == FILES
    assert metrics == json.loads((run.path / "metrics.json").read_text())
    assert metrics["split"] == "test"
    assert metrics["images"] == 360
    assert metrics["accuracy"] > 0.8
    assert metrics["accuracy"] <= metrics["top5_accuracy"] <= 1
    assert metrics["collapsed"] is None
    assert metrics["first_batch"] is None
    assert metrics["data_changed"] is False
    assert metrics["images_per_s"] > 0

    counts, names = read_confusion(run.path / "confusion_matrix.csv")
    assert names == tuple("0123456789")
    assert counts.sum() == 360
    assert counts.trace() / 360 == pytest.approx(metrics["accuracy"])

    rows = runs.read_csv(run.path / "per_class.csv")
    assert [row["class"] for row in rows] == list(names)
    assert [int(row["support"]) for row in rows] == counts.sum(axis=1).tolist()
    recalls = [float(row["recall"]) for row in rows]
    assert np.mean(recalls) == pytest.approx(metrics["macro_recall"], abs=1e-6)


def test_predictions_name_the_images(run):
    evaluate(run, split="validation", device="cpu")
    dataset = datasets.load("digits", image_size=8)
    parts = datasets.partition(dataset, run.recipe)
    found = read_predictions(run.path / "validation" / "predictions.csv")
    assert (found.index == parts.validation.indices).all()
    assert (found.label == dataset.train.labels[found.index]).all()
    assert ((found.confidence > 0.1) & (found.confidence <= 1)).all()
    first = (run.path / "validation" / "predictions.csv").read_text().splitlines()[1]
    assert len(first.rsplit(".", 1)[1]) == 6


def test_same_run_gives_the_same_results(run):
    first = evaluate(run, device="cpu")
    bytes_first = {name: (run.path / name).read_bytes() for name in FILES}
    second = evaluate(run, device="cpu")
    assert measured(first) == measured(second)
    for name in FILES - {"metrics.json"}:
        assert (run.path / name).read_bytes() == bytes_first[name]


def test_batch_size_changes_no_prediction(run):
    evaluate(run, device="cpu", batch_size=360)
    whole = read_predictions(run.path / "predictions.csv")
    evaluate(run, device="cpu", batch_size=7)
    parts = read_predictions(run.path / "predictions.csv")
    assert (whole.prediction == parts.prediction).all()
    assert np.allclose(whole.confidence, parts.confidence, atol=2e-6)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_splits_keep_to_their_own_folder(run, split):
    test = measured(evaluate(run, device="cpu"))
    metrics = evaluate(run.path, split=split, device="cpu")
    parts = datasets.partition(datasets.load("digits", image_size=8), run.recipe)
    assert metrics["images"] == len(getattr(parts, split))
    assert {file.name for file in (run.path / split).iterdir()} == FILES
    assert measured(json.loads((run.path / "metrics.json").read_text())) == test


def test_first_batch_is_the_recipe_s_and_can_be_dropped(run):
    metrics = evaluate(run, device="cpu", first_batch=True)
    file = run.path / "first_batch_confusion_matrix.csv"
    counts, _ = read_confusion(file)
    assert counts.sum() == metrics["first_batch"]["images"] == 32
    assert counts.trace() / 32 == metrics["first_batch"]["accuracy"]
    labels = datasets.load("digits", image_size=8).test.labels[:32]
    assert (counts.sum(axis=1) == np.bincount(labels, minlength=10)).all()
    evaluate(run, device="cpu")
    assert not file.exists()


def test_an_evaluation_leaves_nothing_of_the_one_before_it(run):
    before = {path.name for path in run.path.iterdir()}
    for split in ("test", "validation"):
        folder = run.results_folder(split)
        evaluate(run, split=split, device="cpu", first_batch=True)
        draw_evaluation(run, split)
        written = {path.name for path in folder.glob("[!.]*.*")} - before
        # Every one is known, so that all can go.
        assert written - {"curves.png"} == {*ALL} - {"thresholds.csv"}
        evaluate(run, split=split, device="cpu")
        assert {name for name in ALL if (folder / name).exists()} == FILES


def test_an_evaluation_that_fails_half_way_leaves_no_metrics(run, monkeypatch):
    evaluate(run, device="cpu")
    assert json.loads((run.path / "metrics.json").read_text())["epochs"] == 2

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kerasnets.evaluation.results._write_per_class", fail)
    with pytest.raises(RunError, match="No space left"):
        evaluate(run, device="cpu")
    assert not (run.path / "metrics.json").exists()
    assert {finding.name for finding in stale(run.path)} == {
        "confusion_matrix.csv",
        "per_class.csv",
        "predictions.csv",
    }


def test_hostile_class_names_survive(tmp_path, monkeypatch):
    names = ("a,b", '"q"', "two\nlines", "cr\r", "", "label", "label", "é", "=1", "$x$")
    dataset = dataclasses.replace(
        datasets.load("digits", image_size=8), class_names=names
    )
    run = make_run(tmp_path / "run")
    monkeypatch.setattr(datasets, "load", lambda *args, **named: dataset)
    metrics = evaluate(run, device="cpu")
    counts, read = read_confusion(run.path / "confusion_matrix.csv")
    assert read == names
    assert counts.trace() / 360 == pytest.approx(metrics["accuracy"])
    rows = runs.read_csv(run.path / "per_class.csv")
    assert tuple(row["class"] for row in rows) == names


def test_training_that_goes_on_meanwhile_makes_the_results_stale(run, monkeypatch):
    def predicted(model, batches):
        first, *rows = csv.reader((run.path / "history.csv").open())
        rows.append([len(rows) + 1, *rows[-1][1:]])
        runs.write_csv(run.path / "history.csv", first, rows)
        return predict_logits(model, batches)

    before = len(run.history)
    monkeypatch.setattr("kerasnets.evaluation.evaluate.predict_logits", predicted)
    metrics = evaluate(run)
    assert metrics["epochs"] == metrics["epoch"] == before == len(run.history) - 1
    assert "stale: measured after" in stale(run.path)[0].what


def test_collapse_is_told_by_name(tmp_path):
    run = make_run(tmp_path / "run", bias_of_one=1e4)
    metrics = evaluate(run, device="cpu")
    assert metrics["collapsed"] == {"class": "1", "share": 1.0}
    labels = datasets.load("digits", image_size=8).test.labels
    assert metrics["accuracy"] == pytest.approx((labels == 1).mean())


def test_changed_data_is_told(run, caplog):
    runs.write_json(run.path / "environment.json", {"dataset_fingerprint": "other"})
    with caplog.at_level(logging.WARNING):
        assert evaluate(run, device="cpu")["data_changed"] is True
    assert "fingerprint changed" in caplog.text


def contents(run):
    files = (file for file in run.path.rglob("*") if file.name != ".lock")
    return {file: file.read_bytes() if file.is_file() else None for file in files}


def assert_refused(run, match, **named):
    before = contents(run)
    with pytest.raises(KerasnetsError, match=match) as caught:
        evaluate(run, **{"device": "cpu", **named})
    assert "\n" not in str(caught.value)
    assert contents(run) == before


def test_unfinished_training_is_refused(run):
    run.model_file.unlink()
    assert_refused(run, "training has not finished.*resume=True")


def test_a_run_that_is_in_use_is_refused_before_anything_is_computed(run, monkeypatch):
    monkeypatch.setattr("kerasnets.evaluation.evaluate.load_model", None)
    with run.lock():
        assert_refused(run, "is in use by process")


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_damaged_model_is_refused(run, keep):
    whole = run.model_file.read_bytes()
    size = keep if isinstance(keep, int) else int(keep * len(whole))
    run.model_file.write_bytes(whole[:size])
    assert_refused(run, r"model\.keras cannot be read")


def test_model_of_other_images_is_refused(run):
    import keras

    inputs = keras.Input((9, 9, 1))
    outputs = keras.layers.Dense(10)(keras.layers.Flatten()(inputs))
    keras.Model(inputs, outputs).save(run.model_file)
    assert_refused(run, r"takes images of shape \(9, 9, 1\)")


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    run = make_run(tmp_path / "run", bias_of_one=float("nan"))
    assert_refused(run, "not finite for 360 of 360 images")


def test_validation_needs_a_split_of_its_own(tmp_path):
    run = make_run(tmp_path / "run", validation="test")
    assert_refused(
        run, "no validation split of its own.*split='test'", split="validation"
    )


@pytest.mark.parametrize(
    ("named", "match"),
    [
        ({"split": "tset"}, "unknown split 'tset'. Did you mean 'test'"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"device": "gpu0"}, "unknown device"),
    ],
)
def test_wrong_requests_are_refused(run, named, match):
    assert_refused(run, match, **named)


def test_missing_environment_is_refused(run):
    (run.path / "environment.json").unlink()
    assert_refused(run, r"no environment\.json")


def test_missing_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="no run folder"):
        evaluate(tmp_path / "nothing")


def test_a_run_in_use_is_refused(run):
    with run.lock():
        assert_refused(run, "in use by process")
