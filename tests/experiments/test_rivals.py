"""Methods of others as rows of a comparison, trained to their end at demo scale with few epochs."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from datasets.synthetic import utd_mhad as synthetic
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
from tests.orchestrator.plan.test_rivals import FRAMED, READ, RIVALS, STAGES
from tests.support import i3d_reference as reference

ROOT = Path(__file__).parents[2]
FEW = [word for stage in {s for stages in STAGES.values() for s in stages} for word in (f"{stage}.times_epochs", "0.2")]
UNFRAMED = [name for name in RIVALS if name not in FRAMED]


def trained(tmp_path: Path, read: tuple[str, ...], methods: list[str], *words: object) -> dict[str, RunFolder]:
    """By key the runs behind these rows, of which subject 2 is tested."""
    folder, storage = tmp_path / "recordings", tmp_path / "out"
    synthetic.write(folder, subjects=2, trials=2, actions=6, modalities=read)
    words = (sys.executable, "experiments/fusion_comparison.py", "--corpus", "utd-mhad", "--recordings", folder,
             "--storage", storage, "--modalities", *read, "--methods", *methods, "--only", "fusions", *words,
             "--set", *FEW)  # fmt: skip
    done = subprocess.run([*map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = {folder.key: folder for folder in Store(storage).runs()}
    results = json.loads((storage / "reports/fusion_comparison/results.json").read_text())
    assert [cell["variant"] for cell in results["cells"]] == methods
    for cell in results["cells"]:
        tested = pq.read_table(runs[cell["key"]].path / "predictions.parquet")
        assert cell["status"] == "done" and set(tested["subject"].to_pylist()) == {2} and cell["n"] == 12
    return runs


@pytest.mark.long
def test_all_rows_are_trained_and_reported(tmp_path: Path) -> None:
    runs = trained(tmp_path, READ, UNFRAMED)
    stages = {stage for name in UNFRAMED for stage in STAGES[name]}
    assert sorted(run.spec.stage for run in runs.values()) == sorted([*stages, "cmkm_classifier"])
    page = (tmp_path / "out/reports/fusion_comparison/report.html").read_text()
    assert "CMC-CMKM, its authors" in page and "VSKD, the sensor alone" in page


@pytest.mark.long
def test_rows_on_frames_read_one_trunk_and_a_student_is_tested_on_the_sensor(tmp_path: Path) -> None:
    """With drawn weights in the published form."""
    weights = tmp_path / "weights.ckpt"
    kernels = json.loads((ROOT / "tests/models/i3d.json").read_text())["kernels"]
    drawn = reference.weights(kernels)
    weights.write_bytes(pickle.dumps(drawn))
    methods = ["hamlet", "mumu", "vskd-dask"]
    runs = trained(tmp_path, (*READ, "video"), methods, "--weights", f"i3d={weights}")
    found = {run.spec.stage: run for run in runs.values()}
    assert found.keys() == {"hamlet", "mumu", "vskd_teacher", "vskd_dask"} and len(runs) == 4
    assert len([*(tmp_path / "out/trunks/video").iterdir()]) == 1
    said = found["vskd_dask"].predictions()
    assert said["without_video"].equals(said["predicted"]) and len(np.unique(said["without_imu"].to_numpy())) == 1
    published = drawn["params"]["Mixed_4f"]["Branch_0/Conv3d_0a_1x1"]["Conv_0"]["kernel"]
    for run in runs.values():
        state = run.load("model")
        assert state
        kept = state["model"]["encoders.video.layers.12.branches.0.0.weight"].numpy()
        assert np.array_equal(kept, published.transpose(4, 3, 0, 1, 2)), run.spec.stage
