/* SPDX-License-Identifier: MIT */
/*
 * The reactor of macOS and the BSDs.
 *
 * A kqueue has registrations of their own for reading and for writing, each
 * with a word of ours: it carries the slot's generation, and for an armed
 * descriptor the directions, so that the event of one ends the other. What was
 * registered before is deleted first: adding anew would leave its kind (once,
 * or edges) as it was.
 *
 * A kqueue does not outlive fork(2): in the child its number is free, or
 * somebody else's by now. Closing a descriptor takes it out of every kqueue,
 * whoever else has the file open.
 */
#include "poll/kqueue.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "poll/kqchanges.h"
#include "poll/urgent.h"
#include "poll/watches_kqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define WAIT_MAX   (86400 * CO_SEC) /* kernels refuse more than some years */
#define WAKE_IDENT UINTPTR_MAX      /* no echo's */

struct co__poller {
    struct co_loop *loop;
    int kq;
    atomic_int naps; /* a kqueue for wakes alone; -1 before the first pause */
    struct co__watches watches;
    int full; /* the last wait had no room for more */
    struct kevent events[EVENTS_MAX];
};

/* ---- descriptors --------------------------------------------------------- */

/* The word of a registration: the generation, and above it event masks: the
 * directions that an event of one ends, or what an event may mean besides. */
static uint64_t word_of(uint32_t gen, uint32_t mask)
{
    return (uint64_t)mask << 32 | gen;
}

/* Files are always ready. A kqueue would say so until their end, again and
 * again. */
static int check(int fd, mode_t *mode)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    *mode = st.st_mode;
    return S_ISREG(*mode) || S_ISDIR(*mode) || S_ISBLK(*mode) ? -EPERM : 0;
}

static void change_to_none(struct co__kq_changes *changes, int fd)
{
    uintptr_t ident = (uintptr_t)fd;

    co__kq_change(changes, ident, EVFILT_READ, EV_DELETE, 0, 0);
    co__kq_change(changes, ident, EVFILT_WRITE, EV_DELETE, 0, 0);
    co__kq_unecho(changes, ident, EVFILT_WRITE);
    if (co__urgent_filter)
        co__kq_change(changes, ident, co__urgent_filter, EV_DELETE, 0, 0);
}

static void kqueue_unwatch(struct co__poller *poller, int fd)
{
    struct co__kq_changes changes = {.count = 0};

    change_to_none(&changes, fd);
    (void)co__kq_make(poller->kq, &changes);
}

/*
 * What became of the changes that register; others stand before `first`. One
 * direction is enough: some devices cannot be written to. What is said of a
 * pipe whose reader is gone is no refusal, but the event itself.
 */
static int examine(const struct co__poller *poller,
                   const struct co__kq_changes *changes, int first, int fd,
                   uint64_t word)
{
    int accepted = 0;

    for (int i = first; i < changes->count; i++) {
        short filter = changes->list[i].filter;
        int r = -(int)changes->list[i].data;

        if (r == -EPIPE && filter == EVFILT_WRITE)
            r = co__kq_echo(poller->kq, (uintptr_t)fd, filter, word);
        if (r == -ENOMEM || r == -EBADF)
            return r;
        if (r == 0 && filter != co__urgent_filter)
            accepted = 1;
    }
    return accepted ? 0 : -EPERM;
}

static int make(struct co__poller *poller, struct co__kq_changes *changes,
                int first, int fd, uint64_t word)
{
    int r = co__kq_make(poller->kq, changes);

    if (r == 0)
        r = examine(poller, changes, first, fd, word);
    if (r < 0)
        kqueue_unwatch(poller, fd);
    return r;
}

static int kqueue_watch(struct co__poller *poller, int fd, uint32_t gen)
{
    const unsigned flags = EV_ADD | EV_CLEAR;
    struct co__kq_changes changes = {.count = 0};
    uint64_t word = word_of(gen, 0);
    int first;
    mode_t mode = 0;
    int r = check(fd, &mode);

    if (r < 0)
        return r;
    change_to_none(&changes, fd);
    first = changes.count;
    if (S_ISSOCK(mode) && co__urgent_filter)
        co__kq_change(&changes, (uintptr_t)fd, co__urgent_filter, flags,
                      co__urgent_note, word);
    else if (S_ISSOCK(mode))
        word = word_of(gen, CO__POLL_PRI);
    co__kq_change(&changes, (uintptr_t)fd, EVFILT_READ, flags, 0, word);
    co__kq_change(&changes, (uintptr_t)fd, EVFILT_WRITE, flags, 0, word);
    return make(poller, &changes, first, fd, word);
}

static int kqueue_arm(struct co__poller *poller, int fd, uint32_t gen,
                      uint32_t mask)
{
    const unsigned flags = EV_ADD | EV_ONESHOT;
    struct co__kq_changes changes = {.count = 0};
    uint64_t word = word_of(gen, mask & (CO__POLL_IN | CO__POLL_OUT));
    int first;
    mode_t mode = 0;
    int r = check(fd, &mode);

    if (r < 0)
        return r;
    change_to_none(&changes, fd);
    first = changes.count;
    if (mask & CO__POLL_IN)
        co__kq_change(&changes, (uintptr_t)fd, EVFILT_READ, flags, 0, word);
    if (mask & CO__POLL_OUT)
        co__kq_change(&changes, (uintptr_t)fd, EVFILT_WRITE, flags, 0, word);
    return make(poller, &changes, first, fd, word);
}

/* ---- processes and signals ----------------------------------------------- */

static int kqueue_watch_process(struct co__poller *poller,
                                struct co__poll_watch *watch, pid_t pid)
{
    return co__watches_process(&poller->watches, watch, pid);
}

static int kqueue_watch_signal(struct co__poller *poller,
                               struct co__poll_watch *watch, int signo)
{
    return co__watches_signal(&poller->watches, watch, signo);
}

static void kqueue_end_watch(struct co__poller *poller,
                             struct co__poll_watch *watch)
{
    co__watches_end(&poller->watches, watch);
}

/* ---- waiting ------------------------------------------------------------- */

/* How long to wait; NULL: without a limit. */
static const struct timespec *limit_of(co_time now, co_time deadline,
                                       struct timespec *ts)
{
    co_time left = deadline - now;

    if (deadline == CO_NEVER)
        return NULL;
    if (deadline == 0 || left < 0)
        left = 0;
    if (left > WAIT_MAX)
        left = WAIT_MAX;
    *ts = co__timespec(left);
    return ts;
}

/*
 * The end of the reading side is the peer's FIN. That of the writing side means
 * that nothing can be written any more: it is an error to whom writes, and who
 * reads is to look, too. An error of the socket's concerns both.
 */
static uint32_t mask_of(const struct kevent *e)
{
    const uint32_t broken = CO__POLL_IN | CO__POLL_OUT | CO__POLL_ERR;
    uint32_t mask;

    if (e->filter == EVFILT_READ)
        mask = CO__POLL_IN |
               ((uint32_t)((uintptr_t)e->udata >> 32) & CO__POLL_PRI);
    else if (e->filter == EVFILT_WRITE)
        mask = CO__POLL_OUT;
    else
        return CO__POLL_IN | CO__POLL_PRI;
    if (CO_LIKELY(!(e->flags & (EV_EOF | EV_ERROR))))
        return mask;
    mask |= e->filter == EVFILT_READ ? CO__POLL_RDHUP : broken | CO__POLL_HUP;
    if (e->fflags || e->flags & EV_ERROR)
        mask |= broken;
    return mask;
}

static int is_of_fd(const struct kevent *e)
{
    return e->filter != EVFILT_USER && e->filter != EVFILT_PROC &&
           e->filter != EVFILT_SIGNAL;
}

/* One event, or several in a row, of a descriptor. What was armed for both
 * directions and tells of one is over. */
static void report(struct co__poller *poller, const struct kevent *e, int count)
{
    const uint64_t both = word_of(0, CO__POLL_IN | CO__POLL_OUT);
    uint64_t word = (uintptr_t)e->udata;
    uint32_t mask = 0;

    for (int i = 0; i < count; i++)
        mask |= mask_of(&e[i]);
    if (CO_UNLIKELY((word & both) == both))
        kqueue_unwatch(poller, (int)e->ident);
    co__fd_ready(poller->loop, (int)e->ident, (uint32_t)word, mask);
}

static CO_NOINLINE int report_other(struct co__poller *poller,
                                    const struct kevent *e)
{
    struct kevent event = *e;

    if (event.ident == WAKE_IDENT)
        return 0;
    co__kq_resolve(&event);
    if (!is_of_fd(&event))
        return co__watches_event(&poller->watches, &event);
    report(poller, &event, 1);
    return 1;
}

static int kqueue_wait(struct co__poller *poller, co_time now, co_time deadline)
{
    struct timespec ts;
    int n = kevent(poller->kq, NULL, 0, poller->events, EVENTS_MAX,
                   limit_of(now, deadline, &ts));
    int reported = 0;
    int count;

    poller->full = n == EVENTS_MAX;
    for (int i = 0; i < n; i += count) {
        const struct kevent *e = &poller->events[i];

        count = 1;
        if (CO_UNLIKELY(!is_of_fd(e))) {
            reported += report_other(poller, e);
            continue;
        }
        while (i + count < n && e[count].ident == e->ident &&
               e[count].udata == e->udata && is_of_fd(&e[count]))
            count++;
        report(poller, e, count);
        reported++;
    }
    return reported;
}

/* ---- waking -------------------------------------------------------------- */

/* A kqueue that can be woken: its number, or a negative errno. */
static int make_kq(void)
{
    struct co__kq_changes changes = {.count = 0};
    int kq = kqueue();
    int r;

    if (kq < 0)
        return -errno;
    co__kq_change(&changes, WAKE_IDENT, EVFILT_USER, EV_ADD | EV_CLEAR,
                  NOTE_FFNOP, 0);
    r = co__kq_make_all(kq, &changes);
    /* exec(2) alone would hand it on. */
    if (r == 0 && fcntl(kq, F_SETFD, FD_CLOEXEC) < 0)
        r = -errno;
    if (r == 0)
        return kq;
    close(kq);
    return r;
}

static void trigger(int kq)
{
    struct kevent change;

    EV_SET(&change, WAKE_IDENT, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    while (kevent(kq, &change, 1, NULL, 0, NULL) < 0 && errno == EINTR)
        continue;
}

static void kqueue_wake(struct co__poller *poller)
{
    int naps = atomic_load(&poller->naps);
    int saved = errno;

    trigger(poller->kq);
    if (naps >= 0)
        trigger(naps);
    errno = saved;
}

/* A wake that came before there was a kqueue for it ends the first. */
static void kqueue_pause(struct co__poller *poller, co_time limit)
{
    struct kevent woken;
    struct timespec ts;
    int naps = atomic_load_explicit(&poller->naps, memory_order_relaxed);

    if (poller->full)
        return;
    if (CO_UNLIKELY(naps < 0)) {
        naps = make_kq();
        if (naps < 0)
            return; /* it waits as if there were no pause */
        atomic_store(&poller->naps, naps);
        trigger(naps);
    }
    (void)kevent(naps, NULL, 0, &woken, 1, limit_of(0, limit, &ts));
}

/* ---- the whole ----------------------------------------------------------- */

static int kqueue_open(struct co_loop *loop, struct co__poller **out)
{
    struct co__poller *poller = co__alloc_zero(sizeof(*poller));
    int kq;

    if (!poller)
        return -ENOMEM;
    kq = make_kq();
    if (kq < 0) {
        co__free(poller);
        return kq;
    }
    poller->loop = loop;
    poller->kq = kq;
    atomic_init(&poller->naps, -1);
    co__watches_init(&poller->watches);
    poller->watches.fd = kq;
    *out = poller;
    return 0;
}

static void kqueue_abandon(struct co__poller *poller)
{
    co__watches_leave(&poller->watches);
    co__free(poller);
}

static void kqueue_close(struct co__poller *poller)
{
    int naps = atomic_load(&poller->naps);

    close(poller->kq);
    if (naps >= 0)
        close(naps);
    kqueue_abandon(poller);
}

static int kqueue_fd(const struct co__poller *poller)
{
    return poller->kq;
}

const struct co__poller_ops co__poller_kqueue = {
    .name = "kqueue",
    .open = kqueue_open,
    .close = kqueue_close,
    .watch = kqueue_watch,
    .arm = kqueue_arm,
    .unwatch = kqueue_unwatch,
    .watch_process = kqueue_watch_process,
    .watch_signal = kqueue_watch_signal,
    .end_watch = kqueue_end_watch,
    .wait = kqueue_wait,
    .pause = kqueue_pause,
    .wake = kqueue_wake,
    .fd = kqueue_fd,
    .abandon = kqueue_abandon,
};
