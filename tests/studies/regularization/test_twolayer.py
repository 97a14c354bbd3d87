import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import reference_twolayer as reference
from hypothesis import given
from hypothesis import strategies as st

from gradlab.studies.regularization import replay, twolayer
from gradlab.studies.regularization.twolayer import LOSSES, Parameters, Settings, Split

SMALL = (12, 7, 5)


def random_problem(seed, sizes=SMALL, n=9):
    rng = np.random.default_rng(seed)
    parameters = twolayer.init_parameters(rng=rng, sizes=sizes)
    # Biases away from zero, so that their part in forward pass and derivatives shows.
    shifted = Parameters(parameters.W1, rng.normal(size=sizes[1]), parameters.W2, rng.normal(size=sizes[2]))
    return shifted, rng.normal(size=(n, sizes[0])), rng.integers(sizes[2], size=n)


def as_columns(parameters):
    return parameters.W1, parameters.b1[:, None], parameters.W2, parameters.b2[:, None]


def as_split(images, labels):
    return Split(images, labels, images.astype(np.float32))


# --- the network and its cost


def test_initial_weights_are_drawn_first_layer_first_with_variance_one_over_fan_in():
    parameters = twolayer.init_parameters(rng=np.random.RandomState(3))
    stream = np.random.RandomState(3)
    np.testing.assert_array_equal(parameters.W1, stream.normal(0, 1 / np.sqrt(3072), size=(50, 3072)))
    np.testing.assert_array_equal(parameters.W2, stream.normal(0, 1 / np.sqrt(50), size=(10, 50)))
    assert not parameters.b1.any() and not parameters.b2.any()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_cost_and_gradients_agree_with_images_as_columns(seed, loss):
    parameters, images, labels = random_problem(seed)
    columns, classes = images.T, reference.one_hot(labels, SMALL[2])
    expected = reference.cost(*as_columns(parameters), columns, classes, 0.3, loss)
    assert twolayer.cost(parameters, images, labels, lmbda=0.3, loss=loss) == pytest.approx(expected, rel=1e-13)
    slopes = twolayer.gradients(parameters, images, labels, lmbda=0.3, loss=loss)
    plain = reference.gradients(*as_columns(parameters), columns, classes, 0.3, loss)
    for slope, other in zip(slopes, plain, strict=True):
        np.testing.assert_allclose(slope, other.reshape(slope.shape), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(
    ("loss", "expected"), [("cross_entropy", np.log(10)), ("binary_cross_entropy", 10 * np.log(2))]
)
@pytest.mark.parametrize("n", [1, 40])
def test_loss_of_an_undecided_network_is_known_and_does_not_grow_with_the_images(loss, expected, n):
    logits = np.zeros((n, 10))
    assert twolayer.image_losses(logits, np.arange(n) % 10, loss=loss).mean() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(("loss", "expected"), [("cross_entropy", 3000.0), ("binary_cross_entropy", 3000.0)])
def test_large_logits_do_not_overflow(loss, expected):
    # Logits 2000 and -1000, the label at the second. Softmax: 2000 - (-1000). Logistic: 2000 for the first and 1000 for
    # the second. What is left out is of the order exp(-1000), which is 0 in float64.
    logits, labels = np.array([[2000.0, -1000.0]]), np.array([1])
    np.testing.assert_array_equal(twolayer.image_losses(logits, labels, loss=loss), [expected])
    np.testing.assert_array_equal(twolayer.image_loss_slopes(logits, labels, loss=loss), [[1.0, -1.0]])


def test_images_whose_logits_are_far_apart_do_not_disturb_each_other():
    # Softmax of equal logits is 1/2 each, wherever the other image's lie.
    logits, labels = np.array([[0.0, 0.0], [2000.0, 2000.0]]), np.array([0, 1])
    for loss, second in (("cross_entropy", 0.5), ("binary_cross_entropy", 1.0)):
        slopes = twolayer.image_loss_slopes(logits, labels, loss=loss)
        np.testing.assert_array_equal(slopes, [[-0.5, 0.5], [second, second - 1]])


def test_image_losses_treat_leading_axes_as_a_stack():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(4, 3, 6, 5)), rng.integers(5, size=6)
    for loss in LOSSES:
        stacked = twolayer.image_losses(logits, labels, loss=loss)
        assert stacked.shape == (4, 3, 6)
        np.testing.assert_allclose(
            stacked[2, 1], twolayer.image_losses(logits[2, 1], labels, loss=loss), rtol=1e-14, atol=0
        )


def test_penalty_leaves_the_biases_out():
    parameters = Parameters(np.full((2, 3), 2.0), np.full(2, 9.0), np.full((4, 2), 0.5), np.full(4, 9.0))
    assert twolayer.penalty(parameters, 0.1) == pytest.approx(0.1 * (6 * 4 + 8 * 0.25))
    slopes = Parameters(*(np.zeros_like(array) for array in parameters))
    twolayer.add_penalty_slopes(slopes, parameters, 0.1)
    np.testing.assert_allclose(slopes.W1, 0.4)
    np.testing.assert_allclose(slopes.W2, 0.1)
    assert not slopes.b1.any() and not slopes.b2.any()


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match=f"hinge.*; choose one of {', '.join(LOSSES)}$"):
        twolayer.image_losses(np.zeros((1, 2)), np.array([0]), loss="hinge")


# --- the gradient check


@pytest.mark.parametrize("loss", LOSSES)
def test_fast_differences_agree_with_two_evaluations_a_parameter(loss):
    parameters, images, labels = random_problem(5)
    # With a step as large as this, units are switched on and off, and rounding is far below the tolerance.
    fast = twolayer.numerical_gradients(parameters, images, labels, lmbda=0.3, loss=loss, step=0.01)
    classes = reference.one_hot(labels, SMALL[2])
    slow = reference.numerical_gradients(*as_columns(parameters), images.T, classes, 0.3, loss, 0.01)
    for quotients, other in zip(fast, slow, strict=True):
        np.testing.assert_allclose(quotients, other.reshape(quotients.shape), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_check_passes_the_gradients(loss):
    parameters, images, labels = random_problem(6)
    analytic = twolayer.gradients(parameters, images, labels, lmbda=0.3, loss=loss)
    numerical = twolayer.numerical_gradients(parameters, images, labels, lmbda=0.3, loss=loss, step=1e-5)
    assert max(twolayer.relative_errors(analytic, numerical).values()) < 1e-8


@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2"])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_check_catches_one_entry_that_is_off_by_a_millionth(loss, name):
    parameters, images, labels = random_problem(6)
    analytic = twolayer.gradients(parameters, images, labels, lmbda=0.3, loss=loss)
    numerical = twolayer.numerical_gradients(parameters, images, labels, lmbda=0.3, loss=loss, step=1e-5)
    wrong = getattr(analytic, name)
    wrong.flat[np.abs(wrong).argmax()] *= 1 + 1e-6
    errors = twolayer.relative_errors(analytic, numerical)
    assert errors.pop(name) > 1e-8
    assert max(errors.values()) < 1e-8


def test_gradient_check_catches_a_penalty_without_its_factor_of_two():
    parameters, images, labels = random_problem(6)
    halved = twolayer.gradients(parameters, images, labels, lmbda=0.15, loss="cross_entropy")
    numerical = twolayer.numerical_gradients(parameters, images, labels, lmbda=0.3, loss="cross_entropy", step=1e-5)
    errors = twolayer.relative_errors(halved, numerical)
    assert min(errors["W1"], errors["W2"]) > 0.01
    assert max(errors["b1"], errors["b2"]) < 1e-8


def test_relative_error_has_a_floor_below_which_it_is_absolute():
    tiny = Parameters(*(np.array([value]) for value in (3e-7, 0.0, 4.0, 1.0)))
    other = Parameters(*(np.array([value]) for value in (1e-7, 0.0, 1.0, -1.0)))
    assert twolayer.relative_errors(tiny, other) == pytest.approx({"W1": 0.2, "b1": 0.0, "W2": 0.6, "b2": 1.0})


@pytest.mark.parametrize("step", [0.0, -1e-5, float("nan")])
def test_differences_need_a_positive_step(step):
    with pytest.raises(ValueError, match="step"):
        twolayer.numerical_gradients(*random_problem(0), lmbda=0.0, loss="cross_entropy", step=step)


# --- evaluation


@pytest.mark.parametrize("loss", LOSSES)
def test_evaluation_in_blocks_agrees_with_all_at_once(loss, monkeypatch):
    parameters, images, labels = random_problem(8, n=23)
    monkeypatch.setattr(twolayer, "_CHUNK", 5)
    (evaluation,) = twolayer.evaluate([parameters], images, labels, lmbda=0.2, loss=loss)
    columns, classes = images.T, reference.one_hot(labels, SMALL[2])
    expected = reference.mean_loss(*as_columns(parameters), columns, classes, loss)
    assert evaluation.loss == pytest.approx(expected, rel=1e-13)
    expected = reference.cost(*as_columns(parameters), columns, classes, 0.2, loss)
    assert evaluation.cost == pytest.approx(expected, rel=1e-13)
    assert evaluation.accuracy == reference.accuracy(*as_columns(parameters), columns, labels)
    assert 0 < evaluation.accuracy < 1


class ReadRows:
    """Images that note which rows are read together, as a memory map would have to fetch them."""

    def __init__(self, images):
        self.images, self.dtype, self.read = images, images.dtype, []

    def __getitem__(self, rows):
        self.read.append(np.arange(len(self.images))[rows].tolist())
        return self.images[rows]


def test_evaluation_reads_every_row_once_and_a_block_at_a_time(monkeypatch):
    parameters, images, labels = random_problem(8, n=23)
    monkeypatch.setattr(twolayer, "_CHUNK", 5)
    rows = ReadRows(images)
    twolayer.evaluate([parameters, parameters], rows, labels, lmbda=0.0, loss="cross_entropy")
    assert rows.read == [[*range(start, min(start + 5, 23))] for start in range(0, 23, 5)]


def test_a_forward_pass_has_the_precision_of_the_images():
    # Both logits are the biases, which differ in float64 only: a tie, won by the lower class, in float32.
    biases = np.array([1.0, 1.0 + 2**-40])
    parameters = Parameters(np.ones((1, 3)), np.zeros(1), np.zeros((2, 1)), biases)
    images, labels = np.ones((4, 3)), np.zeros(4, dtype=int)
    (double,) = twolayer.evaluate([parameters], images, labels, lmbda=0.0, loss="cross_entropy")
    (single,) = twolayer.evaluate([parameters], images.astype(np.float32), labels, lmbda=0.0, loss="cross_entropy")
    assert (double.accuracy, single.accuracy) == (0, 1)
    assert double.loss > single.loss == pytest.approx(np.log(2), rel=1e-15)
    assert {array.dtype for array in parameters.astype("float32")} == {np.dtype("float32")}


def test_evaluation_in_single_precision_is_close_to_double():
    parameters, images, labels = random_problem(8, n=50)
    (double,) = twolayer.evaluate([parameters], images, labels, lmbda=0.2, loss="cross_entropy")
    (single,) = twolayer.evaluate([parameters], images.astype(np.float32), labels, lmbda=0.2, loss="cross_entropy")
    assert single.loss == pytest.approx(double.loss, rel=1e-6)
    assert single.loss != double.loss


def test_logits_that_are_not_finite_count_as_wrong():
    parameters, images, labels = random_problem(8)
    broken = dataclasses.replace(parameters, b2=np.array([np.nan, 0, 0, 0, 0]))
    (evaluation,) = twolayer.evaluate([broken], images, np.zeros_like(labels), lmbda=0.0, loss="cross_entropy")
    assert evaluation.accuracy == 0
    assert np.isnan(evaluation.loss)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_forward_pass_that_overflows_is_a_result(dtype):
    parameters, images, labels = random_problem(8)
    huge = Parameters(*(1e200 * array for array in parameters))
    (evaluation,) = twolayer.evaluate([huge], images.astype(dtype), labels, lmbda=0.0, loss="cross_entropy")
    assert not np.isfinite(evaluation.loss)
    assert evaluation.accuracy == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_states_evaluated_together_are_evaluated_as_if_alone(loss):
    states = [random_problem(seed)[0] for seed in range(4)]
    states[1] = dataclasses.replace(states[1], W1=states[1].W1 * np.inf)
    _, images, labels = random_problem(8, n=23)
    together = twolayer.evaluate(states, images, labels, lmbda=0.2, loss=loss)
    assert together[1].accuracy == 0
    for place in (0, 2, 3):
        (alone,) = twolayer.evaluate([states[place]], images, labels, lmbda=0.2, loss=loss)
        assert dataclasses.astuple(together[place]) == pytest.approx(dataclasses.astuple(alone), rel=1e-13)


# --- learning rate and flips


def test_learning_rate_is_a_triangle_between_its_bounds():
    settings = Settings(epochs=1, batch_size=1, lmbda=0, n_s=500)
    rates = twolayer.learning_rate(np.arange(2501), settings)
    assert rates[0] == rates[1000] == rates[2000] == 1e-5
    assert rates[500] == rates[1500] == rates[2500] == pytest.approx(0.1, rel=1e-15)
    assert rates[250] == rates[750] == pytest.approx((1e-5 + 0.1) / 2)


@given(t=st.integers(0, 10**6), n_s=st.integers(1, 2000), low=st.floats(0, 0.01), span=st.floats(0, 1))
def test_learning_rate_agrees_with_its_two_branches(t, n_s, low, span):
    settings = Settings(epochs=1, batch_size=1, lmbda=0, n_s=n_s, eta_min=low, eta_max=low + span)
    expected = reference.rate(t, n_s, low, low + span)
    assert twolayer.learning_rate(t, settings) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_a_run_is_described_in_cycles():
    # The published final network: 490 updates an epoch, five cycles of 1,000 but for the last hundred updates.
    found = twolayer.describe_cycles(49_000, Settings(10, 100, 0.0, 500))
    assert (found["cycles"], found["updates_per_cycle"], found["updates_per_epoch"]) == (4.9, 1000, 490)
    assert found["epochs_per_cycle"] == pytest.approx(1000 / 490)
    # Update 4,899 is 101 before the end of the cycle, where the rate falls by (0.1 − 1e-5) / 500 an update.
    assert found["last_learning_rate"] == pytest.approx(1e-5 + 101 / 500 * (0.1 - 1e-5))


def test_learning_rate_with_equal_bounds_is_constant():
    settings = Settings(epochs=1, batch_size=1, lmbda=0, n_s=7, eta_min=0.001, eta_max=0.001)
    assert (twolayer.learning_rate(np.arange(50), settings) == 0.001).all()


def test_flips_mirror_every_row_of_every_plane():
    images = np.random.default_rng(0).normal(size=(3, 3072))
    flipped = twolayer.flip_horizontally(images)
    for image, mirrored in zip(images, flipped, strict=True):
        np.testing.assert_array_equal(mirrored, reference.flip(image))
    np.testing.assert_array_equal(twolayer.flip_horizontally(flipped), images)
    assert twolayer.flip_horizontally(images[:0]).shape == (0, 3072)  # a batch in which nothing is flipped


# --- training


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("flip_probability", [0.0, 0.4])
def test_training_by_index_agrees_with_rearranged_columns(loss, flip_probability):
    parameters, images, labels = random_problem(1, sizes=(3072, 6, 5), n=40)
    settings = Settings(4, 8, 0.01, 6, eta_max=0.02, loss=loss, flip_probability=flip_probability, evaluate_every=7)
    order = np.random.default_rng(2).permutation(40)
    run = twolayer.train(
        parameters,
        as_split(images, labels),
        as_split(images[:10], labels[:10]),
        settings=settings,
        order=order,
        rng=np.random.RandomState(9),
        flip_rng=np.random.default_rng(3),
    )
    trained, columns, left = reference.train(
        *as_columns(parameters),
        images[order].T,
        labels[order],
        settings,
        np.random.RandomState(9),
        np.random.default_rng(3),
    )
    for array, other in zip(run.parameters, trained, strict=True):
        np.testing.assert_allclose(array, other.reshape(array.shape), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(images[run.order], columns.T)
    np.testing.assert_array_equal(labels[run.order], left)
    classes = reference.one_hot(labels, 5)
    assert run.training.cost == pytest.approx(reference.cost(*trained, images.T, classes, 0.01, loss), rel=1e-9)
    assert run.validation.accuracy == reference.accuracy(*trained, images[:10].T, labels[:10])


def small_run(**changes):
    parameters, images, labels = random_problem(1, n=20)
    settings = dataclasses.replace(Settings(2, 5, 0.01, 3, evaluate_every=3), **changes)
    split = as_split(images, labels)
    return twolayer.train(
        parameters, split, split, settings=settings, order=np.arange(20), rng=np.random.RandomState(4)
    )


def test_curves_hold_the_start_every_interval_and_the_end():
    run = small_run()
    for split in ("train", "validation"):
        for metric in ("cost", "loss", "accuracy"):
            assert [row[0] for row in run.curves if row[1:3] == (split, metric)] == [0, 3, 6, 8]
    rates = [row for row in run.curves if row[2] == "learning_rate"]
    settings = Settings(2, 5, 0.01, 3)
    expected = [(update, "train", "learning_rate", twolayer.learning_rate(update, settings)) for update in (0, 3, 6)]
    assert rates == expected
    assert {type(row[0]) for row in run.curves} == {int}  # a table would show 8.0


def test_the_last_point_of_the_curves_is_the_evaluation_in_double_precision():
    run = small_run()
    last = {row[2]: row[3] for row in run.curves if row[:2] == (8, "train")}
    assert last == dataclasses.asdict(run.training)
    _, images, labels = random_problem(1, n=20)
    assert [run.training] == twolayer.evaluate([run.parameters], images, labels, lmbda=0.01, loss="cross_entropy")


def test_all_other_points_of_the_curves_are_evaluations_in_single_precision():
    parameters, images, labels = random_problem(1, n=20)
    first = {row[2]: row[3] for row in small_run(evaluate_every=1000).curves if row[:2] == (0, "validation")}
    single = parameters.astype(np.float32), images.astype(np.float32)
    (expected,) = twolayer.evaluate([single[0]], single[1], labels, lmbda=0.01, loss="cross_entropy")
    assert first == dataclasses.asdict(expected)


def test_points_of_the_curves_are_evaluated_together(monkeypatch):
    together = []

    def evaluate(states, *rest, **settings):
        together.append(len(states))
        return plain(states, *rest, **settings)

    plain = twolayer.evaluate
    monkeypatch.setattr(twolayer, "evaluate", evaluate)
    monkeypatch.setattr(twolayer, "_STATES", 3)
    small_run(evaluate_every=1)  # eight updates: points before each of them, and one after the last
    assert together == [3, 3, 3, 3, 2, 2, 1, 1]  # on training and on validation data


def test_a_point_of_the_curves_is_the_state_after_that_many_updates():
    # Four updates an epoch: after every epoch the longest run has to pass where a shorter one ends.
    longest = small_run(epochs=12, evaluate_every=4)  # more points than are evaluated together
    for epochs in range(1, 12):
        ended = small_run(epochs=epochs).training
        passing = [next(row[3] for row in longest.curves if row[:3] == (4 * epochs, "train", "loss"))]
        passing += [next(row[3] for row in longest.curves if row[:3] == (4 * epochs, "validation", "cost"))]
        assert passing == pytest.approx([ended.loss, ended.cost], rel=1e-6)
        assert passing != [ended.loss, ended.cost]


def test_evaluating_more_often_changes_no_result():
    rare, often = small_run(evaluate_every=1000), small_run(evaluate_every=1)
    for array, other in zip(rare.parameters, often.parameters, strict=True):
        np.testing.assert_array_equal(array, other)


def test_a_run_that_completes_its_last_cycle_goes_on_from_its_end():
    """Eight updates lie in a cycle of ten; after twelve, three epochs, the second cycle has eight to go."""
    for epochs, whole, cycle in ((2, 10, 5), (3, 20, 5), (2, 8, 4)):
        alone, further = (small_run(epochs=epochs, n_s=cycle, complete=complete) for complete in (False, True))
        assert alone.completed is None
        for array, other in zip(further.parameters, alone.parameters, strict=True):
            np.testing.assert_array_equal(array, other)
        assert (further.training, further.validation) == (alone.training, alone.validation)
        # The state at the end of a cycle is a point of the curves of a run that passes there.
        longer = small_run(epochs=6, n_s=cycle, evaluate_every=whole)
        point = {row[1:3]: row[3] for row in longer.curves if row[0] == whole}
        assert further.completed.training.cost == pytest.approx(point["train", "cost"], rel=1e-5)
        assert further.completed.validation.loss == pytest.approx(point["validation", "loss"], rel=1e-5)
        last = {row[1:3]: row[3] for row in further.curves if row[0] == whole}
        assert last["validation", "cost"] == further.completed.validation.cost


def test_training_leaves_its_arguments_alone():
    parameters, images, labels = random_problem(1, n=20)
    for array in (*parameters, images, labels):
        array.setflags(write=False)
    order = np.arange(20)
    order.setflags(write=False)
    split = as_split(images, labels)
    run = twolayer.train(
        parameters, split, split, settings=Settings(1, 5, 0.0, 3), order=order, rng=np.random.RandomState(0)
    )
    assert not np.array_equal(run.parameters.W1, parameters.W1)


def flipped_run(probability, images=None, epochs=3):
    """Return a run on 20 images of 3,072 values, and what its two streams give next."""
    parameters, own, labels = random_problem(1, sizes=(3072, 6, 5), n=20)
    split = as_split(own if images is None else images, labels)
    settings = Settings(epochs, 5, 0.01, 3, flip_probability=probability)
    rng, flip_rng = np.random.RandomState(4), np.random.default_rng(5)
    run = twolayer.train(parameters, split, split, settings=settings, order=np.arange(20), rng=rng, flip_rng=flip_rng)
    return run, rng.random_sample(), flip_rng.random()


def test_a_probability_of_one_flips_every_image():
    images = random_problem(1, sizes=(3072, 6, 5), n=20)[1]
    flipped, plain = flipped_run(1.0)[0], flipped_run(0.0, twolayer.flip_horizontally(images))[0]
    for array, other in zip(flipped.parameters, plain.parameters, strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_flips_leave_the_order_of_the_images_alone(probability):
    flipped, after_flips, _ = flipped_run(probability)
    plain, after, _ = flipped_run(0.0)
    np.testing.assert_array_equal(flipped.order, plain.order)
    assert after_flips == after
    assert not np.array_equal(flipped.parameters.W1, plain.parameters.W1)
    stream = np.random.RandomState(4)  # nothing but one permutation an epoch
    for _ in range(3):
        stream.permutation(20)
    assert after == stream.random_sample()


@pytest.mark.parametrize(("probability", "drawn"), [(0.0, 0), (0.3, 60), (1.0, 60)])
def test_flips_draw_one_number_for_each_image_in_each_epoch_and_none_where_there_are_none(probability, drawn):
    stream = np.random.default_rng(5)
    stream.random(drawn)
    assert flipped_run(probability)[2] == stream.random()


class Always:
    """A stream whose every uniform number is the same."""

    def __init__(self, number):
        self.number = number

    def random(self, n):
        return np.full(n, self.number)


@pytest.mark.parametrize(("number", "as_with"), [(0.25, 1.0), (0.5, 0.0), (0.75, 0.0)])
def test_an_image_is_flipped_where_its_number_is_below_the_probability(number, as_with):
    parameters, images, labels = random_problem(1, sizes=(3072, 6, 5), n=20)
    split = as_split(images, labels)
    settings = Settings(3, 5, 0.01, 3, flip_probability=0.5)
    run = twolayer.train(
        parameters,
        split,
        split,
        settings=settings,
        order=np.arange(20),
        rng=np.random.RandomState(4),
        flip_rng=Always(number),
    )
    np.testing.assert_array_equal(run.parameters.W1, flipped_run(as_with)[0].parameters.W1)


def test_flips_without_a_stream_of_their_own_are_refused():
    with pytest.raises(
        ValueError, match=r"flip_probability is 0\.5, but flip_rng is None; give .* or set flip_probability to 0$"
    ):
        small_run(flip_probability=0.5)


def test_divergence_is_a_result():
    run = small_run(epochs=40, eta_min=1e6, eta_max=1e6, lmbda=0.1)
    assert not np.isfinite(run.training.cost)
    assert run.training.accuracy == 0


def test_a_run_starts_where_the_one_before_it_left_the_rows():
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(12, 3072)), rng.integers(10, size=12)
    split, order = as_split(images, labels), np.arange(12)
    earlier = [3, 2]
    for place, epochs in enumerate(earlier):
        np.testing.assert_array_equal(order, replay.row_order(12, earlier[:place]))
        stream = replay.two_layer_stream()
        parameters = twolayer.init_parameters(rng=stream)
        settings = Settings(epochs, 4, 0.0, 3)
        order = twolayer.train(parameters, split, split, settings=settings, order=order, rng=stream).order
    np.testing.assert_array_equal(order, replay.row_order(12, earlier))


# --- several networks side by side


@pytest.mark.parametrize("changes", [{}, {"flip_probability": 0.4}, {"evaluate_every": None}])
def test_networks_side_by_side_are_trained_as_if_alone(changes):
    parameters, images, labels = random_problem(1, sizes=(3072, 7, 5), n=20)
    split = as_split(images, labels)
    settings = [
        dataclasses.replace(Settings(2, 5, lmbda, 3, evaluate_every=3), **changes) for lmbda in (0.0, 0.1, 0.1, 1.0)
    ]

    def start():
        return {
            "order": np.random.default_rng(1).permutation(20),
            "rng": np.random.RandomState(7),
            "flip_rng": np.random.default_rng(3),
        }

    runs = twolayer.train_grid(parameters, split, split, settings=settings, **start())
    for run, one in zip(runs, settings, strict=True):
        alone = twolayer.train(parameters, split, split, settings=one, **start())
        for array, other in zip(run.parameters, alone.parameters, strict=True):
            np.testing.assert_array_equal(array, other)
        assert (run.training, run.validation, run.curves) == (alone.training, alone.validation, alone.curves)
        np.testing.assert_array_equal(run.order, alone.order)
    assert not np.array_equal(runs[0].parameters.W1, runs[1].parameters.W1)


def test_networks_side_by_side_differ_in_lambda_alone():
    parameters, images, labels = random_problem(1, n=20)
    split = as_split(images, labels)
    settings = [Settings(1, 5, 0.0, 3), Settings(2, 5, 0.0, 3)]
    with pytest.raises(ValueError, match=r"differ in lmbda alone; got .*epochs=2"):
        twolayer.train_grid(
            parameters, split, split, settings=settings, order=np.arange(20), rng=np.random.RandomState(0)
        )


def test_rows_of_a_split_are_views_of_the_same_images():
    _, images, labels = random_problem(1, n=20)
    whole = as_split(images, labels)
    part = whole.rows(5, 20)
    for field in ("images", "labels", "curve_images"):
        array = getattr(part, field)
        np.testing.assert_array_equal(array, getattr(whole, field)[5:])
        assert np.shares_memory(array, getattr(whole, field))
    assert whole.rows(0, 5).labels.tolist() == labels[:5].tolist()


@pytest.mark.parametrize("rows", [(0, 21), (20, 30), (5, 5), (7, 3), (-5, 20)])
def test_rows_that_a_slice_would_cut_short_are_refused(rows):
    _, images, labels = random_problem(1, n=20)
    with pytest.raises(ValueError, match=rf"\[{rows[0]}, {rows[1]}\].* 20 images"):
        as_split(images, labels).rows(*rows)


@pytest.mark.parametrize("batch_size", [6, 40])
def test_a_training_set_that_is_no_whole_number_of_batches_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"20 images.* {batch_size}; change train_rows or batch_size$"):
        small_run(batch_size=batch_size)


def test_a_run_has_an_epoch_of_batches_as_often_as_it_has_epochs_and_goes_on_to_a_whole_cycle():
    assert twolayer.update_count(20, Settings(3, 5, 0.0, 3)) == 12
    assert twolayer.complete_count(20, Settings(3, 5, 0.0, 3)) == 12
    assert twolayer.complete_count(20, Settings(3, 5, 0.0, 5)) == 20
    assert twolayer.complete_count(49000, Settings(10, 100, 0.0, 500)) == 5000
    assert twolayer.update_count(1, Settings(3, 1, 0.0, 3)) == 3
    with pytest.raises(ValueError, match="the training set has 0 images"):
        twolayer.update_count(0, Settings(3, 5, 0.0, 3))


@pytest.mark.parametrize("order", [np.arange(19), np.zeros(20, dtype=int)])
def test_an_order_that_is_no_permutation_is_refused(order):
    parameters, images, labels = random_problem(1, n=20)
    split = as_split(images, labels)
    with pytest.raises(ValueError, match="permutation of the 20 rows"):
        twolayer.train(
            parameters, split, split, settings=Settings(1, 5, 0.0, 3), order=order, rng=np.random.RandomState(0)
        )


@pytest.mark.parametrize(
    "wrong",
    [
        *({"loss": "hinge"}, {"flip_probability": 1.5}, {"n_s": 0}, {"batch_size": 0}, {"evaluate_every": 0}),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=name) as refusal:
        Settings(**{"epochs": 1, "batch_size": 1, "lmbda": 0.0, "n_s": 1} | wrong)
    assert str(value) in str(refusal.value)


def test_the_network_needs_numpy_only():
    program = "import sys; from gradlab.studies.regularization import replay, search; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
