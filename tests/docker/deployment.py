"""What docker/ holds, as tests read it: its files, the pods of each Ray, and every command line in them."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
PAGE = (FOLDER / "README.md").read_text()
IMAGE = f"two-stage-har:{PROJECT['version']}"
SHARED, APP = "/shared", "/app"


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


def check_ray(words: list[str], bare: bool = False) -> str:
    """The name of Ray's command, whose flags and arguments are checked too unless it is only named."""
    from ray.scripts.scripts import cli

    group, names, words = cli, [], list(words)
    while hasattr(group, "commands"):
        names.append(words.pop(0))
        group = group.commands[names[-1]]
    if not bare:
        group.make_context(" ".join(names), words)  # raises on a flag it doesn't have
    return " ".join(names)
