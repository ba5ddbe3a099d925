from __future__ import annotations

import asyncio
import time

import pytest

from tests.serving.conftest import NAME
from tests.serving.test_server import predict_request
from trainyard.serving import methods
from trainyard.serving.errors import ServingError
from trainyard.serving.manager import Manager
from trainyard.serving.metrics import Metrics
from trainyard.serving.options import Options
from trainyard.serving.service import Service


@pytest.fixture
def within(base):
    """Runs a test with a service and its slowed down model."""

    def run(test, **options):
        async def scenario():
            metrics = Metrics()
            told = Options(model_name=NAME, model_base_path=base, **options)
            manager = Manager(told, metrics, lambda text: None)
            await manager.settle()
            model = manager.default.model
            fast, asked = model.run, []

            def slow(name, inputs):
                asked.append(len(inputs[0]))
                time.sleep(0.1)
                return fast(name, inputs)

            # The batchers hold `run` already.
            for batcher in manager.default._batchers.values():
                batcher._run = lambda inputs: slow("serving_default", inputs)
            try:
                await test(Service(manager, metrics, None), asked, metrics)
            finally:
                await manager.close()

        asyncio.run(scenario())

    return run


def infer(service, seconds=None):
    request = predict_request([1.0])
    return service.infer(methods.PREDICT, request, entrypoint="GRPC", seconds=seconds)


def counted(metrics, status):
    return metrics.request_count._counts[NAME, status]


def test_an_expired_request_is_told_so_and_never_run(within):
    async def test(service, asked, metrics):
        first = asyncio.create_task(infer(service))
        await asyncio.sleep(0.02)
        with pytest.raises(ServingError) as raised:
            await infer(service, seconds=0.01)
        assert (raised.value.code.name, raised.value.http_status) == ("DEADLINE_EXCEEDED", 504)
        await first
        await infer(service)
        assert asked == [1, 1]
        assert counted(metrics, "DEADLINE_EXCEEDED") == 1
        assert counted(metrics, "OK") == 2

    within(test)


def test_a_cancelled_request_is_never_run(within):
    async def test(service, asked, metrics):
        first = asyncio.create_task(infer(service))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(infer(service))
        await asyncio.sleep(0.02)
        second.cancel()
        await first
        assert asked == [1]
        assert counted(metrics, "CANCELLED") == 1

    within(test)


def test_an_overloaded_server_says_so_at_once(within):
    async def test(service, asked, metrics):
        tasks = [asyncio.create_task(infer(service)) for _ in range(10)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [one for one in results if isinstance(one, ServingError)]
        assert len(refused) == 6  # one runs, three wait
        assert {(one.code.name, one.http_status) for one in refused} == {("UNAVAILABLE", 503)}
        assert asked == [1, 3]
        assert counted(metrics, "UNAVAILABLE") == 6

    within(test, max_enqueued_requests=3, batching="on")


def test_a_mistake_of_our_own_tells_the_client_nothing(within, caplog):
    async def test(service, asked, metrics):
        broken = service.manager.default._batchers["serving_default"]
        broken._run = lambda inputs: 1 / 0
        with pytest.raises(ServingError) as raised:
            await infer(service)
        assert raised.value.message == "Internal error"
        assert raised.value.http_status == 500
        assert counted(metrics, "INTERNAL") == 1

    within(test)
    assert "ZeroDivisionError" in caplog.text
