"""One client's conversation: metadata, then its observations in turn, until it leaves or a request of its fails."""

import asyncio
import dataclasses
import functools
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from websockets import exceptions
from websockets.asyncio import server

from openpi.client import image_codec, msgpack_dialects, msgpack_numpy
from openpi.policies import request_options
from openpi.server import failure, inbox, metrics, model_worker, rate_limit, record_file, recording, status

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What one client may do.

    Attributes:
      message: of the messages' inner sizes.
      max_rate: requests a second; None for any.
      max_wait_ms: how long a request may wait for the model; None for ever. A request's own `deadline_ms` may be shorter.
      send_seconds: how long the client may take to read a reply.
    """

    message: msgpack_numpy.Limits = dataclasses.field(default_factory=msgpack_numpy.Limits)
    max_rate: float | None = None
    max_wait_ms: float | None = None
    send_seconds: float = 30.0


class Session:
    """Serves one client over one connection."""

    def __init__(
        self,
        connection: server.ServerConnection,
        worker: model_worker.ModelWorker,
        recorder: metrics.Metrics,
        limits: Limits,
        shown: status.Status,
        kept: recording.Recording | None,
    ):
        self.name = secrets.token_hex(4)
        self._address = ":".join(str(part) for part in connection.remote_address[:2])
        self._since = time.monotonic()
        self._count = 0
        self._connection = connection
        self._worker = worker
        self._recorder = recorder
        self._limits = limits
        self._shown = shown
        self._kept = kept
        self._rate = rate_limit.RateLimit(limits.max_rate) if limits.max_rate else None
        self.busy = False
        """Whether an observation is being answered."""

    def client(self) -> status.Client:
        """Who this is, for the status page."""
        return status.Client(self.name, self._address, self._since, self._count)

    async def run(self, metadata: bytes, stopping: Callable[[], bool]) -> None:
        """Serves the client until it leaves, a request of its fails, or `stopping()` after a reply."""
        name = self.name
        _logger.info("client %s connected from %s", name, self._connection.remote_address)
        received = inbox.Inbox(self._connection)
        total_ms = None
        try:
            await self._send(metadata)
            while not stopping():
                start = time.perf_counter()
                try:
                    message = await received.next()
                    self.busy = True
                    self._count += 1
                    reply = await self._answer(message, received, total_ms)
                except exceptions.ConnectionClosed:
                    raise
                except Exception as error:  # noqa: BLE001 (the client is told, the server lives on)
                    await self._fail(error, self._request_id())
                    return
                sending = time.perf_counter()
                await self._send(reply)
                self.busy = False
                now = time.perf_counter()
                self._recorder.stage("send").observe(now - sending)
                self._recorder.count_request("ok")
                total_ms = (now - start) * 1000
            await self._connection.close(1001, "server stops")
        except exceptions.ConnectionClosed as closed:
            _logger.info("client %s left (%s)", name, closed)
        except TimeoutError:
            _logger.warning("client %s dropped: it read nothing for %g s", name, self._limits.send_seconds)
            self._connection.transport.abort()
        finally:
            received.close()
            self.busy = False

    async def _answer(self, message: inbox.Message, received: inbox.Inbox, prev_total_ms: float | None) -> bytes:
        """Returns the reply to one message: the policy's result, `server_timing`, and `openpi` for clients that sent one."""
        if self._rate and self._limits.max_rate and not self._rate.take(message.arrived):
            raise failure.rate_limited(self._limits.max_rate)
        start = time.perf_counter()
        observation, dialect = await _decode(message.frame, self._limits.message)
        _, options = request_options.take(observation)
        decoded = time.perf_counter()
        self._recorder.stage("decode").observe(decoded - start)
        answer = await self._infer(observation, self._deadline(message, options), message, received)
        self._shown.latest = status.Exchange(self._request_id(), observation, answer, time.monotonic())
        timing = {"infer_ms": answer.infer_ms}
        if prev_total_ms is not None:
            timing["prev_total_ms"] = prev_total_ms
        reply = {**answer.result, "server_timing": timing}
        if request_options.KEY in observation:
            reply[request_options.KEY] = {
                **answer.result.get(request_options.KEY, {}),
                "decode_ms": (decoded - start) * 1000,
                "queue_ms": answer.queue_ms,
                "batch_size": answer.batch_size,
            }
        start = time.perf_counter()
        try:
            frame = msgpack_dialects.packb(reply, dialect)
        except (ValueError, TypeError) as error:
            raise RuntimeError("the policy's result cannot be sent") from error
        finally:
            self._recorder.stage("encode").observe(time.perf_counter() - start)
        if self._kept:
            self._kept.add(self._record(message, frame, answer.drawn))
        return frame

    def _record(self, message: inbox.Message, reply: bytes, drawn: int) -> record_file.Record:
        assert isinstance(message.frame, bytes)  # it was answered
        return record_file.Record(
            session=self.name,
            request=self._count,
            arrived=time.time() - (time.monotonic() - message.arrived),
            drawn=drawn,
            message=message.frame,
            reply=reply,
        )

    def _request_id(self) -> str:
        return f"{self.name}-{self._count}"

    def _deadline(self, message: inbox.Message, options: request_options.RequestOptions) -> float | None:
        """When the inference must have begun: the sooner of the request's deadline and the server's."""
        waits = [wait for wait in (options.deadline_ms, self._limits.max_wait_ms) if wait is not None]
        return message.arrived + min(waits) / 1000 if waits else None

    async def _infer(
        self, observation: dict, deadline: float | None, message: inbox.Message, received: inbox.Inbox
    ) -> model_worker.Answer:
        """Waits for the model; gives up once the client has left, has sent too much, or its deadline passes unserved."""
        future = self._worker.submit(observation, deadline)
        answer: asyncio.Future = asyncio.wrap_future(future)
        either: set[asyncio.Future] = {answer, received.ended}
        try:
            timeout = None if deadline is None else deadline - time.monotonic()
            done, _ = await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                if future.cancel():
                    raise failure.too_late(time.monotonic() - message.arrived)
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                received.ended.result()  # raises why
            return answer.result()
        finally:
            answer.cancel()

    async def _send(self, message: bytes | str) -> None:
        """Sends, within the time that a client has to read."""
        async with asyncio.timeout(self._limits.send_seconds):
            await self._connection.send(message)

    async def _fail(self, error: Exception, request_id: str) -> None:
        self._recorder.count_request(failure.code_of(error))
        if failure.is_ours(error):
            _logger.error("request %s failed", request_id, exc_info=error)
        else:
            # Only its text: whoever keeps records of the log would keep the whole message with it.
            _logger.warning("request %s refused: %s: %s", request_id, type(error).__name__, str(error))
        await self._send(failure.describe(error, request_id))
        await self._connection.close(failure.CLOSE_CODE, failure.CLOSE_REASON)


async def _decode(frame: str | bytes, limits: msgpack_numpy.Limits) -> tuple[dict[Any, Any], msgpack_dialects.Dialect]:
    if isinstance(frame, str):
        raise msgpack_numpy.DecodeError("got a text frame; send observations as binary msgpack frames")
    unpack = functools.partial(msgpack_dialects.unpackb, frame, limits=limits)
    # Compressed images take milliseconds, in which others would wait; arrays are not even copied.
    observation, dialect = await asyncio.to_thread(unpack) if image_codec.KEY in frame else unpack()
    if not isinstance(observation, dict):
        raise msgpack_numpy.DecodeError(f"an observation is a dict; got {type(observation).__name__}")
    return observation, dialect
