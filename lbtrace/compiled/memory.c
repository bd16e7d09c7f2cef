/* Memory that grows, columns that are borrowed, the table of texts, numbers in dictionaries and
 * lists of texts (see core.h). */

#include "core.h"

#define PROBES 64          /* places that are looked at for one text */
#define FIRST_PLACES 1024  /* a power of two */

struct Place {
    uint32_t number; /* of the text, plus one; 0: free */
    uint32_t hash;   /* the lower half of its hash */
};

int memory_grow(Memory *memory, size_t more) {
    if (more > PY_SSIZE_T_MAX / 2 - memory->used) {
        PyErr_NoMemory();
        return -1;
    }
    size_t room = memory->used + more;
    if (room < 2 * memory->room) room = 2 * memory->room;
    char *bytes = PyMem_Realloc(memory->bytes, room);
    if (bytes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memory->bytes = bytes;
    memory->room = room;
    return 0;
}

void memory_free(Memory *memory) {
    PyMem_Free(memory->bytes);
    memset(memory, 0, sizeof *memory);
}

int column_borrow(Column *column, PyObject *object, Py_ssize_t item, Py_ssize_t count,
                  int writable) {
    int flags = PyBUF_SIMPLE | (writable ? PyBUF_WRITABLE : 0); /* contiguous */
    if (object == NULL || PyObject_GetBuffer(object, &column->view, flags) < 0) return -1;
    column->held = 1;
    column->count = column->view.len / item;
    if (column->view.itemsize != item || (count >= 0 && column->count != count)) {
        PyErr_Format(PyExc_ValueError, "a column of %zd items of %zd bytes is needed", count, item);
        return -1;
    }
    return 0;
}

int column_borrow_integers(Column *column, PyObject *object, Py_ssize_t count) {
    if (object == NULL || PyObject_GetBuffer(object, &column->view, PyBUF_ND | PyBUF_FORMAT) < 0)
        return -1;
    column->held = 1;
    const char *format = column->view.format == NULL ? "" : column->view.format;
    size_t item = (size_t)column->view.itemsize;
    int known = (int)strlen(format) == 1 && strchr("bhilqBHIL?", *format) != NULL;
    column->is_signed = known && strchr("bhilq", *format) != NULL;
    if (!known || !(item <= 2 || item == 4 || (item == 8 && column->is_signed))) {
        PyErr_SetString(PyExc_ValueError, "a column of integers up to i64 is needed");
        return -1;
    }
    column->count = column->view.len / column->view.itemsize;
    if (count >= 0 && column->count != count) {
        PyErr_Format(PyExc_ValueError, "a column of %zd items is needed", count);
        return -1;
    }
    return 0;
}

void column_return(Column *column) {
    if (column->held) PyBuffer_Release(&column->view);
    column->held = 0;
}

int columns_borrow(Column *columns, PyObject *tuple, const Py_ssize_t *item, int count,
                   int writable) {
    if (PyTuple_Size(tuple) != count) {
        PyErr_Format(PyExc_ValueError, "%d columns are needed", count);
        return -1;
    }
    for (int k = 0; k < count; k++) {
        PyObject *object = PyTuple_GetItem(tuple, k);
        Py_ssize_t size = k > 0 ? columns[0].count : -1;
        int failed = item[k] == 0 ? column_borrow_integers(&columns[k], object, size)
                                  : column_borrow(&columns[k], object, item[k], size, writable);
        if (failed < 0) return -1;
    }
    return 0;
}

void columns_return(Column *columns, int count) {
    for (int k = 0; k < count; k++) column_return(&columns[k]);
}

/* Eight bytes at a time; the rest, with its size, at the end. */
uint64_t hash_of(const char *text, size_t size, uint64_t seed) {
    const uint64_t odd = 0x9E3779B97F4A7C15u; /* 2^64 divided by the golden ratio */
    uint64_t hash = seed ^ (size * odd), word;
    size_t at = 0;
    for (; size - at >= 8; at += 8) {
        memcpy(&word, text + at, 8);
        hash = (hash ^ word) * odd;
        hash ^= hash >> 32;
    }
    word = 0;
    if (at < size) memcpy(&word, text + at, size - at);
    hash = (hash ^ word) * odd;
    hash ^= hash >> 32;
    hash *= odd;
    return hash ^ (hash >> 29);
}

void index_fetch(const Index *index, uint64_t hash) {
    if (index->places != NULL)
        fetch(index->places, sizeof *index->places, (Py_ssize_t)((uint32_t)hash & index->mask));
}

uint32_t index_find(const Index *index, uint64_t hash, Same same, void *context, const char *text,
                    size_t size, int *failed) {
    uint32_t low = (uint32_t)hash;
    if (index->places == NULL) return UNKNOWN;
    for (size_t k = 0; k < PROBES; k++) {
        const struct Place *place = &index->places[(low + k) & index->mask];
        if (place->number == 0) return UNKNOWN;
        if (place->hash != low) continue;
        int found = same(context, place->number - 1, text, size);
        if (found < 0) *failed = -1;
        if (found) return found < 0 ? UNKNOWN : place->number - 1;
    }
    return UNKNOWN;
}

/* Put a number into its place; whether one was free. */
static int put(struct Place *places, size_t mask, uint32_t hash, uint32_t number) {
    for (size_t k = 0; k < PROBES; k++) {
        struct Place *place = &places[(hash + k) & mask];
        if (place->number == 0) {
            place->number = number;
            place->hash = hash;
            return 1;
        }
    }
    return 0;
}

/* Twice as many places; every number is put again. */
static int grow(Index *index) {
    size_t count = index->places == NULL ? FIRST_PLACES : 2 * (index->mask + 1);
    struct Place *places = PyMem_Calloc(count, sizeof *places);
    if (places == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t k = 0; index->places != NULL && k <= index->mask; k++)
        if (index->places[k].number != 0 &&
            !put(places, count - 1, index->places[k].hash, index->places[k].number))
            index->lost = 1;
    PyMem_Free(index->places);
    index->places = places;
    index->mask = count - 1;
    return 0;
}

int index_add(Index *index, uint64_t hash, uint32_t number) {
    if (index->places == NULL || index->used > index->mask / 2)
        if (grow(index) < 0) return -1;
    if (!put(index->places, index->mask, (uint32_t)hash, number + 1)) index->lost = 1;
    index->used++;
    return 0;
}

void index_free(Index *index) {
    PyMem_Free(index->places);
    index->places = NULL;
}

int64_t number_in(PyObject *numbers, PyObject *thing) {
    PyObject *known = PyDict_GetItemWithError(numbers, thing);
    if (known != NULL) return PyLong_AsLongLong(known);
    if (PyErr_Occurred()) return -1;
    int64_t number = PyDict_Size(numbers);
    PyObject *value = PyLong_FromLongLong(number);
    if (value == NULL || PyDict_SetItem(numbers, thing, value) < 0) number = -1;
    Py_XDECREF(value);
    return number;
}

PyObject *flag_each(PyObject *texts, FlagOf flag_of, const void *context, int unknown) {
    if (!PyList_Check(texts)) {
        PyErr_SetString(PyExc_TypeError, "texts come as a list");
        return NULL;
    }
    Py_ssize_t count = PyList_Size(texts);
    PyObject *found = PyBytes_FromStringAndSize(NULL, count);
    char *out = found == NULL ? NULL : PyBytes_AsString(found);
    for (Py_ssize_t at = 0; found != NULL && at < count; at++) {
        Py_ssize_t size;
        PyObject *item = PyList_GetItem(texts, at);
        const char *text = item == NULL ? NULL : PyUnicode_AsUTF8AndSize(item, &size);
        if (text != NULL) {
            out[at] = (char)flag_of(context, text, size);
        } else if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            out[at] = (char)unknown;
        } else {
            Py_CLEAR(found);
        }
    }
    return found;
}

void object_free(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(self);
    Py_DECREF(type);
}
