/* SPDX-License-Identifier: MIT */
/*
 * fork(2) in a task. The child has one thread, on the forking task's stack. The
 * other tasks belong to the parent: the child drops the loop with all of them,
 * without touching what the parent registered with the kernel (the epoll set is
 * shared). From then on the stack is a plain thread's: co_self() is NULL, calls
 * block, co_run works anew. If the task's function returns there, the process
 * exits with its result (sched.c). The memory of the loop is left as it is: we
 * are standing on it. The locks of this library are taken around the fork, for
 * the child would wait for ever for a thread that it does not have.
 */
#include "core/fork.h"

#include "base/forks.h"
#include "base/lock.h"
#include "core/fdhook.h"
#include "core/loop.h"
#include "core/registry.h"
#include "core/signals.h"
#include "core/stack.h"

#include <errno.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int registered;

static void lock_all(void)
{
    co__registry_lock();
    co__signals_lock();
    co__slabs_lock();
}

static void unlock_all(void)
{
    co__slabs_unlock();
    co__signals_unlock();
    co__registry_unlock();
}

static void in_child(void)
{
    struct co_loop *loop = co__loop;

    co__forks++;
    co__signals_forget();
    unlock_all();
    if (!loop)
        return;
    co__loop_set(NULL);
    co__registry_remove(loop);
    loop->poller_ops->abandon(loop->poller);
    co__fds_abandon(loop);
    pthread_sigmask(SIG_SETMASK, &loop->old_mask, NULL);
}

static void prepare(void)
{
    registered = pthread_atfork(lock_all, unlock_all, in_child) == 0;
}

int co__fork_prepare(void)
{
    co__once(&once, prepare);
    return registered ? 0 : -ENOMEM;
}
