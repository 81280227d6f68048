/* SPDX-License-Identifier: MIT */
/*
 * Writing to transports: at once, if nothing is buffered and there is room;
 * else the rest is buffered, in pieces that do not move, for the writing task.
 */
#include "event/transport.h"

#include "base/alloc.h"
#include "io/io.h"

#include <string.h>

/* A piece of a stream has room for some small writes. */
#define PIECE ((size_t)4 * 1024)

/* ---- what is buffered ---------------------------------------------------- */

static void drop_pieces(struct co_transport *t)
{
    struct co__piece *piece = t->out;

    while (piece) {
        struct co__piece *next = piece->next;

        t->buffered -= piece->end - piece->begin;
        co__free(piece);
        piece = next;
    }
    t->out = t->out_last = NULL;
}

void co__transport_lose(struct co_transport *t, int error)
{
    if (t->aborted)
        return;
    t->error = error;
    t->closing = t->aborted = 1;
    drop_pieces(t);
    if (t->writer)
        (void)co_scope_reschedule(&t->writing, 0);
    co__transport_kick(t);
}

static struct co__piece *take_piece(struct co_transport *t)
{
    struct co__piece *piece = t->out;

    t->out = piece->next;
    if (!t->out)
        t->out_last = NULL;
    return piece;
}

/* ---- the writing task ---------------------------------------------------- */

static void call_resume(struct co_transport *t)
{
    unsigned old;

    if (!t->held || t->buffered > t->low)
        return;
    t->held = 0;
    old = co__protocol_begin(t);
    if (t->protocol->resume_writing)
        t->protocol->resume_writing(t, t->arg);
    co__protocol_end(t, old);
}

/* The next thing that is due: 1, or 0 if there is none, or an error. */
static int write_some(struct co_transport *t)
{
    int r = 0;

    co_timeout_in(&t->writing, CO_NEVER) {
        if (t->out) {
            struct co__piece *piece = take_piece(t);

            r = t->kind->write(t, piece);
            t->buffered -= piece->end - piece->begin;
            co__free(piece);
            r = r < 0 ? r : 1;
        } else if (t->flush_due) {
            t->flush_due = 0;
            r = t->stream ? co_stream_flush(t->stream) : 0;
            r = r < 0 ? r : 1;
        } else if (t->eof_due) {
            t->eof_due = 0;
            r = t->kind->write_eof(t);
            r = r < 0 ? r : 1;
        }
    }
    return r;
}

static int run(void *arg)
{
    struct co_transport *t = arg;
    struct co_loop *loop = t->loop;
    int r = 1;

    while (r > 0 && co__loop && !t->aborted) {
        r = write_some(t);
        if (r < 0)
            co__transport_lose(t, r);
        else if (!t->aborted)
            call_resume(t);
    }
    if (CO_UNLIKELY(!co__loop))
        return 0; /* a forked child, see fork.c */
    t->writer = NULL;
    if (t->closing)
        co__transport_kick(t);
    co__internal_ended(loop);
    return 0;
}

/* Have it run. */
static int need_writer(struct co_transport *t)
{
    if (t->writer)
        return 0;
    t->writer =
        co__spawn_internal(t->loop, t->site, "transport's writer", run, t);
    return t->writer ? 0 : -errno;
}

/* ---- buffering ----------------------------------------------------------- */

static size_t copy(char *to, const struct iovec *iov, int iov_count)
{
    size_t len = 0;

    for (int i = 0; i < iov_count; i++) {
        if (!iov[i].iov_len)
            continue;
        memcpy(to + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    return len;
}

static int fits(const struct co__piece *piece, size_t len)
{
    return piece && len <= piece->room - piece->end;
}

static void call_pause(struct co_transport *t)
{
    unsigned old;

    if (t->held || t->buffered <= t->high)
        return;
    t->held = 1;
    old = co__protocol_begin(t);
    if (t->protocol->pause_writing)
        t->protocol->pause_writing(t, t->arg);
    co__protocol_end(t, old);
}

int co__transport_buffer(struct co_transport *t, const struct iovec *iov,
                         int iov_count, const struct sockaddr *to,
                         socklen_t to_len)
{
    struct co__piece *piece = t->stream ? t->out_last : NULL;
    size_t len = 0, room;
    int r;

    for (int i = 0; i < iov_count; i++)
        len += iov[i].iov_len;
    if (!fits(piece, len)) {
        room = t->stream && len < PIECE ? PIECE : len;
        piece = co__alloc(sizeof(*piece) + room);
        if (!piece)
            return -ENOMEM;
        piece->next = NULL;
        piece->begin = piece->end = 0;
        piece->room = room;
        piece->to_len = to_len;
        if (to)
            memcpy(&piece->to, to, to_len);
    }
    r = need_writer(t);
    if (r < 0) {
        if (piece != t->out_last)
            co__free(piece);
        return r;
    }
    if (piece != t->out_last) {
        if (t->out_last)
            t->out_last->next = piece;
        else
            t->out = piece;
        t->out_last = piece;
    }
    piece->end += copy(piece->data + piece->end, iov, iov_count);
    t->buffered += len;
    call_pause(t);
    return 0;
}

/* ---- the user's side ----------------------------------------------------- */

static int may_write(const struct co_transport *t)
{
    if (t->closing || t->eof_due)
        return -EPIPE;
    return t->writes ? 0 : -EBADF;
}

/* As much as goes without waiting: 0, or what it failed with. */
static int try_write(struct co_transport *t, const struct iovec *iov,
                     int iov_count, size_t *done)
{
    unsigned old;
    int r;

    *done = 0;
    if (t->writer || co__loop != t->loop)
        return -EPERM;
    old = co__protocol_begin(t);
    r = co_stream_writev(t->stream, iov, iov_count, done);
    if (r == 0 && (r = co_stream_flush(t->stream)) < 0)
        t->flush_due = 1;
    co__protocol_end(t, old);
    return r;
}

/* Behind what was written at once. */
static int buffer_rest(struct co_transport *t, const struct iovec *iov,
                       int iov_count, size_t done)
{
    int r = 0;

    for (int i = 0; i < iov_count && r == 0; i++) {
        size_t skip = done < iov[i].iov_len ? done : iov[i].iov_len;
        struct iovec rest = {(char *)iov[i].iov_base + skip,
                             iov[i].iov_len - skip};

        done -= skip;
        if (rest.iov_len)
            r = co__transport_buffer(t, &rest, 1, NULL, 0);
    }
    return r;
}

int co_transport_writev(co_transport *t, const struct iovec *iov, int iov_count)
{
    size_t len, done;
    int r =
        !t || !t->stream ? -EINVAL : co__io_vector_sum(iov, iov_count, &len);

    if (r == 0)
        r = may_write(t);
    if (r < 0 || !len)
        return r;
    r = try_write(t, iov, iov_count, &done);
    if (r < 0 && !co__try_later(r)) {
        co__transport_lose(t, r);
        return 0; /* connection_lost says it */
    }
    if (!done && r < 0)
        return co__transport_buffer(t, iov, iov_count, NULL, 0);
    if (r < 0)
        r = done < len ? buffer_rest(t, iov, iov_count, done) : need_writer(t);
    if (r < 0)
        co__transport_lose(t, r); /* a part was written */
    return 0;
}

int co_transport_write(co_transport *t, const void *data, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};

    return co_transport_writev(t, &iov, 1);
}

int co_transport_write_eof(co_transport *t)
{
    int r = !t || !t->stream ? -EINVAL : may_write(t);

    if (r == 0 && !t->kind->write_eof)
        return co_transport_close(t);
    if (r == 0)
        r = need_writer(t);
    if (r == 0)
        t->eof_due = 1;
    return r;
}

int co_transport_set_write_limits(co_transport *t, size_t high, size_t low)
{
    if (!t || low > high)
        return -EINVAL;
    t->high = high;
    t->low = low;
    call_pause(t);
    return 0;
}

size_t co_transport_buffered(const co_transport *t)
{
    return t ? t->buffered : 0;
}
