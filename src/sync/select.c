/* SPDX-License-Identifier: MIT */
/*
 * co_select. First the cases are tried in a random order, and nothing else is
 * needed if one goes through. Otherwise the task stands in line at each, and
 * what happens then is of two kinds:
 *  - Somebody hands over (channels), and with that has decided: the wake, or
 *    the claim, says which case it was.
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
#include <coppice/select.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "core/fdhook.h"
#include "core/future.h"
#include "core/park.h"
#include "sync/chan.h"

#include <stdlib.h>

#define FEW    4  /* cases that take little of the stack */
#define MANY   16 /* more are on the heap */
#define CLOSED (-1)

struct node {
    union {
        struct co__chan_waiter chan;
        struct co__fd_wait fd;
        struct co__watch watch;
    };
    struct co_task *task;  /* that a watch wakes */
    struct co_chan *lock;  /* the n-th to lock, of the n-th node */
    int32_t result;        /* of a descriptor, as of the last look; 0: none */
    unsigned char begun;   /* fd, watch: to be ended */
    unsigned char refused; /* fd: not to be begun again */
};

struct select {
    co_case *cases;
    unsigned count;
    unsigned shared;      /* thread-safe channels to lock */
    int external;         /* something else than a task of this loop ends it */
    struct co_loop *loop; /* NULL outside of one */
    struct co_task *task;
    struct node *nodes;
    uint16_t *order;
    co_time start;            /* when it was first decided to wait */
    atomic_int claim;         /* 0: open; the number from 1 of a case; CLOSED */
    struct co__remote remote; /* how another thread ends the wait */
};

static CO_TLS uint32_t thread_choice = 1;

/* ---- looking ------------------------------------------------------------- */

static uint32_t draw(struct co_loop *loop)
{
    uint32_t *state = loop ? &loop->choice : &thread_choice;
    uint32_t x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

/* As in the functions of one channel. Returns whether the case can go through:
 * then it has, and its result is set. */
static int try_chan(co_case *c, int locked, struct co__chan_waiter **granted)
{
    struct co_chan *chan = c->co__object;
    struct co__chan_waiter *woken;
    int sends = c->co__kind == CO__CASE_SEND;
    void *element = c->co__value;
    int r;

    if (!chan)
        return 0;
    if (CO_UNLIKELY(!element) && chan->element_bytes)
        r = -EINVAL;
    else if (!chan->shared && (r = co__chan_check(chan)) < 0)
        ;
    else if (!chan->shared)
        r = sends ? co__chan_put(chan, element, 0, &woken)
                  : co__chan_take(chan, element, 0, &woken);
    else if (!locked)
        r = sends ? co__chan_try_send_shared(chan, element)
                  : co__chan_try_recv_shared(chan, element);
    else
        r = sends ? co__chan_put(chan, element, 1, granted)
                  : co__chan_take(chan, element, 1, granted);
    if (r == -EAGAIN)
        return 0;
    c->result = r;
    return 1;
}

static int try_future(co_case *c, struct co_task *self)
{
    struct co_future *future = c->co__object;
    int r = co__future_check(future);

    if (r == 0 && co__future_is_done(future))
        r = co__future_take(future, c->co__value);
    else if (r == 0 && self && future->task == self)
        r = -EDEADLK;
    else if (r == 0)
        return 0;
    c->result = r;
    return 1;
}

/* Without standing in line. */
static int try_fd(const struct select *s, co_case *c)
{
    struct co__fd_wait wait;
    int n;

    n = co__fd_wait_begin(s->loop, &wait, (int32_t)c->co__number,
                          (int)(c->co__number >> 32));
    if (n == 0) {
        n = co__fd_wait_ready(s->loop, &wait);
        co__fd_wait_end(&wait);
    }
    c->result = n;
    return n != 0;
}

static co_time time_of(const struct select *s, const co_case *c)
{
    return c->co__kind == CO__CASE_AT ? c->co__number
                                      : co__time_add(s->start, c->co__number);
}

static int try_time(const struct select *s, co_case *c)
{
    c->result = 0;
    if (!s->nodes && c->co__kind == CO__CASE_AFTER)
        return c->co__number <= 0;
    return time_of(s, c) <= co__clock_read();
}

static int try_one(struct select *s, unsigned i,
                   struct co__chan_waiter **granted)
{
    co_case *c = &s->cases[i];

    switch (c->co__kind) {
    case CO__CASE_RECV:
    case CO__CASE_SEND:
        return try_chan(c, s->nodes != NULL, granted);
    case CO__CASE_FUTURE:
        return try_future(c, s->task);
    case CO__CASE_FD:
        if (!s->nodes)
            return try_fd(s, c);
        c->result = s->nodes[i].result;
        return c->result != 0;
    case CO__CASE_AFTER:
    case CO__CASE_AT:
        return try_time(s, c);
    default:
        return 0;
    }
}

/* Have one case happen, any of those that can, and return its index; -EAGAIN if
 * none can. With nodes the channels are locked, and *granted may be left. */
static int try_all(struct select *s, struct co__chan_waiter **granted)
{
    unsigned left = s->count;

    for (unsigned i = 0; i < left; i++)
        s->order[i] = (uint16_t)i;
    while (left > 0) {
        unsigned at = (unsigned)((uint64_t)draw(s->loop) * left >> 32);
        unsigned i = s->order[at];

        s->order[at] = s->order[--left];
        if (try_one(s, i, granted))
            return (int)i;
    }
    return -EAGAIN;
}

/* ---- standing in line ---------------------------------------------------- */

static void lock_all(struct select *s)
{
    for (unsigned i = 0; i < s->shared; i++)
        co__chan_lock(s->nodes[i].lock);
}

static void unlock_all(struct select *s)
{
    for (unsigned i = s->shared; i > 0; i--)
        co__chan_unlock(s->nodes[i - 1].lock);
}

/* Insert a channel among those to lock, if it is not there. Addresses are
 * compared as numbers. */
static void add_lock(struct select *s, struct co_chan *chan)
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

static struct co__waitlist *list_of(const co_case *c)
{
    struct co_chan *chan = c->co__object;

    return c->co__kind == CO__CASE_SEND ? &chan->senders : &chan->receivers;
}

static int is_chan(const co_case *c)
{
    return (c->co__kind == CO__CASE_RECV || c->co__kind == CO__CASE_SEND) &&
           c->co__object;
}

/* Stand in line at the channels where we do not. */
static void link_chans(struct select *s, unsigned shared)
{
    for (unsigned i = 0; i < s->count; i++) {
        const co_case *c = &s->cases[i];
        struct co__chan_waiter *waiter = &s->nodes[i].chan;

        if (is_chan(c) && ((struct co_chan *)c->co__object)->shared == shared &&
            !waiter->link.list)
            co__waitlist_push(list_of(c), &waiter->link, s->task);
    }
}

static void look_again(struct co__watch *watch)
{
    co__wake(CO_CONTAINER_OF(watch, struct node, watch)->task, 0);
}

/* The first look at a descriptor, or another one; stand in line at it. */
static void link_fd(struct select *s, const co_case *c, struct node *node)
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

static void link_future(struct select *s, const co_case *c, struct node *node)
{
    node->begun = 1;
    co_future_ref(c->co__object);
    if (co__future_watch(c->co__object, &node->watch, look_again) || s->loop)
        return;
    node->watch.remote.also = s->remote.also;
    s->remote.also = &node->watch.remote;
}

/* What another thread does not hand over. */
static void link_rest(struct select *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        const co_case *c = &s->cases[i];
        struct node *node = &s->nodes[i];

        if (c->co__kind == CO__CASE_FD) {
            link_fd(s, c, node);
        } else if (c->co__kind == CO__CASE_FUTURE && !node->begun &&
                   co__future_check(c->co__object) == 0) {
            link_future(s, c, node);
        }
    }
}

static void unlink_all(struct select *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        const co_case *c = &s->cases[i];
        struct node *node = &s->nodes[i];

        if (is_chan(c)) {
            struct co_chan *chan = c->co__object;

            if (chan->shared)
                co__chan_lock(chan);
            co__waitlist_remove(&node->chan.link);
            if (chan->shared)
                co__chan_unlock(chan);
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
static int look(struct select *s)
{
    struct co__chan_waiter *granted = NULL;
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
    i = try_all(s, &granted);
    if (i == -EAGAIN) {
        link_chans(s, 1);
        atomic_store(&s->claim, 0);
    }
    unlock_all(s);
    if (granted)
        co__remote_post(granted->to);
    if (i == -EAGAIN)
        link_chans(s, 0);
    return i;
}

/* Until when to park. */
static co_time earliest(const struct select *s)
{
    co_time until = CO_NEVER;

    for (unsigned i = 0; i < s->count; i++) {
        const co_case *c = &s->cases[i];

        if (c->co__kind == CO__CASE_AFTER || c->co__kind == CO__CASE_AT) {
            co_time at = time_of(s, c);

            if (at < until)
                until = at;
        }
    }
    return until;
}

/* The number of the case that was handed over, 0 to look again, or -ECANCELED,
 * -ETIMEDOUT. */
static int park(struct select *s, co_time until)
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

/* Of a channel's case that was granted. */
static int happened(struct select *s, int number)
{
    s->cases[number - 1].result = s->nodes[number - 1].chan.result;
    return number - 1;
}

static int wait(struct select *s)
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
        if (r < 0) {
            i = r;
            break;
        }
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

/* ---- the call ------------------------------------------------------------ */

static void prepare(struct select *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        const co_case *c = &s->cases[i];
        struct node *node = &s->nodes[i];

        node->begun = node->refused = 0;
        node->result = 0;
        node->task = s->task;
        if (c->co__kind == CO__CASE_FD)
            s->external = 1;
        if (!is_chan(c))
            continue;
        node->chan.link.list = NULL;
        node->chan.element = c->co__value;
        node->chan.selects = (int)i + 1;
        node->chan.to = &s->remote;
        if (((struct co_chan *)c->co__object)->shared)
            add_lock(s, c->co__object);
    }
    if (s->shared || !s->loop)
        co__remote_begin(&s->remote);
    if (!s->shared)
        return;
    s->external = 1;
    for (unsigned i = 0; i < s->count; i++)
        if (is_chan(&s->cases[i])) {
            s->nodes[i].chan.claim = &s->claim;
            s->nodes[i].chan.selects *= -1;
        }
}

static int wait_with(struct select *s, struct node *nodes)
{
    int i;

    s->nodes = nodes;
    s->start = co__clock_read();
    prepare(s);
    i = wait(s);
    unlink_all(s);
    return i;
}

static CO_NOINLINE int wait_few(struct select *s)
{
    struct node nodes[FEW];

    return wait_with(s, nodes);
}

static CO_NOINLINE int wait_many(struct select *s)
{
    struct node nodes[MANY];

    return wait_with(s, nodes);
}

/* What is special about a case. */
#define HAS_DEFAULT 1u
#define HAS_FD      2u
#define HAS_LOCAL   4u /* it belongs to the loop */
#define IS_INVALID  8u

static unsigned traits_of(const co_case *c)
{
    const struct co_chan *chan = c->co__object;

    switch (c->co__kind) {
    case CO__CASE_RECV:
    case CO__CASE_SEND:
        return chan && !chan->shared ? HAS_LOCAL : 0;
    case CO__CASE_FD:
        return HAS_LOCAL | HAS_FD;
    case CO__CASE_DEFAULT:
        return HAS_DEFAULT;
    case CO__CASE_FUTURE:
    case CO__CASE_AFTER:
    case CO__CASE_AT:
        return 0;
    default:
        return IS_INVALID;
    }
}

static int first_default(const struct select *s)
{
    int i = 0;

    while (s->cases[i].co__kind != CO__CASE_DEFAULT)
        i++;
    s->cases[i].result = 0;
    return i;
}

/* The checks, and a first look that needs no nodes. Returns -EAGAIN if it has
 * to wait. */
static int begin(struct select *s)
{
    struct co__chan_waiter *granted = NULL;
    unsigned traits = 0;
    int i, may_wait = !s->loop || !(s->task->flags & CO__FLAG_CALLBACK);

    for (unsigned k = 0; k < s->count; k++)
        traits |= traits_of(&s->cases[k]);
    if (traits & IS_INVALID)
        return -EINVAL;
    if (!s->loop && traits & HAS_FD)
        return -EPERM;
    /* With descriptors, the look that stands in line does it. */
    if (!(traits & HAS_FD) || traits & HAS_DEFAULT || !may_wait) {
        i = try_all(s, &granted);
        if (i != -EAGAIN)
            return i;
    }
    if (traits & HAS_DEFAULT)
        return first_default(s);
    if (!may_wait || (!s->loop && traits & HAS_LOCAL))
        return -EPERM;
    return -EAGAIN;
}

static CO_NOINLINE int select_huge(struct select *s)
{
    size_t bytes = s->count * (sizeof(struct node) + sizeof(uint16_t));
    struct node *nodes = co__alloc(bytes);
    int i;

    if (!nodes)
        return -ENOMEM;
    s->order = (uint16_t *)(nodes + s->count);
    i = begin(s);
    if (i == -EAGAIN)
        i = wait_with(s, nodes);
    co__free(nodes);
    return i;
}

static CO_NOINLINE int select_general(co_case *cases, size_t count)
{
    uint16_t order[MANY];
    struct select s;
    struct co__here here;
    int r;

    if (!cases || !count || count > CO_SELECT_MAX)
        return -EINVAL;
    s.loop = NULL;
    s.task = NULL;
    if (co__here(&here)) {
        s.loop = here.loop;
        s.task = here.task;
        r = co__enter(here.loop, here.task);
    } else {
        r = co__chain_error(co__chain_current(), co__clock_read());
    }
    if (r < 0)
        return r;
    s.cases = cases;
    s.count = (unsigned)count;
    s.nodes = NULL;
    s.shared = 0;
    s.external = 0;
    atomic_init(&s.claim, 0);
    if (CO_UNLIKELY(count > MANY))
        return select_huge(&s);
    s.order = order;
    r = begin(&s);
    if (r != -EAGAIN)
        return r;
    return count <= FEW ? wait_few(&s) : wait_many(&s);
}

/* ---- the short way ------------------------------------------------------- */

#define NOT_SIMPLE (~0u)

/* Which of a few cases can go through, probably, a bit for each; NOT_SIMPLE, if
 * they are not all channels of this loop. */
CO_INLINE unsigned peek(const struct co_loop *loop, const co_case *cases,
                        size_t count)
{
    unsigned ready = 0;

    for (size_t i = 0; i < count; i++) {
        const struct co_chan *chan = cases[i].co__object;
        int kind = cases[i].co__kind, can;

        if (CO_UNLIKELY((kind != CO__CASE_RECV && kind != CO__CASE_SEND) ||
                        !chan || chan->loop != loop || !cases[i].co__value))
            return NOT_SIMPLE;
        if (kind == CO__CASE_RECV)
            can = chan->senders.head || chan->count > 0;
        else
            can = chan->receivers.head || chan->count < chan->capacity;
        ready |= (unsigned)(can || chan->closed) << i;
    }
    return ready;
}

/* One of the bits that are set. */
CO_INLINE unsigned choose(struct co_loop *loop, unsigned ready)
{
    unsigned skip;

    if (CO_UNLIKELY(ready & (ready - 1))) {
        skip = (unsigned)((uint64_t)draw(loop) *
                              (unsigned)__builtin_popcount(ready) >>
                          32);
        while (skip-- > 0)
            ready &= ready - 1;
    }
    return (unsigned)__builtin_ctz(ready);
}

/* co__waitlist_remove; mostly it stands alone. */
CO_INLINE void unlink_one(struct co__waiter *link)
{
    struct co__waitlist *list = link->list;

    if (!list)
        return;
    if (CO_LIKELY(list->head == link && list->tail == link))
        list->head = list->tail = NULL;
    else
        co__waitlist_remove(link);
}

/* Wait for channels of this loop and nothing else. */
CO_INLINE int wait_simple(struct co_loop *loop, co_case *cases, size_t count)
{
    struct co__chan_waiter waiter[FEW];
    int r;

    for (size_t i = 0; i < count; i++) {
        waiter[i].element = cases[i].co__value;
        waiter[i].selects = (int)i + 1;
        co__waitlist_push(list_of(&cases[i]), &waiter[i].link, loop->self);
    }
    r = co__park_inline(loop, loop->self, CO__WAIT_SELECT, CO_NEVER);
    for (size_t i = 0; i < count; i++)
        unlink_one(&waiter[i].link);
    CO_ASSERT(r != 0);
    if (CO_UNLIKELY(r <= 0))
        return r;
    cases[r - 1].result = waiter[r - 1].result;
    return r - 1;
}

int co_select(co_case *cases, size_t count)
{
    struct co_loop *loop = co__loop;
    struct co__chan_waiter *woken;
    unsigned ready, i;
    co_case *c;
    int r;

    if (CO_UNLIKELY(!loop || !cases || count - 1 >= FEW ||
                    loop->self->chain.due <= loop->now || loop->budget <= 1 ||
                    loop->self->flags & CO__FLAG_CALLBACK))
        return select_general(cases, count);
    ready = peek(loop, cases, count);
    if (!ready)
        return wait_simple(loop, cases, count);
    if (ready == NOT_SIMPLE)
        return select_general(cases, count);
    i = choose(loop, ready);
    c = &cases[i];
    r = c->co__kind == CO__CASE_SEND
            ? co__chan_put(c->co__object, c->co__value, 0, &woken)
            : co__chan_take(c->co__object, c->co__value, 0, &woken);
    if (CO_UNLIKELY(r == -EAGAIN))
        return select_general(cases, count);
    loop->budget--;
    c->result = r;
    return (int)i;
}
