"""TensorFlow Serving's REST, with its paths, bodies and codes; health and metrics beside it."""

from __future__ import annotations

import logging
import re
import urllib.parse
import zlib
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

from trainyard.serving import json_format, methods, metrics
from trainyard.serving.errors import ServingError, internal, invalid_argument
from trainyard.serving.methods import Method
from trainyard.serving.metrics import Metrics
from trainyard.serving.model import DEFAULT_SIGNATURE
from trainyard.serving.options import Options
from trainyard.serving.servable import Servable
from trainyard.serving.service import Service

# As TensorFlow Serving's http_rest_api_util.cc.
_MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
_PREDICTION = re.compile(_MODEL + r":(classify|regress|predict)", re.IGNORECASE | re.ASCII)
_STATUS = re.compile(_MODEL + r"(?:/(metadata))?", re.IGNORECASE | re.ASCII)

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]  # the last four are malformed

_log = logging.getLogger(__name__)


class _TooLargeError(ServingError):
    http_status = 413


class Rest:
    """The REST API of one server.

    Args:
        service: What answers.
        options: Limits.
        metrics: The page of metrics.
        ready: Whether requests should be sent here.
    """

    def __init__(
        self, service: Service, options: Options, metrics: Metrics, ready: Callable[[], bool]
    ) -> None:
        self._service, self._options, self._metrics = service, options, metrics
        self._ready = ready

    def app(self) -> FastAPI:
        """Makes the ASGI application."""
        # The pages of OpenAPI would load scripts from elsewhere. A path with a line break in it
        # is matched by no route.
        app = FastAPI(openapi_url=None, exception_handlers={404: self._unknown})
        app.add_route("/healthz", self._healthz, methods=["GET"])
        app.add_route("/readyz", self._readyz, methods=["GET"])
        app.add_route(metrics.PATH, self._metrics_page, methods=["GET"])
        app.add_route("/{path:path}", self._model, methods=_METHODS)
        return app

    async def _unknown(self, request: Request, _: Exception) -> Response:
        return await self._model(request)

    async def _healthz(self, _: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def _readyz(self, _: Request) -> Response:
        ready = self._ready()
        return Response(
            "ready\n" if ready else "not ready\n", 200 if ready else 503, media_type="text/plain"
        )

    async def _metrics_page(self, _: Request) -> Response:
        return Response(self._metrics.page(), media_type="text/plain")

    async def _model(self, request: Request) -> Response:
        """Answers everything below /v1, and says what is malformed."""
        path = request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
        try:
            if match := _PREDICTION.fullmatch(path) if request.method == "POST" else None:
                return _json(await self._prediction(match, request))
            if match := _STATUS.fullmatch(path) if request.method == "GET" else None:
                return _json(self._about(match))
            if not path.lower().startswith("/v1/"):
                return _json(json_format.error("Not found"), 404)
            raise invalid_argument(f"Malformed request: {request.method} {path[:200]}")
        except ServingError as error:
            failure = error
        except Exception:
            _log.exception("a REST request failed")
            failure = internal()
        return _json(json_format.error(failure.message), failure.http_status)

    async def _prediction(self, match: re.Match[str], request: Request) -> bytes:
        spec, method = _spec(match), match[4].lower()
        document = json_format.parse(await self._body(request))
        spec.signature_name = json_format.signature_name(document)
        if method == "predict":
            return await self._predict(spec, document)
        if method == "classify":
            return json_format.classification(
                await self._examples(methods.CLASSIFY, spec, document)
            )
        return json_format.regression(await self._examples(methods.REGRESS, spec, document))

    async def _predict(self, spec: model_pb2.ModelSpec, document: dict[str, Any]) -> bytes:
        servable = self._service.manager.route(spec)  # its types are those of the answer
        signatures = servable.model.signatures
        name = spec.signature_name or DEFAULT_SIGNATURE
        if name not in signatures:
            raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
        request = methods.PREDICT.request(model_spec=spec)
        rows = json_format.fill_predict(document, signatures[name], request)
        response = await self._infer(methods.PREDICT, request, servable)
        return json_format.predictions(response, rows=rows)

    async def _examples(
        self, method: Method, spec: model_pb2.ModelSpec, document: dict[str, Any]
    ) -> Any:
        request = method.request(model_spec=spec)
        json_format.fill_examples(document, request)
        return await self._infer(method, request)

    async def _infer(self, method: Method, request: Any, servable: Servable | None = None) -> Any:
        seconds = self._options.rest_api_timeout_in_ms / 1000
        return await self._service.infer(
            method, request, entrypoint="REST", seconds=seconds, servable=servable
        )

    def _about(self, match: re.Match[str]) -> bytes:
        spec = _spec(match)
        if not match[4]:
            request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
            return json_format.status(self._service.status(request))
        asked = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=spec, metadata_field=["signature_def"]
        )
        return json_format.metadata(self._service.metadata(asked))

    async def _body(self, request: Request) -> bytes:
        limit = self._options.max_request_bytes
        unzip = None
        if request.headers.get("content-encoding", "").lower() == "gzip":
            unzip = zlib.decompressobj(wbits=31)
        parts, size = [], 0
        async for chunk in request.stream():
            try:
                part = unzip.decompress(chunk, limit - size + 1) if unzip else chunk
            except zlib.error:
                raise invalid_argument("Failed to uncompress the gzipped body") from None
            parts.append(part)
            size += len(part)
            if size > limit:
                raise _TooLargeError(
                    invalid_argument("").code, f"The request is larger than {limit} bytes"
                )
        return b"".join(parts)


def _spec(match: re.Match[str]) -> model_pb2.ModelSpec:
    name, version, label = (
        urllib.parse.unquote(part) if part else "" for part in match.groups()[:3]
    )
    spec = model_pb2.ModelSpec(name=name)
    if version:
        if int(version) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {version[:40]} to numeric.")
        spec.version.value = int(version)
    if label:
        spec.version_label = label
    return spec


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")
