"""The source `official`: downloads from the authors' hosts and their mirrors, over https, each with a digest.

pooch downloads, checks digests and tries again. What is ours keeps it from asking in vain, or what it should not: failures
that will not pass, addresses that are not https, answers that do not end.
"""

import sys
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import pooch
import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError

from gradlab.data.identity import Spec
from gradlab.data.published import read_published
from gradlab.data.sources import FetchSettings, Files, SourceError, explain_failure
from gradlab.files import is_full

CONNECT_TIMEOUT = 4.0  # seconds for each address of a host: two repeated packets; a dead host must not cost minutes
OVERHEAD = 1 << 16  # bytes that packing may add to content that does not compress, beside as much again

pooch.get_logger().setLevel("WARNING")  # what failed is said in one line by `fetch`


def download_official(spec: Spec, settings: FetchSettings, work: Path) -> Files:
    """Yield the files of a data set, not yet verified, from the first mirror that gives all, downloaded into `work`."""
    reasons = []
    for address in spec.mirrors:
        registry = {name: f"md5:{md5}" for name, md5 in spec.published.items()}
        mirror = pooch.create(work, address, registry=registry, retry_if_failed=settings.retries)
        downloader = _Downloader(settings, 2 * sum(file.size for file in spec.files) + OVERHEAD)
        try:
            for name in registry:
                mirror.fetch(name, downloader=downloader)
        except (OSError, ValueError, SourceError) as error:
            if is_full(error):
                raise
            reason = _explain(error) if isinstance(error, requests.RequestException) else explain_failure(error)
            reasons.append(f"{name} from {urlsplit(address).netloc}: {reason}")
        else:
            yield from read_published(spec, work)
            return
    raise SourceError("; ".join(reasons))


class _Downloader(pooch.HTTPDownloader):
    """Downloads what has `limit` bytes at most; of its errors, pooch tries again after those of requests."""

    def __init__(self, settings: FetchSettings, limit: int) -> None:
        super().__init__(
            progressbar=sys.stderr.isatty(),  # in a log file, every step of the bar would be a line
            chunk_size=1 << 16,
            timeout=(min(CONNECT_TIMEOUT, settings.timeout), settings.timeout),
            headers={"Accept-Encoding": "identity"},  # or a server's gzip would be taken off the file
            hooks={"response": _refuse_insecure_redirect},
        )
        self.limit = limit

    def __call__(self, url: str, output_file: str, *arguments: Any) -> None:
        _refuse_insecure(url)
        try:
            with open(output_file, "wb") as stream:
                super().__call__(url, _BoundedFile(stream, self.limit), *arguments)
        except requests.RequestException as error:
            if not _may_pass(error):
                raise SourceError(_explain(error)) from error
            raise


class _BoundedFile:
    """A file that takes no web page, and no more than `limit` bytes, as a server without end would send."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.file, self.limit, self.flush = file, limit, file.flush

    def write(self, content: bytes) -> None:
        if self.file.tell() == 0 and content.lstrip().startswith(b"<"):
            raise SourceError("a web page, not the file")
        if self.file.tell() + len(content) > self.limit:
            raise SourceError(f"more than {self.limit:,} bytes, which the file does not have")
        self.file.write(content)


def _refuse_insecure(url: str) -> None:
    """Raise `SourceError` unless an address is https, or stays on this machine."""
    place = urlsplit(url)
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in ("localhost", "127.0.0.1", "::1")):
        raise SourceError(f"{url[:200]} is not asked, since it is not https")


def _refuse_insecure_redirect(response: requests.Response, **_: object) -> None:
    # requests calls this with every answer, before it follows a redirect.
    target = requests.Session().get_redirect_target(response)
    if target is not None:
        _refuse_insecure(urljoin(response.url, target))


def _may_pass(error: requests.RequestException) -> bool:
    """Tell whether a download is worth repeating: not where no connection could be made, or the host has no such file."""
    if isinstance(error, requests.HTTPError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    unconnected = requests.ConnectTimeout | requests.exceptions.ProxyError
    return not isinstance(error, unconnected) and not isinstance(_find_reason(error), NewConnectionError)


def _find_reason(error: requests.RequestException) -> object:
    """Return urllib3's own error in one of requests', where there is one."""
    return getattr(error.args[0], "reason", None) if error.args else None


def _explain(error: requests.RequestException) -> str:
    match error:
        case requests.HTTPError():
            return f"HTTP {error.response.status_code} {error.response.reason}"
        case requests.ConnectTimeout():
            return "the host does not answer"
        case requests.Timeout():
            return "the host stopped answering"
        case requests.ConnectionError():
            unknown = isinstance(_find_reason(error), NameResolutionError)
            return "the host's name is not known here" if unknown else "the connection failed"
        case requests.exceptions.ChunkedEncodingError():
            return "the connection broke off"
    return explain_failure(error)
