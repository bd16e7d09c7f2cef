/* What the files of the compiled core share.
 *
 * Everything that comes in may have been made by an enemy: a capture holds whatever bytes someone
 * sent. So a length is checked before a byte is read, an index before it is used, and a sum of
 * sizes before memory is asked for. No item of a buffer is read through a pointer of its type:
 * `item_i64` and the like copy it, so nothing need be aligned.
 */

#ifndef LBTRACE_CORE_H
#define LBTRACE_CORE_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000 /* one build serves Python 3.11 and every later one */
#endif
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* Python takes no core whose number is another (lbtrace/compiled/__init__.py). */
#define INTERFACE 10

/* Memory that grows. `bytes` may move each time it grows. */
typedef struct {
    char *bytes;
    size_t used, room;
} Memory;

int memory_grow(Memory *memory, size_t more);

/* Make room for `more` bytes behind those in use. 0, or -1 with MemoryError set. */
static inline int memory_reserve(Memory *memory, size_t more) {
    return memory->room - memory->used >= more ? 0 : memory_grow(memory, more);
}

/* Append bytes. 0, or -1 with MemoryError set. */
static inline int memory_append(Memory *memory, const void *bytes, size_t size) {
    if (size == 0) return 0;
    if (memory_reserve(memory, size) < 0) return -1;
    memcpy(memory->bytes + memory->used, bytes, size);
    memory->used += size;
    return 0;
}

/* Give it back. */
void memory_free(Memory *memory);

/* A column of integers or bytes that Python lent: contiguous items of one size. */
typedef struct {
    Py_buffer view;
    Py_ssize_t count;
    int held;      /* the buffer must be given back */
    int is_signed; /* of one that `column_borrow_integers` borrowed */
} Column;

/* Borrow a buffer of `count` items (any number when -1). 0, or -1 with an error set. */
int column_borrow(Column *column, PyObject *object, Py_ssize_t item, Py_ssize_t count,
                  int writable);
/* The same of integers of any size but u64, or of truths; `item_integer` gets them. */
int column_borrow_integers(Column *column, PyObject *object, Py_ssize_t count);
void column_return(Column *column);
/* Borrow `count` columns of a tuple, all as long as the first. `item`: bytes of an item of each; 0
 * for integers of any size, which are only read. 0, or -1 with an error set. */
int columns_borrow(Column *columns, PyObject *tuple, const Py_ssize_t *item, int count,
                   int writable);
void columns_return(Column *columns, int count);

/* Ask for memory in time. The address need not be that of anything. */
static inline void fetch(const void *items, size_t size, Py_ssize_t at) {
#if defined(__GNUC__)
    __builtin_prefetch((const void *)((uintptr_t)items + size * (uintptr_t)at));
#else
    (void)items, (void)size, (void)at;
#endif
}

static inline int64_t item_i64(const Column *column, Py_ssize_t at) {
    int64_t value;
    memcpy(&value, (const char *)column->view.buf + 8 * at, sizeof value);
    return value;
}

static inline int32_t item_i32(const Column *column, Py_ssize_t at) {
    int32_t value;
    memcpy(&value, (const char *)column->view.buf + 4 * at, sizeof value);
    return value;
}

static inline uint8_t item_u8(const Column *column, Py_ssize_t at) {
    return ((const uint8_t *)column->view.buf)[at];
}

/* Item `at` of integers of `size` bytes each, which lie one behind the other. */
static inline int64_t integer_at(const char *items, Py_ssize_t size, int is_signed, Py_ssize_t at) {
    const char *item = items + size * at;
    switch (size) {
    case 8: {
        int64_t value;
        memcpy(&value, item, sizeof value);
        return value;
    }
    case 4: {
        uint32_t value;
        memcpy(&value, item, sizeof value);
        return is_signed ? (int32_t)value : (int64_t)value;
    }
    case 2: {
        uint16_t value;
        memcpy(&value, item, sizeof value);
        return is_signed ? (int16_t)value : (int64_t)value;
    }
    default:
        return is_signed ? (int64_t)(signed char)*item : (int64_t)(unsigned char)*item;
    }
}

static inline int64_t item_integer(const Column *column, Py_ssize_t at) {
    return integer_at(column->view.buf, column->view.itemsize, column->is_signed, at);
}

static inline void set_i64(Column *column, Py_ssize_t at, int64_t value) {
    memcpy((char *)column->view.buf + 8 * at, &value, sizeof value);
}

static inline void set_i32(Column *column, Py_ssize_t at, int32_t value) {
    memcpy((char *)column->view.buf + 4 * at, &value, sizeof value);
}

static inline void set_u8(Column *column, Py_ssize_t at, uint8_t value) {
    ((uint8_t *)column->view.buf)[at] = value;
}

/* Texts → their numbers: an open hash table that holds no text, only numbers and hashes.
 *
 * A search ends after PROBES places whatever the texts are, so no choice of texts makes it slow. A
 * text that finds no place is not remembered: it gets another number when it comes again, as one
 * that the Python road has forgotten.
 */
typedef struct {
    struct Place *places; /* mask + 1 of them */
    size_t mask, used;
    uint64_t seed;
    int lost; /* a text found no place: it may have another number, too */
} Index;

/* Whether the text with this number is the one looked for. -1 with an error set. */
typedef int (*Same)(void *context, uint32_t number, const char *text, size_t size);

#define UNKNOWN UINT32_MAX

uint64_t hash_of(const char *text, size_t size, uint64_t seed);
/* The number of a text; UNKNOWN without one. -1 in `*failed` when `same` failed. */
uint32_t index_find(const Index *index, uint64_t hash, Same same, void *context, const char *text,
                    size_t size, int *failed);
/* Ask for the place of a text in time. */
void index_fetch(const Index *index, uint64_t hash);
/* Remember a text under its number. 0, or -1 with MemoryError set. */
int index_add(Index *index, uint64_t hash, uint32_t number);
void index_free(Index *index);

/* Whether a byte may stand in a token (RFC 9110 §5.6.2). */
int in_token(unsigned char c);

/* The number of a thing in a dictionary of numbers; a new thing gets the next one. -1 with an error
 * set. */
int64_t number_in(PyObject *numbers, PyObject *thing);

/* What is to be known of a text, as one byte. */
typedef int (*FlagOf)(const void *context, const char *text, Py_ssize_t size);

/* A list of texts -> what is to be known of each, as bytes; `unknown` for one that has no UTF-8, so
 * that Python looks at it. NULL with an error set. */
PyObject *flag_each(PyObject *texts, FlagOf flag_of, const void *context, int unknown);

/* The types of the module, and what tears one of their objects down. */
extern PyType_Spec heads_spec, lines_spec, streams_spec, beginnings_spec;
void object_free(PyObject *self);

/* The functions of the module that stand in files of their own. */
PyObject *numbered(PyObject *module, PyObject *args);
PyObject *names(PyObject *module, PyObject *lines);
PyObject *values(PyObject *module, PyObject *lines);
PyObject *request_parts(PyObject *module, PyObject *lines);
PyObject *cookies(PyObject *module, PyObject *args);
PyObject *like_urls(PyObject *module, PyObject *lines);
PyObject *parameters(PyObject *module, PyObject *lines);
PyObject *lengths(PyObject *module, PyObject *texts);
PyObject *traits(PyObject *module, PyObject *texts);
PyObject *target_pieces(PyObject *module, PyObject *args);
PyObject *value_parts(PyObject *module, PyObject *args);
PyObject *nested(PyObject *module, PyObject *args);
PyObject *components(PyObject *module, PyObject *args);
PyObject *records(PyObject *module, PyObject *args);
PyObject *record_fields(PyObject *module, PyObject *args);
PyObject *flows(PyObject *module, PyObject *args);
PyObject *reassembled(PyObject *module, PyObject *args);
PyObject *acknowledged(PyObject *module, PyObject *args);
PyObject *seen(PyObject *module, PyObject *args);
PyObject *options(PyObject *module, PyObject *args);
PyObject *ack_waits(PyObject *module, PyObject *args);
PyObject *bursts(PyObject *module, PyObject *args);
PyObject *segments(PyObject *module, PyObject *args);

#endif
