/* SPDX-License-Identifier: MIT */
/*
 * coppice/chan.h - channels: elements of one size go from those that send to
 * those that receive, each to exactly one, first come, first served. A channel
 * of co_chan_new is for the tasks of one loop at a time; one of
 * co_chan_new_threadsafe for all threads, tasks of any loop and plain threads.
 * See select.h for waiting for several.
 *
 *     int line;
 *     co_chan_each(lines, &line) {
 *         ...
 *     }
 */
#ifndef COPPICE_CHAN_H
#define COPPICE_CHAN_H

#include <coppice/base.h>

CO_BEGIN_DECLS

typedef struct co_chan co_chan;

/*
 * Make a channel for elements of so many bytes (0: a pure signal), which are
 * copied. It holds up to `capacity` of them that nobody has received yet; with
 * 0 a sender waits until a receiver takes its element. Free it with
 * co_chan_free.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the channel, or NULL with errno ENOMEM.
 */
CO_API CO_MUST_CHECK co_chan *co_chan_new(size_t element_bytes,
                                          size_t capacity);
CO_API CO_MUST_CHECK co_chan *co_chan_new_threadsafe(size_t element_bytes,
                                                     size_t capacity);

/*
 * Free a channel, and what is in it. NULL is a no-op. Freeing one that a task
 * or thread waits for stops the program.
 *
 * Suspends: never. Thread-safe: nobody else may use the channel any more.
 */
CO_API void co_chan_free(co_chan *chan);

/*
 * Send a copy of *element: to the receiver that has waited longest, else into
 * the channel, else wait for either. With elements of 0 bytes `element` may be
 * NULL.
 *
 * Suspends: if nobody waits for it and the channel is full. Outside a task only
 * the sender to a thread-safe channel can wait: the thread does.
 * Thread-safe: as the channel.
 * Returns 0, or, having sent nothing, -EPIPE (closed, before or meanwhile),
 * -EINVAL (NULL), -ECANCELED, -ETIMEDOUT, -EPERM (it would wait in a loop
 * callback or outside a task; or tasks of another loop wait for it).
 */
CO_API CO_MUST_CHECK int co_chan_send(co_chan *chan, const void *element);

/*
 * Receive the oldest element into *element. What was sent before a channel was
 * closed is received after that.
 *
 * Suspends: if there is none, as above. Thread-safe: as the channel.
 * Returns 1 with an element; 0 if the channel is closed and there are no more;
 * or, having taken nothing, -EINVAL, -ECANCELED, -ETIMEDOUT, -EPERM as above.
 */
CO_API CO_MUST_CHECK int co_chan_recv(co_chan *chan, void *element);

/*
 * The same without waiting: also -EAGAIN, if it would have to.
 *
 * Suspends: never. Thread-safe: as the channel.
 * Returns what the others do, but for -ECANCELED and -ETIMEDOUT.
 */
CO_API CO_MUST_CHECK int co_chan_try_send(co_chan *chan, const void *element);
CO_API CO_MUST_CHECK int co_chan_try_recv(co_chan *chan, void *element);

/*
 * Run a block for each element received into *element, until the channel is
 * closed and empty or co_chan_recv fails. break leaves it.
 */
#define co_chan_each(chan, element) while (co_chan_recv((chan), (element)) > 0)

/*
 * Close a channel: nothing can be sent any more. Waiting receivers get 0,
 * waiting senders -EPIPE, and keep their elements.
 *
 * Suspends: never. Thread-safe: as the channel.
 * Returns 0, or -EALREADY (it is closed), -EINVAL (NULL), -EPERM (tasks of
 * another loop wait for it).
 */
CO_API int co_chan_close(co_chan *chan);

/*
 * How many elements are in a channel, how many fit, and whether it is closed; 0
 * for NULL.
 *
 * Suspends: never. Thread-safe: as the channel, and old news then.
 */
CO_API size_t co_chan_len(const co_chan *chan);
CO_API size_t co_chan_capacity(const co_chan *chan);
CO_API int co_chan_closed(const co_chan *chan);

CO_END_DECLS

#endif
