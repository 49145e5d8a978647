"""Stage 1 and stage 2 on the synthetic MMAct corpus, from shards and from the recordings. With a real Ray."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datasets import corpora, sharding
from datasets.synthetic import mmact as synthetic_mmact
from experiments import modality_comparison
from orchestrator.plan.study import Study
from orchestrator.storage.metrics import score_run
from orchestrator.storage.store import Store
from tests.support.recordings.poses import put_beside
from tests.support.runs import trials

pytestmark = pytest.mark.long


def table2(study: Study, storage: Path, read: str) -> dict[str, dict[str, Any]]:
    """What the three runs of Table 2 give, by modality."""
    store, found = Store(storage), {}
    for name, given in study.inputs.items() if read == "shards" else ():
        sharding.write(storage, study.manifest, name, given)
    for cell in modality_comparison.cells(study, 0):
        spec, folder = study.runs[cell.key], store.run(cell.key)
        part = study.manifest.of(spec.modalities)
        part.write(store.manifest(part.digest))
        folder.begin(spec)
        config = {"key": cell.key, "storage": str(storage), "read": read}
        trials.fit(folder, config | {"resources": {"CPU": 0.5}})
        losses = [row["loss"] for row in folder.history()]
        predictions = pq.read_table(folder.path / "predictions.parquet").to_pydict()
        found[cell.model] = {"losses": losses, "predictions": predictions, "metrics": score_run(folder)}
    return found


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
def test_recordings_and_shards_give_the_same_runs(ray_local: None, recipe: str, tmp_path: Path) -> None:
    folder = synthetic_mmact.write(tmp_path / "corpus", subjects=(14, 17), scenes=(3,), sessions=(2,))
    manifest = corpora.read("synthetic-mmact", folder, tmp_path / "scans", ("imu", "video"))
    study = Study(manifest, "demo", recipe, "cross-subject")
    found = {read: table2(study, tmp_path / read, read) for read in ("shards", "recordings")}
    assert found["shards"] == found["recordings"]
    assert not (tmp_path / "recordings" / "shards").exists()
    tested = {clip for clip in manifest.clips["clip"].to_pylist() if clip.startswith("subject17_")}
    for modality, gave in found["shards"].items():
        assert gave["losses"][-1] < gave["losses"][0], modality
        assert set(gave["predictions"]["clip"]) == tested and gave["metrics"]["n"] == len(tested)


def test_signals_and_poses_are_trained_on_without_videos(ray_local: None, tmp_path: Path) -> None:
    """One clip lacks its pose and is padding in every run that reads it."""
    folder = synthetic_mmact.write(tmp_path / "corpus", subjects=(14, 17), scenes=(3,), sessions=(2,))
    put_beside(folder)[0].write_text("[" + "[]," * 20 + "[]]")
    shutil.rmtree(folder / "trimmed")
    manifest = corpora.read("synthetic-mmact", folder, tmp_path / "scans", ("imu", "skeleton"))
    assert manifest.clips["skeleton"].null_count == 1
    study = Study(manifest, "demo", "tuned", "cross-subject")
    found = {read: table2(study, tmp_path / read, read) for read in ("shards", "recordings")}
    assert found["shards"] == found["recordings"] and {*found["shards"]} == {"imu", "skeleton", "fusion"}
    for model, gave in found["shards"].items():
        assert gave["losses"][-1] < gave["losses"][0], model
