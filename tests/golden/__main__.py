"""Rewrite the golden files from what lbtrace says now: `python -m tests.golden`. Read the diff
before you commit it.
"""

from tests.golden import CASES, GOLDEN, say

if __name__ == "__main__":
    for sample, kind in CASES:
        (GOLDEN / f"{sample}.{kind}").write_text(say(sample, kind), encoding="utf-8")
        print(f"{sample}.{kind}")
