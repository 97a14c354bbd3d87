"""Installs what lock files name into the environment of the Python that runs this: make calls it with their names.

uv needs a fraction of pip's time: the one on the path is taken, or else one is fetched for this once. It looks where pip is set
to look. Where it cannot be had or fails, pip installs. What has another digest than its lock file says is refused by both.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# Of torch, the build (for the CPU or for CUDA) is left to the installer, and so is what the build needs.
OPEN = "requirements-torch.lock"
PIP = (sys.executable, "-P", "-m", "pip")
# Whatever the user's own settings of pip say, for the places of packages alone are taken from there.
INSTALL = ("install", "--quiet", "--no-user", "--no-compile")


def find_places() -> dict[str, str]:
    """Return the environment variables by which uv looks for packages where pip does, and trusts what pip trusts."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=True).stdout
    found: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):  # each wins over those before
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section):
                found[name.removeprefix(section)] = ast.literal_eval(value)
    names = {"index-url": "UV_DEFAULT_INDEX", "no-index": "UV_NO_INDEX", "cert": "SSL_CERT_FILE"}
    places = {name: found[key] for key, name in names.items() if key in found}
    places["UV_INDEX"] = " ".join(found.get("extra-index-url", "").split())
    places["UV_FIND_LINKS"] = ",".join(found.get("find-links", "").split())
    places["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip's: the version that is asked for, from wherever it comes
    return {name: value for name, value in places.items() if value}


@contextmanager
def provide_uv() -> Iterator[str]:
    """Provide uv, or raise OSError or subprocess.CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        uv = shutil.which("uv")
        if uv is None:
            fetch = [*PIP, *INSTALL, "--no-deps", "--prefix=", "--target", folder, "uv"]
            subprocess.run(fetch, check=True, stderr=subprocess.DEVNULL)
            uv = str(Path(folder, "bin/uv"))
        yield uv


def list_arguments(lock: str) -> list[str]:
    """Return what an installer is told of a lock file, which names everything that is needed, unless it is left open."""
    return ["--requirement", lock] if lock == OPEN else ["--no-deps", "--requirement", lock]


def install_by_uv(locks: Sequence[str], environment: Mapping[str, str]) -> None:
    """Install, or raise OSError or subprocess.CalledProcessError."""
    with provide_uv() as uv:
        for lock in locks:
            command = [uv, "pip", "install", "--quiet", "--python", sys.executable, *list_arguments(lock)]
            subprocess.run(command, env=environment, check=True)


def main(locks: Sequence[str]) -> int:
    """Install; return pip's exit status where it comes to that."""
    started, way = time.monotonic(), "uv"
    try:
        install_by_uv(locks, find_places() | os.environ)
    except (OSError, subprocess.CalledProcessError):
        way = "pip, since uv could not"
        for lock in locks:
            command = [*PIP, *INSTALL, "--target=", f"--prefix={sys.prefix}", *list_arguments(lock)]
            if status := subprocess.run(command).returncode:
                return status
    print(f"gradlab: installed in {time.monotonic() - started:.0f} s, by {way}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
