"""ML Metadata's gRPC service over ML Metadata itself: its publisher's server is no wheel."""

from __future__ import annotations

from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

_SERVICE = "/ml_metadata.MetadataStoreService/"


class _Handler(grpc.GenericRpcHandler):
    """Hands each request's bytes to the library, in which the methods have the same names."""

    def __init__(self, database: Path) -> None:
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(database)
        config.sqlite.connection_mode = 3  # create it if need be
        self._library = metadata_store.metadata_store_serialized
        options = metadata_store_pb2.MigrationOptions().SerializeToString()
        self._store = self._library.CreateMetadataStore(config.SerializeToString(), options)
        self.calls: list[str] = []

    def service(self, details):
        name = details.method.removeprefix(_SERVICE)

        def answer(request: bytes, context) -> bytes:
            self.calls.append(name)
            response, message, status = getattr(self._library, name)(self._store, request)
            if status:
                codes = {code.value[0]: code for code in grpc.StatusCode}
                context.abort(codes[status], message.decode())
            return response

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def serving(database: Path):
    """Serves a sqlite store; yields its port, and the names of the calls so far."""
    handler = _Handler(database)
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[handler])  # one store, one thread
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, handler.calls
    finally:
        server.stop(None)
