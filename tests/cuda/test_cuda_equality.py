"""CUDA gives what the CPU gives, up to the round-off of each arithmetic.

What is compared is a length: that of the difference over that of the CPU's value.
"""

from functools import cache

import cuda_cases as cases
import pytest

# float32 without TF32.
EXACT = 1e-4
# Where the training of a network magnifies round-off (batch norm over eight images of
# one pixel does), as many times the CPU's own in float32, which float64 shows.
TIMES_ROUND_OFF = 20

# TF32 and float16 have 10 bits of mantissa, bfloat16 has 7. Logits, and the loss of a
# training step.
LOOSE = {
    "tf32": (0.02, 0.02),
    "mixed_float16": (0.02, 0.02),
    "mixed_bfloat16": (0.1, 0.1),
}


@pytest.mark.parametrize(("name", "options"), cases.every_network(), ids=cases.case_id)
def test_logits_of_every_network(name, options):
    ours, theirs = cases.logits_on_both(name, options)
    assert cases.departure(ours, theirs) < EXACT


@cache
def on_the_cpu(index: int, precision: str) -> tuple[list, cases.Outcome]:
    """Weights, and what the CPU makes of them: those of float32 in any case."""
    name, options = cases.OPTIONS[index]
    weights = None if precision == "float32" else on_the_cpu(index, "float32")[0]
    return cases.computed(name, options, "cpu", precision, weights)


def on_cuda(index: int, precision: str, **options) -> cases.Outcome:
    name, named = cases.OPTIONS[index]
    weights, _ = on_the_cpu(index, "float32")
    return cases.computed(name, named, "cuda:0", precision, weights, **options)[1]


def each_option(test):
    ids = [f"{name}-{cases.case_id(options)}" for name, options in cases.OPTIONS]
    return pytest.mark.parametrize("index", range(len(ids)), ids=ids)(test)


@each_option
def test_a_step_in_float32(index):
    ours = on_cuda(index, "float32")
    _, theirs = on_the_cpu(index, "float32")
    assert cases.departure(ours.logits, theirs.logits) < EXACT
    allowed = dict.fromkeys(("loss", "gradient", "variables"), EXACT)
    if cases.magnifies(*cases.OPTIONS[index]):
        _, truth = on_the_cpu(index, "float64")
        for what in allowed:
            noise = cases.departure(getattr(theirs, what), getattr(truth, what))
            allowed[what] = max(EXACT, TIMES_ROUND_OFF * noise)
        theirs = truth
    for what, most in allowed.items():
        found = cases.departure(getattr(ours, what), getattr(theirs, what))
        assert found < most, what


@pytest.mark.parametrize(
    "index", [i for i, case in enumerate(cases.OPTIONS) if cases.magnifies(*case)]
)
def test_a_step_with_batch_norm_in_float64(index):
    """The same code, in an arithmetic whose round-off stays small."""
    ours = on_cuda(index, "float64")
    _, theirs = on_the_cpu(index, "float64")
    for what in ("logits", "loss", "gradient", "variables"):
        found = cases.departure(getattr(ours, what), getattr(theirs, what))
        assert found < EXACT, what


@pytest.mark.parametrize("arithmetic", LOOSE)
@each_option
def test_a_step_in_other_arithmetics(index, arithmetic):
    tf32 = arithmetic == "tf32"
    ours = on_cuda(index, "float32" if tf32 else arithmetic, tf32=tf32)
    _, theirs = on_the_cpu(index, "float32")
    logits, loss = LOOSE[arithmetic]
    assert cases.departure(ours.logits, theirs.logits) < logits
    assert cases.departure(ours.loss, theirs.loss) < loss
    # The step goes the same way, if not quite as far.
    assert cases.alike(ours.gradient, theirs.gradient) > cases.DIRECTION[arithmetic]
