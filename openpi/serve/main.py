"""Serves the policy of a checkpoint over websockets.

    bazel run //openpi/serve -- --checkpoint=checkpoints/aloha_reach/default

serves the run's latest step on ws://127.0.0.1:8000 until Ctrl-C or SIGTERM. Clients of published openpi connect to it
unchanged; `GET /healthz` answers OK once it is ready. A checkpoint that training wrote holds its own configuration; a
published one needs its name as well: --config_name=pi0_aloha_sim; --env=ALOHA_SIM chooses both. To serve other machines
give --host=0.0.0.0 and --api_key_file. SIGHUP exchanges the policy for the run's latest step, while clients stay.
"""

import dataclasses
import functools
import logging
import os
import signal
import sys
from typing import Any

from absl import flags
from absl import logging as absl_logging

from openpi.checkpoints import locate
from openpi.checkpoints.assets import compiled_programs
from openpi.client import image_codec
from openpi.config import app, load, schema, table
from openpi.engine import quantization
from openpi.policies import create, request_options
from openpi.serve import admission, environments
from openpi.server import (
    front_door,
    health_server,
    listen_socket,
    metrics,
    recording,
    reloader,
    session,
    websocket_server,
)

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "Checkpoint: a step folder, or a run folder for its latest step; a URL (gs://, hf://) of one is fetched.",
)
_ENV = flags.DEFINE_enum(
    "env", None, list(environments.ENVIRONMENTS), "In place of a checkpoint: the released policy of an environment."
)
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to serve on; 127.0.0.1 serves this machine only.")
_PORT = flags.DEFINE_integer("port", 8000, "Port to serve on; 0 chooses a free one.")
_HEALTH_PORT = flags.DEFINE_integer(
    "health_port", None, "Second port, for probes: /livez, /readyz and /metrics answer there while the model is loaded."
)
_DEFAULT_PROMPT = flags.DEFINE_string("default_prompt", None, "Prompt for observations that have none.")
_NUM_STEPS = flags.DEFINE_integer(
    "num_steps",
    None,
    "Denoising steps per inference (pi0, pi0.5); the configuration's if not given.",
    lower_bound=1,
    upper_bound=request_options.MAX_NUM_STEPS,
)
_TEMPERATURE = flags.DEFINE_float(
    "temperature",
    None,
    "Temperature of the tokens that pi0-FAST draws, 0 for the likeliest; the configuration's if not given.",
    lower_bound=0.0,
)
_ENGINE = flags.DEFINE_enum(
    "engine", "fused", create.ENGINES, "How the model samples: fused is faster, plain is the reference; both agree."
)
_QUANTIZE = flags.DEFINE_enum(
    "quantize",
    "none",
    quantization.MODES,
    "Weights of 8 bits, in half the memory of bfloat16, for actions that differ somewhat; int8_dynamic rounds what they are "
    "multiplied with, too. Not with --engine=plain.",
)
_KEPT_IMAGES = flags.DEFINE_integer(
    "kept_images",
    0,
    "Requests whose images and prompt are remembered: one that repeats them is answered without looking again. Costs tens of "
    "megabytes of device memory each.",
    lower_bound=0,
)
_MAX_CANDIDATES = flags.DEFINE_integer(
    "max_candidates",
    1,
    "Chunks that a request may ask for to choose from (pi0, pi0.5; not with --engine=plain).",
    lower_bound=1,
    upper_bound=request_options.MAX_CANDIDATES,
)
_MAX_BATCH_SIZE = flags.DEFINE_integer(
    "max_batch_size",
    None,
    "Observations of several clients that one run of the model answers; if not given, measured: as far as it gains.",
    lower_bound=1,
    upper_bound=64,
)
_REAL_TIME_CHUNKING = flags.DEFINE_bool(
    "real_time_chunking",
    False,
    "Answer clients that ask for real-time chunking: the model is compiled twice more.",
)
_MAX_DELAY_MS = flags.DEFINE_float(
    "max_delay_ms", 2.0, "How long an observation waits for others to run with, in ms.", lower_bound=0.0
)
_MAX_WAIT_MS = flags.DEFINE_float(
    "max_wait_ms", None, "How long an observation waits for the model before it is refused, in ms.", lower_bound=1.0
)
_MAX_RATE = flags.DEFINE_float("max_rate", None, "Requests a second that one client may send.", lower_bound=0.01)
_MAX_SESSIONS = flags.DEFINE_integer("max_sessions", 1000, "Clients at once.", lower_bound=1)
_MAX_MESSAGE_MIB = flags.DEFINE_integer("max_message_mib", 64, "Largest message taken, in MiB.", lower_bound=1)
_API_KEY_FILE = flags.DEFINE_string("api_key_file", None, "File of the keys that let clients in, one a line.")
_TLS_CERT = flags.DEFINE_string("tls_cert", None, "TLS: PEM file of the server's certificate; clients use wss://.")
_TLS_KEY = flags.DEFINE_string("tls_key", None, "TLS: PEM file of its key.")
_TLS_CLIENT_CA = flags.DEFINE_string("tls_client_ca", None, "TLS: PEM file of the authority of clients' certificates.")
_RECORD = flags.DEFINE_string(
    "record", None, "Folder for a recording of all requests and replies, for //openpi/serve:replay."
)
_RECORD_MAX_MIB = flags.DEFINE_integer(
    "record_max_mib", 1024, "Largest size of all recordings in the folder together; the oldest go.", lower_bound=1
)
_INSECURE = flags.DEFINE_bool("insecure", False, "Serve other machines without a key.")


def main(config: schema.ConfigDict | None) -> int:
    """Serves until a signal ends it. Returns the exit code."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # Nothing serves yet that could be exchanged.
    if _ENV.value and (_CHECKPOINT.value or config is not None):
        raise ValueError(f"--env={_ENV.value} chooses configuration and checkpoint itself; leave out the others, or it")
    if not _ENV.value and not _CHECKPOINT.value:
        raise ValueError("which policy? give --checkpoint=DIR, a folder that training wrote, or --env=NAME")
    absl_logging.set_verbosity(absl_logging.WARNING)  # The libraries' chatter would bury ours.
    logger = logging.getLogger("openpi")
    logger.setLevel(logging.INFO)
    compiled_programs.keep()
    # What can fail at once is tried first: keys, ports and the folder, before minutes of loading and compiling.
    options = _options()
    listener = listen_socket.bind(_HOST.value, _PORT.value)
    host, port = listener.getsockname()[:2]
    admission.check_exposure(
        host,
        admits=bool(options.keys or _TLS_CLIENT_CA.value),
        encrypted=options.tls is not None,
        insecure=_INSECURE.value,
    )
    recorder = metrics.Metrics()
    door = front_door.FrontDoor(recorder, keys=options.keys, max_sessions=options.max_sessions)
    if _HEALTH_PORT.value is not None:
        health_server.HealthServer(door, listen_socket.bind(_HOST.value, _HEALTH_PORT.value))

    checkpoint = _CHECKPOINT.value
    if _ENV.value:
        released = environments.ENVIRONMENTS[_ENV.value]
        checkpoint, config = released.checkpoint, load.load(table.config_path(released.config_name))
    find = functools.partial(_find, checkpoint)
    found = find()
    kept = _recording(recorder, create.load_config(found) if config is None else config)
    first = _load(config, found)
    options = dataclasses.replace(options, max_batch_size=first.max_batch_size, record_to=kept)
    server = websocket_server.WebsocketServer(
        first.policy,
        listener,
        metadata=first.metadata,
        source=first.source,
        options=options,
        recorder=recorder,
        door=door,
    )
    reload = reloader.Reloader(server, first, find=find, load=functools.partial(_load, config), recorder=recorder)
    address = f"{'wss' if options.tls else 'ws'}://{f'[{host}]' if ':' in host else host}:{port}"
    drained = server.run(lambda: print(f"ready: {address} serves {first.source}", flush=True), reload.start)
    if kept:
        kept.close()
    if not drained or reload.running:
        # A thread is inside a computation that cannot be interrupted: tear no interpreter down around it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _options() -> websocket_server.Options:
    return websocket_server.Options(
        max_delay_ms=_MAX_DELAY_MS.value,
        max_message_bytes=_MAX_MESSAGE_MIB.value * 2**20,
        max_sessions=_MAX_SESSIONS.value,
        per_session=session.Limits(max_rate=_MAX_RATE.value, max_wait_ms=_MAX_WAIT_MS.value),
        keys=admission.keys(_API_KEY_FILE.value),
        tls=admission.encryption(_TLS_CERT.value, _TLS_KEY.value, _TLS_CLIENT_CA.value),
    )


def _recording(recorder: metrics.Metrics, config: schema.ConfigDict) -> recording.Recording | None:
    if not _RECORD.value:
        return None
    return recording.Recording(
        _RECORD.value, max_bytes=_RECORD_MAX_MIB.value * 2**20, recorder=recorder, config_name=config.name
    )


def _find(checkpoint: str) -> str:
    return str(locate.find_step_dir(checkpoint))


def _load(config: schema.ConfigDict | None, step_dir: str) -> reloader.Loaded:
    """Loads a checkpoint, and compiles it for all batches that will be asked of it."""
    logger = logging.getLogger("openpi")
    logger.info("loading %s", step_dir)
    policy = create.create_policy(
        config,
        step_dir,
        default_prompt=_DEFAULT_PROMPT.value,
        num_steps=_NUM_STEPS.value,
        temperature=_TEMPERATURE.value,
        engine=_ENGINE.value,
        max_kept=_KEPT_IMAGES.value,
        quantize=_QUANTIZE.value,
    )
    logger.info("compiling the model")
    max_batch_size = policy.warmup(
        _MAX_BATCH_SIZE.value, rtc=_REAL_TIME_CHUNKING.value, candidates=_MAX_CANDIDATES.value
    )
    if not _REAL_TIME_CHUNKING.value:
        policy.refuse_rtc("rtc: this server was started without --real_time_chunking; leave rtc out, or start it so")
    logger.info("batches of up to %d", max_batch_size)
    offer: dict[str, Any] = {"image_formats": list(image_codec.FORMATS)}
    if policy.noise_shape:
        offer["noise_shape"] = list(policy.noise_shape)
    metadata = {**policy.metadata, "openpi": offer}
    return reloader.Loaded(step_dir, policy, metadata, max_batch_size)


if __name__ == "__main__":
    app.define_config()
    app.run(main)
