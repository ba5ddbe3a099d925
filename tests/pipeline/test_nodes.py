"""What goes into the cache's key; that nodes run is in `tests/e2e`."""

from __future__ import annotations

from tfx.proto.orchestration.executable_spec_pb2 import (
    BeamExecutableSpec,
    PythonClassExecutableSpec,
)

from trainyard.pipeline.runners import nodes


def test_where_beam_runs_is_no_part_of_what_it_computes():
    def spec(name, *arguments):
        python = PythonClassExecutableSpec(class_path=name)
        return BeamExecutableSpec(python_executor_spec=python, beam_pipeline_args=arguments)

    one = nodes._without_beam_options(spec("a.Executor", "--job_endpoint=localhost:4711"))
    assert one == nodes._without_beam_options(spec("a.Executor", "--runner=direct", "--x=1"))
    assert one != nodes._without_beam_options(spec("another.Executor"))
    python = PythonClassExecutableSpec(class_path="a.Executor")
    assert nodes._without_beam_options(python) is python
    assert nodes._without_beam_options(None) is None
