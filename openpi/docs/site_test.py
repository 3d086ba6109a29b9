"""The site as Bazel builds it: nothing in it comes from another server, and every guide is there."""

import pathlib
import re
import tarfile

import pytest

_FOLDER = pathlib.Path(__file__).parent
# What a browser fetches by itself.
_LOADED = re.compile(
    r'<(?:script|img|iframe|source)\b[^>]*\ssrc="([^"]*)"|<link\b[^>]*\shref="([^"]*)"'
    r"""|url\(["']?([^"')]*)|@import\s+["']([^"']*)"""
)


@pytest.fixture(scope="module")
def site():
    """The pages' texts by name, and all names."""
    with tarfile.open(_FOLDER / "site.tar") as archive:
        names = archive.getnames()
        files = {name: archive.extractfile(name) for name in names if name.endswith((".html", ".css"))}
        return {name: file.read().decode() for name, file in files.items() if file is not None}, set(names)


def test_every_guide_is_a_page(site):
    pages, _ = site
    guides = {f"openpi/docs/{path.stem}.html" for path in _FOLDER.glob("*.md") if path.stem != "README"}
    assert guides and guides <= set(pages)
    assert "Vision-language-action" in pages["index.html"]


def test_browsers_are_sent_nowhere(site):
    pages, names = site
    for name, text in pages.items():
        loaded = [address for groups in _LOADED.findall(text) for address in groups if address]
        assert loaded or name.endswith(".css"), f"{name} loads nothing, not even its own style"
        elsewhere = [address for address in loaded if address.startswith(("http:", "https:", "//"))]
        assert not elsewhere, f"{name} loads {elsewhere}"
    assert len(names) > 40


def test_pictures_are_in_it(site):
    pages, names = site
    assert "openpi/docs/images/aloha_reach_strip.png" in names
    assert 'src="openpi/docs/images/aloha_reach_strip.png"' in pages["index.html"]
