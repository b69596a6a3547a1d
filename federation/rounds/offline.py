"""Imported before Flower: switches off every network call of its own (update check, telemetry).

Lives here: Flower's environment switches and nothing else.
"""

import os

SWITCHES = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",  # its simulation engine's
}
os.environ.update(SWITCHES)
