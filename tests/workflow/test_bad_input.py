"""Configurations and notebooks that cannot work: the command line of snakemake refuses them before anything runs."""

import re
import shutil
import stat
from contextlib import contextmanager

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from made_configs import CONFIGS, FILES, sound_configs
from made_notebooks import damage

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def copy(copy_project):
    """A copy of the project, in which nothing may change."""
    return copy_project()


@pytest.fixture
def call(copy):
    """A function that calls snakemake in the copy, which has to refuse, and returns what the terminal shows."""

    def call(*arguments):
        before = snapshot(copy.root)
        refused = copy.snakemake(*arguments, check=False)
        assert refused.returncode != 0, refused.stdout
        assert snapshot(copy.root) == before
        assert not list(copy.root.rglob("pwned"))
        assert not re.search(r'File "[^"]*/gradlab/', refused.stdout), (
            "a traceback that leads into the project's own code"
        )
        return refused.stdout

    return call


def snapshot(root):
    """Everything below a folder but what snakemake says: what it is and, of files, how large, and when they were written."""
    own = {".snakemake", "__pycache__", "terminal.txt"}
    found = {path: path.lstat() for path in root.rglob("*") if not own & set(path.relative_to(root).parts)}
    # The times of folders tell of byte code that was written into them.
    written = {
        path: (about.st_size, about.st_mtime_ns) for path, about in found.items() if not stat.S_ISDIR(about.st_mode)
    }
    return {path: (about.st_mode, written.get(path)) for path, about in found.items()}


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


# --- configurations; tests/engine/test_config.py gives many more to the checker itself ---

BAD = [
    "unknown: 1",
    'data: {cache: "caf\\udce9"}',
    "data: {local: {cifar10: '/x; touch pwned'}}",
    "regularization: {batch_size: 300}",
]


@pytest.mark.parametrize("overlay", BAD)
def test_a_bad_configuration_is_refused_before_anything_runs(call, tmp_path, overlay):
    file = tmp_path / "bad.yaml"
    file.write_text(overlay, encoding="utf-8")
    assert_shows(call("--configfile", str(file)), CONFIGS[overlay])


@pytest.mark.parametrize("content", [b"autodiff:\n  seed: 010\n", b'{"results": "a", "results": "b"}'])
def test_a_file_that_snakemake_would_take_for_something_else_is_refused_with_its_name(call, tmp_path, content):
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    terminal = call("--configfile", str(file))
    assert_shows(terminal, FILES[content])
    assert str(file) in terminal


def test_what_is_set_on_the_command_line_is_checked_as_well(call):
    assert_shows(call("--config", "results=$(touch pwned)"), CONFIGS["results: $(touch pwned)"])


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate])
@given(sound=sound_configs())
def test_every_configuration_that_is_accepted_can_be_planned(copy, sound):
    with content(copy.root / "config/config.yaml", yaml.safe_dump(sound).encode()):
        copy.snakemake("--dry-run", "--quiet", "all")


# --- notebooks; tests/engine/test_notebook.py gives many more to the checker itself ---


def rename_parameter(notebook):
    (cell,) = (cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", []))
    cell["source"] = "".join(cell["source"]).replace("seed: int", "root: int").replace("n_s: int", "rise: int")


def test_every_bad_notebook_is_named_at_once_before_the_first_cell(copy, call):
    first, second = (copy.root / f"notebooks/{name}.ipynb" for name in ("autodiff/case", "regularization/two_layer"))
    renamed = [damage(rename_parameter)(notebook.read_bytes()) for notebook in (first, second)]
    with content(first, renamed[0]), content(second, renamed[1]):
        # Cells of other notebooks do not run either: what they show would be worth nothing beside the missing ones.
        terminal = call("augmentation")
    assert_shows(terminal, "the notebooks are refused:")
    assert "notebooks/autodiff/case.ipynb declares no parameter 'seed' (it has case, output, root): add it" in terminal
    assert "notebooks/regularization/two_layer.ipynb declares no parameter 'n_s'" in terminal


# --- published figures; tests/engine/test_figures.py gives many more to the checker itself ---


def test_a_bad_figure_is_named_with_file_and_line_before_the_first_cell(copy, call):
    file = copy.root / "src/gradlab/studies/autodiff/published/figures.yaml"
    whole = file.read_bytes()
    with content(file, whole.replace(b"rule: exact", b"rule: exactly", 1)):
        terminal = call()
    line = whole.split(b"rule: exact")[0].count(b"\n  - id:")
    start = [number for number, text in enumerate(whole.splitlines(), 1) if text.startswith(b"  - id:")][line - 1]
    assert_shows(terminal, "the published figures are refused:")
    assert f"{file}, line {start}: rule = exactly: expected one of exact, " in terminal
