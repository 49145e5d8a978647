"""Methods of others as rows of a comparison, trained to their end at demo scale with few epochs."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datasets.synthetic import utd_mhad as synthetic
from orchestrator.storage.store import Store
from tests.orchestrator.plan.test_rivals import READ, RIVALS, STAGES

ROOT = Path(__file__).parents[2]
FEW = [word for stage in {s for stages in STAGES.values() for s in stages} for word in (f"{stage}.times_epochs", "0.2")]


@pytest.mark.long
def test_all_rows_are_trained_and_reported(tmp_path: Path) -> None:
    folder, storage = tmp_path / "recordings", tmp_path / "out"
    synthetic.write(folder, subjects=2, trials=2, actions=6, modalities=READ)
    words = [sys.executable, "experiments/fusion_comparison.py", "--corpus", "utd-mhad", "--recordings", folder]
    words += ["--storage", storage, "--modalities", *READ, "--methods", *RIVALS, "--only", "fusions", "--set", *FEW]
    done = subprocess.run([*map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = {folder.key: folder for folder in Store(storage).runs()}
    assert sorted(folder.spec.stage for folder in runs.values()) == sorted(
        [*{stage for stages in STAGES.values() for stage in stages}, "cmkm_classifier"]
    )
    results = json.loads((storage / "reports/fusion_comparison/results.json").read_text())
    assert [cell["variant"] for cell in results["cells"]] == list(RIVALS)
    for cell in results["cells"]:
        tested = pq.read_table(runs[cell["key"]].path / "predictions.parquet")
        assert cell["status"] == "done" and set(tested["subject"].to_pylist()) == {2} and cell["n"] == 12
    page = (storage / "reports/fusion_comparison/report.html").read_text()
    assert "CMC-CMKM, its authors" in page and "VSKD, the sensor alone" in page
