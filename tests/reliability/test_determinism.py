"""The same recipe gives the same bits."""

import os

import pytest
import small_run
from backend_here import ENGINES, only_under

from kerasnets import runs
from kerasnets.compute.settings import determinism
from kerasnets.compute.settings.determinism import deterministic
from kerasnets.errors import BackendError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.training.drill import fingerprint

RESULTS = ("confusion_matrix.csv", "per_class.csv", "predictions.csv")


@pytest.mark.parametrize("engine", ENGINES)
def test_training_and_evaluating_twice_gives_the_same_bits(tmp_path, engine):
    found = []
    for name in ("one", "other"):
        run = small_run.fit(tmp_path / name, engine=engine)
        metrics = evaluate(run, device="cpu", engine=engine)
        del metrics["seconds"], metrics["images_per_s"]
        results = [(run.path / file).read_bytes() for file in RESULTS]
        found.append((fingerprint(run), metrics, results))
    assert found[0] == found[1]


@only_under("torch")  # which has two engines
def test_what_decides_the_bits_is_recorded_and_a_change_is_said(tmp_path, capsys):
    run = small_run.fit(tmp_path / "run", engine="keras", deterministic=True)
    small_run.fit(run.path, on=small_run.recipe(epochs=4), resume=True)
    said = capsys.readouterr().out
    assert "resuming with engine torch_graph (begun with keras): the result may" in said
    environment = runs.read_json(run.path / "environment.json")
    assert environment["engine"] == "keras"
    assert environment["deterministic"] is True
    assert environment["threads"] >= 1
    (resumed,) = environment["resumed"]
    assert resumed["engine"] == "torch_graph"
    assert resumed["deterministic"] is False
    assert resumed["threads"] == environment["threads"]


def settings_of(torch) -> tuple:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


def test_pytorch_is_told_and_put_back(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(determinism, "_multiply", lambda device: None)
    before = settings_of(torch)
    with deterministic("torch", "cuda:0"):
        assert settings_of(torch) == (True, True, False, ":4096:8")
    assert settings_of(torch) == before


def test_backends_that_must_be_told_earlier_are_refused_on_an_accelerator():
    with deterministic("jax", "cpu"):
        pass
    refused = pytest.raises(BackendError, match="XLA_FLAGS=--xla_gpu_deterministic_ops")
    with refused, deterministic("jax", "cuda:0"):
        pass


@pytest.mark.parametrize(
    ("workspace", "why"),
    [
        (None, "the GPU has computed in this process before"),
        (":0:0", "CUBLAS_WORKSPACE_CONFIG is ':0:0'"),
    ],
)
def test_a_gpu_that_has_begun_otherwise_is_refused_with_a_line(
    workspace, why, monkeypatch
):
    torch = pytest.importorskip("torch")

    def begun(device):  # PyTorch's message, of which only the name matters
        raise RuntimeError("not deterministic: set CUBLAS_WORKSPACE_CONFIG=:4096:8")

    monkeypatch.setattr(determinism, "_multiply", begun)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if workspace:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", workspace)
    before = settings_of(torch)
    refused = pytest.raises(BackendError, match=why)
    with refused, deterministic("torch", "cuda:0"):
        pass
    assert settings_of(torch) == before
