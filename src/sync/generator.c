/* SPDX-License-Identifier: MIT */
/*
 * Generators. Each is a parked task, that its consumer switches to and that
 * switches back, both without a trip through the run queue. Asking and yielding
 * end in the switch as a tail call, so each costs one return that the processor
 * cannot predict and not two. That is why everything is handed over before the
 * switch: who asks says where the value is to go (gen->out), who yields where
 * to put what is sent (gen->sent), and who is switched to just returns.
 *
 * The task's state says where a generator is:
 *     parked for CO__WAIT_CONSUMER  in co_gen_yield, or not begun: can be asked
 *     anything else                 at work; task->joiner waits for it, or,
 *                                   when it was woken by a limit of its own or
 *                                   by the end of the loop, nobody
 *     gen->task is NULL             has returned
 *
 * A consumer that waits is woken by its generator alone. A limit that ends the
 * wait of any other task is passed on (co__gen_interrupt): a cancel as a cancel
 * of the generator's task, a timeout as that of a scope around its function.
 * Both are levels, as they are for the consumer, until the generator yields.
 */
#include <coppice/generator.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"
#include "core/hooks.h"
#include "core/sched.h"

#define SPARE_MAX 64 /* that a loop keeps */

enum flag {
    FRESH = 1u << 0,     /* was never asked */
    PENDING = 1u << 1,   /* has yielded `value`, which nobody had asked for */
    CLOSING = 1u << 2,   /* is to end: no yield succeeds */
    ORPHAN = 1u << 3,    /* nobody's any more: frees itself */
    CANCELLED = 1u << 4, /* a cancel was passed on */
    LATE = 1u << 5,      /* a timeout was */
};

struct co_gen {
    struct co_task *task; /* NULL: it has returned */
    struct co_loop *loop;
    void **out;     /* valid while somebody waits for a value */
    void **sent;    /* valid while it waits to be asked */
    uint32_t flags; /* 0 in the usual course of things */
    int32_t result; /* returned, or the last error of asking */
    void *value;    /* valid if PENDING */
    void *nowhere;  /* where values go that nobody wants */
    co_gen_fn fn;
    void *arg;
    struct co_scope limit;      /* around fn */
    struct co_gen *next, *prev; /* of the loop's */
};

static int run(void *arg);

/* ---- making and releasing ------------------------------------------------ */

static struct co_gen *obtain(struct co_loop *loop)
{
    struct co_gen *gen = loop->spare_gens;

    if (!gen)
        return co__alloc(sizeof(*gen));
    loop->spare_gens = gen->next;
    loop->spare_gens_count--;
    return gen;
}

static void discard(struct co_loop *loop, struct co_gen *gen)
{
    if (loop->spare_gens_count == SPARE_MAX) {
        co__free(gen);
        return;
    }
    gen->next = loop->spare_gens;
    loop->spare_gens = gen;
    loop->spare_gens_count++;
}

static void release(struct co_gen *gen)
{
    struct co_loop *loop = gen->loop;

    if (gen->prev)
        gen->prev->next = gen->next;
    else
        loop->gens = gen->next;
    if (gen->next)
        gen->next->prev = gen->prev;
    discard(loop, gen);
}

co_gen *co_gen_new_at(const char *site, co_gen_fn fn, void *arg)
{
    struct co_loop *loop = co__loop;
    struct co_gen *gen;

    if (!fn || !loop || loop->flags & CO__LOOP_ENDING) {
        errno = !fn ? EINVAL : !loop ? EPERM : ESHUTDOWN;
        return NULL;
    }
    gen = obtain(loop);
    if (!gen) {
        errno = ENOMEM;
        return NULL;
    }
    *gen = (struct co_gen){
        .loop = loop,
        .sent = &gen->nowhere,
        .flags = FRESH,
        .result = -EAGAIN,
        .fn = fn,
        .arg = arg,
        .next = loop->gens,
    };
    gen->task = co__spawn_parked(loop, site, loop->size_class, run, gen,
                                 CO__WAIT_CONSUMER);
    if (!gen->task) {
        discard(loop, gen);
        return NULL;
    }
    gen->task->flags |= CO__FLAG_DETACHED | CO__FLAG_GENERATOR;
    if (gen->next)
        gen->next->prev = gen;
    loop->gens = gen;
    return gen;
}

/* ---- limits that are passed on ------------------------------------------- */

void co__gen_interrupt(struct co_task *consumer, int error)
{
    struct co_task *task = consumer->waits_for;
    struct co_gen *gen = task->arg;

    if (task->flags & CO__FLAG_HANDS_OVER) /* it has returned */
        return;
    if (error == -ECANCELED && !(gen->flags & CANCELLED)) {
        gen->flags |= CANCELLED;
        co__cancel(task);
    } else if (error == -ETIMEDOUT && !(gen->flags & LATE)) {
        gen->flags |= LATE;
        if (gen->limit.co__chain)
            co__scope_move(&gen->limit, consumer->chain.due);
    }
}

static void take_back(struct co_gen *gen, struct co_task *task)
{
    if (gen->flags & CANCELLED && task->chain.cancels)
        task->chain.cancels--;
    if (gen->flags & LATE)
        co__scope_move(&gen->limit, CO_NEVER);
    co__chain_update(&task->chain);
    gen->flags &= ~(uint32_t)(CANCELLED | LATE);
}

/* ---- asking -------------------------------------------------------------- */

CO_INLINE int can_be_asked(const struct co_task *task)
{
    return task->state == CO__TASK_PARKED && task->reason == CO__WAIT_CONSUMER;
}

/* Whether a task runs on behalf of another, which waits for its next value. */
static int works_for(const struct co_task *task, const struct co_task *other)
{
    while (task && task != other)
        task = task->flags & CO__FLAG_GENERATOR ? task->joiner : NULL;
    return task != NULL;
}

CO_INLINE int ask(struct co_gen *gen, void *sent, void **value,
                  struct co_loop *loop, struct co_task *self)
{
    struct co_task *task = gen->task;

    *gen->sent = sent;
    gen->out = value ? value : &gen->nowhere;
    task->joiner = self;
    self->waits_for = task;
    return co__park_into(loop, self, CO__WAIT_GENERATOR, task, 0);
}

/* The error of asking, for co_gen_result. */
static int refuse(struct co_gen *gen, int error)
{
    if (gen->task)
        gen->result = error;
    return error;
}

/* Whatever is not the usual course of things. */
static CO_NOINLINE int ask_slow(struct co_gen *gen, void *sent, void **value)
{
    struct co_loop *loop = co__loop;
    struct co_task *self, *task;
    int r;

    if (!gen)
        return -EINVAL;
    if (gen->loop != loop)
        return -EPERM;
    self = loop->self;
    r = co__enter(loop, self);
    if (r < 0)
        return refuse(gen, r);
    task = gen->task;
    if (!task)
        return gen->result < 0 ? gen->result : 0;
    if (works_for(self, task))
        return -EDEADLK;
    if (task->joiner)
        return -EBUSY;
    if (self->flags & CO__FLAG_CALLBACK)
        return -EPERM;
    if (gen->flags & FRESH && sent)
        return -EINVAL;
    if (gen->flags & PENDING) {
        gen->flags &= ~(uint32_t)PENDING;
        if (value)
            *value = gen->value;
        return 1;
    }
    gen->flags &= ~(uint32_t)FRESH;
    if (can_be_asked(task))
        return ask(gen, sent, value, loop, self);
    /* It is at work already, or will be. */
    gen->out = value ? value : &gen->nowhere;
    task->joiner = self;
    self->waits_for = task;
    return co__park(loop, self, CO__WAIT_GENERATOR);
}

CO_INLINE int ask_fast(struct co_gen *gen, void *sent, void **value)
{
    struct co_loop *loop = co__loop;
    struct co_task *self;

    if (CO_UNLIKELY(!gen || gen->loop != loop))
        return ask_slow(gen, sent, value);
    self = loop->self;
    if (CO_UNLIKELY(gen->flags || !gen->task || !can_be_asked(gen->task) ||
                    self->flags & CO__FLAG_CALLBACK ||
                    self->chain.due <= loop->now))
        return ask_slow(gen, sent, value);
    return ask(gen, sent, value, loop, self);
}

int co_gen_send(co_gen *gen, void *sent, void **value)
{
    return ask_fast(gen, sent, value);
}

int co_gen_next(co_gen *gen, void **value)
{
    return ask_fast(gen, NULL, value);
}

int co_gen_result(const co_gen *gen)
{
    return gen ? gen->result : -EINVAL;
}

/* ---- yielding ------------------------------------------------------------ */

CO_INLINE int give(struct co_gen *gen, void *value, void **sent,
                   struct co_loop *loop, struct co_task *self)
{
    struct co_task *consumer = self->joiner;

    *gen->out = value;
    gen->sent = sent ? sent : &gen->nowhere;
    self->joiner = NULL;
    return co__park_into(loop, self, CO__WAIT_CONSUMER, consumer, 1);
}

static CO_NOINLINE int give_slow(struct co_gen *gen, void *value, void **sent,
                                 struct co_loop *loop, struct co_task *self)
{
    struct co_task *consumer = self->joiner;
    int r;

    if (gen->flags & CLOSING)
        return -ECANCELED;
    take_back(gen, self);
    r = co__chain_error(&self->chain, loop->now);
    if (r < 0) {
        int limit = 0;

        if (consumer)
            limit = co__chain_error(&consumer->chain, loop->now);
        if (limit < 0)
            co__gen_interrupt(consumer, limit);
        return r;
    }
    if (consumer)
        return give(gen, value, sent, loop, self);
    /* It was woken by a limit that it has left behind since. */
    gen->flags |= PENDING;
    gen->value = value;
    gen->sent = sent ? sent : &gen->nowhere;
    r = co__park(loop, self, CO__WAIT_CONSUMER);
    gen->flags &= ~(uint32_t)PENDING;
    return r;
}

int co_gen_yield(co_gen *gen, void *value, void **sent)
{
    struct co_loop *loop = co__loop;
    struct co_task *self;

    if (CO_UNLIKELY(!gen))
        return -EINVAL;
    if (CO_UNLIKELY(gen->loop != loop || gen->task != loop->self))
        return -EPERM;
    self = loop->self;
    if (CO_UNLIKELY(gen->flags || self->chain.due <= loop->now ||
                    !self->joiner))
        return give_slow(gen, value, sent, loop, self);
    return give(gen, value, sent, loop, self);
}

int co_gen_delegate(co_gen *gen, co_gen *inner)
{
    void *value = NULL, *sent = NULL;
    int r;

    if (!gen || !inner)
        return -EINVAL;
    if (!co__loop || gen->task != co__loop->self)
        return -EPERM;
    while ((r = co_gen_send(inner, sent, &value)) == 1) {
        r = co_gen_yield(gen, value, &sent);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : inner->result;
}

/* ---- running ------------------------------------------------------------- */

static int call(struct co_gen *gen, struct co_task *task)
{
    int r;

    co__scope_deadline(&gen->limit,
                       gen->flags & LATE ? task->joiner->chain.due : CO_NEVER);
    r = gen->fn(gen, gen->arg);
    /* One that was left open: the scheduler says so. */
    if (task->chain.top == &gen->limit)
        co__scope_leave(&gen->limit);
    return r;
}

/* What the task runs. */
static int run(void *arg)
{
    struct co_gen *gen = arg;
    struct co_task *task = gen->task, *consumer;
    int r = -ECANCELED;

    /* It begins for a consumer alone, even for one that is cancelled by now:
     * the values are there still for the next. */
    if (task->joiner && !(gen->flags & CLOSING) &&
        task->chain.cancels == (gen->flags & CANCELLED ? 1u : 0u))
        r = call(gen, task);
    if (!co__loop) /* a forked child */
        return r;
    gen->result = r;
    gen->task = NULL;
    consumer = task->joiner;
    if (gen->flags & ORPHAN)
        release(gen);
    if (consumer) {
        /* The task frees itself, and its consumer runs next. */
        task->flags |= CO__FLAG_HANDS_OVER;
        consumer->value = r < 0 ? r : 0;
    }
    return 0;
}

/* ---- ending early -------------------------------------------------------- */

static CO_COLD int free_elsewhere(struct co_gen *gen)
{
    struct co_loop *loop = gen->loop;

    /* A forked child has left its loop behind, with all generators. */
    if (!co__loop && atomic_load(&loop->runs) && loop->thread == co__thread())
        return 0;
    co__die("co_gen_free of another loop's generator");
}

static void check_free(struct co_task *task, struct co_task *self)
{
    if (works_for(self, task))
        co__die("co_gen_free of generator \"%s\" (%s) from within itself",
                task->name, task->site);
    if (task->joiner)
        co__die("co_gen_free of a generator that task \"%s\" (%s) waits for",
                task->joiner->name, task->joiner->site);
}

void co_gen_free(co_gen *gen)
{
    struct co_loop *loop = co__loop;
    struct co_task *task, *self;

    if (!gen)
        return;
    if (CO_UNLIKELY(gen->loop != loop)) {
        free_elsewhere(gen);
        return;
    }
    task = gen->task;
    if (!task) {
        release(gen);
        return;
    }
    self = loop->self;
    check_free(task, self);
    gen->flags |= CLOSING;
    task->chain.cancels++;
    co__chain_update(&task->chain);
    if (self->flags & CO__FLAG_CALLBACK) {
        gen->flags |= ORPHAN;
        if (can_be_asked(task))
            co__wake(task, -ECANCELED);
        else
            co__limits_changed(task);
        return;
    }
    /* As for any consumer: its own limits go to the generator, which has to
     * end already, and do not end this wait. */
    task->joiner = self;
    self->waits_for = task;
    if (can_be_asked(task)) {
        co__park_into(loop, self, CO__WAIT_GENERATOR, task, -ECANCELED);
    } else {
        co__limits_changed(task);
        co__park(loop, self, CO__WAIT_GENERATOR);
    }
    CO_ASSERT(!gen->task);
    release(gen);
}

void co__gens_end(struct co_loop *loop)
{
    for (struct co_gen *gen = loop->gens; gen; gen = gen->next) {
        gen->flags |= CLOSING;
        /* Cancelled it is, but a shield may be around the yield. */
        if (gen->task && can_be_asked(gen->task))
            co__wake(gen->task, -ECANCELED);
    }
}

void co__gens_free(struct co_loop *loop)
{
    struct co_gen *gen;

    while ((gen = loop->gens)) {
        CO_ASSERT(!gen->task);
        loop->gens = gen->next;
        co__free(gen);
    }
    while ((gen = loop->spare_gens)) {
        loop->spare_gens = gen->next;
        co__free(gen);
    }
}
