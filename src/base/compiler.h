/* SPDX-License-Identifier: MIT */
/* base/compiler.h - what the compilers of this library can be told. */
#ifndef CO_BASE_COMPILER_H
#define CO_BASE_COMPILER_H

#include <stddef.h>

#define CO_LIKELY(x)   __builtin_expect(!!(x), 1)
#define CO_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define CO_NOINLINE __attribute__((noinline))
#define CO_INLINE   static inline __attribute__((always_inline))
#define CO_NORETURN __attribute__((noreturn))
#define CO_COLD     __attribute__((cold, noinline))

/* Thread-locals of this library: one load off the thread pointer. */
#define CO_TLS _Thread_local __attribute__((tls_model("initial-exec")))

#define CO_CACHE_LINE 64

/* The guard below a stack. With -fstack-clash-protection compilers probe big
 * frames every 4 KiB on x86_64, every 64 KiB on aarch64: none can jump it. */
#if defined(__aarch64__)
#define CO_GUARD_BYTES ((size_t)64 << 10)
#else
#define CO_GUARD_BYTES ((size_t)4 << 10)
#endif

/* In a loop that waits for another processor. */
#if defined(__x86_64__)
#define co__relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define co__relax() __asm__ __volatile__("yield" ::: "memory")
#else
#define co__relax() __asm__ __volatile__("" ::: "memory")
#endif

/* Between an atomic read-modify-write and a load that must not come before it:
 * on x86_64 the one is a barrier itself. */
#if defined(__x86_64__)
#define co__fence_after_rmw() __asm__ __volatile__("" ::: "memory")
#else
#define co__fence_after_rmw() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/* The compiler forgets what it knows of a variable's value; nor does it make a
 * branch around this into a conditional move. */
#define co__forget(variable) __asm__ __volatile__("" : "+r"(variable))

#define CO_CONTAINER_OF(ptr, type, member)                                     \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define CO_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
