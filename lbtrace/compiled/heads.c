/* Heads of messages → numbers: the type `Heads` (RFC 9112 §2, §5).
 *
 *     a burst ─▶ cut off the head ─▶ start line ─▶ its number, its kind
 *                                 ─▶ header block ─▶ its number, what its lines state of framing
 *
 * The Python road is `lbtrace.http.bulk.head_dictionary`. What a field line means is decided there
 * and only there: a line whose name is a token, that has no CR, LF or NUL, and whose field does not
 * bear on framing is taken here; any other line is given to `examine`, a function of that module.
 * A request line of a method that means nothing for framing, with a path and HTTP/1.1, is taken
 * here; any other start line is given to `classify`, a function of `lbtrace.http.bulk.start_lines`.
 *
 * A block is not kept as text: it is the numbers of its lines.
 *
 * Heads of a connection are much alike. So a line is first compared with the one that stood there
 * the last time: behind the same line before it, or as the first of the heads of that side. Where
 * both are equal, its end need not be looked for, nor its number.
 *
 * Most of the time would be spent waiting for memory: for the capture, and for places in tables of
 * a million texts. So what a head needs is asked for some heads before it is its turn.
 */

#include "core.h"

#define LINE_END "\r\n"
#define HEAD_END "\r\n\r\n"
#define NO_LINES "?" /* stands for a block without lines; no field line */
/* flags of a line or block; as in head_dictionary.py and body_length.py */
#define ODD 1u
#define ENCODED 8u
#define SIZED 32u
#define LOOSE 64u /* of a line alone: it is not exactly `name: value` */
#define PLAIN 1u  /* of a start line; as in start_lines.py */
#define MOST INT32_MAX
#define AHEAD 8     /* heads that are parted before the first of them is numbered */
#define FAR 16      /* heads between one that is parted and one that is asked for */
#define FETCHED 384 /* bytes that are asked for of each */
#define LINE 64     /* bytes that come from memory together */

/* Texts of one kind, each kept once: one behind the other. */
typedef struct {
    Memory bytes;
    Memory ends; /* int64: where each text ends in `bytes` */
    Index index;
} Texts;

/* A line of a head that is being cut. */
typedef struct {
    const char *text;
    size_t size;
    uint64_t hash;   /* of one whose number is not known */
    uint32_t number; /* UNKNOWN as long as it is not known */
} Part;

/* A head that is parted: `begin` … `end` is its burst, `head_end` where its first empty line begins,
 * with the line end before it; `end` without one. */
typedef struct {
    const char *begin, *head_end, *end;
    Memory parts;  /* Part: start line and field lines */
    Memory joined; /* the bytes of a burst of several pieces */
} Parted;

typedef struct {
    PyObject_HEAD
    PyObject *watched; /* tuple of bytes: fields that bear on framing, in small letters */
    uint64_t watched_sizes; /* bit n: one of them has n bytes */
    PyObject *examine; /* line, number → (flags, length) */
    PyObject *classify; /* side, start line → kind */
    Memory kinds[2];   /* uint8 of each start line */
    Texts starts[2];   /* of requests, of responses */
    Texts lines;
    Index blocks;
    Memory line_flags;   /* uint8 of each line */
    Memory line_lengths; /* int64 of each line: its Content-Length */
    Memory behind;       /* uint32 of each line: which one stood behind it the last time */
    uint32_t last_start[2], opening[2]; /* of each side: start line and first line of the last */
    Memory numbers;      /* uint32: the field lines of the head that is being cut */
    Memory first;        /* int64: the first line of each block in `line`, and the end of all */
    Memory line;         /* int32 */
    Memory block_flags;  /* uint8 of each block */
    Memory block_lengths; /* int64 of each block */
    int busy; /* a batch is being cut, or one failed: then what is noted may lack something */
} Heads;

static size_t block_count(const Heads *heads) {
    return heads->block_flags.used;
}

static int64_t first_line(const Heads *heads, size_t block) {
    int64_t first;
    memcpy(&first, heads->first.bytes + 8 * block, sizeof first);
    return first;
}

static int32_t line_at(const Heads *heads, int64_t at) {
    int32_t line;
    memcpy(&line, heads->line.bytes + 4 * at, sizeof line);
    return line;
}

/* texts */

static size_t text_count(const Texts *texts) {
    return texts->ends.used / 8;
}

/* The text with a number, which is that of one; its size. */
static const char *text_at(const Texts *texts, uint32_t number, size_t *size) {
    int64_t begin = 0, end;
    if (number > 0) memcpy(&begin, texts->ends.bytes + 8 * ((size_t)number - 1), sizeof begin);
    memcpy(&end, texts->ends.bytes + 8 * (size_t)number, sizeof end);
    *size = (size_t)(end - begin);
    return *size ? texts->bytes.bytes + begin : "";
}

static int same_text(void *context, uint32_t number, const char *text, size_t size) {
    size_t known_size;
    const char *known = text_at(context, number, &known_size);
    return known_size == size && memcmp(known, text, size) == 0;
}

/* The number of a part; `*fresh` is set when it is a new text. UNKNOWN with an error set. */
static uint32_t number_of(Texts *texts, const Part *part, int *fresh) {
    int failed = 0;
    const char *text = part->text;
    size_t size = part->size;
    uint64_t hash = part->hash;
    uint32_t number = index_find(&texts->index, hash, same_text, texts, text, size, &failed);
    *fresh = 0;
    if (number != UNKNOWN) return number;
    size_t count = text_count(texts);
    if (count >= MOST) {
        PyErr_SetString(PyExc_OverflowError, "too many texts");
        return UNKNOWN;
    }
    if (memory_append(&texts->bytes, text, size) < 0) return UNKNOWN;
    int64_t end = (int64_t)texts->bytes.used;
    if (memory_append(&texts->ends, &end, sizeof end) < 0 ||
        index_add(&texts->index, hash, (uint32_t)count) < 0)
        return UNKNOWN;
    *fresh = 1;
    return (uint32_t)count;
}

/* One text as Python's bytes. NULL with an error set. */
static PyObject *bytes_of(const Texts *texts, size_t number) {
    size_t size;
    const char *text = text_at(texts, (uint32_t)number, &size);
    return PyBytes_FromStringAndSize(text, (Py_ssize_t)size);
}

/* All texts as a list of Python's bytes, by number. NULL with an error set. */
static PyObject *list_of(const Texts *texts) {
    size_t count = text_count(texts);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t at = 0; list != NULL && at < count; at++) {
        PyObject *text = bytes_of(texts, at);
        if (text == NULL || PyList_SetItem(list, (Py_ssize_t)at, text) < 0) Py_CLEAR(list);
    }
    return list;
}

static void texts_free(Texts *texts) {
    memory_free(&texts->bytes);
    memory_free(&texts->ends);
    index_free(&texts->index);
}

/* field lines */

int in_token(unsigned char c) {
    if (c >= '^' && c <= 'z') return 1; /* ^ _ ` and small letters */
    if (c >= 'A' && c <= 'Z') return 1;
    if (c >= '0' && c <= '9') return 1;
    return c == '|' || c == '~' || c == '!' || (c >= '#' && c <= '\'') || c == '*' || c == '+' ||
           c == '-' || c == '.';
}

static int same_name(const char *name, const char *small, size_t size) {
    for (size_t k = 0; k < size; k++) {
        char c = name[k];
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if (c != small[k]) return 0;
    }
    return 1;
}

/* Whether a field bears on framing. -1 with an error set. */
static int is_watched(const Heads *heads, const char *name, size_t size) {
    if (size < 64 && !(heads->watched_sizes >> size & 1)) return 0;
    Py_ssize_t count = PyTuple_Size(heads->watched);
    for (Py_ssize_t k = 0; k < count; k++) {
        char *small;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(heads->watched, k), &small, &length) < 0)
            return -1;
        if ((size_t)length == size && same_name(name, small, size)) return 1;
    }
    return 0;
}

static int is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Whether a line is surely of no interest: `*flags` is then 0 or LOOSE. -1 with an error set. */
static int is_plain(const Heads *heads, const char *line, size_t size, uint8_t *flags) {
    const char *colon = memchr(line, ':', size);
    if (colon == NULL || colon == line) return 0;
    size_t name = (size_t)(colon - line), value = size - name - 1;
    for (size_t k = 0; k < name; k++)
        if (!in_token((unsigned char)line[k])) return 0;
    const char *text = colon + 1;
    if (memchr(text, '\r', value) || memchr(text, '\n', value) || memchr(text, 0, value)) return 0;
    /* one space, then a value that neither begins nor ends with a blank */
    int exact = value > 0 && text[0] == ' ' &&
                (value == 1 || (!is_blank(text[1]) && !is_blank(text[value - 1])));
    *flags = exact ? 0 : LOOSE;
    int watched = is_watched(heads, line, name);
    return watched < 0 ? -1 : !watched;
}

/* Ask Python about a line. */
static int ask(Heads *heads, uint32_t number, uint8_t *flags, int64_t *length) {
    long found;
    long long stated;
    size_t size;
    const char *line = text_at(&heads->lines, number, &size);
    PyObject *answer = PyObject_CallFunction(heads->examine, "y#I", line, (Py_ssize_t)size,
                                             (unsigned int)number);
    if (answer == NULL) return -1;
    int good = PyTuple_Check(answer) && PyArg_ParseTuple(answer, "lL", &found, &stated);
    if (!good && !PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "examine gives a pair");
    Py_DECREF(answer);
    if (!good) return -1;
    *flags = (uint8_t)found;
    *length = stated;
    return 0;
}

/* Note what a new line states. */
static int note_line(Heads *heads, uint32_t number, const char *text, size_t size) {
    uint8_t flags = 0;
    int64_t length = 0;
    uint32_t none = UNKNOWN;
    int plain = is_plain(heads, text, size, &flags);
    if (plain < 0 || (!plain && ask(heads, number, &flags, &length) < 0)) return -1;
    if (memory_append(&heads->line_flags, &flags, 1) < 0 ||
        memory_append(&heads->behind, &none, sizeof none) < 0)
        return -1;
    return memory_append(&heads->line_lengths, &length, sizeof length);
}

/* start lines */

#define LONGEST_METHOD 24
#define LONGEST_TARGET 2001 /* with its slash */

static int is_text(const char *text, size_t size, const char *other) {
    return strlen(other) == size && memcmp(text, other, size) == 0;
}

/* Whether a request line is surely of ordinary shape, and not of a method that needs a closer look:
 * `request_kinds` says PLAIN of it, and nothing else. */
static int is_plain_request(const char *line, size_t size) {
    static const char version[] = " HTTP/1.1";
    size_t method = 0;
    while (method < size && line[method] >= 'A' && line[method] <= 'Z') method++;
    if (method < 2 || method > LONGEST_METHOD || is_text(line, method, "HEAD") ||
        is_text(line, method, "CONNECT") || is_text(line, method, "PROXY"))
        return 0;
    const char *target = line + method + 1, *end = line + size - (sizeof version - 1);
    if (size < method + 2 + sizeof version - 1 || target[-1] != ' ' || *target != '/' ||
        end - target > LONGEST_TARGET || memcmp(end, version, sizeof version - 1) != 0)
        return 0;
    for (; target < end; target++)
        if ((unsigned char)*target <= ' ') return 0;
    return 1;
}

/* Note the kind of a new start line. 0, or -1 with an error set. */
static int note_start(Heads *heads, int side, const char *line, size_t size) {
    uint8_t kind = PLAIN;
    if (side != 0 || !is_plain_request(line, size)) {
        PyObject *answer =
            PyObject_CallFunction(heads->classify, "iy#", side, line, (Py_ssize_t)size);
        long found = answer == NULL ? -1 : PyLong_AsLong(answer);
        Py_XDECREF(answer);
        if (found < 0 || found > UINT8_MAX) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a kind is one byte");
            return -1;
        }
        kind = (uint8_t)found;
    }
    return memory_append(&heads->kinds[side], &kind, 1);
}

/* The number of a start line; UNKNOWN with an error set. */
static uint32_t start_of(Heads *heads, int side, const Part *part) {
    int fresh;
    uint32_t number = part->number;
    if (number == UNKNOWN) {
        number = number_of(&heads->starts[side], part, &fresh);
        if (number == UNKNOWN || (fresh && note_start(heads, side, part->text, part->size) < 0))
            return UNKNOWN;
    }
    heads->last_start[side] = number;
    return number;
}

/* the parts of a head */

/* The first of two bytes in a text, or its end. */
static const char *find_pair(const char *text, const char *end, const char pair[2]) {
    while (end - text >= 2) {
        text = memchr(text, pair[0], (size_t)(end - text - 1));
        if (text == NULL) return end;
        if (text[1] == pair[1]) return text;
        text++;
    }
    return end;
}

/* Whether the line that begins at `text` is the one with this number, if that is one: then where it
 * ends; NULL otherwise. */
static const char *end_if_guessed(const Texts *texts, uint32_t number, const char *text,
                                  const char *end) {
    size_t size;
    if (number == UNKNOWN) return NULL;
    const char *known = text_at(texts, number, &size);
    if ((size_t)(end - text) < size + 2 || memcmp(text, known, size) != 0 ||
        memcmp(text + size, LINE_END, 2) != 0)
        return NULL;
    return text + size;
}

static uint32_t line_behind(const Heads *heads, uint32_t line) {
    uint32_t behind;
    if (line == UNKNOWN) return UNKNOWN;
    memcpy(&behind, heads->behind.bytes + 4 * (size_t)line, sizeof behind);
    return behind;
}

/* A text whose number is not known, and its place in the table is asked for. */
static Part unknown_part(const Texts *texts, const char *text, size_t size) {
    Part part = {text, size, hash_of(text, size, texts->index.seed), UNKNOWN};
    index_fetch(&texts->index, part.hash);
    return part;
}

static int ends_head(const char *line_end, const char *end) {
    return end - line_end >= 4 && memcmp(line_end, HEAD_END, 4) == 0;
}

/* The first empty line in a text, with the line end before it; `end` without one. */
static const char *find_head_end(const char *text, const char *end) {
    for (;; text++) {
        text = find_pair(text, end, LINE_END);
        if (text == end || ends_head(text, end)) return text;
    }
}

/* Part a head into its start line and its field lines, some of them with their numbers; of one that
 * is longer than `longest`, those at its beginning. 0, or -1 with an error set. */
static int part_head(const Heads *heads, int side, Py_ssize_t longest, Parted *head) {
    const Texts *texts = &heads->starts[side];
    const char *text = head->begin, *end = head->end;
    uint32_t guess = heads->last_start[side];
    head->parts.used = 0;
    for (;;) {
        const char *line_end = end_if_guessed(texts, guess, text, end);
        Part part = {text, 0, 0, guess};
        if (line_end == NULL) {
            line_end = find_pair(text, end, LINE_END);
            part = unknown_part(texts, text, (size_t)(line_end - text));
        }
        if (memory_append(&head->parts, &part, sizeof part) < 0) return -1;
        if (line_end == end || ends_head(line_end, end)) {
            head->head_end = line_end;
            return 0;
        }
        if (line_end - head->begin > longest) {
            head->head_end = find_head_end(line_end, end);
            return 0;
        }
        guess = texts == &heads->lines ? line_behind(heads, part.number) : heads->opening[side];
        texts = &heads->lines;
        text = line_end + 2;
    }
}

static Part part_at(const Parted *head, size_t at) {
    Part part;
    memcpy(&part, head->parts.bytes + at * sizeof part, sizeof part);
    return part;
}

/* Give a head that counts as empty, or has no field lines, the parts that stand for it. 0, or -1
 * with an error set. */
static int part_without_lines(const Heads *heads, int side, Parted *head, int empty) {
    Part parts[2] = {part_at(head, 0),
                     unknown_part(&heads->lines, NO_LINES, sizeof NO_LINES - 1)};
    if (empty) parts[0] = unknown_part(&heads->starts[side], "", 0);
    head->parts.used = 0;
    return memory_append(&head->parts, parts, sizeof parts);
}

/* blocks */

/* Of two equal numbers of bytes `text` holds numbers of lines. */
static int same_block(void *context, uint32_t number, const char *text, size_t size) {
    const Heads *heads = context;
    int64_t at = first_line(heads, number), end = first_line(heads, number + 1u);
    return (size_t)(4 * (end - at)) == size && memcmp(heads->line.bytes + 4 * at, text, size) == 0;
}

/* Two field lines about the length of the body: only the plain reader knows what to make of them. */
static uint8_t together(uint8_t flags, uint8_t more) {
    uint8_t both = flags & more & (SIZED | ENCODED);
    flags |= more & (uint8_t)~LOOSE;
    if (both || ((flags & SIZED) && (flags & ENCODED))) flags |= ODD;
    return flags;
}

/* The number of a field line; UNKNOWN with an error set. */
static uint32_t line_of(Heads *heads, const Part *part) {
    int fresh;
    if (part->number != UNKNOWN) return part->number;
    uint32_t number = number_of(&heads->lines, part, &fresh);
    if (number == UNKNOWN || (fresh && note_line(heads, number, part->text, part->size) < 0))
        return UNKNOWN;
    return number;
}

/* Number the field lines of a head, and note which stood behind which. 0, or -1 with an error set. */
static int number_lines(Heads *heads, int side, const Parted *head) {
    size_t count = head->parts.used / sizeof(Part);
    char *place = (char *)&heads->opening[side];
    heads->numbers.used = 0;
    for (size_t k = 1; k < count; k++) {
        Part part = part_at(head, k);
        uint32_t before = UNKNOWN, number = line_of(heads, &part);
        if (number == UNKNOWN || memory_append(&heads->numbers, &number, sizeof number) < 0)
            return -1;
        if (k > 1) {
            memcpy(&before, heads->numbers.bytes + 4 * (k - 2), sizeof before);
            place = heads->behind.bytes + 4 * (size_t)before;
        }
        memcpy(place, &number, sizeof number);
    }
    return 0;
}

/* A new block: keep the numbers of its lines, and what they state together. */
static int add_block(Heads *heads) {
    uint8_t flags = 0;
    int64_t length = 0;
    for (size_t at = 0; at < heads->numbers.used; at += 4) {
        uint32_t number;
        memcpy(&number, heads->numbers.bytes + at, sizeof number);
        uint8_t more = (uint8_t)heads->line_flags.bytes[number];
        flags = together(flags, more);
        if (more & SIZED) memcpy(&length, heads->line_lengths.bytes + 8 * (size_t)number, 8);
    }
    if (memory_append(&heads->line, heads->numbers.bytes, heads->numbers.used) < 0) return -1;
    int64_t lines = (int64_t)(heads->line.used / 4);
    if (memory_append(&heads->first, &lines, sizeof lines) < 0) return -1;
    if (memory_append(&heads->block_lengths, &length, sizeof length) < 0) return -1;
    return memory_append(&heads->block_flags, &flags, 1);
}

/* The number of the block of a head; UNKNOWN with an error set. */
static uint32_t block_of(Heads *heads, int side, const Parted *head) {
    int failed = 0;
    if (number_lines(heads, side, head) < 0) return UNKNOWN;
    const char *text = heads->numbers.bytes;
    size_t size = heads->numbers.used, count = block_count(heads);
    uint64_t hash = hash_of(text, size, heads->blocks.seed);
    uint32_t number = index_find(&heads->blocks, hash, same_block, heads, text, size, &failed);
    if (number != UNKNOWN) return number;
    if (count >= MOST) {
        PyErr_SetString(PyExc_OverflowError, "too many header blocks");
        return UNKNOWN;
    }
    if (add_block(heads) < 0) return UNKNOWN;
    return index_add(&heads->blocks, hash, (uint32_t)count) < 0 ? UNKNOWN : (uint32_t)count;
}

/* a batch */

/* What is given: per piece of a stream the buffer it is in, where it begins there and its length;
 * the pieces of all bursts, and where those of each begin; the bursts of the batch, and the sizes
 * of all bursts. */
enum { BUFFER, PAYLOAD, PIECE, ROW, FIRST, BURST, SIZE, GIVEN };
/* What is found of each burst of the batch. */
enum { HEAD, START, KIND, BLOCK, FLAGS, LENGTH, FOUND };
static const Py_ssize_t ITEM[FOUND] = {8, 8, 1, 8, 1, 8};

typedef struct {
    int side;
    Py_ssize_t longest;       /* bytes of a head that is remembered */
    int64_t large, beginning; /* of a larger burst only so many bytes, and its piece, are looked at */
    Column given[GIVEN], found[FOUND];
    Column *views; /* the buffers */
    Py_ssize_t view_count;
    Parted ahead[AHEAD];
} Batch;

/* Where a piece is; whether it lies in its buffer. */
static int has_piece(const Batch *batch, int64_t at, const char **text, int64_t *size) {
    const Column *given = batch->given;
    int64_t row = item_i64(&given[ROW], (Py_ssize_t)at);
    if (row >= 0 && row < given[PAYLOAD].count) {
        int64_t view = item_integer(&given[BUFFER], (Py_ssize_t)row);
        int64_t begin = item_i64(&given[PAYLOAD], (Py_ssize_t)row);
        *size = item_integer(&given[PIECE], (Py_ssize_t)row);
        if (view >= 0 && view < batch->view_count && begin >= 0 && *size >= 0 &&
            *size <= batch->views[view].count && begin <= batch->views[view].count - *size) {
            *text = (const char *)batch->views[view].view.buf + begin;
            return 1;
        }
    }
    return 0;
}

/* Where a piece is. 0, or -1 with an error set. */
static int piece_at(const Batch *batch, int64_t at, const char **text, int64_t *size) {
    if (has_piece(batch, at, text, size)) return 0;
    PyErr_SetString(PyExc_IndexError, "a piece lies outside its buffer");
    return -1;
}

/* Ask for the first bytes of burst k of a batch, if there is one. */
static void fetch_burst(const Batch *batch, Py_ssize_t k) {
    const Column *given = batch->given;
    const char *text;
    int64_t size;
    if (k >= given[BURST].count) return;
    int64_t burst = item_i64(&given[BURST], k);
    if (burst < 0 || burst >= given[SIZE].count) return;
    int64_t at = item_i64(&given[FIRST], (Py_ssize_t)burst);
    if (at < 0 || at >= given[ROW].count || !has_piece(batch, at, &text, &size)) return;
    for (int64_t byte = 0; byte < size && byte < FETCHED; byte += LINE) fetch(text, 1, byte);
}

/* The bytes of a burst, of a large one the beginning: of one piece where it is, of several joined.
 * 0, or -1 with an error set. */
static int burst_text(const Batch *batch, int64_t burst, Parted *head) {
    const Column *first = &batch->given[FIRST];
    const char *text;
    int64_t at = item_i64(first, (Py_ssize_t)burst), end = item_i64(first, (Py_ssize_t)burst + 1);
    int64_t whole = item_i64(&batch->given[SIZE], (Py_ssize_t)burst), size;
    if (at < 0 || end <= at || end > batch->given[ROW].count) {
        PyErr_SetString(PyExc_IndexError, "a burst lies outside its pieces");
        return -1;
    }
    if (end - at == 1) {
        if (piece_at(batch, at, &head->begin, &size) < 0) return -1;
        head->end = head->begin + size;
        return 0;
    }
    head->joined.used = 0;
    for (; at < end; at++) {
        if (whole > batch->large && (int64_t)head->joined.used >= batch->beginning) break;
        if (piece_at(batch, at, &text, &size) < 0 ||
            memory_append(&head->joined, text, (size_t)size) < 0)
            return -1;
    }
    head->begin = head->joined.used ? head->joined.bytes : "";
    head->end = head->begin + head->joined.used;
    return 0;
}

/* Part the head of burst k of a batch. 0, or -1 with an error set. */
static int begin_head(const Heads *heads, Batch *batch, Py_ssize_t k) {
    int64_t burst = item_i64(&batch->given[BURST], k);
    Parted *head = &batch->ahead[k % AHEAD];
    if (burst < 0 || burst >= batch->given[SIZE].count) {
        PyErr_SetString(PyExc_IndexError, "no such burst");
        return -1;
    }
    if (burst_text(batch, burst, head) < 0 ||
        part_head(heads, batch->side, batch->longest, head) < 0)
        return -1;
    int64_t size = head->head_end - head->begin + 4;
    /* a head that does not end in the burst, or is too long to be remembered, counts as empty */
    int empty = size > item_i64(&batch->given[SIZE], (Py_ssize_t)burst) || size > batch->longest;
    if (!empty && head->parts.used > sizeof(Part)) return 0;
    return part_without_lines(heads, batch->side, head, empty);
}

/* Number the parts of the head of burst k, and note what is found; its body is appended to
 * `bodies`. 0, or -1 with an error set. */
static int end_head(Heads *heads, Batch *batch, Py_ssize_t k, PyObject *bodies) {
    const Parted *head = &batch->ahead[k % AHEAD];
    const char *body = head->head_end == head->end ? head->end : head->head_end + 4;
    Part first = part_at(head, 0);
    uint32_t start = start_of(heads, batch->side, &first);
    if (start == UNKNOWN) return -1;
    uint32_t number = block_of(heads, batch->side, head);
    if (number == UNKNOWN) return -1;
    int64_t length;
    memcpy(&length, heads->block_lengths.bytes + 8 * (size_t)number, sizeof length);
    set_i64(&batch->found[HEAD], k, head->head_end - head->begin + 4);
    set_i64(&batch->found[START], k, start);
    set_u8(&batch->found[KIND], k, (uint8_t)heads->kinds[batch->side].bytes[start]);
    set_i64(&batch->found[BLOCK], k, number);
    set_u8(&batch->found[FLAGS], k, (uint8_t)heads->block_flags.bytes[number]);
    set_i64(&batch->found[LENGTH], k, length);
    PyObject *held = PyBytes_FromStringAndSize(body, head->end - body);
    int failed = held == NULL || PyList_Append(bodies, held) < 0;
    Py_XDECREF(held);
    return failed ? -1 : 0;
}

/* Cut all bursts of a batch: each is asked for, then parted, then numbered. 0, or -1 with an error
 * set. */
static int cut_all(Heads *heads, Batch *batch, PyObject *bodies) {
    Py_ssize_t count = batch->given[BURST].count;
    for (Py_ssize_t k = 0; k < FAR; k++) fetch_burst(batch, k);
    for (Py_ssize_t k = 0; k < count + AHEAD; k++) {
        if (k >= AHEAD && end_head(heads, batch, k - AHEAD, bodies) < 0) return -1;
        if (k < count && begin_head(heads, batch, k) < 0) return -1;
        fetch_burst(batch, k + FAR);
    }
    return 0;
}

/* Borrow all that a batch consists of. Whether that is so; else an error is set. */
static int batch_borrow(Batch *batch, PyObject *views, PyObject *given, PyObject *found) {
    batch->view_count = PyTuple_Size(views);
    batch->views = PyMem_Calloc((size_t)batch->view_count + 1, sizeof *batch->views);
    if (batch->views == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (Py_ssize_t k = 0; k < batch->view_count; k++)
        if (column_borrow(&batch->views[k], PyTuple_GetItem(views, k), 1, -1, 0) < 0) return 0;
    if (PyTuple_Size(given) != GIVEN || PyTuple_Size(found) != FOUND) {
        PyErr_SetString(PyExc_ValueError, "not all columns are given");
        return 0;
    }
    Column *in = batch->given;
    for (int k = 0; k < GIVEN; k++) {
        PyObject *object = PyTuple_GetItem(given, k);
        Py_ssize_t count = k == PAYLOAD || k == PIECE ? in[BUFFER].count : -1;
        int failed = k == BUFFER || k == PIECE ? column_borrow_integers(&in[k], object, count)
                                               : column_borrow(&in[k], object, 8, count, 0);
        if (failed < 0) return 0;
    }
    if (in[FIRST].count != in[SIZE].count + 1) {
        PyErr_SetString(PyExc_ValueError, "each burst has a size");
        return 0;
    }
    for (int k = 0; k < FOUND; k++)
        if (column_borrow(&batch->found[k], PyTuple_GetItem(found, k), ITEM[k], in[BURST].count,
                          1) < 0)
            return 0;
    return 1;
}

static void batch_return(Batch *batch) {
    for (Py_ssize_t k = 0; batch->views != NULL && k < batch->view_count; k++)
        column_return(&batch->views[k]);
    PyMem_Free(batch->views);
    for (int k = 0; k < GIVEN; k++) column_return(&batch->given[k]);
    for (int k = 0; k < FOUND; k++) column_return(&batch->found[k]);
    for (int k = 0; k < AHEAD; k++) {
        memory_free(&batch->ahead[k].parts);
        memory_free(&batch->ahead[k].joined);
    }
}

PyDoc_STRVAR(cut_doc,
             "cut(side, longest, large, beginning, views, given, found, /)\n--\n\n"
             "Cut bursts, fill the columns `found`, and return the bodies.");

static PyObject *cut(PyObject *self, PyObject *args) {
    Heads *heads = (Heads *)self;
    PyObject *views, *given, *found, *bodies = NULL;
    long long large, beginning;
    Batch batch;
    memset(&batch, 0, sizeof batch);
    if (!PyArg_ParseTuple(args, "inLLO!O!O!", &batch.side, &batch.longest, &large, &beginning,
                          &PyTuple_Type, &views, &PyTuple_Type, &given, &PyTuple_Type, &found))
        return NULL;
    if (heads->busy || batch.side < 0 || batch.side > 1) {
        PyErr_SetString(PyExc_ValueError, "one batch at a time, none after an error, side 0 or 1");
        return NULL;
    }
    batch.large = large;
    batch.beginning = beginning;
    int good = batch_borrow(&batch, views, given, found);
    if (good) bodies = PyList_New(0);
    heads->busy = good;
    if (bodies != NULL && cut_all(heads, &batch, bodies) < 0) Py_CLEAR(bodies);
    heads->busy = good && bodies == NULL;
    batch_return(&batch);
    return bodies;
}

PyDoc_STRVAR(block_doc, "block(number, /)\n--\n\nThe numbers of the lines of a block.");

static PyObject *block(PyObject *self, PyObject *argument) {
    Heads *heads = (Heads *)self;
    size_t number = PyLong_AsSize_t(argument);
    if (number == (size_t)-1 && PyErr_Occurred()) return NULL;
    if (number >= block_count(heads)) {
        PyErr_SetString(PyExc_IndexError, "no such block");
        return NULL;
    }
    int64_t first = first_line(heads, number), end = first_line(heads, number + 1);
    PyObject *found = PyList_New(0);
    for (int64_t at = first; found != NULL && at < end; at++) {
        PyObject *line = PyLong_FromLong(line_at(heads, at));
        if (line == NULL || PyList_Append(found, line) < 0) Py_CLEAR(found);
        Py_XDECREF(line);
    }
    return found;
}

PyDoc_STRVAR(columns_doc,
             "columns()\n--\n\n"
             "`first` (i64) and `line` (i32) of all blocks, and the flags of all lines (u8).");

static PyObject *columns(PyObject *self, PyObject *unused) {
    Heads *heads = (Heads *)self;
    (void)unused;
    return Py_BuildValue("y#y#y#", heads->first.bytes, (Py_ssize_t)heads->first.used,
                         heads->line.used ? heads->line.bytes : "", (Py_ssize_t)heads->line.used,
                         heads->line_flags.used ? heads->line_flags.bytes : "",
                         (Py_ssize_t)heads->line_flags.used);
}

/* The texts of a kind: lines, request lines, status lines. */
static const Texts *texts_of(const Heads *heads, int kind) {
    return kind == 0 ? &heads->lines : &heads->starts[kind - 1];
}

PyDoc_STRVAR(text_doc, "text(kind, number, /)\n--\n\n"
                       "A line (kind 0), a request line (1) or a status line (2).");

static PyObject *text(PyObject *self, PyObject *args) {
    int kind;
    Py_ssize_t number;
    if (!PyArg_ParseTuple(args, "in", &kind, &number)) return NULL;
    if (kind >= 0 && kind <= 2 && number >= 0) {
        const Texts *held = texts_of((Heads *)self, kind);
        if ((size_t)number < text_count(held)) return bytes_of(held, (size_t)number);
    }
    PyErr_SetString(PyExc_IndexError, "no such text");
    return NULL;
}

PyDoc_STRVAR(texts_doc,
             "texts()\n--\n\nThe lists of lines, request lines and status lines, by number.");

static PyObject *texts(PyObject *self, PyObject *unused) {
    PyObject *found = PyTuple_New(3);
    (void)unused;
    for (int kind = 0; found != NULL && kind < 3; kind++) {
        PyObject *list = list_of(texts_of((Heads *)self, kind));
        if (list == NULL || PyTuple_SetItem(found, kind, list) < 0) Py_CLEAR(found);
    }
    return found;
}

PyDoc_STRVAR(distinct_doc, "distinct()\n--\n\nWhether no two lines in `texts` are equal.");

static PyObject *distinct(PyObject *self, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(!((Heads *)self)->lines.index.lost);
}

/* the type */

static void heads_free(PyObject *self) {
    Heads *heads = (Heads *)self;
    Texts *kept[] = {&heads->lines, &heads->starts[0], &heads->starts[1]};
    for (int k = 0; k < 3; k++) texts_free(kept[k]);
    Memory *grown[] = {&heads->line_flags, &heads->line_lengths, &heads->behind,
                       &heads->numbers,    &heads->first,        &heads->line,
                       &heads->block_flags, &heads->block_lengths};
    for (int k = 0; k < 8; k++) memory_free(grown[k]);
    for (int side = 0; side < 2; side++) memory_free(&heads->kinds[side]);
    index_free(&heads->blocks);
    Py_XDECREF(heads->watched);
    Py_XDECREF(heads->examine);
    Py_XDECREF(heads->classify);
    object_free(self);
}

static PyObject *heads_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *watched, *examine, *classify;
    unsigned long long seed;
    int64_t none = 0;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "O!OOK", &PyTuple_Type, &watched, &examine, &classify, &seed))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Heads *heads = (Heads *)allocate(type, 0); /* all zeros */
    if (heads == NULL) return NULL;
    Py_INCREF(watched);
    Py_INCREF(examine);
    Py_INCREF(classify);
    heads->watched = watched;
    heads->examine = examine;
    heads->classify = classify;
    heads->blocks.seed = seed;
    Texts *kept[] = {&heads->lines, &heads->starts[0], &heads->starts[1]};
    for (int k = 0; k < 3; k++) kept[k]->index.seed = seed;
    for (int side = 0; side < 2; side++) heads->last_start[side] = heads->opening[side] = UNKNOWN;
    int good = memory_append(&heads->first, &none, sizeof none) == 0;
    for (Py_ssize_t k = 0; good && k < PyTuple_Size(watched); k++) {
        Py_ssize_t size = PyBytes_Size(PyTuple_GetItem(watched, k));
        good = size >= 0;
        if (good && size < 64) heads->watched_sizes |= (uint64_t)1 << size;
    }
    if (!good) {
        Py_DECREF(heads);
        return NULL;
    }
    return (PyObject *)heads;
}

static PyMethodDef methods[] = {
    {"cut", cut, METH_VARARGS, cut_doc},
    {"block", block, METH_O, block_doc},
    {"columns", columns, METH_NOARGS, columns_doc},
    {"text", text, METH_VARARGS, text_doc},
    {"distinct", distinct, METH_NOARGS, distinct_doc},
    {"texts", texts, METH_NOARGS, texts_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, heads_new},
    {Py_tp_dealloc, heads_free},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Heads(watched, examine, classify, seed, /)\n--\n\nThe heads seen so far."},
    {0, NULL},
};

PyType_Spec heads_spec = {
    .name = "lbtrace.compiled._core.Heads",
    .basicsize = sizeof(Heads),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
