/* SPDX-License-Identifier: MIT */
/*
 * co_select: looking whether a case can go through. The cases are tried in a
 * random order, and one after the other: who looks is the one that runs, or has
 * the lock. If none can, selectwait.c stands in line.
 *
 * A few channels of one loop, the most frequent cases, have a way of their own
 * at the end of this file.
 */
#include "sync/select.h"

#include "base/alloc.h"
#include "core/park.h"

#define FEW  CO__PLACES /* cases that take little of the stack, or none */
#define MANY 16         /* more are on the heap */

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
static int try_chan(co_case *c, int locked, struct co__waiter **granted)
{
    struct co_chan *chan = c->co__object;
    struct co__waiter *woken;
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

static int try_signal(co_case *c)
{
    if (!c->co__object)
        return 0;
    c->result = co__signal_take(c->co__object);
    return c->result != -EAGAIN;
}

/* Without standing in line. */
static int try_fd(const struct co__select *s, co_case *c)
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

static int try_time(const struct co__select *s, co_case *c)
{
    c->result = 0;
    if (!s->nodes && c->co__kind == CO__CASE_AFTER)
        return c->co__number <= 0;
    return co__case_when(s, c) <= co__clock_read();
}

static int try_one(struct co__select *s, unsigned i,
                   struct co__waiter **granted)
{
    co_case *c = &s->cases[i];

    switch (c->co__kind) {
    case CO__CASE_RECV:
    case CO__CASE_SEND:
        return try_chan(c, s->nodes != NULL, granted);
    case CO__CASE_FUTURE:
        return try_future(c, s->task);
    case CO__CASE_SIGNAL:
        return try_signal(c);
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

int co__select_try(struct co__select *s, struct co__waiter **granted)
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

/* ---- the call ------------------------------------------------------------ */

static CO_NOINLINE int wait_few(struct co__select *s)
{
    struct co__select_node nodes[FEW];

    return co__select_wait(s, nodes);
}

static CO_NOINLINE int wait_many(struct co__select *s)
{
    struct co__select_node nodes[MANY];

    return co__select_wait(s, nodes);
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
    case CO__CASE_SIGNAL:
        return c->co__object ? HAS_LOCAL : 0;
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

static int first_default(const struct co__select *s)
{
    int i = 0;

    while (s->cases[i].co__kind != CO__CASE_DEFAULT)
        i++;
    s->cases[i].result = 0;
    return i;
}

/* The checks, and a first look that needs no nodes. Returns -EAGAIN if it has
 * to wait. */
static int begin(struct co__select *s)
{
    struct co__waiter *granted = NULL;
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
        i = co__select_try(s, &granted);
        if (i != -EAGAIN)
            return i;
    }
    if (traits & HAS_DEFAULT)
        return first_default(s);
    if (!may_wait || (!s->loop && traits & HAS_LOCAL))
        return -EPERM;
    return -EAGAIN;
}

static CO_NOINLINE int select_huge(struct co__select *s)
{
    size_t bytes =
        s->count * (sizeof(struct co__select_node) + sizeof(uint16_t));
    struct co__select_node *nodes = co__alloc(bytes);
    int i;

    if (!nodes)
        return -ENOMEM;
    s->order = (uint16_t *)(nodes + s->count);
    i = begin(s);
    if (i == -EAGAIN)
        i = co__select_wait(s, nodes);
    co__free(nodes);
    return i;
}

static CO_NOINLINE int select_general(co_case *cases, size_t count)
{
    uint16_t order[MANY];
    struct co__select s;
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

int co__select_decide(struct co__waiter *waiter, int result)
{
    struct co_task *task = waiter->task;

    task->cases[waiter->as - 1].result = result;
    co__leave_places(task);
    return waiter->as - 1;
}

/* Wait for channels of this loop and nothing else: by the places of the task,
 * so that who hands over decides. */
CO_INLINE int wait_simple(struct co_loop *loop, co_case *cases, size_t count)
{
    struct co_task *task = loop->self;

    task->cases = cases;
    for (size_t i = 0; i < count; i++) {
        task->places[i].with = cases[i].co__value;
        task->places[i].as = (int)i + 1;
        co__waitlist_push(co__case_list(&cases[i]), &task->places[i], task);
    }
    return co__park_inline(loop, task, CO__WAIT_SELECT, CO_NEVER);
}

int co_select(co_case *cases, size_t count)
{
    struct co_loop *loop = co__loop;
    struct co__waiter *woken;
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
