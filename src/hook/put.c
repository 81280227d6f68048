/* SPDX-License-Identifier: MIT */
/*
 * Writing to FILE streams. What has no room in the stream's buffer is sent from
 * here, after what the buffer has: so the task waits in the loop, holds no
 * thread, and can be cancelled. What was not sent of the buffer stays there.
 *
 * The bytes of one call stay together, as C wants it. The stream's own lock
 * sees to that between threads, and is kept over a wait. It takes all tasks of
 * a thread for the same; so each that is amid a call is in a list of its
 * thread's, where the others find it and wait in the parking lot. There fclose
 * finds it, too, and those that wait: to them the stream is gone.
 *
 * Terminals, and streams of wide characters, are for a thread. But where the
 * process itself talks to a terminal, it waits for it: who has stopped the
 * terminal wants that.
 */
#include <coppice/fd.h>
#include <coppice/loop.h>

#include "hook/op.h"
#include "hook/stream.h"
#include "sync/lot.h"

#include <errno.h>
#include <stdio_ext.h>
#include <string.h>

/* ---- one task at a time -------------------------------------------------- */

/* A call on a stream that may give way, on the stack of its task. */
struct use {
    struct use *next, **link;
    FILE *file;          /* NULL: it was closed, and must not be touched */
    const co_loop *loop; /* a child of fork has the lists, and not the tasks */
};

struct put {
    struct use use;
    struct co__site *site;
    const char *data; /* NULL: flush */
    size_t len, done;
    int is_last; /* it is sent, as far as that does not wait, in any case */
};

/* As in owner.c. */
#define LATE_TLS _Thread_local __attribute__((tls_model("global-dynamic")))

static LATE_TLS struct use *amid;   /* of who writes, and has the lock */
static LATE_TLS struct use *before; /* of who has not touched it yet */

static void enlist(struct use *use, struct use **list)
{
    use->loop = co_loop_running();
    use->next = *list;
    use->link = list;
    if (use->next)
        use->next->link = &use->next;
    *list = use;
}

static void delist(struct use *use)
{
    *use->link = use->next;
    if (use->next)
        use->next->link = use->link;
}

/* Returns whether there were any. */
static int tell(struct use *list, const FILE *closed)
{
    int found = 0;

    for (struct use *use = list; use; use = use->next)
        if (use->file == closed) {
            use->file = NULL;
            found = 1;
        }
    return found;
}

int co__stdio_enter(FILE *file)
{
    struct use use = {.file = file};
    int r;

    enlist(&use, &before);
    r = co__guest_enter();
    delist(&use);
    return r == 0 && !use.file ? -EBADF : r;
}

static int is_taken(const FILE *file)
{
    for (const struct use *use = amid; use; use = use->next)
        if (use->file == file && use->loop == co_loop_running())
            return 1;
    return 0;
}

static int try_stream(void *arg)
{
    FILE *file = ((const struct use *)arg)->file;

    if (!file)
        return EBADF;
    return is_taken(file) || ftrylockfile(file) != 0 ? EBUSY : 0;
}

/* Returns 0, or a negative errno. */
static int begin(struct put *p)
{
    int r;

    enlist(&p->use, &before);
    r = co__wait_lock(p->site, try_stream, &p->use, p->use.file, CO_NEVER);
    delist(&p->use);
    if (r == 0)
        enlist(&p->use, &amid);
    return -r;
}

static void end(struct put *p, int r)
{
    FILE *file = p->use.file;

    delist(&p->use);
    if (!file)
        return;
    if (r < 0)
        file->_flags |= _IO_ERR_SEEN;
    funlockfile(file);
    co__lot_wake(file, 1);
}

/* ---- sending ------------------------------------------------------------- */

/* With nothing in the buffer: as the C library does before it writes, have one,
 * and say so if the stream is not for writing. */
static int is_ready(FILE *file)
{
    return __fpending(file) > 0 || __overflow(file, EOF) != EOF;
}

/* What was sent leaves the buffer; as in the C library, the rest is at its
 * beginning. */
static void drop_pending(FILE *file, size_t sent)
{
    size_t rest = __fpending(file) - sent;

    memmove(file->_IO_buf_base, file->_IO_write_base + sent, rest);
    file->_IO_read_base = file->_IO_read_ptr = file->_IO_read_end =
        file->_IO_write_base = file->_IO_buf_base;
    file->_IO_write_ptr = file->_IO_buf_base + rest;
    file->_IO_write_end = __flbf(file) || __fbufsize(file) <= 1
                              ? file->_IO_buf_base
                              : file->_IO_buf_end;
}

/* One try. Returns how much of the data was sent, or -1. */
static ssize_t send_now(FILE *file, const char *data, size_t len)
{
    size_t pending = __fpending(file), sent;
    struct iovec iov[2] = {{file->_IO_write_base, pending},
                           {(void *)(uintptr_t)data, len}};
    ssize_t n = co__op_write_now(fileno(file), iov, 2);

    if (n < 0)
        return n;
    sent = (size_t)n < pending ? (size_t)n : pending;
    drop_pending(file, sent);
    return n - (ssize_t)sent;
}

/* All that is in the buffer, and so much of the data. Returns 0, or a negative
 * errno. */
static int send_all(struct put *p, size_t len)
{
    struct co__patience patience = CO__PATIENCE;
    int fd = fileno(p->use.file);
    int r = p->is_last ? 0 : co__guest_enter();

    while (r >= 0 && p->use.file &&
           (p->done < len || __fpending(p->use.file) > 0)) {
        ssize_t n = send_now(p->use.file, len ? p->data + p->done : NULL,
                             len - p->done);

        if (n >= 0) {
            p->done += (size_t)n;
            patience.rounds = 0;
        } else if (errno != EAGAIN) {
            r = -errno;
        } else {
            r = co__op_wait_more(p->site, fd, CO_WRITABLE, &patience);
            r = r == 0 ? -EAGAIN : r;
        }
    }
    if (r >= 0)
        r = p->use.file ? 0 : -EBADF;
    return r;
}

/* So many of the bytes have to be sent; there is room for the rest then. */
static size_t must_send(FILE *file, const char *data, size_t len)
{
    const char *end = __flbf(file) ? memrchr(data, '\n', len) : NULL;
    size_t lines = end ? (size_t)(end - data) + 1 : 0;

    if (end)
        return len - lines < __fbufsize(file) ? lines : len;
    return len < (size_t)(file->_IO_buf_end - file->_IO_write_ptr) ? 0 : len;
}

/* What was read ahead would have to be put back: the C library refuses it. */
static int is_half_read(const FILE *file)
{
    return file->_IO_read_end != file->_IO_write_base;
}

static int put_data(struct put *p)
{
    size_t must;
    int r = 0;

    if (!is_ready(p->use.file))
        return -errno;
    must =
        is_half_read(p->use.file) ? 0 : must_send(p->use.file, p->data, p->len);
    if (must > 0)
        r = send_all(p, must);
    if (r == 0)
        p->done += CO__REAL(fwrite)(p->data + p->done, 1, p->len - p->done,
                                    p->use.file);
    return r;
}

static int flush_data(struct put *p)
{
    if (is_half_read(p->use.file))
        return CO__REAL(fflush)(p->use.file) == 0 ? 0 : -errno;
    return send_all(p, 0);
}

/* 0, where the C library has done what is left, or a negative errno. */
static int put(struct put *p)
{
    int r = begin(p);

    if (r < 0)
        return r;
    r = p->data ? put_data(p) : flush_data(p);
    end(p, r);
    return r;
}

/* ---- on a thread --------------------------------------------------------- */

static void run_fwrite(void *arg)
{
    struct put *p = arg;

    p->done = CO__REAL(fwrite)(p->data, 1, p->len, p->use.file);
}

/* `done`: it has failed. */
static void run_fflush(void *arg)
{
    struct put *p = arg;

    p->done = CO__REAL(fflush)(p->use.file) != 0;
}

/* ---- what the calls share ------------------------------------------------ */

/* With room in a buffer that takes whole blocks. */
static int has_room(FILE *file, size_t len)
{
    return !__flbf(file) && file->_IO_write_ptr < file->_IO_write_end &&
           len < (size_t)(file->_IO_write_end - file->_IO_write_ptr);
}

static int may_wait(FILE *file)
{
    mode_t kind = co__stream_kind(file);

    return kind && !(kind == S_IFCHR && (file == stdout || file == stderr));
}

int co__stream_is_plain(FILE *file, size_t len)
{
    return (has_room(file, len) && !is_taken(file)) || file->_mode > 0 ||
           !may_wait(file);
}

size_t co__stream_put(struct co__site *site, FILE *file, const void *data,
                      size_t len)
{
    struct put p = {
        .use = {.file = file}, .site = site, .data = data, .len = len};
    int r;

    if (co__stream_kind(file) == S_IFCHR)
        r = co__stream_by_thread(site, file, CO_WRITABLE, run_fwrite, &p);
    else
        r = put(&p);
    if (r < 0)
        co__hook_fail(r);
    return p.done;
}

static int flush(struct co__site *site, FILE *file, int is_last)
{
    struct put p = {.use = {.file = file}, .site = site, .is_last = is_last};
    int r;

    if (co__stream_kind(file) != S_IFCHR && file->_mode <= 0)
        return put(&p);
    r = co__stream_by_thread(site, file, CO_WRITABLE, run_fflush, &p);
    return r < 0 ? r : p.done ? -errno : 0;
}

int co__stream_ending(struct co__site *site, FILE *file)
{
    int taken = is_taken(file), r = 0;

    if (site && __fpending(file) > 0 && may_wait(file)) {
        r = taken ? -EAGAIN : flush(site, file, 1);
        if (r < 0)
            __fpurge(file);
    }
    tell(amid, file);
    if (tell(before, file))
        co__lot_wake(file, UINT32_MAX);
    return r;
}

/* ---- the calls ----------------------------------------------------------- */

size_t co__hook_fwrite(const void *data, size_t size, size_t count, FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fwrite);

    if (!site || size == 0 || count == 0 || count > SIZE_MAX / size ||
        co__stream_is_plain(file, size * count))
        return CO__REAL(fwrite)(data, size, count, file);
    return co__stream_put(site, file, data, size * count) / size;
}

int co__hook_fputs(const char *text, FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fputs);
    size_t len = site ? strlen(text) : 0;

    if (len == 0 || co__stream_is_plain(file, len))
        return CO__REAL(fputs)(text, file);
    return co__stream_put(site, file, text, len) == len ? 1 : EOF;
}

static int put_char(struct co__site *site, int number, FILE *file)
{
    unsigned char byte = (unsigned char)number;

    if (!site || co__stream_is_plain(file, 1))
        return CO__REAL(fputc)(number, file);
    return co__stream_put(site, file, &byte, 1) == 1 ? byte : EOF;
}

int co__hook_fputc(int byte, FILE *file)
{
    return put_char(CO__HOOKED(CO_HOOK_STDIO, fputc), byte, file);
}

CO__HOOK_ALIAS(_IO_putc, putc);
int co__hook_putc(int byte, FILE *file)
{
    return put_char(CO__HOOKED(CO_HOOK_STDIO, putc), byte, file);
}

int co__hook_putchar(int byte)
{
    return put_char(CO__HOOKED(CO_HOOK_STDIO, putchar), byte, stdout);
}

int co__hook_fflush(FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fflush);
    int r;

    if (!site || !file || __fpending(file) == 0 || !may_wait(file))
        return CO__REAL(fflush)(file);
    r = flush(site, file, 0);
    return r < 0 ? co__hook_fail(r) : 0;
}
