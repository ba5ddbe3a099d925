"""Word vectors that were learned elsewhere: text files in the format of GloVe or word2vec.

GloVe has a word and its numbers on each line; word2vec the same, after a first line that says how
many words there are and how many numbers each has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Feature, TextFeature
from trainyard.wording import counted

Vectors = np.ndarray[Any, np.dtype[np.float32]]


def files(features: Mapping[str, Feature]) -> list[Path]:
    """Names the files of vectors that features want.

    Args:
        features: How each column becomes an input.

    Raises:
        RecipeError: One is not there.
    """
    named = {
        name: Path(feature.embedding.file)
        for name, feature in features.items()
        if isinstance(feature, TextFeature) and feature.embedding
    }
    for name, file in named.items():
        if not file.is_file():
            raise RecipeError(
                "there is no such file of word vectors",
                where=f"features.{name}.embedding.file",
                expected="a text file in the format of GloVe or word2vec",
                received=str(file),
                hint="the path is relative to the recipe; leave `embedding` out to learn vectors",
            )
    return list(named.values())


def read(file: Path, vocabulary: Sequence[str], dimension: int | None = None) -> Vectors:
    """Reads the vectors of a vocabulary's tokens; no others are held.

    Args:
        file: It exists.
        vocabulary: The token of each id; the first one pads.
        dimension: Numbers that each vector must have; None: what the file has.

    Returns:
        float32 `[V, dimension]`: zeros for padding; for a token that the file has not got, the
        mean of those that it has.

    Raises:
        DataError: A line is no word with numbers, or has another number of them; or the file
            has none of the tokens.
    """
    places = {token.encode(): place for place, token in enumerate(vocabulary)}
    found: dict[int, Vectors] = {}
    for number, word, numbers in _lines(file, dimension):
        if word in places and places[word] not in found:
            found[places[word]] = _vector(file, number, numbers)
    if not found:
        raise DataError(
            "the file of word vectors has none of the training texts' tokens",
            where=str(file),
            expected=", ".join(vocabulary[-3:]),
            hint="look at `tokens` and `lower` of the feature: they should cut texts as those were "
            "that the vectors were learned from",
        )
    matrix = np.tile(np.mean(list(found.values()), axis=0, dtype=np.float32), (len(vocabulary), 1))
    for place, vector in found.items():
        matrix[place] = vector
    matrix[0] = 0
    return matrix


def _lines(file: Path, dimension: int | None) -> Iterator[tuple[int, bytes, list[bytes]]]:
    """Yields the number, the word and the numbers of each line; all have as many as the first."""
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            parts = line.split()
            if number == 1 and len(parts) == 2 and all(part.isdigit() for part in parts):
                continue  # word2vec's first line
            if dimension is None:
                dimension = max(1, len(parts) - 1)
            elif number <= 2 and len(parts) - 1 != dimension:
                raise _error(file, number, counted(dimension, "number"), f"{len(parts) - 1}")
            word, *numbers = line.rstrip().rsplit(b" ", dimension)  # GloVe has words with blanks
            if len(numbers) < dimension:
                raise _error(
                    file,
                    number,
                    f"a word and {counted(dimension, 'number')}",
                    repr(line[:60].decode("utf-8", "replace").strip()),
                )
            yield number, word, numbers


def _vector(file: Path, number: int, numbers: Sequence[bytes]) -> Vectors:
    try:
        vector = np.array([float(each) for each in numbers], np.float32)
    except ValueError as error:
        raise _error(file, number, "a word and its numbers", str(error)) from None
    if not np.isfinite(vector).all():
        raise _error(file, number, "finite numbers", "nan or infinity")
    return vector


def _error(file: Path, number: int, expected: str, received: str) -> DataError:
    return DataError(
        "a line of the file of word vectors cannot be used",
        where=f"{file}, line {number}",
        expected=expected,
        received=received,
        hint="a length of vectors that `trainer.params` names must be the file's; leave it out",
    )
