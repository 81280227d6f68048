/* SPDX-License-Identifier: MIT */
/*
 * See scope.h for what `due` means. Each scope keeps the least deadline from
 * itself out to the nearest shield, so entering and leaving are a few stores.
 *
 * Reading the clock would cost several times as much as all of these. So a
 * limit that is far away is counted from the loop's last look at the clock, and
 * a grain longer: it is not early if the next look comes within a grain, and
 * late by no more than that. If it does not, for a task has computed all the
 * time, then nobody knows when the scope was entered. The loop has noted the
 * chains of those entered since the last look, and counts them anew, from the
 * next one (co__limits_settle). What had been noted is forgotten at each look:
 * a scope belongs to the look whose number it carries.
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
    struct co_loop *loop = co__loop;

    return loop ? co__look(loop) : co__clock_read();
}

static CO_NOINLINE co_scope *timeout_exact(co_scope *scope, co_time ns)
{
    co_time deadline = co__time_add(look(), ns);

    return enter(co__chain_current(), scope, deadline, 0);
}

/* Exact, too, if a scope outside may have run out. */
co_scope *co__scope_timeout(co_scope *scope, co_time ns)
{
    struct co_loop *loop = co__loop;
    struct co__chain *chain;
    co_time now, deadline;

    if (CO_UNLIKELY(!loop || ns < CO__LIMIT_FAR || co__clock_virtual ||
                    loop->counted == CO__LIMITS_MAX))
        return timeout_exact(scope, ns);
    now = loop->now + CO__LIMIT_GRAIN;
    chain = &loop->self->chain;
    if (CO_UNLIKELY(chain->due <= now || scope->co__chain))
        return timeout_exact(scope, ns);
    loop->counted_in[loop->counted++] = chain;
    deadline = co__time_add(now, ns);
    /* enter() in short: no cancel is pending, so `due` is that of `top`. */
    scope->co__outer = chain->top;
    scope->co__chain = chain;
    scope->co__deadline = deadline;
    scope->co__flags = loop->look;
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

/* Count the scopes that carry the number of this look anew, from `late` later
 * on. Those of a task that has ended are gone from its chain. */
static void count_anew(struct co__chain *chain, uint32_t look, co_time late)
{
    co_scope *outermost = NULL;

    for (co_scope *s = chain->top; s; s = s->co__outer) {
        if (s->co__flags / CO__SCOPE_LOOK * CO__SCOPE_LOOK != look)
            continue;
        s->co__flags %= CO__SCOPE_LOOK;
        s->co__deadline = co__time_add(s->co__deadline, late);
        outermost = s;
    }
    if (!outermost)
        return;
    /* Its task's timer may be set already: it fires early, and is set again. */
    recompute(chain, outermost);
    update(chain);
}

CO_NOINLINE void co__limits_settle(struct co_loop *loop, co_time now)
{
    co_time late = now - loop->now - CO__LIMIT_GRAIN;

    if (CO_UNLIKELY(late > 0))
        for (uint32_t i = 0; i < loop->counted; i++)
            count_anew(loop->counted_in[i], loop->look, late);
    loop->counted = 0;
    loop->look += CO__SCOPE_LOOK;
    if (!loop->look)
        loop->look = CO__SCOPE_LOOK;
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

    scope->co__flags &= FLAG_SHIELD;
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
