"""`predict` beside the network's own inference."""

import json

import pytest

from kerasnets.benchmark import prediction
from kerasnets.cli.commands import run as _run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "resnet18", "resnet34"], "takes one network"),
        (["predict", "data"], "stands alone"),
        (["predict", "--batch-size", "8"], "--batch-size has no effect"),
        (["predict", "--against", "keras"], "--against has no effect"),
    ],
)
def test_what_predict_cannot_use_is_refused(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert _run(["benchmark", *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_predict_and_the_network_are_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(prediction, "_PHOTOS", 4)
    monkeypatch.setattr(prediction, "BATCHES", 1)
    words = ["--inference-batch-size", "64", "--image-size", "32", "--rounds", "1"]
    words += ["--device", "cpu", "--out", str(tmp_path)]
    assert _run(["benchmark", "predict", "resnet18", *words]) == 0
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "predict/resnet18-32.json").read_text())
    assert set(report["contenders"]) == {"predict", "network"}
    assert f"{report['ratio']['ratio']:.3f} of the network's own rate" in said
    assert report["images"] == 64
    assert report["images_read"] == 2 * 3 * 64  # warm-up and one round
    assert report["workers"] >= 1
    assert report["first_batch_s"] > 0
    assert set(report["memory_mb"]) == {"first", "last"}
