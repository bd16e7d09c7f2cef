/* Segments → the numbers of their flows.
 *
 * The Python road is `FlowBook.number` in lbtrace/decode/flows.py, and `_add` in
 * lbtrace/decode/__init__.py: which end is the lower one, where a flow is looked for, and that
 * flows are numbered by first appearance. Both roads use one hash table, so they may take turns.
 */

#include "core.h"

#define WORDS 5 /* that name a flow: two per packed address, and both ports with the family */
#define PORTS 0xFFFFFFFFu

/* What is given: the addresses of both ends, and the ports. */
enum { SOURCE_A, SOURCE_B, TARGET_A, TARGET_B, BOTH_PORTS, GIVEN };

/* The flows so far. */
typedef struct {
    Column words; /* u64: the first words of all flows, then the second ones, … */
    Column slots; /* u32: the number of a flow plus one; 0: free */
    int64_t room, count;
    uint64_t seed[WORDS];
    int shift; /* so many bits of a hash are not for the place */
} Flows;

static uint64_t word_at(const Column *column, int64_t at) {
    return (uint64_t)item_i64(column, (Py_ssize_t)at);
}

/* The words of a row, the lower end first; whether the lower end sent it. */
static int words_of(const Column given[GIVEN], Py_ssize_t row, uint64_t words[WORDS]) {
    uint64_t from_a = word_at(&given[SOURCE_A], row), from_b = word_at(&given[SOURCE_B], row);
    uint64_t to_a = word_at(&given[TARGET_A], row), to_b = word_at(&given[TARGET_B], row);
    uint64_t ports = word_at(&given[BOTH_PORTS], row);
    uint64_t source = ports >> 16 & 0xFFFF, target = ports & 0xFFFF;
    int backward = from_a != to_a   ? from_a > to_a
                   : from_b != to_b ? from_b > to_b
                                    : source > target;
    words[0] = backward ? to_a : from_a;
    words[1] = backward ? to_b : from_b;
    words[2] = backward ? from_a : to_a;
    words[3] = backward ? from_b : to_b;
    words[4] = backward ? (ports & ~(uint64_t)PORTS) | target << 16 | source : ports;
    return !backward;
}

/* Where a flow is looked for first. */
static uint64_t place_of(const Flows *flows, const uint64_t words[WORDS]) {
    uint64_t mixed = words[4] * flows->seed[4];
    for (int k = 0; k < 4; k++) mixed += (words[k] ^ words[k] >> 31) * flows->seed[k];
    return ((mixed ^ mixed >> 29) * flows->seed[4]) >> flows->shift;
}

static int is_flow(const Flows *flows, int64_t number, const uint64_t words[WORDS]) {
    for (int k = WORDS - 1; k >= 0; k--)
        if (word_at(&flows->words, k * flows->room + number) != words[k]) return 0;
    return 1;
}

/* The number of a flow, which is added where it is new; -1 with an error set. */
static int64_t number_of(Flows *flows, const uint64_t words[WORDS]) {
    uint64_t mask = (uint64_t)flows->slots.count - 1, at = place_of(flows, words);
    for (Py_ssize_t looked = 0; looked < flows->slots.count; looked++, at++) {
        Py_ssize_t place = (Py_ssize_t)(at & mask);
        int64_t number = (uint32_t)item_i32(&flows->slots, place);
        if (number == 0) {
            if (flows->count >= flows->room) break;
            for (int k = 0; k < WORDS; k++)
                set_i64(&flows->words, (Py_ssize_t)(k * flows->room + flows->count),
                        (int64_t)words[k]);
            uint32_t held = (uint32_t)++flows->count;
            memcpy((char *)flows->slots.view.buf + 4 * place, &held, sizeof held);
            return flows->count - 1;
        }
        if (number > flows->count) break;
        if (is_flow(flows, number - 1, words)) return number - 1;
    }
    PyErr_SetString(PyExc_IndexError, "there is no room for another flow");
    return -1;
}

/* The bits of a hash that are not for the place; -1 when the count of slots is no power of two. */
static int shift_of(Py_ssize_t count) {
    int bits = 0;
    while (bits < 40 && (Py_ssize_t)1 << bits < count) bits++;
    return bits > 0 && (Py_ssize_t)1 << bits == count ? 64 - bits : -1;
}

/* Borrow the tables and the seed. Whether they fit together; else an error is set. */
static int flows_borrow(Flows *flows, PyObject *words, PyObject *slots, PyObject *seed) {
    Column held = {.held = 0};
    int good = column_borrow(&flows->words, words, 8, -1, 1) == 0 &&
               column_borrow(&flows->slots, slots, 4, -1, 1) == 0 &&
               column_borrow(&held, seed, 8, WORDS, 0) == 0;
    for (int k = 0; good && k < WORDS; k++) flows->seed[k] = word_at(&held, k);
    column_return(&held);
    if (!good) return 0;
    flows->room = flows->words.count / WORDS;
    flows->shift = shift_of(flows->slots.count);
    if (flows->words.count % WORDS == 0 && flows->shift >= 0 && flows->count >= 0 &&
        flows->count <= flows->room && flows->room < UINT32_MAX)
        return 1;
    PyErr_SetString(PyExc_ValueError, "no such table of flows");
    return 0;
}

PyObject *flows(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given, *words, *slots, *seed, *numbers, *forwards, *result = NULL;
    Flows known;
    memset(&known, 0, sizeof known);
    long long count;
    if (!PyArg_ParseTuple(args, "O!OOOLOO", &PyTuple_Type, &given, &words, &slots, &seed, &count,
                          &numbers, &forwards))
        return NULL;
    known.count = count;
    Column in[GIVEN], flow = {.held = 0}, forward = {.held = 0};
    memset(in, 0, sizeof in);
    int good = PyTuple_Size(given) == GIVEN;
    if (!good) PyErr_SetString(PyExc_ValueError, "not all columns are given");
    for (int k = 0; good && k < GIVEN; k++)
        good = column_borrow(&in[k], PyTuple_GetItem(given, k), 8, k ? in[0].count : -1, 0) == 0;
    good = good && flows_borrow(&known, words, slots, seed) &&
           column_borrow(&flow, numbers, 4, in[0].count, 1) == 0 &&
           column_borrow(&forward, forwards, 1, in[0].count, 1) == 0;
    for (Py_ssize_t row = 0; good && row < in[0].count; row++) {
        uint64_t named[WORDS];
        set_u8(&forward, row, (uint8_t)words_of(in, row, named));
        int64_t number = number_of(&known, named);
        uint32_t held = (uint32_t)number;
        good = number >= 0;
        if (good) memcpy((char *)flow.view.buf + 4 * row, &held, sizeof held);
    }
    if (good) result = PyLong_FromLongLong(known.count);
    for (int k = 0; k < GIVEN; k++) column_return(&in[k]);
    column_return(&known.words);
    column_return(&known.slots);
    column_return(&flow);
    column_return(&forward);
    return result;
}
