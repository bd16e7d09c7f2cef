/* Intervals of clients and of backends on one time line → which lies inside which.
 *
 * lbtrace/match/nesting.py is the Python road: it says what is found, and why. The places of clients
 * come in the order of their beginnings, those of backends in the order of theirs and their ends.
 */

#include "core.h"

#define SHORT 512 /* items of a list that is quickly moved */

/* A pair of numbers. */
typedef struct {
    int64_t at, number;
} Item;

/* Pairs of numbers in ascending order, kept as short lists one after another. None is empty. */
typedef struct {
    Item **lists;  /* each has room for 2 * SHORT + 1 */
    size_t *sizes;
    size_t count, room;
} Shelf;

static int is_less(Item one, Item other) {
    return one.at < other.at || (one.at == other.at && one.number < other.number);
}

static void shelf_free(Shelf *shelf) {
    for (size_t k = 0; k < shelf->count; k++) PyMem_Free(shelf->lists[k]);
    PyMem_Free(shelf->lists);
    PyMem_Free(shelf->sizes);
}

/* The first list whose last item is not less than this one. */
static size_t list_for(const Shelf *shelf, Item item) {
    size_t low = 0, high = shelf->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_less(shelf->lists[middle][shelf->sizes[middle] - 1], item))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first place in a list whose item is not less than this one. */
static size_t place_in(const Item *list, size_t size, Item item) {
    size_t low = 0, high = size;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_less(list[middle], item))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Put an empty list before the k-th. 0, or -1 with MemoryError set. */
static int insert_list(Shelf *shelf, size_t k) {
    if (shelf->count == shelf->room) {
        size_t room = shelf->room ? 2 * shelf->room : 16;
        Item **lists = PyMem_Realloc(shelf->lists, room * sizeof *lists);
        if (lists != NULL) shelf->lists = lists;
        size_t *sizes = lists == NULL ? NULL : PyMem_Realloc(shelf->sizes, room * sizeof *sizes);
        if (sizes == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        shelf->sizes = sizes;
        shelf->room = room;
    }
    Item *list = PyMem_Malloc((2 * SHORT + 1) * sizeof *list);
    if (list == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memmove(shelf->lists + k + 1, shelf->lists + k, (shelf->count - k) * sizeof *shelf->lists);
    memmove(shelf->sizes + k + 1, shelf->sizes + k, (shelf->count - k) * sizeof *shelf->sizes);
    shelf->lists[k] = list;
    shelf->sizes[k] = 0;
    shelf->count++;
    return 0;
}

static void remove_list(Shelf *shelf, size_t k) {
    PyMem_Free(shelf->lists[k]);
    shelf->count--;
    memmove(shelf->lists + k, shelf->lists + k + 1, (shelf->count - k) * sizeof *shelf->lists);
    memmove(shelf->sizes + k, shelf->sizes + k + 1, (shelf->count - k) * sizeof *shelf->sizes);
}

/* Put an item into its place. 0, or -1 with MemoryError set. */
static int shelf_add(Shelf *shelf, Item item) {
    size_t k = list_for(shelf, item);
    if (k == shelf->count && k > 0 && shelf->sizes[k - 1] < SHORT) k--;
    if (k == shelf->count && insert_list(shelf, k) < 0) return -1;
    Item *list = shelf->lists[k];
    size_t size = shelf->sizes[k], at = place_in(list, size, item);
    memmove(list + at + 1, list + at, (size - at) * sizeof *list);
    list[at] = item;
    shelf->sizes[k] = ++size;
    if (size <= 2 * SHORT) return 0;
    if (insert_list(shelf, k + 1) < 0) return -1;
    memcpy(shelf->lists[k + 1], list + SHORT, (size - SHORT) * sizeof *list);
    shelf->sizes[k + 1] = size - SHORT;
    shelf->sizes[k] = SHORT;
    return 0;
}

/* Take out the smallest item that is not less than `least`, if there is one: whether there was. */
static int shelf_take(Shelf *shelf, Item least, Item *found) {
    size_t k = list_for(shelf, least);
    if (k == shelf->count) return 0;
    Item *list = shelf->lists[k];
    size_t size = shelf->sizes[k], at = place_in(list, size, least);
    *found = list[at];
    memmove(list + at, list + at + 1, (size - at - 1) * sizeof *list);
    shelf->sizes[k] = size - 1;
    if (size == 1) remove_list(shelf, k);
    return 1;
}

/* Take out the largest item, unless it is less than `least`: whether there was one. */
static int shelf_take_last(Shelf *shelf, Item least, Item *found) {
    if (shelf->count == 0) return 0;
    size_t k = shelf->count - 1, size = shelf->sizes[k];
    *found = shelf->lists[k][size - 1];
    if (is_less(*found, least)) return 0;
    shelf->sizes[k] = size - 1;
    if (size == 1) remove_list(shelf, k);
    return 1;
}

/* The columns of both functions: begin and end of clients, of backends, and the orders of both. */
enum { A, P, X, Y, CLIENTS, BACKENDS, INPUTS };

typedef struct {
    Column column[INPUTS];
} Intervals;

static void return_all(Intervals *held) {
    for (int k = 0; k < INPUTS; k++) column_return(&held->column[k]);
}

/* Borrow the columns; each place must be there. 0, or -1 with an error set. */
static int borrow_all(Intervals *held, PyObject *const objects[INPUTS]) {
    static const int like[INPUTS] = {A, A, X, X, A, X}; /* has as many items as */
    for (int k = 0; k < INPUTS; k++) {
        Py_ssize_t count = like[k] == k ? -1 : held->column[like[k]].count;
        if (column_borrow(&held->column[k], objects[k], 8, count, 0) < 0) return -1;
    }
    for (int k = CLIENTS; k <= BACKENDS; k++)
        for (Py_ssize_t at = 0; at < held->column[k].count; at++) {
            int64_t place = item_i64(&held->column[k], at);
            if (place < 0 || place >= held->column[k].count) {
                PyErr_SetString(PyExc_IndexError, "there is no such interval");
                return -1;
            }
        }
    return 0;
}

static int64_t of(const Intervals *held, int column, int64_t at) {
    return item_i64(&held->column[column], (Py_ssize_t)at);
}

/* Enter per backend the client it is matched with, or -1, as i64. 0, or -1 with an error set. */
static int match_all(const Intervals *held, char *got) {
    Shelf waiting = {NULL, NULL, 0, 0};
    Py_ssize_t next = 0, clients = held->column[A].count;
    int failed = 0;
    for (Py_ssize_t k = 0; !failed && k < held->column[X].count; k++) {
        int64_t b = of(held, BACKENDS, k);
        while (!failed && next < clients && of(held, A, of(held, CLIENTS, next)) <= of(held, X, b)) {
            int64_t c = of(held, CLIENTS, next++);
            failed = shelf_add(&waiting, (Item){of(held, P, c), c});
        }
        Item best = {0, -1};
        if (!failed && !shelf_take(&waiting, (Item){of(held, Y, b), -1}, &best)) best.number = -1;
        memcpy(got + 8 * b, &best.number, 8);
    }
    shelf_free(&waiting);
    return failed;
}

PyObject *nested(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *objects[INPUTS], *found = NULL;
    Intervals held = {.column = {{.held = 0}}};
    if (!PyArg_ParseTuple(args, "OOOOOO", &objects[A], &objects[P], &objects[X], &objects[Y],
                          &objects[CLIENTS], &objects[BACKENDS]))
        return NULL;
    if (borrow_all(&held, objects) == 0)
        found = PyBytes_FromStringAndSize(NULL, 8 * held.column[X].count);
    if (found != NULL) {
        memset(PyBytes_AsString(found), 0xFF, (size_t)PyBytes_Size(found)); /* -1 each */
        if (match_all(&held, PyBytes_AsString(found)) < 0) Py_CLEAR(found);
    }
    return_all(&held);
    return found;
}

/* Sets of members, as chains: the next member of each, and the first and the last of each set. */
typedef struct {
    int64_t *next, *first, *last;
} Chains;

#define NOBODY (-1)

static int chains_begin(Chains *chains, Py_ssize_t members, Py_ssize_t sets) {
    chains->next = PyMem_Calloc((size_t)members + 1, 8);
    chains->first = PyMem_Calloc((size_t)sets + 1, 8);
    chains->last = PyMem_Calloc((size_t)sets + 1, 8);
    if (chains->next != NULL && chains->first != NULL && chains->last != NULL) return 0;
    PyErr_NoMemory();
    return -1;
}

static void chains_end(Chains *chains) {
    PyMem_Free(chains->next);
    PyMem_Free(chains->first);
    PyMem_Free(chains->last);
}

/* Append the members of a chain from `first` to `last` to a set. */
static void chain(Chains *chains, int64_t set, int64_t first, int64_t last) {
    if (first == NOBODY) return;
    if (chains->first[set] == NOBODY)
        chains->first[set] = first;
    else
        chains->next[chains->last[set]] = first;
    chains->last[set] = last;
}

/* The sets: their clients, their backends, and how many each has. */
typedef struct {
    Chains clients, backends;
    int64_t *sizes;
    Shelf open;     /* the end of the last client of a set, and the set */
    Memory joined;  /* items taken out together, the largest first */
} Sets;

/* A set of one client. 0, or -1 with an error set. */
static int begin_set(Sets *sets, int64_t number, int64_t client, int64_t end) {
    sets->clients.first[number] = sets->backends.first[number] = NOBODY;
    sets->clients.next[client] = NOBODY;
    chain(&sets->clients, number, client, client);
    sets->sizes[number] = 1;
    return shelf_add(&sets->open, (Item){end, number});
}

/* Join the sets into which a backend may fall, and put it into what they are now. */
static int join_sets(Sets *sets, int64_t backend, int64_t end) {
    Item item;
    sets->joined.used = 0;
    while (shelf_take_last(&sets->open, (Item){end, -1}, &item))
        if (memory_append(&sets->joined, &item, sizeof item) < 0) return -1;
    size_t count = sets->joined.used / sizeof item;
    if (count == 0) return 0;
    /* the first of the largest, in ascending order */
    int64_t target = NOBODY;
    for (size_t k = count; k-- > 0;) {
        memcpy(&item, sets->joined.bytes + k * sizeof item, sizeof item);
        if (target == NOBODY || sets->sizes[item.number] > sets->sizes[target])
            target = item.number;
    }
    for (size_t k = count; k-- > 0;) {
        memcpy(&item, sets->joined.bytes + k * sizeof item, sizeof item);
        int64_t other = item.number;
        if (other == target) continue;
        chain(&sets->clients, target, sets->clients.first[other], sets->clients.last[other]);
        chain(&sets->backends, target, sets->backends.first[other], sets->backends.last[other]);
        sets->clients.first[other] = sets->backends.first[other] = NOBODY;
        sets->sizes[target] += sets->sizes[other];
    }
    sets->backends.next[backend] = NOBODY;
    chain(&sets->backends, target, backend, backend);
    sets->sizes[target]++;
    memcpy(&item, sets->joined.bytes, sizeof item); /* the largest */
    return shelf_add(&sets->open, (Item){item.at, target});
}

/* Find the sets: how many there are, those without a backend too; -1 with an error set. */
static Py_ssize_t find_sets(const Intervals *held, Sets *sets) {
    Py_ssize_t next = 0, clients = held->column[A].count;
    for (Py_ssize_t k = 0; k < held->column[X].count; k++) {
        int64_t b = of(held, BACKENDS, k);
        for (; next < clients && of(held, A, of(held, CLIENTS, next)) <= of(held, X, b); next++) {
            int64_t c = of(held, CLIENTS, next);
            if (begin_set(sets, next, c, of(held, P, c)) < 0) return -1;
        }
        if (join_sets(sets, b, of(held, Y, b)) < 0) return -1;
    }
    return next;
}

/* A list of the members of a set. */
static PyObject *members_of(const Chains *chains, int64_t set) {
    PyObject *found = PyList_New(0);
    for (int64_t at = chains->first[set]; found != NULL && at != NOBODY; at = chains->next[at]) {
        PyObject *number = PyLong_FromLongLong(at);
        if (number == NULL || PyList_Append(found, number) < 0) Py_CLEAR(found);
        Py_XDECREF(number);
    }
    return found;
}

/* A list of (clients, backends) of each set that has a backend. */
static PyObject *told(const Sets *sets, Py_ssize_t count) {
    PyObject *found = PyList_New(0);
    for (Py_ssize_t set = 0; found != NULL && set < count; set++) {
        if (sets->backends.first[set] == NOBODY) continue;
        PyObject *clients = members_of(&sets->clients, set);
        PyObject *backends = clients == NULL ? NULL : members_of(&sets->backends, set);
        PyObject *both = backends == NULL ? NULL : PyTuple_Pack(2, clients, backends);
        if (both == NULL || PyList_Append(found, both) < 0) Py_CLEAR(found);
        Py_XDECREF(clients);
        Py_XDECREF(backends);
        Py_XDECREF(both);
    }
    return found;
}

PyObject *components(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *objects[INPUTS], *found = NULL;
    Intervals held = {.column = {{.held = 0}}};
    Sets sets = {.sizes = NULL};
    if (!PyArg_ParseTuple(args, "OOOOOO", &objects[A], &objects[P], &objects[X], &objects[Y],
                          &objects[CLIENTS], &objects[BACKENDS]))
        return NULL;
    if (borrow_all(&held, objects) == 0) {
        Py_ssize_t clients = held.column[A].count, backends = held.column[X].count;
        sets.sizes = PyMem_Calloc((size_t)clients + 1, 8);
        if (sets.sizes == NULL) PyErr_NoMemory();
        if (sets.sizes != NULL && chains_begin(&sets.clients, clients, clients) == 0 &&
            chains_begin(&sets.backends, backends, clients) == 0) {
            Py_ssize_t count = find_sets(&held, &sets);
            if (count >= 0) found = told(&sets, count);
        }
    }
    PyMem_Free(sets.sizes);
    chains_end(&sets.clients);
    chains_end(&sets.backends);
    shelf_free(&sets.open);
    memory_free(&sets.joined);
    return_all(&held);
    return found;
}
