"""Somebody's code, kept to itself: namespaces of its own where the system offers them, and limits in any case.

`wrap` is for the process that starts a run, `shut_in` and `Watch` for the run itself. What a user namespace gives: no network
but loopback, files that nobody can write but below the run's own folder, a `/tmp` and `/dev/shm` of its own, and no process
that outlives the run. Without one, a process group and a mark in the environment serve to find and end what is left.
"""

import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

MARK = "GRADLAB_AUDIT_RUN"  # what every process of a run has in its environment
# What of the environment a run sees: nothing that could be a secret.
_KEPT = ("PATH", "LANG", "LANGUAGE", "LC_", "TZ", "LD_LIBRARY_PATH", "CONDA", "VIRTUAL_ENV", "CUDA_", "NVIDIA_")
_FOR_NETWORK = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_", "REQUESTS_")
_SPACES = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _READ_ONLY = 442, -100, 0x8000, 1
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1  # of a network interface
_MEGABYTE = 2**20
_LATE = 5  # seconds after a limit until a run is ended that does not end


@dataclass(frozen=True)
class Limits:
    """What a run may use.

    Attributes
    ----------
    seconds
        Of the whole notebook.
    memory, disk
        Megabytes: of all its processes together, and of what lies in its folder.
    network
        Whether it may reach the network.
    """

    seconds: float = 600
    memory: int = 8000
    disk: int = 4000
    network: bool = False


@cache
def has_namespaces() -> bool:
    """Tell whether this system lets this user have namespaces."""
    try:
        tried = subprocess.run([*_SPACES, "--net", "true"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def wrap(command: Sequence[str], limits: Limits) -> list[str]:
    """Return a command that runs `command` in namespaces; `command` itself where there are none."""
    if not has_namespaces():
        return list(command)
    return [*_SPACES, *([] if limits.network else ["--net"]), "--", *command]


def choose_environment(home: Path, mark: str, limits: Limits) -> dict[str, str]:
    """Return the environment of a run, with a home of its own."""
    kept = _KEPT + (_FOR_NETWORK if limits.network else ())
    chosen = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    return chosen | {"HOME": str(home), MARK: mark}


def end_marked(mark: str) -> None:
    """End every process of this user that a run has left behind."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                process.kill()
        except psutil.Error:  # gone, or another user's
            continue


def shut_in(folder: Path, limits: Limits, needed: Sequence[Path] = ()) -> list[str]:
    """Let this process, and what it starts, write below `folder` alone; say what could not be shut off.

    Folders that are needed can be read where they lie in /tmp, too.

    Only what `wrap` started may call it. Standard input is a pipe that the starter holds: this process ends with the starter.
    """
    threading.Thread(target=_end_with_starter, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_FSIZE, limits.disk * _MEGABYTE)
    if os.getpid() != 1:
        return ["the network", "files outside of its folder"] if not limits.network else ["files outside of its folder"]
    open_ways = []
    if not limits.network:
        try:
            _raise_loopback()
        except OSError:
            open_ways.append("loopback (it has none)")
    try:
        _mount_read_only(folder, needed)
    except OSError:
        open_ways.append("files outside of its folder")
    return open_ways


def _end_with_starter() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL) if os.getpid() != 1 else os._exit(1)


def _lower(kind: int, limit: int) -> None:
    hard = resource.getrlimit(kind)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        request = bytearray(struct.pack("16sh14x", b"lo", 0))
        fcntl.ioctl(asking, _GET_FLAGS, request)
        flags = struct.unpack_from("16sh", request)[1] | _UP
        fcntl.ioctl(asking, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags))


def _mount_read_only(folder: Path, needed: Sequence[Path]) -> None:
    """Make all files read-only but those below `folder`, with a /tmp in it; it may lie in /tmp itself."""
    _mount("none", "/", _MS_REC | _MS_PRIVATE)
    own = folder / "tmp"
    shown = {path: own / path.relative_to("/tmp") for path in (folder, *needed) if path.is_relative_to("/tmp")}
    for place in shown.values():
        place.mkdir(parents=True, exist_ok=True)
    _set_attributes(Path("/"), _AT_RECURSIVE, add=_READ_ONLY)
    for path, place in ((folder, folder), *shown.items()):
        _mount(str(path), str(place), _MS_BIND)
        if path == folder:
            _set_attributes(place, 0, remove=_READ_ONLY)
    for place in map(Path, ("/tmp", "/var/tmp")):
        if place.is_dir():
            _mount(str(own), str(place), _MS_BIND | _MS_REC)
            _set_attributes(place, 0, remove=_READ_ONLY)
    if Path("/dev/shm").is_dir():
        _mount("tmpfs", "/dev/shm", 0, kind="tmpfs")
    os.chdir("/")


def _mount(source: str, target: str, flags: int, kind: str | None = None) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(source.encode(), target.encode(), kind and kind.encode(), ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), f"{target} cannot be mounted")


def _set_attributes(path: Path, flags: int, *, add: int = 0, remove: int = 0) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    attributes = struct.pack("QQQQ", add, remove, 0, 0)
    if library.syscall(_MOUNT_SETATTR, _AT_FDCWD, str(path).encode(), flags, attributes, ctypes.c_size_t(32)):
        raise OSError(ctypes.get_errno(), f"{path} cannot be made read-only")


class Watch:
    """Looks, twice a second, at what a run uses; where that is too much it says so, and ends the run.

    What the run started is killed at once; the run itself, which may be drowned in output, where it does not end by itself.

    Attributes
    ----------
    reason
        Which limit was reached, in words; empty where none was.
    """

    def __init__(self, folder: Path, limits: Limits, tell: Callable[[str], None]) -> None:
        self._folder, self._limits, self._tell = folder, limits, tell
        self._deadline = time.monotonic() + limits.seconds + _LATE
        self.reason = ""
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self.reason:
            time.sleep(0.5)
            self.reason = self._find_excess()
        self._tell(self.reason)
        for process in psutil.Process().children(recursive=True):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        time.sleep(_LATE)
        os._exit(1)

    def _find_excess(self) -> str:
        if time.monotonic() > self._deadline:
            return f"it took more than {self._limits.seconds:g} s"
        if measure_memory() > self._limits.memory * _MEGABYTE:
            return f"it took more than {self._limits.memory} MB of memory"
        if measure_disk(self._folder) > self._limits.disk * _MEGABYTE:
            return f"it wrote more than {self._limits.disk} MB"
        return ""


def measure_memory() -> int:
    """Return the bytes that this process and all below it hold."""
    total = 0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def measure_disk(folder: Path, is_left_out: Callable[[str], bool] = lambda name: False) -> int:
    """Return the bytes that files below a folder take, without those of folders that are left out; links are not followed."""
    total = 0
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_left_out(name)]
        for name in files:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total
