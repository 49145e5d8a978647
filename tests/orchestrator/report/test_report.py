"""The page and the terminal's tables, from made-up results."""

import re
from pathlib import Path

import numpy as np

from orchestrator.report import figures, html, pictures
from tests.orchestrator.report.test_pictures import look
from tests.support.runs.made_up import PLOTS, fail, in_folds, make, named, terminal, text_of, write


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
    assert text.count("cross-subject: subjects 1, 3 train, 2, 4 test") == text.count("8 frames of 32x32") == 1
    for caption in ("k/n are test clips right of all", "The expected calibration error is", "Rows are true classes"):
        assert text.count(caption) == 1


def test_depth_is_never_called_rgb_and_the_paper_stands_apart(depth):
    text = text_of(depth[1])
    for label in (
        "depth video (AVI) only",
        "IMU + depth video (AVI)",
        "depth video (AVI)*",
        "IMU* + depth video (AVI)",
        "depth video (AVI)* + IMU",
    ):
        assert label in text
    for label in ("RGB only", "IMU + RGB", "RGB*", "IMU* + RGB"):
        assert label not in text
    apart = "The paper's RGB numbers, a distant reference"
    assert text.index("depth video (AVI) only 75.00") < text.index(apart)
    assert "85.42" not in text[: text.index("distant reference")]
    assert "74.76" in text and "HAMLET" in text


def test_the_paper_stands_apart_from_another_protocol(no_plots, tmp_path):
    results = make(tmp_path / "runs", "RGB", "UTD-MHAD") | {"protocol": "trials"}
    text = text_of(write(results, tmp_path))
    assert "a distant reference They are of protocol odd-even, ours are of trials: other clips" in text
    assert "96.05" not in text[: text.index("distant reference")] and "colour frames" not in text
    assert "protocol odd-even" in terminal(results)


def test_rgb_stands_beside_the_paper(no_plots, tmp_path):
    text = text_of(write(make(tmp_path / "runs", "RGB", "UTD-MHAD"), tmp_path))
    assert "RGB only" in text and "distant reference" not in text
    assert "IMU + RGB 75.00 9/12 46.77 to 91.11 100.00 50.00 Video + Sensor 96.05 100 96.05" in text


def test_unknown_corpus_has_no_printed_numbers(no_plots, tmp_path):
    text = text_of(write(make(tmp_path / "runs", "drawn figure", "synthetic"), tmp_path))
    assert "IMU + Drawn figure" in text and "prints no numbers for this corpus" in text and "HAMLET" not in text


def test_figure_3_has_two_panels(monkeypatch):
    drawn: list[list[str]] = []
    titles = lambda figure, *axes: drawn.append([panel.get_title() for panel in axes]) or b""  # noqa: E731
    monkeypatch.setattr(figures, "png", titles)
    bars = [
        figures.Series("IMU*", 0, {1: [80.0, 82.0], 3: []}),
        figures.Series("Depth*", 1, {1: [], 3: [9.0]}),
    ]
    figures.hidden_bars(bars, bars)
    assert drawn == [["top-1 accuracy (%)", "macro F1 (%)"]]


def test_hidden_classes_are_named(depth):
    text = text_of(depth[1])
    assert "squat (wrist)" in text and "wave (wrist), squat (wrist)" in text and "all bars" in text


def test_thigh_and_wrist(no_plots, tmp_path):
    results = make(tmp_path / "runs")
    results["classes"] = [f"class{index}" for index in range(27)]
    for cell in results["cells"]:
        cell["hidden"] = {name: [20, 21] if hidden else [] for name, hidden in cell["hidden"].items()}
    assert "class20 (wrist), class21 (thigh)" in text_of(write(results, tmp_path))


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
    path = html.write(results, tmp_path / "none", tmp_path / "report")
    assert "17 of 17 results are missing" in text_of(path.read_text())
    assert not list((tmp_path / "report").glob("*.png"))
    assert "pending" in terminal(results)


def test_missing_run_files_are_said(tmp_path):
    results = make(tmp_path / "runs")
    results["cells"] = [cell for cell in results["cells"] if cell["experiment"] == "modalities"]
    (tmp_path / "runs" / "video-10-0-0-0" / "predictions.parquet").unlink()
    (tmp_path / "runs" / "imu-10-0-0-0" / "history.jsonl").unlink()
    assert "depth video (AVI) only: no confusion matrix" in text_of(write(results, tmp_path))


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


def test_what_is_noted_stands_on_the_page_and_a_warning_stands_out(no_plots, tmp_path):
    results = make(tmp_path / "runs")
    results["notes"] = ["4 of 20 clips are not used", "WARNING: it is likely in <m/s^2>"]
    page = write(results, tmp_path)
    assert '<p class="caption">4 of 20 clips are not used</p>' in page
    assert '<aside class="warn">it is likely in &lt;m/s^2&gt;</aside>' in page


def test_plots_with_several_seeds_and_gaps(tmp_path):
    results = make(tmp_path / "runs", "RGB", "UTD-MHAD", seeds=2)
    for index in (0, 4, 12):
        fail(results, index, "failed", "out of memory")
    write(results, tmp_path)
    assert {file.stem for file in (tmp_path / "report").glob("*.png")} == PLOTS


def test_every_plot_says_its_protocol(monkeypatch, tmp_path):
    """A PNG goes on without its page."""
    said: dict[str, str] = {}
    for module in (figures, pictures):
        show = lambda figure, *axes: said.setdefault(str(len(said)), figure.get_suptitle()).encode()  # noqa: E731
        monkeypatch.setattr(module, "png", show)
    results = make(tmp_path / "runs") | {
        "protocol_text": "cross-subject (odd-even): $1$ trains; NOT CLEAN: " + "x " * 60
    }
    html.write(results, tmp_path / "runs", tmp_path / "report", looks=[look()])
    assert len(said) == len(PLOTS) + 1, "and of a clip the signal; frames hold no number"
    for text in said.values():
        assert " ".join(text.split()) == results["protocol_text"].strip() and "\n" in text


def test_class_names_are_not_mathematics():
    assert figures.confusion(np.eye(2, dtype=int), ["$\\frac$", "$x$"], "title").startswith(b"\x89PNG")


def test_terminal_tables_keep_brackets_and_the_paper_apart(tmp_path):
    results = make(tmp_path / "runs", corpus="UTD-MHAD [depth]")
    text = terminal(results)
    assert "Table 2, UTD-MHAD [depth]" in text and "75.00 (9/12)" in text and "depth video (AVI)* + IMU" in text
    assert text.index("75.00 (9/12)") < text.index("a distant reference") < text.index("96.05") < text.index("Figure 2")
    beside = terminal(results | {"video": "RGB", "modalities": named(results["modalities"], "RGB")})
    assert "distant" not in beside and re.search(r"RGB only.*74\.76", beside)
    hidden = [cell for cell in results["cells"] if cell["experiment"] == "zero_shot"]
    assert "distant" not in terminal(results | {"cells": hidden}), "there is no table it could be beside"


def test_hidden_and_seen_classes_stand_apart_in_the_terminal_and_one_draw_is_called_one(no_plots, tmp_path):
    results = make(tmp_path / "runs")
    starred = [cell for cell in results["cells"] if cell["model"] == "fusion" and len(cell["hidden"]["imu"]) == 2]
    for cell in starred:
        cell.update(k_hidden=1, top1_hidden=1 / 4, k_seen=6, top1_seen=6 / 8)
    assert starred
    [row] = [line for line in terminal(results).splitlines() if "75.00, 25.00, 37.50" in line]
    assert "IMU* + depth video (AVI)" in row
    assert "One seed is one draw" in text_of(write(results, tmp_path))
    several = text_of(write(make(tmp_path / "more", seeds=2), tmp_path))
    assert "over draws and trainings together" in several and "one draw" not in several


def test_the_terminal_has_intervals_over_seeds(tmp_path):
    text = terminal(make(tmp_path / "runs", seeds=3))
    assert "below a mean its 95 % interval" in text and "83.33 ± 8.33" in text and "62.63 to 100.00" in text


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
    page = html.write(ours, tmp_path / "UTD-MHAD", tmp_path / "report", [other]).read_text()
    assert page.index("Table 2 on MMAct") < page.index("64.28") < page.index("71.89")
    assert "Table 2 on" not in html.write(ours, tmp_path / "UTD-MHAD", tmp_path / "report").read_text()


def test_many_seeds_and_runs_are_folded_and_few_are_not(tmp_path: Path) -> None:
    results = make(tmp_path / "runs")
    assert "<details" not in (page := write(results, tmp_path)) and 'class="scroll long"' not in page
    cells = results["cells"]
    results["cells"] = [cell | {"seed": seed, "key": f"{cell['key']}-{seed}"} for cell in cells for seed in range(26)]
    results["runs"] = {f"{key}-{seed}": run for key, run in results["runs"].items() for seed in range(26)}
    for key in results["runs"]:
        (tmp_path / "runs" / key).symlink_to(key.rpartition("-")[0])
    results["seeds"] = 26
    page = write(results, tmp_path)
    assert page.count("<summary>26 seeds</summary>") > 9  # each score of Table 2 alone
    assert page.count("<summary>52 runs</summary>") > 2  # behind a claim
    assert re.search(r"<(small|p)\b[^>]*>(?:(?!</\1>).)*<details", page) is None
    assert page.count('class="scroll long"') == 1 and page.count('<tr id="run-') == len(results["runs"])


def test_each_number_of_several_folds_leads_to_their_runs(tmp_path: Path) -> None:
    page = write(in_folds(make(tmp_path / "runs"), tmp_path / "runs"), tmp_path)
    for name in ("Top-1", "Top-5", "Macro F1"):
        [entry, *_] = re.findall(rf'<td class="n" data-name="{name}">(.*?)</td>', page, re.DOTALL)
        assert entry.count('href="#run-') == 2, name
