"""Gradients of kernels are the library's, whichever convolution computes them."""

import pytest

torch = pytest.importorskip("torch")

from kerasnets.engines.torch_graph.convolution import kernel_gradient as own  # noqa: E402
from kerasnets.engines.torch_graph.convolution.library import Convolution  # noqa: E402
from kerasnets.engines.torch_graph.kept_gradients import KeptGradients  # noqa: E402

SAME = ((1, 1), (1, 1))  # stride, padding


@pytest.fixture(autouse=True)
def avx2(monkeypatch):
    """A processor with AVX2 only, on which the shapes below are large enough."""
    monkeypatch.setattr(own, "_LIBRARY_IS_SLOW", True)
    monkeypatch.setattr(own, "_IMAGES", 2)
    monkeypatch.setattr(own, "_CHANNELS", 1)
    monkeypatch.setattr(own, "_CHANNELS_PER_PIXEL", 1)


def maps(*shape: int) -> torch.Tensor:
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(4, 5), (5, 4), (2, 2), (1, 3)])
def test_a_layers_gradients(size, bias):
    torch.manual_seed(0)
    x, grad = maps(7, 4, *size), maps(7, 6, *size)
    kernel = torch.randn(6, 3, 3, 4).permute(1, 2, 3, 0)
    tensors = [x, kernel, torch.randn(6)] if bias else [x, kernel]
    theirs = [one.double().requires_grad_() for one in tensors]
    weight = theirs[1].permute(3, 2, 0, 1)
    torch.conv2d(theirs[0], weight, *theirs[2:], padding=1).backward(grad.double())
    ours = [one.detach().requires_grad_() for one in tensors]
    assert own.suits(ours[0], ours[1].permute(3, 2, 0, 1), *SAME)
    given = ours if bias else [*ours, None]
    Convolution.apply(*given, *SAME, None).backward(grad)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-4, atol=1e-4)


def test_of_a_kernel_alone_in_its_memory_order():
    torch.manual_seed(0)
    x = maps(7, 4, 4, 5)
    kernel = torch.randn(6, 3, 3, 4).permute(1, 2, 3, 0).requires_grad_()
    seen = []
    kept = KeptGradients()
    kept.use = seen.append
    keep = kept.keep(kernel, lambda whole: [whole])
    Convolution.apply(x, kernel, None, *SAME, keep).sum().backward()
    (found,) = seen
    assert found.parts[0].stride() == kernel.stride()
    out = torch.conv2d(x, kernel.permute(3, 2, 0, 1), None, 1, 1)
    expected = torch.autograd.grad(out.sum(), kernel)[0]
    torch.testing.assert_close(found.whole(), expected, rtol=1e-4, atol=1e-4)


def test_elsewhere_it_is_the_librarys(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(own, "_LIBRARY_IS_SLOW", True)
    x, weight = maps(64, 128, 8, 8), maps(256, 128, 3, 3)
    assert own.suits(x, weight, *SAME)
    assert not own.suits(x.double(), weight.double(), *SAME)
    assert not own.suits(x, weight, (2, 2), (1, 1))
    assert not own.suits(x, weight, (1, 1), (0, 0))
    assert not own.suits(x, maps(256, 128, 1, 1), *SAME)
    assert not own.suits(x[:2], weight, *SAME)
    assert not own.suits(x[:, :3], weight[:, :3], *SAME)
    assert not own.suits(maps(64, 128, 12, 12), weight, *SAME)
    monkeypatch.setattr(own, "_LIBRARY_IS_SLOW", False)
    assert not own.suits(x, weight, *SAME)
