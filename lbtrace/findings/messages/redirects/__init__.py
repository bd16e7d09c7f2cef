"""Redirects and cookies.

Meaning:
    Whether a client can follow what a response tells it: a Location or a cookie that names the
    backend's own address or host leads nowhere outside, a redirect back to the URL that was asked
    for is a redirect loop, and one from https to http of the same host gives TLS up: where it ends
    at the balancer, the backend does not know of it. A backend does not know either of a prefix
    that the balancer takes off the targets.
Decided by:
    Location (RFC 9110 §10.2.2) and the Domain of Set-Cookie (RFC 6265 §5.2.3) of the responses that
    reached the client, compared with the Host and target the client sent, with the Host and
    X-Forwarded-Proto the backend got, and with the address of the backend. A request in TLS, or one
    that says https in X-Forwarded-Proto or `:scheme`, asked for an https URL. A redirect to the
    very URL that was asked for is a loop, unless it sets a cookie and happens less than three times
    in a row. A cookie that three of them set, and that no request brings back, is named. In one
    capture the same request, head for head, that is redirected to https of its URL three times in a
    row may be in such a loop: TLS may end in front of the capture.
Evidence:
    The requests and the responses of the exchanges, on both sides where they are paired.
Remedy:
    Pass the client's Host and protocol on (`proxy_set_header Host $host`, X-Forwarded-Proto as the
    client sent it), or let the balancer rewrite Location and cookies (`proxy_redirect`,
    `proxy_cookie_domain`).
Variants:
    loop: back to the URL that was asked for.
    https-again: in one capture: to https of the same URL, again and again.
    method: a POST that becomes a GET.
    plain-http: from https to http of the same host.
    prefix: without the prefix that the balancer takes off the targets.
    own-address: to the backend's own address.
    port: to the default port, because Host reaches the backend without the client's port.
    private-address: in one capture: to a private address that nobody asked for.
    cookie-domain: a cookie that the client refuses.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.messages.redirects.changed import lost_method, plain_http
from lbtrace.findings.messages.redirects.cookies import refused_cookies
from lbtrace.findings.messages.redirects.inside import own_address, port_lost, private_address
from lbtrace.findings.messages.redirects.loops import loops, to_https_again
from lbtrace.findings.messages.redirects.prefix import prefix_lost
from lbtrace.findings.messages.redirects.seen import redirects_of
from lbtrace.http_fields import LOCATION
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.report import Finding

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, LOCATION, FramePart.FORWARDING)
ONE_CAPTURE = True


def find(comparison: Comparison) -> Iterator[Finding]:
    """Loops, methods that are lost and redirects to plain http; then redirects to an address behind
    the balancer, prefixes that are lost, and cookies for the backend's own host.
    """
    redirects = list(redirects_of(comparison))
    yield from loops(KIND, comparison, redirects)
    if comparison.alone:
        yield from to_https_again(KIND, comparison, redirects)
    yield from lost_method(KIND, comparison, redirects)
    yield from plain_http(KIND, comparison, redirects)
    if comparison.alone:
        yield from private_address(KIND, comparison, redirects)
    else:
        yield from own_address(KIND, comparison, redirects)
        yield from port_lost(KIND, comparison, redirects)
        yield from prefix_lost(KIND, comparison, redirects)
        yield from refused_cookies(KIND, comparison)
