/* SPDX-License-Identifier: MIT */
/*
 * The memory of streams' buffers. A stream has one while there is something in
 * it, so a loop that serves many asks for one and gives it back all the time;
 * and what is free at the end of its heap the C library gives back to the
 * system, page by page to be had again. So a loop keeps some, the one used last
 * first. With sanitizers it does not, which look at what is used after free.
 */
#include "io/buffer.h"

#include "base/alloc.h"
#include "base/sanitize.h"
#include "core/run.h"
#include "io/fdtable.h"

#define KEPT_MAX (CO__SANITIZED ? 0u : 256u)

/* At the beginning of one that is kept. */
struct co__buffer {
    struct co__buffer *next;
};

void *co__buffer_take(size_t bytes)
{
    struct co__fd_table *table = co__loop ? co__loop->fds : NULL;
    struct co__buffer *buffer;

    if (bytes != CO__BUFFER_BYTES || !table || !table->buffers)
        return co__alloc(bytes);
    buffer = table->buffers;
    table->buffers = buffer->next;
    table->buffers_count--;
    return buffer;
}

void co__buffer_give(void *buffer, size_t bytes)
{
    struct co__fd_table *table = co__loop ? co__loop->fds : NULL;
    struct co__buffer *kept = buffer;

    if (!buffer || bytes != CO__BUFFER_BYTES || !table ||
        table->buffers_count + 1 > KEPT_MAX) {
        co__free(buffer);
        return;
    }
    kept->next = table->buffers;
    table->buffers = kept;
    table->buffers_count++;
}

void *co__lend(void)
{
    return co__buffer_take(CO__BUFFER_BYTES);
}

void co__buffers_rest(struct co__fd_table *table)
{
    while (table->buffers) {
        struct co__buffer *next = table->buffers->next;

        co__free(table->buffers);
        table->buffers = next;
    }
    table->buffers_count = 0;
}
