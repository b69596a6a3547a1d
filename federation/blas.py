"""Imported before NumPy by every program: one thread to a matrix product, unless told otherwise.

Lives here: OpenBLAS's switch and nothing else. The match model's matrices are small: on two cores a
second thread makes a gradient four times slower, as threads wait for each other by spinning.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
