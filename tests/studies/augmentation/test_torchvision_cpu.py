"""torchvision can be imported with or without its compiled operators; stub packages stand for either case."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# What the registration of an operator by name does when the compiled operators are not there.
STOPS_WITHOUT_OPERATORS = """
import torch
from torchvision import transforms
if not hasattr(torch.ops.torchvision, "nms"):
    raise RuntimeError("operator torchvision::nms does not exist")
torch.library.register_fake("torchvision::nms", lambda dets, scores, iou_threshold: dets)
"""


def run_python(code: str, *, packages: Path | None = None) -> subprocess.CompletedProcess:
    """Run `code` in an interpreter of its own, which finds the modules in `packages` first."""
    path = [*([str(packages)] if packages else []), os.environ["PYTHONPATH"]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


@pytest.fixture
def stub(tmp_path):
    """A function that makes a package called torchvision with this text and one submodule."""

    def write(init: str) -> Path:
        (tmp_path / "torchvision").mkdir()
        (tmp_path / "torchvision" / "__init__.py").write_text(init)
        (tmp_path / "torchvision" / "transforms.py").write_text("")
        return tmp_path

    return write


def test_the_installed_torchvision_transforms_tensors():
    code = """
import torch
from gradlab.studies.augmentation.torchvision_cpu import torchvision
from torchvision.transforms.functional import hflip, rotate
x = torch.arange(4.0).reshape(1, 2, 2)
assert torchvision.transforms.functional.hflip is hflip
assert hflip(x).tolist() == [[[1, 0], [3, 2]]]
assert rotate(x, 90).tolist() == [[[1, 3], [0, 2]]]
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr


def test_missing_operators_are_declared_and_the_import_made_whole(stub):
    code = """
from gradlab.studies.augmentation.torchvision_cpu import torchvision
import sys, torch
assert torchvision.transforms is sys.modules["torchvision.transforms"]
assert "iou_threshold" in str(torch.ops.torchvision.nms.default._schema)
"""
    result = run_python(code, packages=stub(STOPS_WITHOUT_OPERATORS))
    assert result.returncode == 0, result.stderr


def test_nothing_is_declared_where_the_import_works(stub):
    code = """
from gradlab.studies.augmentation.torchvision_cpu import torchvision
import torch
assert torchvision.WHOLE
assert not hasattr(torch.ops.torchvision, "nms")
"""
    result = run_python(code, packages=stub("WHOLE = True"))
    assert result.returncode == 0, result.stderr


def test_any_other_failure_is_passed_on(stub):
    packages = stub("raise RuntimeError('compiled for another version of CUDA')")
    result = run_python("import gradlab.studies.augmentation.torchvision_cpu", packages=packages)
    assert result.returncode == 1
    assert "RuntimeError: compiled for another version of CUDA" in result.stderr
