"""Laws of the parts that training is made of."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from kerasnets.errors import RunError
from kerasnets.recipe import Recipe
from kerasnets.training import checkpoint
from kerasnets.training.callbacks.epoch_table import EpochTable
from kerasnets.training.callbacks.progress import duration
from kerasnets.training.compile import compile_model
from kerasnets.training.metrics import ConfusionAccuracy, confusion_metric
from kerasnets.training.optimization.schedule import LearningRate


def tiny_model(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(5, "relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(hidden))


def compiled(**named) -> keras.Model:
    model = tiny_model()
    recipe = Recipe.for_paper("vgg11", "digits", **named)
    compile_model(model, recipe, num_classes=3, steps_per_epoch=4)
    model.optimizer.build(model.trainable_variables)
    return model


@settings(max_examples=settings.default.max_examples // 4)
@given(
    schedule=st.sampled_from(["constant", "cosine", "step"]),
    peak=st.floats(1e-6, 10),
    steps=st.integers(2, 500),
    data=st.data(),
)
def test_learning_rate_laws(schedule, peak, steps, data):
    warmup = data.draw(st.integers(0, steps - 1))
    rate = LearningRate(peak, schedule, steps, warmup)
    rates = np.array([float(rate(step)) for step in range(steps)])
    assert np.all(rates > 0)
    assert np.all(rates <= peak * (1 + 1e-6))
    assert np.all(np.diff(rates[:warmup]) >= 0)
    assert np.all(np.diff(rates[warmup:]) <= peak * 1e-6)
    if warmup:
        assert rates[0] == pytest.approx(peak / warmup, rel=0.1)
    if schedule == "constant":
        assert rates[warmup:] == pytest.approx(peak)
    if schedule == "cosine":
        assert float(rate(steps)) == pytest.approx(0, abs=peak * 1e-6)


@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1),
        min_size=1,
        max_size=4,
    )
)
def test_confusion_counts_and_accuracy(batches):
    metric = ConfusionAccuracy(4)
    for batch in batches:
        labels, predictions = np.array(batch).T
        metric.update_state(labels, np.eye(4, dtype="float32")[predictions])
    labels, predictions = np.concatenate([np.array(b) for b in batches]).T
    expected = confusion_matrix(labels, predictions, labels=range(4))
    assert np.array_equal(metric.counts(), expected)
    assert float(metric.result()) == pytest.approx(np.mean(labels == predictions))
    metric.reset_state()
    assert metric.counts().sum() == 0


def test_the_metric_is_found_in_a_compiled_model():
    model = compiled()
    model.fit(np.ones((8, 4)), np.zeros(8), batch_size=4, verbose=0)
    assert confusion_metric(model).counts()[0].sum() == 8


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_every_optimizer_and_loss_learns(optimizer, smoothing):
    model = compiled(
        optimizer=optimizer,
        label_smoothing=smoothing,
        learning_rate=0.02,
        weight_decay=1e-4,
    )
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    y = x[:, :3].argmax(axis=1)
    before = model.evaluate(x, y, verbose=0)[0]
    model.fit(x, y, epochs=20, batch_size=16, verbose=0)
    assert model.evaluate(x, y, verbose=0)[0] < before


def test_label_smoothing_is_pytorchs():
    torch = pytest.importorskip("torch")
    logits = np.random.default_rng(1).normal(size=(6, 3)).astype("float32")
    labels = np.array([0, 1, 2, 0, 1, 2])
    model = compiled(label_smoothing=0.2)
    ours = float(model.compute_loss(y=labels, y_pred=keras.ops.array(logits)))
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(logits), torch.tensor(labels), label_smoothing=0.2
    )
    assert ours == pytest.approx(float(theirs), rel=1e-5)


def trained_checkpoint(folder, epochs: int):
    model = compiled()
    table = EpochTable(folder / "history.csv", ("epoch",))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 4)), rng.integers(0, 3, 8)
    for epoch in range(1, epochs + 1):
        model.fit(x, y, verbose=0)
        table.add([[epoch]])
        checkpoint.save(folder / "checkpoint", model, epoch, {"history.csv": table})
    return model, table


def test_a_checkpoint_brings_back_every_variable(tmp_path):
    model, _ = trained_checkpoint(tmp_path, 3)
    fresh, table = compiled(), EpochTable(tmp_path / "again.csv", ("epoch",))
    found = checkpoint.newest(tmp_path / "checkpoint")
    assert found is not None
    found.restore(fresh, {"history.csv": table})
    assert found.epoch == 3
    assert table.rows == [[1], [2], [3]]
    for ours, theirs in (
        (fresh.variables, model.variables),
        (fresh.optimizer.variables, model.optimizer.variables),
    ):
        assert [np.asarray(v).tobytes() for v in ours] == [
            np.asarray(v).tobytes() for v in theirs
        ]


def test_only_the_last_two_checkpoints_are_kept(tmp_path):
    trained_checkpoint(tmp_path, 4)
    names = sorted(file.name for file in (tmp_path / "checkpoint").iterdir())
    assert names == ["epoch-00003.npz", "epoch-00004.npz"]


def test_a_damaged_checkpoint_does_not_outlive_the_next_one(tmp_path):
    model, table = trained_checkpoint(tmp_path, 3)
    folder = tmp_path / "checkpoint"
    (folder / "epoch-00003.npz").write_bytes(b"")
    model.fit(np.ones((8, 4)), np.zeros(8), verbose=0)
    checkpoint.save(folder, model, 2, {"history.csv": table}, batch=5)
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["epoch-00002-batch-0000005.npz", "epoch-00002.npz"]
    found = checkpoint.newest(folder)
    assert found is not None
    assert (found.position, len(found.metrics)) == ("step 5 of epoch 3", 3)


@pytest.fixture(scope="module")
def two_checkpoints(tmp_path_factory):
    """Their folder, the model and its table, and the content of the second."""
    folder = tmp_path_factory.mktemp("run")
    model, table = trained_checkpoint(folder, 2)
    whole = (folder / "checkpoint" / "epoch-00002.npz").read_bytes()
    return folder, model, table, whole


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_never_passes_for_whole(two_checkpoints, position, bit):
    folder, model, table, whole = two_checkpoints
    newest = folder / "checkpoint" / "epoch-00002.npz"
    data = bytearray(whole)
    data[int(position * len(data))] ^= 1 << bit
    newest.write_bytes(data)
    found = checkpoint.newest(folder / "checkpoint")
    # Some bytes (time stamps inside the archive) mean nothing; all others tell.
    assert found is not None
    if found.epoch == 2:
        found.restore(compiled(), {"history.csv": table})
        for array, variable in zip(
            found.arrays.values(), [*model.variables], strict=False
        ):
            assert array.tobytes() == np.asarray(variable).tobytes()
    else:
        assert found.epoch == 1


def test_when_every_checkpoint_is_damaged_it_says_so(tmp_path):
    trained_checkpoint(tmp_path, 2)
    for file in (tmp_path / "checkpoint").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RunError, match="every checkpoint in"):
        checkpoint.newest(tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_durations_read_as_people_write_them(seconds, text):
    assert duration(seconds) == text
