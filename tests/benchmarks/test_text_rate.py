"""What the table says of rates; nothing is measured here."""

from __future__ import annotations

from benchmarks import text_rate


def test_bucketed_is_compared_with_padded():
    rates = {"padded": [90.0, 100.0, 2000.0], "bucketed": [240.0, 250.0, 260.0]}
    assert text_rate.line("training", rates) == "| training | 100 | 250 | 2.50 |"


def test_the_recipe_is_there():
    assert (text_rate.ROOT / "benchmarks" / "text.yaml").is_file()
