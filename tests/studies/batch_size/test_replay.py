"""The replayed batch-size study: against the notebook's loop on the global streams, and against all that it printed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import reference
import torch
from torch import nn
from torch.nn import functional

from gradlab.data import load_fashion_mnist
from gradlab.lab import sgd
from gradlab.lab.streams import start_streams
from gradlab.studies.batch_size import replay

SIZES = (1, 2, 4, 8, 16)  # in the notebook's order
SUBSET, HIDDEN = 6000, 64
PUBLISHED = Path(replay.__file__).with_name("published")
EVALUATED = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]


def read(name, size):
    table = pd.read_csv(PUBLISHED / f"{name}.csv")
    return table[table["batch_size"] == size].reset_index(drop=True)


def trial_rate(size):
    return float(read("trial_averages", size)["learning_rate"][0])


@pytest.fixture(scope="module")
def source(prepared_data):
    return load_fashion_mnist(prepared_data / "fashion_mnist")


@pytest.fixture(scope="module")
def drawn(source):
    """The images, and the state of NumPy's stream after they were drawn."""
    streams = start_streams(torch_seed=0, numpy_seed=1)
    return replay.draw_images(source, SUBSET, streams=streams), streams.numpy.get_state()


@pytest.fixture
def start(drawn):
    """A function that returns the images, both untrained networks and the streams where the notebook came to a batch size."""

    def make(size, *, more_draws=0, more_networks=0):
        images, state = drawn
        streams = start_streams(torch_seed=0, numpy_seed=1)
        streams.numpy.set_state(state)
        earlier = SIZES.index(size)
        replay.skip_earlier(
            replay.DISCARDED_DRAWS + earlier * replay.DRAWS_OF_A_SIZE + more_draws,
            replay.DISCARDED_NETWORKS + earlier * replay.NETWORKS_OF_A_SIZE + more_networks,
            SUBSET,
            HIDDEN,
            streams=streams,
        )
        return images, *(replay.init_perceptron(HIDDEN, rng=streams.torch) for _ in range(2)), streams

    return make


def build():
    return nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))


@pytest.mark.parametrize("size", [1, 16])
def test_the_first_updates_are_those_of_the_notebooks_own_loop_to_the_last_bit(size, source, start):
    """Global streams, modules, autograd and torch's optimiser, one minibatch drawn after the other (F §3)."""
    updates, ours = 300, []
    with reference.global_streams(torch_seed=0, numpy_seed=1):
        np.random.choice(60000, replace=False, size=7200)
        np.random.choice(7200, 5)
        subset = np.random.choice(60000, replace=False, size=SUBSET)
        np.random.choice(10000, replace=False, size=10000)
        for _ in range(125):
            np.random.choice(SUBSET, size=(375, 16))
        np.random.choice(SUBSET, size=5461)
        for _ in range(18):
            build()
        for _ in range(SIZES.index(size)):
            build(), build()
            for _ in range(51):
                np.random.choice(SUBSET, size=(3000, 2))
        x = torch.from_numpy(source.train_images[subset].astype(np.float32)).flatten(1)
        x, y = (x - x.mean(0)) / (x.std(0) + 1e-6), torch.from_numpy(source.train_labels[subset])
        network, _ = build(), build()
        optimiser, theirs = torch.optim.SGD(network.parameters(), lr=trial_rate(size)), []
        for _ in range(updates):
            chosen = np.random.choice(SUBSET, size=(size,))
            optimiser.zero_grad()
            loss = functional.cross_entropy(network(x[chosen]), y[chosen])
            loss.backward()
            optimiser.step()
            theirs.append(loss.item())
    images, parameters, _, streams = start(size)
    settings = sgd.Settings(size, trial_rate(size), 1)
    order = sgd.draw_indices(SUBSET, settings, rng=streams.numpy)[:updates]
    replay.train_pass(parameters, images.train, order, learning_rate=settings.learning_rate, losses=ours)
    assert [loss.item() for loss in ours] == theirs
    assert all(torch.equal(a, b) for a, b in zip(parameters, network.parameters(), strict=True))


def print_result(result):
    return [f"{getattr(on, name):.3f}" for on in (result.train, result.test) for name in ("loss", "accuracy")]


def print_rows(table):
    return [[f"{value:.3f}" for value in row] for row in table[EVALUATED].to_numpy()]


# The bound of published/figures.yaml; at B = 4, float64 is further from what was printed than float32 is here.
BOUND = 5e-6


@pytest.mark.parametrize("size", SIZES)
def test_untrained_networks_and_trial_passes_are_as_printed(size, start):
    images, trial_network, run_network, streams = start(size)
    trial, rounding = replay.run_trial(trial_network, images, sgd.Settings(size, trial_rate(size), 1), streams=streams)
    assert [print_result(result) for result in trial.results] == print_rows(read("trial_evaluations", size))
    assert print_result(replay.evaluate(run_network, images)) == print_rows(read("curves", size))[0]
    printed = read("trial_averages", size)["running_average"].to_numpy()
    assert len(printed) == len(trial.averages) == SUBSET // size // 100
    assert np.abs(printed - trial.averages).max() < BOUND
    assert 0 < rounding < BOUND


def test_the_run_is_as_printed_while_rounding_lets_it(start):
    images, _, network, streams = start(16)
    streams.numpy.choice(SUBSET, size=SUBSET)  # the trial pass
    run = replay.train(network, images, sgd.Settings(16, trial_rate(16) / 2, 2), streams=streams)
    assert [print_result(result) for result in run.results] == print_rows(read("curves", 16))[:3]


@pytest.mark.parametrize("more_draws", [-1, 1])
def test_one_draw_too_many_or_too_few_is_seen(more_draws, start):
    images, network, _, streams = start(16, more_draws=more_draws)
    trial, _ = replay.run_trial(network, images, sgd.Settings(16, 0.15, 1), streams=streams)
    # The untrained network is right, but everything after it is wrong by far more than rounding.
    assert print_result(trial.results[0]) == print_rows(read("trial_evaluations", 16))[0]
    assert print_result(trial.results[1]) != print_rows(read("trial_evaluations", 16))[1]
    difference = np.abs(read("trial_averages", 16)["running_average"] - np.array(trial.averages))
    assert difference.min() > 100 * BOUND


@pytest.mark.parametrize("more_networks", [-1, 1])
def test_one_network_too_many_or_too_few_is_seen(more_networks, start):
    images, *networks, _ = start(1, more_networks=more_networks)
    for network, name in zip(networks, ("trial_evaluations", "curves"), strict=True):
        assert print_result(replay.evaluate(network, images)) != print_rows(read(name, 1))[0]


def test_networks_of_other_kernels_are_those_that_torch_builds_there(drawn):
    images, _ = drawn
    with reference.global_streams(torch_seed=0, numpy_seed=0):
        for _ in range(2):
            nn.Conv2d(1, 16, 5), nn.Conv2d(16, 32, 5), nn.Linear(1568, 10)
        build()
        expected = [build(), build()]
    found = replay.evaluate_untrained(images, HIDDEN, conv_nets=2, perceptrons=1, torch_seed=0)
    for network, result in zip(expected, found, strict=True):
        logits = network(images.test.images.flatten(1))
        assert result.test.loss == pytest.approx(functional.cross_entropy(logits, images.test.labels).item(), rel=1e-5)


def made_results(*train_accuracies):
    return tuple(
        sgd.PassResult(sgd.Evaluation(1 / (1 + number), accuracy), sgd.Evaluation(2.0, accuracy / 2))
        for number, accuracy in enumerate(train_accuracies)
    )


def test_a_table_holds_all_that_was_printed_once():
    run, before = sgd.Run(made_results(0.1, 0.9, 1.0, 0.99, 1.0), []), made_results(0.2, 0.3)
    table = replay.tabulate(run, replay.Trial(before, (1.5, 0.75)), {"other": before}, updates_per_pass=250)
    assert not table.duplicated(["pass", "update", "split", "metric"]).any()
    values = table.set_index(["update", "split", "metric"])["value"]
    assert values[500, "train", "accuracy"] == values[1000, "train", "accuracy"] == 1
    assert (values[0, "train", "trial_loss"], values[250, "train", "trial_loss"]) == (1.0, 0.5)
    assert (values[100, "train", "trial_running_average"], values[200, "train", "trial_running_average"]) == (1.5, 0.75)
    assert (values[0, "test", "other_trial_accuracy"], values[0, "test", "other_accuracy"]) == (0.1, 0.15)


def test_interpolation_is_the_first_pass_with_every_image_right():
    settings = sgd.Settings(4, 0.1, 4)
    run = sgd.Run(made_results(0.1, 0.9996, 1.0, 0.99, 1.0), [])
    metrics = replay.measure(run, settings, 1000, trial_rate=0.2, rounding=1e-7)
    assert (metrics["4.interpolation_passes"], metrics["4.interpolation_updates"]) == (2, 500)
    assert metrics["4.final_test_accuracy"] == 0.5
    never = replay.measure(sgd.Run(made_results(0.1, 0.9996), []), settings, 1000, trial_rate=0.2, rounding=1e-7)
    assert never["4.interpolation_updates"] is None
