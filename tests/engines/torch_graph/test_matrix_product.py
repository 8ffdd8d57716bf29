"""Matrix products are the same by either library."""

import pytest

torch = pytest.importorskip("torch")

from kerasnets.engines.torch_graph import matrix_product  # noqa: E402


@pytest.fixture(params=[True, False], ids=["onednn", "mkl"])
def library(request, monkeypatch):
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch is without oneDNN")
    monkeypatch.setattr(matrix_product, "_ONEDNN_IS_FASTER", request.param)


@pytest.mark.parametrize("shape", [(1, 5, 3), (9, 33, 17), (64, 20, 40)])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True)])
def test_products(library, shape, transposed, monkeypatch):
    monkeypatch.setattr(matrix_product, "_PART", 128)  # in parts, and the last shorter
    torch.manual_seed(0)
    rows, inner, columns = shape
    # Columns of a wider matrix, as a dense block has them.
    a = torch.randn(rows, inner + 2)[:, :inner]
    b = torch.randn(inner, columns)
    if transposed[0]:
        a = a.t().contiguous().t()
    if transposed[1]:
        b = b.t().contiguous().t()
    bias = torch.randn(columns)
    expected = (a.double() @ b.double()).float()
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(matrix_product.product(a, b), expected, **close)
    torch.testing.assert_close(
        matrix_product.biased_relu(a, matrix_product.packed(b), bias),
        (expected + bias).relu(),
        **close,
    )
    out = torch.full((rows, columns), 7.0)
    matrix_product.write_product(a, b, out)
    torch.testing.assert_close(out, expected, **close)
    halves = out.bfloat16()
    matrix_product.write_product(a, b, halves)
    torch.testing.assert_close(halves.float(), expected, rtol=0.02, atol=0.02)


def test_products_in_bfloat16():
    torch.manual_seed(0)
    a, b, bias = torch.randn(40, 24), torch.randn(24, 16), torch.randn(16)
    a, b, bias = (one.bfloat16() for one in (a, b, bias))
    expected = (a.double() @ b.double() + bias.double()).relu()
    found = matrix_product.biased_relu(a, matrix_product.packed(b), bias)
    assert found.dtype is torch.bfloat16
    torch.testing.assert_close(found.double(), expected, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("rows", [5, 40, 1024, 1030])
def test_outer_products(library, rows):
    torch.manual_seed(0)
    a, b = torch.randn(rows, 12), torch.randn(rows, 20)
    expected = (a.double().t() @ b.double()).float()
    found = matrix_product.outer_products(a, b)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
