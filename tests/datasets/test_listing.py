import subprocess
import sys

import made_dataset as made

from kerasnets import datasets
from kerasnets.catalog.datasets import DATASETS
from kerasnets.datasets import listing


def states(data) -> dict[str, listing.State]:
    return {state.name: state for state in listing.states(data)}


def write(data, **named):
    splits = {"train": made.examples(made.grey(6)), "test": made.examples(made.grey(4))}
    return made.write(data, splits, **named)


def test_nothing_is_prepared_in_a_folder_that_does_not_exist(tmp_path):
    found = states(tmp_path / "none")
    assert list(found) == list(DATASETS)
    assert found["digits"].state == "built in"
    assert {found[name].state for name in found if name != "digits"} == {"downloadable"}
    assert found["mnist"].download_mb == 12


def test_states_follow_what_is_on_disk(tmp_path):
    write(tmp_path, name="mnist")
    before = states(tmp_path)["mnist"]
    assert (before.state, before.download_mb) == ("prepared", 0)
    datasets.load("mnist", data_dir=tmp_path)
    assert states(tmp_path)["mnist"].state == "cached"


def test_other_prepared_datasets_are_listed(tmp_path):
    write(tmp_path)
    write(tmp_path, name="configured", config="small")
    (tmp_path / "broken" / "1.0.0").mkdir(parents=True)
    (tmp_path / "broken" / "1.0.0" / "dataset_info.json").write_text("{")
    others = [name for name in states(tmp_path) if name not in DATASETS]
    assert others == ["broken", "configured/small", "made"]
    found = states(tmp_path)["made"]
    assert (found.train, found.test, found.state) == (6, 4, "prepared")
    datasets.load("configured/small", data_dir=tmp_path)
    assert states(tmp_path)["configured/small"].state == "cached"


def test_listing_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from kerasnets.datasets import listing; listing.states()\n"
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"tensorflow_datasets", "keras", "numpy", "PIL", "sklearn"}
    assert not heavy & set(result.stdout.split())
