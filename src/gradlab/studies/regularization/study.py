"""What the study is called, and what it asks."""

from gradlab.engine.study import Study

STUDY = Study(
    title="A two-layer network on CIFAR-10",
    short="Regularization",
    question="Which penalty λ gives the best validation accuracy, and what does the final network reach on test images?",
    source="C, an assignment on CIFAR-10",
)
