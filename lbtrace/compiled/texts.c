/* Texts → numbers, each distinct one numbered once: names and values of field lines, the parts of
 * request lines.
 *
 * The Python roads are `numbers` and `LineList` in lbtrace/tables/words.py, `HeadTexts.names` and
 * `request_lines` in lbtrace/tables/exchanges.py. Numbers are those of Python dictionaries, in the
 * order of the first use, so every two equal texts have one number.
 */

#include "core.h"

/* A column of i64 that grows by one number at a time. */
static int append_number(Memory *column, int64_t number) {
    return memory_append(column, &number, sizeof number);
}

/* The column as bytes; NULL with an error set. The memory is given back. */
static PyObject *column_of(Memory *column) {
    PyObject *found = PyBytes_FromStringAndSize(column->used ? column->bytes : "",
                                                (Py_ssize_t)column->used);
    memory_free(column);
    return found;
}

/* Whether both are what a function takes; TypeError otherwise. */
static int are_given(PyObject *list, PyObject *dictionary) {
    if (PyList_Check(list) && (dictionary == NULL || PyDict_Check(dictionary))) return 1;
    PyErr_SetString(PyExc_TypeError, "a list, and a dictionary, are needed");
    return 0;
}

PyObject *numbered(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *known, *texts;
    if (!PyArg_ParseTuple(args, "OO", &known, &texts) || !are_given(texts, known)) return NULL;
    Memory column = {NULL, 0, 0};
    int good = 1;
    for (Py_ssize_t at = 0; good && at < PyList_Size(texts); at++) {
        PyObject *text = PyList_GetItem(texts, at);
        int64_t number = text == NULL ? -1 : number_in(known, text);
        good = number >= 0 && append_number(&column, number) == 0;
    }
    if (good) return column_of(&column);
    memory_free(&column);
    return NULL;
}

/* texts that recur */

#define KNOWN 64   /* texts that were numbered lately; a power of two */
#define SHORT 56   /* bytes */

/* Distinct texts and their numbers. Most of the texts it is for recur at once. */
typedef struct {
    PyObject *numbers; /* dict of bytes or str */
    Memory column;     /* the numbers of all texts */
    int as_bytes;
    struct {
        int64_t number;
        size_t size; /* 0: nothing */
        char text[SHORT];
    } known[KNOWN];
} Recurring;

static int recurring_begin(Recurring *held, int as_bytes) {
    memset(held, 0, sizeof *held);
    held->as_bytes = as_bytes;
    held->numbers = PyDict_New();
    return held->numbers == NULL ? -1 : 0;
}

static void recurring_end(Recurring *held) {
    Py_XDECREF(held->numbers);
    memory_free(&held->column);
}

/* Number a text. 0, or -1 with an error set. */
static int recurring_add(Recurring *held, const char *text, size_t size) {
    size_t place = 0;
    int is_short = size > 0 && size <= SHORT;
    if (is_short) {
        place = (size * 31 + (unsigned char)text[0] * 7 + (unsigned char)text[size - 1]) % KNOWN;
        if (held->known[place].size == size && memcmp(held->known[place].text, text, size) == 0)
            return append_number(&held->column, held->known[place].number);
    }
    PyObject *key = held->as_bytes ? PyBytes_FromStringAndSize(text, (Py_ssize_t)size)
                                   : PyUnicode_DecodeLatin1(text, (Py_ssize_t)size, NULL);
    int64_t number = key == NULL ? -1 : number_in(held->numbers, key);
    Py_XDECREF(key);
    if (number < 0) return -1;
    if (is_short) {
        held->known[place].number = number;
        held->known[place].size = size;
        memcpy(held->known[place].text, text, size);
    }
    return append_number(&held->column, number);
}

/* (the distinct texts, the column). NULL with an error set. */
static PyObject *recurring_found(Recurring *held) {
    PyObject *texts = PyDict_Keys(held->numbers), *column = column_of(&held->column);
    PyObject *found = texts == NULL || column == NULL ? NULL : PyTuple_Pack(2, texts, column);
    Py_XDECREF(texts);
    Py_XDECREF(column);
    return found;
}

/* The bytes of one item of a list. 0, or -1 with an error set. */
static int line_of(PyObject *lines, Py_ssize_t at, const char **text, const char **end) {
    char *bytes;
    Py_ssize_t size;
    PyObject *line = PyList_GetItem(lines, at);
    if (line == NULL || PyBytes_AsStringAndSize(line, &bytes, &size) < 0) return -1;
    *text = bytes;
    *end = bytes + size;
    return 0;
}

/* The name of a field line: what stands before its first colon. `*name_end` is behind it. */
static void name_of(const char **text, const char **name_end, const char *end) {
    const char *colon = memchr(*text, ':', (size_t)(end - *text));
    *name_end = colon == NULL ? end : colon;
}

/* Its value: what stands behind the colon, without the blanks around. */
static void value_of(const char **text, const char **value_end, const char *end) {
    const char *colon = memchr(*text, ':', (size_t)(end - *text));
    *text = colon == NULL ? end : colon + 1;
    while (*text < end && (**text == ' ' || **text == '\t')) ++*text;
    while (end > *text && (end[-1] == ' ' || end[-1] == '\t')) end--;
    *value_end = end;
}

/* The distinct texts of a part of lines, as a list of bytes or as a dictionary with their numbers;
 * and the number of each line's own. NULL with an error set. */
static PyObject *parted(PyObject *lines, int as_bytes,
                        void (*part)(const char **, const char **, const char *)) {
    Recurring held;
    PyObject *found = NULL, *column;
    if (!are_given(lines, NULL) || recurring_begin(&held, as_bytes) < 0) return NULL;
    int good = 1;
    for (Py_ssize_t at = 0; good && at < PyList_Size(lines); at++) {
        const char *text, *end, *part_end;
        good = line_of(lines, at, &text, &end) == 0;
        if (!good) break;
        part(&text, &part_end, end);
        good = recurring_add(&held, text, (size_t)(part_end - text)) == 0;
    }
    if (good && as_bytes) {
        found = recurring_found(&held);
    } else if (good) {
        column = column_of(&held.column);
        if (column != NULL) found = PyTuple_Pack(2, held.numbers, column);
        Py_XDECREF(column);
    }
    recurring_end(&held);
    return found;
}

PyObject *names(PyObject *module, PyObject *lines) {
    (void)module;
    return parted(lines, 1, name_of);
}

PyObject *values(PyObject *module, PyObject *lines) {
    (void)module;
    return parted(lines, 0, value_of);
}

/* request lines */

/* Part a request line at its first blank and its last. 0, or -1 with an error set. */
static int part_request(const char *text, const char *end, Recurring *methods, PyObject *targets,
                        Recurring *versions) {
    const char *blank = memchr(text, ' ', (size_t)(end - text));
    const char *target = blank == NULL ? end : blank + 1, *last = end;
    while (last > target && last[-1] != ' ') last--; /* `last`: where the version begins */
    const char *target_end = last > target ? last - 1 : target;
    if (recurring_add(methods, text, (size_t)((blank == NULL ? end : blank) - text)) < 0 ||
        recurring_add(versions, last, (size_t)(end - last)) < 0)
        return -1;
    PyObject *held = PyUnicode_DecodeLatin1(target, target_end - target, NULL);
    int failed = held == NULL ? -1 : PyList_Append(targets, held);
    Py_XDECREF(held);
    return failed;
}

PyObject *request_parts(PyObject *module, PyObject *lines) {
    (void)module;
    Recurring held[2];
    if (!are_given(lines, NULL)) return NULL;
    memset(held, 0, sizeof held);
    PyObject *targets = PyList_New(0), *found[2] = {NULL, NULL}, *result = NULL;
    int good = targets != NULL && recurring_begin(&held[0], 0) == 0 &&
               recurring_begin(&held[1], 0) == 0;
    for (Py_ssize_t at = 0; good && at < PyList_Size(lines); at++) {
        const char *text, *end;
        good = line_of(lines, at, &text, &end) == 0 &&
               part_request(text, end, &held[0], targets, &held[1]) == 0;
    }
    for (int k = 0; good && k < 2; k++) {
        found[k] = recurring_found(&held[k]);
        good = found[k] != NULL;
    }
    if (good) result = PyTuple_Pack(3, found[0], targets, found[1]);
    for (int k = 0; k < 2; k++) {
        Py_XDECREF(found[k]);
        recurring_end(&held[k]);
    }
    Py_XDECREF(targets);
    return result;
}
