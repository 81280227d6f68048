/* SPDX-License-Identifier: MIT */
/*
 * Task-locals. A task points to an array of its values, by the index of the
 * key. Children share the array of their parent, so that a spawn only counts a
 * reference; who sets a value while others share the array makes a copy first.
 * Arrays share the values, which are counted in turn: the last array to let go
 * of one destroys it. A value that one array alone has is replaced in place, so
 * a task that sets again and again allocates nothing.
 *
 * Keys are rows of one table without a lock. A row's serial number is odd while
 * it is in use, and tells a key from those that had the row before.
 *
 * Nothing here is atomic but that table: arrays stay on one thread, as tasks
 * do.
 */
#include <coppice/local.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/lock.h"
#include "core/hooks.h"
#include "core/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define ROOM_STEP  8
#define ROUNDS_MAX 4 /* of destructors that set values, as POSIX has it */

typedef void (*destructor_fn)(void *value);

/* A value, and what is needed to destroy it. */
struct co__local {
    uint32_t refs;
    uint32_t serial; /* of the key it was set by */
    destructor_fn destructor;
    void *value; /* never NULL */
};

struct co__locals {
    uint32_t refs;
    uint32_t room;
    struct co__local *slots[]; /* by index; NULL: none */
};

static struct {
    _Atomic uint32_t serial;
    _Atomic destructor_fn destructor;
} keys[CO_LOCAL_KEYS_MAX];

static CO_TLS struct co__locals *thread_locals;

/* ---- keys ---------------------------------------------------------------- */

int co_local_key_new(co_local_key *key, destructor_fn destructor)
{
    if (!key)
        return -EINVAL;
    for (uint32_t i = 0; i < CO_LOCAL_KEYS_MAX; i++) {
        uint32_t serial =
            atomic_load_explicit(&keys[i].serial, memory_order_relaxed);

        if (serial & 1 || !atomic_compare_exchange_strong(&keys[i].serial,
                                                          &serial, serial + 1))
            continue;
        /* Nobody has the key yet who could look here. */
        atomic_store(&keys[i].destructor, destructor);
        *key = (co_local_key){.co__index = i, .co__serial = serial + 1};
        return 0;
    }
    return -EAGAIN;
}

static int is_valid(co_local_key key)
{
    return key.co__index < CO_LOCAL_KEYS_MAX && key.co__serial & 1 &&
           atomic_load_explicit(&keys[key.co__index].serial,
                                memory_order_relaxed) == key.co__serial;
}

int co_local_key_delete(co_local_key key)
{
    uint32_t serial = key.co__serial;

    if (!is_valid(key) || !atomic_compare_exchange_strong(
                              &keys[key.co__index].serial, &serial, serial + 1))
        return -EINVAL;
    return 0;
}

/* ---- references ---------------------------------------------------------- */

/* May run the user's code, and so anything: the caller has left everything in
 * order. */
static void drop_local(struct co__local *local)
{
    destructor_fn destructor;
    void *value;

    if (!local || --local->refs)
        return;
    destructor = local->destructor;
    value = local->value;
    co__free(local);
    if (destructor)
        destructor(value);
}

static void drop_locals(struct co__locals *locals)
{
    if (--locals->refs)
        return;
    for (uint32_t i = 0; i < locals->room; i++)
        drop_local(locals->slots[i]);
    co__free(locals);
}

/* Destroy what *owner has, and what the destructors set. */
static void drop_all(struct co__locals **owner)
{
    for (int round = 0; *owner; round++) {
        struct co__locals *locals = *owner;

        if (round == ROUNDS_MAX)
            co__die("destructors of task-locals set new ones without end");
        *owner = NULL;
        drop_locals(locals);
    }
}

/* ---- whose values -------------------------------------------------------- */

static pthread_key_t thread_end;
static int thread_end_made;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void at_thread_end(void *unused)
{
    (void)unused;
    drop_all(&thread_locals);
}

static void make_thread_end(void)
{
    thread_end_made = pthread_key_create(&thread_end, at_thread_end) == 0;
}

/* The running task, or NULL: the thread outside tasks. */
static struct co_task *current(void)
{
    struct co_loop *loop = co__loop;

    return loop && loop->self != &loop->root ? loop->self : NULL;
}

/* The values of the running task, or the thread, to look at: or NULL. */
static struct co__locals *look(void)
{
    struct co_task *task = current();

    if (!task)
        return thread_locals;
    return task->flags & CO__FLAG_ATTACHED ? task->locals : NULL;
}

/* The same to change; NULL: no memory. */
static struct co__locals **own(void)
{
    struct co_task *task = current();

    if (task) {
        co__task_attach(task);
        return &task->locals;
    }
    if (!thread_locals) {
        co__once(&once, make_thread_end);
        if (!thread_end_made ||
            pthread_setspecific(thread_end, &thread_locals) != 0)
            return NULL;
    }
    return &thread_locals;
}

/* Make an array with room for an index, that nobody else has: 0 or -ENOMEM. */
static int make_own(struct co__locals **owner, uint32_t index)
{
    struct co__locals *old = *owner, *locals;
    uint32_t room = (index / ROOM_STEP + 1) * ROOM_STEP;

    if (old && old->refs == 1 && index < old->room)
        return 0;
    if (old && old->room > room)
        room = old->room;
    locals = co__alloc_zero(sizeof(*locals) + room * sizeof(void *));
    if (!locals)
        return -ENOMEM;
    locals->refs = 1;
    locals->room = room;
    *owner = locals;
    if (!old)
        return 0;
    memcpy(locals->slots, old->slots, old->room * sizeof(void *));
    if (old->refs == 1) {
        co__free(old);
        return 0;
    }
    old->refs--;
    for (uint32_t i = 0; i < old->room; i++)
        if (old->slots[i])
            old->slots[i]->refs++;
    return 0;
}

/* ---- values -------------------------------------------------------------- */

static struct co__local *find(const struct co__locals *locals, co_local_key key)
{
    struct co__local *local;

    if (!locals || key.co__index >= locals->room)
        return NULL;
    local = locals->slots[key.co__index];
    return local && local->serial == key.co__serial ? local : NULL;
}

void *co_local_get(co_local_key key)
{
    const struct co__local *local;

    if (!is_valid(key))
        return NULL;
    local = find(look(), key);
    return local ? local->value : NULL;
}

/* Set a value, that has none or another; *old is what was there, a reference:
 * 0 or -ENOMEM. */
static int replace(co_local_key key, void *value, struct co__local **old)
{
    struct co__locals **owner = own();
    struct co__local *local = NULL;

    if (!owner)
        return -ENOMEM;
    if (value) {
        local = co__alloc(sizeof(*local));
        if (!local)
            return -ENOMEM;
        local->refs = 1;
        local->serial = key.co__serial;
        local->destructor = atomic_load(&keys[key.co__index].destructor);
        local->value = value;
    }
    if (make_own(owner, key.co__index) < 0) {
        co__free(local);
        return -ENOMEM;
    }
    *old = (*owner)->slots[key.co__index];
    (*owner)->slots[key.co__index] = local;
    return 0;
}

int co_local_set(co_local_key key, void *value)
{
    struct co__locals *locals;
    struct co__local *local, *old;
    void *old_value;

    if (!is_valid(key))
        return -EINVAL;
    locals = look();
    local = find(locals, key);
    if (value == (local ? local->value : NULL))
        return 0;
    if (local && value && local->refs == 1 && locals->refs == 1) {
        old_value = local->value;
        local->value = value;
        if (local->destructor)
            local->destructor(old_value);
        return 0;
    }
    if (replace(key, value, &old) < 0)
        return -ENOMEM;
    drop_local(old);
    return 0;
}

int co_local_swap(co_local_key key, void *value, co_local_token *token)
{
    struct co_task *task = current();
    struct co__local *old;

    if (!token || !is_valid(key))
        return -EINVAL;
    old = find(look(), key);
    if (old && old->value == value)
        old->refs++;
    else if (replace(key, value, &old) < 0)
        return -ENOMEM;
    *token = (co_local_token){
        .co__old = old,
        .co__owner = task ? (const void *)task : (const void *)&thread_locals,
        .co__owner_id = task ? co__task_id(task) : 0,
        .co__key = key,
    };
    return 0;
}

int co_local_reset(co_local_token *token)
{
    struct co_task *task = current();
    struct co__locals **owner;
    struct co__local *old;

    if (!token || !token->co__owner)
        return -EINVAL;
    if (task ? token->co__owner != task ||
                   token->co__owner_id != co__task_id(task)
             : token->co__owner != &thread_locals)
        return -EPERM;
    owner = own();
    if (!owner || make_own(owner, token->co__key.co__index) < 0)
        return -ENOMEM;
    old = (*owner)->slots[token->co__key.co__index];
    (*owner)->slots[token->co__key.co__index] = token->co__old;
    *token = (co_local_token){.co__owner = NULL};
    drop_local(old);
    return 0;
}

/* ---- what the core calls ------------------------------------------------- */

static void inherit(struct co_task *child, struct co__locals *locals)
{
    if (!locals)
        return;
    co__task_attach(child);
    locals->refs++;
    child->locals = locals;
}

void co__locals_inherit(struct co_task *child, const struct co_task *parent)
{
    inherit(child, parent->locals);
}

void co__locals_inherit_thread(struct co_task *child)
{
    inherit(child, thread_locals);
}

void co__locals_release(struct co_task *task)
{
    drop_all(&task->locals);
}
