"""What can go wrong while a source is read, and how it is said in one line."""

import tarfile
import zlib

import requests
from urllib3.exceptions import NameResolutionError

from gradlab.data.identity import ContentError


class SourceError(ValueError):
    """A source that cannot give the data; the message is the reason, in one line."""


# What bytes that are not the data, a disk or a network can raise while a source is read. requests' errors are OSErrors,
# `SourceError` and `ContentError` are ValueErrors.
FAILURES = (OSError, EOFError, ValueError, zlib.error, tarfile.TarError)


def is_unknown_host(error: requests.RequestException) -> bool:
    """Tell whether a host's name has no address."""
    return bool(error.args) and isinstance(getattr(error.args[0], "reason", None), NameResolutionError)


def explain_failure(error: BaseException) -> str:
    """Return the reason for a failure in one short line."""
    if isinstance(error, requests.HTTPError):
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.ConnectTimeout):
        return "the host does not answer"
    if isinstance(error, requests.Timeout):
        return "the host stopped answering"
    if isinstance(error, requests.ConnectionError):
        return "the host's name is not known here" if is_unknown_host(error) else "the connection failed"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    said = " ".join(str(error).split())[:500]
    return said if isinstance(error, SourceError | ContentError) else f"{type(error).__name__}: {said}"
