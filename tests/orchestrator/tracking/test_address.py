"""Which MLflow is meant, odd paths and moved storages, on real sqlite files."""

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from datasets import corpora
from experiments.track import Where, track
from orchestrator.plan.options import Options
from orchestrator.report.results import tags
from orchestrator.storage.store import Store
from orchestrator.tracking import relocation
from orchestrator.tracking.address import Address, address, file_of, is_own, sqlite
from orchestrator.tracking.background import Background
from orchestrator.tracking.tracker import Tracker
from tests.support.tracked import ABOUT, CLASSES, FUSION, IMU, finish, train

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

ODD = "100 %20 of it?x=1&y #1 Größe+z's"


def test_the_flag_wins_over_the_variable_and_both_over_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path("/data/out")
    assert address(None, root) == Address("sqlite:////data/out/mlflow.db", None)
    assert address(None, root).source == "in the storage"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://lab:5000")
    assert address(None, root) == Address("http://lab:5000", "MLFLOW_TRACKING_URI")
    assert address(None, root).source == "from MLFLOW_TRACKING_URI"
    flag = address("http://mine:5000", root)
    assert (flag.uri, flag.source) == ("http://mine:5000", "from --tracking-uri, which wins over MLFLOW_TRACKING_URI")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", " ")
    assert address(None, root).given_by is None


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("127.0.0.1:5000", "the address has no scheme. Write http://127.0.0.1:5000"),
        ("mlflow.lab:5000/x", "the address has no scheme"),
        ("./mlruns", "this is a folder, and MLflow logs into folders no longer.*MLFLOW_ALLOW_FILE_STORE=true"),
        ("file:///lab/mlruns", "this is a folder"),
    ],
)
def test_an_address_that_no_mlflow_has_is_refused_before_the_start(
    uri: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"^--tracking-uri {uri}: {said}"):
        address(uri, tmp_path).check()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(ValueError, match=f"^MLFLOW_TRACKING_URI={uri}: {said}"):
        address(None, tmp_path).check()
    with pytest.raises(ValueError, match=f"^MLFLOW_TRACKING_URI={uri}: {said}"):
        track(Where(storage=tmp_path))
    address("http://localhost:5000", tmp_path).check()
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    Address("./mlruns", "--tracking-uri").check()


@pytest.mark.parametrize("uri", ["http://lab:5000", "databricks", "postgresql://a:b@db/mlflow", "sqlite:///x.db"])
def test_other_addresses_are_mlflow_s_business(uri: str) -> None:
    Address(uri, "--tracking-uri").check()


def test_a_path_that_is_not_utf8_is_refused_before_the_start(tmp_path: Path) -> None:
    storage = tmp_path / os.fsdecode(b"Gr\xf6\xdfe")
    with pytest.raises(ValueError, match=r"--storage .*Gr\\xf6\\xdfe: the path isn't UTF-8"):
        Options(storage=storage).check()
    Options(storage=tmp_path / "Größe").check()


@pytest.mark.parametrize("path", ["/data/a b#c/mlflow.db", f"/data/{ODD}/mlflow.db", "/a%41/mlflow.db"])
def test_an_address_leads_to_its_file(path: str) -> None:
    assert file_of(sqlite(Path(path))) == Path(path)
    assert sqlite(Path(path)).startswith("sqlite:////") == ("%" not in path)
    assert is_own(sqlite(Path(path)), Path(path).parent) and not is_own("http://lab/mlflow.db", Path(path).parent)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with tables, which take seconds to make."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{file}", str(file.parent / "files")).engine.dispose()
    return file


@pytest.fixture
def root(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage at an odd path, with one run that is done and logged."""
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    root = tmp_path / ODD
    root.mkdir()
    shutil.copy(empty, root)
    log(root, "first")
    return root


def log(root: Path, created: str, uri: str | None = None) -> Tracker:
    spec = IMU if created == "first" else FUSION
    store, about = Store(root), ABOUT | {"plan": "plan", "classes": CLASSES, "created": created}
    if not store.run(spec.key).path.exists():
        store.run(spec.key).begin(spec)
        train(store, spec, 1, 2)
        finish(store, spec)
    tracker = Tracker(uri or sqlite(root / "mlflow.db"), store, about)
    for each in (IMU, FUSION):
        tracker.sync(each.key)
    tracker.client._tracking_client.store.engine.dispose()
    return tracker


def lies_in(root: Path, runs: int, uri: str | None = None) -> None:
    """All artifacts of so many runs are found, and in this folder."""
    client = MlflowClient(uri or sqlite(root / "mlflow.db"))
    experiment = client.get_experiment_by_name("plan")
    assert experiment and experiment.artifact_location == (root / "mlartifacts").as_uri()
    found = [run for run in client.search_runs([experiment.experiment_id]) if "key" in run.data.tags]
    assert len(found) == runs
    for run in found:
        assert run.info.artifact_uri.startswith(experiment.artifact_location)
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert files >= {"spec.json", "metrics.json", "predictions.parquet", "predictions.json", "confusion.svg"}


def test_a_storage_at_an_odd_path_is_whole_and_alone(root: Path, tmp_path: Path) -> None:
    lies_in(root, 1)
    assert {path.name for path in tmp_path.iterdir()} == {ODD, "else"} and not list((tmp_path / "else").iterdir())


def test_a_storage_that_was_moved_stays_one(root: Path, tmp_path: Path) -> None:
    there = root.rename(tmp_path / "elsewhere")
    log(there, "second")
    lies_in(there, 2)
    assert not root.exists()


def test_track_logs_into_the_storage_where_nothing_else_is_named(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = root.rename(tmp_path / "elsewhere")
    about = ABOUT | {"plan": "plan", "classes": CLASSES, "created": "first", "runs": {}}
    (there / "reports/plan").mkdir(parents=True)
    (there / "reports/plan/results.json").write_text(json.dumps(about))
    assert track(Where(storage=there)) == 0
    assert f"MLflow at {sqlite(there / 'mlflow.db')} (in the storage) has it all" in capsys.readouterr().out
    lies_in(there, 1)


def test_track_logs_what_an_earlier_start_ran_and_a_plan_without_a_video(
    root: Path, recordings: Path, tmp_path: Path
) -> None:
    """Of runs that no results.json names, the folder says which start they were of, and the manifest what they read."""
    store = Store(root)
    manifest = corpora.read("utd-mhad", recordings, tmp_path / "scans", ("imu",))
    manifest.write(store.manifest(manifest.digest))
    about = ABOUT | {"plan": "plan", "modalities": {"imu": "IMU"}, "video": None}
    was = replace(IMU, data=replace(IMU.data, recordings=manifest.digest))
    store.run(was.key).begin(was, tags(about))
    finish(store, was)
    (root / "reports/plan").mkdir(parents=True)
    now = about | {"classes": CLASSES, "created": "first", "runs": {IMU.key: {"name": IMU.name, "status": "done"}}}
    (root / "reports/plan/results.json").write_text(json.dumps(now))
    assert track(Where(storage=root)) == 0
    lies_in(root, 2)
    found = MlflowClient(sqlite(root / "mlflow.db")).search_runs(["1"], f"tags.key = '{was.key}'")
    assert [(run.data.tags["shows"], run.info.run_name) for run in found] == [
        ("IMU", "IMU*, 50 % of the data, 2 classes hidden, seed 3")
    ]
    del now["modalities"]
    (root / "reports/plan/results.json").write_text(json.dumps(now))
    with pytest.raises(ValueError, match=r"results\.json: is damaged, its modalities can't be read"):
        track(Where(storage=root))


def test_a_copy_has_artifacts_of_its_own(root: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    log(copy, "second")
    lies_in(copy, 2)
    lies_in(root, 1)


def test_another_storage_s_artifacts_stay_where_they_are(root: Path, tmp_path: Path) -> None:
    """Logged into this storage's database under another plan."""
    uri, other = sqlite(root / "mlflow.db"), tmp_path / "other"
    about = ABOUT | {"plan": "another", "classes": CLASSES, "created": "x"}
    shutil.copytree(root / "runs", other / "runs")
    tracker = Tracker(uri, Store(other), about)
    tracker.sync(IMU.key)
    relocation.follow(uri, root)
    run = tracker.client.get_run(tracker.runs[IMU.key])
    assert run.info.artifact_uri.startswith(other.as_uri())
    experiment = tracker.client.get_experiment(tracker.experiment)
    assert experiment.artifact_location == (other / "mlartifacts").as_uri()


def test_models_are_found_again_and_other_databases_left_alone(root: Path, tmp_path: Path) -> None:
    model = MlflowClient(sqlite(root / "mlflow.db")).create_logged_model("1", name="model")
    was, there = root.as_uri(), root.rename(tmp_path / "elsewhere")
    shutil.copy(there / "mlflow.db", tmp_path / "theirs.db")
    for uri in (sqlite(there / "mlflow.db"), sqlite(tmp_path / "theirs.db")):
        relocation.follow(uri, there)
    for file, place in ((there / "mlflow.db", there.as_uri()), (tmp_path / "theirs.db", was)):
        found = MlflowClient(sqlite(file)).get_logged_model(model.model_id)
        assert found.artifact_location == f"{place}/mlartifacts/models/{model.model_id}/artifacts"


def background(root: Path) -> Background:
    uri, about = sqlite(root / "mlflow.db"), ABOUT | {"plan": "plan", "classes": CLASSES, "created": "first"}
    return Background(lambda: Tracker(uri, Store(root), about), [IMU.key], uri)


def test_an_experiment_deleted_during_a_start_can_be_restored(root: Path) -> None:
    tracker = log(root, "first")
    found = background(root)
    found.pass_over()
    tracker.client.delete_experiment(tracker.experiment)
    missing = found.end("FINISHED", [], {})
    assert missing and missing.startswith("The experiment plan was deleted there, and takes nothing until `MLFLOW_")
    assert missing.endswith(" mlflow experiments restore --experiment-id 1` brings it back.")
    tracker.client.restore_experiment("1")
    assert background(root).end("FINISHED", [], {}) is None


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("acf3f17fdcc7", r"is of an older MLflow. Make a copy of .*mlflow.db, then run `mlflow db upgrade sqlite"),
        # MLflow's own words are the same for both, and its advice fails.
        ("0123456789ab", r"is of a newer MLflow \(schema 0123456789ab\) than the one here, .* `pip install --upgrade"),
    ],
)
def test_a_database_of_another_mlflow(root: Path, version: str, said: str) -> None:
    root = root.rename(root.with_name(f"of another's {ODD}"))  # a process checks an address's database once
    with closing(sqlite3.connect(root / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", (version,))
    missing = background(root).end("FINISHED", [], {})
    assert missing and re.search(f"^The database {said}", missing)
    assert ("db upgrade" in missing) == (version == "acf3f17fdcc7")


def test_a_moved_database_that_somebody_holds(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = root.rename(tmp_path / "elsewhere")
    monkeypatch.setattr(relocation, "PATIENCE", 0.1)
    with closing(sqlite3.connect(there / "mlflow.db")) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        missing = background(there).end("FINISHED", [], {})
        assert missing == f"Another process holds {there / 'mlflow.db'}."
        holder.rollback()
    assert background(there).end("FINISHED", [], {}) is None
    lies_in(there, 1)
