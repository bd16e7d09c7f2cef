"""Many captures of a fleet → one answer, on this machine or on a cluster.

    plan.toml ─▶ plan ─▶ Plan
    files ─▶ split ─▶ shards                         by the endpoints of connections
    shard ─▶ inspected ─▶ Trace, ShardIndex       the same reading as of one capture
    indexes ─▶ borders ─▶ times to cut at            where little is under way
    Trace ─▶ slices ─▶ SliceResult                   the same comparing as of two captures
    SliceResults ─▶ reduced ─▶ FleetReport

`run` is this line as code. Each arrow is a task: a function of files that leaves its result in a
file (`store`). A task that was done once is not done again, wherever it ran, and one whose worker
is lost is done by another (`engine`).

Invariant: each exchange is in one shard and in one slice, and its partners are in the same slice.
"""
