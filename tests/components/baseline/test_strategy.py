from tfx.components.evaluator import constants
from tfx.types import standard_artifacts

from trainyard.components.baseline.strategy import LatestOtherBlessedModel


def model(number):
    artifact = standard_artifacts.Model()
    artifact.id = number
    return artifact


def blessing(number, blessed=1):
    artifact = standard_artifacts.ModelBlessing()
    artifact.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, number)
    artifact.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, blessed)
    return artifact


def resolve(models, blessings, candidate):
    resolved = LatestOtherBlessedModel().resolve_artifacts(
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
