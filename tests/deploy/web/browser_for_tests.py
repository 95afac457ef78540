"""Chromium for the site's tests: found, started, and watched for what a page may not do.

Debian's is taken, or the one that `playwright install chromium` gets. axe-core, which finds what people with
disabilities
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_for_tests import photo

ROOT = Path(__file__).parents[3]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE = ROOT / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
VIOLATION = """addEventListener("securitypolicyviolation",
  (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));"""
RING = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return null;
  const bare = focused.type === "file" && document.querySelector(".scripted");  // its label stands for it
  const seen = bare ? focused.labels[0] : focused;
  const style = getComputedStyle(seen), box = seen.getBoundingClientRect();
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.width > 0 && box.height > 0;
  const label = focused.labels && focused.labels.length ? focused.labels[0].textContent : focused.textContent;
  return [label.trim().replace(/\\s+/g, " "), ring];
}"""


def chromium() -> Iterator[Any]:
    """Start Chromium; the test is skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        path = next(filter(None, map(shutil.which, NAMES)), own if Path(own).is_file() else None)
        if path is None:
            pytest.skip("needs Chromium: apt install chromium, or playwright install chromium")
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        yield browser
        browser.close()


def axe() -> str:
    """Return the code of axe-core; the test is skipped where there is none."""
    path = Path(os.environ.get("KERASQUEEZE_AXE") or AXE)
    if not path.is_file():
        pytest.skip("needs axe-core: npm install --prefix build/browser axe-core, or $KERASQUEEZE_AXE")
    return path.read_text(encoding="utf-8")


class Visitor:
    """Someone with a browser.

    Attributes:
        page: What they see.
        complaints: What the console said, what the policy forbade and what was asked of other hosts.
    """

    def __init__(self, context: Any, origin: str):
        self.origin, self.complaints = origin, []
        context.add_init_script(VIOLATION)
        context.set_default_timeout(10_000)
        self.page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self._asked)
        self.page.on("filechooser", lambda chooser: None)  # from here on, not only once one is waited for

    def go(self, path: str = "/") -> None:
        self.page.goto(self.origin + path)

    def follow(self, selector: str) -> None:
        """Click on what leads to another page, and wait for that."""
        with self.page.expect_navigation():
            self.page.click(selector)

    def enter(self) -> None:
        """Press Enter on what leads to another page, and wait for that."""
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def title(self) -> str:
        return self.page.inner_text("h1")

    def choose(self, file: Path | dict[str, Any]) -> None:
        """Choose a file on the first page; with scripts it is sent at once."""
        self.go()
        self.page.set_input_files("#id_photo", file)

    def send(self, colour: str = "blue") -> None:
        """Send a photo and wait for what is said of it."""
        self.choose({"name": "photo.png", "mimeType": "image/png", "buffer": photo(colour)})
        self.page.wait_for_url("**/photo/*/")

    def tab_to(self, name: str, most: int = 40) -> None:
        """Press Tab until what is called so has the focus; at each stop on the way one must see where it is."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            found = self.page.evaluate(RING)
            if found:
                assert found[1], f"{found[0]!r} does not show that it has the focus"
                if name in found[0]:
                    return
        raise AssertionError(f"Tab does not reach {name!r}")

    def refused(self, status: int) -> None:
        """Forget the one line that the console has of a page with that status."""
        assert self.complaints.pop().startswith("console: Failed to load resource: the server responded with a status")
        assert not self.complaints, status

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.complaints.append(f"asked of another host: {request.url}")
