"""The report as people see it: in headless Chromium, light and dark, wide and narrow."""

import re
import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (1400, 400)
SCHEMES = ("light", "dark")
SLOW_MACHINE = 180_000  # ms
# Elements that stick out of the window although nothing around them scrolls.
STICKING_OUT = """() => [...document.querySelectorAll('body *')].filter(element => {
    for (let box = element.parentElement; box; box = box.parentElement)
        if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(box).overflowX)) return false;
    return element.getBoundingClientRect().right > innerWidth + 1;
}).map(element => element.outerHTML.slice(0, 80))"""
CUT_OFF = """() => [...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => box.innerText.slice(0, 80))"""
# Lightness of the text against that of the page, as WCAG computes their contrast.
CONTRAST = """() => {
    const lightness = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
    const style = getComputedStyle(document.body);
    const both = [lightness(style.color), lightness(style.backgroundColor)].sort((a, b) => a - b);
    return (both[1] + 0.05) / (both[0] + 0.05);
}"""


@pytest.fixture(scope="module")
def browser():
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on PATH")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"], timeout=SLOW_MACHINE
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(whole_report, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(whole_report, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def open_page(browser, address):
    """A function that opens the report and keeps what the browser complains about and asks for."""
    pages = []

    def open_one(width=1400, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(SLOW_MACHINE)
        pages.append(page)
        page.complaints, page.requests = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(address)
        return page

    yield open_one
    for page in pages:
        page.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_readable_and_fits_the_window(open_page, width, scheme):
    page = open_page(width, scheme)
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(STICKING_OUT) == []
    assert page.evaluate(CONTRAST) > 7
    red = re.search(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (int(red.group()) < 128) == (scheme == "dark")
    assert page.get_by_role("heading", level=1).is_visible()
    for drawing in page.locator("figure svg").all():
        box = drawing.bounding_box()
        assert box["width"] > 300 and box["height"] > 100


def test_players_load_and_nothing_comes_from_elsewhere(open_page, whole_report):
    page = open_page()
    players = page.locator("audio")
    assert players.count() == whole_report.count("<audio ") > 8
    page.wait_for_function("[...document.querySelectorAll('audio')].every(player => player.readyState >= 1)")
    durations = page.evaluate("[...document.querySelectorAll('audio')].map(player => player.duration)")
    assert all(seconds == pytest.approx(0.1, abs=0.01) or seconds == pytest.approx(8, abs=0.2) for seconds in durations)
    assert {round(seconds) for seconds in durations} == {0, 8}  # questions, and spoken answers
    assert page.evaluate("[...document.querySelectorAll('audio')].filter(player => player.error).length") == 0
    assert {url.split(":")[0] for url in page.requests} <= {"file", "data"}
    assert page.complaints == []


def test_kinds_of_examples_can_be_chosen(open_page):
    page = open_page()
    everything = page.locator(".example:visible").count()
    assert everything == 8
    seen = 0
    for label in page.locator(".gallery > label").all()[1:]:
        label.click()
        shown = page.locator(".example:visible").count()
        assert str(shown) == label.locator(".faint").inner_text()
        seen += shown
    assert seen == everything


def test_wide_tables_scroll_on_a_phone_and_keep_their_row_labels(open_page):
    page = open_page(400)
    box = page.locator("#table_5 .scroll")
    label = page.locator("#table_5 tbody th").first
    before = label.bounding_box()["x"]
    box.evaluate("element => { element.scrollLeft = 200; }")
    assert box.evaluate("element => element.scrollLeft") > 100
    assert label.bounding_box()["x"] == pytest.approx(before, abs=2)


def test_on_paper_no_table_loses_a_column(open_page):
    page = open_page(718)  # A4 between margins of a centimetre, at 96 dots an inch
    page.emulate_media(media="print")
    assert page.evaluate(CUT_OFF) == []
    assert page.locator("nav").is_hidden() and page.locator("#origin dl").is_visible()
