"""Gunicorn: the file is read once, and each worker is warm before its first request."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os

bind = "127.0.0.1:8000"
# Where app.py is.
pythonpath = os.path.dirname(os.path.abspath(__file__))
# One for each core; threads within a worker share its TensorFlow.
workers = 2
threads = 4
# The app is imported before the fork: it reads the file and runs no TensorFlow.
preload_app = True


def post_fork(server, worker):
    """Import TensorFlow and trace the network in the new worker, not before."""
    import app

    app.warm_up()
