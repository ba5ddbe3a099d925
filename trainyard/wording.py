"""Numbers of things in sentences: `1 row`, `2 rows`, `1,000 rows`."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Returns a number with what it is a number of.

    Args:
        number: How many there are.
        noun: What one is called.
        plural: What several are called, if not by an `s` more.
    """
    return f"{number:,} {agreeing(number, noun, plural or f'{noun}s')}"


def agreeing(number: int, one: str, several: str) -> str:
    """Returns the word that agrees with a number.

    Args:
        number: How many there are.
        one: What is said of one, such as `is`.
        several: What is said of several or none, such as `are`.
    """
    return one if number == 1 else several
