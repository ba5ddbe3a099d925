"""How rows are dealt to splits; nothing is trained here."""

from __future__ import annotations

from benchmarks import draws, judging

SPLITS = {
    name: judging.Examples(rows, [row.upper() for row in rows])
    for name, rows in (("train", [b"a", b"b", b"c"]), ("eval", [b"d"]), ("test", [b"e", b"f"]))
}


def test_all_rows_are_dealt_anew_and_keep_what_transform_made_of_them():
    dealt = judging.redrawn(SPLITS, seed=3)
    assert [(name, len(split.raw)) for name, split in dealt.items()] == [
        ("train", 3),
        ("eval", 1),
        ("test", 2),
    ]
    every = [row for split in dealt.values() for row in split.raw]
    assert sorted(every) == [b"a", b"b", b"c", b"d", b"e", b"f"]
    for split in dealt.values():
        assert [row.upper() for row in split.raw] == list(split.transformed)
    assert dealt != SPLITS


def test_the_same_seed_deals_the_same():
    assert judging.redrawn(SPLITS, 1) == judging.redrawn(SPLITS, 1)
    assert judging.redrawn(SPLITS, 1) != judging.redrawn(SPLITS, 2)


def test_mean_and_spread_are_told():
    *_, last = draws.table([0.9, 1.0, 0.95])
    assert last == "\nMean 0.950, standard deviation 0.050, least 0.900."
