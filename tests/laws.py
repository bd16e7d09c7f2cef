"""How long the laws (hypothesis tests) run: one profile for each occasion, none with a deadline.

`fast`: by default. The same examples on every run: when a test fails, a change did it.
`deep`: nightly, `pytest --hypothesis-profile deep`. 20 times as many, others each time.
`mutation`: for each planted fault (`python -m tests.mutation`). The first quarter of `fast`, and no
search for the smallest counterexample.

A deadline fails on a busy machine, so no profile has one: the run as a whole is limited.
"""

from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, settings

USUAL = 100
"""The examples that a law gets in profile `fast` unless it asks for another number."""


def register() -> None:
    """Make the profiles known; `fast` holds unless the command line names another."""
    fast = settings(
        max_examples=USUAL,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile("fast", fast)
    settings.register_profile(
        "mutation",
        fast,
        max_examples=USUAL // 4,
        phases=(Phase.explicit, Phase.generate),
    )
    settings.register_profile(
        "deep", fast, max_examples=20 * USUAL, derandomize=False, print_blob=True
    )
    settings.load_profile("fast")


def examples(count: int, suppress_health_check: Sequence[HealthCheck] = ()) -> settings:
    """The settings of a law that wants `count` examples in profile `fast`, and in proportion in
    the others.
    """
    profile = settings()
    return settings(
        max_examples=max(1, count * profile.max_examples // USUAL),
        suppress_health_check=[*profile.suppress_health_check, *suppress_health_check],
    )
