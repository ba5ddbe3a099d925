from tfx.components.evaluator import constants
from tfx.types import standard_artifacts

from trainyard.components.baseline.strategy import LatestOtherBlessedModel
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
