"""Freed memory stays in the process."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another library than glibc allocates"
)

# Bytes that stay resident of 24 MB that were freed; glibc gives such a block back.
PROGRAM = """
import ctypes
from pathlib import Path
from kerasnets.compute.settings.of_torch import keep_freed_memory

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096

kept = keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
before = resident()
block = libc.malloc(ctypes.c_size_t(24_000_000))
ctypes.memset(ctypes.c_void_p(block), 1, 24_000_000)
libc.free(block)
print(kept, resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("named", [None, "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"])
def test_freed_memory_stays_unless_the_environment_says_how(named):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    environment.pop("GLIBC_TUNABLES", None)
    values = {"GLIBC_TUNABLES": "glibc.malloc.check=0"}
    if named:
        environment[named] = values.get(named, "131072")
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    kept, resident = found.stdout.split()
    assert kept == str(named is None)
    assert (int(resident) > 20_000_000) == (named is None)
