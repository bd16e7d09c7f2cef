/* Pieces of streams → bursts, each perhaps one HTTP/1 message.
 *
 * The Python road, which says what a burst is and when a connection is in order, is
 * lbtrace/http/bulk/bursts.py; this is the walk over the pieces that it makes with columns.
 */

#include "core.h"
#include <stdlib.h>

/* What is given: of each piece the buffer it is in and where, its length, its place in the stream,
 * its frame, what it acknowledges, whether it came again; the pieces of each stream; whether a
 * stream is clean. */
enum { BUFFER, PAYLOAD, LENGTH, START, FRAME, ACKED, REPEATED, FIRST, CLEAN, GIVEN };
static const Py_ssize_t GIVEN_ITEM[GIVEN] = {1, 8, 4, 8, 4, 8, 1, 8, 1};

/* What is found: the columns of Bursts. */
enum { ROW, BEGIN, STREAM, SIZE, AGAIN, IN_ORDER, FOUND };
static const Py_ssize_t FOUND_ITEM[FOUND] = {8, 8, 8, 8, 1, 1};

typedef struct {
    int64_t frame, row;
} Piece;

typedef struct {
    Column given[GIVEN], found[FOUND];
    Column *views; /* the buffers */
    Py_ssize_t view_count;
    int64_t least;                 /* bytes of a piece that may begin a message */
    const char *answer, *methods;  /* what responses begin with; four letters of each method */
    Py_ssize_t answer_size, methods_size;
    Memory pieces;                 /* of one connection, by frame */
    int64_t rows, bursts;          /* found so far */
} Walk;

static uint32_t length_of(const Walk *w, int64_t row) {
    return (uint32_t)item_i32(&w->given[LENGTH], row);
}

/* The bytes that a piece begins with; NULL where it is too short, or with an error set. */
static const char *text_of(const Walk *w, int64_t row) {
    int64_t view = item_u8(&w->given[BUFFER], row), at = item_i64(&w->given[PAYLOAD], row);
    if (length_of(w, row) < w->least) return NULL;
    if (view < w->view_count && at >= 0 && at <= w->views[view].count - w->least)
        return (const char *)w->views[view].view.buf + at;
    PyErr_SetString(PyExc_IndexError, "a piece lies outside its buffer");
    return NULL;
}

/* Whether a piece begins like a message; `surely`, whatever is before it. */
static int begins(const Walk *w, int64_t row, int server, int surely) {
    const char *text = text_of(w, row);
    if (text == NULL) return 0;
    if (server) return memcmp(text, w->answer, (size_t)w->answer_size) == 0;
    if (!surely) return *text >= 'A' && *text <= 'Z';
    for (Py_ssize_t at = 0; at < w->methods_size; at += 4)
        if (memcmp(text, w->methods + at, 4) == 0) return 1;
    return 0;
}

static int by_frame(const void *one, const void *other) {
    const Piece *a = one, *b = other;
    if (a->frame != b->frame) return a->frame < b->frame ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* The rows of a stream, behind those of the stream before: so no two have a row in common. Whether
 * that is so; else an error is set. */
static int rows_of(const Walk *w, int64_t stream, int64_t *low, int64_t *high) {
    *low = item_i64(&w->given[FIRST], stream);
    *high = item_i64(&w->given[FIRST], stream + 1);
    if (*low >= 0 && *low <= *high && *high <= w->given[BUFFER].count) return 1;
    PyErr_SetString(PyExc_IndexError, "a stream lies outside its pieces");
    return 0;
}

/* The pieces of a connection by frame: those of both ends are mostly in order, and are merged. How
 * many there are; -1 with an error set. */
static int64_t gather(Walk *w, int64_t connection) {
    int64_t low[2], high[2], last = -1;
    int sorted = 1;
    for (int end = 0; end < 2; end++)
        if (!rows_of(w, 2 * connection + end, &low[end], &high[end])) return -1;
    w->pieces.used = 0;
    while (low[0] < high[0] || low[1] < high[1]) {
        int64_t frame[2];
        for (int end = 0; end < 2; end++)
            frame[end] = low[end] < high[end]
                             ? (int64_t)(uint32_t)item_i32(&w->given[FRAME], low[end])
                             : INT64_MAX;
        int end = frame[1] < frame[0];
        Piece piece = {frame[end], low[end]++};
        sorted = sorted && piece.frame >= last;
        last = piece.frame;
        if (memory_append(&w->pieces, &piece, sizeof piece) < 0) return -1;
    }
    size_t count = w->pieces.used / sizeof(Piece);
    if (!sorted) qsort(w->pieces.bytes, count, sizeof(Piece), by_frame);
    return (int64_t)count;
}

/* Whether a piece goes on with the burst of the one before it, which is of the same end. */
static int goes_on(const Walk *w, int64_t before, int64_t row, int server) {
    uint64_t end = (uint64_t)item_i64(&w->given[START], before) + length_of(w, before);
    if ((uint64_t)item_i64(&w->given[START], row) != end) return 0;
    if (item_i64(&w->given[ACKED], row) != item_i64(&w->given[ACKED], before) &&
        begins(w, row, server, 0))
        return 0;
    return !begins(w, row, server, 1);
}

/* Note a piece that begins a burst, or goes on with it. */
static void note(Walk *w, int64_t row, int64_t stream, int fresh) {
    if (fresh) {
        set_i64(&w->found[BEGIN], w->bursts, w->rows);
        set_i64(&w->found[STREAM], w->bursts, stream);
        set_i64(&w->found[SIZE], w->bursts, 0);
        set_u8(&w->found[AGAIN], w->bursts++, 0);
    }
    int64_t burst = w->bursts - 1;
    set_i64(&w->found[ROW], w->rows++, row);
    set_i64(&w->found[SIZE], burst, item_i64(&w->found[SIZE], burst) + length_of(w, row));
    if (item_u8(&w->given[REPEATED], row)) set_u8(&w->found[AGAIN], burst, 1);
}

/* The bursts of one connection. 0, or -1 with an error set. */
static int walk(Walk *w, int64_t connection) {
    int64_t count = gather(w, connection), client = 2 * connection, first, split;
    /* the server's pieces are behind the client's */
    if (count < 0 || !rows_of(w, client, &first, &split)) return -1;
    int sides = 0, in_order = 1, kept = 0, last_server = 1;
    int64_t before = -1, opened = -1; /* the piece before; the one that began the burst before */
    for (int64_t k = 0; k < count; k++) {
        Piece piece;
        memcpy(&piece, w->pieces.bytes + (size_t)k * sizeof piece, sizeof piece);
        int64_t row = piece.row;
        int server = row >= split, fresh = before < 0 || server != last_server ||
                                           !goes_on(w, before, row, server);
        sides |= 1 << server;
        if (fresh) {
            int64_t had = item_i64(&w->given[ACKED], row);
            kept = begins(w, row, server, 0);
            if (!kept || server == last_server) in_order = 0;
            if (server && opened >= 0 && had > 0 && had <= item_i64(&w->given[START], opened))
                in_order = 0;
            opened = row;
        }
        if (PyErr_Occurred()) return -1;
        if (kept) note(w, row, client + server, fresh);
        before = row;
        last_server = server;
    }
    in_order = in_order && sides == 3 && item_u8(&w->given[CLEAN], client) &&
               item_u8(&w->given[CLEAN], client + 1);
    set_u8(&w->found[IN_ORDER], connection, (uint8_t)in_order);
    return 0;
}

/* Borrow all columns. Whether they fit together; else an error is set. */
static int walk_borrow(Walk *w, PyObject *views, PyObject *given, PyObject *found) {
    w->view_count = PyTuple_Size(views);
    w->views = PyMem_Calloc((size_t)w->view_count + 1, sizeof *w->views);
    if (w->views == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    if (PyTuple_Size(given) != GIVEN || PyTuple_Size(found) != FOUND) {
        PyErr_SetString(PyExc_ValueError, "not all columns are given");
        return 0;
    }
    for (Py_ssize_t k = 0; k < w->view_count; k++)
        if (column_borrow(&w->views[k], PyTuple_GetItem(views, k), 1, -1, 0) < 0) return 0;
    for (int k = 0; k < GIVEN; k++)
        if (column_borrow(&w->given[k], PyTuple_GetItem(given, k), GIVEN_ITEM[k],
                          k > BUFFER && k < FIRST ? w->given[BUFFER].count : -1, 0) < 0)
            return 0;
    Py_ssize_t pieces = w->given[BUFFER].count, streams = w->given[CLEAN].count;
    if (streams % 2 != 0 || w->given[FIRST].count != streams + 1) {
        PyErr_SetString(PyExc_ValueError, "a connection has two streams");
        return 0;
    }
    for (int k = 0; k < FOUND; k++)
        if (column_borrow(&w->found[k], PyTuple_GetItem(found, k), FOUND_ITEM[k],
                          k == IN_ORDER ? streams / 2 : pieces + (k == BEGIN), 1) < 0)
            return 0;
    return 1;
}

PyObject *bursts(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *views, *given, *found, *result = NULL;
    long long least;
    Walk w;
    memset(&w, 0, sizeof w);
    if (!PyArg_ParseTuple(args, "O!O!O!Ly#y#", &PyTuple_Type, &views, &PyTuple_Type, &given,
                          &PyTuple_Type, &found, &least, &w.answer, &w.answer_size, &w.methods,
                          &w.methods_size))
        return NULL;
    if (least < 4 || least > 4096 || w.answer_size > least || w.methods_size % 4 != 0) {
        PyErr_SetString(PyExc_ValueError, "no such beginnings of messages");
        return NULL;
    }
    w.least = least;
    int good = walk_borrow(&w, views, given, found);
    for (Py_ssize_t k = 0; good && k < w.given[CLEAN].count / 2; k++) good = walk(&w, k) == 0;
    if (good) {
        set_i64(&w.found[BEGIN], (Py_ssize_t)w.bursts, w.rows);
        result = Py_BuildValue("LL", (long long)w.rows, (long long)w.bursts);
    }
    for (Py_ssize_t k = 0; w.views != NULL && k < w.view_count; k++) column_return(&w.views[k]);
    PyMem_Free(w.views);
    for (int k = 0; k < GIVEN; k++) column_return(&w.given[k]);
    for (int k = 0; k < FOUND; k++) column_return(&w.found[k]);
    memory_free(&w.pieces);
    return result;
}
