/* What the values of field lines and targets are made of, many at a time.
 *
 * `lbtrace/match/tokens.py` is the Python road: which parts of values and of targets can tell
 * exchanges apart. Numbers are those of Python dictionaries, in the order of the first use.
 */

#include "core.h"

#define DATE_LIKE 2 /* it begins with a letter that a date begins with */
#define PARTED 1    /* a letter that parts a value may be in it */

/* A column of `count` items of a size, as bytes. */
static PyObject *new_column(Py_ssize_t count, Py_ssize_t item) {
    if (count > PY_SSIZE_T_MAX / item) return PyErr_NoMemory();
    return PyBytes_FromStringAndSize(NULL, count * item);
}

PyObject *lengths(PyObject *module, PyObject *texts) {
    (void)module;
    if (!PyList_Check(texts)) {
        PyErr_SetString(PyExc_TypeError, "texts come as a list");
        return NULL;
    }
    Py_ssize_t count = PyList_Size(texts);
    PyObject *found = new_column(count, 8);
    char *out = found == NULL ? NULL : PyBytes_AsString(found);
    for (Py_ssize_t at = 0; found != NULL && at < count; at++) {
        PyObject *text = PyList_GetItem(texts, at);
        int64_t size = text == NULL ? -1 : PyUnicode_GetLength(text);
        if (size < 0)
            Py_CLEAR(found);
        else
            memcpy(out + 8 * at, &size, 8);
    }
    return found;
}

/* Whether a letter parts a value, or may: blanks, commas, semicolons, control characters, and
 * whatever is no ASCII. */
static int may_part(unsigned char letter) {
    return letter <= ' ' || letter >= 0x7F || letter == ',' || letter == ';';
}

static int traits_of(const void *context, const char *text, Py_ssize_t size) {
    (void)context;
    int found = size > 0 && memchr("MTWFS", text[0], 5) != NULL ? DATE_LIKE : 0;
    for (Py_ssize_t at = 0; at < size; at++)
        if (may_part((unsigned char)text[at])) return found | PARTED;
    return found;
}

PyObject *traits(PyObject *module, PyObject *texts) {
    (void)module;
    return flag_each(texts, traits_of, NULL, PARTED | DATE_LIKE);
}

/* The number of a new text in a dictionary; -1 with an error set. Takes the reference. */
static int64_t number_of(PyObject *numbers, PyObject *text) {
    if (text == NULL) return -1;
    int64_t number = number_in(numbers, text);
    Py_DECREF(text);
    return number;
}

/* What target_pieces works with. */
typedef struct {
    PyObject *ends, *segments, *queries; /* numbers of texts */
    char *end, *segment, *query;         /* their columns */
} Pieces;

/* Enter the pieces of the target at `at` in the columns. 0, or -1 with an error set. */
static int add_target(Pieces *work, Py_ssize_t at, PyObject *target) {
    Py_ssize_t size = PyUnicode_GetLength(target);
    if (size < 0) return -1;
    Py_ssize_t path = PyUnicode_FindChar(target, '?', 0, size, 1);
    if (path == -2) return -1;
    int64_t query = -1;
    if (path >= 0 && path + 1 < size) {
        query = number_of(work->queries, PyUnicode_Substring(target, path + 1, size));
        if (query < 0) return -1;
    }
    if (path < 0) path = size;
    while (path > 0 && PyUnicode_ReadChar(target, path - 1) == '/') path--;
    Py_ssize_t last = path ? PyUnicode_FindChar(target, '/', 0, path, -1) : -1;
    Py_ssize_t before = last > 0 ? PyUnicode_FindChar(target, '/', 0, last, -1) : -1;
    if (last == -2 || before == -2) return -1;
    int64_t end = number_of(work->ends, PyUnicode_Substring(target, before + 1, path));
    if (end < 0) return -1;
    int64_t segment = number_of(work->segments, PyUnicode_Substring(target, last + 1, path));
    if (segment < 0) return -1;
    memcpy(work->end + 8 * at, &end, 8);
    memcpy(work->segment + 8 * at, &segment, 8);
    memcpy(work->query + 8 * at, &query, 8);
    return 0;
}

PyObject *target_pieces(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *targets, *found = NULL, *columns[3] = {NULL, NULL, NULL};
    Pieces work;
    if (!PyArg_ParseTuple(args, "O!O!O!O!", &PyList_Type, &targets, &PyDict_Type, &work.ends,
                          &PyDict_Type, &work.segments, &PyDict_Type, &work.queries))
        return NULL;
    Py_ssize_t count = PyList_Size(targets);
    int good = 1;
    for (int k = 0; good && k < 3; k++) {
        columns[k] = new_column(count, 8);
        good = columns[k] != NULL;
    }
    if (good) {
        work.end = PyBytes_AsString(columns[0]);
        work.segment = PyBytes_AsString(columns[1]);
        work.query = PyBytes_AsString(columns[2]);
    }
    for (Py_ssize_t at = 0; good && at < count; at++) {
        PyObject *target = PyList_GetItem(targets, at);
        good = target != NULL && add_target(&work, at, target) == 0;
    }
    if (good) found = Py_BuildValue("(OOO)", columns[0], columns[1], columns[2]);
    for (int k = 0; k < 3; k++) Py_XDECREF(columns[k]);
    return found;
}

/* Whether a letter of ASCII stands between the parts of a value. */
static int parts(unsigned char letter) {
    return letter == ' ' || letter == ',' || letter == ';' || (letter >= 9 && letter <= 13) ||
           (letter >= 0x1C && letter <= 0x1F);
}

/* What value_parts works with. */
typedef struct {
    Py_ssize_t least; /* letters of a part */
    Py_ssize_t most;  /* parts of a value */
    PyObject *numbers; /* of texts */
    Memory found;      /* the numbers of the parts, as i64 */
} Parting;

/* Append the numbers of the longer parts of a value of ASCII. How many there are; -1 with an error
 * set. */
static int64_t part_value(Parting *work, const char *text, Py_ssize_t size) {
    int64_t count = 0;
    for (Py_ssize_t at = 0; at < size && count < work->most;) {
        while (at < size && parts((unsigned char)text[at])) at++;
        Py_ssize_t begin = at;
        while (at < size && !parts((unsigned char)text[at])) at++;
        if (at - begin < work->least || at - begin == size) continue;
        int64_t number =
            number_of(work->numbers, PyUnicode_DecodeLatin1(text + begin, at - begin, NULL));
        if (number < 0 || memory_append(&work->found, &number, sizeof number) < 0) return -1;
        count++;
    }
    return count;
}

/* The same of parts that Python found. */
static int64_t enter_parts(Parting *work, PyObject *found) {
    if (found == NULL) return -1;
    if (!PyList_Check(found)) {
        PyErr_SetString(PyExc_TypeError, "parts come as a list");
        return -1;
    }
    Py_ssize_t count = PyList_Size(found);
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *part = PyList_GetItem(found, at);
        Py_XINCREF(part);
        int64_t number = number_of(work->numbers, part);
        if (number < 0 || memory_append(&work->found, &number, sizeof number) < 0) return -1;
    }
    return count;
}

/* The parts of one value; Python parts one that is no ASCII. */
static int64_t add_parts(Parting *work, PyObject *value, PyObject *otherwise) {
    Py_ssize_t size = 0, letters = PyUnicode_GetLength(value);
    if (letters < 0) return -1;
    const char *text = PyUnicode_AsUTF8AndSize(value, &size);
    if (text != NULL && size == letters) return part_value(work, text, size);
    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return -1;
        PyErr_Clear();
    }
    PyObject *found = PyObject_CallFunctionObjArgs(otherwise, value, NULL);
    int64_t count = enter_parts(work, found);
    Py_XDECREF(found);
    return count;
}

PyObject *value_parts(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *values, *otherwise, *counts = NULL, *found = NULL;
    Parting work = {.found = {NULL, 0, 0}};
    if (!PyArg_ParseTuple(args, "O!nnO!O", &PyList_Type, &values, &work.least, &work.most,
                          &PyDict_Type, &work.numbers, &otherwise))
        return NULL;
    Py_ssize_t count = PyList_Size(values);
    counts = new_column(count, 8);
    int good = counts != NULL;
    for (Py_ssize_t at = 0; good && at < count; at++) {
        PyObject *value = PyList_GetItem(values, at);
        int64_t size = value == NULL ? -1 : add_parts(&work, value, otherwise);
        good = size >= 0;
        if (good) memcpy(PyBytes_AsString(counts) + 8 * at, &size, 8);
    }
    if (good)
        found = Py_BuildValue("(Oy#)", counts, work.found.used ? work.found.bytes : "",
                              (Py_ssize_t)work.found.used);
    Py_XDECREF(counts);
    memory_free(&work.found);
    return found;
}
