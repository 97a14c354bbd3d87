"""The project's style, whatever settings a user keeps for matplotlib."""

import os
import subprocess
import sys

import pytest

DRAW = """
import sys
from gradlab.lab import style
from gradlab.lab.svg import draw_svg
figure, (left, right) = style.panels(1, 2)
left.plot([1, 2, 3], [1, 4, 9], color=style.COLOURS[0], marker="o", label="one_name", **style.REPRODUCED)
left.set(xlabel="pass", ylabel="$x^2$", title="a title")
left.legend()
right.imshow([[0, 1], [2, 3]])
sys.stdout.write(draw_svg(figure, title="line", alt="A line."))
"""
HOSTILE = """
backend: TkAgg
text.usetex: true
font.size: 30
font.family: serif
axes.facecolor: red
axes.titlelocation: left
lines.linewidth: 9
lines.markersize: 20
legend.loc: lower left
image.cmap: gray
figure.dpi: 33
figure.autolayout: true
savefig.dpi: 44
savefig.bbox: tight
savefig.facecolor: blue
savefig.transparent: true
svg.fonttype: path
svg.hashsalt: other
svg.image_inline: false
path.simplify: false
axes.grid: perhaps
no_such.setting: 1
a line without a colon
"""


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """A function that draws in a process of its own, with settings in a folder and in variables, and returns the SVG file."""
    for name in ("MATPLOTLIBRC", "MPLBACKEND"):
        monkeypatch.delenv(name, raising=False)

    def draw(**variables):
        environment = os.environ | {"MPLCONFIGDIR": str(tmp_path / "own")} | variables
        command = [sys.executable, "-c", DRAW]
        drawn = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return drawn.stdout

    return draw


def test_plots_are_the_same_bytes_whatever_the_users_settings_are(draw, tmp_path):
    plain = draw()
    assert "<svg" in plain
    (tmp_path / "elsewhere").write_text(HOSTILE)
    assert draw(MATPLOTLIBRC=str(tmp_path / "elsewhere"), MPLBACKEND="TkAgg") == plain
    (tmp_path / "own/matplotlibrc").write_text(HOSTILE)
    assert draw() == plain
    (tmp_path / "matplotlibrc").write_text(HOSTILE)
    assert draw() == plain
