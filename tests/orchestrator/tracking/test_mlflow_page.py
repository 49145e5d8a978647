"""What a reader sees in MLflow: a real server, a real browser, made-up runs."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from orchestrator.storage.store import Store
from orchestrator.tracking.tracker import Tracker
from tests.support.tracked import ABOUT, CLASSES, finish, spec, train

pytestmark = pytest.mark.long
PARENTS = {"imu": "a1" * 8, "video": "b2" * 8}
RUNS = {
    "IMU only, seed 0": spec("imu", "imu", seed=0),
    "RGB only, seed 0": spec("video", "video", seed=0),
    "IMU + RGB, seed 0": spec("fusion", "imu", "video", seed=0, parents=PARENTS),
    "IMU*, 2 classes hidden, seed 0": spec("imu", "imu", seed=0, hidden={"imu": (1, 2)}),
}
TABLE2 = {"IMU only, seed 0", "RGB only, seed 0", "IMU + RGB, seed 0"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[str]:
    """The address of an MLflow server that four runs and a report were logged to."""
    folder, (port,) = tmp_path_factory.mktemp("mlflow"), free_ports(1)
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    with (folder / "log").open("w") as log, subprocess.Popen(words, stdout=log, stderr=log, cwd=folder) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(address, folder / "log")
            log_runs(address, folder)
            yield address
        finally:
            process.terminate()


def wait_for(address: str, log: Path) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(1)
    pytest.fail(log.read_text())


def log_runs(address: str, folder: Path) -> None:
    store = Store(folder / "storage")
    about = ABOUT | {"plan": "full_grid", "classes": CLASSES, "created": "2026-11-22T10:00:00Z"}
    tracker = Tracker(address, store, about)
    for run in RUNS.values():
        store.run(run.key).begin(run)
        train(store, run, 1, 5)
        finish(store, run)
        tracker.sync(run.key)
    (folder / "report.html").write_text("<p>the report</p>")
    tracker.end("FINISHED", [folder / "report.html"], {"runs_done": len(RUNS)})


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # Wide enough for all columns: MLflow's assistant opens beside them, and what isn't in view isn't there.
    page = browser.new_page(viewport={"width": 2400, "height": 950})
    page.set_default_timeout(120_000)
    yield page
    page.close()


def view(page: Page, server: str, name: str) -> None:
    """By the links that the experiment's page begins with."""
    page.goto(f"{server}/#/experiments/1/runs?workflowType=machine_learning")
    link = page.locator("a", has_text=name).first.get_attribute("href")
    page.goto("about:blank")  # else only the part after # changes
    page.goto(f"{server}/{link}")


def by_clicks(page: Page, server: str) -> Page:
    """As the README says: “Model training”, the plan, Table 2. The page that it ends on, which may be a new one."""
    page.goto(server)
    page.get_by_text("Model training", exact=True).first.click()
    page.get_by_role("link", name="full_grid", exact=True).first.click()
    link = page.get_by_role("link", name="Table 2").first
    link.wait_for()
    link.click()
    page.wait_for_timeout(2000)
    return page.context.pages[-1]


def row(page: Page, name: str) -> Locator:
    return page.locator(".ag-row", has=page.get_by_role("link", name=name, exact=True)).first


def names(page: Page) -> set[str]:
    return set(page.locator(".ag-row a[href*='/runs/']").all_inner_texts())


def until(page: Page, wanted: set[str]) -> None:
    for _ in range(120):
        if names(page) == wanted:
            return
        page.wait_for_timeout(500)
    assert names(page) == wanted


def compare(page: Page, server: str) -> None:
    """Two runs of Table 2, ticked and compared."""
    view(page, server, "Table 2")
    until(page, TABLE2)
    for name in ("IMU only, seed 0", "RGB only, seed 0"):
        row(page, name).locator("input.ag-checkbox-input").check(force=True)
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/compare-runs**")


def test_a_view_has_its_runs_and_the_columns_that_tell_them_apart(page: Page, server: str):
    view(page, server, "Table 2")
    until(page, TABLE2)
    header = set(page.locator(".ag-header-cell").all_inner_texts())
    assert header >= {"Run Name", "test_top1", "test_f1", "modality", "stage", "ratio", "hidden"}
    assert page.locator(".ag-cell", has_text="imu+video").count() == 1


def test_runs_are_filtered_by_what_they_are(page: Page, server: str):
    view(page, server, "All results")
    until(page, set(RUNS))
    box = page.get_by_role("combobox").first
    box.fill("tags.modality = 'imu' and tags.hidden_from = 'imu'")
    box.press("Enter")
    until(page, {"IMU*, 2 classes hidden, seed 0"})


def test_two_runs_are_compared(page: Page, server: str):
    compare(page, server)
    page.get_by_text("test_top1").first.wait_for()
    assert page.get_by_text("RGB only, seed 0").count() and page.get_by_text("IMU only, seed 0").count()


def test_the_clicks_that_the_readme_describes_lead_to_table_2(page: Page, server: str):
    found = by_clicks(page, server)
    until(found, TABLE2)


def test_the_losses_of_two_runs_are_in_one_chart(page: Page, server: str):
    """By the metric's name in the comparison."""
    compare(page, server)
    page.get_by_role("link", name="loss", exact=True).first.click()
    page.wait_for_url("**/metric**")
    page.locator(".js-plotly-plot .scatterlayer .trace").nth(1).wait_for(state="attached")
    text = page.locator("body").inner_text()
    assert "IMU only, seed 0" in text and "RGB only, seed 0" in text


def test_the_confusion_matrix_is_seen(page: Page, server: str):
    view(page, server, "Table 2")
    until(page, TABLE2)
    run = page.get_by_role("link", name="IMU + RGB, seed 0", exact=True).first.get_attribute("href")
    page.goto("about:blank")
    page.goto(f"{server}/{run}/artifacts/confusion.svg")
    page.wait_for_function("[...document.images].some(i => i.src.startsWith('blob:') && i.naturalWidth > 400)")
