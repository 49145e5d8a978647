"""What docker/'s page says runs take of A40 nodes, and whether its nodes hold it."""

import re
import shlex

import tyro

from models.spec import FusionModel, ImuModel, VideoModel
from orchestrator.cluster import placement
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipe import RECIPES
from orchestrator.plan.scale import SCALES
from orchestrator.plan.spec import MODALITIES, DataSpec, RunSpec
from tests.support.deployment import PAGE, documents, ray_clusters


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
        need = placement.need(run, gpus)
        at_once = placement.at_once(run, gpus, a40_nodes(), None)
        assert [float(number) for number in printed] == [need.gpus, need.cpus, at_once]


def test_the_manifests_nodes_hold_what_the_job_asks_for() -> None:
    runs, gpus = paper_runs(), SCALES["paper"].gpus
    placement.check_placeable(Plan("paper", (), {run.key: run for run in runs.values()}), gpus, a40_nodes())
    [job] = documents("kubernetes/rayjob.yaml")
    options = tyro.cli(Options, args=shlex.split(job["spec"]["entrypoint"])[2:])
    assert options.room == min(placement.slots(run, gpus, a40_nodes()) for run in runs.values())
