import numpy as np
import pytest

from trainyard.components.pusher import contract
from trainyard.errors import ContractError


def test_equal_answers_pass():
    answers = np.array([[0.25], [1e6]])
    assert contract.compare(answers, answers * (1 + 1e-7)) < 1e-6


@pytest.mark.parametrize(
    ("served", "words"),
    [
        ([[0.1], [0.2001]], "row 2 differs"),
        ([[0.1], [np.nan]], "row 2 is not finite"),
        ([[0.1]], "shapes differ"),
    ],
)
def test_other_answers_are_refused(served, words):
    with pytest.raises(ContractError, match=words):
        contract.compare(np.array([[0.1], [0.2]]), np.array(served))
