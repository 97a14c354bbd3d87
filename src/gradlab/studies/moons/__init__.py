"""A small perceptron on two moons: the demo of micrograd, trained with gradients written out in NumPy."""
