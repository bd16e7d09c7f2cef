/* Columns → lines of JSON: the type `Lines`.
 *
 * A line is a row of parts, the same for all lines: a text that all have in common, or a column of
 * which each line takes its item. Parts are noted first and written in one go. Everything that came
 * from the wire is escaped, so the lines are ASCII.
 *
 * The Python road is `lbtrace.render.json.lines` and `rows`; what is written here is written there.
 */

#include "core.h"

enum Kind { COMMON, NUMBER, CHOICE, REQUEST, BLOCK, BODY };

/* what a body is: lbtrace/tables/exchanges.py */
enum Body { NOTHING, LENGTH, SILENT, OTHER, FRAMES, FRAMES_LENGTH };

#define MOST_COLUMNS 6

/* Small, because for each line all parts are gone through. */
typedef struct {
    enum Kind kind;
    uint8_t item_size, is_signed, may_miss;
    const char *items; /* the integers of the first column */
    int64_t missing;   /* NUMBER: what is written as null */
    Memory common;     /* COMMON: the text; BLOCK: a Lately */
    PyObject *texts;   /* list of str or bytes */
    Column *column;    /* MOST_COLUMNS; what each kind has in them stands where it is written */
} Part;

#define DIGITS 20 /* and the sign of the longest number */

/* The number that was written last: the next one is often the same. */
typedef struct {
    int64_t number;
    size_t size; /* 0: none was written */
    char text[DIGITS];
} Last;

typedef struct {
    PyObject_HEAD
    Py_ssize_t count; /* lines */
    Memory parts;     /* of Part */
    Memory out;       /* what is written; kept from one call to the next */
    Last last;
} Lines;

/* Text of which the size is known when the program is built. */
#define CONSTANT(out, text) memory_append(out, text, sizeof(text) - 1)

/* what is written */

static const char PAIRS[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

/* Eight digits; the number is below 10^8. */
static void write_eight(char *at, uint32_t number) {
    uint32_t high = number / 10000, low = number % 10000;
    memcpy(at, PAIRS + 2 * (high / 100), 2);
    memcpy(at + 2, PAIRS + 2 * (high % 100), 2);
    memcpy(at + 4, PAIRS + 2 * (low / 100), 2);
    memcpy(at + 6, PAIRS + 2 * (low % 100), 2);
}

/* The digits of a number, so that they end at `end`; where they begin. */
static char *digits_of(char *end, int64_t number) {
    char *at = end;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    for (; rest >= 100000000; rest /= 100000000) {
        at -= 8;
        write_eight(at, (uint32_t)(rest % 100000000));
    }
    uint32_t few = (uint32_t)rest;
    for (; few >= 10; few /= 100) {
        at -= 2;
        memcpy(at, PAIRS + 2 * (few % 100), 2);
    }
    if (few > 0 || at == end) *--at = (char)('0' + few);
    if (number < 0) *--at = '-';
    return at;
}

static int write_number(Memory *out, Last *last, int64_t number) {
    if (last->size == 0 || last->number != number) {
        char digits[2 * DIGITS] = "", *end = digits + DIGITS, *at = digits_of(end, number);
        last->number = number;
        last->size = (size_t)(end - at);
        memcpy(last->text, at, DIGITS); /* more than it has: its size need not be known */
    }
    if (memory_reserve(out, DIGITS) < 0) return -1;
    memcpy(out->bytes + out->used, last->text, DIGITS);
    out->used += last->size;
    return 0;
}

static int needs_no_escape(unsigned char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* Whether none of eight bytes needs an escape. A difference borrows from the top bit of a byte where
 * the byte is smaller; the lowest such bit is always true, so one bit anywhere decides. */
static int eight_need_none(uint64_t word) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x80 * ones;
    uint64_t quote = word ^ ('"' * ones), back = word ^ ('\\' * ones), delete = word ^ (0x7f * ones);
    uint64_t found = word | (word - ' ' * ones);
    found |= ((quote - ones) & ~quote) | ((back - ones) & ~back) | ((delete - ones) & ~delete);
    return (found & tops) == 0;
}

/* Bytes as latin-1 in a JSON string, without the quotes: at most six for each. Where they end. */
static char *escaped(char *at, const char *text, size_t size) {
    static const char hex[] = "0123456789abcdef", short_from[] = "\"\\\b\f\n\r\t";
    static const char short_to[] = "\"\\bfnrt";
    for (size_t k = 0; k < size; k++) {
        uint64_t word;
        for (; size - k >= 8; k += 8, at += 8) {
            memcpy(&word, text + k, 8);
            if (!eight_need_none(word)) break;
            memcpy(at, &word, 8);
        }
        if (k == size) break;
        unsigned char c = (unsigned char)text[k];
        if (needs_no_escape(c)) {
            *at++ = (char)c;
            continue;
        }
        const char *found = memchr(short_from, c, sizeof short_from - 1);
        *at++ = '\\';
        if (found != NULL) {
            *at++ = short_to[found - short_from];
            continue;
        }
        memcpy(at, "u00", 3);
        at[3] = hex[c >> 4];
        at[4] = hex[c & 15];
        at += 5;
    }
    return at;
}

/* Append a text of which the size is known when the program is built. Where it ends. */
#define put(at, text) ((char *)memcpy(at, text, sizeof(text) - 1) + sizeof(text) - 1)

static int write_escaped(Memory *out, const char *text, size_t size) {
    if (size == 0) return 0;
    if (size > SIZE_MAX / 8) {
        PyErr_NoMemory();
        return -1;
    }
    if (memory_reserve(out, 6 * size) < 0) return -1;
    out->used = (size_t)(escaped(out->bytes + out->used, text, size) - out->bytes);
    return 0;
}

/* The letters of an ASCII text. 0, or -1 with an error set. */
static int ascii_of(PyObject *object, const char **text, Py_ssize_t *size) {
    *text = PyUnicode_AsUTF8AndSize(object, size);
    if (*text == NULL) return -1;
    if (PyUnicode_GetLength(object) == *size) return 0;
    PyErr_SetString(PyExc_ValueError, "a text is ASCII");
    return -1;
}

/* The item of a list, as bytes or as ASCII. -1 with an error set. */
static int item_of(PyObject *list, int64_t at, const char **text, Py_ssize_t *size) {
    PyObject *item = at < 0 || at > PY_SSIZE_T_MAX ? NULL : PyList_GetItem(list, (Py_ssize_t)at);
    if (item == NULL) {
        PyErr_SetString(PyExc_IndexError, "no such text");
        return -1;
    }
    if (PyBytes_Check(item)) return PyBytes_AsStringAndSize(item, (char **)text, size);
    return ascii_of(item, text, size);
}

#define AHEAD 32 /* lines */

/* The integer that a line has in the first column. There are more columns than a processor foresees
 * to be read on, so what later lines need is asked for. */
static inline int64_t integer_of(const Part *part, Py_ssize_t row) {
    fetch(part->items, part->item_size, row + AHEAD);
    return integer_at(part->items, part->item_size, part->is_signed, row);
}

static int write_choice(Memory *out, const Part *part, Py_ssize_t row) {
    const char *text;
    Py_ssize_t size;
    if (item_of(part->texts, integer_of(part, row), &text, &size) < 0) return -1;
    return memory_append(out, text, (size_t)size);
}

/* The last blank in a text, or NULL. */
static const char *last_blank(const char *text, size_t size) {
    while (size > 0)
        if (text[--size] == ' ') return text + size;
    return NULL;
}

/* Target, method and version. The target is all between the first blank and the last. */
static int write_request(Memory *out, const Part *part, Py_ssize_t row) {
    const char *line;
    Py_ssize_t held;
    if (item_of(part->texts, integer_of(part, row), &line, &held) < 0) return -1;
    size_t size = (size_t)held;
    const char *end = line + size, *blank = memchr(line, ' ', size);
    size_t method = blank == NULL ? size : (size_t)(blank - line);
    const char *target = blank == NULL ? end : blank + 1;
    const char *last = last_blank(target, (size_t)(end - target));
    const char *version = last == NULL ? target : last + 1;
    size_t target_size = last == NULL ? 0 : (size_t)(last - target);
    if (CONSTANT(out, "\"target\":\"") < 0 || write_escaped(out, target, target_size) < 0 ||
        CONSTANT(out, "\",\"method\":\"") < 0 || write_escaped(out, line, method) < 0 ||
        CONSTANT(out, "\",\"version\":\"") < 0 ||
        write_escaped(out, version, (size_t)(end - version)) < 0)
        return -1;
    return CONSTANT(out, "\"");
}

/* A field line that is not `name: value`: name, value, and the line as sent where it differs. */
static char *loose_line(char *at, const char *line, size_t size) {
    const char *colon = memchr(line, ':', size), *end = line + size;
    size_t name = colon == NULL ? size : (size_t)(colon - line);
    const char *value = colon == NULL ? end : colon + 1, *value_end = end;
    while (value < value_end && (*value == ' ' || *value == '\t')) value++;
    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) value_end--;
    size_t value_size = (size_t)(value_end - value);
    int exact = size == name + 2 + value_size && memcmp(line + name, ": ", 2) == 0;
    at = put(escaped(at, line, name), "\",\"");
    at = escaped(at, value, value_size);
    return exact ? at : escaped(put(at, "\",\""), line, size);
}

/* A field line, split at its first ": ". */
static char *plain_line(char *at, const char *line, size_t size) {
    const char *colon = line, *end = line + size;
    for (; (colon = memchr(colon, ':', (size_t)(end - colon))) != NULL; colon++)
        if (end - colon >= 2 && colon[1] == ' ') break;
    if (colon == NULL) return escaped(at, line, size);
    at = put(escaped(at, line, (size_t)(colon - line)), "\",\"");
    return escaped(at, colon + 2, (size_t)(end - colon - 2));
}

enum { OF_ROW, FIRST, LINE, IS_LOOSE };

#define PLACES 256 /* a power of two */
#define SHORT 112  /* bytes */

/* Field lines that were written lately, as they were written: the line with a number has one place.
 * Most lines of most messages recur. */
typedef struct {
    int32_t number[PLACES]; /* -1: none */
    uint8_t size[PLACES];
    char text[PLACES][SHORT];
} Lately;

/* Where the lines of a block stand among all. -1 with an error set. */
static int block_of(const Part *part, Py_ssize_t row, int64_t *begin, int64_t *end) {
    const Column *first = &part->column[FIRST], *line = &part->column[LINE];
    int64_t block = integer_of(part, row);
    if (block < 0 || block >= first->count - 1) {
        PyErr_SetString(PyExc_IndexError, "no such block");
        return -1;
    }
    *begin = item_i64(first, (Py_ssize_t)block);
    *end = item_i64(first, (Py_ssize_t)block + 1);
    if (*begin < 0 || *end < *begin || *end > line->count) {
        PyErr_SetString(PyExc_IndexError, "no such lines");
        return -1;
    }
    return 0;
}

/* A field line as an array, which is remembered. */
static int write_new_line(Memory *out, const Part *part, int32_t number, Lately *lately, int place) {
    const char *text;
    Py_ssize_t size;
    if (item_of(part->texts, number, &text, &size) < 0) return -1;
    int loose = number < part->column[IS_LOOSE].count && item_u8(&part->column[IS_LOOSE], number);
    /* each byte twice, as six, and what stands around it */
    if ((size_t)size > SIZE_MAX / 16 || memory_reserve(out, 12 * (size_t)size + 16) < 0) return -1;
    char *begin = out->bytes + out->used, *at = put(begin, "[\"");
    at = put((loose ? loose_line : plain_line)(at, text, (size_t)size), "\"]");
    size_t written = (size_t)(at - begin);
    out->used += written;
    if (written > SHORT) return 0;
    lately->number[place] = number;
    lately->size[place] = (uint8_t)written;
    memcpy(lately->text[place], begin, written);
    return 0;
}

/* An array of field lines. */
static int write_block(Memory *out, const Part *part, Py_ssize_t row) {
    Lately *lately = (Lately *)(void *)part->common.bytes;
    int64_t begin, end;
    if (block_of(part, row, &begin, &end) < 0 || CONSTANT(out, "[") < 0) return -1;
    for (int64_t at = begin; at < end; at++) {
        int32_t number = item_i32(&part->column[LINE], (Py_ssize_t)at);
        int place = number & (PLACES - 1);
        if (at > begin && CONSTANT(out, ",") < 0) return -1;
        if (number < 0 || lately->number[place] != number) {
            if (write_new_line(out, part, number, lately, place) < 0) return -1;
            continue;
        }
        if (memory_reserve(out, SHORT) < 0) return -1;
        memcpy(out->bytes + out->used, lately->text[place], SHORT);
        out->used += lately->size[place];
    }
    return CONSTANT(out, "]");
}

enum { KIND, SIZE, DIGEST, WHICH };

static int write_digest(Memory *out, const unsigned char *digest) {
    static const char hex[] = "0123456789abcdef";
    char text[32];
    for (int k = 0; k < 16; k++) {
        text[2 * k] = hex[digest[k] >> 4];
        text[2 * k + 1] = hex[digest[k] & 15];
    }
    return memory_append(out, text, sizeof text);
}

/* A body in DATA frames, of which a length is declared or not. */
static int write_framed(Memory *out, Last *last, int64_t size, int declared,
                        const unsigned char *digest) {
    if (CONSTANT(out, "{\"framing\":\"data-frames\",\"length\":") < 0 ||
        write_number(out, last, size) < 0 || CONSTANT(out, ",\"declared\":") < 0 ||
        (declared ? write_number(out, last, size) : CONSTANT(out, "null")) < 0 ||
        CONSTANT(out, ",\"complete\":true,\"digest\":\"") < 0 || write_digest(out, digest) < 0)
        return -1;
    return CONSTANT(out, "\",\"content_digest\":null,\"content_length\":null}");
}

static int write_body(Memory *out, Last *last, const Part *part, Py_ssize_t row) {
    int64_t size = item_i64(&part->column[SIZE], row);
    fetch(part->column[DIGEST].view.buf, 16, row + AHEAD);
    const char *text;
    Py_ssize_t length;
    switch (item_u8(&part->column[KIND], row)) {
    case NOTHING:
        return CONSTANT(out, "{\"framing\":\"none\",\"length\":0,\"declared\":null,\"complete\":true,"
                             "\"digest\":null,\"content_digest\":null,\"content_length\":null}");
    case LENGTH:
        if (CONSTANT(out, "{\"framing\":\"content-length\",\"length\":") < 0 ||
            write_number(out, last, size) < 0 || CONSTANT(out, ",\"declared\":") < 0 ||
            write_number(out, last, size) < 0 ||
            CONSTANT(out, ",\"complete\":true,\"digest\":\"") < 0 ||
            write_digest(out, (const unsigned char *)part->column[DIGEST].view.buf + 16 * row) < 0)
            return -1;
        return CONSTANT(out, "\",\"content_digest\":null,\"content_length\":null}");
    case SILENT:
        if (CONSTANT(out, "{\"framing\":\"none\",\"length\":0,\"declared\":") < 0 ||
            write_number(out, last, size) < 0)
            return -1;
        return CONSTANT(out, ",\"complete\":true,\"digest\":null,\"content_digest\":null,"
                             "\"content_length\":null}");
    case FRAMES:
    case FRAMES_LENGTH:
        return write_framed(out, last, size, item_u8(&part->column[KIND], row) == FRAMES_LENGTH,
                            (const unsigned char *)part->column[DIGEST].view.buf + 16 * row);
    default:
        if (item_of(part->texts, item_i64(&part->column[WHICH], row), &text, &length) < 0)
            return -1;
        return memory_append(out, text, (size_t)length);
    }
}

#define FEW 48 /* bytes: most texts between two values are shorter */

/* A text that all lines have in common. A short one is copied with what stands behind it in its
 * memory, so that its size need not be known. */
static int write_common(Memory *out, const Memory *common) {
    if (common->used > FEW) return memory_append(out, common->bytes, common->used);
    if (memory_reserve(out, FEW) < 0) return -1;
    memcpy(out->bytes + out->used, common->bytes, FEW);
    out->used += common->used;
    return 0;
}

static int write_part(Memory *out, Last *last, const Part *part, Py_ssize_t row) {
    switch (part->kind) {
    case COMMON:
        return write_common(out, &part->common);
    case NUMBER: {
        int64_t number = integer_of(part, row);
        if (part->may_miss && number == part->missing) return CONSTANT(out, "null");
        return write_number(out, last, number);
    }
    case CHOICE:
        return write_choice(out, part, row);
    case REQUEST:
        return write_request(out, part, row);
    case BLOCK:
        return write_block(out, part, row);
    default:
        return write_body(out, last, part, row);
    }
}

/* what is noted */

static size_t part_count(const Lines *lines) {
    return lines->parts.used / sizeof(Part);
}

static Part *part_at(const Lines *lines, size_t at) {
    return (Part *)(void *)lines->parts.bytes + at;
}

/* A new part, to be filled. NULL with MemoryError set. */
static Part *new_part(Lines *lines, enum Kind kind, PyObject *texts) {
    static const Part nothing;
    if (memory_append(&lines->parts, &nothing, sizeof nothing) < 0) return NULL;
    Part *part = part_at(lines, part_count(lines) - 1);
    part->kind = kind;
    if (kind != COMMON) {
        part->column = PyMem_Calloc(MOST_COLUMNS, sizeof *part->column);
        if (part->column == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
    }
    Py_XINCREF(texts);
    part->texts = texts;
    return part;
}

/* An integer for each line. */
static int integer_per_line(const Lines *lines, Part *part, PyObject *column) {
    Column *held = &part->column[0];
    if (column_borrow_integers(held, column, lines->count) < 0) return -1;
    part->items = held->view.buf;
    part->item_size = (uint8_t)held->view.itemsize;
    part->is_signed = (uint8_t)held->is_signed;
    return 0;
}

/* One item for each line. */
static int per_line(const Lines *lines, Part *part, int at, PyObject *column, Py_ssize_t item) {
    return column_borrow(&part->column[at], column, item, lines->count, 0);
}

/* None; or NULL when noting a part failed, and then no line is written any more. */
static PyObject *noted(Lines *lines, int failed) {
    if (failed) {
        lines->count = 0;
        return NULL;
    }
    Py_INCREF(Py_None);
    return Py_None;
}

PyDoc_STRVAR(common_doc, "common(text, /)\n--\n\nThe same ASCII text in every line.");

static PyObject *common(PyObject *self, PyObject *argument) {
    Lines *lines = (Lines *)self;
    Py_ssize_t size;
    const char *text;
    if (ascii_of(argument, &text, &size) < 0) return NULL;
    size_t count = part_count(lines);
    Part *part = count > 0 ? part_at(lines, count - 1) : NULL;
    if (part == NULL || part->kind != COMMON) part = new_part(lines, COMMON, NULL);
    if (part == NULL || memory_append(&part->common, text, (size_t)size) < 0 ||
        memory_reserve(&part->common, FEW) < 0)
        return noted(lines, 1);
    memset(part->common.bytes + part->common.used, 0, FEW); /* copied, and written over */
    return noted(lines, 0);
}

PyDoc_STRVAR(numbers_doc,
             "numbers(column, missing=None, /)\n--\n\n"
             "A column of numbers; null for the one that is missing.");

static PyObject *numbers(PyObject *self, PyObject *args) {
    Lines *lines = (Lines *)self;
    PyObject *column, *missing = Py_None;
    if (!PyArg_ParseTuple(args, "O|O", &column, &missing)) return NULL;
    Part *part = new_part(lines, NUMBER, NULL);
    if (part == NULL) return noted(lines, 1);
    if (missing != Py_None) {
        part->may_miss = 1;
        part->missing = PyLong_AsLongLong(missing);
        if (part->missing == -1 && PyErr_Occurred()) return noted(lines, 1);
    }
    return noted(lines, integer_per_line(lines, part, column));
}

PyDoc_STRVAR(named_doc,
             "named(texts, column, /)\n--\n\nA column of indices into a list of ASCII texts.");

static PyObject *named(PyObject *self, PyObject *args) {
    Lines *lines = (Lines *)self;
    PyObject *texts, *column;
    if (!PyArg_ParseTuple(args, "O!O", &PyList_Type, &texts, &column)) return NULL;
    Part *part = new_part(lines, CHOICE, texts);
    return noted(lines, part == NULL || integer_per_line(lines, part, column));
}

PyDoc_STRVAR(requests_doc,
             "requests(texts, column, /)\n--\n\n"
             "A column of indices into a list of request lines (bytes).");

static PyObject *requests(PyObject *self, PyObject *args) {
    Lines *lines = (Lines *)self;
    PyObject *texts, *column;
    if (!PyArg_ParseTuple(args, "O!O", &PyList_Type, &texts, &column)) return NULL;
    Part *part = new_part(lines, REQUEST, texts);
    return noted(lines, part == NULL || integer_per_line(lines, part, column));
}

PyDoc_STRVAR(blocks_doc,
             "blocks(texts, loose, first, line, column, /)\n--\n\n"
             "A column of header blocks: rows of a HeadTexts, whose `loose` is u8 per line.");

static PyObject *blocks(PyObject *self, PyObject *args) {
    Lines *lines = (Lines *)self;
    PyObject *texts, *loose, *first, *line, *column;
    if (!PyArg_ParseTuple(args, "O!OOOO", &PyList_Type, &texts, &loose, &first, &line, &column))
        return NULL;
    Part *part = new_part(lines, BLOCK, texts);
    if (part != NULL && memory_reserve(&part->common, sizeof(Lately)) == 0)
        memset(part->common.bytes, -1, sizeof(((Lately *)0)->number));
    return noted(lines, part == NULL || part->common.bytes == NULL || integer_per_line(lines, part, column) ||
                            column_borrow(&part->column[FIRST], first, 8, -1, 0) ||
                            column_borrow(&part->column[LINE], line, 4, -1, 0) ||
                            column_borrow(&part->column[IS_LOOSE], loose, 1, -1, 0));
}

PyDoc_STRVAR(bodies_doc,
             "bodies(kind, size, digest, texts, which, /)\n--\n\n"
             "Bodies as a MessageTable has them; of OTHER the ASCII text `texts[which]`.");

static PyObject *bodies(PyObject *self, PyObject *args) {
    Lines *lines = (Lines *)self;
    PyObject *kind, *size, *digest, *texts, *which;
    if (!PyArg_ParseTuple(args, "OOOO!O", &kind, &size, &digest, &PyList_Type, &texts, &which))
        return NULL;
    Part *part = new_part(lines, BODY, texts);
    return noted(lines, part == NULL || per_line(lines, part, KIND, kind, 1) ||
                            per_line(lines, part, SIZE, size, 8) ||
                            per_line(lines, part, DIGEST, digest, 16) ||
                            per_line(lines, part, WHICH, which, 8));
}

PyDoc_STRVAR(joined_doc,
             "joined(between, before=None, low=0, high=None, /)\n--\n\n"
             "The lines low … high, with an ASCII text between each two of them. `before`: a list\n"
             "of ASCII texts, one for each of all lines, that are written in front of them.");

/* One line. 0, or -1 with an error set. */
static int write_row(Memory *out, Lines *lines, PyObject *before, Py_ssize_t row) {
    if (before != NULL) {
        const char *text;
        Py_ssize_t length;
        if (item_of(before, row, &text, &length) < 0) return -1;
        if (memory_append(out, text, (size_t)length) < 0) return -1;
    }
    for (size_t k = 0; k < part_count(lines); k++)
        if (write_part(out, &lines->last, part_at(lines, k), row) < 0) return -1;
    return 0;
}

/* Write the lines that a method was asked for into `lines->out`, the text after each of them, behind
 * the last, too. The size of that text; -1 with an error set. */
static Py_ssize_t write_lines(Lines *lines, PyObject *args) {
    Memory *out = &lines->out;
    const char *between;
    Py_ssize_t size, low = 0, high = lines->count;
    PyObject *before = Py_None;
    if (!PyArg_ParseTuple(args, "s#|Onn", &between, &size, &before, &low, &high)) return -1;
    if (before != Py_None && !PyList_Check(before)) {
        PyErr_SetString(PyExc_TypeError, "a list is needed");
        return -1;
    }
    if (low < 0) low = 0;
    if (high > lines->count) high = lines->count;
    out->used = 0;
    for (Py_ssize_t row = low; row < high; row++)
        if (write_row(out, lines, before == Py_None ? NULL : before, row) < 0 ||
            memory_append(out, between, (size_t)size) < 0)
            return -1;
    return size;
}

static PyObject *joined(PyObject *self, PyObject *args) {
    const Memory *out = &((Lines *)self)->out;
    Py_ssize_t behind = write_lines((Lines *)self, args);
    if (behind < 0) return NULL;
    if (out->used == 0) return PyUnicode_FromString("");
    return PyUnicode_DecodeASCII(out->bytes, (Py_ssize_t)out->used - behind, "strict");
}

PyDoc_STRVAR(ended_doc,
             "ended(end, before=None, low=0, high=None, /)\n--\n\n"
             "The same lines as bytes, each with this text behind it.");

static PyObject *ended(PyObject *self, PyObject *args) {
    const Memory *out = &((Lines *)self)->out;
    if (write_lines((Lines *)self, args) < 0) return NULL;
    return PyBytes_FromStringAndSize(out->used ? out->bytes : "", (Py_ssize_t)out->used);
}

/* the type */

static void lines_free(PyObject *self) {
    Lines *lines = (Lines *)self;
    for (size_t k = 0; k < part_count(lines); k++) {
        Part *part = part_at(lines, k);
        for (int c = 0; part->column != NULL && c < MOST_COLUMNS; c++)
            column_return(&part->column[c]);
        PyMem_Free(part->column);
        Py_XDECREF(part->texts);
        memory_free(&part->common);
    }
    memory_free(&lines->parts);
    memory_free(&lines->out);
    object_free(self);
}

static PyObject *lines_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    Py_ssize_t count;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "n", &count)) return NULL;
    if (count < 0) {
        PyErr_SetString(PyExc_ValueError, "a number of lines is not negative");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Lines *lines = (Lines *)allocate(type, 0); /* all zeros */
    if (lines != NULL) lines->count = count;
    return (PyObject *)lines;
}

static PyMethodDef methods[] = {
    {"common", common, METH_O, common_doc},
    {"numbers", numbers, METH_VARARGS, numbers_doc},
    {"named", named, METH_VARARGS, named_doc},
    {"requests", requests, METH_VARARGS, requests_doc},
    {"blocks", blocks, METH_VARARGS, blocks_doc},
    {"bodies", bodies, METH_VARARGS, bodies_doc},
    {"joined", joined, METH_VARARGS, joined_doc},
    {"ended", ended, METH_VARARGS, ended_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, lines_new},
    {Py_tp_dealloc, lines_free},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Lines(count, /)\n--\n\nLines of JSON that are to be written."},
    {0, NULL},
};

PyType_Spec lines_spec = {
    .name = "lbtrace.compiled._core.Lines",
    .basicsize = sizeof(Lines),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
