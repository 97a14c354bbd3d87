"""Small notebooks, one or more for each cause, with what an audit has to say of every number that they print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import v4

from gradlab.audit.examine import choose_rounding
from gradlab.audit.isolation import Limits

Known = tuple[str, str]  # verdict and cause


LIMITS = Limits(seconds=60)


@dataclass(frozen=True)
class Case:
    """A notebook.

    Attributes
    ----------
    cells
        Source, saved output, and for each number in that what has to be said of it.
    counts
        The saved execution counts; from 1 upwards where there are none.
    """

    cells: Sequence[tuple[str, Any, Sequence[Known]]]
    counts: Sequence[int] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = LIMITS

    @property
    def expected(self) -> list[Known]:
        return [known for _, _, all_known in self.cells for known in all_known]


SAME, ASIDE = ("same", ""), ("aside", "")
OLD_PYTHON = {"language_info": {"name": "python", "version": "3.6.9"}}
TABLE = (
    "<table><thead><tr><th></th><th>acc</th><th>loss</th></tr></thead><tbody>"
    "<tr><th>a</th><td>0.50</td><td>2</td></tr><tr><th>b</th><td>0.25</td><td>3</td></tr></tbody></table>"
)
# A sum, whose last digits are those of its order; and what makes other first digits of them.
SUM = """
import numpy as np
state = np.random.RandomState(0)
total = float(state.rand(10000) @ state.rand(10000))
print("total", total)
"""
CHAOS = """
x = total % 1
for _ in range(200):
    x = 3.99 * x * (1 - x)
print("x", x)
"""
MOVES = ("close", "rounding"), ("differs", "rounding")
FIXED = ("close", "unexplained"), ("differs", "unexplained")


def failed(cause: str) -> Known:
    return "failed", cause


def differs(cause: str) -> Known:
    return "differs", cause


def list_cases() -> dict[str, Case]:
    """Return all notebooks by name."""
    on_rounding = MOVES if choose_rounding() else FIXED
    return {
        "seeded": Case(
            [
                ("import random\nrandom.seed(0)\nprint('a =', random.random())", "a = 0.8444218515250481\n", [SAME]),
                ("import numpy as np\nnp.random.RandomState(0).rand()", {"text/plain": "0.5488135039273248"}, [SAME]),
                ("for i in range(2): print(f'epoch {i}: loss {i / 3:.3f}')",
                 "epoch 0: loss 0.000\nepoch 1: loss 0.333\n", [SAME] * 4),
            ]
        ),
        "unseeded": Case(
            [
                ("import random\nprint('n', 5, 'drawn', random.random())", "n 5 drawn 0.1\n", [SAME, differs("unseeded")]),
                ("import numpy as np\nnp.random.rand(2)", {"text/plain": "array([0.1, 0.2])"}, [differs("unseeded")] * 2),
                ("print('order', int(''.join({str(i) for i in range(30)})))", "order 123\n", [differs("unseeded")]),
                ("print('hash', hash('a'))", "hash -55\n", [differs("unseeded")]),
                ("print(sorted({'1', '2'}))", "['1', '2']\n", [SAME, SAME]),
                ("import pandas as pd\nimport random\n"
                 "pd.DataFrame({'loss': [random.random(), 3], 'acc': ['0.50', '0.25']}, index=['a', 'b'])",
                 {"text/html": TABLE, "text/plain": "..."},
                 [SAME, differs("unseeded"), SAME, SAME]),
            ]
        ),
        "rounding": Case(
            [
                (SUM, "total 2463.96882749\n", [on_rounding[0]]),
                (CHAOS, "x 0.5\n", [on_rounding[1]]),
                ("2", {"text/plain": "2"}, [SAME]),
            ]
        ),
        "order": Case(
            [
                ("a = 1", "", []),
                ("print('a', a)", "a 5\n", [differs("order of execution")]),
                ("a = 5", "", []),
                ("print('b', b)", "b 2\n", [failed("order of execution")]),
                ("b = 2", "", []),
                ("print('deleted', c)", "deleted 7\n", [failed("order of execution")]),
            ],
            counts=[1, 3, 2, 5, 4, 6],
        ),
        "again": Case(
            [("n = 0", "", []), ("n += 1\nprint('n', n)", "n 3\n", [differs("order of execution")])], counts=[1, 4]
        ),
        "missing": Case(
            [
                ("rows = open('data.csv').read()\nprint('rows', len(rows))", "rows 10\n", [failed("missing file")]),
                ("import no_such_package\nprint('x', 1)", "x 1\n", [failed("missing package")]),
                ("import subprocess\nprint('s', subprocess.run(['no-such-program']).returncode)", "s 0\n",
                 [failed("missing program")]),
                ("!no-such-program --score", "score 5\n", [("lost", "missing program")]),
                ("from urllib.request import urlopen\nprint('got', len(urlopen('http://data.invalid/').read()))", "got 12\n",
                 [failed("missing host")]),
            ]
        ),
        "removed": Case(
            [
                ("import numpy as np\nprint('f', np.float(2))", "f 2.0\n", [failed("removed API")]),
                ("from collections import Mapping\nprint('m', 1)", "m 1\n", [failed("removed API")]),
                ("import pandas as pd\nprint('r', len(pd.DataFrame({'a': [1]}).append({'a': 2}, ignore_index=True)))", "r 2\n",
                 [failed("removed API")]),
                ("print 'p', 3", "p 3\n", [failed("removed API")]),
            ]
        ),
        "tainted": Case(
            [
                ("a = 1\nraise ValueError('not saved')\n", "", []),
                ("a = 1\nb = int(open('gone.txt').read())\nprint('b', b)", "b 2\n", [failed("missing file")]),
                ("print('c', b + 1)", "c 3\n", [failed("after an earlier error")]),
                ("print('d', 1 if 'b' in globals() else 0)", "d 1\n", [differs("after an earlier error")]),
                ("print('e', 7)", "e 7\n", [SAME]),
            ]
        ),
        "versions": Case([("print('size', 7)", "size 8\n", [differs("versions")])], metadata=OLD_PYTHON),
        "unexplained": Case(
            [("print('size', 7)", "size 8\nother 3\n", [differs("unexplained"), ("lost", "unexplained")]),
                ("print('mean survival time: 3.5 s')", "mean survival time: 3.0 s\n", [differs("unexplained")]),
                ("print('old 1')\nprint('new 2')", "old 1\n", [SAME, ("not printed before", "")]),
            ]
        ),
        "aside": Case(
            [
                ("import time\nt = time.time()\nprint(f'took {time.time() - t:.6f} s')", "took 3.1 s\n", [ASIDE]),
                ("print(f'time: {time.perf_counter()}')", "time: 12.5\n", [ASIDE]),
                ("print(object(), 'at', hex(id(t)))", "<object object at 0x7f0012345678> at 0x7f0012345679\n", [ASIDE] * 2),
                ("import datetime\nprint(datetime.datetime.now(), 4)", "2021-06-01 10:00:00.123 4\n", [ASIDE, SAME]),
                ("import platform\nprint('Python', platform.python_version())", "Python 3.6.9\n", [ASIDE]),
            ]
        ),
        "endless": Case(
            [
                ("print('before', 1)", "before 1\n", [SAME]),
                ("while True: pass", "loop 2\n", [failed("time or memory")]),
                ("print('after', 3)", "after 3\n", [failed("time or memory")]),
            ],
            limits=Limits(seconds=3),
        ),
        "memory": Case(
            [("a = []\nwhile True: a.append(bytearray(10**7))", "n 2\n", [failed("time or memory")])],
            limits=Limits(seconds=60, memory=600),
        ),
        "output": Case(
            [("while True: print('x' * 10000)", "n 2\n", [failed("time or memory")])], limits=Limits(seconds=2, memory=900)
        ),
        "disk": Case(
            [("with open('big', 'wb') as f:\n    while True: f.write(bytes(10**6)); f.flush()", "n 2\n",
              [failed("time or memory")])],
            limits=Limits(seconds=60, disk=50),
        ),
        "dead": Case(
            [
                ("print('before', 1)", "before 1\n", [SAME]),
                ("import os\nos.kill(os.getpid(), 9)", "n 2\n", [failed("kernel died")]),
                ("print('after', 3)", "after 3\n", [failed("kernel died")]),
            ]
        ),
        "widgets": Case(
            [
                ("print('n', 3)", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "IntSlider(value=5)"},
                 [("not printed before", "")]),
                ("print('n', 3)", "n 3\n", [SAME]),
            ]
        ),
        "R": Case(
            [("cat(1 + 1)", "2\n", [failed("no kernel")])],
            metadata={"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}},
        ),
        "empty": Case([]),
    }  # fmt: skip


def write_case(case: Case, file: Path) -> Path:
    """Write a notebook."""
    notebook = v4.new_notebook(metadata=dict(case.metadata))
    for place, (source, saved, _) in enumerate(case.cells):
        count = case.counts[place] if case.counts else place + 1
        outputs = []
        if isinstance(saved, dict):
            outputs = [v4.new_output("display_data", data=saved)]
        elif saved:
            outputs = [v4.new_output("stream", name="stdout", text=saved)]
        notebook.cells.append(v4.new_code_cell(source, execution_count=count, outputs=outputs))
    nbformat.write(notebook, file)
    return file
