/* SPDX-License-Identifier: MIT */
/*
 * coppice/hook.h - libcoppice-hook: libraries that block the thread block the
 * task alone, unchanged. Their calls of read(2), connect(2), poll(2),
 * pthread_mutex_lock(3) and others reach this library first, which waits in the
 * loop when it is called in a task, and is the system's call everywhere else.
 *
 * Link it ahead of the C library (-lcoppice-hook -lcoppice), or start the
 * program by coppice-run. Then, before the first task:
 *
 *     r = co_hook_enable(CO_HOOK_ALL);
 *     if (r < 0)
 *         fprintf(stderr, "%s\n", co_hook_problem());
 *
 * In a hooked call a cancel is ECANCELED, the end of a scope's time ETIMEDOUT.
 */
#ifndef COPPICE_HOOK_H
#define COPPICE_HOOK_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/* What is hooked. docs/guide/hooks.md lists the calls of each group. */
#define CO_HOOK_IO      1u  /* descriptors: reading, connecting, polling */
#define CO_HOOK_TIME    2u  /* sleeping */
#define CO_HOOK_NAMES   4u  /* getaddrinfo(3) and kin, on threads */
#define CO_HOOK_SYNC    8u  /* locks, conditions, joining threads */
#define CO_HOOK_PROCESS 16u /* waiting for processes */
#define CO_HOOK_STDIO   32u /* FILE streams of sockets and pipes */
#define CO_HOOK_ALL     63u

/*
 * Have the groups hooked in all tasks, beside those that are already, after
 * verifying that the program's libraries really call this one. Calls outside
 * tasks stay as they are.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EINVAL (no or unknown groups), -ENOTSUP (they call the C
 * library: co_hook_problem tells why), and then nothing was enabled.
 */
CO_API CO_MUST_CHECK int co_hook_enable(unsigned groups);

/* The groups that are enabled. Suspends: never. Thread-safe: yes. */
CO_API unsigned co_hook_enabled(void);

/* Why the last co_hook_enable of this thread has failed: a line of text that is
 * valid until the next; "" if it has not. Suspends: never. Thread-safe: yes. */
CO_API const char *co_hook_problem(void);

/*
 * Leave the calls of a block as they are: they block the thread. Blocks nest. A
 * task that is to have none is spawned with CO_SPAWN_NO_HOOKS (task.h).
 *
 *     co_hook_pause
 *         n = read(fd, buffer, len);
 *
 * return, goto and break leave it rightly. Outside tasks it does nothing.
 */
#define co_hook_pause CO__HOOK_PAUSE(co__hook_pause_, __LINE__)

/* What it is made of. Suspends: never. Thread-safe: yes. */
CO_API int co__hook_pause_begin(void);
CO_API void co__hook_pause_end(int *in_task);

#define CO__HOOK_PAUSE(prefix, line)  CO__HOOK_PAUSE_(prefix, line)
#define CO__HOOK_PAUSE_(prefix, line) CO__HOOK_PAUSE__(prefix##line)
#define CO__HOOK_PAUSE__(name)                                                 \
    for (int name CO_CLEANUP(co__hook_pause_end) = co__hook_pause_begin(),     \
                  name##_once = 1;                                             \
         ((void)name, name##_once); name##_once = 0)

CO_END_DECLS

#endif
