import contextlib
import re
import socket
import threading
import time

import numpy as np
import pytest
from websockets.sync import server

from openpi.client import check, msgpack_numpy

_ROBOT = {
    "name": "arm",
    "state": [{"key": "state", "names": ["a", "b"]}],
    "state_conversions": [],
    "actions": ["a", "b"],
    "action_conversions": [],
    "delta_mask": [],
    "cameras": [{"image": "base_0_rgb", "source": "image", "missing": "error"}],
    "ignored_cameras": [],
    "camera_group": "",
    "image_layout": "any",
}


@contextlib.contextmanager
def _serving(metadata, answer):
    def handler(connection):
        connection.send(msgpack_numpy.packb(metadata))
        for message in connection:
            reply = answer(msgpack_numpy.unpackb(message))
            connection.send(reply if isinstance(reply, str) else msgpack_numpy.packb(reply))

    def process_request(connection, request):
        return connection.respond(200, "OK\n") if request.path == "/healthz" else None

    with server.serve(handler, "127.0.0.1", 0, max_size=None, process_request=process_request) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{running.socket.getsockname()[1]}"
        finally:
            running.shutdown()
            thread.join()


def _answer(observation):
    assert observation["state"].shape == (2,)
    assert observation["image"].shape == (224, 224, 3)
    time.sleep(0.01)
    return {"actions": np.zeros((5, 2)), "server_timing": {"infer_ms": 10.0}}


def test_a_healthy_server(capsys):
    with _serving({"robot": _ROBOT}, _answer) as uri:
        assert check.main([uri, "--requests=7", "--timeout=10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"server    {uri}"
    assert lines[1] == f"health    OK ({uri.replace('ws', 'http')}/healthz)"
    assert lines[2].startswith('metadata  {"robot": {"name": "arm"')
    assert lines[3] == "answers   actions [5, 2]"
    table = {line[:22].strip(): [float(word) for word in line[22:].split()] for line in lines[6:9]}
    assert table["of it inference"] == [10.0] * 4
    assert all(10 <= figure < 1000 for figure in table["request"])
    assert sum(int(re.search(r"(\d+)$", line)[1]) for line in lines[10:]) == 7


@pytest.mark.parametrize("env", ["ALOHA", "DROID", "LIBERO"])
def test_a_robot_can_be_named(env, capsys):
    seen = []
    with _serving({}, lambda observation: seen.append(observation) or {}) as uri:
        assert check.main([uri, f"--env={env}", "--requests=1", "--timeout=10"]) == 0
    assert all(observation["prompt"] == "do something" for observation in seen)
    assert len(seen) == 2
    assert "answers" in capsys.readouterr().out


def test_without_a_robot_nothing_is_asked(capsys):
    with _serving({"reset_pose": [0]}, _answer) as uri:
        assert check.main([uri, "--timeout=10"]) == 0
    assert "describe no robot; give --env" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda _: "bad_observation in request 1-1\nValueError: no", "error of the policy server"),
        (lambda _: [1], "sent a list in place of a dict"),
        (lambda _: time.sleep(0.5) or {}, "did not answer within 0.3 s"),
    ],
)
def test_a_server_that_does_not_answer_well(answer, message, capsys):
    with _serving({"robot": _ROBOT}, answer) as uri:
        assert check.main([uri, "--timeout=0.3"]) == 1
    assert message in capsys.readouterr().out.partition("\nFAILED ")[2]


def test_no_server(capsys):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"ws://127.0.0.1:{probe.getsockname()[1]}"
    assert check.main([uri, "--timeout=0.2"]) == 1
    out = capsys.readouterr().out
    assert "health    no answer to" in out
    assert out.splitlines()[-1].startswith("FAILED    no policy server answers at")


@pytest.mark.parametrize("arguments", [[], ["localhost:8000"], ["ws://h", "--requests=0"], ["ws://h", "--env=PR2"]])
def test_wrong_arguments(arguments):
    with pytest.raises(SystemExit) as caught:
        check.main(arguments)
    assert caught.value.code == 2


def test_histogram():
    lines = check.draw_histogram([1, 1, 1, 2, 11], bins=2)
    assert [line.count("█") for line in lines] == [40, 10]
    assert [line.split()[-1] for line in lines] == ["4", "1"]
