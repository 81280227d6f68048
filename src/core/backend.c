/* SPDX-License-Identifier: MIT */
/*
 * Which reactor a loop gets. A name is a wish: whether the kernel has io_uring,
 * and lets this process use it, is not for the program's author to know. So a
 * backend that is not to be had is passed over, with a line in debug mode, and
 * the program may ask what it got. Only a name that nobody has heard of is an
 * error.
 */
#include "core/backend.h"

#include "base/assert.h"
#include "core/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of any build. */
static const char *const names[] = {"epoll", "io_uring", "kqueue", "poll"};

static int is_name(const char *name)
{
    for (size_t i = 0; i < CO_ARRAY_LEN(names); i++)
        if (!strcmp(name, names[i]))
            return 1;
    return 0;
}

static const struct co__poller_ops *find(const char *name)
{
    for (size_t i = 0; co__pollers[i]; i++)
        if (!strcmp(name, co__pollers[i]->name))
            return co__pollers[i];
    return NULL;
}

static int open_one(struct co_loop *loop, const struct co__poller_ops *ops)
{
    int r = ops->open(loop, &loop->poller);

    if (r == 0)
        loop->poller_ops = ops;
    return r;
}

/* The first that is to be had without asking for it. */
static int open_default(struct co_loop *loop)
{
    int r = -ENOSYS;

    for (size_t i = 0; r == -ENOSYS && co__pollers[i]; i++)
        if (!co__pollers[i]->by_name)
            r = open_one(loop, co__pollers[i]);
    return r;
}

int co__backend_open(struct co_loop *loop, const char *name)
{
    const struct co__poller_ops *wanted;
    int r = -ENOSYS;

    if (!name) {
        name = getenv("COPPICE_BACKEND");
        if (!name || !*name)
            return open_default(loop);
    }
    if (!is_name(name))
        return -ENOSYS;
    wanted = find(name);
    if (wanted)
        r = open_one(loop, wanted);
    if (r != -ENOSYS)
        return r;
    r = open_default(loop);
    if (r == 0 && loop->debug)
        co__warn("this %s has no %s%s: the loop runs on %s",
                 wanted ? "kernel" : "build", name,
                 wanted ? ", or forbids it" : "", loop->poller_ops->name);
    return r;
}

const char *co_loop_backend(const co_loop *loop)
{
    return loop ? loop->poller_ops->name : NULL;
}
