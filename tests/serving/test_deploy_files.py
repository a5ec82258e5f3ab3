"""The files in ``deploy/`` parse, fit each other and the settings, and ask for what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from edgebatch.errors import InputError
from edgebatch.serving.settings import GatewaySettings, load_settings
from serving.gateway_thread import GatewayThread

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
UNIT = (DEPLOY / "edgebatch.service").read_text(encoding="utf-8")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def manifest(name: str) -> Any:
    return yaml.safe_load((DEPLOY / "kubernetes" / f"{name}.yaml").read_text(encoding="utf-8"))


def exported() -> dict[str, set[str]]:
    """Return the names of all samples of a gateway that has served, and their labels."""
    with GatewayThread() as thread:
        body = {"prompt": "Once", "max_tokens": 2}
        assert httpx.post(f"{thread.url}/v1/completions", json=body).status_code == 200
        text = httpx.get(f"{thread.url}/metrics").text
    samples: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, set()).update(sample.labels)
    return samples


def test_the_dashboard_asks_only_for_metrics_and_labels_that_there_are() -> None:
    samples = exported()
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            found = re.findall(
                r"((?:edgebatch_|vllm:|process_)\w+)(?:\{([^}]*)\})?", target["expr"]
            )
            assert found, target["expr"]
            for name, selector in found:
                assert name in samples, panel["title"]
                labels = set(re.findall(r"(\w+)[=!]~?=?\"", selector)) - {"instance"}
                grouped = set(re.findall(r"by \((\w+)\)", target["expr"])) - {"instance"}
                assert labels | grouped <= samples[name], panel["title"]


def test_the_page_on_the_gateway_lists_all_metrics() -> None:
    page = (DEPLOY.parent / "docs" / "gateway.md").read_text(encoding="utf-8")
    listed = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `([\w:]+)` \| ([^|]*)\|", page, re.MULTILINE)
        if name.startswith(("edgebatch_", "vllm:"))
    }
    found = {
        re.sub("_(bucket|sum|count)$", "", name): labels - {"le"}
        for name, labels in exported().items()
        if not name.startswith("process_") and not name.endswith("_created")
    }
    assert listed == found


def test_the_panels_of_the_dashboard_have_names_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert len({(place["x"], place["y"]) for place in places}) == len(panels)
    assert all(place["x"] + place["w"] <= 24 for place in places)


def test_settings_files_can_be_read(tmp_path: Path) -> None:
    assert load_settings(DEPLOY / "gateway.toml", {}).host == "127.0.0.1"
    config = tmp_path / "gateway.toml"
    config.write_text(manifest("configmap")["data"]["gateway.toml"], encoding="utf-8")
    assert load_settings(config, {}).host == "0.0.0.0"


def test_the_keys_that_examples_leave_out_can_be_put_in(tmp_path: Path) -> None:
    text = (DEPLOY / "gateway.toml").read_text(encoding="utf-8")
    commented = re.search(r"# \[\[keys\]\]\n(?:# .*\n)+", text)
    assert commented is not None
    keys = re.sub("^# ", "", commented[0], flags=re.MULTILINE).replace('"…"', f'"{"0" * 64}"')
    [key] = tomllib.loads(keys)["keys"]
    config = tmp_path / "gateway.toml"
    config.write_text(text + keys, encoding="utf-8")
    assert load_settings(config, {}).keys[0].name == key["name"]


def test_kubernetes_waits_for_the_drain_and_asks_where_the_gateway_answers() -> None:
    deployment, service = manifest("deployment"), manifest("service")
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    settings = tomllib.loads(manifest("configmap")["data"]["gateway.toml"])
    [pause] = container["lifecycle"]["preStop"]["exec"]["command"][1:]
    needed = settings["drain_seconds"] + 5 + float(pause)
    assert pod["terminationGracePeriodSeconds"] > needed
    [port] = container["ports"]
    assert port["containerPort"] == settings["port"]
    assert [each["targetPort"] for each in service["spec"]["ports"]] == [port["name"]]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    paths = {
        name: container[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    with GatewayThread() as thread:
        for path in paths.values():
            assert httpx.get(thread.url + path).status_code == 200
    names = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == names


def test_the_name_of_the_service_does_not_become_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    service = manifest("service")["metadata"]["name"].upper()
    monkeypatch.setenv(f"{service}_PORT", "tcp://10.0.0.1:8080")  # as Kubernetes would
    with pytest.raises(InputError, match="EDGEBATCH_PORT: Input should be a valid integer"):
        load_settings(None, {})
    assert manifest("deployment")["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_kustomize_lists_every_manifest() -> None:
    files = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")}
    assert set(manifest("kustomization")["resources"]) == files - {"kustomization.yaml"}


def test_the_service_is_stopped_after_the_drain_and_its_engine_is_left_alone() -> None:
    values = dict(line.split("=", 1) for line in UNIT.splitlines() if "=" in line)
    assert values["KillMode"] == "mixed"
    assert float(values["TimeoutStopSec"]) > GatewaySettings().drain_seconds + 5


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "edgebatch.service"
    # it looks whether the program is there
    unit.write_text(UNIT.replace("/opt/edgebatch/bin/edgebatch", sys.executable), encoding="utf-8")
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


def test_the_image_is_built_of_files_that_are_there_and_runs_as_nobody_special() -> None:
    root = DEPLOY.parent
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (root / source).exists(), source
            assert f"!{source}" in ignored, source
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER \d+$", last_stage, re.MULTILINE)
    assert re.search(r"^ENTRYPOINT \[\"edgebatch\", \"serve\"", last_stage, re.MULTILINE)
    assert "latest" not in DOCKERFILE
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    [extras] = re.findall(r"\.\[([\w,]+)\]", DOCKERFILE)
    assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint")
def test_hadolint_accepts_the_image() -> None:
    subprocess.run(["hadolint", DEPLOY / "Dockerfile"], check=True, timeout=60)


def test_prometheus_and_envoy_ask_at_the_port_of_the_gateway() -> None:
    port = load_settings(DEPLOY / "gateway.toml", {}).port
    scrape = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    [job] = scrape["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"127.0.0.1:{port}"]}]
    envoy = yaml.safe_load((DEPLOY / "envoy.yaml").read_text(encoding="utf-8"))
    [cluster] = envoy["static_resources"]["clusters"]
    assert cluster["health_checks"][0]["http_health_check"]["path"] == "/readyz"
    for endpoint in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]:
        assert endpoint["endpoint"]["address"]["socket_address"]["port_value"] == port
    [listener] = envoy["static_resources"]["listeners"]
    [manager] = listener["filter_chains"][0]["filters"]
    [host] = manager["typed_config"]["route_config"]["virtual_hosts"]
    route = host["routes"][0]["route"]
    assert route["cluster"] == cluster["name"]
    assert route["retry_policy"]["retriable_status_codes"] == [429, 503]
