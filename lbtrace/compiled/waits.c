/* Segments in order → how often an end waited for an acknowledgement before it sent on.
 *
 * The Python road, with the reasons, is lbtrace/tcp/ack_waits.py: its functions have the names of
 * those here. Times may be anything a capture states, so they are subtracted as numpy does it:
 * without a sign, and read with one.
 */

#include "core.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* The columns of the segments that are given. */
enum { STREAM, TIME, FLAGS, SEQ, ACKED, SIZE, GIVEN };

/* Of streams, what is found. */
enum { COUNT, LONGEST, ROW, FOUND };
static const Py_ssize_t ITEM[FOUND] = {4, 8, 4};

typedef struct {
    Column given[GIVEN], found[FOUND];
    Py_ssize_t streams;
    int64_t late, latest, at_once, small; /* the bounds, as Python states them */
    int64_t *quickest;                    /* per stream */
    char *holds_nothing_back;             /* per stream */
    int64_t *last;                        /* per connection its last segments: two, or -1 */
} Waits;

static int64_t between(const Waits *w, int64_t before, int64_t then) {
    return (int64_t)((uint64_t)item_i64(&w->given[TIME], then) -
                     (uint64_t)item_i64(&w->given[TIME], before));
}

static uint32_t number(const Waits *w, int which, int64_t row) {
    return (uint32_t)item_i32(&w->given[which], row);
}

static int flags(const Waits *w, int64_t row) {
    return item_u8(&w->given[FLAGS], row);
}

static int64_t stream(const Waits *w, int64_t row) {
    return item_integer(&w->given[STREAM], row);
}

static int acknowledges(const Waits *w, int64_t before, int64_t then) {
    uint32_t size = number(w, SIZE, before) + ((flags(w, before) & SYN) != 0);
    return stream(w, then) == (stream(w, before) ^ 1) && size > 0 &&
           (flags(w, then) & (FIN | RST | ACK)) == ACK && (flags(w, before) & (FIN | RST)) == 0 &&
           number(w, ACKED, then) == (uint32_t)(number(w, SEQ, before) + size) &&
           ((flags(w, before) & ACK) == 0 || number(w, SEQ, then) == number(w, ACKED, before)) &&
           between(w, before, then) >= 0;
}

static int goes_on(const Waits *w, int64_t sent, int64_t rest) {
    uint32_t size = number(w, SIZE, sent), more = number(w, SIZE, rest);
    return stream(w, rest) == stream(w, sent) && size > 0 && more > 0 && more < w->small &&
           (flags(w, rest) & (SYN | RST)) == 0 && (flags(w, sent) & SYN) == 0 &&
           number(w, SEQ, rest) == (uint32_t)(number(w, SEQ, sent) + size) &&
           number(w, ACKED, rest) == number(w, ACKED, sent);
}

/* Whether three segments in a row are payload, its late acknowledgement, and what was held back. */
static int held_back(const Waits *w, int64_t sent, int64_t acked, int64_t rest) {
    int64_t took = between(w, sent, acked), of = stream(w, sent);
    if (took < w->late || took > w->latest || !acknowledges(w, sent, acked)) return 0;
    int64_t after = between(w, acked, rest), way = w->quickest[of ^ 1];
    int64_t twice = (int64_t)(2 * (uint64_t)after);
    return took - w->quickest[of] >= w->late && after <= took / 4 && twice >= way &&
           after <= 2 * way + w->at_once && number(w, SIZE, acked) == 0 && goes_on(w, sent, rest) &&
           !w->holds_nothing_back[of];
}

/* First what is known of each stream, then what it waited for. */
static void look_at_pair(Waits *w, int64_t before, int64_t then) {
    int64_t of = stream(w, before), took = between(w, before, then);
    if (acknowledges(w, before, then) && took < w->quickest[of]) w->quickest[of] = took;
    if (number(w, SIZE, before) < w->small && goes_on(w, before, then))
        w->holds_nothing_back[of] = 1;
}

static void look_at_three(Waits *w, int64_t sent, int64_t acked, int64_t rest) {
    if (!held_back(w, sent, acked, rest)) return;
    int64_t of = stream(w, sent), waited = between(w, sent, acked) - w->quickest[of];
    uint32_t count = (uint32_t)item_i32(&w->found[COUNT], of) + 1;
    int32_t row = (int32_t)rest;
    memcpy((char *)w->found[COUNT].view.buf + 4 * of, &count, sizeof count);
    if (waited < item_i64(&w->found[LONGEST], of)) return;
    set_i64(&w->found[LONGEST], of, waited);
    memcpy((char *)w->found[ROW].view.buf + 4 * of, &row, sizeof row);
}

/* Go through the segments of each connection, in order. 0, or -1 with an error set. */
static int walk(Waits *w, int three) {
    for (Py_ssize_t k = 0; k < w->streams / 2 * 2; k++) w->last[k] = -1;
    for (Py_ssize_t row = 0; row < w->given[STREAM].count; row++) {
        int64_t of = stream(w, row);
        if (of < 0 || of >= w->streams) {
            PyErr_SetString(PyExc_IndexError, "no such stream");
            return -1;
        }
        int64_t *last = w->last + of / 2 * 2; /* the one before, and the one before that */
        if (three && last[1] >= 0) look_at_three(w, last[1], last[0], row);
        if (!three && last[0] >= 0) look_at_pair(w, last[0], row);
        last[1] = last[0];
        last[0] = row;
    }
    return 0;
}

/* Borrow the columns and make room. Whether that is so; else an error is set. */
static int waits_borrow(Waits *w, PyObject *given, PyObject *found) {
    static const Py_ssize_t sizes[GIVEN] = {0, 8, 1, 4, 4, 4};
    if (PyTuple_Size(given) != GIVEN || PyTuple_Size(found) != FOUND) {
        PyErr_SetString(PyExc_ValueError, "not all columns are given");
        return 0;
    }
    if (column_borrow_integers(&w->given[STREAM], PyTuple_GetItem(given, STREAM), -1) < 0) return 0;
    for (int k = TIME; k < GIVEN; k++)
        if (column_borrow(&w->given[k], PyTuple_GetItem(given, k), sizes[k], w->given[STREAM].count,
                          0) < 0)
            return 0;
    for (int k = 0; k < FOUND; k++)
        if (column_borrow(&w->found[k], PyTuple_GetItem(found, k), ITEM[k],
                          k ? w->found[COUNT].count : -1, 1) < 0)
            return 0;
    w->streams = w->found[COUNT].count;
    if (w->streams % 2 != 0) {
        PyErr_SetString(PyExc_ValueError, "a connection has two streams");
        return 0;
    }
    size_t streams = (size_t)w->streams + 1;
    w->quickest = PyMem_Calloc(streams, sizeof *w->quickest);
    w->last = PyMem_Calloc(streams, sizeof *w->last);
    w->holds_nothing_back = PyMem_Calloc(streams, 1);
    if (w->quickest == NULL || w->last == NULL || w->holds_nothing_back == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (Py_ssize_t k = 0; k < w->streams; k++) w->quickest[k] = w->latest;
    return 1;
}

PyObject *ack_waits(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given, *found, *result = NULL;
    long long late, latest, at_once, small;
    Waits w;
    memset(&w, 0, sizeof w);
    if (!PyArg_ParseTuple(args, "O!LLLLO!", &PyTuple_Type, &given, &late, &latest, &at_once, &small,
                          &PyTuple_Type, &found))
        return NULL;
    if (late < 0 || late > latest || latest > INT64_MAX / 4 || at_once < 0 ||
        at_once > INT64_MAX / 4) {
        PyErr_SetString(PyExc_ValueError, "no such bounds");
        return NULL;
    }
    w.late = late, w.latest = latest, w.at_once = at_once, w.small = small;
    if (waits_borrow(&w, given, found) && walk(&w, 0) == 0 && walk(&w, 1) == 0) {
        Py_INCREF(Py_None);
        result = Py_None;
    }
    for (int k = 0; k < GIVEN; k++) column_return(&w.given[k]);
    for (int k = 0; k < FOUND; k++) column_return(&w.found[k]);
    PyMem_Free(w.quickest);
    PyMem_Free(w.last);
    PyMem_Free(w.holds_nothing_back);
    return result;
}
