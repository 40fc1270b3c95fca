"""The chart renders, its manifests fit Kubernetes' schemas, and no pod has more rights than it needs."""

import re
from pathlib import Path

import orjson
import pytest
import yaml

from app.process.metrics import Telemetry
from worker.contract.job_config import JobStatus
from worker.store import Statistics

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "catvq"
KUBERNETES = "1.31"
WARNING = 2
# Resources of operators, of which Kubernetes itself has no schema.
FOREIGN = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PrometheusRule"}
EVERYTHING = {
    "secret": {"CATVQ_DATABASE_URL": "x"},
    "workers": {"gpu": {"enabled": True}},
    "monitoring": {"serviceMonitor": True, "alerts": True, "dashboard": True},
    "api": {"ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls"}},
    "serviceAccount": {"annotations": {"role": "x"}},
    "image": {"pullSecrets": [{"name": "registry"}]},
}
LEAST = {"existingSecret": "mine", "keda": False, "networkPolicy": {"enabled": False}}

helm = pytest.importorskip("helm_python.chart", reason="helm-python-sdk has no build for this system")


@pytest.fixture(params=[EVERYTHING, LEAST], ids=["everything", "least"])
def values(request):
    return request.param


@pytest.fixture
def manifests(values):
    with helm.Chart.load(CHART) as chart:
        rendered = chart.render(values=values, name="demo", namespace="models")
    documents = [part for text in rendered.values() for part in yaml.safe_load_all(text) if part]
    assert documents
    return documents


def of_kind(manifests, *kinds):
    return [each for each in manifests if each["kind"] in kinds]


def test_the_chart_is_sound(values):
    report = helm.lint(CHART, values=values, strict=True)
    assert report["total_charts_linted"] == 1
    assert [found["error"] for found in report["messages"] if found["severity"] >= WARNING] == []


def test_every_manifest_fits_the_schema_of_its_kind(manifests):
    import kubernetes_validate  # noqa: PLC0415 - takes a moment to load

    for manifest in manifests:
        if manifest["kind"] not in FOREIGN:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_names_are_unique_within_each_kind(manifests):
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(names) == len(set(names))


def test_no_pod_is_root_or_may_become_it_and_every_one_has_limits(manifests):
    pods = [each["spec"]["template"]["spec"] for each in of_kind(manifests, "Deployment", "Job")]
    assert len(pods) >= 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}


def test_with_everything_pools_grow_by_themselves_and_each_policy_selects_pods():
    with helm.Chart.load(CHART) as chart:
        texts = chart.render(values=EVERYTHING, name="demo", namespace="models").values()
    manifests = [part for text in texts for part in yaml.safe_load_all(text) if part]
    labels = [
        each["spec"]["template"]["metadata"]["labels"].items()
        for each in of_kind(manifests, "Deployment", "Job")
    ]
    for policy in of_kind(manifests, "NetworkPolicy"):
        wanted = policy["spec"]["podSelector"]["matchLabels"].items()
        assert any(wanted <= each for each in labels)
    deployments = {each["metadata"]["name"] for each in of_kind(manifests, "Deployment")}
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(manifests, "ScaledObject")}
    scaled |= {
        each["spec"]["scaleTargetRef"]["name"] for each in of_kind(manifests, "HorizontalPodAutoscaler")
    }
    assert scaled == deployments
    assert not any("replicas" in each["spec"] for each in of_kind(manifests, "Deployment"))


def test_pools_are_scaled_by_the_states_in_which_a_job_needs_a_worker():
    text = (CHART / "templates" / "workers.yaml").read_text()
    (states,) = re.findall(r"status IN \(([^)]*)\)", text)
    needy = {JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSING, JobStatus.CANCELLING}
    assert {state.strip(" '") for state in states.split(",")} == {str(state) for state in needy}


@pytest.mark.parametrize("name", ["alerts.yaml", "dashboard.json"])
def test_what_is_watched_is_measured(name):
    statistics = Statistics(
        jobs=dict.fromkeys(JobStatus, 0),
        oldest_s=dict.fromkeys(JobStatus, 0.0),
        steps_per_s=0,
        lease_losses=0,
    )
    telemetry = Telemetry()
    telemetry.count_request("GET", "/v1", 200, 0.1)
    telemetry.count_rows(1, 0.1)
    exposed = telemetry.render(statistics, cached_bytes=0).decode()
    measured = set(re.findall(r"^(catvq_\w+)", exposed, re.MULTILINE))
    text = (CHART / "files" / name).read_text()
    watched = set(re.findall(r"\bcatvq_\w+", text))
    assert watched
    assert watched - measured == set()


def test_the_dashboard_has_a_place_for_each_panel():
    panels = orjson.loads((CHART / "files" / "dashboard.json").read_bytes())["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels)
    assert all(target["expr"] for panel in panels for target in panel["targets"])
