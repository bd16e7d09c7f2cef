"""What a file holds, said in words."""

from __future__ import annotations

from lbtrace.capture.link_names import LINKS, NO_INTERFACE, link_name
from lbtrace.decode.dispatch import LINK_TYPES


def test_every_link_type_that_is_read_has_a_name() -> None:
    assert set(LINK_TYPES.numbers()) <= set(LINKS)
    assert link_name(1) == "Ethernet"
    assert link_name(276) == "Linux cooked v2"
    assert link_name(281) == "Ethernet (Broadcom tag)"


def test_others_are_named_by_their_number() -> None:
    assert link_name(9999) == "link type 9999"
    assert link_name(NO_INTERFACE) == "no interface described"
