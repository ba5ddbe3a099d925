from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from trainyard.recipe_schema import Monitor


@pytest.mark.parametrize(
    ("window", "span"),
    [
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        (5000, None),
    ],
)
def test_a_window_is_a_time_or_a_number_of_rows(window, span):
    assert Monitor(window=window).span == span


@pytest.mark.parametrize("window", ["", "0h", "5", "1w", "h", "1.5h", 0, -3])
def test_what_is_no_window(window):
    with pytest.raises(ValidationError, match="30m"):
        Monitor(window=window)


def test_a_webhook_is_an_address():
    assert Monitor(webhook="https://example.org/hook").webhook
    assert Monitor(webhook="${file:/etc/hook}").webhook
    with pytest.raises(ValidationError):
        Monitor(webhook="example.org")


def test_a_threshold_can_be_switched_off_but_not_be_negative():
    assert Monitor(psi=None).psi is None
    with pytest.raises(ValidationError):
        Monitor(psi=-1)
