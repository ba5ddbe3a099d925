from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.serving.conftest import floats
from trainyard.serving.batching import Batcher
from trainyard.serving.errors import ServingError


class Recorder:
    """A model that can be held up, and tells what it was given."""

    def __init__(self):
        self.go = threading.Event()
        self.go.set()
        self.batches = []

    def __call__(self, inputs):
        self.go.wait(5)
        (x,) = inputs
        self.batches.append(len(x))
        if (x < 0).any():
            raise ValueError("negative")
        return [x * 2]


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def batcher(recorder):
    def make(**options):
        options = {"batched": True, "max_rows": 8, "max_waiting": 100, **options}
        return Batcher(recorder, ThreadPoolExecutor(1), **options)

    return make


async def held(recorder, batcher, *requests):
    """Submits requests while the model is busy with a first one."""
    recorder.go.clear()
    tasks = [asyncio.create_task(batcher.submit([floats(9)], 1))]
    await asyncio.sleep(0.05)
    tasks += [asyncio.create_task(batcher.submit([x], len(x))) for x in requests]
    await asyncio.sleep(0.05)
    return tasks


def answers(results):
    return [one if isinstance(one, Exception) else one[0].tolist() for one in results]


def test_an_idle_model_runs_a_request_alone(recorder, batcher):
    assert asyncio.run(batcher().submit([floats(1, 2)], 2))[0].tolist() == [2, 4]
    assert recorder.batches == [2]


def test_what_queued_up_is_one_batch_and_each_gets_its_rows(recorder, batcher):
    async def scenario():
        tasks = await held(recorder, batcher(), floats(1), floats(2, 3), floats(4))
        recorder.go.set()
        return await asyncio.gather(*tasks)

    assert answers(asyncio.run(scenario())) == [[18], [2], [4, 6], [8]]
    assert recorder.batches == [1, 4]


def test_a_batch_has_no_more_rows_than_allowed(recorder, batcher):
    async def scenario():
        tasks = await held(recorder, batcher(), *[floats(1, 2, 3)] * 5)
        recorder.go.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    assert recorder.batches == [1, 6, 6, 3]


def test_requests_of_other_shapes_are_not_put_together(recorder, batcher):
    async def scenario():
        tasks = await held(recorder, batcher(), floats(1), floats(2)[:, None], floats(3)[:, None])
        recorder.go.set()
        return await asyncio.gather(*tasks)

    assert answers(asyncio.run(scenario())) == [[18], [2], [[4]], [[6]]]
    assert recorder.batches == [1, 1, 2]


def test_a_bad_request_fails_alone(recorder, batcher):
    async def scenario():
        tasks = await held(recorder, batcher(), floats(1), floats(-1), floats(3))
        recorder.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, one, bad, three = answers(asyncio.run(scenario()))
    assert (first, one, three) == ([18], [2], [6])
    assert str(bad) == "negative"


def test_a_full_queue_refuses(recorder, batcher):
    async def scenario():
        made = batcher(max_waiting=2)
        tasks = await held(recorder, made, floats(1), floats(2), floats(3))
        recorder.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    *served, refused = answers(asyncio.run(scenario()))
    assert served == [[18], [2], [4]]
    assert isinstance(refused, ServingError)
    assert refused.code.name == "UNAVAILABLE"
    assert refused.http_status == 503


def test_a_queue_that_takes_too_much_memory_refuses(recorder, batcher):
    async def scenario():
        made = batcher(max_bytes=16)
        tasks = await held(recorder, made, floats(1, 2, 3), floats(4), floats(5))
        recorder.go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert made._bytes == 0
        return [task.exception() or task.result()[0].tolist() for task in tasks]

    *served, refused = asyncio.run(scenario())
    assert served == [[18], [2, 4, 6], [8]]
    assert refused.code.name == "UNAVAILABLE"


def test_what_nobody_waits_for_is_not_run(recorder, batcher):
    async def scenario():
        tasks = await held(recorder, batcher(), floats(1), floats(2), floats(3))
        tasks[2].cancel()
        await asyncio.sleep(0)
        recorder.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(scenario())
    assert isinstance(results[2], asyncio.CancelledError)
    assert recorder.batches == [1, 2]


def test_a_request_whose_deadline_passed_in_the_queue_is_not_run(recorder, batcher):
    async def scenario():
        made = batcher()
        tasks = await held(recorder, made)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await made.submit([floats(5)], 1)
        recorder.go.set()
        await asyncio.gather(*tasks)
        await made.submit([floats(6)], 1)

    asyncio.run(scenario())
    assert recorder.batches == [1, 1]


def test_a_model_that_mixes_rows_is_asked_one_request_at_a_time():
    calls = []

    def mixing(inputs):
        calls.append(len(inputs[0]))
        return [np.array([inputs[0].sum()])]

    async def scenario():
        made = Batcher(mixing, ThreadPoolExecutor(1), batched=True, max_rows=8, max_waiting=9)
        return await asyncio.gather(*[made.submit([floats(1, number)], 2) for number in range(4)])

    assert answers(asyncio.run(scenario())) == [[1], [2], [3], [4]]
    assert set(calls[-2:]) == {2}
