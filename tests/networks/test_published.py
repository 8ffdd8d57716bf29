"""torchvision's files for ImageNet, fetched from a server on this machine."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kerasnets.catalog.networks import NETWORKS
from kerasnets.errors import WeightsError
from kerasnets.networks import published

CONTENT = bytes(range(256)) * 8000
NAME = f"resnet18-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


class Server(ThreadingHTTPServer):
    """Serves `content` as `NAME`.

    Attributes:
        cuts: bytes after which the connection is cut, one for each request to come.
        ranges: whether it sends the rest of a file.
        asked: the Range of every request.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.content, self.cuts, self.ranges, self.asked = CONTENT, [], True, []


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if self.path != f"/{NAME}":
            self.send_error(404)
            return
        first = 0
        if asked and server.ranges:
            first = int(asked.removeprefix("bytes=").rstrip("-"))
            if first >= len(server.content):
                self.send_error(416)
                return
        self.send_response(206 if first else 200)
        rest = server.content[first:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: server.cuts.pop(0)] if server.cuts else rest)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    made = Server()
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(published, "URL", f"http://127.0.0.1:{made.server_port}/")
    monkeypatch.setitem(published._FILES, "resnet18", (NAME,))
    monkeypatch.setenv("KERASNETS_CACHE", str(tmp_path / "cache"))
    yield made
    made.shutdown()
    made.server_close()


def fetch(said=None):
    said = [] if said is None else said
    file, sha256 = published.fetch("resnet18", True, said.append)
    assert sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    return file


def test_a_file_is_fetched_once(server, tmp_path):
    said = []
    file = fetch(said)
    assert file == tmp_path / "cache" / "weights" / NAME
    assert file.read_bytes() == CONTENT
    assert "2.0 MB" in said[0] and NAME in said[0]
    assert fetch() == file and len(server.asked) == 1
    assert sorted(one.suffix for one in file.parent.iterdir()) == [".lock", ".pth"]


def test_a_damaged_file_is_fetched_again(server):
    file = fetch()
    file.write_bytes(b"damaged")
    assert fetch().read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on(server, ranges):
    server.ranges = ranges
    server.cuts = [500_000] if not ranges else [500_000, 700_000]
    assert fetch().read_bytes() == CONTENT
    assert server.asked[:2] == [None, "bytes=500000-"]


def test_what_a_broken_command_left_is_continued(server):
    server.cuts = [600_000, 0]
    with pytest.raises(WeightsError, match="600 kB of it are kept") as error:
        fetch()
    assert "\n" not in str(error.value)
    assert fetch().read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=600000-"


@pytest.mark.parametrize("left", [CONTENT, CONTENT[:-1] + b"x", b"x" * 100])
def test_what_was_left_is_checked(server, tmp_path, left):
    file = tmp_path / "cache" / "weights" / NAME
    file.parent.mkdir(parents=True)
    file.with_suffix(".part").write_bytes(left)
    assert fetch().read_bytes() == CONTENT


def test_another_file_than_was_published_is_refused(server):
    server.content = b"another"
    with pytest.raises(WeightsError, match="not what torchvision published"):
        fetch()
    assert not list(published.user_cache().rglob("*.pth"))


def test_no_network_is_one_line(server, monkeypatch):
    monkeypatch.setattr(published, "URL", "http://127.0.0.1:9/")
    with pytest.raises(WeightsError, match=r"refused.*Without a network, put") as error:
        fetch()
    assert "\n" not in str(error.value)
    monkeypatch.setattr(published, "URL", f"http://127.0.0.1:{server.server_port}/no/")
    with pytest.raises(WeightsError, match="404 Not Found"):
        fetch()


def test_networks_without_published_weights_say_so():
    with pytest.raises(WeightsError, match="with batch norm only"):
        published.file_name("resnet18", False)
    assert published.file_name("vgg16", True) == "vgg16_bn-6c64b313.pth"


@pytest.mark.parametrize("name", NETWORKS)
def test_names_are_those_of_torchvision(name):
    models = pytest.importorskip("torchvision").models
    spec = NETWORKS[name]
    for batch_norm in {spec.batch_norm, True}:
        suffix = "_bn" if batch_norm and not spec.batch_norm else ""
        weights = models.get_model_weights(name + suffix)["IMAGENET1K_V1"]
        file = published.file_name(name, batch_norm)
        assert weights.url == published.URL + file
        preset = weights.transforms()
        assert tuple(preset.mean) == published.MEAN
        assert tuple(preset.std) == published.STD
