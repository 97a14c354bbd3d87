"""Training on another device than the CPU gives the CPU's results.

Everywhere on a second device that holds the CPU's numbers (`reference_device`), where they have to agree to the last bit; and
where torch can use a GPU, on that too, within a tolerance: float64 hardly drifts, so there it is a narrow one.
"""

import dataclasses

import numpy as np
import pytest
import reference_device
import torch

from gradlab.lab import models, sgd
from gradlab.lab.devices import prepare_device, resolve_device
from gradlab.lab.seeds import seed_streams
from gradlab.studies.augmentation import augment, corrected
from gradlab.studies.batch_size import divergence, mlp

GPU_THERE = resolve_device("auto") == "cuda"
DEVICES = ["second", *([pytest.param("cuda", marks=pytest.mark.gpu)] if GPU_THERE else [])]
GPU_TOLERANCE = 1e-9  # relative and absolute, in float64

PROTOCOL = corrected.Protocol(
    sgd=sgd.Settings(batch_size=5, learning_rate=0.02, max_passes=3),
    ranges=augment.TransformRanges(scale=(0.75, 1.0), ratio=(0.75, 4 / 3), max_angle=10.0),
    copies=3,
    evaluate_every=1,
    average_from=0.5,
)


@pytest.fixture(params=DEVICES)
def device(request):
    """Another device than the CPU: the second one, with its context entered, or a GPU."""
    if request.param == "second":
        with reference_device.SecondDevice():
            yield reference_device.DEVICE
    else:
        before = torch.are_deterministic_algorithms_enabled()
        yield prepare_device("cuda")
        torch.use_deterministic_algorithms(before)


@pytest.fixture
def second():
    """The second device, open."""
    with reference_device.SecondDevice():
        yield


@pytest.fixture
def in_float64(monkeypatch):
    """Networks of the augmentation study in float64."""
    init = models.init_conv_net
    monkeypatch.setattr(models, "init_conv_net", lambda *, rng: [parameter.double() for parameter in init(rng=rng)])


def make_sets(dtype=torch.float64):
    """Training and test images of ten noisy classes: 42 and 33."""
    rng = np.random.default_rng(12)
    labels = rng.integers(0, 10, 75)
    images = torch.from_numpy(rng.normal(size=(10, 28, 28))[labels] + rng.normal(size=(75, 28, 28))).to(dtype)
    labels = torch.from_numpy(labels)
    return sgd.LabelledImages(images[:42], labels[:42]), sgd.LabelledImages(images[42:], labels[42:])


def move(data, device):
    return sgd.LabelledImages(data.images.to(device), data.labels.to(device))


def run_augmentation(training, device, sets=None):
    sets = [move(data, device) for data in sets or make_sets()]
    return corrected.run_training(training, *sets, PROTOCOL, streams=seed_streams(7, 0))


def make_stack(seeds=(0, 1, 2), *, n=120, dtype=torch.float64):
    """Data, networks and streams of a stack: small images with a bright pixel for each class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=300)
    images = rng.integers(0, 120, size=(300, 5, 5), dtype=np.uint8)
    images.reshape(300, -1)[np.arange(300), labels] += 130
    streams = [seed_streams(5, seed) for seed in seeds]
    data = mlp.draw_data(images[:250], labels[:250], images[250:], labels[250:], size=n, streams=streams)
    data = dataclasses.replace(data, train_x=data.train_x.to(dtype), test_x=data.test_x.to(dtype))
    initial = mlp.init_parameters(25, 16, streams=streams)
    return data, mlp.Parameters(*(tensor.to(dtype) for tensor in vars(initial).values())), streams


def train_stack(device, *, learning_rate=0.1, passes=3):
    data, initial, streams = make_stack()
    return mlp.train(
        data.to(device),
        initial.to(device),
        batch_size=4,
        learning_rate=learning_rate,
        passes=passes,
        streams=streams,
    )


def search_on(device):
    data, initial, streams = make_stack()
    start = divergence.prepare_start(data.to(device), initial.to(device), batch_size=4, streams=streams)
    return divergence.find_divergent_rates(start, rate=0.5, tolerance=0.2)


def assert_agree(ours, expected, device):
    """Arrays, or tensors wherever they lie: equal on the second device, within the tolerance on a GPU."""
    ours, expected = (
        each.cpu().numpy() if isinstance(each, torch.Tensor) else np.asarray(each) for each in (ours, expected)
    )
    tolerance = 0 if device == reference_device.DEVICE else GPU_TOLERANCE
    np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


# The studies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", corrected.TRAININGS)
def test_augmentation_runs_agree_with_the_cpu(training, device, in_float64):
    ours, expected = run_augmentation(training, device), run_augmentation(training, "cpu")
    for setting, run in expected.items():
        curves, others = ours[setting].curves(), run.curves()
        assert curves.drop(columns="value").equals(others.drop(columns="value"))
        assert_agree(curves["value"], others["value"], device)
        for parameter, other in zip(ours[setting].parameters, run.parameters, strict=True):
            assert parameter.device.type == device.type and other.device.type == "cpu"
            assert_agree(parameter, other, device)


def test_stacked_networks_agree_with_the_cpu(device):
    (curves, parameters), (expected, expected_parameters) = train_stack(device), train_stack("cpu")
    for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
        assert_agree(getattr(curves, name), getattr(expected, name), device)
    for name, parameter in vars(parameters).items():
        assert parameter.device.type == device.type
        assert_agree(parameter, getattr(expected_parameters, name), device)


def test_a_search_finds_the_rates_of_the_cpu(device):
    (search, trials), (expected, expected_trials) = search_on(device), search_on("cpu")
    assert search == expected
    assert len(trials) == len(expected_trials)
    for trial, other in zip(trials, expected_trials, strict=True):
        stable = ~other.diverged  # where training explodes, the differences of rounding do too
        assert_agree(trial.smoothed[stable], other.smoothed[stable], device)
        assert_agree(trial.untrained, other.untrained, device)


def test_divergence_is_a_result_on_every_device(device):
    curves, _ = train_stack(device, learning_rate=1e300)
    assert np.isfinite(curves.train_loss[:, 0]).all() and np.isnan(curves.train_loss[:, -1]).all()


def test_transforms_agree_with_the_cpu(device):
    images = torch.rand(300, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    drawn = augment.draw_transforms(PROTOCOL.ranges, 300, 28, 28, rng=np.random.default_rng(4))
    ours = augment.apply_transforms(images.to(device), drawn)
    assert ours.device.type == device.type
    assert_agree(ours, augment.apply_transforms(images, drawn), device)


# The second device itself ----------------------------------------------------------------------------------------------


def mixed_devices(here, there):
    return {
        "two operands": lambda: there + here,
        "an index": lambda: there[torch.tensor([1, 0])],
        "a result on the CPU": lambda: torch.zeros(()).add_(there.sum()),
        "a matrix product": lambda: there @ here.T,
        "a part that is written": lambda: torch.add(there, 1, out=here),
    }


@pytest.mark.parametrize("case", mixed_devices(None, None))
def test_the_second_device_refuses_what_a_gpu_refuses(case, second):
    here = torch.arange(6.0).view(2, 3)
    with pytest.raises(RuntimeError, match="two devices"):
        mixed_devices(here, here.to(reference_device.DEVICE))[case]()


def test_values_leave_the_second_device_by_a_copy_alone(second):
    there = torch.arange(6.0).view(2, 3).to(reference_device.DEVICE)
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    np.testing.assert_array_equal(there.cpu().numpy(), [[0, 1, 2], [3, 4, 5]])
    assert there.sum().item() == 15
    here = torch.zeros(2)
    here[:] = there[1, 1:]
    assert here.tolist() == [4, 5]


def test_the_second_device_computes_what_the_cpu_does(second):
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    w = torch.rand(3, 1, 3, 3, generator=torch.Generator().manual_seed(1))

    def gradient(x, w):
        w = w.detach().clone().requires_grad_()
        y = torch.nn.functional.max_pool2d(torch.nn.functional.conv2d(x, w), 2)
        y[:2] = y[:2] * 2  # a view that is written
        (gradient,) = torch.autograd.grad(y.square().sum(), [w])
        return gradient

    there = gradient(x.to(reference_device.DEVICE), w.to(reference_device.DEVICE))
    assert there.device == reference_device.DEVICE
    assert torch.equal(there.cpu(), gradient(x, w))


if GPU_THERE:
    # A GPU's own arithmetic --------------------------------------------------------------------------------------------

    @pytest.mark.gpu
    @pytest.mark.parametrize("training", corrected.TRAININGS)
    def test_the_same_run_gives_the_same_bits(training):
        device = prepare_device("cuda")
        sets = make_sets(torch.float32)
        first, second = (run_augmentation(training, device, sets) for _ in range(2))
        for setting, run in first.items():
            assert run.results == second[setting].results
            assert all(map(torch.equal, run.parameters, second[setting].parameters))

    @pytest.mark.gpu
    def test_a_stack_gives_the_same_bits():
        device = prepare_device("cuda")
        (first, parameters), (second, others) = train_stack(device), train_stack(device)
        np.testing.assert_array_equal(first.train_loss, second.train_loss)
        assert all(map(torch.equal, vars(parameters).values(), vars(others).values()))

    @pytest.mark.gpu
    def test_float32_is_not_shortened():
        # TF32 has 10 bits after the point, so its products are off by up to 2⁻¹¹ each, 5e-4; float32 by 6e-8 each. Sums of
        # 25, 400 and 1568 of them, of either sign, stay a hundred times closer than TF32 could.
        device = prepare_device("cuda")
        parameters = models.init_conv_net(rng=torch.Generator().manual_seed(0))
        images = make_sets(torch.float32)[0].images
        exact = models.conv_net([parameter.double() for parameter in parameters], images.double())
        ours = models.conv_net([parameter.to(device) for parameter in parameters], images.to(device)).cpu()
        assert (ours - exact).abs().max() <= 5e-6 * exact.abs().max()

    @pytest.mark.gpu
    def test_most_transformed_pixels_come_from_the_same_neighbour():
        # Where two neighbours are equally near, the last bit decides, and that can be another one on a GPU.
        device = prepare_device("cuda")
        images = torch.rand(2000, 28, 28, generator=torch.Generator().manual_seed(3))
        drawn = augment.draw_transforms(PROTOCOL.ranges, 2000, 28, 28, rng=np.random.default_rng(4))
        ours = augment.apply_transforms(images.to(device), drawn).cpu()
        apart = (ours - augment.apply_transforms(images, drawn)).abs() > 1e-4
        assert apart.float().mean() < 1e-4
