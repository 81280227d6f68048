/* SPDX-License-Identifier: MIT */
/* See stream.h. Each call is tried first; only if it would block is the
 * descriptor waited for. */
#include "offload/stream.h"

#include "base/clock.h"
#include "base/wait.h"
#include "core/fdhook.h"
#include "core/sched.h"

#include <sys/socket.h>
#include <sys/uio.h>

/* As CO_READABLE and CO_WRITABLE of coppice/fd.h, which is above this layer. */
#define READABLE 1
#define WRITABLE 2

/* ---- waiting for a descriptor -------------------------------------------- */

static int wait_in_task(const struct co__here *here, int fd, int direction)
{
    int r;

    here->loop->external++;
    r = co__fd_wait_alone(here, fd, direction, CO__WAIT_PROCESS);
    here->loop->external--;
    return r < 0 ? r : 0;
}

static int wait_in_thread(int fd, int direction)
{
    struct pollfd poll_fd = {
        .fd = fd, .events = direction == READABLE ? POLLIN : POLLOUT};
    struct co__chain *chain = co__chain_current();

    for (;;) {
        co_time now = co__clock_read();
        int r = co__chain_error(chain, now);

        if (r < 0)
            return r;
        r = co__poll(&poll_fd, 1,
                     chain->due == CO_NEVER ? CO_NEVER : chain->due - now);
        if (r > 0)
            return 0;
        if (r < 0 && r != -EINTR)
            return r;
    }
}

static int wait_fd(int fd, int direction)
{
    struct co__here here;

    return co__here(&here) ? wait_in_task(&here, fd, direction)
                           : wait_in_thread(fd, direction);
}

/* ---- bytes --------------------------------------------------------------- */

int co__stream_send(int fd, const void *head, size_t head_bytes,
                    const void *body, size_t body_bytes)
{
    struct iovec parts[2] = {{(void *)head, head_bytes},
                             {(void *)body, body_bytes}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    while (parts[0].iov_len + parts[1].iov_len) {
        ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);

        if (n < 0) {
            int r = -errno;

            if (r == -EAGAIN || r == -EWOULDBLOCK)
                r = wait_fd(fd, WRITABLE);
            if (r < 0 && r != -EINTR)
                return r;
            continue;
        }
        for (int i = 0; i < 2; i++) {
            size_t part =
                parts[i].iov_len < (size_t)n ? parts[i].iov_len : (size_t)n;

            parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            n -= (ssize_t)part;
        }
    }
    return 0;
}

int co__stream_receive(int fd, void *buffer, size_t bytes, size_t *have)
{
    for (*have = 0; *have < bytes;) {
        ssize_t n = recv(fd, (char *)buffer + *have, bytes - *have, 0);
        int r = n < 0 ? -errno : 0;

        if (n == 0)
            return -EPIPE;
        if (n > 0)
            *have += (size_t)n;
        else if (r == -EAGAIN || r == -EWOULDBLOCK)
            r = wait_fd(fd, READABLE);
        if (r < 0 && r != -EINTR)
            return r;
    }
    return 0;
}

int co__stream_wait_end(int fd)
{
    return wait_fd(fd, READABLE);
}
