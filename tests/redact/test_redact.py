"""Redacted captures: the same report, and no credential anywhere.

The plays here carry credentials in all the ways there are; that none is left is looked for by
`bytes.find`, not by the search of the code.
"""

from __future__ import annotations

import json
import re
import struct
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import dpkt
import hypothesis
import pytest
from hpack import Decoder, Encoder
from hypothesis import strategies as st

from lbtrace.capture import read
from lbtrace.errors import InputError
from lbtrace.options import quiet
from lbtrace.pipeline import compare
from lbtrace.redact import Redacted, redact
from lbtrace.redact import heads as heads_module
from lbtrace.redact.same_length import SameLengthMask
from lbtrace.render import get_format
from lbtrace.render.masked import masked_report
from tests.capture.files import enhanced, interface, option, section
from tests.capture.files import pcap as capture_file
from tests.golden import SAMPLES
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.script import Script, pcap

KEY = b"k" * 32
PASSWORD = b"correct-horse-battery"
BASIC = b64encode(b"alice:" + PASSWORD)
SESSION = b"31d4d96e-a2f0-4c51"
TOKEN = b"ya29.A0ARrdaM-tok_en"
SECRETS = (PASSWORD, BASIC, SESSION, TOKEN)
_BODY = re.compile("[0-9a-f]{32}")  # a digest: which are equal stays, what they are does not
_DIGEST = re.compile(r", #[0-9a-f]{4}\)")
PLAYS = (
    *("rewriting", "gzip-added", "http-1-0", "fields-merged", "continued", "http2-in-front"),
    *("trailers-dropped", "proxy-protocol-2-before-http", "proxy-protocol-ipv6", "tls-passed-on"),
    *("another-protocol", "tls-ends", "whole-connections", "retry-reset", "bad-gateway", "cache"),
    *("keep-alive-race", "mirrored", "client-stopped-early", "loss-identical", "two-front-nodes"),
    *("nat-started-late", "shared-backend-connection", "own-date-and-server", "step"),
)
PAIRS = sorted(p.name for p in SAMPLES.iterdir() if (p / "client.pcap").exists())


def redacted(
    paths: Sequence[Path], folder: Path, bodies: bool = False, addresses: bool = False
) -> tuple[list[Path], Redacted]:
    folder.mkdir()
    points = [[str(path)] for path in paths]
    done = redact(points, str(folder), KEY, bodies=bodies, addresses=addresses)
    assert not list(folder.glob(".*"))
    return [Path(written) for _, written in done.files], done


def told(paths: Sequence[Path]) -> str:
    """The report of captures, without what names the files, or tells one value from another."""
    import io

    from lbtrace.render import View

    client, *backends = ([str(path)] for path in paths)
    out = io.StringIO()
    get_format("json").write_report(compare([client], backends), out, View())
    text = _DIGEST.sub(")", out.getvalue())
    seen: dict[str, str] = {}
    text = _BODY.sub(lambda found: seen.setdefault(found[0], f"digest {len(seen)}"), text)
    for path in paths:
        text = text.replace(json.dumps(str(path.parent))[1:-1], "")
    return text


def held(paths: Sequence[Path]) -> bytes:
    """All bytes of files, and the payload of each direction of each connection in order."""
    parts = []
    for path in paths:
        streams: dict[bytes, list[tuple[int, bytes]]] = {}
        with open(path, "rb") as file:
            for _, data in dpkt.pcap.Reader(file):
                ip = dpkt.ip.IP(data)
                tcp = ip.data
                if isinstance(tcp, dpkt.tcp.TCP):
                    ends = ip.src + ip.dst + struct.pack(">HH", tcp.sport, tcp.dport)
                    streams.setdefault(ends, []).append((tcp.seq, bytes(tcp.data)))
        parts += [path.read_bytes()]
        parts += [b"".join(d for _, d in sorted(stream)) for stream in streams.values()]
    return b"\n".join(parts)


def a_play() -> Script:
    """Requests with credentials in every place, through a balancer that adds a field."""
    script = Script()
    for number in range(4):
        ask = (
            b"GET /login?user=alice&access_token="
            + TOKEN
            + b"&n=%d HTTP/1.1\r\n" % number
            + b"Host: shop.example\r\nCookie: theme=dark; sid="
            + SESSION
            + b"\r\n"
            b"Authorization: Basic " + BASIC + b"\r\nX-Request-Id: r-%04d\r\n\r\n" % number
        )
        body = b'{"again": "' + SESSION + b'", "n": %d}' % number
        answer = (
            b"HTTP/1.1 302 Found\r\nSet-Cookie: sid=" + SESSION + b"; Path=/; HttpOnly\r\n"
            b"Location: https://alice:"
            + PASSWORD
            + b"@shop.example/?access_token="
            + TOKEN
            + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )
        front = script.front().asks(ask)
        back = script.back().asks(ask[:-2] + b"X-Forwarded-For: 198.51.100.10\r\n\r\n")
        back.answers(answer).leaves()
        front.answers(answer).leaves()
    return script


def test_credentials_go_wherever_they_stand_and_the_report_stays(tmp_path: Path) -> None:
    given = a_play().write(tmp_path)
    written, done = redacted(given, tmp_path / "out")
    assert all(secret in held(given) for secret in (BASIC, SESSION, TOKEN))
    for secret in SECRETS:
        assert secret not in held(written)
    assert told(written) == told(given)
    assert done.credentials >= 4
    assert done.stream_bytes == done.conflicts == 0
    assert b"shop.example" in held(written)
    assert b"theme=" in held(written)


def test_equal_values_stay_equal_on_both_sides(tmp_path: Path) -> None:
    written, _ = redacted(a_play().write(tmp_path), tmp_path / "out")
    names = [set(re.findall(rb"sid=([^;\r]+)", held([path]))) for path in written]
    assert names[0] == names[1]
    assert len(names[0]) == 1


@pytest.mark.parametrize("sample", PAIRS)
def test_samples_say_the_same(sample: str, tmp_path: Path) -> None:
    folder = SAMPLES / sample
    given = [folder / "client.pcap", *sorted(folder.glob("backend*.pcap"))]
    written, _ = redacted(given, tmp_path / "out")
    assert told(written) == told(given)


@pytest.mark.parametrize("sample", [name for name in PAIRS if name != "caddy"])
def test_also_without_bodies_unless_the_balancer_compresses_them(
    sample: str, tmp_path: Path
) -> None:
    folder = SAMPLES / sample
    given = [folder / "client.pcap", *sorted(folder.glob("backend*.pcap"))]
    written, _ = redacted(given, tmp_path / "out", bodies=True)
    assert told(written) == told(given)


@pytest.mark.parametrize("scenario", PLAYS)
def test_plays_say_the_same(scenario: str, tmp_path: Path) -> None:
    recorded = SCENARIOS[scenario]().run(pcaps=True)
    given = []
    for side, files in (("client", recorded.client_pcaps), ("backend", recorded.backend_pcaps)):
        for number, data in enumerate(files):
            given.append(tmp_path / f"{side}{number}.pcap")
            given[-1].write_bytes(data)
    fronts = len(recorded.client_pcaps)
    written, _ = redacted(given, tmp_path / "out")
    assert summed(written, fronts) == summed(given, fronts)


def summed(paths: Sequence[Path], fronts: int) -> str:
    """What is concluded of captures."""
    points = [[str(path)] for path in paths]
    report = masked_report(compare(points[:fronts], points[fronts:]))
    found = [(f.slug, f.severity, f.values, f.evidence) for f in report.findings]
    changes = report.correlation.changes
    said = (found, report.verdict.kind, [tuple(p) for p in report.correlation.pairs], changes)
    return _DIGEST.sub(")", repr(said))


def test_a_secret_over_segments_sent_twice_and_out_of_order(tmp_path: Path) -> None:
    script = Script()
    ask = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: sid=" + SESSION + b"\r\n\r\n"
    cut = ask.index(SESSION) + 5
    front = script.front()
    begin = front.sent[0]
    front.asks(ask[:cut]).asks(ask[cut:])
    end = front.sent[0]
    for at, data in (
        (begin, ask),
        (begin + 20, ask[20 : cut + 4]),
        (begin + cut - 3, ask[cut - 3 :]),
    ):
        front.sent[0] = at
        front._send(0, 24, data)
    front.sent[0] = end
    front.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").leaves()
    path = script.write(tmp_path)[0]
    (written,), done = redacted([path], tmp_path / "out")
    assert SESSION not in held([written])
    for part in (SESSION[:5], SESSION[5:]):
        assert part in path.read_bytes()
        assert part not in written.read_bytes()
    assert done.conflicts == 0


def test_a_segment_that_says_something_else_is_blanked(tmp_path: Path) -> None:
    script = Script()
    ask = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: sid=" + SESSION + b"\r\n\r\n"
    front = script.front()
    begin = front.sent[0]
    front.asks(ask)
    end, front.sent[0] = front.sent[0], begin
    front._send(0, 24, ask.replace(SESSION, SESSION[::-1]))
    front.sent[0] = end
    (written,), done = redacted([script.write(tmp_path)[0]], tmp_path / "out")
    assert SESSION[::-1] not in written.read_bytes()
    assert done.conflicts == 1


def test_a_secret_over_two_files_of_one_capture(tmp_path: Path) -> None:
    script = Script()
    ask = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: sid=" + SESSION + b"\r\n\r\n"
    cut = ask.index(SESSION) + 9
    front = script.front().asks(ask[:cut])
    count = len(script.client)
    front.asks(ask[cut:]).leaves()
    paths = [tmp_path / "a.pcap", tmp_path / "b.pcap"]
    paths[0].write_bytes(pcap(script.client[:count]))
    paths[1].write_bytes(pcap(script.client[count:]))
    (tmp_path / "out").mkdir()
    done = redact([list(map(str, paths))], str(tmp_path / "out"), KEY)
    data = b"".join(Path(name).read_bytes() for _, name in done.files)
    assert len(done.files) == 2
    assert SESSION[:9] not in data
    assert SESSION[9:] not in data


def test_bytes_of_which_nobody_knows_what_they_are_are_blanked(tmp_path: Path) -> None:
    script = Script()
    ask = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: sid=" + SESSION + b"\r\nX: y\r\n\r\n"
    cut = ask.index(SESSION) + 8
    front = script.front().asks(ask[:cut]).asks(ask[cut:])
    del script.client[3]  # the beginning is lost, up to within the cookie
    front.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").leaves()
    script.front(2222).asks(b"AUTH " + PASSWORD + b"\r\n").answers(b"OK " + TOKEN)
    path = script.write(tmp_path)[0]
    (written,), done = redacted([path], tmp_path / "out")
    assert done.stream_bytes >= 20
    for secret in (*SECRETS, SESSION[-8:]):
        assert secret in held([path]) or secret in (BASIC, SESSION)
        assert secret not in held([written])


def h2(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload
    )


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2(4, 0, 0, b"")


def h2_play(huffman: bool) -> Script:
    script = Script()
    for side in (script.front(), script.back()):
        asking, answering = Encoder(), Encoder()
        side.asks(PREFACE)
        for number in range(3):
            fields = [
                (":method", "GET"),
                (":scheme", "http"),
                (":path", f"/a?access_token={TOKEN.decode()}&n={number}"),
                (":authority", "shop.example"),
                ("cookie", "theme=dark"),
                ("cookie", f"sid={SESSION.decode()}"),
                ("authorization", f"Basic {BASIC.decode()}"),
                ("x-note", f"see {SESSION.decode()} there"),
            ]
            block = asking.encode(fields, huffman=huffman)
            stream = 2 * number + 1
            head = h2(1, 0x1 | 0x8, stream, bytes([3]) + block[:40] + bytes(3))
            side.asks(head + h2(9, 4, stream, block[40:]))
            answer = answering.encode(
                [(":status", "200"), ("set-cookie", f"sid={SESSION.decode()}; Path=/")], huffman
            )
            side.answers(
                (h2(4, 0, 0, b"") if not number else b"")
                + h2(1, 4, stream, answer)
                + h2(0, 1, stream, b"sid " + SESSION)
            )
    return script


@pytest.mark.parametrize("huffman", [True, False])
def test_header_blocks_of_http2(huffman: bool, tmp_path: Path) -> None:
    given = h2_play(huffman).write(tmp_path)
    written, done = redacted(given, tmp_path / "out")
    shown = SameLengthMask(KEY).hide(SESSION.decode())  # x-note is no secret field: it is shown
    assert told(written) == told(given).replace(SESSION.decode(), shown)
    assert (done.blocks, done.stream_bytes) == (0, 0)
    for path, before in zip(written, given, strict=True):
        new, old = said_in_http2(path), said_in_http2(before)
        assert [name for name, _ in new] == [name for name, _ in old]
        assert any(SESSION.decode() in value for _, value in old)
        for secret in SECRETS:
            assert not any(secret.decode() in value for _, value in new)
            assert secret not in held([path])


def test_what_a_frame_of_an_unknown_type_carries_is_blanked(tmp_path: Path) -> None:
    script = h2_play(True)
    metadata = h2(0x4D, 4, 0, b"\x00\x05token" + bytes([len(TOKEN)]) + TOKEN[::-1])  # of Envoy
    script.front(3333).asks(PREFACE + metadata + h2(6, 0, 0, bytes(8))).answers(h2(4, 0, 0, b""))
    given = script.write(tmp_path)
    written, done = redacted(given, tmp_path / "out")
    assert TOKEN[::-1] in held(given)
    assert TOKEN[::-1] not in held(written)
    assert done.stream_bytes == len(metadata) - 9


def said_in_http2(path: Path) -> list[tuple[str, str]]:
    """The fields that both ends of a capture of one HTTP/2 connection send, read by hpack."""
    with open(path, "rb") as file:
        packets = [dpkt.ip.IP(data).data for _, data in dpkt.pcap.Reader(file)]
    found: list[tuple[str, str]] = []
    for port in {tcp.sport for tcp in packets}:
        data = b"".join(bytes(t.data) for t in packets if t.sport == port)
        data, decoder, block = data.removeprefix(PREFACE[:24]), Decoder(), b""
        while data:
            size, kind, flags = int.from_bytes(data[:3]), data[3], data[4]
            payload, data = data[9 : 9 + size], data[9 + size :]
            if kind == 1:
                block = payload[1 : size - payload[0]] if flags & 8 else payload
            elif kind == 9:
                block += payload
            if kind in (1, 9) and flags & 4:
                found += [(str(name), str(value)) for name, value in decoder.decode(block)]
    return found


def test_what_was_sent_before_the_capture_began_is_masked_whole(tmp_path: Path) -> None:
    script = h2_play(True)
    del script.client[3:7]  # the first requests: names are in a table that nobody saw
    written, _ = redacted(script.write(tmp_path), tmp_path / "out")
    for secret in SECRETS:
        assert secret not in held(written)


def test_bodies_on_request(tmp_path: Path) -> None:
    script = Script()
    body = b"card=4111111111111111&name=alice"
    ask = b"POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [b"6\r\nthanks\r\n7\r\n, alice\r\n0\r\nX-Api-Key: " + TOKEN + b"\r\n\r\n"]
    front, back = script.front(), script.back()
    front.asks(ask + body)
    back.asks(ask + body).answers(answer + chunks[0])
    front.answers(answer + b"d\r\nthanks, alice\r\n0\r\nX-Api-Key: " + TOKEN + b"\r\n\r\n")
    given = script.write(tmp_path)
    written, _ = redacted(given, tmp_path / "out", bodies=True)
    data = held(written)
    for secret in (b"4111", b"thanks", b"alice", TOKEN):
        assert secret in held(given)
        assert secret not in data
    before, after = (compare([[str(p[0])]], [[str(p[1])]]) for p in (given, written))
    for one, other in zip(before.correlation.pairs, after.correlation.pairs, strict=True):
        assert one.confidence == other.confidence
    plain, _ = redacted(given, tmp_path / "plain")
    assert b"4111" in held(plain)
    assert TOKEN not in held(plain)


def test_addresses_on_request(tmp_path: Path) -> None:
    given = a_play().write(tmp_path)
    written, _ = redacted(given, tmp_path / "out", addresses=True)
    for address in ("198.51.100.10", "10.0.9.11"):
        packed = bytes(map(int, address.split(".")))
        assert packed in held(given)
        assert packed not in held(written)
        assert address.encode() not in held(written)
    before, after = (json.loads(told(paths)) for paths in (given, written))
    for key in ("verdict", "findings", "behaviour"):
        assert kinds(before[key]) == kinds(after[key])


def kinds(node: object) -> object:
    """What a part of the JSON says without its texts and addresses."""
    if isinstance(node, dict):
        names = ("slug", "kind", "confidence", "severity", "name", "value", "modifiers", "frames")
        return {k: kinds(v) for k, v in node.items() if k in names or isinstance(v, (dict, list))}
    if isinstance(node, list):
        return [kinds(each) for each in node]
    return re.sub(r"\d+\.\d+\.\d+\.\d+", "ADDRESS", node) if isinstance(node, str) else node


@pytest.mark.parametrize("addresses", [False, True])
def test_checksums_that_were_right_are_right_and_others_stay_wrong(
    addresses: bool, tmp_path: Path
) -> None:
    script = a_play()
    for number, packet in enumerate(script.client):
        ip = dpkt.ip.IP(packet.data)
        ip.sum = ip.data.sum = 0  # dpkt fills them in
        right = bytes(ip)
        packet.data = right if number % 2 else right[:36] + b"\x12\x34" + right[38:]
    path = script.write(tmp_path)[0]
    (written,), _ = redacted([path], tmp_path / "out", addresses=addresses)
    seen = set()
    with open(written, "rb") as file:
        for number, (_, data) in enumerate(dpkt.pcap.Reader(file)):
            ip = dpkt.ip.IP(data)
            ip.sum = ip.data.sum = 0
            fits = bytes(ip)[10:12] == data[10:12], bytes(ip)[36:38] == data[36:38]
            assert fits == (True, bool(number % 2)), number
            seen.add(bool(ip.data.data))
    assert seen == {True, False}


def test_other_protocols_fragments_and_trailers_are_zeros(tmp_path: Path) -> None:
    def packet(protocol: int, inside: bytes, fragment: int = 0) -> bytes:
        ends = bytes((10, 0, 0, 1, 10, 0, 0, 2))
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(inside), 1, fragment, 64, protocol, 0)
        return head + ends + inside

    script = Script()
    script.front().asks(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    script.client[-1].data += b"trailer-" + TOKEN
    for data in (
        packet(17, struct.pack(">HHHH", 999, 53, 8 + len(TOKEN), 0) + TOKEN),
        packet(1, b"\x03\x03\0\0\0\0\0\0" + TOKEN),
        packet(6, bytes(20) + TOKEN + bytes(4), 0x2000),
        b"\xff not IP " + TOKEN,
    ):
        script.client.append(type(script.client[0])(script.now(), data))
    path = script.write(tmp_path)[0]
    (written,), done = redacted([path], tmp_path / "out")
    assert TOKEN in path.read_bytes()
    assert TOKEN not in written.read_bytes()
    assert done.packets == {"udp": 1, "icmp": 1, "ip-fragment": 1, "not-ip": 1}
    counts = [read([str(p)], quiet).files[0].frames for p in (path, written)]
    assert counts[0] == counts[1]


def test_a_mirror_that_shows_packets_twice(tmp_path: Path) -> None:
    script = a_play()
    script.client = [packet for packet in script.client for _ in range(2)]
    given = script.write(tmp_path)
    written, _ = redacted(given, tmp_path / "out")
    for secret in SECRETS:
        assert secret not in held(written)
    assert told(written) == told(given)


def test_nothing_is_written_when_a_credential_is_found_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = a_play().write(tmp_path)
    monkeypatch.setattr(heads_module.HeadMask, "_field_line", lambda _self, raw: raw)
    monkeypatch.setattr(heads_module.HeadMask, "found", lambda _self, _data: iter(()))
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="still stands"):
        redact([[str(path)] for path in given], str(tmp_path / "out"), KEY)
    assert list((tmp_path / "out").iterdir()) == []


def test_another_key_masks_otherwise_and_the_same_key_alike(tmp_path: Path) -> None:
    given = [str(path) for path in a_play().write(tmp_path)]
    contents = []
    for number, key in enumerate((KEY, KEY, b"z" * 32)):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = redact([[path] for path in given], str(folder), key)
        contents.append([Path(name).read_bytes() for _, name in done.files])
    assert contents[0] == contents[1] != contents[2]


_PER_SECOND = {6: 10**6, 9: 10**9, 7: 10**7, 3: 10**3, 10: 10**10, 0x94: 2**20}


@hypothesis.example([6, 9], [(0, 0), (1, 123_456_789)])
@hypothesis.given(
    interfaces=st.lists(st.sampled_from(sorted(_PER_SECOND)), min_size=1, max_size=3),
    taken=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**18)), min_size=1, max_size=8),
)
def test_times_stay_whatever_the_units_of_the_interfaces(
    tmp_path_factory: pytest.TempPathFactory,
    interfaces: list[int],
    taken: list[tuple[int, int]],
) -> None:
    """The last number of an interface may name one that is not described."""
    data = section()
    for code in interfaces:
        data += interface(options=option(9, bytes([code])))
    for number, fraction in taken:
        per_second = _PER_SECOND[interfaces[number]] if number < len(interfaces) else 10**6
        data += enhanced(bytes(60), 1_700_000_000 * per_second + fraction % per_second, number)
    folder = tmp_path_factory.mktemp("units")
    (folder / "a.pcapng").write_bytes(data)
    written, _ = redacted([folder / "a.pcapng"], folder / "out")
    assert times(written[0]) == times(folder / "a.pcapng")


def test_times_stay_in_captures_glued_together(tmp_path: Path) -> None:
    at = 1_700_000_000 * 10**9
    parts = [
        capture_file([(at + 123_000, bytes(60))]),
        capture_file([(at + 123_456, bytes(60))], magic=0xA1B23C4D, unit_ns=1),
    ]
    for name, data in (("one", parts[0] + parts[1]), ("other", parts[1] + parts[0])):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "a.pcap"
        path.write_bytes(data)
        written, _ = redacted([path], tmp_path / name / "out")
        assert times(written[0]) == times(path)
        assert 123_456 in [time - at for time in times(path)]


def times(path: Path) -> list[int]:
    """The time of each record, in ns."""
    found: list[int] = read([str(path)], quiet).records.time_ns.tolist()
    return found
