/* Field lines → the names of their fields and their values, each distinct one numbered once.
 *
 * `LineList.parts` in lbtrace/tables/words.py is the Python road. Numbers are those of Python
 * dictionaries, in the order of the first use, so every two equal texts have one number.
 */

#include "core.h"

/* Distinct texts → numbers from 0, and the column of the numbers of all texts. */
typedef struct {
    PyObject *numbers, *column;
    char *out;
} Numbering;

static int numbering_begin(Numbering *held, Py_ssize_t count) {
    held->numbers = PyDict_New();
    if (count > PY_SSIZE_T_MAX / 8) {
        PyErr_NoMemory();
        return -1;
    }
    held->column = PyBytes_FromStringAndSize(NULL, 8 * count);
    if (held->numbers == NULL || held->column == NULL) return -1;
    held->out = PyBytes_AsString(held->column);
    return 0;
}

static void numbering_end(Numbering *held) {
    Py_XDECREF(held->numbers);
    Py_XDECREF(held->column);
}

/* Number one text and enter the number for item `at`. 0, or -1 with an error set. */
static int numbering_add(Numbering *held, Py_ssize_t at, const char *text, Py_ssize_t size) {
    PyObject *key = PyUnicode_DecodeLatin1(text, size, NULL);
    if (key == NULL) return -1;
    int64_t number = -1;
    PyObject *known = PyDict_GetItemWithError(held->numbers, key);
    if (known != NULL) {
        number = PyLong_AsLongLong(known);
    } else if (!PyErr_Occurred()) {
        number = PyDict_Size(held->numbers);
        PyObject *value = PyLong_FromLongLong(number);
        if (value == NULL || PyDict_SetItem(held->numbers, key, value) < 0) number = -1;
        Py_XDECREF(value);
    }
    Py_DECREF(key);
    if (number < 0) return -1;
    memcpy(held->out + 8 * at, &number, 8);
    return 0;
}

static int is_blank(char letter) {
    return letter == ' ' || letter == '\t';
}

/* Number the name and the value of one line: what stands before its first colon, and behind it
 * without the blanks around. */
static int add_line(Numbering held[2], Py_ssize_t at, const char *line, Py_ssize_t size) {
    const char *colon = memchr(line, ':', (size_t)size);
    Py_ssize_t name = colon == NULL ? size : colon - line;
    Py_ssize_t begin = colon == NULL ? size : name + 1, end = size;
    while (begin < end && is_blank(line[begin])) begin++;
    while (end > begin && is_blank(line[end - 1])) end--;
    if (numbering_add(&held[0], at, line, name) < 0) return -1;
    return numbering_add(&held[1], at, line + begin, end - begin);
}

PyObject *fields(PyObject *module, PyObject *lines) {
    (void)module;
    if (!PyList_Check(lines)) {
        PyErr_SetString(PyExc_TypeError, "lines come as a list");
        return NULL;
    }
    Numbering held[2] = {{NULL, NULL, NULL}, {NULL, NULL, NULL}};
    PyObject *found = NULL, *texts[2] = {NULL, NULL};
    Py_ssize_t count = PyList_Size(lines);
    int good = numbering_begin(&held[0], count) == 0 && numbering_begin(&held[1], count) == 0;
    for (Py_ssize_t at = 0; good && at < count; at++) {
        char *line;
        Py_ssize_t size;
        PyObject *item = PyList_GetItem(lines, at);
        good = item != NULL && PyBytes_AsStringAndSize(item, &line, &size) == 0 &&
               add_line(held, at, line, size) == 0;
    }
    for (int k = 0; good && k < 2; k++) {
        texts[k] = PyDict_Keys(held[k].numbers);
        good = texts[k] != NULL;
    }
    if (good) found = Py_BuildValue("(OOOO)", texts[0], held[0].column, texts[1], held[1].column);
    for (int k = 0; k < 2; k++) {
        Py_XDECREF(texts[k]);
        numbering_end(&held[k]);
    }
    return found;
}
