"""Each contender trains and predicts as its users do, as many steps as it is asked."""

import dataclasses
import gc
import weakref

import keras
import numpy as np
import pytest

from kerasnets.benchmark import roofline
from kerasnets.benchmark.clock import Clock
from kerasnets.benchmark.contenders import keras_contender
from kerasnets.benchmark.contenders.choice import expand, surroundings
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.measure import Ready, turns
from kerasnets.benchmark.work import Work
from kerasnets.errors import BackendError, TrainingDiverged

torch = pytest.importorskip("torch")
if keras.backend.backend() != "torch":
    pytest.skip("plain PyTorch runs on PyTorch", allow_module_level=True)

from kerasnets.benchmark.contenders import torch_contender  # noqa: E402
from kerasnets.benchmark.contenders.torch_batches import TorchBatches, crop_and_flip  # noqa: E402

TRAIN = Work(network="resnet18", batch_size=2, channels=1)
OURS = Contender("kerasnets", engine="auto")
TWIN = Contender("twin", twin=True)


class Counted(torch.nn.Module):
    """In the place of a network."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(32 * 32, 10)
        self.batches = []

    def forward(self, images):
        self.batches.append(images)
        return self.linear(images.flatten(1))


@pytest.fixture
def counted(monkeypatch):
    network = Counted()
    monkeypatch.setattr(torch_contender, "_network", lambda *_: network)
    return network


@pytest.mark.parametrize("contender", [OURS, TWIN], ids=lambda one: one.name)
def test_every_contender_computes_as_its_work_says(contender):
    before = torch.get_num_threads()
    work = dataclasses.replace(TRAIN, threads=before + 1, deterministic=True)
    with surroundings(contender, work):
        assert torch.get_num_threads() == before + 1
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_ours_trains_through_fit_with_its_callbacks():
    with surroundings(OURS, TRAIN):
        runner = keras_contender.make(OURS, TRAIN)
        clock = Clock("cpu")
        runner.run(2, clock, warm_up=1)
        model = runner._model
        assert int(model.optimizer.iterations) == 3 and clock.seconds > 0
        runner.run(1, Clock("cpu"))
        assert int(model.optimizer.iterations) == 4
        model.layers[-1].bias.assign(np.full(10, np.nan))
        with pytest.raises(TrainingDiverged):
            runner.run(1, Clock("cpu"))


def test_pairs_of_random_images_do_not_diverge():
    """On maps of one pixel, norms of two images multiply gradients by hundreds."""
    work = Work(network="densenet121", batch_size=2)
    with surroundings(OURS, work):
        keras_contender.make(OURS, work).run(6, Clock("cpu"))


def test_ours_predicts_every_batch(monkeypatch):
    work = Work(network="resnet18", what="inference", batch_size=3, channels=1)
    with surroundings(OURS, work):
        runner = keras_contender.make(OURS, work)
        seen = []
        step = runner._model.predict_step
        monkeypatch.setattr(
            runner._model,
            "predict_step",
            lambda data: seen.append(data[0].shape[0]) or step(data),
        )
        clock = Clock("cpu")
        runner.run(2, clock, warm_up=1)
        assert seen == [3, 3, 3] and clock.seconds > 0


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_plain_loop_trains_every_batch(precision, counted):
    work = Work(network="resnet18", batch_size=2, channels=1, precision=precision)
    before = counted.linear.weight.detach().clone()
    clock = Clock("cpu")
    torch_contender.make(TWIN, work).run(2, clock, warm_up=1)
    assert [tuple(batch.shape) for batch in counted.batches] == [(2, 1, 32, 32)] * 3
    assert not torch.equal(before, counted.linear.weight) and clock.seconds > 0
    with torch.no_grad():
        counted.linear.bias.fill_(torch.nan)
    with pytest.raises(ValueError, match="the loss of twin is not a number"):
        torch_contender.make(TWIN, work).run(1, Clock("cpu"))


def test_the_plain_loop_predicts_every_batch(counted):
    work = Work(network="resnet18", what="inference", batch_size=3, channels=1)
    clock = Clock("cpu")
    torch_contender.make(TWIN, work).run(2, clock, warm_up=1)
    assert [len(batch) for batch in counted.batches] == [3, 3, 3] and clock.seconds > 0


@pytest.mark.parametrize("channels_last", [True, False])
def test_plain_batches_are_normalized_in_the_memory_format_asked_for(channels_last):
    work = Work(network="resnet18", batch_size=8)
    batches = TorchBatches(work, 5, channels_last=channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    labels = []
    for images, some in batches.training():
        assert images.shape == (8, 3, 32, 32)
        assert images.is_contiguous(memory_format=layout)
        labels += some.tolist()
    told = list(batches.evaluation())
    images = torch.cat([images for images, _ in told])
    assert images.mean().abs() < 0.01 and (images.std() - 1).abs() < 0.01
    in_order = torch.cat([some for _, some in told]).tolist()
    assert sorted(labels) == sorted(in_order) and labels != in_order


def test_a_gather_crops_and_flips():
    torch.manual_seed(0)
    images = (
        torch.arange(1, 26, dtype=torch.uint8).view(1, 5, 5, 1).expand(64, -1, -1, 3)
    )
    padded = torch.nn.functional.pad(images[0], (0, 0, 4, 4, 4, 4))
    windows = [
        padded[row : row + 5, column : column + 5]
        for row in range(9)
        for column in range(9)
    ]
    allowed = {
        one.numpy().tobytes() for window in windows for one in (window, window.flip(1))
    }
    found = {one.numpy().tobytes() for one in crop_and_flip(images)}
    assert found <= allowed and len(found) > 32


def test_turns_tell_what_a_contender_is_like_and_leave_nothing(monkeypatch):
    made = []
    original = keras_contender.make

    def remembered(*arguments):
        runner = original(*arguments)
        made.append(weakref.ref(runner._model))
        return runner

    monkeypatch.setattr(keras_contender, "make", remembered)
    told = turns(OURS, TRAIN)
    assert next(told) is None
    ready = next(told)
    assert isinstance(ready, Ready) and ready.start_s >= ready.first_step_s > 0
    assert ready.counts["parameters"] == 11_175_370
    assert next(told) > 0
    told.close()
    gc.collect()
    assert made[0]() is None


def test_operations_and_bytes_are_those_counted_by_hand():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            keras.layers.Conv2D(3, 3, padding="same", use_bias=False),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )
    found = roofline.counts(model)
    macs = 4 * 4 * 3 * 3 * 2 * 3 + 48 * 5
    values = (32 + 48) + (48 + 5)
    parameters = 54 + 240 + 5
    assert found == {"parameters": parameters, "macs": macs, "values": values}
    work = Work(network="resnet18", batch_size=7, precision="mixed_bfloat16")
    asked = roofline.demands(found, work)
    assert asked == {
        "flops": 6 * macs * 7,
        "weight_bytes": 32 * parameters,
        "map_bytes": 3 * 2 * values * 7,
    }
    bound = {"tflops_per_s": 1e-12 * asked["flops"], "gb_per_s": 1.0}
    assert roofline.reached(asked, bound, 2.0)["share_of_ceiling"] == 0.5


def test_a_ceiling_is_measured():
    found = roofline.measure_ceiling("float32", "cpu")
    assert found["tflops_per_s"] > 0 and found["gb_per_s"] > 0


def test_names_say_what_is_measured(monkeypatch):
    from kerasnets.benchmark.contenders import choice

    def names(*others, **options):
        return [one.name for one in expand(others, **options)]

    monkeypatch.setattr(choice, "torchvision_works", lambda: True)
    assert names("torchvision", "torchvision-compiled") == [
        "kerasnets",
        "torchvision contiguous",
        "torchvision channels-last",
        "torchvision-compiled",
    ]
    assert not any("torchvision" in name for name in names("torchvision", channels=1))
    assert names("kerasnets-eager", "keras") == [
        "kerasnets",
        "kerasnets-eager",
        "keras",
    ]
    monkeypatch.setattr(choice.runtime, "backend", lambda: "jax")
    for name in ("torchvision", "torchvision-compiled", "kerasnets-eager"):
        with pytest.raises(BackendError, match=f"with {name} needs the PyTorch"):
            choice.check((name,))
