"""Which image files there are, and of which class: names alone are read."""

import json
import os
import re
from decimal import Decimal
from pathlib import Path

import pytest

from kerasnets.catalog.image_files import list_images
from kerasnets.catalog.places import as_place, folder_word, is_at_hand, located
from kerasnets.errors import DatasetError


def touch(top, *names):
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return top


def test_one_subfolder_a_class(tmp_path):
    touch(
        tmp_path,
        *("b/2.PNG", "b/deep/er/1.jpeg", "Ä & co/3.tiff", "a/4.webp"),
        *("b/notes.txt", "b/.5.png", ".git/6.png", "loose.png", "b/.cache/7.png"),
    )
    (tmp_path / "a" / "link.png").symlink_to(tmp_path / "b" / "2.PNG")
    (tmp_path / "b" / "loop").symlink_to(tmp_path / "b")
    found = list_images(tmp_path)
    assert found.class_names == ("a", "b", "Ä & co")
    assert dict(zip(found.names, found.labels, strict=True)) == {
        "b/deep/er/1.jpeg": 1,
        "b/2.PNG": 1,
        "Ä & co/3.tiff": 2,
        "a/4.webp": 0,
        "a/link.png": 0,
    }
    assert set(found.splits) == {"train"}
    assert found.ignored == 5


@pytest.mark.parametrize("validation", ["val", "Validation", None])
def test_folders_of_splits(tmp_path, validation):
    names = ["train/a/1.png", "train/b/1.png", "test/a/2.png", "test/b/2.png"]
    touch(tmp_path, *names, *([f"{validation}/a/3.png"] if validation else []))
    found = list_images(tmp_path)
    assert found.class_names == ("a", "b")
    assert [found.has(split) for split in ("train", "validation", "test")] == [
        True,
        validation is not None,
        True,
    ]


@pytest.mark.parametrize(
    "top",
    ["train/{0}", "valid/{0}", "masks", "__MACOSX/train/{0}", ".cache", "train/@eaDir"],
)
def test_only_the_folders_of_splits_count_beside_them(tmp_path, top):
    """A foreign folder's files are ignored, and counted."""
    of_splits = [
        f"{split}/{name}/1.png" for split in ("train", "VALID") for name in "ab"
    ]
    touch(tmp_path, *of_splits)
    assert list_images(tmp_path).ignored == 0
    extra = f"{top.format('a').replace('valid', 'VALID')}/2.png"
    touch(tmp_path, extra)
    found = list_images(tmp_path)
    own = extra.startswith(("train/a", "VALID/a"))
    assert found.class_names == ("a", "b")
    assert set(found.splits) == {"train", "validation"}
    assert (len(found.paths), found.ignored) == (4 + own, 1 - own)


@pytest.mark.parametrize("names", [("train", "test", "valid"), ("Training", "Testing")])
def test_common_names_of_splits(tmp_path, names):
    touch(tmp_path, *(f"{top}/{label}/1.png" for top in names for label in "ab"))
    found = list_images(tmp_path)
    assert found.class_names == ("a", "b")
    assert (len(found.paths), found.ignored) == (2 * len(names), 0)
    assert len(set(found.splits)) == len(names)


@pytest.mark.parametrize("folder", ["__MACOSX", "@eaDir", "a/@eaDir"])
def test_folders_that_systems_add_are_no_classes(tmp_path, folder):
    touch(tmp_path, "a/1.png", "b/1.png", f"{folder}/x/1.png")
    found = list_images(tmp_path)
    assert (found.class_names, len(found.paths)) == (("a", "b"), 2)
    assert found.ignored == 1


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["train/a/1.png", "train/b/1.png", "masks/0.png"], "in train beside masks"),
        (["test/a/1.png", "val/a/1.png"], "in test, val, which .* folder 'train'"),
    ],
)
def test_folders_that_are_splits_or_classes_are_refused(tmp_path, names, says):
    touch(tmp_path, *names)
    with pytest.raises(DatasetError, match=says) as caught:
        list_images(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_classes_may_be_called_as_splits_without_train(tmp_path):
    touch(tmp_path, "valid/1.png", "invalid/1.png", "test/1.png")
    assert list_images(tmp_path).class_names == ("invalid", "test", "valid")


@pytest.mark.parametrize("failing", ["iterdir", "stat"])
def test_a_folder_that_cannot_be_read_gets_one_line(tmp_path, monkeypatch, failing):
    touch(tmp_path, "a/1.png", "b/1.png")
    real = getattr(Path, failing)

    def refused(self, **named):
        if self == tmp_path / "a" or failing == "iterdir":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, **named)

    monkeypatch.setattr(Path, failing, refused)
    with pytest.raises(DatasetError, match="cannot be read: Permission denied"):
        list_images(tmp_path)


def test_a_name_that_is_too_long_gets_one_line(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read: File name too long"):
        list_images(tmp_path / ("x" * 300))
    touch(tmp_path, "a.png")
    (tmp_path / "m.csv").write_text(f"path,label\na.png,x\n{'x' * 300}.png,y\n")
    says = r"m\.csv: row 2 names a file that cannot be read: File name too long"
    with pytest.raises(DatasetError, match=says):
        list_images(tmp_path / "m.csv")


def test_train_and_val_alone_are_splits_not_classes(tmp_path):
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/2.png")
    found = list_images(tmp_path)
    assert (found.class_names, found.has("test")) == (("a", "b"), False)


def test_a_class_may_be_called_as_a_split(tmp_path):
    touch(tmp_path, "train/1.png", "bus/1.png")
    assert list_images(tmp_path).class_names == ("bus", "train")


def test_numbered_files_keep_their_order_across_classes(tmp_path):
    touch(tmp_path, "b/0.png", "a/1.png", "b/2.png")
    (tmp_path / "m.csv").write_text("path,label\nb/2.png,b\na/1.png,a\nb/0.png,b\n")
    folder, manifest = list_images(tmp_path), list_images(tmp_path / "m.csv")
    assert folder.labels == manifest.labels == (1, 0, 1)
    assert folder.names == manifest.names == ("b/0.png", "a/1.png", "b/2.png")


ROWS = [
    {"path": "one, two.png", "label": "käse", "split": "train"},
    {"path": 'in "quotes"\n.jpg', "label": "brot", "split": "train"},
    {"path": "t.xyz", "label": "käse", "split": "test"},
    {"path": "sub/t.png", "label": "brot", "split": "test"},
    {"path": "sub/v.png", "label": "brot", "split": "val"},
]


def written(top, ending, rows):
    import csv

    path = top / f"list{ending}"
    if ending == ".jsonl":
        path.write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    elif ending == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        pyarrow = pytest.importorskip("pyarrow")
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(
                file, list(rows[0]), delimiter="\t" if ending == ".tsv" else ","
            )
            table.writeheader()
            table.writerows(rows)
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_manifests(tmp_path, ending):
    touch(tmp_path, *(row["path"] for row in ROWS))
    found = list_images(written(tmp_path, ending, ROWS))
    assert found.class_names == ("brot", "käse")
    told = zip(found.names, found.labels, found.splits, strict=True)
    assert sorted(told) == sorted(
        (row["path"], int(row["label"] == "käse"), {"val": "validation"}.get(s, s))
        for row in ROWS
        for s in [row["split"]]
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no rows"),
        ("path,label\n", "has no rows"),
        ("file,label\na.png,x\n", "lacks the column 'path'; it has file, label"),
        ("path,class\na.png,x\n", "lacks the column 'label'"),
        ("path,label\na.png,\n", "row 1 lacks a path or a label"),
        ("path,label\na.png,x\n", "has a single class, x"),
        ("path,label\na.png,x\ngone.png,y\nlost.png,y\n", "2 files that are not there"),
        ("path,label\na.png,x\na.png,y\n", "gives a.png twice: as x (train) and as y"),
        ("path,label,split\na.png,x,dev\n", "unknown split 'dev'"),
        (
            "path,label,split\na.png,x,train\nb.png,y,train\nc.png,x,test\n",
            "no test images of y",
        ),
        ('path,label\n"a.png,x\n', "is damaged"),
        ("path,label\na.png,x, L.\nb.png,y\n", "row 1 has more values than columns"),
        ("path,label,label\na.png,x,y\n", "has the column 'label' twice"),
    ],
)
def test_manifests_that_do_not_work_get_one_line(tmp_path, text, says):
    touch(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DatasetError, match=re.escape(says)) as caught:
        list_images(tmp_path / "m.csv")
    assert len(str(caught.value).splitlines()) == 1


def test_empty_values_after_the_last_column_are_ignored(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    (tmp_path / "m.csv").write_text("path,label\na.png,x,\nb.png,y,,\n")
    assert list_images(tmp_path / "m.csv").class_names == ("x", "y")


def test_a_parquet_column_that_occurs_twice_gets_one_line(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = [pyarrow.array(["a.png"]), pyarrow.array(["x"]), pyarrow.array(["y"])]
    table = pyarrow.table(columns, names=["path", "label", "label"])
    parquet.write_table(table, tmp_path / "m.parquet")
    with pytest.raises(DatasetError, match="has the column 'label' twice"):
        list_images(tmp_path / "m.parquet")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"split": ["test"]}, "row 2 has a split of type list"),
        ({"split": {}}, "row 2 has a split of type dict"),
        ({"label": ["y"]}, "row 2 has a label of type list"),
        ({"path": {"a": 1}}, "row 2 has a path of type dict"),
        ({"label": "\ud800"}, r"row 2 has a label that is not valid Unicode: '\ud800'"),
        ({"path": "\ud800.png"}, "row 2 has a path that is not valid Unicode"),
    ],
)
def test_values_of_other_types_are_refused_with_their_row(tmp_path, wrong, says):
    touch(tmp_path, "a.png", "b.png")
    rows = [{"path": "a.png", "label": "x"}, {"path": "b.png", "label": "y", **wrong}]
    with pytest.raises(DatasetError, match=re.escape(says)) as caught:
        list_images(written(tmp_path, ".jsonl", rows))
    assert len(str(caught.value).splitlines()) == 1


def test_types_of_parquet(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    rows = [
        {"path": "a.png", "label": Decimal("1.5"), "split": None},
        {"path": "b.png", "label": Decimal("2.5"), "split": None},
    ]
    found = list_images(written(tmp_path, ".parquet", rows))
    assert (found.class_names, set(found.splits)) == (("1.5", "2.5"), {"train"})
    rows = [{**row, "split": b"test"} for row in rows]
    with pytest.raises(DatasetError, match="row 1 has a split of type bytes"):
        list_images(written(tmp_path, ".parquet", rows))


def test_a_manifest_may_name_files_with_invalid_bytes(tmp_path):
    names = ["a.png", os.fsdecode(b"\xff.png")]
    touch(tmp_path, *names)
    rows = [{"path": name, "label": name} for name in names]
    found = list_images(written(tmp_path, ".jsonl", rows))
    assert found.class_names == found.names == tuple(names)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "no subfolders with images"),
        (["1.png", "2.png"], "no subfolders with images"),
        (["a/1.png"], "single class, a"),
        (["a/1.png", "b/1.txt"], "no train images of b"),
        (
            ["train/a/1.png", "train/b/1.png", "test/a/2.png"],
            "no test images of b",
        ),
        (["train/a/1.png", "test/a/1.png", "test/b/1.png"], "no train images of b"),
        (["train/a/1.png", "val/a/1.png", "validation/a/1.png"], "two folders of"),
    ],
)
def test_folders_that_do_not_work_get_one_line(tmp_path, names, says):
    touch(tmp_path, *names)
    with pytest.raises(DatasetError, match=says) as caught:
        list_images(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_not_there_or_no_folder(tmp_path):
    touch(tmp_path, "a.txt")
    with pytest.raises(DatasetError, match="is not there"):
        list_images(tmp_path / "b")
    with pytest.raises(DatasetError, match="is not a folder of images"):
        list_images(tmp_path / "a.txt")


def test_paths_are_places_and_names_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(touch(tmp_path, "mnist/a/1.png", "photos/a/1.png"))
    assert as_place("mnist") == "mnist"
    assert as_place("./mnist") == str(tmp_path / "mnist")
    assert as_place("photos") == as_place("photos/") == str(tmp_path / "photos")
    assert as_place("gone.csv") == str(tmp_path / "gone.csv")
    assert as_place("cifar10:3.0.2") == "cifar10:3.0.2"
    assert as_place("eurosat/rgb") == "eurosat/rgb"


def test_moved_images_are_found(tmp_path):
    old, new = str(tmp_path / "old" / "photos"), tmp_path / "new"
    touch(new, "photos/a/1.png")
    assert located(old, None) == tmp_path / "old" / "photos"
    assert located(old, new) == located(old, new / "photos") == new / "photos"
    assert is_at_hand(old, new) and not is_at_hand(old, None)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/data/My photos & more", "My-photos-more"),
        ("/data/list.v2.csv", "list.v2"),
        ("/data/été", "été"),
        ("/", "images"),
        ("name/config", "name-config"),
        ("name:1.0.0", "name-1.0.0"),
    ],
)
def test_a_place_gives_a_run_folder_its_name(path, word):
    assert folder_word(path) == word
    assert os.sep not in folder_word(path)
