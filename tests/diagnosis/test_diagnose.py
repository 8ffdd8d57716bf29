"""What a diagnosis tries, measures, writes and says."""

import dataclasses
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnets import datasets
from kerasnets.datasets.pipeline.batches import evaluation_batches
from kerasnets.diagnosis.diagnose import diagnose
from kerasnets.diagnosis.record import FILES, Diagnosis
from kerasnets.diagnosis.summary import page, switches_table, verdict
from kerasnets.diagnosis.trial import (
    STATISTICS_BATCHES,
    LayerRow,
    Trial,
    average_statistics_anew,
)
from kerasnets.diagnosis.variants import MODIFIED, Variant, named_variants, to_try
from kerasnets.errors import RecipeError, RunError
from kerasnets.evaluation.layer_signals import LayerSignal
from kerasnets.networks import vgg
from kerasnets.recipe import Recipe
from kerasnets.runs import read_csv

NEITHER, NORM, GLOROT = (
    Variant(False, False),
    Variant(True, False),
    Variant(False, True),
)


def quiet(line: str) -> None:
    """Progress that nobody reads."""


def recipe(**named) -> Recipe:
    named = {"head": "compact", "limit": 100, "batch_size": 16, **named}
    return Recipe.for_paper("vgg11", "digits", **named)


@pytest.fixture(scope="module", autouse=True)
def narrow_vgg():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg, "FILTERS", (4, 6, 8, 8, 8))
        patch.setattr(vgg, "UNITS", 12)
        yield


@pytest.fixture(scope="module")
def ablated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnosis") / "ablated"
    lines: list[str] = []
    found = diagnose(recipe(), folder, steps=3, ablate=True, say=lines.append)
    return found, folder, lines


def test_all_four_variants_with_and_without_momentum_are_tried(ablated):
    diagnosis, _, lines = ablated
    tried = [(t.variant, t.learning_rate, t.momentum) for t in diagnosis.ablation]
    assert len(tried) == len(set(tried)) == diagnosis.planned == 8
    assert {momentum for _, _, momentum in tried} == {0.9, 0.0}
    assert tried[:2] == [(NEITHER, 0.001, 0.9), (MODIFIED, 0.001, 0.9)]
    assert lines[-1].startswith("8 of 8, ")
    assert set(diagnosis.own) == {NEITHER, NORM, GLOROT, MODIFIED}


def test_layers_are_measured_before_and_after(ablated):
    diagnosis, _, _ = ablated
    for variant in diagnosis.own:
        before, after = (diagnosis.signals(variant, step) for step in (0, 3))
        assert [s.layer for s in before] == [s.layer for s in after]
        assert before[0].layer == "stage1_conv1" and before[-1].layer == "classifier"
        assert [s.depth for s in before] == list(range(1, 12))
        assert before != after
    assert not diagnosis.signals(MODIFIED, 1)


def test_files_hold_what_is_returned(ablated):
    diagnosis, folder, _ = ablated
    assert {file.name for file in folder.iterdir()} == set(FILES)
    written = json.loads((folder / "diagnosis.json").read_text())
    assert written == json.loads(json.dumps(diagnosis.to_json()))
    assert Recipe(**written["recipe"]) == diagnosis.recipe
    trials, layers = (read_csv(folder / f"{x}.csv") for x in ("ablation", "layers"))
    assert [row["variant"] for row in trials] == [
        trial.variant.label for trial in diagnosis.ablation
    ]
    for row, trial in zip(trials, diagnosis.ablation, strict=True):
        assert float(row["loss"]) == pytest.approx(trial.loss, rel=1e-5)
    assert len(layers) == len(diagnosis.layers) == 4 * 2 * 11
    text = (folder / "diagnosis.md").read_text()
    assert diagnosis.verdict in text and "8 of 8 trials are finished" in text
    assert (folder / "signal.png").read_bytes()[:4] == b"\x89PNG"


def test_a_diagnosis_is_not_overwritten_unasked(ablated):
    _, folder, _ = ablated
    before = {file: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(RunError, match="overwrite=True replaces it"):
        diagnose(recipe(), folder, say=quiet)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_finished_trials_are_written_at_once(tmp_path):
    def stop_at_the_fourth(line: str) -> None:
        if line.startswith("4 of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diagnose(recipe(), tmp_path, steps=5, ablate=True, say=stop_at_the_fourth)
    assert len(read_csv(tmp_path / "ablation.csv")) == 3
    assert json.loads((tmp_path / "diagnosis.json").read_text())["planned"] == 8
    assert "3 of 8 trials are finished" in (tmp_path / "diagnosis.md").read_text()


def test_divergence_is_an_outcome(tmp_path):
    found = diagnose(recipe(learning_rate=1e25), tmp_path, steps=4, say=quiet)
    assert [trial.outcome for trial in found.ablation] == ["diverged"] * 2
    assert found.ablation[0].loss is None
    assert found.signals(NEITHER, 0) and not found.signals(NEITHER, 4)
    assert "has diverged" in found.verdict
    assert "null" in (tmp_path / "diagnosis.json").read_text()
    assert (tmp_path / "signal.png").exists()


@pytest.mark.parametrize(
    ("named", "options", "says"),
    [
        ({"precision": "mixed_bfloat16"}, {}, "precision 'float32'"),
        ({"batch_size": 1}, {}, "at least 2"),
        ({}, {"steps": 0}, "steps must be at least 1"),
        ({"batch_size": 5000}, {}, "5000"),
        ({"image_size": 8}, {}, "at least"),
        ({}, {"ablate": True, "learning_rates": [0.0]}, "learning_rate"),
    ],
)
def test_bad_input_writes_nothing(named, options, says, tmp_path):
    with pytest.raises(RecipeError, match=says):
        diagnose(recipe(**named), tmp_path / "out", say=quiet, **options)
    assert not list(tmp_path.iterdir())


def test_what_is_tried():
    assert [Variant.of(r) for r in to_try(recipe())] == [NEITHER, MODIFIED]
    own = recipe(glorot=True, momentum=0.0)
    assert [Variant.of(r) for r in to_try(own)] == [NEITHER, MODIFIED, GLOROT]
    assert {r.momentum for r in to_try(own, ablate=True)} == {0.0, 0.9}
    normal = to_try(recipe(glorot="normal"), ablate=True)
    assert {r.glorot for r in normal} == {False, "normal"}
    resnet = Recipe.for_paper("resnet18", "digits")
    assert [Variant.of(r) for r in to_try(resnet)] == [NORM, MODIFIED]
    adam = to_try(recipe(optimizer="adam"), ablate=True, learning_rates=[0.01, 0.001])
    assert len(adam) == 8 and {r.momentum for r in adam} == {0.9}
    assert {r.learning_rate for r in adam} == {0.001, 0.01}


def test_statistics_are_those_of_the_first_batches():
    dataset = datasets.load("digits", image_size=8)
    parts = datasets.partition(dataset, recipe(limit=400))
    batches = evaluation_batches(recipe(), dataset, parts.train, batch_size=30)
    inputs = keras.Input((8, 8, 1))
    norm = keras.layers.BatchNormalization(momentum=0.9)
    model = keras.Model(inputs, norm(inputs))
    average_statistics_anew(model, batches)
    means = [batches[k][0].mean() for k in range(STATISTICS_BATCHES)]
    found = keras.ops.convert_to_numpy(norm.moving_mean)
    assert found == pytest.approx(np.mean(means), rel=1e-5)
    assert norm.momentum == 0.9


def made(outcomes: dict[Variant, str], **named) -> Diagnosis:
    """A diagnosis with these outcomes and signals of 1 everywhere."""
    asked = recipe()
    signal = LayerSignal(1, "first", 1.0, 0.5, 1e-6, 1.0, 1e-3, 0.25)
    last = dataclasses.replace(signal, depth=2, layer="last", gradient_rms=1.0)
    trials = tuple(
        Trial(variant, asked.learning_rate, asked.momentum, outcome)
        if outcome == "diverged"
        else Trial(
            variant, asked.learning_rate, asked.momentum, outcome,
            2.3, 2.3, 0.1135, "1", 0.995, 2.3,
        )
        for variant, outcome in outcomes.items()
    )  # fmt: skip
    values = {
        "recipe": asked,
        "steps": 80,
        "monitored": "test",
        "images": 10_000,
        "guess_loss": 2.3012,
        "guess_accuracy": 0.1135,
        "planned": len(trials),
        "layers": tuple(
            LayerRow(variant, 0, one) for variant in outcomes for one in (signal, last)
        ),
        "ablation": trials,
        "environment": {},
        **named,
    }
    return Diagnosis(**values)


@pytest.mark.parametrize(
    ("norm", "glorot", "modified", "says"),
    [
        ("learning", "collapsed", "learning", "what it lacks is batch norm, not"),
        ("stuck", "learning", "learning", "what it lacks is another initialization"),
        ("learning", "learning", "learning", "either is enough"),
        ("stuck", "collapsed", "learning", "it takes both"),
        ("stuck", "collapsed", "diverged", "neither is enough"),
    ],
)
def test_the_verdict_on_what_is_lacking(norm, glorot, modified, says):
    outcomes = {NEITHER: "collapsed", MODIFIED: modified, NORM: norm, GLOROT: glorot}
    text = verdict(made(outcomes))
    assert says in text
    assert "has collapsed: 99.5% of its predictions are class '1'" in text
    assert "accuracy 11.35%, loss 2.3000" in text
    assert "10^-6.0 of the logits'" in text
    assert "does not overfit" in text


def test_switches_stand_two_by_two_for_each_momentum():
    outcomes = {NEITHER: "collapsed", MODIFIED: "learning", NORM: "diverged"}
    trials = made(outcomes).ablation
    other = [dataclasses.replace(trials[1], momentum=0.0, accuracy=0.5)]
    table = switches_table([*trials, *other])
    assert table is not None
    assert table.rows == (
        ("its own initialization", "0.001", "0.9", "11.35%, collapsed", "diverged"),
        ("Glorot initialization", "0.001", "0.9", "", "11.35%, learning"),
        ("its own initialization", "0.001", "0", "", ""),
        ("Glorot initialization", "0.001", "0", "", "50.00%, learning"),
    )
    assert switches_table(trials[:2]) is None


def test_a_network_that_learns_needs_no_explanation():
    text = verdict(made({NEITHER: "learning", MODIFIED: "learning"}))
    assert "original (neither) learns" in text
    assert "overfit" not in text and "lacks" not in text


def test_one_paragraph_whatever_happens():
    outcomes = st.sampled_from(["diverged", "collapsed", "stuck", "learning"])

    @given(st.tuples(outcomes, outcomes, outcomes, outcomes))
    def holds(four):
        variants = (NEITHER, MODIFIED, NORM, GLOROT)
        diagnosis = made(dict(zip(variants, four, strict=True)))
        text = verdict(diagnosis)
        assert "\n" not in text and "  " not in text and "None" not in text
        # Two initializations and four trials.
        lines = page(diagnosis).markdown().splitlines()
        tables = [x for x in lines if x.startswith("| ")]
        assert len([x for x in tables if "---" not in x]) == 2 + 4 + 2

    holds()


def test_names_of_variants():
    assert list(named_variants(recipe(batch_norm=True)).values()) == [
        "original (neither)",
        "modified (batch norm + Glorot)",
        "batch norm",
    ]


UNDER_JAX = """
import sys
from pathlib import Path
from kerasnets import Recipe
from kerasnets.networks import vgg
from kerasnets.diagnosis.diagnose import diagnose
vgg.FILTERS, vgg.UNITS = (4, 6, 8, 8, 8), 12
recipe = Recipe.for_paper(
    "vgg11", "digits", head="compact", limit=100, batch_size=16, learning_rate=0.05
)
found = diagnose(recipe, Path(sys.argv[1]), steps=3)
print([trial.outcome for trial in found.ablation])
"""


@pytest.mark.slow
def test_under_jax(tmp_path):
    pytest.importorskip("jax")
    subprocess.run(
        [sys.executable, "-c", UNDER_JAX, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    written = json.loads((tmp_path / "diagnosis.json").read_text())
    assert written["environment"]["backend"] == "jax"
    assert len(written["layers"]) == 2 * 2 * 11
