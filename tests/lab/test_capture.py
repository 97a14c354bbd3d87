"""What a notebook prints between `begin` and `save`, and nothing else, are its metrics and curves."""

import json
import os

import nbformat
import pandas as pd
import pytest
from nbformat import v4

from gradlab.engine.execution import execute
from gradlab.lab import capture
from gradlab.lab.printed import name_numbers, read_numbers, read_pieces

PARAMETERS = 'output: str = "results"'
CELLS = [
    "print('before', 1)",
    "import os\nfrom gradlab.lab import capture\ncapture.begin(output, FILES)\nprint('here', os.getcwd())",
    "for epoch in range(2):\n    print(f'epoch {epoch}: loss {epoch / 3:.3f}')",
    "import helper\nhelper.VALUE",
    "import pandas as pd, sys\ndisplay(pd.DataFrame({'loss': [0.5]}, index=['a']))\nprint('warned', 9, file=sys.stderr)",
    "!echo said 12",
    "open('made.txt', 'w').close()\nprint('took 3.1 s', 'n = 1,234', 'nan', float('nan'))",
    "capture.save()\nprint('after', 1)",
]
EXPECTED = {
    "1.epoch": 0,
    "1.epoch_0_loss": 0.0,
    "1.epoch.2": 1,
    "1.epoch_1_loss": 0.333,
    "2.number_1": 7,
    "3.warned": 9,
    "3.a_loss": 0.5,
    "4.said": 12,
    "5.s_n": 1234,
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capture")
    (folder / "files").mkdir()
    (folder / "files/helper.py").write_text("VALUE = 7")
    cells = [cell.replace("FILES", repr(str(folder / "files"))) for cell in CELLS]
    first = v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    notebook = v4.new_notebook(cells=[first, *map(v4.new_code_cell, cells)])
    nbformat.write(notebook, folder / "template.ipynb")
    execute(folder / "template.ipynb", folder / "executed.ipynb", {"output": str(folder / "out")})
    return folder


def test_every_printed_number_is_a_metric(ran):
    metrics = json.loads((ran / "out/metrics.json").read_text())
    assert metrics == EXPECTED


def test_lines_that_begin_with_a_number_are_curves(ran):
    curves = pd.read_csv(ran / "out/curves.csv")
    rows = [(row.cell, row.step, row.metric, row.value) for row in curves.itertuples()]
    assert rows == [(1, 0, "loss", 0.0), (1, 1, "loss", 0.333)]


def test_names_are_those_that_the_saved_outputs_have(ran):
    executed = nbformat.read(ran / "executed.ipynb", as_version=4)
    # Parameters, what was given for them, `before` and `begin` come first.
    code = [cell for cell in executed.cells if cell.cell_type == "code"][4:-1]
    named = {}
    for place, cell in enumerate(code):
        named |= name_numbers(read_numbers(place, read_pieces(cell.outputs)))
    assert [*named] == [*EXPECTED]


def test_it_works_in_a_folder_of_its_own(ran):
    executed = nbformat.read(ran / "executed.ipynb", as_version=4)
    here = next(output.text for cell in executed.cells for output in cell.get("outputs", ()) if "here" in str(output))
    assert not os.path.exists(here.split()[1])
    assert sorted(path.name for path in ran.iterdir()) == ["executed.ipynb", "files", "out", "template.ipynb"]
    assert [path.name for path in (ran / "files").iterdir()] == ["helper.py"]


def test_without_ipython_there_is_nothing_to_read(tmp_path):
    with pytest.raises(RuntimeError, match="in a notebook alone"):
        capture.begin(tmp_path)
