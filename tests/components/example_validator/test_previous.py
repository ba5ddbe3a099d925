"""Which data new data are held against, with a metadata store of its own."""

from types import SimpleNamespace

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.components.evaluator import constants
from tfx.types import standard_artifacts

from trainyard.components.example_validator.previous import StatisticsOfLatestBlessed

TYPES = {
    "examples": standard_artifacts.Examples,
    "statistics": standard_artifacts.ExampleStatistics,
    "model_blessing": standard_artifacts.ModelBlessing,
}


class Past:
    """Runs as the metadata store remembers them."""

    def __init__(self, folder):
        config = metadata_store_pb2.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = MetadataStore(config)
        self.folder = folder
        self.known = {kind: [] for kind in TYPES}
        execution_type = metadata_store_pb2.ExecutionType(name="work")
        self._work = self.store.put_execution_type(execution_type)

    def put(self, kind, **custom):
        artifact = TYPES[kind]()
        artifact.uri = str(self.folder / f"{kind} {len(self.known[kind])}")
        (self.folder / artifact.uri).mkdir()
        for name, value in custom.items():
            artifact.set_int_custom_property(name, value)
        artifact.type_id = self.store.put_artifact_type(artifact.artifact_type)
        (artifact.id,) = self.store.put_artifacts([artifact.mlmd_artifact])
        self.known[kind].append(artifact)
        return artifact

    def work(self, read, made):
        (execution,) = self.store.put_executions([metadata_store_pb2.Execution(type_id=self._work)])
        event = metadata_store_pb2.Event
        self.store.put_events(
            event(artifact_id=artifact.id, execution_id=execution, type=way)
            for way, artifact in ((event.INPUT, read), (event.OUTPUT, made))
        )
        return made

    def run(self, blessed):
        """Data of which a model was made; None: it was stopped before."""
        examples = self.put("examples")
        statistics = self.work(examples, self.put("statistics"))
        if blessed is not None:
            self.judge(examples, blessed)
        return SimpleNamespace(examples=examples, statistics=statistics)

    def judge(self, examples, blessed):
        properties = {constants.ARTIFACT_PROPERTY_BLESSED_KEY: int(blessed)}
        self.work(examples, self.put("model_blessing", **properties))

    def earlier(self, run):
        inputs = self.known | {"candidate": [run.statistics]}
        resolved = StatisticsOfLatestBlessed().resolve_artifacts(self.store, inputs)
        assert resolved.keys() == inputs.keys()
        found = resolved.pop("statistics")
        assert not any(resolved.values())
        return found


@pytest.fixture
def past(tmp_path):
    return Past(tmp_path)


def test_the_first_data_have_no_past(past):
    assert past.earlier(past.run(blessed=True)) == []


def test_the_latest_blessed_counts_and_what_was_stopped_does_not(past):
    past.run(blessed=True)
    second = past.run(blessed=True)
    past.run(blessed=False)
    past.run(blessed=None)
    assert past.earlier(past.run(blessed=None)) == [second.statistics]


def test_data_are_not_their_own_past(past):
    first, second = past.run(blessed=True), past.run(blessed=True)
    assert past.earlier(second) == [first.statistics]


def test_older_data_of_which_a_newer_model_is(past):
    first, _ = past.run(blessed=True), past.run(blessed=True)
    past.judge(first.examples, blessed=True)
    assert past.earlier(past.run(blessed=None)) == [first.statistics]


def test_statistics_that_are_gone_are_passed_over(past, tmp_path):
    first, second = past.run(blessed=True), past.run(blessed=True)
    (tmp_path / second.statistics.uri).rmdir()
    assert past.earlier(past.run(blessed=None)) == [first.statistics]
