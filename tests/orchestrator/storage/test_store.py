"""Run folders: what they say of a run, and that nobody ever reads half of something."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from datasets.files.atomic import write_whole
from models.spec import EncoderSpec
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
from tests.support.runs import specs

SPEC = specs.run("imu")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = Store(tmp_path).run(SPEC.key)
    folder.begin(SPEC)
    return folder


def files(folder: RunFolder) -> set[str]:
    return {file.name for file in folder.path.iterdir()}


def rows(*epochs: int) -> list[dict]:
    return [{"epoch": epoch, "loss": 1 / epoch} for epoch in epochs]


def test_a_run_that_was_never_begun_is_pending(tmp_path: Path) -> None:
    folder = Store(tmp_path).run("ab")
    assert (folder.key, folder.path) == ("ab", tmp_path / "runs" / "ab")
    assert (folder.status, folder.history(), folder.load("model"), folder.record("metrics")) == (
        "pending",
        [],
        None,
        {},
    )
    assert not folder.path.exists()


def test_from_begin_to_done(folder: RunFolder) -> None:
    assert (folder.status, folder.spec) == ("pending", SPEC)
    folder.save("checkpoint", {"epoch": 1})
    folder.save("model", {"epoch": 3})
    folder.write_metrics({"top1": 0.5})
    assert folder.status == "pending", "only done.json says that a run is whole"
    folder.finish(12.5)
    assert folder.status == "done"
    assert folder.record("done")["seconds"] == 12.5 and folder.record("metrics") == {"top1": 0.5}
    assert files(folder) == {"spec.json", "model.pt", "metrics.json", "done.json"}


def test_a_run_without_a_checkpoint_begins_again_without_the_epochs_of_its_earlier_attempt(folder: RunFolder) -> None:
    folder.append_history(rows(1)[0])
    folder.begin(SPEC)
    assert folder.history() == [] and folder.attempts()[-1]["epoch"] == 1


def test_a_done_run_whose_spec_is_written_again_keeps_its_epochs(folder: RunFolder) -> None:
    folder.append_history(rows(1)[0])
    folder.finish(1.0)
    folder.begin(SPEC)
    assert folder.history() == rows(1)


def test_a_failed_run_begins_again_from_its_checkpoint(folder: RunFolder) -> None:
    folder.save("checkpoint", {"epoch": 1})
    folder.append_history(rows(1)[0])
    folder.fail("ValueError: no", "Traceback ...")
    assert folder.status == "failed"
    assert folder.record("failed").items() >= {"reason": "ValueError: no", "trace": "Traceback ..."}.items()
    folder.begin(SPEC)
    assert folder.status == "pending" and folder.record("failed") == {}
    assert folder.load("checkpoint") == {"epoch": 1} and folder.history() == rows(1)


def test_done_outweighs_failed(folder: RunFolder) -> None:
    folder.fail("its trial was lost", "")
    folder.finish(1.0)
    assert folder.status == "done"


@pytest.mark.parametrize("cut", ['{"epoch": 3, "lo', '{"epoch": 3, "loss": 0.5}', "\x00"])
def test_a_line_cut_off_by_a_crash_is_no_row(folder: RunFolder, cut: str) -> None:
    for row in rows(1, 2):
        folder.append_history(row)
    with (folder.path / "history.jsonl").open("a") as f:
        f.write(cut)
    assert folder.history() == rows(1, 2)
    # What a worker does when it goes on: the rest of the line is gone before the next is written.
    folder.cut_history(2)
    folder.append_history(rows(3)[0])
    assert folder.history() == rows(1, 2, 3)


@pytest.mark.parametrize("epochs", [0, 1, 3, 9])
def test_cut_history_forgets_what_came_after_a_checkpoint(folder: RunFolder, epochs: int) -> None:
    folder.cut_history(epochs)
    assert folder.history() == []
    for row in rows(1, 2, 3):
        folder.append_history(row)
    folder.cut_history(epochs)
    assert folder.history() == rows(1, 2, 3)[:epochs]
    assert files(folder) == {"spec.json", "history.jsonl"}


class Unwritable(dict):
    def __reduce__(self):
        raise OSError("disk full")


def test_a_write_that_breaks_leaves_what_was_there(folder: RunFolder) -> None:
    folder.save("checkpoint", {"epoch": 1, "weight": torch.arange(3.0)})
    with pytest.raises(OSError, match="disk full"):
        folder.save("checkpoint", {"weight": torch.zeros(100_000), "broken": Unwritable()})
    loaded = folder.load("checkpoint")
    assert loaded is not None and loaded["epoch"] == 1 and loaded["weight"].tolist() == [0, 1, 2]
    with pytest.raises(UnicodeEncodeError):
        write_whole(folder.path / "spec.json", "half\ud800")
    assert folder.spec == SPEC


class Touch:
    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_a_checkpoint_that_cannot_be_read_is_named_and_runs_no_code(folder: RunFolder, tmp_path: Path) -> None:
    torch.save({"model": Touch(tmp_path / "ran")}, folder.path / "model.pt")
    folder.save("checkpoint", {"weight": torch.zeros(1000)})
    whole = (folder.path / "checkpoint.pt").read_bytes()
    (folder.path / "checkpoint.pt").write_bytes(whole[: len(whole) // 2])
    for name in ("model", "checkpoint"):
        with pytest.raises(ValueError, match=f"{name}.pt: can't be read"):
            folder.load(name)
    assert not (tmp_path / "ran").exists()


def test_predictions_are_written_whole(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"label": [0, 1], "predicted": [0, 0], "probabilities": [[0.9, 0.1], [0.6, 0.4]]})
    seen: list[set[str]] = []
    whole = pq.write_table

    def write_and_look(*args, **how) -> None:
        seen.append(files(folder))
        whole(*args, **how)
        seen.append(files(folder))

    monkeypatch.setattr(pq, "write_table", write_and_look)
    folder.write_predictions(table)
    assert not any("predictions.parquet" in names for names in seen), "written under another name first"
    assert pq.read_table(folder.path / "predictions.parquet").equals(table)
    assert files(folder) == {"spec.json", "predictions.parquet"}


def test_store_knows_what_is_done(tmp_path: Path, folder: RunFolder) -> None:
    store = Store(tmp_path)
    done, failed = store.run("d0"), store.run("f0")
    for other in (done, failed):
        other.begin(SPEC)
    done.finish(1.0)
    failed.fail("no", "")
    assert store.done(["d0", "f0", SPEC.key, "nowhere"]) == {"d0"}


@pytest.mark.parametrize(
    ("encoder", "weights", "file"),
    [
        ("s3d", "kinetics400", "s3d-d76dad2f.pth"),
        ("s3d", "sha256:0123456789abcdef", "0123456789abcdef.pth"),
        ("i3d", "kinetics400", "i3d-af5c50f0df57cc48.ckpt"),
        ("i3d-depth", "kinetics400", "i3d-af5c50f0df57cc48.ckpt"),
        ("i3d", "sha256:0123456789abcdef", "0123456789abcdef.ckpt"),
    ],
)
def test_weights_have_their_place(tmp_path: Path, encoder: str, weights: str, file: str) -> None:
    assert Store(tmp_path).weights(EncoderSpec(encoder, {"weights": weights})) == tmp_path / "weights" / file


def test_spec_json_is_readable(folder: RunFolder) -> None:
    assert json.loads((folder.path / "spec.json").read_text()) == SPEC.to_json() | {"about": {}, "attempt": 1}
