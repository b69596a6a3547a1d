"""Rates of acceptance and log, each against what it cannot do without, in turn in one run."""
