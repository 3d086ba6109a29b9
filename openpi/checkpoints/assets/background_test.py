import asyncio
import signal
import threading

import pytest

from openpi.checkpoints.assets import background


async def double(x):
    await asyncio.sleep(0)
    return 2 * x


def test_result_and_error():
    assert background.run(double(2)) == 4
    with pytest.raises(TypeError):
        background.run(double(None))


def test_inside_a_running_loop():
    async def caller():
        return background.run(double(3))

    assert asyncio.run(caller()) == 6


def test_interrupt_waits_for_the_clean_up():
    steps = []

    async def forever():
        # Delivered to the main thread, which waits for this coroutine.
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            steps.append("cleaned up")
            raise

    with pytest.raises(KeyboardInterrupt):
        background.run(forever())
    assert steps == ["cleaned up"]
    assert not [thread for thread in threading.enumerate() if thread.name == "openpi-fetch"]
