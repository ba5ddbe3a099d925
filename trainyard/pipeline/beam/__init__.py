"""A recipe's engine on a Beam runner: options, job server, and what can be wrong with them.

`options` turns the engine into Beam's pipeline options, `cluster` looks whether a run can begin and
has a job server at hand while it lasts; `job_servers` finds the jar, `java` what runs it,
`processes` runs it, and `endpoints` asks what is running already.
"""
