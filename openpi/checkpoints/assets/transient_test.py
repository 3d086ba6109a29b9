import asyncio

import aiohttp
import pytest

from openpi.checkpoints.assets import limits, transient

QUICK = limits.Limits(attempts=3, backoff_s=0.001, max_backoff_s=0.001)


def status(code):
    return aiohttp.ClientResponseError(None, (), status=code, message="Sorry")


def count_attempts(outcomes):
    """Runs attempts that raise these errors or, given a number, have brought so much by then and fail as well."""
    tried = 0
    brought = [0]

    async def run():
        nonlocal tried
        async for attempt in transient.retrying(QUICK, "it", lambda: brought[-1]):
            with attempt:
                outcome = outcomes[tried]
                tried += 1
                if isinstance(outcome, Exception):
                    raise outcome
                brought.append(outcome)
                raise ConnectionError("cut off")

    with pytest.raises((OSError, aiohttp.ClientError, ValueError)):
        asyncio.run(run())
    return tried


@pytest.mark.parametrize(
    ("outcomes", "tried"),
    [
        ([status(500)] * 9, 3),
        ([status(404)] * 9, 1),
        ([OSError("disk")] * 9, 1),
        ([aiohttp.NonHttpUrlRedirectClientError("file:///x")] * 9, 1),
        ([TimeoutError()] * 9, 3),
        ([1, 2, 3, 4, 4, 4, 4, 4], 7),  # what brings something new does not count
        ([5, 1, 1, 1, 1], 4),  # to lose what there was is no progress
        ([TimeoutError(), 1, status(503), status(503), ValueError()], 5),
    ],
    ids=str,
)
def test_patience(outcomes, tried):
    assert count_attempts(outcomes) == tried


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (status(404), FileNotFoundError, "it does not exist .HTTP 404."),
        (status(403), PermissionError, "it may not be read .HTTP 403.; .*HF_TOKEN"),
        (status(503), ConnectionError, "could not fetch it: HTTP 503 Sorry; .*run again"),
        (status(418), OSError, "could not fetch it: HTTP 418 Sorry"),
        (TimeoutError(), ConnectionError, "the server does not answer"),
        (aiohttp.ClientPayloadError("of two\nlines"), ConnectionError, "of two lines"),
        (aiohttp.NonHttpUrlRedirectClientError("file:///x?token=s"), OSError, "it: that, .* is no valid URL$"),
        (aiohttp.TooManyRedirects(None, ()), OSError, "could not fetch it: it redirects without end$"),
        (aiohttp.InvalidURL("http://h:99999/?token=s"), OSError, "could not fetch it: that, .* is no valid URL$"),
        (aiohttp.ServerDisconnectedError(""), ConnectionError, "ServerDisconnectedError"),
    ],
    ids=repr,
)
def test_explain(error, kind, message):
    explained = transient.explain(error, "hf", "it")
    assert type(explained) is kind
    with pytest.raises(kind, match=message):
        raise explained
