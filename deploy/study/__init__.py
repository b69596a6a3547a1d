"""The study: synthetic market, baselines, measures and the demonstration that ties them up."""

import federation.blas  # noqa: F401 before NumPy reads the environment
