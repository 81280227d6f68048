/* SPDX-License-Identifier: MIT */
/*
 * sync/store.h - where a queue keeps its elements: one array that doubles. It
 * is a ring for first in, first out; a stack; or a heap. In the heap an element
 * is followed by the number of its putting, which decides among equal ones.
 */
#ifndef CO_SYNC_STORE_H
#define CO_SYNC_STORE_H

#include <coppice/queue.h>

#include "base/assert.h"

#include <string.h>

struct co__store {
    char *data; /* `room` entries of `stride` bytes */
    size_t count;
    size_t head; /* of the ring, less than room; else 0 */
    size_t room; /* a power of two, or 0 */
    size_t bytes;
    size_t stride;
    int by_int; /* compare is co_queue_compare_int64 */
    enum co_queue_kind kind;
    co_queue_compare compare;
    void *compare_arg;
    uint64_t puts; /* into the heap so far */
};

/* 0, or -EINVAL: no element can be so large. */
int co__store_init(struct co__store *store, const co_queue_options *options);
void co__store_fini(struct co__store *store);

/* Make room for one more at least: 0 or -ENOMEM, and then all is as before. */
int co__store_grow(struct co__store *store);

/* Put into the heap, which has room, and take the least out of it; there is
 * one. */
void co__heap_put(struct co__store *store, const void *element);
void co__heap_take(struct co__store *store, void *element);

/* Word by word: what was just stored so, and is loaded as one of 16 bytes, has
 * to get to the cache first. */
CO_INLINE void co__store_copy(size_t bytes, void *to, const void *from)
{
    if (CO_LIKELY(bytes == 8)) {
        memcpy(to, from, 8);
    } else if (bytes == 16) {
        memcpy(to, from, 8);
        memcpy((char *)to + 8, (const char *)from + 8, 8);
    } else if (bytes == 4) {
        memcpy(to, from, 4);
    } else if (bytes) {
        memcpy(to, from, bytes);
    }
}

/* There is room. */
CO_INLINE void co__store_put(struct co__store *store, const void *element)
{
    size_t at;

    CO_ASSERT(store->count < store->room);
    if (store->kind == CO_PRIORITY) {
        co__heap_put(store, element);
        return;
    }
    at = (store->head + store->count++) & (store->room - 1);
    co__store_copy(store->bytes, store->data + at * store->stride, element);
}

/* There is one. */
CO_INLINE void co__store_take(struct co__store *store, void *element)
{
    size_t at;

    CO_ASSERT(store->count > 0);
    if (store->kind == CO_PRIORITY) {
        co__heap_take(store, element);
        return;
    }
    store->count--;
    at = store->count;
    if (store->kind == CO_FIFO) {
        at = store->head;
        store->head = (at + 1) & (store->room - 1);
    }
    co__store_copy(store->bytes, element, store->data + at * store->stride);
}

#endif
