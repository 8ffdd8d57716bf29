"""torchvision's ImageNet weights, downloaded once into the user's cache.

The files are torchvision's IMAGENET1K_V1, whose names contain the beginning of their
SHA-256.
"""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import filelock

from kerasnets.catalog.networks import NETWORKS
from kerasnets.errors import WeightsError, option
from kerasnets.storage.digests import digest
from kerasnets.storage.folders import user_cache, why_not_writable
from kerasnets.text import file_size

URL = "https://download.pytorch.org/models/"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in [0, 1]

# By network; for VGG, without and with batch norm.
_FILES = {
    "vgg11": ("vgg11-8a719046.pth", "vgg11_bn-6002323d.pth"),
    "vgg13": ("vgg13-19584684.pth", "vgg13_bn-abd245e5.pth"),
    "vgg16": ("vgg16-397923af.pth", "vgg16_bn-6c64b313.pth"),
    "vgg19": ("vgg19-dcbb9e9d.pth", "vgg19_bn-c79401a0.pth"),
    "resnet18": ("resnet18-f37072fd.pth",),
    "resnet34": ("resnet34-b627a593.pth",),
    "resnet50": ("resnet50-0676ba61.pth",),
    "resnet101": ("resnet101-63fe2227.pth",),
    "resnet152": ("resnet152-394f9c45.pth",),
    "densenet121": ("densenet121-a639ec97.pth",),
    "densenet161": ("densenet161-8d451a50.pth",),
    "densenet169": ("densenet169-b2777c0a.pth",),
    "densenet201": ("densenet201-c1103571.pth",),
}
_TIMEOUT_S = 30  # without receiving a byte
_CHUNK = 1 << 20
_TRIES = 5  # as long as each attempt makes progress


def file_name(network: str, batch_norm: bool) -> str:
    """The name of torchvision's weights file for a network.

    Raises:
        WeightsError: torchvision has none for the network without batch norm.
    """
    if NETWORKS[network].batch_norm and not batch_norm:
        raise WeightsError(
            f"torchvision has {network} with batch norm only; leave out "
            f"{option('batch_norm', False)}."
        )
    return _FILES[network][-1 if batch_norm else 0]


def fetch(
    network: str, batch_norm: bool, say: Callable[[str], None] = lambda line: None
) -> tuple[Path, str]:
    """The file with torchvision's weights of a network, cached or downloaded, and its
    SHA-256. An interrupted download is continued.

    Args:
        say: receives a line before a download.

    Raises:
        WeightsError: torchvision has no such weights, the file cannot be downloaded or
            written, or its SHA-256 is wrong.
    """
    name = file_name(network, batch_norm)
    cache = user_cache()
    if cache is None:
        raise WeightsError(
            "there is no home folder to keep weights in; name a folder with "
            "KERASNETS_CACHE."
        )
    file = cache / "weights" / name
    if file.is_file() and (sha256 := _published_sha256(file, name)):
        return file, sha256
    obstacle = why_not_writable(file.parent)
    if obstacle:
        raise WeightsError(f"{obstacle}; name another folder with KERASNETS_CACHE.")
    file.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(file.with_suffix(".lock")):
        if file.is_file() and (sha256 := _published_sha256(file, name)):
            return file, sha256
        return file, _download(name, file, say)


def _published_sha256(file: Path, name: str) -> str | None:
    """A file's SHA-256, if it begins as `name` says."""
    sha256 = digest(file)
    matches = sha256.startswith(name.partition(".")[0].rpartition("-")[2])
    return sha256 if matches else None


def _download(name: str, file: Path, say: Callable[[str], None]) -> str:
    part = file.with_suffix(".part")
    for _ in range(_TRIES):
        before = part.stat().st_size if part.exists() else 0
        why = _more(name, part, say)
        if why is None:
            if sha256 := _published_sha256(part, name):
                part.replace(file)
                return sha256
            part.unlink()
            if before:
                continue  # the earlier part may have been of another file
            raise WeightsError(
                f"what {URL}{name} sends is not what torchvision published: its "
                "SHA-256 is another."
            )
        if not part.exists() or part.stat().st_size <= before:
            break
    kept = f"; {file_size(part.stat().st_size)} of it are kept" if part.exists() else ""
    raise WeightsError(
        f"{URL}{name} cannot be fetched: {why}{kept}. Without a network, put the file "
        f"into {file.parent} or name it with {option('weights')}."
    )


def _more(name: str, part: Path, say: Callable[[str], None]) -> str | None:
    """Download the missing part of a file; return the reason of a failure, or None."""
    request = urllib.request.Request(URL + name)
    have = part.stat().st_size if part.exists() else 0
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            left = int(answer.headers.get("Content-Length") or 0)
            goes_on = answer.status == http.client.PARTIAL_CONTENT
            have = have if goes_on else 0
            say(
                f"fetching {URL}{name} ({file_size(have + left)}"
                + (f", of which {file_size(have)} are here)" if have else ")")
            )
            with part.open("ab" if goes_on else "wb") as opened:
                got = _copy(answer, opened)
            return None if got >= left else "the connection broke off"
    except urllib.error.HTTPError as error:
        if have and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return None  # the file is complete, or another one; the caller checks
        return f"{error.code} {error.reason}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)  # of urllib's own errors
        return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _copy(source: http.client.HTTPResponse, target: BinaryIO) -> int:
    """Copy everything; return the number of bytes."""
    count = 0
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        count += len(chunk)
    return count
