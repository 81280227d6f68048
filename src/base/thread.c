/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <stdatomic.h>

CO_TLS uint64_t co__thread_number;

CO_COLD uint64_t co__thread_count(void)
{
    static _Atomic(uint64_t) threads;

    co__thread_number = atomic_fetch_add(&threads, 1) + 1;
    return co__thread_number;
}
