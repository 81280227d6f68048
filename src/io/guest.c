/* SPDX-License-Identifier: MIT */
#include "io/guest.h"

#include "base/assert.h"
#include "base/forks.h"
#include "base/lock.h"
#include "core/sched.h"
#include "io/fdtable.h"
#include "io/io.h"

#include <limits.h>
#include <unistd.h>

/* Whose memory this is, and after how many forks that was asked. */
static struct {
    _Atomic(pid_t) pid;
    atomic_uint forks;
} home = {.forks = UINT_MAX};

struct co_task *co__guest(void)
{
    struct co_loop *loop = co__loop;
    struct co_task *task;

    if (!loop)
        return NULL;
    task = loop->self;
    /* One that parks has the loop's turn on its stack: it is not READY until
     * the turn has made it so, and then asks for no more. */
    if (task->state != CO__TASK_READY || task->flags & CO__FLAG_CALLBACK ||
        task->paused || co__own_work)
        return NULL;
    return task;
}

int co__guest_pause(int by)
{
    struct co_task *task = co_self();

    if (!task)
        return -EPERM;
    CO_ASSERT(task->paused + by >= 0 && task->paused + by <= UINT8_MAX);
    task->paused = (uint8_t)(task->paused + by);
    return 0;
}

int co__guest_enter(void)
{
    return co__io_enter();
}

int co__guest_owns(int fd)
{
    int elsewhere;

    return (co__fd_care(fd, &elsewhere) & CO__FD_OWN) != 0;
}

/* In a child of fork(2) the handlers have counted one more; in one of vfork(2)
 * nobody has. */
static int at_home(void)
{
    unsigned forks = co__forks;

    if (atomic_load(&home.forks) != forks) {
        atomic_store(&home.pid, getpid());
        atomic_store(&home.forks, forks);
        return 1;
    }
    return getpid() == atomic_load(&home.pid);
}

void co__guest_closing(int first, int end)
{
    if (!at_home())
        return;
    for (int fd = first; fd < end; fd++)
        co__fd_closing(fd);
}
