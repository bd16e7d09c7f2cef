/* SYNs → the TCP options in them (RFC 9293 §3.2, RFC 7323).
 *
 * The Python road, with the reasons, is lbtrace/tcp/fingerprint.py.
 */

#include "core.h"

#define HEADER 20       /* bytes of a TCP header without options */
#define MOST_OPTIONS 40 /* bytes of options, and so the most options there are */

enum { END_OF_LIST, NO_OPERATION, MSS, SCALE, SACK, STAMP = 8 };

/* Of SYNs: the buffer each is in, where its payload begins there, how long its header is. */
enum { BUFFER, PAYLOAD, HEADER_SIZE, GIVEN };
static const Py_ssize_t GIVEN_ITEM[GIVEN] = {0, 8, 0};

/* What is found of each. */
enum { FOUND_MSS, FOUND_SCALE, FOUND_STAMP, FOUND_SACK, FOUND };
static const Py_ssize_t FOUND_ITEM[FOUND] = {4, 2, 8, 1};

typedef struct {
    Column given[GIVEN], found[FOUND];
    Column kinds; /* MOST_OPTIONS for each SYN */
    Column *views;
    Py_ssize_t view_count;
} Syns;

/* The captured options of a SYN, and how many bytes they have; 0 when its header is not there. */
static int64_t options_of(const Syns *syns, Py_ssize_t at, const uint8_t **options) {
    int64_t view = item_integer(&syns->given[BUFFER], at);
    int64_t payload = item_i64(&syns->given[PAYLOAD], at);
    if (view < 0 || view >= syns->view_count || payload < 0) return 0;
    int64_t start = payload - item_integer(&syns->given[HEADER_SIZE], at);
    const Column *data = &syns->views[view];
    if (start < 0 || start > data->count - HEADER) return 0;
    const uint8_t *header = (const uint8_t *)data->view.buf + start;
    int64_t size = (header[12] >> 4) * 4 - HEADER; /* as it is stated */
    /* a snapshot length may have cut the options */
    if (size > payload - start - HEADER) size = payload - start - HEADER;
    if (size > data->count - start - HEADER) size = data->count - start - HEADER;
    *options = header + HEADER;
    return size > 0 ? size : 0;
}

/* The number of `size` bytes. */
static uint32_t number_of(const uint8_t *bytes, int size) {
    uint32_t number = 0;
    for (int k = 0; k < size; k++) number = number << 8 | bytes[k];
    return number;
}

/* Note one option, whole as it is. */
static void note(Syns *syns, Py_ssize_t at, const uint8_t *option, int64_t length) {
    if (option[0] == MSS && length == 4)
        set_i32(&syns->found[FOUND_MSS], at, (int32_t)number_of(option + 2, 2));
    if (option[0] == SCALE && length == 3) {
        int16_t scale = option[2];
        memcpy((char *)syns->found[FOUND_SCALE].view.buf + 2 * at, &scale, sizeof scale);
    }
    if (option[0] == STAMP && length == 10)
        set_i64(&syns->found[FOUND_STAMP], at, number_of(option + 2, 4));
    if (option[0] == SACK) set_u8(&syns->found[FOUND_SACK], at, 1);
}

/* Walk through the options of one SYN, up to one that is cut off or has an impossible length. */
static void walk(Syns *syns, Py_ssize_t at) {
    const uint8_t *options = NULL;
    int64_t size = options_of(syns, at, &options);
    for (int64_t here = 0, step = 0; here < size && step < MOST_OPTIONS; step++) {
        uint8_t kind = options[here];
        int64_t length = 1;
        if (kind != NO_OPERATION) {
            length = here + 1 < size ? options[here + 1] : 0;
            if (kind == END_OF_LIST || length < 2 || length > size - here) return;
        }
        set_u8(&syns->kinds, MOST_OPTIONS * at + (Py_ssize_t)step, kind);
        note(syns, at, options + here, length);
        here += length;
    }
}

/* Borrow the buffers. Whether that is so; else an error is set. */
static int views_borrow(Syns *syns, PyObject *views) {
    syns->views = PyMem_Calloc((size_t)PyTuple_Size(views) + 1, sizeof *syns->views);
    if (syns->views == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (; syns->view_count < PyTuple_Size(views); syns->view_count++)
        if (column_borrow(&syns->views[syns->view_count],
                          PyTuple_GetItem(views, syns->view_count), 1, -1, 0) < 0)
            return 0;
    return 1;
}

PyObject *options(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *views, *given, *kinds, *found, *result = NULL;
    Syns syns;
    memset(&syns, 0, sizeof syns);
    if (!PyArg_ParseTuple(args, "O!O!OO!", &PyTuple_Type, &views, &PyTuple_Type, &given, &kinds,
                          &PyTuple_Type, &found))
        return NULL;
    if (views_borrow(&syns, views) && columns_borrow(syns.given, given, GIVEN_ITEM, GIVEN, 0) == 0 &&
        columns_borrow(syns.found, found, FOUND_ITEM, FOUND, 1) == 0 &&
        column_borrow(&syns.kinds, kinds, 1, MOST_OPTIONS * syns.given[BUFFER].count, 1) == 0) {
        if (syns.found[FOUND_MSS].count == syns.given[BUFFER].count) {
            for (Py_ssize_t at = 0; at < syns.given[BUFFER].count; at++) walk(&syns, at);
            Py_INCREF(Py_None);
            result = Py_None;
        } else {
            PyErr_SetString(PyExc_ValueError, "there is no place for each SYN");
        }
    }
    columns_return(syns.views, (int)syns.view_count);
    PyMem_Free(syns.views);
    columns_return(syns.given, GIVEN);
    columns_return(syns.found, FOUND);
    column_return(&syns.kinds);
    return result;
}
