/* ACK numbers → offsets in the opposite stream.
 *
 * The Python road, with the reasons, is lbtrace/tcp/acknowledged.py. Where a stream is longer than a
 * distance on the ring can tell, only that road is taken.
 */

#include "core.h"

enum { RST = 4, ACK = 16 };

/* The columns of the segments that are given, in capture order. */
enum { STREAM, ACKED, FLAGS, GIVEN };
static const Py_ssize_t GIVEN_ITEM[GIVEN] = {0, 4, 1};

/* Of streams: where it begins (-1 where that is not known) and up to where an offset is believed;
 * and, found, the highest offset that was acknowledged, and the last one. */
enum { BASE, LIMIT, END, FINAL, OF_STREAMS };
static const Py_ssize_t STREAM_ITEM[OF_STREAMS] = {8, 8, 8, 8};

/* Of pieces: the segment it is of; and, found, what that one acknowledged. */
enum { ROW, OFFSET, OF_PIECES };
static const Py_ssize_t PIECE_ITEM[OF_PIECES] = {4, 8};

typedef struct {
    Column given[GIVEN], of_streams[OF_STREAMS], of_pieces[OF_PIECES];
    int64_t window; /* a segment farther away is no part of the stream */
} Acks;

/* What a segment acknowledged of the opposite stream, `*peer`. Whether it is to be believed; -1 with
 * an error set. */
static int offset_of(const Acks *a, Py_ssize_t row, Py_ssize_t *peer, int64_t *offset) {
    if ((item_u8(&a->given[FLAGS], row) & (ACK | RST)) != ACK) return 0;
    *peer = (Py_ssize_t)(item_integer(&a->given[STREAM], row) ^ 1);
    if (*peer < 0 || *peer >= a->of_streams[BASE].count) {
        PyErr_SetString(PyExc_IndexError, "no such stream");
        return -1;
    }
    int64_t base = item_i64(&a->of_streams[BASE], *peer);
    *offset = (int32_t)((uint32_t)item_i32(&a->given[ACKED], row) - (uint32_t)base);
    return base >= 0 && *offset > -a->window && *offset <= item_i64(&a->of_streams[LIMIT], *peer);
}

/* How far each stream was acknowledged. 0, or -1 with an error set. */
static int find_ends(Acks *a) {
    for (Py_ssize_t row = 0; row < a->given[STREAM].count; row++) {
        Py_ssize_t peer;
        int64_t offset;
        int believed = offset_of(a, row, &peer, &offset);
        if (believed < 0) return -1;
        if (!believed) continue;
        if (offset < 0) offset = 0;
        if (offset > item_i64(&a->of_streams[END], peer))
            set_i64(&a->of_streams[END], peer, offset);
        set_i64(&a->of_streams[FINAL], peer, offset);
    }
    return 0;
}

/* What the segment of each piece acknowledged. 0, or -1 with an error set. */
static int find_offsets(Acks *a) {
    for (Py_ssize_t piece = 0; piece < a->of_pieces[ROW].count; piece++) {
        Py_ssize_t row = item_i32(&a->of_pieces[ROW], piece), peer;
        int64_t offset = -1;
        if (row < 0 || row >= a->given[STREAM].count) {
            PyErr_SetString(PyExc_IndexError, "no such segment");
            return -1;
        }
        int believed = offset_of(a, row, &peer, &offset);
        if (believed < 0) return -1;
        set_i64(&a->of_pieces[OFFSET], piece, believed && offset >= 0 ? offset : -1);
    }
    return 0;
}

PyObject *acknowledged(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given, *streams, *pieces, *result = NULL;
    long long window;
    Acks a;
    memset(&a, 0, sizeof a);
    if (!PyArg_ParseTuple(args, "O!O!O!L", &PyTuple_Type, &given, &PyTuple_Type, &streams,
                          &PyTuple_Type, &pieces, &window))
        return NULL;
    a.window = window;
    if (window < 0)
        PyErr_SetString(PyExc_ValueError, "no such window");
    else if (columns_borrow(a.given, given, GIVEN_ITEM, GIVEN, 0) == 0 &&
             columns_borrow(a.of_streams, streams, STREAM_ITEM, OF_STREAMS, 1) == 0 &&
             columns_borrow(a.of_pieces, pieces, PIECE_ITEM, OF_PIECES, 1) == 0 &&
             find_ends(&a) == 0 && find_offsets(&a) == 0) {
        Py_INCREF(Py_None);
        result = Py_None;
    }
    columns_return(a.given, GIVEN);
    columns_return(a.of_streams, OF_STREAMS);
    columns_return(a.of_pieces, OF_PIECES);
    return result;
}
