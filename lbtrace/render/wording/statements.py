"""A sentence with {name} places and typed values → the sentence filled in.

The judgement of what to say is made in findings/ and verdict/; here it is only written. Values that
are text come from captures and are escaped; a place without a value stays as it is, so that a slip
shows instead of hiding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lbtrace.model.plurals import in_singular
from lbtrace.model.report import Value
from lbtrace.render.wording import units
from lbtrace.render.wording.escape import shown

_PLACE = re.compile(r"\{(\w+)\}")


def filled(statement: str, values: Sequence[Value]) -> str:
    """The statement with every {name} replaced by the value of that name."""
    known = {v.name: shown(units.value(v)) for v in values}
    single = {v.name for v in values if v.unit == "count" and v.value == 1}
    return _PLACE.sub(lambda place: known.get(place[1], place[0]), in_singular(statement, single))
