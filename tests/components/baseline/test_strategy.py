import pytest
from tfx.components.evaluator import constants
from tfx.types import standard_artifacts

from trainyard.components.baseline.strategy import ModelInService
from trainyard.components.pusher import versions
from trainyard.model_store import version_config
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description, HeadDescription


def model(number):
    artifact = standard_artifacts.Model()
    artifact.id = number
    return artifact


def blessing(number, blessed=1):
    artifact = standard_artifacts.ModelBlessing()
    artifact.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, number)
    artifact.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, blessed)
    return artifact


def resolve(models, blessings, candidate, destination="nowhere"):
    resolved = ModelInService(str(destination)).resolve_artifacts(
        None,
        {"model": models, "model_blessing": blessings, "candidate": [candidate]},
    )
    assert resolved["model_blessing"] == resolved["candidate"] == []
    return [artifact.id for artifact in resolved["model"]]


def test_takes_the_latest_blessed():
    models = [model(3), model(1), model(2), model(4)]
    assert resolve(models, [blessing(1), blessing(2), blessing(3, 0)], models[3]) == [2]


def test_a_candidate_is_not_its_own_baseline():
    models = [model(1), model(2)]
    assert resolve(models, [blessing(1), blessing(2)], models[1]) == [1]
    assert resolve(models, [blessing(1), blessing(2)], models[0]) == [2]


def test_the_first_model_has_no_baseline():
    only = model(1)
    assert resolve([only], [], only) == []


@pytest.fixture
def served(tmp_path):
    """Three blessed models, the first two of which are versions 7 and 8."""
    models = [model(number) for number in (1, 2, 3, 4)]
    for each in models:
        each.uri = f"/artifacts/{each.id}"
    for number, each in zip((7, 8), models, strict=False):
        marker = tmp_path / str(number) / versions.MARKER
        marker.parent.mkdir(parents=True)
        marker.write_text(versions.Origin(model=each.uri).model_dump_json())
        (tmp_path / str(number) / "saved_model.pb").touch()
    return models


def test_the_newest_version_is_the_champion(served, tmp_path):
    blessings = [blessing(number) for number in (1, 2, 3)]
    assert resolve(served, blessings, served[3], tmp_path) == [2]


def test_the_version_labelled_stable_is_the_champion(served, tmp_path):
    blessings = [blessing(number) for number in (1, 2, 3)]
    version_config.label(tmp_path, {version_config.STABLE: 7, version_config.CANARY: 8})
    assert resolve(served, blessings, served[3], tmp_path) == [1]
    version_config.label(tmp_path, {version_config.STABLE: 8})
    assert resolve(served, blessings, served[3], tmp_path) == [2]


def test_a_champion_that_is_the_candidate_or_unknown_gives_way(served, tmp_path):
    blessings = [blessing(number) for number in (1, 2, 3)]
    version_config.label(tmp_path, {version_config.STABLE: 7})
    assert resolve(served, blessings, served[0], tmp_path) == [3]
    (tmp_path / "7" / versions.MARKER).unlink()
    assert resolve(served, blessings, served[3], tmp_path) == [3]


def test_a_model_of_other_heads_is_no_baseline(tmp_path):
    def predicting(number, **tasks):
        artifact = model(number)
        artifact.uri = str(tmp_path / str(number))
        heads = {name: HeadDescription(task=task, label="y") for name, task in tasks.items()}
        folder = tmp_path / str(number) / "Format-Serving"
        (folder / "assets.extra").mkdir(parents=True)
        description.write(folder, Description(heads=heads, inputs={}))
        return artifact

    both = predicting(1, age="regression", income="binary")
    alone, other = predicting(2, income="binary"), predicting(3, income="multiclass", age="binary")
    again = predicting(4, income="binary", age="regression")
    blessings = [blessing(1), blessing(2), blessing(3)]
    assert resolve([both, alone, other, again], blessings, again) == [1]
    assert resolve([alone, other, again], blessings, again) == []
