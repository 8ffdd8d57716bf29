"""Reports of any age and shape are drawn and printed."""

import copy
import json
from pathlib import Path

import pytest

from kerasnets.cli.training.tables import print_benchmark
from kerasnets.figures import draw_benchmark

PUBLISHED = Path(__file__).parents[2] / "artifacts" / "benchmark"


@pytest.fixture
def report():
    found = json.loads((PUBLISHED / "resnet34.json").read_text())
    for part in found["train"] + found["inference"]:
        part.update(image_size=32, precision="float32", failed={})
    return found


def test_published_results_are_drawn(tmp_path):
    reports = [json.loads(file.read_text()) for file in PUBLISHED.glob("*.json")]
    assert draw_benchmark(reports, tmp_path / "speeds.png").stat().st_size > 10_000


def test_precisions_sizes_and_failures_are_drawn_and_printed(report, tmp_path, capsys):
    half = copy.deepcopy(report["train"][0])
    half.update(precision="mixed_bfloat16", image_size=224)
    compiled = half["contenders"].pop("keras")
    half["contenders"]["torchvision-compiled"] = {**compiled, "compile_s": 41.2}
    half["ratios"]["torchvision-compiled"] = half["ratios"].pop("keras")
    half["ratios"]["torchvision contiguous"]["faster_of"] = ["one", "other"]
    half["failed"] = {"keras": {"why": "ValueError: no", "traceback": ""}}
    report["train"].append(half)
    shorter = {**report, "train": report["train"][:1], "inference": []}
    draw_benchmark([report, shorter], tmp_path / "speeds.png")
    print_benchmark([report, shorter])
    printed = capsys.readouterr().out
    assert "train 64, 224 px, mixed_bfloat16" in printed
    assert "41 s" in printed and "1.95*" in printed and "failed" in printed
