"""Real data that comes with scikit-learn, written as CSV."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any


def table(name: str, label: str) -> bytes:
    """Writes one of scikit-learn's data sets as CSV with a header.

    Column names are in snake_case. A class is written by its name.

    Args:
        name: As in `sklearn.datasets.load_NAME`.
        label: The label's column name; the last column.

    Returns:
        The file's content, UTF-8.
    """
    from sklearn import datasets

    load: Callable[..., Any] = getattr(datasets, f"load_{name}")
    options = {"scaled": False} if name == "diabetes" else {}
    loaded = load(as_frame=True, **options)
    frame = loaded.data.rename(columns=snake_case)
    names = loaded.get("target_names")
    frame[label] = loaded.target if names is None else [str(names[i]) for i in loaded.target]
    return bytes(frame.to_csv(index=False, lineterminator="\n").encode())


def snake_case(name: str) -> str:
    """`mean radius` to `mean_radius`, `od280/od315_of_diluted_wines` to one word."""
    return re.sub(r"\W+", "_", name.lower()).strip("_")
