"""The frozen surfaces: flags, results.json, exit codes and what a dry run prints. A change here breaks someone."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import ray
import tyro

from datasets import corpora
from experiments import full_grid
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Plan
from orchestrator.plan.study import Study
from orchestrator.report import results
from orchestrator.storage.store import Store

SCRIPT = Path(full_grid.__file__)
FLAGS = """-h --help --corpus --recordings --scale --recipe --set --modalities --also --protocol --desk-classes
    --no-desk-classes --missing-sensors --seeds --only --storage --tracking-uri --address --weights --workers --gpus
    --concurrency --read --room --spot --no-spot --skip-bad --no-skip-bad --dry-run --no-dry-run --simulate"""
TOP = """plan corpus modalities also video scale scale_text recipe protocol protocol_text seeds command created classes
    bad_clips notes sharing cells runs subsets methods"""
CELL = """experiment model ratio hidden seed protocol key status reason top1 top5 f1 k n views top1_seen k_seen n_seen
    top1_hidden k_hidden n_hidden top1_without_imu k_without_imu n_without_imu top1_without_video k_without_video
    n_without_video method modalities variant scale_text paper"""
RUN = "kind modalities scored name parents seconds threads parameters times device status reason retried"


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may get as far as starting one."""
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("Ray was started"))


def command(*arguments: object) -> int | str | None:
    """As `python experiments/full_grid.py` in a process of its own, less its six seconds of imports."""
    try:
        options = tyro.cli(Options, args=[str(a) for a in arguments], prog="full_grid.py")
    except SystemExit as ended:
        return ended.code
    return launch("full_grid", full_grid.cells, options)


def script(*arguments: object) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"COLUMNS": "100"}
    words = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=300)


def test_flags() -> None:
    done = script("--help")
    assert done.returncode == 0
    heads = re.findall(r"^│ (-.*?)(?:  |│)", done.stdout, flags=re.MULTILINE)
    assert sorted(re.findall(r"(?<!\S)--?[a-z-]+", " ".join(heads))) == sorted(FLAGS.split())


def test_bad_input_of_a_real_command_is_one_line(tmp_path: Path) -> None:
    done = script("--corpus", "utd-mhad", "--recordings", tmp_path / "nowhere", "--storage", tmp_path / "out")
    assert done.returncode == 2
    assert re.fullmatch(r"full_grid: demo scale on utd-mhad, on a Ray started here; storage \S+\n", done.stdout)
    assert re.fullmatch(r"error: .*/nowhere: no such folder\. .*--recordings\.\n", done.stderr)
    assert not (tmp_path / "out").exists()


def test_an_address_where_no_ray_is_joined_is_one_line(tmp_path: Path) -> None:
    done = script("--address", "http://me:s3cret@head:8265", "--storage", tmp_path / "out")
    assert done.returncode == 2 and "s3cret" not in done.stdout + done.stderr and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: --address http://***@head:8265 is the dashboard's, by which no experiment")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--corpus utd-mhad", "--corpus utd-mhad needs --recordings DIR"),
        ("--corpus utd-mhad --recordings {tmp}", "has no folder RGB/"),
        ("--corpus utd-mhad --recordings {six} --weights {tmp}/none.pth", "none.pth: no such file"),
        ("--corpus utd-mhad --recordings {six} --weights i3d={tmp}/none.ckpt", "none.ckpt: no such file"),
        ("--seeds 0", "--seeds 0: at least 1"),
        ("--workers imu 0", "--workers imu 0: at least 1"),
        ("--corpus utd-mhad --recordings {six} --workers video 9", "a batch of 16 gives each less than two clips"),
        ("--gpus video 1.5", "--gpus video 1.5: from 0 to 1"),
        ("--gpus imu -1", "--gpus imu -1: from 0 to 1"),
        ("--corpus utd-mhad --recordings {six} --workers video 2 --gpus video 0.5", "--gpus video 1"),
        ("--room 0", "--room 0: at least 1"),
        ("--concurrency 0", "--concurrency 0: at least 1"),
        ("--storage {six}/corpus.json", "corpus.json is a file, not a folder"),
        ("--storage {six}/corpus.json/below", "corpus.json is a file, not a folder"),
        ("--storage /proc/out", "--storage /proc/out: user "),
    ],
)
def test_bad_input_is_refused_in_one_line(
    arguments: str, words: str, six: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Of a flag given twice the last counts.
    assert command("--storage", tmp_path / "out", *arguments.format(six=six, tmp=tmp_path).split()) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1 and words in message
    assert not (tmp_path / "out" / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "nonsense"], ["nonsense", "--only", "zero_shot"]),
        (["--scale", "nonsense"], ["nonsense", "--scale", "laptop"]),
        (["--simulate", "gpus=4"], ["--simulate gpus=4", "--dry-run"]),
        (["--dry-run", "--simulate", "gpu=4"], ["--simulate gpu=4", "gpus=N"]),
        (["--set", "imu.model.colour", "red"], ["--set imu.model.colour red", "no such field"]),
        (["--recipe", "nonsense"], ["nonsense", "--recipe", "paper"]),
        (["--seeds", "two"], ["two", "--seeds"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_words_that_mean_nothing_are_refused_by_name(
    arguments: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--storage", tmp_path, *arguments) == 2
    message = capsys.readouterr().err
    assert all(word in message for word in words) and "Traceback" not in message


def test_dry_run_prints_the_plan_and_starts_nothing(
    six: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--corpus", "utd-mhad", "--recordings", six, "--storage", tmp_path, "--dry-run"]
    assert command(*arguments) == 0
    text = capsys.readouterr().out
    parents = "(?:  from ([0-9a-f]{16}) \\+ ([0-9a-f]{16}))?"
    line = rf"^  ([0-9a-f]{{16}})  (\S.*?)  +(\d+) cell\(s\)  would run{parents}$"
    runs = re.findall(line, text, flags=re.MULTILINE)
    assert "full_grid: 27 cells behind 24 runs, 0 done" in text
    assert len(runs) == 24 and sum(int(cells) for _, _, cells, *_ in runs) == 27
    seen: set[str] = set()
    for key, name, _, *printed in runs:
        assert all(printed) == name.startswith("fusion") and seen.issuperset(filter(None, printed))
        seen.add(key)
    assert not {"runs", "reports", "shards", "mlflow.db"} & {path.name for path in tmp_path.iterdir()}

    done = Store(tmp_path).run(runs[0][0])
    done.path.mkdir(parents=True)
    done.finish(1.0)
    assert command(*arguments, "--only", "modalities", "imu") == 0
    text = capsys.readouterr().out
    assert "1 cells behind 1 runs, 1 done" in text and f"{done.key}  imu seed=0" in text and "would run" not in text


def test_results_json(six: Path, tmp_path: Path) -> None:
    manifest = replace(
        corpora.read("utd-mhad", six, tmp_path / "scans", ("imu", "video")), corpus="UTD-MHAD", shows={"video": "RGB"}
    )
    study, store = Study(manifest, "demo", "paper"), Store(tmp_path)
    plan = Plan.of("full_grid", full_grid.cells(study, 0), study.runs)
    of = {cell.model: cell.key for cell in plan.cells if cell.experiment == "modalities"}
    hidden = next(cell.key for cell in plan.cells if cell.hidden.get("imu") and cell.model == "imu")
    metrics = {"top1": 4 / 6, "top5": 1.0, "f1": 0.5, "k": 4, "n": 6}
    parts = {"top1_seen": 0.8, "k_seen": 4, "n_seen": 5, "top1_hidden": 0.0, "k_hidden": 0, "n_hidden": 1}
    for key, found in ((of["imu"], metrics), (hidden, metrics | parts)):
        store.run(key).begin(plan.runs[key])
        store.run(key).write_metrics(found)
        store.run(key).finish(12.5)
    store.run(of["video"]).begin(plan.runs[of["video"]])
    store.run(of["video"]).write_metrics(metrics)  # and then it failed: these count for nothing
    store.run(of["video"]).fail("ValueError: no", "Traceback")
    about = {"seeds": 1, "command": "python full_grid.py", "created": "2026-11-22T20:00:00Z"}
    content = results.collect(plan, study, store, {of["fusion"]: "needs video"}, about)

    assert json.loads(json.dumps(content)) == content
    assert set(content) == set(TOP.split())
    assert {frozenset(cell) for cell in content["cells"]} == {frozenset(CELL.split())}
    assert {frozenset(run) for run in content["runs"].values()} == {frozenset(RUN.split())}
    assert list(content["runs"]) == list(plan.runs) and len(content["cells"]) == 27
    imu, video, fusion = content["cells"][:3]
    assert imu.items() >= (metrics | {"status": "done", "reason": None, "top1_hidden": None}).items()
    assert imu["hidden"] == {"imu": [], "video": []}
    assert imu["paper"] == pytest.approx({"top1": 0.8542, "top5": 0.9714, "f1": 0.8544})
    assert (video["status"], video["reason"], video["top1"]) == ("failed", "ValueError: no", None)
    assert (fusion["status"], fusion["reason"]) == ("skipped", "needs video")
    starred = next(cell for cell in content["cells"] if cell["key"] == hidden)
    assert starred.items() >= parts.items() and starred["paper"] is None and len(starred["hidden"]["imu"]) == 1
    assert {cell["status"] for cell in content["cells"]} == {"done", "failed", "skipped", "pending"}
    assert content["runs"][of["fusion"]]["parents"] == {"imu": of["imu"], "video": of["video"]}
    assert content["runs"][of["imu"]]["seconds"] == 12.5 and content["runs"][of["video"]]["seconds"] is None
    sharing = {"cells": 27, "runs": 24, "stages_without": 44, "seconds": 25.0}
    assert content["sharing"].items() >= sharing.items()


def test_numbers_of_another_video_stand_beside_none_of_the_papers(six: Path, tmp_path: Path) -> None:
    study = Study(corpora.read("utd-mhad", six, tmp_path / "scans", ("imu", "video")), "demo", "paper")
    plan = Plan.of("full_grid", full_grid.cells(study, 0), study.runs)
    content = results.collect(plan, study, Store(tmp_path), {}, {})
    assert content["video"] == "drawn figure" and {cell["paper"] for cell in content["cells"]} == {None}


@pytest.mark.parametrize(
    ("recipe", "protocol", "said"),
    [
        ("paper", "odd-even", "last epoch, no selection"),
        ("tuned", "odd-even", "recipe tuned was chosen by subjects 1, 3, 5, 7, none of them tested"),
        ("tuned", "even-odd", "NOT CLEAN: recipe tuned was chosen by scores of subjects 1"),
        ("transfer", "even-odd", "NOT CLEAN: recipe transfer was chosen by scores of subjects 1"),
        ("tuned", "leave-one-subject-out", "NOT CLEAN: recipe tuned was chosen by scores of subjects 1"),
    ],
)
def test_a_recipe_chosen_by_the_tested_is_said_to_be(
    recipe: str, protocol: str, said: str, six: Path, tmp_path: Path
) -> None:
    study = Study(corpora.read("utd-mhad", six, tmp_path / "scans", ("imu", "video")), "demo", recipe, protocol)
    plan = Plan.of("full_grid", [c for fold in study.folds() for c in full_grid.cells(fold, 0)], study.runs)
    text = results.collect(plan, study, Store(tmp_path), {}, {})["protocol_text"]
    assert text.endswith(said) and f"({protocol})" in text
