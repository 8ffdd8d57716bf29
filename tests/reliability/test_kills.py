"""SIGKILL at random instants: whatever is on disk afterwards is enough to go on."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import small_run
import victims

from kerasnets import datasets, runs
from kerasnets.datasets import cache
from kerasnets.datasets.download.prepare import prepare
from kerasnets.training.drill import (
    fingerprint,
    kill_until_done,
    run_child,
    warm_context,
)

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="needs processes that start in no time"
)

FEW, MANY = 6, pytest.param(100, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def context():
    paths = (Path(__file__).parent, Path(__file__).parent.parent / "datasets")
    with pytest.MonkeyPatch.context() as patch:
        for path in paths:
            patch.syspath_prepend(path)
        # The process that forks them reads its own environment.
        patch.setenv("PYTHONPATH", ":".join(map(str, paths)))
        yield warm_context("victims", "tensorflow_datasets", "array_record")


def seconds_of(context, target, *arguments) -> float:
    """How long `target` takes in a process that is not killed."""
    import time

    began = time.monotonic()
    run_child(context, target, arguments)
    return time.monotonic() - began


def kill_often(context, target, arguments, kills, seconds, seed=0) -> int:
    instants = random.Random(seed)
    return kill_until_done(
        context, target, arguments, kills, lambda: instants.uniform(0, seconds)
    )


@pytest.mark.parametrize("kills", [FEW, MANY])
def test_training_survives_any_number_of_kills(tmp_path, context, kills):
    run_child(context, victims.train, (tmp_path / "warm-up",))
    whole_s = seconds_of(context, victims.train, tmp_path / "whole")
    expected = fingerprint(runs.load(tmp_path / "whole"))
    killed = count = 0
    while killed < kills:
        count += 1
        path = tmp_path / f"killed-{count}"
        killed += kill_often(
            context, victims.train, (path,), kills - killed, whole_s, seed=count
        )
        assert fingerprint(runs.load(path)) == expected
        assert not list(path.rglob(".tmp-*"))
    print(f"{killed} kills over {count} runs")


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_evaluation_survives_kills(tmp_path, context, kills):
    run = small_run.fit(tmp_path / "run")
    seconds = seconds_of(context, victims.measure, run.path)
    names = ("confusion_matrix.csv", "per_class.csv", "predictions.csv")
    expected = [(run.path / name).read_bytes() for name in names]
    before = fingerprint(run)
    for number in range(kills):
        for name in (*names, "metrics.json"):
            (run.path / name).unlink(missing_ok=True)
        kill_often(context, victims.measure, (run.path,), 1, seconds, seed=number)
        assert [(run.path / name).read_bytes() for name in names] == expected
        assert runs.read_json(run.path / "metrics.json")["images"] == 360
    assert fingerprint(run) == before


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_the_decoded_cache_is_whole_or_absent(tmp_path, context, kills):
    seconds = seconds_of(context, victims.decode, tmp_path / "timed")
    expected = victims.images()
    for number in range(kills):
        folder = tmp_path / str(number)
        instant = random.Random(number).uniform(0, seconds)
        run_child(context, victims.decode, (folder,), kill_after=instant)
        for again in range(2):
            if again:
                run_child(context, victims.decode, (folder,))
            found = cache.read(folder / "made")
            assert found is not None or not again
            if found:
                np.testing.assert_array_equal(found.train.images, expected.train.images)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_preparing_survives_kills(tmp_path, context, kills, monkeypatch):
    import archives_server as published

    monkeypatch.setenv("KERASNETS_CACHE", str(tmp_path / "cache"))
    server = published.Server(published.mnist_archives())
    mirror = server.mirror()
    try:
        seconds = seconds_of(context, victims.prepare, tmp_path / "timed", mirror)
        for number in range(kills):
            data = tmp_path / str(number)
            kill_often(context, victims.prepare, (data, mirror), 2, seconds, number)
            assert prepare("mnist", data_dir=data).is_dir()
            dataset = datasets.load("mnist", data_dir=data, image_size=28)
            assert len(dataset.train.labels) == published.TRAIN
            assert not list((data / "mnist").glob("*incomplete*"))
    finally:
        server.close()
