"""The pages of tracking in a headless browser: what a client logged, looked at, filtered, compared; and judged by axe."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from playwright.sync_api import Browser, Page, expect

from place import Place
from test_page import PATIENCE, PICTURES, ROOT, Site, browser  # noqa: F401 (a fixture)

AXE = ROOT / "target/axe/node_modules/axe-core/axe.min.js"
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script> ‮שלום 🚀"
# A page that tries to get out of its frame, and says what it could reach.
ESCAPING = """<!doctype html><title>report</title><body>report
<script>
const tried = {};
try { tried.parent = parent.document.title; } catch (error) { tried.parent = error.name; }
try { tried.cookie = document.cookie; } catch (error) { tried.cookie = error.name; }
tried.origin = self.origin;
fetch("/api/v1/objects").then(() => "fetched", (error) => error.name).then((fetched) => {
  tried.fetch = fetched;
  document.body.dataset.tried = JSON.stringify(tried);
});
</script>"""


class Laid:
    """What a client laid into a place: the runs by name, and the experiment."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.experiment = ""
        self.tuning = ""

    def path(self, name: str) -> str:
        return f"/tracking/{self.runs[name]}"


def lay(laid: Laid, folder: Path) -> None:
    """Logs runs of which there is something to see."""
    import pandas

    laid.experiment = mlflow.set_experiment("shapes").experiment_id
    with mlflow.start_run(run_name="parent") as parent:
        laid.runs["parent"] = parent.info.run_id
        for place, (rate, size) in enumerate([(0.1, "small"), (0.01, "small"), (0.001, "large")]):
            with mlflow.start_run(run_name=f"child {place}", nested=True) as run:
                laid.runs[f"child {place}"] = run.info.run_id
                mlflow.log_params({"rate": rate, "size": size, "same": "always"})
                for step in range(20):
                    mlflow.log_metric("loss", (place + 1) * 2.0**-step, step=step)
                    mlflow.log_metric("accuracy", 1 - (place + 1) * 2.0**-step / 3, step=step)
    with mlflow.start_run(run_name="files") as run:
        laid.runs["files"] = run.info.run_id
        table = pandas.DataFrame({"number": range(1000), "word": [f"w{row}" for row in range(1000)]})
        table.to_csv(folder / "table.csv", index=False)
        table.to_parquet(folder / "table.parquet")
        (folder / "report.html").write_text(ESCAPING)
        (folder / "lies.png").write_text("<script>alert(3)</script>")
        (folder / "evil.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(4)</script></svg>')
        for name in ("table.csv", "table.parquet", "report.html", "lies.png", "evil.svg"):
            mlflow.log_artifact(str(folder / name), "deep/er" if name == "table.csv" else None)
        mlflow.log_dict({"a": {"b": [1, 2]}}, "config.json")
        mlflow.log_table({"question": ["why", "how"], "answer": ["so", EVIL]}, "answers.json")
        mlflow.log_text("plain words", "words.txt")
        import matplotlib

        matplotlib.use("agg")
        from matplotlib import pyplot

        figure, axes = pyplot.subplots()
        axes.plot([1, 2, 3])
        mlflow.log_figure(figure, "figure.png")
        mlflow.log_input(mlflow.data.from_pandas(table, name="numbers"), context="training")
    with mlflow.start_run(run_name=EVIL) as run:
        laid.runs["evil"] = run.info.run_id
        mlflow.log_param("param", EVIL)
        mlflow.log_metric("loss", float("nan"))
        mlflow.set_tags({"note": EVIL, "mlflow.note.content": EVIL})
    tune(laid)
    client = mlflow.MlflowClient()
    client.create_registered_model("shape", description="Tells shapes apart")
    for name in ("child 0", "child 1"):
        client.create_model_version("shape", source=f"runs:/{laid.runs[name]}/model", run_id=laid.runs[name])
    client.set_registered_model_alias("shape", "best", 2)


def tune(laid: Laid) -> None:
    """Logs a search for good parameters, for the pictures of the README."""
    from mlflow.entities import Metric, Param

    chance = random.Random(7)
    client = mlflow.MlflowClient()
    laid.tuning = client.create_experiment("flights-delay")
    for place, (rate, depth) in enumerate((rate, depth) for rate in (0.3, 0.1, 0.03) for depth in (4, 6, 8)):
        run = client.create_run(laid.tuning, run_name=f"depth-{depth}-rate-{rate}").info
        laid.runs[f"tuning {place}"] = run.run_id
        best = 11 + abs(depth - 6) / 2 + abs(rate - 0.1) * 3
        points = []
        for step in range(120):
            value = best + 9 * 2.718 ** (-step * rate / 4) + chance.gauss(0, 0.25)
            points.append(Metric("mae", value, run.start_time + step * 900, step))
            points.append(Metric("rmse", value * 1.3 + chance.gauss(0, 0.3), run.start_time + step * 900, step))
        kind = "boosting" if depth < 8 else "forest"
        client.log_batch(run.run_id, points, [Param("rate", str(rate)), Param("depth", str(depth)), Param("model", kind)])
        client.set_terminated(run.run_id, end_time=run.start_time + 120 * 900)


@pytest.fixture(scope="module")
def laid() -> Laid:
    return Laid()


@pytest.fixture(scope="module")
def site(binary: Path, browser: Browser, laid: Laid, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # noqa: F811
    place = Place(binary, tmp_path_factory.mktemp("tracking"))
    before = mlflow.get_tracking_uri()
    with place.server() as address:
        mlflow.set_tracking_uri(address)
        lay(laid, tmp_path_factory.mktemp("files"))
        yield Site(place, address, browser)
    mlflow.set_tracking_uri(before)


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    with site.reader() as context:
        page = context.new_page()
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        yield page
        assert dialogs == [], "something ran that somebody uploaded"


def compared(laid: Laid) -> str:
    runs = "&".join(f"runs={laid.runs[name]}" for name in ("child 0", "child 1", "child 2"))
    return f"/projects/default/compare?{runs}"


def every(laid: Laid) -> dict[str, str]:
    """The pages by name."""
    table = f"/projects/default/experiments/{laid.experiment}"
    files = laid.path("files")
    return {
        "experiments": "/projects/default/experiments",
        "runs": table,
        "runs-grouped": f"{table}?group=params.size&sort=metrics.loss&order=descending",
        "runs-wrong-filter": f"{table}?filter=metrics.loss%20~%203",
        "run": laid.path("child 0"),
        "run-parent": laid.path("parent"),
        "run-files": files,
        "run-csv": f"{files}?artifact=deep%2Fer%2Ftable.csv",
        "run-figure": f"{files}?artifact=figure.png",
        "run-html": f"{files}?artifact=report.html",
        "run-evil": laid.path("evil"),
        "compare": compared(laid),
        "models": "/projects/default/models",
        "model": "/projects/default/models/shape",
        "model-version": "/projects/default/models/shape/versions/1",
        "model-versions": "/projects/default/models/shape/compare?one=1&other=2",
    }


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_every_page_is_whole_and_accessible(site: Site, laid: Laid, scheme: str, width: int):
    if not AXE.exists():
        pytest.fail("there is no axe-core: cargo xtask test set-up")
    axe = AXE.read_text()
    PICTURES.mkdir(parents=True, exist_ok=True)
    context = site.reader(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    found = {}
    for name, path in every(laid).items():
        # What a frame does in its sandbox, it complains about by itself.
        before = len(complaints)
        assert page.goto(site.address + path).status == 200, path
        page.screenshot(path=PICTURES / f"tracking-{name}-{scheme}-{width}.png", full_page=True)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{path} is {wider} pixels wider than {width}"
        assert page.get_by_role("heading", level=1).count() == 1, path
        page.evaluate(axe)
        faults = page.evaluate("axe.run({iframes: false}).then((judged) => judged.violations)")
        serious = [
            (fault["id"], fault["nodes"][0]["html"][:300], fault["nodes"][0]["failureSummary"][:300])
            for fault in faults
            if fault["impact"] in ("serious", "critical")
        ]
        if serious:
            found[path] = serious
        if name == "run-html":
            del complaints[before:]
    context.close()
    assert found == {}, json.dumps(found, indent=1)
    assert complaints == []


def test_a_filter_is_said_wrong_at_its_word(site: Site, laid: Laid, page: Page):
    table = f"{site.address}/projects/default/experiments/{laid.experiment}"
    page.goto(table)
    expect(page.locator("table.runs tbody tr")).to_have_count(6)
    page.get_by_label("Filter", exact=True).fill("metrics.loss < 0.000005 AND params.size = 'small'")
    page.get_by_label("Filter", exact=True).press("Enter")
    page.wait_for_url("**filter=**")
    expect(page.locator("table.runs tbody tr")).to_have_count(2)
    page.get_by_label("Filter", exact=True).fill("metrics.loss < 3 AND colour.size = 'small'")
    page.get_by_role("button", name="Apply").click()
    fault = page.get_by_role("alert")
    # The word that the refusal quotes: there is no such thing as a `colour` of a run.
    assert fault.locator("mark").inner_text() == "colour"
    assert page.get_by_label("Filter", exact=True).input_value() == "metrics.loss < 3 AND colour.size = 'small'"


def names(page: Page) -> list[str]:
    return page.locator("table.runs tbody td:nth-child(2) a").all_inner_texts()


def test_a_table_is_ordered_grouped_and_has_the_columns_wanted(site: Site, laid: Laid, page: Page):
    page.goto(f"{site.address}/projects/default/experiments/{laid.experiment}?filter=params.same%20%3D%20'always'")
    page.locator("table.runs th a", has_text="loss").click()
    page.wait_for_url("**sort=metrics.loss&order=descending**")
    assert names(page) == ["child 2", "child 1", "child 0"]
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.locator("table.runs th a", has_text="loss").click()
    page.wait_for_url("**order=ascending**")
    assert names(page) == ["child 0", "child 1", "child 2"]
    page.get_by_label("Group by").select_option("params.size")
    page.get_by_text("Columns", exact=True).click()
    for box in ("status", "began", "took", "user", "metrics.accuracy"):
        page.get_by_role("checkbox", name=box, exact=True).uncheck()
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**group=params.size**")
    assert page.locator("tr.group").all_inner_texts() == ["params.size = large · 1 run here", "params.size = small · 2 runs here"]
    headings = page.locator("table.runs thead th").all_inner_texts()
    assert [one.strip(" ▲") for one in headings[2:]] == ["loss", "rate", "same", "size"]


def test_a_table_and_a_run_follow_what_is_logged(site: Site, page: Page):
    experiment = mlflow.set_experiment("live").experiment_id
    page.goto(f"{site.address}/projects/default/experiments/{experiment}")
    page.locator("#live[data-state=on]").wait_for(timeout=PATIENCE)
    page.evaluate("window.stays = true")
    with mlflow.start_run(run_name="going") as run:
        page.get_by_role("link", name="going").wait_for(timeout=PATIENCE)
        page.get_by_role("checkbox", name="Compare going").check()
        mlflow.log_metric("loss", 7.25, step=1)
        page.get_by_role("cell", name="7.25").wait_for(timeout=PATIENCE)
        assert page.get_by_role("checkbox", name="Compare going").is_checked()
        assert page.evaluate("window.stays") is True
        page.goto(f"{site.address}/tracking/{run.info.run_id}")
        page.locator("#live[data-state=on]").wait_for(timeout=PATIENCE)
        mlflow.log_metric("loss", 1.5, step=2)
        page.get_by_role("img", name="loss over 2 points, from 7.25 at 1 to 1.5 at 2").wait_for(timeout=PATIENCE)
    page.get_by_text("finished").wait_for(timeout=PATIENCE)


def test_curves_are_drawn_as_the_form_says(site: Site, laid: Laid, page: Page):
    page.goto(site.address + laid.path("child 0"))
    expect(page.locator("svg.line")).to_have_count(2)
    page.get_by_label("Scale", exact=True).select_option("log")
    page.get_by_label("Smoothing").select_option("80")
    page.get_by_label("Over", exact=True).select_option("relative")
    page.get_by_label("Metrics named").fill("LOSS")
    page.get_by_role("button", name="Draw").click()
    page.wait_for_url("**smooth=80**")
    expect(page.locator("svg.line")).to_have_count(1)
    assert page.locator("svg.line path.raw").count() == 1
    assert page.locator("svg.line path.series").count() == 2


@pytest.mark.parametrize(
    ("artifact", "seen"),
    [
        ("deep/er/table.csv", "The first 50 of 1000 rows"),
        ("table.parquet", "The first 50 of 1000 rows"),
        ("config.json", '"b": ['),
        ("answers.json", EVIL),
        ("words.txt", "plain words"),
        ("lies.png", "<script>alert(3)</script>"),
    ],
)
def test_a_file_is_shown_in_its_place(site: Site, laid: Laid, page: Page, artifact: str, seen: str):
    page.goto(site.address + laid.path("files"))
    for folder in artifact.split("/")[:-1]:
        summary = page.locator("nav.tree summary", has_text=folder)
        if not summary.evaluate("one => one.parentElement.open"):
            summary.click()
    page.locator("nav.tree a", has_text=artifact.rsplit("/", 1)[-1]).click()
    page.wait_for_url("**artifact=**")
    shown = page.locator("div.shown")
    assert seen in shown.inner_text()
    assert shown.locator("script").count() == 0
    with page.expect_download() as download:
        shown.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == artifact.rsplit("/", 1)[-1]


@pytest.mark.parametrize("artifact", ["figure.png", "evil.svg"])
def test_a_picture_is_shown_and_runs_nothing(site: Site, laid: Laid, page: Page, artifact: str):
    page.goto(f"{site.address}{laid.path('files')}?artifact={artifact}")
    image = page.locator("img.artifact")
    page.wait_for_function("document.querySelector('img.artifact').complete")
    assert image.evaluate("one => one.naturalWidth") > 0
    # Opened by itself it runs nothing either.
    page.goto(site.address + image.get_attribute("src"))


def test_html_is_kept_in_its_frame(site: Site, laid: Laid, page: Page):
    page.goto(f"{site.address}{laid.path('files')}?artifact=report.html")
    frame = page.frame_locator("iframe.artifact")
    frame.locator("body[data-tried]").wait_for(timeout=PATIENCE)
    tried = json.loads(frame.locator("body").get_attribute("data-tried"))
    assert tried == {"parent": "SecurityError", "cookie": "SecurityError", "origin": "null", "fetch": "TypeError"}
    # Opened by itself it is in the same sandbox.
    page.goto(site.address + page.locator("iframe.artifact").get_attribute("src"))
    page.locator("body[data-tried]").wait_for(timeout=PATIENCE)
    assert json.loads(page.locator("body").get_attribute("data-tried"))["origin"] == "null"


def test_runs_are_compared(site: Site, laid: Laid, page: Page):
    page.goto(f"{site.address}/projects/default/experiments/{laid.experiment}")
    for name in ("child 0", "child 2"):
        page.get_by_role("checkbox", name=f"Compare {name}").check()
    page.get_by_role("button", name="Compare those marked").click()
    page.wait_for_url("**/compare?runs=**")
    differ = page.locator("tr.differs th").all_inner_texts()
    assert [one.split()[0] for one in differ] == ["rate", "size", "accuracy", "loss"]
    page.get_by_role("link", name="Only what differs").click()
    page.wait_for_url("**only=differences**")
    assert page.locator("table.compared", has_text="always").count() == 0
    expect(page.locator("#metrics-title ~ .charts svg.line")).to_have_count(2)
    expect(page.locator("svg.scatter circle.point")).to_have_count(2)
    expect(page.locator("svg.parallel path.series")).to_have_count(2)


def test_what_people_wrote_is_text(site: Site, laid: Laid, page: Page):
    runs = f"runs={laid.runs['evil']}&runs={laid.runs['child 0']}"
    for path in (
        f"/projects/default/experiments/{laid.experiment}?columns=params.param&columns=tags.note&group=tags.note",
        laid.path("evil"),
        f"/projects/default/compare?{runs}&x=params.param&y=metrics.loss",
    ):
        page.goto(site.address + path)
        assert EVIL[:40] in page.get_by_role("main").inner_text(), path
        assert page.locator("main img, main script").count() == 0, path


def test_versions_are_compared(site: Site, page: Page):
    page.goto(f"{site.address}/projects/default")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Models").click()
    page.get_by_role("main").get_by_role("link", name="shape").click()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**one=1&other=2**")
    assert [one.split()[0] for one in page.locator("tr.differs th").all_inner_texts()] == ["rate", "accuracy", "loss"]


def test_without_script_it_works_the_same(site: Site, laid: Laid):
    with site.reader(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site.address}/projects/default/experiments/{laid.experiment}")
        page.get_by_label("Filter", exact=True).fill("params.rate = '0.1'")
        page.get_by_role("button", name="Apply").click()
        assert names(page) == ["child 0"]
        page.locator("table.runs tbody a").click()
        page.get_by_role("heading", level=1, name="child 0").wait_for()
        page.get_by_label("Smoothing").select_option("90")
        page.get_by_role("button", name="Draw").click()
        assert page.locator("path.raw").count() == 2


def test_a_keyboard_marks_runs_and_compares_them(site: Site, laid: Laid, page: Page):
    page.goto(f"{site.address}/projects/default/experiments/{laid.experiment}?filter=params.same%20%3D%20'always'")
    page.get_by_label("Filter", exact=True).focus()
    marked = 0
    for _ in range(80):
        page.keyboard.press("Tab")
        kind = page.evaluate("[document.activeElement.name, document.activeElement.textContent.trim()]")
        if kind[0] == "runs" and marked < 2:
            page.keyboard.press("Space")
            marked += 1
        if kind[1] == "Compare those marked":
            page.keyboard.press("Enter")
            break
    page.wait_for_url("**/compare?runs=**")
    expect(page.locator("table.compared thead th .curve")).to_have_count(2)


def test_another_project_s_runs_are_not_there(site: Site, laid: Laid):
    made = site.place.read("token", "create", "elsewhere", "--project", "other", "--role", "viewer")
    with site.browser.new_context(extra_http_headers={"authorization": f"Bearer {made['secret']}"}) as context:
        page = context.new_page()
        for path in (laid.path("files"), f"{laid.path('files')}/file?path=words.txt"):
            assert page.goto(site.address + path).status == 404, path


def test_pictures_of_the_readme_are_taken(site: Site, laid: Laid):
    """`cargo xtask pictures` puts them where the README shows them."""
    table = f"/projects/default/experiments/{laid.tuning}"
    runs = "&".join(f"runs={laid.runs[f'tuning {place}']}" for place in (1, 4, 7, 8))
    PICTURES.mkdir(parents=True, exist_ok=True)
    with site.reader(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        for name, path, part in [
            ("runs", f"{table}?group=params.model&sort=metrics.mae&order=ascending", None),
            ("run", f"{laid.path('tuning 4')}?smooth=90", None),
            ("compare", f"/projects/default/compare?{runs}&smooth=90", "#metrics-title"),
        ]:
            assert page.goto(site.address + path).status == 200, path
            if part:
                page.locator(part).scroll_into_view_if_needed()
                page.evaluate("(part) => document.querySelector(part).scrollIntoView()", part)
            page.screenshot(path=PICTURES / f"readme-{name}.png")


def test_a_trace_is_drawn_as_a_waterfall(site: Site, laid: Laid, page: Page):
    mlflow.set_experiment("traced")

    @mlflow.trace(name="answer", span_type="CHAIN")
    def answer(question: str) -> str:
        with mlflow.start_span(name="look up", span_type="RETRIEVER") as span:
            span.set_inputs({"query": question})
            span.set_outputs([EVIL])
        return f"{question}?"

    answer("why")
    mlflow.flush_trace_async_logging()
    traces = mlflow.search_traces(return_type="list")
    experiment = traces[0].info.experiment_id
    page.goto(f"{site.address}/projects/default/experiments/{experiment}/traces")
    page.get_by_role("link", name="answer", exact=True).click()
    page.wait_for_url(f"**/traces/{traces[0].info.trace_id}")
    expect(page.locator("svg.waterfall a")).to_have_count(2)
    page.locator("svg.waterfall a[aria-label^='look up']").click()
    page.wait_for_url("**span=**")
    assert EVIL[:40] in page.locator("section", has_text="The chosen span").inner_text()
    assert page.locator("main img, main script").count() == 0
    page.evaluate(AXE.read_text())
    faults = page.evaluate("axe.run().then((judged) => judged.violations)")
    assert [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")] == []
    page.screenshot(path=PICTURES / "tracking-trace-light-1280.png", full_page=True)
    page.goto(f"{site.address}/projects/default/experiments/{experiment}/traces?filter=trace.colour%20%3D%20'red'")
    page.get_by_role("alert").wait_for()
