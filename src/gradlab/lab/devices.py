"""The device that a corrected cell trains on: which one a setting means on this machine, and how torch has to be set up for it.

The workflow asks at every start, so nothing but `prepare_device` imports torch, which takes longer than all else of a start.
"""

import ctypes
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SETTINGS = ("auto", "cpu", "cuda")

# The size of workspace with which cuBLAS always adds in the same order; torch refuses to go on without it.
_CUBLAS_WORKSPACE = ":4096:8"


class DeviceError(RuntimeError):
    """Training on a GPU was asked for, and torch cannot do so here; the message says why, and what to do."""


def resolve_device(setting: str) -> str:
    """Return what a setting means, `cpu` or `cuda`: `auto` is a GPU where torch can use one on this machine, else the CPU.

    `cuda` is taken at its word, because jobs can run on other machines; see `check_device`.
    """
    if setting not in SETTINGS:
        raise ValueError(f"device is {setting!r}; expected one of {', '.join(SETTINGS)}")
    if setting == "auto":
        return "cpu" if _find_obstacle() else "cuda"
    return setting


def _refusal(obstacle: str) -> DeviceError:
    return DeviceError(f"device is cuda, but torch cannot use a GPU here: {obstacle}. Or set device to cpu or auto")


def check_device(device: str) -> None:
    """Refuse `cuda`, with a `DeviceError`, where torch is a build without CUDA or there is no GPU."""
    if device == "cuda" and (obstacle := _find_obstacle()):
        raise _refusal(obstacle)


@cache  # starting the driver can take seconds
def _find_obstacle() -> str | None:
    """Say why torch cannot compute on a GPU here; None where it can, by all that is known without importing it."""
    torch = find_spec("torch")
    if not (torch and torch.origin and Path(torch.origin).with_name("lib").joinpath("libtorch_cuda.so").exists()):
        return "the installed torch is a build without CUDA; install one for CUDA, as docs/gpu.md says"
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver (libcuda.so.1 was not found)"
    # The driver itself knows of CUDA_VISIBLE_DEVICES, and of what a scheduler or a container hides.
    count = ctypes.c_int()
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    return None if count.value else f"NVIDIA's driver finds no GPU to use (its status is {status})"


def prepare_device(device: str) -> "torch.device":
    """Set torch up to train on `device`, with results that come out the same each time, and return the device for tensors.

    Only deterministic operations are allowed. On a GPU, products of float32 are not shortened to TF32, which has 10 bits after
    the binary point instead of 23: else they would be further from the CPU's than rounding takes them.
    Of several GPUs the first one is taken; `CUDA_VISIBLE_DEVICES` says which that is. A `DeviceError` says why torch cannot use
    the GPU: there is none, or it cannot run what torch was built for.
    """
    import torch

    if device not in ("cpu", "cuda"):
        raise ValueError(f"device is {device!r}; expected cpu or cuda")
    # As `use_deterministic_algorithms` does, which imports torch's compiler as well: that takes a second.
    torch.set_deterministic_debug_mode("error")
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
        raise _refusal(f"one was found, and a sum on it fails ({str(error).strip().splitlines()[0]})") from error
    return torch.device("cuda")
