"""Sphinx makes the site from the Markdown pages of this folder (see README.md here)."""

import re

from sphinx.application import Sphinx

from helixer_ft import __version__

project = "helixer-ft"
author = copyright = "The helixer-ft developers"
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["README.md", "slurm/*"]
myst_heading_anchors = 4
smartquotes = False
"""As on GitHub: 5' stays 5', and -- stays --."""

html_theme = "furo"
html_title = f"helixer-ft {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "tango"
pygments_dark_style = "github-dark"

_PAGE_ABOVE = re.compile(r"\]\(((?:\.\./)*)\.\./(training|CHANGELOG|CONTRIBUTING)\.md")


def link_to_the_page_here(app: Sphinx, docname: str, source: list[str]) -> None:
    """Lead links to pages in the repository's root to those of the site, which include them."""
    source[0] = _PAGE_ABOVE.sub(lambda link: f"]({link[1]}{link[2].lower()}.md", source[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", link_to_the_page_here)
