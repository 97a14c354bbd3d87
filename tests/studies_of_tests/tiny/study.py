"""What the study is called, and what it asks."""

from gradlab.engine.study import Study

STUDY = Study(
    title="Gradient descent on a parabola",
    short="Tiny",
    question="From which learning rate on does gradient descent on a parabola diverge?",
    source="T",
)
