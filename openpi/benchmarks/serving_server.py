"""Servers to measure, each in a process of its own: a policy that does nothing, a small model, and the floor below both."""

import asyncio
import contextlib
import dataclasses
import multiprocessing
import pathlib
import re
import threading
from collections.abc import Iterator
from multiprocessing import connection as pipes

import jax
import numpy as np
from websockets.asyncio import server as websockets_server

from openpi.client import base_policy, msgpack_numpy, robot_observation
from openpi.config import build_model, build_transforms, load, schema
from openpi.models import model as model_lib
from openpi.models import pi0
from openpi.policies import fused_sampler, policy, request_options
from openpi.server import listen_socket, websocket_server

KINDS = ("floor", "no-op", "small")
_CAMERAS = ("cam_high", "cam_left_wrist", "cam_right_wrist")
_DEFAULTS = websocket_server.Options()
_REPLY = {"actions": np.random.default_rng(0).normal(size=(50, 14))}


class NoOp(base_policy.BasePolicy):
    """Answers at once, with a chunk of the usual size."""

    def infer(self, obs: dict) -> dict:
        """The same for every observation."""
        return dict(_REPLY)


class Process:
    """A server in a process of its own."""

    def __init__(self, process: multiprocessing.process.BaseProcess, port: int, max_batch_size: int):
        self._process = process
        self.port = port
        self.max_batch_size = max_batch_size

    def resident_mib(self) -> float:
        """The memory that it has at the moment (Linux)."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[0]) / 1024

    def queued_ms(self) -> float:
        """How long its threads have been ready to run, and stood in the kernel's queue for a processor, since it began (Linux)."""
        tasks = pathlib.Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[1]) for task in tasks) / 1e6

    def kill(self) -> None:
        """Ends it at once, without a word to anybody: SIGKILL."""
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def start(
    kind: str,
    *,
    max_batch_size: int | None = 1,
    options: websocket_server.Options = _DEFAULTS,
    port: int = 0,
) -> Iterator[Process]:
    """Runs a server of a kind while the block does; it is warm when the block begins.

    Args:
      kind: "floor" receives and sends as many bytes with the same library and looks at none; "no-op" is the server with a
        policy that does nothing; "small" with the model of the simulated reach task, untrained.
      max_batch_size: of the small model; None as far as it gains.
      options: of the server.
      port: 0 for a free one.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, kind, max_batch_size, options, port), daemon=True)
    process.start()
    try:
        yield Process(process, *ours.recv())
        with contextlib.suppress(BrokenPipeError):  # it has been killed
            ours.send("stop")
        process.join(30)
    finally:
        process.kill()
        process.join()


def observations(kind: str, count: int) -> list[bytes]:
    """Messages to send, with random uint8 images: three of 224x224, or what the small model takes."""
    rng = np.random.default_rng(1)
    if kind == "small":
        robot = build_transforms.robot_of(small_config())
        return [msgpack_numpy.packb(robot_observation.make_example(robot, rng)) for _ in range(count)]
    return [
        msgpack_numpy.packb(
            {
                "state": rng.normal(size=14),
                "images": {name: rng.integers(0, 256, (3, 224, 224), np.uint8) for name in _CAMERAS},
                "prompt": "do something",
            }
        )
        for _ in range(count)
    ]


def small_config() -> schema.ConfigDict:
    """The configuration of the small model."""
    return load.load("experiments/aloha.py")


def small_policy() -> policy.Policy:
    """An untrained small model behind its transforms."""
    config = small_config()
    model = build_model.build(config.model)
    assert isinstance(model, pi0.Pi0Config)  # the engine has a sampler for it
    transforms = build_transforms.build(config)
    return policy.Policy(
        model,
        fused_sampler.FusedSampler(model, jax.jit(model_lib.init, static_argnums=0)(model, jax.random.key(0))),
        input_transform=transforms.inference_input(None),
        output_transform=transforms.inference_output(None),
        sampling=request_options.RequestOptions(num_steps=config.sampling.num_steps, temperature=0.0),
    )


def _serve(
    pipe: pipes.Connection, kind: str, max_batch_size: int | None, options: websocket_server.Options, port: int
) -> None:
    asyncio.run(_floor(pipe) if kind == "floor" else _ours(pipe, kind, max_batch_size, options, port))


async def _ours(
    pipe: pipes.Connection, kind: str, max_batch_size: int | None, options: websocket_server.Options, port: int
) -> None:
    served: base_policy.BasePolicy = NoOp()
    size = 1
    if kind == "small":
        small = small_policy()
        served, size = small, small.warmup(max_batch_size)
    listener = listen_socket.bind("127.0.0.1", port)
    port = listener.getsockname()[1]
    options = dataclasses.replace(options, max_batch_size=size)
    running = websocket_server.WebsocketServer(served, listener, options=options)
    await running.serve(_stop_when_told(pipe), lambda: pipe.send((port, size)))


async def _floor(pipe: pipes.Connection) -> None:
    reply = msgpack_numpy.packb({**_REPLY, "server_timing": {"infer_ms": 0.0, "prev_total_ms": 0.0}})

    async def answer(connection: websockets_server.ServerConnection) -> None:
        await connection.send(msgpack_numpy.packb({}))
        async for _ in connection:
            await connection.send(reply)

    async with websockets_server.serve(answer, "127.0.0.1", 0, compression=None, max_size=None) as running:
        pipe.send((next(iter(running.sockets)).getsockname()[1], 1))
        await _stop_when_told(pipe).wait()


def _stop_when_told(pipe: pipes.Connection) -> asyncio.Event:
    """An event that is set when the other end of the pipe says something or goes."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def wait() -> None:
        with contextlib.suppress(EOFError):
            pipe.recv()
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait, daemon=True).start()
    return stop
