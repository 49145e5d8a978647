"""docker/ without an engine: linted, valid by each schema, and of one mind with itself, pyproject.toml and the code."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import tyro
import yaml
from compose_spec import PyCompose
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from models.spec import FusionModel, ImuModel, VideoModel
from orchestrator import cluster
from orchestrator.options import Options
from orchestrator.plan import Plan
from orchestrator.scale import RECIPES, SCALES
from orchestrator.spec import MODALITIES, DataSpec, RunSpec

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docker"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
PAGE = (FOLDER / "README.md").read_text()
IMAGE = f"two-stage-har:{PROJECT['version']}"
SHARED, APP = "/shared", "/app"

# The fields of KubeRay's ray.io/v1 that these manifests may use.
RAYJOB = """entrypoint submissionMode shutdownAfterJobFinishes ttlSecondsAfterFinished activeDeadlineSeconds
    backoffLimit runtimeEnvYAML rayClusterSpec"""
RAYCLUSTER = "rayVersion authOptions enableInTreeAutoscaling autoscalerOptions headGroupSpec workerGroupSpecs"
WORKERS = "groupName replicas minReplicas maxReplicas rayStartParams template"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def compose() -> dict[str, Any]:
    """With its variables filled in, as compose does before it reads a file."""
    text = (FOLDER / "compose.yaml").read_text()
    return yaml.safe_load(re.sub(r"\$\{\w+(?::([-?])([^}]*))?\}", lambda m: m[2] if m[1] == "-" else "given", text))


def ray_clusters() -> dict[str, dict[str, Any]]:
    [stays], [job] = documents("kubernetes/raycluster.yaml"), documents("kubernetes/rayjob.yaml")
    return {"raycluster": stays["spec"], "rayjob": job["spec"]["rayClusterSpec"]}


def core() -> list[dict[str, Any]]:
    return [d for name in ("mlflow", "shared") for d in documents(f"kubernetes/{name}.yaml")]


def pods() -> dict[str, dict[str, Any]]:
    """The pod template of each group of each Ray."""
    found = {}
    for name, spec in ray_clusters().items():
        found[f"{name} head"] = spec["headGroupSpec"]["template"]
        found |= {f"{name} {group['groupName']}": group["template"] for group in spec["workerGroupSpecs"]}
    return found


def lines() -> Iterator[str]:
    """Every command line that anybody or anything here is to run."""
    for block in re.findall(r"^```\n(.*?)^```", PAGE, flags=re.M | re.S):
        yield from block.splitlines()
    for service in compose()["services"].values():
        yield service.get("command", "")
        yield shlex.join(service["healthcheck"]["test"][1:])
    up = documents("ray-up.yaml")[0]
    yield from up["head_start_ray_commands"] + up["worker_start_ray_commands"]
    yield from re.findall(r"^#   (ray .*?)(?:  .*)?$", (FOLDER / "ray-up.yaml").read_text(), flags=re.M)
    [job] = documents("kubernetes/rayjob.yaml")
    yield job["spec"]["entrypoint"]
    for template in pods().values():
        for container in template["spec"]["containers"]:
            yield container["lifecycle"]["preStop"]["exec"]["command"][-1]
    for document in core():
        for container in document["spec"].get("template", {}).get("spec", {}).get("containers", []):
            yield shlex.join(container.get("command", []) + container.get("args", []))
    for name, spec in ray_clusters().items():
        groups = {"head": spec["headGroupSpec"], **{g["groupName"]: g for g in spec["workerGroupSpecs"]}}
        for group, given in groups.items():
            yield " ".join(
                ["ray start", *(f"--{k}={v}" for k, v in given["rayStartParams"].items()), f"# {name} {group}"]
            )


def commands(program: str) -> list[list[str]]:
    """The words after a program's name, up to what ends a command."""
    found = []
    for line in lines():
        words = shlex.split(line, comments=True)
        starts = [i for i, word in enumerate(words) if re.fullmatch(rf"([\w./-]*/)?{program}", word)]
        found += [[w for w in words[i + 1 :] if w != "&"] for i in starts]
    return found


# Schemas


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


# Commands


def test_every_ray_command_is_one_of_rays() -> None:
    from ray.scripts.scripts import cli

    seen = []
    for words in commands("ray"):
        group, names = cli, []
        while hasattr(group, "commands"):
            names.append(words.pop(0))
            group = group.commands[names[-1]]
        group.make_context(" ".join(names), words)  # raises on a flag it doesn't have
        seen.append(" ".join(names))
    assert {"start", "stop", "health-check", "job submit", "up", "dashboard", "get-auth-token"} <= set(seen)


@pytest.mark.long  # importing MLflow's commands takes seconds
@pytest.mark.filterwarnings("ignore")
def test_every_mlflow_command_is_one_of_mlflows() -> None:
    from mlflow.cli import cli

    found = commands("mlflow")
    assert len(found) == 2
    for words in found:
        context = cli.commands[words[0]].make_context(words[0], words[1:])
        assert context.params["backend_store_uri"].startswith("postgresql+psycopg2://mlflow:")
        # MLflow answers 403 where it is called by another name than these.
        assert "mlflow:5000" in context.params["allowed_hosts"].split(",")


def test_every_grid_that_is_started_has_flags_that_the_grid_takes() -> None:
    found = commands("full_grid.py")
    assert len(found) == 4
    for words in found:
        options = tyro.cli(Options, args=words)
        options.check()
        assert options.scale == "paper" and options.storage.is_relative_to(SHARED)
        assert options.tracking_uri == "http://mlflow:5000"


def test_files_that_commands_name_are_there() -> None:
    scripts = [word for line in lines() for word in line.split() if word.endswith(".py")]
    assert len(scripts) == 4
    for script in scripts:
        assert (ROOT / script.removeprefix(f"{APP}/")).is_file()
    named = re.findall(r"docker/[\w./-]+\.\w+", PAGE + (FOLDER / "compose.yaml").read_text() + DOCKERFILE)
    assert len(named) > 5 and all((ROOT / file).is_file() for file in named)


# Versions, ports and paths


def test_images_are_this_version() -> None:
    images = {service["image"] for service in compose()["services"].values()}
    images |= {c["image"] for template in pods().values() for c in template["spec"]["containers"]}
    containers = [c for d in core() for c in d["spec"].get("template", {}).get("spec", {}).get("containers", [])]
    images |= {c["image"] for c in containers} | {documents("ray-up.yaml")[0]["docker"]["image"]}
    [postgres] = [image for image in images if image.startswith("postgres:")]
    assert images == {IMAGE, postgres}
    assert set(re.findall(r"two-stage-har:\d[\w.]*", PAGE + DOCKERFILE)) == {IMAGE}


def test_versions_are_the_pinned_ones() -> None:
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", DOCKERFILE, flags=re.M))
    assert arguments == {"TORCH": PINS["torch"], "TORCHVISION": PINS["torchvision"]}
    assert {spec["rayVersion"] for spec in ray_clusters().values()} == {PINS["ray"]}
    [base] = re.findall(r"^FROM nvidia/cuda:([\d.]+)-base", DOCKERFILE, flags=re.M)
    assert PINS["cuda-toolkit"].startswith(f"{base}.")
    [python] = re.findall(r"uv venv --python (\S+)", DOCKERFILE)
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0")
    assert not re.search(r"^FROM .*:latest|^FROM [^:]+$", DOCKERFILE, flags=re.M)


def test_every_requirement_is_pinned_within_its_range() -> None:
    extras = PROJECT["optional-dependencies"]
    [extra] = re.findall(r"--extra (\w+)", DOCKERFILE)
    assert extra in extras
    for text in [*PROJECT["dependencies"], *(line for lines in extras.values() for line in lines)]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(Version(PINS[wanted.name])), text


def test_the_code_lies_where_it_is_looked_for() -> None:
    assert re.search(rf"^WORKDIR {APP}\nCOPY \. {APP}$", DOCKERFILE, flags=re.M)
    assert re.search(rf"PYTHONPATH={APP} ", DOCKERFILE)
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().split()
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    kept = {"pyproject.toml", "constraints.txt"} | {name.split(".")[0] for name in packages}
    assert ignored[0] == "*" and {line[1:] for line in ignored if line[0] == "!"} == kept
    # MLflow's own package docker and ours of that name must not meet.
    assert not list(FOLDER.rglob("*.py"))


def test_nobody_is_root() -> None:
    [user] = re.findall(r"--uid (\d+)", DOCKERFILE)
    assert re.findall(r"^USER (\S+)", DOCKERFILE, flags=re.M) == [user]
    for template in pods().values():
        context = template["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True and context["runAsUser"] == context["fsGroup"] == int(user)
    assert documents("ray-up.yaml")[0]["file_mounts"].keys() == {"/home/ray/.ray/auth_token"}


def test_ports_agree() -> None:
    exposed = {int(port) for port in re.findall(r"^EXPOSE (.*)", DOCKERFILE, flags=re.M)[0].split()}
    for spec in ray_clusters().values():
        [head] = spec["headGroupSpec"]["template"]["spec"]["containers"]
        assert {port["containerPort"] for port in head["ports"]} == exposed
    started = [dict(re.findall(r"--([\w-]+)=(\S+)", " ".join(words))) for words in commands("ray") if "--head" in words]
    assert len(started) == 2
    for flags in started:
        assert {int(flags["port"]), int(flags["dashboard-port"])} == exposed - {10001}
    addresses = re.findall(r"--address[= ](?:http://)?(?:head|localhost|\$RAY_HEAD_IP):(\d+)", "\n".join(lines()))
    assert {int(port) for port in addresses} == exposed - {10001}
    services = compose()["services"]
    # Nothing answers to the network but by a tunnel.
    assert services["head"]["ports"] == ["127.0.0.1:8265:8265"] and services["mlflow"]["ports"] == [
        "127.0.0.1:5000:5000"
    ]
    assert "ports" not in services["worker"] and "ports" not in services["postgres"]


def test_every_node_has_the_storage_the_token_and_shared_memory() -> None:
    for template in pods().values():
        [container], spec = template["spec"]["containers"], template["spec"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume.pop("name"): volume for volume in deepcopy(spec["volumes"])}
        assert mounts.keys() == {SHARED, "/dev/shm"}
        assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
        claim = volumes[mounts[SHARED]]["persistentVolumeClaim"]["claimName"]
        [shared] = documents("kubernetes/shared.yaml")
        assert shared["metadata"]["name"] == claim and shared["spec"]["accessModes"] == ["ReadWriteMany"]
        assert container["resources"]["requests"] == container["resources"]["limits"]  # Ray reads the limits
    services = compose()["services"]
    for name in ("head", "worker"):
        assert services[name]["environment"]["RAY_AUTH_MODE"] == "token" and services[name]["shm_size"]
        assert f"shared:{SHARED}" in services[name]["volumes"]
    options = documents("ray-up.yaml")[0]["docker"]["run_options"]
    assert "--env=RAY_AUTH_MODE=token" in options and f"--volume={SHARED}:{SHARED}" in options
    assert any(option.startswith("--shm-size=") for option in options)


def test_the_job_and_the_ray_that_stays_are_alike() -> None:
    stays, job = ray_clusters().values()
    assert stays == job


# What runs take


def paper_runs() -> dict[str, RunSpec]:
    models, scale = {"imu": ImuModel(), "video": VideoModel(), "fusion": FusionModel()}, SCALES["paper"]
    return {
        kind: RunSpec(
            models[kind], DataSpec("5f0c"), RECIPES["paper"].optimization[kind], 0,
            workers=scale.workers[kind], threads=scale.threads[kind],
        )
        for kind in MODALITIES
    }  # fmt: skip


def a40_nodes() -> list[dict[str, float]]:
    """What the manifests' worker group gives a Ray when all of it is there."""
    [group] = ray_clusters()["rayjob"]["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    return [{"CPU": float(limits["cpu"]), "GPU": float(limits["nvidia.com/gpu"])}] * group["maxReplicas"]


def test_the_pages_table_is_what_the_code_takes() -> None:
    rows = re.findall(r"^\| (imu|video|fusion) \| ([\d.]+) \| (\d+) \| (\d+) \|$", PAGE, flags=re.M)
    assert len(rows) == 3
    gpus = SCALES["paper"].gpus
    for kind, *printed in rows:
        run = paper_runs()[kind]
        need = cluster.need(run, gpus)
        at_once = cluster.at_once(run, gpus, a40_nodes(), None)
        assert [float(number) for number in printed] == [need.gpus, need.cpus, at_once]


def test_the_manifests_nodes_hold_what_the_job_asks_for() -> None:
    runs, gpus = paper_runs(), SCALES["paper"].gpus
    cluster.check_placeable(Plan("paper", (), {run.key: run for run in runs.values()}), gpus, a40_nodes())
    [job] = documents("kubernetes/rayjob.yaml")
    options = tyro.cli(Options, args=shlex.split(job["spec"]["entrypoint"])[2:])
    assert options.room == min(cluster.slots(run, gpus, a40_nodes()) for run in runs.values())
