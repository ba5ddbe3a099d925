import json
import sys

import pytest

from tests.pipeline.registry.conftest import push, push_by_hand
from tests.pipeline.registry.conftest import recipe as recipe
from tests.pipeline.registry.conftest import saved as saved
from trainyard.model_store import version_config
from trainyard.pipeline import cli
from trainyard.pipeline.workspace import Workspace


@pytest.fixture
def trainyard(recipe, saved, tmp_path, capsys, monkeypatch):
    """The command line, for a recipe of which two versions have been pushed."""
    for number in (1, 2):
        push(recipe, saved, number, epochs=number)
    file = tmp_path / "half.yaml"
    file.write_text("name: half\ndata: {path: x.csv}\nlabel: y\ntask: regression\n")

    def call(command, *arguments):
        words = [*command.split(), str(file), *arguments]
        monkeypatch.setattr(sys, "argv", ["trainyard", *words])
        capsys.readouterr()
        code = cli.answer()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_versions_are_listed(trainyard):
    code, out, _ = trainyard("models list")
    first, newest, older = out.splitlines()
    assert code == 0
    assert first.split()[:3] == ["version", "alias", "pushed"]
    assert newest.split()[:2] == ["2", "champion"]
    assert older.split()[0] == "1"
    assert not any(line.endswith(" ") for line in out.splitlines())
    assert [each["number"] for each in json.loads(trainyard("models list", "--json")[1])] == [2, 1]


def test_a_version_is_shown_and_two_are_compared(trainyard):
    assert "20260102-120000-000" in trainyard("models show")[1]
    assert json.loads(trainyard("models show", "1", "--json")[1])["number"] == 1
    assert "epochs" in trainyard("models diff", "1", "champion")[1]
    told = json.loads(trainyard("models diff", "1", "2", "--json")[1])
    assert told["hyperparameters"] == {"epochs": [1, 2]}


def test_a_version_is_promoted_and_rolled_back_with_a_reason(trainyard):
    told = trainyard("models promote", "1", "--reason", "it is better")
    assert told == (0, "version 1 is the champion: it is better\n", "")
    code, out, _ = trainyard("models rollback", "--json")
    assert (code, json.loads(out)["version"], json.loads(out)["what"]) == (0, 2, "roll back")
    assert "it is better" in trainyard("models show", "1")[1]


def test_what_is_not_blessed_is_one_error(trainyard, recipe, saved):
    push_by_hand(recipe, saved, 3)
    code, _, err = trainyard("models promote", "3")
    assert code == 2
    assert err.startswith("error: ") and "no Evaluator has blessed it" in err


def test_a_trial_is_begun_and_stopped(trainyard, recipe):
    version_config.label(Workspace.of(recipe).serving, {"stable": 1})
    code, out, _ = trainyard("canary", "--share", "0.3")
    assert (code, out) == (
        0,
        "version 2 is on trial with 30 % of the requests, version 1 has the others\n",
    )
    code, out, _ = trainyard("canary", "--decide")
    assert code == 0
    assert "too early: version 2 has answered 0 requests" in out
    told = json.loads(trainyard("canary", "--decide", "--json")[1])
    assert told["decision"] is None
    assert told["comparison"]["candidate"]["version"] == 2
    assert "stopped by hand" in trainyard("canary", "--stop")[1]
    assert "no version is on trial" in trainyard("canary", "--decide")[2]


@pytest.mark.parametrize("share", ["0", "1", "7"])
def test_a_share_is_a_part(trainyard, share):
    code, _, err = trainyard("canary", "--share", share)
    assert code == 2
    assert "a share is between 0 and 1" in err


def test_a_replay_needs_a_log(trainyard):
    code, _, err = trainyard("shadow", "--version", "1")
    assert code == 2
    assert "no request has been logged yet" in err


def test_a_mirror_needs_a_store(trainyard, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert trainyard("models mirror")[0] == 2
