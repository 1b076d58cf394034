"""examples/serving: what the guide shows is run, without a server and a socket."""

import asyncio
import importlib.util
import io
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from small import SMALL, python, small_conv

SERVING = Path(__file__).parents[2] / "examples" / "serving"
IMAGES = (load_digits().images[:60] / 16).astype(np.float32)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Make the app of a transformer."""

    def serve(ae):
        ae.save(tmp_path / "model.skae")
        monkeypatch.setenv("SKAE_MODEL", str(tmp_path / "model.skae"))
        spec = importlib.util.spec_from_file_location("app", SERVING / "app.py")
        app = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(app)
        apps.append(app)
        return app

    apps = []
    yield serve
    for app in apps:
        app.POOL.shutdown()


def ask_wsgi(app, body):
    said = []
    answer = app.wsgi(
        {"wsgi.input": io.BytesIO(body)}, lambda *words: said.append(words)
    )
    return said[0][0], b"".join(answer)


async def ask_asgi(app, body):
    parts = [
        {"body": body[:100], "more_body": True},
        {"body": body[100:], "more_body": False},
    ]
    sent = []

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    await app.asgi({"type": "http"}, receive, send)
    return sent[0]["status"], sent[1]["body"]


@SMALL
def test_both_apps_answer_as_transform_does(make, served):
    ae = make().fit(IMAGES)
    app = served(ae)
    app.warm_up()
    expected = ae.transform(IMAGES[:3]).tobytes()
    assert ask_wsgi(app, IMAGES[:3].tobytes()) == ("200 OK", expected)
    assert asyncio.run(ask_asgi(app, IMAGES[:3].tobytes())) == (200, expected)
    for wrong in (IMAGES.tobytes()[:-4], np.full((1, 8, 8), np.nan, "f4").tobytes()):
        status, words = ask_wsgi(app, wrong)
        assert status == "400 Bad Request"
        assert words
        assert asyncio.run(ask_asgi(app, wrong)) == (400, words)


def test_a_worker_is_ready_once_it_is_warm(served, monkeypatch):
    app = served(small_conv().fit(IMAGES))
    done = []
    monkeypatch.setattr(app, "warm_up", lambda: done.append("warm"))

    async def receive():
        return {}

    async def send(message):
        done.append(message["type"])

    asyncio.run(app.asgi({"type": "lifespan"}, receive, send))
    assert done == ["warm", "lifespan.startup.complete", "lifespan.shutdown.complete"]


FORKS = """
import json, os, runpy, sys
sys.path.insert(0, sys.argv[1])
import app
before = "tensorflow" in sys.modules or "keras" in sys.modules
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        conf = runpy.run_path(os.path.join(sys.argv[1], "gunicorn.conf.py"))
        conf["post_fork"](None, None)
        held = app.AE._program._bound[1]["encode"] is not None
        os._exit(0 if held and len(app.latents(bytes(4 * 64))) == 12 else 1)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(json.dumps([before, codes]))
"""


@pytest.mark.long
@pytest.mark.versions
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked_workers_warm_up_each_by_itself(tmp_path, monkeypatch):
    small_conv().fit(IMAGES).save(tmp_path / "model.skae")
    monkeypatch.setenv("SKAE_MODEL", str(tmp_path / "model.skae"))
    assert python(FORKS, SERVING) == [False, [0, 0]]
