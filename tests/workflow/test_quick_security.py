"""Nothing that a study prints, or that its configuration says, becomes a command or a script."""

import json
import re
import shlex

import nbformat
import pytest
from made_runs import seal
from snakemake.utils import format as format_command
from workflow.conftest import render

pytestmark = pytest.mark.workflow

CELL = "autodiff/published/jump"
MARK = "document.documentElement.dataset.taken = 'yes'"
HOSTILE = [
    f"<script>{MARK}</script>",
    f'<img src="x" onerror="{MARK}">',
    f'<svg onload="{MARK}"><script>{MARK}</script></svg>',
    f'<a href="javascript:{MARK}" class="bait">bait</a>',
    f'<iframe srcdoc="<script>parent.{MARK}</script>"></iframe>',
    f'<details open ontoggle="{MARK}">more</details>',
    '<meta http-equiv="refresh" content="0; url=http://localhost:1/taken"><base href="http://localhost:1/">',
]


@pytest.fixture
def hostile(copy_results):
    """Results in which one cell's notebook, answers and figure are full of scripts, and their digests as they should be."""
    folder = copy_results / CELL
    file = folder / "notebook.ipynb"
    notebook = nbformat.read(file, as_version=4)
    for text in HOSTILE:
        new = nbformat.v4.new_output
        outputs = [
            new("display_data", data={"text/html": text, "text/plain": text}),
            new("display_data", data={"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg'>{text}</svg>"}),
            new("display_data", data={"text/markdown": text}),
            new("display_data", data={"application/javascript": MARK, "text/plain": text}),
            new("display_data", data={"text/latex": text}),
            new("stream", name="stdout", text=text),
            new("stream", name="stderr", text=f"\x1b[31m{text}\x1b[0m"),
            new("error", ename=text, evalue=text, traceback=[text]),
        ]
        notebook.cells += [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(text, outputs=outputs)]
    nbformat.write(notebook, file)
    answers = [{"question": text, "answer": text, "evidence": text} for text in HOSTILE]
    (folder / "answers.json").write_text(json.dumps(answers))
    seal(folder)
    return copy_results


def test_a_script_that_a_notebook_prints_runs_nowhere(hostile, open_page):
    report = render(hostile)
    shown = [report, report.parent / f"pages/{CELL}.html", report.parent / "pages/autodiff.html"]
    for file in shown:
        page = open_page(file)
        for bait in page.locator("a.bait").all():
            bait.click()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.dataset.taken") is None
        assert page.url == file.resolve().as_uri()
        assert [address for address in page.asked if not address.startswith(("file:", "data:"))] == []
    text = open_page(shown[1]).locator("body").inner_text()
    assert f"<script>{MARK}</script>" in text  # shown as what it is


def test_every_value_in_a_command_is_quoted(project):
    """Paths come from the configuration: the schema keeps shell characters out of them, and the commands quote them."""
    rules = {file: file.read_text(encoding="utf-8") for file in (project / "workflow/rules").glob("*.smk")}
    commands = [command for text in rules.values() for command in re.findall(r'shell:\n\s+(".*?")\n', text)]
    places = re.findall(r"{([^{}]*)}", "".join(commands))
    assert len(places) == 8
    # The latter two are quoted where they are made.
    assert {place for place in places if not place.endswith(":q")} == {"threads", "params.gradlab", "params.command"}
    (command,) = re.findall(r'RENDER_REPORT = f"(.*)"\n', rules[project / "workflow/rules/report.smk"])
    assert re.fullmatch(r"{GRADLAB} report {shlex\.join\(.*\)}", command)


def test_a_quoted_value_stays_one_word():
    """Were the schema to let a hostile path pass, it would be an argument all the same."""
    path = "results; touch pwned/$(id)/plan.json"
    assert shlex.split(format_command("python {path:q}", path=path)) == ["python", path]
