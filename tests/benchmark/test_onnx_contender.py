"""onnxruntime beside our own inference."""

from importlib.util import find_spec

import numpy as np
import pytest
from backend_here import only_under

from kerasnets.benchmark.clock import Clock
from kerasnets.benchmark.contenders import choice
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.work import Work, random_images
from kerasnets.cli.commands import run as _run
from kerasnets.errors import BackendError

ONNX = Contender("onnxruntime", exported=True)


@pytest.mark.parametrize(
    "work",
    [
        Work(network="resnet18", what="train"),
        Work(network="resnet18", what="inference", precision="mixed_bfloat16"),
        Work(network="resnet18", what="inference", device="cuda:0"),
    ],
)
def test_it_takes_part_in_float32_inference_on_a_cpu_alone(work):
    fits = Work(network="resnet18", what="inference")
    assert ONNX.takes_part(fits) and not ONNX.takes_part(work)
    assert not ONNX.is_plain and Contender("keras", engine="keras").takes_part(work)
    choice.check_takes_part([ONNX], [work, fits])
    with pytest.raises(BackendError, match="onnxruntime is compared at inference"):
        choice.check_takes_part([ONNX], [work])


@only_under("torch")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--only", "train"), "inference in float32 on a CPU alone"),
        (("--only", "inference"), "pip install 'kerasnets[onnx]' adds it"),
    ],
)
def test_what_it_cannot_do_is_one_line(tmp_path, monkeypatch, capsys, words, says):
    if "inference" in words:
        monkeypatch.setattr(
            choice, "find_spec", lambda name: None if "onnx" in name else "there"
        )
    words = ["resnet18", "--against", "onnxruntime", "--out", str(tmp_path), *words]
    assert _run(["benchmark", *words]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@only_under("torch")
@pytest.mark.skipif(
    not (find_spec("onnx") and find_spec("onnxruntime")), reason="needs kerasnets[onnx]"
)
def test_it_runs_the_exported_network_on_every_batch(monkeypatch):
    from kerasnets.benchmark.contenders.untrained import untrained
    from kerasnets.compute.execution import Execution

    work = Work(network="resnet18", what="inference", batch_size=3, image_size=16)
    with choice.surroundings(ONNX, work):
        runner = choice.make(ONNX, work)
    given, run = [], runner._run
    monkeypatch.setattr(runner, "_run", lambda p: given.append(p) or run(p))
    clock = Clock("cpu")
    runner.run(2, clock, warm_up=1)
    assert [len(pixels) for pixels in given] == [3, 3, 3]
    assert clock.seconds > 0
    images, _ = random_images(work)
    ours = untrained("resnet18", 16, Execution("cpu")).probabilities(images[:3])
    assert np.abs(run(images[:3]) - ours).max() < 1e-4
