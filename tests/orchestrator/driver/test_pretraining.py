"""Methods whose first stage has no classifier, trained to their end: such a run is done without a score, everywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from orchestrator.storage.store import Store
from tests.support.mlflow_view import SCORED, TRAINED

ROOT = Path(__file__).parents[3]
METHODS = """
from collections.abc import Sequence

from models.methods import METHODS, Method, Stage


def alone(modalities: Sequence[str]) -> tuple[Stage, ...]:
    [name] = modalities
    return Stage("simclr", (name,), "simclr"), Stage("finetuned", (name,), parents={name: "simclr"})


def together(modalities: Sequence[str]) -> tuple[Stage, ...]:
    read = tuple(modalities)
    return Stage("cmc", read, "contrastive"), Stage("fusion", read, parents=dict.fromkeys(read, "cmc"))


ALONE, TOGETHER = Method("SimCLR, then fine-tuned", alone), Method("CMC, then fine-tuned", together)
METHODS |= {"simclr": "pretrained:ALONE", "cmc": "pretrained:TOGETHER"}


def cells(study, seed):
    yield study.cell("modalities", "imu", seed, method="simclr")
    yield study.cell("fusions", study.modalities, seed, method="cmc")


if __name__ == "__main__":
    import sys

    import pretrained
    import tyro

    from orchestrator.driver.launch import launch
    from orchestrator.plan.options import Options

    sys.exit(launch("pretraining", pretrained.cells, tyro.cli(Options)))
"""
QUICK = "imu.augmentation.noise 0.1 simclr.augmentation.noise 0.1 simclr.times_epochs 0.3 cmc.times_epochs 0.2".split()


def run(where: Path, *words: object) -> str:
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(where)])}
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_a_stage_without_a_classifier_is_done_without_a_score(six: Path, tmp_path: Path) -> None:
    (tmp_path / "pretrained.py").write_text(METHODS)
    storage = tmp_path / "out"
    words = [tmp_path / "pretrained.py", "--corpus", "utd-mhad", "--recordings", six, "--storage", storage]
    words += ["--set", *QUICK]
    run(tmp_path, *words)
    store = Store(storage)
    by_stage = {folder.spec.stage: folder for folder in store.runs()}
    assert by_stage.keys() == {"simclr", "finetuned", "cmc", "fusion"}
    for stage, folder in by_stage.items():
        assert folder.status == "done" and (folder.path / "model.pt").exists()
        scored = stage in ("finetuned", "fusion")
        assert folder.spec.classifies == scored
        for name in ("predictions.parquet", "metrics.json"):
            assert (folder.path / name).exists() == scored
        rows = folder.history()
        assert all(("train_top1" in row) == scored for row in rows) and rows[-1]["loss"] > 0
    assert by_stage["fusion"].spec.parents == dict.fromkeys(("imu", "video"), by_stage["cmc"].key)

    said = run(tmp_path, "experiments/status.py", "--storage", storage, "--plan", "pretraining")
    assert said.count("no classifier") == 2 and said.count("top-1") == 2 and "4 done" in said
    results = json.loads((storage / "reports/pretraining/results.json").read_text())
    assert [run["scored"] for run in results["runs"].values()].count(False) == 2
    assert all(cell["status"] == "done" for cell in results["cells"])
    client = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pretraining")
    assert experiment
    nested = [run for run in client.search_runs([experiment.experiment_id]) if "key" in run.data.tags]
    for shown in nested:
        scored = shown.data.tags["stage"] in ("finetuned", "fusion")
        files = {file.path for file in client.list_artifacts(shown.info.run_id)}
        assert files == (TRAINED | SCORED if scored else TRAINED)
        assert shown.info.status == "FINISHED" and "loss" in shown.data.metrics
        assert ("test_top1" in shown.data.metrics) == scored
    assert len(nested) == 4
    assert "hours" in run(tmp_path, *words, "--dry-run", "--simulate", "cpus=4")

    ended = {stage: (folder.path / "done.json").read_text() for stage, folder in by_stage.items()}
    (by_stage["simclr"].path / "model.pt").write_bytes(b"")
    said = run(tmp_path, *words)
    assert "was done and is trained again" in said and said.count("is trained again") == 1
    again = {stage: (folder.path / "done.json").read_text() for stage, folder in by_stage.items()}
    assert [stage for stage in ended if again[stage] != ended[stage]] == ["simclr"]
