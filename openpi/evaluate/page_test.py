import base64
import html.parser

import pytest

from openpi.evaluate import comparison, episode, page, report, results

_HOSTILE = "</style><script>alert('1')</script> & \"x\""


class _Reader(html.parser.HTMLParser):
    """All elements with their attributes, and all text; complains about what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def _episodes(policy, task, marks):
    return [
        episode.Episode(policy=policy, task=task, episode=i, success=mark, steps=20 + i, seconds=1.25, distance=0.034)
        for i, mark in enumerate(marks)
    ]


_EPISODES = [*_episodes("trained", "reach", [True, True, False, True]), *_episodes(_HOSTILE, "pick <it>", [False])]


def _render(**options):
    text = page.render(report.rows(_EPISODES), title="An evaluation & more", facts={"seed": 7, "none": None}, **options)
    return _Reader(text)


def test_bars_and_intervals_stand_where_the_rates_are():
    read = _render()
    tracks, bars = ([r for r in read.all("rect") if r["class"] == name] for name in ("track", "bar"))
    width, left = float(tracks[0]["width"]), float(tracks[0]["x"])
    assert [float(bar["width"]) / width for bar in bars] == [0.75, 0.0]
    interval = read.all("line")[0]
    ends = [(float(interval[x]) - left) / width for x in ("x1", "x2")]
    assert ends == pytest.approx([0.3006, 0.9544], abs=1e-3)  # Wilson, 3 of 4
    assert "75 % (30-95), 3 of 4" in read.texts
    assert len(read.all("svg")) == 2


def test_every_episode_and_condition_is_listed():
    read = _render()
    assert len(read.all("details")) == 2
    assert read.texts.count("success") == 3
    assert read.texts.count("failure") == 2
    assert {"20", "23", "1.25", "3.4 cm", "seed", "7", "An evaluation & more"} <= set(read.texts)
    assert "none" not in read.texts


def test_names_are_text_and_nothing_is_fetched_or_run():
    read = _render()
    assert not read.all("script")
    assert not read.all("link")
    assert _HOSTILE in read.texts
    assert "pick <it>" in read.texts
    assert not [value for _, attributes in read.elements for value in attributes.values() if "http:" in str(value)]
    policy = next(each["content"] for each in read.all("meta") if "content" in each)
    assert policy.startswith("default-src 'none'")


def test_films_are_within(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"a film")
    (shown,) = _render(films={("trained", "reach", 2): tmp_path / "film.mp4"}).all("video")
    assert base64.b64decode(shown["src"].removeprefix("data:video/mp4;base64,")) == b"a film"


def test_a_comparison_is_shown():
    mine = results.Results(source="a.json", conditions={}, episodes=_EPISODES)
    other = results.Results(source="<b>.json", conditions={}, episodes=_episodes("old", "reach", [False] * 4))
    read = _render(compared=comparison.between(mine, other))
    assert {"A: trained (a.json)", "B: old (<b>.json)", "only A", "0.25"} <= set(read.texts)
    assert not read.all("b")
