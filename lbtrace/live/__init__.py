"""Places where packets pass, captured at the same time → one capture file for each of them.

    place as typed ─▶ argv around tcpdump ─▶ tap (a running tcpdump) ─▶ pcap ─▶ pcapng with counts

`places/` has one file for each kind of place. `tcpdump` is what runs there and what it says, `tap`
one of them while it runs, `session` all of them together, `kept` the files that remain.

Invariant: every tcpdump ends when its standard input is closed. So it ends when lbtrace does, for
whatever reason, here and on a distant machine.
"""
