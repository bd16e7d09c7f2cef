/* The compiled core as a Python module. `lbtrace/compiled/_core.pyi` says what it offers. */

#include "core.h"

#ifndef SOURCES
#define SOURCES "" /* the digest of the C files, from the build (hatch_build.py) */
#endif

PyDoc_STRVAR(gathered_doc,
             "gathered(views, view, begin, end, /)\n--\n\n"
             "The bytes views[view[k]][begin[k]:end[k]] of every k, joined.");

PyDoc_STRVAR(numbered_doc,
             "numbered(known, texts, /)\n--\n\n"
             "The number of each text of a list in a dictionary, as i64; a new text gets the next.");

PyDoc_STRVAR(names_doc,
             "names(lines, /)\n--\n\n"
             "The distinct names of field lines (bytes), and the number of each line's own as i64.");

PyDoc_STRVAR(values_doc,
             "values(lines, /)\n--\n\n"
             "The numbers of the values of field lines (str), and that of each line's own as i64.");

PyDoc_STRVAR(request_parts_doc,
             "request_parts(lines, /)\n--\n\n"
             "Of request lines: the distinct methods, and the number of each line's own as i64; all\n"
             "targets; the versions, as the methods.");

/* How many bytes the pieces have together, each of which must lie in its buffer. -1 with an error
 * set. */
static Py_ssize_t total(const Column *held, Py_ssize_t buffers, const Column column[3]) {
    Py_ssize_t sum = 0;
    for (Py_ssize_t k = 0; k < column[0].count; k++) {
        int64_t which = item_i64(&column[0], k);
        int64_t begin = item_i64(&column[1], k), end = item_i64(&column[2], k);
        if (which < 0 || which >= buffers || begin < 0 || end < begin || end > held[which].count) {
            PyErr_SetString(PyExc_IndexError, "a piece lies outside its buffer");
            return -1;
        }
        if (end - begin > PY_SSIZE_T_MAX / 2 - sum) {
            PyErr_NoMemory();
            return -1;
        }
        sum += end - begin;
    }
    return sum;
}

static PyObject *joined(const Column *held, Py_ssize_t buffers, const Column column[3]) {
    Py_ssize_t size = total(held, buffers, column);
    if (size < 0) return NULL;
    PyObject *found = PyBytes_FromStringAndSize(NULL, size);
    if (found == NULL) return NULL;
    char *out = PyBytes_AsString(found);
    for (Py_ssize_t k = 0; k < column[0].count; k++) {
        const char *bytes = held[item_i64(&column[0], k)].view.buf;
        int64_t begin = item_i64(&column[1], k), end = item_i64(&column[2], k);
        if (end > begin) memcpy(out, bytes + begin, (size_t)(end - begin));
        out += end - begin;
    }
    return found;
}

static PyObject *gathered(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *views, *columns[3], *found = NULL;
    if (!PyArg_ParseTuple(args, "O!OOO", &PyTuple_Type, &views, &columns[0], &columns[1],
                          &columns[2]))
        return NULL;
    Py_ssize_t buffers = PyTuple_Size(views);
    Column *held = PyMem_Calloc((size_t)buffers + 1, sizeof *held);
    if (held == NULL) return PyErr_NoMemory();
    Column column[3] = {{.held = 0}, {.held = 0}, {.held = 0}};
    int good = 1;
    for (Py_ssize_t k = 0; good && k < buffers; k++)
        good = column_borrow(&held[k], PyTuple_GetItem(views, k), 1, -1, 0) == 0;
    for (int k = 0; good && k < 3; k++)
        good = column_borrow(&column[k], columns[k], 8, k ? column[0].count : -1, 0) == 0;
    if (good) found = joined(held, buffers, column);
    for (Py_ssize_t k = 0; k < buffers; k++) column_return(&held[k]);
    for (int k = 0; k < 3; k++) column_return(&column[k]);
    PyMem_Free(held);
    return found;
}

/* Copy the items of all spans, each of which must lie in the column, to where they fit exactly. 0,
 * or -1 with an error set. */
static int join_spans(const Column *held, size_t item, const Column span[2], Column *out) {
    const char *from = held->view.buf;
    char *to = out->view.buf;
    Py_ssize_t left = out->count;
    for (Py_ssize_t k = 0; k < span[0].count; k++) {
        int64_t begin = item_i64(&span[0], k), size = item_i64(&span[1], k);
        if (begin < 0 || size < 0 || begin > held->count || size > held->count - begin) {
            PyErr_SetString(PyExc_IndexError, "a span lies outside its column");
            return -1;
        }
        left -= size;
        if (left < 0) break;
        if (size == 0) continue;
        memcpy(to, from + (size_t)begin * item, (size_t)size * item);
        to += (size_t)size * item;
    }
    if (left == 0) return 0;
    PyErr_SetString(PyExc_ValueError, "the spans have another size together");
    return -1;
}

static PyObject *ranges(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *objects[4];
    Py_ssize_t item;
    if (!PyArg_ParseTuple(args, "OOOOn", &objects[0], &objects[1], &objects[2], &objects[3], &item))
        return NULL;
    if (item < 1) {
        PyErr_SetString(PyExc_ValueError, "an item has at least one byte");
        return NULL;
    }
    Column held = {.held = 0}, out = {.held = 0}, span[2] = {{.held = 0}, {.held = 0}};
    int good = column_borrow(&held, objects[0], item, -1, 0) == 0 &&
               column_borrow(&span[0], objects[1], 8, -1, 0) == 0 &&
               column_borrow(&span[1], objects[2], 8, span[0].count, 0) == 0 &&
               column_borrow(&out, objects[3], item, -1, 1) == 0 &&
               join_spans(&held, (size_t)item, span, &out) == 0;
    column_return(&held);
    column_return(&out);
    for (int k = 0; k < 2; k++) column_return(&span[k]);
    if (!good) return NULL;
    Py_RETURN_NONE;
}

static int add_type(PyObject *module, PyType_Spec *spec) {
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL) return -1;
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}

static int execute(PyObject *module) {
    PyType_Spec *types[] = {&heads_spec, &lines_spec, &streams_spec, &beginnings_spec};
    for (size_t k = 0; k < sizeof types / sizeof *types; k++)
        if (add_type(module, types[k]) < 0) return -1;
    if (PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0) return -1;
    return PyModule_AddStringConstant(module, "SOURCES", SOURCES);
}

PyDoc_STRVAR(records_doc,
             "records(data, at, header, length_at, big, largest, positions, /)\n--\n\n"
             "Walk the records of a pcap file from `at` on: (how many there are, with their\n"
             "positions in `positions`; where the walk ended). It ends where `positions` is full,\n"
             "and at a record that is refused or has no byte.");

PyDoc_STRVAR(record_fields_doc,
             "record_fields(data, positions, length_at, big, unit_ns, time_ns, captured, wire, /)\n"
             "--\n\n"
             "The headers of the records at these positions fill the last three columns.");

PyDoc_STRVAR(flows_doc,
             "flows(given, words, slots, seed, count, flow, forward, /)\n--\n\n"
             "Rows of segments: `flow` gets the number of the flow of each, `forward` whether the\n"
             "lower end sent it. `words`, `slots` and `seed` are those of a FlowBook that has room\n"
             "for a flow of each row, and knows `count` of them; how many it knows then.");

PyDoc_STRVAR(reassembled_doc,
             "reassembled(given, streams, pieces, /)\n--\n\n"
             "The streams in which each segment begins where the one before it ended: how many pieces\n"
             "they have. `given`: stream, flags, seq, wire length and length of segments; `streams`:\n"
             "base, dirty, end, fin and captured of an Assembly; `pieces`: stream, row, start and\n"
             "length, with room for a piece of each segment.");

PyDoc_STRVAR(acknowledged_doc,
             "acknowledged(given, streams, pieces, window, /)\n--\n\n"
             "What the ACK numbers say of the opposite streams. `given`: stream, ack and flags of\n"
             "segments; `streams`: base, and the limit up to which an offset is believed; the highest\n"
             "offset and the last one are found. `pieces`: row, and its offset is found.");

PyDoc_STRVAR(seen_doc,
             "seen(given, streams, /)\n--\n\n"
             "Counts, and first and last rows, of the segments of each stream: the columns of `_Seen`\n"
             "in lbtrace.tcp.summary. `given`: stream, flags, window and length of segments.");

PyDoc_STRVAR(options_doc,
             "options(views, given, kinds, found, /)\n--\n\n"
             "The TCP options of SYNs. `given`: the buffer of each, the offset of its payload and the\n"
             "length of its header; `kinds`: 40 bytes for each; `found`: MSS, window scale, time stamp\n"
             "and whether SACK is permitted.");

PyDoc_STRVAR(ack_waits_doc,
             "ack_waits(given, late_ns, latest_ns, at_once_ns, small, found, /)\n--\n\n"
             "How often, and for how long, each stream waited for acknowledgements: lbtrace.tcp has\n"
             "the same function. `given`: stream, time, flags, seq, ack and wire length of segments;\n"
             "`found`: the columns of AckWaits, of a stream that never waited.");

PyDoc_STRVAR(bursts_doc,
             "bursts(views, given, found, least, answer, methods, /)\n--\n\n"
             "The pieces of streams fill the columns of a Bursts: how many pieces are in bursts, and\n"
             "how many bursts there are.");

PyDoc_STRVAR(segments_doc,
             "segments(data, offset, captured, wire, header, kind_at, columns, /)\n--\n\n"
             "Packets behind a link header of `header` bytes, whose EtherType is at `kind_at`: how\n"
             "many of them are plain TCP over IP. Their rows fill the columns; the last column gets\n"
             "the places of the others.");

PyDoc_STRVAR(ranges_doc,
             "ranges(column, begin, size, out, item, /)\n--\n\n"
             "Fill `out` with the items column[begin[k]:begin[k] + size[k]] of every k. `item`: how\n"
             "many bytes one has.");

PyDoc_STRVAR(cookies_doc,
             "cookies(lines, which, key, hidden, values, known, /)\n--\n\n"
             "Some of the lines, which are Cookie fields, with their credentials masked under this\n"
             "key. What was masked is entered in `hidden` (credentials), `values` (of fields) and\n"
             "`known` (lines); a line in `known` is shown as there.");

PyDoc_STRVAR(like_urls_doc,
             "like_urls(lines, /)\n--\n\n"
             "Per line a byte: whether it may hold a URL in which a credential could stand.");

PyDoc_STRVAR(parameters_doc,
             "parameters(lines, /)\n--\n\nThe set of the names of all parameters in lines.");

PyDoc_STRVAR(nested_doc,
             "nested(a, p, x, y, clients, backends, /)\n--\n\n"
             "The client interval a to p that each backend interval x to y is matched with, as i64,\n"
             "-1 for none. `clients`, `backends`: the orders they are taken in.");

PyDoc_STRVAR(components_doc,
             "components(a, p, x, y, clients, backends, /)\n--\n\n"
             "Lists of (clients, backends) that are connected by \"may lie inside\".");

PyDoc_STRVAR(lengths_doc,
             "lengths(texts, /)\n--\n\nHow many letters each text has, as i64.");

PyDoc_STRVAR(traits_doc,
             "traits(texts, /)\n--\n\n"
             "Per text a byte: 1 if a letter that parts it may be in it, plus 2 if it begins as a\n"
             "date does.");

PyDoc_STRVAR(target_pieces_doc,
             "target_pieces(targets, ends, segments, queries, /)\n--\n\n"
             "Per target the number of the last two segments of its path in `ends`, that of the\n"
             "last one in `segments`, and that of its query in `queries`, -1 without; as i64.");

PyDoc_STRVAR(value_parts_doc,
             "value_parts(values, least, most, numbers, otherwise, /)\n--\n\n"
             "How many parts of `least` letters each value has, `most` at most, and the numbers of\n"
             "all of them in `numbers`; as i64. `otherwise` parts a value that is no ASCII.");

static PyMethodDef functions[] = {
    {"records", records, METH_VARARGS, records_doc},
    {"record_fields", record_fields, METH_VARARGS, record_fields_doc},
    {"flows", flows, METH_VARARGS, flows_doc},
    {"reassembled", reassembled, METH_VARARGS, reassembled_doc},
    {"acknowledged", acknowledged, METH_VARARGS, acknowledged_doc},
    {"seen", seen, METH_VARARGS, seen_doc},
    {"options", options, METH_VARARGS, options_doc},
    {"ack_waits", ack_waits, METH_VARARGS, ack_waits_doc},
    {"bursts", bursts, METH_VARARGS, bursts_doc},
    {"segments", segments, METH_VARARGS, segments_doc},
    {"gathered", gathered, METH_VARARGS, gathered_doc},
    {"numbered", numbered, METH_VARARGS, numbered_doc},
    {"names", names, METH_O, names_doc},
    {"values", values, METH_O, values_doc},
    {"request_parts", request_parts, METH_O, request_parts_doc},
    {"ranges", ranges, METH_VARARGS, ranges_doc},
    {"cookies", cookies, METH_VARARGS, cookies_doc},
    {"like_urls", like_urls, METH_O, like_urls_doc},
    {"parameters", parameters, METH_O, parameters_doc},
    {"nested", nested, METH_VARARGS, nested_doc},
    {"components", components, METH_VARARGS, components_doc},
    {"lengths", lengths, METH_O, lengths_doc},
    {"traits", traits, METH_O, traits_doc},
    {"target_pieces", target_pieces, METH_VARARGS, target_pieces_doc},
    {"value_parts", value_parts, METH_VARARGS, value_parts_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_core",
    .m_doc = "The compiled core of lbtrace.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&definition);
}
