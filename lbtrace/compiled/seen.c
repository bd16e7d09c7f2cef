/* Segments → of each stream how many there are of some kinds, and the first and last of some.
 *
 * The Python road is lbtrace/tcp/summary.py: `_seen`.
 */

#include "core.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* The columns of the segments that are given, in capture order. */
enum { STREAM, FLAGS, WINDOW, SIZE, GIVEN };
static const Py_ssize_t GIVEN_ITEM[GIVEN] = {0, 1, 0, 0};

/* Of streams, what is found: numbers of segments, then rows, -1 without. */
enum {
    PACKETS, FINS, RSTS, CLOSED,
    FIRST, LAST, FIRST_FIN, FIRST_RST, FIRST_LOAD, LAST_LOAD, FIRST_ACK, FIRST_CLOSED,
    OF_STREAMS,
};
static const Py_ssize_t STREAM_ITEM[OF_STREAMS] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};

typedef struct {
    Column given[GIVEN], of_streams[OF_STREAMS];
} Seen;

static void count(Seen *seen, int which, Py_ssize_t stream) {
    Column *column = &seen->of_streams[which];
    set_i32(column, stream, (int32_t)((uint32_t)item_i32(column, stream) + 1u));
}

static void first(Seen *seen, int which, Py_ssize_t stream, Py_ssize_t row) {
    Column *column = &seen->of_streams[which];
    if (item_i32(column, stream) < 0) set_i32(column, stream, (int32_t)row);
}

/* Note one segment. */
static void look_at(Seen *seen, Py_ssize_t stream, Py_ssize_t row) {
    uint8_t flags = item_u8(&seen->given[FLAGS], row);
    count(seen, PACKETS, stream);
    first(seen, FIRST, stream, row);
    set_i32(&seen->of_streams[LAST], stream, (int32_t)row);
    if (flags & ACK) first(seen, FIRST_ACK, stream, row);
    if (flags & FIN) {
        count(seen, FINS, stream);
        first(seen, FIRST_FIN, stream, row);
    }
    if (flags & RST) {
        count(seen, RSTS, stream);
        first(seen, FIRST_RST, stream, row);
    } else if (item_integer(&seen->given[SIZE], row) > 0) {
        first(seen, FIRST_LOAD, stream, row);
        set_i32(&seen->of_streams[LAST_LOAD], stream, (int32_t)row);
    }
    if ((flags & (SYN | FIN | RST)) == 0 && item_integer(&seen->given[WINDOW], row) == 0) {
        count(seen, CLOSED, stream);
        first(seen, FIRST_CLOSED, stream, row);
    }
}

PyObject *seen(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given, *streams, *result = NULL;
    Seen s;
    memset(&s, 0, sizeof s);
    if (!PyArg_ParseTuple(args, "O!O!", &PyTuple_Type, &given, &PyTuple_Type, &streams))
        return NULL;
    if (columns_borrow(s.given, given, GIVEN_ITEM, GIVEN, 0) == 0 &&
        columns_borrow(s.of_streams, streams, STREAM_ITEM, OF_STREAMS, 1) == 0) {
        Py_ssize_t rows = s.given[STREAM].count, row = 0;
        for (; row < rows && row < INT32_MAX; row++) {
            int64_t stream = item_integer(&s.given[STREAM], row);
            if (stream < 0 || stream >= s.of_streams[PACKETS].count) break;
            look_at(&s, (Py_ssize_t)stream, row);
        }
        if (row < rows) {
            PyErr_SetString(PyExc_IndexError, "no such stream");
        } else {
            Py_INCREF(Py_None);
            result = Py_None;
        }
    }
    columns_return(s.given, GIVEN);
    columns_return(s.of_streams, OF_STREAMS);
    return result;
}
