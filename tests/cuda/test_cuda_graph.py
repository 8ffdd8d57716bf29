"""A step that is replayed as a CUDA graph is the eager step, to the bit."""

import cuda_runs
import pytest
import torch

from kerasnets.training.drill import fingerprint

EAGER, GRAPH = "torch_graph", "torch_cuda_graph"

RECIPES = {
    "sgd": cuda_runs.recipe(momentum=0.0),
    "momentum": cuda_runs.recipe(),
    "bfloat16": cuda_runs.recipe(precision="mixed_bfloat16"),
    "float16": cuda_runs.recipe(precision="mixed_float16"),
    "dropout": cuda_runs.recipe(dropout=0.2),
    "cosine": cuda_runs.recipe(schedule="cosine", warmup=0.5),
    "decay": cuda_runs.recipe(weight_decay=5e-4),
    "smoothing": cuda_runs.recipe(label_smoothing=0.1),
    "adam": cuda_runs.recipe(optimizer="adam", learning_rate=1e-4),
    "accumulate": cuda_runs.recipe(accumulate=2),
    "resnet": cuda_runs.recipe("resnet18"),
    # Two dropouts.
    "vgg": cuda_runs.recipe("vgg11", head="compact", batch_norm=True),
    "densenet": cuda_runs.recipe("densenet121", growth_rate=12, dropout=0.2),
}


@pytest.fixture
def replays(monkeypatch) -> list:
    """Grows by one with every replay of a CUDA graph."""
    made = []
    replay = torch.cuda.CUDAGraph.replay

    def counted(graph):
        made.append(graph)
        replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", counted)
    return made


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_bits_and_the_same_logs(tmp_path, replays, name):
    found = []
    for engine in (EAGER, GRAPH):
        read = cuda_runs.Read()
        run = cuda_runs.trained(
            tmp_path / engine, RECIPES[name], engine=engine, callbacks=[read]
        )
        found.append((fingerprint(run), run.history, read.seen))
    assert found[0] == found[1]
    trained = [batch for kind, batch, _ in found[0][2] if kind == "train"]
    assert trained == 2 * list(range(cuda_runs.STEPS))
    # All but the first three, and the short ones at the ends of the two epochs. Loss
    # scale and accumulation read a value from the device in every step.
    read = name in ("float16", "accumulate")
    assert len(replays) == (0 if read else 2 * cuda_runs.STEPS - 3 - 2)


def test_auto_means_the_graph_on_cuda(tmp_path, replays):
    run = cuda_runs.trained(tmp_path / "run", RECIPES["momentum"])
    assert len(replays) >= cuda_runs.STEPS
    assert GRAPH in (run.path / "environment.json").read_text()


@pytest.mark.parametrize("name", ["momentum", "dropout"])
@pytest.mark.parametrize(
    "engines", [(EAGER, GRAPH), (GRAPH, EAGER)], ids=lambda pair: pair[0]
)
def test_a_run_may_go_on_with_the_other_inside_an_epoch(tmp_path, name, engines):
    first, then = engines
    recipe = RECIPES[name]
    whole = cuda_runs.trained(tmp_path / "whole", recipe, engine=first)
    path = tmp_path / "parts"
    cuda_runs.interrupted(path, recipe, after=5, engine=first)
    parts = cuda_runs.trained(path, recipe, engine=then, resume=True)
    assert fingerprint(parts) == fingerprint(whole)
