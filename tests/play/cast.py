"""The players: clients that ask, a balancer with habits, backends that answer; performed in true time, with both sides written down.

    play = Play(seed=1, balancer=Balancer(kind="l7", add=[("X-Forwarded-For", "{client}")]))
    alice = play.client("192.168.0.5", seen_as="1.240.235.98")
    alice.asks("GET", "/divide/25", at_ms=0)
    alice.asks("GET", "/divide/50", at_ms=20, connection="kept")   # same name: same connection, one after another
    shown = play.perform()
    shown.clients, shown.backends      # Trace objects
    shown.truth                        # {client Ref: (backend Ref, …)}, attempts in order, the answered one last
    shown.client_pcaps, shown.backend_pcaps

Placeholders in header values: {client} the address the balancer sees, {clientport} its port, {fresh} a new random id,
{old} what the client sent, {front} the balancer's front address.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lbtrace.model.http import ClientHello, ProxyHeader
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.pairing import Ref
from lbtrace.model.trace import Trace
from tests.play.wire import EPOCH_NS, Clockwork, Line, Message, Turn, pcap, trace

MS = 1_000_000
FRONT = Endpoint("3.35.166.21", 80)
CURL = [("Host", "lb.example.com"), ("User-Agent", "curl/7.64.1"), ("Accept", "*/*")]
SERVED = [("Server", "gunicorn"), ("Content-Type", "text/plain")]


@dataclass(slots=True)
class Balancer:
    """A balancer's habits. `kind`: "l7", "l4-proxy", "dnat" (source kept), "snat", "dsr", "direct", "tls" (plain HTTP behind TLS)."""

    kind: str = "l7"
    front: Endpoint = FRONT
    backs: Sequence[str] = ("172.31.42.119",)
    add: Sequence[tuple[str, str]] = ()
    second_line: bool = False  # an added header the client also sent becomes a second line, else it replaces
    host: str | None = None
    strip: str = ""
    recase: bool = False
    drop: Sequence[str] = ()
    reorder: bool = False
    version: str = "HTTP/1.1"
    gzip: bool = False
    gunzip: bool = False
    chunk: bool = False
    respond: Sequence[tuple[str, str]] = ()  # lines added to (or replaced in) every response
    keep_alive: bool = True
    cache: float = 0.0
    refuse: float = 0.0  # share of requests it answers itself with 503
    retry: float = 0.0  # share of requests whose first attempt fails and is sent again
    fail: str = "reset"  # how a first attempt fails: "reset", "closed", "500"
    give_up: float = 0.0  # share of requests whose only attempt fails: the balancer answers 502
    hedge: float = 0.0
    preserve_source: bool = False
    proxy: int = 0  # version of the PROXY header it sends
    check_ms: int = 0  # health check period
    check: str = "GET /health"  # "" for connect and close
    check_agent: str = "ELB-HealthChecker/2.0"
    forward_us: tuple[int, int] = (100, 600)
    wander: bool = True  # pick backends at random, else in turn


@dataclass(slots=True)
class Ask:
    """One request a client means to send."""

    at_ns: int
    message: Message
    connection: str
    answer: Message
    think_ns: int
    abandon: bool = False  # the client closes before the answer


@dataclass(slots=True)
class Client:
    """A client host."""

    address: str
    seen_as: str
    play: Play
    asked: list[Ask] = field(default_factory=list)

    def asks(
        self,
        method: str,
        target: str,
        *,
        at_ms: float = 0,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        answer: bytes = b"ok",
        status: str = "200 OK",
        answer_headers: Sequence[tuple[str, str]] = (),
        connection: str = "",
        think_ms: float = 20.0,
        abandon: bool = False,
    ) -> None:
        """Ask once; without a connection name on a new connection that is closed after."""
        lines = [*CURL, *headers] + ([("Content-Length", str(len(body)))] if body else [])
        replies = [*SERVED, *answer_headers, ("Content-Length", str(len(answer)))]
        code, _, reason = status.partition(" ")
        self.asked.append(
            Ask(
                EPOCH_NS + int(at_ms * MS),
                Message((method, target), lines, body),
                connection,
                Message((code, reason), replies, answer),
                int(think_ms * MS),
                abandon,
            )
        )


@dataclass(slots=True)
class Shown:
    """What the play left: both sides' captures, and the truth. `checks`: the balancer's own backend exchanges, `own`: what it
    answered."""

    clients: list[Trace]
    backends: list[Trace]
    truth: dict[Ref, tuple[Ref, ...]]
    checks: set[Ref]
    own: set[Ref]
    connection_truth: dict[Ref, Ref]
    clocks: list[tuple[int, int]]  # per backend point: δ = client clock − backend clock at the start and at the end
    client_pcaps: list[bytes] = field(default_factory=list)
    backend_pcaps: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class Play:
    """The stage. `loss` is the share of messages a capture misses; windows are in ms of the play, None: everything."""

    seed: int = 0
    balancer: Balancer = field(default_factory=Balancer)
    backends: Sequence[Endpoint] = (Endpoint("172.31.11.95", 8080),)
    separate_points: bool = False  # one capture point per backend
    uncaptured: int = 0  # so many of the last backends have no capture
    uncaptured_clients: int = 0  # so many of the last clients are not in the client capture
    client_clock: Clockwork = field(default_factory=Clockwork)
    backend_clock: Clockwork = field(default_factory=Clockwork)
    client_loss: float = 0.0
    backend_loss: float = 0.0
    client_window: tuple[int, int] | None = None
    backend_window: tuple[int, int] | None = None
    serve_us: tuple[int, int] = (500, 5000)
    path_us: tuple[int, int] = (200, 3000)  # client to balancer, one way
    fresh_answers: bool = False  # every answer differs
    clients: list[Client] = field(default_factory=list)

    def client(self, address: str, seen_as: str = "") -> Client:
        """A client host on the stage; `seen_as` is the address behind its NAT."""
        self.clients.append(Client(address, seen_as or address, self))
        return self.clients[-1]

    def perform(self, pcaps: bool = False) -> Shown:
        """Perform it."""
        return _Stage(self).run(pcaps)


@dataclass(slots=True)
class _Kept:
    line: int
    backend: int
    free_ns: int


class _Stage:
    """One performance: requests in order of the time they reach the balancer."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.lb = play.balancer
        self.random = random.Random(play.seed)
        self.front: list[Line] = []
        self.back: list[Line] = []
        self.back_of: list[int] = []  # backend of each back line
        self.pool: list[_Kept] = []
        self.caused: dict[tuple[int, int], list[tuple[int, int]]] = {}  # (front line, turn) → [(back line, turn), …]
        self.checks: list[tuple[int, int]] = []
        self.own: list[tuple[int, int]] = []
        self.mates: dict[int, int] = {}
        self.hidden: set[int] = set()  # front lines that no capture shows
        self.cached: dict[str, Message] = {}
        self.port = 20000
        self.turn_number = 0

    def run(self, pcaps: bool) -> Shown:
        play = self.play
        heap: list[tuple[int, int, int, str]] = []
        plan: dict[tuple[int, str], list[Ask]] = {}
        for who, client in enumerate(play.clients):
            for n, ask in enumerate(sorted(client.asked, key=lambda a: a.at_ns)):
                plan.setdefault((who, ask.connection or f"#{n}"), []).append(ask)
        for (who, name), asks in plan.items():
            heapq.heappush(heap, (asks[0].at_ns, who, 0, name))
        lines: dict[tuple[int, str], int] = {}
        while heap:
            now, who, n, name = heapq.heappop(heap)
            asks = plan[who, name]
            if (who, name) not in lines:
                lines[who, name] = self._connect(play.clients[who], now)
                now += 2 * self._us(play.path_us) + 10_000
            done = self._exchange(play.clients[who], lines[who, name], asks[n], now)
            line = self.front[lines[who, name]]
            if n + 1 < len(asks) and line.closed_ns is None:
                heapq.heappush(heap, (max(asks[n + 1].at_ns, done + asks[n].think_ns), who, n + 1, name))
            elif line.closed_ns is None:
                line.closed_ns = done + 50_000
        self._finish()
        return self._write(pcaps)

    def _us(self, span: tuple[int, int]) -> int:
        return self.random.randint(*span) * 1000

    def _isn(self) -> int:
        return self.random.getrandbits(32)

    def _connect(self, client: Client, now: int) -> int:
        self.port += 1
        server = self.play.backends[0] if self.lb.kind == "direct" else self.lb.front
        line = Line(Endpoint(client.address, self.port), server, now, self._isn(), self._isn(), timestamp=self._isn())
        if self.lb.kind == "tls":
            line.tls = _hello(self.random)
        self.front.append(line)
        at = len(self.front) - 1
        if any(client is c for c in self.play.clients[len(self.play.clients) - self.play.uncaptured_clients :]):
            self.hidden.add(at)
        if self.lb.kind in ("dnat", "snat", "dsr", "direct", "l4-proxy"):
            self.mates[at] = self._mate(client, line, now)
        return at

    def _choose(self) -> int:
        n = len(self.play.backends)
        self.turn_number += 1
        return self.random.randrange(n) if self.lb.wander else self.turn_number % n

    def _mate(self, client: Client, line: Line, now: int) -> int:
        backend = self._choose()
        arrival = now + self._us(self.play.path_us)
        if self.lb.kind == "l4-proxy":
            return self._open(backend, arrival + 100_000, client, line)
        source = Endpoint(client.seen_as, line.client.port)
        server = self.play.backends[backend]
        if self.lb.kind == "snat":
            source = Endpoint(self.random.choice(list(self.lb.backs)), self.random.randint(30000, 60000))
        if self.lb.kind == "dsr":
            server = self.lb.front
        if self.lb.kind == "direct":
            source, server = line.client, line.server
        mate = replace(line, client=source, server=server, opened_ns=arrival, turns=[], ttl=line.ttl - 3)
        self.back.append(mate)
        self.back_of.append(backend)
        return len(self.back) - 1

    def _open(self, backend: int, now: int, client: Client | None, line: Line | None) -> int:
        self.port += 1
        source = Endpoint(self.random.choice(list(self.lb.backs)), self.port)
        if client and line and self.lb.preserve_source:
            source = Endpoint(client.seen_as, line.client.port)
        made = Line(source, self.play.backends[backend], now, self._isn(), self._isn(), timestamp=self._isn())
        if client and line and self.lb.proxy:
            made.proxy_bytes = f"PROXY TCP4 {client.seen_as} {self.lb.front.address} {line.client.port} {self.lb.front.port}\r\n".encode()
            named = (f"{client.seen_as}:{line.client.port}", str(self.lb.front))
            made.proxy = ProxyHeader(1, "PROXY", named[0], named[1], (), len(made.proxy_bytes), 1)
        self.back.append(made)
        self.back_of.append(backend)
        return len(self.back) - 1

    def _exchange(self, client: Client, at: int, ask: Ask, now: int) -> int:
        """One request, to its end: the client's clock-free time when the answer is complete."""
        line, lb = self.front[at], self.lb
        span = 1000 * (len(ask.message.body) // 1000)
        asked = Turn(True, ask.message, now, now + span)
        line.turns.append(asked)
        key = (at, len(line.turns) - 1)
        arrive = asked.last_ns + self._us(self.play.path_us)
        answer = replace(ask.answer, lines=list(ask.answer.lines))
        if self.play.fresh_answers:
            answer.body = answer.body + b" %016x" % self.random.getrandbits(64)
            answer.lines = [(n, str(len(answer.body)) if n == "Content-Length" else v) for n, v in answer.lines]
        if at in self.mates:
            ready, reply = self._pass(at, key, ask, arrive, answer)
        elif self.random.random() < lb.cache and ask.message.start[1] in self.cached:
            reply, ready = replace(self.cached[ask.message.start[1]]), arrive + 100_000
            reply.lines = [*reply.lines, ("Age", str(self.random.randint(1, 60))), ("X-Cache", "HIT")]
            self.own.append(key)
        elif self.random.random() < lb.refuse:
            reply, ready = _own("503", "Service Temporarily Unavailable"), arrive + 100_000
            self.own.append(key)
        else:
            ready, reply = self._forward(client, at, key, ask, arrive, answer)
        if ask.abandon:
            line.closed_ns = now + 1000
            return now + 2000
        back = ready + self._us(self.play.path_us)
        done = back + 1000 * (len(reply.body) // 1000)
        line.turns.append(Turn(False, reply, back, done))
        return done

    def _pass(self, at: int, key: tuple[int, int], ask: Ask, arrive: int, answer: Message) -> tuple[int, Message]:
        """L4: the same messages on the mate connection."""
        mate = self.back[self.mates[at]]
        mate.turns.append(Turn(True, ask.message, arrive, arrive + 1000 * (len(ask.message.body) // 1000)))
        self.caused[key] = [(self.mates[at], len(mate.turns) - 1)]
        first = mate.turns[-1].last_ns + self._us(self.play.serve_us)
        last = first + 1000 * (len(answer.body) // 1000)
        mate.turns.append(Turn(False, answer, first, last))
        return first, answer

    def _forward(self, client: Client, at: int, key: tuple[int, int], ask: Ask, arrive: int, answer: Message) -> tuple[int, Message]:
        """L7: choose a backend, send, maybe fail and send again."""
        lb = self.lb
        now = arrive + self._us(lb.forward_us)
        request = self._rewritten(client, self.front[at], ask.message)
        self.caused[key] = []
        if self.random.random() < lb.give_up:
            now = self._fails(client, at, key, request, now, "reset")
            self.own.append(key)
            return now + 50_000, _own("502", "Bad Gateway")
        if self.random.random() < lb.retry:
            now = self._fails(client, at, key, request, now, lb.fail) + 50_000
        if self.random.random() < lb.hedge:
            self._serve(client, at, key, request, now, answer)
        start, reply = self._serve(client, at, key, request, now, answer)
        if start < 0:
            return now, reply
        said = self._returned(reply)
        self.cached[ask.message.start[1]] = said
        return start + self._us(lb.forward_us), said

    def _line(self, client: Client, at: int, now: int) -> int:
        backend = self._choose()
        if self.lb.keep_alive and not self.lb.proxy:
            for kept in self.pool:
                if kept.backend == backend and kept.free_ns < now:
                    return kept.line
        opened = self._open(backend, now - 20_000, client, self.front[at])
        self.pool.append(_Kept(opened, backend, now))
        return opened

    def _busy(self, line: int, until: int) -> None:
        for kept in self.pool:
            if kept.line == line:
                kept.free_ns = until

    def _serve(self, client: Client, at: int, key: tuple[int, int], request: Message, now: int, answer: Message) -> tuple[int, Message]:
        number = self._line(client, at, now)
        line = self.back[number]
        line.turns.append(Turn(True, request, now, now + 1000 * (len(request.body) // 1000)))
        self.caused[key].append((number, len(line.turns) - 1))
        first = line.turns[-1].last_ns + self._us(self.play.serve_us)
        last = first + 1000 * (len(answer.body) // 1000)
        line.turns.append(Turn(False, answer, first, last))
        self._busy(number, last + 100_000)
        if not self.lb.keep_alive:
            line.closed_ns = last + 50_000
        return last, answer

    def _fails(self, client: Client, at: int, key: tuple[int, int], request: Message, now: int, how: str) -> int:
        number = self._line(client, at, now)
        line = self.back[number]
        line.turns.append(Turn(True, request, now, now))
        self.caused[key].append((number, len(line.turns) - 1))
        end = now + self._us(self.play.serve_us)
        if how == "500":
            line.turns.append(Turn(False, _own("500", "Internal Server Error", "gunicorn"), end, end))
        else:
            line.closed_ns, line.closed_by_client, line.reset = end, False, how == "reset"
        self.pool = [k for k in self.pool if k.line != number]
        return end

    def _rewritten(self, client: Client, line: Line, asked: Message) -> Message:
        lb = self.lb
        lines = [(n, v) for n, v in asked.lines if n.lower() not in {d.lower() for d in lb.drop}]
        if lb.host is not None:
            lines = [(n, lb.host if n.lower() == "host" else v) for n, v in lines]
        for name, form in lb.add:
            old = next((v for n, v in lines if n.lower() == name.lower()), "")
            fresh = f"{self.random.getrandbits(64):016x}"
            value = form.format(
                client=client.seen_as, clientport=line.client.port, fresh=fresh, old=old, front=lb.front.address
            ).removeprefix(", ")
            if old and not lb.second_line:
                lines = [(n, value if n.lower() == name.lower() else v) for n, v in lines]
            else:
                lines.append((name, value))
        if lb.recase:
            lines = [(n.lower(), v) for n, v in lines]
        if lb.reorder:
            lines = lines[1:] + lines[:1]
        target = asked.start[1].removeprefix(lb.strip) if lb.strip else asked.start[1]
        return replace(asked, start=(asked.start[0], target), lines=lines, version=lb.version)

    def _returned(self, answer: Message) -> Message:
        lb = self.lb
        names = {n.lower() for n, _ in lb.respond}
        lines = [(n, v) for n, v in answer.lines if n.lower() not in names]
        lines += [(n, v.format(fresh=f"{self.random.getrandbits(64):016x}")) for n, v in lb.respond]
        said = replace(answer, lines=lines)
        if lb.gzip:
            said.coding = "gzip"
            said.lines = [(n, v) for n, v in lines if n != "Content-Length"]
            said.lines += [("Content-Encoding", "gzip"), ("Content-Length", str(len(said.coded())))]
        if lb.chunk:
            said.chunked = True
            said.lines = [*((n, v) for n, v in said.lines if n != "Content-Length"), ("Transfer-Encoding", "chunked")]
        return said

    def _finish(self) -> None:
        """Mates close with their client connection; the balancer's checks run all along; captures lose what they lose."""
        for at, mate in self.mates.items():
            line = self.back[mate]
            line.closed_ns = (self.front[at].closed_ns or self.front[at].last_ns) + 300_000
        if self.lb.check_ms:
            begin = min((x.opened_ns for x in self.front), default=EPOCH_NS) - 1
            end = max((x.last_ns for x in self.front), default=EPOCH_NS) + 3 * self.lb.check_ms * MS
            for backend in range(len(self.play.backends)):
                for now in range(begin - 3 * self.lb.check_ms * MS + backend * 1_234_567, end, self.lb.check_ms * MS):
                    self._check(backend, now)
        for lines, loss in ((self.front, self.play.client_loss), (self.back, self.play.backend_loss)):
            for line in lines:
                for turn in line.turns:
                    turn.lost = self.random.random() < loss

    def _check(self, backend: int, now: int) -> None:
        number = self._open(backend, now, None, None)
        line = self.back[number]
        if self.lb.check:
            method, target = self.lb.check.split(" ")
            agent = [("User-Agent", self.lb.check_agent)] if self.lb.check_agent else []
            ask = Message((method, target), [("Host", self.play.backends[backend].address), *agent, ("Connection", "close")])
            line.turns = [
                Turn(True, ask, now + 200_000, now + 200_000),
                Turn(False, Message(("200", "OK"), [*SERVED, ("Content-Length", "2")], b"ok"), now + 900_000, now + 900_000),
            ]
            self.checks.append((number, 0))
        line.closed_ns = now + 1_500_000

    def _write(self, pcaps: bool) -> Shown:
        play = self.play
        if self.lb.kind == "tls":
            for line in self.front:
                asked = sum(len(t.message.payload()) + 29 for t in line.turns if t.from_client)
                line.opaque = (asked + 517, sum(len(t.message.payload()) + 29 for t in line.turns if not t.from_client) + 1400)
                line.opaque_last_ns = line.turns[-1].last_ns
                line.turns = []
        unseen = {"turns": [], "syn_seen": False, "closed_ns": None, "opaque_last_ns": 0}
        self.front = [replace(x, **unseen) if at in self.hidden else x for at, x in enumerate(self.front)]  # type: ignore[arg-type]
        front, front_ids = trace(Side.CLIENT, 0, self.front, play.client_clock, _window(play.client_window))
        visible = len(play.backends) - play.uncaptured
        points = [[b] for b in range(visible)] if play.separate_points else [list(range(visible))]
        backs: list[Trace] = []
        place: dict[tuple[int, int], Ref] = {}
        of_line: dict[int, Ref] = {}
        shots: list[bytes] = []
        for point, members in enumerate(points):
            at = [i for i, b in enumerate(self.back_of) if b in members]
            made, ids = trace(Side.BACKEND, point, [self.back[i] for i in at], play.backend_clock, _window(play.backend_window))
            backs.append(made)
            place |= {(at[i], k): Ref(point, number) for (i, k), number in ids.items()}
            by_ends = {(c.client, c.server, c.first_ns): c.id for c in made.connections}
            for i in at:
                ends = (self.back[i].client, self.back[i].server, play.backend_clock.show(self.back[i].opened_ns))
                if ends in by_ends:
                    of_line[i] = Ref(point, by_ends[ends])
            if pcaps:
                shots.append(pcap([self.back[i] for i in at], play.backend_clock, _window(play.backend_window)))
        truth = {Ref(0, number): tuple(place[b] for b in self.caused.get(key, []) if b in place) for key, number in front_ids.items()}
        own = {Ref(0, front_ids[k]) for k in self.own if k in front_ids}
        checks = {place[k] for k in self.checks if k in place}
        front_line = {(c.client, c.first_ns): Ref(0, c.id) for c in front.connections}
        mates = {}
        for at_, mate in self.mates.items():
            first = (self.front[at_].client, play.client_clock.show(self.front[at_].opened_ns))
            if first in front_line and mate in of_line:
                mates[front_line[first]] = of_line[mate]
        times = [m for line in self.front for m in (line.opened_ns, line.last_ns)] or [EPOCH_NS]
        deltas = [play.client_clock.show(t) - play.backend_clock.show(t) for t in (min(times), max(times))]
        shown = Shown([front], backs, truth, checks, own, mates, [(deltas[0], deltas[1])] * len(backs))
        if pcaps:
            shown.client_pcaps = [pcap(self.front, play.client_clock, _window(play.client_window))]
            shown.backend_pcaps = shots
        return shown


def _window(ms: tuple[int, int] | None) -> tuple[int, int] | None:
    return (EPOCH_NS + ms[0] * MS, EPOCH_NS + ms[1] * MS) if ms else None


def _own(status: str, reason: str, server: str = "awselb/2.0") -> Message:
    body = f"<h1>{status} {reason}</h1>".encode()
    return Message((status, reason), [("Server", server), ("Content-Type", "text/html"), ("Content-Length", str(len(body)))], body)


def _hello(dice: random.Random) -> ClientHello:
    return ClientHello(f"{dice.getrandbits(256):064x}", "", "lb.example.com", ("http/1.1",), (772,), 1)
