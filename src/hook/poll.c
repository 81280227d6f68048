/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several descriptors. The kernel is asked without waiting; where
 * it says "none", the task waits for any of them by co_select, and the kernel
 * is asked again: so what is returned is its own answer.
 */
#include <coppice/fd.h>
#include <coppice/select.h>

#include "hook/hook.h"
#include "hook/op.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define FEW 15

/* ---- for any of them ----------------------------------------------------- */

static int directions_of(short events)
{
    return (events & (POLLIN | POLLRDNORM | POLLPRI | POLLRDBAND | POLLRDHUP)
                ? CO_READABLE
                : 0) |
           (events & (POLLOUT | POLLWRNORM | POLLWRBAND) ? CO_WRITABLE : 0);
}

/* Errors and hang-ups are told to who has asked for nothing. */
static int wanted(const struct pollfd *p)
{
    int directions = directions_of(p->events);

    return directions ? directions : CO_READABLE;
}

/* Whether an event of the reactor comes when these do. Of urgent data alone it
 * tells nothing. */
static int tells(const struct pollfd *p)
{
    return !(p->events && !(p->events & ~(POLLPRI | POLLRDBAND | POLLRDHUP)));
}

static int wait_one(struct co__site *site, const struct pollfd *p,
                    co_time until)
{
    return co__hook_wait_fd(site, p->fd, wanted(p), until);
}

static int select_any(co_case *cases, const struct pollfd *fds, nfds_t count,
                      co_time until)
{
    size_t n = 0;
    int r;

    for (nfds_t i = 0; i < count; i++)
        if (fds[i].fd >= 0)
            cases[n++] = CO_CASE_FD(fds[i].fd, wanted(&fds[i]));
    if (until != CO_NEVER || n == 0)
        cases[n++] = CO_CASE_AT(until);
    r = co_select(cases, n);
    if (r < 0)
        return r;
    return cases[r].co__kind == CO__CASE_AT ? 0 : 1;
}

static int wait_many(struct co__site *site, const struct pollfd *fds,
                     nfds_t count, co_time until)
{
    co_case few[FEW + 1], *cases = few;
    co_time began;
    int r;

    if (count > FEW) {
        cases = malloc((count + 1) * sizeof(*cases));
        if (!cases)
            return -ENOMEM;
    }
    began = co__park_begin(site);
    r = select_any(cases, fds, count, until);
    co__park_end(site, began);
    if (cases != few)
        free(cases);
    return r;
}

/* Look again: a positive number, that of co__guest_wait_fd if there is but one;
 * 0: `until` has come; or a negative errno. */
static int wait_any(struct co__site *site, const struct pollfd *fds,
                    nfds_t count, co_time until, co_time *pause)
{
    int r = 1, told = count < CO_SELECT_MAX;

    for (nfds_t i = 0; i < count; i++)
        told &= fds[i].fd < 0 || tells(&fds[i]);
    if (!told) {
        r = co__hook_pause(site, pause, until);
        if (r == 0)
            r = co_now() < until;
    } else if (count == 1 && fds[0].fd >= 0) {
        r = wait_one(site, &fds[0], until);
    } else {
        r = wait_many(site, fds, count, until);
    }
    return r;
}

/* ---- poll(2) ------------------------------------------------------------- */

static int ask(struct pollfd *fds, nfds_t count, const sigset_t *mask)
{
    static const struct timespec at_once;

    return mask ? CO__REAL(ppoll)(fds, count, &at_once, mask)
                : CO__REAL(poll)(fds, count, 0);
}

#define PLAIN (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLNVAL)

/* What the kernel would say of one descriptor, where the event has told all of
 * it: 1, or 0: ask. */
static int is_told(struct pollfd *p, int event)
{
    if (!(event & CO__GUEST_ALL) || p->events & ~PLAIN)
        return 0;
    p->revents = (short)(p->events & ((event & CO_READABLE ? POLLIN : 0) |
                                      (event & CO_WRITABLE ? POLLOUT : 0)));
    return p->revents != 0;
}

static int poll_until(struct co__site *site, struct pollfd *fds, nfds_t count,
                      co_time until, const sigset_t *mask)
{
    co_time pause = 0;
    int r = co__guest_enter();
    int n, rounds = 0;

    if (r < 0)
        return co__hook_fail(r);
    for (r = 1;;) {
        n = ask(fds, count, mask);
        if (n != 0 || r == 0)
            return n;
        if (++rounds > CO__CONTRADICTIONS_MAX)
            r = co__hook_pause(site, &pause, until);
        if (r >= 0)
            r = wait_any(site, fds, count, until, &pause);
        if (r == -EBADF) { /* closed meanwhile: POLLNVAL */
            n = ask(fds, count, mask);
            if (n != 0)
                return n;
        }
        if (r < 0)
            return co__hook_fail(r);
        if (count == 1 && is_told(&fds[0], r))
            return 1;
    }
}

static co_time until_ms(int ms)
{
    return ms < 0 ? CO_NEVER : co__after((co_time)ms * CO_MS);
}

static co_time until_span(const struct timespec *limit)
{
    return limit ? co__after(co__span_of(limit)) : CO_NEVER;
}

/* Whether a call with this limit does not wait, or is wrong. */
static int at_once(const struct timespec *limit)
{
    return limit && (limit->tv_sec < 0 || !CO__NS_VALID(limit) ||
                     (limit->tv_sec == 0 && limit->tv_nsec == 0));
}

CO__HOOK_ALIAS(__poll, poll);
int co__hook_poll(struct pollfd *fds, nfds_t count, int ms)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, poll);

    if (!site || ms == 0 || (!fds && count))
        return CO__REAL(poll)(fds, count, ms);
    return poll_until(site, fds, count, until_ms(ms), NULL);
}

int co__hook___poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t room)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, poll);

    if (!site || ms == 0 || !fds || room / sizeof(*fds) < count)
        return CO__REAL(__poll_chk)(fds, count, ms, room);
    return poll_until(site, fds, count, until_ms(ms), NULL);
}

int co__hook_ppoll(struct pollfd *fds, nfds_t count,
                   const struct timespec *limit, const sigset_t *mask)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, ppoll);

    if (!site || at_once(limit) || (!fds && count))
        return CO__REAL(ppoll)(fds, count, limit, mask);
    return poll_until(site, fds, count, until_span(limit), mask);
}

int co__hook___ppoll_chk(struct pollfd *fds, nfds_t count,
                         const struct timespec *limit, const sigset_t *mask,
                         size_t room)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, ppoll);

    if (!site || at_once(limit) || !fds || room / sizeof(*fds) < count)
        return CO__REAL(__ppoll_chk)(fds, count, limit, mask, room);
    return poll_until(site, fds, count, until_span(limit), mask);
}

/* ---- select(2) ----------------------------------------------------------- */

struct sets {
    int count;
    fd_set *set[3];  /* the caller's: to read, to write, exceptions */
    fd_set asked[3]; /* what was in them */
    struct pollfd *fds;
    nfds_t fds_count;
};

static const short set_events[3] = {POLLIN, POLLOUT, POLLPRI};

static short events_in(const struct sets *sets, int fd)
{
    short events = 0;

    for (int i = 0; i < 3; i++)
        if (sets->set[i] && FD_ISSET(fd, &sets->asked[i]))
            events |= set_events[i];
    return events;
}

static int sets_begin(struct sets *sets)
{
    for (int i = 0; i < 3; i++)
        if (sets->set[i])
            sets->asked[i] = *sets->set[i];
    sets->fds = malloc(((size_t)sets->count + 1) * sizeof(*sets->fds));
    if (!sets->fds)
        return -ENOMEM;
    for (int fd = 0; fd < sets->count; fd++) {
        short events = events_in(sets, fd);

        if (events)
            sets->fds[sets->fds_count++] = (struct pollfd){fd, events, 0};
    }
    return 0;
}

static int sets_ask(struct sets *sets, const sigset_t *mask)
{
    static const struct timespec now;

    for (int i = 0; i < 3; i++)
        if (sets->set[i])
            *sets->set[i] = sets->asked[i];
    return CO__REAL(pselect)(sets->count, sets->set[0], sets->set[1],
                             sets->set[2], &now, mask);
}

static int select_until(struct co__site *site, struct sets *sets, co_time until,
                        const sigset_t *mask)
{
    co_time pause = 0;
    int r = co__guest_enter();
    int n = 0, rounds = 0;

    if (r == 0)
        r = sets_begin(sets);
    if (r < 0)
        return co__hook_fail(r);
    for (r = 1;;) {
        n = sets_ask(sets, mask);
        if (n != 0 || r == 0)
            break;
        if (++rounds > CO__CONTRADICTIONS_MAX)
            r = co__hook_pause(site, &pause, until);
        if (r >= 0)
            r = wait_any(site, sets->fds, sets->fds_count, until, &pause);
        if (r < 0) {
            n = co__hook_fail(r);
            break;
        }
    }
    free(sets->fds);
    return n;
}

/* Sets of more than FD_SETSIZE are larger than what we copy. */
static int selectable(int count)
{
    return count >= 0 && count <= FD_SETSIZE;
}

CO__HOOK_ALIAS(__select, select);
int co__hook_select(int count, fd_set *in, fd_set *out, fd_set *except,
                    struct timeval *limit)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, select);
    struct sets sets = {.count = count, .set = {in, out, except}};
    co_time until = CO_NEVER, left;
    int n;

    if (!site || !selectable(count) ||
        (limit && (limit->tv_sec < 0 || limit->tv_usec < 0 ||
                   (limit->tv_sec == 0 && limit->tv_usec == 0))))
        return CO__REAL(select)(count, in, out, except, limit);
    if (limit) {
        struct timespec span = {
            limit->tv_sec + limit->tv_usec / 1000000,
            limit->tv_usec % 1000000 * 1000,
        };

        until = until_span(&span);
    }
    n = select_until(site, &sets, until, NULL);
    if (limit) { /* Linux tells how much is left */
        left = until - co_now();
        left = left > 0 ? left : 0;
        limit->tv_sec = left / CO_SEC;
        limit->tv_usec = left % CO_SEC / CO_US;
    }
    return n;
}

int co__hook_pselect(int count, fd_set *in, fd_set *out, fd_set *except,
                     const struct timespec *limit, const sigset_t *mask)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, pselect);
    struct sets sets = {.count = count, .set = {in, out, except}};

    if (!site || !selectable(count) || at_once(limit))
        return CO__REAL(pselect)(count, in, out, except, limit, mask);
    return select_until(site, &sets, until_span(limit), mask);
}

/* ---- epoll_wait(2) ------------------------------------------------------- */

/* A set of epoll is a descriptor that is readable when it has something. */
static int epoll_until(struct co__site *site, int fd,
                       struct epoll_event *events, int most, co_time until,
                       const sigset_t *mask)
{
    int r = co__guest_enter();
    int n;

    if (r < 0)
        return co__hook_fail(r);
    for (r = 1;;) {
        n = CO__REAL(epoll_pwait)(fd, events, most, 0, mask);
        if (n != 0 || r == 0)
            return n;
        r = co__hook_wait_fd(site, fd, CO_READABLE, until);
        if (r < 0)
            return co__hook_fail(r);
    }
}

int co__hook_epoll_wait(int fd, struct epoll_event *events, int most, int ms)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, epoll_wait);

    if (!site || ms == 0)
        return CO__REAL(epoll_wait)(fd, events, most, ms);
    return epoll_until(site, fd, events, most, until_ms(ms), NULL);
}

int co__hook_epoll_pwait(int fd, struct epoll_event *events, int most, int ms,
                         const sigset_t *mask)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, epoll_pwait);

    if (!site || ms == 0)
        return CO__REAL(epoll_pwait)(fd, events, most, ms, mask);
    return epoll_until(site, fd, events, most, until_ms(ms), mask);
}

int co__hook_epoll_pwait2(int fd, struct epoll_event *events, int most,
                          const struct timespec *limit, const sigset_t *mask)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, epoll_pwait2);

    if (!site || at_once(limit))
        return CO__REAL(epoll_pwait2)(fd, events, most, limit, mask);
    return epoll_until(site, fd, events, most, until_span(limit), mask);
}
