"""The numbers that a notebook prints, as its metrics: for one that computes in its own cells, like those that are published.

`begin` stands in the first code cell after the parameters, `save` in the last; what is printed between them is read.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.core.getipython import get_ipython

from gradlab.lab.printed import name_numbers, read_number, read_numbers, read_pieces
from gradlab.lab.record import save_curves, save_metrics


class _Capture:
    """What each code cell puts out, which it shows besides.

    Attributes
    ----------
    output
        Where the results go.
    folder
        In which the notebook works.
    cells
        The outputs of each code cell so far, as a notebook saves them.
    """

    def __init__(self, output: Path, shell: Any) -> None:
        self.output, self.folder = output, Path(tempfile.mkdtemp(prefix="gradlab-"))
        self.cells: list[list[dict[str, Any]]] = []
        self._shell = shell
        self._undo: list[Callable[[], None]] = []
        shell.events.register("pre_run_cell", self._begin_cell)
        shell.events.register("post_run_cell", self._end_cell)

    def end(self) -> None:
        """Read no further."""
        self._end_cell(None)
        self._shell.events.unregister("pre_run_cell", self._begin_cell)
        self._shell.events.unregister("post_run_cell", self._end_cell)

    def _begin_cell(self, info: object) -> None:
        self.cells.append([])
        for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
            self._listen(stream, "write", lambda text, name=name: self._add("stream", name=name, text=text))
        self._listen(self._shell.display_pub, "publish", lambda data, *_, **__: self._add("display_data", data=data))
        self._listen(
            self._shell.displayhook, "write_format_data", lambda data, *_: self._add("execute_result", data=data)
        )

    def _end_cell(self, result: object) -> None:
        while self._undo:
            self._undo.pop()()

    def _add(self, kind: str, **content: Any) -> None:
        self.cells[-1].append({"output_type": kind, **content})

    def _listen(self, owner: Any, name: str, hear: Callable[..., None]) -> None:
        """Until the cell ends, let `hear` be told of every call of a method."""
        method = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            hear(*arguments, **named)
            return method(*arguments, **named)

        setattr(owner, name, call)
        self._undo.append(lambda: setattr(owner, name, method))


_captures: list[_Capture] = []


def begin(output: str | Path, files: str | Path | None = None) -> None:
    """Begin to read what the code cells that follow print.

    They work in a temporary folder, so that what they write by relative paths is not left behind.

    Parameters
    ----------
    output
        The cell's directory.
    files
        A folder of what the notebook reads by relative paths, and of modules that it imports; it works on a copy.

    Raises
    ------
    RuntimeError
        This is not IPython.
    """
    shell: Any = get_ipython()
    if shell is None:
        raise RuntimeError("what a notebook prints can be read in a notebook alone; open it in Jupyter")
    while _captures:
        _captures.pop().end()
    capture = _Capture(Path(output).absolute(), shell)
    _captures.append(capture)
    if files:
        shutil.copytree(files, capture.folder, dirs_exist_ok=True)
    os.chdir(capture.folder)
    sys.path.append(str(capture.folder))


def save() -> None:
    """Write the numbers that were printed since `begin`.

    Each is a metric, named as in `gradlab.lab.printed.name_numbers`, whose first code cell is the one after `begin`; those of
    lines that begin with a number, such as a log's, are rows of the curves: `cell`, `step`, `metric`, `value`.
    """
    capture = _captures.pop()
    capture.end()
    metrics: dict[str, float | int] = {}
    rows = []
    for place, outputs in enumerate(capture.cells[:-1]):  # the last one calls this
        for name, number in name_numbers(read_numbers(place, read_pieces(outputs))).items():
            metrics[name] = read_number(number.text)
            if number.precise[0] != "table" and number.precise[2]:
                rows.append((place + 1, int(number.precise[2]), " ".join(number.loose[1:]), metrics[name]))
    save_metrics(capture.output, metrics)
    save_curves(capture.output, pd.DataFrame(rows, columns=["cell", "step", "metric", "value"]))
    shutil.rmtree(capture.folder, ignore_errors=True)
