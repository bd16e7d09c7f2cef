"""Tables of exchanges that were read apart are put together; `tests/http/test_shards.py` holds that
they are the table of all.
"""

from lbtrace.tables.exchanges import Exchanges, ExchangeTable
from lbtrace.tables.merging import merged
from tests.http.bulk.test_bulk_connections import spoken
from tests.http.streams import Talk, get, hear, ok


def _table(*talks: Talk) -> ExchangeTable:
    exchanges = hear(*talks).exchanges
    assert isinstance(exchanges, Exchanges)
    return exchanges.table


def test_one_table_is_itself() -> None:
    table = _table(spoken([(get("/"), ok(), [])]))
    assert merged([table]) is table


def test_rows_come_in_order_of_their_frames_with_their_own_texts() -> None:
    one = _table(spoken([(get("/a", "X: 1"), ok(b"a"), []), (get("/c", "X: 3"), ok(b"c"), [])]))
    other = _table(spoken([(get("/b", "X: 2"), ok(b"", "Server: b"), [])]))
    other.connection += 1
    other.request.first_frame += 1
    found = merged([one, other])
    assert not found.faults()
    assert found.id.tolist() == [0, 1, 2]
    made = found.make(found.id)
    assert [(e.connection, e.request.target) for e in made if e.request] == [
        (0, "/a"),
        (1, "/b"),
        (0, "/c"),
    ]
    assert [e.request.lines[-1].value for e in made if e.request] == ["1", "2", "3"]
