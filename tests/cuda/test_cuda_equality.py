"""CUDA gives what the CPU gives, up to the round-off of each arithmetic.

What is compared is the length of the difference, as a share of the CPU's value.
"""

from functools import cache

import cuda_cases as cases
import pytest

EXACT = 1e-4  # float32 without TF32, and float64
# A float32 step of a network that magnifies round-off. On the CPU, Keras's own engine
# and ours are up to 0.03 apart in the gradient.
MAGNIFIED = {"loss": 1e-3, "gradient": 0.1, "variables": 1e-3}
# Without batch norm, one ReLU whose input is nearly zero falls on either side. On the
# CPU, a float32 gradient departs from the float64 one by up to 0.006.
USUAL = {"gradient": 0.02}
# TF32 and float16 have 10 bits of mantissa, bfloat16 has 7: the logits, the loss of a
# step, and the cosine of the angle between the gradients. On the CPU, float16 departs
# by 0.001, 0.002 and 0.02 at most, and bfloat16 by 0.01, 0.02 and 0.2.
LOOSE = {
    "tf32": (0.01, 0.02, 0.95),
    "mixed_float16": (0.01, 0.02, 0.95),
    "mixed_bfloat16": (0.05, 0.1, 0.7),
}


@pytest.mark.parametrize(("name", "options"), cases.every_network(), ids=cases.case_id)
def test_logits_of_every_network(name, options):
    ours, theirs = cases.logits_on_both(name, options)
    assert cases.departure(ours, theirs) < EXACT


@cache
def on_the_cpu(index: int, precision: str = "float32") -> tuple[list, cases.Outcome]:
    """The weights, and what the CPU makes of them."""
    weights = None if precision == "float32" else on_the_cpu(index)[0]
    return cases.computed(*cases.OPTIONS[index], "cpu", precision, weights)


def on_cuda(index: int, precision: str, *, tf32: bool = False) -> cases.Outcome:
    weights, _ = on_the_cpu(index)
    _, found = cases.computed(
        *cases.OPTIONS[index], "cuda:0", precision, weights, tf32=tf32
    )
    return found


def departures(ours: cases.Outcome, theirs: cases.Outcome) -> dict[str, float]:
    names = ("logits", "loss", "gradient", "variables")
    return {
        name: cases.departure(getattr(ours, name), getattr(theirs, name))
        for name in names
    }


def of_options():
    ids = ["-".join(map(cases.case_id, case)) for case in cases.OPTIONS]
    return pytest.mark.parametrize("index", range(len(cases.OPTIONS)), ids=ids)


@of_options()
def test_a_step_in_float32(index):
    found = departures(on_cuda(index, "float32"), on_the_cpu(index)[1])
    bounds = MAGNIFIED if cases.magnifies(*cases.OPTIONS[index]) else USUAL
    for name, departure in found.items():
        assert departure < bounds.get(name, EXACT), found


@of_options()
def test_a_step_in_float64(index):
    """The same operations, in an arithmetic whose round-off stays small."""
    found = departures(on_cuda(index, "float64"), on_the_cpu(index, "float64")[1])
    assert max(found.values()) < EXACT, found


@pytest.mark.parametrize("arithmetic", LOOSE)
@of_options()
def test_a_step_in_other_arithmetics(index, arithmetic):
    tf32 = arithmetic == "tf32"
    ours = on_cuda(index, "float32" if tf32 else arithmetic, tf32=tf32)
    _, theirs = on_the_cpu(index)
    logits, loss, direction = LOOSE[arithmetic]
    found = departures(ours, theirs)
    assert found["logits"] < logits, found
    assert found["loss"] < loss, found
    if not cases.is_chaotic(*cases.OPTIONS[index]):
        assert cases.cosine(ours.gradient, theirs.gradient) > direction
