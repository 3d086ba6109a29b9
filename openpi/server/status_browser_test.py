"""The status page in a real browser, where there is one."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from openpi.client import base_policy, msgpack_numpy
from openpi.server import api_keys, served

_KEY = "0123456789abcdef"
_BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_IMAGE = np.zeros((480, 640, 3), np.uint8)
_ATTACK = "<img src=x onerror=\"document.title='owned'\"></pre><script>document.title='owned'</script>"

pytestmark = pytest.mark.skipif(_BROWSER is None, reason="no chromium here (Debian: apt-get install chromium)")


class _Policy(base_policy.BasePolicy):
    def infer(self, obs):
        return {"actions": np.linspace(0, 1, 50)[:, None] * obs["state"]}


def _browse(running, profile, login):
    """The page after some seconds of its own time, and what the browser complained of."""
    done = subprocess.run(
        [
            str(_BROWSER),
            "--headless",
            "--no-sandbox",  # as root; the page is ours
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={profile}",
            "--enable-logging=stderr",
            "--virtual-time-budget=4000",
            "--dump-dom",
            f"http://{login}{running.address}/",
        ],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return done.stdout, re.findall(r"CONSOLE.*", done.stderr)


def test_a_browser_shows_what_the_model_saw_and_answered(tmp_path):
    with (
        served.serve(_Policy(), {"robot": _ATTACK}, keys=api_keys.ApiKeys([_KEY])) as running,
        running.connect(additional_headers={"Authorization": f"Api-Key {_KEY}"}) as connection,
    ):
        connection.recv()
        for _ in range(3):
            connection.send(
                msgpack_numpy.packb({"images": {f"cam{_ATTACK}": _IMAGE}, "state": np.arange(7.0), "prompt": _ATTACK})
            )
            connection.recv(timeout=10)
        html, complaints = _browse(running, tmp_path / "known", f"robot:{_KEY}@")
        assert complaints == []
        assert "<title>openpi server</title>" in html
        # What came of a client is there, in name of camera, prompt and metadata, as text.
        assert html.count("<script>") == 1
        body = html[: html.index("<script>")]
        assert body.count("&lt;script&gt;document.title") >= 4
        assert [url.split("/status/")[0] for url in re.findall(r"<img[^>]* src=\"([^\"]*)", body)] == [
            f"http://{running.address}"
        ]
        assert re.search(r'<span id="state" class="state ready">ready</span>', body)
        # The frame has arrived and been drawn, and each of the seven joints has its curve of fifty points.
        assert re.search(r"<figcaption>images/cam&lt;img.* uint8\[480, 640, 3\]</figcaption>", body)
        chunk = re.search(r'<svg id="chunk".*?</svg>', body, re.DOTALL)
        curves = re.findall(r'<polyline points="([^"]*)"', chunk[0])
        assert [len(curve.split()) for curve in curves] == [50] * 7
        assert re.search(r"<td[^>]*>request: ok</td><td[^>]*>3</td>", body)
        assert f"127.0.0.1:{connection.local_address[1]}" in body

        without, _ = _browse(running, tmp_path / "stranger", "")
        assert "html" in without
        assert "openpi" not in without
