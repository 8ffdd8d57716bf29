"""What cannot change anything is refused in one line, or said."""

import pytest
from made_records import add_metrics, make_records

from kerasnets.cli.commands import run as _run
from kerasnets.errors import RecipeError
from kerasnets.recipe import Recipe
from kerasnets.training.effects import check_schedule

FIT = "fit resnet18 --dataset digits --limit 60 --batch-size 10"
DIAGNOSE = "diagnose resnet18 --dataset digits --limit 60 --batch-size 10"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (f"{FIT} --optimizer adam --momentum 0.5", "momentum is for sgd and rmsprop"),
        (f"{FIT} --optimizer adamw --momentum 0.9", "momentum is for sgd and rmsprop"),
        (f"{FIT} --optimizer adam --nesterov", "nesterov is for sgd, not adam"),
        (f"{FIT} --momentum 0 --nesterov", "nesterov needs a momentum > 0"),
        (f"{FIT} --decay l2", "decay needs a weight_decay > 0"),
        (f"{FIT} --no-decay-norms", "no decay_norms needs a weight_decay > 0"),
        (f"{FIT} --schedule one-cycle --warmup 1", "one-cycle has a warm-up of its"),
        (f"{FIT} --keep best --validation test", "it would choose by the test split"),
        (f"{FIT} --accumulate 400", "accumulate 400 leaves no update"),
        (f"{DIAGNOSE} --ema 0.9", "No such option '--ema'"),
        (f"{FIT} --image-size 1", "at least 2x2 pixels"),
        ("fit vgg11 --dataset digits --image-size 31", "at least 32x32 pixels"),
        ("fit densenet121 --dataset mnist --image-size 28", "at least 29x29 pixels"),
        (f"{FIT} --engine keras --compile", "--compile contradicts --engine keras"),
        (f"{FIT} --test-fraction 0.2", "digits has a test split of its own"),
        ("fit vgg11 --dataset mnist --test-fraction 0.2", "mnist has a test split"),
        (f"{FIT} --warmup 0.1", "warmup 0.1 has no effect"),
        (f"{FIT} --warmup 5 --epochs 5", "warmup must be shorter"),
        (f"{FIT} --warmup 0.95 --epochs 1", "leaves none of the 6 steps"),
        (f"{DIAGNOSE} --epochs 3", "--epochs has no effect"),
        (f"{DIAGNOSE} --warmup 4 --steps 20", "leaves none of the 20 steps"),
        (f"{DIAGNOSE} --schedule step --steps 20", "schedule 'step' has no effect"),
        (f"{DIAGNOSE} --schedule cosine --steps 1", "schedule 'cosine' has no effect"),
        (f"{DIAGNOSE} --optimizer adam --momentum 0", "momentum is for sgd"),
        (f"{DIAGNOSE} --ablate --ablate-lr 0.001", "--ablate-lr 0.001 is tried"),
        (f"{DIAGNOSE} --ablate-lr 0.1", "--ablate-lr needs --ablate"),
        (f"{DIAGNOSE} --image-size 1", "at least 2x2 pixels"),
        ("reproduce --scale smoke --dry-run --wait", "--wait has no effect"),
        ("reproduce --scale smoke --dry-run --jobs 2", "--jobs has no effect"),
        ("reproduce --scale smoke --dry-run -q", "--quiet has no effect"),
        ("reproduce --scale smoke --dry-run --data-dir x", "--data-dir has no effect"),
        ("report records --no-diagnose --device cpu", "--device has no effect"),
        ("report records --no-diagnose --compile", "--engine has no effect"),
        ("report records --device cpu", "--device has no effect"),
        ("benchmark --only inference --batch-size 8", "--batch-size has no effect"),
        ("benchmark --only train --inference-batch-size 8", "--inference-batch-size"),
        ("benchmark --only start --rounds 3", "--rounds has no effect with --only st"),
        ("summary resnet18 --glorot", "--glorot has no effect"),
        ("summary resnet18 --glorot-normal", "--glorot has no effect"),
        ("summary resnet18 --image-size 1", "at least 2x2 pixels"),
    ],
)
def test_is_refused(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "no-data"))
    add_metrics(make_records(tmp_path / "records" / "run"))
    before = sorted(tmp_path.rglob("*"))
    status = _run(arguments.split())
    out, err = capsys.readouterr()
    assert (status, out) == (2, ""), err
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_data_folder_for_the_digits_is_said(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status = _run([*FIT.split(), "--data-dir", "x", "--device", "gpu"])
    _, err = capsys.readouterr()
    assert status == 2
    assert err.splitlines()[0] == (
        "kerasnets: --data-dir has no effect: digits comes with scikit-learn."
    )


def test_a_summary_tells_the_dropout_rate(capsys):
    line = "summary vgg11 --head compact --dropout 0.3"
    assert _run(line.split()) == 0
    assert "dropout 0.3" in capsys.readouterr().out


def rates(recipe: Recipe, steps: int, trained: int) -> list[float]:
    """What training uses, step by step."""
    from kerasnets.training.optimization.schedule import LearningRate

    rate = LearningRate(
        recipe.learning_rate,
        recipe.schedule,
        recipe.epochs * steps,
        round(recipe.warmup * steps),
    )
    return [float(rate(step)) for step in range(trained)]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
@pytest.mark.parametrize("warmup", [0, 0.2, 0.5, 1.0, 1.8])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_exactly_what_changes_a_learning_rate_is_allowed(schedule, warmup, steps):
    def recipe(schedule, warmup) -> Recipe:
        return Recipe.for_paper(
            "resnet18", "digits", epochs=2, schedule=schedule, warmup=warmup
        )

    for trained in range(1, 2 * steps + 1):
        wanted = recipe(schedule, warmup)
        found = rates(wanted, steps, trained)
        without = (
            *([recipe("constant", warmup)] if schedule != "constant" else []),
            *([recipe(schedule, 0.0)] if warmup else []),
        )
        changes = all(rates(one, steps, trained) != found for one in without)
        reached = max(found) == pytest.approx(wanted.learning_rate)
        try:
            check_schedule(wanted, steps, trained)
        except RecipeError:
            warm = round(warmup * steps)
            assert not changes or not reached or warm >= trained or warm == 1
        else:
            assert changes and reached
