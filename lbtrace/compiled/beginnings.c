/* The first letters of credentials, looked for in many texts at once.
 *
 * `_Beginnings` in lbtrace/render/masked.py is the Python road. Both find every text that holds one
 * of the credentials, and perhaps others: what is found is searched letter by letter. Of a short
 * credential the first LEAST bytes of its UTF-8 are kept, of any other twice as many.
 */

#include "core.h"

#define LEAST 6
#define PROBES 64
#define FIRST_PLACES 1024 /* a power of two */

/* A set of words, none of which is 0. A search ends after PROBES places, so no choice of words
 * makes it slow; a word that finds no place makes the set hold everything. */
typedef struct {
    uint64_t *places; /* mask + 1 of them */
    size_t mask, used;
    int everything;
} Set;

typedef struct {
    PyObject_HEAD
    Set sets[2]; /* of short credentials, and of the others */
} Beginnings;

static size_t place_of(uint64_t word) {
    word *= 0x9E3779B97F4A7C15u; /* 2^64 divided by the golden ratio */
    return (size_t)(word ^ (word >> 32));
}

static int has(const Set *set, uint64_t word) {
    if (set->places == NULL) return 0;
    size_t at = place_of(word);
    for (size_t k = 0; k < PROBES; k++) {
        uint64_t held = set->places[(at + k) & set->mask];
        if (held == word) return 1;
        if (held == 0) return 0;
    }
    return 0;
}

/* Put a word into its place. Whether one was free, or held it already: 1 or 2. */
static int put(uint64_t *places, size_t mask, uint64_t word) {
    size_t at = place_of(word);
    for (size_t k = 0; k < PROBES; k++) {
        uint64_t *place = &places[(at + k) & mask];
        if (*place == word) return 2;
        if (*place == 0) {
            *place = word;
            return 1;
        }
    }
    return 0;
}

/* Twice as many places; every word is put again. */
static int grow(Set *set) {
    size_t count = set->places == NULL ? FIRST_PLACES : 2 * (set->mask + 1);
    uint64_t *places = PyMem_Calloc(count, sizeof *places);
    if (places == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t k = 0; set->places != NULL && k <= set->mask; k++)
        if (set->places[k] != 0 && put(places, count - 1, set->places[k]) == 0)
            set->everything = 1;
    PyMem_Free(set->places);
    set->places = places;
    set->mask = count - 1;
    return 0;
}

static int add(Set *set, uint64_t word) {
    if (set->places == NULL || set->used > set->mask / 2)
        if (grow(set) < 0) return -1;
    int found = put(set->places, set->mask, word);
    if (found == 1) set->used++;
    if (found == 0) set->everything = 1;
    return 0;
}

/* LEAST bytes as a word; their number keeps it from being 0. */
static uint64_t word_of(const char *text) {
    uint64_t word = LEAST;
    for (int k = 0; k < LEAST; k++) word = word << 8 | (unsigned char)text[k];
    return word;
}

/* Twice as many as one word, by those of both halves. It is never 0. */
static uint64_t both(uint64_t first, uint64_t second) {
    uint64_t word = first * 0xD6E8FEB86659FD93u + second;
    return word ? word : 1;
}

static int add_secret(Beginnings *self, PyObject *secret) {
    Py_ssize_t size, letters = PyUnicode_GetLength(secret);
    const char *text = letters < 0 ? NULL : PyUnicode_AsUTF8AndSize(secret, &size);
    if (text == NULL) return -1;
    if (letters < LEAST) {
        PyErr_SetString(PyExc_ValueError, "a credential that is looked for has six letters");
        return -1;
    }
    if (letters < 2 * LEAST) return add(&self->sets[0], word_of(text));
    return add(&self->sets[1], both(word_of(text), word_of(text + LEAST)));
}

/* Whether a text may hold one of them. */
static int may_hold(const void *context, const char *text, Py_ssize_t size) {
    const Beginnings *self = context;
    const uint64_t low = ((uint64_t)1 << 8 * LEAST) - 1;
    uint64_t words[LEAST] = {0}, word = 0; /* of the LEAST places before */
    if (self->sets[0].everything || self->sets[1].everything) return 1;
    for (Py_ssize_t at = 0; at < size; at++) {
        word = (word << 8 | (unsigned char)text[at]) & low;
        if (at + 1 < LEAST) continue;
        uint64_t whole = (uint64_t)LEAST << 8 * LEAST | word;
        uint64_t *before = &words[at % LEAST];
        if (has(&self->sets[0], whole)) return 1;
        if (at + 1 >= 2 * LEAST && has(&self->sets[1], both(*before, whole))) return 1;
        *before = whole;
    }
    return 0;
}

static PyObject *found_in(PyObject *object, PyObject *texts) {
    return flag_each(texts, may_hold, object, 1);
}

/* Keep the first letters of all of them. 0, or -1 with an error set. */
static int add_all(Beginnings *self, PyObject *secrets) {
    for (Py_ssize_t at = 0; at < PyList_Size(secrets); at++) {
        PyObject *secret = PyList_GetItem(secrets, at);
        if (secret == NULL) return -1;
        if (add_secret(self, secret) == 0) continue;
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return -1;
        PyErr_Clear(); /* it has no UTF-8: every text is searched */
        self->sets[0].everything = 1;
    }
    return 0;
}

static void beginnings_free(PyObject *object) {
    Beginnings *self = (Beginnings *)object;
    for (int k = 0; k < 2; k++) PyMem_Free(self->sets[k].places);
    object_free(object);
}

static PyObject *beginnings_new(PyTypeObject *type, PyObject *args, PyObject *named) {
    PyObject *secrets;
    if (named != NULL && PyDict_Size(named) > 0) {
        PyErr_SetString(PyExc_TypeError, "Beginnings takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &secrets)) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0); /* all zeros */
    if (self != NULL && add_all((Beginnings *)self, secrets) < 0) Py_CLEAR(self);
    return self;
}

PyDoc_STRVAR(found_in_doc,
             "found_in(texts, /)\n--\n\n"
             "Per text a byte that is not 0 where it may hold one of them.");

static PyMethodDef methods[] = {
    {"found_in", found_in, METH_O, found_in_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, beginnings_new},
    {Py_tp_dealloc, beginnings_free},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Beginnings(secrets, /)\n--\n\nThe first letters of credentials."},
    {0, NULL},
};

PyType_Spec beginnings_spec = {
    .name = "lbtrace.compiled._core.Beginnings",
    .basicsize = sizeof(Beginnings),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
