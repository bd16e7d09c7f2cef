/* The floor of the benchmark: what reading an undamaged HTTP/1.1 capture costs at least.
 *
 *     floor CAPTURE > EXCHANGES
 *
 * In: a pcap file as tests/bench/generate.py writes it: little-endian, Ethernet, IPv4, TCP. Out: one
 * line of JSON for each exchange: its connection, and of request and response the frame, the time,
 * the lines of the head, and length and digest of the body. On stderr: packets and exchanges.
 *
 * It does what cannot be left out (walk the records, follow the flows, split heads, digest bodies,
 * write text), and nothing else: no reordering, no loss, no chunked bodies, no HTTP/2, no limits for
 * hostile input, no judgement. A segment that is not the next one is left out. So on a damaged
 * capture it reads less than there is; it is a measure of cost, and no reader to rely on.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLIENT, SERVER, SLOTS = 1 << 20, SYN = 2, ACK = 16 };

/* Text that grows. */
typedef struct {
    char *at;
    size_t used, room;
} Text;

static void need(Text *text, size_t more) {
    if (text->used + more <= text->room) return;
    text->room = 2 * (text->used + more);
    text->at = realloc(text->at, text->room);
    if (!text->at) abort();
}

static void add(Text *text, const char *what, size_t size) {
    need(text, size);
    memcpy(text->at + text->used, what, size);
    text->used += size;
}

static void say(Text *text, const char *what) { add(text, what, strlen(what)); }

static void number(Text *text, uint64_t value) {
    char digits[24];
    int at = sizeof digits;
    do digits[--at] = '0' + value % 10; while (value /= 10);
    add(text, digits + at, sizeof digits - at);
}

/* A string of JSON: bytes that are no printable ASCII, quotes and backslashes are escaped. */
static void quoted(Text *text, const uint8_t *what, size_t size) {
    static const char HEX[] = "0123456789abcdef";
    need(text, 6 * size + 2);
    char *out = text->at + text->used;
    *out++ = '"';
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = what[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
            *out++ = byte;
        } else {
            memcpy(out, "\\u00", 4);
            out[4] = HEX[byte >> 4], out[5] = HEX[byte & 15];
            out += 6;
        }
    }
    *out++ = '"';
    text->used = out - text->at;
}

/* A message that is written, and waits for its turn. */
typedef struct Message {
    struct Message *after;
    size_t size;
    char text[];
} Message;

/* What one end sends. `rest`: bytes of the body to come. */
typedef struct {
    uint32_t next;
    int known, in_body;
    Text head;     /* of a head that began in an earlier segment */
    Text json;     /* of the message that is being read */
    uint64_t rest, length, digest;
} Side;

typedef struct {
    uint8_t ends[12];
    int client; /* client: the end that sent the SYN, 0 for the lower address */
    uint32_t connection;
    Side side[2];
    Message *first, *last; /* requests without a response */
} Flow;

static Flow **flows;
static Text out;
static uint64_t exchanges;
static uint32_t connections, used;

static void flush(void) {
    for (size_t done = 0; done < out.used;) {
        ssize_t written = write(1, out.at + done, out.used - done);
        if (written <= 0) exit(1);
        done += written;
    }
    out.used = 0;
}

/* Eight bytes at a time; a digest that tells bodies apart, and no secret. */
static void digest(Side *side, const uint8_t *data, size_t size) {
    uint64_t value = side->digest;
    side->length += size;
    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        value = (value ^ word) * 0x9e3779b97f4a7c15u;
        value ^= value >> 29;
    }
    while (size--) value = (value ^ *data++) * 0x100000001b3u;
    side->digest = value;
}

/* A request waits for its response, a response ends the exchange. */
static void finish(Flow *flow, int who) {
    Side *side = &flow->side[who];
    char hex[17];
    snprintf(hex, sizeof hex, "%016" PRIx64, side->digest);
    say(&side->json, ",\"body\":{\"length\":");
    number(&side->json, side->length);
    say(&side->json, ",\"digest\":\"");
    add(&side->json, hex, 16);
    say(&side->json, "\"}}");
    side->in_body = 0;
    if (who == CLIENT) {
        Message *message = malloc(sizeof *message + side->json.used);
        if (!message) abort();
        message->after = NULL, message->size = side->json.used;
        memcpy(message->text, side->json.at, side->json.used);
        if (flow->last) flow->last->after = message; else flow->first = message;
        flow->last = message;
        return;
    }
    Message *asked = flow->first;
    say(&out, "{\"connection\":");
    number(&out, flow->connection);
    say(&out, ",\"request\":");
    if (asked) add(&out, asked->text, asked->size); else say(&out, "null");
    say(&out, ",\"response\":");
    add(&out, side->json.at, side->json.used);
    say(&out, "}\n");
    if (asked) {
        flow->first = asked->after;
        if (!flow->first) flow->last = NULL;
        free(asked);
    }
    exchanges++;
    if (out.used > 1 << 20) flush();
}

/* A whole head: its start line and its fields become JSON, and say how long the body is. */
static void begin(Flow *flow, int who, const uint8_t *head, size_t size, uint32_t frame,
                  uint64_t time_us) {
    Side *side = &flow->side[who];
    Text *json = &side->json;
    const uint8_t *end = head + size - 2; /* the empty line */
    side->in_body = 1, side->rest = 0, side->length = 0, side->digest = 0x243f6a8885a308d3u;
    json->used = 0;
    say(json, "{\"frame\":");
    number(json, frame);
    say(json, ",\"time_us\":");
    number(json, time_us);
    say(json, ",\"start\":");
    for (int first = 1; head < end; first = 0) {
        const uint8_t *stop = memchr(head, '\r', end - head);
        const uint8_t *colon = first || !stop ? NULL : memchr(head, ':', stop - head);
        if (!stop) stop = end;
        if (first) {
            quoted(json, head, stop - head);
            say(json, ",\"headers\":[");
        } else if (colon) {
            const uint8_t *value = colon + 1;
            while (value < stop && *value == ' ') value++;
            if (json->at[json->used - 1] == ']') say(json, ",");
            say(json, "[");
            quoted(json, head, colon - head);
            say(json, ",");
            quoted(json, value, stop - value);
            say(json, "]");
            if (colon - head == 14 && !strncasecmp((const char *)head, "content-length", 14))
                for (; value < stop && *value >= '0' && *value <= '9'; value++)
                    side->rest = side->rest * 10 + (*value - '0');
        }
        head = stop + 2;
    }
    say(json, "]");
}

/* The next bytes that one end sent. */
static void feed(Flow *flow, int who, const uint8_t *data, size_t size, uint32_t frame,
                 uint64_t time_us) {
    Side *side = &flow->side[who];
    while (size) {
        if (!side->in_body) {
            size_t before = side->head.used;
            const uint8_t *text = data, *end;
            size_t all = size;
            if (before) {
                add(&side->head, (const char *)data, size);
                text = (const uint8_t *)side->head.at, all = side->head.used;
            }
            end = memmem(text, all, "\r\n\r\n", 4);
            if (!end) {
                if (!before) add(&side->head, (const char *)data, size);
                return;
            }
            size_t whole = end + 4 - text;
            begin(flow, who, text, whole, frame, time_us);
            side->head.used = 0;
            data += whole - before, size -= whole - before;
        }
        size_t taken = size < side->rest ? size : side->rest;
        digest(side, data, taken);
        side->rest -= taken, data += taken, size -= taken;
        if (!side->rest) finish(flow, who);
    }
}

static Flow *find(const uint8_t *ends) {
    uint64_t key;
    uint32_t more;
    memcpy(&key, ends, 8);
    memcpy(&more, ends + 8, 4);
    uint64_t slot = (key ^ (uint64_t)more << 17) * 0x9e3779b97f4a7c15u >> 44;
    for (;; slot = (slot + 1) % SLOTS) {
        Flow *flow = flows[slot];
        if (!flow) {
            flows[slot] = flow = calloc(1, sizeof *flow);
            if (!flow || ++used > SLOTS / 2) abort();
            memcpy(flow->ends, ends, 12);
            flow->client = -1;
            return flow;
        }
        if (!memcmp(flow->ends, ends, 12)) return flow;
    }
}

/* One TCP segment over IPv4; anything else is passed over. */
static void segment(const uint8_t *packet, size_t size, uint32_t frame, uint64_t time_us) {
    if (size < 54 || packet[12] != 8 || packet[13] != 0 || packet[23] != 6) return;
    const uint8_t *ip = packet + 14, *tcp = ip + (ip[0] & 15) * 4;
    size_t total = ip[2] << 8 | ip[3], heads = (tcp - ip) + (tcp[12] >> 4) * 4;
    if (total > size - 14 || heads > total) return;
    uint32_t seq = (uint32_t)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7];
    uint8_t ends[12];
    int swapped = memcmp(ip + 12, ip + 16, 4) > 0;
    memcpy(ends, ip + (swapped ? 16 : 12), 4), memcpy(ends + 4, ip + (swapped ? 12 : 16), 4);
    memcpy(ends + 8, tcp + (swapped ? 2 : 0), 2), memcpy(ends + 10, tcp + (swapped ? 0 : 2), 2);
    Flow *flow = find(ends);
    int opens = (tcp[13] & (SYN | ACK)) == SYN;
    if (opens || flow->client < 0) { /* a connection begins */
        flow->client = swapped;
        flow->connection = connections++;
        for (int who = CLIENT; who <= SERVER; who++) {
            flow->side[who].known = flow->side[who].in_body = 0;
            flow->side[who].head.used = 0;
        }
    }
    int who = swapped == flow->client ? CLIENT : SERVER;
    Side *side = &flow->side[who];
    size_t payload = total - heads;
    if (tcp[13] & SYN) {
        side->next = seq + 1, side->known = 1;
    } else if (payload && (!side->known || seq == side->next)) {
        side->next = seq + payload, side->known = 1;
        feed(flow, who, ip + heads, payload, frame, time_us);
    }
}

int main(int count, char **words) {
    struct stat about;
    int file = count == 2 ? open(words[1], O_RDONLY) : -1;
    if (file < 0 || fstat(file, &about) || about.st_size < 24) return 2;
    const uint8_t *at = mmap(NULL, about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    flows = calloc(SLOTS, sizeof *flows);
    if (at == MAP_FAILED || !flows) return 2;
    const uint8_t *end = at + about.st_size;
    uint32_t frame = 0;
    for (at += 24; end - at >= 16;) {
        uint32_t head[4];
        memcpy(head, at, 16);
        if ((size_t)(end - at - 16) < head[2]) break;
        segment(at + 16, head[2], ++frame, head[0] * UINT64_C(1000000) + head[1]);
        at += 16 + head[2];
    }
    flush();
    fprintf(stderr, "%" PRIu32 " packets, %" PRIu64 " exchanges\n", frame, exchanges);
    return 0;
}
