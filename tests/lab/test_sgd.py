"""Updates, evaluation and the end of training, against plain loops and closed forms."""

import math

import hypothesis
import numpy as np
import pandas as pd
import pytest
import reference
import torch
from hypothesis import strategies as st

from gradlab.lab import models, sgd
from gradlab.lab.sgd import Evaluation, LabelledImages, PassResult, Run, Settings


def make_data(n: int, *, seed: int = 0, side: int = 28) -> LabelledImages:
    rng = torch.Generator().manual_seed(seed)
    return LabelledImages(torch.randn(n, side, side, generator=rng), torch.randint(0, 10, (n,), generator=rng))


def linear(parameters: list[torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    weight, bias = parameters
    return images.flatten(1) @ weight + bias


def make_results(*losses_and_accuracies: tuple[float, float]) -> tuple[PassResult, ...]:
    return tuple(PassResult(Evaluation(*pair), Evaluation(*pair)) for pair in losses_and_accuracies)


@hypothesis.settings(deadline=None)  # a busy machine is no failure
@hypothesis.given(
    n=st.one_of(st.integers(1, 300), st.just(7200)),
    batch_size=st.integers(2, 20),
    numpy_seed=st.integers(0, 2**32 - 1),
)
def test_indices_of_a_pass_are_those_of_one_draw_for_each_update(n, batch_size, numpy_seed):
    settings = Settings(batch_size, 0.1, 1)
    rng, plain = np.random.RandomState(numpy_seed), np.random.RandomState(numpy_seed)
    drawn = sgd.draw_indices(n, settings, rng=rng)
    assert drawn.shape == (round(n / batch_size), batch_size)
    for row in drawn:
        assert row.tolist() == plain.choice(n, size=(batch_size,)).tolist()
    assert rng.random_sample() == plain.random_sample()


@pytest.mark.parametrize("n", [1, sgd.CHUNK, sgd.CHUNK + 1, 2 * sgd.CHUNK + 37])
def test_evaluation_in_chunks_against_all_images_at_once(n):
    data = make_data(n)
    with reference.global_streams(torch_seed=4, numpy_seed=0):
        net = reference.plain_conv_net()
    parameters = models.init_conv_net(rng=torch.Generator().manual_seed(4))
    evaluation = sgd.evaluate(models.conv_net, parameters, data)
    assert evaluation.loss == pytest.approx(reference.plain_loss(net, data), rel=1e-5)
    assert evaluation.accuracy == pytest.approx(reference.plain_accuracy(net, data), abs=1e-7)
    predictions = sgd.predict(models.conv_net, parameters, data.images)
    assert (predictions == data.labels).sum().item() / n == evaluation.accuracy


def test_evaluation_in_closed_form():
    # Logits 0 for all classes: the loss is log 10, and the first class is predicted everywhere.
    labels = torch.tensor([0, 0, 3, 9])
    zeros = [torch.zeros(4, 10), torch.zeros(10)]
    evaluation = sgd.evaluate(linear, zeros, LabelledImages(torch.ones(4, 2, 2), labels))
    assert evaluation.loss == pytest.approx(math.log(10))
    assert evaluation.accuracy == 0.5


def test_updates_against_backward_and_a_loop():
    data, settings = make_data(40), Settings(8, 0.05, 1)
    with reference.global_streams(torch_seed=1, numpy_seed=0):
        net = reference.plain_conv_net()
    parameters = [p.requires_grad_() for p in models.init_conv_net(rng=torch.Generator().manual_seed(1))]
    indices = sgd.draw_indices(40, settings, rng=np.random.RandomState(3))
    sgd.descend(models.conv_net, parameters, sgd.gather_batches(data, indices), settings.learning_rate)
    for batch in indices:
        reference.plain_step(net, data.images[batch], data.labels[batch], settings.learning_rate)
    for ours, theirs in zip(parameters, net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def train_linear(settings: Settings, data: LabelledImages, *, evaluate_pass=None) -> Run:
    rng = np.random.RandomState(0)

    def evaluate(parameters):
        evaluation = sgd.evaluate(linear, parameters, data)
        return PassResult(evaluation, evaluation)

    return sgd.train(
        linear,
        [torch.zeros(data.images[0].numel(), 10), torch.zeros(10)],
        settings,
        draw_pass=lambda: sgd.gather_batches(data, sgd.draw_indices(len(data), settings, rng=rng)),
        evaluate_pass=evaluate_pass or evaluate,
    )


def test_training_ends_after_the_first_pass_with_every_image_correct():
    data = make_data(20, side=8)
    run = train_linear(Settings(4, 0.1, 500), data)
    assert 0 < run.passes < 500
    assert run.reached_full_training_accuracy and not run.diverged
    assert all(result.train.accuracy < 1 for result in run.results[:-1])
    assert sgd.evaluate(linear, run.parameters, data) == run.final.train


def test_training_ends_when_the_passes_are_used_up():
    run = train_linear(Settings(4, 1e-6, 3), make_data(20, side=8))
    assert run.passes == 3 and not run.reached_full_training_accuracy


def test_no_pass_leaves_the_evaluation_before_the_first():
    run = train_linear(Settings(4, 0.1, 0), make_data(20, side=8))
    assert run.passes == 0
    assert run.final.train.loss == pytest.approx(math.log(10))


def test_divergence_is_a_result():
    run = train_linear(Settings(4, 1e38, 50), make_data(20, side=8))
    assert run.diverged and run.passes < 50
    assert not run.reached_full_training_accuracy


def test_full_accuracy_before_the_first_pass_does_not_end_training():
    def always_correct(parameters):
        return PassResult(Evaluation(0.1, 1.0), Evaluation(0.1, 1.0))

    assert train_linear(Settings(4, 0.1, 9), make_data(20, side=8), evaluate_pass=always_correct).passes == 1


def test_initial_parameters_stay_as_they_are():
    initial = models.init_conv_net(rng=torch.Generator().manual_seed(0))
    kept = [parameter.clone() for parameter in initial]
    data = make_data(8)
    run = sgd.train(
        models.conv_net,
        initial,
        Settings(8, 0.1, 1),
        draw_pass=lambda: [(data.images, data.labels)],
        evaluate_pass=lambda parameters: make_results((1.0, 0.0))[0],
    )
    for before, after, trained in zip(kept, initial, run.parameters, strict=True):
        assert torch.equal(before, after) and not torch.equal(before, trained)
        assert trained.stride() == initial[0].stride() or trained.shape != initial[0].shape


def test_curves_are_tidy():
    run = Run(make_results((2.0, 0.25), (1.0, 0.5)), [])
    expected = [
        (0, "train", "loss", 2.0),
        (0, "train", "accuracy", 0.25),
        (0, "test", "loss", 2.0),
        (0, "test", "accuracy", 0.25),
        (1, "train", "loss", 1.0),
        (1, "train", "accuracy", 0.5),
        (1, "test", "loss", 1.0),
        (1, "test", "accuracy", 0.5),
    ]
    pd.testing.assert_frame_equal(run.curves(), pd.DataFrame(expected, columns=["pass", "split", "metric", "value"]))


def test_curves_leave_out_test_results_that_were_not_measured():
    results = make_results((2.0, 0.25), (1.0, 0.5), (0.5, 0.75))
    curves = Run((results[0], PassResult(results[1].train), results[2]), []).curves()
    assert curves.loc[curves["split"] == "train", "pass"].tolist() == [0, 0, 1, 1, 2, 2]
    assert curves.loc[curves["split"] == "test", "pass"].tolist() == [0, 0, 2, 2]
    assert curves["value"].tolist() == [2.0, 0.25, 2.0, 0.25, 1.0, 0.5, 0.5, 0.75, 0.5, 0.75]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((0, 0.1, 1), "batch_size"),
        ((4, 0.0, 1), "learning_rate"),
        ((4, math.nan, 1), "learning_rate"),
        ((4, 0.1, -1), "max_passes"),
    ],
)
def test_impossible_settings_are_refused(values, named):
    with pytest.raises(ValueError, match=named):
        Settings(*values)


def test_images_without_labels_are_refused():
    with pytest.raises(ValueError, match="3 images have 2 labels"):
        LabelledImages(torch.zeros(3, 2, 2), torch.zeros(2, dtype=torch.int64))
