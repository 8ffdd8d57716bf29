"""Datasets of other people's TFDS builders: a download that fails or is interrupted
leaves nothing behind and ends at once."""

import io
import os
import signal
import sys
import threading
import time

import archives_server as published
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from kerasnets.datasets.download.prepare import prepare
from kerasnets.errors import DatasetError

FILES = {f"{name}.bin": bytes(1000) for name in "abcd"}
module = sys.modules[prepare.__module__]


class SeveralArchives(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    url = ""

    def _info(self):
        image = tfds.features.Image(shape=(8, 8, 1))
        label = tfds.features.ClassLabel(names=["one", "two"])
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({"image": image, "label": label}),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        dl_manager.download({name: self.url + name for name in FILES})
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        png = io.BytesIO()
        Image.new("L", (8, 8)).save(png, "PNG")
        yield 0, {"image": png.getvalue(), "label": 0}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: True)
    monkeypatch.setattr(tfds.core.utils.gcs_utils, "_is_gcs_disabled", True)
    server = published.Server(FILES)
    monkeypatch.setattr(SeveralArchives, "url", server.url)
    yield server
    server.close()


def unfinished(data):
    left = [path.name for path in data.rglob("*")]
    return [name for name in left if "incomplete" in name or ".tmp." in name]


def is_downloading():
    for frame in sys._current_frames().values():
        while frame:
            if frame.f_code.co_name == "_sync_download":
                return True
            frame = frame.f_back
    return False


def test_after_one_that_fails_no_other_is_begun(server, tmp_path):
    server.files = {name: FILES[name] for name in ("a.bin", "c.bin", "d.bin")}
    with pytest.raises(DatasetError, match="404") as raised:
        prepare("several_archives", data_dir=tmp_path)
    assert "\n" not in str(raised.value)
    assert unfinished(tmp_path) == []
    time.sleep(0.2)  # for those that would be under way
    assert server.requests == ["a.bin", "b.bin"]
    server.files = FILES
    server.requests.clear()
    prepare("several_archives", data_dir=tmp_path)
    assert server.requests == ["b.bin", "c.bin", "d.bin"]
    assert unfinished(tmp_path) == []


def test_ctrl_c_ends_a_download_at_once(server, tmp_path):
    server.stop_after, server.stalls = 100, True

    def interrupt():
        while not server.requests:
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        prepare("several_archives", data_dir=tmp_path)
    # A download is a thread for which the process would wait.
    while is_downloading() and time.monotonic() - began < 60:
        time.sleep(0.05)
    assert time.monotonic() - began < 60
    assert unfinished(tmp_path) == []
