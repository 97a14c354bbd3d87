"""What a notebook's parameters could be: literals that are given to a name once, at the top level."""

import pytest

from gradlab.audit.literals import find_parameters
from gradlab.audit.runs import CodeCell


def find(*sources):
    return {found.name: found.value for found in find_parameters([CodeCell(source, ()) for source in sources])}


def test_numbers_words_and_lists_of_them_are_found_with_type_and_comment():
    found = find_parameters(
        [
            CodeCell("%matplotlib inline\nimport numpy as np", ()),
            CodeCell(
                "rate = 1e-3  # of SGD\nsteps: int = -5\nuse = True\nword = 'a # b'\nsizes = [\n  16, 16.5,\n]", ()
            ),
        ]
    )
    assert [(each.name, each.kind, each.annotation, each.comment, each.cell, each.lines) for each in found] == [
        ("rate", "float", "float", "of SGD", 1, (1, 1)),
        ("steps", "int", "int", "", 1, (2, 2)),
        ("use", "bool", "bool", "", 1, (3, 3)),
        ("word", "str", "str", "", 1, (4, 4)),
        ("sizes", "list", "list[float | int]", "", 1, (5, 7)),
    ]
    assert [each.value for each in found] == [1e-3, -5, True, "a # b", [16, 16.5]]


@pytest.mark.parametrize(
    "other",
    [
        "n = 2",
        "n += 1",
        "for n in range(3): pass",
        "def f():\n    global n",
        "def n(): pass",
        "import n",
        "from a import b as n",
        "with open('x') as n: pass",
        "del n",
        "(n := 3)",
        "n, m = 1, 2",
        "def f():\n    n = 3",
        "try:\n    pass\nexcept E as n:\n    pass",
        "match 1:\n    case n:\n        pass",
    ],
)
def test_what_is_given_another_value_anywhere_is_none(other):
    assert find("n = 1") == {"n": 1}
    assert "n" not in find("n = 1", other)


@pytest.mark.parametrize(
    "source",
    [
        "n = f(1)", "n = m = 1", "n = (1, 2)", "n = None", "n = []", "n = {}", "n = [[1]]", "n = 1; m = f()",
        "if True:\n    n = 1", "def f():\n    n = 1", "output = 'x'", "_n = 1", "list = 1", "copy = 1", "n = b'x'", "n = 1j",
        "n = float('nan')", "this is no Python\nn = 1",
    ],
)  # fmt: skip
def test_what_is_no_literal_of_its_own_line_or_has_a_name_that_means_something_is_none(source):
    assert find(source) == {}
