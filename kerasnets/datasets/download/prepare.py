"""First-time preparation: download, verify, and write a TFDS folder."""

import contextlib
import io
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.locations import data_folder, prepared_folder, prepared_names
from kerasnets.datasets.download.package import tfds
from kerasnets.errors import DatasetError, first_line, raise_unless_data, unknown
from kerasnets.storage.folders import why_not_writable

if TYPE_CHECKING:
    from kerasnets.datasets.download.builders import Mirror

_TIMEOUT_S = (4, 10)  # to connect to one address, and between two packets


def prepare(
    name: str, *, data_dir: Path | str | None = None, mirror: "Mirror | None" = None
) -> Path:
    """Prepare a dataset if necessary, and return its version folder.

    Archives that an earlier attempt completed are not downloaded again; its unfinished
    files are removed. Two processes that prepare the same dataset take turns.

    Args:
        name: one of those listed by `kerasnets datasets`, or any TFDS dataset if
            TensorFlow is installed.
        data_dir: folder of prepared datasets; TFDS_DATA_DIR unless given.
        mirror: location of the archives; the publisher's unless given.

    Raises:
        DatasetError: the name is unknown, or downloading, verifying or writing failed.
    """
    data = data_folder(data_dir)
    if name == "digits":
        raise DatasetError("digits comes with scikit-learn and needs no preparation.")
    ready = prepared_folder(name, data)
    if ready:
        return ready
    if name not in DATASETS and find_spec("tensorflow") is None:
        raise DatasetError(
            _unknown(name, data)
            + f" Any image-classification dataset that TFDS has prepared in {data} "
            "works too; without TensorFlow, only the named ones can be downloaded."
        )
    obstacle = why_not_writable(data)
    if obstacle:
        raise DatasetError(
            f"{name} is not prepared in {data}, which cannot be written ({obstacle}); "
            "name another folder with TFDS_DATA_DIR."
        )
    builder, source = _builder(name, data, mirror)
    with _turn(name, data):
        ready = prepared_folder(name, data)
        if ready:
            return ready
        _remove_unfinished(data, builder)
        _download_and_prepare(name, data, builder, source)
    ready = prepared_folder(name, data)
    if ready is None:
        raise DatasetError(f"preparing {name} left nothing in {data}.")
    return ready


def _unknown(name: str, data: Path) -> str:
    others = [other for other in prepared_names(data) if other not in DATASETS]
    return unknown("dataset", name, [*DATASETS, *others])


@contextlib.contextmanager
def _turn(name: str, data: Path) -> Iterator[None]:
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(data / f".{name.replace('/', '-')}.lock")
        lock.acquire()
    except OSError as error:
        raise DatasetError(
            f"{name} is not prepared in {data}, which cannot be written "
            f"({error.strerror}); name another folder with TFDS_DATA_DIR."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _remove_unfinished(data: Path, builder: Any) -> None:
    for folder, pattern in (
        (Path(builder.data_dir).parent, "incomplete.*"),
        (_extracted(data, builder), "incomplete.*"),
        (data / "downloads" / builder.name, "**/*.tmp.*"),
    ):
        for left in list(folder.glob(pattern)):
            shutil.rmtree(left, ignore_errors=True)


def _extracted(data: Path, builder: Any) -> Path:
    """The folder of a dataset's extracted archives. TFDS's default is one for all, in
    which another process may be extracting another dataset's."""
    return data / "downloads" / "extracted" / builder.name


def _builder(name: str, data: Path, mirror: "Mirror | None") -> tuple[Any, str]:
    """The TFDS builder, and the source of its download. Writes nothing."""
    package = tfds()
    from kerasnets.datasets.download import builders

    if name in builders.NAMES:
        builder = builders.builder(name, data, mirror)
        urls = builders.urls(builder)
        for url in urls:
            _check_reachable(url, name)
        return builder, urls[0].rpartition("/")[0]
    try:
        builder = package.builder(name, data_dir=data, file_format="array_record")
    except Exception as error:  # TFDS raises many kinds
        raise_unless_data(error)
        raise DatasetError(
            f"{_unknown(name, data)} TFDS cannot make it: {_reason(error)}."
        ) from error
    if builder.builder_config and "/" not in name:
        # A builder of a dataset on disk has the configuration that is there.
        configs = list(builder.builder_configs) or [builder.builder_config.name]
        plain = name.partition(":")[0]  # the version comes last
        raise DatasetError(
            unknown("dataset", name, [f"{plain}/{config}" for config in configs])
        )
    return builder, "its publisher"


def _download_and_prepare(name: str, data: Path, builder: Any, source: str) -> None:
    from kerasnets.datasets.download import builders

    ours = name in builders.NAMES
    try:
        text = f"downloading {name} from {source} and preparing it in {data}"
        with _quiet(text), _downloads():
            builder.download_and_prepare(
                download_config=tfds().download.DownloadConfig(
                    # The checksums are not those of prepared copies on GCS.
                    try_download_gcs=not ours,
                    extract_dir=_extracted(data, builder),
                    force_checksums_validation=ours,
                )
            )
    except Exception as error:  # TFDS, requests and the archives raise many kinds
        raise_unless_data(error)
        raise DatasetError(
            f"preparing {name} from {source} failed: {_reason(error)}. Nothing "
            f"unfinished was kept; 'kerasnets prepare {name}' tries again."
        ) from error
    finally:
        _remove_unfinished(data, builder)  # also when it is interrupted


@contextlib.contextmanager
def _quiet(text: str) -> Iterator[None]:
    """Print one line on standard error, followed by TFDS's progress bars on a terminal;
    suppress TFDS's standard output."""
    print(text, file=sys.stderr, flush=True)
    tfds().display_progress_bar(sys.stderr.isatty())
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds().enable_progress_bar()


@contextlib.contextmanager
def _downloads() -> Iterator[None]:
    """Download files in the block one after another, with a timeout, and no longer than
    the block lasts.

    TFDS downloads in parallel threads, waits forever for a server that has stopped
    sending, and has no setting for either. After an error or Ctrl-C, its threads would
    continue, leave files behind, and delay the end of the process.
    """
    import tree
    from requests import ConnectionError, Response
    from requests.adapters import HTTPAdapter

    send, manager = HTTPAdapter.send, tfds().download.DownloadManager
    download, extract = manager.download, manager.download_and_extract
    ended, responses = threading.Event(), list[Response]()

    def send_in_time(adapter: HTTPAdapter, *arguments: Any, **named: Any) -> Response:
        named["timeout"] = named.get("timeout") or _TIMEOUT_S
        response = send(adapter, *arguments, **named)
        content = response.iter_content

        def until_ended(*arguments: Any, **named: Any) -> Iterator[bytes]:
            for block in chain(content(*arguments, **named), [b""]):
                if ended.is_set():
                    raise ConnectionError("given up")
                yield block

        response.iter_content = until_ended  # type: ignore[method-assign]
        responses.append(response)
        return response

    def in_turn(method: Callable) -> Callable:
        return lambda self, url_or_urls: tree.map_structure(
            partial(method, self), url_or_urls
        )

    HTTPAdapter.send = send_in_time  # type: ignore[method-assign,assignment]
    manager.download, manager.download_and_extract = map(in_turn, (download, extract))
    try:
        yield
    finally:
        manager.download, manager.download_and_extract = download, extract
        HTTPAdapter.send = send  # type: ignore[method-assign]
        ended.set()
        for response in responses:
            with contextlib.suppress(Exception):  # older urllib3, or it has been read
                response.raw.shutdown()  # ends a wait for the server


def _check_reachable(url: str, name: str) -> None:
    """Try the URL once; without a network, TFDS itself would retry for minutes."""
    import requests

    advice = (
        f"run 'kerasnets prepare {name}' where there is a network, or name a folder "
        "that has it prepared with TFDS_DATA_DIR"
    )
    try:
        with requests.get(url, stream=True, timeout=_TIMEOUT_S) as response:
            if response.status_code != 200:
                raise DatasetError(
                    f"{name} is not prepared, and {url} answered "
                    f"{response.status_code}; {advice}."
                )
    except requests.RequestException as error:
        raise DatasetError(
            f"{name} is not prepared, and {url} cannot be reached; {advice}."
        ) from error


def _reason(error: Exception) -> str:
    import requests
    from tensorflow_datasets.core.download.download_manager import (
        NonMatchingChecksumError,
    )

    if isinstance(error, requests.RequestException):
        stalled = "timed out" in str(error)
        return "the server stopped sending" if stalled else "the connection broke off"
    if isinstance(error, NonMatchingChecksumError):
        # "Artifact URL, downloaded to PATH, has wrong checksum:" and details.
        return first_line(error).partition(", downloaded to ")[0] + (
            " has a wrong checksum"
        )
    return first_line(error)
