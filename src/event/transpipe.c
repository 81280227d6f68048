/* SPDX-License-Identifier: MIT */
/*
 * The end of a pipe that is written to, behind a transport. There is nothing to
 * read, but that nobody reads any more can be seen, as the kernel reports that
 * like something readable; not of a terminal, or a file. See transport.h.
 */
#include "event/transport.h"

#include <coppice/fd.h>

#include "io/stream.h"

#include <sys/stat.h>

static int is_pipe(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

int co__transport_watch_reader(struct co_transport *t)
{
    int fd = co__stream_fd(t->stream);
    int r = 0;

    if (!is_pipe(fd)) {
        co__transport_rest(t);
        return t->reader->chain.cancels ? -ECANCELED : 1;
    }
    co_timeout_in(&t->reading, CO_NEVER) {
        r = co_wait_fd(fd, CO_READABLE);
    }
    if (r < 0)
        return r;
    t->closing = 1; /* what is still to be written fails by itself */
    return 1;
}
