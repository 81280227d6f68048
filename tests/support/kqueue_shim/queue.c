/* SPDX-License-Identifier: MIT */
/*
 * Queues, what is registered in them, and kevent(2) itself. One lock for all,
 * with all signals blocked while it is held: kevent(2) may be called from a
 * handler. Nobody waits in the kernel with the lock held.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    BATCH = 512,
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct queue *queues;
static atomic_int queue_count;
static sigset_t mask_before_fork;
static uint32_t serials;

static void lock(sigset_t *before)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
    pthread_mutex_lock(&mutex);
}

static void unlock(const sigset_t *before)
{
    pthread_mutex_unlock(&mutex);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* ---- what is registered -------------------------------------------------- */

static struct knote **place_of(struct queue *queue, uintptr_t ident,
                               short filter)
{
    struct knote **link =
        &queue->buckets[(ident * 16 + (unsigned short)-filter) % SHIM_BUCKETS];

    while (*link &&
           ((*link)->is.ident != ident || (*link)->is.filter != filter))
        link = &(*link)->next;
    return link;
}

static void drop(struct queue *queue, struct knote **link)
{
    struct knote *knote = *link;
    struct knote **soft = &queue->soft;

    *link = knote->next;
    while (*soft && *soft != knote)
        soft = &(*soft)->next_soft;
    if (*soft)
        *soft = knote->next_soft;
    shim_detach(queue, knote);
    free(knote);
}

static int is_of_fd(short filter)
{
    return filter == EVFILT_READ || filter == EVFILT_WRITE ||
           filter == EVFILT_EXCEPT;
}

static int begin(struct queue *queue, struct knote **link,
                 const struct kevent *change)
{
    struct knote *knote = calloc(1, sizeof(*knote));
    int r;

    if (!knote)
        return ENOMEM;
    knote->is = *change;
    knote->is.flags &= EV_ONESHOT | EV_CLEAR | EV_DISPATCH;
    knote->serial = ++serials;
    r = shim_attach(queue, knote);
    if (r) {
        free(knote);
        return r;
    }
    knote->next = *link;
    *link = knote;
    if (knote->set < 0) {
        knote->next_soft = queue->soft;
        queue->soft = knote;
    }
    return change->flags & EV_DISABLE ? shim_touch(queue, knote, change) : 0;
}

static int apply(struct queue *queue, const struct kevent *change)
{
    struct knote **link = place_of(queue, change->ident, change->filter);

    if (!is_of_fd(change->filter) && change->filter != EVFILT_PROC &&
        change->filter != EVFILT_SIGNAL && change->filter != EVFILT_USER)
        return EINVAL;
    if (is_of_fd(change->filter) &&
        (change->ident > INT32_MAX || fcntl((int)change->ident, F_GETFD) < 0))
        return EBADF;
    if (!*link)
        return change->flags & EV_DELETE || !(change->flags & EV_ADD)
                   ? ENOENT
                   : begin(queue, link, change);
    if (!(change->flags & EV_DELETE))
        return shim_touch(queue, *link, change);
    drop(queue, link);
    return 0;
}

/* ---- what there is to tell ----------------------------------------------- */

struct list {
    struct kevent *events;
    int count, max;
};

static void tell(struct queue *queue, struct knote **link, uint32_t events,
                 struct list *list)
{
    struct knote *knote = *link;

    if (knote->disabled ||
        !shim_describe(knote, events, &list->events[list->count]))
        return;
    list->count++;
    if (knote->is.flags & EV_ONESHOT) {
        drop(queue, link);
    } else if (knote->is.flags & EV_DISPATCH) {
        struct kevent disable = {.flags = EV_DISABLE, .udata = knote->is.udata};

        shim_touch(queue, knote, &disable);
    }
}

static void tell_signals(struct queue *queue, const struct epoll_event *event,
                         struct list *list)
{
    struct knote **link;

    /* Its own descriptor, or the bell, which may mean any. */
    for (int signo = 1; signo < NSIG && list->count < list->max; signo++) {
        link = place_of(queue, (uintptr_t)signo, EVFILT_SIGNAL);
        if (!*link || (event->data.u64 && event->data.u64 != (uint64_t)signo))
            continue;
        (*link)->count += event->data.u64 != 0;
        tell(queue, link, event->events, list);
    }
}

static void tell_set(struct queue *queue, int set, struct list *list)
{
    static const short filters[] = {EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT,
                                    EVFILT_PROC};
    static struct epoll_event events[BATCH];
    int room = list->max - list->count;
    int n;

    if (queue->sets[set] < 0 || room <= 0)
        return;
    n = epoll_wait(queue->sets[set], events, room < BATCH ? room : BATCH, 0);
    for (int i = 0; i < n; i++) {
        struct knote **link;

        if (set == SHIM_SIGNAL) {
            tell_signals(queue, &events[i], list);
            continue;
        }
        link = place_of(queue, (uint32_t)events[i].data.u64, filters[set]);
        if (*link && (*link)->serial == events[i].data.u64 >> 32)
            tell(queue, link, events[i].events, list);
    }
}

static void tell_soft(struct queue *queue, struct list *list)
{
    struct knote *next;

    for (struct knote *knote = queue->soft; knote && list->count < list->max;
         knote = next) {
        next = knote->next_soft;
        if (shim_has_news(knote))
            tell(queue, place_of(queue, knote->is.ident, knote->is.filter), 0,
                 list);
    }
}

/* The bell says whether there is news that no set tells of. */
static void set_bell(struct queue *queue)
{
    const struct knote *knote = queue->soft;
    uint64_t count = 1;
    ssize_t n = 0;

    while (knote && (knote->disabled || !shim_has_news(knote)))
        knote = knote->next_soft;
    if (knote && !queue->rung)
        n = write(queue->bell, &count, sizeof(count));
    else if (!knote && queue->rung)
        n = read(queue->bell, &count, sizeof(count));
    queue->rung = n < 0 ? queue->rung : knote != NULL;
}

static int collect(struct queue *queue, struct kevent *events, int max)
{
    struct list list = {.events = events, .max = max};

    tell_soft(queue, &list);
    queue->turn++;
    for (unsigned i = 0; i < SHIM_SETS; i++)
        tell_set(queue, (int)((queue->turn + i) % SHIM_SETS), &list);
    return list.count;
}

/* ---- kevent -------------------------------------------------------------- */

static struct queue *queue_of(int kq)
{
    struct queue *queue = queues;

    while (queue && queue->kq != kq)
        queue = queue->next;
    return queue;
}

/* Returns how many results there are, or a negative errno. The two lists may
 * be one. */
static int apply_all(struct queue *queue, const struct kevent *changes,
                     int count, struct kevent *results, int max)
{
    int n = 0;

    for (int i = 0; i < count; i++) {
        struct kevent change = changes[i];
        int r = apply(queue, &change);

        if (!r && !(change.flags & EV_RECEIPT))
            continue;
        if (n < max) {
            change.flags = EV_ERROR;
            change.data = r;
            results[n++] = change;
        } else if (r) {
            return -r;
        }
    }
    return n;
}

static int64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int wait_for_news(int kq, int64_t deadline)
{
    struct pollfd p = {.fd = kq, .events = POLLIN};
    int64_t left = deadline < 0 ? 0 : deadline - now();
    struct timespec ts;

    if (left < 0)
        left = 0;
    ts.tv_sec = (time_t)(left / 1000000000);
    ts.tv_nsec = (long)(left % 1000000000);
    return ppoll(&p, 1, deadline < 0 ? NULL : &ts, NULL) < 0 ? -errno : 0;
}

/* With the lock held on entry and on return. Deadline: negative: none. */
static int wait_and_collect(int kq, struct kevent *events, int max,
                            int64_t deadline, sigset_t *mask)
{
    struct queue *queue;
    int last = 0; /* the time is over: one more look */
    int n;

    for (;;) {
        queue = queue_of(kq);
        if (!queue)
            return -EBADF;
        n = collect(queue, events, max);
        set_bell(queue);
        if (n || last || deadline == 0)
            return n;
        unlock(mask);
        n = wait_for_news(kq, deadline);
        last = deadline > 0 && now() >= deadline;
        lock(mask);
        if (n < 0)
            return n;
    }
}

int kevent(int kq, const struct kevent *changelist, int nchanges,
           struct kevent *eventlist, int nevents,
           const struct timespec *timeout)
{
    int64_t deadline = -1;
    struct queue *queue;
    sigset_t mask;
    int n;

    if (timeout && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 ||
                    timeout->tv_nsec >= 1000000000)) {
        errno = EINVAL;
        return -1;
    }
    if (timeout)
        deadline = timeout->tv_sec || timeout->tv_nsec
                       ? now() + (int64_t)timeout->tv_sec * 1000000000 +
                             timeout->tv_nsec
                       : 0;
    lock(&mask);
    queue = queue_of(kq);
    n = queue ? apply_all(queue, changelist, nchanges, eventlist, nevents)
              : -EBADF;
    if (queue)
        set_bell(queue);
    if (n == 0 && nevents > 0)
        n = wait_and_collect(kq, eventlist, nevents, deadline, &mask);
    unlock(&mask);
    if (n >= 0)
        return n;
    errno = -n;
    return -1;
}

/* ---- queues begin and end ------------------------------------------------ */

static int join(struct queue *queue, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return fd < 0 || epoll_ctl(queue->kq, EPOLL_CTL_ADD, fd, &event) < 0 ? -1
                                                                         : 0;
}

static void close_all(struct queue *queue)
{
    for (int i = 0; i < SHIM_SETS; i++)
        if (queue->sets[i] >= 0)
            shim_close(queue->sets[i]);
    if (queue->bell >= 0)
        shim_close(queue->bell);
    if (queue->kq >= 0)
        shim_close(queue->kq);
    free(queue);
}

int kqueue(void)
{
    struct queue *queue = calloc(1, sizeof(*queue));
    sigset_t mask;
    int r = 0;
    int kq;

    if (!queue) {
        errno = ENOMEM;
        return -1;
    }
    for (int i = 0; i < SHIM_SETS; i++)
        queue->sets[i] = -1;
    queue->bell = -1;
    queue->kq = kq = epoll_create1(0);
    if (queue->kq >= 0) {
        queue->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        r = join(queue, queue->bell);
        for (int i = SHIM_READ; r == 0 && i <= SHIM_EXCEPT; i++) {
            queue->sets[i] = epoll_create1(EPOLL_CLOEXEC);
            r = join(queue, queue->sets[i]);
        }
    }
    if (queue->kq < 0 || r < 0) {
        r = errno;
        close_all(queue);
        errno = r;
        return -1;
    }
    lock(&mask);
    queue->next = queues;
    queues = queue;
    atomic_fetch_add(&queue_count, 1);
    unlock(&mask);
    return kq;
}

static void end(struct queue *queue)
{
    struct queue **link = &queues;

    while (*link != queue)
        link = &(*link)->next;
    *link = queue->next;
    atomic_fetch_sub(&queue_count, 1);
    for (size_t i = 0; i < SHIM_BUCKETS; i++)
        while (queue->buckets[i])
            drop(queue, &queue->buckets[i]);
    close_all(queue);
}

/* A descriptor is about to be closed. Returns whether that has been done. */
static int leave(int fd)
{
    static const short filters[] = {EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT};
    struct queue *queue;
    sigset_t mask;

    if (!atomic_load(&queue_count))
        return 0;
    lock(&mask);
    queue = queue_of(fd);
    if (queue)
        end(queue);
    for (struct queue *q = queues; q && !queue; q = q->next)
        for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
            struct knote **link = place_of(q, (uintptr_t)fd, filters[i]);

            if (*link)
                drop(q, link);
        }
    unlock(&mask);
    return queue != NULL;
}

/* ---- what closes descriptors --------------------------------------------- */

/* ThreadSanitizer's own, where there is one. */
int __interceptor_close(int fd) __attribute__((weak));
int __interceptor_dup3(int fd, int fd2, int flags) __attribute__((weak));

int shim_close(int fd)
{
    if (__interceptor_close)
        return __interceptor_close(fd);
    return (int)syscall(SYS_close, fd);
}

/* Calls of the C library's own do not come here: they close no descriptor that
 * a kqueue watches. */
int close(int fd)
{
    return leave(fd) ? 0 : shim_close(fd);
}

int dup3(int fd, int fd2, int flags)
{
    if (fd != fd2 && fcntl(fd, F_GETFD) >= 0)
        (void)leave(fd2);
    if (__interceptor_dup3)
        return __interceptor_dup3(fd, fd2, flags);
    return (int)syscall(SYS_dup3, fd, fd2, flags);
}

int dup2(int fd, int fd2)
{
    if (fd == fd2)
        return fcntl(fd, F_GETFD) < 0 ? -1 : fd2;
    return dup3(fd, fd2, 0);
}

/* ---- fork ---------------------------------------------------------------- */

static void before_fork(void)
{
    sigset_t mask;

    lock(&mask);
    mask_before_fork = mask;
}

static void in_parent(void)
{
    sigset_t mask = mask_before_fork;

    unlock(&mask);
}

/* A queue is not inherited; ending it must not end the parent's. */
static void in_child(void)
{
    sigset_t mask = mask_before_fork;

    while (queues) {
        struct queue *queue = queues;

        for (int i = 0; i < SHIM_SETS; i++) {
            if (queue->sets[i] >= 0)
                shim_close(queue->sets[i]);
            queue->sets[i] = -1;
        }
        end(queue);
    }
    unlock(&mask);
}

/* Before the program has registered handlers: so its locks, under which it may
 * call us, are taken before ours. */
__attribute__((constructor)) static void prepare(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}
