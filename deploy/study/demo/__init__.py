"""The demonstration: a coordinator and four cities as real processes on one machine."""
