"""docker/ without an engine: linted, and valid by each schema."""

import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from tests.docker.deployment import FOLDER, compose, core, documents, pods, ray_clusters

# The fields of KubeRay's ray.io/v1 that these manifests may use.
RAYJOB = """entrypoint submissionMode shutdownAfterJobFinishes ttlSecondsAfterFinished activeDeadlineSeconds
    backoffLimit runtimeEnvYAML rayClusterSpec"""
RAYCLUSTER = "rayVersion authOptions enableInTreeAutoscaling autoscalerOptions headGroupSpec workerGroupSpecs"
WORKERS = "groupName replicas minReplicas maxReplicas rayStartParams template"


def test_the_dockerfile_passes_its_linter() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([linter, FOLDER / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_compose_is_valid() -> None:
    PyCompose.from_yaml(yaml.safe_dump(compose()))
    wrong = compose()
    wrong["services"]["head"]["healthcheck"]["intervall"] = "1s"
    with pytest.raises(ValueError, match="intervall"):
        PyCompose.from_yaml(yaml.safe_dump(wrong))


@pytest.mark.parametrize("document", core(), ids=lambda d: f"{d['kind']}/{d['metadata']['name']}")
def test_kubernetes_objects_are_valid(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, "1.37", strict=True)
    wrong = deepcopy(document)
    wrong["spec"]["replicaas"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


@pytest.mark.parametrize(("name", "template"), pods().items())
def test_pods_of_a_ray_are_valid(name: str, template: dict[str, Any]) -> None:
    assert template.keys() == {"spec"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": template["spec"]}
    kubernetes_validate.validate(pod, "1.37", strict=True)


def test_ray_objects_use_kuberays_fields() -> None:
    [stays], [job] = documents("kubernetes/raycluster.yaml"), documents("kubernetes/rayjob.yaml")
    assert (stays["apiVersion"], stays["kind"]) == ("ray.io/v1", "RayCluster")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"].keys() <= set(RAYJOB.split())
    assert job["spec"]["submissionMode"] in ("K8sJobMode", "HTTPMode", "SidecarMode")
    for spec in ray_clusters().values():
        assert spec.keys() == set(RAYCLUSTER.split())
        assert spec["authOptions"] == {"mode": "token"} and spec["enableInTreeAutoscaling"] is True
        assert spec["autoscalerOptions"].keys() <= {"idleTimeoutSeconds", "upscalingMode", "resources"}
        assert spec["headGroupSpec"].keys() <= {"rayStartParams", "template", "serviceType", "headService"}
        for group in spec["workerGroupSpecs"]:
            assert group.keys() == set(WORKERS.split())
            assert group["minReplicas"] == 0 <= group["replicas"] <= group["maxReplicas"]
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_ray_up_takes_its_file() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    [config] = documents("ray-up.yaml")
    validate_config(prepare_config(deepcopy(config)))
    with pytest.raises(Exception, match="worker_ipss"):
        validate_config(prepare_config(config | {"worker_ipss": []}))
