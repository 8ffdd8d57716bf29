"""--precision auto is what the device computes natively."""

import pytest

from kerasnets.compute import native_precision, runtime


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("processor\t: 0\nflags\t\t: fpu sse avx512_bf16 vaes\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("flags\t\t: fpu sse avx512f\n", False),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("Features\t: fp asimd\n", False),
    ],
)
def test_a_processor_says_what_it_computes(tmp_path, text, native):
    info = tmp_path / "cpuinfo"
    info.write_text(text)
    assert native_precision._processor_has_bfloat16(info) == native
    assert not native_precision._processor_has_bfloat16(tmp_path / "absent")


@pytest.mark.parametrize(
    ("backend", "capability", "expected"),
    [
        ("torch", (8, 0), "mixed_bfloat16"),
        ("jax", (9, 0), "mixed_bfloat16"),
        ("torch", (7, 5), "float32"),
    ],
)
def test_a_gpu_has_a_capability(monkeypatch, backend, capability, expected):
    monkeypatch.setattr(runtime, "device_of", lambda device: (backend, "cuda:0"))
    monkeypatch.setattr(runtime, "cuda_capability", lambda name, index: capability)
    precision, why = native_precision.automatic("auto")
    assert precision == expected and "cuda:0" in why
