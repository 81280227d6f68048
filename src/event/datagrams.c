/* SPDX-License-Identifier: MIT */
/* A socket of datagrams behind a transport. See transport.h. */
#include "event/transport.h"

#include <coppice/fd.h>
#include <coppice/socket.h>

#include "base/alloc.h"

#include <string.h>

#define DATAGRAM_MOST ((size_t)64 * 1024)
#define BATCH         16 /* read for one wait */

static void call_error(struct co_transport *t, int error)
{
    unsigned old = co__protocol_begin(t);

    if (t->protocol->error_received)
        t->protocol->error_received(t, t->arg, error);
    co__protocol_end(t, old);
}

/* One that is there: 1, or -EAGAIN, or an error of the descriptor's. */
static int read_one(struct co_transport *t, char *buffer)
{
    struct sockaddr_storage from;
    socklen_t from_len = sizeof(from);
    struct sockaddr *sender = (struct sockaddr *)&from;
    ssize_t n = co_recvfrom(t->fd, buffer, DATAGRAM_MOST, MSG_DONTWAIT, sender,
                            &from_len);
    unsigned old;

    if (n == -EAGAIN || n == -EBADF || n == -ECANCELED || n == -ENOMEM)
        return (int)n;
    if (n < 0) {
        call_error(t, (int)n);
        return 1;
    }
    old = co__protocol_begin(t);
    if (t->protocol->datagram_received)
        t->protocol->datagram_received(t, t->arg, buffer, (size_t)n,
                                       from_len ? sender : NULL, from_len);
    co__protocol_end(t, old);
    return 1;
}

static int read_datagrams(struct co_transport *t)
{
    char *buffer;
    int r = 0;

    co_timeout_in(&t->reading, CO_NEVER) {
        r = co_wait_fd(t->fd, CO_READABLE);
    }
    if (r < 0 || t->closing || t->paused)
        return r < 0 ? r : 1;
    buffer = co__alloc(DATAGRAM_MOST);
    if (!buffer)
        return -ENOMEM;
    for (int i = 0; i < BATCH && r > 0 && !t->closing && !t->paused; i++)
        r = read_one(t, buffer);
    co__free(buffer);
    return r == -EAGAIN ? 1 : r;
}

static int write_datagram(struct co_transport *t, struct co__piece *piece)
{
    const struct sockaddr *to =
        piece->to_len ? (const struct sockaddr *)&piece->to : NULL;
    ssize_t n = co_sendto(t->fd, piece->data, piece->end, 0, to, piece->to_len);

    if (n == -ECANCELED || n == -ETIMEDOUT || n == -EBADF)
        return (int)n;
    if (n < 0)
        call_error(t, (int)n);
    return 0;
}

static int no_eof(struct co_transport *t)
{
    (void)t;
    return -ENOTSUP;
}

static int close_socket(struct co_transport *t)
{
    return co_close(t->fd);
}

static void abort_socket(struct co_transport *t)
{
    co_close(t->fd);
}

static const struct co__transport_kind datagram_kind = {
    .read = read_datagrams,
    .write = write_datagram,
    .write_eof = no_eof,
    .close = close_socket,
    .abort = abort_socket,
};

co_transport *co_transport_start_datagrams_at(const char *site, int fd,
                                              const co_protocol *protocol,
                                              void *arg)
{
    const struct co_transport behind = {
        .kind = &datagram_kind, .fd = fd, .reads = 1, .writes = 1};
    int adopted = fd < 0 ? -EBADF : co_adopt(fd);
    co_transport *t;
    int error;

    if (adopted < 0 && adopted != -EALREADY) {
        errno = -adopted;
        return NULL;
    }
    t = co__transport_make(site, "co_transport_start_datagrams", protocol, arg,
                           &behind);
    if (!t && adopted == 0) {
        error = errno;
        (void)!co_fd_release(fd);
        errno = error;
    }
    return t;
}

/* Without waiting. */
static ssize_t try_send(struct co_transport *t, const void *data, size_t len,
                        const struct sockaddr *to, socklen_t to_len)
{
    unsigned old;
    ssize_t n;

    if (t->writer || co__loop != t->loop)
        return -EPERM;
    old = co__protocol_begin(t);
    n = co_sendto(t->fd, data, len, 0, to, to_len);
    co__protocol_end(t, old);
    return n;
}

int co_transport_sendto(co_transport *t, const void *data, size_t len,
                        const struct sockaddr *to, socklen_t to_len)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};
    ssize_t n;

    if (!t || t->fd < 0 || (len && !data) ||
        (to && to_len > sizeof(struct sockaddr_storage)) || (!to && to_len))
        return -EINVAL;
    if (t->closing)
        return -EPIPE;
    n = try_send(t, data, len, to, to_len);
    if (co__try_later(n))
        return co__transport_buffer(t, &iov, 1, to, to_len);
    if (n < 0)
        call_error(t, (int)n);
    return 0;
}
