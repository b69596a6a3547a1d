"""Indicators as data: what a statistics run may sum, over which public domain."""
