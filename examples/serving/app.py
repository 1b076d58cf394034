"""A service that gives latent vectors: bytes of float32 in, bytes of float32 out.

Save a transformer with `ae.save("model.skae")`, say where it is, and start one of::

    export SKAE_MODEL=model.skae
    gunicorn --config examples/serving/gunicorn.conf.py app:wsgi
    uvicorn --app-dir examples/serving app:asgi --workers 2

A request carries one or more samples, one after the other. Both apps are plain
functions: put them behind the framework that you use.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import skae

# Read before the workers are forked, and so held in memory once: this imports no
# TensorFlow, which does not survive a fork.
AE = skae.load(os.environ["SKAE_MODEL"])
# More threads than cores only hand the interpreter to one another.
POOL = ThreadPoolExecutor(os.cpu_count())


def warm_up():
    """Do in a new worker what would make its first callers wait.

    The first call imports TensorFlow, if the network needs it, and traces the network.
    From the second on, its weights are held.
    """
    sample = np.zeros((1, *AE.sample_shape_), np.float32)
    for _ in range(2):
        AE.transform(sample)


def latents(body):
    """Answer a request."""
    samples = np.frombuffer(body, np.float32).reshape(-1, *AE.sample_shape_)
    return AE.transform(samples).astype(np.float32, copy=False).tobytes()


def wsgi(environ, start_response):
    """Serve under gunicorn, whose configuration warms each worker up."""
    try:
        status, answer = "200 OK", latents(environ["wsgi.input"].read())
    except ValueError as error:
        status, answer = "400 Bad Request", str(error).encode()
    start_response(status, [("Content-Length", str(len(answer)))])
    return [answer]


async def asgi(scope, receive, send):
    """Serve under uvicorn, which asks each worker whether it is ready."""
    if scope["type"] == "lifespan":
        await receive()
        warm_up()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        # In a thread: the loop goes on reading what others ask meanwhile.
        loop = asyncio.get_running_loop()
        status, answer = 200, await loop.run_in_executor(POOL, latents, body)
    except ValueError as error:
        status, answer = 400, str(error).encode()
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": answer})
