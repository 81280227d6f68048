/* SPDX-License-Identifier: MIT */
/*
 * Printing. Where it may wait the text is made in memory first, and then
 * written as fwrite and write do. On a stream, one that cannot be made is left
 * to the C library, which writes what comes before the fault.
 */
#include "hook/op.h"
#include "hook/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The flag of the checked variants is 0 or more. */
#define UNCHECKED (-1)

int __vsnprintf_chk(char *text, size_t most, int flag, size_t room,
                    const char *format, va_list list);

struct text {
    char *start;
    int len;
    char few[512]; /* as much as is made without memory */
};

/* Returns 0, or a negative errno: of the format, or -ENOMEM. */
static int make(struct text *text, int flag, const char *format, va_list list)
{
    size_t room;
    va_list again;

    va_copy(again, list);
    text->start = text->few;
    text->len = __vsnprintf_chk(text->few, sizeof(text->few), flag,
                                sizeof(text->few), format, list);
    if (text->len >= (int)sizeof(text->few)) {
        room = (size_t)text->len + 1;
        text->start = malloc(room);
        if (text->start)
            text->len =
                __vsnprintf_chk(text->start, room, flag, room, format, again);
    }
    va_end(again);
    if (!text->start)
        return -ENOMEM;
    return text->len < 0 ? -errno : 0;
}

static void drop(struct text *text)
{
    if (text->start != text->few)
        free(text->start);
}

/* ---- on a stream --------------------------------------------------------- */

static int print_at_once(FILE *file, int flag, const char *format, va_list list)
{
    return flag == UNCHECKED
               ? CO__REAL(vfprintf)(file, format, list)
               : CO__REAL(__vfprintf_chk)(file, flag, format, list);
}

static CO_NOINLINE int print_made(struct co__site *site, FILE *file, int flag,
                                  const char *format, va_list list)
{
    struct text text;
    va_list again;
    int r, n = -1;

    va_copy(again, list);
    r = make(&text, flag, format, again);
    va_end(again);
    if (text.len <= 0)
        return print_at_once(file, flag, format, list);
    if (r < 0) {
        file->_flags |= _IO_ERR_SEEN;
        return co__hook_fail(r);
    }
    if (co__stream_put(site, file, text.start, (size_t)text.len) ==
        (size_t)text.len)
        n = text.len;
    drop(&text);
    return n;
}

static int print(struct co__site *site, FILE *file, int flag,
                 const char *format, va_list list)
{
    if (!site || co__stream_is_plain(file, SIZE_MAX))
        return print_at_once(file, flag, format, list);
    return print_made(site, file, flag, format, list);
}

/* ---- on a descriptor ----------------------------------------------------- */

/* A part that was written has no errno: the next try says why it was one. */
static int write_made(struct co__site *site, int fd, const struct text *text)
{
    size_t done = 0, len = (size_t)text->len;

    while (done < len) {
        ssize_t n = co__op_write(site, fd, text->start + done, len - done);

        if (n < 0)
            return -1;
        done += (size_t)n;
    }
    return text->len;
}

static CO_NOINLINE int dprint_made(struct co__site *site, int fd, int flag,
                                   const char *format, va_list list)
{
    struct text text;
    int r = make(&text, flag, format, list), n;

    if (r < 0)
        return co__hook_fail(r);
    n = write_made(site, fd, &text);
    drop(&text);
    return n;
}

static int dprint(struct co__site *site, int fd, int flag, const char *format,
                  va_list list)
{
    if (site && co__stream_kind_of_fd(fd) && !co__guest_owns(fd))
        return dprint_made(site, fd, flag, format, list);
    return flag == UNCHECKED ? CO__REAL(vdprintf)(fd, format, list)
                             : CO__REAL(__vdprintf_chk)(fd, flag, format, list);
}

/* ---- the calls ----------------------------------------------------------- */

CO__HOOK_LIST(vfprintf, (FILE * file, const char *format, va_list list),
              print(site, file, UNCHECKED, format, list))
CO__HOOK_LIST(vprintf, (const char *format, va_list list),
              print(site, stdout, UNCHECKED, format, list))
CO__HOOK_LIST(vdprintf, (int fd, const char *format, va_list list),
              dprint(site, fd, UNCHECKED, format, list))
CO__HOOK_LIST(__vfprintf_chk,
              (FILE * file, int flag, const char *format, va_list list),
              print(site, file, flag, format, list))
CO__HOOK_LIST(__vprintf_chk, (int flag, const char *format, va_list list),
              print(site, stdout, flag, format, list))
CO__HOOK_LIST(__vdprintf_chk,
              (int fd, int flag, const char *format, va_list list),
              dprint(site, fd, flag, format, list))

CO__HOOK_VARIADIC(fprintf, (FILE * file, const char *format, ...),
                  print(site, file, UNCHECKED, format, list))
CO__HOOK_VARIADIC(printf, (const char *format, ...),
                  print(site, stdout, UNCHECKED, format, list))
CO__HOOK_VARIADIC(dprintf, (int fd, const char *format, ...),
                  dprint(site, fd, UNCHECKED, format, list))
CO__HOOK_VARIADIC(__fprintf_chk,
                  (FILE * file, int flag, const char *format, ...),
                  print(site, file, flag, format, list))
CO__HOOK_VARIADIC(__printf_chk, (int flag, const char *format, ...),
                  print(site, stdout, flag, format, list))
CO__HOOK_VARIADIC(__dprintf_chk, (int fd, int flag, const char *format, ...),
                  dprint(site, fd, flag, format, list))

/* A line and its end are one. */
static int print_line(struct co__site *site, const char *format, ...)
{
    va_list list;
    int n;

    va_start(list, format);
    n = print_made(site, stdout, UNCHECKED, format, list);
    va_end(list);
    return n;
}

int co__hook_puts(const char *text)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, puts);

    if (!site || co__stream_is_plain(stdout, strlen(text) + 1))
        return CO__REAL(puts)(text);
    return print_line(site, "%s\n", text);
}
