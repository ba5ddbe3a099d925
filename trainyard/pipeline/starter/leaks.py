"""Columns that give the label away, found by what one column alone can predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trainyard.progress import report
from trainyard.recipe_schema import Task

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, np.dtype[Any]]

SUSPICIOUS = 0.98
_ROWS = 10_000
_LEAVES = 64
_FEW_VALUES = 20
_ROUNDING = 1e-9
_FEWEST_ROWS = 40  # half of them judge: fewer say nothing


def leaks(columns: Mapping[str, pd.Series], numbers: Array, task: Task) -> dict[str, str]:
    """Finds the columns that predict the label almost alone.

    A small decision tree on one column learns from one half of at most 10,000
    rows and is judged on the other half.

    Args:
        columns: The columns that may become inputs.
        numbers: The label, one number a row, shape `(rows,)`.
        task: What kind of label it is.

    Returns:
        A warning per suspicious column.
    """
    if len(numbers) < _FEWEST_ROWS:
        return {}
    rows = np.random.default_rng(0).permutation(len(numbers))[:_ROWS]
    found = {}
    for done, (name, values) in enumerate(columns.items()):
        report(f"looking for leaks: {name}", done / len(columns))
        score = _score(_codes(values)[rows], numbers[rows], task)
        if score >= SUSPICIOUS:
            measure = _MEASURES[task][0]
            found[name] = f"predicts the label almost alone ({measure} {score:.3f})"
    return found


def copies(columns: Mapping[str, pd.Series], label: pd.Series) -> set[str]:
    """Finds the columns that hold the label under another name, or in another unit.

    Args:
        columns: The columns that may become inputs.
        label: The label's column.
    """
    codes = _codes(label)
    coded = ((name, _codes(values)) for name, values in columns.items())
    return {name for name, values in coded if _same(values, codes) or _in_proportion(values, codes)}


def _same(a: Array, b: Array) -> bool:
    """Whether each value of one goes with one value of the other, and the other way round."""
    pairs = len(np.unique(np.stack([a, b]), axis=1).T)
    distinct = len(np.unique(a))
    return pairs == distinct == len(np.unique(b)) and distinct < len(a)


def _in_proportion(a: Array, b: Array) -> bool:
    """Whether amounts are the same but for unit and offset."""
    if len(np.unique(b)) <= _FEW_VALUES or len(np.unique(a)) <= _FEW_VALUES:
        return False
    return bool(1 - abs(np.corrcoef(a, b)[0, 1]) < _ROUNDING)


def _codes(values: pd.Series) -> Array:
    """Numbers as they are, text by rank; missing is a value of its own. Shape `(rows,)`."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(float)
        finite = numbers[np.isfinite(numbers)]
        low = finite.min() - 1 if len(finite) else 0.0
        return np.asarray(np.nan_to_num(numbers, nan=low))
    return np.asarray(values.astype(str).astype("category").cat.codes, float)


def _score(codes: Array, numbers: Array, task: Task) -> float:
    """What the column alone reaches on rows that its tree has not seen; 0 to 1."""
    half = len(numbers) // 2
    if len(np.unique(numbers[:half])) < 2 or len(np.unique(numbers[half:])) < 2:
        return 0.0
    _, measure = _MEASURES[task]
    tree = _tree(task).fit(codes[:half, None].astype(np.float32), numbers[:half])
    return measure(tree, codes[half:, None].astype(np.float32), numbers[half:])


def _tree(task: Task) -> Any:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeRegressor if task == "regression" else DecisionTreeClassifier
    return kind(max_leaf_nodes=_LEAVES, min_samples_leaf=2, random_state=0)


def _area(tree: Any, inputs: Array, numbers: Array) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(numbers, tree.predict_proba(inputs)[:, 1]))


def _balanced_accuracy(tree: Any, inputs: Array, numbers: Array) -> float:
    guesses = tree.predict(inputs)
    return float(np.mean([np.mean(guesses[numbers == c] == c) for c in np.unique(numbers)]))


def _explained(tree: Any, inputs: Array, numbers: Array) -> float:
    return float(tree.score(inputs, numbers))


_MEASURES: dict[Task, tuple[str, Callable[[Any, Array, Array], float]]] = {
    "binary": ("auc", _area),
    "multiclass": ("balanced accuracy", _balanced_accuracy),
    "regression": ("R²", _explained),
}
