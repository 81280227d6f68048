/* SPDX-License-Identifier: MIT */
/*
 * The heap takes the least out bottom-up: the hole that it leaves sinks to a
 * leaf, past the lesser child each time, and the last element rises from there.
 * The last one mostly belongs near the bottom, so this asks `compare` about
 * once a level, where sinking it from the top asks twice.
 */
#include "sync/store.h"

#include "base/alloc.h"

#include <errno.h>

#define ROOM_MIN 8

int co__store_init(struct co__store *store, const co_queue_options *options)
{
    size_t bytes = options->element_bytes, align;

    if (bytes > SIZE_MAX / 4)
        return -EINVAL;
    store->kind = options->kind;
    store->bytes = bytes;
    store->stride = bytes;
    if (store->kind == CO_PRIORITY) {
        /* A type's size is a multiple of its alignment. */
        align = bytes && bytes % 16 == 0 ? 16 : 8;
        bytes = (bytes + 7) / 8 * 8 + sizeof(store->puts);
        store->stride = (bytes + align - 1) / align * align;
    }
    store->compare = options->compare;
    store->compare_arg = options->compare_arg;
    return 0;
}

void co__store_fini(struct co__store *store)
{
    co__free(store->data);
}

int co__store_grow(struct co__store *store)
{
    size_t room = store->room ? store->room * 2 : ROOM_MIN, bytes, first;
    char *data;

    if (room < store->room ||
        __builtin_mul_overflow(room, store->stride, &bytes))
        return -ENOMEM;
    data = co__alloc(bytes ? bytes : 1);
    if (!data)
        return -ENOMEM;
    first = store->room - store->head;
    if (first > store->count)
        first = store->count;
    if (store->count) {
        memcpy(data, store->data + store->head * store->stride,
               first * store->stride);
        memcpy(data + first * store->stride, store->data,
               (store->count - first) * store->stride);
    }
    co__free(store->data);
    store->data = data;
    store->room = room;
    store->head = 0;
    return 0;
}

/* ---- the heap ------------------------------------------------------------ */

CO_INLINE char *entry(const struct co__store *store, size_t at)
{
    return store->data + at * store->stride;
}

CO_INLINE uint64_t number_of(const struct co__store *store, const char *element)
{
    uint64_t number;

    memcpy(&number, element + (store->bytes + 7) / 8 * 8, sizeof(number));
    return number;
}

/* Whether one element, that was put as `number`, goes before an entry. */
CO_INLINE int goes_before(const struct co__store *store, const void *element,
                          uint64_t number, const char *other)
{
    int order = store->compare(element, other, store->compare_arg);

    return order < 0 || (order == 0 && number < number_of(store, other));
}

/* Most entries are a few words, and a call would cost more than the copy. */
CO_INLINE void move(const struct co__store *store, char *to, const char *from)
{
    for (size_t at = 0; at < store->stride; at += 8)
        memcpy(to + at, from + at, 8);
}

/* Where an element belongs that is to be at the hole `at` or above it: sink
 * what goes after it. */
CO_INLINE size_t rise(const struct co__store *store, size_t at,
                      const void *element, uint64_t number)
{
    while (at) {
        size_t parent = (at - 1) / 2;

        if (!goes_before(store, element, number, entry(store, parent)))
            break;
        move(store, entry(store, at), entry(store, parent));
        at = parent;
    }
    return at;
}

void co__heap_put(struct co__store *store, const void *element)
{
    uint64_t number = store->puts++;
    char *to = entry(store, rise(store, store->count, element, number));

    co__store_copy(store, to, element);
    memcpy(to + (store->bytes + 7) / 8 * 8, &number, sizeof(number));
    store->count++;
}

void co__heap_take(struct co__store *store, void *element)
{
    size_t count = store->count - 1, at = 0, child;
    const char *last = entry(store, count);

    co__store_copy(store, element, entry(store, 0));
    while ((child = 2 * at + 1) < count) {
        const char *left = entry(store, child);

        if (child + 1 < count &&
            !goes_before(store, left, number_of(store, left),
                         left + store->stride))
            child++;
        move(store, entry(store, at), entry(store, child));
        at = child;
    }
    if (at != count) {
        at = rise(store, at, last, number_of(store, last));
        move(store, entry(store, at), last);
    }
    store->count = count;
}
