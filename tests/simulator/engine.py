"""One run of a simulation: requests in order of the time they reach the balancer, in true time;
then what each capture shows of it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lbtrace.model.net import Endpoint, Side
from lbtrace.model.pairing import Ref
from lbtrace.model.trace import Trace
from tests.simulator import rewriting
from tests.simulator.packets import pcap
from tests.simulator.roles import (
    BYTES_PASS,
    MS,
    PACKETS_PASS,
    SERVED,
    Ask,
    Client,
    Recording,
    Simulation,
)
from tests.simulator.wire import EPOCH_NS, Clockwork, Line, Message, Turn, trace

Spoken = tuple[int, int]  # (line, turn) of a request


@dataclass(slots=True)
class _Kept:
    line: int
    backend: int
    free_ns: int


@dataclass(slots=True)
class _Captures:
    """What the captures of one side show: line → connection, request → exchange."""

    traces: list[Trace]
    pcaps: list[bytes]
    connection: dict[int, Ref]
    exchange: dict[Spoken, Ref]


class Engine:
    """One run."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.lb = simulation.balancer
        self.random = random.Random(simulation.seed)
        self.front: list[Line] = []
        self.point_of: list[int] = []  # client capture of each front line, -1 for none
        self.back: list[Line] = []
        self.back_of: list[int] = []  # backend of each back line
        self.pool: list[_Kept] = []
        self.caused: dict[Spoken, list[Spoken]] = {}  # on front lines → on back lines
        self.checks: list[Spoken] = []
        self.own: list[Spoken] = []
        self.copies: list[Spoken] = []
        self.mates: dict[int, int] = {}
        self.cached: dict[str, Message] = {}
        self.port = 20000
        self.turn_number = 0

    def run(self, pcaps: bool) -> Recording:
        """Run, and write the captures."""
        simulation = self.simulation
        heap: list[tuple[int, int, int, str]] = []
        plan: dict[tuple[int, str], list[Ask]] = {}
        for who, client in enumerate(simulation.clients):
            for n, ask in enumerate(sorted(client.asked, key=lambda a: a.at_ns)):
                plan.setdefault((who, ask.connection or f"#{n}"), []).append(ask)
        for (who, name), asks in plan.items():
            heapq.heappush(heap, (asks[0].at_ns, who, 0, name))
        lines: dict[tuple[int, str], int] = {}
        while heap:
            now, who, n, name = heapq.heappop(heap)
            asks = plan[who, name]
            if (who, name) not in lines:
                lines[who, name] = self._connect(simulation.clients[who], now, asks[0].elsewhere)
                now += 2 * self._us(simulation.path_us) + 10_000
            done = self._exchange(simulation.clients[who], lines[who, name], asks[n], now)
            line = self.front[lines[who, name]]
            if n + 1 < len(asks) and line.closed_ns is None:
                heapq.heappush(
                    heap, (max(asks[n + 1].at_ns, done + asks[n].think_ns), who, n + 1, name)
                )
            elif line.closed_ns is None:
                line.closed_ns = done + 50_000
        self._finish()
        return self._write(pcaps)

    def _us(self, span: tuple[int, int]) -> int:
        return self.random.randint(*span) * 1000

    def _isn(self) -> int:
        return self.random.getrandbits(32)

    def _connect(self, client: Client, now: int, elsewhere: Endpoint | None) -> int:
        self.port += 1
        nodes = self.lb.nodes or (self.lb.front,)
        server = elsewhere or (
            self.simulation.backends[0]
            if self.lb.kind == "direct"
            else nodes[len(self.front) % len(nodes)]
        )
        line = Line(
            Endpoint(client.address, self.port),
            server,
            now,
            self._isn(),
            self._isn(),
            timestamp=self._isn(),
        )
        if self.lb.kind in ("tls", "tls-pass"):
            line.tls = rewriting.hello(self.random)
        self.front.append(line)
        at = len(self.front) - 1
        unseen = self.simulation.clients[
            len(self.simulation.clients) - self.simulation.uncaptured_clients :
        ]
        self.point_of.append(-1 if any(client is c for c in unseen) else client.point)
        if self.lb.kind in PACKETS_PASS + BYTES_PASS and not elsewhere:
            self.mates[at] = self._mate(client, line, now)
        return at

    def _choose(self) -> int:
        n = len(self.simulation.backends) - bool(self.lb.mirror)
        self.turn_number += 1
        return self.random.randrange(n) if self.lb.wander else self.turn_number % n

    def _mate(self, client: Client, line: Line, now: int) -> int:
        backend = self._choose()
        arrival = now + self._us(self.simulation.path_us)
        if self.lb.kind in BYTES_PASS:
            number = self._open(backend, arrival + 100_000, client, line)
            self.back[number].tls = line.tls
            return number
        source = Endpoint(client.seen_as, line.client.port)
        server = self.simulation.backends[backend]
        if self.lb.kind == "snat":
            source = Endpoint(
                self.random.choice(list(self.lb.backs)), self.random.randint(30000, 60000)
            )
        if self.lb.kind == "dsr":
            server = self.lb.front
        if self.lb.kind == "direct":
            source, server = line.client, line.server
        mate = replace(
            line, client=source, server=server, opened_ns=arrival, turns=[], ttl=line.ttl - 3
        )
        self.back.append(mate)
        self.back_of.append(backend)
        return len(self.back) - 1

    def _open(self, backend: int, now: int, client: Client | None, line: Line | None) -> int:
        self.port += 1
        source = Endpoint(
            self.lb.legs.get(backend) or self.random.choice(list(self.lb.backs)), self.port
        )
        if client and line and self.lb.preserve_source:
            source = Endpoint(client.seen_as, line.client.port)
        made = Line(
            source,
            self.simulation.backends[backend],
            now,
            self._isn(),
            self._isn(),
            timestamp=self._isn(),
        )
        if client and line and self.lb.proxy:
            made.proxy_bytes, made.proxy = rewriting.proxy_header(
                self.lb, Endpoint(client.seen_as, line.client.port)
            )
        self.back.append(made)
        self.back_of.append(backend)
        return len(self.back) - 1

    def _exchange(self, client: Client, at: int, ask: Ask, now: int) -> int:
        """One request, to its end: the client's clock-free time when the answer is complete."""
        line, lb = self.front[at], self.lb
        asked = _spoken(True, rewriting.in_front(lb, ask.message), now, ask.upload_ns)
        if ask.waits:
            asked.continued_ns = now + 2 * self._us(self.simulation.path_us)
            asked.last_ns += asked.continued_ns - now + 20_000
        line.turns.append(asked)
        key = (at, len(line.turns) - 1)
        arrive = asked.last_ns + self._us(self.simulation.path_us)
        answer = replace(ask.answer, lines=list(ask.answer.lines))
        if self.simulation.fresh_answers:
            answer.body = answer.body + b" %016x" % self.random.getrandbits(64)
            answer.lines = [
                (n, str(len(answer.body)) if n == "Content-Length" else v) for n, v in answer.lines
            ]
        if lb.gunzip:
            rewriting.zipped(answer)
        own = at not in self.mates and not ask.elsewhere
        by_itself = self._by_itself(ask) if own else None
        if ask.elsewhere:
            ready, reply = arrive + self._us(self.simulation.serve_us), answer
        elif at in self.mates:
            ready, reply = self._pass(at, key, ask, arrive, answer)
        elif by_itself is not None:
            ready, reply = arrive + 100_000, by_itself
            self.own.append(key)
        else:
            ready, reply = self._forward(client, at, key, ask, arrive, answer)
        if ask.abandon:
            line.closed_ns = now + 1000
            return now + 2000
        if ask.message.start[0] == "HEAD":
            reply = replace(reply, body=b"", bodiless=True)
        back = ready + self._us(self.simulation.path_us)
        told = _spoken(False, reply, back, 0)
        if by_itself is None and ask.serving_ns and self._streams(at):
            told.first_ns, told.parts = back - ask.serving_ns, ask.parts
        line.turns.append(told)
        return told.last_ns

    def _streams(self, at: int) -> bool:
        """Whether bodies are passed on as they come."""
        return self.lb.streams or at in self.mates

    def _by_itself(self, ask: Ask) -> Message | None:
        """What the balancer answers without a backend, None when it asks one."""
        lb, target = self.lb, ask.message.start[1]
        if self.random.random() < lb.cache and target in self.cached:
            reply = replace(self.cached[target])
            reply.lines = [
                *reply.lines,
                ("Age", str(self.random.randint(1, 60))),
                ("X-Cache", "HIT"),
            ]
            return reply
        if self.random.random() < lb.refuse:
            return rewriting.own("503", "Service Temporarily Unavailable", lb.server)
        if lb.redirect and self.random.random() < lb.redirect:
            return rewriting.moved(target, lb.server)
        if lb.fixed and self.random.random() < lb.fixed:
            return rewriting.own("200", "OK", lb.server)
        return None

    def _pass(
        self, at: int, key: Spoken, ask: Ask, arrive: int, answer: Message
    ) -> tuple[int, Message]:
        """L4: the same messages on the mate connection."""
        mate = self.back[self.mates[at]]
        asked = _spoken(True, ask.message, arrive - ask.upload_ns, ask.upload_ns)
        if ask.waits:  # it is the backend that says 100 Continue
            asked.continued_ns = arrive + 50_000
            asked.last_ns += 100_000
        mate.turns.append(asked)
        self.caused[key] = [(self.mates[at], len(mate.turns) - 1)]
        first = mate.turns[-1].last_ns + self._us(self.simulation.serve_us)
        mate.turns.append(_spoken(False, answer, first, ask.serving_ns, ask.parts))
        return first + ask.serving_ns, answer

    def _forward(
        self, client: Client, at: int, key: Spoken, ask: Ask, arrive: int, answer: Message
    ) -> tuple[int, Message]:
        """L7: choose a backend, send, maybe fail and send again."""
        lb = self.lb
        now = arrive + self._us(lb.forward_us)
        if lb.syn_lost and self.random.random() < lb.syn_lost:
            now += 1000 * MS + self._us((1000, 30_000))
        request = rewriting.rewritten(
            lb, ask.message, Endpoint(client.seen_as, self.front[at].client.port), self.random
        )
        minted = [(lb.mint, f"{self.random.getrandbits(64):016x}-LHR")] if lb.mint else []
        request.lines = [*request.lines, *minted]
        self.caused[key] = []
        if lb.race and self.random.random() < lb.race and self._raced(key, request, now):
            if request.start[0] == "POST":
                self.own.append(key)
                return now + 100_000, rewriting.own("502", "Bad Gateway", lb.server)
            now += 150_000
        if self.random.random() < lb.give_up:
            now = self._fails(client, at, key, request, now, "reset")
            self.own.append(key)
            return now + 50_000, rewriting.own("502", "Bad Gateway", lb.server)
        if self.random.random() < lb.retry:
            now = self._fails(client, at, key, request, now, lb.fail) + 50_000
        if self.random.random() < lb.hedge:
            self._serve(client, at, key, request, now, answer)
        if lb.mirror:
            copy = rewriting.own("200", "OK", "shadow") if lb.mirror == "other" else answer
            self._serve(
                client,
                at,
                key,
                request,
                now + self._us(lb.forward_us),
                copy,
                len(self.simulation.backends) - 1,
            )
            self.copies.append(self.caused[key][-1])
        start, reply = self._serve(client, at, key, request, now, answer, ask=ask)
        said = rewriting.returned(lb, reply, self.random)
        said.lines = [*said.lines, *minted]
        self.cached[ask.message.start[1]] = said
        return start + self._us(lb.forward_us), said

    def _raced(self, key: Spoken, request: Message, now: int) -> bool:
        """Send it on a kept connection that its backend has begun to close; False when none is
        kept. A connection with a PROXY header carries the requests of the client it names alone,
        so none of these is kept.
        """
        kept = next(
            (k for k in self.pool if k.free_ns < now and self.back[k.line].closed_ns is None), None
        )
        if kept is None:
            return False
        line = self.back[kept.line]
        line.fin_ns = now - 40_000
        line.turns.append(Turn(True, request, now, now))
        line.closed_ns, line.closed_by_client, line.reset = now + 30_000, False, True
        self.caused[key].append((kept.line, len(line.turns) - 1))
        self.pool.remove(kept)
        return True

    def _line(self, client: Client, at: int, now: int, backend: int) -> int:
        if self.lb.keep_alive and not self.lb.proxy:
            for kept in self.pool:
                if kept.backend == backend and kept.free_ns < now:
                    return kept.line
        opened = self._open(backend, now - 20_000, client, self.front[at])
        if not self.lb.proxy:
            self.pool.append(_Kept(opened, backend, now))
        return opened

    def _busy(self, line: int, until: int) -> None:
        for kept in self.pool:
            if kept.line == line:
                kept.free_ns = until

    def _serve(
        self,
        client: Client,
        at: int,
        key: Spoken,
        request: Message,
        now: int,
        answer: Message,
        to: int = -1,
        ask: Ask | None = None,
    ) -> tuple[int, Message]:
        upload_ns = ask.upload_ns if ask is not None and self.lb.streams else 0
        now -= upload_ns
        number = self._line(client, at, now, to if to >= 0 else self._choose())
        line = self.back[number]
        line.turns.append(_spoken(True, request, now, upload_ns))
        self.caused[key].append((number, len(line.turns) - 1))
        first = line.turns[-1].last_ns + self._us(self.simulation.serve_us)
        serving_ns, parts = (ask.serving_ns, ask.parts) if ask is not None else (0, 1)
        line.turns.append(_spoken(False, answer, first, serving_ns, parts))
        last = line.turns[-1].last_ns
        self._busy(number, last + 100_000)
        if not self.lb.keep_alive:
            line.closed_ns = last + 50_000
        return last, answer

    def _fails(
        self, client: Client, at: int, key: Spoken, request: Message, now: int, how: str
    ) -> int:
        number = self._line(client, at, now, self._choose())
        line = self.back[number]
        line.turns.append(Turn(True, request, now, now))
        self.caused[key].append((number, len(line.turns) - 1))
        end = now + self._us(self.simulation.serve_us)
        if how == "500":
            line.turns.append(
                Turn(False, rewriting.own("500", "Internal Server Error", "gunicorn"), end, end)
            )
        else:
            line.closed_ns, line.closed_by_client, line.reset = end, False, how == "reset"
        self.pool = [k for k in self.pool if k.line != number]
        return end

    def _finish(self) -> None:
        """Mates close with their client connection; the balancer's checks run all along; captures
        lose what they lose.
        """
        for at, mate in self.mates.items():
            line = self.back[mate]
            line.closed_ns = (self.front[at].closed_ns or self.front[at].last_ns) + 300_000
        if self.lb.check_ms:
            begin = min((x.opened_ns for x in self.front), default=EPOCH_NS) - 1
            end = max((x.last_ns for x in self.front), default=EPOCH_NS) + 3 * self.lb.check_ms * MS
            for backend in range(len(self.simulation.backends)):
                for now in range(
                    begin - 3 * self.lb.check_ms * MS + backend * 1_234_567,
                    end,
                    self.lb.check_ms * MS,
                ):
                    self._check(backend, now)
        for lines, loss in (
            (self.front, self.simulation.client_loss),
            (self.back, self.simulation.backend_loss),
        ):
            for line in lines:
                for turn in line.turns:
                    turn.lost = self.random.random() < loss

    def _check(self, backend: int, now: int) -> None:
        number = self._open(backend, now, None, None)
        line = self.back[number]
        if self.lb.check:
            method, target = self.lb.check.split(" ")
            agent = [("User-Agent", self.lb.check_agent)] if self.lb.check_agent else []
            ask = Message(
                (method, target),
                [
                    ("Host", self.simulation.backends[backend].address),
                    *agent,
                    ("Connection", "close"),
                ],
            )
            line.turns = [
                Turn(True, ask, now + 200_000, now + 200_000),
                Turn(
                    False,
                    Message(("200", "OK"), [*SERVED, ("Content-Length", "2")], b"ok"),
                    now + 900_000,
                    now + 900_000,
                ),
            ]
            self.checks.append((number, 0))
        line.closed_ns = now + 1_500_000

    def _write(self, pcaps: bool) -> Recording:
        simulation = self.simulation
        carried = {
            at: {line for (f, _), bs in self.caused.items() if f == at for line, _ in bs}
            for at in range(len(self.front))
        }
        for line in self.front if self.lb.kind in ("tls", "tls-pass") else ():
            line.encrypt()
        for line in (*self.front, *self.back) if self.lb.kind == "bytes" else ():
            line.hide()
        for line in self.back if self.lb.kind == "tls-pass" else ():
            if line.tls is not None:
                line.encrypt()
        shown_clients = max((c.point for c in simulation.clients), default=0) + 1
        clocks = [simulation.client_clock, *simulation.other_clocks]
        clocks += [simulation.client_clock] * (shown_clients - len(clocks))
        visible = len(simulation.backends) - simulation.uncaptured
        points = (
            [[b] for b in range(visible)] if simulation.separate_points else [list(range(visible))]
        )
        fronts = self._capture(
            Side.CLIENT,
            self.front,
            self.point_of,
            [[i] for i in range(shown_clients)],
            clocks,
            pcaps,
        )
        backs = self._capture(
            Side.BACKEND,
            self.back,
            self.back_of,
            points,
            [simulation.backend_clock] * len(points),
            pcaps,
        )
        times = [m for line in self.front for m in (line.opened_ns, line.last_ns)] or [EPOCH_NS]
        return Recording(
            fronts.traces,
            backs.traces,
            truth={
                ref: tuple(
                    backs.exchange[b] for b in self.caused.get(key, []) if b in backs.exchange
                )
                for key, ref in fronts.exchange.items()
            },
            checks=_refs(self.checks, backs.exchange),
            own=_refs(self.own, fronts.exchange),
            copies=_refs(self.copies, backs.exchange),
            carried={
                ref: {backs.connection[b] for b in carried[at] if b in backs.connection}
                for at, ref in fronts.connection.items()
            },
            clocks={
                (i, j): tuple(
                    clocks[i].show(t) - simulation.backend_clock.show(t)
                    for t in (min(times), max(times))
                )  # type: ignore[misc]
                for i in range(shown_clients)
                for j in range(len(points))
            },
            client_pcaps=fronts.pcaps,
            backend_pcaps=backs.pcaps,
        )

    def _capture(
        self,
        side: Side,
        lines: list[Line],
        place: list[int],
        points: list[list[int]],
        clocks: list[Clockwork],
        pcaps: bool,
    ) -> _Captures:
        """The captures of one side; `place[i]` in `points[k]`: capture k shows line i."""
        window = _window(
            self.simulation.client_window if side is Side.CLIENT else self.simulation.backend_window
        )
        captures = _Captures([], [], {}, {})
        for point, members in enumerate(points):
            at = [i for i in range(len(lines)) if place[i] in members]
            here = [lines[i] for i in at]
            made = trace(side, point, here, clocks[point], window)
            captures.traces.append(made.trace)
            captures.connection |= {
                at[i]: Ref(point, number) for i, number in made.connections.items()
            }
            captures.exchange |= {
                (at[i], k): Ref(point, number) for (i, k), number in made.exchanges.items()
            }
            if pcaps:
                captures.pcaps.append(pcap(here, clocks[point], window))
        return captures


def _spoken(from_client: bool, message: Message, now: int, for_ns: int, parts: int = 1) -> Turn:
    """A message that begins now: 1 µs per kilobyte, or the time given."""
    last = now + (for_ns or 1000 * (len(message.body) // 1000))
    return Turn(from_client, message, now, last, parts=parts)


def _refs(spoken: Iterable[Spoken], known: dict[Spoken, Ref]) -> set[Ref]:
    return {known[k] for k in spoken if k in known}


def _window(ms: tuple[int, int] | None) -> tuple[int, int] | None:
    return (EPOCH_NS + ms[0] * MS, EPOCH_NS + ms[1] * MS) if ms else None
