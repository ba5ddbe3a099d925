"""What the page says of tables that are kept; nothing is measured here."""

import pytest

from benchmarks import text_page
from benchmarks.text_page import Table


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(text_page, "PAGE", tmp_path / "TEXT.md")
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "out" / "generation"))
    return tmp_path


def test_what_was_never_run_is_named(home):
    text_page.keep("generation", "shakespeare", ["| way |", "| --- |", "| inside |"])
    text = (home / "TEXT.md").read_text()
    assert text.count("Never run.") == 2
    assert "### shakespeare\n\n| way |\n| --- |\n| inside |\n\nAt " in text


def test_a_table_takes_the_place_of_an_earlier_one_and_others_stay(home):
    text_page.keep("generation", "shakespeare", ["old"])
    text_page.keep("generation", "english_french", ["other"])
    text_page.keep("generation", "shakespeare", ["new"], others=0.0)
    text = (home / "TEXT.md").read_text()
    assert "old" not in text
    assert "### english_french\n\nother" in text
    assert "### shakespeare\n\nnew" in text


def test_figures_of_a_busy_machine_are_called_so():
    quiet, busy = (
        text_page.page({"text_rate": {"text": Table(["|"], "abc", "a machine", others)}})
        for others in (0.1, 1.4)
    )
    assert "First figures only" not in quiet
    assert "1.4 cores busy. **First figures only.**" in busy
