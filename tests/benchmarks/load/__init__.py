"""Load on one coordinator: many cities' streams for long, and a flood beside honest cities."""
