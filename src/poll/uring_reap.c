/* SPDX-License-Identifier: MIT */
/*
 * What has come of what was asked for: completions, taken from the ring. Some
 * at a time: their tasks run while what was fetched for them is in the caches.
 * The kernel, which needs the caches for itself, is entered when none are left.
 */
#include "poll/epoll.h"
#include "poll/uring.h"

#include <poll.h>

#define OUT_OF_DATE (-1)

/* All return whether a descriptor was reported, or OUT_OF_DATE. */

static int report(struct co__poller *poller, uint64_t data, int result,
                  unsigned flags)
{
    int fd;
    struct co__uring_watch *watch = co__uring_watch_of(poller, data, &fd);

    if (!watch)
        return OUT_OF_DATE;
    if (!watch->once && !(flags & IORING_CQE_F_MORE) && result != -EBADF)
        (void)co__uring_poll(poller, fd, watch->events, 0, data);
    if (result < 0) /* closed, say: who waits finds out by trying */
        result = POLLIN | POLLOUT | POLLERR;
    if (watch->once)
        watch->events = 0;
    co__fd_ready(poller->loop, fd, watch->gen,
                 co__epoll_mask((uint32_t)result));
    return 1;
}

/* Of the poller's own descriptors. The count of wakes is never read: each adds
 * to it, and so is an edge. */
static int own_event(struct co__poller *poller, uint64_t data, unsigned flags)
{
    int fd = data == CO__URING_WAKE ? poller->wake.fd : poller->watched.fd;

    if (!(flags & IORING_CQE_F_MORE))
        (void)co__uring_poll(poller, fd, POLLIN, 0, data);
    return data == CO__URING_WAKE ? 0 : co__watches_fire(&poller->watched);
}

static int take(struct co__poller *poller, const struct io_uring_cqe *cqe)
{
    uint64_t data = cqe->user_data;

    if (data & 1)
        return report(poller, data, cqe->res, cqe->flags);
    if (CO_LIKELY(data >= CO__URING_COMMANDS)) {
        co__uring_command_ended(poller, data, cqe->res, cqe->flags);
        return 0;
    }
    if (data == CO__URING_NOTHING)
        return OUT_OF_DATE;
    return own_event(poller, data, cqe->flags);
}

/* The descriptor that a completion is about; less than 0: the poller's own. */
static int fd_of(const struct io_uring_cqe *cqe)
{
    uint64_t data = cqe->user_data;

    if (data & 1)
        return (int)((uint32_t)data >> 1);
    return data >= CO__URING_COMMANDS ? co__uring_command_of(data)->fd : -1;
}

/* Commands are on the stacks of their tasks, and are fetched first. */
static void expect(const struct co__poller *poller,
                   struct io_uring_cqe *const *cqes, unsigned count)
{
    int fds[CO__EXPECT_MAX];

    for (unsigned i = 0; i < count; i++)
        if (cqes[i]->user_data >= CO__URING_COMMANDS)
            __builtin_prefetch(co__uring_command_of(cqes[i]->user_data));
    for (unsigned i = 0; i < count; i++)
        fds[i] = fd_of(cqes[i]);
    co__fds_expect(poller->loop, fds, count);
}

/* Some of those that are there; returns how many were not out of date. */
static unsigned take_some(struct co__poller *poller, int *reported)
{
    struct io_uring_cqe *cqes[CO__EXPECT_MAX];
    unsigned count =
        io_uring_peek_batch_cqe(&poller->ring, cqes, CO__EXPECT_MAX);
    unsigned taken = 0;

    if (count >= CO__EXPECT_MIN)
        expect(poller, cqes, count);
    for (unsigned i = 0; i < count; i++) {
        int r = take(poller, cqes[i]);

        if (r != OUT_OF_DATE) {
            *reported += r;
            taken++;
        }
    }
    io_uring_cq_advance(&poller->ring, count);
    return taken;
}

int co__uring_take(struct co__poller *poller)
{
    int reported = 0;

    while (!take_some(poller, &reported) && io_uring_cq_ready(&poller->ring))
        continue;
    poller->left_some = io_uring_cq_ready(&poller->ring) > 0;
    if (CO_UNLIKELY(poller->has_outside)) {
        co__wake_take(&poller->outside);
        co__uring_tell_outside(poller);
    }
    return reported;
}

int co__uring_reap(struct co__poller *poller, unsigned wait)
{
    if (poller->left_some)
        return co__uring_take(poller);
    if (wait)
        io_uring_submit_and_wait(co__uring_weeded(poller), wait);
    else if (io_uring_sq_ready(&poller->ring) ||
             *poller->ring.sq.kflags &
                 (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
        io_uring_submit_and_get_events(co__uring_weeded(poller));
    return co__uring_take(poller);
}
