/* SPDX-License-Identifier: MIT */
/*
 * Reading FILE streams. Their reads and writes are calls inside the C library,
 * which cannot be reached. So before a call that reads, the stream's buffer is
 * filled from here until the call finds there what it wants: a line is waited
 * for in the loop, and taken at once. What the buffer has no room for is handed
 * to a thread for the one call, as soon as the descriptor is ready; the thread
 * is held by who does not go on. Streams of regular files stay with the task.
 * put.c has the writes.
 */
#include <coppice/fd.h>

#include "hook/op.h"
#include "hook/stream.h"

#include <errno.h>
#include <stdio_ext.h>
#include <string.h>

mode_t co__stream_kind_of_fd(int fd)
{
    int error = errno;
    struct stat status;
    mode_t kind = 0;

    if (fd >= 0 && fstat(fd, &status) == 0)
        kind = status.st_mode & S_IFMT;
    errno = error;
    return kind == S_IFSOCK || kind == S_IFIFO || kind == S_IFCHR ? kind : 0;
}

mode_t co__stream_kind(FILE *file)
{
    int error = errno, fd = file ? fileno(file) : -1;

    errno = error;
    return co__stream_kind_of_fd(fd);
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

/* What was pushed back is being read, from a buffer of its own; the other one
 * waits in _IO_save_base. */
static int is_pushed_back(const FILE *file)
{
    return (file->_flags & 0x100) != 0; /* _IO_IN_BACKUP */
}

/* Of threads there are few, and a stream may be idle for ever. The time of
 * SO_RCVTIMEO is the thread's. */
int co__stream_by_thread(struct co__site *site, FILE *file, int direction,
                         void (*run)(void *arg), void *arg)
{
    struct co__patience patience = CO__PATIENCE;
    int r = co__stdio_enter(file);

    if (r == 0 && !(direction == CO_READABLE && is_pushed_back(file)))
        r = co__op_wait(site, fileno(file), direction, &patience);
    return r < 0 ? r : co__hook_offload(site, run, arg);
}

/* ---- reading ahead ------------------------------------------------------- */

enum fill {
    FILL_MORE,   /* there is more in the buffer */
    FILL_DONE,   /* there will not be: the call does not wait */
    FILL_FAILED, /* errno says why; the stream may be gone */
    FILL_THREAD, /* it is for a thread to find out */
};

/* Whether bytes can be put after those that are in the buffer: it is not full,
 * and the stream is as it was read, with nothing pushed back. */
static int can_add(const FILE *file)
{
    return !file->_IO_save_base && !file->_markers && file->_mode <= 0 &&
           file->_offset == -1 && file->_IO_read_ptr >= file->_IO_buf_base &&
           ahead(file) < (size_t)(file->_IO_buf_end - file->_IO_buf_base);
}

/* The C library only ever fills an empty buffer. As read(2). */
static ssize_t add(FILE *file)
{
    size_t len = ahead(file);
    ssize_t n;

    memmove(file->_IO_buf_base, file->_IO_read_ptr, len);
    file->_IO_read_base = file->_IO_read_ptr = file->_IO_buf_base;
    file->_IO_read_end = file->_IO_buf_base + len;
    n = co__op_read_now(fileno(file), file->_IO_read_end,
                        (size_t)(file->_IO_buf_end - file->_IO_read_end));
    if (n > 0)
        file->_IO_read_end += n;
    else if (n == 0)
        file->_flags |= _IO_EOF_SEEN;
    else if (errno != EAGAIN)
        file->_flags |= _IO_ERR_SEEN;
    return n;
}

/* It takes what there is, and no more. */
static ssize_t fill_empty(FILE *file)
{
    struct pollfd p = {fileno(file), POLLIN, 0};
    int c;

    if (!(is_pushed_back(file) && file->_IO_save_end > file->_IO_save_base) &&
        CO__REAL(poll)(&p, 1, 0) == 0)
        return co__hook_fail(EAGAIN);
    c = CO__REAL(fgetc)(file);
    if (c == EOF)
        return feof(file) ? 0 : -1;
    ungetc(c, file);
    return 1;
}

/* As the C library does before it reads from a terminal: a question is seen
 * before its answer. */
static void show(int fd)
{
    if (isatty(fd) && __flbf(stdout))
        (void)CO__REAL(fflush)(stdout);
}

/* Nothing of the stream is kept over a wait: others may use it meanwhile. */
static enum fill fill_or_fail(struct co__site *site, FILE *file,
                              struct co__patience *patience)
{
    int fd = fileno(file);
    int r = co__stdio_enter(file);

    while (r >= 0) {
        ssize_t n;

        if (file->_flags & _IO_EOF_SEEN)
            return FILL_DONE;
        if ((ahead(file) > 0 && !can_add(file)) || ftrylockfile(file) != 0)
            return FILL_THREAD;
        n = ahead(file) > 0 ? add(file) : fill_empty(file);
        funlockfile(file);
        if (n >= 0)
            return n > 0 ? FILL_MORE : FILL_DONE;
        if (errno != EAGAIN)
            return FILL_FAILED;
        show(fd);
        r = co__op_wait(site, fd, CO_READABLE, patience);
        if (r == 0 && !patience->known) /* O_NONBLOCK */
            return FILL_DONE;
        if (r == 0) { /* SO_RCVTIMEO */
            file->_flags |= _IO_ERR_SEEN;
            r = -EAGAIN;
        }
    }
    co__hook_fail(r);
    return FILL_FAILED;
}

static enum fill fill(struct co__site *site, FILE *file,
                      struct co__patience *patience)
{
    int error = errno;
    enum fill filled = fill_or_fail(site, file, patience);

    if (filled != FILL_FAILED)
        errno = error;
    return filled;
}

/* Call run(arg) when all that it is to read is in the buffer, so that it does
 * not wait, and a cancel takes nothing from the stream. 0, or a negative
 * errno. */
static int run_filled(struct co__site *site, FILE *file,
                      int (*is_there)(const void *arg), void (*run)(void *arg),
                      void *arg)
{
    struct co__patience patience = CO__PATIENCE;

    while (!is_there(arg)) {
        switch (fill(site, file, &patience)) {
        case FILL_MORE:
            continue;
        case FILL_FAILED:
            return -errno;
        case FILL_THREAD:
            return co__stream_by_thread(site, file, CO_READABLE, run, arg);
        case FILL_DONE:
            break;
        }
        break;
    }
    run(arg);
    return 0;
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

static int line_is_there(const void *arg)
{
    const struct call *c = arg;

    return has_line(c->file, '\n') || ahead(c->file) >= (size_t)c->number - 1;
}

static char *get_line(struct co__site *site, char *line, int size, FILE *file)
{
    struct call c = {.file = file, .data = line, .number = size};
    int r = run_filled(site, file, line_is_there, run_fgets, &c);

    if (r == 0)
        return c.result.pointer;
    co__hook_fail(r);
    return NULL;
}

char *co__hook_fgets(char *line, int size, FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fgets);

    if (!site || size <= 1 || !co__stream_kind(file))
        return CO__REAL(fgets)(line, size, file);
    return get_line(site, line, size, file);
}

char *co__hook___fgets_chk(char *line, size_t room, int size, FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fgets);

    if (!site || size <= 1 || (size_t)size > room || !co__stream_kind(file))
        return CO__REAL(__fgets_chk)(line, room, size, file);
    return get_line(site, line, size, file);
}

static void run_fread(void *arg)
{
    struct call *c = arg;

    c->result.length = CO__REAL(fread)(c->data, c->size, c->count, c->file);
}

/* Bytes, as they come; there may be more than a buffer holds. */
static size_t read_bytes(struct co__site *site, char *data, size_t len,
                         FILE *file)
{
    struct co__patience patience = CO__PATIENCE;
    size_t done = 0;

    while (done < len) {
        struct call c = {
            .file = file, .data = data + done, .size = 1, .count = len - done};
        enum fill filled = FILL_MORE;

        if (ahead(file) == 0)
            filled = fill(site, file, &patience);
        if (filled == FILL_MORE && c.count > ahead(file))
            c.count = ahead(file);
        if (filled == FILL_FAILED || (filled == FILL_DONE && feof(file)))
            break;
        if (filled != FILL_THREAD)
            run_fread(&c);
        else if (co__stream_by_thread(site, file, CO_READABLE, run_fread, &c) <
                 0)
            break;
        done += c.result.length;
        if (filled != FILL_MORE)
            break;
    }
    return done;
}

size_t co__hook_fread(void *data, size_t size, size_t count, FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fread);

    if (!site || size == 0 || count > SIZE_MAX / size || !co__stream_kind(file))
        return CO__REAL(fread)(data, size, count, file);
    return read_bytes(site, data, size * count, file) / size;
}

size_t co__hook___fread_chk(void *data, size_t room, size_t size, size_t count,
                            FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fread);

    if (!site || size == 0 || count > room / size || !co__stream_kind(file))
        return CO__REAL(__fread_chk)(data, room, size, count, file);
    return read_bytes(site, data, size * count, file) / size;
}

static void run_fgetc(void *arg)
{
    struct call *c = arg;

    c->result.number = CO__REAL(fgetc)(c->file);
}

static int byte_is_there(const void *arg)
{
    return ahead(((const struct call *)arg)->file) > 0;
}

int co__stream_get(struct co__site *site, FILE *file, int *out)
{
    struct call c = {.file = file};
    int r = run_filled(site, file, byte_is_there, run_fgetc, &c);

    if (r == 0)
        *out = c.result.number;
    return r;
}

static int get_char(struct co__site *site, FILE *file)
{
    int byte = EOF, r;

    if (!site || ahead(file) > 0 || !co__stream_kind(file))
        return CO__REAL(fgetc)(file);
    r = co__stream_get(site, file, &byte);
    if (r < 0)
        co__hook_fail(r);
    return byte;
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

int co__hook_getchar(void)
{
    return get_char(CO__HOOKED(CO_HOOK_STDIO, getchar), stdin);
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

static int delimiter_is_there(const void *arg)
{
    const struct delimited *c = arg;

    return has_line(c->file, c->delimiter);
}

static ssize_t get_delimited(struct co__site *site, char **line, size_t *size,
                             int delimiter, FILE *file)
{
    struct delimited c = {line, size, delimiter, file, -1};
    int r;

    if (!site || !co__stream_kind(file))
        return CO__REAL(getdelim)(line, size, delimiter, file);
    r = run_filled(site, file, delimiter_is_there, run_getdelim, &c);
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
