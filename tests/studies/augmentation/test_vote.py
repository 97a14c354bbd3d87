"""The vote over copies that stops asking, against one that counts all of them."""

import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradlab.studies.augmentation.vote import vote


def ask(predictions, classes=10):
    """The vote, and how many images each copy was asked about."""
    predictions = torch.tensor(predictions)
    asked = []

    def copy_of(labels):
        def answer(images):
            asked.append(len(images))
            return labels[images]

        return answer

    return vote([copy_of(labels) for labels in predictions], predictions.shape[1], classes).tolist(), asked


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.tuples(st.integers(1, 9), st.integers(2, 10)).flatmap(
        lambda sizes: st.lists(
            st.lists(st.integers(0, sizes[1] - 1), min_size=sizes[0], max_size=sizes[0]), min_size=1, max_size=9
        )
    )
)
def test_votes_against_a_count_of_all(predictions):
    assert ask(predictions)[0] == reference.plain_votes(predictions)


def test_a_tie_goes_to_the_lowest_label():
    assert ask([[9, 1], [2, 1], [9, 0], [2, 0]])[0] == [2, 0]


@pytest.mark.parametrize(("label", "copies_asked"), [(9, 5), (1, 5), (0, 4)])
def test_a_copy_is_not_asked_where_the_vote_is_decided(label, copies_asked):
    # Of eight copies, five decide. Four do for the lowest label, which wins a tie.
    votes, asked = ask([[label]] * 8)
    assert votes == [label]
    assert asked == [1] * copies_asked


def test_the_last_copy_decides_where_the_others_are_split():
    votes, asked = ask([[3, 7], [4, 7], [4, 7]])
    assert votes == [4, 7]
    assert asked == [2, 2, 1]


def test_a_vote_needs_copies():
    with pytest.raises(ValueError, match="at least one copy"):
        vote([], 4, 10)
