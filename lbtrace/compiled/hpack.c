/* Header blocks of HTTP/2 → the numbers of their fields (HPACK, RFC 7541).
 *
 * The Python road is lbtrace/http/h2/hpack_tolerant.py. It bears a table of which a part was not
 * seen; here every entry is known, and a block that is odd in any way is left to Python. An entry of
 * a table is the number of its field, and a field that was seen before keeps its number: so a field
 * that comes again costs a few steps, however long it is.
 */

#include "hpack.h"

#define OVERHEAD 32               /* RFC 7541 §4.1 */
#define FIRST_LIMIT 4096          /* bytes of a dynamic table; RFC 9113 §6.5.2 */
#define MOST_LIMIT (1u << 20)     /* as _MAX_TABLE of hpack_tolerant.py */
#define MOST_UNFOLDED (1u << 18)  /* as _MAX_UNFOLDED there */
#define MOST_INTEGER (1u << 28)   /* a larger one is left to Python */
#define BETWEEN ": "
#define END_OF_TEXT 256 /* the symbol that no text may have (§5.2) */

/* Huffman codes (§5.2) */

/* From the length of each code. 0 when they are no complete code. */
static int huffman_begin(Huffman *h, const uint8_t *length) {
    uint32_t code = 0;
    uint16_t begin = 0;
    memset(h, 0, sizeof *h);
    for (int symbol = 0; symbol < SYMBOLS; symbol++) {
        if (length[symbol] < SHORTEST_CODE || length[symbol] > LONGEST_CODE) return 0;
        h->count[length[symbol]]++;
    }
    for (int size = SHORTEST_CODE; size <= LONGEST_CODE; size++) {
        code = (code + h->count[size - 1]) << 1;
        h->first[size] = code;
        h->begin[size] = begin;
        begin = (uint16_t)(begin + h->count[size]);
        if (code + h->count[size] > 1u << size) return 0;
    }
    if (code + h->count[LONGEST_CODE] != 1u << LONGEST_CODE) return 0;
    uint16_t next[LONGEST_CODE + 1];
    memcpy(next, h->begin, sizeof next);
    for (int symbol = 0; symbol < SYMBOLS; symbol++)
        h->symbol[next[length[symbol]]++] = (uint16_t)symbol;
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int size = SHORTEST_CODE; size <= 8; size++) {
            uint32_t rank = (byte >> (8 - size)) - h->first[size];
            if (byte >> (8 - size) < h->first[size] || rank >= h->count[size]) continue;
            h->quick_length[byte] = (uint8_t)size;
            h->quick_symbol[byte] = h->symbol[h->begin[size] + rank];
            break;
        }
    return 1;
}

/* The symbol that the first of these bits are the code of, and how long it is; 0 when there is no
 * such one. */
static unsigned next_symbol(const Huffman *h, uint64_t held, unsigned bits, uint16_t *symbol) {
    if (bits >= 8) {
        unsigned byte = (unsigned)(held >> (bits - 8)) & 0xFF;
        *symbol = h->quick_symbol[byte];
        if (h->quick_length[byte]) return h->quick_length[byte];
    }
    unsigned most = bits < LONGEST_CODE ? bits : LONGEST_CODE;
    for (unsigned size = bits >= 8 ? 9 : SHORTEST_CODE; size <= most; size++) {
        uint32_t code = (uint32_t)(held >> (bits - size)) & ((1u << size) - 1);
        if (code < h->first[size] || code - h->first[size] >= h->count[size]) continue;
        *symbol = h->symbol[h->begin[size] + (code - h->first[size])];
        return size;
    }
    return 0;
}

/* Append the bytes that a text stands for. 1, 0 when it is no such text, -1 with an error set. */
static int unfold(const Huffman *h, const uint8_t *text, size_t size, Memory *out) {
    uint64_t held = 0;
    unsigned bits = 0;
    size_t at = 0;
    uint16_t symbol = 0;
    if (memory_reserve(out, size * 8 / SHORTEST_CODE + 1) < 0) return -1;
    for (;;) {
        for (; bits <= 56 && at < size; bits += 8) held = held << 8 | text[at++];
        unsigned taken = next_symbol(h, held, bits, &symbol);
        if (taken == 0) break;
        if (symbol == END_OF_TEXT) return 0;
        out->bytes[out->used++] = (char)symbol;
        bits -= taken;
    }
    /* what is left is padding: fewer than eight bits, all set */
    return at == size && bits < 8 && (held & ((1u << bits) - 1)) == (1u << bits) - 1;
}

/* fields */

typedef struct {
    const Fields *fields;
    size_t name;
} Wanted;

static int same_field(void *context, uint32_t number, const char *text, size_t size) {
    const Wanted *wanted = context;
    const Field *field = field_of(wanted->fields, number);
    return field->name == wanted->name && (size_t)field->name + 2 + field->value == size &&
           memcmp(wanted->fields->texts.bytes + field->text, text, size) == 0;
}

/* Which of the watched names it is, -1 for none; -2 with an error set. */
static int watched_name(const Fields *fields, const char *name, size_t size) {
    for (int k = 0; k < WATCHED; k++) {
        char *wanted;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(fields->watched, k), &wanted, &length) < 0)
            return -2;
        if ((size_t)length == size && memcmp(wanted, name, size) == 0) return k;
    }
    return -1;
}

static int is_edge(char c) {
    return c == ' ' || c == '\t';
}

/* Whether a value is told as it was sent: it has no line end, and no blank at its ends. */
static int fits_value(const char *value, size_t size) {
    if (size == 0 || is_edge(value[0]) || is_edge(value[size - 1])) return 0;
    return memchr(value, '\r', size) == NULL && memchr(value, '\n', size) == NULL;
}

/* Whether all bytes are in a range. */
static int all_between(const char *text, size_t size, unsigned char low, unsigned char high) {
    for (size_t k = 0; k < size; k++)
        if ((unsigned char)text[k] < low || (unsigned char)text[k] > high) return 0;
    return size > 0;
}

/* Whether a row may have the field: the rules are those of lbtrace/http/h2/rows.py. */
static int fits_row(const Field *field, const char *name, const char *value) {
    switch (field->watched) {
    case METHOD:
        return all_between(value, field->value, '!', '~');
    case PATH:
        return all_between(value, field->value, '!', 0xFF);
    case STATUS:
        return field->value == 3 && value[0] != '0' && all_between(value, 3, '0', '9');
    case AUTHORITY: /* it may hold a password */
        return memchr(value, '@', field->value) == NULL && fits_value(value, field->value);
    }
    for (size_t k = 0; k < field->name; k++)
        if (!in_token((unsigned char)name[k])) return 0;
    return field->name > 0 && fits_value(value, field->value);
}

/* Note what a new field is. 0, or -1 with an error set. */
static int note(Fields *fields, Field *field, const char *text) {
    const char *value = text + field->name + 2;
    int watched = watched_name(fields, text, field->name);
    if (watched < -1) return -1;
    field->watched = (int8_t)watched;
    field->is_line = field->name == 0 || text[0] != ':' || watched == AUTHORITY;
    field->fits = (uint8_t)fits_row(field, text, value);
    if (watched < CONTENT_TYPE) return 0;
    PyObject *said = PyObject_CallFunction(fields->examine, "iy#", watched, value,
                                           (Py_ssize_t)field->value);
    if (said == NULL) return -1;
    field->stated = PyLong_AsLongLong(said);
    Py_DECREF(said);
    return field->stated == -1 && PyErr_Occurred() ? -1 : 0;
}

/* The number of the field whose text is in `scratch`. UNKNOWN with an error set. */
static uint32_t number_of(Fields *fields, size_t name) {
    const char *text = fields->scratch.bytes;
    size_t size = fields->scratch.used;
    int failed = 0;
    Wanted wanted = {fields, name};
    uint64_t hash = hash_of(text, size, fields->index.seed);
    uint32_t number = index_find(&fields->index, hash, same_field, &wanted, text, size, &failed);
    if (number != UNKNOWN || failed) return number;
    size_t count = fields->fields.used / sizeof(Field);
    if (count >= INT32_MAX || size > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "too many header fields");
        return UNKNOWN;
    }
    Field field = {.text = fields->texts.used, .name = (uint32_t)name,
                   .value = (uint32_t)(size - name - 2), .number = -1};
    if (note(fields, &field, text) < 0 || memory_append(&fields->texts, text, size) < 0 ||
        memory_append(&fields->fields, &field, sizeof field) < 0 ||
        index_add(&fields->index, hash, (uint32_t)count) < 0)
        return UNKNOWN;
    return (uint32_t)count;
}

/* The number of a field of the static table. UNKNOWN with an error set. */
static uint32_t fixed_field(Fields *fields, PyObject *pair) {
    const char *name, *value;
    Py_ssize_t name_size, value_size;
    if (!PyTuple_Check(pair) ||
        !PyArg_ParseTuple(pair, "y#y#", &name, &name_size, &value, &value_size)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a field is a pair of bytes");
        return UNKNOWN;
    }
    Memory *scratch = &fields->scratch;
    scratch->used = 0;
    if (memory_append(scratch, name, (size_t)name_size) < 0 ||
        memory_append(scratch, BETWEEN, 2) < 0 ||
        memory_append(scratch, value, (size_t)value_size) < 0)
        return UNKNOWN;
    return number_of(fields, (size_t)name_size);
}

int fields_begin(Fields *fields, PyObject *fixed, const uint8_t *lengths, Py_ssize_t count,
                 PyObject *watched, PyObject *examine, uint64_t seed) {
    Py_INCREF(watched);
    Py_INCREF(examine);
    fields->watched = watched;
    fields->examine = examine;
    fields->index.seed = seed;
    if (PyTuple_Size(watched) != WATCHED || PyList_Size(fixed) != STATIC_FIELDS ||
        count != SYMBOLS || !huffman_begin(&fields->huffman, lengths)) {
        PyErr_SetString(PyExc_ValueError, "these are not the tables of RFC 7541");
        return -1;
    }
    for (Py_ssize_t k = 0; k < STATIC_FIELDS; k++) {
        fields->fixed[k] = fixed_field(fields, PyList_GetItem(fixed, k));
        if (fields->fixed[k] == UNKNOWN) return -1;
    }
    return 0;
}

void fields_free(Fields *fields) {
    memory_free(&fields->fields);
    memory_free(&fields->texts);
    memory_free(&fields->scratch);
    index_free(&fields->index);
    Py_XDECREF(fields->watched);
    Py_XDECREF(fields->examine);
}

/* tables (§2.3, §4) */

void table_begin(Table *table) {
    table->entries.used = table->oldest = table->size = 0;
    table->limit = FIRST_LIMIT;
}

static size_t table_count(const Table *table) {
    return table->entries.used / sizeof(uint32_t) - table->oldest;
}

/* The entry that is so many places behind the newest one. */
static uint32_t entry_at(const Table *table, size_t behind) {
    uint32_t number;
    size_t at = table->entries.used / sizeof number - 1 - behind;
    memcpy(&number, table->entries.bytes + at * sizeof number, sizeof number);
    return number;
}

static size_t cost_of(const Fields *fields, uint32_t number) {
    const Field *field = field_of(fields, number);
    return OVERHEAD + (size_t)field->name + field->value;
}

/* Evict the oldest entries until the others fit; give back room that many evicted ones take. */
static void evict(const Fields *fields, Table *table) {
    while (table->size > table->limit && table_count(table) > 0) {
        table->size -= cost_of(fields, entry_at(table, table_count(table) - 1));
        table->oldest++;
    }
    size_t gone = table->oldest * sizeof(uint32_t), used = table->entries.used;
    if (gone < 4096 || gone < used / 2) return;
    memmove(table->entries.bytes, table->entries.bytes + gone, used - gone);
    table->entries.used -= gone;
    table->oldest = 0;
}

static int insert(const Fields *fields, Table *table, uint32_t number) {
    if (memory_append(&table->entries, &number, sizeof number) < 0) return -1;
    table->size += cost_of(fields, number);
    evict(fields, table);
    return 0;
}

/* The field at an index of both tables (§2.3.3). UNKNOWN when there is none. */
static uint32_t at_index(const Fields *fields, const Table *table, uint32_t index) {
    if (index == 0) return UNKNOWN;
    if (index <= STATIC_FIELDS) return fields->fixed[index - 1];
    index -= STATIC_FIELDS + 1;
    return index < table_count(table) ? entry_at(table, index) : UNKNOWN;
}

/* blocks */

typedef struct {
    const uint8_t *bytes;
    size_t size, at;
} Block;

/* §5.1. 0 when it is cut, or too large. */
static int integer(Block *block, unsigned bits, uint32_t *value) {
    uint32_t full = (1u << bits) - 1;
    if (block->at >= block->size) return 0;
    *value = block->bytes[block->at++] & full;
    if (*value < full) return 1;
    for (unsigned shift = 0; shift <= 21 && block->at < block->size; shift += 7) {
        uint8_t byte = block->bytes[block->at++];
        *value += (uint32_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) return *value < MOST_INTEGER;
    }
    return 0;
}

/* §5.2: append a string to `out`. 1, 0 when it is odd, -1 with an error set. */
static int string(const Fields *fields, Block *block, Memory *out) {
    uint32_t size;
    int coded = block->at < block->size && (block->bytes[block->at] & 0x80);
    if (!integer(block, 7, &size) || size > block->size - block->at) return 0;
    const uint8_t *text = block->bytes + block->at;
    block->at += size;
    if (coded) return unfold(&fields->huffman, text, size, out);
    return memory_append(out, text, size) < 0 ? -1 : 1;
}

/* §6.2: a literal field, whose index has so many bits. 1, 0 when it is odd, -1 with an error set. */
static int literal(Fields *fields, const Table *table, Block *block, unsigned bits,
                   uint32_t *number) {
    uint32_t index, named;
    Memory *scratch = &fields->scratch;
    scratch->used = 0;
    if (!integer(block, bits, &index)) return 0;
    if (index) {
        named = at_index(fields, table, index);
        if (named == UNKNOWN) return 0;
        if (memory_append(scratch, text_of(fields, named), field_of(fields, named)->name) < 0)
            return -1;
    } else {
        int good = string(fields, block, scratch);
        if (good <= 0) return good;
    }
    size_t name = scratch->used;
    if (memory_append(scratch, BETWEEN, 2) < 0) return -1;
    int good = string(fields, block, scratch);
    if (good <= 0) return good;
    *number = number_of(fields, name);
    return *number == UNKNOWN ? -1 : 1;
}

int hpack_decode(Fields *fields, Table *table, const uint8_t *bytes, size_t size, Memory *out) {
    Block block = {bytes, size, 0};
    size_t unfolded = 0;
    while (block.at < size) {
        uint8_t first = bytes[block.at];
        uint32_t number;
        if (first & 0x80) { /* §6.1: an indexed field */
            uint32_t index;
            if (!integer(&block, 7, &index)) return 0;
            number = at_index(fields, table, index);
            if (number == UNKNOWN) return 0;
        } else if ((first & 0xE0) == 0x20) { /* §6.3: a size of the table */
            uint32_t limit;
            if (!integer(&block, 5, &limit)) return 0;
            table->limit = limit < MOST_LIMIT ? limit : MOST_LIMIT;
            evict(fields, table);
            continue;
        } else {
            int inserted = first & 0x40;
            int good = literal(fields, table, &block, inserted ? 6 : 4, &number);
            if (good <= 0) return good;
            if (inserted && insert(fields, table, number) < 0) return -1;
        }
        if (memory_append(out, &number, sizeof number) < 0) return -1;
        unfolded += cost_of(fields, number);
        if (unfolded > size + MOST_UNFOLDED) return 0;
    }
    return 1;
}
