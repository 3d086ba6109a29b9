"""Trains again and again, each time in a process of its own that need not import anything.

    kill_resume_program

For every line that it reads, a JSON list of flags as of //openpi/train, it begins a process, writes its number, waits for its
end, and writes the exit code (negative: the signal that killed it).
"""

import json
import os
import sys

from absl import logging

from openpi.config import app
from openpi.train import training


def main() -> None:
    for line in sys.stdin:
        process = os.fork()  # nothing has started a thread yet
        if process == 0:
            sys.argv = ["train", *json.loads(line)]
            _train()
        print(process, flush=True)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _train() -> None:
    app.define_config()
    try:
        logging.set_verbosity(logging.WARNING)
        app.run(training.train)
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    os._exit(1)


if __name__ == "__main__":
    main()
