"""Configurations and notebooks that cannot work: the command line of snakemake refuses them before anything runs."""

import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import partial

import pytest
import yaml
from command_line import run_snakemake
from hypothesis import HealthCheck, given, settings
from made_configs import CONFIGS, FILES, sound_configs
from made_notebooks import damage

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def root(copy_project):
    """The root of a copy of the project, in which nothing may change."""
    return copy_project().root


@pytest.fixture
def call(root, tmp_path):
    """A function that calls snakemake in the copy, which has to refuse, and returns what the terminal shows."""

    forked = partial(run_snakemake, output=tmp_path / "terminal.txt")

    def call(*arguments, run=forked):
        before = snapshot(root)
        refused = run(root, *arguments)
        assert refused.returncode not in (0, None), refused.stdout
        assert snapshot(root) == before
        # Snakemake makes its own folder, for its log, before it reads a workflow.
        assert {path.name for path in root.glob(".snakemake/*")} <= SNAKEMAKES_OWN
        assert not list(root.rglob("pwned"))
        assert "/gradlab/" not in refused.stdout, "a traceback that leads into the project's own code"
        return refused.stdout

    return call


SNAKEMAKES_OWN = {
    *("auxiliary", "conda", "conda-archive", "incomplete", "iocache", "locks", "log", "metadata", "scripts", "shadow"),
    *("singularity", "storage"),
}


def snapshot(root):
    """Everything below a folder but snakemake's own: what it is and how large, when it was written, where a link leads."""
    found = {}
    for path in sorted(root.rglob("*")):
        if ".snakemake" not in path.relative_to(root).parts:
            about = path.lstat()
            found[path] = (
                about.st_mode,
                about.st_size,
                about.st_mtime_ns,
                path.readlink() if path.is_symlink() else None,
            )
    return found


def assert_shows(terminal, message):
    """The terminal shows a message, in a paragraph of its own, and no traceback."""
    assert message in terminal
    assert "Traceback" not in terminal
    (paragraph,) = [part for part in terminal.split("\n\n") if message in part]
    assert "WorkflowError" in paragraph  # which opens what snakemake says of an error


@contextmanager
def content(file, new):
    """Give a file other bytes, None to take it away; afterwards it is as it was, with its time."""
    kept = file.with_name(f"{file.name}.kept")
    shutil.copy2(file, kept)
    try:
        file.unlink() if new is None else file.write_bytes(new)
        yield
    finally:
        kept.replace(file)


# --- configurations ---


@pytest.mark.parametrize("overlay, message", CONFIGS.values(), ids=CONFIGS)
def test_a_bad_configuration_is_refused_before_anything_runs(call, tmp_path, overlay, message):
    file = tmp_path / "bad.yaml"
    file.write_text(overlay, encoding="utf-8")
    assert_shows(call("--configfile", str(file)), message)


@pytest.mark.parametrize("bytes_, message", FILES.values(), ids=FILES)
def test_a_bad_file_in_the_place_of_the_configuration_is_named_with_its_line(root, call, bytes_, message):
    with content(root / "config/config.yaml", bytes_):
        terminal = call()
    assert_shows(terminal, message)
    assert "config/config.yaml" in terminal


@pytest.mark.parametrize("kind", ["key twice", "inner key twice", "batch size twice", "key twice in JSON"])
def test_a_file_with_equal_keys_is_refused_although_snakemake_takes_the_last(call, tmp_path, kind):
    file = tmp_path / "bad.yaml"
    file.write_bytes(FILES[kind][0])
    terminal = call("--configfile", str(file))
    assert_shows(terminal, FILES[kind][1])
    assert str(file) in terminal


@pytest.mark.parametrize(
    "kind, message",
    [
        ("indented with tabs", "Config file is not valid JSON or YAML"),
        ("bracket left open", "Config file is not valid JSON or YAML"),
        ("unknown tag", "Config file is not valid JSON or YAML"),
        ("empty", "Config file must be given as JSON or YAML with keys at top level"),
        ("list", "Config file must be given as JSON or YAML with keys at top level"),
    ],
)
def test_a_named_file_that_is_not_yaml_is_refused_by_snakemake_itself(call, tmp_path, kind, message):
    file = tmp_path / "bad.yaml"
    file.write_bytes(FILES[kind][0])
    assert_shows(call("--configfile", str(file)), message)


@pytest.mark.parametrize("kind", ["not UTF-8", "number of 5,000 digits", "month that is none", "missing"])
def test_a_named_file_that_snakemake_cannot_read_is_refused_with_the_reason_last(call, tmp_path, kind):
    # Snakemake shows a traceback of its own here, before it reads the workflow.
    file = tmp_path / "bad.yaml"
    if kind != "missing":
        file.write_bytes(FILES[kind][0])
    reasons = {"not UTF-8": "'utf-8' codec", "missing": "No such file", "month that is none": "month must be in 1..12"}
    assert (
        reasons.get(kind, "Exceeds the limit (4300 digits)") in call("--configfile", str(file)).strip().splitlines()[-1]
    )


@pytest.mark.parametrize(
    "setting, message",
    [
        (
            "results=/etc",
            "results = '/etc': expected a folder in the project, by its path from there, such as results/mine",
        ),
        ("results=5", "results = 5: expected text; write it in quotes"),
        ("results=$(touch pwned)", "results = '$(touch pwned)': expected a path of letters, digits"),
        ("results=; touch pwned", "results = '; touch pwned': expected a path of letters, digits"),
        ("results=`touch pwned`", "results = '`touch pwned`': expected a path of letters, digits"),
        ("results=", "results = null: expected text; a key without a value is null"),
        ("unknown=1", "(top level): unknown key unknown; allowed: augmentation"),
        ("augmentation=5", "augmentation = 5: expected keys with values"),
        (
            "time_limit=null",
            "time_limit = 'null': expected a number or null; this is text: write it without quotes, in a file",
        ),
        ("time_limit=nan", "time_limit = nan: expected a number or null; this one is not finite"),
        ("time_limit=-1", "time_limit = -1: expected at least 1"),
        (
            "augmentation={batch_size: 8}",
            "augmentation.batch_size = '8': expected a whole number; this is text: write it",
        ),
        (
            "autodiff={torch_functions: false}",
            "autodiff.torch_functions = 'false': expected true or false; this is text",
        ),
        (
            "batch_size={learning_rates: {4: 0.1}}",
            "batch_size.learning_rates.4: this key is there 2 times, as a number and",
        ),
    ],
)
def test_what_is_set_on_the_command_line_is_checked_as_well(call, setting, message):
    assert_shows(call("--config", setting), message)


@pytest.mark.parametrize("kind", ["command in results", "batch that does not divide"])
def test_the_command_as_it_is_typed_refuses_alike(call, tmp_path, kind):
    file = tmp_path / "bad.yaml"
    file.write_text(CONFIGS[kind][0])

    def run(root, *arguments):
        command = [sys.executable, "-B", "-m", "snakemake", "--cores", "1", "--nocolor", *arguments]
        return subprocess.run(command, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    assert_shows(call("--configfile", str(file), run=run), CONFIGS[kind][1])


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(sound=sound_configs())
def test_every_configuration_that_is_accepted_can_be_planned(root, tmp_path, sound):
    file = tmp_path / "sound.yaml"
    file.write_text(yaml.safe_dump(sound), encoding="utf-8")
    options = ("--dry-run", "--quiet", "all", "--replace-workflow-config", "--configfile", str(file))
    planned = run_snakemake(root, *options, output=tmp_path / "terminal.txt")
    assert planned.returncode == 0, planned.stdout


# --- notebooks ---


def rename_parameter(notebook):
    (cell,) = (cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", []))
    cell["source"] = "".join(cell["source"]).replace("seed: int", "root: int")


@pytest.mark.parametrize(
    "spoil, message",
    [
        (damage(rename_parameter), "declares no parameter 'seed' (it has case, output, root): add it"),
        (
            damage(lambda notebook: notebook["cells"].append(notebook["cells"][1])),
            "has 2 code cells tagged 'parameters'",
        ),
        (damage(lambda notebook: notebook["cells"][-1].update(source="1 = = 2")), "is not Python (line 1, '1 = = 2'"),
        (
            damage(lambda notebook: notebook["metadata"].update(kernelspec={"name": "julia-1.10"}, language_info={})),
            "julia-1.10",
        ),
        (damage(lambda notebook: notebook.update(nbformat=3)), "is in notebook format 3, expected 4"),
        (lambda template: template[:300], "is not JSON"),
        (lambda template: b"", "is empty: restore the notebook"),
        (lambda template: None, "cannot be read (No such file or directory): put the notebook there"),
    ],
    ids=["renamed parameter", "two parameters cells", "no Python", "Julia", "format 3", "cut off", "empty", "missing"],
)
def test_a_bad_notebook_stops_the_run_before_its_first_cell(root, call, spoil, message):
    notebook = root / "notebooks/autodiff.ipynb"
    with content(notebook, spoil(notebook.read_bytes())):
        # Cells of other notebooks do not run either: what they show would be worth nothing beside the missing ones.
        for target in ("autodiff", "regularization"):
            terminal = call(target)
            assert_shows(terminal, message)
            assert "notebooks/autodiff.ipynb" in terminal


def test_every_notebook_at_fault_is_named_at_once(root, call):
    first, second = root / "notebooks/autodiff.ipynb", root / "notebooks/two_layer.ipynb"
    renamed = [damage(rename_parameter)(notebook.read_bytes()) for notebook in (first, second)]
    with content(first, renamed[0]), content(second, renamed[1].replace(b"n_s: int", b"rise: int")):
        terminal = call()
    assert_shows(terminal, "the notebooks are refused:")
    assert "notebooks/autodiff.ipynb declares no parameter 'seed'" in terminal
    assert "notebooks/two_layer.ipynb declares no parameter 'n_s'" in terminal
