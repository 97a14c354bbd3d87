import dataclasses
import json
import math

import numpy as np
import pytest
import reference_mlp
import torch
from scipy import stats

from gradlab.lab.record import save_curves, save_metrics
from gradlab.lab.seeds import seed_streams
from gradlab.studies.batch_size import mlp

N, M, SIDE = 90, 50, 6  # training images, test images, pixels to a side
ROOT = 5


def make_images(seed=0, *, n=N, m=M, side=SIDE):
    """Return small images whose classes can be told apart: a bright pixel for each class, and noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(10, size=n + m)
    images = rng.integers(0, 120, size=(n + m, side, side), dtype=np.uint8)
    images.reshape(n + m, -1)[np.arange(n + m), labels] += 100
    return images[:n], labels[:n], images[n:], labels[n:]


def make_streams(seeds):
    return [seed_streams(ROOT, seed) for seed in seeds]


def make_run(seeds, *, hidden=8, size=40, dtype=torch.float32, **image_shape):
    streams = make_streams(seeds)
    data = mlp.draw_data(*make_images(**image_shape), size=size, streams=streams)
    parameters = mlp.init_parameters(data.train_x.shape[2], hidden, streams=streams)
    data = dataclasses.replace(data, train_x=data.train_x.to(dtype), test_x=data.test_x.to(dtype))
    return data, cast(parameters, dtype), streams


def cast(parameters, dtype):
    return mlp.Parameters(*(tensor.to(dtype) for tensor in tensors(parameters)))


def tensors(parameters):
    return [getattr(parameters, field.name) for field in dataclasses.fields(parameters)]


def one_hot(y, dtype):
    return torch.nn.functional.one_hot(y, 10).to(dtype)


def measured_gradient(parameters, x, y, *, learning_rate=0.25):
    """Return what `update` subtracted, divided by the learning rate, as one vector for each seed."""
    after = parameters.copy()
    mlp.update(after, x, one_hot(y, x.dtype), learning_rate=learning_rate)
    steps = [(old - new).flatten(1) for old, new in zip(tensors(parameters), tensors(after), strict=True)]
    return torch.cat(steps, dim=1) / learning_rate


def difference_quotients(parameters, x, y, *, h=1e-6):
    """Return the centred difference quotients of every seed's mean loss, as one vector for each seed."""
    columns = []
    for tensor in tensors(parameters):
        flat = tensor.flatten(1)
        for index in range(flat.shape[1]):
            kept = flat[:, index].clone()
            flat[:, index] = kept + h
            up, _ = mlp.evaluate(parameters, x, y)
            flat[:, index] = kept - h
            down, _ = mlp.evaluate(parameters, x, y)
            flat[:, index] = kept
            columns.append((up - down) / (2 * h))
    return torch.from_numpy(np.stack(columns, axis=1))


def relative_error(a, b):
    return float((a - b).norm() / (a.norm() + b.norm()))


# Gradients -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_update_agrees_with_autograd(batch_size):
    data, parameters, _ = make_run([0, 1, 2], dtype=torch.float64)
    x, y = data.train_x[:, :batch_size], data.train_y[:, :batch_size]
    gradient = measured_gradient(parameters, x, y)
    for seed in range(3):
        network = reference_mlp.build_network(parameters, seed)
        torch.nn.functional.cross_entropy(network(x[seed]), y[seed]).backward()
        layers = (network[0].weight.grad.T, network[0].bias.grad, network[2].weight.grad.T, network[2].bias.grad)
        expected = torch.cat([layer.flatten() for layer in layers])
        torch.testing.assert_close(gradient[seed], expected, rtol=1e-9, atol=1e-14)


def test_update_agrees_with_difference_quotients_and_the_check_sees_a_small_error():
    data, parameters, _ = make_run([0, 1], hidden=5, dtype=torch.float64)
    x, y = data.train_x[:, :6], data.train_y[:, :6]
    gradient, quotients = measured_gradient(parameters, x, y), difference_quotients(parameters, x, y)
    # Centred differences with h = 1e-6 are off by the loss's rounding over h, 1e-16 / 1e-6, a few times over.
    assert relative_error(gradient, quotients) < 1e-8
    slightly_wrong = gradient.clone()
    slightly_wrong[:, 3] += 1e-6 * gradient.norm()
    assert relative_error(slightly_wrong, quotients) > 1e-7


def test_update_of_a_network_of_zeros_in_closed_form():
    # All probabilities are 1/10 and all hidden units 0: only b2 moves, by −η·(1/10 − share of the class in the batch).
    zero = mlp.Parameters(torch.zeros(1, 4, 3), torch.zeros(1, 1, 3), torch.zeros(1, 3, 10), torch.zeros(1, 1, 10))
    y = torch.tensor([[2, 2, 7, 9]])
    logits = mlp.update(zero, torch.ones(1, 4, 4), one_hot(y, torch.float32), learning_rate=0.5)
    torch.testing.assert_close(logits, torch.zeros(1, 4, 10), rtol=0, atol=0)  # those before the step
    shares = torch.bincount(y[0], minlength=10) / 4
    torch.testing.assert_close(zero.b2[0, 0], -0.5 * (0.1 - shares))
    for untouched in (zero.W1, zero.b1, zero.W2):
        assert not untouched.any()


# Data and initialisation ---------------------------------------------------------------------------------------------


def test_images_are_standardised_with_the_figures_of_their_own_subset():
    train_images, train_labels, test_images, test_labels = make_images()
    train_images[:, 0, 4] = 0  # the same in every training image, and in all test images but one
    test_images[:, 0, 4] = 0
    test_images[3, 0, 4] = 51
    data = mlp.draw_data(train_images, train_labels, test_images, test_labels, size=40, streams=make_streams([0, 1]))
    for s, seed in enumerate([0, 1]):
        subset = seed_streams(ROOT, seed).split.choice(N, size=40, replace=False)
        train, test = train_images[subset].reshape(40, -1), test_images.reshape(M, -1)
        mean, scale = train.mean(axis=0), train.std(axis=0, ddof=1) + 1e-6
        np.testing.assert_allclose(data.train_x[s].numpy(), (train - mean) / scale, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(data.test_x[s].numpy(), (test - mean) / scale, rtol=1e-4, atol=1e-5)
        assert not data.train_x[s, :, 4].any()
        assert data.test_x[s, 3, 4] == pytest.approx(51 / 1e-6, rel=1e-5)


def test_every_seed_draws_its_own_subset_without_replacement(tmp_path):
    # The first pixels count the images, so that a standardised image still tells which one it is.
    train_images = np.zeros((300, 2, 2), dtype=np.uint8)
    train_images[:, 0, 0], train_images[:, 0, 1] = np.divmod(np.arange(300), 20)
    np.save(tmp_path / "train.npy", train_images)
    read_only = np.load(tmp_path / "train.npy", mmap_mode="r")
    labels = np.arange(300) % 10
    data = mlp.draw_data(read_only, labels, read_only[:20], labels[:20], size=100, streams=make_streams([0, 4]))
    subsets = []
    for s, seed in enumerate([0, 4]):
        subset = seed_streams(ROOT, seed).split.choice(300, size=100, replace=False)
        np.testing.assert_array_equal(data.train_y[s], labels[subset])
        np.testing.assert_array_equal(data.test_y[s], labels[:20])
        assert len(torch.unique(data.train_x[s], dim=0)) == 100
        ranks = torch.unique(data.train_x[s, :, 0], return_inverse=True)[1]  # rows of 20 images, in rising order
        np.testing.assert_array_equal(ranks, np.unique(subset // 20, return_inverse=True)[1])
        subsets.append(set(subset.tolist()))
    assert subsets[0] != subsets[1]


@pytest.mark.parametrize("size", [1, N + 1])
def test_impossible_subset_is_refused(size):
    with pytest.raises(ValueError, match=f"subset_size is {size}; expected 2 to {N}"):
        mlp.draw_data(*make_images(), size=size, streams=make_streams([0]))


def test_no_seeds_are_refused():
    with pytest.raises(ValueError, match="no seeds given"):
        mlp.draw_data(*make_images(), size=10, streams=[])


def test_initial_parameters_follow_the_distribution_of_torch_linear():
    parameters = mlp.init_parameters(200, 100, streams=make_streams(range(3)))
    assert [tuple(tensor.shape) for tensor in tensors(parameters)] == [
        (3, 200, 100),
        (3, 1, 100),
        (3, 100, 10),
        (3, 1, 10),
    ]
    torch.manual_seed(0)
    linear = torch.nn.Linear(200, 100), torch.nn.Linear(100, 10)
    for values, fan_in, layer in [
        (parameters.W1, 200, linear[0].weight),
        (parameters.b1, 200, linear[0].bias),
        (parameters.W2, 100, linear[1].weight),
        (parameters.b2, 100, linear[1].bias),
    ]:
        bound = 1 / math.sqrt(fan_in)
        for sample in (values.numpy().ravel(), layer.detach().numpy().ravel()):
            assert np.abs(sample).max() <= bound * (1 + 1e-6)
            # Fixed draws: a wrong bound or shape of distribution gives p-values of 1e-6 and less at these sizes.
            assert stats.kstest(sample, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3


# Evaluation ----------------------------------------------------------------------------------------------------------


def test_evaluation_of_a_network_of_zeros_in_closed_form():
    # Ten equal outputs: the loss is ln 10, and the prediction class 0.
    zero = mlp.Parameters(torch.zeros(2, 4, 3), torch.zeros(2, 1, 3), torch.zeros(2, 3, 10), torch.zeros(2, 1, 10))
    y = torch.tensor([[0, 1, 0, 3], [5, 6, 7, 0]])
    loss, accuracy = mlp.evaluate(zero, torch.ones(2, 4, 4), y)
    np.testing.assert_allclose(loss, math.log(10), rtol=1e-12)
    np.testing.assert_array_equal(accuracy, [0.5, 0.25])


def test_accuracy_is_1_only_if_every_example_is_correct():
    n = 60_000
    y = torch.arange(n).remainder(10).view(1, n)
    x = one_hot(y, torch.float32)
    identity = mlp.Parameters(torch.eye(10)[None], torch.zeros(1, 1, 10), torch.eye(10)[None], torch.zeros(1, 1, 10))
    _, accuracy = mlp.evaluate(identity, x, y)
    assert accuracy[0] == 1
    wrong = y.clone()
    wrong[0, 123] += 1
    _, accuracy = mlp.evaluate(identity, x, wrong)
    assert accuracy[0] == (n - 1) / n < 1


def test_outputs_that_are_not_finite_are_measured_as_nan_for_that_seed_alone():
    data, parameters, _ = make_run([0, 1, 2])
    expected = mlp.evaluate(parameters, data.test_x, data.test_y)
    parameters.b2[1, 0, 3] = math.inf
    for got, wanted in zip(mlp.evaluate(parameters, data.test_x, data.test_y), expected, strict=True):
        assert np.isnan(got[1])
        np.testing.assert_array_equal(got[[0, 2]], wanted[[0, 2]])


# Training ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4, 16])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-4)])
def test_training_agrees_with_plain_loops_of_torch(batch_size, dtype, tolerance):
    seeds, passes, learning_rate = [0, 3], 4, 0.02
    data, initial, streams = make_run(seeds, dtype=dtype)
    curves, parameters = mlp.train(
        data, initial, batch_size=batch_size, learning_rate=learning_rate, passes=passes, streams=streams
    )
    assert curves.updates_per_pass == round(40 / batch_size)
    for s, seed in enumerate(seeds):
        network = reference_mlp.build_network(initial, s)
        expected = reference_mlp.train(
            network,
            (data.train_x[s], data.train_y[s]),
            (data.test_x[s], data.test_y[s]),
            batch_size=batch_size,
            learning_rate=learning_rate,
            passes=passes,
            rng=seed_streams(ROOT, seed).order,
        )
        got = np.stack(
            [curves.train_loss[s], curves.train_accuracy[s], curves.test_loss[s], curves.test_accuracy[s]], axis=1
        )
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=1e-12)
        torch.testing.assert_close(parameters.W1[s], network[0].weight.detach().T, rtol=10 * tolerance, atol=tolerance)
    assert curves.train_loss[0, -1] < curves.train_loss[0, 0]


@pytest.mark.parametrize("batch_size", [1, 4, 16])
@pytest.mark.parametrize("rows", [9, 2048])
def test_losses_of_a_pass_are_those_of_each_minibatch_before_its_update(batch_size, rows, monkeypatch):
    monkeypatch.setattr(mlp, "_GATHERED_ROWS", rows)  # chunks of a few updates, and all updates in one
    seeds = [0, 3]
    data, initial, streams = make_run(seeds, dtype=torch.float64)
    order = mlp.draw_order(40, batch_size, streams=streams)
    losses = torch.full(order.shape[:2], torch.nan, dtype=torch.float64)
    with_losses, without = initial.copy(), initial.copy()
    mlp.train_pass(with_losses, data, order, learning_rate=0.02, losses=losses)
    mlp.train_pass(without, data, order, learning_rate=0.02)
    for s in range(len(seeds)):
        network = reference_mlp.build_network(initial, s)
        expected = reference_mlp.train_pass(
            network, data.train_x[s], data.train_y[s], order=order[s].numpy(), learning_rate=0.02
        )
        np.testing.assert_allclose(losses[s], expected, rtol=1e-9)
        torch.testing.assert_close(with_losses.W1[s], network[0].weight.detach().T, rtol=1e-8, atol=1e-12)
    for measured, plain in zip(tensors(with_losses), tensors(without), strict=True):
        assert torch.equal(measured, plain)


def test_minibatches_are_drawn_from_each_seeds_own_order_and_cover_the_examples():
    order = mlp.draw_order(7, 2, streams=make_streams([0, 3]))
    assert order.shape == (2, round(7 / 2), 2)
    for s, seed in enumerate([0, 3]):
        np.testing.assert_array_equal(order[s], seed_streams(ROOT, seed).order.integers(7, size=(4, 2)))
    many = mlp.draw_order(700, 1, streams=make_streams([0]))
    assert 0 <= many.min() < 10 < 690 < many.max() < 700
    assert len(many.unique()) < 700  # with replacement


def test_training_leaves_the_initial_parameters_alone():
    data, initial, streams = make_run([0])
    before = initial.copy()
    mlp.train(data, initial, batch_size=4, learning_rate=0.1, passes=1, streams=streams)
    for old, new in zip(tensors(before), tensors(initial), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("batch_size", [1, 16])
def test_a_seed_does_not_depend_on_the_others_in_the_stack(batch_size):
    # The study's own shapes, since the library picks its kernels by shape. What a seed draws is the same; rounding may
    # differ, if a product is blocked in another way. Over 2 passes of float32 that stays below 1e-5 of the loss.
    together, _ = train_seeds([0, 1, 2], batch_size)
    alone, _ = train_seeds([1], batch_size)
    for split in ("train", "test"):
        np.testing.assert_allclose(getattr(together, f"{split}_loss")[1], getattr(alone, f"{split}_loss")[0], rtol=1e-5)
        np.testing.assert_allclose(
            getattr(together, f"{split}_accuracy")[1], getattr(alone, f"{split}_accuracy")[0], atol=1 / 200 + 1e-9
        )
    assert not np.array_equal(together.train_loss[0], together.train_loss[1])


def train_seeds(seeds, batch_size):
    data, initial, streams = make_run(seeds, hidden=64, size=200, n=400, m=200, side=28)
    return mlp.train(data, initial, batch_size=batch_size, learning_rate=0.005, passes=2, streams=streams)


def test_the_same_settings_give_the_same_bytes(tmp_path):
    files = []
    for attempt in ("first", "second"):
        curves, _ = train_seeds([0, 1], 4)
        save_curves(tmp_path / attempt, mlp.tabulate_curves(curves, [0, 1]))
        save_metrics(tmp_path / attempt, mlp.measure_runs(curves, prefix="4", learning_rate=0.005))
        files.append([(tmp_path / attempt / name).read_bytes() for name in ("curves.csv", "metrics.json")])
    assert files[0] == files[1]


def test_chunks_of_gathered_rows_do_not_change_the_result(monkeypatch):
    expected, _ = train_seeds([0, 1], 4)
    monkeypatch.setattr(mlp, "_GATHERED_ROWS", 24)  # three updates at a time; a pass has 50
    got, _ = train_seeds([0, 1], 4)
    np.testing.assert_array_equal(got.train_loss, expected.train_loss)


def test_divergence_is_recorded_as_null(tmp_path):
    data, initial, streams = make_run([0, 1])
    curves, _ = mlp.train(data, initial, batch_size=1, learning_rate=1e30, passes=3, streams=streams)
    assert np.isfinite(curves.train_loss[:, 0]).all()
    for values in (curves.train_loss, curves.train_accuracy, curves.test_loss, curves.test_accuracy):
        assert values.shape == (2, 4)
        assert np.isnan(values[:, 1:]).all()
    save_metrics(tmp_path, mlp.measure_runs(curves, prefix="1", learning_rate=1e30))
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "1.final_test_accuracy": [None, None],
        "1.final_train_accuracy": [None, None],
        "1.interpolation_passes": [None, None],
        "1.interpolation_updates": [None, None],
        "1.learning_rate": 1e30,
        "1.test_accuracy_mean_last_five": [None, None],
    }
    # No run was left after the first pass, so no minibatch of the second was drawn.
    fresh = seed_streams(ROOT, 0).order
    fresh.integers(40, size=(40, 1))
    assert streams[0].order.bit_generator.state == fresh.bit_generator.state


def test_a_diverged_seed_leaves_the_others_alone():
    data, initial, _ = make_run([0, 1, 2])
    settings = {"batch_size": 4, "learning_rate": 0.05, "passes": 2}
    expected, _ = mlp.train(data, initial, **settings, streams=make_streams([0, 1, 2]))
    initial.W1[1] = math.nan
    got, _ = mlp.train(data, initial, **settings, streams=make_streams([0, 1, 2]))
    assert np.isnan(got.train_loss[1]).all()
    for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
        np.testing.assert_array_equal(getattr(got, name)[[0, 2]], getattr(expected, name)[[0, 2]])


def test_mismatched_streams_and_impossible_batches_are_refused():
    data, initial, streams = make_run([0, 1])
    with pytest.raises(ValueError, match="1 streams for data of 2 seeds"):
        mlp.train(data, initial, batch_size=4, learning_rate=0.1, passes=1, streams=streams[:1])
    for batch_size in (0, 81):
        with pytest.raises(ValueError, match=f"batch size is {batch_size}"):
            mlp.train(data, initial, batch_size=batch_size, learning_rate=0.1, passes=1, streams=streams)


# Results -------------------------------------------------------------------------------------------------------------


def make_curves(train_accuracy, test_accuracy):
    train_accuracy, test_accuracy = np.array(train_accuracy), np.array(test_accuracy)
    return mlp.Curves(1 - train_accuracy, train_accuracy, 1 - test_accuracy, test_accuracy, updates_per_pass=375)


def test_interpolation_is_the_first_pass_with_accuracy_exactly_1():
    accuracy = np.array([[0.1, 0.9, 1.0, 0.99, 1.0], [0.1, 0.9, 0.9999, 0.9999, 0.9999], [0.1, np.nan, np.nan, 1, 1]])
    assert mlp.interpolation_passes(accuracy) == [2, None, 3]


def test_metrics_carry_the_published_ids_and_the_order_of_the_seeds():
    rising = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    curves = make_curves([[0.1] * 6 + [1.0], rising], [rising, rising[::-1]])
    metrics = mlp.measure_runs(curves, prefix="16", learning_rate=0.075)
    assert metrics["16.learning_rate"] == 0.075
    assert metrics["16.final_train_accuracy"] == [1.0, 0.6]
    assert metrics["16.final_test_accuracy"] == [0.6, 0.0]
    assert metrics["16.test_accuracy_mean_last_five"] == pytest.approx([0.4, 0.2])
    assert metrics["16.interpolation_passes"] == [6, None]
    assert metrics["16.interpolation_updates"] == [2250, None]
    assert len(metrics) == 6


def test_the_mean_of_fewer_than_five_passes_leaves_the_start_out():
    curves = make_curves([[0.0, 0.5, 0.7]], [[0.0, 0.5, 0.7]])
    assert mlp.measure_runs(curves, prefix="2", learning_rate=0.1)["2.test_accuracy_mean_last_five"] == pytest.approx(
        [0.6]
    )


def test_table_of_curves_is_tidy():
    data, initial, streams = make_run([4, 7])
    curves, _ = mlp.train(data, initial, batch_size=8, learning_rate=0.01, passes=2, streams=streams)
    table = mlp.tabulate_curves(curves, [4, 7])
    assert list(table.columns) == ["seed", "pass", "update", "split", "metric", "value"]
    assert len(table) == 2 * 3 * 4
    for s, seed in enumerate([4, 7]):
        for split in ("train", "test"):
            for metric in ("loss", "accuracy"):
                rows = table[(table["seed"] == seed) & (table["split"] == split) & (table["metric"] == metric)]
                assert list(rows["pass"]) == [0, 1, 2]
                assert list(rows["update"]) == [0, 5, 10]
                np.testing.assert_array_equal(rows["value"], getattr(curves, f"{split}_{metric}")[s])
