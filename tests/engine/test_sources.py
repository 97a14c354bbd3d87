from importlib.metadata import version

import nbformat
import pytest

from gradlab.engine.sources import imported_packages, imported_sources


@pytest.fixture
def package(tmp_path):
    package = tmp_path / "made"
    (package / "inner").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "a.py": "from made import b\nimport numpy",
        "b.py": "def late():\n    from made.inner.c import thing",
        "lonely.py": "import made.a",
        "inner/__init__.py": "",
        "inner/c.py": "thing = 1",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    return package


def names(files, package):
    return [file.relative_to(package).as_posix() for file in files]


def test_follows_imports_of_a_notebook_through_modules_and_packages(package, tmp_path):
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("import made.lonely"),
            nbformat.v4.new_code_cell("%matplotlib inline\nfrom made.a import something"),
        ]
    )
    nbformat.write(notebook, tmp_path / "n.ipynb")
    found = imported_sources(tmp_path / "n.ipynb", packages=[package])
    assert names(found, package) == ["__init__.py", "a.py", "b.py", "inner/__init__.py", "inner/c.py"]


def test_a_plain_import_counts_and_other_packages_do_not(package):
    found = imported_sources(package / "lonely.py", packages=[package])
    assert "a.py" in names(found, package)
    assert "lonely.py" not in names(found, package)


def test_the_packages_that_a_module_and_its_modules_import_with_their_versions(package, tmp_path):
    (package / "inner/c.py").write_text("import json, os.path\nfrom scipy.special import stdtrit\nthing = 1")
    assert imported_packages(package / "lonely.py", packages=[package]) == {
        "numpy": version("numpy"),
        "scipy": version("scipy"),
    }


def test_a_package_that_is_installed_under_another_name_than_its_module(tmp_path):
    (tmp_path / "module.py").write_text("import yaml\nfrom PIL import Image\nimport not_installed_anywhere")
    assert imported_packages(tmp_path / "module.py") == {"PyYAML": version("pyyaml"), "pillow": version("pillow")}


def test_relative_imports_are_followed_wherever_they_start(package):
    (package / "b.py").write_text("from . import lonely\nfrom .inner import c\nimport numpy")
    (package / "inner/c.py").write_text("from ..a import thing")
    (package / "a.py").write_text("")
    found = imported_sources(package / "b.py", packages=[package])
    assert names(found, package) == ["__init__.py", "a.py", "inner/__init__.py", "inner/c.py", "lonely.py"]
    assert imported_packages(package / "b.py", packages=[package]) == {"numpy": version("numpy")}
    assert imported_sources(package / "b.py", packages=[]) == []
