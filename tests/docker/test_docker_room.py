"""What docker/'s page says runs take of A40 nodes, and whether its nodes hold it."""

import re
import shlex

import tyro

from orchestrator.cluster import placement
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipes import SCALES
from orchestrator.plan.spec import RunSpec
from tests.docker.deployment import PAGE, documents, ray_clusters
from tests.support.runs import specs
from tests.support.runs.specs import STAGES, gpus_of


def paper_runs() -> dict[str, RunSpec]:
    return {stage: specs.run(*read, threads=SCALES["paper"].threads_of(read)) for stage, read in STAGES.items()}


def a40_nodes() -> list[dict[str, float]]:
    """What the manifests' worker group gives a Ray when all of it is there."""
    [group] = ray_clusters()["rayjob"]["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    return [{"CPU": float(limits["cpu"]), "GPU": float(limits["nvidia.com/gpu"])}] * group["maxReplicas"]


def test_the_pages_table_is_what_the_code_takes() -> None:
    rows = re.findall(r"^\| (imu|video|fusion) \| ([\d.]+) \| (\d+) \| (\d+) \|$", PAGE, flags=re.M)
    assert len(rows) == 3
    gpus = gpus_of("paper")
    for stage, *printed in rows:
        run = paper_runs()[stage]
        need = placement.need(run, gpus)
        at_once = placement.at_once(run, gpus, a40_nodes(), None)
        assert [float(number) for number in printed] == [need.gpus, need.cpus, at_once]


def test_the_manifests_nodes_hold_what_the_job_asks_for() -> None:
    runs, gpus = paper_runs(), gpus_of("paper")
    placement.check_placeable(Plan("paper", (), {run.key: run for run in runs.values()}), gpus, a40_nodes())
    [job] = documents("kubernetes/rayjob.yaml")
    options = tyro.cli(Options, args=shlex.split(job["spec"]["entrypoint"])[2:])
    assert options.room == min(placement.slots(run, gpus, a40_nodes()) for run in runs.values())
