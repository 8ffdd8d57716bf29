"""Long runs in one process neither grow nor leak."""

import gc
from pathlib import Path

import keras
import pytest
import small_run

EPOCHS, EVERY, WARM_UP = 500, 50, 100


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    raise AssertionError("no VmRSS")


class Watch(keras.callbacks.Callback):
    """Memory and open files after every `EVERY` epochs from `WARM_UP` on."""

    def __init__(self) -> None:
        super().__init__()
        self.memory_mb: list[float] = []
        self.files: list[int] = []

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 < WARM_UP or (epoch + 1) % EVERY:
            return
        gc.collect()
        self.memory_mb.append(resident_mb())
        self.files.append(len(list(Path("/proc/self/fd").iterdir())))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_500_epochs_neither_grow_nor_leak(tmp_path):
    watch = Watch()
    recipe = small_run.recipe(epochs=EPOCHS, limit=30)
    small_run.fit(tmp_path / "run", on=recipe, callbacks=[watch])
    first, last = watch.memory_mb[0], watch.memory_mb[-1]
    print(
        f"{EPOCHS} epochs: {first:.1f} MB after epoch {WARM_UP}, then "
        f"{', '.join(f'{one:.1f}' for one in watch.memory_mb[1:])} MB every {EVERY}; "
        f"{watch.files[-1]} open files"
    )
    assert len(watch.files) == (EPOCHS - WARM_UP) // EVERY + 1
    assert last - first <= 5
    assert set(watch.files) == {watch.files[0]}
