"""What the study is called, and what it asks."""

from gradlab.engine.study import Study

STUDY = Study(
    title="A small perceptron on two moons",
    short="Two moons",
    question="How many points of two moons does a small perceptron get right, of those that it was trained on and of others?",
    source="A. Karpathy, micrograd, demo.ipynb, https://github.com/karpathy/micrograd",
)
