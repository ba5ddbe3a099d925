"""What the ids of a text's tokens mean, for those too who do without TensorFlow.

They are the same for every text: 0 pads, 1 and 2 are the markers, then come those of unknown
tokens, then the vocabulary by frequency; among equals, TensorFlow Transform puts the greater
token first. A vocabulary's file has one line for each id.
"""

from __future__ import annotations

from collections.abc import Mapping

from trainyard.recipe_schema import Feature, TextFeature
from trainyard.trainer_modules.harness import names

PADDING, START, END, UNKNOWN = range(4)
"""Ids. `UNKNOWN` is the first of `TextFeature.oov_buckets`."""

SUFFIX = "_tokens"


def keys(features: Mapping[str, Feature]) -> dict[str, str]:
    """Names the transformed features that columns of text become.

    Args:
        features: How each column becomes an input.

    Returns:
        For each column of text its key; also of its vocabulary.
    """
    return names.keys((n for n, f in features.items() if isinstance(f, TextFeature)), SUFFIX)
