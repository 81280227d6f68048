/* SPDX-License-Identifier: MIT */
/*
 * The heap takes the least out bottom-up: the hole that it leaves sinks to a
 * leaf, past the least child each time, and the last element rises from there.
 * The last one mostly belongs near the bottom, so this asks `compare` about
 * once a level, where sinking it from the top asks twice.
 *
 * Two children an entry ask `compare` least often. Where comparing is nothing
 * beside the wait for the next level's numbers to come, an entry has four
 * children: half as many levels.
 */
#include "sync/store.h"

#include "base/alloc.h"

#include <errno.h>

#define ROOM_MIN 8

int co__store_init(struct co__store *store, const co_queue_options *options)
{
    size_t bytes = options->element_bytes, align;
    int by_int = options->compare == co_queue_compare_int64;

    if (bytes > SIZE_MAX / 4 || (bytes < 8 && by_int))
        return -EINVAL;
    store->kind = options->kind;
    store->bytes = bytes;
    store->stride = bytes;
    if (store->kind == CO_PRIORITY) {
        /* A type's size is a multiple of its alignment, which the user's
         * compare may rely on. */
        align = bytes && bytes % 16 == 0 && !by_int ? 16 : 8;
        bytes = (bytes + 7) / 8 * 8 + sizeof(store->puts);
        store->stride = (bytes + align - 1) / align * align;
    }
    store->by_int = by_int;
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
 * Three arguments are constants where they are passed, so that compilers make a
 * heap of each kind: by_int, elements begin with an int64_t that they are
 * compared by, and that is inlined; and the sizes of frequent entries, an
 * int64_t and a pointer.
 */
#define FREQUENT_BYTES  16
#define FREQUENT_STRIDE 24

int co_queue_compare_int64(const void *a, const void *b, void *unused)
{
    int64_t x, y;

    (void)unused;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

/* An element, and what it begins with if the heap is by_int. */
struct ranked {
    const char *element;
    int64_t key;
};

CO_INLINE struct ranked rank(int by_int, const void *element)
{
    struct ranked ranked = {element, 0};

    if (by_int)
        memcpy(&ranked.key, element, sizeof(ranked.key));
    return ranked;
}

/* The number is what an entry ends with. */
CO_INLINE const char *number_of(size_t stride, const char *entry)
{
    return entry + stride - sizeof(uint64_t);
}

CO_INLINE int put_before(const char *number, const char *other_number)
{
    uint64_t x, y;

    memcpy(&x, number, sizeof(x));
    memcpy(&y, other_number, sizeof(y));
    return x < y;
}

/* Whether an element that has this number goes before an entry. */
CO_INLINE int goes_before(const struct co__store *store, int by_int,
                          size_t stride, struct ranked a, const char *number,
                          struct ranked b)
{
    int order;

    if (by_int) {
        if (CO_LIKELY(a.key != b.key))
            return a.key < b.key;
    } else {
        order = store->compare(a.element, b.element, store->compare_arg);
        if (CO_LIKELY(order != 0))
            return (int)((unsigned)order >> 31); /* order < 0, and no branch */
    }
    return put_before(number, number_of(stride, b.element));
}

/* Whichever of two entries goes first. Either may, and a branch would be
 * guesswork. */
CO_INLINE struct ranked first_of(const struct co__store *store, int by_int,
                                 size_t stride, struct ranked a,
                                 struct ranked b)
{
    size_t second = -(size_t)goes_before(store, by_int, stride, b,
                                         number_of(stride, b.element), a);

    a.element += second & (size_t)(b.element - a.element);
    a.key = b.key < a.key ? b.key : a.key;
    return a;
}

/* Most entries are a few words, and a call would cost more than the copy. */
CO_INLINE void move(size_t stride, char *to, const char *from)
{
    for (size_t at = 0; at < stride; at += 8)
        memcpy(to + at, from + at, 8);
}

CO_INLINE size_t children(int by_int)
{
    return by_int ? 4 : 2;
}

/* Where an element belongs that is to be in the hole, the nth place, or above
 * it: sink what goes after it. */
CO_INLINE char *rise(const struct co__store *store, int by_int, size_t stride,
                     size_t n, struct ranked element, const char *number)
{
    char *data = store->data, *hole = data + n * stride;

    while (n) {
        size_t up = (n - 1) / children(by_int);
        char *parent = data + up * stride;

        if (!goes_before(store, by_int, stride, element, number,
                         rank(by_int, parent)))
            break;
        move(stride, hole, parent);
        hole = parent;
        n = up;
    }
    return hole;
}

CO_INLINE void put(struct co__store *store, const void *element, int by_int,
                   size_t bytes, size_t stride)
{
    uint64_t number = store->puts++;
    char *to = rise(store, by_int, stride, store->count++,
                    rank(by_int, element), (char *)&number);

    co__store_copy(bytes, to, element);
    memcpy(to + stride - sizeof(number), &number, sizeof(number));
}

/* The places on the way down are told in bytes from the first, so that nothing
 * is multiplied there. */
CO_INLINE void take(struct co__store *store, void *element, int by_int,
                    size_t bytes, size_t stride)
{
    char *data = store->data;
    size_t at = 0, left = stride, end = --store->count * stride;
    const char *last = data + end;

    co__store_copy(bytes, element, data);
    while (left < end) {
        const char *child = data + left;
        /* At the end of the heap one is `last`, which may sink as well. */
        struct ranked first =
            first_of(store, by_int, stride, rank(by_int, child),
                     rank(by_int, child + stride));

        if (children(by_int) == 4 && left + 2 * stride < end)
            first = first_of(store, by_int, stride, first,
                             first_of(store, by_int, stride,
                                      rank(by_int, child + 2 * stride),
                                      rank(by_int, child + 3 * stride)));
        move(stride, data + at, first.element);
        at = (size_t)(first.element - data);
        left = at * children(by_int) + stride;
    }
    if (at < end)
        move(stride,
             rise(store, by_int, stride, at / stride, rank(by_int, last),
                  number_of(stride, last)),
             last);
}

static CO_NOINLINE void put_any(struct co__store *store, const void *element)
{
    if (store->by_int)
        put(store, element, 1, store->bytes, store->stride);
    else
        put(store, element, 0, store->bytes, store->stride);
}

void co__heap_put(struct co__store *store, const void *element)
{
    if (store->by_int && store->bytes == FREQUENT_BYTES)
        put(store, element, 1, FREQUENT_BYTES, FREQUENT_STRIDE);
    else
        put_any(store, element);
}

static CO_NOINLINE void take_any(struct co__store *store, void *element)
{
    if (store->by_int)
        take(store, element, 1, store->bytes, store->stride);
    else
        take(store, element, 0, store->bytes, store->stride);
}

void co__heap_take(struct co__store *store, void *element)
{
    if (store->by_int && store->bytes == FREQUENT_BYTES)
        take(store, element, 1, FREQUENT_BYTES, FREQUENT_STRIDE);
    else
        take_any(store, element);
}
