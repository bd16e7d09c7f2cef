"""mkdocs hooks: the repository's Markdown → one site, with the links it has in the repository.

mkdocs reads docs/ only. These hooks add the pages that stand elsewhere (`OUTSIDE`, the samples),
turn each link between files of the repository into a link between pages, fill the sections of the
navigation that end in "/", and refuse pages that load anything from another site.

Invariant: a link that works in the repository works on the site; one that does not is a warning,
and `mkdocs build --strict` fails.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent
LOG = logging.getLogger("mkdocs.hooks.lbtrace")

# page of the site → file of the repository
OUTSIDE = {
    "index.md": "README.md",
    "index.ko.md": "README.ko.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)#\s]*)((?:#[^)\s]*)?)(?=\))")
_REMOTE = re.compile(
    r"""<(?:script|img|iframe)[^>]+src=["']?(?:https?:)?//|<link(?![^>]+rel=["']?"""
    r"""(?:canonical|prev|next))[^>]+href=["']?(?:https?:)?//"""
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace `Section: folder/` in the navigation by the pages of that folder."""
    config.nav = [_section(entry) for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand outside docs/."""
    from mkdocs.structure.files import File

    for page, path in _outside().items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages."""
    outside = _outside()
    source = {f.src_uri: outside.get(f.src_uri, f"docs/{f.src_uri}") for f in files}
    pages = {path: name for name, path in source.items()}
    here = source[page.file.src_uri]

    def on_the_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), link[1]))
        name = pages.get(target) or pages.get(f"{target}/README.md")
        if name is None:
            return link[0]
        return posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or ".") + link[2]

    return _LINK.sub(on_the_site, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse scripts, styles, fonts and pictures from other sites."""
    for found in _REMOTE.finditer(output):
        LOG.warning("%s loads something from another site: %s", page.file.src_uri, found[0])
    return output


def _outside() -> dict[str, str]:
    samples = [path.relative_to(ROOT).as_posix() for path in (ROOT / "samples").rglob("README.md")]
    return OUTSIDE | {path: path for path in samples}


def _section(entry: object) -> object:
    if not isinstance(entry, dict):
        return entry
    [(title, content)] = entry.items()
    if not (isinstance(content, str) and content.endswith("/")):
        return entry
    paths = [f"docs/{content}{p.name}" for p in (ROOT / "docs" / content).glob("*.md")]
    paths += [path for path in _outside().values() if path.startswith(content)]
    pages = [path.removeprefix("docs/") for path in paths]
    return {title: sorted(pages, key=lambda page: (page.count("/"), "README" not in page, page))}
