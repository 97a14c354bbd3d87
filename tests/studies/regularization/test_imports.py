from gradlab.engine.sources import imported_packages, imported_sources


def test_the_cifar10_notebooks_need_no_torch(project):
    for name in ("two_layer", "gradient_check", "lambda_search", "notebook_code"):
        assert "torch" not in imported_packages(project / f"notebooks/regularization/{name}.ipynb")


def test_the_choice_alone_imports_what_takes_a_second(project):
    notebooks = (project / "notebooks/regularization").glob("*.ipynb")
    with_choice = [file.stem for file in notebooks if any(module.stem == "choice" for module in imported_sources(file))]
    assert with_choice == ["lambda_choice"]
