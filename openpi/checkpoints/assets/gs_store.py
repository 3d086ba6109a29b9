"""gs://: a file or a folder of a Google Cloud Storage bucket, through gcsfs. Public buckets need no account."""

import asyncio
import logging
import os
import pathlib

import aiohttp
import gcsfs
import gcsfs.retry

from openpi.checkpoints.assets import address as address_lib
from openpi.checkpoints.assets import checksum, remote_file, transient
from openpi.checkpoints.assets import limits as limits_lib


async def list_files(address: address_lib.Address, limits: limits_lib.Limits) -> list[remote_file.RemoteFile]:
    """The file at `address`, or all files of the folder.

    Raises:
      FileNotFoundError: there is neither.
      PermissionError: the bucket isn't public, and the account, if any, may not read it.
      ConnectionError: it could not be reached.
    """
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs each failed attempt with a stack trace
    key_file = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if key_file and not pathlib.Path(key_file).is_file():
        raise FileNotFoundError(f"GOOGLE_APPLICATION_CREDENTIALS is {key_file}, which is no file; mend or unset it")
    store = gcsfs.GCSFileSystem(
        token="google_default" if key_file else "anon",
        asynchronous=True,
        skip_instance_cache=True,
        use_listings_cache=False,
        requests_timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.stall_s, sock_read=limits.stall_s),
        session_kwargs={"trust_env": True},
    )
    session = await store._set_session()  # gcsfs's way to be used inside a running event loop
    try:
        async with asyncio.timeout(limits.listing_s):
            info = await store._info(address.key)
            found = [info] if info["type"] == "file" else (await store._find(address.key, detail=True)).values()
    except (gcsfs.retry.HttpError, OSError, ValueError, KeyError, TypeError) as error:
        raise _explained(error, address) from error
    finally:
        await session.close()
    headers: dict[str, str] = {}
    store.credentials.apply(headers)
    return [_describe(store, info, address, headers) for info in found if not info["name"].endswith("/")]


def _describe(
    store: gcsfs.GCSFileSystem, info: dict, address: address_lib.Address, headers: dict[str, str]
) -> remote_file.RemoteFile:
    generation = info.get("generation")
    return remote_file.RemoteFile(
        path=info["name"].removeprefix(address.key).removeprefix("/"),
        url=store.url(info["name"]) + (f"&generation={generation}" if generation else ""),
        headers=headers,
        size=info["size"],
        checksum=checksum.from_base64("md5", info.get("md5Hash")) or checksum.from_base64("crc32c", info.get("crc32c")),
        version=generation,
    )


def _explained(error: Exception, address: address_lib.Address) -> Exception:
    code = int(getattr(error, "code", None) or 0)
    if code in (401, 403) or str(error).startswith("Forbidden"):  # gcsfs's only sign of HTTP 403
        return PermissionError(
            f"{address.name} may not be read; set GOOGLE_APPLICATION_CREDENTIALS to a key file that may read its bucket"
        )
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(f"{address.name} does not exist; check the address")
    if isinstance(error, aiohttp.ClientError | TimeoutError):
        return error
    if code in transient.STATUS or isinstance(error, OSError):
        return ConnectionError(f"listing it failed: {transient.reason(error)}")
    return OSError(f"the listing of {address.name} makes no sense: {transient.reason(error)}")
