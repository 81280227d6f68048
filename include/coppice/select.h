/* SPDX-License-Identifier: MIT */
/*
 * coppice/select.h - waiting for one of several things: channels, futures,
 * descriptors, signals, points in time.
 *
 *     co_case cases[] = {
 *         CO_CASE_RECV(jobs, &job),
 *         CO_CASE_AFTER(10 * CO_SEC),
 *     };
 *     switch (co_select(cases, 2)) {
 *     case 0:
 *         return cases[0].result == 1 ? work(&job) : 0;
 *     case 1:
 *         return -ETIME;
 *     ...
 *     }
 */
#ifndef COPPICE_SELECT_H
#define COPPICE_SELECT_H

#include <coppice/base.h>
#include <coppice/chan.h>
#include <coppice/future.h>
#include <coppice/signal.h>

CO_BEGIN_DECLS

#define CO_SELECT_MAX 4096 /* cases of one co_select */

/* One thing to wait for; made by the macros below. It may be used again. */
typedef struct co_case {
    int result; /* of the case that happened: what the single call returns */
    int co__kind;
    void *co__object;
    union {
        void *co__value;
        int64_t co__number;
    };
    uint64_t co__reserved;
} co_case;

/* co_chan_recv and co_chan_send. A NULL channel is never ready: so a case is
 * switched off. */
#define CO_CASE_RECV(chan, element) co__case_recv((chan), (element))
#define CO_CASE_SEND(chan, element) co__case_send((chan), (element))
/* co_wait; *value is set if there is a result, and may be NULL. */
#define CO_CASE_FUTURE(future, value) co__case_future((future), (value))
/* co_wait_fd: CO_READABLE, CO_WRITABLE, or both. */
#define CO_CASE_FD(fd, directions) co__case_fd((fd), (directions))
/* co_signal_wait; the result is the signal's number. NULL: switched off. */
#define CO_CASE_SIGNAL(signal) co__case_signal(signal)
/* co_sleep, co_sleep_until; the result is 0. */
#define CO_CASE_AFTER(ns) co__case_number(CO__CASE_AFTER, (ns))
#define CO_CASE_AT(when)  co__case_number(CO__CASE_AT, (when))
/* Happens if nothing else can at once; the result is 0. */
#define CO_CASE_DEFAULT() co__case_number(CO__CASE_DEFAULT, 0)

/*
 * Wait until one of the cases can go through, and have it happen: that one and
 * no other. Of several that can, each is as likely as the others. A case that
 * fails at once (a descriptor that is not open, another loop's channel) counts
 * as one that can. The array must not change until the call returns.
 *
 * Suspends: if no case can at once, and none is CO_CASE_DEFAULT. Outside a task
 * the thread waits, if all cases are thread-safe channels and futures, and
 * times. Thread-safe: yes, as the things in the cases are.
 * Returns the index of the case that happened, with its result set, or, if none
 * has, -EINVAL (NULL, no cases or too many, or not made by a macro),
 * -ECANCELED, -ETIMEDOUT, -EPERM (it would wait in a loop callback, or outside
 * a task for a loop's own things), -ENOMEM (more than 16 cases).
 */
CO_API CO_MUST_CHECK int co_select(co_case *cases, size_t count);

/* What the macros are made of. */
enum co__case_kind {
    CO__CASE_RECV = 1,
    CO__CASE_SEND,
    CO__CASE_FUTURE,
    CO__CASE_FD,
    CO__CASE_AFTER,
    CO__CASE_AT,
    CO__CASE_DEFAULT,
    CO__CASE_SIGNAL,
};

CO__UNUSED static inline co_case co__case_pointer(int kind, void *object,
                                                  void *value)
{
    co_case made;

    made.result = 0;
    made.co__kind = kind;
    made.co__object = object;
    made.co__value = value;
    made.co__reserved = 0;
    return made;
}

CO__UNUSED static inline co_case co__case_number(int kind, int64_t number)
{
    co_case made = co__case_pointer(kind, NULL, NULL);

    made.co__number = number;
    return made;
}

CO__UNUSED static inline co_case co__case_recv(co_chan *chan, void *element)
{
    return co__case_pointer(CO__CASE_RECV, chan, element);
}

CO__UNUSED static inline co_case co__case_send(co_chan *chan,
                                               const void *element)
{
    return co__case_pointer(CO__CASE_SEND, chan, (void *)(uintptr_t)element);
}

CO__UNUSED static inline co_case co__case_future(co_future *future,
                                                 void **value)
{
    return co__case_pointer(CO__CASE_FUTURE, future, (void *)value);
}

CO__UNUSED static inline co_case co__case_signal(co_signal *signal)
{
    return co__case_pointer(CO__CASE_SIGNAL, signal, NULL);
}

CO__UNUSED static inline co_case co__case_fd(int fd, int directions)
{
    return co__case_number(CO__CASE_FD,
                           (int64_t)directions << 32 | (uint32_t)fd);
}

CO_END_DECLS

#endif
