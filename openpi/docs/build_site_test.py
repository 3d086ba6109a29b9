import tarfile

import pytest
from mkdocs import exceptions

from openpi.docs import build_site

_CONFIG = """site_name: test
use_directory_urls: false
theme: {name: mkdocs, highlightjs: false}
validation: {nav: {omitted_files: warn}, links: {anchors: warn}}
nav: [README.md, a/page.md]
"""
_PAGES = {
    "README.md": "# Start\n\n[a page](a/page.md#there)\n",
    "a/page.md": "# Page\n\n## There\n\n[![picture](p.png)](../README.md)\n",
    "a/p.png": "not looked at",
}


def _make(tmp_path, monkeypatch, pages, output="site.tar"):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    (tmp_path / "mkdocs.yml").write_text(_CONFIG)
    for name, text in pages.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    code = build_site.main(["--config=mkdocs.yml", f"--output={output}", *pages])
    return code, tmp_path / output


def test_pages_keep_their_places_and_their_bytes(tmp_path, monkeypatch):
    code, first = _make(tmp_path, monkeypatch, _PAGES)
    assert code == 0
    with tarfile.open(first) as archive:
        assert {"index.html", "a/page.html", "a/p.png"} <= set(archive.getnames())
        assert b'href="a/page.html#there"' in archive.extractfile("index.html").read()
    _, again = _make(tmp_path, monkeypatch, _PAGES, output="again.tar")
    assert first.read_bytes() == again.read_bytes()


def test_what_a_rule_made_stands_beside_its_neighbours(tmp_path, monkeypatch):
    generated = {
        ("bazel-out/k8-fastbuild/bin/a/page.md" if name == "a/page.md" else name): _PAGES[name] for name in _PAGES
    }
    code, site = _make(tmp_path, monkeypatch, generated)
    assert code == 0
    with tarfile.open(site) as archive:
        assert "a/page.html" in archive.getnames()


@pytest.mark.parametrize(
    "change",
    [
        {"README.md": "[gone](a/gone.md)"},
        {"README.md": "[gone](a/page.md#gone)"},
        {"a/left_out.md": "# Nobody finds this"},
    ],
    ids=["page", "anchor", "navigation"],
)
def test_what_leads_nowhere_fails(tmp_path, monkeypatch, change, capsys):
    code, site = _make(tmp_path, monkeypatch, _PAGES | change)
    assert code == 1 and not site.exists()
    assert "build_site: error:" in capsys.readouterr().err


def test_the_error_is_mkdocs_own(tmp_path, monkeypatch):
    _make(tmp_path, monkeypatch, _PAGES)
    with pytest.raises(exceptions.MkDocsException):
        build_site.make(tmp_path / "none.yml", [], tmp_path / "none.tar")
