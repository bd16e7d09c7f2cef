"""The witness itself: what is lacking, what was repeated, which packets are one connection."""

from __future__ import annotations

from dataclasses import replace

from tests.sentences.packets import Packet, Talk, talks

CLIENT, SERVER, OTHER = ("10.0.0.1", 40000), ("10.0.0.2", 80), ("10.0.0.3", 8080)
FIN, SYN, ACK = 1, 2, 16


def sent(number: int, source: str, seq: int, ack: int, size: int = 0, flags: int = ACK) -> Packet:
    """A packet of the client ("c") or the server ("s"), one each second."""
    ends = (CLIENT, SERVER) if source == "c" else (SERVER, CLIENT)
    return Packet(number, float(number), *ends, seq, ack, flags, size, b"x" * size)


def opened() -> list[Packet]:
    """A handshake; the client begins at 4,294,967,290, so that its numbers wrap."""
    return [
        sent(1, "c", 2**32 - 6, 0, flags=SYN),
        sent(2, "s", 100, 2**32 - 5, flags=SYN | ACK),
        sent(3, "c", 2**32 - 5, 101),
    ]


def one(packets: list[Packet]) -> Talk:
    (talk,) = talks(packets)
    return talk


def test_bytes_that_were_acknowledged_and_are_not_there_are_lacking() -> None:
    talk = one(
        [
            *opened(),
            sent(4, "c", 2**32 - 5, 101, 10),
            sent(5, "c", 25, 101, 5),
            sent(6, "s", 101, 30),
        ]
    )
    assert talk.directions[CLIENT].lacking() == 20
    assert talk.directions[SERVER].lacking() == 0


def test_a_number_that_nobody_acknowledged_makes_nothing_lacking() -> None:
    talk = one([*opened(), sent(4, "c", 20_000_000, 101, 5), sent(5, "s", 101, 2**32 - 5)])
    assert talk.directions[CLIENT].lacking() == 0


def test_what_is_sent_again_is_repeated_known_only_after_its_acknowledgement() -> None:
    talk = one(
        [
            *opened(),
            sent(4, "c", 2**32 - 5, 101, 10),
            sent(5, "c", 2**32 - 5, 101, 10),
            sent(6, "s", 101, 5),
            sent(7, "c", 2**32 - 5, 101, 10),
            sent(8, "s", 100, 2**32 - 5, flags=SYN | ACK),
        ]
    )
    repeated = [(p.number, known) for p, known in talk.directions[CLIENT].repeated()]
    assert repeated == [(5, False), (7, True)]
    assert [(p.number, known) for p, known in talk.directions[SERVER].repeated()] == [(8, True)]


def test_a_probe_of_an_idle_connection_is_not_repeated() -> None:
    talk = one([*opened(), sent(4, "c", 2**32 - 5, 101, 1), sent(5, "c", 2**32 - 5, 101, 1)])
    assert talk.directions[CLIENT].repeated() == []


def test_a_new_number_on_the_same_ends_is_another_connection() -> None:
    again = sent(9, "c", 5_000_000, 0, flags=SYN)
    first, second = talks([*opened(), again])
    assert (first.client, first.opened, len(first.packets)) == (CLIENT, True, 3)
    assert second.packets == [again]


def test_an_answer_without_its_syn_names_the_client() -> None:
    talk = one([sent(1, "s", 100, 7, flags=SYN | ACK)])
    assert (talk.client, talk.server, talk.opened) == (CLIENT, SERVER, False)


def test_who_answers_is_the_server_where_the_capture_begins_with_an_answer() -> None:
    """Its FIN is then the server's, and a request after it comes from the other end."""
    answer = replace(sent(1, "s", 101, 7, 12), payload=b"HTTP/1.1 200")
    talk = one([answer, sent(2, "s", 113, 7, flags=FIN | ACK), sent(3, "c", 7, 114, 5)])
    assert (talk.client, talk.server, talk.opened) == (CLIENT, SERVER, False)


def test_bytes_before_the_first_packet_are_lacking_from_what_was_acknowledged_first() -> None:
    """The SYN and the first request are not there; the SYN-ACK says where the client began."""
    talk = one(
        [
            sent(1, "s", 100, 7, flags=SYN | ACK),
            sent(2, "s", 101, 57),
            sent(3, "c", 57, 101, 5),
            sent(4, "s", 101, 62),
        ]
    )
    assert talk.directions[CLIENT].lacking() == 50
    assert talk.directions[SERVER].lacking() == 0
