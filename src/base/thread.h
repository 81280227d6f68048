/* SPDX-License-Identifier: MIT */
/*
 * base/thread.h - which thread this is. Neither its pthread_t says, nor the
 * address of a variable of its own: both are given again when it has ended.
 */
#ifndef CO_BASE_THREAD_H
#define CO_BASE_THREAD_H

#include "base/compiler.h"

#include <stdint.h>

extern CO_TLS uint64_t co__thread_number; /* 0: none yet */

CO_COLD uint64_t co__thread_count(void);

/* A number that no other thread of the process has or will have; never 0. The
 * thread that forks keeps it in the child. */
CO_INLINE uint64_t co__thread(void)
{
    return CO_LIKELY(co__thread_number != 0) ? co__thread_number
                                             : co__thread_count();
}

#endif
