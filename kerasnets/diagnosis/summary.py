"""A diagnosis in words, with computed numbers."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.diagnosis.record import Diagnosis
from kerasnets.diagnosis.trial import STATISTICS_BATCHES, Trial
from kerasnets.diagnosis.variants import MODIFIED, Variant, named_variants, settings
from kerasnets.evaluation.layer_signals import LayerSignal
from kerasnets.text import Figure, Page, Table, number, percent

# A network has learned next to nothing if its training loss exceeds this share of a
# constant guess's loss.
_UNFITTED = 0.9


def verdict(diagnosis: Diagnosis) -> str:
    """A paragraph: the outcomes of the original and the modified network, their signals
    and gradients before the first step, and, if the original does not learn, the
    remaining explanations."""
    original = Variant.original(diagnosis.recipe.network)
    sentences = [_outcomes(diagnosis), _before_training(diagnosis)]
    if diagnosis.own[original].outcome != "learning":
        sentences += [
            _overfitting(diagnosis),
            _alone(diagnosis),
            _all_settings(diagnosis),
        ]
    return " ".join(sentence for sentence in sentences if sentence)


def page(diagnosis: Diagnosis) -> Page:
    """The page: verdict, trials, figure, and method."""
    recipe, trials = diagnosis.recipe, diagnosis.ablation
    switches = switches_table(trials)
    return Page(
        f"{network_title(recipe.network)} on {dataset_title(recipe.dataset)}: "
        f"its first {diagnosis.steps} steps",
        (
            diagnosis.verdict,
            *([switches] if switches else []),
            trials_table(trials),
            f"{len(trials)} of {diagnosis.planned} trials are finished. "
            f"Batches of {recipe.batch_size}, {recipe.optimizer}, seed {recipe.seed}; "
            f"loss and accuracy on {diagnosis.images:,} {diagnosis.monitored} images, "
            "with batch norm's statistics averaged anew over "
            f"{STATISTICS_BATCHES} batches at most. "
            "Top class: that predicted most often. Entropy: of the predicted "
            "probabilities, mean, in nats. Collapsed: it takes more than 99 % "
            "of the predictions. Stuck: an accuracy less than a tenth of the way from "
            f"one answer for all ({diagnosis.guess_accuracy:.2%}) to 100 %.",
            Figure("signal.png", "Signal and gradient by depth"),
            "All layers are in layers.csv.",
        ),
        brief=(trials_table(trials, entropy=False), diagnosis.verdict),
    )


def trials_table(trials: Sequence[Trial], *, entropy: bool = True) -> Table:
    """The outcomes of the trials; without the entropies, 80 columns wide."""
    columns = {
        "variant": [trial.variant.label for trial in trials],
        "lr": [f"{trial.learning_rate:g}" for trial in trials],
        "momentum": [f"{trial.momentum:g}" for trial in trials],
        "loss": [number(trial.loss, ".4f") for trial in trials],
        "accuracy": [percent(trial.accuracy) for trial in trials],
        "top class": [
            f"{trial.most_predicted_share:.1%} {trial.most_predicted}"
            if trial.most_predicted
            else ""
            for trial in trials
        ],
        "entropy": [number(trial.prediction_entropy, ".3f") for trial in trials],
        "outcome": [trial.outcome for trial in trials],
    }
    if not entropy:
        del columns["entropy"]
    return Table.of(columns, words=("top class", "outcome"))


def switches_table(trials: Sequence[Trial]) -> Table | None:
    """Accuracy and outcome by batch norm × initialization, for each learning rate and
    momentum; None if at most two of the four variants were tried."""
    if len({trial.variant for trial in trials}) <= 2:
        return None
    cells = {
        (trial.variant, settings(trial)): trial.outcome
        if trial.accuracy is None
        else f"{percent(trial.accuracy)}, {trial.outcome}"
        for trial in trials
    }
    rows = []
    for own in dict.fromkeys(map(settings, trials)):
        for glorot in (False, True):
            name = f"{'Glorot' if glorot else 'its own'} initialization"
            pair = (
                cells.get((Variant(norm, glorot), own), "") for norm in (False, True)
            )
            rows.append((name, *(f"{value:g}" for value in own), *pair))
    columns = ("", "lr", "momentum", "without batch norm", "with batch norm")
    return Table(columns, tuple(rows), words=columns[3:])


def _outcomes(diagnosis: Diagnosis) -> str:
    recipe = diagnosis.recipe
    found = "; ".join(
        f"{name} {_became(diagnosis.own[variant])}"
        for variant, name in named_variants(recipe).items()
    )
    return (
        f"After {diagnosis.steps} steps of {recipe.batch_size} images, "
        f"{network_title(recipe.network)} {found} "
        f"({diagnosis.images:,} {diagnosis.monitored} images, for which one answer for "
        f"all has at best accuracy {diagnosis.guess_accuracy:.2%} and loss "
        f"{diagnosis.guess_loss:.4f})."
    )


def _became(trial: Trial) -> str:
    if trial.accuracy is None:
        return "has diverged: its loss is no longer a number"
    score = f"accuracy {trial.accuracy:.2%}, loss {trial.loss:.4f}"
    if trial.outcome == "collapsed":
        return (
            f"has collapsed: {trial.most_predicted_share:.1%} of its predictions are "
            f"class {trial.most_predicted!r}, {score}"
        )
    if trial.outcome == "stuck":
        return f"has learnt next to nothing: {score}"
    return f"learns: {score}"


def _before_training(diagnosis: Diagnosis) -> str:
    """Signal and gradient of the original and, in brackets, of the modified network."""
    recipe = diagnosis.recipe
    original = diagnosis.signals(Variant.original(recipe.network), 0)
    modified = diagnosis.signals(MODIFIED, 0)
    first, *_, last = original
    other_first, *_, other_last = modified
    clauses = [
        f"the signal goes from {first.signal_rms:.2g} after {first.layer} to "
        f"{last.signal_rms:.2g} at the logits ({other_first.signal_rms:.2g} to "
        f"{other_last.signal_rms:.2g})",
        f"of that, {first.telling_share:.0%} and {last.telling_share:.0%} differ "
        f"between images ({other_first.telling_share:.0%} and "
        f"{other_last.telling_share:.0%}), so that the logits tell images apart by "
        f"{last.deviation_rms:.1g} ({other_last.deviation_rms:.1g})",
        f"{_dead(original)} of the ReLU channels are dead ({_dead(modified)})",
        f"the gradient that reaches {first.layer} is "
        f"{_power(first.gradient_rms, last.gradient_rms)} of the logits' "
        f"({_power(other_first.gradient_rms, other_last.gradient_rms)})",
    ]
    if recipe.optimizer == "sgd":
        clauses.append(
            f"at learning rate {recipe.learning_rate:g} the first step moves the "
            "median kernel by "
            f"{_power(recipe.learning_rate * _median_step(original))} of its own size "
            f"({_power(recipe.learning_rate * _median_step(modified))})"
        )
    text = "Before the first step (the modified one in brackets) "
    return text + "; ".join(clauses) + "."


def _dead(signals: Sequence[LayerSignal]) -> str:
    """The mean share of dead ReLU channels over the layers."""
    shares = [s.dead_relus for s in signals if s.dead_relus is not None]
    return f"{float(np.mean(shares)):.1%}"


def _median_step(signals: Sequence[LayerSignal]) -> float:
    """The relative change of a kernel in one step at learning rate 1."""
    return float(np.median([s.kernel_gradient_rms / s.kernel_rms for s in signals]))


def _power(value: float, unit: float = 1.0) -> str:
    """A ratio as a power of ten, such as "10^-4.5"."""
    return f"10^{math.log10(value / unit):.1f}" if value and unit else "nothing"


def _overfitting(diagnosis: Diagnosis) -> str:
    trial = diagnosis.own[Variant.original(diagnosis.recipe.network)]
    if trial.train_loss is None or trial.loss is None:
        return ""
    if trial.train_loss > _UNFITTED * diagnosis.guess_loss:
        return (
            "The original does not overfit: its training loss, "
            f"{trial.train_loss:.4f}, is no better."
        )
    return (
        f"The original's training loss is {trial.train_loss:.4f}, that on the "
        f"{diagnosis.monitored} images {trial.loss:.4f}."
    )


def _alone(diagnosis: Diagnosis) -> str:
    """Which switch suffices alone, if the original has neither."""
    norm = diagnosis.own.get(Variant(batch_norm=True, glorot=False))
    glorot = diagnosis.own.get(Variant(batch_norm=False, glorot=True))
    original = Variant.original(diagnosis.recipe.network)
    if original.batch_norm or not norm or not glorot:
        return ""
    conclusion = {
        (True, False): "what it lacks is batch norm, not another initialization",
        (False, True): "what it lacks is another initialization, not batch norm",
        (True, True): "either is enough",
        (False, False): "it takes both"
        if diagnosis.own[MODIFIED].outcome == "learning"
        else "neither is enough",
    }[norm.outcome == "learning", glorot.outcome == "learning"]
    return (
        f"With batch norm alone it is {_short(norm)}, with Glorot initialization "
        f"alone {_short(glorot)}: in these steps, {conclusion}."
    )


def _all_settings(diagnosis: Diagnosis) -> str:
    """How often the network learned with each switch, if more settings were tried."""
    trials = diagnosis.ablation
    if not len(diagnosis.own) < len(trials) == diagnosis.planned:
        return ""
    rates, momenta = (
        " and ".join(f"{value:g}" for value in dict.fromkeys(values))
        for values in zip(*map(settings, trials), strict=True)
    )

    def learn(chosen: Callable[[Variant], bool]) -> str:
        found = [one.outcome == "learning" for one in trials if chosen(one.variant)]
        return f"{sum(found)} of {len(found)}"

    original = Variant.original(diagnosis.recipe.network)
    return (
        f"Over all trials (learning rate {rates}, momentum {momenta}) "
        f"{learn(lambda one: one.batch_norm)} with batch norm learn and "
        f"{learn(lambda one: not one.batch_norm)} without, "
        f"{learn(lambda one: one.glorot)} with Glorot and "
        f"{learn(lambda one: not one.glorot)} without; the original learns in "
        f"{learn(lambda one: one == original)}."
    )


def _short(trial: Trial) -> str:
    score = "" if trial.loss is None else f" (loss {trial.loss:.2f})"
    return f"{trial.outcome}{score}"
