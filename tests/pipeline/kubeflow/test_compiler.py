"""What `trainyard kubeflow compile` refuses, with the place in the recipe."""

import sys

import pytest

from tests.pipeline.kubeflow.conftest import wine
from trainyard.errors import RecipeError
from trainyard.pipeline import cli
from trainyard.pipeline.kubeflow import compiler


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  dataset: wine", "  path: rows.csv", "pods cannot reach this path"),
        ("name: wine", "name: wine_", "Argo does not take this name"),
        ("  module: mlp", "  module: mpl", "there is no trainer module 'mpl'"),
        ("  dataset: wine", "  dataset: wine\n  path: /trainyard/a.csv", "either `dataset` or"),
    ],
)
def test_a_recipe_that_cannot_run_there(tmp_path, old, new, message):
    file = wine(tmp_path)
    text = file.read_text()
    assert text.count(f"{old}\n") == 1
    file.write_text(text.replace(f"{old}\n", f"{new}\n"))
    with pytest.raises(RecipeError, match=message) as caught:
        compiler.compile_recipe(file, tmp_path / "pipeline.yaml")
    assert caught.value.where.startswith(f"{file}:")
    assert not (tmp_path / "pipeline.yaml").exists()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("root: s3://b/runs", "the root is in s3:"),
        ("nodes: {Trainr: {gpu: 1}}", "did you mean 'Trainer'"),
        ("metadata: {kind: sqlite}", "sqlite is a file of one process"),
        ("imag: x", "did you mean 'image'"),
    ],
)
def test_a_section_that_cannot_be(tmp_path, section, message):
    file = wine(tmp_path, f"kubeflow:\n  {section}\n")
    with pytest.raises(RecipeError, match=message) as caught:
        compiler.compile_recipe(file, tmp_path / "pipeline.yaml")
    line = len(file.read_text().splitlines())
    assert caught.value.where.startswith(f"{file}:{line}")


def test_a_schema_that_is_not_there(tmp_path):
    file = wine(tmp_path)
    (tmp_path / "schemas" / "wine.pbtxt").unlink()
    with pytest.raises(RecipeError, match="there is no schema file"):
        compiler.compile_recipe(file, tmp_path / "pipeline.yaml")


def test_the_command_says_what_it_wrote(tmp_path, monkeypatch, capsys):
    output = tmp_path / "pipeline.yaml"
    words = ["trainyard", "kubeflow", "compile", str(wine(tmp_path)), "-o", str(output)]
    monkeypatch.setattr(sys, "argv", words)
    assert cli.answer() == 0
    said = capsys.readouterr().out
    assert f"wrote {output}: " in said
    assert "parameters of a run: epochs, accuracy_min" in said
