/* SPDX-License-Identifier: MIT */
/* What there is to know about a stream. Addresses are the kernel's to tell. */
#include <coppice/stream_info.h>

#include "io/splice.h"
#include "io/stream.h"

int co_stream_fd(const co_stream *stream)
{
    if (!stream)
        return -EINVAL;
    while (stream && !stream->closed) {
        int fd = co__stream_fd(stream);

        if (fd >= 0 || !stream->ops->below)
            return fd >= 0 ? fd : -ENOTSUP;
        stream = stream->ops->below(stream->arg);
    }
    return -EBADF;
}

typedef int name_fn(int fd, struct sockaddr *addr, socklen_t *len);

static int address_of(const co_stream *stream, co_addr *out, name_fn *name)
{
    int fd = out ? co_stream_fd(stream) : -EINVAL;
    co_addr addr = {.len = sizeof(addr.as)};

    if (fd < 0)
        return fd;
    if (name(fd, &addr.as.any, &addr.len) < 0)
        return -errno;
    *out = addr;
    return 0;
}

int co_stream_peer_address(const co_stream *stream, co_addr *out)
{
    return address_of(stream, out, getpeername);
}

int co_stream_local_address(const co_stream *stream, co_addr *out)
{
    return address_of(stream, out, getsockname);
}

int co_stream_stats_get(const co_stream *stream, co_stream_stats *stats)
{
    if (!stream || !stats || stats->size != sizeof(*stats))
        return -EINVAL;
    stats->bytes_read = stream->bytes_read;
    stats->bytes_written = stream->bytes_written;
    stats->read_ahead =
        stream->in_count + (stream->piped ? stream->piped->count : 0);
    stats->held_back = stream->out_count;
    return 0;
}
