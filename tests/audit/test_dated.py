"""An environment of a month is made from what there was by then; a number that comes back in it has changed with a version."""

import base64
import hashlib
import io
import json
import platform
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata

import pytest
from audit.corpus import LIMITS, Case, write_case
from jsonschema import Draft202012Validator

from gradlab.__main__ import main
from gradlab.audit.dated import DateError, choose_python, find_end, find_requirements, make_environment, read_month
from gradlab.audit.examine import audit_notebook

OLD, LATER, NOW = "2021-03-05T00:00:00Z", "2022-02-01T00:00:00Z", "2025-03-01T00:00:00Z"
THIS = platform.python_version()


def pack(name, version, files):
    """Return a wheel."""
    folder = f"{name}-{version}.dist-info"
    files = files | {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{folder}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    return _zip(files, folder)


def _zip(files, folder):
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}\n"
        for path, content in files.items()
    )
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for path, content in (files | {f"{folder}/RECORD": record.encode()}).items():
            archive.writestr(path, content)
    return memory.getvalue()


def repack(name):
    """Return the file name of the wheel from which a distribution was installed here, the wheel, and the names of its needs."""
    found = metadata.distribution(name)
    paths = [path for path in found.files if ".." not in path.parts and "__pycache__" not in path.parts]
    paths = [path for path in paths if path.name not in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")]
    files = {str(path): path.locate().read_bytes() for path in paths}
    folder = next(path.parts[0] for path in found.files if path.name == "METADATA")
    tags = re.findall(r"^Tag: (\S+)", found.read_text("WHEEL"), re.MULTILINE)
    python, abi, system = zip(*(tag.split("-") for tag in tags), strict=True)
    tag = "-".join(".".join(dict.fromkeys(part)) for part in (python, abi, system))
    return f"{folder.removesuffix('.dist-info')}-{tag}.whl", _zip(files, folder)


@pytest.fixture(scope="module")
def index():
    """An index of packages on loopback: what a kernel needs, and pooch and filelock in versions that never were."""
    from packaging.requirements import Requirement

    waiting, wheels = ["ipykernel"], {}
    while waiting:
        name = waiting.pop()
        if name in wheels:
            continue
        wheels[name] = {OLD: repack(name)}
        needs = [Requirement(line) for line in metadata.requires(name) or []]
        waiting += [
            re.sub(r"[-_.]+", "-", need.name).lower()
            for need in needs
            if need.marker is None or need.marker.evaluate({"extra": ""})
        ]
    made = {
        ("pooch", "0.1", OLD): b"def file_hash(path, algorithm='md5'):\n    return 32 * '0'\n",
        ("pooch", "0.2", LATER): b"def file_hash(path):\n    return 40 * '0'\n",
        ("pooch", "0.3", NOW): b"def file_hash(path):\n    return 64 * '0'\n",  # as the real one
        ("filelock", "0.1", OLD): b"FileLock = ''\n",
        ("filelock", "0.2", LATER): b"FileLock = ''\n",
    }
    for (name, version, uploaded), source in made.items():
        wheel = pack(name, version, {f"{name}/__init__.py": source})
        wheels.setdefault(name, {})[uploaded] = (f"{name}-{version}-py3-none-any.whl", wheel)
    files = {file: content for versions in wheels.values() for file, content in versions.values()}
    for file, content in [*files.items()]:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            path = next(path for path in archive.namelist() if path.endswith(".dist-info/METADATA"))
            files[f"{file}.metadata"] = archive.read(path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            kind, name = self.path.strip("/").split("/")[:2]
            content = files.get(name) if kind == "files" else None
            if kind == "simple" and name in wheels:
                listed = [
                    {
                        "filename": file,
                        "url": f"/files/{file}",
                        "hashes": {"sha256": hashlib.sha256(wheel).hexdigest()},
                        "core-metadata": True,
                        "upload-time": uploaded,
                    }
                    for uploaded, (file, wheel) in wheels[name].items()
                ]
                content = json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": listed}).encode()
            self.send_response(404 if content is None else 200)
            if kind == "simple":
                self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


@pytest.fixture
def at_index(index, monkeypatch, tmp_path):
    """uv looks nowhere else, and keeps its files in the test's folder."""
    for name, value in {
        "UV_DEFAULT_INDEX": index,
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("UV_INDEX", "UV_FIND_LINKS", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)


SOURCE = """
import pooch
print("digits", len(pooch.file_hash("paper.ipynb")))
print("one", 1)
"""


GONE = """
import pooch
print("digits", len(pooch.file_hash("paper.ipynb", algorithm="md5")))
"""


BOTH = """
import pooch
import filelock
print("digits", len(pooch.file_hash("paper.ipynb")))
"""
LENGTH = """
print("letters", len(str(filelock.FileLock)))
"""
ARGUMENT = """
print("more digits", len(pooch.file_hash("paper.ipynb", algorithm="md5")))
"""


def write(folder, source=SOURCE, saved="digits 32\none 1\n"):
    folder.mkdir(parents=True, exist_ok=True)
    case = Case([(source, saved, [])], metadata={"language_info": {"name": "python", "version": THIS}})
    return write_case(case, folder / "paper.ipynb")


def test_a_number_that_comes_back_with_older_packages_has_changed_with_a_version(at_index, tmp_path, capsys):
    notebook = write(tmp_path / "folder")
    assert main(["audit", str(notebook), "--date", "2021-12"]) == 1
    audit = json.loads((tmp_path / "folder/paper-audit/audit.json").read_text())
    digits, one = audit["figures"]
    assert (digits["now"], digits["dated"], digits["verdict"], digits["cause"]) == ("64", "32", "differs", "versions")
    now = metadata.version("pooch")
    assert digits["evidence"] == f"with what there was at the end of 2021-12 it is 32: pooch 0.1, now {now}"
    assert (one["verdict"], one["dated"]) == ("same", "1")
    run = audit["runs"][-1]
    assert (run["name"], run["python"], run["distributions"]["pooch"]) == ("dated", THIS, "0.1")
    assert audit["notes"][-1] == (
        f"1 number is not the same today; with what there was at the end of 2021-12 (pooch 0.1, now {now}), 1 of them is."
    )
    assert sorted(path.name for path in notebook.parent.iterdir()) == ["paper-audit", "paper.ipynb"]


def test_a_number_that_no_version_brings_back_is_not_explained_by_them(at_index, tmp_path):
    notebook = write(tmp_path / "folder", saved="digits 33\none 1\n")
    audit = audit_notebook(notebook, tmp_path / "out", limits=LIMITS, month="2022-02")
    digits, _ = audit.entries
    assert (digits.verdict, digits.cause, digits.found["dated"]) == ("differs", "unexplained", "40")
    assert digits.evidence.endswith("with what there was at the end of 2022-02 it is 40")


def test_an_error_of_an_argument_that_went_is_shown_to_be_one(at_index, tmp_path):
    notebook = write(tmp_path / "folder", source=GONE, saved="digits 32\n")
    [digits] = audit_notebook(notebook, tmp_path / "out", limits=LIMITS, month="2021-12").entries
    assert (digits.verdict, digits.cause, digits.found["dated"]) == ("failed", "removed API", "32")
    assert (
        "unexpected keyword argument 'algorithm'" in digits.evidence and "it is 32: pooch 0.1, now" in digits.evidence
    )


def test_of_several_packages_that_changed_the_one_is_named_that_gives_what_today_gives(at_index, tmp_path, project):
    saved = [(BOTH, "digits 32\n", []), (LENGTH, "letters 0\n", []), (ARGUMENT, "more digits 32\n", [])]
    case = Case(saved, metadata={"language_info": {"name": "python", "version": THIS}})
    notebook = write_case(case, tmp_path / "paper.ipynb")
    assert main(["audit", str(notebook), "--date", "2021-12"]) == 1
    audit = json.loads((tmp_path / "paper-audit/audit.json").read_text())
    schema = json.loads((project / "docs/schemas/audit.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(audit)
    assert [run["name"] for run in audit["runs"]][-3:] == ["dated", "newer filelock", "newer pooch"]
    digits, letters, more = audit["figures"]
    assert [figure["cause"] for figure in audit["figures"]] == ["versions", "versions", "removed API"]
    dated = "with what there was at the end of 2021-12 it is"
    assert digits["evidence"] == f"{dated} 32, and with a newer pooch (0.3) alone it is as it is today"
    unknown = "which package it was did not show, for with no newer one alone is it as it is today"
    assert letters["evidence"] == f"{dated} 0; {unknown}"
    assert more["evidence"].endswith(f"; {dated} 32, and with a newer pooch (0.3) alone it is as it is today")
    assert {path.name for path in (tmp_path / "paper-audit").iterdir() if path.is_dir()} == {"environment", "runs"}


def test_what_was_not_published_by_then_is_said_and_the_audit_goes_on(at_index, tmp_path):
    notebook, told = write(tmp_path / "folder"), []
    audit = audit_notebook(notebook, tmp_path / "out", limits=LIMITS, month="2021-01", tell=told.append)
    assert "dated" not in audit.runs
    assert audit.verdicts == {"same": 1, "differs": 1}
    [note] = [note for note in audit.notes if "no run with the packages of that month" in note]
    assert "pooch" in note or "ipykernel" in note
    assert f"{notebook}: {note}" in told
    assert not (tmp_path / "out/environment").exists()


def test_another_python_is_taken_and_said_where_the_saved_one_is_not_to_be_had(at_index, tmp_path):
    notebook = write(tmp_path / "folder")
    note = "uv found no Python 3.1 on this machine's search path and could not fetch it, so another one was taken"
    made = make_environment(notebook, "2021-12", "3.1.5", tmp_path / "environment")
    assert (made.note, made.description["python"]) == (f"{note}.", THIS)
    with pytest.raises(DateError, match=note):
        make_environment(notebook, "2021-01", "3.1.5", tmp_path / "environment")


def test_requirements_are_those_beside_the_notebook_or_what_it_and_its_modules_import(tmp_path):
    notebook = write(
        tmp_path, source="%matplotlib inline\nimport os, cv2\nfrom helper import x\nfrom sklearn import svm"
    )
    (tmp_path / "helper.py").write_text("import yaml\nimport numpy as np\nimport unheard_of")
    assert find_requirements(notebook) == ["numpy", "opencv-python-headless", "pyyaml", "scikit-learn", "unheard_of"]
    (tmp_path / "requirements.txt").write_text("numpy<2\n")
    assert find_requirements(notebook) == ["numpy<2"]


def test_python_is_the_saved_one_or_one_that_had_been_out_for_half_a_year():
    assert choose_python("2021-06", "3.7.10") == "3.7"
    months = {"2021-06": "3.9", "2021-03": "3.8", "2021-04": "3.9", "2025-12": "3.13", "2016-01": "3.6"}
    assert {month: choose_python(month, "") for month in months} == months
    assert choose_python("2021-06", "2.7.1") == "3.9"


def test_a_month_is_four_digits_and_two_and_has_begun():
    assert read_month("2021-06") == "2021-06"
    for text in ("2021", "2021-6", "2021-13", "06-2021", "9999-01"):
        with pytest.raises(ValueError):
            read_month(text)
    assert (find_end("2021-06"), find_end("2021-12")) == ("2021-07-01T00:00:00Z", "2022-01-01T00:00:00Z")


def test_the_command_refuses_what_is_no_month(capsys):
    with pytest.raises(SystemExit):
        main(["audit", "paper.ipynb", "--date", "June"])
    assert "'June' is no month; expected one such as 2021-06" in capsys.readouterr().err
