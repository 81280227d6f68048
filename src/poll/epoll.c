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
#include "base/sanitize.h"
#include "poll/wake.h"
#include "poll/watches.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX CO__EXPECT_MAX /* for the same reason */
#define WATCHED    (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)

struct co__poller {
    struct co_loop *loop;
    int epoll_fd;
    int no_pwait2; /* the kernel has no epoll_pwait2: milliseconds must do */
    struct co__wake wake;
    struct co__watches watches;
    int full; /* the last wait had no room for more */
    struct epoll_event events[EVENTS_MAX];
};

/* Of the poller's own descriptors: as numbers that no descriptor has. */
#define WAKE_TOKEN    ((uint64_t)(uint32_t)-1)
#define WATCHES_TOKEN ((uint64_t)(uint32_t)-2)

static uint64_t token(int fd, uint32_t gen)
{
    return (uint64_t)gen << 32 | (uint32_t)fd;
}

static int add_own(struct co__poller *poller, int fd, uint32_t events,
                   uint64_t own_token)
{
    struct epoll_event event = {.events = events, .data.u64 = own_token};

    return epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno
                                                                      : 0;
}

static int epoll_open(struct co_loop *loop, struct co__poller **out)
{
    struct co__poller *poller = co__alloc_zero(sizeof(*poller));
    int r;

    if (!poller)
        return -ENOMEM;
    poller->loop = loop;
    co__watches_init(&poller->watches);
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd < 0) {
        r = -errno;
        goto free_poller;
    }
    r = co__wake_open(&poller->wake);
    if (r < 0)
        goto close_epoll;
    r = add_own(poller, poller->wake.fd, EPOLLIN | EPOLLET, WAKE_TOKEN);
    if (r < 0)
        goto close_wake;
    *out = poller;
    return 0;

close_wake:
    co__wake_close(&poller->wake);
close_epoll:
    close(poller->epoll_fd);
free_poller:
    co__free(poller);
    return r;
}

static void epoll_close(struct co__poller *poller)
{
    co__watches_close(&poller->watches);
    co__wake_close(&poller->wake);
    close(poller->epoll_fd);
    co__free(poller);
}

static int epoll_watch(struct co__poller *poller, int fd, uint32_t gen)
{
    struct epoll_event event = {.events = WATCHED, .data.u64 = token(fd, gen)};

    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    if (errno == EEXIST &&
        epoll_ctl(poller->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    return -errno;
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

    co__late_call_begin();
    epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, &unused);
    co__late_call_end();
}

/* ---- processes and signals ----------------------------------------------- */

static int see_watches(struct co__poller *poller)
{
    int r = co__watches_open(&poller->watches);

    if (r <= 0)
        return r;
    r = add_own(poller, poller->watches.fd, EPOLLIN, WATCHES_TOKEN);
    if (r < 0) {
        co__watches_close(&poller->watches);
        co__watches_init(&poller->watches);
    }
    return r;
}

static int epoll_watch_process(struct co__poller *poller,
                               struct co__poll_watch *watch, pid_t pid)
{
    int r = see_watches(poller);

    return r < 0 ? r : co__watches_process(&poller->watches, watch, pid);
}

static int epoll_watch_signal(struct co__poller *poller,
                              struct co__poll_watch *watch, int signo)
{
    int r = see_watches(poller);

    return r < 0 ? r : co__watches_signal(&poller->watches, watch, signo);
}

static void epoll_end_watch(struct co__poller *poller,
                            struct co__poll_watch *watch)
{
    co__watches_end(&poller->watches, watch);
}

/* ---- waiting ------------------------------------------------------------- */

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

/* Something of the poller's own. Returns how many events were reported. */
static CO_COLD int own_event(struct co__poller *poller, uint64_t data)
{
    if (data == WATCHES_TOKEN)
        return co__watches_fire(&poller->watches);
    co__wake_take(&poller->wake);
    return 0;
}

static void expect(const struct co__poller *poller, int count)
{
    int fds[EVENTS_MAX];

    for (int i = 0; i < count; i++)
        fds[i] = (int)(uint32_t)poller->events[i].data.u64;
    co__fds_expect(poller->loop, fds, (unsigned)count);
}

static int epoll_poll(struct co__poller *poller, co_time now, co_time deadline)
{
    int n = wait_events(poller, now, deadline);
    int reported = 0;

    poller->full = n == EVENTS_MAX;
    if (n >= (int)CO__EXPECT_MIN)
        expect(poller, n);
    for (int i = 0; i < n; i++) {
        const struct epoll_event *event = &poller->events[i];
        uint64_t data = event->data.u64;

        if (CO_UNLIKELY((int32_t)data < 0)) {
            reported += own_event(poller, data);
            continue;
        }
        co__fd_ready(poller->loop, (int)(uint32_t)data, (uint32_t)(data >> 32),
                     co__epoll_mask(event->events));
        reported++;
    }
    return reported;
}

static void epoll_pause(struct co__poller *poller, co_time limit)
{
    if (!poller->full)
        co__wake_pause(&poller->wake, limit);
}

static void epoll_wake(struct co__poller *poller)
{
    co__wake_send(&poller->wake);
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
    .watch_process = epoll_watch_process,
    .watch_signal = epoll_watch_signal,
    .end_watch = epoll_end_watch,
    .wait = epoll_poll,
    .pause = epoll_pause,
    .wake = epoll_wake,
    .fd = epoll_fd_of,
    .abandon = epoll_close, /* closing our copies leaves the set alone */
};
