/* SPDX-License-Identifier: MIT */
/*
 * The reactor over io_uring: the ring's life, and readiness. What it carries
 * out itself is in uring_command.c, what is queued in uring_queue.c, what comes
 * of it in uring_reap.c, and the buffers for that in uring_lend.c.
 *
 * All that is asked for is queued in the ring, and handed to the kernel by the
 * one system call of the turn, which also waits. Completions are taken from
 * memory; a turn that neither asks nor waits, and for which the kernel has no
 * work put by (IORING_SQ_TASKRUN), costs no system call at all.
 *
 * A watch is a multishot poll request, edge-triggered; the kernel may end it,
 * when completions come faster than they are taken, and then it is made again.
 * Armed is a poll request that ends with its event. Each request has a serial
 * number, so that what comes late, after it was removed or replaced, is known
 * for what it is.
 *
 * Unlike epoll's, a request keeps the file open. So what is forgotten is
 * removed there and then, before the caller closes the descriptor: a peer must
 * see the end at once, and a port be free again.
 *
 * The ring belongs to one thread (SINGLE_ISSUER lets the kernel leave out
 * locks, DEFER_TASKRUN lets it work when we ask for it, not when it likes). It
 * is made disabled, and becomes the first thread's that runs the loop. If later
 * another one does, it is made anew with everything that was registered; not
 * while commands are under way, for these belong to the old one.
 */
#include "poll/uring.h"

#include "base/alloc.h"
#include "base/forks.h"
#include "base/sanitize.h"
#include "base/thread.h"
#include "poll/epoll.h"
#include "poll/pollers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES     256
#define COMPLETIONS 4096

#define NOBODY UINT64_MAX /* a thread that is none */

/* So often the kernel is asked to work off what it has put by. */
#define REMOVALS_MAX 64

#define WATCHED (POLLIN | POLLOUT | POLLRDHUP | POLLPRI)

#define FEATURES_NEEDED                                                        \
    (IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG |        \
     IORING_FEAT_CQE_SKIP)

/* The best way that the kernel knows, best first. */
static const unsigned ways[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_R_DISABLED,
    IORING_SETUP_R_DISABLED,
};

/* ---- the ring ------------------------------------------------------------ */

/* liburing's own system calls. */
static void ring_unmake(struct io_uring *ring, struct co__uring_lent *lent)
{
    co__unseen_unmap();
    io_uring_queue_exit(ring);
    co__uring_lent_free(lent);
}

/* What fails changes nothing. */
static int ring_make(struct co__poller *poller)
{
    struct io_uring_params params;
    struct io_uring ring;
    uint64_t can;
    int r = -EINVAL;

    for (size_t i = 0; r == -EINVAL && i < CO_ARRAY_LEN(ways); i++) {
        memset(&params, 0, sizeof(params));
        params.flags = ways[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        params.cq_entries = COMPLETIONS;
        r = io_uring_queue_init_params(ENTRIES, &ring, &params);
    }
    if (r == -EMFILE || r == -ENFILE)
        return r;
    /* Unknown, forbidden by a filter, or by the administrator; or more memory
     * than a user may lock, where that counts (before Linux 5.12). */
    if (r < 0)
        return -ENOSYS;
    co__unseen_map();
    can = co__uring_commands(&ring);
    if ((params.features & FEATURES_NEEDED) != FEATURES_NEEDED || !can) {
        ring_unmake(&ring, NULL);
        return -ENOSYS;
    }
    poller->ring = ring;
    poller->can = can;
    poller->thread = 0;
    poller->forks = co__forks;
    poller->registered = 0;
    poller->left_some = 0;
    return 0;
}

static uint64_t token(int fd, uint32_t serial)
{
    return (uint64_t)serial << 32 | (uint32_t)fd << 1 | 1;
}

int co__uring_poll(struct co__poller *poller, int fd, unsigned events, int once,
                   uint64_t data)
{
    struct io_uring_sqe *sqe = co__uring_sqe(poller);

    if (!sqe)
        return -ENOMEM;
    io_uring_prep_poll_add(sqe, fd, events);
    if (!once)
        sqe->len = IORING_POLL_ADD_MULTI;
    sqe->user_data = data;
    return 0;
}

/* For wakes, and all that is registered. */
static int register_all(struct co__poller *poller)
{
    int r = co__uring_poll(poller, poller->wake.fd, POLLIN, 0, CO__URING_WAKE);

    if (r == 0 && poller->watched.fd >= 0)
        r = co__uring_poll(poller, poller->watched.fd, POLLIN, 0,
                           CO__URING_WATCHED);

    for (unsigned fd = 0; r == 0 && fd < poller->watches_count; fd++) {
        const struct co__uring_watch *watch = &poller->watches[fd];

        if (watch->events)
            r = co__uring_poll(poller, (int)fd, watch->events, watch->once,
                               token((int)fd, watch->serial));
    }
    return r;
}

/* In place of the old ring, which another thread has used, or the process that
 * forked us. Other threads may be sending wakes: the descriptor for them stays,
 * but for a fork, whose parent has it too. */
static int ring_renew(struct co__poller *poller)
{
    struct io_uring old = poller->ring;
    int forked = poller->forks != co__forks;
    struct co__wake wake;
    int r;

    if (poller->commands)
        return -EPERM;
    if (forked && (r = co__wake_open(&wake)) < 0)
        return r;
    r = ring_make(poller);
    if (r < 0) {
        if (forked)
            co__wake_close(&wake);
        return r == -ENOSYS ? -ENOMEM : r;
    }
    ring_unmake(&old, poller->lent);
    poller->lent = NULL;
    if (forked) {
        co__wake_close(&poller->wake);
        poller->wake = wake;
    }
    return 0;
}

/*
 * For foreign loops there is a descriptor beside the ring, which the kernel
 * makes readable when there is work or a completion: with DEFER_TASKRUN the
 * ring's own tells of work only who waits in it. Made when it is asked for.
 */
void co__uring_tell_outside(struct co__poller *poller)
{
    if (*poller->ring.sq.kflags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW) ||
        io_uring_cq_ready(&poller->ring))
        co__wake_send(&poller->outside);
}

static int register_outside(struct co__poller *poller)
{
    return io_uring_register_eventfd(&poller->ring, poller->outside.fd);
}

/* The ring becomes this thread's, with all that is registered. What fails half
 * way leaves one that is nobody's, and is made anew the next time. */
static int take_over(struct co__poller *poller)
{
    int r;

    poller->thread = NOBODY;
    /* liburing.so 2.3 forgets to export io_uring_enable_rings. */
    r = io_uring_register((unsigned)poller->ring.ring_fd,
                          IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (r == 0)
        r = register_all(poller);
    if (r == 0 && poller->has_outside)
        r = register_outside(poller);
    if (r < 0)
        return r;
    poller->thread = co__thread();
    if (poller->has_outside)
        co__uring_tell_outside(poller);
    return 0;
}

static int uring_begin(struct co__poller *poller)
{
    int r = 0;

    if ((poller->thread && poller->thread != co__thread()) ||
        poller->forks != co__forks)
        r = ring_renew(poller);
    if (r == 0 && !poller->thread)
        r = take_over(poller);
    /* The kernel need not look the ring up at each call. */
    if (r == 0 && !poller->registered)
        poller->registered = io_uring_register_ring_fd(&poller->ring) == 1;
    return r;
}

/* What the thread has registered would outlive the ring. */
static void ring_unregister(struct co__poller *poller)
{
    if (poller->registered)
        io_uring_unregister_ring_fd(&poller->ring);
    poller->registered = 0;
}

static void uring_end(struct co__poller *poller, int idle)
{
    if (io_uring_sq_ready(&poller->ring))
        io_uring_submit(co__uring_weeded(poller));
    if (idle) {
        co__uring_unlend(poller);
        ring_unregister(poller);
    }
}

static int uring_open(struct co_loop *loop, struct co__poller **out)
{
    struct co__poller *poller = co__alloc_zero(sizeof(*poller));
    int r;

    if (!poller)
        return -ENOMEM;
    poller->loop = loop;
    poller->probe_fd = -1;
    co__watches_init(&poller->watched);
    r = co__wake_open(&poller->wake);
    if (r < 0)
        goto free_poller;
    r = ring_make(poller);
    if (r == 0) {
        *out = poller;
        return 0;
    }

    co__wake_close(&poller->wake);
free_poller:
    co__free(poller);
    return r;
}

static void uring_abandon(struct co__poller *poller)
{
    ring_unmake(&poller->ring, poller->lent);
    co__watches_close(&poller->watched);
    co__wake_close(&poller->wake);
    if (poller->has_outside)
        co__wake_close(&poller->outside);
    if (poller->probe_fd >= 0)
        close(poller->probe_fd);
    co__free(poller->watches);
    co__free(poller);
}

/* Files that requests keep open are closed with them, but later: the kernel
 * does not free a ring at once. */
static void uring_close(struct co__poller *poller)
{
    struct io_uring_sqe *sqe;

    if (poller->thread == co__thread() && (sqe = co__uring_sqe(poller))) {
        io_uring_prep_cancel64(
            sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        sqe->user_data = CO__URING_NOTHING;
        io_uring_submit_and_get_events(co__uring_weeded(poller));
    }
    uring_abandon(poller);
}

/* ---- registering --------------------------------------------------------- */

static struct co__uring_watch *find(struct co__poller *poller, int fd)
{
    return (unsigned)fd < poller->watches_count ? &poller->watches[fd] : NULL;
}

struct co__uring_watch *co__uring_watch_of(struct co__poller *poller,
                                           uint64_t data, int *fd)
{
    struct co__uring_watch *watch;

    *fd = (int)(uint32_t)data >> 1;
    watch = find(poller, *fd);
    return watch && watch->events && watch->serial == data >> 32 ? watch : NULL;
}

static CO_COLD int grow(struct co__poller *poller, int fd)
{
    unsigned count = poller->watches_count ? poller->watches_count * 2 : 64;
    struct co__uring_watch *watches;

    while (count <= (unsigned)fd)
        count *= 2;
    watches = co__realloc(poller->watches, count * sizeof(*watches));
    if (!watches)
        return -ENOMEM;
    memset(watches + poller->watches_count, 0,
           (count - poller->watches_count) * sizeof(*watches));
    poller->watches = watches;
    poller->watches_count = count;
    return 0;
}

/*
 * Whether a descriptor can be waited for: 0, -EPERM, -EBADF. A poll request for
 * one that cannot just fails, later; so of all but the usual kinds epoll is
 * asked.
 */
static int check(struct co__poller *poller, int fd)
{
    struct epoll_event unused = {0};
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode))
        return 0;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
        return -EPERM;
    if (poller->probe_fd < 0)
        poller->probe_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->probe_fd < 0)
        return -ENOMEM;
    if (epoll_ctl(poller->probe_fd, EPOLL_CTL_ADD, fd, &unused) < 0)
        return errno == EEXIST ? 0 : -errno;
    epoll_ctl(poller->probe_fd, EPOLL_CTL_DEL, fd, &unused);
    return 0;
}

/* Not IORING_OP_POLL_REMOVE: of a request that has just had an event the kernel
 * says -EALREADY to that, and keeps it. */
static int poll_remove(struct co__poller *poller, int fd,
                       struct co__uring_watch *watch)
{
    struct io_uring_sqe *sqe = co__uring_sqe(poller);

    if (!sqe)
        return -ENOMEM;
    watch->events = 0;
    io_uring_prep_cancel64(sqe, token(fd, watch->serial), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = CO__URING_NOTHING;
    return 0;
}

static int add(struct co__poller *poller, int fd, uint32_t gen, unsigned events,
               int once, int sure)
{
    struct co__uring_watch *watch = find(poller, fd);
    int r = sure ? 0 : check(poller, fd);

    if (r < 0)
        return r;
    if (!watch) {
        r = grow(poller, fd);
        if (r < 0)
            return r;
        watch = find(poller, fd);
    }
    if (watch->events && (r = poll_remove(poller, fd, watch)) < 0)
        return r;
    r = co__uring_poll(poller, fd, events, once, token(fd, ++poller->serial));
    if (r < 0)
        return r;
    *watch = (struct co__uring_watch){
        .gen = gen, .serial = poller->serial, .events = events, .once = once};
    return 0;
}

static int uring_watch(struct co__poller *poller, int fd, uint32_t gen)
{
    return add(poller, fd, gen, WATCHED, 0, 0);
}

static int uring_arm(struct co__poller *poller, int fd, uint32_t gen,
                     uint32_t mask)
{
    return add(poller, fd, gen,
               (mask & CO__POLL_IN ? POLLIN | POLLRDHUP : 0u) |
                   (mask & CO__POLL_OUT ? POLLOUT : 0u),
               1, mask & CO__POLL_SURE);
}

static void uring_unwatch(struct co__poller *poller, int fd)
{
    struct co__uring_watch *watch = find(poller, fd);

    if (!watch || !watch->events || poll_remove(poller, fd, watch) < 0)
        return;
    /* What has come meanwhile is kept for the next turn. */
    for (int i = 0; i < REMOVALS_MAX; i++) {
        io_uring_submit_and_get_events(co__uring_weeded(poller));
        if (!(*poller->ring.sq.kflags & IORING_SQ_TASKRUN))
            break;
    }
}

/* ---- processes and signals ----------------------------------------------- */

static int see_watches(struct co__poller *poller)
{
    int r = co__watches_open(&poller->watched);

    if (r <= 0)
        return r;
    r = co__uring_poll(poller, poller->watched.fd, POLLIN, 0,
                       CO__URING_WATCHED);
    if (r < 0) {
        co__watches_close(&poller->watched);
        co__watches_init(&poller->watched);
    }
    return r;
}

static int uring_watch_process(struct co__poller *poller,
                               struct co__poll_watch *watch, pid_t pid)
{
    int r = see_watches(poller);

    return r < 0 ? r : co__watches_process(&poller->watched, watch, pid);
}

static int uring_watch_signal(struct co__poller *poller,
                              struct co__poll_watch *watch, int signo)
{
    int r = see_watches(poller);

    return r < 0 ? r : co__watches_signal(&poller->watched, watch, signo);
}

static void uring_end_watch(struct co__poller *poller,
                            struct co__poll_watch *watch)
{
    co__watches_end(&poller->watched, watch);
}

/* ---- waiting ------------------------------------------------------------- */

static int uring_wait(struct co__poller *poller, co_time now, co_time deadline)
{
    struct __kernel_timespec ts;
    struct io_uring_cqe *cqe;
    co_time left = deadline - now;

    if (deadline == CO_NEVER)
        return co__uring_reap(poller, 1);
    if (deadline == 0 || left <= 0 || poller->left_some)
        return co__uring_reap(poller, 0);
    ts.tv_sec = left / CO_SEC;
    ts.tv_nsec = left % CO_SEC;
    io_uring_submit_and_wait_timeout(co__uring_weeded(poller), &cqe, 1, &ts,
                                     NULL);
    return co__uring_take(poller);
}

static void uring_pause(struct co__poller *poller, co_time limit)
{
    if (io_uring_sq_ready(&poller->ring))
        io_uring_submit(co__uring_weeded(poller));
    if (!poller->left_some)
        co__wake_pause(&poller->wake, limit);
}

/* The kernel puts off telling one eventfd of another. */
static void uring_wake(struct co__poller *poller)
{
    co__wake_send(&poller->wake);
    if (atomic_load(&poller->has_outside))
        co__wake_send(&poller->outside);
}

static int uring_fd(const struct co__poller *poller)
{
    struct co__poller *own = (struct co__poller *)poller;
    int r;

    if (own->has_outside)
        return own->outside.fd;
    r = co__wake_open(&own->outside);
    if (r < 0)
        return r;
    if (own->thread == co__thread()) {
        r = register_outside(own);
        if (r < 0) {
            co__wake_close(&own->outside);
            return r;
        }
    }
    atomic_store(&own->has_outside, 1); /* from here on wakes are sent to it */
    if (own->thread == co__thread())
        co__uring_tell_outside(own); /* what came before */
    return own->outside.fd;
}

const struct co__poller_ops co__poller_uring = {
    .name = "io_uring",
    .by_name = 1,
    .open = uring_open,
    .close = uring_close,
    .watch = uring_watch,
    .arm = uring_arm,
    .unwatch = uring_unwatch,
    .watch_process = uring_watch_process,
    .watch_signal = uring_watch_signal,
    .end_watch = uring_end_watch,
    .wait = uring_wait,
    .pause = uring_pause,
    .wake = uring_wake,
    .fd = uring_fd,
    .abandon = uring_abandon,
    .begin = uring_begin,
    .end = uring_end,
    .submit = co__uring_submit,
    .cancel = co__uring_cancel,
    .forget = co__uring_forget,
    .lapse = co__uring_lapse,
    .holds_files = 1,
};
