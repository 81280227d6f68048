/* SPDX-License-Identifier: MIT */
/*
 * coppice/local.h - values that belong to a task, as thread-locals do to a
 * thread, and that the tasks it spawns begin with (Python's contextvars). A
 * child has what its parent had when it was spawned: what either sets later the
 * other does not see. A value is shared by the tasks that have it, and its
 * destructor is called when the last of them has ended or set another.
 *
 * A thread has values of its own outside tasks, and so have the callbacks of a
 * loop together. The first task of co_run begins with the thread's, a task of
 * co_spawn_on with those of the callbacks.
 */
#ifndef COPPICE_LOCAL_H
#define COPPICE_LOCAL_H

#include <coppice/base.h>

CO_BEGIN_DECLS

#define CO_LOCAL_KEYS_MAX 1024 /* in the process at a time */

/* Names a value. All-zero bytes are no key. Private fields. */
typedef struct co_local_key {
    uint32_t co__index;
    uint32_t co__serial;
} co_local_key;

/*
 * Make a key, for all tasks and threads. The destructor, which may be NULL, is
 * called with each value but NULL that no task has any more, in the task that
 * had it last, or at the end of a thread (not of the main one).
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0 with *key set, or -EINVAL (NULL), -EAGAIN (there are too many).
 */
CO_API CO_MUST_CHECK int co_local_key_new(co_local_key *key,
                                          void (*destructor)(void *value));

/*
 * Say that a key is not used any more. Values that tasks have stay there
 * unseen, and are destroyed when they end.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EINVAL (no key, or it is deleted).
 */
CO_API int co_local_key_delete(co_local_key key);

/*
 * The value of the running task, or outside tasks of the thread; NULL if it has
 * none, or there is no such key. It stays valid until this task sets another.
 *
 * Suspends: never. Thread-safe: yes.
 */
CO_API void *co_local_get(co_local_key key);

/*
 * Set the value of the running task, or of the thread; NULL for none. The task
 * gives up the value it had. Setting the value that it has changes nothing.
 *
 * Suspends: if a destructor does. Thread-safe: yes.
 * Returns 0, or, having changed nothing, -EINVAL (no such key), -ENOMEM.
 */
CO_API CO_MUST_CHECK int co_local_set(co_local_key key, void *value);

/* What co_local_swap keeps. Private fields. */
typedef struct co_local_token {
    struct co__local *co__old; /* a reference; or NULL */
    const void *co__owner;     /* whose value; NULL: nothing to reset */
    uint64_t co__owner_id;
    co_local_key co__key;
} co_local_token;

/*
 * Set a value, and keep the one that the task had in *token, for
 * co_local_reset: each token is to be reset once, by the task that got it.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0 with *token set, or, having changed nothing, -EINVAL (no such key,
 * or NULL), -ENOMEM.
 */
CO_API CO_MUST_CHECK int co_local_swap(co_local_key key, void *value,
                                       co_local_token *token);

/*
 * Give a task the value back that it had before co_local_swap, and give up the
 * one that it has.
 *
 * Suspends: if a destructor does. Thread-safe: yes.
 * Returns 0, or, having changed nothing, -EINVAL (NULL, or it was reset),
 * -EPERM (another task's, or thread's), -ENOMEM.
 */
CO_API int co_local_reset(co_local_token *token);

CO_END_DECLS

#endif
