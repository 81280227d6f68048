/* SPDX-License-Identifier: MIT */
/*
 * FILE streams. Their reads and writes are calls inside the C library, which
 * cannot be reached: so where a stream may wait it is handed to a thread for
 * the one call, as soon as its descriptor is ready. The thread is held by who
 * sends half a line, or does not read on. Streams of regular files, and what is
 * in a stream's buffer already, stay with the task.
 */
#include <coppice/fd.h>

#include "hook/hook.h"
#include "hook/op.h"

#include <errno.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>

/* Sockets, pipes and terminals. */
static int may_wait(FILE *file)
{
    int error = errno, fd = file ? fileno(file) : -1;
    struct stat status;
    int waits = fd >= 0 && fstat(fd, &status) == 0 &&
                (S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode) ||
                 S_ISCHR(status.st_mode));

    errno = error;
    return waits;
}

/* What has been read ahead, where glibc keeps it. */
static size_t ahead(const FILE *file)
{
    return (size_t)(file->_IO_read_end - file->_IO_read_ptr);
}

static int has_line(const FILE *file, int end)
{
    size_t len = ahead(file);

    return len > 0 && memchr(file->_IO_read_ptr, end, len) != NULL;
}

/* How much can be written before anything is sent. */
static int has_room(FILE *file, size_t len)
{
    return !__flbf(file) && __fpending(file) + len < __fbufsize(file);
}

/* Until there is something to do for a thread: of those there are few, and a
 * stream may be idle for ever. The time of SO_RCVTIMEO is the thread's. */
static int run_ready(struct co__site *site, FILE *file, int direction,
                     void (*run)(void *arg), void *arg)
{
    struct co__patience patience = CO__PATIENCE;
    int r = co__guest_enter();

    if (r == 0 && (direction == CO_WRITABLE || ahead(file) == 0))
        r = co__op_wait(site, fileno(file), direction, &patience);
    return r < 0 ? r : co__hook_offload(site, run, arg);
}

/* ---- reading ------------------------------------------------------------- */

struct call {
    FILE *file;
    void *data;
    size_t size, count;
    int number;
    union {
        void *pointer;
        size_t length;
        ssize_t signed_length;
        int number;
    } result;
};

static void run_fgets(void *arg)
{
    struct call *c = arg;

    c->result.pointer = CO__REAL(fgets)(c->data, c->number, c->file);
}

static char *get_line(struct co__site *site, char *line, int size, FILE *file)
{
    struct call c = {.file = file, .data = line, .number = size};
    int r = run_ready(site, file, CO_READABLE, run_fgets, &c);

    if (r == 0)
        return c.result.pointer;
    co__hook_fail(r);
    return NULL;
}

static int line_waits(FILE *file, int size)
{
    return size > 1 && may_wait(file) && !has_line(file, '\n') &&
           ahead(file) < (size_t)size - 1;
}

char *co__hook_fgets(char *line, int size, FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fgets);

    if (!site || !line_waits(file, size))
        return CO__REAL(fgets)(line, size, file);
    return get_line(site, line, size, file);
}

char *co__hook___fgets_chk(char *line, size_t room, int size, FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fgets);

    if (!site || size < 0 || (size_t)size > room || !line_waits(file, size))
        return CO__REAL(__fgets_chk)(line, room, size, file);
    return get_line(site, line, size, file);
}

static void run_fread(void *arg)
{
    struct call *c = arg;

    c->result.length = CO__REAL(fread)(c->data, c->size, c->count, c->file);
}

size_t co__hook_fread(void *data, size_t size, size_t count, FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fread);
    struct call c = {.file = file, .data = data, .size = size, .count = count};
    int r;

    if (!site || !may_wait(file) || size == 0 || ahead(file) / size >= count)
        return CO__REAL(fread)(data, size, count, file);
    r = run_ready(site, file, CO_READABLE, run_fread, &c);
    if (r == 0)
        return c.result.length;
    co__hook_fail(r);
    return 0;
}

static void run_fgetc(void *arg)
{
    struct call *c = arg;

    c->result.number = CO__REAL(fgetc)(c->file);
}

static int get_char(struct co__site *site, FILE *file)
{
    struct call c = {.file = file};
    int r;

    if (!site || !may_wait(file) || ahead(file) > 0)
        return CO__REAL(fgetc)(file);
    r = run_ready(site, file, CO_READABLE, run_fgetc, &c);
    if (r == 0)
        return c.result.number;
    co__hook_fail(r);
    return EOF;
}

int co__hook_fgetc(FILE *file)
{
    return get_char(CO__HOOKED(CO_HOOK_STDIO, fgetc), file);
}

CO__HOOK_ALIAS(_IO_getc, getc);
int co__hook_getc(FILE *file)
{
    return get_char(CO__HOOKED(CO_HOOK_STDIO, getc), file);
}

struct delimited {
    char **line;
    size_t *size;
    int delimiter;
    FILE *file;
    ssize_t result;
};

static void run_getdelim(void *arg)
{
    struct delimited *c = arg;

    c->result = CO__REAL(getdelim)(c->line, c->size, c->delimiter, c->file);
}

static ssize_t get_delimited(struct co__site *site, char **line, size_t *size,
                             int delimiter, FILE *file)
{
    struct delimited c = {line, size, delimiter, file, -1};
    int r;

    if (!site || !may_wait(file) || has_line(file, delimiter))
        return CO__REAL(getdelim)(line, size, delimiter, file);
    r = run_ready(site, file, CO_READABLE, run_getdelim, &c);
    return r == 0 ? c.result : co__hook_fail(r);
}

ssize_t co__hook_getline(char **line, size_t *size, FILE *file)
{
    return get_delimited(CO__HOOKED(CO_HOOK_STDIO, getline), line, size, '\n',
                         file);
}

CO__HOOK_ALIAS(__getdelim, getdelim); /* getline, when it is inlined */
ssize_t co__hook_getdelim(char **line, size_t *size, int delimiter, FILE *file)
{
    return get_delimited(CO__HOOKED(CO_HOOK_STDIO, getdelim), line, size,
                         delimiter, file);
}

/* ---- writing ------------------------------------------------------------- */

static void run_fwrite(void *arg)
{
    struct call *c = arg;

    c->result.length = CO__REAL(fwrite)(c->data, c->size, c->count, c->file);
}

size_t co__hook_fwrite(const void *data, size_t size, size_t count, FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fwrite);
    struct call c = {.file = file,
                     .data = (void *)(uintptr_t)data,
                     .size = size,
                     .count = count};
    int r;

    if (!site || !may_wait(file) || has_room(file, size * count))
        return CO__REAL(fwrite)(data, size, count, file);
    r = run_ready(site, file, CO_WRITABLE, run_fwrite, &c);
    if (r == 0)
        return c.result.length;
    co__hook_fail(r);
    return 0;
}

static void run_fputs(void *arg)
{
    struct call *c = arg;

    c->result.number = CO__REAL(fputs)(c->data, c->file);
}

int co__hook_fputs(const char *text, FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fputs);
    struct call c = {.file = file, .data = (void *)(uintptr_t)text};
    int r;

    if (!site || !may_wait(file) || has_room(file, strlen(text)))
        return CO__REAL(fputs)(text, file);
    r = run_ready(site, file, CO_WRITABLE, run_fputs, &c);
    if (r == 0)
        return c.result.number;
    co__hook_fail(r);
    return EOF;
}

static void run_fflush(void *arg)
{
    struct call *c = arg;

    c->result.number = CO__REAL(fflush)(c->file);
}

int co__hook_fflush(FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fflush);
    struct call c = {.file = file};
    int r;

    if (!site || !file || __fpending(file) == 0 || !may_wait(file))
        return CO__REAL(fflush)(file);
    r = run_ready(site, file, CO_WRITABLE, run_fflush, &c);
    if (r == 0)
        return c.result.number;
    co__hook_fail(r);
    return EOF;
}
