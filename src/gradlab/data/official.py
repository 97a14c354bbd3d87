"""The source `official`: downloads from the authors' hosts and a mirror, over https, each with a digest."""

import hashlib
import ipaddress
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit

import pooch
import requests

from gradlab.data.archives import Files, read_cifar10_archive, read_gzip
from gradlab.data.failures import SourceError, explain_failure, is_unknown_host
from gradlab.data.identity import CIFAR10Spec, Spec
from gradlab.data.settings import FetchSettings
from gradlab.files import is_full

CONNECT_TIMEOUT = 4.0  # seconds for each address of a host: two repeated packets; a dead host must not cost minutes
OVERHEAD = 1 << 16  # bytes that packing may add to content that does not compress, beside as much again


@dataclass(frozen=True)
class _Download:
    """A file to download: its name here, its address, its MD5, and the bytes it has at most."""

    name: str
    url: str
    md5: str
    limit: int


def download_official(spec: Spec, settings: FetchSettings, work: Path) -> Files:
    """Yield the files of a data set, not yet verified, from downloads into the folder `work`."""
    if isinstance(spec, CIFAR10Spec):
        limit = 2 * sum(file.size for file in spec.files) + OVERHEAD
        mirrors = [[_Download("archive", url, spec.archive_md5, limit)] for url in spec.archives]
        _download_any(mirrors, work, settings)
        yield from read_cifar10_archive(spec, work / "archive")
        return
    mirrors = [
        [
            _Download(f"{file.name}.gz", f"{mirror}{file.name}.gz", md5, 2 * file.size + OVERHEAD)
            for file, md5 in zip(spec.files, spec.archive_md5, strict=True)
        ]
        for mirror in spec.mirrors
    ]
    _download_any(mirrors, work, settings)
    for file in spec.files:
        yield file, read_gzip(work / f"{file.name}.gz", file.size)


def _download_any(mirrors: Sequence[Sequence[_Download]], folder: Path, settings: FetchSettings) -> None:
    """Download from the first mirror that gives all its files."""
    reasons = []
    for files in mirrors:
        for file in files:
            try:
                _download(file, folder / file.name, settings)
            except (OSError, SourceError) as error:
                if is_full(error):
                    raise
                place = urlsplit(file.url)
                reasons.append(f"{place.path.rpartition('/')[2]} from {place.netloc}: {explain_failure(error)}")
                break
        else:
            return
    raise SourceError("; ".join(reasons))


class _BoundedFile:
    """A file that takes `limit` bytes and no more, as a server without end would send."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.file, self.limit = file, limit

    def write(self, content: bytes) -> None:
        if self.file.tell() + len(content) > self.limit:
            raise SourceError(f"more than {self.limit:,} bytes, which the file does not have")
        self.file.write(content)

    def flush(self) -> None:
        self.file.flush()


def _download(file: _Download, path: Path, settings: FetchSettings) -> None:
    """Download one file, trying again after failures that may pass, and check its MD5."""
    _refuse_insecure(file.url)
    attempts = 0
    while True:
        downloader = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(),  # in a log file, every step of the bar would be a line
            chunk_size=1 << 16,
            timeout=(min(CONNECT_TIMEOUT, settings.timeout), settings.timeout),
            headers={"Accept-Encoding": "identity"},  # or a server's gzip would be taken off the file
            hooks={"response": _refuse_insecure_redirect},
        )
        try:
            with path.open("wb") as stream:
                downloader(file.url, _BoundedFile(stream, file.limit), None)
            break
        except requests.RequestException as error:
            attempts += 1
            if attempts > _count_retries(error, settings.retries):
                raise
            time.sleep(min(0.5 * 2 ** (attempts - 1), 4.0))
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
        stream.seek(0)
        page = stream.read(512).lstrip()[:1] == b"<"
    if found != file.md5:
        what = "a web page, not the file" if page else f"md5 {found[:12]}…, expected {file.md5[:12]}…"
        raise SourceError(f"{path.stat().st_size:,} bytes, {what}")


def _refuse_insecure(url: str) -> None:
    """Raise `SourceError` unless an address is https, or stays on this machine."""
    place = urlsplit(url)
    if place.scheme != "https" and not (place.scheme == "http" and _is_loopback(place.hostname)):
        raise SourceError(f"{url[:200]} is not asked, since it is not https")


def _refuse_insecure_redirect(response: requests.Response, **_: object) -> None:
    # requests calls this with every answer, before it follows a redirect.
    target = requests.Session().get_redirect_target(response)
    if target is not None:
        _refuse_insecure(urljoin(response.url, target))


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:  # a name
        return False


def _count_retries(error: requests.RequestException, retries: int) -> int:
    """Return how often a failed download is worth repeating."""
    if isinstance(error, requests.HTTPError):
        return retries if error.response.status_code in (408, 429) or error.response.status_code >= 500 else 0
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.ReadTimeout):
        return retries
    return 0 if isinstance(error, requests.ConnectTimeout) or is_unknown_host(error) else min(retries, 1)
