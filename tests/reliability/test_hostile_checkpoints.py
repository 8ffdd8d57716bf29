"""Checkpoints from elsewhere, with a digest that fits whatever is in them."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import small_run
from hypothesis import given, settings
from hypothesis import strategies as st
from test_resume import interrupted_fit

from kerasnets.errors import KerasnetsError
from kerasnets.training import checkpoint
from kerasnets.training.checkpointing import Interval

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
TABLES = st.dictionaries(
    st.sampled_from(["history.csv", "epoch_times.csv", "../../outside.csv"]), ANY_JSON
)
NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 2**40])


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    path = tmp_path_factory.mktemp("parts") / "run"
    interrupted_fit(path, 9, checkpoint_every=Interval(steps=1))
    return path


def rewrite(run, change) -> None:
    """Give a run one checkpoint, the newest of its own but for a change of state and
    arrays."""
    files = sorted((run / "checkpoint").iterdir(), key=lambda file: file.stem)
    with np.load(files[-1]) as archive:
        arrays = {key: archive[key] for key in archive.files}
    state = json.loads(arrays.pop("state").item())
    del state["digest"]
    change(state, arrays)
    state["digest"] = checkpoint._digest(state, arrays)
    for file in files[:-1]:
        file.unlink()
    np.savez(files[-1], state=np.array(json.dumps(state)), **arrays)


@settings(max_examples=max(20, settings.default.max_examples // 10))
@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            "epoch": NUMBERS | ANY_JSON,
            "batch": NUMBERS | ANY_JSON,
            "tables": TABLES | ANY_JSON,
            "parts": TABLES | ANY_JSON,
            "another": ANY_JSON,
        },
    )
)
def test_any_state_is_gone_on_from_or_refused(parts, tmp_path_factory, changes):
    outside = tmp_path_factory.mktemp("outside")
    run = outside / "runs" / "run"
    shutil.copytree(parts, run)
    rewrite(run, lambda state, arrays: state.update(changes))
    try:
        small_run.fit(run, resume=True)
    except KerasnetsError as error:
        assert len(str(error).splitlines()) == 1
    assert [path.name for path in outside.iterdir()] == ["runs"]
    assert [path.name for path in (outside / "runs").iterdir()] == ["run"]


@pytest.mark.parametrize(
    "array",
    [np.array("text"), np.zeros((3, 3)), np.zeros((), "complex64")],
    ids=["text", "shape", "complex"],
)
@pytest.mark.parametrize("key", ["model_0000", "optimizer_0000", "metric_0000", "new"])
def test_other_arrays_are_refused(parts, tmp_path, key, array):
    shutil.copytree(parts, tmp_path / "run")
    rewrite(tmp_path / "run", lambda state, arrays: arrays.update({key: array}))
    with pytest.raises(KerasnetsError, match="does not fit the network"):
        small_run.fit(tmp_path / "run", resume=True)


def test_a_compressed_checkpoint_is_not_unpacked(parts, tmp_path, caplog):
    shutil.copytree(parts, tmp_path / "run")
    folder = tmp_path / "run" / "checkpoint"
    bomb = folder / "epoch-00002.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model_0000.npy", bytes(10**7))
    assert bomb.stat().st_size < 10**5
    found = checkpoint.newest(folder)
    assert found is not None and (found.epoch, found.batch) == (1, 2)
    assert f"{bomb} is damaged" in caplog.text
