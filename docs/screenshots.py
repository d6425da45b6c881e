"""Pictures of the docs, taken anew: `python docs/screenshots.py` in a project that holds some evaluated runs.

It needs Playwright (extra `dev`) and a Chromium on the PATH; it writes dag, mlflow_runs, mlflow_compare and report.png.
"""

import argparse
import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from playwright.sync_api import FloatRect, Page, ViewportSize, sync_playwright

from soundmind_pipeline import environment
from soundmind_pipeline.tracking import open_experiment, tracking_uri

SIZE: ViewportSize = {"width": 1500, "height": 950}
DAG_SIZE: ViewportSize = {"width": 1700, "height": 4600}
COMPARE_SIZE: ViewportSize = {"width": 1500, "height": 1700}
ONLY_THE_DAG = (
    "[class*=feature-hints], [class*=pipeline-sidebar], [class*=minimap], [class*=toolbar] {display: none !important}"
)
IMAGES = Path(__file__).parent / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> None:
    """Take every picture that the project's artifacts allow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path.cwd(), help="the project whose runs are shown")
    parser.add_argument("--runs", nargs="*", default=[], help="run ids to compare; the newest three by default")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    given = parser.parse_args()
    environment.prepare()
    given.out.mkdir(parents=True, exist_ok=True)
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"None of {', '.join(BROWSERS)} is on the PATH.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport=SIZE, device_scale_factor=1)
        shoot_dag(page, given.project, given.out)
        shoot_mlflow(page, given.project, given.runs, given.out)
        shoot_report(page, given.project, given.out)
        chromium.close()


def shoot_dag(page: Page, project: Path, out: Path) -> None:
    """Kedro-Viz's picture of the whole DAG."""
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "kedro", "viz", "build"], cwd=project, check=True, capture_output=True)
        shutil.move(project / "build", Path(folder) / "build")
        with serve(Path(folder) / "build") as address:
            page.set_viewport_size(DAG_SIZE)
            page.add_init_script("localStorage.setItem('KedroViz', JSON.stringify({theme: 'light'}))")
            page.goto(address)
            page.wait_for_selector(".pipeline-node", timeout=60_000)
            page.add_style_tag(content=ONLY_THE_DAG)
            page.wait_for_timeout(3_000)
            save(page, out / "dag.png", clip=around(page, ".pipeline-node, .pipeline-layer-name"))
            page.set_viewport_size(SIZE)


def shoot_mlflow(page: Page, project: Path, runs: list[str], out: Path) -> None:
    """The list of runs, and the compare page of some of them."""
    client, experiment = open_experiment(project)
    if not runs:
        evaluated = "metrics.`eval/audio_to_text/accuracy` >= 0 AND attributes.status = 'FINISHED'"
        runs = [run.info.run_id for run in client.search_runs([experiment], evaluated, max_results=3)]
    with mlflow_ui(tracking_uri(project)) as address:
        page.goto(f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning&compareRunsMode=CHART")
        page.wait_for_timeout(6_000)
        close_assistant(page)
        save(page, out / "mlflow_runs.png")
        page.set_viewport_size(COMPARE_SIZE)
        chosen = quote(json.dumps(runs, separators=(",", ":")))
        page.goto(f"{address}/#/compare-runs?runs={chosen}&experiments={quote(json.dumps([experiment]))}")
        page.wait_for_timeout(6_000)
        close_assistant(page)
        page.get_by_text("Visualizations", exact=True).click()
        page.get_by_text("Show diff only", exact=True).first.click()
        page.wait_for_timeout(2_000)
        save(page, out / "mlflow_compare.png")
        page.set_viewport_size(SIZE)


def close_assistant(page: Page) -> None:
    """Close the panel that MLflow opens beside the runs."""
    panel = page.get_by_role("button", name="Close")
    if panel.count():
        panel.last.click()
        page.wait_for_timeout(1_000)


def shoot_report(page: Page, project: Path, out: Path) -> None:
    """The first screen of the report."""
    report = project / "data" / "08_reporting" / "report.html"
    if report.exists():
        page.goto(report.resolve().as_uri())
        page.wait_for_timeout(1_000)
        save(page, out / "report.png")


def around(page: Page, selector: str, margin: int = 20) -> FloatRect:
    """The part of the page that holds all elements of a kind."""
    boxes = page.locator(selector).evaluate_all("found => found.map(one => one.getBoundingClientRect().toJSON())")
    left, top = (max(0, min(box[side] for box in boxes) - margin) for side in ("left", "top"))
    right, bottom = (max(box[side] for box in boxes) + margin for side in ("right", "bottom"))
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def save(page: Page, path: Path, clip: FloatRect | None = None) -> None:
    """Write what the page shows, or a part of it."""
    page.screenshot(path=path, clip=clip)
    print(f"{path.name}: {path.stat().st_size // 1024} KiB")


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """A folder behind an address of this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def mlflow_ui(uri: str) -> Iterator[str]:
    """MLflow's UI on a store, ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(120):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


if __name__ == "__main__":
    main()
