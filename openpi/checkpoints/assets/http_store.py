"""https:// and http://: one file, described by its headers."""

import aiohttp

from openpi.checkpoints.assets import address as address_lib
from openpi.checkpoints.assets import checksum, download, remote_file, transient
from openpi.checkpoints.assets import limits as limits_lib

_NO_HEAD = {400, 401, 403, 405, 501}  # what servers, and URLs that are signed for GET only, answer to HEAD


async def list_files(
    session: aiohttp.ClientSession, address: address_lib.Address, limits: limits_lib.Limits
) -> list[remote_file.RemoteFile]:
    """The file at `address`. Raises aiohttp.ClientError: it cannot be had."""
    async for attempt in transient.retrying(limits, address.name):
        with attempt:
            async with session.head(address.url, headers=download.AS_STORED, allow_redirects=True) as response:
                if response.status not in _NO_HEAD:
                    return [_describe(response, address)]
            async with session.get(address.url, headers=download.AS_STORED) as response:
                return [_describe(response, address)]  # and its body is left unread
    raise AssertionError("retrying ends with a result or an error")


def _describe(response: aiohttp.ClientResponse, address: address_lib.Address) -> remote_file.RemoteFile:
    response.raise_for_status()
    headers = response.headers
    validators = {}
    if "ETag" in headers and not headers["ETag"].startswith("W/"):  # a weak one may stay while bytes change
        validators["ETag"] = headers["ETag"]
    elif "Last-Modified" in headers:
        validators["Last-Modified"] = headers["Last-Modified"]
    return remote_file.RemoteFile(
        path="",
        url=address.url,
        size=response.content_length or None,  # servers that make up a file answer 0 to HEAD
        checksum=checksum.from_base64("md5", headers.get("Content-MD5")),
        version=next(iter(validators.values()), None),
        validators=validators,
    )
