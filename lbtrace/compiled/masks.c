/* What masking does to many texts: cookies are replaced by their lengths and digests, and texts are
 * looked through for what a credential may stand in or begin with.
 *
 * `lbtrace/http_fields/masking.py` and `lbtrace/render/masked.py` are the Python road, and decide
 * what is a credential. The digest is BLAKE2b (RFC 7693) of two bytes, keyed, as `hashlib` makes it.
 */

#include "core.h"

#define BLOCK 128          /* bytes of a block of BLAKE2b */
#define DIGEST 2           /* bytes of a digest */
#define MOST_KEY 64        /* bytes of a key */
#define LONGEST_NAME 128   /* letters of the name of a parameter */
#define SHOWN_MOST 64      /* more than what stands in place of a credential has */

static const uint64_t START[8] = {
    0x6A09E667F3BCC908u, 0xBB67AE8584CAA73Bu, 0x3C6EF372FE94F82Bu, 0xA54FF53A5F1D36F1u,
    0x510E527FADE682D1u, 0x9B05688C2B3E6C1Fu, 0x1F83D9ABFB41BD6Bu, 0x5BE0CD19137E2179u,
};

static const uint8_t ORDER[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static uint64_t turned(uint64_t word, int bits) {
    return (word >> bits) | (word << (64 - bits));
}

/* The mixing function G (RFC 7693 §3.1). */
static void mix(uint64_t v[16], int a, int b, int c, int d, uint64_t x, uint64_t y) {
    v[a] = v[a] + v[b] + x;
    v[d] = turned(v[d] ^ v[a], 32);
    v[c] = v[c] + v[d];
    v[b] = turned(v[b] ^ v[c], 24);
    v[a] = v[a] + v[b] + y;
    v[d] = turned(v[d] ^ v[a], 16);
    v[c] = v[c] + v[d];
    v[b] = turned(v[b] ^ v[c], 63);
}

/* Eight bytes as a number, the lowest first. */
static uint64_t word_at(const unsigned char *b) {
    return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24 |
           (uint64_t)b[4] << 32 | (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48 | (uint64_t)b[7] << 56;
}

/* The compression function F (RFC 7693 §3.2); `count`: bytes so far, with those of this block. */
static void compress(uint64_t h[8], const unsigned char block[BLOCK], uint64_t count, int last) {
    uint64_t v[16], m[16];
    for (int k = 0; k < 16; k++) m[k] = word_at(block + 8 * k);
    for (int k = 0; k < 8; k++) {
        v[k] = h[k];
        v[k + 8] = START[k];
    }
    v[12] ^= count;
    if (last) v[14] = ~v[14];
    for (int round = 0; round < 12; round++) {
        const uint8_t *s = ORDER[round % 10];
        mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
        mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
        mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
        mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
        mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
        mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
        mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
        mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (int k = 0; k < 8; k++) h[k] ^= v[k] ^ v[k + 8];
}

/* The state of BLAKE2b after its key. */
static void keyed(uint64_t h[8], const char *key, size_t size) {
    unsigned char block[BLOCK] = {0};
    memcpy(block, key, size);
    memcpy(h, START, sizeof START);
    h[0] ^= 0x01010000u ^ ((uint64_t)size << 8) ^ DIGEST;
    compress(h, block, BLOCK, 0);
}

/* The digest of some bytes, at least one, under the key of a state. */
static unsigned digest_of(const uint64_t begun[8], const char *bytes, size_t size) {
    uint64_t h[8], count = BLOCK;
    unsigned char block[BLOCK] = {0};
    memcpy(h, begun, sizeof h);
    for (; size > BLOCK; bytes += BLOCK, size -= BLOCK) {
        memcpy(block, bytes, BLOCK);
        count += BLOCK;
        compress(h, block, count, 0);
    }
    memset(block, 0, BLOCK);
    memcpy(block, bytes, size);
    compress(h, block, count + size, 1);
    return (unsigned)(h[0] & 0xFFFF);
}

#define KNOWN 32   /* credentials that were hidden lately; a power of two */
#define SHORT 40   /* bytes */

/* What stands in place of a credential that was hidden lately: most recur at once. */
typedef struct {
    size_t size, length; /* of the credential, 0: nothing; of what stands in its place */
    char secret[SHORT], text[SHOWN_MOST];
} Hidden;

/* What the masking of cookies works with. */
typedef struct {
    Hidden lately[KNOWN];
    uint64_t begun[8];      /* BLAKE2b after its key */
    PyObject *hidden;       /* dict: every credential, and what stands in its place */
    PyObject *values;       /* dict: every value of a field, and what stands in its place */
    PyObject *known;        /* dict: every line, and the line to show */
    Memory shown;           /* the line that is being written */
} Masking;

/* Enter two texts of the wire into a dict. 0, or -1 with an error set. */
static int enter(PyObject *dict, const char *key, size_t size, const char *text, size_t length) {
    PyObject *from = PyUnicode_DecodeLatin1(key, (Py_ssize_t)size, NULL);
    PyObject *to = PyUnicode_DecodeLatin1(text, (Py_ssize_t)length, NULL);
    int failed = from == NULL || to == NULL ? -1 : PyDict_SetItem(dict, from, to);
    Py_XDECREF(from);
    Py_XDECREF(to);
    return failed;
}

/* What stands in place of a credential: its length and its digest. Its size. */
static size_t hidden_text(const Masking *work, const char *secret, size_t size, char *text) {
    static const char digits[] = "0123456789abcdef";
    unsigned digest = digest_of(work->begun, secret, size);
    unsigned low = digest & 0xFF, high = digest >> 8;
    return (size_t)PyOS_snprintf(text, SHOWN_MOST, "\xE2\x80\xA6(%zu %s, #%c%c%c%c)", size,
                                 size == 1 ? "byte" : "bytes", digits[low >> 4], digits[low & 15],
                                 digits[high >> 4], digits[high & 15]);
}

/* Write what stands in place of a credential, and remember both. */
static int hide(Masking *work, const char *secret, size_t size) {
    char text[SHOWN_MOST];
    if (size == 0) return 0;
    unsigned begin = (unsigned char)secret[0], end = (unsigned char)secret[size - 1];
    Hidden *held = &work->lately[(size * 31 + begin * 7 + end) % KNOWN];
    if (held->size == size && memcmp(held->secret, secret, size) == 0)
        return memory_append(&work->shown, held->text, held->length);
    size_t length = hidden_text(work, secret, size, text);
    if (memory_append(&work->shown, text, length) < 0 ||
        enter(work->hidden, secret, size, text, length) < 0)
        return -1;
    if (size > SHORT) return 0;
    held->size = size;
    held->length = length;
    memcpy(held->secret, secret, size);
    memcpy(held->text, text, length);
    return 0;
}

/* Write one cookie: its name stays, and a value without a name is hidden whole. */
static int cookie(Masking *work, const char *text, size_t size) {
    const char *equals = size ? memchr(text, '=', size) : NULL;
    size_t name = equals == NULL ? 0 : (size_t)(equals - text) + 1;
    if (memory_append(&work->shown, text, name) < 0) return -1;
    return hide(work, text + name, size - name);
}

static int is_blank(char letter) {
    return letter == ' ' || letter == '\t';
}

/* Write a list of cookies; what separates them, ";" and blanks, stays. */
static int list_of_cookies(Masking *work, const char *text, size_t size) {
    size_t begin = 0, at;
    for (;;) {
        const char *end = begin < size ? memchr(text + begin, ';', size - begin) : NULL;
        at = end == NULL ? size : (size_t)(end - text);
        if (cookie(work, text + begin, at - begin) < 0) return -1;
        if (end == NULL) return 0;
        begin = at + 1;
        while (begin < size && is_blank(text[begin])) begin++;
        if (memory_append(&work->shown, text + at, begin - at) < 0) return -1;
    }
}

/* A Cookie line → the line to show, a new reference; NULL with an error set. */
static PyObject *masked(Masking *work, PyObject *line, const char *text, size_t size) {
    const char *colon = size ? memchr(text, ':', size) : NULL;
    if (colon == NULL) {
        PyErr_SetString(PyExc_ValueError, "a Cookie line has a colon");
        return NULL;
    }
    size_t begin = (size_t)(colon - text) + 1;
    while (begin < size && is_blank(text[begin])) begin++;
    if (begin == size) {
        Py_INCREF(line);
        return line;
    }
    work->shown.used = 0;
    if (memory_append(&work->shown, text, begin) < 0) return NULL;
    if (list_of_cookies(work, text + begin, size - begin) < 0) return NULL;
    const char *shown = work->shown.bytes;
    size_t used = work->shown.used;
    if (enter(work->values, text + begin, size - begin, shown + begin, used - begin) < 0)
        return NULL;
    if (used == size && memcmp(shown, text, size) == 0) {
        Py_INCREF(line);
        return line;
    }
    return PyBytes_FromStringAndSize(shown, (Py_ssize_t)used);
}

/* One of the lines, as it was masked before or as it is masked now. */
static PyObject *shown_line(Masking *work, PyObject *lines, int64_t at) {
    char *text;
    Py_ssize_t size;
    if (at < 0 || at >= PyList_Size(lines)) {
        PyErr_SetString(PyExc_IndexError, "there is no such line");
        return NULL;
    }
    PyObject *line = PyList_GetItem(lines, (Py_ssize_t)at);
    if (line == NULL || PyBytes_AsStringAndSize(line, &text, &size) < 0) return NULL;
    PyObject *found = PyDict_GetItemWithError(work->known, line);
    if (found != NULL) {
        Py_INCREF(found);
        return found;
    }
    if (PyErr_Occurred()) return NULL;
    found = masked(work, line, text, (size_t)size);
    if (found != NULL && PyDict_SetItem(work->known, line, found) < 0) Py_CLEAR(found);
    return found;
}

PyObject *cookies(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *lines, *which, *found = NULL;
    const char *key;
    Py_ssize_t key_size;
    Masking work = {.shown = {NULL, 0, 0}};
    Column column = {.held = 0};
    if (!PyArg_ParseTuple(args, "O!Oy#O!O!O!", &PyList_Type, &lines, &which, &key, &key_size,
                          &PyDict_Type, &work.hidden, &PyDict_Type, &work.values, &PyDict_Type,
                          &work.known))
        return NULL;
    if (key_size < 1 || key_size > MOST_KEY) {
        PyErr_SetString(PyExc_ValueError, "a key has 1 to 64 bytes");
        return NULL;
    }
    keyed(work.begun, key, (size_t)key_size);
    if (column_borrow(&column, which, 8, -1, 0) == 0) found = PyList_New(column.count);
    for (Py_ssize_t k = 0; found != NULL && k < column.count; k++) {
        PyObject *line = shown_line(&work, lines, item_i64(&column, k));
        if (line == NULL || PyList_SetItem(found, k, line) < 0) Py_CLEAR(found);
    }
    column_return(&column);
    memory_free(&work.shown);
    return found;
}

/* Whether a line may hold a URL in which a credential could stand: "%", "//", or "=" together with
 * what a parameter begins with. */
static int like_url(const unsigned char *text, Py_ssize_t size) {
    int equals = 0, parameter = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        switch (text[at]) {
        case '%': return 1;
        case '/':
            if (at > 0 && text[at - 1] == '/') return 1;
            break;
        case '=': equals = 1; break;
        case '?': case '&': case '#': case ';': parameter = 1; break;
        default: continue;
        }
        if (equals && parameter) return 1;
    }
    return 0;
}

PyObject *like_urls(PyObject *module, PyObject *lines) {
    (void)module;
    if (!PyList_Check(lines)) {
        PyErr_SetString(PyExc_TypeError, "lines come as a list");
        return NULL;
    }
    Py_ssize_t count = PyList_Size(lines);
    PyObject *found = PyBytes_FromStringAndSize(NULL, count);
    char *out = found == NULL ? NULL : PyBytes_AsString(found);
    for (Py_ssize_t at = 0; found != NULL && at < count; at++) {
        char *text;
        Py_ssize_t size;
        PyObject *line = PyList_GetItem(lines, at);
        if (line == NULL || PyBytes_AsStringAndSize(line, &text, &size) < 0)
            Py_CLEAR(found);
        else
            out[at] = (char)like_url((const unsigned char *)text, size);
    }
    return found;
}

/* Whether the name of a parameter ends at this letter: what divides parameters, blanks as Python
 * knows them among the letters of latin-1, and what never stands in a URL. */
static int ends_name(unsigned char letter) {
    switch (letter) {
    case '=': case '&': case ';': case '?': case '#': case '"': case '<': case '>': return 1;
    case ' ': case 0x85: case 0xA0: return 1;
    default: return (letter >= 9 && letter <= 13) || (letter >= 0x1C && letter <= 0x1F);
    }
}

static int begins_parameter(unsigned char letter) {
    return letter == '?' || letter == '&' || letter == '#' || letter == ';';
}

/* Add the names of the parameters in a line to a set. 0, or -1 with an error set. */
static int add_names(PyObject *set, const unsigned char *text, Py_ssize_t size,
                     const unsigned char **last, Py_ssize_t *last_size) {
    for (Py_ssize_t at = 0; at < size;) {
        if (!begins_parameter(text[at++])) continue;
        Py_ssize_t begin = at;
        while (at < size && !ends_name(text[at])) at++;
        Py_ssize_t length = at - begin;
        if (at == size || text[at] != '=' || length < 1 || length > LONGEST_NAME) continue;
        at++;
        if (*last != NULL && *last_size == length &&
            memcmp(*last, text + begin, (size_t)length) == 0)
            continue; /* the same as the one before, as is usual */
        PyObject *name = PyUnicode_DecodeLatin1((const char *)text + begin, length, NULL);
        int failed = name == NULL ? -1 : PySet_Add(set, name);
        Py_XDECREF(name);
        if (failed) return -1;
        *last = text + begin;
        *last_size = length;
    }
    return 0;
}

PyObject *parameters(PyObject *module, PyObject *lines) {
    (void)module;
    if (!PyList_Check(lines)) {
        PyErr_SetString(PyExc_TypeError, "lines come as a list");
        return NULL;
    }
    PyObject *found = PySet_New(NULL);
    const unsigned char *last = NULL;
    Py_ssize_t last_size = 0;
    for (Py_ssize_t at = 0; found != NULL && at < PyList_Size(lines); at++) {
        char *text;
        Py_ssize_t size;
        PyObject *line = PyList_GetItem(lines, at);
        if (line == NULL || PyBytes_AsStringAndSize(line, &text, &size) < 0 ||
            add_names(found, (const unsigned char *)text, size, &last, &last_size) < 0)
            Py_CLEAR(found);
    }
    return found;
}
