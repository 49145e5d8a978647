"""MLflow as a view of the run folders: whatever stands there and isn't in MLflow yet is logged.

One writer (the driver), outside of training: a slow or dead server holds up nothing, and what it missed is logged by
the next `sync`. Plan = MLflow experiment, invocation = parent run, Run = nested run, found again by its key.
"""

import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any

# Read by mlflow when it is imported: minutes of retries by default.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_AGENT_HINTS", "1")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run, into the live view

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Experiment, InputTag, Metric, Param, Run, RunTag

from datasets.files.atomic import FULL
from orchestrator.plan.spec import RunSpec
from orchestrator.report.results import tags
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
from orchestrator.tracking import artifacts, experiment_page, relocation, stage_graph
from orchestrator.tracking.address import file_of
from orchestrator.tracking.duplicates import keep_one
from orchestrator.tracking.errors import Deleted, Elsewhere, by_clients, is_elsewhere

for name in ("mlflow", "alembic"):  # the tables of a fresh sqlite file are no news
    logging.getLogger(name).setLevel(logging.WARNING)
# Its traceback of a database that can't be written; `server.explained` says so in a sentence at the end.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

FINAL = "top1 top5 f1 k n top1_seen top1_hidden harmonic".split()  # and each top1_without_...


class Tracker:
    """Keeps one plan's experiment in MLflow up to date with a storage. `about` is as in results.json."""

    def __init__(self, uri: str, store: Store, about: dict[str, Any]):
        """Raises what an MLflow raises, and Deleted."""
        relocation.follow(uri, store.root)
        self.client, self.store, self.about, self.tags = MlflowClient(uri), store, about, tags(about)
        self.uri = uri
        found = self._experiment()
        self.experiment, self.location = found.experiment_id, found.artifact_location
        self.parent = self._parent()
        self.runs: dict[str, str] = {}
        self.models: dict[str, str] = {}
        self.unsure: set[str] = set()  # keys whose last sync failed: MLflow may have more of them than is known here
        self.params: dict[str, list[Param]] = {}  # those that MLflow lacks
        self.logged: dict[str, int] = {}
        self.closed: dict[str, str] = {}  # the status a run was closed with

    def _experiment(self) -> Experiment:
        plan = self.about["plan"]
        found = self.client.get_experiment_by_name(plan)
        if found and found.lifecycle_stage == "deleted":
            raise Deleted(plan, found.experiment_id)
        # With sqlite MLflow would put artifacts under the folder the command was given in; a server has its own place.
        artifacts = (self.store.root / "mlartifacts").as_uri() if file_of(self.uri) else None
        experiment = found or self.client.get_experiment(self.client.create_experiment(plan, artifacts))
        for key, value in experiment_page.tags(plan, experiment.experiment_id, self.about["modalities"]).items():
            if not found or key not in found.tags:  # what somebody has changed there stays
                self.client.set_experiment_tag(experiment.experiment_id, key, value)
        return experiment

    def _parent(self) -> str:
        """The invocation's run; found again by when it began where a storage is replayed."""
        created = self.about["created"]
        if found := keep_one(self.client, self.experiment, "begun", created):
            return found.info.run_id
        name = f"{self.about['plan']} {self.about['corpus']} {self.about['scale']}"
        run = self.client.create_run(self.experiment, run_name=name, tags=self.tags | {"begun": created})
        return run.info.run_id

    def sync(self, key: str) -> None:
        """Log what the run's folder holds beyond what MLflow has."""
        try:
            self._sync(key)
        except Exception:
            self.unsure.add(key)
            self.closed.pop(key, None)
            raise

    def _sync(self, key: str) -> None:
        folder = self.store.run(key)
        if not (folder.path / "spec.json").exists():
            return
        status, new = folder.status, False
        if key not in self.runs or key in self.unsure:
            new = self._find_or_create(key, folder.spec, status)
        if self.closed.get(key) == status:
            return
        run_id = self.runs[key]
        if key in self.closed:  # it had failed when this start looked first, and was tried again
            self._reopen(key, self.client.get_run(run_id))
            del self.closed[key]
        rows = [row for row in folder.history() if row["epoch"] > self.logged[key]]
        values = [
            # A point of the same time is the same point to MLflow, also where it is sent again.
            Metric(name, row[name], stamp_of(row.get("ended")), row["epoch"])
            for row in rows
            # The loss comes last: where MLflow has it, it has the whole epoch.
            for name in sorted(row.keys() - {"epoch", "ended"}, key=lambda name: name == "loss")
        ]
        if status == "done":
            self._log_results(folder, values, new)
        else:
            tags = [RunTag("reason", folder.record("failed").get("reason", "")[:4000])] if status == "failed" else []
            self.client.log_batch(run_id, values, self.params.pop(key, []), tags)
        if rows:
            self.logged[key] = rows[-1]["epoch"]
        if status != "pending":
            self.client.set_terminated(run_id, "FINISHED" if status == "done" else "FAILED")
            self.closed[key] = status
            if file_of(self.uri) is None:  # only what is asked over the net may be carried out twice
                keep_one(self.client, self.experiment, "key", key, run_id)

    def _find_or_create(self, key: str, spec: RunSpec, status: str) -> bool:
        """Returns whether the run was made just now."""
        run = found = keep_one(self.client, self.experiment, "key", key, self.runs.get(key))
        if run is None:
            run, self.logged[key] = self._create(key, spec), 0
        elif (run.info.status, status) == ("FINISHED", "done") and run.data.params:
            self.closed[key] = "done"
        else:
            self._reopen(key, run)
        if not run.data.params:
            self.params[key] = [Param(k, v) for k, v in flat(spec.to_json()["spec"]).items()]
        if not run.inputs or not run.inputs.dataset_inputs:
            self.client.log_inputs(run.info.run_id, [self._data(spec)])
        self.runs[key] = run.info.run_id
        self.unsure.discard(key)
        return found is None

    def _create(self, key: str, spec: RunSpec) -> Run:
        tags = self.tags | experiment_page.of_run(spec) | {"mlflow.parentRunId": self.parent, "key": key}
        tags |= {f"parent.{role}": parent for role, parent in spec.parents.items()}
        title = experiment_page.title(spec, self.about["modalities"])
        return self.client.create_run(self.experiment, run_name=title, tags=tags)

    def _data(self, spec: RunSpec) -> DatasetInput:
        """The corpus by its manifest's digest, and which of its clips a run has to do with."""
        source = json.dumps({"manifest": f"manifests/{spec.data.recordings}.parquet"})
        profile = {"protocol": spec.data.protocol, "ratio": spec.data.ratio, "classes": len(self.about["classes"])}
        found = Dataset(self.about["corpus"], spec.data.recordings, "local", source, profile=json.dumps(profile))
        return DatasetInput(found, [InputTag("mlflow.data.context", "training and test")])

    def _reopen(self, key: str, run: Run) -> None:
        history = self.client.get_metric_history(run.info.run_id, "loss")
        self.logged[key] = max((int(m.step) for m in history), default=0)
        self.client.update_run(run.info.run_id, status="RUNNING")
        if "reason" in run.data.tags:
            self.client.delete_tag(run.info.run_id, "reason")

    def _log_results(self, folder: RunFolder, values: list[Metric], new: bool) -> None:
        """Log the files of a run that is done, then its scores and `values`, which are logged also where the files are
        refused."""
        run_id, tags, refused = self.runs[folder.key], folder.record("device"), None
        try:
            self._log_files(folder)
        except Exception as error:
            refused = error
        if folder.spec.classifies and not refused:
            tags |= artifacts.TABLES
        model = stage_graph.log(self.client, self.experiment, run_id, folder.spec, self.models, new)
        values = values + self._scores(folder, model)
        params = self.params.pop(folder.key, [])
        self.client.log_batch(run_id, values, params, [RunTag(name, value) for name, value in tags.items()])
        if refused:
            raise refused

    def _scores(self, folder: RunFolder, model: str) -> list[Metric]:
        """How it was scored, and what it took."""
        metrics, ended = folder.record("metrics"), folder.record("done")
        stamp = stamp_of(ended.get("ended"))
        of = {"dataset_name": self.about["corpus"], "dataset_digest": folder.spec.data.recordings, "model_id": model}
        final = [n for n in metrics if n in FINAL or n.startswith("top1_without")]
        values = [Metric(f"test_{n}", float(metrics[n]), stamp, 0, **of) for n in final]
        times = folder.record("times") | {"all": ended["seconds"]}
        return values + [Metric(f"seconds_{n}", float(seconds), stamp, 0) for n, seconds in times.items()]

    def _log_files(self, folder: RunFolder) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            about = self.about["classes"], self.about["modalities"], self.about.get("protocol_text", "")
            for file in artifacts.write(Path(scratch), folder, *about):
                self._log_file(self.runs[folder.key], file)

    def _log_file(self, run_id: str, file: Path, below: str | None = None) -> None:
        """Raises Elsewhere where a server has its clients write into a folder that isn't here."""
        refused = Elsewhere(self.about["plan"], self.experiment, self.location)
        if is_elsewhere(self.uri, self.location):  # MLflow would make the folder, on the wrong machine
            raise refused
        try:
            self.client.log_artifact(run_id, str(file), below)
        except OSError as error:
            if not by_clients(self.uri, self.location) or error.errno in FULL:
                raise  # what `requests` raises is an OSError too
            raise refused from error

    def end(self, status: str, files: list[Path], metrics: dict[str, int]) -> None:
        """Close the invocation's parent run with the report, unless that was done."""
        keep_one(self.client, self.experiment, "begun", self.about["created"], self.parent)
        if self.client.get_run(self.parent).info.status == status:
            return
        for file in files:
            self._log_file(self.parent, file)
            for plot in sorted(file.parent.glob("*.png")) if file.suffix == ".html" else ():
                self._log_file(self.parent, plot, "plots")
        stamp = stamp_of(None)
        self.client.log_batch(self.parent, metrics=[Metric(k, float(v), stamp, 0) for k, v in metrics.items()])
        self.client.set_terminated(self.parent, status)


def stamp_of(ended: float | None) -> int:
    """Milliseconds, as MLflow counts; now where the time isn't known."""
    return int((ended or time.time()) * 1000)


def flat(spec: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested fields as dotted params."""
    out: dict[str, str] = {}
    for name, value in spec.items():
        if isinstance(value, dict):
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = str(value)
    return out
