"""Settings every test runs under, made before anything imports Keras."""

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("KERAS_BACKEND", "torch")
# Workers of pytest-xdist share the cores: threads that wait for each other are slow.
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    threads = max(1, (os.cpu_count() or 1) // int(workers))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
# JAX compiles each operation of a test for longer than it computes it.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


def use_memory_for_temporary_files(folder: str = "/dev/shm") -> None:
    """Where there is enough of it: a disk's file system may take milliseconds to put
    one file in the place of another, which runs do with every checkpoint."""
    if os.access(folder, os.W_OK):
        found = os.statvfs(folder)
        enough = found.f_bavail * found.f_frsize > 8 << 30
        if enough and not found.f_flag & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder)


use_memory_for_temporary_files()

# Machines that share their cores are no reason to fail.
settings.register_profile(
    "kerasnets",
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
# pytest tests/test_hostile_files.py --hypothesis-profile=thorough
settings.register_profile(
    "thorough", settings.get_profile("kerasnets"), max_examples=2000
)
settings.load_profile("kerasnets")


def pytest_collection_finish():
    # Each fit collects garbage, which takes long with all that the tests import.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def data_folder_of_the_user(tmp_path_factory):
    """Hide the user's caches and datasets, and return the folder of the latter, if it
    has been named."""
    from kerasnets.storage.folders import user_cache

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with pytest.MonkeyPatch.context() as patch:
        # Programs that JAX compiled are kept for the next session: compiling takes a
        # third of the time of the tests that use JAX.
        if "JAX_COMPILATION_CACHE_DIR" not in os.environ and (own := user_cache()):
            patch.setenv("JAX_COMPILATION_CACHE_DIR", str(own / "jax"))
        patch.setenv("KERASNETS_CACHE", str(shared / "user-cache"))
        named = os.environ.get("TFDS_DATA_DIR")
        patch.delenv("TFDS_DATA_DIR", raising=False)
        yield named


@pytest.fixture
def real_data(data_folder_of_the_user, monkeypatch):
    """The user's datasets."""
    if data_folder_of_the_user is None:
        pytest.skip("TFDS_DATA_DIR is not set")
    monkeypatch.setenv("TFDS_DATA_DIR", data_folder_of_the_user)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_disks():
    """A power cut is no part of any test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module", autouse=True)
def figures_without_pixels(request):
    """What is drawn is made everywhere; but only tests of figures wait for its pixels.
    Elsewhere the file is a white image of the same size."""
    names = {request.path.name, request.path.parent.name}
    if names & {"figures", "comparison", "test_figure.py"}:
        yield
        return
    from matplotlib.figure import Figure
    from PIL import Image

    from kerasnets.figures import examples

    def savefig(figure, file, *, format, metadata):
        if format == "png":
            size = figure.get_size_inches() * figure.dpi
            Image.new("L", size.astype(int).tolist(), 255).save(file, format)
        else:
            file.write(
                b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>"
            )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        # A gallery of two images takes a fraction of one of twenty-four.
        patch.setattr(examples, "evenly_chosen", lambda rows, confidence: rows[:1])
        yield


@pytest.fixture(autouse=True)
def signal_handlers():
    """A command leaves signals that end its process."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def narrow_networks():
    """Networks of few channels."""
    import narrow

    with narrow.narrowed():
        yield


@pytest.fixture
def run(tmp_path):
    """A trained run, as `tests/trained_run.py` makes it."""
    from trained_run import make_run

    return make_run(tmp_path / "run")
