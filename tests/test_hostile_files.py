"""Run folders of any content: an answer or one line, never a traceback, a wait, or a
write. What is drawn by hypothesis is named in docs/reliability.md."""

import dataclasses
import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import METRICS, add_metrics, make_records

from kerasnets import runs
from kerasnets.errors import KerasnetsError, RecipeError, RunError
from kerasnets.recipe import Recipe
from kerasnets.runs import records
from kerasnets.runs.results import read_confusion, read_metrics, read_predictions
from kerasnets.runs.status import states
from kerasnets.storage import digests
from kerasnets.storage.files import read_text

RECIPE = json.loads(Recipe.for_paper("vgg11", "digits").to_json())

SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63), 10**400, 1e308, 5e-324])
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../x", "/etc/passwd", "test", "\ud800", "a\nb", "\x1b[2J"])
)
JSON = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=8,
)


def objects(template: dict):
    """JSON objects that are like the template but for some fields."""
    changes = st.dictionaries(st.sampled_from(sorted(template)), JSON, max_size=3)
    others = st.dictionaries(st.text(max_size=9), JSON, max_size=2)
    without = st.sets(st.sampled_from(sorted(template)), max_size=1)
    return st.tuples(changes, others, without).map(
        lambda drawn: {
            name: value
            for name, value in {**template, **drawn[0], **drawn[1]}.items()
            if name not in drawn[2]
        }
    )


def texts(template: dict):
    return (
        objects(template).map(json.dumps) | JSON.map(json.dumps) | st.text(max_size=99)
    )


def assert_one_line(error: Exception) -> None:
    message = str(error)
    assert len(message.splitlines()) == 1
    assert message.isprintable()


@given(text=texts(RECIPE))
def test_any_recipe_is_a_recipe_or_one_line(text):
    try:
        recipe = Recipe.from_json(text)
    except RecipeError as error:
        assert_one_line(error)
    else:
        assert Recipe.from_json(recipe.to_json()) == recipe
        assert ".." not in recipe.dataset.split("/")
        assert "/" not in recipe.name.replace(recipe.dataset, "")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    run = make_records(tmp_path_factory.mktemp("template") / "run")
    add_metrics(run)
    runs.write_csv(run.path / "confusion_matrix.csv", ["label", "a"], [["a", 3]])
    columns = ["index", "label", "prediction", "confidence"]
    runs.write_csv(run.path / "predictions.csv", columns, [[0, 1, 1, 0.5]])
    return run.path


def read_everything(folder) -> None:
    """Whatever reads a run folder without loading its network."""
    digests.verify(folder)
    (listed,) = states(folder.parent)
    if listed.why:
        assert_one_line(RuntimeError(listed.why))
    run = runs.load(folder)
    for read in (
        lambda: run.history,
        lambda: records.environment(run),
        lambda: records.class_names(run),
        lambda: read_metrics(folder),
        lambda: read_predictions(folder / "predictions.csv"),
        lambda: read_confusion(folder / "confusion_matrix.csv"),
    ):
        try:
            read()
        except KerasnetsError as error:
            assert_one_line(error)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        if path.is_file()
        else b""
        for path in folder.rglob("*")
        if path.name != ".digests.lock"
    }


FILES = {
    "recipe.json": texts(RECIPE),
    "environment.json": texts({**METRICS, "class_names": ["a"], "train_images": 6}),
    "metrics.json": texts(METRICS),
    "digests.json": texts({"files": {}, "pending": {}, "sha256": ""}),
    "history.csv": st.lists(
        st.lists(st.floats().map(str) | st.text(max_size=3), max_size=7).map(",".join),
        max_size=5,
    ).map("\n".join),
    "epoch_times.csv": st.text(alphabet="0123456789,.\n\"ne'", max_size=99),
    "predictions.csv": st.text(alphabet='0123456789,.\n"-', max_size=60).map(
        "index,label,prediction,confidence\n".__add__
    ),
    "confusion_matrix.csv": st.text(alphabet='ab0123456789,\n"-', max_size=60),
}


@given(data=st.data())
def test_a_run_folder_of_any_content_is_read_or_refused(
    template, tmp_path_factory, data
):
    outside = tmp_path_factory.mktemp("fuzz")
    folder = outside / "runs" / "run"
    shutil.copytree(template, folder)
    (folder / digests.NAME).unlink()  # or whatever is drawn would be refused for it
    names = data.draw(st.lists(st.sampled_from(sorted(FILES)), min_size=1, max_size=3))
    for name in names:
        content = data.draw(
            FILES[name].map(lambda text: text.encode("utf-8", "surrogatepass"))
            | st.binary(max_size=200)
        )
        (folder / name).write_bytes(content)
    before = contents(outside)
    try:
        read_everything(folder)
    except KerasnetsError as error:
        assert_one_line(error)
    assert contents(outside) == before


@given(data=st.data())
def test_flipped_bytes_anywhere_are_found_and_never_a_traceback(
    template, tmp_path_factory, data
):
    folder = tmp_path_factory.mktemp("fuzz") / "runs" / "run"
    shutil.copytree(template, folder)
    name = data.draw(
        st.sampled_from(sorted(contents(template).keys() - {"checkpoint"}))
    )
    content = bytearray((folder / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (folder / name).write_bytes(content)
    verification = digests.verify(folder)
    assert verification and [one.name for one in verification.findings] == [name]
    try:
        read_everything(folder)
    except KerasnetsError as error:
        assert_one_line(error)
    if name not in (digests.NAME, "model.keras") and "checkpoint" not in name:
        with pytest.raises(RunError, match="SHA-256 is not the one"):
            read_text(folder / name)


def test_the_template_itself_is_whole(template):
    verification = digests.verify(template)
    assert verification and verification.findings == ()
    (state,) = states(template)
    assert state.state == "complete"
    assert dataclasses.asdict(state)["test_accuracy"] == METRICS["accuracy"]
