"""Reads what was published, in any of the usual layouts: plain files, gzip files, tar archives, pickled batches.

Never more than the data can be, whatever a damaged or hostile file unfolds to; and nothing is ever unpacked to a disk.
"""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from gradlab.data.decode import read_pickled_batch, write_records
from gradlab.data.identity import CIFAR10Spec, ContentFile, Spec
from gradlab.data.sources import FAILURES, Files, SourceError, explain_failure

PYTHON_ARCHIVE, BINARY_ARCHIVE = "cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"


def read_published(spec: Spec, path: Path) -> Files:
    """Yield the files of a data set, not yet verified, from a folder that holds them as published, or from an archive."""
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if isinstance(spec, CIFAR10Spec):
        yield from _read_cifar10(spec, path)
    else:
        yield from _read_fashion_mnist(spec, path)


def _read_fashion_mnist(spec: Spec, path: Path) -> Files:
    first = spec.files[0].name
    for folder in (path, path / "raw", path / "FashionMNIST" / "raw"):
        if (folder / first).exists() or (folder / f"{first}.gz").exists():
            break
    else:
        raise SourceError(f"neither {first} nor {first}.gz is in {path}")
    for file in spec.files:
        plain = folder / file.name
        yield file, _read(plain, file.size) if plain.exists() else _read_gzip(folder / f"{file.name}.gz", file.size)


def _read_cifar10(spec: CIFAR10Spec, path: Path) -> Files:
    if path.is_file():
        yield from _read_archive(spec, path)
        return
    first = spec.files[0].name
    for folder in (path, path / "cifar-10-batches-bin", path / "cifar-10-batches-py"):
        if (folder / first).exists():
            for file in spec.files:
                yield file, _read(folder / file.name, file.size)
            return
        if (folder / Path(first).stem).exists():
            for file, md5 in zip(spec.files, spec.batch_md5, strict=True):
                # Pickled labels take more room than a byte each; twice is more than any batch has.
                yield file, _read_batch(_read(folder / Path(file.name).stem, 2 * file.size), file, md5)
            return
    for archive in (PYTHON_ARCHIVE, BINARY_ARCHIVE):
        if (path / archive).exists():
            yield from _read_archive(spec, path / archive)
            return
    raise SourceError(f"none of {first}, {Path(first).stem}, {PYTHON_ARCHIVE} and {BINARY_ARCHIVE} is in {path}")


def _read(path: Path, size: int) -> bytes:
    """Read what must be `size` bytes: one more at most, which is enough to see that a file is too long."""
    with path.open("rb") as stream:
        return stream.read(size + 1)


def _read_gzip(path: Path, size: int) -> bytes:
    """Unfold what must be `size` bytes: one more at most."""
    if not path.exists():
        raise SourceError(f"{path.name} is missing in {path.parent}")
    try:
        with gzip.open(path) as stream:
            return stream.read(size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path.name} is damaged: {error}") from error


class _BoundedStream:
    """What is read of a stream, until it has given more than `limit` bytes."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self.stream, self.limit, self.left = stream, limit, limit

    def read(self, size: int) -> bytes:
        content = self.stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise SourceError(f"the archive unfolds to more than {self.limit:,} bytes")
        return content


def read_members(archive: IO[bytes], names: Sequence[str], size: int) -> dict[str, bytes]:
    """Return regular members of a .tar.gz by their exact names.

    Parameters
    ----------
    archive
        The archive, open for reading. Names in it are compared and never used as paths.
    names
        The members to read.
    size
        What one of them may have in bytes; all that the archive unfolds to may have twice as much for each.

    Raises
    ------
    SourceError
        Where a member is missing or anything is larger.
    """
    found: dict[str, bytes] = {}
    limit = 2 * size * len(names)
    with (
        gzip.open(archive) as content,
        # Read as a stream: tarfile neither goes back in it nor asks for more than this many bytes at once.
        tarfile.open(  # type: ignore[call-overload]  # typeshed asks for what is needed to write, too
            fileobj=_BoundedStream(content, limit), mode="r|", bufsize=1 << 16
        ) as members,
    ):
        for member in members:
            if member.name in names and member.isreg():
                if member.size > size:
                    raise SourceError(
                        f"{member.name} has {member.size:,} bytes in the archive, expected {size:,} at most"
                    )
                stream = members.extractfile(member)
                assert stream is not None  # as it is for every regular file
                found[member.name] = stream.read()
    if missing := [name for name in names if name not in found]:
        raise SourceError(f"{missing[0]} is not in the archive")
    return found


def _read_archive(spec: CIFAR10Spec, path: Path) -> Files:
    """Yield the files of a published archive: from pickled batches only if it has its MD5, from binary records always."""
    largest, expected = max(file.size for file in spec.files), spec.published[PYTHON_ARCHIVE]
    with path.open("rb") as archive:
        found = hashlib.file_digest(archive, "md5").hexdigest()
        archive.seek(0)
        if found == expected:
            names = [f"cifar-10-batches-py/{Path(file.name).stem}" for file in spec.files]
            members = read_members(archive, names, 2 * largest)
            for file, md5, name in zip(spec.files, spec.batch_md5, names, strict=True):
                yield file, _read_batch(members[name], file, md5)
            return
        try:
            names = [f"cifar-10-batches-bin/{file.name}" for file in spec.files]
            members = read_members(archive, names, largest)
        except FAILURES as error:
            raise SourceError(
                f"{path.name} has md5 {found[:12]}… where the Python archive has {expected[:12]}…, so it is not unpickled, and "
                f"no binary records can be read from it ({explain_failure(error)})"
            ) from error
    for file, name in zip(spec.files, names, strict=True):
        yield file, members[name]


def _read_batch(content: bytes, file: ContentFile, md5: str) -> bytes:
    """Turn a pickled batch into binary records; one whose MD5 is not the published one is never unpickled."""
    found = hashlib.md5(content).hexdigest()
    if found != md5:
        raise SourceError(f"{Path(file.name).stem} has md5 {found[:12]}…, expected {md5[:12]}…, so it is not unpickled")
    return write_records(*read_pickled_batch(content))
