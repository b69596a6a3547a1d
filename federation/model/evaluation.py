"""How good a ranking is: NDCG of scores against relevance, alone and per worker of examples.

Knows scores and labels only; intervals and comparisons are the caller's.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.model.encoding import Floats
from federation.model.examples import Examples, Label
from federation.model.parameters import split, to_float
from federation.model.scoring import score_columns

CUTOFF: Final = 10  # ranks looked at


def ndcg(scores: Floats, relevance: Floats, k: int = CUTOFF) -> float:
    """Return NDCG@k (Järvelin and Kekäläinen 2002, gain = relevance); 0 when nothing is relevant.

    Equal scores keep the order given.
    """
    discounts = 1 / np.log2(np.arange(2, min(k, len(scores)) + 2))
    top = np.argsort(-scores, kind="stable")[: len(discounts)]
    best = -np.sort(-relevance)[: len(discounts)]
    ideal = float(best @ discounts)
    return float(relevance[top] @ discounts) / ideal if ideal > 0 else 0.0


def ndcg_per_worker(parameters: NDArray[np.int64], examples: Examples) -> Floats:
    """Return NDCG@10 of each worker whose pairs hold a good one and another, float64[≤ W].

    Which workers count depends on the examples alone, so two parameter vectors give paired values.
    """
    score = score_columns(split(to_float(parameters)), examples.columns)
    good = (examples.label == Label.GOOD).astype(np.float64)
    stops = np.append(examples.starts, len(score))[1:]
    spans = zip(examples.starts.tolist(), stops.tolist(), strict=True)
    return np.array(
        [
            ndcg(score[start:stop], good[start:stop])
            for start, stop in spans
            if 0 < good[start:stop].sum() < stop - start
        ],
        dtype=np.float64,
    )
