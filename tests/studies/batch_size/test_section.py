"""Which batch sizes the plots of the section show where there are more than colours."""

from gradlab.studies.batch_size.section import choose_drawn

PUBLISHED = {1, 2, 4, 8, 16}


def test_all_batch_sizes_are_drawn_where_there_are_colours_for_them():
    assert choose_drawn(["1", "3", "32"], PUBLISHED) == ([1, 2, 3, 4, 8, 16, 32], "")


def test_of_more_batch_sizes_the_published_ones_the_smallest_and_the_largest_other_are_drawn():
    drawn, note = choose_drawn([str(size) for size in range(1, 11)], PUBLISHED)
    assert drawn == [1, 2, 3, 4, 8, 10, 16]
    assert note == " Drawn are 7 of 11 batch sizes; the table has all of ours."
