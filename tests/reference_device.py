"""A second device where there is none: its tensors hold values of the CPU, and torch takes them for tensors of another place.

What runs on it gives the CPU's numbers to the last bit, or fails where a GPU would: two devices in one operation, or NumPy
handed a tensor that does not lie in the machine's memory. It says nothing of a GPU's own rounding.
"""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

# The one device besides the CPU that every build of torch knows. It computes nothing, so nothing is computed on it by mistake.
DEVICE = torch.device("meta")

_COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class _Elsewhere(Tensor):
    """A tensor of the second device; `values` are on the CPU."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "_Elsewhere":
        layout = {"strides": values.stride(), "storage_offset": values.storage_offset()}
        tensor = Tensor._make_wrapper_subclass(cls, values.shape, **layout, dtype=values.dtype, device=DEVICE)
        tensor.values = values
        return tensor

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        raise AssertionError(f"{operation} was called after the second device was closed")


class SecondDevice(TorchDispatchMode):
    """Within its context, tensors can be made on and moved to `DEVICE`."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        elsewhere = [tensor for tensor in tensors if isinstance(tensor, _Elsewhere)]
        wanted = kwargs.get("device")
        if operation is torch.ops.aten.copy_.default:
            result_elsewhere = isinstance(args[0], _Elsewhere)
        else:
            result_elsewhere = bool(elsewhere) if wanted is None else torch.device(wanted) == DEVICE
        if elsewhere:
            # Two devices may meet in a copy, and where a number on the CPU is an operand, but never the result.
            for tensor in tensors:
                apart = tensor.dim() or (operation._schema.is_mutable and tensor is tensors[0])
                if not isinstance(tensor, _Elsewhere) and apart and operation not in _COPIES:
                    raise RuntimeError(f"{operation.name()} was called with tensors of two devices")
        if wanted is not None:
            kwargs["device"] = torch.device("cpu")
        values = operation(*tree_map_only(_Elsewhere, _values, args), **tree_map_only(_Elsewhere, _values, kwargs))
        if not result_elsewhere:
            return values
        with torch.inference_mode(False):  # a tensor that wraps another is refused as an inference tensor
            result = tree_map_only(Tensor, _Elsewhere, values)
        # A view stays a view, and what is changed in place stays the same tensor.
        return return_and_correct_aliasing(operation, args, kwargs, result) if elsewhere else result


def _values(tensor: _Elsewhere) -> Tensor:
    return tensor.values
