"""What a session sets for its backend, and puts back."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("jax")

CODE = """
import jax
from kerasnets.engines.runtime import session
before = jax.config.jax_compilation_cache_dir
with session("cpu"):
    jax.jit(lambda x: x * 2 + 1)(3.0).block_until_ready()
assert jax.config.jax_compilation_cache_dir == before
"""


@pytest.mark.parametrize("named", [True, False])
def test_jax_keeps_its_compilations(tmp_path, named):
    kerasnets, own = tmp_path / "kerasnets", tmp_path / "own"
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "KERASNETS_CACHE": str(kerasnets),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    if named:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(own)
    subprocess.run([sys.executable, "-c", CODE], env=environment, check=True)
    folder = own if named else kerasnets / "jax"
    assert any(folder.iterdir())
    assert kerasnets.exists() != named
