"""Running out of the device's memory is one line, and the process can go on."""

import contextlib
import gc

import cuda_runs
import pytest
import torch

from kerasnets import runs
from kerasnets.errors import OutOfMemory
from kerasnets.training.drill import fingerprint

BATCH = 1000
# Of these, the weights and momenta of ResNet-18 take 90 MB; the first convolution's
# output, 1,000 maps of 64x64 pixels and 64 channels, is 1 GB.
ALLOWED_BYTES = 500e6


@contextlib.contextmanager
def little_memory():
    """The process may take little more of the device's memory than it has."""
    gc.collect()
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info(0)
    allowed = torch.cuda.memory_reserved(0) + ALLOWED_BYTES
    torch.cuda.set_per_process_memory_fraction(allowed / total, 0)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, 0)
        gc.collect()
        torch.cuda.empty_cache()


def test_the_most_memory_is_that_of_the_run(tmp_path):
    earlier = torch.empty(1 << 30, dtype=torch.uint8, device="cuda:0")
    del earlier
    run = cuda_runs.trained(tmp_path / "run", cuda_runs.recipe(epochs=1))
    (row,) = runs.read_csv(run.path / "epoch_times.csv")
    assert float(row["peak_memory_mb"]) < 1000


@pytest.mark.parametrize("engine", ["torch_graph", "torch_cuda_graph"])
def test_it_is_one_line(tmp_path, capsys, engine):
    commands = pytest.importorskip("kerasnets.cli.commands")
    options = "resnet18 --dataset digits --stem cifar --image-size 64 --epochs 1"
    arguments = [
        *("fit", *options.split(), "--batch-size", str(BATCH), "--quiet"),
        *("--device", "cuda:0", "--engine", engine),
        *("--out", str(tmp_path / "run")),
    ]
    with little_memory():
        status = commands.run(arguments)
    told = capsys.readouterr().err.splitlines()
    assert status == 2
    assert told[-1].startswith(f"kerasnets: out of memory at batch size {BATCH}; ")
    assert f"--batch-size {BATCH // 2} may fit" in told[-1]
    assert not any("Traceback" in line for line in told)


@pytest.mark.parametrize("engine", ["torch_graph", "torch_cuda_graph"])
def test_the_process_goes_on_with_the_same_bits(tmp_path, engine):
    recipe = cuda_runs.recipe(epochs=1)
    before = cuda_runs.trained(tmp_path / "before", recipe, engine=engine)
    options = {"stem": "cifar", "image_size": 64, "epochs": 1}
    large = cuda_runs.recipe("resnet18", limit=None, batch_size=BATCH, **options)
    with little_memory(), pytest.raises(OutOfMemory):
        cuda_runs.trained(tmp_path / "large", large, engine=engine)
    after = cuda_runs.trained(tmp_path / "after", recipe, engine=engine)
    assert fingerprint(after) == fingerprint(before)
