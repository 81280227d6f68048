/* SPDX-License-Identifier: MIT */
/* io/buffer.h - the memory of streams' buffers, see buffer.c. */
#ifndef CO_IO_BUFFER_H
#define CO_IO_BUFFER_H

#include "core/poller.h"

#include <stddef.h>

struct co__fd_table;

/* What most streams begin with; a loop keeps some of this size, and lends some
 * to its backend. */
#define CO__BUFFER_BYTES CO__LENT_BYTES

/* As co__alloc and co__free. What one has may be resized by co__realloc;
 * `bytes` are those that it has now. */
void *co__buffer_take(size_t bytes);
void co__buffer_give(void *buffer, size_t bytes);

/* A loop rests, or ends: nothing is kept for it. */
void co__buffers_rest(struct co__fd_table *table);

#endif
