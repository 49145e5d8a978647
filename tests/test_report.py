"""The report from made-up results: three classes, twelve clips, two test subjects."""

import copy
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from orchestrator import claims, figures, paper, report, scores

CLASSES = ["wave", "clap", "squat"]
LABELS = [0, 1, 2] * 4
PLOTS = {"figure2", "figure3", "curves", "confusion_imu", "confusion_video", "confusion_fusion"}


def make(runs: Path, video: str = "depth", corpus: str = "UTD-MHAD (depth video)", seeds: int = 1) -> dict[str, Any]:
    """A whole grid; the run of seed s gets 9 + s of 12 clips right, one less with a quarter of the data."""
    results: dict[str, Any] = {
        "plan": "full_grid",
        "corpus": corpus,
        "video": video,
        "scale": "demo",
        "scale_text": "8 frames of 32x32",
        "recipe": "paper",
        "protocol": "odd-even",
        "protocol_text": "cross-subject: subjects 1, 3 train, 2, 4 test",
        "seeds": seeds,
        "command": "full_grid.py --scale demo",
        "created": "2026-11-22T20:00:00Z",
        "classes": list(CLASSES),
        "bad_clips": [],
        "sharing": {"stages_without": 44, "runs": 24, "cells": 27, "seconds": 5000.0, "seconds_without": 9000.0},
        "cells": [],
        "runs": {},
    }
    nothing: dict[str, list[int]] = {"imu": [], "video": []}
    for seed in range(seeds):
        for model in ("imu", "video", "fusion"):
            _cell(results, runs, "modalities", model, 1.0, nothing, seed, 9 + seed)
            _cell(results, runs, "ratio", model, 1.0, nothing, seed, 9 + seed)
            _cell(results, runs, "ratio", model, 0.25, nothing, seed, 8 + seed)
        for model, star in scores.BARS:
            for hidden in ([2], [0, 2]):
                _cell(results, runs, "zero_shot", model, 1.0, {**nothing, star: hidden}, seed, 7 + seed)
    return results


def _cell(
    results: dict, runs: Path, experiment: str, model: str, ratio: float, hidden: dict, seed: int, right: int
) -> None:
    key = f"{model}-{ratio}-{len(hidden['imu'])}-{len(hidden['video'])}-{seed}".replace(".", "")
    cell = {"experiment": experiment, "model": model, "ratio": ratio, "hidden": hidden, "seed": seed, "key": key}
    cell |= {"status": "done", "reason": None, "top1": right / 12, "top5": 1.0, "f1": 0.5, "k": right, "n": 12}
    if experiment == "zero_shot":
        cell |= {"top1_seen": right / 8, "k_seen": right, "n_seen": 8, "top1_hidden": 0.0, "k_hidden": 0, "n_hidden": 4}
    results["cells"].append({**cell, "paper": None})
    named = {"kind": model, "parents": {}, "seconds": 12.0, "status": "done", "name": f"{model} {ratio} {seed}"}
    results["runs"][key] = named
    folder = runs / key
    if folder.exists():
        return
    folder.mkdir(parents=True)
    clips = {
        "clip": [f"a{label + 1}_s2_t{i}" for i, label in enumerate(LABELS)],
        "subject": [2] * 6 + [4] * 6,
        "label": LABELS,
    }
    clips["predicted"] = LABELS[:right] + [(label + 1) % 3 for label in LABELS[right:]]
    pq.write_table(pa.table(clips), folder / "predictions.parquet")
    epochs = [json.dumps({"epoch": epoch, "loss": 1 / epoch, "train_top1": 0.5, "seconds": 1.0}) for epoch in (1, 2)]
    (folder / "history.jsonl").write_text("\n".join(epochs) + '\n{"epoch": 3, "lo')


def fail(results: dict, index: int, status: str, reason: str) -> str:
    """Take the scores of one cell away and return its run's key."""
    cell = results["cells"][index]
    results["cells"][index] = {
        **{name: cell[name] for name in ("experiment", "model", "ratio", "hidden", "seed", "key")},
        **{"status": status, "reason": reason, "paper": None},
    }
    return cell["key"]


def write(results: dict, folder: Path) -> str:
    path = report.write(results, folder / "runs", folder / "report")
    assert path == folder / "report" / "report.html"
    return path.read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees: no images, no tags, single spaces."""
    body = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", body)


def terminal(results: dict) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    for table in report.tables(results):
        console.print(table)
    return console.export_text()


@pytest.fixture(scope="module")
def depth(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("depth")
    return folder, write(make(folder / "runs"), folder)


@pytest.fixture
def no_plots(monkeypatch):
    """Drawing is most of a report's second."""
    monkeypatch.setattr(report, "_draw", lambda results, runs, predictions: {})


def test_page_and_plots_are_written_and_self_contained(depth):
    folder, page = depth
    assert {file.stem for file in (folder / "report").glob("*.png")} == PLOTS
    assert page.count("data:image/png;base64,") == len(PLOTS)
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)


def test_every_link_leads_to_a_run(depth):
    _, page = depth
    targets = set(re.findall(r'id="(run-[^"]*)"', page))
    assert targets and set(re.findall(r'href="#(run-[^"]*)"', page)) <= targets


def test_counts_and_protocol_stand_beside_the_scores(depth):
    text = text_of(depth[1])
    assert "75.00 9/12" in text and "66.67 8/12" in text
    assert (
        text.count("cross-subject: subjects 1, 3 train, 2, 4 test. 8 frames of 32x32") == 3
    )  # Table 2, Figures 2 and 3


def test_depth_is_never_called_rgb_and_the_paper_stands_apart(depth):
    text = text_of(depth[1])
    for label in ("Depth only", "IMU + Depth", "Depth*", "IMU* + Depth", "Depth* + IMU"):
        assert label in text
    for label in ("RGB only", "IMU + RGB", "RGB*", "IMU* + RGB"):
        assert label not in text
    apart = "The paper's RGB numbers, a distant reference"
    assert text.index("Depth only 75.00") < text.index(apart)
    assert "85.42" not in text[: text.index("distant reference")]
    assert "74.76" in text and "HAMLET" in text


def test_rgb_stands_beside_the_paper(no_plots, tmp_path):
    text = text_of(write(make(tmp_path / "runs", "RGB", "UTD-MHAD"), tmp_path))
    assert "RGB only" in text and "distant reference" not in text
    assert "IMU + RGB 75.00 9/12 100.00 50.00 Video + Sensor 96.05 100 96.05" in text


def test_unknown_corpus_has_no_printed_numbers(no_plots, tmp_path):
    text = text_of(write(make(tmp_path / "runs", "drawn figure", "synthetic"), tmp_path))
    assert "IMU + Drawn figure" in text and "prints no numbers for this corpus" in text and "HAMLET" not in text


def test_figure_3_has_two_panels(monkeypatch):
    drawn: list[list[str]] = []
    titles = lambda figure, *axes: drawn.append([panel.get_title() for panel in axes]) or b""  # noqa: E731
    monkeypatch.setattr(figures, "_png", titles)
    bars = [
        figures.Series("IMU*", "imu", {1: [80.0, 82.0], 3: []}),
        figures.Series("Depth*", "video", {1: [], 3: [9.0]}),
    ]
    figures.hidden_bars(bars, bars)
    assert drawn == [["top-1 accuracy (%)", "macro F1 (%)"]]


def test_hidden_classes_are_named(depth):
    text = text_of(depth[1])
    assert "squat (wrist)" in text and "wave (wrist), squat (wrist)" in text and "all four bars" in text


def test_thigh_and_wrist(no_plots, tmp_path):
    results = make(tmp_path / "runs")
    results["classes"] = [f"class{index}" for index in range(27)]
    for cell in results["cells"]:
        cell["hidden"] = {name: [20, 21] if hidden else [] for name, hidden in cell["hidden"].items()}
    assert "class20 (wrist), class21 (thigh)" in text_of(write(results, tmp_path))


def test_claims_are_differences_in_points(depth):
    text = text_of(depth[1]).replace("\u00a0", " ")
    quarter = "25 % of the training data against all of it about −10 −8.33 [−25.00 to +0.00; p = 1.000]"
    assert f"{quarter} not testable on this data (depth video, the number is of RGB)" in text
    assert "IMU* against nothing hidden 1: −2; 5: −14 1: −16.67 [" in text
    assert "IMU + Depth is above IMU only +10.63 +0.00 [+0.00 to +0.00; p = 1.000] not told apart" in text
    assert text.count("with other people the intervals would be wider") == 3


def test_claims_about_numbers_are_judged_where_the_video_is_rgb(no_plots, tmp_path):
    results = make(tmp_path / "runs", video="RGB", corpus="UTD-MHAD")
    text = text_of(write(results, tmp_path)).replace("\u00a0", " ")
    assert "[−25.00 to +0.00; p = 1.000] holds" in text
    for file in (tmp_path / "runs").glob("fusion-*/predictions.parquet"):
        file.unlink()
    text = text_of(write(results, tmp_path))
    assert "significantly better not testable on this data (results missing)" in text


def test_failed_and_skipped_cells_are_named_with_their_reason(no_plots, tmp_path):
    results = make(tmp_path / "runs")
    failed = fail(results, 3, "failed", "loss is not finite")
    fail(results, 6, "skipped", "its video run failed")
    page = write(results, tmp_path)
    text = text_of(page)
    assert "2 of 17 results are missing:" in text and "1 failed, 1 skipped" in text
    assert text.index("loss is not finite") < text.index("Table 2: single modalities")
    assert "its video run failed" in text and f'href="#run-{failed}"' in page


def test_nothing_done_still_gives_a_page(tmp_path):
    results = make(tmp_path / "runs")
    for index in range(len(results["cells"])):
        fail(results, index, "pending", "")
    results |= {"runs": {}, "sharing": {**results["sharing"], "seconds": None, "seconds_without": None}}
    path = report.write(results, tmp_path / "none", tmp_path / "report")
    assert "17 of 17 results are missing" in text_of(path.read_text())
    assert not list((tmp_path / "report").glob("*.png"))
    assert "pending" in terminal(results)


def test_missing_run_files_are_said(tmp_path):
    results = make(tmp_path / "runs")
    results["cells"] = [cell for cell in results["cells"] if cell["experiment"] == "modalities"]
    (tmp_path / "runs" / "video-10-0-0-0" / "predictions.parquet").unlink()
    (tmp_path / "runs" / "imu-10-0-0-0" / "history.jsonl").unlink()
    assert "Depth only: no confusion matrix" in text_of(write(results, tmp_path))


def test_one_experiment_alone(no_plots, tmp_path):
    whole = make(tmp_path / "runs")
    for experiment in ("modalities", "ratio", "zero_shot"):
        results = {**whole, "cells": [cell for cell in whole["cells"] if cell["experiment"] == experiment]}
        write(results, tmp_path)
        assert terminal(results)


def test_names_from_outside_are_escaped(no_plots, tmp_path):
    results = make(tmp_path / "runs", corpus="UTD-MHAD <script>alert(1)</script>")
    results["classes"][2] = "<script>$x$</script>"
    results["bad_clips"] = [{"file": "<script>", "reason": "<img src=x>"}]
    fail(results, 0, "failed", "<script>")
    page = write(results, tmp_path)
    assert "<script" not in page and "<img src=x" not in page
    assert "&lt;script&gt;$x$&lt;/script&gt;" in page and "1 unreadable clip." in text_of(page)


def test_plots_with_several_seeds_and_gaps(tmp_path):
    results = make(tmp_path / "runs", "RGB", "UTD-MHAD", seeds=2)
    for index in (0, 4, 12):
        fail(results, index, "failed", "out of memory")
    write(results, tmp_path)
    assert {file.stem for file in (tmp_path / "report").glob("*.png")} == PLOTS


def test_class_names_are_not_mathematics():
    assert figures.confusion(np.eye(2, dtype=int), ["$\\frac$", "$x$"], "title").startswith(b"\x89PNG")


def test_several_seeds_give_mean_and_deviation(no_plots, tmp_path):
    results = make(tmp_path / "runs", seeds=3)
    text = text_of(write(copy.deepcopy(results), tmp_path))
    assert "83.33 ± 8.33 62.63 to 100.00 9/12 10/12 11/12" in text  # 9, 10, 11 of 12; t of two degrees is 4.303
    fail(results, 0, "failed", "out of memory")
    assert "87.50 ± 5.89 34.56 to 100.00 2 of 3 seeds failed 10/12 11/12" in text_of(write(results, tmp_path))
    assert "87.50 ± 5.89 (2 of 3 seeds)" in terminal(results)


def test_terminal_tables_keep_brackets_and_the_paper_apart(tmp_path):
    results = make(tmp_path / "runs", corpus="UTD-MHAD [depth]")
    text = terminal(results)
    assert "Table 2, UTD-MHAD [depth]" in text and "75.00 (9/12)" in text and "Depth* + IMU" in text
    assert text.index("75.00 (9/12)") < text.index("a distant reference") < text.index("96.05") < text.index("Figure 2")
    beside = terminal({**results, "video": "RGB"})
    assert "distant" not in beside and re.search(r"RGB only.*74\.76", beside)


def test_paper_rows_are_as_printed():
    assert paper.printed("UTD-MHAD (RGB video)", "fusion") == pytest.approx({"top1": 0.9605, "top5": 1.0, "f1": 0.9605})
    assert paper.printed("MMAct", "imu") == pytest.approx({"top1": 0.6428, "top5": 0.9057, "f1": 0.6545})
    assert paper.printed("synthetic", "imu") is None
    assert len(paper.TABLE2) == 8


def test_harmonic_mean_of_seen_and_hidden():
    assert scores.harmonic(0.8, 0.2) == pytest.approx(0.32)
    assert scores.harmonic(0.8, 0.0) == 0.0 == scores.harmonic(0.0, 0.0)
    assert scores.harmonic(None, 0.2) is None


def test_folds_are_averaged_and_their_clips_added(no_plots, tmp_path):
    """Two folds of leave-one-subject-out: 9 and 6 of 12 right; a seed has one row."""
    results = make(tmp_path / "runs")
    for cell in results["cells"]:
        cell["protocol"] = "leave-one-subject-out/2"
    other = copy.deepcopy([cell for cell in results["cells"] if cell["experiment"] == "modalities"])
    for cell in other:
        cell |= {"protocol": "leave-one-subject-out/4", "k": 6, "top1": 0.5, "key": cell["key"] + "-fold"}
    results["cells"] += other
    (cell,) = scores.modality(results, "imu")
    assert (cell["k"], cell["n"], cell["top1"], cell["status"]) == (15, 24, pytest.approx(0.625), "done")
    assert len(cell["keys"]) == 2
    text = text_of(write(results, tmp_path))
    assert "62.50 15/24" in text
    other[0] |= {"status": "failed", "top1": None, "k": None, "n": None}
    (cell,) = scores.modality(results, "imu")
    assert (cell["top1"], cell["status"]) == (None, "failed")


def test_variants_of_the_fusion_stand_against_the_papers(no_plots, tmp_path):
    results = make(tmp_path / "runs")
    text = text_of(write(results, tmp_path)).replace("\u00a0", " ")
    assert "Variants of the fusion" not in text and "not testable on this data (this plan; see" in text
    results["cells"] = [cell for cell in results["cells"] if cell["experiment"] == "modalities"]
    fused = results["cells"].pop()
    lost = {"top1_without_imu": 0.25, "k_without_imu": 3, "n_without_imu": 12}
    for variant, right in (("one-stage", 6), ("", 9)):
        _cell(results, tmp_path / "runs", "stages", "fusion", 1.0, {"imu": [], "video": []}, 7 + right, right)
        results["cells"][-1] |= {"variant": variant, "seed": 0} | lost
    assert fused["key"] not in {cell["key"] for cell in results["cells"]}
    text = text_of(write(results, tmp_path)).replace("\u00a0", " ")
    assert "Do two stages help" in text
    assert "together from what stage 1 starts from 50.00 6/12 50.00 25.00 3/12 – −25.00 [" in text
    assert "IMU + Depth 75.00 9/12" in text, "Table 2 has the paper's variant"
    assert "Training in two stages makes the fused model better not tested by the paper either +25.00 [" in text
    assert "without IMU" in terminal(results) and "everything" not in terminal(results)


def test_where_the_time_goes_adds_up(no_plots, tmp_path):
    results = make(tmp_path / "runs")
    assert "Where the time of a run goes" not in write(results, tmp_path)
    for run in results["runs"].values():
        run["times"] = {"set-up": 1.0, "data": 0.5, "steps": 6.0, "checkpoints": 0.0, "evaluation": 2.0}
    text = text_of(write(results, tmp_path))
    assert "processes set-up data steps checkpoints evaluation all" in text
    assert "IMU only 4 2.5 1.0 0.5 6.0 0.0 2.0 12.0" in text


def test_one_page_holds_both_corpora(tmp_path: Path):
    ours, other = (make(tmp_path / corpus, "RGB", corpus) for corpus in ("UTD-MHAD", "MMAct"))
    page = report.write(ours, tmp_path / "UTD-MHAD", tmp_path / "report", [other]).read_text()
    assert page.index("Table 2 on MMAct") < page.index("64.28") < page.index("71.89")
    assert "Table 2 on" not in report.write(ours, tmp_path / "UTD-MHAD", tmp_path / "report").read_text()


def test_what_the_paper_tested_on_utd_mhad_alone_is_no_claim_about_mmact(tmp_path: Path):
    found = claims.hiding(make(tmp_path / "MMAct", "RGB", "MMAct"), lambda key: None)
    assert {claim.paper for claim in found} == {claims.NOT_PRINTED}
    found = claims.hiding(make(tmp_path / "UTD-MHAD", "RGB", "UTD-MHAD"), lambda key: None)
    assert claims.NOT_PRINTED not in {claim.paper for claim in found}
