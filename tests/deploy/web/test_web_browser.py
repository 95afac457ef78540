"""The pages as people use them: in Chromium, by mouse and by keyboard, with and without scripts, wide and narrow."""

from collections.abc import Iterator

import browser_for_tests
import pytest
from browser_for_tests import STANDARDS, Visitor
from PIL import Image
from site_for_tests import encoded, photo
from test_web_serving import Site

pytestmark = pytest.mark.browser
SCHEMES, WIDTHS = ("light", "dark"), (360, 1280)


@pytest.fixture(scope="session", autouse=True)
def database():
    """The site is a process of its own: nothing of it is needed in this one."""


@pytest.fixture(autouse=True)
def used():
    """As `database`."""


@pytest.fixture(scope="module")
def browser():
    yield from browser_for_tests.chromium()


@pytest.fixture(scope="module")
def running(browser, tmp_path_factory):
    """Serve, with a study to show."""
    data = tmp_path_factory.mktemp("site") / "data"
    (data / "CSV").mkdir(parents=True)
    (data / "PNG").mkdir()
    data.chmod(0o700)
    head = "experiment,accuracy,accuracy_low,accuracy_high,top5,precision,recall,model,optimizer,image_size,seeds"
    rows = [f"fine_tuning_{name},0.61,0.6,0.62,0.9,0.61,0.6,squeezenet1_1,{name},224,3" for name in ("adam", "amsgrad")]
    (data / "CSV" / "summary.csv").write_text("\n".join([head, *rows]))
    Image.new("RGB", (1200, 500), "#ddeeff").save(data / "PNG" / "fine_tuning_adam_combined.png")
    site = Site(data)
    yield site
    code, _, err = site.end()
    assert (code, err) == (0, "")


@pytest.fixture
def visit(browser, running):
    """Return what opens a browser of somebody's own; at the end no history is left and nothing was complained of."""
    contexts, visitors = [], []

    def enter(**options) -> Visitor:
        contexts.append(browser.new_context(**options))
        visitors.append(Visitor(contexts[-1], f"http://127.0.0.1:{running.port}"))
        return visitors[-1]

    yield enter
    for context in contexts:
        context.close()
    running.send_form("/history/delete/", b"")
    assert [line for visitor in visitors for line in visitor.complaints] == []


def folders(running: Site) -> list[str]:
    """Return the folders of the photos that are kept."""
    place = running.data / "photos"
    return [path.name for path in place.iterdir()] if place.is_dir() else []


def test_a_photo_is_sent_seen_found_again_and_deleted(visit, running, tmp_path):
    visitor = visit()
    page = visitor.page
    (tmp_path / "photo.jpg").write_bytes(photo("blue", (300, 200), form="JPEG"))
    visitor.choose(tmp_path / "photo.jpg")
    page.wait_for_url("**/photo/*/")
    address = page.url
    assert visitor.title() == "Blue thing"
    assert page.inner_text(".guesses li:first-child .label") == "Blue thing"
    # the map lies over the photo, as strong as the slider says
    heat, strength = page.locator("#heat"), page.locator("#strength")
    assert heat.is_visible() and heat.evaluate("image => image.complete && image.naturalWidth") > 0
    assert heat.bounding_box() == page.locator(".stack img").first.bounding_box()
    assert heat.evaluate("image => getComputedStyle(image).opacity") == "0.8"
    box = strength.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    chosen = int(strength.input_value())
    assert 20 <= chosen <= 40
    assert float(heat.evaluate("image => getComputedStyle(image).opacity")) == pytest.approx(chosen / 100)
    # another class has another map
    before = heat.get_attribute("src")
    visitor.follow(".guesses li:nth-child(2) a")
    assert heat.get_attribute("src") != before and heat.evaluate("image => image.naturalWidth") > 0
    # the history finds it by a part of its name
    visitor.send("red")
    visitor.follow("text=History")
    assert page.locator(".card").count() == 2
    page.fill("#id_q", "BLUE th")
    visitor.follow("button:text('Search')")
    visitor.follow(".card a")
    assert page.url == address and visitor.title() == "Blue thing"
    number = address.rstrip("/").rpartition("/")[2]
    assert number in folders(running) and len(folders(running)) == 2
    visitor.follow("text=Delete this one")
    visitor.follow("button.danger")
    assert "The photo (blue thing) is deleted." in page.inner_text(".note")
    assert number not in folders(running) and len(folders(running)) == 1
    assert page.locator(".card").count() == 1
    page.goto(address)
    assert "Error 404" in page.inner_text("main")
    visitor.refused(404)


def test_the_whole_history_is_deleted(visit, running):
    visitor = visit()
    for colour in ("red", "blue"):
        visitor.send(colour)
    visitor.go("/history/")
    visitor.follow("text=Delete the whole history")
    visitor.follow("text=Keep them")
    assert visitor.page.locator(".card").count() == len(folders(running)) == 2
    visitor.follow("text=Delete the whole history")
    visitor.follow("button.danger")
    assert "2 photos deleted" in visitor.page.inner_text(".note")
    assert visitor.page.locator(".card").count() == len(folders(running)) == 0


def test_a_file_is_dropped(visit, tmp_path):
    visitor = visit()
    visitor.go()
    (tmp_path / "photo.png").write_bytes(photo("lime"))
    devtools = visitor.page.context.new_cdp_session(visitor.page)
    data = {"items": [], "files": [str(tmp_path / "photo.png")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 300, "data": data})
        if kind == "dragOver":
            visitor.page.wait_for_selector(".drop.over")
    visitor.page.wait_for_url("**/photo/*/")
    assert visitor.title() == "Green thing"


def test_a_picture_is_pasted(visit, running):
    visitor = visit()
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.go()
    visitor.page.evaluate(
        """async () => {
          const canvas = document.createElement("canvas");
          const brush = canvas.getContext("2d");
          brush.fillStyle = "yellow";
          brush.fillRect(0, 0, canvas.width, canvas.height);
          const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
          await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
        }"""
    )
    visitor.page.keyboard.press("Control+v")
    visitor.page.wait_for_url("**/photo/*/")
    assert visitor.title() == "Yellow thing"


def test_what_is_no_photo_is_refused_in_a_line(visit, running, tmp_path):
    visitor = visit()
    visitor.choose({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"Dear diary, "})
    line = visitor.page.wait_for_selector(".problem p")
    assert line.inner_text().startswith("This is not a photo that can be read here")
    visitor.refused(415)
    (tmp_path / "large.jpg").write_bytes(bytes(11 * 2**20))
    visitor.page.set_input_files("#id_photo", tmp_path / "large.jpg")  # said at once; it is not sent
    assert "11.0 MB; at most 10 MB are taken" in visitor.page.inner_text(".problem p")
    assert not folders(running)


def test_everything_works_without_scripts(visit, running):
    visitor = visit(java_script_enabled=False)
    page = visitor.page
    visitor.go()
    visitor.follow(".go button")
    assert page.inner_text(".problem p") == "Choose a photo first."
    visitor.refused(422)
    page.set_input_files("#id_photo", {"name": "a.png", "mimeType": "image/png", "buffer": photo("blue")})
    visitor.follow(".go button")
    assert visitor.title() == "Blue thing" and page.locator("#heat").is_visible()
    assert not page.locator("#strength").is_visible()
    page.click("noscript summary")
    assert page.get_by_alt_text("The photo without the map").is_visible()
    visitor.follow("text=History")
    page.fill("#id_q", "blue")
    visitor.follow("button:text('Search')")
    visitor.follow(".card .remove")
    visitor.follow("button.danger")
    assert "No photo yet." in page.inner_text(".empty") and not folders(running)


def test_the_keyboard_alone_does_the_whole_way(visit, running, tmp_path):
    visitor = visit()
    page, keys = visitor.page, visitor.page.keyboard
    (tmp_path / "photo.png").write_bytes(photo("blue"))
    visitor.go()
    visitor.tab_to("Choose a photo")
    with page.expect_file_chooser() as chooser:
        keys.press("Enter")
    chooser.value.set_files(tmp_path / "photo.png")
    page.wait_for_url("**/photo/*/")
    visitor.tab_to("Map")
    keys.press("Home")
    assert page.locator("#heat").evaluate("image => getComputedStyle(image).opacity") == "0"
    page.reload()
    visitor.tab_to("Skip to the content")
    visitor.enter()
    visitor.tab_to("Map", most=1)  # nothing of the head is passed again
    page.reload()
    visitor.tab_to("History")
    visitor.enter()
    visitor.tab_to("Search by name")
    keys.type("blue")
    visitor.enter()
    visitor.tab_to("Blue thing")
    visitor.enter()
    visitor.tab_to("Delete this one")
    visitor.enter()
    visitor.tab_to("Delete")
    visitor.enter()
    assert not folders(running)


def every_page(visitor: Visitor, running: Site) -> Iterator[str]:
    """Show one page after the other, with a history of two pages; yield what each is."""
    page = visitor.page
    for path in ("/", "/history/"):
        visitor.go(path)
        yield f"{path} with no photo yet"
    visitor.choose({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"Dear diary, "})
    page.wait_for_selector(".problem p")
    yield "/ with a refusal"
    visitor.refused(415)
    halves = Image.new("RGB", (640, 160), "red")
    halves.paste("blue", (320, 0, 640, 160))
    for colour in ("red", "lime", "blue", "white", "yellow") * 5:
        running.send_form("/", photo(colour))
    running.send_form("/", encoded(halves))
    visitor.go("/history/?q=red")
    visitor.follow(".card a")
    assert visitor.title() == "Not sure"
    yield "a photo that is not sure"
    visitor.send("blue")
    address = page.url
    paths = ("?class=3", "delete/")
    for path in ("", *paths):
        page.goto(address + path)
        yield f"a photo, {path}"
    for path in ("/", "/history/", "/history/?page=2", "/history/?q=zebra", "/history/delete/", "/study/"):
        visitor.go(path)
        yield path
    visitor.go("/about/")
    page.click("summary")
    yield "/about/ with all classes"
    visitor.go("/nowhere/")
    yield "an address without a page"
    visitor.refused(404)


def test_nothing_scrolls_sideways_on_a_telephone(visit, running):
    visitor = visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    wide = []
    for name in every_page(visitor, running):
        width = visitor.page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        if width > visitor.page.evaluate("innerWidth") or width > 360:
            wide.append(f"{name}: {width}")
    assert wide == []


def test_axe_finds_nothing(visit, running):
    code = browser_for_tests.axe()
    visitor = visit(reduced_motion="reduce")  # else colours are still on their way from light to dark
    page = visitor.page
    found, looked = [], 0
    for name in every_page(visitor, running):
        page.evaluate(code)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                result = page.evaluate(
                    "standards => axe.run({runOnly: standards, resultTypes: ['violations']})", STANDARDS
                )
                looked += len(result["passes"])
                for rule in result["violations"]:
                    where = ", ".join(str(node["target"][0]) for node in rule["nodes"])
                    found.append(f"{name}, {scheme}, {width}: {rule['id']} at {where}")
    assert found == []
    assert looked > 500  # rules that had something to look at
