import base64
import concurrent.futures
import io
import json
import re
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image
from websockets import exceptions

from openpi.client import base_policy, msgpack_numpy
from openpi.server import api_keys, served, status_page

_KEY = "0123456789abcdef"
_HEADER = {"Authorization": f"Api-Key {_KEY}"}
_IMAGE = np.random.default_rng(0).integers(0, 256, (3, 24, 32), np.uint8)
_PROMPT = "</script><script>alert(1)</script>"


class _Policy(base_policy.BasePolicy):
    def __init__(self):
        self.release = threading.Event()
        self.started = threading.Event()

    def infer(self, obs):
        if obs["prompt"] == "wait":
            self.started.set()
            assert self.release.wait(20)
        return {"actions": np.stack([obs["state"]] * 4)}


def _get(running, path, headers=None):
    """Status, body and headers of a GET request."""
    request = urllib.request.Request(f"http://{running.address}{path}", headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.read(), reply.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def _login(password, user="robot"):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _ask(connection, prompt=_PROMPT, state=(1.0, np.nan), **extra):
    connection.send(
        msgpack_numpy.packb({"state": np.array(state), "images": {"cam/<b>": _IMAGE}, "prompt": prompt, **extra})
    )


def _figures(running, headers=None):
    status, body, got = _get(running, "/status.json", headers)
    assert (status, got["Content-Type"]) == (200, "application/json")
    return json.loads(body, parse_constant=pytest.fail)  # no NaN


def test_the_figures_of_a_conversation():
    with served.serve(_Policy(), {"pose": np.zeros(2), "bad": float("nan")}) as running:
        before = _figures(running)
        assert (before["ready"], before["latest"], before["sessions"]) == (True, None, [])
        assert before["metadata"] == {"pose": [0.0, 0.0], "bad": None}
        assert _get(running, "/status/frame/x.png")[0] == 404
        with running.connect() as connection:
            connection.recv()
            for _ in range(3):
                _ask(connection, openpi={"deadline_ms": 5000})
                connection.recv()
            after = _figures(running)
            (session,) = after["sessions"]
            assert session["requests"] == 3
            assert session["address"] == "{}:{}".format(*connection.local_address[:2])
            assert after["latest"]["request_id"] == session["name"] + "-3"
            assert after["latest"]["observation"] == {
                "state": [1.0, None],
                "images": {"cam/<b>": "uint8[3, 24, 32]"},
                "prompt": _PROMPT,
            }
            assert after["latest"]["cameras"] == {"images/cam/<b>": "uint8[3, 24, 32]"}
            assert after["latest"]["actions"] == [[1.0] * 4, [None] * 4]
            assert after["latest"]["batch_size"] == 1
            assert after["requests"] == {"ok": 3}
            assert after["batches"] == {"1": 3}
            assert {of["count"] for of in after["stages"].values()} == {3}

            status, png, headers = _get(running, "/status/frame/images%2Fcam%2F%3Cb%3E.png?of=3")
            assert (status, headers["Content-Type"]) == (200, "image/png")
            with Image.open(io.BytesIO(png)) as image:
                np.testing.assert_array_equal(np.asarray(image), _IMAGE.transpose(1, 2, 0))
        for path in ("/status/frame/cam.png", "/status/frame/%2e%2e/%2e%2e/etc/passwd", "/status/frame/"):
            assert _get(running, path)[0] == 404


def test_the_page_runs_its_own_code_only():
    with served.serve(_Policy()) as running:
        status, body, headers = _get(running, "/")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        html = body.decode()
        for tag, directive in (("script", "script-src"), ("style", "style-src")):
            assert len(re.findall(f"<{tag}", html)) == len(policy[directive].split()) == 1
        # Nothing is fetched from elsewhere, and no text of a client can become markup.
        assert not re.search(r"(?:src|href|action)=\"(?!data:,)", html)
        assert set(re.findall(r"https?://[^\"]*", html)) == {"http://www.w3.org/2000/svg"}
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|style=|\bon\w+=\"", html)
        for path in ("/", "/status.json"):
            got = _get(running, path)[2]
            assert got["Cache-Control"] == "no-store"
            assert got["X-Content-Type-Options"] == "nosniff"
            assert got["Cross-Origin-Resource-Policy"] == "same-origin"
            assert got["Access-Control-Allow-Origin"] is None


def test_a_browser_logs_in_with_a_key_and_opens_no_websocket_with_it():
    with served.serve(_Policy(), keys=api_keys.ApiKeys([_KEY])) as running:
        for path in ("/", "/status.json", "/status/frame/x.png"):
            for wrong in (
                {},
                _login(_KEY + "x"),
                _login(""),
                {"Authorization": "Basic ???"},
                {"Authorization": "Basic"},
            ):
                status, body, headers = _get(running, path, wrong)
                assert status == 401
                assert headers["WWW-Authenticate"].startswith("Basic realm=")
                assert b"<" not in body
            for right in (_HEADER, _login(_KEY), _login(_KEY, user="")):
                assert _get(running, path, right)[0] == (404 if path.endswith("png") else 200)
        # Another site's page could open it, and the browser would add the login.
        with pytest.raises(exceptions.InvalidStatus) as refused:
            running.connect(additional_headers=_login(_KEY))
        assert refused.value.response.status_code == 401
        assert refused.value.response.headers["WWW-Authenticate"] == "Api-Key"
        with running.connect(additional_headers=_HEADER) as connection:
            connection.recv(timeout=5)


def test_the_page_is_answered_during_an_inference_and_tells_the_one_before():
    policy = _Policy()
    with served.serve(policy) as running, running.connect() as one, running.connect() as other:
        one.recv()
        other.recv()
        _ask(one)
        one.recv()
        _ask(one, "wait")
        assert policy.started.wait(5)
        _ask(other)
        assert _figures(running)["latest"]["observation"]["prompt"] == _PROMPT
        assert len(_figures(running)["sessions"]) == 2
        policy.release.set()
        one.recv()
        other.recv()


def test_a_page_that_takes_its_time_holds_up_nobody():
    asked, release = threading.Event(), threading.Event()
    with served.serve(_Policy()) as running, running.connect() as connection:
        connection.recv()
        samples = running.recorder.samples

        def slowly():
            asked.set()
            assert release.wait(20)
            return samples()

        running.recorder.samples = slowly
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            figures = pool.submit(_figures, running)
            assert asked.wait(10)
            assert _get(running, "/livez")[0] == 200
            _ask(connection)
            assert isinstance(connection.recv(timeout=10), bytes)
            assert not figures.done()
            release.set()
            assert figures.result()["latest"]["observation"]["prompt"] == _PROMPT


def test_paths_beside_the_page_are_not_its():
    for path in ("", "/index.html", "/status", "/status.jsonx", "//", "/metrics"):
        assert not status_page.is_ours(path)
