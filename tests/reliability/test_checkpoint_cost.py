"""Checkpoints at the default interval do not slow training down noticeably."""

import time

import pytest

from kerasnets import runs
from kerasnets.datasets.folders import data_folder, prepared_folder
from kerasnets.recipes import Recipe
from kerasnets.training import checkpoint
from kerasnets.training.fit import fit

MOST = 0.02


@pytest.mark.slow
def test_checkpoints_take_less_than_2_percent_of_an_epoch(tmp_path, monkeypatch):
    if prepared_folder("mnist", data_folder(None)) is None:
        pytest.skip("MNIST is not prepared; 'kerasnets prepare mnist' does it")
    seconds = []
    save = checkpoint.save

    def timed(*args, **options):
        began = time.perf_counter()
        path = save(*args, **options)
        seconds.append(time.perf_counter() - began)
        return path

    monkeypatch.setattr(checkpoint, "save", timed)
    recipe = Recipe.for_paper("resnet34", "mnist", epochs=1)
    run = fit(recipe, tmp_path / "run", verbosity=0)
    (row,) = runs.read_csv(run.path / "epoch_times.csv")
    # The checkpoint at the end of the epoch comes after its row.
    epoch_s = float(row["train_s"]) + float(row["validation_s"]) + seconds[-1]
    size = max(file.stat().st_size for file in run.checkpoint_folder.iterdir())
    each = ", ".join(f"{one:.2f}" for one in seconds)
    print(
        f"checkpoints of {size / 1e6:.0f} MB took {each} s of an epoch of "
        f"{epoch_s:.0f} s: {sum(seconds) / epoch_s:.2%}"
    )
    assert sum(seconds) < MOST * epoch_s
