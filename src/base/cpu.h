/* SPDX-License-Identifier: MIT */
/* base/cpu.h - a hint to the processor. */
#ifndef CO_BASE_CPU_H
#define CO_BASE_CPU_H

#include "base/compiler.h"

/* In a loop that looks at memory until another thread has changed it. */
CO_INLINE void co__cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb");
#endif
}

#endif
