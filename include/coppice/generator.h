/* SPDX-License-Identifier: MIT */
/*
 * coppice/generator.h - functions that give a sequence of values to whoever
 * asks for the next one, and are suspended in between (Python's generators).
 *
 *     static int count(co_gen *gen, void *arg)
 *     {
 *         int *n = arg, r = 0;
 *
 *         for (*n = 0; *n < 10 && r == 0; ++*n)
 *             r = co_gen_yield(gen, n, NULL);
 *         return r;
 *     }
 *
 *     co_gen_each(gen, value)
 *         printf("%d\n", *(int *)value);
 *
 * A generator runs on a stack of its own, and only while somebody waits for its
 * next value. It may suspend as any task: its consumer waits meanwhile. A
 * cancel or a timeout that hits the consumer then interrupts the generator: its
 * call fails with -ECANCELED or -ETIMEDOUT, and the consumer waits until it has
 * yielded, and gets that value, or has returned.
 */
#ifndef COPPICE_GENERATOR_H
#define COPPICE_GENERATOR_H

#include <coppice/base.h>

CO_BEGIN_DECLS

typedef struct co_gen co_gen;

/* What a generator runs: 0 or more for success, a negative errno for failure.
 * co_self() is a task that is neither joined nor detached. */
typedef int (*co_gen_fn)(co_gen *gen, void *arg);

/*
 * Make a generator that will run fn(gen, arg); it does not begin before it is
 * asked for its first value. It has the task-locals of its maker. Free it with
 * co_gen_free; what is left at the end of its loop is ended and freed then.
 *
 * Suspends: never. Thread-safe: no; call it in a task or a loop callback.
 * Returns the generator, or NULL with errno EINVAL (fn is NULL), EPERM (no loop
 * runs on this thread), ESHUTDOWN (the loop is ending), ENOMEM or EAGAIN (no
 * memory for a stack).
 */
#define co_gen_new(fn, arg) co_gen_new_at(CO_SITE, (fn), (arg))
CO_API CO_MUST_CHECK co_gen *co_gen_new_at(const char *site, co_gen_fn fn,
                                           void *arg);

/*
 * Let a generator run until it yields, into *value (which may be NULL), or
 * returns. Once it has returned, each further call says the same.
 *
 * Suspends: until then. Thread-safe: no.
 * Returns 1 with a value; 0 if the generator has returned 0 or more; the error
 * that it has returned; or, having asked for nothing, -EINVAL (NULL), -EPERM
 * (another loop's, outside a task, or in a loop callback), -EBUSY (another task
 * waits for its next value), -EDEADLK (it is asked from within itself),
 * -ECANCELED, -ETIMEDOUT.
 */
CO_API CO_MUST_CHECK int co_gen_next(co_gen *gen, void **value);

/*
 * The same, and let the co_gen_yield that the generator is suspended in return
 * with `sent`. Also -EINVAL if it has not begun: nobody would get what is sent.
 */
CO_API CO_MUST_CHECK int co_gen_send(co_gen *gen, void *sent, void **value);

/*
 * Run a block for each value, a `void *` that the macro declares, until the
 * generator returns or co_gen_next fails: co_gen_result tells. break leaves it.
 */
#define co_gen_each(gen, value)                                                \
    for (void *value; co_gen_next((gen), &value) == 1;)

/*
 * In the generator's function, or in what it calls: give a value to who has
 * asked for it, and wait to be asked for the next one. *sent (which may be
 * NULL) is set to what co_gen_send passes, to NULL by co_gen_next.
 *
 * Suspends: always. Thread-safe: no.
 * Returns 0 with *sent set, or -ECANCELED (the generator is being freed, or its
 * loop ends), -ETIMEDOUT (a scope of the generator's own has run out), -EINVAL
 * (NULL), -EPERM (called by any other task than the generator's).
 */
CO_API CO_MUST_CHECK int co_gen_yield(co_gen *gen, void *value, void **sent);

/*
 * In the generator's function: yield all that `inner` yields, and send it what
 * is sent. It is still the caller's to free.
 *
 * Suspends: as co_gen_yield and co_gen_next do. Thread-safe: no.
 * Returns the result of inner, 0 or more, or its error, or theirs.
 */
CO_API CO_MUST_CHECK int co_gen_delegate(co_gen *gen, co_gen *inner);

/*
 * What a generator has returned, or else the error that the last co_gen_next or
 * co_gen_send failed with; it tells why a co_gen_each has ended.
 *
 * Suspends: never. Thread-safe: no.
 * Returns the result or the error, or -EINVAL (NULL), -EAGAIN (it has not
 * ended, and no call has failed).
 */
CO_API int co_gen_result(const co_gen *gen);

/*
 * Free a generator. One that has begun and not ended runs to its end first: its
 * co_gen_yield, and every call in it that may suspend, fails with -ECANCELED.
 * One that has not begun never runs. NULL is a no-op; freeing a generator that
 * a task waits for, from within itself or on another thread, stops the program.
 *
 * Suspends: if the generator does, shielded, on its way out; in a loop callback
 * never: it ends in a turn of its own. Thread-safe: no.
 */
CO_API void co_gen_free(co_gen *gen);

/* For CO_CLEANUP(co_gen_freep): a variable's generator dies with its block. */
CO__UNUSED static inline void co_gen_freep(co_gen **gen)
{
    co_gen_free(*gen);
}

CO_END_DECLS

#endif
