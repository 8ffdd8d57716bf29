"""What a session fixes for as long as it lasts, and who else may have one."""

import contextlib
import json
import random
import threading

import keras
import numpy as np
import pytest
import small_run
import torch

from kerasnets import runs
from kerasnets.compute import runtime
from kerasnets.errors import BackendError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.runs.trained import load_model

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="settings of PyTorch"
)


def state() -> dict:
    """Everything of the process that decides numbers, as far as it can be read."""
    one = torch.full((1,), 1e-310, dtype=torch.float64, device="cpu") * 1.5
    return {
        "policy": keras.config.dtype_policy().name,
        "floatx": keras.config.floatx(),
        "epsilon": keras.config.epsilon(),
        "layout": keras.config.image_data_format(),
        "epochs": keras.config.max_epochs(),
        "steps": keras.config.max_steps_per_epoch(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "products": torch.get_float32_matmul_precision(),
        "convolutions": torch.backends.mkldnn.conv.fp32_precision,
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "denormals": one.item(),
        "errors": np.geterr(),
        "random": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "torch": torch.get_rng_state().tolist(),
    }


def switch(setter, value, before):
    @contextlib.contextmanager
    def switched():
        setter(value)
        try:
            yield
        finally:
            setter(before)

    return switched


def layout_of_products(value):
    torch.backends.mkldnn.conv.fp32_precision = value


config = keras.config
STRANGE = {
    "floatx": switch(config.set_floatx, "float64", "float32"),
    "half": switch(config.set_floatx, "float16", "float32"),
    "policy": switch(config.set_dtype_policy, "float64", "float32"),
    "epsilon": switch(config.set_epsilon, 1e-2, 1e-7),
    "layout": switch(config.set_image_data_format, "channels_first", "channels_last"),
    "epochs": switch(config.set_max_epochs, 1, None),
    "steps": switch(config.set_max_steps_per_epoch, 1, None),
    "dtype": switch(torch.set_default_dtype, torch.float64, torch.float32),
    "products": switch(torch.set_float32_matmul_precision, "medium", "highest"),
    "convolutions": switch(layout_of_products, "bf16", "none"),
    "device": lambda: torch.device("meta"),
    "gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "denormals": switch(torch.set_flush_denormal, True, False),
    "errors": lambda: np.errstate(all="raise"),
}


def train_and_evaluate(path) -> dict:
    return evaluate(small_run.fit(path), device="cpu")


def outcome(path, metrics) -> tuple:
    run = runs.load(path)
    weights = [weight.tobytes() for weight in load_model(run).get_weights()]
    return weights, run.history, metrics["loss"], metrics["accuracy"]


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    path = tmp_path_factory.mktemp("usual") / "run"
    return outcome(path, train_and_evaluate(path))


TOGETHER = [
    tuple(name for name in STRANGE if name not in ("half", "inference")),
    ("half", "inference"),
]


@pytest.mark.parametrize(
    "names",
    [
        *(pytest.param(names, id="-".join(names)) for names in TOGETHER),
        *(pytest.param((name,), id=name, marks=pytest.mark.slow) for name in STRANGE),
    ],
)
def test_settings_of_the_process_decide_nothing(names, usual, tmp_path):
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(STRANGE[name]())
        before = state()
        metrics = train_and_evaluate(tmp_path / "run")
        assert state() == before
    assert outcome(tmp_path / "run", metrics) == usual


def test_what_is_left_of_the_settings_is_recorded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", "BF16\n")
    recipe = small_run.recipe(epochs=1)
    run = small_run.fit(tmp_path / "run", on=recipe)
    path = run.path / "environment.json"
    recorded = {"ONEDNN_DEFAULT_FPMATH_MODE": "'BF16\\n'"}
    assert json.loads(path.read_text())["settings"] == recorded
    monkeypatch.delenv("ONEDNN_DEFAULT_FPMATH_MODE")
    small_run.fit(run.path, on=small_run.recipe(epochs=2), resume=True)
    assert f"resuming with settings {{}} (begun with {recorded})" in " ".join(
        capsys.readouterr().out.split()
    )
    # A run of a version that recorded no settings is gone on with as it was.
    environment = json.loads(path.read_text())
    del environment["settings"], environment["resumed"]
    runs.write_json(path, environment)
    small_run.fit(run.path, on=small_run.recipe(epochs=3), resume=True)
    assert "resuming with" not in capsys.readouterr().out


def test_one_thread_at_a_time_has_a_session(tmp_path):
    met = []

    def second() -> None:
        try:
            small_run.fit(tmp_path / "second")
        except BackendError as error:
            met.append(str(error))

    class Meanwhile(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            other = threading.Thread(target=second)
            other.start()
            other.join()
            with runtime.session("cpu"):  # the same thread's own
                pass

    run = small_run.fit(tmp_path / "first", callbacks=[Meanwhile()])
    assert run.model_file.exists()
    assert len(met) == 3
    assert "another thread of this process is training" in met[0]
    assert not (tmp_path / "second").exists()
    other = threading.Thread(target=small_run.fit, args=(tmp_path / "second",))
    other.start()
    other.join()
    assert (tmp_path / "second" / "model.keras").exists()
