/* SPDX-License-Identifier: MIT */
/* coppice/base.h - what every other header needs: attributes, time, version. */
#ifndef COPPICE_BASE_H
#define COPPICE_BASE_H

#include <stddef.h>
#include <stdint.h>

#define COPPICE_VERSION_MAJOR 0
#define COPPICE_VERSION_MINOR 1
#define COPPICE_VERSION_PATCH 0

#ifdef __cplusplus
#define CO_BEGIN_DECLS extern "C" {
#define CO_END_DECLS   }
#else
#define CO_BEGIN_DECLS
#define CO_END_DECLS
#endif

/* An exported function. */
#define CO_API __attribute__((visibility("default")))
/* A function that can fail: its result has to be looked at. */
#define CO_MUST_CHECK __attribute__((warn_unused_result))
/* Run fn(&variable) when the variable leaves its block, however it does. */
#define CO_CLEANUP(fn) __attribute__((cleanup(fn)))

#define CO__UNUSED      __attribute__((unused))
#define CO__JOIN_(a, b) a##b
#define CO__JOIN(a, b)  CO__JOIN_(a, b)
#define CO__STR_(x)     #x
#define CO__STR(x)      CO__STR_(x)
/* Where a call was written, "file.c:12": kept, never freed, not copied. */
#define CO_SITE __FILE__ ":" CO__STR(__LINE__)

/* Time: nanoseconds, a duration or a point on the monotonic clock. */
typedef int64_t co_time;

#define CO_NS    ((co_time)1)
#define CO_US    ((co_time)1000)
#define CO_MS    ((co_time)1000000)
#define CO_SEC   ((co_time)1000000000)
#define CO_NEVER INT64_MAX /* a deadline that does not come */

/* Who waits for a thing, first come, first served. Private; all-zero bytes are
 * an empty list. */
struct co__waitlist {
    struct co__waiter *head;
    struct co__waiter *tail;
};

CO_BEGIN_DECLS

/* The version of the library that is loaded, "0.1.0". Thread-safe: yes. */
CO_API const char *co_version(void);

CO_END_DECLS

#endif
