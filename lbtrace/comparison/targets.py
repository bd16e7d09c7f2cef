"""Two sides → the pairs whose request target was changed on the way (RFC 9112 §3.2).

Invariant: another form of the same resource (absolute, origin) is no change of the target.
"""

from __future__ import annotations

import numpy as np

from lbtrace.comparison.once import once
from lbtrace.comparison.pairs import PairedSides, Pairs


@once
def changed_targets(sides: PairedSides) -> Pairs:
    """The pairs of which the backend was asked for another resource than the client asked for."""
    (client, backend), pairs = sides.sides, sides.request_heads
    before, after = client.requests.start[pairs.client], backend.requests.start[pairs.backend]
    pairs = pairs.where(before != after)
    before, after = before[before != after], after[before != after]
    texts = client.words.text_list
    changes = set(zip(before.tolist(), after.tolist(), strict=True))
    other = {
        (old, new) for old, new in changes if origin_form(texts[old]) != origin_form(texts[new])
    }
    return pairs.where(
        np.array([c in other for c in zip(before.tolist(), after.tolist(), strict=True)], bool)
    )


def origin_form(target: str) -> str:
    """A target without scheme and authority, so that absolute and origin form of one resource are
    equal.
    """
    scheme, separator, rest = target.partition("://")
    if not separator or "/" in scheme:
        return target
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"
