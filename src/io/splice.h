/* SPDX-License-Identifier: MIT */
/*
 * io/splice.h - bytes that go from one descriptor to another without coming to
 * memory, by way of a pipe of ours. One file a system implements this.
 *
 * Of both descriptors nothing is done that would wait in the kernel, so they
 * have to be this loop's own.
 */
#ifndef CO_IO_SPLICE_H
#define CO_IO_SPLICE_H

#include <coppice/base.h>

#include <stddef.h>
#include <sys/types.h>

struct co__fd_table;

/* A pipe and the bytes in it, one at least while anybody has it. */
struct co__pipeful {
    int fds[2];
    size_t count;
};

/* As much as a pipe is asked to take: what Linux gives to each. */
#define CO__PIPEFUL_MAX ((size_t)64 * 1024)

/* Whether it may be worth a try, by what the descriptors are. */
int co__splice_fits(int to, int from);

/*
 * Take what is there, at most `most` bytes, without waiting; `woken`: the
 * kernel has just said that something is. Returns how many, and only then *out
 * is set; 0 at the end; -EAGAIN (nothing is there); -ENOTSUP, having taken
 * nothing (it cannot be had here, or now); or the error of reading.
 */
ssize_t co__splice_in(int from, size_t most, int woken,
                      struct co__pipeful **out);

/*
 * Hand on, waiting for room. Returns how many bytes, one at least; -ENOTSUP
 * (not to this one); or the error of writing. *pipeful is NULL when it is
 * empty; it then has gone to where the next one finds it.
 */
ssize_t co__splice_out(int to, size_t most, struct co__pipeful **pipeful);

/* Read out of it after all; never waits. As above. */
ssize_t co__pipeful_read(struct co__pipeful **pipeful, void *buffer,
                         size_t len);

/* What is in it is lost. NULL is a no-op. */
void co__pipeful_free(struct co__pipeful *pipeful);

/* A loop rests, or ends: nothing is kept for it. */
void co__splice_rest(struct co__fd_table *table);

#endif
