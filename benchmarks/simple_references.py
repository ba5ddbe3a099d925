"""What forecasts and comparisons are held against: rules that need no network.

Each is computed on the same rows as the recipe's own metric.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score

from trainyard.recipe_schema import ImageFeature, Recipe, Series

LAGS = 14
"""Of the autoregressive model."""


def forecasts(series: Series, train: pd.DataFrame, judged: pd.DataFrame) -> dict[str, float]:
    """Measures forecasts of the next value by their root mean squared error.

    Args:
        series: The recipe's.
        train: Rows with the values before each.
        judged: Likewise.

    Returns:
        `trivial`: the better of the last value and the mean that training rows have on the day
        of the year; `linear`: least squares on the last `LAGS` values and a constant.
    """
    truth = judged[series.value].to_numpy(float)
    fitted, *_ = np.linalg.lstsq(_lags(train), train[series.value].to_numpy(float), rcond=None)
    days = pd.to_datetime(train[series.time]).dt.dayofyear
    means = train[series.value].groupby(days.to_numpy()).mean().reindex(range(1, 367)).interpolate()
    rules = {
        "last value": _lags(judged)[:, -2],
        "season": means[pd.to_datetime(judged[series.time]).dt.dayofyear].to_numpy(),
        "linear": _lags(judged) @ fitted,
    }
    errors = {name: float(np.sqrt(np.mean((rule - truth) ** 2))) for name, rule in rules.items()}
    return {"trivial": min(errors["last value"], errors["season"]), "linear": errors["linear"]}


def _lags(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The last values, the newest last, and a constant, `(n, LAGS + 1)`."""
    past = np.stack(list(rows["past"]))[:, -LAGS:]
    return np.column_stack([past, np.ones(len(past))])


def comparisons(
    recipe: Recipe, label: str, train: pd.DataFrame, judged: pd.DataFrame
) -> dict[str, float]:
    """Measures by the area under the curve how well likeness tells pairs apart.

    Args:
        recipe: It has two images, or two texts.
        label: 1 for pairs that belong together.
        train: Rows that word frequencies are counted on.
        judged: Rows.

    Returns:
        `trivial`: of images, by the distance of their pixels; of texts, by the cosine of TF-IDF.
    """
    kinds = {name: f for name, f in recipe.features.items() if f.kind in ("image", "text")}
    (one, feature), (other, _) = sorted(kinds.items())
    if isinstance(feature, ImageFeature):
        distance = _pixels(judged[one]) - _pixels(judged[other])
        alike = -np.sqrt((distance**2).sum(axis=1))
    else:
        words = TfidfVectorizer().fit(pd.concat([train[one], train[other]]))
        product = words.transform(judged[one]).multiply(words.transform(judged[other]))
        alike = np.asarray(product.sum(axis=1)).ravel()
    return {"trivial": float(roc_auc_score(judged[label].astype(int), alike))}


def _pixels(encoded: pd.Series) -> npt.NDArray[np.float64]:
    return np.stack([np.asarray(Image.open(io.BytesIO(file)), float).ravel() for file in encoded])
