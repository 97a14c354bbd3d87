"""A plain notebook that does what the study of the two-layer network does, on synthetic images, is audited right."""

import contextlib
import io

import nbformat
import pytest
from nbformat import v4

from gradlab.audit.examine import audit_notebook
from gradlab.audit.isolation import Limits

SOURCES = (
    "import numpy as np\nimport time\nstart = time.time()",
    """np.random.seed(3)
classes = np.random.rand(10, 300)
labels = np.random.randint(0, 10, 400)
images = 0.5 * classes[labels] + 0.5 * np.random.rand(400, 300)
images = (images - images.mean(axis=0)) / images.std(axis=0)
print("images", images.shape, "labels", labels.shape)""",
    """def forward(X, W1, b1, W2, b2):
    h = np.maximum(X @ W1 + b1, 0)
    s = h @ W2 + b2
    p = np.exp(s - s.max(axis=1, keepdims=True))
    return h, p / p.sum(axis=1, keepdims=True)

def cost(X, y, W1, b1, W2, b2, lmbda):
    _, p = forward(X, W1, b1, W2, b2)
    return -np.log(p[np.arange(len(y)), y]).mean() + lmbda * ((W1**2).sum() + (W2**2).sum())

def gradients(X, y, W1, b1, W2, b2, lmbda):
    h, p = forward(X, W1, b1, W2, b2)
    g = p.copy()
    g[np.arange(len(y)), y] -= 1
    g /= len(y)
    back = (g @ W2.T) * (h > 0)
    return X.T @ back + 2 * lmbda * W1, back.sum(axis=0), h.T @ g + 2 * lmbda * W2, g.sum(axis=0)""",
    """parameters = [np.random.randn(300, 50) / 300**0.5, np.zeros(50), np.random.randn(50, 10) / 50**0.5, np.zeros(10)]
X, y = images[:5], labels[:5]
exact = gradients(X, y, *parameters, 0.0)[0][0, 0]
moved = [parameters[0].copy() for _ in range(2)]
moved[0][0, 0] += 1e-5
moved[1][0, 0] -= 1e-5
costs = [cost(X, y, W, *parameters[1:], 0.0) for W in moved]
print(f"gradient {exact:.5f}, by differences {(costs[0] - costs[1]) / 2e-5:.5f}")""",
    """for epoch in range(3):
    for at in range(0, 400, 50):
        for value, slope in zip(parameters, gradients(images[at:at + 50], labels[at:at + 50], *parameters, 1e-3)):
            value -= 0.1 * slope
    accuracy = (forward(images, *parameters)[1].argmax(axis=1) == labels).mean()
    print(f"epoch {epoch}: cost {cost(images, labels, *parameters, 1e-3):.4f} accuracy {accuracy:.4f}")
print(f"took {time.time() - start:.2f} s")""",
    "print('best lambda', 10 ** np.random.default_rng().uniform(-5, -1))",
)


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    notebook, names = v4.new_notebook(), {}
    for count, source in enumerate(SOURCES, 1):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(source, names)
        text = printed.getvalue().replace("epoch 2: cost ", "epoch 2: cost 1")  # a misprint
        outputs = [v4.new_output("stream", name="stdout", text=text)] if text else []
        notebook.cells.append(v4.new_code_cell(source, execution_count=count, outputs=outputs))
    folder = tmp_path_factory.mktemp("flow")
    nbformat.write(notebook, folder / "paper.ipynb")
    return audit_notebook(folder / "paper.ipynb", folder / "out", limits=Limits(seconds=120))


def test_what_was_seeded_comes_out_again_and_nothing_else(audit):
    judged = {entry.number.label: (entry.verdict, entry.cause) for entry in audit.entries}
    assert judged.pop("took") == ("aside", "")
    assert judged.pop("best lambda") == ("differs", "unseeded")
    assert judged.pop("epoch 2 · cost") == ("differs", "unexplained")
    assert set(judged.values()) == {("same", "")} and len(audit.entries) == 16
    assert {"gradient", "by differences", "epoch 1 · accuracy"} <= set(judged)


def test_other_instructions_of_the_processor_were_tried(audit):
    assert any("Rounding was tried" in note for note in audit.notes) == ("rounding" in audit.runs)
