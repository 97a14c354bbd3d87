import re

import matplotlib.pyplot as plt
import pytest

from gradlab.lab import style
from gradlab.lab.svg import describe_svg, draw_svg, follow_scheme


@pytest.fixture
def figure():
    figure, (ax,) = style.panels(1, 1)
    ax.plot([0, 1], [0, 1], color=style.COLOURS[0], marker="o", **style.MARKER)
    ax.axhline(0.5, color="0.25")
    yield figure
    plt.close(figure)


def test_a_figure_says_what_it_shows_and_is_the_same_each_time(figure):
    svg = draw_svg(figure, title="line", alt="A line, rising <steeply> & straight.")
    assert describe_svg(svg) == "A line, rising <steeply> & straight."
    assert draw_svg(figure, title="line", alt="A line, rising <steeply> & straight.") == svg
    assert describe_svg("<svg/>") == ""


def test_every_grey_of_a_figure_has_one_for_the_dark(figure):
    svg = draw_svg(figure, title="line", alt="A line.")
    drawn = set(re.findall(r'style="[^"]*(fill|stroke): (#[0-9a-f]{6})', svg))
    greys = {(kind, colour) for kind, colour in drawn if colour[1:3] == colour[3:5] == colour[5:]}
    assert ("fill", "#ffffff") in greys and ("stroke", "#000000") in greys and ("stroke", "#404040") in greys
    # The lines of the grid are mid-grey and pale: they are seen on both grounds.
    for kind, colour in greys - {("stroke", "#b0b0b0")}:
        assert f'[style*="{kind}: {colour}"]{{{kind}:' in svg


def test_the_style_for_the_dark_is_added_once(figure):
    svg = draw_svg(figure, title="line", alt="A line.")
    assert svg.count("prefers-color-scheme: dark") == 1
    assert follow_scheme(svg) == svg
