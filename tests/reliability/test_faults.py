"""Disks that fill up, folders that vanish, memory that runs out, clocks that jump."""

import contextlib
import errno
import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest
import small_run
import victims
import warm_python
from faults import failing_disk

from kerasnets import datasets, runs
from kerasnets.cli.commands import run as _run
from kerasnets.compute.memory.out_of_memory import explained
from kerasnets.datasets import cache
from kerasnets.errors import DatasetError, KerasnetsError, OutOfMemory, RunError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.training import checkpoint
from kerasnets.training.checkpointing import Interval
from kerasnets.training.drill import fingerprint

RECIPE = small_run.recipe(epochs=2)
RESULTS = ("confusion_matrix.csv", "per_class.csv", "predictions.csv")


def fit(path, **options):
    return small_run.fit(
        path, on=RECIPE, resume=True, checkpoint_every=Interval(steps=3), **options
    )


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return fingerprint(fit(tmp_path_factory.mktemp("whole") / "run"))


@pytest.mark.parametrize("stride", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_the_disk_may_fill_up_at_any_write_of_training(tmp_path, expected, stride):
    with failing_disk(tmp_path / "count", None) as disk:
        fit(tmp_path / "count")
    assert disk.operations > 50
    failures = range(1, disk.operations + 1, stride)
    for number in failures:
        path = tmp_path / str(number)
        with failing_disk(path, number) as failing:
            try:
                fit(path)
            except (OSError, KerasnetsError) as error:
                assert len(str(error).splitlines()) == 1, failing.failed
        assert failing.failed
        if runs.is_run(path):
            # What the tables tell is in a checkpoint.
            found = checkpoint.newest(path / "checkpoint")
            told = len(runs.load(path).history)
            assert told <= (found.epoch if found else 0), failing.failed
        run = fit(path)
        assert fingerprint(run) == expected, failing.failed
        assert not list(path.rglob(".tmp-*")), failing.failed
        shutil.rmtree(path)
    print(f"{len(failures)} of {disk.operations} writes failed, one in each run")


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_the_disk_may_fill_up_at_any_write_of_evaluation(tmp_path, expected, stride):
    run = fit(tmp_path / "run")
    with failing_disk(run.path, None) as disk:
        evaluate(run, device="cpu")
    results = [(run.path / name).read_bytes() for name in RESULTS]
    failures = range(1, disk.operations + 1, stride)
    for number in failures:
        with failing_disk(run.path, number) as failing:
            try:
                evaluate(run, device="cpu")
            except RunError as error:
                assert "No space left" in str(error)
        assert failing.failed
        # What is there is whole, and the run is as it was.
        assert [(run.path / name).read_bytes() for name in RESULTS] == results
        assert fingerprint(run) == expected
    evaluate(run, device="cpu")
    assert [(run.path / name).read_bytes() for name in RESULTS] == results
    print(f"{len(failures)} of {disk.operations} writes failed, one in each evaluation")


def test_the_disk_may_fill_up_at_any_write_of_the_cache(tmp_path):
    with failing_disk(tmp_path / "count", None) as disk:
        victims.decode(tmp_path / "count")
    assert disk.operations > 8
    images = victims.images().train.images
    for number in range(1, disk.operations + 1):
        folder = tmp_path / str(number)
        with failing_disk(folder, number) as failing:
            try:
                victims.decode(folder)
            except DatasetError as error:
                assert "No space left on device" in str(error)
                assert len(str(error).splitlines()) == 1
        assert failing.failed
        left = [path.name for path in folder.iterdir()] if folder.exists() else []
        assert left in ([], ["made"]), failing.failed
        victims.decode(folder)
        found = cache.read(folder / "made")
        assert found is not None
        assert (found.train.images == images).all()
    print(f"{disk.operations} writes failed, one in each cache")


@pytest.mark.parametrize("stride", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_the_disk_may_fill_up_at_any_write_of_preparing(tmp_path, monkeypatch, stride):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "datasets")
    import archives_server as published

    monkeypatch.setenv("KERASNETS_CACHE", str(tmp_path / "cache"))
    server = published.Server(published.mnist_archives())
    mirror = server.mirror()
    try:
        with failing_disk(tmp_path / "count", None) as disk:
            victims.prepare(tmp_path / "count", mirror)
        numbers = range(1, disk.operations + 1, stride)
        for number in numbers:
            data = tmp_path / str(number)
            # A left-over that cannot be tidied up is no failure.
            with (
                failing_disk(data, number) as failing,
                contextlib.suppress(DatasetError),
            ):
                victims.prepare(data, mirror)
            assert failing.failed
            victims.prepare(data, mirror)
            dataset = datasets.load("mnist", data_dir=data, image_size=28)
            assert len(dataset.train.labels) == published.TRAIN
    finally:
        server.close()
    print(f"{len(numbers)} of {disk.operations} writes failed, one in each preparation")


def test_the_command_says_that_the_disk_is_full(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kerasnets.training.compile.from_recipe", small_run.network)
    words = "fit resnet18 --dataset digits --image-size 8 --limit 60 --batch-size 10"
    with failing_disk(tmp_path, 40, stays_full=True):
        assert _run([*words.split(), "-q", "--out", str(tmp_path / "run")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"kerasnets: cannot write {tmp_path / 'run'}")
    assert line.endswith("No space left on device.")


class AtStep(keras.callbacks.Callback):
    def __init__(self, step: int, action) -> None:
        super().__init__()
        self.left, self.action = step, action

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.action()


def test_a_run_folder_removed_underneath_ends_training_with_one_line(tmp_path):
    path = tmp_path / "run"
    remove = AtStep(2, lambda: shutil.rmtree(path))
    with pytest.raises(RunError, match=f"{path} is gone") as raised:
        fit(path, callbacks=[remove])
    assert len(str(raised.value).splitlines()) == 1
    assert not path.exists()


def test_a_start_that_comes_second_leaves_the_run_of_the_first(tmp_path, monkeypatch):
    create = runs.create
    with contextlib.ExitStack() as other:

        def created(path, *arguments, **options):
            run = create(path, *arguments, **options)
            other.enter_context(run.lock())  # as another process would, in between
            return run

        monkeypatch.setattr(runs, "create", created)
        with pytest.raises(RunError, match="is in use by process"):
            fit(tmp_path / "run")
        assert runs.is_run(tmp_path / "run")


def test_a_clock_that_jumps_back_does_not_make_times_negative(
    tmp_path, monkeypatch, expected
):
    real, jump = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() - jump[0])
    run = fit(
        tmp_path / "run",
        callbacks=[AtStep(3, lambda: jump.__setitem__(0, 86_400.0))],
    )
    for row in runs.read_csv(run.path / "epoch_times.csv"):
        assert all(float(row[name]) >= 0 for name in row)
    assert fingerprint(run) == expected


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't "
            "allocate memory: you tried to allocate 4398046511104 bytes."
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `create`"),
    ],
)
def test_out_of_memory_proposes_half_the_batch(tmp_path, error, expected):
    def fail():
        raise error

    with pytest.raises(OutOfMemory) as raised:
        fit(tmp_path / "run", callbacks=[AtStep(8, fail)])
    assert str(raised.value) == (
        "out of memory at batch size 10; batch_size=5 may fit; it is part of the "
        "recipe, so a new run is needed (overwrite=True, or another path)."
    )
    assert raised.value.exit_status == 2
    assert fingerprint(fit(tmp_path / "run")) == expected


def test_a_network_that_does_not_fit_is_one_line_and_leaves_no_run(
    tmp_path, monkeypatch
):
    def network(recipe, image_shape, num_classes):
        return keras.Model(keras.Input((8, 8, 1)), keras.ops.zeros((2**40, 2**10)))

    monkeypatch.setattr(small_run, "network", network)
    with pytest.raises(OutOfMemory, match="batch_size=5 may fit"):
        fit(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_backend_itself_running_out_is_recognised():
    smaller = pytest.raises(OutOfMemory, match="a smaller network or smaller images")
    with smaller, explained(batch_size=1):
        keras.ops.zeros((2**40, 2**10))


def test_tensorflow_running_out_is_recognised():
    class ResourceExhaustedError(Exception):  # as TensorFlow's, no RuntimeError
        pass

    text = "OOM when allocating tensor with shape[64,512] by allocator GPU_0_bfc"
    with pytest.raises(OutOfMemory, match="batch_size=32"), explained(batch_size=64):
        raise ResourceExhaustedError(text)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not match"),
        KeyError("mean"),
        OutOfMemory("out of memory at batch size 2; batch_size=1 may fit."),
    ],
)
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as raised, explained(batch_size=8):
        raise error
    assert raised.value is error


JAX = """
import keras
from kerasnets.compute.memory.out_of_memory import explained
from kerasnets.errors import OutOfMemory
try:
    with explained(64):
        keras.ops.zeros((2**40, 2**10)).block_until_ready()
except OutOfMemory as error:
    print(error)
"""


def test_jax_running_out_is_recognised():
    pytest.importorskip("jax")
    result = subprocess.run(
        [warm_python.executable("jax"), "-c", JAX],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert result.stdout == ("out of memory at batch size 64; batch_size=32 may fit.\n")


def test_folders_are_synced_too(tmp_path):
    # Or a power cut undoes the rename.
    synced = []
    real = os.fsync
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: synced.append(real(handle)))
        runs.write_text(tmp_path / "file.txt", "text")
    assert len(synced) == 2


class Closing(io.StringIO):
    """Standard output that takes some lines, and then no more."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.left = lines

    def write(self, text):
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
        return super().write(text)


def test_nothing_is_left_where_nobody_can_be_told(tmp_path, monkeypatch):
    recipe = small_run.recipe(epochs=1)
    ended = []
    for lines in range(9):
        path = tmp_path / str(lines)
        monkeypatch.setattr(sys, "stdout", Closing(lines))
        try:
            small_run.fit(path, on=recipe, verbosity=1)
        except BrokenPipeError:
            # A run that has a checkpoint can be gone on with.
            assert path.exists() == any(path.glob("checkpoint/*.npz"))
            ended.append(path.exists())
        else:
            break
    assert (path / "model.keras").exists()
    assert (ended[0], ended[-1]) == (False, True)
