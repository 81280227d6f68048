/* SPDX-License-Identifier: MIT */
/*
 * Calls that the loop makes later. A handle holds the node that is queued in
 * the inbox, and the timer that queues it when its time has come; so nothing is
 * allocated for a handle that the caller owns, and both leave their list at
 * once when the request is taken back.
 *
 * Pending is what is in one of the two. A loop that is freed has run what was
 * queued; co__event_close disarms the timers, so a pending handle's loop
 * always exists.
 */
#include <coppice/callback.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "core/hooks.h"
#include "core/turn.h"
#include "event/event.h"
#include "sync/signal.h"

#define HANDLE_CANCELLED 1u
#define HANDLE_OWNED     2u /* by the library: freed when it is done */

typedef void call_fn(void *arg);

struct owned {
    co_handle handle;
    call_fn *fn;
    void *arg;
};

_Static_assert(sizeof(struct co__timed) <= sizeof(((co_handle *)0)->co__timer),
               "a timer fits a handle");
_Static_assert(_Alignof(struct co__timed) <= _Alignof(uint64_t),
               "and is aligned in it");

static struct co__timed *timed_of(const co_handle *handle)
{
    return (struct co__timed *)(void *)handle->co__timer;
}

static co_handle *handle_of(struct co__timed *timed)
{
    return (co_handle *)(void *)((char *)timed -
                                 offsetof(co_handle, co__timer));
}

static int pending(const co_handle *handle)
{
    return co__inbox_queued(&handle->co__call) ||
           co__timer_armed(&timed_of(handle)->timer);
}

/* ---- asking -------------------------------------------------------------- */

static void fire(struct co__timed *timed)
{
    co_handle *handle = handle_of(timed);

    co__inbox_post(handle->co__loop, &handle->co__call);
}

static void run_owned(void *arg)
{
    struct owned *owned = arg;
    call_fn *fn = owned->fn;

    arg = owned->arg;
    co__free(owned);
    fn(arg);
}

/* Whether the loop takes requests from here. */
static int check(co_loop *loop, const char *call, call_fn *fn)
{
    return fn ? co__event_check_new(loop, call) : -EINVAL;
}

/* The same for the loop that runs here. */
static int check_running(const char *call, call_fn *fn)
{
    return fn && !co__loop ? -EPERM : check(co__loop, call, fn);
}

/* Fill in a handle, and make one if there is none. */
static int prepare(const char *site, co_loop *loop, co_handle **handle,
                   call_fn *fn, void *arg)
{
    struct owned *owned;
    co_handle *h = *handle;

    if (h) {
        if (pending(h))
            return -EALREADY;
        h->co__flags = 0;
        h->co__call.fn = fn;
        h->co__call.arg = arg;
    } else {
        owned = co__alloc_zero(sizeof(*owned));
        if (!owned)
            return -ENOMEM;
        owned->fn = fn;
        owned->arg = arg;
        *handle = h = &owned->handle;
        h->co__flags = HANDLE_OWNED;
        h->co__call.fn = run_owned;
        h->co__call.arg = owned;
    }
    h->co__call.site = site;
    h->co__loop = loop;
    h->co__when = 0;
    return 0;
}

static int soon(const char *site, co_loop *loop, co_handle *handle, call_fn *fn,
                void *arg)
{
    int r = prepare(site, loop, &handle, fn, arg);

    return r < 0 ? r : co__inbox_post(loop, &handle->co__call);
}

static int at(const char *site, co_loop *loop, co_handle *handle, co_time when,
              call_fn *fn, void *arg)
{
    int r = prepare(site, loop, &handle, fn, arg);

    if (r < 0)
        return r;
    handle->co__when = when;
    timed_of(handle)->fire = fire;
    co__timed_arm(loop, timed_of(handle), when);
    return 0;
}

static co_time from_now(co_time delay_ns)
{
    return co__time_add(co__clock_read(), delay_ns > 0 ? delay_ns : 0);
}

int co_call_soon_at(const char *site, co_handle *handle, call_fn *fn, void *arg)
{
    co_loop *loop = co__loop;
    int r = check_running("co_call_soon", fn);

    return r < 0 ? r : soon(site, loop, handle, fn, arg);
}

int co_call_later_at(const char *site, co_handle *handle, co_time delay_ns,
                     call_fn *fn, void *arg)
{
    return co_call_at_at(site, handle, from_now(delay_ns), fn, arg);
}

int co_call_at_at(const char *site, co_handle *handle, co_time when,
                  call_fn *fn, void *arg)
{
    co_loop *loop = co__loop;
    int r = check_running("co_call_at", fn);

    return r < 0 ? r : at(site, loop, handle, when, fn, arg);
}

int co_loop_call_soon_at(const char *site, co_loop *loop, co_handle *handle,
                         call_fn *fn, void *arg)
{
    int r = check(loop, "co_loop_call_soon", fn);

    return r < 0 ? r : soon(site, loop, handle, fn, arg);
}

int co_loop_call_later_at(const char *site, co_loop *loop, co_handle *handle,
                          co_time delay_ns, call_fn *fn, void *arg)
{
    int r = check(loop, "co_loop_call_later", fn);

    return r < 0 ? r : at(site, loop, handle, from_now(delay_ns), fn, arg);
}

int co_loop_call_at_at(const char *site, co_loop *loop, co_handle *handle,
                       co_time when, call_fn *fn, void *arg)
{
    int r = check(loop, "co_loop_call_at", fn);

    return r < 0 ? r : at(site, loop, handle, when, fn, arg);
}

/* ---- handles ------------------------------------------------------------- */

int co_handle_cancel(co_handle *handle)
{
    co_loop *loop;
    int r;

    if (!handle)
        return -EINVAL;
    if (!pending(handle))
        return -EALREADY;
    loop = handle->co__loop;
    r = co__event_check(loop, "co_handle_cancel");
    if (r < 0)
        return r;
    co__timed_cancel(loop, timed_of(handle));
    if (co__inbox_queued(&handle->co__call))
        co__inbox_unpost(loop, &handle->co__call);
    handle->co__flags |= HANDLE_CANCELLED;
    return 0;
}

int co_handle_cancelled(const co_handle *handle)
{
    return handle && handle->co__flags & HANDLE_CANCELLED;
}

co_time co_handle_when(const co_handle *handle)
{
    return handle ? handle->co__when : 0;
}

static void drop_timers(struct co_loop *loop)
{
    struct co__timer *timer;

    while ((timer = co__timers_expire(&loop->timers, CO_NEVER))) {
        struct co__timed *timed =
            CO_CONTAINER_OF(timer, struct co__timed, timer);
        co_handle *handle;

        if (!timer->timed || timed->fire != fire)
            continue;
        handle = handle_of(timed);
        handle->co__flags |= HANDLE_CANCELLED;
        if (handle->co__flags & HANDLE_OWNED)
            co__free(handle->co__call.arg);
    }
}

void co__event_close(struct co_loop *loop)
{
    if (loop->timers.count)
        drop_timers(loop);
    co__sigcalls_drop(loop);
    co__signals_close(loop);
}
