/* SPDX-License-Identifier: MIT */
/*
 * Scanning. Only the C library knows how much of a stream a format takes. So it
 * scans a stream of ours that has each byte when it is asked for, and takes it
 * from the program's by fgetc: so exactly what was looked at has been taken,
 * and the byte that was looked at last and not used is put back, as the C
 * library itself does.
 *
 * A scan that a cancel, a limit or an error cuts short has failed, whatever it
 * had found: the number that it was reading may go on.
 */
#include "hook/stream.h"

#include <errno.h>
#include <stdio_ext.h>

typedef int scan_fn(FILE *file, const char *format, va_list list);

struct source {
    struct co__site *site;
    FILE *file;
    int error; /* negative: it was cut short */
};

static ssize_t next_byte(void *cookie, char *buffer, size_t len)
{
    struct source *source = cookie;
    int byte = EOF, r = source->error;

    (void)len; /* it is 1 */
    if (r == 0)
        r = co__stream_get(source->site, source->file, &byte);
    if (r == 0 && byte == EOF && !feof(source->file))
        r = -errno;
    source->error = r;
    if (r < 0)
        return co__hook_fail(r);
    *buffer = (char)byte;
    return byte != EOF;
}

static int scan_bytes(struct source *source, scan_fn *real, const char *format,
                      va_list list)
{
    static const cookie_io_functions_t reads = {.read = next_byte};
    FILE *bytes = fopencookie(source, "r", reads);
    char one[1];
    int n, error;

    if (!bytes)
        return EOF;
    (void)setvbuf(bytes, one, _IOFBF, sizeof(one));
    __fsetlocking(bytes, FSETLOCKING_BYCALLER);
    n = real(bytes, format, list);
    error = source->error < 0 ? -source->error : errno;
    if (source->error < 0)
        n = EOF;
    else if (bytes->_IO_read_ptr < bytes->_IO_read_end)
        ungetc((unsigned char)*bytes->_IO_read_ptr, source->file);
    (void)CO__REAL(fclose)(bytes);
    errno = error;
    return n;
}

static int scan(struct co__site *site, scan_fn *real, FILE *file,
                const char *format, va_list list)
{
    struct source source = {.site = site, .file = file};

    if (!site || file->_mode > 0 || !co__stream_kind(file))
        return real(file, format, list);
    return scan_bytes(&source, real, format, list);
}

/* Of C23, if the C library has it. */
static scan_fn *isoc23(void)
{
    scan_fn *older = &CO__REAL(__isoc99_vfscanf);

    return co__real.__isoc23_vfscanf ? co__real.__isoc23_vfscanf : older;
}

#define CALLS(prefix, real)                                                    \
    CO__HOOK_LIST(prefix##vfscanf,                                             \
                  (FILE * file, const char *format, va_list list),             \
                  scan(site, real, file, format, list))                        \
    CO__HOOK_LIST(prefix##vscanf, (const char *format, va_list list),          \
                  scan(site, real, stdin, format, list))                       \
    CO__HOOK_VARIADIC(prefix##fscanf, (FILE * file, const char *format, ...),  \
                      scan(site, real, file, format, list))                    \
    CO__HOOK_VARIADIC(prefix##scanf, (const char *format, ...),                \
                      scan(site, real, stdin, format, list))

CALLS(, &CO__REAL(vfscanf))
CALLS(__isoc99_, &CO__REAL(__isoc99_vfscanf))
CALLS(__isoc23_, isoc23())
