"""How the rows were divided among the splits: a property of the examples' artifact.

It says what may mislead about the evaluation: rows that stand twice, splits that are far from
their shares, labels that are not alike in them, and, to who compares it with that of an earlier
model, what decided which rows are held out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from trainyard import wording
from trainyard.components.example_gen import classes, identity, spellings
from trainyard.components.example_gen.identity import Hashes
from trainyard.components.example_gen.reader import Block
from trainyard.recipe_schema import Data

PROPERTY = "division"

IDENTITIES = "identities.npz"
"""The file of an Examples artifact that has the hash of each row, by split."""

MOST_COUNTED = 1 << 24
"""Rows whose identity is kept, at 8 bytes each; beyond, the number of copies is a lower bound."""

MOST_CLASSES = 50
_MANY = 0.05
"""Share of copies from which on a sentence tells of them."""

_FAR, _DEVIATIONS = 0.1, 4
_UNLIKELY = 0.001
_FEWEST_EXPECTED = 5

Counts = dict[str, dict[str, int]]
"""Rows by class and split."""


class Copies(BaseModel):
    """Rows that are equal to an earlier row in every field.

    Attributes:
        counted: The number of rows that were looked at.
        rows: How many of them are copies of an earlier one.
        most: How often the most frequent row stands there.
        complete: Whether all rows were looked at; else these are the first.
    """

    complete: bool = True
    counted: int = 0
    rows: int = 0
    most: int = 0

    @classmethod
    def among(cls, identities: Hashes, complete: bool = True) -> Copies:
        """Counts.

        Args:
            identities: Of the rows, from `identity.rows`.
            complete: Whether these are all.
        """
        _, times = np.unique(identities, return_counts=True)
        copies, most = len(identities) - len(times), int(times.max(initial=0))
        return cls(complete=complete, counted=len(identities), rows=copies, most=most)

    def warnings(self) -> Iterator[str]:
        """Yields a sentence if there are many."""
        if self.rows > _MANY * self.counted:
            yield f"{self.sentence()}."

    def sentence(self) -> str:
        """Says how many there are; nothing if there are none."""
        if not self.rows:
            return ""
        at_least, first = ("", "") if self.complete else ("at least ", "the first ")
        verb = wording.agreeing(self.rows, "is a copy", "are copies")
        return (
            f"{self.rows:,} of {first}{self.counted:,} rows ({self.rows / self.counted:.1%}) "
            f"{verb} of an earlier row in every field; the most frequent one stands there "
            f"{at_least}{self.most:,} times"
        )


class Division(BaseModel):
    """What came of dividing the rows.

    Attributes:
        rule: What decides which rows are held out, in words: the same of two runs only if a row
            that both have is in the same split in both.
        rows: In each split.
        shares: What the recipe wants of each split; empty if something else decides.
        copies: Rows that stand there twice.
        labels: Rows by class and split, for each label of at most `MOST_CLASSES` classes.
        stratified: The label whose classes are divided each for itself.
    """

    rule: str = ""
    rows: dict[str, int] = {}
    shares: dict[str, int] = {}
    copies: Copies = Copies()
    labels: dict[str, Counts] = {}
    stratified: str | None = None

    @classmethod
    def read(cls, properties: Mapping[str, str]) -> Division:
        """Reads what an artifact says; nothing of one that an earlier Trainyard made.

        Args:
            properties: Those of the examples' artifact that are text.
        """
        return cls.model_validate_json(properties.get(PROPERTY) or "{}")

    def warnings(self) -> Iterator[str]:
        """Yields sentences about what may mislead."""
        far = self._far_from_shares()
        yield from self.copies.warnings()
        if far:
            yield f"The splits are far from their shares: {far}."
        for label, counts in self.labels.items():
            yield from self._uneven(label, counts)
            yield from _spelled_differently(label, counts)

    def _far_from_shares(self) -> str:
        """More than a tenth of a share, and more than chance: four standard deviations."""
        total, buckets = sum(self.rows.values()), sum(self.shares.values())
        wanted = {name: share / buckets for name, share in self.shares.items()}
        far = [
            name
            for name, share in wanted.items()
            if abs(self.rows.get(name, 0) - total * share)
            > max(_FAR * total * share, _DEVIATIONS * (total * share * (1 - share)) ** 0.5)
        ]
        told = (f"{n} has {self.rows[n] / total:.1%} instead of {wanted[n]:.0%}" for n in far)
        return ", ".join(told)

    def _uneven(self, label: str, counts: Counts) -> Iterator[str]:
        splits = list(self.rows)
        table = np.array([[each.get(name, 0) for name in splits] for each in counts.values()])
        chance = homogeneity(table)
        if chance >= _UNLIKELY:
            return
        shares = table / table.sum(axis=0)
        place = int(np.argmax(np.ptp(shares, axis=1)))
        told = (f"{share:.1%} of {n}" for share, n in zip(shares[place], splits, strict=True))
        yield (
            f"The classes of {label!r} are not alike in the splits by more than chance (chi-square "
            f"test of homogeneity, p = {chance:.1g}): {list(counts)[place]!r} is "
            f"{', '.join(told)}."
            + ("" if self.stratified == label else " See `data.split.stratify`.")
        )


def _spelled_differently(label: str, counts: Counts) -> Iterator[str]:
    rows = {name: sum(each.values()) for name, each in counts.items()}
    if found := spellings.warning(label, rows):
        yield f"Warning: {found}."


def rule(data: Data) -> str:
    """Returns what decides which rows are held out, such as `train 8, eval 1, test 1 by key: id`.

    Args:
        data: The recipe's data section.
    """
    shares = ", ".join(f"{name} {share}" for name, share in data.split.buckets.items())
    if data.split.in_order:
        return f"{shares} in order: {data.split.in_order}"
    by = f"key: {', '.join(data.keys)}" if data.keys else "the row"
    by += f" within the classes of {data.split.stratify}" if data.split.stratify else ""
    return f"{shares} by {by}, hash version {identity.VERSION}"


def homogeneity(table: npt.NDArray[np.int64]) -> float:
    """The chance that samples of one population differ as much: Pearson's chi-square test.

    Rows that are expected fewer than five times in a column count together; the test is for
    samples in which there is enough of everything.

    Args:
        table: Counts, shape `(classes, samples)`.

    Returns:
        The p-value; 1 where there is nothing to compare.
    """
    from scipy.special import chdtrc

    table = table[:, table.sum(axis=0) > 0]
    total = table.sum()
    scaled = np.outer(table.sum(axis=1), table.sum(axis=0)).astype(float)
    rare = scaled.min(axis=1, initial=np.inf) < _FEWEST_EXPECTED * total
    together = table[rare].sum(axis=0, keepdims=True)
    table = np.concatenate([table[~rare], together[together.sum(axis=1) > 0]])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(1, total)
    kept = (expected >= 1).all(axis=1)
    freedom = (int(kept.sum()) - 1) * (table.shape[1] - 1)
    if freedom < 1:
        return 1.0
    statistic = ((table - expected)[kept] ** 2 / expected[kept]).sum()
    return float(chdtrc(freedom, statistic))


class Tally:
    """Counts rows while they are divided.

    Args:
        splits: All splits.
    """

    def __init__(self, splits: Sequence[str]) -> None:
        self._identities: dict[str, list[Hashes]] = {name: [] for name in splits}
        self._kept = 0
        self._labels: dict[str, Counts | None] = {}

    def add(self, identities: Sequence[Hashes], labels: Mapping[str, Counts | None]) -> None:
        """Counts the rows of a block.

        Args:
            identities: Of the rows of each split, in the order of the splits.
            labels: As `counted` returns them.
        """
        for known, hashes in zip(self._identities.values(), identities, strict=True):
            some = hashes[: MOST_COUNTED - self._kept]
            known.append(some)
            self._kept += len(some)
        for label, counts in labels.items():
            self._labels[label] = _sum(self._labels.get(label, {}), counts)

    def finish(self, data: Data, rows: Mapping[str, int], is_divided: bool) -> Division:
        """Returns what came of it.

        Args:
            data: The recipe's data section.
            rows: In each split.
            is_divided: Whether the shares of the recipe decide, not the publisher's folders.
        """
        identities = np.concatenate([*self._by_split().values(), np.empty(0, np.uint64)])
        few = data.split.train_per_class is not None  # then training is meant to be different
        return Division(
            rule=rule(data),
            rows=dict(rows),
            shares=data.split.buckets if is_divided and not few else {},
            copies=Copies.among(identities, sum(rows.values()) <= MOST_COUNTED),
            labels={} if few else {label: each for label, each in self._labels.items() if each},
            stratified=data.split.stratify,
        )

    def write(self, folder: Path) -> None:
        """Writes the identities of each split's rows, for `learned`.

        Args:
            folder: The artifact's.
        """
        with (folder / IDENTITIES).open("wb") as file:
            np.savez(file, **self._by_split())

    def _by_split(self) -> dict[str, Hashes]:
        nothing = np.empty(0, np.uint64)
        return {name: np.concatenate([nothing, *each]) for name, each in self._identities.items()}


class Learned(NamedTuple):
    """Rows that are held out for a model, and that an earlier model was trained on.

    Attributes:
        rows: How many there are, among the rows whose identity is kept.
        held_out: How many of those are held out.
        complete: Whether the identities of all rows are kept, of both models; else there may be
            more.
    """

    rows: int
    held_out: int
    complete: bool = True

    def sentence(self, run: str) -> str:
        """Says how many there are, as far as anybody can tell.

        Args:
            run: That of the earlier model.
        """
        was = wording.agreeing(self.rows, "was a training row", "were training rows")
        then = f"held out here {was} of run {run} (the model in service"
        if self.complete:
            held_out = wording.counted(self.held_out, "row")
            return f"{self.rows:,} of the {held_out} {then})"
        limit = f"only the first {MOST_COUNTED:,} rows are compared"
        return f"at least {self.rows:,} of the rows {then}; {limit})"


def learned(earlier: Path, now: Path, train: str) -> Learned | None:
    """Counts the rows that are held out now and that an earlier model was trained on.

    Args:
        earlier: The folder of the examples that model was trained on.
        now: That of the examples of today.
        train: The split of the training rows.

    Returns:
        None if nobody can tell: an earlier Trainyard made the examples, or they are gone.
    """
    if not all((folder / IDENTITIES).is_file() for folder in (earlier, now)):
        return None
    with np.load(earlier / IDENTITIES) as before, np.load(now / IDENTITIES) as after:
        held_out = np.concatenate([after[name] for name in after.files if name != train])
        rows = np.isin(held_out, before[train] if train in before.files else [])
        complete = all(sum(len(file[n]) for n in file) < MOST_COUNTED for file in (before, after))
    return Learned(int(rows.sum()), len(held_out), complete)


def counted(
    block: Block, label: str, places: npt.NDArray[np.int64], names: Sequence[str]
) -> Counts | None:
    """Counts rows by class and split; None if there are too many classes to be any.

    Args:
        block: The rows.
        label: The column.
        places: That of every row's split among `names`; -1 for rows in no split.
        names: All splits.
    """
    found, codes = classes.of(block, label)
    table = np.zeros((len(found), len(names)), np.int64)
    np.add.at(table, (codes[places >= 0], places[places >= 0]), 1)
    there = {
        name: dict(zip(names, map(int, row), strict=True))
        for name, row in zip(found, table, strict=True)
        if row.any()
    }
    return there if len(there) <= MOST_CLASSES else None


def _sum(one: Counts | None, other: Counts | None) -> Counts | None:
    if one is None or other is None:
        return None
    total = {name: dict(each) for name, each in one.items()}
    for name, each in other.items():
        known = total.setdefault(name, {})
        known.update({split: known.get(split, 0) + rows for split, rows in each.items()})
    return total if len(total) <= MOST_CLASSES else None
