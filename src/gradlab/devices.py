"""The device that a corrected cell trains on: which one a setting means on this machine, and how torch has to be set up for it.

The workflow asks at every start, so nothing but `prepare_device` imports torch, which takes longer than all else of a start.
Whether there is a GPU, NVIDIA's driver library is asked itself, as torch does: it knows of `CUDA_VISIBLE_DEVICES`, and of what
a scheduler or a container hides.
"""

import ast
import ctypes
import os
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SETTINGS = ("auto", "cpu", "cuda")

_NAME_LENGTH = 256  # bytes of a GPU's name, the closing zero included
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE: the driver works and sees no GPU
# The size of workspace with which cuBLAS always adds in the same order; torch refuses to go on without it.
_CUBLAS_WORKSPACE = ":4096:8"


class DeviceError(RuntimeError):
    """Training on a GPU was asked for, and torch cannot do so here; the message says why, and what to do."""


@dataclass(frozen=True)
class Driver:
    """What NVIDIA's driver says of this machine.

    Attributes
    ----------
    gpus
        The names of the GPUs that this process may use, in CUDA's order; none where `fault` is not None.
    cuda
        The highest version of CUDA that the driver supports, as (13, 0).
    fault
        Why there is no GPU to use, in words; None where there is one.
    """

    gpus: tuple[str, ...] = ()
    cuda: tuple[int, int] = (0, 0)
    fault: str | None = None


def resolve_device(setting: str) -> str:
    """Return what a setting means: `cpu` or `cuda`.

    Parameters
    ----------
    setting
        `cpu`; `cuda`, an NVIDIA GPU; or `auto`, a GPU where torch can use one on this machine, and else the CPU. `cuda` is
        taken at its word, because jobs can run on other machines: see `check_device`.

    Raises
    ------
    ValueError
        There is no such setting.
    """
    if setting not in SETTINGS:
        raise ValueError(f"device is {setting!r}; expected one of {', '.join(SETTINGS)}")
    if setting != "auto":
        return setting
    return "cpu" if find_obstacle() else "cuda"


def check_device(device: str) -> None:
    """Refuse a device that torch cannot use on this machine.

    Raises
    ------
    DeviceError
        The device is `cuda`, and there is no GPU, or none that torch can use; the message says which of the two, and why.
    """
    if device == "cuda" and (obstacle := find_obstacle()):
        raise _refusal(obstacle)


def find_unused_gpu(setting: str) -> str | None:
    """Say which GPU `auto` leaves alone, and why; None where there is none, or none was to be looked for."""
    if setting != "auto" or not (gpus := ask_driver().gpus) or not (obstacle := find_obstacle()):
        return None
    return f"{gpus[0]} is not used: {obstacle}"


def find_obstacle() -> str | None:
    """Say why torch cannot compute on a GPU here; None where it can, by all that is known without importing it."""
    built_for = read_torch_cuda()
    if built_for is None:
        version = metadata.version("torch")
        return f"the installed torch, {version}, is a build without CUDA; install one for CUDA, as docs/gpu.md says"
    driver = ask_driver()
    if driver.fault:
        return driver.fault
    # A driver runs what was built for any minor version of a CUDA that it knows, and what was built for older ones.
    if driver.cuda[0] < int(built_for.partition(".")[0]):
        known = ".".join(map(str, driver.cuda))
        return f"NVIDIA's driver supports CUDA {known}, and torch is built for {built_for}; install a newer driver"
    return None


def describe_gpu() -> dict[str, Any] | None:
    """Return the GPU that cells train on, the version of CUDA that its driver supports and that of torch; None without one."""
    driver = ask_driver()
    if driver.fault:
        return None
    return {"name": driver.gpus[0], "driver_cuda": ".".join(map(str, driver.cuda)), "torch_cuda": read_torch_cuda()}


def read_torch_cuda() -> str | None:
    """Return the version of CUDA that the installed torch was built for, such as 13.0; None for a build without."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    # Not from the version of the distribution: the builds of package registries have no "+cu130" in it.
    for node in ast.parse(Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "cuda" for target in targets):
            return ast.literal_eval(node.value)
    return None


@cache  # neither driver nor GPUs change while a process runs, and starting the driver can take seconds
def ask_driver() -> Driver:
    """Ask NVIDIA's driver for its version and its GPUs."""
    try:
        library = _load_driver()
    except OSError:
        return Driver(fault="there is no NVIDIA driver (libcuda.so.1 was not found)")
    status = library.cuInit(0)
    if status:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hidden = f", with CUDA_VISIBLE_DEVICES={visible}" if status == _NO_DEVICE and visible is not None else ""
        return Driver(fault=f"NVIDIA's driver finds no GPU to use ({_error_text(library, status)}{hidden})")
    version, count = ctypes.c_int(), ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    library.cuDeviceGetCount(ctypes.byref(count))
    names = []
    for number in range(count.value):
        gpu, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_LENGTH)
        library.cuDeviceGet(ctypes.byref(gpu), number)
        library.cuDeviceGetName(name, _NAME_LENGTH, gpu)
        names.append(name.value.decode(errors="replace"))
    cuda = (version.value // 1000, version.value % 1000 // 10)  # 13020 is 13.2
    return Driver(tuple(names), cuda, None if names else "NVIDIA's driver finds no GPU to use")


def _load_driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


def _error_text(library: ctypes.CDLL, status: int) -> str:
    text = ctypes.c_char_p()
    library.cuGetErrorString(status, ctypes.byref(text))
    return f"error {status}, {text.value.decode(errors='replace')}" if text.value else f"error {status}"


def _refusal(obstacle: str) -> DeviceError:
    return DeviceError(f"device is cuda, but torch cannot use a GPU here: {obstacle}. Or set device to cpu or auto")


def prepare_device(device: str) -> "torch.device":
    """Set torch up to train on `device`, with results that come out the same each time, and return the device for tensors.

    Only deterministic operations are allowed. On a GPU, products of float32 are not shortened to TF32, which has 10 bits after
    the binary point instead of 23: else they would be further from the CPU's than rounding takes them.

    Parameters
    ----------
    device
        `cpu` or `cuda`. Of several GPUs the first one is taken; `CUDA_VISIBLE_DEVICES` says which that is.

    Raises
    ------
    DeviceError
        torch cannot use the GPU: there is none, or it cannot run what torch was built for.
    ValueError
        There is no such device.
    """
    import torch

    if device not in ("cpu", "cuda"):
        raise ValueError(f"device is {device!r}; expected cpu or cuda")
    torch.use_deterministic_algorithms(True)
    if device == "cpu":
        return torch.device("cpu")
    check_device(device)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = _CUBLAS_WORKSPACE
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False  # else it tries algorithms, and which one is fastest can change
    try:
        torch.ones(1, device="cuda").add(1).item()
    except RuntimeError as error:
        raise _refusal(f"{describe_gpu()['name']} was found, and a sum on it fails ({_first_line(error)})") from error
    return torch.device("cuda")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
