"""Divides the rows of each class in the given shares.

Each file is divided for itself, so that a file that comes or goes moves no row of another. Within a
file, the rows of a class are drawn without replacement from as many places as the shares have (ten,
if they are 8, 1 and 1), again and again; what is drawn follows from the row's hash. Rows added at
the end of a file move none either. Equal rows stay together: they are placed first, where there is
room for them, and the others are drawn from what is left. A row that stands in several files is
where the first of them has it. Rows without a label are a class.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from trainyard.components.example_gen import classes, identity, left_out, texts
from trainyard.components.example_gen.identity import Hashes
from trainyard.components.example_gen.reader import Block
from trainyard.recipe_schema import Data, Label

Places = npt.NDArray[np.int64]


class Stratified:
    """Finds buckets; see `splits.Chooser`. Memory: 16 bytes for each different row.

    Args:
        data: The recipe's data section.
        labels: The recipe's labels, by their keys in it.
        blocks: All rows, file by file.
        shares: Of the splits that these rows may fall into.
    """

    def __init__(
        self,
        data: Data,
        labels: Mapping[str, Label],
        blocks: Iterable[Block],
        shares: Sequence[int],
    ) -> None:
        self._bounds = np.cumsum([0, *shares])
        least = [share // math.gcd(*shares) for share in shares]
        found: dict[int, int] = {}
        for _, of_file in itertools.groupby(blocks, lambda block: block.file):
            for row, place in _divided(_rows(data, labels, of_file), least):
                found.setdefault(row, place)
        self._rows = np.array(sorted(found), np.uint64)
        self._places = np.array([found[row] for row in sorted(found)], np.int64)

    def __call__(self, block: Block, identities: Hashes, count: int) -> tuple[Places, Places]:
        """Returns every row's bucket, twice."""
        del block, count
        buckets = self._bounds[self._places[np.searchsorted(self._rows, identities)]]
        return buckets, buckets


def _rows(
    data: Data, labels: Mapping[str, Label], blocks: Iterable[Block]
) -> dict[str, Counter[int]]:
    """How often each row stands there, by class, in the order in which they come."""
    found: dict[str, Counter[int]] = {}
    for block in blocks:
        labelled, _ = left_out.labelled(data, labels, texts.append(data, block))
        names, codes = classes.of(labelled, data.split.stratify or "")
        fields = labelled.batch if labelled.raw is None else labelled.raw
        for row, code in zip(identity.rows(fields).tolist(), codes.tolist(), strict=True):
            found.setdefault(names[code], Counter())[row] += 1
    return found


def _divided(
    rows_of_classes: Mapping[str, Counter[int]], shares: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yields every different row with the place of its split.

    What a split still needs of a class is counted in parts of a row, all shares to the row, so
    that numbers are whole.
    """
    whole = sum(shares)
    for rows in rows_of_classes.values():
        room = [share * rows.total() for share in shares]
        single = [row for row, times in rows.items() if times == 1]
        several = sorted((row for row in rows if rows[row] > 1), key=lambda row: -rows[row])
        for row in several:
            size = rows[row] * whole
            fitting = [more if more >= size else 0 for more in room]
            place = _drawn(row, fitting if any(fitting) else [more == max(room) for more in room])
            room[place] -= size
            yield row, place
        urn = room if several else [0] * len(shares)
        for row in single:
            if not any(more > 0 for more in urn):
                urn = [share * whole for share in shares]
            place = _drawn(row, urn)
            urn[place] -= whole
            yield row, place


def _drawn(row: int, room: Sequence[int]) -> int:
    """Draws a split by the row's hash, with a chance in proportion to its room.

    Args:
        row: Its hash.
        room: Of each split; where none has any, the first is taken.
    """
    chances = [max(0, more) for more in room]
    at = (row >> 11) * sum(chances) >> 53
    ends = enumerate(itertools.accumulate(chances))
    return next((place for place, end in ends if at < end), 0)
