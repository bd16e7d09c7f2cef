"""What an assistant (a language model with tools) may ask → answers that are bounded.

    arguments ─▶ roots ─▶ kept results ─▶ tools ─▶ text ─▶ parts

`roots` says which files may be read, `kept_results` remembers what was compared, `tools` has one
function for each question, `parts` cuts the answer into pieces of a stated size, `server` speaks
the Model Context Protocol over standard input and output.

Invariants: nothing outside of the roots is read, nothing is written, nothing is started.
Credentials are masked. An answer is never longer than its budget.
"""
