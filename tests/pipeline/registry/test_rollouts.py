from __future__ import annotations

import time

import pytest
import requests

from tests.pipeline.registry.conftest import SAID, push, push_by_hand
from tests.serving.conftest import NAME, running
from trainyard.errors import RecipeError
from trainyard.model_store import version_config
from trainyard.pipeline.registry import decisions, rollouts, versions
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe
from trainyard.serving import canary


@pytest.fixture
def two(recipe, saved):
    for number in (1, 2):
        push(recipe, saved, number)
    return recipe


def with_rules(**rules) -> Recipe:
    return Recipe.model_validate(SAID | {"rollout": rules})


def labels(recipe):
    return dict(version_config.read(Workspace.of(recipe).serving).version_labels)


def trial(recipe):
    return canary.read(Workspace.of(recipe).serving)


def test_a_trial_pins_the_champion_and_labels_the_candidate(two, saved):
    version_config.label(Workspace.of(two).serving, {"stable": 1})
    decision = rollouts.start(two, None, None, "test")
    assert labels(two) == {"stable": 1, "canary": 2}
    assert (trial(two).version, trial(two).share) == (2, 0.1)
    assert (decision.what, decision.version) == ("canary", 2)
    assert decision.reason == "on trial with 10 % of the requests, version 1 has the others"
    since = trial(two).since
    rollouts.start(two, "2", 0.5, "test")  # goes on, with another share
    assert (trial(two).since, trial(two).share) == (since, 0.5)
    push(two, saved, 3)
    assert "version 2 ended undecided" in rollouts.start(two, None, None, "test").reason
    assert trial(two).version == 3
    assert trial(two).since > since


def test_what_may_not_answer_is_not_tried(two, saved):
    with pytest.raises(RecipeError, match="version 2 is the champion"):
        rollouts.start(two, None, None, "test")
    push_by_hand(two, saved, 3)
    version_config.label(Workspace.of(two).serving, {"stable": 1})
    with pytest.raises(RecipeError, match="no Evaluator has blessed it"):
        rollouts.start(two, None, None, "test")
    assert labels(two) == {"stable": 1}


def test_a_stopped_trial_leaves_the_champion(two):
    version_config.label(Workspace.of(two).serving, {"stable": 1})
    with pytest.raises(RecipeError, match="no version is on trial"):
        rollouts.stop(two, "enough", "test")
    rollouts.start(two, "2", None, "test")
    decision = rollouts.stop(two, "enough", "test")
    assert (decision.what, decision.version) == ("roll back", 1)
    assert decision.reason == "trial of version 2: enough"
    assert labels(two) == {"stable": 1}
    assert trial(two) is None


def test_a_pushed_version_is_tried_if_the_recipe_says_so(two, saved):
    recipe = with_rules(share=0.2)
    assert rollouts.start_pushed(two, "2") is None  # it does not
    assert rollouts.start_pushed(recipe, "") is None  # nothing was pushed
    assert rollouts.start_pushed(recipe, "2") is None  # it is the champion
    version_config.label(Workspace.of(recipe).serving, {"stable": 1})  # as the Pusher does
    assert rollouts.start_pushed(recipe, "2").version == 2
    assert trial(recipe).share == 0.2
    rollouts.stop(recipe, "no", "test")
    rollouts.start(recipe, "2", None, "test")
    rollouts.stop(recipe, "no", "test")
    assert rollouts.start_pushed(recipe, "2") is None  # an unchanged run does not begin again


@pytest.fixture(scope="module")
def served(saved, tmp_path_factory):
    """A server of two versions, whose trials are one after the other."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINYARD_HOME", str(folder / "home"))
        recipe = Recipe.model_validate(SAID)
        workspace = Workspace.of(recipe)
        workspace.serving.mkdir(parents=True)
        for number in (1, 2):
            push(recipe, saved, number)
        options = {"log_folder": str(workspace.requests), "log_sampling_rate": 1.0}
        with running(workspace.serving, folder, **options) as server:
            state = server.url(f"/v1/models/{NAME}/versions/2")
            until = time.monotonic() + 20
            while "AVAILABLE" not in requests.get(state, timeout=20).text:
                assert time.monotonic() < until
            yield server


def answered(server, count):
    """What a request is answered that names no version: the version's number."""
    url = server.url(f"/v1/models/{NAME}:predict")
    body = {"instances": [0.0]}
    answers = (requests.post(url, json=body, timeout=20) for _ in range(count))
    return [answer.json()["predictions"][0] for answer in answers]


@pytest.mark.parametrize(
    ("rules", "outcome", "champion"),
    [
        ({"prediction_drift": 1.0}, "promote", 2),
        ({"prediction_drift": 1.0, "end": "ask"}, "promote", 1),
        ({}, "roll back", 1),  # version 2 answers one more
        ({"prediction_drift": 1.0, "fewest_requests": 5000}, "wait", 1),
    ],
)
def test_a_trial_with_a_real_server(served, rules, outcome, champion):
    recipe = with_rules(**{"fewest_requests": 50, "latency_ratio": 50.0, **rules})
    version_config.label(Workspace.of(recipe).serving, {"stable": 1, "canary": None})
    time.sleep(0.5)
    rollouts.start(recipe, "2", 0.4, "test")
    time.sleep(0.5)
    found = answered(served, 200)
    assert found.count(2.0) == pytest.approx(80, abs=4)
    time.sleep(2.5)  # counts and log are written every second
    comparison, decision = rollouts.decide(recipe, "test")
    assert comparison.outcome == outcome
    for side, version in ((comparison.candidate, 2.0), (comparison.champion, 1.0)):
        assert side.requests == found.count(version)
        # The log is dated by the file: what was asked just before the trial may be in it too.
        assert side.answers >= found.count(version)
    assert versions.champion(recipe) == champion
    if outcome == "wait" or rules.get("end") == "ask":
        assert decision is None
        assert labels(recipe) == {"stable": 1, "canary": 2}
        return
    assert decision.what == outcome
    assert decision == decisions.read(recipe)[-1]
    assert labels(recipe) == {"stable": champion}
    if outcome == "roll back":
        assert "trial of version 2: y 1.000 apart" in decision.reason
    decided = time.monotonic()
    while set(answered(served, 10)) != {float(champion)}:
        assert time.monotonic() - decided < 1.0
