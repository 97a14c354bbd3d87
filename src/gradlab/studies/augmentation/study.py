"""What the study is called, and what it asks."""

from gradlab.engine.study import Study

STUDY = Study(
    title="Data augmentation on FashionMNIST",
    short="Augmentation",
    question="Does augmentation of training images, test images or both change the accuracy of a small convolutional network?",
    source="F, a homework on differentiable programming, §2",
)
