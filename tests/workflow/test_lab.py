"""The notebooks in JupyterLab, as `make lab` opens them: each runs as it stands, from its first cell to its last."""

import json
import os
import signal
import sys
import time

import nbformat
import pytest
import requests
from jupyter_client import BlockingKernelClient

# Those whose defaults are done within seconds; the others train for minutes, and differ in nothing that matters here.
QUICK = (
    "autodiff/case",
    "autodiff/derivative_sweep",
    "moons/demo",
    "moons/held_out",
    "regularization/gradient_check",
    "regularization/notebook_code",
)


@pytest.fixture(scope="module")
def lab(project, copy_project, tmp_path_factory):
    """A copy of the project, a session with the address of its JupyterLab, and the folder of its connections."""
    copy, runtime = copy_project(), tmp_path_factory.mktemp("runtime")
    for name in ("Makefile", "requirements.lock", "requirements-test.lock", "requirements-torch.lock"):
        (copy.root / name).symlink_to(project / name)
    (copy.root / ".venv").symlink_to(sys.prefix)
    server = copy.start(
        "make", "lab", BROWSER="true", JUPYTER_RUNTIME_DIR=str(runtime), JUPYTER_CONFIG_DIR=str(runtime)
    )
    deadline = time.monotonic() + 120
    while not (started := [*runtime.glob("jpserver-*.json")]):
        assert server.poll() is None and time.monotonic() < deadline, copy.terminal
        time.sleep(0.2)
    about = json.loads(started[0].read_text(encoding="utf-8"))
    with requests.Session() as session:
        session.headers["Authorization"] = f"token {about['token']}"
        yield copy, session, about["url"], runtime
    os.kill(about["pid"], signal.SIGTERM)
    server.wait()


@pytest.mark.workflow
@pytest.mark.parametrize("name", QUICK)
def test_a_notebook_runs_with_its_defaults(lab, name):
    copy, session, address, runtime = lab
    path = f"{name}.ipynb"
    asked = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
    opened = session.post(f"{address}api/sessions", json=asked, timeout=60)
    opened.raise_for_status()
    client = BlockingKernelClient(connection_file=str(runtime / f"kernel-{opened.json()['kernel']['id']}.json"))
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    notebook = nbformat.read(copy.root / "notebooks" / path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            reply = client.execute_interactive(cell.source, timeout=120, output_hook=lambda message: None)
            assert reply["content"]["status"] == "ok", "\n".join(reply["content"].get("traceback", ()))
    client.stop_channels()
    session.delete(f"{address}api/sessions/{opened.json()['id']}", timeout=60).raise_for_status()
    metrics = copy.root / "results/scratch/metrics.json"
    assert metrics.exists()
    metrics.unlink()
