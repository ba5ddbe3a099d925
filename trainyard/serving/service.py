"""What gRPC and REST both call: find the version, run it, count, log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from google.protobuf import any_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
)

from trainyard.serving import methods
from trainyard.serving.canary_counts import CanaryCounts
from trainyard.serving.errors import ServingError, deadline_exceeded, internal, invalid_argument
from trainyard.serving.manager import Manager, unnamed
from trainyard.serving.methods import Method
from trainyard.serving.metrics import Metrics
from trainyard.serving.request_log import RequestLog
from trainyard.serving.servable import Servable

_SIGNATURE_DEF = "signature_def"

_log = logging.getLogger(__name__)


class Service:
    """The calls of PredictionService and ModelService, whatever the protocol.

    Args:
        manager: The model's versions.
        metrics: Where requests are counted.
        log: Where a sample is kept; None: nowhere.
        counts: Where requests are counted while there is a canary.
    """

    def __init__(
        self,
        manager: Manager,
        metrics: Metrics,
        log: RequestLog | None,
        counts: CanaryCounts | None = None,
    ) -> None:
        self.manager = manager
        self._metrics, self._log = metrics, log
        self._counts = counts or CanaryCounts(None)

    async def infer(
        self,
        method: Method,
        request: Any,
        *,
        entrypoint: str,
        seconds: float | None,
        servable: Servable | None = None,
    ) -> Any:
        """Answers Predict, Classify or Regress.

        Args:
            method: Which of the three.
            request: Its request.
            entrypoint: GRPC or REST, for the metrics.
            seconds: Until the deadline, if there is one.
            servable: What answers, if `route` has been asked for this request already.

        Returns:
            Its response.

        Raises:
            ServingError: It cannot be answered.
        """
        started, status = time.perf_counter(), "OK"
        try:
            servable = servable or self.manager.route(request.model_spec)
            async with asyncio.timeout(seconds):
                return await self._infer(servable, method, request)
        except TimeoutError:
            status = "DEADLINE_EXCEEDED"
            raise deadline_exceeded() from None
        except asyncio.CancelledError:
            status = "CANCELLED"
            raise
        except ServingError as error:
            status = error.code.name
            raise
        except Exception:
            status = "INTERNAL"
            _log.exception("%s failed", method.name)
            raise internal() from None
        finally:
            name = self.manager.known_name(request.model_spec.name)
            took = time.perf_counter() - started
            self._metrics.request_count.add(name, status)
            self._metrics.latencies(name, method.name, entrypoint).observe(took * 1e6)
            if servable is not None:
                self._metrics.version_requests.add(str(servable.version), status)
                if unnamed(request.model_spec):
                    self._counts.add(self.manager.canary, servable.version, status, took)

    async def _infer(self, servable: Servable, method: Method, request: Any) -> Any:
        with servable.in_use():
            call = method.prepare(servable.model, request)
            started = time.perf_counter()
            outputs = await servable.run(call)
            seconds = time.perf_counter() - started
            response = method.respond(call, outputs, servable.spec(call.signature.name))
        name = request.model_spec.name
        self._metrics.runtime(name, method.name).observe(seconds * 1e6)
        self._metrics.request_example_counts.labels(name).observe(call.rows)
        if self._log is not None:
            self._log.offer(method, request, response)
        return response

    async def multi_inference(
        self, request: inference_pb2.MultiInferenceRequest, *, seconds: float | None
    ) -> inference_pb2.MultiInferenceResponse:
        """Answers several Classify and Regress on the same examples.

        Which versions answer is settled before the first task; one answers all that name none.

        Raises:
            ServingError: One of them cannot be answered.
        """
        response = inference_pb2.MultiInferenceResponse()
        tasks = methods.tasks(request)
        servables = self.manager.route_all([task.model_spec for _, task in tasks])
        with contextlib.ExitStack() as stack:
            for servable in servables:
                stack.enter_context(servable.in_use())
            for (method, task), servable in zip(tasks, servables, strict=True):
                answer = await self.infer(
                    method, task, entrypoint="GRPC", seconds=seconds, servable=servable
                )
                added = response.results.add(model_spec=answer.model_spec)
                if method is methods.CLASSIFY:
                    added.classification_result.CopyFrom(answer.result)
                else:
                    added.regression_result.CopyFrom(answer.result)
        return response

    def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Tells a version's signatures.

        Raises:
            ServingError: There is no such model, or something else is asked for.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for name in request.metadata_field:
            if name != _SIGNATURE_DEF:
                raise invalid_argument(f"Metadata field {name} is not supported")
        servable = self.manager.find(request.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in servable.model.signatures.items():
            signatures.signature_def[name].CopyFrom(signature.definition)
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=servable.spec())
        packed = any_pb2.Any()
        packed.Pack(signatures)
        response.metadata[_SIGNATURE_DEF].CopyFrom(packed)
        return response

    def status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Tells the state of versions.

        Raises:
            ServingError: There is no such model or version.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        return self.manager.statuses(request.model_spec)

    async def reload(
        self, request: model_management_pb2.ReloadConfigRequest
    ) -> model_management_pb2.ReloadConfigResponse:
        """Takes new labels and a new policy for the one model.

        Raises:
            ServingError: The config is of another model, or labels what is not loaded.
        """
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument("ServerCore does not support custom_model_config reloads")
        configs = request.config.model_config_list.config
        if len(configs) != 1:
            raise invalid_argument("Exactly one model is served: give its config alone")
        self.manager.reconfigure(configs[0])
        await self.manager.settle()
        return model_management_pb2.ReloadConfigResponse()
