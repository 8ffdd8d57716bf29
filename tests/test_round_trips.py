"""Whatever kerasnets writes it reads, whatever names are in it."""

import platform
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hostile_files import read_everything

from kerasnets import runs
from kerasnets.compute.runtime import Session
from kerasnets.datasets import cache
from kerasnets.datasets.dataset import Dataset, Split, fingerprint
from kerasnets.errors import RunError
from kerasnets.evaluation.evaluate import _numbers
from kerasnets.evaluation.metrics import measure
from kerasnets.evaluation.results import write_results
from kerasnets.recipe import Recipe
from kerasnets.runs import records
from kerasnets.runs.results import (
    Predictions,
    read_confusion,
    read_metrics,
    read_per_class,
    read_predictions,
)
from kerasnets.runs.status import state
from kerasnets.storage import digests, lock
from kerasnets.storage.files import read_csv, write_csv
from kerasnets.training.callbacks.epoch_table import EpochTable
from kerasnets.training.callbacks.recorders import HistoryLogger
from kerasnets.training.environment import Facts

# Half characters (surrogates) too: Python reads bytes of a folder's name that are not
# UTF-8 as such. And what separates cells, lines and words.
LETTERS = (
    st.characters()
    | st.sampled_from("\r\n\0,\"'\N{NO-BREAK SPACE}\x1b\u2028\udcff\ud800")
    | st.sampled_from("ab")
)
TEXT = st.lists(LETTERS, max_size=6).map("".join)
RECIPE = Recipe.for_paper("resnet18", "digits", epochs=1)
CLASSES = 3


def dataset(names: tuple[str, ...], note: str) -> Dataset:
    split = Split(np.zeros((CLASSES, 2, 2, 1), np.uint8), np.arange(CLASSES))
    return Dataset(
        "made",
        split,
        split,
        names,
        np.zeros(1),
        np.ones(1),
        fingerprint(names, split, split),
        note,
    )


def write_run(folder, data: Dataset, session: Session) -> runs.Run:
    """Every record that training and evaluation write."""
    run = runs.create(folder, RECIPE)
    subset = list(range(CLASSES))
    parts = SimpleNamespace(train=subset, validation=subset, test=subset)
    model = SimpleNamespace(weights=[], trainable_weights=[])
    facts = Facts(
        RECIPE,
        session,
        "keras",
        False,
        data,
        parts,
        model,
        1,
        began=time.perf_counter(),
        dataset_load_s=0.1,
    )
    facts.record(run, HistoryLogger.COLUMNS)
    facts.record_start(run)
    facts.record(run, HistoryLogger.COLUMNS)  # as when it is resumed
    table = EpochTable(run.path / "history.csv", runs.HISTORY_COLUMNS)
    table.add([[1, 0.5, 0.5, 0.5, 0.5]])
    table.write()
    logits = np.zeros((CLASSES, CLASSES))  # collapsed: all are of the first class
    whole = measure(logits, np.arange(CLASSES))
    predictions = Predictions(
        np.arange(CLASSES), np.arange(CLASSES), logits.argmax(1), np.ones(CLASSES)
    )
    metrics = {
        "network": RECIPE.network,
        "dataset": RECIPE.dataset,
        "dataset_note": data.note,
        "data_changed": False,
        "split": "test",
        **_numbers(whole, data.class_names),
        "first_batch": None,
        "device_name": session.device_name,
    }
    write_results(run.path, metrics, data.class_names, predictions, whole, whole)
    return run


@settings(max_examples=settings.default.max_examples // 4)
@given(
    names=st.tuples(*[TEXT] * CLASSES),
    note=TEXT,
    machine=TEXT,
    variable=TEXT.filter(lambda text: "\0" not in text).map(
        lambda text: text.encode("utf-8", "replace").decode()
    ),
)
def test_what_is_written_of_any_names_is_read(
    tmp_path_factory, names, note, machine, variable
):
    folder = tmp_path_factory.mktemp("records") / "runs" / "run"
    data = dataset(names, note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(platform, "platform", lambda: machine)
        patch.setattr(platform, "node", lambda: machine)
        patch.setenv("XLA_FLAGS", variable)
        run = write_run(folder, data, Session("torch", "cpu", "a processor", 1))
        with run.lock(), pytest.raises(RunError, match="in use by process"):
            lock.hold(folder).__enter__()
    verification = digests.verify(folder)
    assert verification and verification.findings == ()
    assert state(folder).why == ""
    read_everything(folder)
    assert records.class_names(run) == list(data.class_names)
    for name in ("confusion_matrix.csv", "first_batch_confusion_matrix.csv"):
        assert read_confusion(folder / name)[1] == data.class_names
    rows = read_csv(folder / "per_class.csv")
    assert tuple(row["class"] for row in rows) == data.class_names
    assert read_metrics(folder)["collapsed"]["class"] == data.class_names[0]
    assert len(read_predictions(folder / "predictions.csv").label) == CLASSES


@given(names=st.tuples(*[TEXT] * CLASSES), note=TEXT)
def test_a_cache_of_any_names_is_read(tmp_path_factory, names, note):
    folder = tmp_path_factory.mktemp("caches") / "made"
    data = dataset(names, note)
    cache.write(folder, data)
    found = cache.read(folder)
    assert found and found.class_names == data.class_names
    assert found.note == data.note


@given(rows=st.lists(st.tuples(TEXT, TEXT), max_size=4))
def test_a_table_of_any_text_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    rows = [
        tuple(text.encode("utf-8", "replace").decode() for text in row) for row in rows
    ]
    write_csv(path, ("a", "b"), rows)
    assert [tuple(row.values()) for row in read_csv(path)] == rows


@given(
    labels=st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=5),
    shift=st.integers(0, CLASSES - 1),
)
def test_results_of_any_predictions_are_read(tmp_path_factory, labels, shift):
    """Of predictions that are all right or all wrong too."""
    folder = tmp_path_factory.mktemp("results")
    label = np.array(labels)
    predicted = (label + shift) % CLASSES
    whole = measure(np.eye(CLASSES, dtype=np.float32)[predicted], label)
    predictions = Predictions(
        np.arange(len(label)), label, predicted, np.ones(len(label))
    )
    names = ("a", "b", "c")
    write_results(folder, {"accuracy": whole.accuracy}, names, predictions, whole, None)
    found = read_per_class(folder / "per_class.csv")
    assert [row.support for row in found] == whole.support.tolist()
    counts, _ = read_confusion(folder / "confusion_matrix.csv")
    assert (counts == whole.confusion).all()
    read = read_predictions(folder / "predictions.csv")
    assert read.prediction.tolist() == predicted.tolist()
