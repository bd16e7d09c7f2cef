"""A clock that was set: what its pairs say, and what is not said of what lies beyond."""

from lbtrace.correlate import correlate
from lbtrace.model.pairing import Confidence, UnpairedReason
from lbtrace.options import DEFAULT
from tests.play.scenarios import SCENARIOS


def test_what_follows_a_step_is_not_outside_the_other_capture() -> None:
    shown = SCENARIOS["step-late"]().perform()
    found = correlate(shown.clients, shown.backends, DEFAULT)
    after = [u for u in found.unpaired if u.side == "client"]
    assert {(u.reason, u.confidence) for u in after} == {(UnpairedReason.UNKNOWN, Confidence.LOW)}
    assert all("clock may have been set" in u.detail for u in after)
