/* SPDX-License-Identifier: MIT */
/*
 * Functions that are called while a descriptor is ready.
 *
 * Each has a task of the library's that waits for the descriptor as any task
 * would, then has the function called in the callback task, then looks again:
 * what is level-triggered in front of the user is one poll(2) per call, and
 * stands in line with the tasks that use the same descriptor. The task neither
 * counts as one of the user's nor shows itself in co_loop_each_task.
 *
 * A record is linked in the descriptor's slot. It lives until its task ends,
 * or, if that is later, its function returns. That the descriptor was closed,
 * and its number perhaps used again, is seen by the count of times that the
 * slot was dropped; a change of care (co_adopt) is none.
 */
#include <coppice/reader.h>

#include "base/alloc.h"
#include "core/fdhook.h"
#include "core/report.h"
#include "core/sched.h"
#include "event/event.h"
#include "io/io.h"

struct co__reaction {
    struct co__reaction *next; /* of the slot's; valid until removed */
    struct co_loop *loop;
    struct co__fd_slot *slot;
    struct co_task *task; /* NULL: has ended */
    co_call call;
    void (*fn)(int fd, void *arg);
    void *arg;
    int fd;
    int direction;
    uint32_t drops; /* the slot's, when this was added */
    int removed;
    int busy; /* its function is running */
};

/* Whether it is about what its number is now. */
static int current(const struct co__reaction *r)
{
    struct co__fd_slot *slot;

    return !r->removed && co__fd_slot(r->loop, r->fd, &slot) == 0 &&
           slot->drops == r->drops;
}

static void unlink_reaction(struct co__reaction *r)
{
    struct co__reaction **link = &r->slot->reactions;

    if (r->removed)
        return;
    r->removed = 1;
    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
}

/* In the callback task. */
static void react(void *arg)
{
    struct co__reaction *r = arg;

    if (current(r)) {
        r->busy = 1;
        r->fn(r->fd, r->arg);
        if (CO_UNLIKELY(!co__loop))
            return; /* a forked child, see fork.c */
        r->busy = 0;
        /* It may have used other calls than ours, so that nothing is known. */
        r->slot->ready &= (uint8_t)~CO__FD_FRESH(r->direction);
    }
    if (r->task)
        co__wake(r->task, 0);
    else
        co__free(r);
}

/* Wait until it is ready: 1, or a negative errno. */
static int wait_ready(struct co__reaction *r, struct co_task *self)
{
    struct co__here here = {r->loop, self};

    if (self->chain.cancels)
        return -ECANCELED;
    if (!current(r))
        return -EBADF;
    return co__fd_wait_alone(&here, r->fd, r->direction,
                             co__io_reason(r->direction));
}

static int follow(void *arg)
{
    struct co__reaction *r = arg;
    struct co_loop *loop = r->loop;
    struct co_task *self = loop->self;
    int n;

    while ((n = wait_ready(r, self)) > 0) {
        co__inbox_post(loop, &r->call);
        n = co__park(loop, self, CO__WAIT_CALLS);
        if (n < 0)
            break;
    }
    /* Its end must not be silent, unless that was asked for. */
    if (n < 0 && n != -ECANCELED && n != -EBADF && !r->removed)
        co__report_task(self, n, "cannot wait for its descriptor any more");
    unlink_reaction(r);
    if (co__inbox_queued(&r->call))
        co__inbox_unpost(loop, &r->call);
    r->task = NULL;
    if (!r->busy)
        co__free(r);
    co__internal_ended(loop);
    return 0;
}

/* It is called no more. */
static void remove_reaction(struct co__reaction *r)
{
    unlink_reaction(r);
    if (co__inbox_queued(&r->call))
        co__inbox_unpost(r->loop, &r->call);
    co__cancel(r->task);
}

/* The one for a direction; one of a number's former life is done away with. */
static struct co__reaction *find(struct co__fd_slot *slot, int direction)
{
    struct co__reaction *r, *next;

    for (r = slot->reactions; r; r = next) {
        next = r->next;
        if (!current(r))
            remove_reaction(r);
        else if (r->direction == direction)
            return r;
    }
    return NULL;
}

static int replace(struct co__reaction *r)
{
    if (co__inbox_queued(&r->call)) {
        co__inbox_unpost(r->loop, &r->call);
        co__wake(r->task, 0); /* look again */
    }
    return 0;
}

static int add(const char *site, co_loop *loop, int fd, int direction,
               void (*fn)(int, void *), void *arg)
{
    struct co__fd_slot *slot;
    struct co__reaction *r;
    int error;

    error = co__fd_poll(fd, direction); /* asks whether it is open */
    if (error >= 0)
        error = co__fd_slot(loop, fd, &slot);
    if (error < 0)
        return error;
    r = find(slot, direction);
    if (r) {
        r->fn = fn;
        r->arg = arg;
        r->call.site = site;
        return replace(r);
    }
    r = co__alloc_zero(sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->loop = loop;
    r->slot = slot;
    r->drops = slot->drops;
    r->fd = fd;
    r->direction = direction;
    r->fn = fn;
    r->arg = arg;
    r->call = (co_call){.fn = react, .arg = r, .site = site};
    r->task = co__spawn_internal(
        loop, site, direction == CO_READABLE ? "reader" : "writer", follow, r);
    if (!r->task) {
        error = -errno;
        co__free(r);
        return error;
    }
    r->next = slot->reactions;
    slot->reactions = r;
    return 0;
}

static int try_add(const char *call, const char *site, co_loop *loop, int fd,
                   int direction, void (*fn)(int, void *), void *arg)
{
    int r = fn ? co__event_check_new(loop, call) : -EINVAL;

    return r < 0 ? r : add(site, loop, fd, direction, fn, arg);
}

static int try_remove(const char *call, co_loop *loop, int fd, int direction)
{
    int error = co__event_check(loop, call);
    struct co__fd_slot *slot;
    struct co__reaction *r;

    if (error < 0)
        return error;
    slot = fd < 0 ? NULL : co__fd_find(loop, fd);
    if (!slot || !slot->reactions)
        return 0;
    r = find(slot, direction);
    if (r)
        remove_reaction(r);
    return r != NULL;
}

int co_loop_add_reader_at(const char *site, co_loop *loop, int fd,
                          void (*fn)(int, void *), void *arg)
{
    return try_add("co_loop_add_reader", site, loop, fd, CO_READABLE, fn, arg);
}

int co_loop_add_writer_at(const char *site, co_loop *loop, int fd,
                          void (*fn)(int, void *), void *arg)
{
    return try_add("co_loop_add_writer", site, loop, fd, CO_WRITABLE, fn, arg);
}

int co_loop_remove_reader(co_loop *loop, int fd)
{
    return try_remove("co_loop_remove_reader", loop, fd, CO_READABLE);
}

int co_loop_remove_writer(co_loop *loop, int fd)
{
    return try_remove("co_loop_remove_writer", loop, fd, CO_WRITABLE);
}
