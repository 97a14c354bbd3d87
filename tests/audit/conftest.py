"""Fixtures of the tests of audits."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def start_gradlab() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the command in a process of its own, which ends with the test."""
    started = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "gradlab", *arguments]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | variables))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
