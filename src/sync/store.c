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

    if (bytes > SIZE_MAX / 4 ||
        (bytes < 8 && options->compare == co_queue_compare_int64))
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
    store->number_at = (store->bytes + 7) / 8 * 8;
    store->by_int = options->compare == co_queue_compare_int64;
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

/*
 * Two arguments are constants where they are passed, so that compilers make a
 * heap of each kind: by_int, elements begin with an int64_t that they are
 * compared by, and that is inlined; and the stride of frequent entries.
 */

int co_queue_compare_int64(const void *a, const void *b, void *unused)
{
    int64_t x, y;

    (void)unused;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

CO_INLINE uint64_t number_of(const struct co__store *store, const char *entry)
{
    uint64_t number;

    memcpy(&number, entry + store->number_at, sizeof(number));
    return number;
}

/* Whether one element, that was put as `number`, goes before an entry. */
CO_INLINE int goes_before(const struct co__store *store, int by_int,
                          const void *element, uint64_t number,
                          const char *other)
{
    int64_t x, y;
    int order;

    if (!by_int) {
        order = store->compare(element, other, store->compare_arg);
        if (CO_UNLIKELY(order == 0))
            return number < number_of(store, other);
        return (int)((unsigned)order >> 31); /* order < 0, and no branch */
    }
    memcpy(&x, element, sizeof(x));
    memcpy(&y, other, sizeof(y));
    if (CO_UNLIKELY(x == y))
        return number < number_of(store, other);
    return x < y;
}

/* Most entries are a few words, and a call would cost more than the copy. */
CO_INLINE void move(size_t stride, char *to, const char *from)
{
    for (size_t at = 0; at < stride; at += 8)
        memcpy(to + at, from + at, 8);
}

/* Where an element belongs that is to be in the hole, the nth place, or above
 * it: sink what goes after it. */
CO_INLINE char *rise(const struct co__store *store, int by_int, size_t stride,
                     size_t n, const void *element, uint64_t number)
{
    char *hole = store->data + n * stride;

    while (n) {
        char *parent = store->data + (n - 1) / 2 * stride;

        if (!goes_before(store, by_int, element, number, parent))
            break;
        move(stride, hole, parent);
        hole = parent;
        n = (n - 1) / 2;
    }
    return hole;
}

CO_INLINE void put(struct co__store *store, const void *element, int by_int,
                   size_t stride)
{
    uint64_t number = store->puts++;
    char *to = rise(store, by_int, stride, store->count++, element, number);

    co__store_copy(store, to, element);
    memcpy(to + store->number_at, &number, sizeof(number));
}

/* The places on the way down are told in bytes from the first, so that nothing
 * is multiplied there. */
CO_INLINE void take(struct co__store *store, void *element, int by_int,
                    size_t stride)
{
    char *data = store->data;
    size_t at = 0, left = stride, end = --store->count * stride;
    const char *last = data + end;

    co__store_copy(store, element, data);
    while (left < end) {
        const char *second = data + left + stride;
        /* Either of the two may go before the other, and a branch would be
         * guesswork. At the end of the heap the second is `last`, which may
         * sink as well. */
        size_t skip =
            -(size_t)goes_before(store, by_int, second,
                                 number_of(store, second), data + left) &
            stride;

        move(stride, data + at, data + left + skip);
        at = left + skip;
        left = 2 * left + stride + 2 * skip;
    }
    if (at < end)
        move(stride,
             rise(store, by_int, stride, at / stride, last,
                  number_of(store, last)),
             last);
}

void co__heap_put(struct co__store *store, const void *element)
{
    if (!store->by_int)
        put(store, element, 0, store->stride);
    else if (store->stride == 32)
        put(store, element, 1, 32);
    else
        put(store, element, 1, store->stride);
}

void co__heap_take(struct co__store *store, void *element)
{
    if (!store->by_int)
        take(store, element, 0, store->stride);
    else if (store->stride == 32)
        take(store, element, 1, 32);
    else
        take(store, element, 1, store->stride);
}
