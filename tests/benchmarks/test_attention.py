"""What the comparison of attention says of scores."""

from benchmarks import attention


def test_the_mean_over_seeds_decides():
    met = {"none": [20.0, 24.0], "dot": [21.0, 23.0], "additive": [30.0, 20.0]}
    assert attention.is_met(met)
    assert not attention.is_met(met | {"dot": [21.0, 22.0]})
    assert list(attention.table(met))[1] == "| none | 22.00 | 20.0, 24.0 |"
