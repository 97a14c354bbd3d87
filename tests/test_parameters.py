import pytest

from gradlab.parameters import ParameterError, check_parameters, declared_parameters

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
        ("count = 3", "'count = 3' in the parameters cell"),
        ("count: int", "'count: int' in the parameters cell"),
        ("import os", "'import os' in the parameters cell"),
        ("count: list[int] = []", r"parameter count has the type 'list\[int\]'"),
        ("count: Thing = 3", "parameter count has the type 'Thing'"),
    ],
)
def test_refuses_a_parameter_without_type_or_default(write_notebook, line, message):
    with pytest.raises(ParameterError, match=message):
        declared_parameters(write_notebook(parameters=line))


def test_refuses_a_notebook_without_a_parameters_cell(write_notebook):
    notebook = write_notebook("x = 1")
    notebook.write_text(notebook.read_text().replace('"parameters"', '"other"'))
    with pytest.raises(ParameterError, match="0 cells tagged 'parameters'"):
        declared_parameters(notebook)


def test_every_template_declares_its_parameters(project):
    templates = sorted((project / "notebooks").glob("*.ipynb"))
    assert templates
    for template in templates:
        assert "output" in declared_parameters(template)
