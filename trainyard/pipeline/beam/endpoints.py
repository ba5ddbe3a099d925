"""What is running already: a Beam job server, a Flink cluster, a pool of workers."""

from __future__ import annotations

import socket
from contextlib import suppress

from trainyard.errors import EnvironmentProblem

SECONDS = 5.0


def check_job_server(address: str) -> None:
    """Asks a Beam job server for its options.

    Args:
        address: `HOST:PORT`.

    Raises:
        EnvironmentProblem: Nobody answers, or not as a job server does.
    """
    import grpc
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=SECONDS)
            beam_job_api_pb2_grpc.JobServiceStub(channel).DescribePipelineOptions(
                beam_job_api_pb2.DescribePipelineOptionsRequest(), timeout=SECONDS
            )
        except grpc.FutureTimeoutError:
            raise _no_answer("Beam job server", "job_endpoint", address) from None
        except grpc.RpcError as error:
            raise EnvironmentProblem(
                "this is not a Beam job server",
                where=address,
                received=f"{error.code().name}: {error.details()}",
                hint="engine.job_endpoint is the job port, 8099 unless it was set otherwise",
            ) from None


def cancel(address: str, job: str) -> None:
    """Cancels what a run has left on a job server; one that is gone has nothing left.

    Args:
        address: `HOST:PORT`.
        job: The name that the run gave its jobs.
    """
    import grpc
    from apache_beam.portability.api import beam_job_api_pb2 as api
    from apache_beam.portability.api import beam_job_api_pb2_grpc
    from apache_beam.runners.portability.portable_runner import TERMINAL_STATES

    with grpc.insecure_channel(address) as channel, suppress(grpc.RpcError):
        jobs = beam_job_api_pb2_grpc.JobServiceStub(channel)
        for each in jobs.GetJobs(api.GetJobsRequest(), timeout=SECONDS).job_info:
            options = dict(each.pipeline_options)
            if options.get("beam:option:job_name:v1") == job and each.state not in TERMINAL_STATES:
                jobs.Cancel(api.CancelJobRequest(job_id=each.job_id), timeout=SECONDS)


def check_flink(url: str, version: str) -> None:
    """Asks a Flink cluster for its version.

    Args:
        url: Of its REST interface, with or without a scheme.
        version: The one that it should have, such as `1.19`.

    Raises:
        EnvironmentProblem: Nobody answers, or not as Flink does, or it is another version.
    """
    import requests

    address = url if "://" in url else f"http://{url}"
    try:
        answer = requests.get(f"{address.rstrip('/')}/config", timeout=SECONDS)
        answer.raise_for_status()
        found = str(answer.json()["flink-version"])
    except (requests.ConnectionError, requests.Timeout):
        raise _no_answer("Flink", "flink_master", url) from None
    except (requests.RequestException, KeyError, TypeError, ValueError) as error:
        raise EnvironmentProblem(
            "this is not Flink's REST interface",
            where=url,
            received=f"{type(error).__name__}: {error}",
            hint="engine.flink_master is its port, 8081 unless it was set otherwise",
        ) from None
    _check_version(url, version, found)


def _check_version(url: str, expected: str, found: str) -> None:
    running = ".".join(found.split(".")[:2])
    if running != expected:
        raise EnvironmentProblem(
            "the cluster is of another version of Flink than the recipe says",
            where=url,
            expected=f"Flink {expected}, by engine.flink_version",
            received=f"Flink {found}",
            hint=f'flink_version: "{running}", if Beam has a job server for it',
        )


def check_worker_pool(address: str) -> None:
    """Looks whether somebody listens where a pool of Python workers should be.

    Args:
        address: `HOST:PORT`.

    Raises:
        EnvironmentProblem: Nobody does.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except (OSError, OverflowError):
        raise _no_answer(
            "pool of Python workers",
            "worker_pool",
            address,
            "start it: python -m apache_beam.runners.worker.worker_pool_main "
            f"--service_port={port}",
        ) from None


def _no_answer(
    what: str, key: str, address: str, hint: str = "start it, or correct the address"
) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"no {what} answers",
        where=address,
        expected=f"what engine.{key} names, within {SECONDS:g} seconds",
        hint=hint,
    )
