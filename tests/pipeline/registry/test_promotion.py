from __future__ import annotations

import json
import time

import pytest
import requests

from tests.pipeline.registry.conftest import push, push_by_hand
from tests.serving.conftest import NAME, running
from trainyard.components.pusher import versions as pushed
from trainyard.errors import ContractError, RecipeError
from trainyard.model_store import version_config
from trainyard.pipeline.registry import decisions, promotion, versions
from trainyard.pipeline.workspace import Workspace


@pytest.fixture
def three(recipe, saved):
    for number in (1, 2, 3):
        push(recipe, saved, number)
    return recipe


def promote(recipe, number):
    return promotion.promote(recipe, str(number), "better", "test")


def roll_back(recipe, name=None):
    return promotion.roll_back(recipe, name, "worse", "test").version


def labels(recipe):
    return dict(version_config.read(Workspace.of(recipe).serving).version_labels)


def test_a_promotion_moves_the_label_and_is_recorded(three):
    version_config.label(Workspace.of(three).serving, {"stable": 1, "canary": 2})
    decision = promote(three, 2)
    assert labels(three) == {"stable": 2}  # nothing is on trial any more
    assert (decision.what, decision.version, decision.reason) == ("promote", 2, "better")
    assert decisions.read(three)[-1] == decision


def test_the_champion_is_not_promoted_twice(three):
    promote(three, 3)  # it answers as the newest one: now it goes on doing so
    assert labels(three) == {"stable": 3}
    with pytest.raises(RecipeError, match="champion already"):
        promote(three, 3)


def test_what_no_evaluator_blessed_is_refused_and_that_is_recorded(three, saved):
    push_by_hand(three, saved, 4)
    for act in (promotion.promote, promotion.roll_back):
        with pytest.raises(RecipeError, match="no Evaluator has blessed it"):
            act(three, "4", "because", "test")
    assert labels(three) == {}
    assert [(d.what, d.version, d.by) for d in decisions.read(three)] == [("refuse", 4, "test")] * 2


def test_a_version_of_another_recipe_is_refused(three, saved):
    folder = push(three, saved, 4)
    told = json.loads((folder / pushed.RECORD).read_text())
    told["recipe_json"] = json.dumps(json.loads(told["recipe_json"]) | {"name": "other"})
    (folder / pushed.RECORD).write_text(json.dumps(told))
    with pytest.raises(RecipeError, match="pushed by a run of 'other'"):
        promote(three, 4)
    assert labels(three) == {}


def test_what_cannot_be_loaded_is_refused(three):
    (Workspace.of(three).serving / "2" / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(ContractError, match="version 2 cannot be loaded"):
        promote(three, 2)
    assert labels(three) == {}
    assert decisions.read(three)[-1].what == "refuse"


def test_rollbacks_go_back_one_champion_at_a_time(three):
    promote(three, 1)
    promote(three, 3)
    promote(three, 2)
    assert roll_back(three) == 3
    assert roll_back(three) == 1
    # Version 3 answered as the newest before the first promotion.
    assert roll_back(three) == 3


def test_without_decisions_the_version_before_is_meant(three):
    assert roll_back(three) == 2
    assert roll_back(three) == 1
    with pytest.raises(RecipeError, match="no champion before"):
        roll_back(three)


def test_the_newest_that_answered_before_a_promotion_is_come_back_to(three):
    promote(three, 1)
    assert roll_back(three) == 3


def test_a_champion_before_that_is_gone_is_passed_over(three):
    import shutil

    promote(three, 1)
    promote(three, 2)
    promote(three, 3)
    shutil.rmtree(Workspace.of(three).serving / "2")
    assert roll_back(three) == 1


def test_a_version_to_go_back_to_may_be_named(three):
    assert roll_back(three, "1") == 1
    with pytest.raises(RecipeError, match="champion already"):
        roll_back(three, "1")
    with pytest.raises(RecipeError, match="no version '9'"):
        roll_back(three, "9")


def test_a_running_server_follows_within_a_second(three, tmp_path):
    with running(Workspace.of(three).serving, tmp_path, poll_seconds=0.25) as server:
        url = server.url(f"/v1/models/{NAME}:predict")

        def answered():
            return requests.post(url, json={"instances": [0.0]}, timeout=20).json()["predictions"]

        until = time.monotonic() + 20
        while answered() != [3.0]:
            assert time.monotonic() < until
        for act, number in ((roll_back, 2), (lambda r: promote(r, 3), 3), (roll_back, 2)):
            act(three)
            decided = time.monotonic()
            while answered() != [float(number)]:
                assert time.monotonic() - decided < 1.0
    assert versions.champion(three) == 2
