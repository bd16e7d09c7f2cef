/* Header blocks of HTTP/2 → the numbers of their fields (HPACK, RFC 7541). */

#ifndef LBTRACE_HPACK_H
#define LBTRACE_HPACK_H

#include "core.h"

/* Names of which a reader of streams asks, in the order in which Python gives them (READ_IN_STREAMS
 * of lbtrace/http_fields). Those before CONTENT_TYPE are pseudo fields. */
enum { METHOD, PATH, STATUS, SCHEME, PROTOCOL, AUTHORITY, CONTENT_TYPE, CODING, DECLARED, WATCHED };
#define STATIC_FIELDS 61 /* RFC 7541, Appendix A */
#define SYMBOLS 257      /* Appendix B: every byte, and the end of the text */
#define LONGEST_CODE 30
#define SHORTEST_CODE 5

/* A field that was seen. Its text is "name: value". */
typedef struct {
    size_t text;          /* where it begins among the texts */
    uint32_t name, value; /* how many bytes they have */
    int64_t stated;       /* what Python says of a CONTENT_TYPE, CODING or DECLARED */
    int32_t number;       /* as a line or a status line of rows; -1 before any row has it */
    int8_t watched;       /* which of the names above it has, -1 for any other */
    uint8_t is_line;      /* it is no pseudo field; `:authority` is a line, too */
    uint8_t fits;         /* a row may have it: what is told of it is what was sent */
} Field;

/* The code of Appendix B. It is canonical: of each length, codes count up with the symbols. */
typedef struct {
    uint32_t first[LONGEST_CODE + 1]; /* the first code of each length */
    uint16_t count[LONGEST_CODE + 1], begin[LONGEST_CODE + 1];
    uint16_t symbol[SYMBOLS];     /* by length, then by symbol */
    uint8_t quick_length[256];    /* of the code that a byte begins with, 0 where it is longer */
    uint16_t quick_symbol[256];
} Huffman;

/* The fields of a capture, each kept once. */
typedef struct {
    Memory fields; /* of Field */
    Memory texts;
    Memory scratch; /* the text of the field that is being read */
    Index index;
    Huffman huffman;
    uint32_t fixed[STATIC_FIELDS]; /* the static table */
    PyObject *watched;             /* the names, as a tuple of bytes */
    PyObject *examine;             /* which name, value → what it states */
} Fields;

/* The dynamic table of one direction: numbers of fields, the newest last. */
typedef struct {
    Memory entries; /* uint32 */
    size_t oldest;  /* those before it were evicted */
    size_t size, limit;
} Table;

static inline const Field *field_of(const Fields *fields, uint32_t number) {
    return (const Field *)(const void *)fields->fields.bytes + number;
}

static inline const char *text_of(const Fields *fields, uint32_t number) {
    return fields->texts.bytes + field_of(fields, number)->text;
}

/* Begin with the static table (a list of pairs of bytes) and the lengths of the Huffman codes.
 * 0, or -1 with an error set. */
int fields_begin(Fields *fields, PyObject *fixed, const uint8_t *lengths, Py_ssize_t count,
                 PyObject *watched, PyObject *examine, uint64_t seed);
void fields_free(Fields *fields);

/* Forget all entries: a connection begins. */
void table_begin(Table *table);

/* Decode a whole header block: the numbers of its fields are appended to `out` (uint32). 1, 0 when
 * anything about it is odd (it is malformed, refers to what was not seen, unfolds too far), or -1
 * with an error set. */
int hpack_decode(Fields *fields, Table *table, const uint8_t *block, size_t size, Memory *out);

#endif
