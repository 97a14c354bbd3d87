import errno
import json
import os
import subprocess
import sys
import time

import pytest

from gradlab.files import LEFTOVER, atomic_path, remedy_of, remove_leftovers, save_json, sha256, sync

# Writes half of a file and waits to be killed.
HALF = """
import sys
from gradlab.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("written", flush=True)
    sys.stdin.read()
"""


def test_a_file_is_there_when_the_block_ends_and_not_before(tmp_path):
    file = tmp_path / "new/folder/file.txt"
    with atomic_path(file) as temporary:
        temporary.write_text("whole")
        assert not file.exists()
    assert file.read_text() == "whole"
    assert [path.name for path in file.parent.iterdir()] == ["file.txt"]


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("before")
    with pytest.raises(ZeroDivisionError), atomic_path(file) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_writer_that_is_killed_leaves_what_was_there(tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("before")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    writer = subprocess.Popen([sys.executable, "-c", HALF, str(file)], text=True, **pipes)
    assert writer.stdout.readline() == "written\n"
    writer.kill()
    writer.communicate()
    assert file.read_text() == "before"
    save_json(file, ["after"])
    assert json.loads(file.read_text()) == ["after"]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    file = tmp_path / "file.txt"
    with atomic_path(file) as one, atomic_path(file) as other:
        one.write_text("one")
        other.write_text("other")
    assert file.read_text() == "one"  # the block that ends last
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_content_and_name_are_on_the_disk_before_the_block_has_ended(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    with atomic_path(tmp_path / "file.txt") as temporary:
        temporary.write_text("x")
    assert order == [str(temporary), str(tmp_path)]
    sync(tmp_path / "file.txt")
    assert order[-1] == str(tmp_path / "file.txt")


@pytest.fixture
def fail_to_sync(monkeypatch):
    """A function that makes every wait for a folder, or for a file, fail with an error."""

    def fail(number, *, folders):
        def fsync(descriptor):
            if os.path.isdir(f"/proc/self/fd/{descriptor}") == folders:
                raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    return fail


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_a_file_system_that_cannot_wait_for_folders_will_do(tmp_path, fail_to_sync, number):
    fail_to_sync(number, folders=True)
    save_json(tmp_path / "new/file.json", [1])
    assert json.loads((tmp_path / "new/file.json").read_text()) == [1]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_wait_at_all_will_do(tmp_path, fail_to_sync, number):
    fail_to_sync(number, folders=False)
    save_json(tmp_path / "file.json", [1])
    assert json.loads((tmp_path / "file.json").read_text()) == [1]


@pytest.mark.parametrize(
    "number, folders",
    [(errno.EIO, True), (errno.EIO, False), (errno.ENOSPC, True), (errno.ENOSPC, False), (errno.EBADF, False)],
)
def test_content_that_the_disk_could_not_take_is_an_error(tmp_path, fail_to_sync, number, folders):
    fail_to_sync(number, folders=folders)
    with pytest.raises(OSError, match=os.strerror(number)):
        save_json(tmp_path / "file.json", [1])
    assert not list(tmp_path.glob(".*.part"))


def test_what_is_made_durable_later_is_whole_all_the_same_and_waits_for_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("waited for the disk"))
    file = tmp_path / "file.txt"
    with atomic_path(file, durable=False) as temporary:
        temporary.write_text("whole")
        assert not file.exists()
    assert file.read_text() == "whole"
    with pytest.raises(ZeroDivisionError), atomic_path(file, durable=False) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert file.read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path):
    old, new, named = (tmp_path / name for name in (".a.npy.0123.part", ".b.npy.0123.part", "c.part"))
    for file in (old, new, named):
        file.write_text("half")
    folder = tmp_path / ".d.part"
    (folder / "staged").mkdir(parents=True)
    before = time.time() - LEFTOVER
    for path in (old, named, folder):
        os.utime(path, (before - 1, before - 1))
    os.utime(new, (before + 60, before + 60))
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [new.name, named.name]


def test_json_is_sorted_or_keeps_its_order_and_refuses_what_it_cannot_hold(tmp_path):
    file = tmp_path / "file.json"
    save_json(file, {"b": "λ", "a": 1})
    assert file.read_text(encoding="utf-8") == '{\n  "a": 1,\n  "b": "λ"\n}\n'
    save_json(file, {"b": 2, "a": 1}, sort_keys=False)
    assert list(json.loads(file.read_text())) == ["b", "a"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_json(file, float("nan"))
    assert json.loads(file.read_text()) == {"b": 2, "a": 1}


def test_the_digest_is_that_of_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-4, the standard's own example.
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_remedy_of_an_error_fits_it():
    assert remedy_of(OSError(errno.ENOSPC, "full")).startswith("make room")
    assert remedy_of(OSError(errno.EACCES, "denied")).startswith("make its folder writable")
    assert remedy_of(OSError(errno.EIO, "broken")) == "put this right, and run it again"
