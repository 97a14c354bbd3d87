"""Which device a setting means, told by made drivers and made builds of torch; and how torch is set up for it."""

import os
import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest
import torch

from gradlab import devices
from gradlab.cell import run_cell
from gradlab.devices import DeviceError

H100 = "NVIDIA H100 80GB HBM3"


class MadeDriver:
    """What `libcuda.so.1` would answer: the functions of CUDA's driver interface that are used here."""

    def __init__(self, *gpus: str, version: int = 13000, status: int = 0) -> None:
        self.gpus, self.version, self.status = gpus, version, status
        self.starts = 0

    def cuInit(self, flags):
        assert flags == 0
        self.starts += 1
        return self.status

    def cuGetErrorString(self, status, text):
        text._obj.value = {100: b"no CUDA-capable device is detected"}.get(status)
        return 0 if text._obj.value else 1

    def cuDriverGetVersion(self, version):
        version._obj.value = self.version
        return 0

    def cuDeviceGetCount(self, count):
        count._obj.value = len(self.gpus)
        return 0

    def cuDeviceGet(self, gpu, number):
        gpu._obj.value = 40 + number  # a handle, which need not be the number
        return 0

    def cuDeviceGetName(self, name, length, gpu):
        assert length == len(name)
        name.value = self.gpus[gpu.value - 40].encode()
        return 0


@pytest.fixture(autouse=True)
def forget():
    """What was asked of one driver is no answer of another one."""
    devices.ask_driver.cache_clear()
    yield
    devices.ask_driver.cache_clear()


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A function that makes this a machine with a driver (an exception: none) and a torch built for a version of CUDA."""

    def make(driver, built_for: str | None = "13.0"):
        def load():
            if isinstance(driver, Exception):
                raise driver
            return driver

        (tmp_path / "version.py").write_text(
            "from typing import Optional\n\n__version__ = '2.13.0'\ndebug = False\n"
            f"cuda: Optional[str] = {built_for!r}\nhip: Optional[str] = None\n"
        )
        monkeypatch.setattr(devices, "_load_driver", load)
        spec = ModuleSpec("torch", None, origin=str(tmp_path / "__init__.py"))
        monkeypatch.setattr(devices, "find_spec", lambda name: spec)
        return driver

    return make


NO_LIBRARY = OSError("libcuda.so.1: cannot open shared object file: No such file or directory")
# A driver, what torch was built for, and a part of the reason why there is no GPU to use; None where there is one.
MACHINES = {
    "a GPU": (MadeDriver(H100), "13.0", None),
    "a driver older by a minor version": (MadeDriver(H100, version=13000), "13.2", None),
    "a driver of a later CUDA": (MadeDriver(H100, version=13020), "12.8", None),
    "no driver": (NO_LIBRARY, "13.0", "no NVIDIA driver"),
    "a driver without GPU": (MadeDriver(status=100), "13.0", "no CUDA-capable device is detected"),
    "a driver that does not say why": (MadeDriver(H100, status=803), "13.0", "error 803"),
    "a driver that counts no GPU": (MadeDriver(), "13.0", "finds no GPU"),
    "an older driver": (MadeDriver(H100, version=12080), "13.0", "supports CUDA 12.8, and torch is built for 13.0"),
    "a CPU build of torch": (MadeDriver(H100), None, "a build without CUDA"),
    "nothing at all": (NO_LIBRARY, None, "a build without CUDA"),
}


@pytest.mark.parametrize("case", MACHINES)
def test_auto_takes_a_gpu_where_torch_can_use_one(case, machine):
    driver, built_for, reason = MACHINES[case]
    machine(driver, built_for)
    assert devices.resolve_device("auto") == ("cuda" if reason is None else "cpu")


@pytest.mark.parametrize("case", MACHINES)
def test_cuda_is_refused_with_the_reason_where_torch_cannot_use_a_gpu(case, machine):
    driver, built_for, reason = MACHINES[case]
    machine(driver, built_for)
    devices.check_device("cpu")
    if reason is None:
        devices.check_device("cuda")
    else:
        with pytest.raises(DeviceError, match=f"device is cuda, .*{reason}.*set device to cpu"):
            devices.check_device("cuda")


@pytest.mark.parametrize("setting", ["cpu", "cuda"])
def test_a_device_that_is_named_is_not_looked_for(setting, machine):
    driver = machine(MadeDriver(H100))
    assert devices.resolve_device(setting) == setting and devices.find_unused_gpu(setting) is None
    assert driver.starts == 0


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'gpu'; expected one of auto, cpu, cuda"):
        devices.resolve_device("gpu")


def test_a_driver_is_started_once(machine):
    driver = machine(MadeDriver(H100))
    assert devices.resolve_device("auto") == "cuda"
    devices.check_device("cuda")
    assert devices.describe_gpu() and driver.starts == 1


@pytest.mark.parametrize("case", MACHINES)
def test_a_gpu_that_auto_cannot_use_is_named(case, machine):
    driver, built_for, reason = MACHINES[case]
    machine(driver, built_for)
    found = devices.find_unused_gpu("auto")
    if case in ("an older driver", "a CPU build of torch"):
        assert found.startswith(f"{H100} is not used: ") and reason in found
    else:
        assert found is None
    assert devices.find_unused_gpu("cuda") is None


def test_a_hidden_gpu_is_told_from_a_missing_one(machine, monkeypatch):
    machine(MadeDriver(status=100))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES=)" in devices.find_obstacle()
    devices.ask_driver.cache_clear()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert "CUDA_VISIBLE_DEVICES" not in devices.find_obstacle()


def test_the_first_of_several_gpus_is_described(machine):
    machine(MadeDriver(H100, "NVIDIA T4", version=13020), "13.0")
    assert devices.describe_gpu() == {"name": H100, "driver_cuda": "13.2", "torch_cuda": "13.0"}


@pytest.mark.parametrize("driver", [NO_LIBRARY, MadeDriver(status=100), MadeDriver()])
def test_no_gpu_has_no_description(driver, machine):
    machine(driver)
    assert devices.describe_gpu() is None


def test_the_build_of_torch_is_read_as_torch_has_it():
    assert devices.read_torch_cuda() == torch.version.cuda


@pytest.mark.parametrize("text", ["", "cuda = None\n", "cudnn: str = '9'\n"])
def test_a_torch_that_names_no_cuda_is_a_build_without(text, machine, tmp_path):
    machine(MadeDriver(H100))
    (tmp_path / "version.py").write_text(text)
    assert devices.read_torch_cuda() is None


def test_no_torch_is_no_torch_with_cuda(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    assert devices.read_torch_cuda() is None


def test_deciding_does_not_import_torch(project):
    program = "import sys; from gradlab import devices; devices.resolve_device('auto'); devices.describe_gpu(); "
    program += "devices.find_unused_gpu('auto'); sys.exit('torch' in sys.modules)"
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
    machine(MadeDriver(H100))
    monkeypatch.setattr(torch, "ones", made_ones(1.0))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0")  # a person's own setting, with which torch would stop
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    assert devices.prepare_device("cuda") == torch.device("cuda")
    assert torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_a_gpu_that_torch_was_not_built_for_is_refused(settings, machine, monkeypatch):
    machine(MadeDriver("NVIDIA GeForce GTX 1080"))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    error = torch.AcceleratorError("CUDA error: no kernel image is available for execution on the device\nCompile with")
    monkeypatch.setattr(torch, "ones", made_ones(error))
    with pytest.raises(
        DeviceError, match=r"GTX 1080 was found.*no kernel image is available for execution on the device\)"
    ):
        devices.prepare_device("cuda")


def test_a_missing_gpu_is_refused_with_the_reason(settings, machine):
    machine(NO_LIBRARY)
    with pytest.raises(DeviceError, match="no NVIDIA driver"):
        devices.prepare_device("cuda")


def test_an_unknown_device_is_refused(settings):
    with pytest.raises(ValueError, match="'auto'; expected cpu or cuda"):
        devices.prepare_device("auto")


# What a cell records ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("device", "recorded"), [("cuda", True), ("cpu", False)])
def test_a_manifest_names_the_gpu_of_a_cell_that_trained_on_one(
    device, recorded, machine, write_notebook, tmp_path, monkeypatch
):
    machine(MadeDriver(H100, version=13020), "13.0")
    monkeypatch.chdir(tmp_path)
    notebook = write_notebook("1 + 1", parameters="output: str = 'out'\ndevice: str = 'cpu'")
    manifest = run_cell(
        "study/corrected/x", notebook, {"device": device}, output=tmp_path / "x", log=tmp_path / "x.ipynb"
    )
    gpu = {"name": H100, "driver_cuda": "13.2", "torch_cuda": "13.0"}
    assert manifest["machine"].get("gpu") == (gpu if recorded else None)
    assert manifest["parameters"]["device"] == device
