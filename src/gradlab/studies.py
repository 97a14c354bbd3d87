"""The studies by name: what they are called, and what each asks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Study:
    """A study's name in a word or two, its title, and its question."""

    short: str
    title: str
    question: str


STUDIES = {
    "autodiff": Study(
        "Autodiff",
        "Edge cases of automatic differentiation",
        "Is what autograd returns the derivative, where a function jumps, is written with branches, or is made by a loop?",
    ),
    "augmentation": Study(
        "Augmentation",
        "Data augmentation on FashionMNIST",
        "Does augmentation of training images, test images or both change the test accuracy of a small convolutional network?",
    ),
    "batch_size": Study(
        "Batch size",
        "Batch size on FashionMNIST",
        "How do the batch size, and half of its divergent learning rate, change the way to zero training error?",
    ),
    "regularization": Study(
        "Regularization",
        "A two-layer network on CIFAR-10",
        "Which penalty λ gives the best validation accuracy, and what does the final network reach on test images?",
    ),
}
