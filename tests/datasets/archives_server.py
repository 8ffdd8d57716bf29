"""Small archives in the published formats, and a server on this machine for them."""

import contextlib
import gzip
import hashlib
import io
import struct
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from kerasnets.datasets.download.builders import Mirror

TRAIN, TEST = 30, 20
CIFAR10_NAMES = [f"kind {k}" for k in range(10)]
COARSE_NAMES = [f"group {k}" for k in range(20)]
FINE_NAMES = [f"sort {k}" for k in range(100)]


def pixels(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, count])
    return rng.integers(0, 256, (count, *shape), dtype=np.uint8)


def labels(count: int, classes: int) -> np.ndarray:
    return (np.arange(count) * 7 % classes).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def mnist_archives() -> dict[str, bytes]:
    return {
        "train-images-idx3-ubyte.gz": idx(pixels(TRAIN, 28, 28)),
        "train-labels-idx1-ubyte.gz": idx(labels(TRAIN, 10)),
        "t10k-images-idx3-ubyte.gz": idx(pixels(TEST, 28, 28)),
        "t10k-labels-idx1-ubyte.gz": idx(labels(TEST, 10)),
    }


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def records(images: np.ndarray, *columns: np.ndarray) -> bytes:
    """Labels first, then the red, green and blue planes."""
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([*(c[:, None] for c in columns), planes], axis=1).tobytes()


def lines(names: list[str]) -> bytes:
    return ("\n".join(names) + "\n\n").encode()


def cifar10_archives() -> dict[str, bytes]:
    images, classes = pixels(TRAIN, 32, 32, 3), labels(TRAIN, 10)
    folder = "cifar-10-batches-bin"
    members = {
        f"{folder}/data_batch_{n + 1}.bin": records(images[rows], classes[rows])
        for n, rows in enumerate(np.split(np.arange(TRAIN), 5))
    }
    members[f"{folder}/test_batch.bin"] = records(
        pixels(TEST, 32, 32, 3), labels(TEST, 10)
    )
    members[f"{folder}/batches.meta.txt"] = lines(CIFAR10_NAMES)
    return {"cifar-10-binary.tar.gz": tar(members)}


def cifar100_archives() -> dict[str, bytes]:
    folder = "cifar-100-binary"
    members = {
        f"{folder}/{file}.bin": records(
            pixels(count, 32, 32, 3), labels(count, 20), labels(count, 100)
        )
        for file, count in (("train", TRAIN), ("test", TEST))
    }
    members[f"{folder}/coarse_label_names.txt"] = lines(COARSE_NAMES)
    members[f"{folder}/fine_label_names.txt"] = lines(FINE_NAMES)
    return {"cifar-100-binary.tar.gz": tar(members)}


class Server:
    """Serves `files`; `requests` counts what was asked for.

    Attributes:
        stop_after: if not None, the connection is cut after so many bytes of a body.
        stalls: whether it is kept open then, without another byte.
        status: what every request is answered with.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.requests: list[str] = []
        self.stop_after: int | None = None
        self.stalls = False
        self.status = 200
        self._closed = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *values: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/"
        threading.Thread(
            target=self._http.serve_forever, args=(0.01,), daemon=True
        ).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.lstrip("/")
        self.requests.append(name)
        data = self.files.get(name)
        if data is None or self.status != 200:
            request.send_error(404 if data is None else self.status)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        with contextlib.suppress(OSError):  # a client that only looks hangs up
            request.wfile.write(data[: self.stop_after])
            if self.stalls:
                request.wfile.flush()
                self._closed.wait(600)
        request.close_connection = True

    def mirror(self, **wrong: bytes) -> Mirror:
        """Checksums of what is served, but for the files named in `wrong`."""
        promised = {**self.files, **wrong}
        return Mirror(
            self.url,
            {
                name: (len(data), hashlib.sha256(data).hexdigest())
                for name, data in promised.items()
            },
        )

    def close(self) -> None:
        self._closed.set()
        self._http.shutdown()
        self._http.server_close()
