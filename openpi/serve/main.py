"""Serves the policy of a checkpoint over websockets.

    bazel run //openpi/serve -- --checkpoint=checkpoints/aloha_reach/default

serves the run's latest step on ws://127.0.0.1:8000 until Ctrl-C or SIGTERM. Clients of published openpi connect to it
unchanged; `GET /healthz` answers OK once it is ready. A checkpoint that training wrote holds its own configuration; a
published one needs its name as well: --config_name=pi0_aloha_sim. To serve other machines give --host=0.0.0.0.
"""

import logging
import os
import sys

from absl import flags
from absl import logging as absl_logging

from openpi.checkpoints import locate
from openpi.config import app, schema
from openpi.policies import create, request_options
from openpi.server import listen_socket, websocket_server

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "Checkpoint: a step folder, or a run folder for its latest step; a URL (gs://, hf://) of one is fetched.",
)
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to serve on; 127.0.0.1 serves this machine only.")
_PORT = flags.DEFINE_integer("port", 8000, "Port to serve on; 0 chooses a free one.")
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


def main(config: schema.ConfigDict | None) -> int:
    """Serves until a signal ends it. Returns the exit code."""
    if not _CHECKPOINT.value:
        raise ValueError("which policy? give --checkpoint=DIR, a folder that training wrote")
    absl_logging.set_verbosity(absl_logging.WARNING)  # The libraries' chatter would bury ours.
    logger = logging.getLogger("openpi")
    logger.setLevel(logging.INFO)
    # What can fail at once is tried first: the port and the folder, before minutes of loading and compiling.
    listener = listen_socket.bind(_HOST.value, _PORT.value)
    step_dir = locate.find_step_dir(_CHECKPOINT.value)
    logger.info("loading %s", step_dir)
    policy = create.create_policy(
        config,
        step_dir,
        default_prompt=_DEFAULT_PROMPT.value,
        num_steps=_NUM_STEPS.value,
        temperature=_TEMPERATURE.value,
    )
    logger.info("compiling the model")
    policy.warmup()

    host, port = listener.getsockname()[:2]
    address = f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"
    server = websocket_server.WebsocketServer(policy, listener, metadata=policy.metadata)
    drained = server.run(lambda: print(f"ready: {address} serves {step_dir}", flush=True))
    if not drained:
        # The model's thread is inside a computation that cannot be interrupted: tear no interpreter down around it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


if __name__ == "__main__":
    app.define_config()
    app.run(main)
