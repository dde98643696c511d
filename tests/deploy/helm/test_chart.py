"""What the chart's values lead to: models, scaling, storage, secrets, networks, monitoring."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings import Settings
from tests.support.chart import (
    CHART,
    Object,
    container,
    helm,
    of_kind,
    render,
    variables,
)

SETS = Path(__file__).parent / "values"
DEFAULTS: Object = yaml.safe_load((CHART / "values.yaml").read_text())
MODEL: Object = DEFAULTS["models"][0]


def values_of(name: str, **changes: Any) -> Object:
    """Return a set of values with other values for some of its first keys."""
    values: Object = yaml.safe_load((SETS / f"{name}.yaml").read_text())
    return values | changes


def with_model(**changes: Any) -> Object:
    return values_of("defaults", models=[MODEL | changes])


def worker(objects: list[Object], name: str) -> Object:
    return of_kind(objects, "Deployment")[f"baret-worker-{name}"]


def test_each_model_has_workers_of_its_own() -> None:
    objects = render(values_of("large"))
    sd15, portrait = worker(objects, "sd15"), worker(objects, "portrait")
    assert variables(sd15)["BARET_MODEL"] == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert variables(portrait)["BARET_MODEL"] == "/models/portrait.safetensors"
    assert variables(portrait)["BARET_LORA"] == (
        "/models/style.safetensors:0.8,/models/hat.safetensors"
    )
    assert variables(portrait)["BARET_EMBEDDINGS"] == "cat-toy=/models/learned_embeds.bin"
    assert variables(portrait)["BARET_SAMPLING"] == "distilled"
    assert "BARET_LORA" not in variables(sd15) and "BARET_SAMPLING" not in variables(sd15)
    assert container(sd15)["resources"]["limits"] == {"memory": "24Gi", "nvidia.com/gpu": 1}
    assert "nvidia.com/mig-1g.10gb" in container(portrait)["resources"]["limits"]


def test_workers_on_a_cpu_request_no_gpu() -> None:
    limits = container(worker(render(values_of("cpu")), "zoo"))["resources"]["limits"]
    assert limits == {"memory": "4Gi"}


def test_every_variable_is_a_setting() -> None:
    known = {
        str(field.validation_alias or f"BARET_{name.upper()}")
        for name, field in Settings.model_fields.items()
    } | {"BARET_SECRETS_DIR", "HF_HOME"}
    for name in ("small", "large", "closed"):
        for workload in of_kind(render(values_of(name)), "Deployment").values():
            assert variables(workload).keys() <= known
            texts = variables(workload)
            Settings(_env_file=None, **{key: texts[key] for key in texts.keys() & known})


@pytest.mark.parametrize(
    "checkpoint",
    [
        "zoo",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "/models/photo.v2.safetensors",
        "FOLDER",
        "drawings=zoo",
        "photo.v2=/models/photo.safetensors",
    ],
)
def test_scaling_asks_for_the_name_that_metrics_have(checkpoint: str, tmp_path: Path) -> None:
    checkpoint = str(tmp_path) if checkpoint == "FOLDER" else checkpoint
    objects = render(with_model(checkpoint=checkpoint))
    (scaled,) = of_kind(objects, "ScaledObject").values()
    name = Settings(_env_file=None, model=checkpoint).model_name
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metadata"]["query"].count(f'namespace="photos",model="{name}"') == 2
    assert variables(of_kind(objects, "Deployment")["baret-api"])["BARET_MODEL"] == name


def test_workers_are_scaled_from_none_by_edits_over_edits_at_once() -> None:
    objects = render(with_model(minReplicas=0, maxReplicas=7, concurrency=5))
    (scaled,) = of_kind(objects, "ScaledObject").values()
    spec, (trigger,) = scaled["spec"], scaled["spec"]["triggers"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 7)
    assert spec["scaleTargetRef"] == {"name": "baret-worker-zoo"}
    assert (trigger["metricType"], trigger["metadata"]["threshold"]) == ("AverageValue", "5")
    assert spec["fallback"]["replicas"] == 1  # without Prometheus somebody still works
    assert variables(worker(objects, "zoo"))["BARET_CONCURRENCY"] == "5"
    assert "replicas" not in worker(objects, "zoo")["spec"]  # an upgrade must not reset it


def test_without_keda_the_number_of_workers_is_fixed() -> None:
    objects = render(values_of("small"))
    assert worker(objects, "zoo")["spec"]["replicas"] == 1
    assert not of_kind(objects, "ScaledObject")


def test_the_api_is_scaled_by_load() -> None:
    objects = render(values_of("large"))
    (scaled,) = of_kind(objects, "HorizontalPodAutoscaler").values()
    assert (scaled["spec"]["minReplicas"], scaled["spec"]["maxReplicas"]) == (3, 20)
    assert "replicas" not in of_kind(objects, "Deployment")["baret-api"]["spec"]
    small = render(values_of("small"))
    assert not of_kind(small, "HorizontalPodAutoscaler")
    assert of_kind(small, "Deployment")["baret-api"]["spec"]["replicas"] == 1


def test_redis_is_a_file_from_an_existing_secret() -> None:
    for workload in of_kind(render(values_of("large")), "Deployment").values():
        assert "REDIS_URL" not in variables(workload)
        volumes = {one["name"]: one for one in workload["spec"]["template"]["spec"]["volumes"]}
        sources = volumes["secrets"]["projected"]["sources"]
        assert sources[0]["secret"]["name"] == "redis"
        assert {"secret": {"name": "baret-settings"}} in sources
        folder = variables(workload)["BARET_SECRETS_DIR"]
        mounts = {one["mountPath"]: one["name"] for one in container(workload)["volumeMounts"]}
        assert mounts[folder] == "secrets"


def test_images_are_in_an_object_store_or_a_shared_volume() -> None:
    for name, source in (("small", "persistentVolumeClaim"), ("closed", "emptyDir")):
        for workload in of_kind(render(values_of(name)), "Deployment").values():
            volumes = {one["name"]: one for one in workload["spec"]["template"]["spec"]["volumes"]}
            assert source in volumes["data"]
    api = of_kind(render(values_of("closed")), "Deployment")["baret-api"]
    assert variables(api)["BARET_STORE_URL"] == "s3://bucket/photos"
    assert variables(api)["BARET_DIRECT_UPLOADS"] == "false"
    assert variables(api)["BARET_DIRECT_DOWNLOADS"] == "true"
    assert container(api)["envFrom"] == [{"secretRef": {"name": "bucket"}}]


def test_a_key_file_of_googles_is_a_secret_that_every_pod_can_read() -> None:
    file = "/etc/baret/secrets/account.json"
    setting = {"GOOGLE_SERVICE_ACCOUNT": file}
    objects = render(values_of("defaults", existingSecret="google", settings=setting))
    for workload in of_kind(objects, "Deployment").values():
        assert variables(workload)["GOOGLE_SERVICE_ACCOUNT"] == file
        template = workload["spec"]["template"]["spec"]
        (volume,) = [one for one in template["volumes"] if one["name"] == "secrets"]
        assert {"secret": {"name": "google"}} in volume["projected"]["sources"]
        (mount,) = [one for one in container(workload)["volumeMounts"] if one["name"] == "secrets"]
        assert file.startswith(f"{mount['mountPath']}/")


def test_nobody_reaches_a_housekeeper_and_only_prometheus_a_worker() -> None:
    policies = of_kind(render(values_of("closed")), "NetworkPolicy")
    assert policies["baret-housekeeper"]["spec"]["ingress"] == []
    monitoring = DEFAULTS["networkPolicies"]["metricsFrom"]
    (rule,) = policies["baret-worker"]["spec"]["ingress"]
    assert rule == {"ports": [{"port": "metrics"}], "from": monitoring}
    (rule,) = policies["baret-api"]["spec"]["ingress"]
    ingress = values_of("closed")["networkPolicies"]["apiFrom"]
    assert rule["from"] == ingress + monitoring


def test_urls_of_callers_lead_to_no_private_network() -> None:
    for policy in of_kind(render(values_of("defaults")), "NetworkPolicy").values():
        blocks = [
            target["ipBlock"]
            for rule in policy["spec"]["egress"]
            for target in rule.get("to", [])
            if "ipBlock" in target
        ]
        closed = [network for block in blocks for network in block["except"]]
        assert {"10.0.0.0/8", "169.254.0.0/16", "fc00::/7"} <= set(closed)


def test_alerts_and_dashboard_are_the_files_that_compose_mounts() -> None:
    objects = render(values_of("defaults"))
    (rules,) = of_kind(objects, "PrometheusRule").values()
    assert rules["spec"] == yaml.safe_load((CHART / "files/rules.yml").read_text())
    (dashboard,) = of_kind(objects, "ConfigMap").values()
    assert json.loads(dashboard["data"]["baret.json"]) == json.loads(
        (CHART / "files/dashboard.json").read_text()
    )


def test_monitors_give_the_jobs_the_names_that_rules_have() -> None:
    objects = render(values_of("large"))
    (api,) = of_kind(objects, "ServiceMonitor")["baret-api"]["spec"]["endpoints"]
    (workers,) = of_kind(objects, "PodMonitor")["baret-worker"]["spec"]["podMetricsEndpoints"]
    assert api["relabelings"][0]["replacement"] == "baret-api"
    assert workers["relabelings"][0]["replacement"] == "baret-worker"
    assert api["authorization"]["credentials"] == {"name": "metrics-key", "key": "key"}


def test_probes_ask_what_each_process_answers() -> None:
    objects = render(values_of("defaults"))
    api = container(of_kind(objects, "Deployment")["baret-api"])
    assert api["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert api["livenessProbe"]["httpGet"]["path"] == "/healthz"
    startup = container(worker(objects, "zoo"))["startupProbe"]
    assert startup["failureThreshold"] * startup["periodSeconds"] == 1800


REFUSED = {
    "no Redis": {"redis": {}},
    "no storage": {"storage": {}},
    "two storages": {"storage": {"url": "s3://b", "existingClaim": "images"}},
    "a password in the values": {"redis": {"url": "redis://:secret@redis:6379"}},
    "an unknown value": {"replicas": 3},
    "no model": {"models": []},
    "a name that Kubernetes refuses": {"models": [MODEL | {"name": "SD 1.5"}]},
    "a GPU without its resource": {"models": [{k: v for k, v in MODEL.items() if k != "gpu"}]},
    "a setting that the chart sets": {"settings": {"REDIS_URL": "redis://redis"}},
    "a secret as a setting": {"settings": {"AZURE_STORAGE_ACCOUNT_KEY": "secret"}},
    "a number as a setting": {"settings": {"BARET_RETENTION": 86400}},
    "an ingress without a host": {"api": {"ingress": {"enabled": True}}},
    "no worker ever": {"keda": {"enabled": False}},
}


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=list(REFUSED))
def test_wrong_values_are_refused(wrong: Object) -> None:
    with pytest.raises(helm().HelmError):
        render(values_of("defaults", **wrong))


def test_every_value_is_in_the_schema_and_explained() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["properties"].keys() - {"global"} == DEFAULTS.keys()
    readme = (CHART / "README.md").read_text()
    assert [name for name in DEFAULTS if f"`{name}" not in readme] == []
