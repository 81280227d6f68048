/* SPDX-License-Identifier: MIT */
/* What has come of what was asked for: completions, taken from the ring. */
#include "poll/epoll.h"
#include "poll/uring.h"

#include <poll.h>

static int report(struct co__poller *poller, uint64_t data, int result,
                  unsigned flags)
{
    int fd;
    struct co__uring_watch *watch = co__uring_watch_of(poller, data, &fd);

    if (!watch)
        return 0;
    if (result < 0) /* closed, say: who waits finds out by trying */
        result = POLLIN | POLLOUT | POLLERR;
    else if (!watch->once && !(flags & IORING_CQE_F_MORE))
        (void)co__uring_poll(poller, fd, watch->events, 0, data);
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
    return data == CO__URING_NOTHING ? 0 : own_event(poller, data, cqe->flags);
}

int co__uring_take(struct co__poller *poller)
{
    struct io_uring_cqe *cqe;
    unsigned head, count;
    int reported = 0;

    do {
        count = 0;
        io_uring_for_each_cqe(&poller->ring, head, cqe)
        {
            reported += take(poller, cqe);
            count++;
        }
        io_uring_cq_advance(&poller->ring, count);
        /* There was no room for some. */
        if (CO_UNLIKELY(*poller->ring.sq.kflags & IORING_SQ_CQ_OVERFLOW))
            io_uring_get_events(&poller->ring);
        else
            break;
    } while (count);
    if (CO_UNLIKELY(poller->has_outside)) {
        co__wake_take(&poller->outside);
        co__uring_tell_outside(poller);
    }
    return reported;
}

int co__uring_reap(struct co__poller *poller, unsigned wait)
{
    if (wait)
        io_uring_submit_and_wait(co__uring_weeded(poller), wait);
    else if (io_uring_sq_ready(&poller->ring) ||
             *poller->ring.sq.kflags &
                 (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
        io_uring_submit_and_get_events(co__uring_weeded(poller));
    return co__uring_take(poller);
}
