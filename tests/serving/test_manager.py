from __future__ import annotations

import asyncio
import shutil

import numpy as np
import pytest
from tensorflow_serving.apis import model_pb2

from tests.serving.conftest import NAME, push
from trainyard.model_store import version_config, versions
from trainyard.serving.errors import ServingError
from trainyard.serving.manager import Manager, State
from trainyard.serving.metrics import Metrics
from trainyard.serving.options import Options


def spec(version=None, label=None, name=NAME):
    made = model_pb2.ModelSpec(name=name)
    if version is not None:
        made.version.value = version
    if label is not None:
        made.version_label = label
    return made


class Watched:
    """A manager, and what it said."""

    def __init__(self, base, **options):
        self.said: list[str] = []
        told = Options(model_name=NAME, model_base_path=base, **options)
        self.manager = Manager(told, Metrics(), self.said.append)

    async def settle(self):
        await self.manager.settle()
        await asyncio.sleep(0)

    def states(self):
        found = self.manager.statuses(spec()).model_version_status
        return {status.version: State.Name(status.state) for status in found}

    def answers(self, **asked):
        return self.manager.find(spec(**asked)).version


def scenario(test):
    """Runs an asynchronous test, and closes its manager."""

    def wrapper(base, saved):
        async def run():
            watched = Watched(base, num_versions=2)
            try:
                await watched.settle()
                await test(watched, base, saved)
            finally:
                await watched.manager.close()

        asyncio.run(run())

    wrapper.__name__ = test.__name__
    return wrapper


@scenario
async def test_the_newest_version_answers_and_the_one_before_stays(watched, base, saved):
    assert watched.answers() == 1
    push(saved, base, 2)
    await watched.settle()
    assert (watched.answers(), watched.answers(version=1)) == (2, 1)
    push(saved, base, 3)
    await watched.settle()
    await asyncio.gather(*watched.manager._closing)
    assert watched.states() == {3: "AVAILABLE", 2: "AVAILABLE", 1: "END"}
    with pytest.raises(ServingError, match=rf"request: Specific\({NAME}, 1\)") as raised:
        watched.answers(version=1)
    assert raised.value.http_status == 404


@scenario
async def test_a_version_is_unloaded_when_its_last_request_is_answered(watched, base, saved):
    first = watched.manager.find(spec())
    with first.in_use():
        for number in (2, 3):
            push(saved, base, number)
        await watched.settle()
        await asyncio.sleep(0.05)
        assert watched.states()[1] == "UNLOADING"
        assert first.model.run("regress", [np.array([b""], object)])[0].tolist() == [1]
    await asyncio.gather(*watched.manager._closing)
    assert watched.states()[1] == "END"


@scenario
async def test_a_broken_version_is_told_and_the_old_one_answers(watched, base, saved):
    broken = push(saved, base, 2)
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    await watched.settle()
    assert watched.answers() == 1
    assert watched.states() == {2: "END", 1: "AVAILABLE"}
    (told,) = [text for text in watched.said if "broken" in text]
    assert "version 2 is broken and not served" in told
    status = watched.manager.statuses(spec(version=2)).model_version_status[0].status
    assert status.error_code
    assert str(base) not in status.error_message

    await watched.settle()  # it is not tried again
    assert len([text for text in watched.said if "broken" in text]) == 1
    shutil.copy(saved / "2" / "saved_model.pb", broken / "saved_model.pb")
    await watched.settle()  # until it is mended
    assert watched.answers() == 2


@scenario
async def test_a_folder_that_is_not_whole_is_no_version(watched, base, saved):
    shutil.copytree(saved / "2", base / ".unfinished-2")
    (base / "2").mkdir()
    (base / "notes").mkdir()
    await watched.settle()
    assert watched.states() == {1: "AVAILABLE"}


@scenario
async def test_stable_answers_and_the_newest_waits(watched, base, saved):
    version_config.label(base, {"stable": 1})
    push(saved, base, 2)
    await watched.settle()
    version_config.label(base, {"canary": 2})
    watched.manager.follow()
    assert watched.answers() == watched.answers(label="stable") == 1
    assert watched.answers(label="canary") == 2
    push(saved, base, 3)
    push(saved, base, 4, source=3)
    await watched.settle()
    assert (watched.answers(), watched.answers(label="canary")) == (1, 2)
    version_config.label(base, {"stable": None, "canary": None})
    watched.manager.follow()
    assert watched.answers() == 4


@scenario
async def test_a_rollback_to_a_loaded_version_takes_one_look(watched, base, saved):
    push(saved, base, 2)
    await watched.settle()
    version_config.label(base, {"stable": 1})
    watched.manager.follow()
    assert watched.answers() == 1


@scenario
async def test_a_label_waits_until_its_version_is_loaded(watched, base, saved):
    for number in (2, 3):
        push(saved, base, number)
    await watched.settle()
    version_config.label(base, {"stable": 1})
    watched.manager.follow()
    assert watched.answers() == 3
    await watched.settle()
    assert watched.answers() == 1


@scenario
async def test_a_rollback_to_a_broken_version_changes_nothing(watched, base, saved):
    for number in (2, 3, 4):
        push(saved, base, number)
    await watched.settle()
    version_config.label(base, {"stable": 3})
    await watched.settle()
    (base / "1" / "saved_model.pb").write_bytes(b"nonsense")
    version_config.label(base, {"stable": 1})
    push(saved, base, 5, source=4)
    push(saved, base, 6, source=4)
    for _ in range(3):
        await watched.settle()
    assert watched.answers() == watched.answers(label="stable") == 3
    assert watched.states()[1] == "END"


@scenario
async def test_what_is_loading_at_the_end_is_the_last(watched, base, saved):
    for number in (2, 3):
        push(saved, base, number)
    watched.manager.follow()
    await watched.manager.close()
    assert watched.manager._servables == {}
    assert watched.manager._loading is None


@scenario
async def test_versions_pushed_faster_than_they_load_do_not_pile_up(watched, base, saved):
    for number in range(2, 9):
        if watched.manager._loading is None:
            watched.manager.follow()
        push(saved, base, number, source=2)  # while the one before is loading
        if watched.manager._loading is not None:
            await watched.manager._loading
        assert len(watched.manager._servables) <= 3
    await watched.settle()
    assert set(watched.manager._servables) == {7, 8}


@scenario
async def test_an_unknown_label_is_an_error_of_the_request(watched, base, saved):
    with pytest.raises(ServingError, match="Unrecognized servable version label: nope") as raised:
        watched.answers(label="nope")
    assert raised.value.http_status == 400


@scenario
async def test_another_model_is_not_found(watched, base, saved):
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(other\)"):
        watched.answers(name="other")
    with pytest.raises(ServingError, match="Could not find any versions of model other"):
        watched.manager.statuses(spec(name="other"))
    with pytest.raises(ServingError, match="Could not find version 9 of model"):
        watched.manager.statuses(spec(version=9))


@pytest.mark.parametrize(
    ("policy", "loaded"),
    [
        ("all {}", {1, 2, 3}),
        ("specific { versions: [1, 3] }", {1, 3}),
        ("latest {num_versions: 1}", {3}),
        ("specific { versions: [1, 2] }", {1, 2}),
    ],
)
def test_the_policy_says_what_is_loaded(base, saved, policy, loaded):
    for number in (2, 3):
        push(saved, base, number)
    (base / version_config.FILE).write_text(f"model_version_policy {{ {policy} }}")

    async def run():
        watched = Watched(base)
        await watched.settle()
        assert set(watched.manager._servables) == loaded
        assert watched.answers() == int(versions.champion(base).name)
        await watched.manager.close()

    asyncio.run(run())


@scenario
async def test_a_config_that_cannot_be_read_changes_nothing(watched, base, saved):
    push(saved, base, 2)
    version_config.label(base, {"stable": 1})
    await watched.settle()
    (base / version_config.FILE).write_text("version_labels {")
    await watched.settle()
    await watched.settle()
    assert watched.answers() == 1
    assert len([text for text in watched.said if "labels are not changed" in text]) == 1


@scenario
async def test_what_vanished_goes_on_answering_if_nothing_is_left(watched, base, saved):
    shutil.rmtree(base / "1")
    await watched.settle()
    assert watched.answers() == 1


@scenario
async def test_a_reload_takes_labels_of_loaded_versions_only(watched, base, saved):
    push(saved, base, 2)
    await watched.settle()
    config = version_config.ModelConfig(name=NAME, base_path=str(base))
    config.version_labels["stable"] = 7
    with pytest.raises(ServingError, match="not currently available for inference"):
        watched.manager.reconfigure(config)
    with pytest.raises(ServingError, match="one base path only"):
        watched.manager.reconfigure(version_config.ModelConfig(base_path="/etc"))
    config.version_labels["stable"] = 1
    watched.manager.reconfigure(config)
    await watched.settle()
    assert watched.answers() == 1
