"""What is printed is the user's own text: no name of a column is taken for an emoji or a style."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import trainyard
from trainyard.pipeline import cli, cli_kubeflow, cli_models, cli_schedule

TEXT = "a:b: the share of [bold]c[/] is off; :smile: [red]"


@pytest.mark.parametrize("command", [cli, cli_kubeflow, cli_models, cli_schedule])
def test_texts_are_printed_as_they_are(command, capsys):
    command._print(TEXT)
    assert capsys.readouterr().out == f"{TEXT}\n"


def test_an_alarm_names_its_column(capsys):
    """Its line has rich's styles, and the sentence of the alarm without any."""
    from rich.markup import escape

    from trainyard.pipeline.monitor import watching

    watching._console().print(f"[red]✗[/] {escape(TEXT)}")
    assert capsys.readouterr().out == f"✗ {TEXT}\n"


def test_no_console_makes_emoji_of_names():
    for file in Path(trainyard.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Console":
                assert "emoji" in {word.arg for word in node.keywords}, f"{file}:{node.lineno}"
