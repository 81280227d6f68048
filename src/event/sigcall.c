/* SPDX-License-Identifier: MIT */
/* Functions that the loop calls when a signal has come: records on the heap, in
 * a list of the loop's, at most one a signal. See core/signals.c. */
#include <coppice/callback.h>

#include "base/alloc.h"
#include "core/signals.h"
#include "event/event.h"

struct co__sigcall {
    struct co__sigwatch watch;
    struct co__sigcall *next;
    void (*fn)(int signo, void *arg);
    void *arg;
};

/* Nothing of the record is used after the call, which may free it. */
static void run(void *arg)
{
    struct co__sigcall *s = arg;

    s->fn(s->watch.signo, s->arg);
}

static struct co__sigcall **find(struct co_loop *loop, int signo)
{
    struct co__sigcall **link = &loop->sigcalls;

    while (*link && (*link)->watch.signo != signo)
        link = &(*link)->next;
    return link;
}

int co_loop_add_signal_at(const char *site, co_loop *loop, int signo,
                          void (*fn)(int, void *), void *arg)
{
    int r = fn ? co__event_check_new(loop, "co_loop_add_signal") : -EINVAL;
    struct co__sigcall *s;

    if (r < 0)
        return r;
    s = *find(loop, signo);
    if (s) {
        s->fn = fn;
        s->arg = arg;
        s->watch.call.site = site;
        return 0;
    }
    s = co__alloc_zero(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->fn = fn;
    s->arg = arg;
    s->watch.call = (co_call){.fn = run, .arg = s, .site = site};
    r = co__signal_watch(&s->watch, loop, signo);
    if (r < 0) {
        co__free(s);
        return r;
    }
    s->next = loop->sigcalls;
    loop->sigcalls = s;
    loop->external++;
    return 0;
}

static void take_out(struct co_loop *loop, struct co__sigcall **link)
{
    struct co__sigcall *s = *link;

    *link = s->next;
    loop->external--;
    co__signal_unwatch(&s->watch);
    co__free(s);
}

int co_loop_remove_signal(co_loop *loop, int signo)
{
    int r = co__event_check(loop, "co_loop_remove_signal");
    struct co__sigcall **link;

    if (r < 0)
        return r;
    link = find(loop, signo);
    if (!*link)
        return 0;
    take_out(loop, link);
    return 1;
}

void co__sigcalls_drop(struct co_loop *loop)
{
    while (loop->sigcalls)
        take_out(loop, &loop->sigcalls);
}
