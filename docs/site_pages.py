"""mkdocs hook: the pages in the repository's root belong to the site, and no link of a page leaves it for a file.

On GitHub the same links lead to the files. Source files are not on the site: a link to one goes to the repository when
`extra.repository` names it, else its text stays and the link goes. Nothing here is needed to read the pages on GitHub.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
FROM_THE_ROOT = {
    "README.md": "start.md",
    "ADDING_A_PROVIDER.md": "adding-a-provider.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting-a-weakness.md",
}
"""Page of the repository's root → its page of the site."""

_ORIGINS = {page: origin for origin, page in FROM_THE_ROOT.items()}
_AS_THEY_ARE = (".txt", ".json", ".yaml", ".yml", ".service", ".example", ".conf")
"""Files outside docs/ that the site takes along when a page refers to them: results and examples."""
_FENCE = re.compile(r"^ {0,3}```")
_CODE_OR_LINK = re.compile(r"`[^`]*`|(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the root's pages, and the files outside docs/ that pages refer to."""
    for origin, page in FROM_THE_ROOT.items():
        files.append(File.generated(config, page, content=(ROOT / origin).read_text("utf-8")))
    for file in sorted(_taken_along(files)):
        files.append(File.generated(config, f"files/{file}", content=(ROOT / file).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Turn every link into one that leads somewhere on the site."""
    repository = config.extra.get("repository") or ""

    def turned(found: re.Match[str]) -> str:
        return _turned(found, page.file.src_uri, repository)

    return "\n".join(line if code else _CODE_OR_LINK.sub(turned, line) for code, line in _lines(markdown))


def _lines(markdown: str) -> list[tuple[bool, str]]:
    """Return every line, and whether it stands in a fenced block."""
    fenced, lines = False, []
    for line in markdown.split("\n"):
        fence = bool(_FENCE.match(line))
        lines.append((fenced or fence, line))
        fenced ^= fence
    return lines


def _turned(found: re.Match[str], here: str, repository: str) -> str:
    mark, text, link = found[1], found[2], found[3]
    if link is None or re.match(r"[a-z]+:|#", link):
        return found[0]
    path, hash_, anchor = link.partition("#")
    target = _in_repository(here, path)
    page = _on_site(target)
    if page is not None:
        return f"{mark}[{text}]({posixpath.relpath(page, posixpath.dirname(here) or '.')}{hash_}{anchor})"
    return f"[{text}]({repository}/blob/main/{target})" if repository else text


def _in_repository(here: str, path: str) -> str:
    """Return what a link of a page means, as a path from the repository's root."""
    origin = _ORIGINS.get(here, f"docs/{here}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))


def _on_site(target: str) -> str | None:
    """Return where a file of the repository is on the site, or None if it is not."""
    if target in FROM_THE_ROOT:
        return FROM_THE_ROOT[target]
    if target.startswith("docs/") and not target.endswith(".py"):
        return target.removeprefix("docs/")
    return f"files/{target}" if _is_taken_along(target) else None


def _is_taken_along(target: str) -> bool:
    file = ROOT / target
    return (
        not target.startswith("docs/")
        and (file.name == "Containerfile" or file.suffix in _AS_THEY_ARE)
        and file.is_file()
    )


def _taken_along(files: Files) -> set[str]:
    """Return the files outside docs/ that some page refers to."""
    pages = [file for file in files.documentation_pages() if file.abs_src_path or file.src_uri in _ORIGINS]
    targets = set()
    for file in pages:
        for code, line in _lines(file.content_string):
            for found in () if code else _CODE_OR_LINK.finditer(line):
                if found[3] and not re.match(r"[a-z]+:|#", found[3]):
                    targets.add(_in_repository(file.src_uri, found[3].partition("#")[0]))
    return {target for target in targets if _is_taken_along(target)}
