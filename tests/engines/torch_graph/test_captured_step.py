"""A training step that can be recorded as a CUDA graph, as far as a CPU can tell."""

import contextlib

import keras
import narrow
import numpy as np
import pytest
from keras import layers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the engine is the PyTorch backend's"
)

torch = pytest.importorskip("torch")

from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from kerasnets.compute import runtime  # noqa: E402
from kerasnets.engines import install  # noqa: E402
from kerasnets.engines.torch_graph import captured_step  # noqa: E402
from kerasnets.engines.torch_graph.captured_step import Constants  # noqa: E402
from kerasnets.engines.torch_graph.update import fused_sgd  # noqa: E402
from kerasnets.networks import build_model  # noqa: E402
from kerasnets.recipe import Recipe  # noqa: E402
from kerasnets.training.compile import compile_model  # noqa: E402

SIZE = 6


@pytest.fixture(autouse=True)
def as_on_a_device(monkeypatch):
    monkeypatch.setattr(fused_sgd, "may_read", lambda value: False)


NETWORKS = {
    "vgg11": {"head": "compact"},
    "resnet18": {},
    "densenet121": {"growth_rate": 4},
}
RECIPES = {
    "paper": {},
    "momentum and decay": {"momentum": 0.9, "weight_decay": 1e-4},
    "nesterov and decay": {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4},
    "decoupled decay": {"momentum": 0.9, "weight_decay": 1e-4, "decay": "decoupled"},
    "class weights": {"class_weights": "balanced"},
    "schedule": {"schedule": "cosine", "warmup": 1.0, "learning_rate": 0.1},
    "step schedule": {"schedule": "step", "learning_rate": 0.1},
    "smoothing": {"label_smoothing": 0.1},
    "adam": {"optimizer": "adam"},
    "adamw": {"optimizer": "adamw", "weight_decay": 1e-4},
    "rmsprop": {"optimizer": "rmsprop", "momentum": 0.9},
    "bf16": {"precision": "mixed_bfloat16"},
    "dropout": {"dropout": 0.2},
}
# Their optimizers read a value from the device in every step.
READING = {
    "accumulate": {"accumulate": 2},
    "float16": {"precision": "mixed_float16"},
}

# What makes the host wait for a device, or copies from one to the other.
_WAITS = {
    *("item", "tolist", "numpy", "cpu", "cuda", "pin_memory", "nonzero"),
    *("__bool__", "__int__", "__float__", "__index__", "__array__"),
    *("masked_select", "unique", "tensor", "as_tensor", "asarray", "from_numpy"),
    *("frombuffer", "scalar_tensor", "equal", "allclose", "manual_seed"),
}


class Calls(TorchFunctionMode):
    """Notes the calls that cannot be recorded."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in _WAITS:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


class Reads(TorchDispatchMode):
    """Notes the operations that read a value, wherever they are called."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        # torch.nn.functional.one_hot checks its labels on a CPU alone.
        if "nonzero" in name or "lift_fresh" in name:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def made(dropout=0.0, **fields):
    """A small network, compiled as a recipe says."""
    keras.utils.set_random_seed(0)
    images = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(images)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout, seed=5)(x)
    model = keras.Model(images, layers.Dense(10, dtype="float32")(x))
    return compiled(model, **fields)


def compiled(model, **fields):
    if "optimizer" not in fields:
        fields.setdefault("momentum", 0.0)
    recipe = Recipe.for_paper("resnet18", "cifar10", epochs=2, **fields)
    labels = np.arange(20) % 10
    compile_model(model, recipe, num_classes=10, steps_per_epoch=4, labels=labels)
    model.optimizer.build(model.trainable_variables)
    return model


def batch(number: int, count: int = 4, size: int = SIZE):
    rng = np.random.default_rng(number)
    images = rng.random((count, size, size, 3), dtype="float32")
    return torch.from_numpy(images), torch.from_numpy(rng.integers(0, 10, count))


def watched(model):
    """What of a step cannot be recorded."""
    graph = install.install(model)
    constants, data = Constants(), batch(1, size=model.input_shape[1])
    with constants:
        for _ in range(2):
            model.train_step(data)
    for dropout in graph.dropouts:
        dropout.hold(len(data[1]))
        dropout._draw = None  # a generator cannot be seeded then
    with Calls() as calls, constants, Reads() as reads:
        model.train_step(data)
    return calls.found + reads.found


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_does_nothing_that_cannot_be_recorded(recipe):
    fields = RECIPES[recipe]
    with runtime.session("cpu", fields.get("precision", "float32")):
        assert watched(made(**fields)) == []


@pytest.mark.parametrize("recipe", READING)
def test_steps_that_read_a_value_are_not_recorded(recipe, recording, caplog):
    fields = READING[recipe]
    with runtime.session("cpu", fields.get("precision", "float32")):
        alone, captured, other = (made(**fields) for _ in range(3))
        assert "__bool__" in watched(other)
        install.install(alone)
        install.install(captured, captured=True)
        batches = [batch(number) for number in range(6)]
        assert trained(captured, batches)[0] == trained(alone, batches)[0]
    assert recording == []
    (message,) = [record.getMessage() for record in caplog.records]
    assert "not recorded as a CUDA graph" in message and "\n" not in message


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("network", NETWORKS)
def test_no_network_does_what_cannot_be_recorded(network, precision):
    with runtime.session("cpu", precision), narrow.shortened():
        model = build_model(network, (32, 32, 3), 10, dropout=0.2, **NETWORKS[network])
        assert watched(compiled(model)) == []


def test_the_watch_sees_what_cannot_be_recorded():
    with Calls() as calls, Reads():
        float(torch.ones(()))
        torch.as_tensor(1.0)
        torch.ones(2).tolist()
    assert {"__float__", "as_tensor", "tolist"} <= set(calls.found)


@pytest.fixture
def recording(monkeypatch):
    """Recording and replaying as a CPU can: a replay computes the step anew, from the
    memory that the record reads, into the metrics that it gave. Returns what was
    recorded."""
    recorded = []

    def record(step, stream):
        recorded.append(step)
        logs: dict = {}

        def replay():
            for name, value in step().items():
                logs.setdefault(name, torch.empty(())).copy_(value)

        return replay, logs

    class Stream:
        def __init__(self, device):
            self.device = device

        def wait_stream(self, other):
            pass

    monkeypatch.setattr(captured_step, "record", record)
    monkeypatch.setattr(captured_step, "_is_on_cuda", torch.is_tensor)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    return recorded


def trained(model, batches):
    """What each step said, and the variables at the end."""
    logs = [
        {name: float(value) for name, value in model.train_step(one).items()}
        for one in batches
    ]
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return logs, [np.asarray(variable.value.detach()) for variable in variables]


@pytest.mark.parametrize("recipe", RECIPES)
def test_recorded_steps_are_those_that_run_one_by_one(recipe, recording):
    fields = RECIPES[recipe]
    sizes = [4, 4, 4, 4, 4, 3, 4, 4, 3, 4, 3, 4, 3, 4, 3, 4]
    batches = [batch(number, size) for number, size in enumerate(sizes)]
    with runtime.session("cpu", fields.get("precision", "float32")):
        alone, captured = made(**fields), made(**fields)
        install.install(alone)
        install.install(captured, captured=True)
        expected = trained(alone, batches)
        found = trained(captured, batches)
    assert len(recording) == 1  # of the full batch
    assert found[0] == expected[0]
    for one, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_recorded_step_keeps_its_mask_while_others_draw_theirs(
    recording, monkeypatch
):
    monkeypatch.setattr(torch, "compile", lambda run, **options: run)
    alone, captured = made(dropout=0.2), made(dropout=0.2)
    install.install(alone, compiled=True)
    install.install(captured, compiled=True, captured=True)
    sizes = [3, 4, 4, 4, 4, 3, 4, 3, 4]  # compiled for 3, recorded for 4
    batches = [batch(number, size) for number, size in enumerate(sizes)]
    assert trained(captured, batches)[0] == trained(alone, batches)[0]
    assert len(recording) == 1


def test_a_layer_that_is_frozen_is_recorded_anew(recording):
    model = made()
    install.install(model, captured=True)
    for _ in range(5):
        model.train_step(batch(1))
    model.layers[1].trainable = False
    before = np.asarray(model.layers[1].kernel)
    for _ in range(5):
        model.train_step(batch(1))
    assert len(recording) == 2
    np.testing.assert_array_equal(np.asarray(model.layers[1].kernel), before)


def test_a_step_that_cannot_be_recorded_runs_one_by_one(recording, monkeypatch, caplog):
    def refused(step, stream):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(captured_step, "record", refused)
    alone, captured = made(dropout=0.2), made(dropout=0.2)
    install.install(alone)
    install.install(captured, captured=True)
    batches = [batch(number) for number in range(7)]
    expected, found = trained(alone, batches), trained(captured, batches)
    assert found[0] == expected[0]
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1 and "\n" not in messages[0]
    assert "not permitted when stream is capturing" in messages[0]


@pytest.mark.parametrize("why", ["step", "end"])
def test_a_refused_recording_restores_the_stream(monkeypatch, why):
    """torch.cuda.graph leaves its stream current if the capture cannot be ended."""
    current = ["default"]

    @contextlib.contextmanager
    def stream(name):
        before, current[:] = current.copy(), [name]
        try:
            yield
        finally:
            current[:] = before

    class Graph:
        def __init__(self, graph, stream, capture_error_mode):
            self.stream = stream

        def __enter__(self):
            current[:] = [self.stream]

        def __exit__(self, *error):
            raise RuntimeError("capture was invalidated")

    def step():
        if why == "step":
            raise RuntimeError("refused")
        return {}

    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: None)
    monkeypatch.setattr(torch.cuda, "graph", Graph)
    monkeypatch.setattr(torch.cuda, "stream", stream)
    with pytest.raises(RuntimeError, match="invalidated"):
        captured_step.record(step, "side")
    assert current == ["default"]


def test_kept_logs_stay_those_of_their_step(recording):
    model = made()
    install.install(model, captured=True)
    kept, read = [], []
    for number in range(6):
        logs = model.train_step(batch(number))
        kept.append(logs)
        read.append({name: float(value) for name, value in logs.items()})
    assert len(recording) == 1
    assert [{k: float(v) for k, v in logs.items()} for logs in kept] == read


def test_numbers_become_the_same_tensor_every_time():
    with Constants():
        one, same = torch.as_tensor(1.0), torch.as_tensor(1.0)
        whole = torch.as_tensor(1)
        zeros = torch.as_tensor(0.0), torch.as_tensor(-0.0)
        array = np.array([1.0, 2.0])
        kept = torch.as_tensor(array)
        array[0] = 5
        given = torch.ones(2)
        assert torch.as_tensor(given) is given
    assert one is same
    assert whole.dtype == torch.int64
    assert torch.signbit(zeros[1]) and not torch.signbit(zeros[0])
    assert kept.tolist() == [1.0, 2.0]


def test_the_learning_rate_that_a_callback_sets_is_used(recording):
    model = made()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    install.install(model, captured=True)
    for _ in range(5):
        model.train_step(batch(1))
    model.optimizer.learning_rate = 0.0
    before = [np.array(weight) for weight in model.trainable_weights]
    model.train_step(batch(1))
    for weight, old in zip(model.trainable_weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), old)


def test_inference_sees_what_a_replay_has_written(recording, monkeypatch):
    model = made()
    call = model.call
    install.install(model, captured=True)

    def record(step, stream):
        def replay():  # past the versions that PyTorch keeps, as a CUDA graph writes
            for weight in model.trainable_weights:
                weight.value.data.mul_(2)

        return replay, {}

    monkeypatch.setattr(captured_step, "record", record)
    images, labels = batch(1)
    for _ in range(3):
        model.train_step((images, labels))
    before = model.predict_on_batch(images)
    model.train_step((images, labels))
    after = model.predict_on_batch(images)
    model.call = call
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, model.predict_on_batch(images), rtol=1e-4)
