/* SPDX-License-Identifier: MIT */
/*
 * FILE streams. Their reads and writes are calls inside the C library, which
 * cannot be reached: so where a stream would wait it is handed to a thread for
 * the one call. Streams of regular files, and what is in a stream's buffer
 * already, stay with the task.
 */
#include "hook/hook.h"

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
    int r = co__hook_offload(site, run_fgets, &c);

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
    r = co__hook_offload(site, run_fread, &c);
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
    r = co__hook_offload(site, run_fgetc, &c);
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
    r = co__hook_offload(site, run_getdelim, &c);
    return r == 0 ? c.result : co__hook_fail(r);
}

ssize_t co__hook_getline(char **line, size_t *size, FILE *file)
{
    return get_delimited(CO__HOOKED(CO_HOOK_STDIO, getline), line, size, '\n',
                         file);
}

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
    r = co__hook_offload(site, run_fwrite, &c);
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
    r = co__hook_offload(site, run_fputs, &c);
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
    r = co__hook_offload(site, run_fflush, &c);
    if (r == 0)
        return c.result.number;
    co__hook_fail(r);
    return EOF;
}
