/* Connections of HTTP/2 → rows of their exchanges: the type `Streams` (RFC 9113 §4, §6, §8.1).
 *
 *     both directions ─▶ frames ─▶ header blocks ─▶ fields (hpack.c)
 *                              ─▶ streams: one that is plain becomes a row, the frames of any other
 *                                 one are named, so that Python reads them
 *                              ─▶ notes: frames that steer, and DATA
 *
 * The Python road is lbtrace/http/h2: direction.py, control.py, rows.py. A connection is read here
 * when nothing about it as a whole is unusual: no byte of it is missing, it begins with its preface,
 * every frame may stand where it stands and is whole (the last one of a direction may be cut), every
 * header block can be read, and it stays inside its budget. Any other connection is left to Python
 * from its first byte, and nothing of it is kept.
 */

#include "hpack.h"

#define FRAME_HEAD 9
#define MOST_PAYLOAD (1 << 14) /* bytes of a frame other than DATA; a larger one was agreed upon */
#define MOST_BLOCK (1 << 20)   /* as _MAX_BLOCK of direction.py */
#define MOST_SETTINGS 64       /* as _MOST_SETTINGS of control.py */
#define MOST_TEXT 128          /* as _TEXT there */
#define INITIAL_WINDOW_SIZE 4  /* RFC 9113 §6.5.2 */
#define DEFAULT_WINDOW 65535
#define MOST_SCHEMES 8
#define LARGE (1 << 20) /* bytes that are not kept for the next connection */
#define NONE (-1)

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE,
       CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, WITH_PRIORITY = 0x20 };
enum { NOTHING, LENGTH, SILENT, OTHER, FRAMES, FRAMES_LENGTH }; /* what a body is; as in tables/exchanges.py */

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"; /* §3.4 */

/* Where the end of something was seen: its piece (a row of those of all streams), the frame and time
 * at which all up to it had come, and how many pieces up to it came again or late. */
typedef struct {
    Py_ssize_t row;
    int64_t frame, time, repeats;
} Place;

/* What one end sent on a stream. */
typedef struct {
    int64_t begin, length;          /* offset of its first byte; bytes of its body */
    Py_ssize_t first;               /* piece of its first byte */
    int64_t repeats;                /* pieces in front of that one that came again or late */
    Place head, last;               /* the end of its head, its last byte */
    size_t from, to;                /* its fields, among `numbers` */
    uint32_t said[WATCHED];         /* of each watched name the first field with a value */
    uint32_t run, last_run, runs;   /* where the bytes of its body are, among `runs` */
    uint8_t headed, ended, framed;  /* it has a head, END_STREAM, a frame of DATA */
} Half;

typedef struct {
    int64_t id;
    Half half[2];
    uint8_t apart; /* Python is to read it */
} Stream;

/* A frame that belongs to a stream. `from` is UNKNOWN for DATA. */
typedef struct {
    int64_t begin;
    uint32_t stream, from, to;
} Event;

/* A piece of a body, and the next one of the same body. */
typedef struct {
    int64_t buffer, begin, end;
    uint32_t next;
} Run;

/* What one end said beside its streams, and how much of it. */
typedef struct {
    Memory notes;  /* int64, six of each: see Note of control.py */
    Memory events; /* of Event */
    Table table;
    int64_t kept, data, window, unfolded, interims;
    int64_t stop; /* where it was read up to; in front of a frame head that is cut */
    int whole;    /* its last frame is not cut */
    PyObject *texts; /* debug data of GOAWAY: (which note, bytes) */
} End;

typedef struct {
    PyObject_HEAD
    Fields fields;
    /* of the pieces of all streams */
    Column start, length, payload, buffer, frame, time, repeated;
    Column *buffers;
    Py_ssize_t buffer_count;
    int64_t pause;
    /* rows of all connections so far */
    Memory rows;        /* int64: connection, ordinal, stream */
    Memory messages[2]; /* int64: start line, body, its length, frames, times, offset,
                         * whether a piece of it came again or late */
    Memory sizes;       /* int64: lines of each block, of a request, of its response, … */
    Memory lines;       /* int32 */
    Memory used;        /* uint32: the field of each line */
    Memory statuses;    /* uint32: the field of each status line */
    Memory requests;    /* uint32: method and path of each request line */
    Index request_index;
    int64_t bodies; /* of kind OTHER */
    /* the present connection */
    End end[2];
    Memory streams; /* of Stream */
    Memory numbers; /* uint32: the fields of all header blocks */
    Memory runs;    /* of Run */
    Memory scratch; /* a frame, or a part of it, that lies in several pieces */
    Memory block;   /* a header block that lies in several frames */
    Memory told;    /* int64: the bodies of its rows */
    uint32_t schemes[MOST_SCHEMES];
    int scheme_count;
    int busy; /* a connection is being read, or one failed */
} Streams;

static uint32_t big(const uint8_t *at, int size) {
    uint32_t value = 0;
    for (int k = 0; k < size; k++) value = value << 8 | at[k];
    return value;
}

static uint32_t item_u32(const Column *column, Py_ssize_t at) {
    return (uint32_t)item_i32(column, at);
}

static Stream *stream_at(const Streams *s, size_t which) {
    return (Stream *)(void *)s->streams.bytes + which;
}

static size_t stream_count(const Streams *s) {
    return s->streams.used / sizeof(Stream);
}

/* the bytes of a direction */

typedef struct {
    Streams *s;
    Py_ssize_t row, end; /* pieces: the present one, and behind the last one */
    int64_t in;          /* bytes of the present piece that are behind us */
    int64_t at, stop;    /* offsets in the stream */
    int clean;           /* the pieces came in order, none of them twice */
    Py_ssize_t counted;  /* pieces before this one are counted in `last` */
    Place last;          /* of the byte before `at` */
} Walk;

static const uint8_t *bytes_of(const Streams *s, Py_ssize_t row) {
    return (const uint8_t *)s->buffers[item_u8(&s->buffer, row)].view.buf + item_i64(&s->payload, row);
}

/* Whether a piece lies in its buffer and has a byte. */
static int is_inside(const Streams *s, Py_ssize_t row) {
    Py_ssize_t which = item_u8(&s->buffer, row);
    int64_t payload = item_i64(&s->payload, row), length = item_u32(&s->length, row);
    if (which >= s->buffer_count || payload < 0 || length == 0) return 0;
    return length <= s->buffers[which].count && payload <= s->buffers[which].count - length;
}

/* Begin at an offset of the pieces [row, end). 0 when they are not one behind the other. */
static int walk_begin(Walk *walk, Streams *s, Py_ssize_t row, Py_ssize_t end, int64_t offset,
                      int clean) {
    if (row < 0 || row >= end || end > s->start.count) return 0;
    int64_t at = item_i64(&s->start, row);
    *walk = (Walk){.s = s, .row = end, .end = end, .at = offset, .clean = clean, .counted = row,
                   .last = {row, 0, INT64_MIN, 0}};
    if (offset < at) return 0;
    for (Py_ssize_t k = row; k < end; k++) {
        int64_t length = item_u32(&s->length, k);
        if (!is_inside(s, k) || item_i64(&s->start, k) != at || at > INT64_MAX - length) return 0;
        if (at <= offset && offset - at < length) {
            walk->row = k;
            walk->in = offset - at;
        }
        at += length;
    }
    walk->stop = at;
    return offset < at;
}

/* How many pieces in front of the present one came again or late. */
static int64_t repeats_before(const Walk *walk) {
    int own = walk->counted > walk->row && item_u8(&walk->s->repeated, walk->row);
    return walk->last.repeats - own;
}

/* The present piece is looked at. A byte has come when it and all bytes before it have, as TCP
 * delivers it. */
static void count_piece(Walk *walk) {
    const Streams *s = walk->s;
    for (; walk->counted <= walk->row; walk->counted++) {
        int64_t frame = item_u32(&s->frame, walk->counted);
        int64_t time = item_i64(&s->time, walk->counted);
        if (walk->clean || frame > walk->last.frame) walk->last.frame = frame;
        if (walk->clean || time > walk->last.time) walk->last.time = time;
        walk->last.repeats += item_u8(&s->repeated, walk->counted) != 0;
    }
    walk->last.row = walk->row;
}

/* Move on, inside of the present piece or to its end. */
static void step(Walk *walk, int64_t size) {
    if (walk->last.row != walk->row || walk->counted <= walk->row) count_piece(walk);
    walk->in += size;
    walk->at += size;
    if (walk->in == item_u32(&walk->s->length, walk->row)) {
        walk->row++;
        walk->in = 0;
    }
}

static int64_t left_in_piece(const Walk *walk) {
    return (int64_t)item_u32(&walk->s->length, walk->row) - walk->in;
}

/* The next `size` bytes, of which none may be missing; valid until the next call. NULL with
 * MemoryError set. */
static const uint8_t *take(Walk *walk, int64_t size) {
    Streams *s = walk->s;
    if (size == 0) return (const uint8_t *)"";
    if (size <= left_in_piece(walk)) {
        const uint8_t *here = bytes_of(s, walk->row) + walk->in;
        step(walk, size);
        return here;
    }
    s->scratch.used = 0;
    while (size > 0) {
        int64_t part = left_in_piece(walk) < size ? left_in_piece(walk) : size;
        if (memory_append(&s->scratch, bytes_of(s, walk->row) + walk->in, (size_t)part) < 0)
            return NULL;
        step(walk, part);
        size -= part;
    }
    return (const uint8_t *)s->scratch.bytes;
}

/* Move past bytes of a body, and note where they are, unless `half` is NULL. */
static int pass(Walk *walk, int64_t size, Half *half) {
    Streams *s = walk->s;
    while (size > 0) {
        int64_t part = left_in_piece(walk) < size ? left_in_piece(walk) : size;
        int64_t begin = item_i64(&s->payload, walk->row) + walk->in;
        Run run = {item_u8(&s->buffer, walk->row), begin, begin + part, 0};
        size_t count = s->runs.used / sizeof run;
        step(walk, part);
        size -= part;
        if (half == NULL) continue;
        if (count >= UINT32_MAX) {
            PyErr_SetString(PyExc_OverflowError, "too many pieces of bodies");
            return -1;
        }
        if (memory_append(&s->runs, &run, sizeof run) < 0) return -1;
        if (half->runs == 0) half->run = (uint32_t)count;
        else ((Run *)(void *)s->runs.bytes)[half->last_run].next = (uint32_t)count;
        half->last_run = (uint32_t)count;
        half->runs++;
    }
    return 0;
}

/* frames that steer (§6) */

typedef struct {
    int64_t begin, size, stream;
    int kind, flags;
    Py_ssize_t row;  /* piece of its first byte */
    int64_t repeats; /* pieces in front of that one that came again or late */
} Head;

static int add_note(End *end, int64_t offset, int kind, int flag, int64_t stream, int64_t code,
                    int64_t value) {
    int64_t note[6] = {offset, kind, flag, stream, code, value};
    return memory_append(&end->notes, note, sizeof note);
}

static int note_settings(End *end, int64_t offset, const Head *head, const uint8_t *payload) {
    int64_t count = head->size / 6;
    if (count == 0) {
        end->kept++;
        return add_note(end, offset, SETTINGS, head->flags & ACK, 0, NONE, NONE);
    }
    for (int64_t k = 0; k < count && k < MOST_SETTINGS; k++) {
        int64_t code = big(payload + 6 * k, 2), value = big(payload + 6 * k + 2, 4);
        end->kept++;
        if (code == INITIAL_WINDOW_SIZE && value < end->window) end->window = value;
        if (add_note(end, offset, SETTINGS, head->flags & ACK, 0, code, value) < 0) return -1;
    }
    return 0;
}

/* The debug data of a GOAWAY. */
static int note_text(End *end, const uint8_t *text, int64_t size) {
    Py_ssize_t which = (Py_ssize_t)(end->notes.used / 48);
    PyObject *pair = Py_BuildValue("ny#", which, text, (Py_ssize_t)(size < MOST_TEXT ? size : MOST_TEXT));
    int failed = pair == NULL || PyList_Append(end->texts, pair) < 0;
    Py_XDECREF(pair);
    return failed ? -1 : 0;
}

static int steer(End *end, int64_t offset, const Head *head, const uint8_t *payload) {
    int64_t code = NONE, value = NONE;
    switch (head->kind) {
    case SETTINGS:
        return note_settings(end, offset, head, payload);
    case PRIORITY:
        return 0;
    case RST_STREAM:
        code = big(payload, 4);
        break;
    case WINDOW_UPDATE:
        value = big(payload, 4) & 0x7FFFFFFF;
        break;
    case GOAWAY:
        value = big(payload, 4) & 0x7FFFFFFF;
        code = big(payload + 4, 4);
        if (head->size > 8 && note_text(end, payload + 8, head->size - 8) < 0) return -1;
    }
    end->kept++;
    return add_note(end, offset, head->kind, head->flags & ACK, head->stream, code, value);
}

/* streams. What follows returns 1, 0 when the connection is left to Python, -1 with an error set. */

/* The stream with an id; NULL when there is none. The client opens streams in ascending order. */
static Stream *find_stream(const Streams *s, int64_t id) {
    size_t low = 0, high = stream_count(s);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stream_at(s, middle)->id < id) low = middle + 1;
        else high = middle;
    }
    return low < stream_count(s) && stream_at(s, low)->id == id ? stream_at(s, low) : NULL;
}

static int add_event(Streams *s, int d, const Stream *stream, int64_t begin, size_t from, size_t to) {
    size_t which = (size_t)(stream - stream_at(s, 0));
    if (which >= UINT32_MAX || to >= UINT32_MAX) return 0;
    Event event = {begin, (uint32_t)which, (uint32_t)from, (uint32_t)to};
    return memory_append(&s->end[d].events, &event, sizeof event) < 0 ? -1 : 1;
}

static uint32_t number_at(const Streams *s, size_t at) {
    uint32_t number;
    memcpy(&number, s->numbers.bytes + at * sizeof number, sizeof number);
    return number;
}

/* What a header block says of the watched names, how far it unfolds, and whether all of its lines
 * may be in a row. 0 when it has a pseudo field that nobody knows. */
static int section(const Streams *s, size_t from, size_t to, uint32_t said[WATCHED],
                   int64_t *unfolded, int *all_fit) {
    for (int k = 0; k < WATCHED; k++) said[k] = UNKNOWN;
    for (; from < to; from++) {
        uint32_t number = number_at(s, from);
        const Field *field = field_of(&s->fields, number);
        if (field->is_line) {
            *unfolded += (int64_t)field->name + 2 + field->value;
            *all_fit &= field->fits;
        } else if (field->watched < 0) {
            return 0;
        }
        if (field->watched < 0 || field->value == 0 || said[field->watched] != UNKNOWN) continue;
        said[field->watched] = number;
        if (field->watched < CONTENT_TYPE) *unfolded += field->value;
    }
    return 1;
}

/* The scheme of a request, if it is a new one of this connection. */
static int note_scheme(Streams *s, uint32_t scheme) {
    for (int k = 0; k < s->scheme_count; k++)
        if (s->schemes[k] == scheme) return 1;
    if (scheme == UNKNOWN) return 1;
    if (s->scheme_count == MOST_SCHEMES) return 0;
    s->schemes[s->scheme_count++] = scheme;
    return 1;
}

/* A new stream of the client. */
static Stream *open_stream(Streams *s, int64_t id) {
    Stream fresh;
    size_t count = stream_count(s);
    memset(&fresh, 0, sizeof fresh);
    fresh.id = id;
    return memory_append(&s->streams, &fresh, sizeof fresh) < 0 ? NULL : stream_at(s, count);
}

static int is_interim(const Streams *s, uint32_t status) {
    if (status == UNKNOWN) return 0;
    const Field *field = field_of(&s->fields, status);
    const char *text = text_of(&s->fields, status) + field->name + 2;
    return field->value == 3 && text[0] == '1' && text[1] >= '0' && text[1] <= '9' &&
           text[2] >= '0' && text[2] <= '9';
}

/* A header block of which the frames are read: the fields [from, to) of `numbers`. */
static int add_head(Streams *s, int d, const Walk *walk, const Head *head, size_t from,
                    size_t to) {
    uint32_t said[WATCHED];
    int all_fit = 1;
    if (!section(s, from, to, said, &s->end[d].unfolded, &all_fit)) return 0;
    Stream *stream = find_stream(s, head->stream);
    if (stream == NULL) {
        size_t count = stream_count(s);
        if (d == 1 || (count > 0 && stream_at(s, count - 1)->id > head->stream)) return 0;
        stream = open_stream(s, head->stream);
        if (stream == NULL) return -1;
        if (!note_scheme(s, said[SCHEME])) return 0;
    }
    Half *half = &stream->half[d];
    int again = half->headed, interim = 0;
    if (!again) {
        if (d == 0 && said[STATUS] != UNKNOWN) return 0;
        interim = d == 1 && !(head->flags & END_STREAM) && is_interim(s, said[STATUS]);
    }
    if (half->begin == 0) { /* SETTINGS or the preface stand at offset 0 */
        half->begin = head->begin;
        half->first = head->row;
        half->repeats = head->repeats;
    }
    if (again || interim) { /* trailers; what comes before the response */
        stream->apart = 1;
        s->end[d].interims += interim;
        return add_event(s, d, stream, head->begin, from, to);
    }
    half->headed = 1;
    half->ended = (head->flags & END_STREAM) != 0;
    half->head = half->last = walk->last;
    half->from = from;
    half->to = to;
    memcpy(half->said, said, sizeof said);
    if (!all_fit) stream->apart = 1;
    return add_event(s, d, stream, head->begin, from, to);
}

static int read_head(const uint8_t *at, Head *head) {
    uint32_t stream = big(at + 5, 4);
    head->size = big(at, 3);
    head->kind = at[3];
    head->flags = at[4];
    head->stream = stream & 0x7FFFFFFF;
    return !(stream & 0x80000000u);
}

/* Append the payload of CONTINUATION frames to the block (§6.10). */
static int continued(Streams *s, Walk *walk, const Head *head) {
    Head more = {.flags = 0};
    while (!(more.flags & END_HEADERS)) {
        if (walk->stop - walk->at < FRAME_HEAD) return 0;
        const uint8_t *bytes = take(walk, FRAME_HEAD);
        if (bytes == NULL) return -1;
        if (!read_head(bytes, &more) || more.kind != CONTINUATION || more.stream != head->stream ||
            (more.flags & ~END_HEADERS) || more.size > MOST_PAYLOAD ||
            more.size > walk->stop - walk->at || (int64_t)s->block.used + more.size > MOST_BLOCK)
            return 0;
        bytes = take(walk, more.size);
        if (bytes == NULL || memory_append(&s->block, bytes, (size_t)more.size) < 0) return -1;
    }
    return 1;
}

/* §6.2: a header block, from HEADERS and the CONTINUATION frames behind it. */
static int headers(Streams *s, int d, Walk *walk, const Head *head) {
    const uint8_t *bytes = take(walk, head->size);
    int64_t size = head->size, padding = 0;
    if (bytes == NULL) return -1;
    if (head->flags & PADDED) {
        if (size == 0) return 0;
        padding = bytes[0];
        bytes++;
        size--;
    }
    int64_t before = head->flags & WITH_PRIORITY ? 5 : 0;
    if (size < padding + before) return 0;
    bytes += before;
    size -= before + padding;
    if (!(head->flags & END_HEADERS)) {
        s->block.used = 0;
        if (memory_append(&s->block, bytes, (size_t)size) < 0) return -1;
        int good = continued(s, walk, head);
        if (good <= 0) return good;
        bytes = (const uint8_t *)s->block.bytes;
        size = (int64_t)s->block.used;
    }
    size_t from = s->numbers.used / sizeof(uint32_t);
    int good = hpack_decode(&s->fields, &s->end[d].table, bytes, (size_t)size, &s->numbers);
    if (good <= 0) return good;
    return add_head(s, d, walk, head, from, s->numbers.used / sizeof(uint32_t));
}

/* §6.1: padding length, data, padding. */
static int data(Streams *s, int d, Walk *walk, const Head *head) {
    int64_t size = head->size, padding = 0;
    End *end = &s->end[d];
    end->data += size;
    if (add_note(end, walk->at + size - 1, DATA, head->flags & END_STREAM, head->stream, NONE, size))
        return -1;
    if (head->flags & PADDED) {
        if (size == 0) return 0;
        const uint8_t *first = take(walk, 1);
        if (first == NULL) return -1;
        padding = first[0];
        size--;
        if (padding > size) return 0;
    }
    Stream *stream = find_stream(s, head->stream);
    if (stream == NULL || !stream->half[d].headed) return 0;
    Half *half = &stream->half[d];
    if (half->ended) stream->apart = 1;
    half->framed = 1;
    half->length += size - padding;
    half->ended |= (head->flags & END_STREAM) != 0;
    if (pass(walk, size - padding, half) < 0 || pass(walk, padding, NULL) < 0) return -1;
    half->last = walk->last;
    return add_event(s, d, stream, head->begin, UNKNOWN, 0);
}

/* Whether a frame may stand here (§4.1, §6). */
static int can_be_frame(const Head *head) {
    static const int FLAGS[] = {END_STREAM | PADDED,
                                END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY,
                                0, 0, ACK, 0, ACK, 0, 0, 0};
    static const int SIZE[] = {NONE, NONE, 5, 4, NONE, NONE, 8, NONE, 4, NONE};
    if (head->kind != DATA && head->size > MOST_PAYLOAD) return 0;
    if (head->kind > CONTINUATION) return 1; /* §5.5: of an extension */
    if (head->kind == PUSH_PROMISE || head->kind == CONTINUATION) return 0;
    if ((head->flags & ~FLAGS[head->kind]) != 0) return 0;
    if (SIZE[head->kind] != NONE && head->size != SIZE[head->kind]) return 0;
    switch (head->kind) {
    case SETTINGS:
        return head->stream == 0 && head->size % 6 == 0;
    case PING:
        return head->stream == 0;
    case GOAWAY:
        return head->stream == 0 && head->size >= 8;
    case WINDOW_UPDATE:
        return 1;
    }
    return head->stream != 0;
}

/* The last frame of a direction, of which bytes are missing at its end. The stream of DATA is read
 * by Python; what a cut header block said is for Python to find out. */
static int cut(Streams *s, int d, Walk *walk, const Head *head) {
    End *end = &s->end[d];
    end->whole = 0;
    if (head->kind == HEADERS) return 0;
    if (head->kind == DATA) {
        Stream *stream = find_stream(s, head->stream);
        if (stream == NULL || !stream->half[d].headed) return 0;
        stream->apart = 1;
        end->data += head->size;
        if (add_note(end, walk->at + head->size - 1, DATA, head->flags & END_STREAM, head->stream,
                     NONE, head->size) < 0)
            return -1;
        if (add_event(s, d, stream, head->begin, UNKNOWN, 0) < 0) return -1;
    }
    return pass(walk, walk->stop - walk->at, NULL) < 0 ? -1 : 1;
}

/* Read a frame. */
static int frame(Streams *s, int d, Walk *walk) {
    Head head = {.begin = walk->at, .row = walk->row, .repeats = repeats_before(walk)};
    if (walk->stop - walk->at < FRAME_HEAD) {
        if (walk->stop - walk->at > left_in_piece(walk)) return 0; /* another one may begin frames */
        s->end[d].whole = 0;
        s->end[d].stop = walk->at;
        return pass(walk, walk->stop - walk->at, NULL) < 0 ? -1 : 1;
    }
    const uint8_t *bytes = take(walk, FRAME_HEAD);
    if (bytes == NULL) return -1;
    if (!read_head(bytes, &head) || !can_be_frame(&head)) return 0;
    if (head.size > walk->stop - walk->at) return cut(s, d, walk, &head);
    if (head.kind == DATA) return data(s, d, walk, &head);
    if (head.kind == HEADERS) return headers(s, d, walk, &head);
    if (head.kind > CONTINUATION) return pass(walk, head.size, NULL) < 0 ? -1 : 1;
    bytes = take(walk, head.size);
    if (bytes == NULL || steer(&s->end[d], walk->at - 1, &head, bytes) < 0) return -1;
    return 1;
}

/* How much of one direction may be kept. */
typedef struct {
    long long messages, frames, unfolded;
} Limits;

static int is_within(const Streams *s, int d, const Limits *limits) {
    const End *end = &s->end[d];
    return (int64_t)stream_count(s) + end->interims < limits->messages &&
           end->kept <= limits->frames && end->unfolded <= limits->unfolded;
}

/* Whether a frame of SETTINGS, and no large one, is what comes next. -1 with MemoryError set. */
static int begins_with_settings(const Walk *walk) {
    Walk ahead = *walk;
    Head head;
    if (walk->stop - walk->at < FRAME_HEAD) return 0;
    const uint8_t *bytes = take(&ahead, FRAME_HEAD);
    if (bytes == NULL) return -1;
    return read_head(bytes, &head) && head.kind == SETTINGS && head.size < 1024;
}

/* Read a direction to its end. */
static int direction(Streams *s, int d, Walk *walk, const Limits *limits) {
    const size_t preface = sizeof PREFACE - 1;
    if (d == 0) { /* a client begins with the preface */
        if (walk->stop - walk->at < (int64_t)preface) return 0;
        const uint8_t *bytes = take(walk, (int64_t)preface);
        if (bytes == NULL) return -1;
        if (memcmp(bytes, PREFACE, preface) != 0) return 0;
    }
    if (d == 1) {
        int good = begins_with_settings(walk);
        if (good <= 0) return good;
    }
    for (int frames = 0; walk->at < walk->stop; frames++) {
        int several = walk->stop - walk->at >= FRAME_HEAD && frames > 0;
        int good = frame(s, d, walk);
        if (good <= 0) return good;
        if (!is_within(s, d, limits)) return 0;
        /* one frame that is cut begins no HTTP/2; see `begins_frames` of frames.py */
        if (d == 1 && !s->end[d].whole && !several) return 0;
    }
    if (s->end[d].stop == NONE) s->end[d].stop = walk->at;
    return 1;
}

/* rows */

/* Whether a half came without a pause inside it. */
static int is_swift(const Streams *s, const Half *half) {
    int64_t first = item_i64(&s->time, half->first), last = item_i64(&s->time, half->last.row);
    return last < first || (uint64_t)last - (uint64_t)first < (uint64_t)s->pause;
}

static int64_t stated(const Streams *s, const Half *half, int which, int64_t without) {
    uint32_t number = half->said[which];
    return number == UNKNOWN ? without : field_of(&s->fields, number)->stated;
}

static int fits(const Streams *s, const Half *half, int which) {
    uint32_t number = half->said[which];
    return number != UNKNOWN && field_of(&s->fields, number)->fits;
}

/* Whether a half is a whole message of which a start line, lines and a body tell all. What Python
 * states of a CONTENT_TYPE is 1 where it decides how a message is read, of a DECLARED -2 where it is
 * too large for a column. */
static int is_plain(const Streams *s, const Half *half) {
    return half->headed && half->ended && stated(s, half, CONTENT_TYPE, 0) == 0 &&
           stated(s, half, DECLARED, NONE) >= NONE && is_swift(s, half);
}

static int is_row(const Streams *s, const Stream *stream) {
    const Half *asked = &stream->half[0], *answered = &stream->half[1];
    return !stream->apart && is_plain(s, asked) && is_plain(s, answered) &&
           fits(s, asked, METHOD) && fits(s, asked, PATH) && asked->said[PROTOCOL] == UNKNOWN &&
           fits(s, answered, STATUS);
}

/* The number of a field among those of one kind that rows have. -1 with an error set. */
static int64_t row_number(Streams *s, uint32_t number, Memory *used) {
    Field *field = (Field *)(void *)s->fields.fields.bytes + number;
    if (field->number >= 0) return field->number;
    size_t count = used->used / sizeof number;
    if (memory_append(used, &number, sizeof number) < 0) return -1;
    field->number = (int32_t)count;
    return field->number;
}

static int same_request(void *context, uint32_t number, const char *text, size_t size) {
    return memcmp(((Streams *)context)->requests.bytes + size * number, text, size) == 0;
}

/* The number of a request line. -1 with an error set. */
static int64_t request_number(Streams *s, const Half *asked) {
    uint32_t pair[2] = {asked->said[METHOD], asked->said[PATH]};
    int failed = 0;
    uint64_t hash = hash_of((const char *)pair, sizeof pair, s->fields.index.seed);
    uint32_t number = index_find(&s->request_index, hash, same_request, s, (const char *)pair,
                                 sizeof pair, &failed);
    if (number != UNKNOWN) return number;
    size_t count = s->requests.used / sizeof pair;
    if (count >= INT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "too many request lines");
        return -1;
    }
    if (memory_append(&s->requests, pair, sizeof pair) < 0 ||
        index_add(&s->request_index, hash, (uint32_t)count) < 0)
        return -1;
    return (int64_t)count;
}

/* Tell Python of a body: what it is, declared length, length, coding, first frame, how many pieces,
 * and for each of them its buffer and where it begins and ends there. */
static int tell_body(Streams *s, const Half *half, int64_t kind) {
    int64_t said[] = {kind, stated(s, half, DECLARED, NONE), half->length,
                      stated(s, half, CODING, 0), item_u32(&s->frame, half->first), half->runs};
    if (memory_append(&s->told, said, sizeof said) < 0) return -1;
    uint32_t at = half->run;
    for (uint32_t k = 0; k < half->runs; k++) {
        const Run *run = (const Run *)(const void *)s->runs.bytes + at;
        int64_t piece[] = {run->buffer, run->begin, run->end};
        if (memory_append(&s->told, piece, sizeof piece) < 0) return -1;
        at = run->next;
    }
    return 0;
}

static int add_lines(Streams *s, const Half *half) {
    int64_t lines = 0;
    for (size_t at = half->from; at < half->to; at++) {
        uint32_t field = number_at(s, at);
        if (!field_of(&s->fields, field)->is_line) continue;
        int32_t number = (int32_t)row_number(s, field, &s->used);
        if (number < 0 || memory_append(&s->lines, &number, sizeof number) < 0) return -1;
        lines++;
    }
    return memory_append(&s->sizes, &lines, sizeof lines);
}

/* What a body is: one that is coded, or not as long as declared, is an object. */
static int64_t body_kind(const Streams *s, const Half *half) {
    int64_t declared = stated(s, half, DECLARED, NONE);
    if (!half->framed) return declared == NONE ? NOTHING : SILENT;
    if (stated(s, half, CODING, 0) != 0) return OTHER;
    return declared == NONE ? FRAMES : declared == half->length ? FRAMES_LENGTH : OTHER;
}

static int add_message(Streams *s, int d, const Half *half, int64_t start) {
    int64_t kind = body_kind(s, half);
    int64_t length = kind == OTHER ? s->bodies++ : half->length;
    if (kind == SILENT) length = stated(s, half, DECLARED, NONE);
    int64_t row[] = {start, kind, length,
                     item_u32(&s->frame, half->first), half->head.frame, half->last.frame,
                     item_i64(&s->time, half->first), half->head.time, half->last.time,
                     half->begin, half->last.repeats != half->repeats};
    if (start < 0 || memory_append(&s->messages[d], row, sizeof row) < 0) return -1;
    if (half->framed && tell_body(s, half, kind) < 0) return -1;
    return add_lines(s, half);
}

static int add_row(Streams *s, long long connection, size_t which) {
    const Stream *stream = stream_at(s, which);
    int64_t row[] = {connection, (int64_t)which + 1, stream->id};
    const Half *asked = &stream->half[0], *answered = &stream->half[1];
    if (memory_append(&s->rows, row, sizeof row) < 0) return -1;
    if (add_message(s, 0, asked, request_number(s, asked)) < 0) return -1;
    return add_message(s, 1, answered, row_number(s, answered->said[STATUS], &s->statuses));
}

/* The frame of the capture that a stream is first seen in. */
static uint32_t first_frame(const Streams *s, const Stream *stream) {
    uint32_t frame = item_u32(&s->frame, stream->half[0].first);
    const Half *answered = &stream->half[1];
    if (answered->begin == 0) return frame;
    uint32_t other = item_u32(&s->frame, answered->first);
    return other < frame ? other : frame;
}

/* Whether the streams are seen in the order of their ids, so that each is one exchange behind the
 * other. */
static int in_order(const Streams *s) {
    for (size_t k = 1; k < stream_count(s); k++)
        if (first_frame(s, stream_at(s, k)) < first_frame(s, stream_at(s, k - 1))) return 0;
    return 1;
}

/* what Python is told of a connection */

static int append_new(PyObject *list, PyObject *item) {
    int failed = item == NULL || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return failed ? -1 : 0;
}

/* Put the name and value of a field among those that are told, unless it is there: so each is made
 * once, however often it is sent. */
static int tell_field(const Streams *s, uint32_t number, PyObject *fields) {
    PyObject *key = PyLong_FromUnsignedLong(number);
    int there = key == NULL ? -1 : PyDict_Contains(fields, key);
    if (there == 0) {
        const Field *field = field_of(&s->fields, number);
        const char *text = text_of(&s->fields, number);
        PyObject *pair = Py_BuildValue("y#y#", text, (Py_ssize_t)field->name,
                                       text + field->name + 2, (Py_ssize_t)field->value);
        if (pair == NULL || PyDict_SetItem(fields, key, pair) < 0) there = -1;
        Py_XDECREF(pair);
    }
    Py_XDECREF(key);
    return there < 0 ? -1 : 0;
}

/* The frames of streams that Python is to read: (offset, the numbers of the fields in a header block
 * as u32). The fields are added to `fields`. */
static PyObject *frames_told(const Streams *s, int d, PyObject *fields) {
    const Memory *events = &s->end[d].events;
    PyObject *found = PyList_New(0);
    for (size_t k = 0; found != NULL && k < events->used / sizeof(Event); k++) {
        const Event *event = (const Event *)(const void *)events->bytes + k;
        if (!stream_at(s, event->stream)->apart) continue;
        int good = 1;
        const char *numbers = NULL; /* of DATA: told as None */
        Py_ssize_t size = 0;
        if (event->from != UNKNOWN) {
            numbers = s->numbers.used ? s->numbers.bytes + 4 * (size_t)event->from : "";
            size = 4 * ((Py_ssize_t)event->to - (Py_ssize_t)event->from);
            for (uint32_t at = event->from; good && at < event->to; at++)
                good = tell_field(s, number_at(s, at), fields) == 0;
        }
        PyObject *pair = good ? Py_BuildValue("Ly#", (long long)event->begin, numbers, size) : NULL;
        if (append_new(found, pair) < 0) Py_CLEAR(found);
    }
    return found;
}

/* What one end said: its notes, debug data, how many frames it steered with, bytes of DATA, the
 * smallest first window, how far its header blocks unfolded, where it was read up to, whether its
 * last frame is whole, and the frames that Python is to read. */
static PyObject *end_told(const Streams *s, int d, PyObject *fields) {
    const End *end = &s->end[d];
    PyObject *frames = fields == NULL ? NULL : frames_told(s, d, fields);
    if (frames == NULL) return NULL;
    return Py_BuildValue("y#OLLLLLiN", end->notes.used ? end->notes.bytes : "",
                         (Py_ssize_t)end->notes.used, end->texts, (long long)end->kept,
                         (long long)end->data, (long long)end->window, (long long)end->unfolded,
                         (long long)end->stop, end->whole, frames);
}

/* Ids and ordinals of the streams that Python is to read. */
static PyObject *apart_told(const Streams *s) {
    PyObject *found = PyList_New(0);
    for (size_t k = 0; found != NULL && k < stream_count(s); k++)
        if (stream_at(s, k)->apart &&
            append_new(found, Py_BuildValue("Ln", (long long)stream_at(s, k)->id,
                                            (Py_ssize_t)k + 1)) < 0)
            Py_CLEAR(found);
    return found;
}

static PyObject *schemes_told(const Streams *s) {
    PyObject *found = PyList_New(0);
    for (int k = 0; found != NULL && k < s->scheme_count; k++) {
        const Field *field = field_of(&s->fields, s->schemes[k]);
        const char *value = text_of(&s->fields, s->schemes[k]) + field->name + 2;
        if (append_new(found, PyBytes_FromStringAndSize(value, (Py_ssize_t)field->value)) < 0)
            Py_CLEAR(found);
    }
    return found;
}

static PyObject *told(const Streams *s) {
    PyObject *fields = PyDict_New();
    PyObject *parts[] = {schemes_told(s), apart_told(s), fields, end_told(s, 0, fields),
                         end_told(s, 1, fields)};
    PyObject *found = NULL;
    if (parts[0] && parts[1] && parts[2] && parts[3] && parts[4])
        found = Py_BuildValue("ny#OOOOO", (Py_ssize_t)stream_count(s),
                              s->told.used ? s->told.bytes : "", (Py_ssize_t)s->told.used, parts[0],
                              parts[1], parts[2], parts[3], parts[4]);
    for (int k = 0; k < 5; k++) Py_XDECREF(parts[k]);
    return found;
}

/* a connection */

static int connection_begin(Streams *s) {
    Memory *own[] = {&s->streams, &s->numbers, &s->runs, &s->told};
    for (int k = 0; k < 4; k++) own[k]->used = 0;
    s->scheme_count = 0;
    for (int d = 0; d < 2; d++) {
        End *end = &s->end[d];
        end->notes.used = end->events.used = 0;
        end->kept = end->data = end->unfolded = end->interims = 0;
        end->window = DEFAULT_WINDOW;
        end->stop = NONE;
        end->whole = 1;
        table_begin(&end->table);
        Py_XDECREF(end->texts);
        end->texts = PyList_New(0);
        if (end->texts == NULL) return -1;
    }
    return 0;
}

/* Give back what a large connection needed. */
static void connection_end(Streams *s) {
    Memory *own[] = {&s->streams, &s->numbers, &s->runs, &s->told, &s->scratch, &s->block,
                     &s->end[0].notes, &s->end[0].events, &s->end[1].notes, &s->end[1].events};
    for (size_t k = 0; k < sizeof own / sizeof *own; k++)
        if (own[k]->room > LARGE) memory_free(own[k]);
}

/* Read both directions, and make rows of what is plain. */
static int read_both(Streams *s, long long connection, Walk walk[2], const Limits *limits) {
    for (int d = 0; d < 2; d++) {
        int good = direction(s, d, &walk[d], limits);
        if (good <= 0) return good;
    }
    if (!in_order(s)) return 0;
    for (size_t k = 0; k < stream_count(s); k++) {
        if (!is_row(s, stream_at(s, k))) stream_at(s, k)->apart = 1;
        else if (add_row(s, connection, k) < 0) return -1;
    }
    return 1;
}

PyDoc_STRVAR(read_doc,
             "read(connection, ends, messages, frames, unfolded, /)\n--\n\n"
             "Read a connection; None when it is left to Python. `ends`: of each direction the rows\n"
             "of its pieces, from one up to another, the offset at which HTTP/2 begins, and whether\n"
             "they came in order and none of them twice. What one direction may have: messages,\n"
             "frames that steer, bytes of header fields.");

static PyObject *read_connection(PyObject *self, PyObject *args) {
    Streams *s = (Streams *)self;
    long long connection, offset[2];
    Py_ssize_t row[2], end[2];
    int clean[2];
    Limits limits;
    if (!PyArg_ParseTuple(args, "L((nnLp)(nnLp))LLL", &connection, &row[0], &end[0], &offset[0],
                          &clean[0], &row[1], &end[1], &offset[1], &clean[1], &limits.messages,
                          &limits.frames, &limits.unfolded))
        return NULL;
    if (s->busy) {
        PyErr_SetString(PyExc_ValueError, "one connection at a time, and none after an error");
        return NULL;
    }
    Walk walk[2];
    for (int d = 0; d < 2; d++)
        if (!walk_begin(&walk[d], s, row[d], end[d], offset[d], clean[d]))
            return Py_BuildValue("");
    s->busy = 1;
    int good = connection_begin(s) < 0 ? -1 : read_both(s, connection, walk, &limits);
    if (good < 0) return NULL;
    PyObject *found = good ? told(s) : Py_BuildValue("");
    s->busy = found == NULL;
    connection_end(s);
    return found;
}

/* all that was read */

static PyObject *bytes_from(const Memory *memory) {
    return PyBytes_FromStringAndSize(memory->used ? memory->bytes : "", (Py_ssize_t)memory->used);
}

PyDoc_STRVAR(columns_doc,
             "columns()\n--\n\n"
             "The rows: (connection, ordinal, stream) of each, two tables of messages (11\n"
             "columns), how many lines each block has (all i64), and the lines (i32).");

static PyObject *columns(PyObject *self, PyObject *unused) {
    Streams *s = (Streams *)self;
    (void)unused;
    PyObject *parts[] = {bytes_from(&s->rows), bytes_from(&s->messages[0]),
                         bytes_from(&s->messages[1]), bytes_from(&s->sizes), bytes_from(&s->lines)};
    PyObject *found = NULL;
    if (parts[0] && parts[1] && parts[2] && parts[3] && parts[4])
        found = PyTuple_Pack(5, parts[0], parts[1], parts[2], parts[3], parts[4]);
    for (int k = 0; k < 5; k++) Py_XDECREF(parts[k]);
    return found;
}

/* A text that is put together of parts of fields. */
static PyObject *text_from(Streams *s, const char *before, uint32_t first, const char *between,
                           uint32_t second, const char *behind) {
    Memory *out = &s->scratch;
    uint32_t which[] = {first, second};
    const char *around[] = {before, between, behind};
    out->used = 0;
    for (int k = 0; k < 3; k++) {
        if (memory_append(out, around[k], strlen(around[k])) < 0) return NULL;
        if (k == 2 || which[k] == UNKNOWN) continue;
        const Field *field = field_of(&s->fields, which[k]);
        const char *value = text_of(&s->fields, which[k]) + field->name + 2;
        if (memory_append(out, value, field->value) < 0) return NULL;
    }
    return bytes_from(out);
}

static uint32_t item_of(const Memory *memory, size_t at) {
    uint32_t item;
    memcpy(&item, memory->bytes + at * sizeof item, sizeof item);
    return item;
}

PyDoc_STRVAR(texts_doc,
             "texts()\n--\n\n"
             "The lists of lines, request lines and status lines that the rows have, by number.");

static PyObject *texts(PyObject *self, PyObject *unused) {
    Streams *s = (Streams *)self;
    (void)unused;
    PyObject *list[3] = {PyList_New(0), PyList_New(0), PyList_New(0)};
    int good = list[0] && list[1] && list[2];
    for (size_t k = 0; good && k < s->used.used / 4; k++) {
        uint32_t number = item_of(&s->used, k);
        const Field *field = field_of(&s->fields, number);
        PyObject *line = PyBytes_FromStringAndSize(text_of(&s->fields, number),
                                                   (Py_ssize_t)field->name + 2 + field->value);
        good = append_new(list[0], line) == 0;
    }
    for (size_t k = 0; good && k < s->requests.used / 8; k++)
        good = append_new(list[1], text_from(s, "", item_of(&s->requests, 2 * k), " ",
                                             item_of(&s->requests, 2 * k + 1), " HTTP/2")) == 0;
    for (size_t k = 0; good && k < s->statuses.used / 4; k++)
        good = append_new(list[2], text_from(s, "HTTP/2 ", item_of(&s->statuses, k), " ", UNKNOWN,
                                             "")) == 0;
    PyObject *found = good ? PyTuple_Pack(3, list[0], list[1], list[2]) : NULL;
    for (int k = 0; k < 3; k++) Py_XDECREF(list[k]);
    return found;
}

/* the type */

static void streams_free(PyObject *self) {
    Streams *s = (Streams *)self;
    Memory *grown[] = {&s->rows, &s->messages[0], &s->messages[1], &s->sizes, &s->lines, &s->used,
                       &s->statuses, &s->requests, &s->streams, &s->numbers, &s->runs, &s->scratch,
                       &s->block, &s->told};
    Column *lent[] = {&s->start, &s->length, &s->payload, &s->buffer, &s->frame, &s->time,
                      &s->repeated};
    for (size_t k = 0; k < sizeof grown / sizeof *grown; k++) memory_free(grown[k]);
    for (size_t k = 0; k < sizeof lent / sizeof *lent; k++) column_return(lent[k]);
    for (Py_ssize_t k = 0; k < s->buffer_count; k++) column_return(&s->buffers[k]);
    PyMem_Free(s->buffers);
    for (int d = 0; d < 2; d++) {
        memory_free(&s->end[d].notes);
        memory_free(&s->end[d].events);
        memory_free(&s->end[d].table.entries);
        Py_XDECREF(s->end[d].texts);
    }
    index_free(&s->request_index);
    fields_free(&s->fields);
    object_free(self);
}

/* Borrow the columns of the pieces, and the buffers in which they are. */
static int borrow(Streams *s, PyObject *const given[7], PyObject *buffers) {
    Column *column[] = {&s->start, &s->length, &s->payload, &s->buffer, &s->frame, &s->time,
                        &s->repeated};
    static const Py_ssize_t ITEM[] = {8, 4, 8, 1, 4, 8, 1};
    for (int k = 0; k < 7; k++)
        if (column_borrow(column[k], given[k], ITEM[k], k ? s->start.count : -1, 0) < 0) return -1;
    Py_ssize_t count = PyTuple_Size(buffers);
    s->buffers = PyMem_Calloc((size_t)count + 1, sizeof *s->buffers);
    if (s->buffers == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (; s->buffer_count < count; s->buffer_count++)
        if (column_borrow(&s->buffers[s->buffer_count], PyTuple_GetItem(buffers, s->buffer_count),
                          1, -1, 0) < 0)
            return -1;
    return 0;
}

static PyObject *streams_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *given[7], *buffers, *fixed, *watched, *examine;
    const char *lengths;
    Py_ssize_t count;
    long long pause;
    unsigned long long seed;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "(OOOOOOO)O!LO!y#O!OK", &given[0], &given[1], &given[2], &given[3],
                          &given[4], &given[5], &given[6], &PyTuple_Type, &buffers, &pause, &PyList_Type,
                          &fixed, &lengths, &count, &PyTuple_Type, &watched, &examine, &seed))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Streams *s = (Streams *)allocate(type, 0); /* all zeros */
    if (s == NULL) return NULL;
    s->pause = pause < 0 ? 0 : pause;
    s->request_index.seed = seed;
    if (fields_begin(&s->fields, fixed, (const uint8_t *)lengths, count, watched, examine, seed) < 0 ||
        borrow(s, given, buffers) < 0) {
        Py_DECREF(s);
        return NULL;
    }
    return (PyObject *)s;
}

static PyMethodDef methods[] = {
    {"read", read_connection, METH_VARARGS, read_doc},
    {"columns", columns, METH_NOARGS, columns_doc},
    {"texts", texts, METH_NOARGS, texts_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, streams_new},
    {Py_tp_dealloc, streams_free},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Streams(pieces, buffers, pause, fixed, lengths, watched, examine, seed, /)\n--\n\n"
                "The connections of HTTP/2 read so far."},
    {0, NULL},
};

PyType_Spec streams_spec = {
    .name = "lbtrace.compiled._core.Streams",
    .basicsize = sizeof(Streams),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
