"""What to do when something is lost or wrong: one page each, written to be followed at three in the morning.

Belongs here: the pages (`*.md`) and finding them. Does not: the commands they use (`cli/`). Every page has a test in
`retail_lake_tests/runbooks/` that loses the thing first and then does what the page says.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from retail_lake.failure import ConfigurationFailure


def pages() -> Mapping[str, str]:
    """The pages' text by name, in the order of the names."""
    found = (page for page in files(__package__).iterdir() if page.name.endswith(".md"))
    return {page.name.removesuffix(".md"): page.read_text(encoding="utf-8") for page in sorted(found, key=lambda page: page.name)}


def page(name: str) -> str:
    """One page. Raises `ConfigurationFailure` naming those there are."""
    known = pages()
    if name not in known:
        raise ConfigurationFailure(f"There is no runbook {name}. There are: {', '.join(known)}")
    return known[name]


def title(text: str) -> str:
    """A page's first line."""
    return text.partition("\n")[0].lstrip("# ")
