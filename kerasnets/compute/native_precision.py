"""The fastest precision that a device computes natively."""

from pathlib import Path

from kerasnets.compute import runtime

# Linux's names of the CPU features on x86 and ARM.
_FLAGS = ("amx_bf16", "avx512_bf16", "bf16")


def automatic(device: str) -> tuple[str, str]:
    """A Keras dtype policy, "mixed_bfloat16" if the device computes it natively and
    "float32" otherwise, and the reason as readable text.

    Args:
        device: see `kerasnets.compute.runtime.session`.

    Raises:
        BackendError: the backend or the device is not available.
    """
    backend, chosen = runtime.device_of(device)
    if chosen.startswith("cuda"):
        index = int(chosen.partition(":")[2])
        native = runtime.cuda_capability(backend, index) >= (8, 0)
        what = chosen
    elif backend == "jax":
        return "float32", "JAX is not known to compute bfloat16 natively on a processor"
    else:
        native = chosen == "cpu" and _processor_has_bfloat16()
        what = "the processor" if chosen == "cpu" else chosen
    if native:
        return "mixed_bfloat16", f"{what} computes bfloat16 natively"
    return "float32", f"{what} is not known to compute bfloat16 natively"


def _processor_has_bfloat16(info: Path = Path("/proc/cpuinfo")) -> bool:
    try:
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return False
    names = [line.partition(":") for line in lines]
    flags = next((v for k, _, v in names if k.strip() in ("flags", "Features")), "")
    return any(flag in flags.split() for flag in _FLAGS)
