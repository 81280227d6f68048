/* SPDX-License-Identifier: MIT */
/*
 * The Linux reactor. Each event carries the descriptor and the generation of
 * its slot, so nothing is looked up by pointer and a late event for a reused
 * number is recognised. EPOLLPRI is watched for one reason: urgent data makes
 * reads stop short without a further edge (see the drain rule in io/).
 */
#include "poll/epoll.h"

#include "base/alloc.h"
#include "base/compiler.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define WAKE_TOKEN UINT64_MAX
#define WATCHED    (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)

struct co__poller {
    struct co_loop *loop;
    int epoll_fd;
    int wake_fd;
    int no_pwait2; /* the kernel has no epoll_pwait2: milliseconds must do */
    struct epoll_event events[EVENTS_MAX];
};

static uint64_t token(int fd, uint32_t gen)
{
    return (uint64_t)gen << 32 | (uint32_t)fd;
}

static int epoll_open(struct co_loop *loop, struct co__poller **out)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                .data.u64 = WAKE_TOKEN};
    struct co__poller *poller = co__alloc_zero(sizeof(*poller));
    int r;

    if (!poller)
        return -ENOMEM;
    poller->loop = loop;
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd < 0) {
        r = -errno;
        goto free_poller;
    }
    poller->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (poller->wake_fd < 0) {
        r = -errno;
        goto close_epoll;
    }
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->wake_fd, &event) ==
        0) {
        *out = poller;
        return 0;
    }
    r = -errno;

    close(poller->wake_fd);
close_epoll:
    close(poller->epoll_fd);
free_poller:
    co__free(poller);
    return r;
}

static void epoll_close(struct co__poller *poller)
{
    close(poller->wake_fd);
    close(poller->epoll_fd);
    co__free(poller);
}

static int epoll_watch(struct co__poller *poller, int fd, uint32_t gen)
{
    struct epoll_event event = {.events = WATCHED, .data.u64 = token(fd, gen)};

    return epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno
                                                                      : 0;
}

static int epoll_arm(struct co__poller *poller, int fd, uint32_t gen,
                     uint32_t mask)
{
    struct epoll_event event = {.events = EPOLLONESHOT,
                                .data.u64 = token(fd, gen)};

    if (mask & CO__POLL_IN)
        event.events |= EPOLLIN | EPOLLRDHUP;
    if (mask & CO__POLL_OUT)
        event.events |= EPOLLOUT;
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    if (errno == ENOENT &&
        epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    return -errno;
}

static void epoll_unwatch(struct co__poller *poller, int fd)
{
    struct epoll_event unused = {0};

    epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, &unused);
}

static uint32_t mask_of(uint32_t events)
{
    uint32_t mask = 0;

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR))
        mask |= CO__POLL_IN;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        mask |= CO__POLL_OUT;
    if (CO_LIKELY(!(events & ~(uint32_t)(EPOLLIN | EPOLLOUT))))
        return mask;
    if (events & EPOLLRDHUP)
        mask |= CO__POLL_RDHUP;
    if (events & EPOLLHUP)
        mask |= CO__POLL_HUP;
    if (events & EPOLLERR)
        mask |= CO__POLL_ERR;
    if (events & EPOLLPRI)
        mask |= CO__POLL_PRI;
    return mask;
}

/* epoll_wait(2) with the precision that the kernel has. */
static int wait_events(struct co__poller *poller, co_time now, co_time deadline)
{
    co_time left = deadline - now;
    struct timespec ts;
    int n;

    if (deadline == CO_NEVER || deadline == 0 || left <= 0)
        return epoll_wait(poller->epoll_fd, poller->events, EVENTS_MAX,
                          deadline == CO_NEVER ? -1 : 0);
    if (!poller->no_pwait2) {
        ts.tv_sec = (time_t)(left / CO_SEC);
        ts.tv_nsec = (long)(left % CO_SEC);
        n = epoll_pwait2(poller->epoll_fd, poller->events, EVENTS_MAX, &ts,
                         NULL);
        if (n >= 0 || errno != ENOSYS)
            return n;
        poller->no_pwait2 = 1;
    }
    /* Rounded up: never early. */
    if (left > 86400 * CO_SEC)
        left = 86400 * CO_SEC;
    return epoll_wait(poller->epoll_fd, poller->events, EVENTS_MAX,
                      (int)((left + CO_MS - 1) / CO_MS));
}

static int epoll_poll(struct co__poller *poller, co_time now, co_time deadline)
{
    int n = wait_events(poller, now, deadline);
    int reported = 0;

    for (int i = 0; i < n; i++) {
        const struct epoll_event *event = &poller->events[i];
        uint64_t data = event->data.u64;

        if (CO_UNLIKELY(data == WAKE_TOKEN)) {
            uint64_t count;

            if (read(poller->wake_fd, &count, sizeof(count)) < 0)
                continue;
            continue;
        }
        co__fd_ready(poller->loop, (int)(uint32_t)data, (uint32_t)(data >> 32),
                     mask_of(event->events));
        reported++;
    }
    return reported;
}

static void epoll_wake(struct co__poller *poller)
{
    const uint64_t one = 1;
    int saved = errno;

    /* Full (EAGAIN) is as good as written. */
    while (write(poller->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

static int epoll_fd_of(const struct co__poller *poller)
{
    return poller->epoll_fd;
}

const struct co__poller_ops co__poller_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .watch = epoll_watch,
    .arm = epoll_arm,
    .unwatch = epoll_unwatch,
    .wait = epoll_poll,
    .wake = epoll_wake,
    .fd = epoll_fd_of,
    .abandon = epoll_close, /* closing our copies leaves the set alone */
};
