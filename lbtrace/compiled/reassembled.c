/* Segments → the pieces of those streams in which each segment begins exactly where the one before
 * it ended.
 *
 * The Python road, with the reasons, is lbtrace/tcp/reassemble.py: `_occupying`, `_dirty` and
 * `_in_order`. Streams with a segment that begins anywhere else are dirty, and left to Python.
 */

#include "core.h"

enum { FIN = 1, SYN = 2, RST = 4 };

/* The columns of the segments that are given, in capture order. `SIZE`: bytes that were captured. */
enum { STREAM, FLAGS, SEQ, WIRE, SIZE, GIVEN };
static const Py_ssize_t GIVEN_ITEM[GIVEN] = {0, 1, 4, 4, 0};

/* Of streams: what is known, and what is found. */
enum { BASE, DIRTY, END, FIN_AT, CAPTURED, OF_STREAMS };
static const Py_ssize_t STREAM_ITEM[OF_STREAMS] = {8, 1, 8, 8, 8};

/* Of pieces, what is found. */
enum { PIECE_STREAM, ROW, START, LENGTH, OF_PIECES };
static const Py_ssize_t PIECE_ITEM[OF_PIECES] = {4, 4, 8, 4};

/* A stream, as far as it was followed. */
typedef struct {
    int64_t end, captured, pieces;
    uint32_t expected; /* the sequence number after the last segment */
    uint8_t begun, finished;
} Followed;

typedef struct {
    Column given[GIVEN], of_streams[OF_STREAMS], of_pieces[OF_PIECES];
    Followed *followed;
    Py_ssize_t rows, streams;
} Assembly;

/* A segment that occupies sequence space. */
typedef struct {
    int64_t stream;
    uint32_t seq, wire; /* of its first byte of payload, or of its FIN; bytes on the wire */
    int64_t captured;
    int is_fin;
} Segment;

static uint32_t number(const Assembly *a, int which, Py_ssize_t row) {
    return (uint32_t)item_i32(&a->given[which], row);
}

/* The segment of a row. Whether it occupies sequence space, and is no RST. */
static int occupies(const Assembly *a, Py_ssize_t row, Segment *segment) {
    uint8_t flags = item_u8(&a->given[FLAGS], row);
    segment->wire = number(a, WIRE, row);
    if ((flags & RST) || !(segment->wire || (flags & (SYN | FIN)))) return 0;
    segment->stream = item_integer(&a->given[STREAM], row);
    segment->seq = number(a, SEQ, row) + ((flags & SYN) != 0); /* a SYN is before its payload */
    segment->is_fin = (flags & FIN) != 0;
    segment->captured = item_integer(&a->given[SIZE], row);
    if (segment->captured > segment->wire) segment->captured = segment->wire;
    return 1;
}

static int is_dirty(const Assembly *a, int64_t stream) {
    return item_u8(&a->of_streams[DIRTY], (Py_ssize_t)stream) != 0;
}

/* Whether a segment begins where its stream was expected to go on. The first one captured shows
 * where a stream begins whose SYN was not captured. */
static int follows(Assembly *a, const Followed *of, const Segment *segment) {
    Column *base = &a->of_streams[BASE];
    if (of->begun) return segment->seq == of->expected && !of->finished;
    int64_t known = item_i64(base, (Py_ssize_t)segment->stream);
    if (known < 0) set_i64(base, (Py_ssize_t)segment->stream, segment->seq);
    return known < 0 || segment->seq == known;
}

/* Find the streams that are not in order, and where the others end. 0, or -1 with an error set. */
static int follow_all(Assembly *a) {
    for (Py_ssize_t row = 0; row < a->rows; row++) {
        Segment segment;
        if (!occupies(a, row, &segment)) continue;
        if (segment.stream < 0 || segment.stream >= a->streams) {
            PyErr_SetString(PyExc_IndexError, "no such stream");
            return -1;
        }
        Followed *of = &a->followed[segment.stream];
        if (!follows(a, of, &segment))
            set_u8(&a->of_streams[DIRTY], (Py_ssize_t)segment.stream, 1);
        of->begun = 1;
        of->finished = (uint8_t)segment.is_fin;
        of->expected = segment.seq + segment.wire;
        of->end += segment.wire;
        of->pieces += segment.captured > 0;
        if (segment.captured > 0) of->captured += segment.captured;
    }
    return 0;
}

/* Note what is known of the streams in order, and where the pieces of each go. How many pieces they
 * have together. */
static int64_t note_streams(Assembly *a) {
    int64_t pieces = 0;
    for (Py_ssize_t stream = 0; stream < a->streams; stream++) {
        Followed *of = &a->followed[stream];
        if (!of->begun || is_dirty(a, stream)) continue;
        set_i64(&a->of_streams[END], stream, of->end);
        set_i64(&a->of_streams[CAPTURED], stream, of->captured);
        if (of->finished) set_i64(&a->of_streams[FIN_AT], stream, of->end);
        int64_t own = of->pieces;
        of->pieces = pieces; /* from here on: where the next one goes */
        of->end = 0;         /* and: where in the stream it begins */
        pieces += own;
    }
    return pieces;
}

/* Write the pieces of the streams in order. */
static void write_pieces(Assembly *a) {
    for (Py_ssize_t row = 0; row < a->rows; row++) {
        Segment segment;
        if (!occupies(a, row, &segment) || is_dirty(a, segment.stream)) continue;
        Followed *of = &a->followed[segment.stream];
        if (segment.captured > 0) {
            Py_ssize_t at = (Py_ssize_t)of->pieces++;
            set_i32(&a->of_pieces[PIECE_STREAM], at, (int32_t)segment.stream);
            set_i32(&a->of_pieces[ROW], at, (int32_t)row);
            set_i64(&a->of_pieces[START], at, of->end);
            set_i32(&a->of_pieces[LENGTH], at, (int32_t)segment.captured);
        }
        of->end += segment.wire;
    }
}

/* Borrow the columns and make room. Whether that is so; else an error is set. */
static int assembly_borrow(Assembly *a, PyObject *given, PyObject *streams, PyObject *pieces) {
    if (columns_borrow(a->given, given, GIVEN_ITEM, GIVEN, 0) < 0 ||
        columns_borrow(a->of_streams, streams, STREAM_ITEM, OF_STREAMS, 1) < 0 ||
        columns_borrow(a->of_pieces, pieces, PIECE_ITEM, OF_PIECES, 1) < 0)
        return 0;
    a->rows = a->given[STREAM].count;
    a->streams = a->of_streams[BASE].count;
    if (a->of_pieces[ROW].count < a->rows || a->rows > INT32_MAX || a->streams > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "there is no room for a piece of each segment");
        return 0;
    }
    a->followed = PyMem_Calloc((size_t)a->streams + 1, sizeof *a->followed);
    if (a->followed == NULL) PyErr_NoMemory();
    return a->followed != NULL;
}

PyObject *reassembled(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given, *streams, *pieces, *result = NULL;
    Assembly a;
    memset(&a, 0, sizeof a);
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyTuple_Type, &given, &PyTuple_Type, &streams,
                          &PyTuple_Type, &pieces))
        return NULL;
    if (assembly_borrow(&a, given, streams, pieces) && follow_all(&a) == 0) {
        int64_t count = note_streams(&a);
        write_pieces(&a);
        result = PyLong_FromLongLong(count);
    }
    columns_return(a.given, GIVEN);
    columns_return(a.of_streams, OF_STREAMS);
    columns_return(a.of_pieces, OF_PIECES);
    PyMem_Free(a.followed);
    return result;
}
