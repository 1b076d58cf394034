"""Workers of the tests of `tf.distribute`: processes that run code, and tell.

A process that has imported TensorFlow, and not started it, forks them, so that each is
there at once and as new as any. Where there are no forks, each imports it anew.
"""

import json
import multiprocessing
import os
import time
import traceback
import warnings
from contextlib import suppress

_METHODS = multiprocessing.get_all_start_methods()
_CONTEXT = multiprocessing.get_context(
    "forkserver" if "forkserver" in _METHODS else "spawn"
)
# Without skae, which can't know whether TensorFlow has run where it was imported.
_CONTEXT.set_forkserver_preload(["keras", "sklearn.datasets"])


class Worker:
    """A process that runs `code`, in which `tell(...)` tells facts by name."""

    def __init__(self, code, **environment):
        self._told, tells = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(
            target=_work, args=(code, environment, tells), daemon=True
        )
        self._process.start()
        tells.close()

    def hear(self):
        """Wait for what it tells next."""
        return json.loads(self._told.recv())

    def works(self):
        return self._process.is_alive()

    def kill(self):
        self._process.kill()
        self._process.join()

    def finish(self, seconds=120):
        """Wait for its end; give all that it told."""
        end, told = time.monotonic() + seconds, []
        with suppress(EOFError):
            while self._told.poll(max(0, end - time.monotonic())):
                told.append(self.hear())
        self._process.join(max(0, end - time.monotonic()))
        code = self._process.exitcode  # None where it took too long
        self.kill()
        assert code == 0, told[-1:]
        return told


def _work(code, environment, tells):
    os.environ.update(environment)
    warnings.simplefilter("error", RuntimeWarning)

    def tell(**facts):
        tells.send(json.dumps(facts))

    try:
        exec(code, {"__name__": "__main__", "tell": tell})
    except BaseException:
        tell(error=traceback.format_exc())
        raise
