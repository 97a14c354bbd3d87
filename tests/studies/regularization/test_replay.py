"""The replayed random stream of the CIFAR-10 notebook: against the notebook's own way."""

import os
import subprocess
import sys

import numpy as np

from gradlab.studies.regularization import replay


def test_row_order_is_the_one_that_earlier_runs_left():
    rows = np.arange(30)
    for epochs in (2, 3):  # the notebook's own way: seed, draw both weight matrices, shuffle the rows in place
        rng = np.random.RandomState(65465168)
        rng.normal(0, 1 / np.sqrt(3072), size=(50, 3072))
        rng.normal(0, 1 / np.sqrt(50), size=(10, 50))
        for _ in range(epochs):
            rows = rows[rng.permutation(30)]
    assert replay.row_order(30, [2, 3]).tolist() == rows.tolist()


def test_no_earlier_run_leaves_the_rows_as_they_are():
    assert replay.row_order(5, []).tolist() == [0, 1, 2, 3, 4]


def test_replaying_cifar10_does_not_load_torch():
    code = "import sys, gradlab.studies.regularization.replay; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
