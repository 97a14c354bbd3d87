"""A notebook becomes a study that runs at once: its numbers are published figures, its literals are settings."""

import io
import subprocess
import sys

import nbformat
import pytest
import yaml
from nbformat import v4
from workflow.conftest import Copy

from gradlab.__main__ import main

pytestmark = pytest.mark.workflow

CELLS = [
    ("%matplotlib inline\nimport numpy as np\nfrom helper import scale\noutput = 'plots'", ""),
    ("rate = 0.5  # of each step\nsteps: int = 3\ndata = 'rows.txt'\nn = 1\nn = 2\nname = \"a 'b'\"", ""),
    ("", ""),
    ("rows = np.loadtxt(data)\nprint('rows', len(rows), 'mean', rows.mean())", "rows 4 mean 2.5\n"),
    ("x = 1.0\nfor step in range(steps):\n    x -= rate * scale(x)\n    print(f'step {step}: x = {x:.3f}')",
     "step 0: x = 0.500\nstep 1: x = 0.250\nstep 2: x = 0.125\n"),
    ("print('drawn', np.random.rand())", "drawn 0.25\n"),
    ("%%capture hidden\nprint('hidden', 5)", ""),
    ("open('left.txt', 'w').close()\nprint('wrong', 2)", "wrong 3\n"),
]  # fmt: skip


def write_notebook(folder, cells=CELLS):
    made = [v4.new_markdown_cell('# A "walk" to 0\\')]
    for count, (source, text) in enumerate(cells, 1):
        outputs = [v4.new_output("stream", name="stdout", text=text)] if text else []
        made.append(v4.new_code_cell(source, outputs=outputs, execution_count=count if source else None))
    folder.mkdir(exist_ok=True)
    nbformat.write(v4.new_notebook(cells=made), folder / "paper.ipynb")
    (folder / "rows.txt").write_text("1\n2\n3\n4\n")
    (folder / "helper.py").write_text("def scale(x):\n    return x\n")
    (folder / "other.txt").write_text("not read")
    return folder / "paper.ipynb"


@pytest.fixture(scope="module")
def study(project, tmp_path_factory):
    """A folder with a study made of a notebook, and Snakemake in it."""
    folder = tmp_path_factory.mktemp("mine")
    notebook = write_notebook(folder / "paper")
    command = [sys.executable, "-P", "-m", "gradlab", "study", "new", "walk", "--from", str(notebook)]
    made = subprocess.run(
        [*command, "--parameters", "rate,steps,data,name"], cwd=folder, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return Copy(folder, ("-s", str(project / "Snakefile"), "--configfile", "walk.yaml")), made.stdout


def test_it_says_what_could_be_parameters_and_how_the_study_is_run(study, project):
    _, said = study
    assert "  rate = 0.5  # of each step  (code cell 2)\n" in said
    assert "  n = " not in said and "  output = " not in said
    assert "studies/walk is a study with 8 published figures; run it with\n  snakemake --cores 2 -s " in said
    assert said.endswith("Snakefile --configfile walk.yaml\n")


def test_its_figures_are_the_numbers_that_came_out_the_same(study):
    copy, _ = study
    figures = yaml.safe_load((copy.root / "studies/walk/published/figures.yaml").read_text())["figures"]
    assert {figure["id"]: figure["value"] for figure in figures} == {
        "3.rows": "4",
        "3.rows_4_mean": "2.5",
        "4.step": "0",
        "4.step_0_x": "0.500",
        "4.step.2": "1",
        "4.step_1_x": "0.250",
        "4.step.3": "2",
        "4.step_2_x": "0.125",
    }
    assert {figure["source"] for figure in figures} == {"paper.ipynb, code cell 4", "paper.ipynb, code cell 5"}
    assert figures[0]["settings"] == {"rate": 0.5, "steps": 3, "data": "rows.txt", "name": "a 'b'"}


def test_it_holds_what_the_notebook_reads_and_no_more(study):
    copy, _ = study
    assert sorted(path.name for path in (copy.root / "studies/walk/files").iterdir()) == ["helper.py", "rows.txt"]


def test_it_runs_and_every_figure_is_exact(study):
    copy, _ = study
    copy.snakemake()
    ledger = copy.read("results/walk/ledger.json")
    assert {(figure["study"], figure["verdict"]) for figure in ledger["figures"]} == {("walk", "exact")}
    assert len(ledger["figures"]) == 8
    assert (copy.root / "results/walk/report.html").exists()
    assert not (copy.root / "left.txt").exists()
    assert "Nothing to be done" in copy.snakemake().stdout
    # With other parameters it runs as well, and nothing is compared with what was printed under others.
    metrics = copy.read("results/walk/walk/published/notebook/metrics.json")
    with copy.edited("walk.yaml", "steps: 3", "steps: 1"):
        copy.snakemake()
        ledger = copy.read("results/walk/ledger.json")
        assert {figure["verdict"] for figure in ledger["figures"]} == {"not run"}
        fewer = copy.read("results/walk/walk/published/notebook/metrics.json")
        assert fewer["4.step_0_x"] == metrics["4.step_0_x"] and "4.step_1_x" in metrics.keys() - fewer.keys()


def test_its_test_passes_and_can_fail(study, project):
    copy, _ = study
    command = [sys.executable, "-P", "-m", "pytest", "-q", "studies/walk", "-p", "no:cacheprovider"]
    environment = {"PYTHONPATH": str(project / "src"), "PATH": "/usr/bin:/bin", "HOME": str(copy.root)}
    ran = subprocess.run(command, cwd=copy.root, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    with copy.edited("studies/walk/published/figures.yaml", "'0.250'", "'0.251'"):
        ran = subprocess.run(command, cwd=copy.root, env=environment, capture_output=True, text=True)
        assert ran.returncode == 1 and "'4.step_1_x': 'not reproduced'" in ran.stdout


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("walk", ["--parameters", "all"], "there is a study walk already"),
        ("moons", ["--parameters", "all"], "there is a study moons already"),
        ("A-b", ["--parameters", "all"], "'A-b' is no name of a study"),
        ("other", ["--parameters", "rat"], "rat: no such parameter; expected all, none, or of rate, steps"),
        ("other", [], "say which of these are parameters: --parameters"),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(study, monkeypatch, capsys, name, options, said):
    copy, _ = study
    monkeypatch.chdir(copy.root)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["study", "new", name, "--from", "paper/paper.ipynb", *options]) == 2
    assert said in capsys.readouterr().err
    assert not (copy.root / "studies/other").exists() and not (copy.root / "other.yaml").exists()


def test_a_person_at_the_terminal_is_asked(monkeypatch):
    from gradlab.audit.adopt import choose_parameters
    from gradlab.audit.literals import find_parameters
    from gradlab.audit.runs import CodeCell

    found = find_parameters([CodeCell("a = 1\nb = 2", ())])
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    for answer, names in {"": ["a", "b"], "all": ["a", "b"], "none": [], "b": ["b"], "b, a": ["a", "b"]}.items():
        monkeypatch.setattr("builtins.input", lambda prompt, answer=answer: answer)
        assert [parameter.name for parameter in choose_parameters(found, None)] == names


def test_a_notebook_that_fails_makes_no_study(tmp_path, monkeypatch, capsys):
    notebook = write_notebook(tmp_path / "paper", [("print('a', 1)\nraise ValueError('wrong')", "a 1\n")])
    monkeypatch.chdir(tmp_path)
    assert main(["study", "new", "failing", "--from", str(notebook), "--parameters", "none"]) == 2
    said = capsys.readouterr().err
    assert "does not run to its end (ValueError: wrong, code cell 1)" in said
    assert not (tmp_path / "studies/failing").exists() and not (tmp_path / "failing.yaml").exists()
