"""Training, evaluating and trying networks in one process leaves none behind."""

import gc
import weakref

import keras
import pytest
from backend_here import ENGINES

from kerasnets import datasets
from kerasnets.compute import runtime
from kerasnets.compute.memory.freed_models import frees_models
from kerasnets.diagnosis.trial import run_trial
from kerasnets.errors import TrainingDiverged
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.networks.cost import network_cost
from kerasnets.paper.reproduction.estimate import measure
from kerasnets.recipe import Recipe
from kerasnets.training.fit import fit

pytestmark = pytest.mark.usefixtures("narrow_networks")

RECIPE = Recipe.for_paper(
    "resnet18",
    "digits",
    image_size=8,
    limit=20,
    batch_size=18,
    epochs=1,
)


@pytest.fixture
def models(monkeypatch):
    """Weak references to every functional model made meanwhile, while Python's own
    collector rests."""
    made: list[weakref.ref] = []
    original = keras.Model.__init__

    def init(self, *args, **kwargs):
        original(self, *args, **kwargs)
        made.append(weakref.ref(self))

    monkeypatch.setattr(keras.Model, "__init__", init)
    gc.collect()
    gc.disable()
    yield made
    gc.enable()


def alive(models) -> int:
    return sum(model() is not None for model in models)


@pytest.mark.parametrize("engine", ENGINES)
def test_training_and_evaluating_leave_no_model(tmp_path, models, engine):
    run = fit(RECIPE, tmp_path / "run", engine=engine, verbosity=0)
    assert models
    assert not alive(models)
    evaluate(run, engine=engine)
    assert not alive(models)


def test_a_callback_s_model_stays_whole_as_long_as_the_callback(tmp_path, models):
    callback = keras.callbacks.Callback()
    fit(RECIPE, tmp_path / "run", callbacks=[callback], verbosity=0)
    assert callback.model.count_params() > 0
    assert callback.model.predict(keras.ops.zeros((1, 8, 8, 1)), verbose=0).shape
    del callback
    gc.collect()
    assert not alive(models)


def test_training_that_failed_leaves_one_model_at_most(tmp_path, models):
    class Diverge(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise TrainingDiverged("the loss became nan")

    for number in range(2):
        with pytest.raises(TrainingDiverged):
            fit(RECIPE, tmp_path / str(number), callbacks=[Diverge()], verbosity=0)
    last = {model() for model in models} - {None}
    assert len({model.name for model in last}) <= 2
    del last
    fit(RECIPE, tmp_path / "whole", verbosity=0)
    assert not alive(models)


def test_trials_estimates_and_costs_leave_no_model(models):
    dataset = datasets.load("digits", image_size=8)
    parts = datasets.partition(dataset, RECIPE)
    with runtime.session("cpu") as session:
        run_trial(
            RECIPE,
            dataset,
            parts,
            steps=1,
            session=session,
            engine=ENGINES[-1],
            measured=True,
            say=lambda line: None,
        )
    assert models
    assert not alive(models)
    measure(RECIPE)
    network_cost(RECIPE, 10, None)
    assert not alive(models)


def test_what_is_decorated_keeps_its_name_result_and_errors():
    @frees_models
    def halved(number: int) -> float:
        """Half of it."""
        return 1 / number

    assert halved(2) == halved(number=2) == 0.5
    assert halved.__name__ == "halved"
    assert halved.__doc__ == "Half of it."
    with pytest.raises(ZeroDivisionError):
        halved(0)
