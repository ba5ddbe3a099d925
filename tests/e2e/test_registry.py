"""Runs of a recipe with a rollout, and what the registry tells of their versions."""

import json
import shutil

import pytest

from tests.e2e.conftest import ROOT, variant
from trainyard.components.pusher import versions
from trainyard.model_store import version_config
from trainyard.pipeline import workspace
from trainyard.pipeline.records import RunRecord, find_run

ROLLOUT = "rollout: {share: 0.2}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("recipes")


def test_a_second_version_is_on_trial_and_both_are_explained(trainyard, folder, home):
    recipe = variant(ROOT / "recipes" / "breast_cancer.yaml", folder, "rolled_out", ROLLOUT)
    assert trainyard("run", recipe).code == 0
    served = home / "serving" / "rolled_out"
    assert not (served / version_config.FILE).exists()  # the first version answers alone
    recipe.write_text(recipe.read_text().replace("epochs: 60", "epochs: 20"))
    ended = trainyard("run", recipe)
    assert ended.code == 0
    assert "Version 2 is on trial with 20 % of the requests, version 1 has the others." in ended.out
    assert dict(version_config.read(served).version_labels) == {"stable": 1, "canary": 2}

    record = RunRecord.model_validate_json((served / "2" / versions.RECORD).read_bytes())
    last = find_run("rolled_out")
    assert record.id == last.id
    assert record.verdict.metrics == last.verdict.metrics

    shutil.rmtree(workspace.home() / "rolled_out" / "runs")
    listed = json.loads(trainyard("models", "list", recipe, "--json").out)
    assert [(each["number"], each["alias"]) for each in listed] == [
        (2, "challenger"),
        (1, "champion"),
    ]
    assert listed[0]["metrics"]["auc"] > 0.9
    assert listed[0]["data"]["input_fingerprint"].startswith("split:")
    assert listed[0]["artifacts"].keys() == {
        *("model", "examples", "model_run", "transform_graph", "model_blessing")
    }
    differences = json.loads(trainyard("models", "diff", recipe, 1, 2, "--json").out)
    assert differences["hyperparameters"] == {"epochs": [60, 20]}
    assert trainyard("models", "promote", recipe, "challenger").code == 0
    assert dict(version_config.read(served).version_labels) == {"stable": 2}
    assert "version 1 is the champion" in trainyard("models", "rollback", recipe).out


def test_other_checks_push_no_model_twice(trainyard, folder, home):
    recipe = variant(ROOT / "recipes" / "breast_cancer.yaml", folder, "checked_again")
    assert trainyard("run", recipe).code == 0
    recipe.write_text(recipe.read_text() + "push: {contract_rows: 7}\n")
    ended = trainyard("run", recipe)
    assert ended.code == 0
    assert "Nothing to push: this is the model that run" in ended.out
    assert [v.name for v in versions.versions(home / "serving" / "checked_again")] == ["1"]
