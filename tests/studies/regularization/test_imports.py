from gradlab.engine.sources import imported_packages


def test_the_cifar10_notebooks_need_no_torch(project):
    for name in ("two_layer", "gradient_check", "lambda_search"):
        assert "torch" not in imported_packages(project / f"notebooks/regularization/{name}.ipynb")
