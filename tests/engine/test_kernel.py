"""The environment of a kernel."""

import os
import platform
import subprocess
import sys

import pytest

from gradlab.engine.kernel import clean_environment

FAULTS = """
import resource
import numpy as np
[np.ones(150_000) for _ in range(3)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    [np.ones(150_000) for _ in range(3)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such settings")
def test_large_arrays_that_come_and_go_cost_no_page_faults(tmp_path):
    """An array of 1.2 MB is 293 pages, which are new to the process each time if its memory went back to the system."""
    environment = clean_environment(os.environ.items(), private=tmp_path, threads=1)
    counted = subprocess.run(
        [sys.executable, "-c", FAULTS], env=environment, capture_output=True, text=True, check=True
    )
    assert int(counted.stdout) < 10 * 293
