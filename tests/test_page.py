"""The page in a headless browser, over the example after it was worked through. Pictures are kept under `target/`."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from place import Place

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "target" / "pictures"
# What Debian, Ubuntu and others call the browser.
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# The most a page waits for anything, in milliseconds.
PATIENCE = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    if not found:
        pytest.fail("there is no Chromium: cargo xtask test set-up")
    # As root, Chromium starts without its sandbox or not at all.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found[0], args=options)
        yield started
        started.close()


class Site:
    """A server, and browsers that are signed in to it."""

    def __init__(self, place: Place, address: str, browser: Browser):
        self.place, self.address, self.browser = place, address, browser

    def link(self, *words: str) -> str:
        return self.place.read("open", "--print", *words)["link"]

    def reader(self, **options) -> BrowserContext:
        """A browser of its own that went through the one-time link."""
        context = self.browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(self.link())
        page.wait_for_url(f"{self.address}/")
        page.close()
        return context


@pytest.fixture(scope="module")
def site(worked: Place, served: str, browser: Browser) -> Site:
    """The example after it was worked through; only looked at."""
    return Site(worked, served, browser)


# A loop that turns in a moment.
SMALL = """
apiVersion: windlass.dev/v1alpha1
kind: Dataset
metadata: {name: numbers}
spec: {uri: numbers, format: csv, settle: 0s}
---
apiVersion: windlass.dev/v1alpha1
kind: Pipeline
metadata: {name: count}
spec:
  steps:
    - {name: count, command: [sh, -c, "wc -l $WINDLASS_INPUTS/numbers/*"], inputs: {numbers: dataset/numbers}, cache: false}
"""


@pytest.fixture(scope="module")
def small(binary: Path, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A place that tests may change."""
    place = Place(binary, tmp_path_factory.mktemp("small"))
    (place.folder / "loop" / "numbers").mkdir(parents=True)
    (place.folder / "loop" / "loop.yaml").write_text(SMALL)
    (place.folder / "loop" / "numbers" / "one.csv").write_text("number\n1\n2\n")
    before = os.environ.get("MLFLOW_TRACKING_TOKEN"), mlflow.get_tracking_uri()
    with place.server("loop") as address:
        mlflow.set_tracking_uri(address)
        yield Site(place, address, browser)
    mlflow.set_tracking_uri(before[1])
    if before[0]:
        os.environ["MLFLOW_TRACKING_TOKEN"] = before[0]


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    with site.reader() as context:
        yield context.new_page()


@pytest.fixture
def small_page(small: Site) -> Iterator[Page]:
    with small.reader() as context:
        yield context.new_page()


def test_a_link_signs_in_once(site: Site):
    link = site.link("train-1")
    for expected in ("train-1", "Sign in"):
        with site.browser.new_context() as context:
            page = context.new_page()
            page.goto(link)
            page.get_by_role("heading", level=1, name=expected, exact=True).wait_for(timeout=PATIENCE)


def test_without_a_session_nothing_is_shown(site: Site):
    with site.browser.new_context() as context:
        page = context.new_page()
        answer = page.goto(f"{site.address}/projects/default/runs")
        assert answer.status == 401
        assert "windlass open" in page.content() and "train-1" not in page.content()


def pages_of(page: Page, address: str) -> list[str]:
    """Returns one path of each shape that is linked from the loop, directly or from there."""
    shapes: dict[str, str] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop(0)
        page.goto(address + path)
        for link in page.eval_on_selector_all("a[href^='/']", "all => all.map(one => one.getAttribute('href'))"):
            link = link.split("?")[0]
            kind = re.search(r"/(models|datasets|endpoints|monitors|pipelines)/", link)
            shape = (kind.group(1) if kind else "") + re.sub(r"(?<=/)[^/]*\d[^/]*|(?<=s/)[^/]+", "*", link)
            if shape not in shapes:
                shapes[shape] = link
                waiting.append(link)
    return list(shapes.values())


def test_every_page_is_whole_light_and_dark_wide_and_narrow(site: Site, page: Page):
    paths = pages_of(page, site.address)
    assert len(paths) > 12, paths
    PICTURES.mkdir(parents=True, exist_ok=True)
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390)):
        context = site.reader(color_scheme=scheme, viewport={"width": width, "height": 900})
        opened = context.new_page()
        complaints: list[str] = []
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("dialog", lambda dialog: complaints.append(dialog.message))
        for path in paths:
            answer = opened.goto(site.address + path)
            assert answer.status == 200, path
            name = path.strip("/").replace("/", "-") or "loop"
            opened.screenshot(path=PICTURES / f"{name}-{scheme}-{width}.png", full_page=True)
            wider = opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wider <= 0, f"{path} is {wider} pixels wider than {width}"
        context.close()
        # A refusal of the content policy would be one of these.
        assert complaints == []


def test_a_screen_reader_finds_its_way(site: Site, page: Page):
    for path in pages_of(page, site.address):
        page.goto(site.address + path)
        assert page.get_by_role("main").count() == 1, path
        assert page.get_by_role("heading", level=1).count() == 1, path
        assert page.get_by_role("navigation", name="Main").count() == 1, path
        nameless = page.eval_on_selector_all(
            "a, button, input:not([type=hidden]), svg[role], section, [role=region]",
            """all => all.filter(one => {
                const by = one.getAttribute('aria-labelledby');
                const label = one.labels?.length && one.labels[0].textContent.trim();
                const named = by && by.split(' ').every(id => document.getElementById(id)?.textContent.trim());
                return !(named || label || one.getAttribute('aria-label') || one.textContent.trim());
            }).map(one => one.outerHTML.slice(0, 200))""",
        )
        assert nameless == [], path
        ids = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
        assert len(ids) == len(set(ids)), path


def test_the_client_s_link_leads_to_the_run(small: Site, small_page: Page):
    mlflow.set_experiment("by hand")
    with mlflow.start_run(run_name="linked") as run:
        mlflow.log_metrics({"loss": 3.0}, step=1)
        mlflow.log_metrics({"loss": 2.0}, step=2)
    # As the client prints it: "View run linked at: …".
    small_page.goto(f"{small.address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")
    small_page.wait_for_url(f"{small.address}/tracking/{run.info.run_id}")
    assert small_page.get_by_role("img", name="loss over 2 points").count() == 1


def test_what_people_wrote_is_text(small: Site, small_page: Page):
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    shown: list[str] = []
    small_page.on("dialog", lambda dialog: shown.append(dialog.message))
    mlflow.set_experiment(evil)
    with mlflow.start_run(run_name=evil) as run:
        mlflow.log_param("param", evil)
        mlflow.set_tag("note", evil)
    for path in (f"/tracking/{run.info.run_id}", f"/projects/default/experiments/{run.info.experiment_id}"):
        small_page.goto(small.address + path)
        assert evil in small_page.get_by_role("main").inner_text(), path
        assert small_page.locator("main img, main script").count() == 0, path
    assert shown == []


def test_a_keyboard_reaches_a_run_from_the_loop(site: Site, page: Page):
    page.goto(site.address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(200):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.getAttribute('href')")
        if focused and re.search(r"/runs/train-\d+$", focused):
            break
    outline = page.evaluate(
        """() => { const one = document.activeElement.querySelector('.box');
                   return getComputedStyle(one).strokeWidth; }"""
    )
    assert outline == "3px", "the focused node does not stand out"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/runs/train-\d+$"))


def test_without_script_everything_is_there(site: Site):
    context = site.reader(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.address)
    assert page.locator("svg.graph .node").count() > 10
    page.locator("svg.graph a[href$='/runs/train-1']").click()
    page.get_by_role("heading", level=1, name="train-1").wait_for()
    page.locator("table a[href*='/steps/train']").first.click()
    assert page.get_by_role("heading", name="Log").count() == 1
    context.close()


def test_a_page_follows_what_happens(small: Site, small_page: Page):
    small_page.goto(small.address)
    small_page.locator("#live[data-state=on]").wait_for()
    # Whoever reads stays where they are: no new document.
    small_page.evaluate("window.stays = true")
    ended = small.place.run("start", "count", "--wait")
    assert ended.returncode == 0, ended.stderr
    small_page.locator("svg.graph a[href$='/runs/count-1'] .good").wait_for()
    small_page.get_by_text("run count-1").wait_for()
    assert small_page.evaluate("window.stays") is True


def test_a_log_is_followed(small: Site, small_page: Page):
    (small.place.folder / "go").unlink(missing_ok=True)
    waits = f"echo begun; until [ -e '{small.place.folder}/go' ]; do sleep 0.1; done; echo gone on"
    manifest = SMALL.split("---")[1].replace("name: count}", "name: wait}", 1).replace("wc -l $WINDLASS_INPUTS/numbers/*", waits)
    (small.place.folder / "wait.yaml").write_text(manifest)
    assert small.place.run("apply", "-f", "wait.yaml").returncode == 0
    assert small.place.run("start", "wait").returncode == 0
    small_page.goto(f"{small.address}/projects/default/runs/wait-1")
    small_page.locator("table a", has_text="count").wait_for()
    small_page.locator("table .busy", has_text="running").wait_for()
    small_page.locator("table a", has_text="count").click()
    log = small_page.locator("pre.log")
    log.get_by_text("begun").wait_for()
    (small.place.folder / "go").touch()
    log.get_by_text("gone on").wait_for()


def test_a_sign_out_ends_the_session(small: Site, small_page: Page):
    small_page.goto(small.address)
    small_page.get_by_role("button", name="Sign out").click()
    small_page.get_by_role("heading", level=1, name="Sign in").wait_for()
    assert small_page.goto(f"{small.address}/projects/default").status == 401
