"""What the study is called, and what it asks."""

from gradlab.engine.study import Study

STUDY = Study(
    title="Batch size on FashionMNIST",
    short="Batch size",
    question="How do the batch size, and half of its divergent learning rate, change the way to zero training error?",
    source="F, a homework on differentiable programming, §3 and §4",
)
