/* SPDX-License-Identifier: MIT */
/*
 * Queues: who waits, and what is left to do. Where the elements are is the
 * business of store.h.
 *
 * While a task waits to get, the queue is empty: what is put then goes right
 * into its variable. While one waits to put, the queue is full: who gets makes
 * room for its element, and puts it there. So nobody is ever woken to find that
 * somebody else was faster, and no task that was cancelled holds an element.
 */
#include "base/alloc.h"
#include "sync/simple.h"
#include "sync/store.h"

struct co_queue {
    struct co__store store;
    size_t max;           /* 0: no limit */
    uint64_t open;        /* elements that were put, less co_queue_task_done */
    int shut;             /* nothing comes in any more */
    struct co_loop *loop; /* that used it last; compared only */
    struct co__waitlist getters, putters, joiners;
};

/* ---- making and freeing -------------------------------------------------- */

co_queue *co_queue_new(const co_queue_options *options)
{
    struct co_queue *queue;

    errno = EINVAL;
    if (!options || options->size != sizeof(*options) ||
        (unsigned)options->kind > CO_PRIORITY ||
        (options->kind == CO_PRIORITY) != (options->compare != NULL))
        return NULL;
    queue = co__alloc_zero(sizeof(*queue));
    if (!queue) {
        errno = ENOMEM;
        return NULL;
    }
    if (co__store_init(&queue->store, options) < 0) {
        co__free(queue);
        return NULL;
    }
    queue->max = options->max_count;
    return queue;
}

co_queue *co_queue_new_fifo(size_t element_bytes, size_t max_count)
{
    co_queue_options options = {
        .size = sizeof(options),
        .element_bytes = element_bytes,
        .max_count = max_count,
    };

    return co_queue_new(&options);
}

static void die_if_waiting(const struct co__waitlist *list, const char *what)
{
    if (list->head)
        co__die("co_queue_free of a queue that task \"%s\" (%s) waits to %s",
                list->head->task->name, list->head->task->site, what);
}

void co_queue_free(co_queue *queue)
{
    if (!queue)
        return;
    die_if_waiting(&queue->getters, "get from");
    die_if_waiting(&queue->putters, "put into");
    die_if_waiting(&queue->joiners, "join");
    co__store_fini(&queue->store);
    co__free(queue);
}

/* ---- whether it may be used ---------------------------------------------- */

/* Not the loop that used it last: fine, unless tasks of that one wait. */
static CO_NOINLINE int check_loop(struct co_queue *queue)
{
    if (queue->getters.head || queue->putters.head || queue->joiners.head)
        return -EPERM;
    if (co__loop)
        queue->loop = co__loop;
    return 0;
}

/* 0, -EINVAL or -EPERM. */
CO_INLINE int check(struct co_queue *queue)
{
    if (CO_UNLIKELY(!queue))
        return -EINVAL;
    if (CO_UNLIKELY(queue->loop != co__loop))
        return check_loop(queue);
    return 0;
}

CO_INLINE int check_element(struct co_queue *queue, const void *element)
{
    int r = check(queue);

    if (CO_UNLIKELY(r == 0 && !element && queue->store.bytes))
        return -EINVAL;
    return r;
}

/* ---- putting and getting ------------------------------------------------- */

CO_INLINE int put(struct co_queue *queue, const void *element)
{
    struct co__store *store = &queue->store;
    struct co__waiter *getter; /* with where its element is to be */

    if (CO_UNLIKELY(queue->shut))
        return -ESHUTDOWN;
    if (queue->getters.head &&
        (getter = co__waitlist_grant(&queue->getters, 0))) {
        CO_ASSERT(!store->count);
        co__store_copy(store->bytes, getter->with, element);
        queue->open++;
        return 0;
    }
    if (queue->max && store->count >= queue->max)
        return -EAGAIN;
    if (CO_UNLIKELY(store->count == store->room) && co__store_grow(store) < 0)
        return -ENOMEM;
    co__store_put(store, element);
    queue->open++;
    return 0;
}

CO_INLINE int get(struct co_queue *queue, void *element)
{
    struct co__store *store = &queue->store;
    struct co__waiter *putter; /* with its element */

    if (!store->count)
        return queue->shut ? -ESHUTDOWN : -EAGAIN;
    co__store_take(store, element);
    if (queue->putters.head &&
        (putter = co__waitlist_grant(&queue->putters, 0))) {
        CO_ASSERT(store->count + 1 == queue->max);
        co__store_put(store, putter->with);
        queue->open++;
    }
    return 0;
}

/* Wait in one of the lines. */
CO_INLINE int wait_turn(const struct co__here *here, struct co__waitlist *list,
                        const void *element, enum co__wait_reason reason)
{
    if (CO_UNLIKELY(!here->loop))
        return -EPERM;
    here->task->places[0].with = (void *)element;
    return co__wait_in(here, list, reason);
}

static CO_NOINLINE int put_general(struct co_queue *queue, const void *element)
{
    struct co__here here;
    int r = check_element(queue, element);

    if (CO_UNLIKELY(r < 0))
        return r;
    r = co__begin(&here);
    if (CO_UNLIKELY(r < 0))
        return r;
    r = put(queue, element);
    if (r != -EAGAIN)
        return r;
    return wait_turn(&here, &queue->putters, element, CO__WAIT_QUEUE_PUT);
}

static CO_NOINLINE int get_general(struct co_queue *queue, void *element)
{
    struct co__here here;
    int r = check_element(queue, element);

    if (CO_UNLIKELY(r < 0))
        return r;
    r = co__begin(&here);
    if (CO_UNLIKELY(r < 0))
        return r;
    r = get(queue, element);
    if (r != -EAGAIN)
        return r;
    return wait_turn(&here, &queue->getters, element, CO__WAIT_QUEUE_GET);
}

/* What the fast paths demand besides: a queue of the running loop, an element,
 * and nothing for co__begin to look at. */
CO_INLINE int swift(const struct co_queue *queue, const void *element)
{
    struct co__here here;

    return CO_LIKELY(element && queue->loop == co__loop) && co__swift(&here);
}

int co_queue_put(co_queue *queue, const void *element)
{
    if (CO_UNLIKELY(!queue || queue->shut || queue->getters.head ||
                    co_queue_full(queue) ||
                    queue->store.count == queue->store.room ||
                    !swift(queue, element)))
        return put_general(queue, element);
    queue->open++;
    co__store_put(&queue->store, element);
    return 0;
}

int co_queue_get(co_queue *queue, void *element)
{
    if (CO_UNLIKELY(!queue || !queue->store.count || queue->putters.head ||
                    !swift(queue, element)))
        return get_general(queue, element);
    co__store_take(&queue->store, element);
    return 0;
}

int co_queue_try_put(co_queue *queue, const void *element)
{
    int r = check_element(queue, element);

    return r < 0 ? r : put(queue, element);
}

int co_queue_try_get(co_queue *queue, void *element)
{
    int r = check_element(queue, element);

    return r < 0 ? r : get(queue, element);
}

/* ---- being done ---------------------------------------------------------- */

static void close_some(struct co_queue *queue, uint64_t count)
{
    queue->open -= count;
    if (!queue->open)
        co__waitlist_wake_all(&queue->joiners, 0);
}

int co_queue_task_done(co_queue *queue)
{
    int r = check(queue);

    if (CO_UNLIKELY(r < 0))
        return r;
    if (CO_UNLIKELY(queue->open <= queue->store.count))
        return -EINVAL;
    close_some(queue, 1);
    return 0;
}

int co_queue_join(co_queue *queue)
{
    struct co__here here;
    int r = check(queue);

    if (CO_UNLIKELY(r < 0))
        return r;
    r = co__begin(&here);
    if (CO_UNLIKELY(r < 0))
        return r;
    if (!queue->open)
        return 0;
    return co__wait_in(&here, &queue->joiners, CO__WAIT_QUEUE_JOIN);
}

int co_queue_shutdown(co_queue *queue, int immediate)
{
    int r = check(queue);

    if (CO_UNLIKELY(r < 0))
        return r;
    queue->shut = 1;
    if (immediate) {
        size_t dropped = queue->store.count;

        queue->store.count = 0;
        queue->store.head = 0;
        close_some(queue, dropped);
    }
    co__waitlist_wake_all(&queue->getters, -ESHUTDOWN);
    co__waitlist_wake_all(&queue->putters, -ESHUTDOWN);
    return 0;
}

/* ---- about queues -------------------------------------------------------- */

size_t co_queue_count(const co_queue *queue)
{
    return queue ? queue->store.count : 0;
}

size_t co_queue_max(const co_queue *queue)
{
    return queue ? queue->max : 0;
}

int co_queue_empty(const co_queue *queue)
{
    return !queue || !queue->store.count;
}

int co_queue_full(const co_queue *queue)
{
    return queue && queue->max && queue->store.count >= queue->max;
}
