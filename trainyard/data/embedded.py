"""Real data that comes with scikit-learn, written as CSV or, if images, as Parquet."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from trainyard.data import encoded

_SEED = 20
_GROUP = 30
"""Images of a group of pairs: so many that most have another of their digit beside them."""


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


def digits_images() -> bytes:
    """Writes the handwritten digits as a Parquet file of PNG images.

    Returns:
        The file's content: `image`, 8 by 8 pixels, grey; `digit`, 0 to 9.
    """
    import numpy as np
    from sklearn import datasets

    loaded = datasets.load_digits()
    # 0 to 16 of ink, written as light on dark
    levels = np.rint(loaded.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8)
    return encoded.table({"image": levels}, {"digit": loaded.target})


def digit_pairs() -> bytes:
    """Writes pairs of the handwritten digits as a Parquet file of PNG images.

    Images are in groups of `_GROUP`, and both of a pair are of one group: split by
    `key: group`, no image is in two splits. Each image is in one pair with another of its
    digit, and in one with another digit, as far as its group has them.

    Returns:
        The file's content: `left` and `right`, 8 by 8 pixels, grey; `same`, 0 or 1; `group`.
    """
    import numpy as np
    from sklearn import datasets

    loaded = datasets.load_digits()
    levels = np.rint(loaded.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8)
    chance = np.random.default_rng(_SEED)
    pairs = []  # left, right, group
    for number, start in enumerate(range(0, len(levels), _GROUP)):
        members = np.arange(start, min(start + _GROUP, len(levels)))
        for left in members:
            equal = loaded.target[members] == loaded.target[left]
            for others in (members[equal & (members != left)], members[~equal]):
                if len(others):
                    pairs.append((left, int(chance.choice(others)), number))
    left, right, group = np.array(pairs).T
    same = (loaded.target[left] == loaded.target[right]).astype(np.int64)
    images = {"left": levels[left], "right": levels[right]}
    return encoded.table(images, {"same": same, "group": group})


def snake_case(name: str) -> str:
    """`mean radius` to `mean_radius`, `od280/od315_of_diluted_wines` to one word."""
    return re.sub(r"\W+", "_", name.lower()).strip("_")
