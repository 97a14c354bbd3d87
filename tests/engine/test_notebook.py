import ast
import keyword
import string

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_notebooks import damage
from papermill import execute_notebook

from gradlab.engine.notebook import ParameterError, check_notebooks, check_parameters, declared_parameters

DECLARED = """
count: int = 3  # how many
rate: float = 0.5
name: str = "a"
flag: bool = False
rows: list = [0, 10]
penalty: float | None = None
"""


def test_reads_names_types_and_defaults(write_notebook):
    declared = declared_parameters(write_notebook(parameters=DECLARED))
    assert {name: parameter.default for name, parameter in declared.items()} == {
        "count": 3,
        "rate": 0.5,
        "name": "a",
        "flag": False,
        "rows": [0, 10],
        "penalty": None,
    }
    assert declared["count"].type is int
    assert declared["penalty"].type == float | None


@pytest.mark.parametrize(
    "values",
    [{"count": 4}, {"rate": 1.5}, {"rate": 1}, {"flag": True}, {"rows": []}, {"penalty": None}, {"penalty": 2}, {}],
)
def test_accepts_values_of_the_declared_type(write_notebook, values):
    check_parameters(write_notebook(parameters=DECLARED), values)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"count": "notanint"}, "count = 'notanint' is str, expected int"),
        ({"count": 1.0}, "count = 1.0 is float, expected int"),
        ({"count": True}, "count = True is bool, expected int"),
        ({"rate": True}, "rate = True is bool, expected float"),
        ({"rate": None}, "rate = None is NoneType, expected float"),
        ({"name": 3}, "name = 3 is int, expected str"),
        ({"penalty": "0"}, r"penalty = '0' is str, expected float \| None"),
        ({"rows": "0,10"}, "rows = '0,10' is str, expected list"),
        ({"unknown": 1}, "declares no parameter 'unknown' .*count, rate"),
    ],
)
def test_refuses_other_values(write_notebook, values, message):
    with pytest.raises(ParameterError, match=message):
        check_parameters(write_notebook(parameters=DECLARED), values)


@pytest.mark.parametrize(
    "line, message",
    [
        ("count = 3", "'count = 3' in the parameters cell: write every parameter as 'name: type = default'"),
        ("count: int", "'count: int' in the parameters cell"),
        ("import os", "'import os' in the parameters cell"),
        ("x.count: int = 3", "'x.count: int = 3' in the parameters cell"),
        ("if True:\n    count: int = 3\n\n    rate: float = 1.0", "'if True: count: int = 3 rate: float = 1.0' in the"),
        (
            "count: list[int] = []",
            r"parameter count has the type 'list\[int\]'; use int, float, str, bool, list, dict, or one",
        ),
        ("count: Thing = 3", "parameter count has the type 'Thing'"),
        ("count: object = 3", "parameter count has the type 'object'"),
        ("count: 'int' = 3", "parameter count has the type"),
        ("count: int = 1 + 1j", r"the default \(1\+1j\), which is complex, expected int"),
        (
            "count: int = len('abc')",
            r"parameter count has the default 'len\('abc'\)', which is computed; write a number",
        ),
        ("count: list = [n for n in range(3)]", "which is computed; write a number"),
        ("count: dict = {[]: 1}", "which is computed"),
        ("count: int = 'three'", "parameter count has the default 'three', which is str, expected int"),
        ("count: int = None", "the default None, which is NoneType, expected int: change the type or the default"),
        ("count: int = 3\ncount: int = 4", "declares the parameter 'count' twice; delete one of the lines"),
        (
            "count: int = (3\nrate: float = 1.0",
            r"the parameters cell is not Python \(line 1, 'count: int = \(3': .* closed",
        ),
        ("%time count = 3", "the parameters cell is not Python"),
        (f"count: str = '{'x' * 100_000}' + ''", r"parameter count has the default 'x{90,100}\.\.\.'|computed"),
    ],
)
def test_refuses_a_parameter_without_type_or_literal_default(write_notebook, line, message):
    with pytest.raises(ParameterError, match=message) as refused:
        declared_parameters(write_notebook(parameters=line))
    assert_is_a_short_line(str(refused.value))


def assert_is_a_short_line(message):
    assert message.isprintable()
    assert len(message) < 800


def test_refuses_a_cell_that_is_not_python_but_allows_what_is_ipythons_own(write_notebook):
    declared_parameters(write_notebook("%matplotlib inline\n!ls\nx = 1"))
    with pytest.raises(
        ParameterError, match=r"code cell 2 is not Python \(line 2, 'y = = 1': invalid syntax\); mend it"
    ):
        declared_parameters(write_notebook("x = 1\ny = = 1"))


def set_kernel(**kernel):
    return damage(lambda notebook: notebook["metadata"].update(kernelspec=kernel, language_info={}))


BROKEN = {
    "no parameters cell": (
        damage(lambda notebook: notebook["cells"][0]["metadata"].clear()),
        "has 0 code cells tagged 'para",
    ),
    "two parameters cells": (
        damage(lambda notebook: notebook["cells"].append(notebook["cells"][0])),
        "has 2 code cells tagged",
    ),
    "parameters in text": (
        damage(lambda notebook: notebook["cells"][0].update(cell_type="markdown")),
        "has 0 code cells",
    ),
    "empty": (lambda content: b"", "is empty: restore the notebook"),
    "blank": (lambda content: b" \n", "is empty: restore the notebook"),
    "cut off": (lambda content: content[:200], "is not JSON ("),
    "not JSON": (
        lambda content: b"import numpy",
        "is not JSON (Expecting value: line 1 column 1 (char 0)): save it again",
    ),
    "not UTF-8": (lambda content: b"{\xe9}", "is not UTF-8 text"),
    "brackets without end": (lambda content: b"[" * 100_000, "is not JSON"),
    "a list": (lambda content: b"[1, 2]", "is JSON, but not a notebook: it has no 'nbformat'"),
    "something else": (lambda content: b'{"results": "a"}', "is JSON, but not a notebook: it has no 'nbformat'"),
    "format 3": (
        damage(lambda notebook: notebook.update(nbformat=3, worksheets=[{"cells": notebook.pop("cells")}])),
        "is in notebook format 3, expected 4: open it in a current Jupyter and save it",
    ),
    "format 5": (damage(lambda notebook: notebook.update(nbformat=5)), "is in notebook format 5, expected 4"),
    "no cells": (damage(lambda notebook: notebook.pop("cells")), "is not a whole notebook"),
    "no metadata": (damage(lambda notebook: notebook.pop("metadata")), "is not a whole notebook"),
    "cell of a number": (damage(lambda notebook: notebook["cells"].append(3)), "is not a whole notebook"),
    "source of a number": (damage(lambda notebook: notebook["cells"][0].update(source=3)), "is not a whole notebook"),
    "tags of a number": (
        damage(lambda notebook: notebook["cells"][0]["metadata"].update(tags=3)),
        "is not a whole notebook",
    ),
    "half a character": (
        damage(lambda notebook: notebook["cells"].append({"cell_type": "raw", "metadata": {}, "source": "caf\udce9"})),
        r"is not JSON ('utf-8' codec can't encode character '\udce9'",
    ),
    "no minor format": (damage(lambda notebook: notebook.pop("nbformat_minor")), "is not a whole notebook"),
    "papermill's own of a number": (
        damage(lambda notebook: notebook["metadata"].update(papermill=3)),
        "is not a whole notebook",
    ),
    "outputs of null": (damage(lambda notebook: notebook["cells"][0].update(outputs=None)), "is not a whole notebook"),
    "attachments of null": (
        damage(lambda notebook: notebook["cells"][0].update(attachments=None)),
        "is not a whole notebook",
    ),
    "kernel of a number": (set_kernel(name=3), "is for the kernel 3; cells run in python3"),
    "language of a number": (set_kernel(name="python3", language=[3]), "is for the kernel 'python3' (language [3])"),
    "Julia": (
        set_kernel(name="julia-1.10", display_name="Julia 1.10", language="julia"),
        "is for the kernel 'julia-1.10' (language julia); cells run in python3: write it in Python, and choose Kernel > Change",
    ),
    "Julia, language unknown": (
        set_kernel(name="julia-1.10", display_name="Julia"),
        "is for the kernel 'julia-1.10'; cells",
    ),
    "R": (
        set_kernel(name="ir", display_name="R", language="R"),
        "is for the kernel 'ir' (language R); cells run in python3",
    ),
    "R, kernel unknown": (
        damage(lambda notebook: notebook.update(metadata={"language_info": {"name": "R"}})),
        "is for the kernel None (language R)",
    ),
    "Python 2": (set_kernel(name="python2", display_name="Python 2", language="python"), "is for the kernel 'python2'"),
    "line that is not Python": (
        damage(lambda notebook: notebook["cells"][0].update(source="output: str = (")),
        "the parameters cell is not Python (line 1, 'output: str = (': '(' was never closed); mend it",
    ),
    "output not declared": (
        damage(lambda notebook: notebook["cells"][0].update(source="value: int = 1")),
        "declares no parameter 'output' (it has value): add it to the notebook's parameters cell or do not pass it",
    ),
    "nothing declared": (
        damage(lambda notebook: notebook["cells"][0].update(source="# later")),
        "declares no parameter 'value' (it has none): add it",
    ),
    "parameter renamed": (
        damage(lambda notebook: notebook["cells"][0].update(source="worth: int = 1\noutput: str = 'out'")),
        "declares no parameter 'value' (it has worth, output): add it",
    ),
    "parameter of another type": (
        damage(lambda notebook: notebook["cells"][0].update(source="value: str = 'a'\noutput: str = 'out'")),
        "value = 2 is int, expected str: pass such a value, or change the type in the parameters cell",
    ),
}


@pytest.mark.parametrize("change, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_notebook_is_refused_in_one_line(write_notebook, change, message):
    notebook = write_notebook(parameters="value: int = 1\noutput: str = 'out'")
    notebook.write_bytes(change(notebook.read_bytes()))
    with pytest.raises(ParameterError) as refused:
        check_parameters(notebook, {"value": 2, "output": "out"})
    assert str(refused.value).startswith(str(notebook))
    assert message in str(refused.value)
    assert_is_a_short_line(str(refused.value))


def test_a_notebook_that_is_not_there_is_refused_in_one_line(tmp_path):
    with pytest.raises(
        ParameterError, match=r"missing\.ipynb cannot be read \(No such file or directory\): put"
    ) as refused:
        check_parameters(tmp_path / "missing.ipynb", {})
    assert_is_a_short_line(str(refused.value))


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        {"kernelspec": {"name": "python3.11", "display_name": "Python"}},
        {"kernelspec": {"name": ".venv", "display_name": "An environment", "language": "python"}},
        {"language_info": {"name": "python"}},
        {"kernelspec": None, "language_info": {"name": "Python"}},
        {"kernelspec": {"display_name": "Python 3"}},
        {"kernelspec": {"name": None, "language": None}, "language_info": {}},
        {"kernelspec": [], "language_info": None},
        {"papermill": {}, "widgets": None, "authors": 3},
    ],
)
def test_any_metadata_that_name_no_other_kernel_will_do(write_notebook, metadata):
    notebook = write_notebook("x = 1")
    notebook.write_bytes(damage(lambda content: content.update(metadata=metadata))(notebook.read_bytes()))
    assert "output" in declared_parameters(notebook)
    log = notebook.with_name("log.ipynb")
    # As the cell runs it, but for the kernel: papermill reads the metadata before it starts one.
    executed = execute_notebook(
        notebook,
        log,
        {"output": "new"},
        kernel_name="python3",
        language="python",
        prepare_only=True,
        progress_bar=False,
    )
    assert 'output = "new"' in "".join(cell.source for cell in executed.cells)


# --- properties ---

NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=8).filter(
    lambda name: not keyword.iskeyword(name) and name != "output"
)
LITERALS = {
    "int": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "str": st.text(max_size=10),
    "bool": st.booleans(),
    "list": st.lists(st.integers() | st.text(max_size=3), max_size=3),
    "dict": st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
}
DECLARATIONS = st.dictionaries(NAMES, st.sampled_from(sorted(LITERALS)), min_size=1, max_size=5)
hurried = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@hurried
@given(data=st.data(), kinds=DECLARATIONS)
def test_what_a_notebook_declares_is_read_and_values_of_its_types_are_taken(write_notebook, data, kinds):
    defaults = {name: data.draw(LITERALS[kind]) for name, kind in kinds.items()}
    lines = [f"{name}: {kinds[name]} = {default!r}" for name, default in defaults.items()]
    notebook = write_notebook(parameters="\n".join(lines))
    declared = declared_parameters(notebook)
    assert {name: parameter.default for name, parameter in declared.items()} == defaults
    check_parameters(notebook, {name: data.draw(LITERALS[kind]) for name, kind in kinds.items()})
    name = data.draw(st.sampled_from(sorted(kinds)))
    other = data.draw(
        st.sampled_from(sorted(set(LITERALS) - {kinds[name]} - ({"int"} if kinds[name] == "float" else set())))
    )
    with pytest.raises(ParameterError, match=f"{name} = .* is {other}, expected {kinds[name]}") as refused:
        check_parameters(notebook, {name: data.draw(LITERALS[other])})
    assert_is_a_short_line(str(refused.value).replace(str(notebook), ""))


@hurried
@given(source=st.text(max_size=60) | st.text("ab:= 1()[]{}'\n#", max_size=30))
def test_whatever_stands_in_the_parameters_cell_is_read_or_refused_in_one_line(write_notebook, source):
    notebook = write_notebook(parameters=source)
    try:
        declared = declared_parameters(notebook)
    except ParameterError as error:
        assert str(error).startswith(str(notebook))
        assert_is_a_short_line(str(error).replace(str(notebook), ""))
    else:
        assert list(declared) == [node.target.id for node in ast.parse(source).body]


# --- the notebooks of a study ---


def test_the_notebooks_of_a_study_are_checked_together_and_read_once(write_notebook, tmp_path, monkeypatch):
    sound = write_notebook(parameters=DECLARED, name="sound.ipynb")
    renamed = write_notebook(parameters="number: int = 3", name="renamed.ipynb")
    broken = write_notebook(parameters="count: int = (", name="broken.ipynb")
    check_notebooks([(sound, {"count": 1}), (sound, {"rate": 2})])
    planned = [(sound, {"count": 1}), (sound, {"count": "1"})]
    planned += [(renamed, {"count": count}) for count in range(50)] + [(broken, {"count": 1})] * 50
    reads = []
    monkeypatch.setattr(
        "gradlab.engine.notebook.declared_parameters", lambda path: reads.append(path) or declared_parameters(path)
    )
    with pytest.raises(ParameterError) as refused:
        check_notebooks(planned)
    assert reads == [sound, renamed, broken]
    first, *faults = str(refused.value).splitlines()
    assert first == "the notebooks are refused:"
    assert [fault.split("/")[-1].split(".ipynb")[0] for fault in faults] == ["sound", "renamed", "broken"]
    assert "count = '1' is str, expected int" in faults[0]
    assert "declares no parameter 'count' (it has number)" in faults[1]
    assert "is not Python" in faults[2]
    for fault in faults:
        assert_is_a_short_line(fault)


def test_reads_a_notebook_as_nbformat_does(project):
    templates = sorted((project / "notebooks").glob("*/*.ipynb"))
    assert templates
    for template in templates:
        cells = nbformat.read(template, as_version=4).cells
        (tagged,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
        lines = [node for node in ast.parse(tagged.source).body if isinstance(node, ast.AnnAssign)]
        expected = {node.target.id: ast.literal_eval(node.value) for node in lines}
        declared = declared_parameters(template)
        assert {name: parameter.default for name, parameter in declared.items()} == expected
        assert "output" in declared
