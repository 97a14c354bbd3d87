"""What the study is called, and what it asks."""

from gradlab.engine.study import Study

STUDY = Study(
    title="Edge cases of automatic differentiation",
    short="Autodiff",
    question="Is what autograd returns the derivative, where a function jumps, is written with branches, or is made by a loop?",
    source="F, a homework on differentiable programming, §1",
)
