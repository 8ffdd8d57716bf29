"""Settings every test runs under, made before anything imports Keras."""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("KERAS_BACKEND", "torch")

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
