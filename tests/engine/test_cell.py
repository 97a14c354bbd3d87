import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial

import nbformat
import psutil
import pytest
from made_cells import make_cell, write_plan

from gradlab.engine.cell import CellError, describe_commit, main, run_cell
from gradlab.engine.notebook import ParameterError
from gradlab.engine.rounding import CONTEXTS, RoundingError, check_rounding
from gradlab.engine.study import RESULTS
from gradlab.files import sha256

WRITE_RESULTS = """
import json, pathlib
folder = pathlib.Path(output)
(folder / "metrics.json").write_text(json.dumps({"x.value": value * 2}))
(folder / "curves.csv").write_text("pass,metric,value\\n")
"""
PARAMETERS = "value: int = 1\noutput: str = 'out'"
EMPTY_RESULTS = "for name in ('metrics.json', 'curves.csv'):\n    open(f'{output}/{name}', 'a').close()"


def plan_cells(folder, notebook, cells):
    """A plan, in a folder of results, of cells of the study `s` that run one notebook: their parameters by key."""
    template = notebook.parent / f"notebooks/s/{notebook.name}"
    template.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(notebook, template)
    return write_plan(folder, {key: make_cell(key, given, notebook=notebook.stem) for key, given in cells.items()})


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a notebook as the cell study/published/x, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(notebook, parameters=None, **options):
        return run_cell(
            "study/published/x",
            notebook,
            {} if parameters is None else parameters,
            output=tmp_path / "results/x",
            log=tmp_path / "logs/x.ipynb",
            **options,
        )

    return run


def test_a_cell_leaves_its_files_and_a_manifest_that_lists_them(run, write_notebook, tmp_path):
    notebook = write_notebook("# Title", WRITE_RESULTS, parameters=PARAMETERS)
    module = tmp_path / "module.py"
    module.write_text("x = 1")
    manifest = run(notebook, {"value": 21}, inputs=[module])
    cell = tmp_path / "results/x"
    assert json.loads((cell / "metrics.json").read_text()) == {"x.value": 42}
    assert json.loads((cell / "manifest.json").read_text()) == manifest
    assert manifest["parameters"]["value"] == 21
    assert manifest["inputs"] == {str(path): sha256(path) for path in (module, notebook)}
    assert set(manifest["outputs"]) == {"metrics.json", "curves.csv", "notebook.ipynb"}
    assert all(sha256(cell / name) == digest for name, digest in manifest["outputs"].items())
    assert manifest["machine"]["threads"] == 1
    assert manifest["versions"]["ipykernel"]
    assert manifest["rounding"] == {"asked": None, "measured": {}}  # it has imported nothing that rounds
    assert not (tmp_path / "logs/x.ipynb").exists()


def test_what_lay_there_before_is_gone(run, write_notebook, tmp_path):
    old = tmp_path / "results/x/old.svg"
    old.parent.mkdir(parents=True)
    old.write_text("<svg/>")
    run(write_notebook(WRITE_RESULTS, parameters=PARAMETERS))
    assert not old.exists()


def test_the_kernel_has_its_threads_and_folders_of_its_own(run, write_notebook, tmp_path):
    show = """
import json, os, pathlib
names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MPLCONFIGDIR", "IPYTHONDIR"]
pathlib.Path("seen.json").write_text(json.dumps({name: os.environ[name] for name in names}))
"""
    before = dict(os.environ)
    run(write_notebook(show, EMPTY_RESULTS), threads=3)
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["OMP_NUM_THREADS"] == seen["OPENBLAS_NUM_THREADS"] == "3"
    assert not os.path.exists(seen["MPLCONFIGDIR"])
    assert not os.path.exists(seen["IPYTHONDIR"])
    assert dict(os.environ) == before


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_cell_runs_in_the_context_that_is_asked_for(run, write_notebook, context):
    try:
        check_rounding(context)
    except RoundingError:
        pytest.skip(f"this processor has no {context}")
    rounding = run(write_notebook("import numpy as np", EMPTY_RESULTS), rounding=context)["rounding"]
    assert rounding["asked"] == context
    (core,) = CONTEXTS[context].expected["core"]
    assert rounding["measured"]["openblas of numpy"].items() >= {"core": core, "threads": 1}.items()


def test_a_cell_that_has_not_kept_to_the_context_fails(run, write_notebook, tmp_path, monkeypatch):
    monkeypatch.setitem(CONTEXTS, "sse4", replace(CONTEXTS["sse4"], needs=frozenset()))
    with pytest.raises(CellError, match="rounding is sse4, and NumPy has run with features X86_V2 X86_V3"):
        forget = "import os\ndel os.environ['NPY_DISABLE_CPU_FEATURES']\nimport numpy"
        run(write_notebook(forget, EMPTY_RESULTS), rounding="sse4")
    assert_marked_as_failed(tmp_path / "logs/x.ipynb", "OtherRounding")
    assert not (tmp_path / "results/x").exists()


def test_a_context_that_is_not_here_starts_no_kernel(write_notebook, tmp_path, monkeypatch, capsys):
    """As on a node of a cluster with another processor than its neighbours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(CONTEXTS, "avx2", replace(CONTEXTS["avx2"], needs=frozenset(["no_such_instruction"])))
    plan = plan_cells(tmp_path / "results", write_notebook(EMPTY_RESULTS), {"s/published/x": {}})
    plan.write_text(plan.read_text().replace('"rounding": null', '"rounding": "avx2"'))
    assert main([str(plan), "s/published/x"]) == 1
    assert capsys.readouterr().err.startswith("gradlab: rounding is avx2: the processor of this machine has no no_such")
    assert not (tmp_path / "results/logs").exists()


def test_the_kernel_talks_over_files_not_ports(run, write_notebook, tmp_path):
    show = """
import json, pathlib
from ipykernel.kernelapp import IPKernelApp
transport = IPKernelApp.instance().transport
pathlib.Path("transport").write_text(transport)
"""
    run(write_notebook(show, EMPTY_RESULTS))
    assert (tmp_path / "transport").read_text() == "ipc"


def test_what_a_notebook_leaves_for_its_end_is_done(run, write_notebook, tmp_path):
    leave = """
import atexit, pathlib, tempfile
held = tempfile.TemporaryDirectory(dir=".", prefix="held-")
atexit.register(pathlib.Path("left").write_text, "done")
"""
    run(write_notebook(leave, EMPTY_RESULTS))
    assert (tmp_path / "left").read_text() == "done"
    assert not list(tmp_path.glob("held-*"))


def test_cells_side_by_side_in_one_folder_do_not_meet(write_notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook = write_notebook("import time\ntime.sleep(1)", WRITE_RESULTS, parameters=PARAMETERS)
    numbers = range(6)
    cells = {f"s/published/{number}": {"value": number} for number in numbers}
    plan = plan_cells(tmp_path / "results", notebook, cells)
    running = [subprocess.Popen([sys.executable, "-m", "gradlab", "cell", str(plan), name]) for name in cells]
    assert [process.wait() for process in running] == [0 for _ in numbers]
    doubled = [json.loads((tmp_path / "results" / name / "metrics.json").read_text())["x.value"] for name in cells]
    assert doubled == [2 * number for number in numbers]


def test_a_line_rewritten_many_times_stays_one_output(run, write_notebook, tmp_path):
    run(write_notebook("for i in range(500):\n    print(f'\\r{i}', end='', flush=True)", EMPTY_RESULTS))
    notebook = nbformat.read(tmp_path / "results/x/notebook.ipynb", as_version=4)
    assert len(notebook.cells[-2].outputs) == 1


def assert_marked_as_failed(notebook, error):
    notebook = nbformat.read(notebook, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.ename for output in outputs if output.output_type == "error"][-1] == error
    assert notebook.metadata.papermill.exception is True


def test_an_exception_leaves_its_traceback_and_no_results(run, write_notebook, tmp_path):
    notebook = write_notebook(WRITE_RESULTS, "1 / 0", "print('never')", parameters=PARAMETERS)
    with pytest.raises(CellError, match=r"study/published/x failed .*\[4\]") as failure:
        run(notebook, {"value": 1})
    assert "ZeroDivisionError: division by zero" in str(failure.value)
    assert str(tmp_path / "logs/x.ipynb") in str(failure.value)
    assert_marked_as_failed(tmp_path / "logs/x.ipynb", "ZeroDivisionError")
    assert not (tmp_path / "results/x/manifest.json").exists()


def test_a_dead_kernel_is_an_error_that_says_so(run, write_notebook, tmp_path):
    with pytest.raises(CellError, match="the kernel died"):
        run(write_notebook("x = 1", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "x = 2"))
    log = tmp_path / "logs/x.ipynb"
    assert_marked_as_failed(log, "DeadKernelError")
    cells = [cell for cell in nbformat.read(log, as_version=4).cells if cell.cell_type == "code"]
    assert cells[-2].metadata.papermill.status == "failed"
    assert "SIGKILL" in cells[-2].source


def test_a_kernel_that_does_not_start_is_an_error_that_says_so(run, write_notebook, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(CellError, match="failed before its first cell\n  the kernel failed: "):
        run(write_notebook("x = 1"))
    notebook = nbformat.read(tmp_path / "logs/x.ipynb", as_version=4)
    assert "the kernel failed" in notebook.cells[0].source


def test_a_kernel_that_crashes_says_what_it_said(run, write_notebook, tmp_path):
    crash = "import os, sys\nprint('std::bad_alloc, made', file=sys.__stderr__, flush=True)\nos._exit(134)"
    with pytest.raises(CellError, match=r"the kernel died .*; it said: std::bad_alloc, made") as failure:
        run(write_notebook(crash))
    assert_marked_as_failed(tmp_path / "logs/x.ipynb", "DeadKernelError")
    assert "Traceback" not in str(failure.value)


def test_a_file_that_changed_while_the_cell_ran_spoils_its_results(run, write_notebook, tmp_path):
    module = tmp_path / "module.py"
    module.write_text("x = 1")
    edit = f"open({str(module)!r}, 'w').write('x = 2')"
    with pytest.raises(CellError, match=r"module\.py was changed while the cell ran; run it again"):
        run(write_notebook(WRITE_RESULTS, edit, parameters=PARAMETERS), inputs=[module])
    assert not (tmp_path / "results/x/manifest.json").exists()
    assert_marked_as_failed(tmp_path / "logs/x.ipynb", "InputChanged")


@pytest.fixture(params=["here", "by the warm process"])
def start(request, tmp_path, monkeypatch, start_warm):
    """Start a notebook as the cell s/published/x, as a job; a prefix limits it, say."""
    monkeypatch.chdir(tmp_path)

    def start(notebook, *, prefix="", results=tmp_path / "results", variables=None):
        plan = plan_cells(results, notebook, {"s/published/x": {}, "s/published/y": {}})
        if request.param == "by the warm process":
            start_warm(plan)
        command = f"{prefix} exec {sys.executable} -m gradlab cell {plan} s/published/x"
        # Where the tests run in the background of a script, Ctrl-C is ignored, and what they start inherits that.
        hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        environment = os.environ | (variables or {})
        return subprocess.Popen(
            ["bash", "-c", command], stderr=subprocess.PIPE, text=True, preexec_fn=hear, env=environment
        )

    return start


here_alone = pytest.mark.parametrize("start", ["here"], indirect=True)


def wait_for(path, *, timeout=60):
    deadline = time.monotonic() + timeout
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.05)
    return path


SLOW = "import os, pathlib, time\npathlib.Path('kernel').write_text(str(os.getpid()))\ntime.sleep(60)"


def kernel_of(folder):
    file = wait_for(folder / "kernel")
    while not (text := file.read_text()):
        time.sleep(0.05)
    return psutil.Process(int(text))


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_cell_that_is_stopped_ends_its_kernel_and_says_so(start, write_notebook, tmp_path, stop):
    cell = start(write_notebook(SLOW))
    kernel = kernel_of(tmp_path)
    cell.send_signal(stop)
    said = cell.communicate(timeout=60)[1]
    assert cell.returncode == 1
    assert "s/published/x failed in code cell [3]\n  it was stopped from outside" in said
    assert "Traceback" not in said
    assert not kernel.is_running()
    assert_marked_as_failed(tmp_path / "results/logs/s/published/x.ipynb", "KeyboardInterrupt")
    assert not (tmp_path / "results/s/published/x/manifest.json").exists()


@here_alone
def test_a_cell_ends_with_the_run_that_started_it(start, write_notebook, tmp_path):
    run = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    cell = start(write_notebook(SLOW), variables={"GRADLAB_RUN": str(run.pid)})
    kernel = kernel_of(tmp_path)
    assert cell.poll() is None
    run.kill()
    run.communicate()
    assert "it was stopped from outside" in cell.communicate(timeout=60)[1]
    assert not kernel.is_running()


def test_what_a_killed_run_left_does_not_meet_the_next_one(start, write_notebook, tmp_path):
    """Its kernel goes on for a moment: each run writes into a folder of its own, and the next one removes what lies about."""
    first = start(write_notebook(SLOW, "open(f'{output}/late.txt', 'w').close()"))
    kernel = kernel_of(tmp_path)
    kernel.suspend()  # so that it does not notice that its runner has gone
    first.kill()
    first.communicate()
    second = start(write_notebook(EMPTY_RESULTS, name="second.ipynb"))
    assert second.communicate(timeout=60)[1] == ""
    assert second.returncode == 0
    with suppress(psutil.NoSuchProcess):  # a warm process has seen that the job was killed, and ended it
        kernel.kill()
    left = {path.name for path in (tmp_path / "results/s/published").rglob("*")}
    assert left == {"x", "metrics.json", "curves.csv", "notebook.ipynb", "manifest.json"}


@here_alone  # a limit of the job is none of the warm process
def test_too_much_memory_is_an_error_that_says_so(start, write_notebook, tmp_path):
    """`ulimit -v` takes the place of a machine without memory."""
    cell = start(write_notebook("import numpy as np\nnp.ones((1 << 33,))"), prefix="ulimit -v 8000000;")
    said = cell.communicate(timeout=120)[1]
    assert cell.returncode == 1
    assert "failed in code cell [3]" in said
    assert re.search("MemoryError: Unable to allocate 64.0 GiB", said)
    assert "Traceback" not in said
    log = tmp_path / "results/logs/s/published/x.ipynb"
    assert "Unable to allocate" in log.read_text()
    assert nbformat.read(log, as_version=4).metadata.papermill.exception is True


def test_a_cell_on_a_full_disk_says_so(start, write_notebook, small_disk):
    fill = "import pathlib\npathlib.Path(output, 'big.bin').write_bytes(bytes(1 << 24))"
    cell = start(write_notebook(fill), results=small_disk)
    said = cell.communicate(timeout=120)[1]
    assert cell.returncode == 1
    assert "No space left on device" in said
    assert "make room on the disk, and run this again" in said
    assert "Traceback" not in said
    assert not (small_disk / "s/published/x/manifest.json").exists()


def test_a_long_name_of_the_folder_of_temporary_files_is_no_obstacle(run, write_notebook, tmp_path, monkeypatch):
    """The path of a socket has 107 bytes at most."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    run(write_notebook(WRITE_RESULTS, parameters=PARAMETERS))


def test_the_time_limit_is_for_the_whole_notebook(run, write_notebook, tmp_path):
    with pytest.raises(CellError, match=r"time limit of 4 s was reached \(`time_limit` in the configuration\)"):
        run(write_notebook("import time", "time.sleep(2.5)", "time.sleep(30)"), time_limit=4)
    assert_marked_as_failed(tmp_path / "logs/x.ipynb", "CellTimeoutError")


def test_parameters_that_do_not_fit_start_no_kernel(run, write_notebook, tmp_path):
    with pytest.raises(ParameterError, match="declares no parameter 'unknown'"):
        run(write_notebook("x = 1"), {"unknown": 1})
    assert not (tmp_path / "results").exists()


def test_the_command_reads_the_plan_and_reports_in_a_few_lines(write_notebook, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(notebook):
        plan = plan_cells(tmp_path / "r", notebook, {"s/published/x": {"value": 2}})
        return main([str(plan), "s/published/x"])

    assert call(write_notebook(WRITE_RESULTS, parameters=PARAMETERS)) == 0
    manifest = json.loads((tmp_path / "r/s/published/x/manifest.json").read_text())
    assert manifest["parameters"]["value"] == 2
    assert call(write_notebook("raise ValueError('no such thing')", parameters=PARAMETERS)) == 1
    message = capsys.readouterr().err
    assert "ValueError: no such thing" in message
    assert len(re.findall("Traceback", message)) == 0
    assert len(message.strip().splitlines()) <= 4


def test_a_notebook_that_leaves_out_a_result_leaves_none(run, write_notebook, tmp_path):
    with pytest.raises(CellError, match=r"came to its end without writing curves\.csv, plot\.svg"):
        run(write_notebook("open(f'{output}/metrics.json', 'w').close()"), files=[*RESULTS, "plot.svg"])
    assert_marked_as_failed(tmp_path / "logs/x.ipynb", "MissingResult")
    assert not (tmp_path / "results/x").exists()


@pytest.mark.parametrize("written", ['{"a": 1}', ""])
def test_a_notebook_that_leaves_out_a_metric_leaves_no_results(run, write_notebook, tmp_path, written):
    save = f"for name in ('metrics.json', 'curves.csv'):\n    open(f'{{output}}/{{name}}', 'w').write({written!r})"
    with pytest.raises(CellError, match=r"came to its end without writing the metric b\n"):
        run(write_notebook(save), metrics=["a", "b"] if written else ["b"])
    assert_marked_as_failed(tmp_path / "logs/x.ipynb", "MissingResult")


def test_a_notebook_imports_from_the_folders_of_its_study(run, write_notebook, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/science_of_a_study.py").touch()
    run(write_notebook("import science_of_a_study", EMPTY_RESULTS), paths=[str(tmp_path / "elsewhere")])


def test_the_executed_notebook_names_the_place_of_its_results(run, write_notebook, tmp_path):
    run(write_notebook("print(output)", EMPTY_RESULTS))
    text = (tmp_path / "results/x/notebook.ipynb").read_text()
    assert f'"{tmp_path}/results/x\\n"' in text
    assert ".part" not in text


def test_the_manifest_says_what_the_kernel_says(run, write_notebook, tmp_path):
    """Versions come from where they were used: another NumPy in front of the environment's own is told, and not hidden."""
    pretend = (
        "import pathlib, sys\n"
        "info = pathlib.Path('front/numpy-9999.dist-info'); info.mkdir(parents=True)\n"
        "(info / 'METADATA').write_text('Metadata-Version: 2.1\\nName: numpy\\nVersion: 9999\\n')\n"
        "sys.path.insert(0, 'front')\nimport numpy"
    )
    versions = run(write_notebook(pretend, EMPTY_RESULTS))["versions"]
    assert versions["numpy"] == "9999"
    assert versions["python"] == sys.version.split()[0]
    assert versions["ipykernel"]


def test_the_manifest_names_what_runner_and_kernel_have_imported_and_no_more(write_notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_cells(tmp_path / "results", write_notebook(EMPTY_RESULTS), {"s/published/x": {}})
    subprocess.run([sys.executable, "-m", "gradlab", "cell", str(plan), "s/published/x"], check=True)
    versions = json.loads((tmp_path / "results/s/published/x/manifest.json").read_text())["versions"]
    assert {"papermill", "ipykernel"} < versions.keys()
    assert "matplotlib" not in versions


@pytest.mark.parametrize("variable", ["JUPYTER_PATH", "JUPYTER_DATA_DIR", "HOME"])
def test_the_kernel_is_this_interpreter_whatever_kernelspecs_there_are(
    run, write_notebook, tmp_path, monkeypatch, variable
):
    for folder in ("share", "share/.local/share/jupyter"):
        spec = tmp_path / folder / "kernels/python3/kernel.json"
        spec.parent.mkdir(parents=True)
        argv = ["/bin/false", "{connection_file}"]
        spec.write_text(json.dumps({"argv": argv, "display_name": "Mine", "language": "python"}))
    monkeypatch.setenv(variable, str(tmp_path / "share"))
    run(write_notebook(f"import sys\nassert sys.executable == {sys.executable!r}, sys.executable", EMPTY_RESULTS))


def test_nothing_of_the_users_own_runs_in_the_kernel(run, write_notebook, tmp_path, monkeypatch):
    shadow = tmp_path / "torch.py"
    shadow.write_text("raise RuntimeError('not torch')")
    (tmp_path / "startup.py").write_text("started = True")
    (tmp_path / "matplotlibrc").write_text("font.size: 30")
    (tmp_path / "usercustomize.py").write_text("raise SystemExit('customised')")
    for name, value in {
        "PYTHONSTARTUP": tmp_path / "startup.py",
        "PYTHONPATH": tmp_path,
        "PYTHONOPTIMIZE": "2",
        "MATPLOTLIBRC": tmp_path / "matplotlibrc",
        "MPLBACKEND": "no_such_backend",
    }.items():
        monkeypatch.setenv(name, str(value))
    check = (
        "import matplotlib.pyplot, sys, torch\n"
        "assert 'started' not in globals()\n"
        "assert not sys.flags.optimize\n"
        "if not __debug__: raise SystemError('asserts are off')"
    )
    run(write_notebook(check, EMPTY_RESULTS))


def test_no_output_is_lost_while_the_runner_stands_still(start, write_notebook, tmp_path):
    """Ctrl-Z, or a laptop that sleeps: what the kernel says meanwhile is more than its queue holds by default."""
    lines = 5000
    talk = f"open('kernel', 'w').close()\nimport time\ntime.sleep(2)\nfor i in range({lines}):\n    display(i)"
    cell = start(write_notebook(talk, "open('said', 'w').close()", EMPTY_RESULTS))
    wait_for(tmp_path / "kernel")
    cell.send_signal(signal.SIGSTOP)
    time.sleep(8)
    cell.send_signal(signal.SIGCONT)
    assert cell.communicate(timeout=120)[1] == ""
    notebook = nbformat.read(tmp_path / "results/s/published/x/notebook.ipynb", as_version=4)
    assert len(notebook.cells[2].outputs) == lines


def test_output_that_is_lost_is_an_error_that_says_so(run, write_notebook, tmp_path, monkeypatch):
    monkeypatch.setattr("gradlab.engine.execution.OUTPUT_TIMEOUT", 1)
    mute = "from ipykernel.kernelapp import IPKernelApp\nIPKernelApp.instance().iopub_socket.close()"
    with pytest.raises(CellError, match="its output did not arrive within 1 s; run it again"):
        run(write_notebook(EMPTY_RESULTS, mute))
    assert not (tmp_path / "results/x").exists()


def test_a_log_on_another_disk_is_no_obstacle(run, write_notebook, tmp_path, monkeypatch):
    """A rename from disk to disk fails with EXDEV; so does this one, of everything but what stays in the folder of results."""
    rename = os.rename

    def rename_on_one_disk(old, new, **options):
        if ("logs" in str(new)) != ("logs" in str(old)):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(old, new, **options)

    monkeypatch.setattr(os, "rename", rename_on_one_disk)
    monkeypatch.setattr(os, "replace", rename_on_one_disk)
    run(write_notebook(EMPTY_RESULTS))
    with pytest.raises(CellError, match="ZeroDivisionError"):
        run(write_notebook("1 / 0"))
    assert_marked_as_failed(tmp_path / "logs/x.ipynb", "ZeroDivisionError")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one commit, as the project; its commit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gradlab.engine.cell.PROJECT", tmp_path)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    return subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_that_of_the_project_and_never_a_foreign_one(repository, tmp_path, monkeypatch):
    assert describe_commit() == {"commit": repository, "dirty": False}
    inside = tmp_path / "unpacked"
    inside.mkdir()
    monkeypatch.setattr("gradlab.engine.cell.PROJECT", inside)
    assert describe_commit() is None
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert describe_commit() is None
    monkeypatch.setenv("GIT_WORK_TREE", str(inside))
    assert describe_commit() is None
