"""digests.json: the SHA-256 digest of every file in a folder.

digests.json has the digest of every file that `storage.files` writes into the folder or
its subfolders. A digest is recorded as pending before the file gets its name, and as
final afterwards: whenever a process dies, the file on disk has one of the two recorded
contents. run.log, which only grows, is excluded.
"""

import contextlib
import hashlib
import json
import logging
import os
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import filelock

from kerasnets.errors import RunError

_log = logging.getLogger(__name__)

NAME = "digests.json"
TEMPORARY = ".tmp-"  # prefix of incomplete files

_LOCK = ".digests.lock"
_UNRECORDED = {NAME, _LOCK, ".lock", ".lock.json", "run.log"}
_LEVELS = 2  # maximum number of levels from a file up to the folder of its manifest
_WAIT_S = 60  # maximum wait for another process to record a digest
_LARGEST = 16_000_000  # bytes of a manifest; that of a long run has some kilobytes
_READINGS = 5  # attempts to verify a folder that is being written to


@dataclass
class _Manifest:
    """Digests by POSIX path, relative to the folder.

    Attributes:
        files: digests of the files on disk, unless `pending` has the name too.
        pending: digests of files about to be renamed to this name; None for files about
            to be removed.
    """

    files: dict[str, str] = field(default_factory=dict)
    pending: dict[str, str | None] = field(default_factory=dict)

    def conclude(self, name: str) -> None:
        """Record that the pending change of a file is done."""
        expected = self.pending.pop(name)
        if expected is None:
            self.files.pop(name, None)
        else:
            self.files[name] = expected

    def accepts(self, name: str, found: str | None) -> bool:
        """Whether the file may have this digest (None: no file)."""
        return self.files.get(name) == found or (
            name in self.pending and self.pending[name] == found
        )

    def to_text(self) -> str:
        content = {"files": self.files, "pending": self.pending}
        own = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return json.dumps({**content, "sha256": own}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_text(cls, text: str) -> "_Manifest":
        """Parse the result of `to_text`; raise ValueError if it differs in any byte."""
        content = json.loads(text)
        made = cls(dict(content["files"]), dict(content["pending"]))
        if made.to_text() != text or not all(
            _is_inside(name) for name in (*made.files, *made.pending)
        ):
            raise ValueError("it is not what was written")
        return made


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renamings in a folder durable against a power cut."""
    with contextlib.suppress(OSError):  # folders cannot be opened on Windows
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def begin(folder: Path) -> None:
    """Create the manifest of a new folder, so that every file written later is
    recorded."""
    _write(folder, _Manifest())


def accepts(path: Path, found: str) -> bool:
    """Whether the digest `found` matches the record of `path`; True too if there is no
    record, or the record itself is damaged (see `verify`)."""
    folder = _recorded_in(path)
    if folder is None:
        return True
    try:
        manifest = _read(folder)
    except RunError:
        return True
    name = path.relative_to(folder).as_posix()
    recorded = name in manifest.files or name in manifest.pending
    return not recorded or manifest.accepts(name, found)


@contextlib.contextmanager
def replacing(path: Path, temporary: Path) -> Iterator[None]:
    """A context for renaming the complete file `temporary` to `path`."""
    with _changing(path) as change:
        if change:
            change.announce(digest(temporary))
        yield
        if change:
            change.conclude()


def remove(path: Path) -> None:
    """Delete a file, if it exists, and its digest."""
    with _changing(path) as change:
        if change:
            change.announce(None)
        path.unlink(missing_ok=True)
        if change:
            change.conclude()


@dataclass
class _Change:
    """The replacement or removal of a file, in a folder with a manifest."""

    folder: Path
    path: Path
    manifest: _Manifest

    @property
    def name(self) -> str:
        return self.path.relative_to(self.folder).as_posix()

    def announce(self, expected: str | None) -> None:
        if self.name in self.manifest.pending:
            # A process died during a change: find out which content it left.
            found = digest(self.path) if _is_file(self.path) else None
            if found == self.manifest.pending[self.name]:
                self.manifest.conclude(self.name)
        self.manifest.pending[self.name] = expected
        _write(self.folder, self.manifest)
        if self.path.parent != self.folder:  # else it is synced after the renaming
            sync_folder(self.folder)

    def conclude(self) -> None:
        self.manifest.conclude(self.name)
        _write(self.folder, self.manifest)


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[_Change | None]:
    folder = _recorded_in(path)
    if folder is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(filelock.FileLock(folder / _LOCK, timeout=_WAIT_S))
        except filelock.Timeout:
            raise RunError(
                f"{folder} is in use by another process, which has not released its "
                f"digests in {_WAIT_S} s."
            ) from None
        try:
            manifest = _read(folder)
        except RunError as error:
            _log.warning("%s The digests of this run start over.", error)
            manifest = _Manifest()
        yield _Change(folder, path, manifest)


def _recorded_in(path: Path) -> Path | None:
    if _is_unrecorded(path):
        return None
    parents = list(path.parents)[:_LEVELS]
    return next((folder for folder in parents if (folder / NAME).is_file()), None)


def _read(folder: Path) -> _Manifest:
    """The manifest of a folder.

    Raises:
        RunError: the manifest is damaged.
    """
    path = folder / NAME
    try:
        if not _is_file(path) or path.stat().st_size > _LARGEST:
            raise ValueError("it is not a file that was written here")
        return _Manifest.from_text(path.read_text(encoding="utf-8"))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise RunError(f"{path} is damaged.") from error


def _write(folder: Path, manifest: _Manifest) -> None:
    temporary = folder / f"{TEMPORARY}{uuid.uuid4().hex}-{NAME}"
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(manifest.to_text())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / NAME)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class Finding:
    """A file that differs from its record.

    Attributes:
        name: its path inside the folder.
        what: "damaged", "missing", "unknown" (not recorded) or "not a file" (a link, a
            pipe or a device).
    """

    name: str
    what: str


@dataclass(frozen=True)
class Verification:
    """Result of `verify`.

    Attributes:
        checked: number of files in the manifest.
        findings: files that differ from the manifest, by name.
    """

    checked: int
    findings: tuple[Finding, ...]


def verify(folder: Path | str) -> Verification | None:
    """Compare every file of a folder with its digest; None if it has no manifest.

    The folder may be written to at the same time.

    Raises:
        RunError: a file cannot be read.
    """
    folder = Path(folder)
    try:
        for _ in range(_READINGS):
            before = _version(folder)
            if before is None:
                return None
            found = _verify(folder)
            if not found.findings or before == _version(folder):
                break
    except OSError as error:
        raise RunError(f"{error.filename} cannot be read: {error.strerror}.") from error
    return found


def _version(folder: Path) -> tuple[int, int] | None:
    """A value that changes whenever the manifest does; None if there is none."""
    try:
        state = (folder / NAME).lstat()
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_mtime_ns


def _verify(folder: Path) -> Verification:
    try:
        manifest = _read(folder)
    except RunError:
        return Verification(0, (Finding(NAME, "damaged"),))
    names = {*manifest.files, *manifest.pending}
    present = {
        path.relative_to(folder).as_posix(): path
        for path in (Path(entry.path) for entry in contents(folder))
        if not (_is_file(path) and _is_unrecorded(path))
    }
    findings = [
        Finding(name, what)
        for name in sorted(names | present.keys())
        if (what := _finding(manifest, name, present.get(name)))
    ]
    return Verification(len(names), tuple(findings))


def _finding(manifest: _Manifest, name: str, path: Path | None) -> str:
    """What is wrong with one file, or ""."""
    if path is None:
        return "" if manifest.accepts(name, None) else "missing"
    if not _is_file(path):
        return "not a file"
    if name not in manifest.files and name not in manifest.pending:
        return "unknown"
    try:
        return "" if manifest.accepts(name, digest(path)) else "damaged"
    except FileNotFoundError:  # removed since it was listed
        return "missing"


def contents(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All entries in a folder and its subfolders except folders; links are not
    followed."""
    folders = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    yield entry


def _is_unrecorded(path: Path) -> bool:
    return path.name in _UNRECORDED or path.name.startswith(TEMPORARY)


def _is_file(path: Path) -> bool:
    """Whether `path` is a regular file, not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts
