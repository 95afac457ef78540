"""A Markdown report as one HTML file that needs nothing beside it: pictures inside, no script, no network."""

import base64
import html
import re
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt

from kerasqueeze.errors import UserError

STYLE = """
:root { color-scheme: light; --line: #d8dde3; --soft: #f5f7f9; --ink: #1c2430; --quiet: #5a6675; --blue: #0072b2 }
* { box-sizing: border-box }
body { font: 16px/1.6 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink);
  background: #fff; max-width: 72rem; margin: 0 auto; padding: 2.5rem 1.5rem 5rem }
h1 { font-size: 2rem; line-height: 1.25; margin: 0 0 1.5rem }
h2 { font-size: 1.4rem; margin: 3rem 0 .8rem; padding-bottom: .3rem; border-bottom: 2px solid var(--line) }
h3 { font-size: 1.1rem; margin: 2rem 0 .6rem }
p, ul, ol { max-width: 50rem }
p:has(> img) { max-width: none }
.interval { white-space: nowrap }
.wide { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse; font-size: .84rem; line-height: 1.4; font-variant-numeric: tabular-nums }
th { text-align: left; background: var(--soft); border-bottom: 2px solid var(--line) }
th, td { padding: .4rem .6rem; vertical-align: top }
td { border-bottom: 1px solid var(--line) }
img { max-width: 100%; height: auto; display: block; margin: 1rem auto; border: 1px solid var(--line) }
blockquote { margin: .6rem 0 1.4rem; padding: .1rem 0 .1rem .9rem; border-left: 4px solid #e69f00; color: var(--quiet);
  font-size: .88rem }
blockquote p { margin: .3rem 0 }
code { font: .88em/1.5 ui-monospace, "DejaVu Sans Mono", monospace; background: var(--soft); padding: .1em .3em;
  border-radius: 3px; overflow-wrap: anywhere }
pre { background: var(--soft); padding: .9rem 1.1rem; overflow-x: auto; border-radius: 4px }
pre code { padding: 0; background: none; overflow-wrap: normal }
a { color: var(--blue) }
img[alt^="Confusion"] { width: min(96vw, 1900px); max-width: none; margin-left: calc(50% - min(48vw, 950px)) }
@media print { body { max-width: none; padding: 0 } h2, h3 { break-after: avoid } img, tr { break-inside: avoid } }
"""


def page(markdown: str, folder: Path) -> str:
    """Return a Markdown text as a self-contained HTML page.

    Args:
        markdown: The text; its first heading is the page's title.
        folder: What the pictures' paths are relative to.

    Raises:
        UserError: If a picture is missing.
    """
    title = next((line[2:] for line in markdown.splitlines() if line.startswith("# ")), "Report")
    body = MarkdownIt("commonmark").enable("table").render(markdown)
    body = re.sub(r"\[[+-]?\d[^]<]*]", r'<span class="interval">\g<0></span>', body).replace(" †", "&nbsp;†")
    body = re.sub(r'(<img [^>]*?src=")([^"]+)(")', lambda found: _embedded(found, folder), body)
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _embedded(found: re.Match[str], folder: Path) -> str:
    path = Path(folder) / unquote(html.unescape(found[2]))
    if not path.is_file():
        raise UserError(f"no picture at {path}; draw it again: python scripts/report.py")
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"{found[1]}data:image/png;base64,{data}{found[3]}"
