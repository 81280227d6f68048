/* SPDX-License-Identifier: MIT */
/*
 * See scope.h for what `due` means. Each scope keeps the least deadline from
 * itself out to the nearest shield, so entering and leaving are a few stores.
 */
#include "core/scope.h"

#include "base/assert.h"
#include "base/clock.h"
#include "core/sched.h"

#define FLAG_SHIELD  1u
#define FLAG_EXPIRED 2u /* a call has failed because of this scope */

static CO_TLS struct co__chain thread_chain = CO__CHAIN_INIT;

struct co__chain *co__chain_current(void)
{
    struct co_loop *loop = co__loop;

    return loop ? &loop->self->chain : &thread_chain;
}

CO_INLINE void update(struct co__chain *chain)
{
    if (CO_UNLIKELY(chain->cancels) && !chain->shields)
        chain->due = CO__DUE_CANCELLED;
    else
        chain->due = chain->top ? chain->top->co__due : CO_NEVER;
}

void co__chain_update(struct co__chain *chain)
{
    update(chain);
}

int co__chain_error(struct co__chain *chain, co_time now)
{
    if (chain->cancels && !chain->shields)
        return -ECANCELED;
    if (chain->due > now)
        return 0;
    for (co_scope *s = chain->top; s; s = s->co__outer) {
        if (s->co__flags & FLAG_SHIELD)
            break;
        if (s->co__deadline <= now)
            s->co__flags |= FLAG_EXPIRED;
    }
    return -ETIMEDOUT;
}

CO_INLINE co_scope *enter(struct co__chain *chain, co_scope *scope,
                          co_time deadline, uint32_t flags)
{
    co_time outer = chain->top ? chain->top->co__due : CO_NEVER;

    if (scope->co__chain)
        co__die("a scope that is entered was entered again");
    scope->co__outer = chain->top;
    scope->co__chain = chain;
    scope->co__deadline = deadline;
    scope->co__due = flags & FLAG_SHIELD || deadline < outer ? deadline : outer;
    scope->co__flags = flags;
    chain->top = scope;
    chain->shields += flags & FLAG_SHIELD;
    update(chain);
    return scope;
}

/* The time, for a limit that is counted from now. The loop learns it too, so
 * that a scope which has run out already is seen by the next call. */
static co_time look(void)
{
    co_time now = co__clock_read();

    if (co__loop)
        co__loop->now = now;
    return now;
}

static CO_NOINLINE co_scope *timeout_exact(co_scope *scope, co_time ns)
{
    co_time deadline = co__time_add(look(), ns);

    return enter(co__chain_current(), scope, deadline, 0);
}

/*
 * Reading the clock is what entering a scope costs. The kernel's last tick will
 * do if a limit is many ticks away: it is late by two percent then, and not
 * early. Not so if a scope outside may have run out, see look().
 */
co_scope *co__scope_timeout(co_scope *scope, co_time ns)
{
    struct co_loop *loop = co__loop;
    struct co__chain *chain;
    co_time now, deadline;

    if (CO_UNLIKELY(!loop || ns < loop->far || co__clock_virtual))
        return timeout_exact(scope, ns);
    now = co__clock_coarse() + loop->tick;
    if (now < loop->now)
        now = loop->now;
    chain = &loop->self->chain;
    if (CO_UNLIKELY(chain->due <= now || scope->co__chain))
        return timeout_exact(scope, ns);
    deadline = co__time_add(now, ns);
    /* enter() in short: no cancel is pending, so `due` is that of `top`. */
    scope->co__outer = chain->top;
    scope->co__chain = chain;
    scope->co__deadline = deadline;
    scope->co__flags = 0;
    if (deadline > chain->due)
        deadline = chain->due;
    scope->co__due = deadline;
    chain->due = deadline;
    chain->top = scope;
    return scope;
}

co_scope *co__scope_deadline(co_scope *scope, co_time at)
{
    look();
    return enter(co__chain_current(), scope, at, 0);
}

co_scope *co__scope_shield(co_scope *scope, co_time unused)
{
    (void)unused;
    return enter(co__chain_current(), scope, CO_NEVER, FLAG_SHIELD);
}

void co__scope_leave(co_scope *scope)
{
    struct co__chain *chain = scope->co__chain;

    if (!chain)
        return;
    CO_ASSERT(chain->top == scope);
    if (CO_LIKELY(!chain->cancels && !chain->shields)) {
        const co_scope *outer = scope->co__outer;

        scope->co__chain = NULL;
        chain->top = scope->co__outer;
        chain->due = outer ? outer->co__due : CO_NEVER;
        return;
    }
    chain->top = scope->co__outer;
    chain->shields -= scope->co__flags & FLAG_SHIELD;
    scope->co__chain = NULL;
    update(chain);
}

int co_scope_expired(const co_scope *scope)
{
    return scope && scope->co__flags & FLAG_EXPIRED ? 1 : 0;
}

/* Bring the sums of `scope` and those inside it up to date. */
static void recompute(struct co__chain *chain, co_scope *scope)
{
    /* From the outside in; chains are short. */
    for (co_scope *done = scope->co__outer, *s; done != chain->top; done = s) {
        co_time outer;

        for (s = chain->top; s->co__outer != done; s = s->co__outer)
            continue;
        outer = done ? done->co__due : CO_NEVER;
        s->co__due = s->co__flags & FLAG_SHIELD || s->co__deadline < outer
                         ? s->co__deadline
                         : outer;
    }
}

static struct co_task *task_of(struct co__chain *chain)
{
    return CO_CONTAINER_OF(chain, struct co_task, chain);
}

/* Of this thread, or of a task of the loop that runs on it. */
static int is_ours(struct co__chain *chain)
{
    if (chain->of_thread)
        return chain == &thread_chain;
    return co__loop && task_of(chain)->loop == co__loop;
}

void co__scope_move(struct co_scope *scope, co_time deadline)
{
    struct co__chain *chain = scope->co__chain;

    scope->co__flags &= ~FLAG_EXPIRED;
    scope->co__deadline = deadline;
    recompute(chain, scope);
    co__chain_update(chain);
    if (!chain->of_thread)
        co__limits_changed(task_of(chain));
}

int co_scope_reschedule(co_scope *scope, co_time at)
{
    struct co__chain *chain;

    if (!scope || !scope->co__chain)
        return -EINVAL;
    chain = scope->co__chain;
    if (scope->co__flags & FLAG_SHIELD || !is_ours(chain))
        return -EPERM;
    if (scope->co__flags & FLAG_EXPIRED)
        return -ETIMEDOUT;
    co__scope_move(scope, at);
    return 0;
}
