"""A confusion matrix survives its CSV file, whatever its classes are called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.errors import RunError
from kerasnets.evaluation.results import write_confusion
from kerasnets.runs.results import read_confusion

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=20
)


@given(names=st.lists(NAMES, min_size=2, max_size=5), seed=st.integers(0, 100))
def test_reads_what_was_written(names, seed, tmp_path_factory):
    path = tmp_path_factory.mktemp("confusion") / "confusion_matrix.csv"
    size = (len(names), len(names))
    counts = np.random.default_rng(seed).integers(0, 10**6, size)
    write_confusion(path, counts, names)
    read, read_names = read_confusion(path)
    assert (read == counts).all()
    assert read_names == tuple(names)


def test_rows_are_the_true_classes(tmp_path):
    path = tmp_path / "confusion_matrix.csv"
    write_confusion(path, np.array([[1, 2], [3, 4]]), ["cat", "a, b"])
    assert path.read_text() == 'label,cat,"a, b"\ncat,1,2\n"a, b",3,4\n'


@pytest.mark.parametrize(
    "text", ["", "label,a,b\na,1,2\n", "label,a\na,x\n", "label,a,b\na,1\nb,2\n"]
)
def test_refuses_what_is_no_matrix(tmp_path, text):
    path = tmp_path / "confusion_matrix.csv"
    path.write_text(text)
    with pytest.raises(
        RunError, match=r"\.csv (is not a confusion matrix|has a row of)"
    ):
        read_confusion(path)


def test_says_which_file_is_missing(tmp_path):
    with pytest.raises(RunError, match=r"no\.csv does not exist"):
        read_confusion(tmp_path / "no.csv")
