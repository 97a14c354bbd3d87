"""A two-layer network on CIFAR-10 with gradients written out by hand (C)."""
