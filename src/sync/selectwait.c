/* SPDX-License-Identifier: MIT */
/*
 * co_select: standing in line at several things. What happens then is of two
 * kinds:
 *  - Somebody hands over (channels, signals), and with that has decided: the
 *    wake, or the claim, says which case it was.
 *  - Something becomes ready (descriptors, futures, times) and the wake only
 *    says "look again", so it is a loop: look, stand in line where we do not
 *    (who passed us over has unlinked us), park.
 *
 * Thread-safe channels may hand over at any time from when we stand in line, so
 * we look with the locks of all of them, taken in the order of their addresses.
 * Then nobody else can decide: either it has happened (the claim is taken), or
 * it cannot until we let go of the locks. As in Go's select; claiming on both
 * sides instead would have to undo claims.
 */
#include "sync/select.h"

#define CLOSED (-1) /* a claim that nobody can take */

/* ---- standing in line ---------------------------------------------------- */

static void lock_all(struct co__select *s)
{
    for (unsigned i = 0; i < s->shared; i++)
        co__chan_lock(s->nodes[i].lock);
}

static void unlock_all(struct co__select *s)
{
    for (unsigned i = s->shared; i > 0; i--)
        co__chan_unlock(s->nodes[i - 1].lock);
}

/* Insert a channel among those to lock, if it is not there. Addresses are
 * compared as numbers. */
static void add_lock(struct co__select *s, struct co_chan *chan)
{
    unsigned at = s->shared;

    while (at > 0 && (uintptr_t)s->nodes[at - 1].lock > (uintptr_t)chan)
        at--;
    if (at > 0 && s->nodes[at - 1].lock == chan)
        return;
    for (unsigned i = s->shared++; i > at; i--)
        s->nodes[i].lock = s->nodes[i - 1].lock;
    s->nodes[at].lock = chan;
}

/* Whether somebody hands over: a channel, or a signal. */
static int is_handed(const co_case *c)
{
    return (c->co__kind == CO__CASE_RECV || c->co__kind == CO__CASE_SEND ||
            c->co__kind == CO__CASE_SIGNAL) &&
           c->co__object;
}

/* Whether it is another thread that may. */
static unsigned is_shared(const co_case *c)
{
    return c->co__kind != CO__CASE_SIGNAL &&
           ((struct co_chan *)c->co__object)->shared;
}

/* Stand in line where we do not. */
static void link_handed(struct co__select *s, unsigned shared)
{
    for (unsigned i = 0; i < s->count; i++) {
        const co_case *c = &s->cases[i];
        struct co__chan_waiter *waiter = &s->nodes[i].chan;

        if (is_handed(c) && is_shared(c) == shared && !waiter->link.list)
            co__waitlist_push(co__case_list(c), &waiter->link, s->task);
    }
}

static void look_again(struct co__watch *watch)
{
    co__wake(CO_CONTAINER_OF(watch, struct co__select_node, watch)->task, 0);
}

/* The first look at a descriptor, or another one; stand in line at it. */
static void link_fd(struct co__select *s, const co_case *c,
                    struct co__select_node *node)
{
    int n = node->result;

    if (node->refused)
        return;
    if (!node->begun) {
        n = co__fd_wait_begin(s->loop, &node->fd, (int32_t)c->co__number,
                              (int)(c->co__number >> 32));
        node->begun = n == 0;
    }
    if (node->begun) {
        n = co__fd_wait_ready(s->loop, &node->fd);
        if (n == 0)
            n = co__fd_wait_link(s->loop, &node->fd, s->task);
    }
    node->result = n;
    node->refused = n < 0;
}

static void link_future(struct co__select *s, const co_case *c,
                        struct co__select_node *node)
{
    node->begun = 1;
    co_future_ref(c->co__object);
    if (co__future_watch(c->co__object, &node->watch, look_again) || s->loop)
        return;
    node->watch.remote.also = s->remote.also;
    s->remote.also = &node->watch.remote;
}

/* What another thread does not hand over. */
static void link_rest(struct co__select *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        const co_case *c = &s->cases[i];
        struct co__select_node *node = &s->nodes[i];

        if (c->co__kind == CO__CASE_FD) {
            link_fd(s, c, node);
        } else if (c->co__kind == CO__CASE_FUTURE && !node->begun &&
                   co__future_check(c->co__object) == 0) {
            link_future(s, c, node);
        }
    }
}

static void unlink_all(struct co__select *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        const co_case *c = &s->cases[i];
        struct co__select_node *node = &s->nodes[i];

        if (is_handed(c)) {
            struct co_chan *shared = is_shared(c) ? c->co__object : NULL;

            if (shared)
                co__chan_lock(shared);
            co__waitlist_remove(&node->chan.link);
            if (shared)
                co__chan_unlock(shared);
        } else if (node->begun && c->co__kind == CO__CASE_FD) {
            co__fd_wait_end(&node->fd);
        } else if (node->begun) {
            co__future_unwatch(&node->watch);
            co_future_unref(c->co__object);
        }
    }
}

/* ---- waiting ------------------------------------------------------------- */

/* Look at everything, and stand in line everywhere. Returns the case that has
 * happened, or -EAGAIN. */
static int look(struct co__select *s)
{
    struct co__waiter *granted = NULL;
    int claimed, i;

    link_rest(s);
    lock_all(s);
    claimed = atomic_load(&s->claim);
    if (claimed) {
        unlock_all(s);
        return claimed - 1;
    }
    /* Closed, for our own waiters in the lists are not to be granted to. */
    atomic_store(&s->claim, CLOSED);
    i = co__select_try(s, &granted);
    if (i == -EAGAIN) {
        link_handed(s, 1);
        atomic_store(&s->claim, 0);
    }
    unlock_all(s);
    if (granted)
        co__remote_post(co__chan_waiter_of(granted)->to);
    if (i == -EAGAIN)
        link_handed(s, 0);
    return i;
}

/* Until when to park. */
static co_time earliest(const struct co__select *s)
{
    co_time until = CO_NEVER;

    for (unsigned i = 0; i < s->count; i++) {
        const co_case *c = &s->cases[i];

        if (c->co__kind == CO__CASE_AFTER || c->co__kind == CO__CASE_AT) {
            co_time at = co__case_when(s, c);

            if (at < until)
                until = at;
        }
    }
    return until;
}

/* The number of the case that was handed over; -ECANCELED, -ETIMEDOUT; or
 * anything else, to look again. */
static int park(struct co__select *s, co_time until)
{
    int r;

    if (!s->loop)
        return co__remote_wait_any(&s->remote, until);
    if (s->external)
        s->loop->external++;
    s->loop->remotes += s->shared > 0;
    r = co__park_until(s->loop, s->task, CO__WAIT_SELECT, until);
    s->loop->remotes -= s->shared > 0;
    if (s->external)
        s->loop->external--;
    return r;
}

/* Of a case that was granted. */
static int happened(struct co__select *s, int number)
{
    s->cases[number - 1].result = s->nodes[number - 1].chan.result;
    return number - 1;
}

static int wait_case(struct co__select *s)
{
    co_time until = earliest(s);
    int i, r, open = 0;

    for (;;) {
        i = look(s);
        if (i != -EAGAIN)
            break;
        r = park(s, until);
        if (r > 0)
            return happened(s, r); /* our own loop's: it took the claim too */
        if (r == -ECANCELED || r == -ETIMEDOUT) {
            i = r;
            break;
        }
        /* 0, or the end of a descriptor: its case says so. */
    }
    if (!s->shared)
        return i;
    /* Another thread may have decided meanwhile. */
    if (!atomic_compare_exchange_strong(&s->claim, &open, CLOSED) &&
        open != CLOSED) {
        co__remote_settle(&s->remote);
        return happened(s, open);
    }
    return i;
}

static void prepare(struct co__select *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        const co_case *c = &s->cases[i];
        struct co__select_node *node = &s->nodes[i];

        node->begun = node->refused = 0;
        node->result = 0;
        node->task = s->task;
        if (c->co__kind == CO__CASE_FD || c->co__kind == CO__CASE_SIGNAL)
            s->external = 1;
        if (!is_handed(c))
            continue;
        node->chan.link.list = NULL;
        node->chan.link.with = c->co__value;
        node->chan.link.as = -(int)i - 1;
        node->chan.claim = NULL;
        node->chan.to = &s->remote;
        if (is_shared(c))
            add_lock(s, c->co__object);
    }
    if (s->shared || !s->loop)
        co__remote_begin(&s->remote);
    if (!s->shared)
        return;
    s->external = 1;
    for (unsigned i = 0; i < s->count; i++)
        if (is_handed(&s->cases[i]))
            s->nodes[i].chan.claim = &s->claim;
}

int co__select_wait(struct co__select *s, struct co__select_node *nodes)
{
    int i;

    s->nodes = nodes;
    s->start = co__clock_read();
    prepare(s);
    i = wait_case(s);
    unlink_all(s);
    return i;
}
