"""The vocabulary of lbtrace: immutable values and enums, standard library only.

Per-packet facts live in numpy columns (`lbtrace.tables.packets`); from connections upward
everything is one of these. Those of which a capture has very many (Connection, Request, Response,
Exchange) are NamedTuples, because making one costs a quarter of a frozen dataclass.
"""
