"""How much memory data may take, in bytes, and how often a checkpoint is written.

They are read where they are used, so that whoever changes one here changes it for all.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

# Data above this size are streamed; others cross over once for all epochs.
MAX_RESIDENT_BYTES = 256 * 2**20
# Bytes of rows that training is handed at once.
PART_BYTES = 32 * 2**20
# The most that is set aside of a stream, since it is evaluated after each epoch.
MAX_ASIDE_BYTES = 64 * 2**20
# The most of many rows where nobody has asked to set some aside.
UNASKED_ROWS, UNASKED_ASIDE_BYTES = 10_000, 16 * 2**20
# Bytes read at once where a source is read as it lies.
BLOCK_BYTES = 32 * 2**20
# Rows are drawn from a buffer of this size where it is filled from many places, and
# of the larger size where neighbours on disk come into it together.
SHUFFLE_BYTES = 64 * 2**20
LONG_SHUFFLE_BYTES = 256 * 2**20
# Runs are joined to blocks of this size on their way to the buffer.
JOINED_BYTES = 4 * 2**20
# Within an epoch a checkpoint is written when the last one is older than this.
SECONDS_BETWEEN_CHECKPOINTS = 30.0
# Rows, and their bytes, that stand for all where a fit is judged.
MAX_SAMPLE_ROWS, MAX_SAMPLE_BYTES = 1000, 2**23


def sample_rows(n_values: int) -> int:
    """Say how many rows of so many values stand for all; they may become float64."""
    return min(MAX_SAMPLE_ROWS, max(2, MAX_SAMPLE_BYTES // (8 * n_values)))
