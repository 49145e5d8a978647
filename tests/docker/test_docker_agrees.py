"""docker/ is of one mind with itself, pyproject.toml and the code: commands, versions, paths, ports."""

import re
import tomllib
from copy import deepcopy

import pytest
import tyro
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from orchestrator.plan.options import Options
from tests.docker.deployment import (
    APP,
    DOCKERFILE,
    FOLDER,
    IMAGE,
    PAGE,
    PINS,
    PROJECT,
    ROOT,
    SHARED,
    check_ray,
    commands,
    compose,
    core,
    documents,
    lines,
    pods,
    ray_clusters,
)

MLFLOW = (FOLDER / "kubernetes/mlflow.yaml").read_text()

# Commands


def test_every_ray_command_is_one_of_rays() -> None:
    seen = [check_ray(words) for words in commands("ray")]
    assert {"start", "stop", "health-check", "job submit", "up", "dashboard", "get-auth-token"} <= set(seen)


@pytest.mark.long  # importing MLflow's commands takes seconds
@pytest.mark.filterwarnings("ignore")
def test_every_mlflow_server_is_started_as_mlflow_takes_it() -> None:
    from mlflow.cli import cli

    found = [words for words in commands("mlflow") if words[:1] == ["server"]]  # tests/test_commands.py has the others
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
    assert len(scripts) == 5
    for script in scripts:
        assert (ROOT / script.removeprefix(f"{APP}/")).is_file()
    named = re.findall(r"(?<!tests/)docker/[\w./-]+\.\w+", PAGE + (FOLDER / "compose.yaml").read_text() + DOCKERFILE)
    assert len(named) > 5 and all((ROOT / file).is_file() for file in named)


def test_what_kubectl_is_asked_for_is_in_the_manifests() -> None:
    """KubeRay names a cluster's service and its secret, and a RayJob's job, after the cluster and the RayJob."""
    [stays], [job] = documents("kubernetes/raycluster.yaml"), documents("kubernetes/rayjob.yaml")
    named = {kind: {d["metadata"]["name"] for d in core() if d["kind"] == kind} for kind in ("Service", "Secret")}
    services = named["Service"] | {f"{stays['metadata']['name']}-head-svc"}
    asked = {"service": services, "job": {job["metadata"]["name"]}}
    found = re.findall(r"\b(service|job)/([\w-]+)", "\n".join(line for line in PAGE.splitlines() if "kubectl" in line))
    assert {kind for kind, _ in found} == asked.keys() and all(name in asked[kind] for kind, name in found)
    [made] = re.findall(r"kubectl create secret generic (\S+) --from-literal=(\w+)=", PAGE)
    references = re.findall(r"secretKeyRef: \{name: ([\w-]+), key: (\w+)\}", MLFLOW)
    assert len(references) == 2 and set(references) == {made}
    assert re.findall(r"kubectl get secret (\S+)", PAGE) == [stays["metadata"]["name"]]
    assert stays["spec"]["authOptions"]["mode"] == "token"


def test_variables_that_are_exported_are_those_that_compose_asks_for() -> None:
    text = (FOLDER / "compose.yaml").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    for page in (PAGE, text):
        [line] = [line for line in page.splitlines() if "export" in line and "POSTGRES_PASSWORD" in line]
        assert set(re.findall(r"(\w+)=", line)) == needed
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= needed


def test_hosts_are_services() -> None:
    """MLflow and its Postgres, by their names and ports, in Kubernetes and in compose."""
    ports = {d["metadata"]["name"]: d["spec"]["ports"][0]["port"] for d in core() if d["kind"] == "Service"}
    assert ports == {"mlflow": 5000, "mlflow-postgres": 5432}
    services = compose()["services"]
    for text, names in ((MLFLOW, ports), (services["mlflow"]["command"], services)):
        [(host, port)] = re.findall(r"@([\w-]+):(\d+)/mlflow", text)
        assert host in names and port == "5432"
    assert set(re.findall(r"--tracking-uri (\S+)", "\n".join(lines()))) == {"http://mlflow:5000"}
    assert "--port=5000" in services["mlflow"]["command"]


def test_recordings_lie_where_they_are_mounted() -> None:
    composed = [words for words in commands("full_grid.py") if words[words.index("--recordings") + 1] == "/recordings"]
    mounted = [volume.split(":")[1] for volume in compose()["services"]["head"]["volumes"]]
    assert len(composed) == 1 and "/recordings" in mounted and SHARED in mounted
    for words in commands("full_grid.py"):
        if words not in composed:
            assert words[words.index("--recordings") + 1].startswith(f"{SHARED}/")


# Versions, ports and paths


def test_every_install_is_pinned() -> None:
    installs = re.findall(r"uv pip install .*", DOCKERFILE)
    assert len(installs) == 2 and all("--constraints /tmp/constraints.txt" in line for line in installs)
    mounts = re.findall(r"^RUN (?:.*\\\n)*.*uv pip install .*", DOCKERFILE, flags=re.M)
    assert len(mounts) == 2 and all("source=constraints.txt,target=/tmp/constraints.txt" in run for run in mounts)


def test_both_databases_are_the_same() -> None:
    [deployed] = re.findall(r"image: (postgres:\S+)", MLFLOW)
    assert compose()["services"]["postgres"]["image"] == deployed


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
    for text in [*PROJECT["dependencies"], *(text for extra in extras.values() for text in extra)]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(Version(PINS[wanted.name])), text


def test_the_code_lies_where_it_is_looked_for() -> None:
    assert re.search(rf"^WORKDIR {APP}\nCOPY \. {APP}$", DOCKERFILE, flags=re.M)
    assert re.search(rf"PYTHONPATH={APP} ", DOCKERFILE)
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().split()
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    kept = {"pyproject.toml", "constraints.txt"} | {name.rstrip("*") for name in packages}
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


def test_who_reaches_mlflow_and_its_database() -> None:
    """From the pods of a Ray and of MLflow, by their labels; those of this namespace alone, and of no address."""
    core_ = core()
    templates = [d["spec"]["template"] for d in core_ if d["kind"] in ("Deployment", "StatefulSet")]
    labels = {label for template in templates for label in template["metadata"]["labels"].items()}
    services = {tuple(d["spec"]["selector"].items()): d["spec"]["ports"] for d in core_ if d["kind"] == "Service"}
    policies = {d["metadata"]["name"]: d["spec"] for d in core_ if d["kind"] == "NetworkPolicy"}
    admitted = {}
    for name, policy in policies.items():
        [selected] = policy["podSelector"]["matchLabels"].items()
        [rule] = policy["ingress"]
        [(who, pods)] = [next(iter(peer.items())) for peer in rule["from"]]
        [port] = rule["ports"]
        assert selected in labels and policy["policyTypes"] == ["Ingress"] and who == "podSelector"
        assert [port["port"]] == [p["targetPort"] for p in services[(selected,)]]
        admitted[name] = pods["matchLabels"]
    # What KubeRay puts on each pod of a RayCluster and of a RayJob's.
    assert admitted == {"mlflow": {"ray.io/is-ray-node": "yes"}, "mlflow-postgres": {"app": "mlflow"}}
    assert {("app", name) for name in policies} == labels, "each pod that listens is behind one"


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
