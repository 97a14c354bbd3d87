"""Makes torchvision importable where its compiled operators are missing.

Use it as `from gradlab.studies.augmentation.torchvision_cpu import torchvision`.

A package registry serves torchvision built for CUDA. Beside the CPU build of torch its compiled operators cannot be
loaded, and `import torchvision` stops at the first registration that refers to one ("operator torchvision::nms does
not exist"). The transforms need none of them, so declaring the two names is enough. Where the import works, this module
adds nothing to it; any other failure is passed on.
"""

import sys

import torch

__all__ = ["torchvision"]

# The operators that torchvision registers by name on import, as its own C++ sources declare them.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

try:
    import torchvision
except RuntimeError as error:
    if "operator torchvision::nms does not exist" not in str(error):
        raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # submodules that were imported before the failure do not know their new parent
    # A library takes its declarations with it when it is collected, so it lives as long as this module.
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        _library.define(schema)
    import torchvision
