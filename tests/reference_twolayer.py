"""The two-layer network in the plain way, as an oracle: images as columns, data rearranged in memory.

Nothing here is shared with `twolayer`: softmax and logistic function are their textbook formulas, the losses
are summed image by image, and everything is in float64.
"""

import numpy as np


def softmax(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=0)


def logistic(logits):
    return 1 / (1 + np.exp(-logits))


def one_hot(labels, classes):
    columns = np.zeros((classes, len(labels)))
    for image, label in enumerate(labels):
        columns[label, image] = 1
    return columns


def scores(W1, b1, W2, b2, X):
    """Return hidden units and logits, one column for each image; the biases are columns."""
    H = np.maximum(0, W1 @ X + b1)
    return H, W2 @ H + b2


def mean_loss(W1, b1, W2, b2, X, Y, loss):
    _, S = scores(W1, b1, W2, b2, X)
    total = 0.0
    for image in range(X.shape[1]):
        s, y = S[:, [image]], Y[:, [image]]
        if loss == "cross_entropy":
            total -= np.log((y * softmax(s)).sum())
        else:
            p = logistic(s)
            total -= (y * np.log(p) + (1 - y) * np.log(1 - p)).sum()
    return total / X.shape[1]


def cost(W1, b1, W2, b2, X, Y, lmbda, loss):
    return mean_loss(W1, b1, W2, b2, X, Y, loss) + lmbda * ((W1**2).sum() + (W2**2).sum())


def accuracy(W1, b1, W2, b2, X, labels):
    return float(np.mean(scores(W1, b1, W2, b2, X)[1].argmax(axis=0) == labels))


def gradients(W1, b1, W2, b2, X, Y, lmbda, loss):
    n = X.shape[1]
    H, S = scores(W1, b1, W2, b2, X)
    G = (softmax(S) if loss == "cross_entropy" else logistic(S)) - Y
    dW2 = G @ H.T / n + 2 * lmbda * W2
    db2 = G.sum(axis=1, keepdims=True) / n
    G = (W2.T @ G) * np.where(H > 0, 1, 0)
    dW1 = G @ X.T / n + 2 * lmbda * W1
    db1 = G.sum(axis=1, keepdims=True) / n
    return dW1, db1, dW2, db2


def numerical_gradients(W1, b1, W2, b2, X, Y, lmbda, loss, step):
    """Return centred differences, with two full evaluations of the cost for every single parameter."""
    parameters = [W1.copy(), b1.copy(), W2.copy(), b2.copy()]
    differences = []
    for array in parameters:
        quotients = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            before = array[index]
            array[index] = before + step
            upper = cost(*parameters, X, Y, lmbda, loss)
            array[index] = before - step
            lower = cost(*parameters, X, Y, lmbda, loss)
            array[index] = before
            quotients[index] = (upper - lower) / (2 * step)
        differences.append(quotients)
    return differences


def rate(t, n_s, eta_min, eta_max):
    """Return the cyclical learning rate, by the two branches of its definition."""
    cycle = t // (2 * n_s)
    if 2 * cycle * n_s <= t <= (2 * cycle + 1) * n_s:
        return eta_min + (t - 2 * cycle * n_s) / n_s * (eta_max - eta_min)
    return eta_max - (t - (2 * cycle + 1) * n_s) / n_s * (eta_max - eta_min)


def flip(column):
    """Mirror one image of 3,072 values left to right, value by value."""
    mirrored = np.empty_like(column)
    for plane in range(3):
        for row in range(32):
            for place in range(32):
                mirrored[1024 * plane + 32 * row + place] = column[1024 * plane + 32 * row + 31 - place]
    return mirrored


def train(W1, b1, W2, b2, X, labels, settings, rng, flip_rng):
    """Train on the columns of X in their present order; return the parameters and the rearranged data."""
    Y = one_hot(labels, len(b2))
    t = 0
    for _ in range(settings.epochs):
        permutation = rng.permutation(X.shape[1])
        X, Y = X[:, permutation], Y[:, permutation]
        seen = X.copy()
        if settings.flip_probability > 0:
            for image, drawn in enumerate(flip_rng.random(X.shape[1])):
                if drawn < settings.flip_probability:
                    seen[:, image] = flip(X[:, image])
        for start in range(0, X.shape[1], settings.batch_size):
            batch = slice(start, start + settings.batch_size)
            slopes = gradients(W1, b1, W2, b2, seen[:, batch], Y[:, batch], settings.lmbda, settings.loss)
            eta = rate(t, settings.n_s, settings.eta_min, settings.eta_max)
            W1, b1, W2, b2 = (array - eta * slope for array, slope in zip((W1, b1, W2, b2), slopes, strict=True))
            t += 1
    return (W1, b1, W2, b2), X, Y.argmax(axis=0)


def mean_cross_entropy(W1, b1, W2, b2, X, Y):
    """Return the mean cross-entropy over all images at once, as the notebook computes it."""
    _, S = scores(W1, b1, W2, b2, X)
    return -np.log((Y * softmax(S)).sum(axis=0)).mean()


def measure(W1, b1, W2, b2, X, Y, labels, lmbda):
    """Return cost, loss and accuracy as the notebook computes them: each from a forward pass of its own."""
    penalty = lmbda * ((W1**2).sum() + (W2**2).sum())
    return (
        mean_cross_entropy(W1, b1, W2, b2, X, Y) + penalty,
        mean_cross_entropy(W1, b1, W2, b2, X, Y),
        accuracy(W1, b1, W2, b2, X, labels),
    )


def train_with_curves(W1, b1, W2, b2, training, validation, settings, rng):
    """Train as `train` does, without flips, and measure both splits, pairs (X, labels), on the way and at the end.

    Return the parameters and the rows (update, training measures, validation measures).
    """
    (X, labels), (validation_X, validation_labels) = training, validation
    Y, validation_Y = one_hot(labels, len(b2)), one_hot(validation_labels, len(b2))
    rows, t = [], 0

    def record():
        parameters = (W1, b1, W2, b2)
        on_training = measure(*parameters, X, Y, Y.argmax(axis=0), settings.lmbda)
        rows.append(
            (t, on_training, measure(*parameters, validation_X, validation_Y, validation_labels, settings.lmbda))
        )

    for _ in range(settings.epochs):
        permutation = rng.permutation(X.shape[1])
        X, Y = X[:, permutation], Y[:, permutation]
        for start in range(0, X.shape[1], settings.batch_size):
            if t % settings.evaluate_every == 0:
                record()
            batch = slice(start, start + settings.batch_size)
            slopes = gradients(W1, b1, W2, b2, X[:, batch], Y[:, batch], settings.lmbda, settings.loss)
            eta = rate(t, settings.n_s, settings.eta_min, settings.eta_max)
            W1, b1, W2, b2 = (array - eta * slope for array, slope in zip((W1, b1, W2, b2), slopes, strict=True))
            t += 1
    record()
    return (W1, b1, W2, b2), rows
