"""Whether cells ran under the settings under which a figure was printed."""

from itertools import pairwise

from made_cells import make_cell
from made_studies import run_cells

from gradlab.engine.figures import Figure
from gradlab.engine.settings import differing_settings


def test_settings_are_looked_up_once_for_a_cell_however_many_ways_lead_to_it(tmp_path):
    # Ten rounds of ten cells, each of which reads all of the round before: 10^10 ways lead from the last to the first.
    rounds = [[f"made/published/{round_}-{n}" for n in range(10)] for round_ in range(10)]
    reads = {key: {"x": former} for former, latter in pairwise(rounds) for key in latter}
    cells = [make_cell(key, {"epochs": 1}, reads=reads.get(key, {})) for keys in rounds for key in keys]
    results = run_cells(tmp_path, cells, {})
    figure = Figure("x", "made", "C", "1", "exact", settings={"epochs": 2})
    settings = {"made/published/0-3": {"epochs": 8}}
    assert differing_settings(figure, results["made/published/9-0"], results, settings) == [
        "9-0: epochs 1 instead of 2",
        "0-3: epochs 1 instead of 8",
    ]
