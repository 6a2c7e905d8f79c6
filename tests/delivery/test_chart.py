"""The chart, rendered and checked without a cluster; what is in its files is checked where helm is not there too."""

import json
import tomllib
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from holdfast.cli.main import cli
from holdfast.config import Settings, variables
from tests.support.dockerfile import stages
from tests.support.helm import CHART, NEWEST, OLDEST, helm, needs_helm, rendered
from tests.support.reference import ROOT

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
META = yaml.safe_load((CHART / "Chart.yaml").read_text())

EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example/holdfast", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "replicas": 3,
    "config": {"AZURE_KEYVAULT_NAME": "fleet-keyvault-prod", "SECRET_CACHE_TTL": "30"},
    "secrets": {"files": "holdfast-files"},
    "serviceAccount": {"name": "holdfast"},
    "podLabels": {"azure.workload.identity/use": "true"},
    "podAnnotations": {"example.org/team": "platform"},
    "data": {"size": "10Gi", "storageClass": "managed-csi"},
    "service": {"type": "LoadBalancer", "port": 443, "annotations": {"example.org/internal": "true"}},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "system", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "networkPolicy": {"from": [{"namespaceSelector": {"matchLabels": {"team": "billing"}}}], "ports": [443]},
    "serviceMonitor": {"enabled": True, "serverName": "holdfast.example", "labels": {"release": "prometheus"}},
}


def one(kind: str, values: dict[str, Any], suffix: str = "") -> dict[str, Any]:
    (found,) = [
        each for each in rendered(values) if each["kind"] == kind and each["metadata"]["name"] == f"fleet{suffix}"
    ]
    return found


def pods(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [one(kind, values, suffix)["spec"]["template"] for kind, suffix in (("StatefulSet", ""), ("Job", "-init"))]


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["spec"]["containers"]
    assert isinstance(found, dict)
    return found


# --- the files by themselves


def test_chart_package_and_image_have_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert META["version"] == META["appVersion"] == project["version"]
    assert META["kubeVersion"] == f">={OLDEST}-0"


def test_the_default_values_obey_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


def test_every_value_has_a_schema_and_the_other_way_round() -> None:
    assert _shape(VALUES, SCHEMA) == []
    assert set(SCHEMA["properties"]) - {"global"} == set(VALUES)


def _shape(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> list[str]:
    known = schema.get("properties", {})
    if schema.get("additionalProperties") is not False:
        return []
    missing = [f"{path}{each}" for each in (values.keys() ^ known.keys()) - {"global"}]
    below = (_shape(values[each], known[each], f"{each}.") for each in values if isinstance(values[each], dict))
    return [*missing, *(found for each in below for found in each)]


@pytest.mark.parametrize("name", sorted(each.name for each in variables() if each.secret))
def test_no_secret_setting_is_taken_as_a_value(name: str) -> None:
    """A release keeps its values where many may read them."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**VALUES, "config": {**VALUES["config"], name: "x"}}, SCHEMA)


def test_the_settings_of_the_default_values_are_such_as_a_node_takes() -> None:
    assert VALUES["config"].keys() <= {each.name for each in variables()}
    assert Settings.from_environ(VALUES["config"]).drain.total_seconds() == 10


# --- what it makes


@needs_helm
def test_helm_finds_no_fault() -> None:
    done = helm("lint", "--strict", "--kube-version", NEWEST, str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_helm
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_kubernetes_takes_every_object(values: dict[str, Any], version: str) -> None:
    objects = [each for each in rendered(values, version) if each["apiVersion"] != "monitoring.coreos.com/v1"]
    assert len(objects) == 6
    for each in objects:
        kubernetes_validate.validate(each, version.rpartition(".")[0], strict=True)


@needs_helm
@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_no_pod_is_root_or_writes_anywhere_but_into_its_volume(values: dict[str, Any]) -> None:
    user = int(stages((ROOT / "deploy" / "container" / "Dockerfile").read_text())[-1].of("USER")[0].partition(":")[0])
    for pod in pods(values):
        assert pod["spec"]["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert container(pod)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert [each["name"] for each in container(pod)["volumeMounts"] if not each.get("readOnly")] == ["data"]


@needs_helm
def test_the_label_of_aks_is_on_every_pod() -> None:
    values = {"serviceAccount": {"name": "holdfast"}, "podLabels": {"azure.workload.identity/use": "true"}}
    found = [each for each in rendered(values) if each["kind"] in {"StatefulSet", "Job"}]
    assert len(found) == 2
    for each in found:
        assert each["spec"]["template"]["metadata"]["labels"]["azure.workload.identity/use"] == "true"
        assert each["spec"]["template"]["spec"]["serviceAccountName"] == "holdfast"


@needs_helm
def test_secrets_are_named_and_none_is_made() -> None:
    assert "Secret" not in {each["kind"] for each in rendered(EVERYTHING)}
    for pod in pods({}):
        assert container(pod)["envFrom"] == [{"secretRef": {"name": "holdfast-settings"}}]
        secrets = {each["name"]: each["secret"] for each in pod["spec"]["volumes"] if "secret" in each}
        assert secrets == {
            "keys": {"secretName": "holdfast-keys", "defaultMode": 0o440},
            "tls": {"secretName": "holdfast-tls", "defaultMode": 0o440},
        }


@needs_helm
def test_files_that_settings_name_are_where_the_values_say() -> None:
    for pod in pods(EVERYTHING):
        (held,) = [each for each in container(pod)["volumeMounts"] if each["name"] == "files"]
        assert f"as {held['mountPath']}/NAME" in (CHART / "values.yaml").read_text()


@needs_helm
def test_every_setting_of_a_pod_is_one_that_there_is() -> None:
    for pod in pods(EVERYTHING):
        names = {each["name"] for each in container(pod)["env"]}
        assert {"CREDENTIALS_DIRECTORY", "HOLDFAST_TLS_CERT", "AZURE_KEYVAULT_NAME", "HOLDFAST_DRAIN"} <= names
        assert names <= {each.name for each in variables()}


@needs_helm
def test_the_job_runs_before_the_first_node_and_prints_no_token() -> None:
    job = one("Job", {}, "-init")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install"
    command, *args = container(job["spec"]["template"])["args"]
    with cli.commands[command].make_context(command, args) as context:
        assert str(context.params["admin_token_file"]).startswith("/var/lib/holdfast/")


@needs_helm
def test_the_volume_of_a_node_is_kept() -> None:
    made = one("StatefulSet", EVERYTHING)["spec"]
    assert made["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    (claim,) = made["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "managed-csi"
    assert claim["metadata"]["name"] == container(made["template"])["volumeMounts"][0]["name"]


@needs_helm
def test_a_node_has_longer_to_stop_than_it_drains() -> None:
    made = one("StatefulSet", {"config": {"HOLDFAST_DRAIN": "120"}})["spec"]["template"]["spec"]
    assert made["terminationGracePeriodSeconds"] == 180


@needs_helm
def test_probes_ask_what_answers_without_a_login() -> None:
    asked = container(one("StatefulSet", {})["spec"]["template"])
    paths = {each: asked[each]["httpGet"] for each in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {each["path"] for each in paths.values()} == {"/healthz", "/readyz"}
    assert paths["readinessProbe"]["path"] == "/readyz"
    assert {each["scheme"] for each in paths.values()} == {"HTTPS"}


@needs_helm
def test_whoever_selects_nodes_means_the_pods_of_the_set_and_no_others() -> None:
    node, job = pods({})
    selectors = {
        "service": one("Service", {})["spec"]["selector"],
        "nodes": one("Service", {}, "-nodes")["spec"]["selector"],
        "budget": one("PodDisruptionBudget", {})["spec"]["selector"]["matchLabels"],
        "set": one("StatefulSet", {})["spec"]["selector"]["matchLabels"],
    }
    for name, wanted in selectors.items():
        assert wanted.items() <= node["metadata"]["labels"].items(), name
        assert not wanted.items() <= job["metadata"]["labels"].items(), name
    assert one("StatefulSet", {})["spec"]["serviceName"] == "fleet-nodes"


@needs_helm
def test_by_default_only_pods_of_the_same_namespace_call() -> None:
    policy = one("NetworkPolicy", {})["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [each["from"] for each in policy["ingress"]] == [[{"podSelector": {}}]]
    for pod in pods({}):
        assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


@needs_helm
def test_prometheus_checks_the_certificate_and_proves_itself() -> None:
    (endpoint,) = one("ServiceMonitor", EVERYTHING)["spec"]["endpoints"]
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["serverName"] == "holdfast.example"
    assert "insecureSkipVerify" not in endpoint["tlsConfig"]
    assert endpoint["authorization"]["credentials"] == {"name": "holdfast-settings", "key": "HOLDFAST_METRICS_TOKEN"}


@needs_helm
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"config": {"DATABASE_URL": "postgresql://x"}}, "DATABASE_URL"),
        ({"replica": 2}, "replica"),
        ({"replicas": 0}, "replicas"),
        ({"serviceMonitor": {"enabled": True}}, "serviceMonitor.serverName"),
    ],
)
def test_unusable_values_are_refused_by_name(values: dict[str, Any], said: str) -> None:
    done = helm("template", "fleet", str(CHART), "--kube-version", NEWEST, values=values)
    assert done.returncode != 0
    assert said in done.stderr
