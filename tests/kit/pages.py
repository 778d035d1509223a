"""Reads the built site's pages: what they link to, what can be linked to, what a browser would load for them."""

from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

_LOADED = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "use": ("href",),
}
_LOADING_LINKS = frozenset(
    {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}
)


class Reader(HTMLParser):
    """One page: `links`, `anchors`, `loaded`, and the `prose` that is no code."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {"", "top"}
        self.loaded: list[str] = []
        self.prose = ""
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._silent += tag in ("code", "script", "style")
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and _LOADING_LINKS & set(given.get("rel", "").split()):
            self.loaded.append(given["href"])
        self.loaded += [given[name] for name in _LOADED.get(tag, ()) if name in given]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("code", "script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.prose += data


@cache
def read(path: Path) -> Reader:
    """Return what one page holds."""
    reader = Reader()
    reader.feed(path.read_text("utf-8"))
    return reader


def is_elsewhere(link: str) -> bool:
    """Tell whether a link leaves the site."""
    return link.startswith(("http:", "https:", "//"))


def broken(site: Path, page: Path) -> Iterator[str]:
    """Yield each link and each loaded file of a page that is not in the site."""
    reader = read(page)
    for link in (*reader.links, *reader.loaded):
        if is_elsewhere(link) or link.startswith(("mailto:", "data:")):
            continue
        path, _, anchor = link.partition("#")
        path = path.partition("?")[0]
        target = (page.parent / unquote(path)).resolve() if path else page
        if not target.is_relative_to(site) or not target.is_file():
            yield f"{link}: no such file"
        elif target.suffix == ".html" and unquote(anchor) not in read(target).anchors:
            yield f"{link}: no such anchor"
