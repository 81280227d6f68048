/* SPDX-License-Identifier: MIT */
/* hook/stream.h - FILE streams, as the calls of stdio.h wait for them. */
#ifndef CO_HOOK_STREAM_H
#define CO_HOOK_STREAM_H

#include "hook/hook.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

/* S_IFSOCK, S_IFIFO or S_IFCHR, which may make a call wait; 0: anything else.
 * errno stays. */
mode_t co__stream_kind(FILE *file);
mode_t co__stream_kind_of_fd(int fd);

/* co__guest_enter, for a call on a stream; -EBADF: another task has closed it
 * meanwhile. After a failure it must not be touched. */
int co__stdio_enter(FILE *file);

/* Call run(arg) on a thread when the stream is ready: 0, or a negative errno.
 * For what cannot be done from here. */
int co__stream_by_thread(struct co__site *site, FILE *file, int direction,
                         void (*run)(void *arg), void *arg);

/* fgetc(3): 0, with EOF for what the C library calls EOF, or a negative errno:
 * then nothing was taken, and the stream may be gone. */
int co__stream_get(struct co__site *site, FILE *file, int *out);

/* As fwrite(3), in a task: how many of the bytes were written, or put in the
 * stream's buffer. Less than all: errno says why. */
size_t co__stream_put(struct co__site *site, FILE *file, const void *data,
                      size_t len);

/* Whether a stream is written to by the C library alone: it has room for so
 * much, or never waits, or is where the process talks to a terminal. */
int co__stream_is_plain(FILE *file, size_t len);

/* Two forms of a call that takes arguments of any kind; what it does is an
 * expression of `site`, and `list`, the arguments after `format`. */
#define CO__HOOK_LIST(name, parameters, what)                                  \
    int co__hook_##name parameters                                             \
    {                                                                          \
        struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, name);               \
                                                                               \
        return what;                                                           \
    }
#define CO__HOOK_VARIADIC(name, parameters, what)                              \
    int co__hook_##name parameters                                             \
    {                                                                          \
        struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, name);               \
        va_list list;                                                          \
        int result;                                                            \
                                                                               \
        va_start(list, format);                                                \
        result = what;                                                         \
        va_end(list);                                                          \
        return result;                                                         \
    }

/* It is about to be closed, by a task or (site is NULL) by others: what its
 * buffer has is sent, or if that fails thrown away, so that the C library has
 * nothing to wait for; and the tasks of this thread that use it are told.
 * Returns 0, or a negative errno. */
int co__stream_ending(struct co__site *site, FILE *file);

#endif
