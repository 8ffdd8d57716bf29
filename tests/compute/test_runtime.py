"""What a session sets for its backend, and puts back."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("jax")

CODE = """
import os
import keras  # before kerasnets, as isort sorts them
import kerasnets
import jax
import numpy as np
from kerasnets.compute.runtime import backend, session
assert backend() == os.environ["KERAS_BACKEND"] == "jax"  # as keras.json says
before = jax.config.jax_compilation_cache_dir
for name, value in (("jax_enable_x64", True), ("jax_default_prng_impl", "rbg")):
    jax.config.update(name, value)
with session("cpu"):
    x = jax.jit(lambda x: x * 2 + 1)(np.float64(3))
    assert x.block_until_ready().dtype == "float32"
    assert jax.random.key_data(jax.random.key(0)).size == 2  # of threefry
assert jax.config.jax_compilation_cache_dir == before
assert jax.config.jax_enable_x64
assert jax.config.jax_default_prng_impl == "rbg"
"""


@pytest.mark.parametrize("named", [True, False])
def test_jax_keeps_its_compilations_and_its_user_s_settings(tmp_path, named):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    kerasnets, own = tmp_path / "kerasnets", tmp_path / "own"
    environment = {
        **os.environ,
        "KERAS_HOME": str(tmp_path),
        "KERASNETS_CACHE": str(kerasnets),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    for name in ("KERAS_BACKEND", "JAX_COMPILATION_CACHE_DIR"):
        environment.pop(name, None)
    if named:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(own)
    subprocess.run([sys.executable, "-c", CODE], env=environment, check=True)
    folder = own if named else kerasnets / "jax"
    assert any(folder.iterdir())
    assert kerasnets.exists() != named
