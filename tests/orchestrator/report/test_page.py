"""The report as a browser shows it: on a phone, in the dark, on paper, and clicked through."""

import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from orchestrator.report import figures, html
from tests.orchestrator.report.test_pictures import look
from tests.support.runs.made_up import ablate, fail, in_folds, make, named

WIDE, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}
PAPER = {"width": 700, "height": 1000}  # A4 less its margins


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two seeds, a failed run, variants, another corpus, an appendix, and names as long as they come."""
    folder = tmp_path_factory.mktemp("page")
    results = make(folder / "runs", seeds=2)
    ablate(results, folder / "runs")
    results["classes"] += [f"a_class_with_a_long_name_{index}" for index in range(24)]
    results["command"] = "python experiments/full_grid.py " + "--recordings /a/folder/" + "deep/" * 30
    fail(results, 3, "failed", "RuntimeError: " + "x" * 200)
    beside, looks = [make(folder / "other", "RGB", "MMAct")], [look(), look(12)]
    return html.write(results, folder / "runs", folder / "report", beside, looks).as_uri()


def show(browser: Browser, address: str, size: dict[str, int], scheme: str = "light") -> Page:
    page = browser.new_page(viewport=size, color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    page.set_default_timeout(20_000)
    page.goto(address)
    return page


def overflow(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def wide(page: Page) -> list[str]:
    """What sticks out."""
    return page.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > window.innerWidth)"
        ".map(e => `${e.tagName} ${e.className} ${(e.innerText ?? '').slice(0, 60)}`)"
    )


def contrast(page: Page, selector: str) -> float:
    """Of a text against the page, as WCAG defines it."""
    return page.locator(selector).first.evaluate(
        """element => {
          const light = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const [a, b] = [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor].map(light);
          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }"""
    )


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_nothing_is_fetched_and_nothing_complains(browser: Browser, address: str, size: dict[str, int]):
    page = browser.new_page(viewport=size)  # pyright: ignore[reportArgumentType]
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url.split(",")[0]))
    page.goto(address)
    assert overflow(page) <= 0
    assert said == []
    assert set(asked) <= {address, "data:image/png;base64"}
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    page.close()


def test_every_part_is_on_the_page(browser: Browser, address: str):
    page = show(browser, address, WIDE)
    parts = [
        "found",
        "reading",
        "table2",
        "variants",
        "figure2",
        "figure3",
        "confusion",
        "calibration",
        "curves",
        "cost",
        "looks",
        "runs",
    ]
    assert [a.get_attribute("href") for a in page.locator("nav a").all()] == [f"#{part}" for part in parts]
    assert page.locator("h3:has-text('Table 2 on MMAct')").count() == 1 and page.locator("figure").count() == 2
    page.close()


def test_letters_of_a_confusion_matrix_can_be_read_on_paper(browser: Browser, address: str):
    page = show(browser, address, PAPER)
    page.emulate_media(media="print")
    shares = page.evaluate(
        "[...document.querySelectorAll('img[alt^=Confusion]')]"
        ".map(image => image.getBoundingClientRect().width / 96 / image.naturalWidth)"
    )
    assert len(shares) == 3
    smallest = min(figures.NAMES, figures.NUMBERS) * figures.DPI * min(shares)  # points, at the size it is shown
    assert smallest >= 6
    page.close()


def test_paper_cuts_nothing_off(browser: Browser, address: str):
    page = show(browser, address, PAPER)
    page.emulate_media(media="print")
    assert overflow(page) <= 0, wide(page)
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()


def test_a_phone_shows_every_score_without_scrolling_sideways(browser: Browser, no_plots: None, tmp_path: Path):
    results = make(tmp_path / "runs", seeds=3)
    ablate(results, tmp_path / "runs")
    for video in ("depth", "RGB"):
        shown = results | {"video": video, "modalities": named(results["modalities"], video)}
        path = html.write(shown, tmp_path / "runs", tmp_path / "report")
        page = show(browser, path.as_uri(), PHONE)
        for heading in ("#table2", "#variants", "#figure2", "#figure3"):
            table = page.locator(f"{heading} ~ .scroll:has(table)").first
            assert table.evaluate("scroll => scroll.scrollWidth - scroll.clientWidth") <= 0, heading
            assert all(table.locator("td:visible").evaluate_all("cells => cells.map(c => !!c.dataset.name)")), heading
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(browser: Browser, address: str, scheme: str):
    page = show(browser, address, PHONE, scheme)
    for selector in ("body", ".caption", "td small", "td a", "th", ".absent", "dt"):
        if page.locator(selector).count():
            assert contrast(page, selector) >= 4.5, selector
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('body *')].filter(e => e.innerText?.trim())"
        ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 10.5
    page.close()


def test_dark_is_dark_and_so_are_the_plots(browser: Browser, address: str):
    page = show(browser, address, WIDE, "dark")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(20, 20, 20)"
    # A plot's white margin is drawn in the page's own colour, so it has no edge.
    plot = page.locator("img.plot").first
    pixels = Image.open(io.BytesIO(plot.screenshot())).convert("RGB")
    assert pixels.getpixel((3, 3)) == (20, 20, 20)
    page.close()


def test_a_number_leads_to_its_run(browser: Browser, address: str):
    page = show(browser, address, WIDE)
    dangling = page.evaluate(
        "[...document.querySelectorAll('a:not([download])')].map(a => a.getAttribute('href'))"
        ".filter(href => !href.startsWith('#') || !document.getElementById(href.slice(1)))"
    )
    assert dangling == []
    number = page.locator("#table2 ~ .scroll td a").first
    target = number.get_attribute("href")
    number.click()
    row = page.locator(f"tr{target}")
    assert page.url == address + str(target) and "Table 2: IMU only, seed 0" in row.inner_text()
    assert row.evaluate("row => row.matches(':target')")
    page.close()


@pytest.mark.parametrize(("seeds", "folds"), [(1, False), (2, False), (1, True), (2, True)])
def test_every_score_leads_to_its_runs(browser: Browser, no_plots: None, tmp_path: Path, seeds: int, folds: bool):
    """And so do the differences that the claims are judged by."""
    results = make(tmp_path / "runs", seeds=seeds)
    if folds:
        in_folds(results, tmp_path / "runs")
    page = show(browser, html.write(results, tmp_path / "runs", tmp_path / "report").as_uri(), WIDE)
    # Over several runs a number's links stand below it, or at the head of its row or column.
    bare = page.evaluate(
        """[...document.querySelectorAll('td.n:not(.theirs)')].filter(td => /^\\d+\\.\\d/.test(td.innerText))
        .filter(td => ![td, td.parentElement.querySelector('th'), td.closest('table').tHead.rows[0].cells[td.cellIndex]]
          .some(at => at.querySelector('a'))).map(td => td.parentElement.innerText)"""
    )
    assert bare == []
    behind = page.locator("#table2 ~ .scroll").first.locator("tr.ours").first.locator("td.n").first.locator("a")
    assert behind.count() == seeds * (2 if folds else 1)
    unfounded = page.locator("table.words tr:has-text('p =')").filter(has_not=page.locator("a"))
    assert page.locator("table.words tr:has-text('p =')").count() > 5 and unfounded.count() == 0
    assert set(page.locator("#runs ~ .scroll tbody tr code").all_inner_texts()) == set(results["runs"])
    page.close()


def test_a_subject_tested_by_one_run_leads_to_it(browser: Browser, no_plots: None, tmp_path: Path):
    results = in_folds(make(tmp_path / "runs"), tmp_path / "runs")
    page = show(browser, html.write(results, tmp_path / "runs", tmp_path / "report").as_uri(), WIDE)
    row = page.locator("h3:has-text('by test subject') + .scroll tbody tr").first
    assert [a.get_attribute("href") for a in row.locator("td a").all()] == ["#run-imu-10-0-0-0", "#run-imu-10-0-0-0-4"]
    page.close()


def test_what_errs_names_the_runs_it_was_counted_from(browser: Browser, address: str):
    page = show(browser, address, WIDE)
    named = page.locator("img[alt^='Confusion matrix']").count()
    assert named == 3
    for index in range(named):
        caption = page.locator(".scroll:has(img[alt^='Confusion matrix']) + .caption").nth(index)
        assert caption.locator("a").count() in (1, 2)  # of one model a seed has failed
    page.close()
