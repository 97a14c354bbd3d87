"""Which device a setting means, told by made drivers and made builds of torch; and how torch is set up for it."""

import os
import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest
import torch

from gradlab.lab import devices
from gradlab.lab.devices import DeviceError


class MadeDriver:
    """What `libcuda.so.1` would answer: the functions of CUDA's driver interface that are used here."""

    def __init__(self, gpus: int, status: int) -> None:
        self.gpus, self.status = gpus, status

    def cuInit(self, flags):
        return self.status

    def cuDeviceGetCount(self, count):
        count._obj.value = self.gpus
        return 0


@pytest.fixture(autouse=True)
def forget():
    """What was found on one machine is no answer for another one."""
    devices._find_obstacle.cache_clear()
    yield
    devices._find_obstacle.cache_clear()


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A function that makes this a machine with or without NVIDIA's driver, GPUs, and a torch built for CUDA."""

    def make(gpus=0, *, driver=True, status=0, cuda=True):
        def load(name):
            assert name == "libcuda.so.1"
            if not driver:
                raise OSError("libcuda.so.1: cannot open shared object file: No such file or directory")
            return MadeDriver(gpus, status)

        (tmp_path / "lib").mkdir()
        (tmp_path / f"lib/libtorch_{'cuda' if cuda else 'cpu'}.so").touch()
        monkeypatch.setattr(devices.ctypes, "CDLL", load)
        spec = ModuleSpec("torch", None, origin=str(tmp_path / "__init__.py"))
        monkeypatch.setattr(devices, "find_spec", lambda name: spec)

    return make


# What makes a machine, and a part of the reason why torch can use no GPU there.
MACHINES = {
    "no driver": ({"driver": False}, "no NVIDIA driver"),
    "a driver that does not start": ({"gpus": 1, "status": 803}, r"finds no GPU .*\(its status is 803\)"),
    "a driver without GPU": ({}, "finds no GPU"),
    "a CPU build of torch": ({"gpus": 1, "cuda": False}, "a build without CUDA"),
}


def test_auto_takes_a_gpu_where_torch_can_use_one(machine):
    machine(gpus=2)
    assert devices.resolve_device("auto") == "cuda"
    devices.check_device("cuda")


@pytest.mark.parametrize("case", MACHINES)
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused_with_the_reason(case, machine):
    made, reason = MACHINES[case]
    machine(**made)
    assert devices.resolve_device("auto") == "cpu"
    devices.check_device("cpu")
    with pytest.raises(DeviceError, match=f"device is cuda, .*{reason}.*set device to cpu"):
        devices.check_device("cuda")


@pytest.mark.parametrize("setting", ["cpu", "cuda"])
def test_a_device_that_is_named_is_not_looked_for(setting, monkeypatch):
    monkeypatch.setattr(devices, "find_spec", None)  # looking for a GPU begins with looking for torch
    assert devices.resolve_device(setting) == setting


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'gpu'; expected one of auto, cpu, cuda"):
        devices.resolve_device("gpu")


@pytest.mark.filterwarnings("ignore")  # torch has its own way of saying why there is no GPU
def test_this_machine_is_what_torch_takes_it_for():
    assert devices.resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    "call, unused", [("resolve_device('auto')", "torch"), ("prepare_device('cpu')", "torch._inductor")]
)
def test_no_more_is_imported_than_a_call_needs(project, call, unused):
    program = f"import sys; from gradlab.lab import devices; devices.{call}; sys.exit({unused!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(project / "src")})
    assert done.returncode == 0


# torch, set up ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings():
    """What torch is set to, put back afterwards."""
    held = (
        *((torch.backends.cuda.matmul, "allow_tf32"), (torch.backends.cudnn, "allow_tf32")),
        (torch.backends.cudnn, "benchmark"),
    )
    deterministic, before = torch.are_deterministic_algorithms_enabled(), [getattr(*each) for each in held]
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(deterministic)
    for each, value in zip(held, before, strict=True):
        setattr(*each, value)


def test_the_cpu_is_set_up_to_repeat_and_nothing_else(settings, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    torch.backends.cudnn.allow_tf32 = True
    assert devices.prepare_device("cpu") == torch.device("cpu")
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.allow_tf32 and "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def made_ones(outcome):
    """Stand in for `torch.ones` on a GPU: a number, or the error with which torch's first sum there ends."""

    def ones(count, *, device):
        assert device == "cuda"
        if isinstance(outcome, Exception):
            raise outcome
        return torch.full((count,), outcome)

    return ones


def test_a_gpu_is_set_up_to_repeat_and_to_compute_in_float32(settings, machine, monkeypatch):
    machine(gpus=1)
    monkeypatch.setattr(torch, "ones", made_ones(1.0))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0")  # a person's own setting, with which torch would stop
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    assert devices.prepare_device("cuda") == torch.device("cuda")
    assert torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_a_gpu_that_torch_was_not_built_for_is_refused(settings, machine, monkeypatch):
    machine(gpus=1)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    error = torch.AcceleratorError("CUDA error: no kernel image is available for execution on the device\nCompile with")
    monkeypatch.setattr(torch, "ones", made_ones(error))
    with pytest.raises(DeviceError, match=r"one was found.*no kernel image is available for execution on the device\)"):
        devices.prepare_device("cuda")


def test_a_missing_gpu_is_refused_with_the_reason(settings, machine):
    machine(driver=False)
    with pytest.raises(DeviceError, match="no NVIDIA driver"):
        devices.prepare_device("cuda")


def test_an_unknown_device_is_refused(settings):
    with pytest.raises(ValueError, match="'auto'; expected cpu or cuda"):
        devices.prepare_device("auto")
