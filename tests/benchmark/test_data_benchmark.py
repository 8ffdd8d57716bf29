"""Decoding and augmentation beside torchvision's."""

import json
import sys

import pytest
from PIL import Image

from kerasnets.benchmark import data
from kerasnets.cli.commands import run as _run
from kerasnets.errors import InstallationError


def test_photographs_are_the_same_every_time(tmp_path):
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths = data.make_photos(tmp_path / name, 3)
        made.append([path.read_bytes() for path in paths])
        assert Image.open(paths[0]).size == (500, 375)
    assert made[0] == made[1]
    assert len(set(made[0])) == 3


def test_without_torchvision_it_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(InstallationError, match=r"kerasnets\[bench\]") as error:
        data.benchmark_data()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resnet34"], "stands alone"),
        (["--batch-size", "8", "--batch-size", "16"], "stands alone"),
        (["--precision", "float32"], "--precision has no effect"),
        (["--profile"], "--profile has no effect"),
    ],
)
def test_what_has_no_effect_is_refused(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert _run(["benchmark", "data", *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_both_are_measured(tmp_path):
    pytest.importorskip("torchvision")
    report = data.benchmark_data(
        rounds=1, batch_size=4, images=8, folder=tmp_path, say=lambda _: None
    )
    assert json.loads((tmp_path / data.FILE).read_text()) == report
    speeds = {name: one["images_per_s"] for name, one in report["contenders"].items()}
    assert set(speeds) == {"kerasnets", "torchvision"}
    assert all(speed > 0 for speed in speeds.values())
