/* SPDX-License-Identifier: MIT */
/*
 * Calls outside a task: the same tries, and between them the thread waits in
 * poll(2), for as long as the thread's scopes allow.
 */
#include "io/io.h"

#include "base/clock.h"
#include "base/wait.h"

#define PAUSE_FIRST (1 * CO_MS)
#define PAUSE_MOST  (32 * CO_MS)

/* So often poll(2) may say "ready" and the try "not so" in a row. */
#define CONTRADICTIONS_MAX 16

static short events_of(int directions)
{
    return (short)((directions & CO_READABLE ? POLLIN : 0) |
                   (directions & CO_WRITABLE ? POLLOUT : 0));
}

static int directions_of(const struct pollfd *p, int asked)
{
    int ready = 0;

    if (p->revents & POLLNVAL)
        return -EBADF;
    if (p->revents & (POLLHUP | POLLERR))
        return asked;
    if (p->revents & POLLIN)
        ready |= CO_READABLE;
    if (p->revents & POLLOUT)
        ready |= CO_WRITABLE;
    return ready;
}

int co__fd_poll(int fd, int directions)
{
    struct pollfd p = {.fd = fd, .events = events_of(directions)};
    int n;

    if (fd < 0)
        return -EBADF;
    do
        n = co__poll(&p, 1, 0);
    while (n == -EINTR);
    return n <= 0 ? n : directions_of(&p, directions);
}

/* How long the thread's scopes let it wait. Returns 0, or why not at all. */
static int time_left(co_time *left)
{
    struct co__chain *chain = co__chain_current();
    co_time now;

    *left = CO_NEVER;
    if (chain->due == CO_NEVER)
        return 0;
    now = co_now();
    if (chain->due <= now)
        return co__chain_error(chain, now);
    *left = chain->due - now;
    return 0;
}

int co__block_enter(void)
{
    co_time left;

    return time_left(&left);
}

int co__block_fd(int fd, int directions)
{
    struct pollfd p = {.fd = fd, .events = events_of(directions)};
    co_time left;
    int n;

    if (fd < 0)
        return -EBADF;
    do {
        n = time_left(&left);
        if (n < 0)
            return n;
        n = co__poll(&p, 1, left);
    } while (n == 0 || n == -EINTR);
    return n < 0 ? n : directions_of(&p, directions);
}

/* Where no event says when to look again. */
static int block_pause(co_time pause)
{
    co_time left;
    int r = time_left(&left);

    if (r < 0)
        return r;
    r = co__poll(NULL, 0, pause < left ? pause : left);
    return r == -EINTR ? 0 : r;
}

CO_NOINLINE ssize_t co__io_block(struct co__op *op)
{
    co_time pause = PAUSE_FIRST;
    int contradictions = 0;
    ssize_t n = co__block_enter();

    while (n >= 0) {
        n = op->kind->attempt(op, 0);
        if (n != -EAGAIN || op->mode & CO__OP_NOWAIT)
            break;
        if (op->mode & CO__OP_BACKOFF ||
            contradictions++ >= CONTRADICTIONS_MAX) {
            n = block_pause(pause);
            pause = pause * 2 < PAUSE_MOST ? pause * 2 : PAUSE_MOST;
        } else {
            n = co__block_fd(op->fd, op->direction);
        }
    }
    return n;
}
