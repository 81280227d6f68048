/* SPDX-License-Identifier: MIT */
/* See splice.h: systems that have no such thing. */
#include "io/splice.h"

#include <errno.h>

int co__splice_fits(int to, int from)
{
    (void)to;
    (void)from;
    return 0;
}

ssize_t co__splice_in(int from, size_t most, int woken,
                      struct co__pipeful **out)
{
    (void)from;
    (void)most;
    (void)woken;
    (void)out;
    return -ENOTSUP;
}

ssize_t co__splice_out(int to, size_t most, struct co__pipeful **pipeful)
{
    (void)to;
    (void)most;
    (void)pipeful;
    return -ENOTSUP;
}

ssize_t co__pipeful_read(struct co__pipeful **pipeful, void *buffer, size_t len)
{
    (void)pipeful;
    (void)buffer;
    (void)len;
    return -ENOTSUP;
}

void co__pipeful_free(struct co__pipeful *pipeful)
{
    (void)pipeful;
}

void co__splice_rest(struct co__fd_table *table)
{
    (void)table;
}
