"""Where rows come from, and what may come in."""

from skae._data.resident import Resident
from skae._data.streamed import Streamed

# What a fit trains on.
Data = Resident | Streamed
