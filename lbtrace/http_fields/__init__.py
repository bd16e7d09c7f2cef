"""The registry of HTTP fields: one row per field name, with what the field means and who says so.

A constant is the name of a field in lower case, as code compares it (RFC 9110 §5.1: names are
case-insensitive): `HOST` is "host". `spelling(HOST)` is "Host", as its source writes it, for people
to read. `fields_of(Meaning.CLIENT_ADDRESS)` is the set of all names with that meaning. No other
module of lbtrace keeps a list of field names or writes one as a literal; a test holds that.

The rows are what lbtrace needs to know, not all fields there are; the IANA registry of HTTP field
names lists the standard ones. What the rows are asked lives beside them:

    lines       the field lines of a message
    addresses   the addresses that a value states
    caches      whether a field says that the answer comes from a cache
    secrets     whether a value must not be shown

Where the lists that came before this registry disagreed, docs/design/0010 says what was decided.
"""

from __future__ import annotations

from enum import Flag, auto
from functools import cache
from typing import Final, NamedTuple


class Meaning(Flag):
    """What a field is for. A field may have several meanings; each names its source."""

    NONE = 0
    # Between this sender and the next receiver
    CONNECTION = auto()
    """For this connection only; a proxy must not pass it on (RFC 9110 §7.6.1)."""
    ONE_HOP = auto()
    """For the next proxy, which may use it up (RFC 9110 §6.6.2, §10.1.1, §11.7)."""
    FRAMING = auto()
    """Says where the body ends; whoever frames the body anew writes it anew (RFC 9112 §6)."""
    BODY = auto()
    """A reader needs it to find the end of the message and to decode its bytes (RFC 9112 §6.3)."""
    PSEUDO = auto()
    """Control data that HTTP/2 writes as a field (RFC 9113 §8.3)."""

    # What a proxy writes
    OF_THE_SENDER = auto()
    """Tells of whoever sent the message last: its clock, its cache, its name (RFC 9110 §6.6.1,
    §7.6.3, RFC 9111 §5.1)."""
    REWRITTEN = auto()
    """Common proxies put their own value in place of the one they got; which ones do is in the
    profiles of lbtrace."""
    CLIENT_ADDRESS = auto()
    """States the address the client connected from (RFC 7239 §5.2, pages of the vendors)."""
    CLIENT_PROTOCOL = auto()
    """States http or https, as the client spoke it (RFC 7239 §5.4, pages of the vendors)."""
    CLIENT_HOST = auto()
    """States the host the client asked for (RFC 7239 §5.3, pages of the vendors)."""
    CLIENT_PORT = auto()
    """States the port the client connected to (pages of the vendors)."""
    PROXY = auto()
    """Names a proxy on the way, or tells it from another (RFC 9110 §7.6.3, RFC 7239 §5.1, RFC
    8586)."""
    BALANCER = auto()
    """A balancer or CDN writes it into requests, and clients do not (pages of the vendors)."""
    UPSTREAM = auto()
    """A proxy writes it into every response that it got from a server, and into none that it made
    itself (pages of the vendors)."""
    CACHE = auto()
    """Says whether a cache answered (RFC 9211, pages of the vendors)."""

    # What the message says
    CALL_STATUS = auto()
    """Says how a gRPC call ended (gRPC over HTTP2)."""
    CALL_LIMIT = auto()
    """Says how long a gRPC caller waits, and how often it has tried (gRPC over HTTP2, proposal
    A6)."""
    TIME = auto()
    """A date or an age: two clocks that tick past each other agree on it by chance."""
    SOFTWARE = auto()
    """The same in all messages of one program: says nothing of one exchange."""
    CONTENT = auto()
    """Describes the content (RFC 9110 §8)."""
    IDENTITY = auto()
    """Names a request, a trace or a connection. No secret, whatever its name looks like."""
    SECRET = auto()
    """Holds a credential or a session (RFC 9110 §11, RFC 6265, pages of the vendors)."""
    COOKIE = auto()
    """Gives the client a cookie, or gives it back (RFC 6265)."""
    ONE_VALUE = auto()
    """A browser refuses a response that has it twice (Fetch Standard, CORS check)."""


_M = Meaning  # the table below is long

FORWARDING: Final = (
    _M.CLIENT_ADDRESS | _M.CLIENT_PROTOCOL | _M.CLIENT_HOST | _M.CLIENT_PORT | _M.PROXY
)
"""What a proxy states of the client and of itself."""


HOP: Final = _M.CONNECTION | _M.FRAMING | _M.OF_THE_SENDER
"""What each hop writes for itself: neither an equal value on the other side of a balancer nor a
different one says anything."""


class Field(NamedTuple):
    """A row: the name as its source spells it, what it means, and the source."""

    spelling: str
    meaning: Meaning
    source: str


_ROWS: dict[str, Field] = {}


def _field(spelling: str, meaning: Meaning, source: str) -> str:
    """Enter a row; the name in lower case."""
    name = spelling.lower()
    assert name not in _ROWS, spelling
    _ROWS[name] = Field(spelling, meaning, source)
    return name


# Sources that are used more than once. "observed" is what captures of the product show.
_ALB: Final = "AWS, Application Load Balancer user guide"
_APIGW: Final = "AWS API Gateway, observed"
_APPGW: Final = "Azure, How Application Gateway works"
_CLOUDFLARE: Final = "Cloudflare, HTTP headers reference"
_CLOUDFRONT: Final = "AWS, CloudFront developer guide"
_CONVENTION: Final = "convention without a specification"
_ENVOY: Final = "Envoy, HTTP header manipulation"
_KONG: Final = "Kong Gateway, configuration reference: headers"
_FASTLY: Final = "Fastly, HTTP headers reference"
_FETCH: Final = "W3C Fetch Metadata"
_FRONTDOOR: Final = "Azure, Front Door protocol support for HTTP headers"
_GRPC: Final = "gRPC over HTTP2"
_HINTS: Final = "W3C User-Agent Client Hints"
_INGRESS: Final = "ingress-nginx, nginx.tmpl"
_LINKERD: Final = "Linkerd, observed"
_MDN: Final = "MDN, HTTP headers"
_SQUID: Final = "Squid, src/http.cc"
_TRACE: Final = "W3C Trace Context"
_ZIPKIN: Final = "Zipkin, B3 propagation"

# Pseudo fields of HTTP/2
METHOD: Final = _field(":method", _M.PSEUDO, "RFC 9113 §8.3.1")
SCHEME: Final = _field(":scheme", _M.PSEUDO, "RFC 9113 §8.3.1")
AUTHORITY: Final = _field(":authority", _M.PSEUDO, "RFC 9113 §8.3.1")
PROTOCOL: Final = _field(":protocol", _M.PSEUDO, "RFC 8441 §4")
PATH: Final = _field(":path", _M.PSEUDO, "RFC 9113 §8.3.1")
STATUS: Final = _field(":status", _M.PSEUDO, "RFC 9113 §8.3.2")

# The connection and the frame of the message
CONNECTION: Final = _field("Connection", _M.CONNECTION, "RFC 9110 §7.6.1")
KEEP_ALIVE: Final = _field("Keep-Alive", _M.CONNECTION, "RFC 9112 appendix C.2.2")
PROXY_CONNECTION: Final = _field("Proxy-Connection", _M.CONNECTION, "RFC 9112 appendix C.2.2")
TE: Final = _field("TE", _M.CONNECTION, "RFC 9110 §10.1.4")
UPGRADE: Final = _field("Upgrade", _M.CONNECTION | _M.BODY, "RFC 9110 §7.8")
HTTP2_SETTINGS: Final = _field("HTTP2-Settings", _M.CONNECTION, "RFC 7540 §3.2.1")
TRANSFER_ENCODING: Final = _field(
    "Transfer-Encoding", _M.CONNECTION | _M.FRAMING | _M.BODY, "RFC 9112 §6.1"
)
CONTENT_LENGTH: Final = _field("Content-Length", _M.FRAMING | _M.BODY, "RFC 9110 §8.6")
TRAILER: Final = _field("Trailer", _M.ONE_HOP, "RFC 9110 §6.6.2")
EXPECT: Final = _field("Expect", _M.ONE_HOP | _M.REWRITTEN, "RFC 9110 §10.1.1")
PROXY_AUTHENTICATE: Final = _field("Proxy-Authenticate", _M.ONE_HOP, "RFC 9110 §11.7.1")
PROXY_AUTHORIZATION: Final = _field(
    "Proxy-Authorization", _M.ONE_HOP | _M.SECRET, "RFC 9110 §11.7.2"
)
PROXY_AUTHENTICATION_INFO: Final = _field(
    "Proxy-Authentication-Info", _M.ONE_HOP | _M.SECRET, "RFC 9110 §11.7.3"
)

# What requests and responses say
HOST: Final = _field("Host", _M.REWRITTEN, "RFC 9110 §7.2")
# what names the host of a request: the first that is there. A proxy that makes one of the other
# changes nothing (RFC 9113 §8.3.1)
AS_HOST: Final = (AUTHORITY, HOST)
USER_AGENT: Final = _field("User-Agent", _M.SOFTWARE, "RFC 9110 §10.1.5")
ACCEPT: Final = _field("Accept", _M.SOFTWARE, "RFC 9110 §12.5.1")
ACCEPT_CHARSET: Final = _field("Accept-Charset", _M.SOFTWARE, "RFC 9110 §12.5.2")
ACCEPT_ENCODING: Final = _field("Accept-Encoding", _M.SOFTWARE | _M.REWRITTEN, "RFC 9110 §12.5.3")
ACCEPT_LANGUAGE: Final = _field("Accept-Language", _M.SOFTWARE, "RFC 9110 §12.5.4")
CACHE_CONTROL: Final = _field("Cache-Control", _M.SOFTWARE | _M.REWRITTEN, "RFC 9111 §5.2")
PRAGMA: Final = _field("Pragma", _M.SOFTWARE, "RFC 9111 §5.4")
DNT: Final = _field("DNT", _M.SOFTWARE, "W3C Tracking Preference Expression")
SEC_GPC: Final = _field("Sec-GPC", _M.SOFTWARE, "W3C Global Privacy Control")
UPGRADE_INSECURE_REQUESTS: Final = _field(
    "Upgrade-Insecure-Requests", _M.SOFTWARE, "W3C Upgrade Insecure Requests"
)
SEC_CH_UA: Final = _field("Sec-CH-UA", _M.SOFTWARE, _HINTS)
SEC_CH_UA_MOBILE: Final = _field("Sec-CH-UA-Mobile", _M.SOFTWARE, _HINTS)
SEC_CH_UA_PLATFORM: Final = _field("Sec-CH-UA-Platform", _M.SOFTWARE, _HINTS)
SEC_FETCH_DEST: Final = _field("Sec-Fetch-Dest", _M.SOFTWARE, _FETCH)
SEC_FETCH_MODE: Final = _field("Sec-Fetch-Mode", _M.SOFTWARE, _FETCH)
SEC_FETCH_SITE: Final = _field("Sec-Fetch-Site", _M.SOFTWARE, _FETCH)
SEC_FETCH_USER: Final = _field("Sec-Fetch-User", _M.SOFTWARE, _FETCH)
IF_MODIFIED_SINCE: Final = _field("If-Modified-Since", _M.TIME, "RFC 9110 §13.1.3")
IF_UNMODIFIED_SINCE: Final = _field("If-Unmodified-Since", _M.TIME, "RFC 9110 §13.1.4")
DATE: Final = _field("Date", _M.OF_THE_SENDER | _M.TIME, "RFC 9110 §6.6.1")
AGE: Final = _field("Age", _M.OF_THE_SENDER | _M.TIME, "RFC 9111 §5.1")
EXPIRES: Final = _field("Expires", _M.TIME, "RFC 9111 §5.3")
LAST_MODIFIED: Final = _field("Last-Modified", _M.TIME, "RFC 9110 §8.8.2")
SERVER: Final = _field("Server", _M.SOFTWARE | _M.REWRITTEN, "RFC 9110 §10.2.4")
X_POWERED_BY: Final = _field("X-Powered-By", _M.SOFTWARE, _CONVENTION)
RANGE: Final = _field("Range", _M.NONE, "RFC 9110 §14.2")
ACCEPT_RANGES: Final = _field("Accept-Ranges", _M.SOFTWARE, "RFC 9110 §14.3")
VARY: Final = _field("Vary", _M.SOFTWARE, "RFC 9110 §12.5.5")
LOCATION: Final = _field("Location", _M.NONE, "RFC 9110 §10.2.2")
CONTENT_TYPE: Final = _field("Content-Type", _M.CONTENT | _M.SOFTWARE, "RFC 9110 §8.3")
CONTENT_ENCODING: Final = _field("Content-Encoding", _M.CONTENT | _M.BODY, "RFC 9110 §8.4")
CONTENT_LANGUAGE: Final = _field("Content-Language", _M.CONTENT, "RFC 9110 §8.5")
CONTENT_LOCATION: Final = _field("Content-Location", _M.CONTENT, "RFC 9110 §8.7")

# The client, as a proxy states it
X_FORWARDED_FOR: Final = _field("X-Forwarded-For", _M.CLIENT_ADDRESS, _ALB)
X_REAL_IP: Final = _field("X-Real-IP", _M.CLIENT_ADDRESS, _INGRESS)
FORWARDED: Final = _field("Forwarded", FORWARDING & ~_M.CLIENT_PORT, "RFC 7239")
X_CLIENT_IP: Final = _field("X-Client-IP", _M.CLIENT_ADDRESS, _CONVENTION)
X_CLUSTER_CLIENT_IP: Final = _field("X-Cluster-Client-IP", _M.CLIENT_ADDRESS, _CONVENTION)
CLIENT_IP: Final = _field("Client-IP", _M.CLIENT_ADDRESS, "Apache Traffic Server, records.config")
TRUE_CLIENT_IP: Final = _field("True-Client-IP", _M.CLIENT_ADDRESS, _CLOUDFLARE)
CF_CONNECTING_IP: Final = _field("CF-Connecting-IP", _M.CLIENT_ADDRESS, _CLOUDFLARE)
FASTLY_CLIENT_IP: Final = _field("Fastly-Client-IP", _M.CLIENT_ADDRESS, _FASTLY)
X_AZURE_CLIENTIP: Final = _field("X-Azure-ClientIP", _M.CLIENT_ADDRESS, _FRONTDOOR)
X_AZURE_SOCKETIP: Final = _field("X-Azure-SocketIP", _M.CLIENT_ADDRESS, _FRONTDOOR)
X_ENVOY_EXTERNAL_ADDRESS: Final = _field("x-envoy-external-address", _M.CLIENT_ADDRESS, _ENVOY)
X_FORWARDED_PORT: Final = _field("X-Forwarded-Port", _M.CLIENT_PORT, _ALB)
X_FORWARDED_PROTO: Final = _field("X-Forwarded-Proto", _M.CLIENT_PROTOCOL, _ALB)
X_FORWARDED_SCHEME: Final = _field("X-Forwarded-Scheme", _M.CLIENT_PROTOCOL, _INGRESS)
X_SCHEME: Final = _field("X-Scheme", _M.CLIENT_PROTOCOL, _INGRESS)
CLOUDFRONT_FORWARDED_PROTO: Final = _field(
    "CloudFront-Forwarded-Proto", _M.CLIENT_PROTOCOL, _CLOUDFRONT
)
X_FORWARDED_HOST: Final = _field("X-Forwarded-Host", _M.CLIENT_HOST, "Apache httpd, mod_proxy")
X_ORIGINAL_HOST: Final = _field("X-Original-Host", _M.CLIENT_HOST, _APPGW)

# The proxies on the way, and what only they write
VIA: Final = _field("Via", _M.PROXY | _M.OF_THE_SENDER, "RFC 9110 §7.6.3")
CDN_LOOP: Final = _field("CDN-Loop", _M.PROXY, "RFC 8586")
X_FORWARDED_SERVER: Final = _field("X-Forwarded-Server", _M.PROXY, "Apache httpd, mod_proxy")
FASTLY_FF: Final = _field("Fastly-FF", _M.PROXY, _FASTLY)
CF_EW_VIA: Final = _field("CF-EW-Via", _M.PROXY, _CLOUDFLARE)
SURROGATE_CAPABILITY: Final = _field(
    "Surrogate-Capability", _M.PROXY, "W3C Edge Architecture Specification"
)
CF_RAY: Final = _field("CF-Ray", _M.BALANCER | _M.IDENTITY, _CLOUDFLARE)
CF_VISITOR: Final = _field("CF-Visitor", _M.BALANCER, _CLOUDFLARE)
CF_IPCOUNTRY: Final = _field("CF-IPCountry", _M.BALANCER, _CLOUDFLARE)
X_AMZ_CF_ID: Final = _field("X-Amz-Cf-Id", _M.BALANCER | _M.IDENTITY, _CLOUDFRONT)
X_AMZN_TRACE_ID: Final = _field("X-Amzn-Trace-Id", _M.BALANCER | _M.IDENTITY, _ALB)
X_APPGW_TRACE_ID: Final = _field("X-Appgw-Trace-Id", _M.BALANCER | _M.IDENTITY, _APPGW)
X_ORIGINAL_URL: Final = _field("X-Original-URL", _M.BALANCER, _APPGW)
X_AZURE_REF: Final = _field("X-Azure-Ref", _M.BALANCER | _M.IDENTITY, _FRONTDOOR)
X_AZURE_FDID: Final = _field("X-Azure-FDID", _M.BALANCER | _M.IDENTITY, _FRONTDOOR)
X_AZURE_REQUESTCHAIN: Final = _field("X-Azure-RequestChain", _M.BALANCER, _FRONTDOOR)
X_ENVOY_INTERNAL: Final = _field("x-envoy-internal", _M.BALANCER, _ENVOY)
X_ENVOY_EXPECTED_RQ_TIMEOUT_MS: Final = _field(
    "x-envoy-expected-rq-timeout-ms", _M.BALANCER, _ENVOY
)
X_ENVOY_ATTEMPT_COUNT: Final = _field("x-envoy-attempt-count", _M.BALANCER, _ENVOY)
X_ENVOY_DECORATOR_OPERATION: Final = _field("x-envoy-decorator-operation", _M.BALANCER, _ENVOY)
X_ENVOY_ORIGINAL_PATH: Final = _field("x-envoy-original-path", _M.BALANCER, _ENVOY)
X_ENVOY_UPSTREAM_SERVICE_TIME: Final = _field("x-envoy-upstream-service-time", _M.UPSTREAM, _ENVOY)
X_KONG_UPSTREAM_LATENCY: Final = _field("X-Kong-Upstream-Latency", _M.UPSTREAM, _KONG)
X_FORWARDED_CLIENT_CERT: Final = _field("x-forwarded-client-cert", _M.BALANCER, _ENVOY)
L5D_CLIENT_ID: Final = _field("l5d-client-id", _M.BALANCER | _M.IDENTITY, _LINKERD)
L5D_DST_CANONICAL: Final = _field("l5d-dst-canonical", _M.BALANCER, _LINKERD)
X_ORIGINAL_FORWARDED_FOR: Final = _field("X-Original-Forwarded-For", _M.BALANCER, _INGRESS)

# Caches
X_CACHE: Final = _field("X-Cache", _M.CACHE, _SQUID)
X_CACHE_STATUS: Final = _field(
    "X-Cache-Status", _M.CACHE, "nginx, ngx_http_upstream_module, $upstream_cache_status"
)
X_PROXY_CACHE: Final = _field(
    "X-Proxy-Cache", _M.CACHE, "nginx, ngx_http_upstream_module, $upstream_cache_status"
)
CF_CACHE_STATUS: Final = _field("CF-Cache-Status", _M.CACHE, "Cloudflare, Cache responses")
CACHE_STATUS: Final = _field("Cache-Status", _M.CACHE, "RFC 9211")
CDN_CACHE: Final = _field("CDN-Cache", _M.CACHE, "Bunny, observed")
X_CACHE_HITS: Final = _field("X-Cache-Hits", _M.CACHE, _FASTLY)
X_VARNISH: Final = _field("X-Varnish", _M.CACHE, "Varnish, VCL reference")
# … and three that speak of a cache and say nothing of who answered
X_CACHE_LOOKUP: Final = _field("X-Cache-Lookup", _M.NONE, _SQUID)
X_CACHE_KEY: Final = _field("X-Cache-Key", _M.NONE, "Akamai, Pragma headers")
CACHE_TAG: Final = _field("Cache-Tag", _M.NONE, "Cloudflare, Purge cache by tags")

# Names of requests, traces and representations: no secrets, though some are called a key
X_REQUEST_ID: Final = _field("X-Request-ID", _M.IDENTITY, _ENVOY)
X_CORRELATION_ID: Final = _field("X-Correlation-ID", _M.IDENTITY, _CONVENTION)
TRACEPARENT: Final = _field("traceparent", _M.IDENTITY, _TRACE)
TRACESTATE: Final = _field("tracestate", _M.IDENTITY, _TRACE)
B3: Final = _field("b3", _M.IDENTITY, _ZIPKIN)
X_B3_TRACEID: Final = _field("X-B3-TraceId", _M.IDENTITY, _ZIPKIN)
X_B3_SPANID: Final = _field("X-B3-SpanId", _M.IDENTITY, _ZIPKIN)
X_B3_PARENTSPANID: Final = _field("X-B3-ParentSpanId", _M.IDENTITY, _ZIPKIN)
X_CLOUD_TRACE_CONTEXT: Final = _field(
    "X-Cloud-Trace-Context",
    _M.BALANCER | _M.IDENTITY,
    "Google Cloud, External Application Load Balancer overview",
)
X_AMZN_REQUESTID: Final = _field("x-amzn-RequestId", _M.IDENTITY, _APIGW)
X_AMZ_APIGW_ID: Final = _field("x-amz-apigw-id", _M.IDENTITY, _APIGW)
IF_NONE_MATCH: Final = _field("If-None-Match", _M.NONE, "RFC 9110 §13.1.2")
ETAG: Final = _field("ETag", _M.IDENTITY, "RFC 9110 §8.8.3")
IDEMPOTENCY_KEY: Final = _field(
    "Idempotency-Key", _M.IDENTITY, "IETF draft, The Idempotency-Key HTTP header field"
)
GRPC_STATUS: Final = _field("grpc-status", _M.CALL_STATUS, _GRPC)
GRPC_MESSAGE: Final = _field("grpc-message", _M.CALL_STATUS, _GRPC)
GRPC_TIMEOUT: Final = _field("grpc-timeout", _M.CALL_LIMIT, _GRPC)
GRPC_PREVIOUS_RPC_ATTEMPTS: Final = _field(
    "grpc-previous-rpc-attempts", _M.CALL_LIMIT, "https://github.com/grpc/proposal, A6"
)
ACCESS_CONTROL_ALLOW_ORIGIN: Final = _field(
    "Access-Control-Allow-Origin", _M.ONE_VALUE | _M.SOFTWARE, "Fetch Standard, CORS check"
)
ACCESS_CONTROL_ALLOW_CREDENTIALS: Final = _field(
    "Access-Control-Allow-Credentials", _M.ONE_VALUE | _M.SOFTWARE, "Fetch Standard, CORS check"
)
ORIGIN: Final = _field("Origin", _M.NONE, "RFC 6454 §7")
SEC_WEBSOCKET_EXTENSIONS: Final = _field("Sec-WebSocket-Extensions", _M.NONE, "RFC 6455 §11.3.2")
SEC_WEBSOCKET_PROTOCOL: Final = _field("Sec-WebSocket-Protocol", _M.NONE, "RFC 6455 §11.3.4")
# whoever ends a WebSocket and begins it anew draws its own
SEC_WEBSOCKET_KEY: Final = _field(
    "Sec-WebSocket-Key", _M.IDENTITY | _M.REWRITTEN, "RFC 6455 §4.1, §11.3.1"
)
SURROGATE_KEY: Final = _field("Surrogate-Key", _M.IDENTITY, _FASTLY)
PUBLIC_KEY_PINS: Final = _field("Public-Key-Pins", _M.IDENTITY, "RFC 7469 §2.1")

# Credentials and sessions
AUTHORIZATION: Final = _field("Authorization", _M.SECRET, "RFC 9110 §11.6.2")
AUTHENTICATION_INFO: Final = _field("Authentication-Info", _M.SECRET, "RFC 9110 §11.6.3")
WWW_AUTHENTICATE: Final = _field("WWW-Authenticate", _M.NONE, "RFC 9110 §11.6.1")
COOKIE: Final = _field("Cookie", _M.SECRET | _M.COOKIE, "RFC 6265 §4.2")
SET_COOKIE: Final = _field("Set-Cookie", _M.SECRET | _M.COOKIE, "RFC 6265 §4.1")
SET_COOKIE2: Final = _field("Set-Cookie2", _M.SECRET, "RFC 2965 §3.2.2")
DPOP: Final = _field("DPoP", _M.SECRET, "RFC 9449 §4.1")
SIGNATURE: Final = _field("Signature", _M.SECRET, "RFC 9421 §4.2")
X_API_KEY: Final = _field("X-API-Key", _M.SECRET, _CONVENTION)
X_AMZ_SECURITY_TOKEN: Final = _field("X-Amz-Security-Token", _M.SECRET, "AWS, Signature Version 4")
X_AWS_EC2_METADATA_TOKEN: Final = _field(
    "X-aws-ec2-metadata-token", _M.SECRET, "AWS, EC2 instance metadata service"
)
X_AMZN_OIDC_ACCESSTOKEN: Final = _field("x-amzn-oidc-accesstoken", _M.SECRET, _ALB)
X_AMZN_OIDC_DATA: Final = _field("x-amzn-oidc-data", _M.SECRET, _ALB)
X_GOOG_API_KEY: Final = _field("X-Goog-Api-Key", _M.SECRET, "Google Cloud, API keys")
X_GOOG_IAP_JWT_ASSERTION: Final = _field(
    "X-Goog-IAP-JWT-Assertion", _M.SECRET, "Google Cloud, Identity-Aware Proxy signed headers"
)
CF_ACCESS_JWT_ASSERTION: Final = _field(
    "Cf-Access-Jwt-Assertion", _M.SECRET, "Cloudflare, Validate JWTs"
)
OCP_APIM_SUBSCRIPTION_KEY: Final = _field(
    "Ocp-Apim-Subscription-Key", _M.SECRET, "Azure, API Management subscriptions"
)
X_FUNCTIONS_KEY: Final = _field("x-functions-key", _M.SECRET, "Azure, Functions access keys")
X_VAULT_TOKEN: Final = _field("X-Vault-Token", _M.SECRET, "HashiCorp Vault, HTTP API")
X_CSRF_TOKEN: Final = _field("X-CSRF-Token", _M.SECRET, _CONVENTION)
X_JFROG_ART_API: Final = _field("X-JFrog-Art-Api", _M.SECRET, "JFrog Artifactory, REST API")
X_HONEYCOMB_TEAM: Final = _field("X-Honeycomb-Team", _M.SECRET, "Honeycomb, API keys")
X_OVH_CONSUMER: Final = _field("X-Ovh-Consumer", _M.SECRET, "OVHcloud, API signatures")
X_STORAGE_PASS: Final = _field("X-Storage-Pass", _M.SECRET, "OpenStack Swift, authentication v1")

GO_WRITES_FIRST: Final = (HOST, USER_AGENT, CONTENT_LENGTH, TRANSFER_ENCODING)
"""Go's net/http writes these in front of the other fields of a request, which it sorts by name
(Request.write in src/net/http/request.go)."""

READ_IN_STREAMS: Final = (
    METHOD, PATH, STATUS, SCHEME, PROTOCOL, AUTHORITY,
    CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH,
)  # fmt: skip
"""What tells how a stream of HTTP/2 is read, the pseudo fields first. The compiled core knows these
by their places (lbtrace/compiled/hpack.h)."""

FORWARDED_PREFIX: Final = "x-forwarded-"
"""The names of a family that grows: a new member states something of the client, too."""

REWRITTEN_PARTS: Final = frozenset(
    {
        *("age", "amz", "azure", "cache", "cf-", "cookie", "correlation", "date", "digest"),
        *("envoy", "etag", "expires", "fastly", "goog", "id", "location", "modified", "nonce"),
        *("policy", "ray", "server", "span", "time", "timing", "trace", "varnish", "via"),
    }
)
"""Parts of the names of response fields that balancers, caches and CDNs are known to write
themselves: what they say is no word of the backend's."""


@cache
def fields_of(*meanings: Meaning) -> frozenset[str]:
    """The names, in lower case, of the fields that have any of these meanings."""
    wanted = Meaning(0)
    for meaning in meanings:
        wanted |= meaning
    return frozenset(name for name, row in _ROWS.items() if row.meaning & wanted)


def field(name: str) -> Field | None:
    """The row of a name in lower case; None when the registry does not know it."""
    return _ROWS.get(name)


def names() -> tuple[str, ...]:
    """Every name there is, in lower case; of those that state the client the commonest first."""
    return tuple(_ROWS)


def spelling(name: str) -> str:
    """A name of the registry as its source spells it."""
    return _ROWS[name].spelling


ADDED_BY_PROXIES: Final = fields_of(FORWARDING, Meaning.BALANCER)
"""What proxies and balancers add to requests, and clients seldom send themselves."""

OF_MANY_PROXIES: Final = frozenset((X_FORWARDED_FOR, X_FORWARDED_PORT, X_FORWARDED_PROTO))
"""What so many proxies write that it is the mark of none."""


OF_HTTP1: Final = fields_of(Meaning.CONNECTION) - {TE, HTTP2_SETTINGS}
"""What a message of HTTP/2 must not have (RFC 9113 §8.2.2)."""

_STATING_CLIENTS: Final = fields_of(FORWARDING)


def is_forwarding(name: str) -> bool:
    """Whether a field (in lower case) states the client or a proxy; what begins with X-Forwarded-
    does, known or not.
    """
    return name.startswith(FORWARDED_PREFIX) or name in _STATING_CLIENTS
