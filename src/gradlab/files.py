"""Files written so that they are either whole or not there, their digests, and where the project's own lie."""

import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]  # the folder of the Snakefile
LEFTOVER = 24 * 3600.0  # seconds after which nobody writes a temporary file any more
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NOT_OFFERED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def find_own(path: str | Path) -> str:
    """Return where a file of the project lies: in the working directory or, where it is not there, in the project's folder.

    Parameters
    ----------
    path
        Relative to either.

    Returns
    -------
    str
        Relative to the working directory; `path` itself where it is in neither.
    """
    beside = PROJECT / path
    return os.path.relpath(beside) if beside.exists() and not os.path.exists(path) else str(path)


@contextmanager
def atomic_path(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends well, and vanishes when it does not.

    Parameters
    ----------
    path
        What is written, whole or not at all; its folder is made where there is none.
    durable
        Whether what becomes `path` is on the disk by then, and its name too: a loss of power leaves all of it, or
        nothing. Without, a kill leaves all or nothing, a loss of power anything: for what is soon made durable with
        other files together, or made anew.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        if durable:
            sync(temporary)
        temporary.replace(path)
        if durable:
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: str | Path) -> None:
    """Wait until the disk holds a file's content, or a folder's names; where the file system offers no such wait, go on.

    Raises
    ------
    OSError
        The disk could not take it. Not where the file system says that it cannot wait at all (EINVAL, ENOTSUP, ENOSYS), nor,
        of a folder, that it is no open file (EBADF): some network and FUSE file systems say so of everything they hold.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED and not (error.errno == errno.EBADF and os.path.isdir(path)):
            raise
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and folders that a process left in a folder when it was killed: those older than a day."""
    for leftover in folder.glob(".*.part"):
        try:
            if time.time() - leftover.stat().st_mtime <= LEFTOVER:
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        except OSError:  # another process is removing it
            continue


def save_json(path: str | Path, content: Any, *, sort_keys: bool = True) -> None:
    """Write `content` as indented JSON; a value that JSON cannot hold (NaN, an array) is refused."""
    text = json.dumps(content, indent=2, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_full(error: BaseException) -> bool:
    """Tell whether an error says that a disk, or a user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL


def remedy_of(error: OSError) -> str:
    """Return what helps where a file cannot be read or written."""
    if is_full(error):
        return "make room on the disk, and run this again"
    if error.errno in _FORBIDDEN:
        return "make its folder writable, and run this again"
    return "put this right, and run it again"
