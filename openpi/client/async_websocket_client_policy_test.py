import asyncio
import contextlib
import pathlib
import time

import numpy as np
import pytest
from websockets.asyncio import server

from openpi.client import async_websocket_client_policy, msgpack_numpy

_DIRECTORY = pathlib.Path(__file__).parent / "testdata" / "protocol"
_FRAMES = [(_DIRECTORY / f"ws_frame_{frame:02d}.bin").read_bytes() for frame in range(6)]
_TEXT = "Traceback (most recent call last):\n  ...\nValueError: boom\n"


@contextlib.asynccontextmanager
async def _serving(handler, port=0, **options):
    async with server.serve(handler, "127.0.0.1", port, compression=None, max_size=None, **options) as running:
        yield next(iter(running.sockets)).getsockname()[1]


def _client(port, **options):
    options.setdefault("connect_timeout", 10)
    return async_websocket_client_policy.AsyncWebsocketClientPolicy(port=port, **options)


async def _echo(connection):
    await connection.send(_FRAMES[0])
    async for message in connection:
        await connection.send(message)


def _run(main):
    asyncio.run(asyncio.wait_for(main(), 60))


def test_golden_conversation():
    received, keys = [], []

    async def handler(connection):
        keys.append(connection.request.headers["Authorization"])
        await connection.send(_FRAMES[0])
        for reply in (_FRAMES[2], _FRAMES[4]):
            received.append(await connection.recv())
            await connection.send(reply)
        received.append(await connection.recv())
        await connection.send(_TEXT)
        await connection.close(1011, "error")

    async def main():
        requests = [msgpack_numpy.unpackb(_FRAMES[index]) for index in (1, 3, 5)]
        async with _serving(handler) as port, _client(port, api_key="key123") as policy:
            assert policy.get_server_metadata() == {"reset_pose": [0, -1.5, 1.5, 0, 0, 0], "name": "fake"}
            for request, reply in zip(requests, (_FRAMES[2], _FRAMES[4]), strict=False):
                assert msgpack_numpy.packb(await policy.infer(request)) == reply
            with pytest.raises(RuntimeError, match="ValueError: boom"):
                await policy.infer(requests[2])
            with pytest.raises(ConnectionError, match="is closed"):
                await policy.infer(requests[0])

    _run(main)
    assert received == [_FRAMES[1], _FRAMES[3], _FRAMES[5]]
    assert keys == ["Api-Key key123"]


def test_tasks_wait_for_each_other():
    async def main():
        async with _serving(_echo) as port, _client(port) as policy:
            replies = await asyncio.gather(*(policy.infer({"x": np.full(1000, index)}) for index in range(20)))
        assert [reply["x"][0] for reply in replies] == list(range(20))

    _run(main)


def test_a_late_answer_ends_the_request_and_the_next_one_connects_anew():
    connections = []

    async def handler(connection):
        connections.append(connection)
        await connection.send(_FRAMES[0])
        async for message in connection:
            if len(connections) > 1:
                await connection.send(message)

    async def main():
        async with _serving(handler) as port, _client(port, reconnect_timeout=10) as policy:
            start = time.monotonic()
            with pytest.raises(TimeoutError, match="did not answer within 0.2 s"):
                await policy.infer({"x": 1}, timeout=0.2)
            assert time.monotonic() - start < 3
            assert await policy.infer({"x": 2}) == {"x": 2}

    _run(main)


def test_a_cancelled_request_leaves_no_reply_to_the_next():
    async def handler(connection):
        await connection.send(_FRAMES[0])
        async for message in connection:
            await asyncio.sleep(0.1)
            await connection.send(message)

    async def main():
        async with _serving(handler) as port, _client(port, reconnect_timeout=10) as policy:
            task = asyncio.create_task(policy.infer({"x": 1}))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await policy.infer({"x": 2}) == {"x": 2}

    _run(main)


def test_a_server_that_starts_again_is_asked_again():
    async def leaving(connection):
        await connection.send(_FRAMES[0])
        await connection.recv()

    async def main():
        async with _serving(leaving) as port:
            policy = _client(port, reconnect_timeout=30)
            await policy.connect()
            task = asyncio.create_task(policy.infer({"x": 1}))
            await asyncio.sleep(0.2)
        async with _serving(_echo, port):
            assert await task == {"x": 1}
            await policy.close()
            with pytest.raises(ConnectionError, match="is closed"):
                await policy.infer({"x": 1})

    _run(main)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_one_line(status):
    async def main():
        async with _serving(_echo, process_request=lambda c, _: c.respond(status, "no\n")) as port:
            with pytest.raises(ConnectionError, match="refuses the API key") as caught:
                await _client(port).connect()
            assert "\n" not in str(caught.value)

    _run(main)


def test_no_server_and_a_silent_server_are_one_line():
    async def main():
        async with _serving(lambda connection: connection.wait_closed()) as port:
            with pytest.raises(TimeoutError, match="sent no metadata in time"):
                await _client(port, connect_timeout=0.3).connect()
        with pytest.raises(TimeoutError, match="no policy server answers at"):
            await _client(port, connect_timeout=0.2).connect()

    _run(main)
