/* Records of a pcap file, one behind the other; and plain packets: TCP over IP right behind the link
 * header.
 *
 * The Python roads are lbtrace/capture/walk.py with the chain of pcap.py, and
 * lbtrace/decode/fast_path.py. What is odd in any way is left to them.
 */

#include "core.h"

static uint32_t big_16(const uint8_t *at) {
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t big_32(const uint8_t *at) {
    return big_16(at) << 16 | big_16(at + 2);
}

static uint32_t little_32(const uint8_t *at) {
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

/* A record says where the next one is, so a walk waits for memory at each of them, unless what lies
 * ahead is asked for: of large records only the beginning, as the next ones are no nearer then. */
#define AHEAD 4096 /* bytes */
#define FETCHED 512
#define CACHE_LINE 64
#define PACKETS_AHEAD 16

/* Walk from `at` on, until `positions` is full or a record is refused or has no byte. How many
 * records were found; `*at` is behind the last one. */
static Py_ssize_t walk(const Column *data, int64_t header, int64_t length_at, int big,
                       int64_t largest, Column *positions, int64_t *at) {
    const uint8_t *bytes = data->view.buf;
    int64_t here = *at, size = data->count;
    Py_ssize_t found = 0;
    while (found < positions->count && here <= size - header) {
        const uint8_t *field = bytes + here + length_at;
        int64_t length = big ? big_32(field) : little_32(field);
        if (length == 0 || length > largest || length > size - header - here) break;
        for (int64_t k = 0; k < header + length && k < FETCHED; k += CACHE_LINE)
            fetch(field, 1, (Py_ssize_t)k + AHEAD);
        set_i64(positions, found++, here);
        here += header + length;
    }
    *at = here;
    return found;
}

PyObject *records(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *buffer, *out, *result = NULL;
    long long at, header, length_at, largest;
    int big;
    if (!PyArg_ParseTuple(args, "OLLLpLO", &buffer, &at, &header, &length_at, &big, &largest, &out))
        return NULL;
    if (at < 0 || header < 16 || length_at < 0 || length_at > header - 4) {
        PyErr_SetString(PyExc_ValueError, "no such place in a record");
        return NULL;
    }
    Column data = {.held = 0}, positions = {.held = 0};
    if (column_borrow(&data, buffer, 1, -1, 0) == 0 && column_borrow(&positions, out, 8, -1, 1) == 0) {
        int64_t end = at;
        Py_ssize_t found = walk(&data, header, length_at, big, largest, &positions, &end);
        result = Py_BuildValue("nL", found, (long long)end);
    }
    column_return(&data);
    column_return(&positions);
    return result;
}

/* The header of a record at `here`: its time in units, and its bytes in the capture and on the wire.
 * 0 where it lies outside the data. */
static int fields_of(const Column *data, int64_t here, int64_t length_at, int big, int64_t unit_ns,
                     int64_t *time_ns, uint32_t sizes[2]) {
    if (here < 0 || here > data->count - 16) return 0;
    const uint8_t *at = (const uint8_t *)data->view.buf + here;
    uint32_t field[4];
    for (int k = 0; k < 4; k++) field[k] = big ? big_32(at + 4 * k) : little_32(at + 4 * k);
    *time_ns = field[0] * INT64_C(1000000000) + field[1] * unit_ns;
    sizes[0] = field[length_at == 8 ? 2 : 3];
    sizes[1] = field[length_at == 8 ? 3 : 2];
    return 1;
}

PyObject *record_fields(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *buffer, *positions, *out[3], *result = NULL;
    long long length_at, unit_ns;
    int big;
    if (!PyArg_ParseTuple(args, "OOLpLOOO", &buffer, &positions, &length_at, &big, &unit_ns, &out[0],
                          &out[1], &out[2]))
        return NULL;
    if ((length_at != 8 && length_at != 12) || unit_ns < 1 || unit_ns > 1000000000) {
        PyErr_SetString(PyExc_ValueError, "no such place in a record, or unit of time");
        return NULL;
    }
    Column data = {.held = 0}, at = {.held = 0}, column[3];
    memset(column, 0, sizeof column);
    int good = column_borrow(&data, buffer, 1, -1, 0) == 0 &&
               column_borrow(&at, positions, 8, -1, 0) == 0;
    for (int k = 0; good && k < 3; k++)
        good = column_borrow(&column[k], out[k], k ? 4 : 8, at.count, 1) == 0;
    for (Py_ssize_t row = 0; good && row < at.count; row++) {
        int64_t time_ns;
        uint32_t sizes[2];
        if (row + PACKETS_AHEAD < at.count)
            fetch(data.view.buf, 1, (Py_ssize_t)item_i64(&at, row + PACKETS_AHEAD));
        good = fields_of(&data, item_i64(&at, row), length_at, big, unit_ns, &time_ns, sizes);
        if (!good) {
            PyErr_SetString(PyExc_IndexError, "a record lies outside its buffer");
            break;
        }
        set_i64(&column[0], row, time_ns);
        for (int k = 0; k < 2; k++)
            memcpy((char *)column[1 + k].view.buf + 4 * row, &sizes[k], sizeof sizes[k]);
    }
    if (good) {
        Py_INCREF(Py_None);
        result = Py_None;
    }
    column_return(&data);
    column_return(&at);
    for (int k = 0; k < 3; k++) column_return(&column[k]);
    return result;
}

/* The columns of SegmentRows (lbtrace/decode/rows.py) that a plain packet has its own values in. */
enum { PLACE, SOURCE_A, SOURCE_B, TARGET_A, TARGET_B, PORTS, SEQ, ACK, FLAGS, WINDOW, TTL, IP_ID,
       AT_TCP, PAYLOAD, LENGTH, WIRE_LENGTH, LEFT, COLUMNS };
static const Py_ssize_t ITEM[COLUMNS] = {8, 8, 8, 8, 8, 8, 4, 4, 1, 2, 1, 2, 8, 8, 4, 4, 8};

#define IPV4 0x0800
#define IPV6 0x86DD
#define TCP 6
#define TCP_BYTES 20
#define LEAST_ROOM 40 /* that must be captured behind the link header */
#define V6_BIT ((uint64_t)1 << 32)

/* Where the header of TCP begins, and where the packet ends in the capture and on the wire. */
typedef struct {
    int64_t ip, tcp, end, wire_end;
    int six;
} Plain;

/* Whether a packet is a whole IP packet without extensions or fragments, with TCP in it. `end` and
 * `wire_end` are those of the frame at first. */
static int is_plain(const uint8_t *bytes, uint32_t kind, Plain *p) {
    const uint8_t *ip = bytes + p->ip;
    if (kind == IPV4) {
        int64_t size = (ip[0] & 15) * 4, total = big_16(ip + 2);
        if (ip[0] >> 4 != 4 || size < 20 || (total != 0 && total < size) ||
            (big_16(ip + 6) & 0x3FFF) != 0 || ip[9] != TCP)
            return 0;
        if (total != 0) p->wire_end = p->ip + total; /* 0 is what segmentation offload leaves */
        p->tcp = p->ip + size;
    } else if (kind == IPV6) {
        int64_t length = big_16(ip + 4);
        if (ip[0] >> 4 != 6 || length == 0 || ip[6] != TCP) return 0;
        p->wire_end = p->ip + 40 + length;
        p->tcp = p->ip + 40;
    } else {
        return 0;
    }
    p->six = kind == IPV6;
    if (p->end > p->wire_end) p->end = p->wire_end;
    return p->end - p->tcp >= TCP_BYTES;
}

#define SET(type, which, value)                                                     \
    do {                                                                            \
        type item = (type)(value);                                                  \
        memcpy((char *)column[which].view.buf + (size_t)row * sizeof item, &item, sizeof item); \
    } while (0)

static uint64_t big_64(const uint8_t *at) {
    return (uint64_t)big_32(at) << 32 | big_32(at + 4);
}

/* One row; 0 when the header of TCP is odd, and then there is none. */
static int set_row(const uint8_t *bytes, const Plain *p, Column *column, Py_ssize_t row,
                   int64_t place) {
    const uint8_t *ip = bytes + p->ip, *tcp = bytes + p->tcp;
    int64_t payload = p->tcp + (tcp[12] >> 4) * 4;
    if (tcp[12] < 0x50 || payload > p->end) return 0;
    uint64_t ports = big_32(tcp);
    SET(int64_t, PLACE, place);
    SET(uint64_t, SOURCE_A, p->six ? big_64(ip + 8) : 0);
    SET(uint64_t, SOURCE_B, p->six ? big_64(ip + 16) : big_32(ip + 12));
    SET(uint64_t, TARGET_A, p->six ? big_64(ip + 24) : 0);
    SET(uint64_t, TARGET_B, p->six ? big_64(ip + 32) : big_32(ip + 16));
    SET(uint64_t, PORTS, p->six ? ports | V6_BIT : ports);
    SET(uint32_t, SEQ, big_32(tcp + 4));
    SET(uint32_t, ACK, big_32(tcp + 8));
    SET(uint8_t, FLAGS, tcp[13]);
    SET(uint16_t, WINDOW, big_16(tcp + 14));
    SET(uint8_t, TTL, p->six ? ip[7] : ip[8]);
    SET(uint16_t, IP_ID, p->six ? 0 : big_16(ip + 4));
    SET(int64_t, AT_TCP, p->tcp);
    SET(int64_t, PAYLOAD, payload);
    SET(uint32_t, LENGTH, p->end - payload);
    SET(uint32_t, WIRE_LENGTH, p->wire_end - payload);
    return 1;
}

/* The packets of a batch: rows of those that are plain, and the places of the others. How many rows
 * there are; -1 with an error set. */
static Py_ssize_t plain(const Column *data, const Column input[3], int64_t header, int64_t kind_at,
                        Column *column) {
    const uint8_t *bytes = data->view.buf;
    Py_ssize_t rows = 0, left = 0;
    for (Py_ssize_t k = 0; k < input[0].count; k++) {
        if (k + PACKETS_AHEAD < input[0].count) {
            int64_t later = item_i64(&input[0], k + PACKETS_AHEAD);
            for (int line = 0; line < 2; line++)
                fetch(bytes, 1, (Py_ssize_t)later + line * CACHE_LINE);
        }
        int64_t offset = item_i64(&input[0], k), captured = item_i64(&input[1], k);
        int64_t wire = item_i64(&input[2], k);
        if (offset < 0 || captured < 0 || captured > data->count ||
            offset > data->count - captured || wire > INT64_MAX - offset) {
            PyErr_SetString(PyExc_IndexError, "a packet lies outside its buffer");
            return -1;
        }
        Plain p = {offset + header, 0, offset + captured,
                   offset + (wire > captured ? wire : captured), 0};
        if (captured >= header + LEAST_ROOM && is_plain(bytes, big_16(bytes + offset + kind_at), &p) &&
            set_row(bytes, &p, column, rows, k))
            rows++;
        else
            set_i64(&column[LEFT], left++, k);
    }
    return rows;
}

PyObject *segments(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *buffer, *in[3], *out;
    long long header, kind_at;
    if (!PyArg_ParseTuple(args, "OOOOLLO!", &buffer, &in[0], &in[1], &in[2], &header, &kind_at,
                          &PyTuple_Type, &out))
        return NULL;
    if (kind_at < 0 || header < 0 || header > 64 || kind_at > header + LEAST_ROOM - 2 ||
        PyTuple_Size(out) != COLUMNS) {
        PyErr_SetString(PyExc_ValueError, "no such link header, or not all columns");
        return NULL;
    }
    Column data = {.held = 0}, input[3] = {{.held = 0}, {.held = 0}, {.held = 0}};
    Column column[COLUMNS];
    memset(column, 0, sizeof column);
    int good = column_borrow(&data, buffer, 1, -1, 0) == 0;
    for (int k = 0; good && k < 3; k++)
        good = column_borrow(&input[k], in[k], 8, k ? input[0].count : -1, 0) == 0;
    for (int k = 0; good && k < COLUMNS; k++)
        good = column_borrow(&column[k], PyTuple_GetItem(out, k), ITEM[k], input[0].count, 1) == 0;
    Py_ssize_t rows = good ? plain(&data, input, header, kind_at, column) : -1;
    column_return(&data);
    for (int k = 0; k < 3; k++) column_return(&input[k]);
    for (int k = 0; k < COLUMNS; k++) column_return(&column[k]);
    return rows < 0 ? NULL : PyLong_FromSsize_t(rows);
}
