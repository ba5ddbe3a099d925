"""The files of deploy/ are what their readers take; no reader was run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import kubernetes.client
import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from trainyard.serving import methods, metrics
from trainyard.serving.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))

# tensorflow_serving/model_servers/main.cc
FLAGS = {
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "allow_version_labels_for_unavailable_models",
    "enable_batching",
    "batching_parameters_file",
    "monitoring_config_file",
}

# What servables/tensorflow/util.cc, batching/batching_session.cc and TensorFlow's
# cc/saved_model/loader.cc register, with the labels.
TENSORFLOW_SERVING = {
    ":tensorflow:serving:request_count": {"model_name", "status"},
    ":tensorflow:serving:request_latency": {"model_name", "API", "entrypoint", "status"},
    ":tensorflow:serving:runtime_latency": {"model_name", "API", "runtime"},
    ":tensorflow:serving:request_example_counts": {"model"},
    ":tensorflow:serving:batching_session:queuing_latency": {"thread_pool_name"},
    ":tensorflow:cc:saved_model:load_attempt_count": {"model_path", "status"},
}


# servables/tensorflow/session_bundle_config.proto and config/monitoring_config.proto, which
# tensorflow-serving-api leaves out.
OTHER_PROTOS = """
name: "other.proto" package: "other" syntax: "proto3"
dependency: "google/protobuf/wrappers.proto"
message_type { name: "BatchingParameters"
  field { name: "max_batch_size" number: 1 type_name: ".google.protobuf.Int64Value" }
  field { name: "batch_timeout_micros" number: 2 type_name: ".google.protobuf.Int64Value" }
  field { name: "max_enqueued_batches" number: 3 type_name: ".google.protobuf.Int64Value" }
  field { name: "num_batch_threads" number: 4 type_name: ".google.protobuf.Int64Value" }
  field { name: "thread_pool_name" number: 5 type_name: ".google.protobuf.StringValue" }
  field { name: "allowed_batch_sizes" number: 6 type: TYPE_INT64 label: LABEL_REPEATED }
  field { name: "pad_variable_length_inputs" number: 7 type: TYPE_BOOL } }
message_type { name: "PrometheusConfig"
  field { name: "enable" number: 1 type: TYPE_BOOL }
  field { name: "path" number: 2 type: TYPE_STRING } }
message_type { name: "MonitoringConfig"
  field { name: "prometheus_config" number: 1 type_name: ".other.PrometheusConfig" } }
"""


def parsed(file: str, message: Any) -> Any:
    return text_format.Parse((DEPLOY / "serving" / file).read_text(), message)


@pytest.fixture(scope="module")
def other_protos():
    pool = descriptor_pool.DescriptorPool()
    described = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(described)
    pool.Add(described)
    pool.Add(text_format.Parse(OTHER_PROTOS, descriptor_pb2.FileDescriptorProto()))
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()


def test_the_models_are_where_the_containers_mount_them():
    config = parsed("models.config", model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.base_path, model.model_platform) == (f"/models/{model.name}", "tensorflow")
    assert (DEPLOY.parent / "recipes" / f"{model.name}.yaml").exists()
    assert model_server()["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{model.name}"
    assert "/models" in {mount["mountPath"] for mount in model_server()["volumeMounts"]}


def test_batching_waits_for_nobody(other_protos):
    batching = parsed("batching_parameters.txt", other_protos("other.BatchingParameters"))
    assert batching.HasField("batch_timeout_micros")
    assert batching.batch_timeout_micros.value == 0
    assert batching.max_batch_size.value * batching.max_enqueued_batches.value >= 1000


def test_metrics_are_where_prometheus_looks(other_protos):
    monitoring = parsed("monitoring.config", other_protos("other.MonitoringConfig"))
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path == metrics.PATH
    prometheus = loaded("prometheus/prometheus.yml")
    assert {job["metrics_path"] for job in prometheus["scrape_configs"]} == {metrics.PATH}
    (first, second) = prometheus["scrape_configs"]
    assert first["dns_sd_configs"][0]["names"] == ["model-server"]
    assert "model-server" in loaded("compose.yaml")["services"]
    assert second["file_sd_configs"][0]["files"] == ["/etc/prometheus/targets/*.yaml"]
    assert [set(entry) for entry in loaded("prometheus/targets/trainyard.yaml")] == [{"targets"}]


def loaded(file: str) -> Any:
    return yaml.safe_load((DEPLOY / file).read_text())


def flags(arguments: list[str]) -> dict[str, str]:
    return dict(argument.removeprefix("--").split("=") for argument in arguments)


def model_server() -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "model-server.yaml").read_text())
    (deployment,) = [each for each in documents if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container


def test_both_ways_start_the_same_server():
    service, container = loaded("compose.yaml")["services"]["model-server"], model_server()
    assert flags(service["command"]) == flags(container["args"])
    assert flags(container["args"]).keys() == FLAGS
    assert service["image"] == container["image"]
    config_files = {file.name for file in (DEPLOY / "serving").iterdir()}
    named = {Path(value).name for value in flags(container["args"]).values() if "/" in value}
    assert named == config_files


# https://github.com/compose-spec/compose-spec/blob/main/spec.md
COMPOSE = {
    *("image", "command", "ports", "volumes", "restart", "cpus", "mem_limit"),
    *("extra_hosts", "environment", "depends_on"),
}


def test_the_compose_file_mounts_what_there_is_and_listens_on_localhost():
    compose = loaded("compose.yaml")
    assert set(compose) == {"name", "services", "volumes"}
    for service in compose["services"].values():
        assert set(service) <= COMPOSE
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"]), "a version, no latest"
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert set(service.get("depends_on", [])) <= compose["services"].keys()
        for volume in service["volumes"]:
            source = re.sub(r"\$\{\w+:-(.*)\}", r"\1", volume).split(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists()
            elif not source.startswith("../"):
                assert source in compose["volumes"]


def check_keys(value: Any, kind: str) -> None:
    """Fails where a manifest says what Kubernetes' own model has not got."""
    inner = re.fullmatch(r"(?:list\[|dict\(str, )(\w+)[\])]", kind)
    if inner:
        assert isinstance(value, list if kind.startswith("list") else dict)
        for each in value if isinstance(value, list) else value.values():
            check_keys(each, inner[1])
    elif model := getattr(kubernetes.client, kind, None):
        keys = {name: kind for kind, name in model.attribute_map.items()}
        for key, each in value.items():
            assert key in keys, f"{kind} has no {key}: {sorted(keys)}"
            check_keys(each, model.openapi_types[keys[key]])
        made = {keys[key]: each for key, each in value.items()}
        model(**made)  # what is required is there
    else:
        kinds = {"str": str, "int": int, "bool": bool, "float": float, "object": (int, str)}
        assert isinstance(value, kinds[kind]), f"{value!r} is no {kind}"


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.stem)
def test_manifests_are_kubernetes_own(file):
    for document in yaml.safe_load_all(file.read_text()):
        group = document["apiVersion"].split("/")[0]
        assert group == ("apps" if document["kind"] == "Deployment" else "v1")
        check_keys(document, f"V1{document['kind']}")


def test_what_a_manifest_names_is_there():
    kustomization = loaded("kustomization.yaml")
    assert sorted(DEPLOY / path for path in kustomization["resources"]) == MANIFESTS
    configs = {entry["name"]: entry["files"] for entry in kustomization["configMapGenerator"]}
    assert all((DEPLOY / file).is_file() for files in configs.values() for file in files)
    assert {Path(file).name for file in configs["serving"]} == {
        file.name for file in (DEPLOY / "serving").iterdir()
    }
    documents = [d for file in MANIFESTS for d in yaml.safe_load_all(file.read_text())]
    claims = {d["metadata"]["name"] for d in documents if d["kind"] == "PersistentVolumeClaim"}
    pods = [d["spec"]["template"] for d in documents if d["kind"] == "Deployment"]
    used = [volume for pod in pods for volume in pod["spec"]["volumes"]]
    assert {volume["configMap"]["name"] for volume in used if "configMap" in volume} == set(configs)
    for volume in used:
        assert volume.get("persistentVolumeClaim", {}).get("claimName", "models") in claims
    for service in (d["spec"] for d in documents if d["kind"] == "Service"):
        (pod,) = [pod for pod in pods if pod["metadata"]["labels"] == service["selector"]]
        ports = {port["name"] for each in pod["spec"]["containers"] for port in each["ports"]}
        assert {port["targetPort"] for port in service["ports"]} <= ports
    for pod in pods:
        mounted = {m["name"] for c in pod["spec"]["containers"] for m in c["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}


def ours() -> dict[str, set[str]]:
    """The metrics that our server has after it answered, with their labels."""
    made = Metrics()
    made.request_count.add("m", "OK")
    made.latencies("m", methods.PREDICT.name, "REST").observe(1)
    made.runtime("m", methods.PREDICT.name).observe(1)
    made.request_example_counts.labels("m").observe(1)
    made.load_attempts.add("/m/1", "OK")
    made.log_records.labels("logged").inc()
    families = made.registry.collect()
    return {sample.name: set(sample.labels) for each in families for sample in each.samples}


def of_tensorflow_serving() -> dict[str, set[str]]:
    """The metrics that TensorFlow Serving has; it adds `le` as every Prometheus histogram does."""
    found = {name: labels for name, labels in TENSORFLOW_SERVING.items() if name.endswith("_count")}
    for name in TENSORFLOW_SERVING.keys() - found.keys():
        labels = TENSORFLOW_SERVING[name]
        found |= {f"{name}_sum": labels, f"{name}_count": labels, f"{name}_bucket": labels | {"le"}}
    return found


DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "serving.json").read_text())
SERVERS = {"(TensorFlow Serving)": [of_tensorflow_serving], "(trainyard serve)": [ours]}


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_panel_asks_for_metrics_that_the_servers_have(panel):
    servers = [either for end, either in SERVERS.items() if panel["title"].endswith(end)]
    (servers,) = servers or [[of_tensorflow_serving, ours]]
    for target in panel["targets"]:
        query = target["expr"]
        names = re.findall(r"(?::tensorflow|trainyard_)[\w:]*", query)
        assert names
        asked = set(re.findall(r"(\w+)(?:=~|!=|=)\"", query))
        for listed in re.findall(r"by \(([\w, ]+)\)", query):
            asked |= set(listed.split(", "))
        asked |= set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        for server in servers:
            there = server()
            assert set(names) <= there.keys()
            assert asked - {"instance"} <= set.union(*(there[name] for name in names))
        assert all(query.count(one) == query.count(other) for one, other in ("()", "[]", "{}"))
        assert target["datasource"]["uid"] == panel["datasource"]["uid"]


def test_the_dashboard_is_provisioned():
    (source,) = loaded("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    used = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]}
    assert used == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    (provider,) = loaded("grafana/provisioning/dashboards/trainyard.yaml")["providers"]
    mounts = loaded("compose.yaml")["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts
    assert {panel["id"] for panel in DASHBOARD["panels"]} == set(
        range(1, len(DASHBOARD["panels"]) + 1)
    )
    (variable,) = DASHBOARD["templating"]["list"]
    assert ":tensorflow:serving:request_count" in variable["query"]["query"]
