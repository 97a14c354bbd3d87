"""Installs what requirements.lock names into the environment of the Python that runs this: `make setup` calls it.

uv needs a fraction of pip's time: the one on the path is taken, or else one is fetched for this once. It looks where pip is set
to look. Where it cannot be had or fails, pip installs.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

LOCK = "requirements.lock"
PIP = (sys.executable, "-P", "-m", "pip")
# Whatever the user's own settings of pip say, for the places of packages alone are taken from there.
INSTALL = ("install", "--quiet", "--no-user", "--no-deps", "--no-compile")


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


def install_by_uv(environment: Mapping[str, str]) -> None:
    """Install, or raise OSError or subprocess.CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        uv = shutil.which("uv")
        if uv is None:
            fetch = [*PIP, *INSTALL, "--prefix=", "--target", folder, "uv"]
            subprocess.run(fetch, check=True, stderr=subprocess.DEVNULL)
            uv = str(Path(folder, "bin/uv"))
        command = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--requirement", LOCK]
        subprocess.run(command, env=environment, check=True)


def main() -> int:
    """Install; return pip's exit status where it comes to that."""
    started, way = time.monotonic(), "uv"
    try:
        install_by_uv(find_places() | os.environ)
    except (OSError, subprocess.CalledProcessError):
        way = "pip, since uv could not"
        command = [*PIP, *INSTALL, "--target=", f"--prefix={sys.prefix}", "--requirement", LOCK]
        if status := subprocess.run(command).returncode:
            return status
    print(f"gradlab: installed in {time.monotonic() - started:.0f} s, by {way}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
