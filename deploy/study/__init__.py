"""The study: synthetic market, baselines, measures and the demonstration that ties them up."""
