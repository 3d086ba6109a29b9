"""Clients of every dialect, over a real socket: answered in kind."""

import threading

import numpy as np
import pytest
from websockets.sync import client

from openpi.client import base_policy, image_codec, msgpack_dialects, msgpack_numpy, websocket_client_policy
from openpi.server import served

_IMAGE = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)


class _Mean(base_policy.BasePolicy):
    """Acts as bright as the picture is."""

    def infer(self, obs):
        return {"actions": np.full((2, 3), obs["image"].mean(), np.float32), "count": np.float32(obs["image"].size)}


@pytest.mark.parametrize(
    "dialect",
    [
        msgpack_dialects.OPENPI,
        msgpack_dialects.Dialect("msgpack-numpy"),
        msgpack_dialects.Dialect("raw", text_keys=True, named_dtypes=True),
    ],
    ids=str,
)
def test_each_message_is_answered_in_its_dialect(dialect):
    with (
        served.serve(_Mean()) as running,
        client.connect(f"ws://127.0.0.1:{running.port}", compression=None) as connection,
    ):
        connection.recv(timeout=10)
        connection.send(msgpack_dialects.packb({"image": _IMAGE}, dialect))
        reply, found = msgpack_dialects.unpackb(connection.recv(timeout=10))
    assert found == dialect
    np.testing.assert_allclose(reply["actions"], np.full((2, 3), _IMAGE.mean(), np.float32))
    assert reply["count"] == _IMAGE.size


def test_compressed_images_reach_the_policy_as_they_were():
    metadata = {"openpi": {"image_formats": list(image_codec.FORMATS)}}
    with (
        served.serve(_Mean(), metadata) as running,
        websocket_client_policy.WebsocketClientPolicy(
            port=running.port, image_format="png", connect_timeout=10
        ) as policy,
    ):
        assert policy.infer({"image": _IMAGE})["actions"][0, 0] == np.float32(_IMAGE.mean())


def test_others_are_answered_while_an_image_is_decompressed(monkeypatch):
    begun, go_on, decompress = threading.Event(), threading.Event(), image_codec.decompress

    def slow(*args, **kwargs):
        begun.set()
        assert go_on.wait(10)
        return decompress(*args, **kwargs)

    monkeypatch.setattr(image_codec, "decompress", slow)
    with (
        served.serve(_Mean()) as running,
        client.connect(f"ws://127.0.0.1:{running.port}", compression=None) as connection,
        websocket_client_policy.WebsocketClientPolicy(port=running.port, connect_timeout=10) as other,
    ):
        connection.recv(timeout=10)
        connection.send(msgpack_numpy.packb({"image": image_codec.compress(_IMAGE, "png")}))
        assert begun.wait(10)
        assert other.infer({"image": _IMAGE}, timeout=10)["count"] == _IMAGE.size
        go_on.set()
        assert msgpack_numpy.unpackb(connection.recv(timeout=10))["count"] == _IMAGE.size


def test_a_damaged_image_is_a_bad_message():
    entry = image_codec.compress(_IMAGE, "png")
    with (
        served.serve(_Mean()) as running,
        client.connect(f"ws://127.0.0.1:{running.port}", compression=None) as connection,
    ):
        connection.recv(timeout=10)
        connection.send(msgpack_numpy.packb({"image": {**entry, b"data": entry[b"data"][:50]}}))
        assert connection.recv(timeout=10).startswith("bad_message in request ")
