/* SPDX-License-Identifier: MIT */
/*
 * base/assert.h - the program's own mistakes stop it with one line. CO_ASSERT
 * holds an invariant of this library and is compiled in debug builds;
 * co__die is for what a caller must never do, in every build.
 */
#ifndef CO_BASE_ASSERT_H
#define CO_BASE_ASSERT_H

#include "base/compiler.h"

#ifdef CO_DEBUG
#define CO__DEBUG 1
#else
#define CO__DEBUG 0
#endif

/* Print "coppice: <message>" and abort. */
CO_NORETURN void co__die(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Print "coppice: <message>" and go on. */
void co__warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CO_ASSERT(condition)                                                   \
    do {                                                                       \
        if (CO__DEBUG && !(condition))                                         \
            co__die("%s:%d: %s: assertion failed: %s", __FILE__, __LINE__,     \
                    __func__, #condition);                                     \
    } while (0)

#endif
