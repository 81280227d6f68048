/* SPDX-License-Identifier: MIT */
/*
 * coppice/queue.h - work for the tasks of one loop: elements of one size, first
 * in first out, last in first out, or by priority (asyncio's Queue, LifoQueue
 * and PriorityQueue). A queue counts what was put and is not done, so that one
 * can wait until all is.
 */
#ifndef COPPICE_QUEUE_H
#define COPPICE_QUEUE_H

#include <coppice/base.h>

CO_BEGIN_DECLS

typedef struct co_queue co_queue;

enum co_queue_kind {
    CO_FIFO = 0,
    CO_LIFO,
    CO_PRIORITY, /* the least first; equal ones first in, first out */
};

/* Less than 0: a comes before b; more: after it; 0: they are equal. It must not
 * suspend, nor use the queue. */
typedef int (*co_queue_compare)(const void *a, const void *b, void *arg);

/*
 * A compare that costs less than one of yours would: for elements that begin
 * with an int64_t, by that number.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns -1, 0 or 1.
 */
CO_API int co_queue_compare_int64(const void *a, const void *b, void *unused);

typedef struct co_queue_options {
    size_t size;              /* sizeof(co_queue_options) */
    size_t element_bytes;     /* 0: only how many there are */
    size_t max_count;         /* 0: no limit */
    enum co_queue_kind kind;  /* CO_FIFO unless set */
    co_queue_compare compare; /* of CO_PRIORITY alone */
    void *compare_arg;
} co_queue_options;

/*
 * Make a queue; the options are copied. The short form is CO_FIFO. Memory is
 * taken as elements come, and kept. Free it with co_queue_free.
 *
 * Suspends: never. Thread-safe: yes; the queue itself is for one loop's tasks.
 * Returns the queue, or NULL with errno EINVAL (NULL, a wrong size or kind; a
 * priority without compare, compare without priority; elements too small for
 * co_queue_compare_int64), ENOMEM.
 */
CO_API CO_MUST_CHECK co_queue *co_queue_new(const co_queue_options *options);
CO_API CO_MUST_CHECK co_queue *co_queue_new_fifo(size_t element_bytes,
                                                 size_t max_count);

/*
 * Free a queue, and what is in it. NULL is a no-op. Freeing one that a task
 * waits for stops the program.
 *
 * Suspends: never. Thread-safe: no.
 */
CO_API void co_queue_free(co_queue *queue);

/*
 * Put a copy of *element into a queue, or right into the hands of the task that
 * has waited longest to get one. With elements of 0 bytes it may be NULL.
 *
 * Suspends: if the queue is full. Thread-safe: no.
 * Returns 0, or, having put nothing, -ESHUTDOWN (before or meanwhile), -EINVAL
 * (NULL), -ENOMEM, -ECANCELED, -ETIMEDOUT, -EPERM (it would wait outside a task
 * or in a loop callback; or tasks of another loop wait for the queue).
 */
CO_API CO_MUST_CHECK int co_queue_put(co_queue *queue, const void *element);

/*
 * Take the first element out of a queue, into *element.
 *
 * Suspends: if the queue is empty. Thread-safe: no.
 * Returns 0 with the element, or, having taken nothing, -ESHUTDOWN (and it is
 * empty), -EINVAL, -ECANCELED, -ETIMEDOUT, -EPERM as above.
 */
CO_API CO_MUST_CHECK int co_queue_get(co_queue *queue, void *element);

/*
 * The same without waiting: -EAGAIN if they would have to.
 *
 * Suspends: never. Thread-safe: no.
 * Returns what the others do, but for -ECANCELED and -ETIMEDOUT.
 */
CO_API CO_MUST_CHECK int co_queue_try_put(co_queue *queue, const void *element);
CO_API CO_MUST_CHECK int co_queue_try_get(co_queue *queue, void *element);

/*
 * Say that one of the elements that were taken out is dealt with: once for each
 * co_queue_get.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL, or as often as there were elements already),
 * -EPERM (tasks of another loop wait for the queue).
 */
CO_API int co_queue_task_done(co_queue *queue);

/*
 * Wait until every element that was put is taken out and dealt with.
 *
 * Suspends: if that is not so. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -ECANCELED, -ETIMEDOUT, -EPERM as above.
 */
CO_API CO_MUST_CHECK int co_queue_join(co_queue *queue);

/*
 * Let nothing more in. Who waits to put gets -ESHUTDOWN, and so does who waits
 * to get, for there is nothing; what is there can be taken out. Immediate: it
 * is dropped, counts as dealt with, and nothing can be taken out. A queue may
 * be shut down again, immediately then; it does not open again.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -EPERM (tasks of another loop wait for it).
 */
CO_API int co_queue_shutdown(co_queue *queue, int immediate);

/*
 * How many elements are in a queue; how many may be (0: no limit); whether it
 * is empty; whether it is full. For NULL: 0, but it is empty.
 *
 * Suspends: never. Thread-safe: no.
 */
CO_API size_t co_queue_count(const co_queue *queue);
CO_API size_t co_queue_max(const co_queue *queue);
CO_API int co_queue_empty(const co_queue *queue);
CO_API int co_queue_full(const co_queue *queue);

CO_END_DECLS

#endif
