"""A trial trains what `fit` trains."""

from backend_here import ENGINES

from kerasnets import datasets
from kerasnets.compute import runtime
from kerasnets.diagnosis.trial import run_trial
from kerasnets.recipe import Recipe
from kerasnets.training.fit import fit

RECIPE = Recipe.for_paper(
    "resnet18",
    "digits",
    image_size=8,
    limit=16,
    batch_size=16,
    epochs=1,
    dropout=0.5,
    validation="test",
)


def test_the_first_step_of_a_trial_has_the_loss_of_the_first_step_of_fit(
    tmp_path, narrow_networks
):
    history = fit(RECIPE, tmp_path / "run", device="cpu", verbosity=0).history
    with runtime.session("cpu") as session:
        dataset = datasets.load_for(RECIPE)
        trial, _ = run_trial(
            RECIPE,
            dataset,
            datasets.partition(dataset, RECIPE),
            steps=1,
            session=session,
            engine=ENGINES[-1],
            measured=False,
            say=lambda line: None,
        )
    assert trial.train_loss == history[0]["objective"]
