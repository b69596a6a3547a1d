"""The run: order of stages, secure sums, the integer optimiser, and Flower's programming model."""
