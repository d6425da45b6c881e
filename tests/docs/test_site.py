"""The documentation builds as a site that asks no other machine for anything, and whose search needs no server."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install -e '.[dev]'")
pytest.importorskip("material", reason="mkdocs-material is not installed: pip install -e '.[dev]'")

ROOT = Path(__file__).parents[2]
SLOW_MACHINE = 180_000  # ms
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# What a browser fetches by itself when it shows a page; links wait for a click.
FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "audio": "src",
    "video": "src",
    "link": "href",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetched(HTMLParser):
    """Addresses that a page has fetched."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        address = dict(attributes).get(FETCHED.get(tag, ""))
        if address:
            self.addresses.append(address)


def test_every_page_is_there_and_in_the_navigation(site):
    home = (site / "index.html").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / f"{page.stem}.html").exists()
        assert f'href="{page.stem}.html"' in home, f"{page.name} is not in mkdocs.yml"
    assert not (site / "screenshots.py").exists()
    assert "ingestion" in (site / "parameters.html").read_text()


def test_nothing_is_fetched_from_elsewhere(site):
    pages = list(site.glob("*.html"))
    for page in pages:
        parser = Fetched()
        parser.feed(page.read_text())
        assert parser.addresses
        for address in parser.addresses:
            assert not re.match(r"(\w+:)?//", address), f"{page.name}: {address}"
            assert (
                address.startswith("data:") or (site / address.lstrip("/").partition("#")[0].partition("?")[0]).exists()
            ), address
    for sheet in site.rglob("*.css"):
        assert not re.search(r"""(@import|url\()\s*["']?(https?:)?//""", sheet.read_text()), sheet.name


def test_search_works_on_pages_opened_from_the_folder(site):
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on PATH")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"], timeout=SLOW_MACHINE
        )
        page = browser.new_page()
        page.set_default_timeout(SLOW_MACHINE)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "index.html").as_uri())
        # By keys, as a reader does: the page looks at the field on each; a value put there at once it may miss.
        page.locator("input[name=query]").first.press_sequentially("quarantine")
        page.wait_for_selector(".md-search-result__link", state="attached")
        assert "quarantine" in page.locator(".md-search-result__list").inner_text().lower()
        browser.close()
    assert asked and not [address for address in asked if address.startswith("http")]
