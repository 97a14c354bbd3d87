"""Loss and accuracy of the convolutional network on the test images (F §2)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from reference import plain_accuracy, plain_conv_net, plain_loss

from benchmarks.fashion import TEST, load_images, set_parameters
from benchmarks.timing import Benchmark, Places, Target
from gradlab.lab import models, sgd

CHUNK = 200


def compare(places: Places, *, images: int = TEST) -> Benchmark:
    """Compare one pass in chunks, in the blocked layout, with the notebook's two passes, and with torch's layers in chunks."""
    _, test = load_images(places.data, test=images)
    images = len(test)  # where there are fewer
    parameters = models.init_conv_net(rng=torch.Generator().manual_seed(0))
    net = plain_conv_net()
    set_parameters(net, parameters)

    def evaluate_own() -> tuple[float, float]:
        evaluation = sgd.evaluate(models.conv_net, parameters, test)
        return evaluation.loss, evaluation.accuracy

    def evaluate_plain() -> tuple[float, float]:
        return plain_loss(net, test), plain_accuracy(net, test)

    def evaluate_chunks() -> tuple[float, float]:
        loss, correct = 0.0, 0
        with torch.inference_mode():
            for chunk, labels in zip(test.images.split(CHUNK), test.labels.split(CHUNK), strict=True):
                logits = net(chunk)
                loss += F.cross_entropy(logits, labels, reduction="sum").item()
                correct += (logits.argmax(dim=1) == labels).sum().item()
        return loss / len(test), correct / len(test)

    return Benchmark(
        name="evaluation",
        title=f"Loss and accuracy of the convolutional network on {images:,} images",
        contenders={
            "gradlab": evaluate_own,
            "as the notebook": evaluate_plain,
            f"torch.nn, {CHUNK} images at a time": evaluate_chunks,
        },
        target=Target(4, "as the notebook"),
        agree=check_evaluations,
    )


def check_evaluations(results: Sequence[tuple[float, float]]) -> None:
    """Refuse contenders that found another loss or accuracy; rounding may turn an image or two."""
    for loss, accuracy in results[1:]:
        if abs(loss - results[0][0]) > 1e-4 * results[0][0] or abs(accuracy - results[0][1]) > 5e-4:
            raise ValueError(f"the contenders evaluated {results}; expected the same loss and accuracy from each")
