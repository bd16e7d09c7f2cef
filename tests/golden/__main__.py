"""Rewrite the golden files from what lbtrace says now: `python -m tests.golden`. Read the diff
before you commit it.
"""

from tests.golden import CASES, GOLDEN, say
from tests.golden.scenarios import FOLDER, TOLD, told

if __name__ == "__main__":
    for sample, kind in CASES:
        (GOLDEN / f"{sample}.{kind}").write_text(say(sample, kind), encoding="utf-8")
        print(f"{sample}.{kind}")
    for scenario in TOLD:
        (FOLDER / f"{scenario}.txt").write_text(told(scenario), encoding="utf-8")
