/* SPDX-License-Identifier: MIT */
/* Transports: their life, and reading from a stream. See transport.h. */
#include "event/transport.h"

#include "base/alloc.h"
#include "event/event.h"
#include "io/stream.h"

#include <fcntl.h>
#include <string.h>

#define HIGH ((size_t)64 * 1024)

/* ---- the reading task ---------------------------------------------------- */

void co__transport_rest(struct co_transport *t)
{
    t->resting = 1;
    /* After a cancel the caller looks at what it waits for. */
    co__park(t->loop, t->reader, CO__WAIT_CALLS);
    t->resting = 0;
}

void co__transport_kick(struct co_transport *t)
{
    if (t->resting)
        co__wake(t->reader, 0);
    else
        (void)co_scope_reschedule(&t->reading, 0);
}

static int may_read(struct co_transport *t)
{
    while (t->paused && !t->closing) {
        if (t->reader->chain.cancels)
            return 0;
        co__transport_rest(t);
    }
    return !t->closing;
}

static void call_made(struct co_transport *t)
{
    unsigned old = co__protocol_begin(t);

    if (t->protocol->connection_made)
        t->protocol->connection_made(t, t->arg);
    co__protocol_end(t, old);
}

/* Whether it stays open for writing. */
static int call_eof(struct co_transport *t)
{
    unsigned old = co__protocol_begin(t);
    int stays =
        t->protocol->eof_received ? t->protocol->eof_received(t, t->arg) : 0;

    co__protocol_end(t, old);
    return stays;
}

static void call_lost(struct co_transport *t)
{
    unsigned old = co__protocol_begin(t);

    if (t->protocol->connection_lost)
        co_shield {
            t->protocol->connection_lost(t, t->arg, t->error);
        }
    co__protocol_end(t, old);
}

/* Until everything is written, or it was aborted. */
static void wait_for_writer(struct co_transport *t)
{
    while (t->writer) {
        if (t->reader->chain.cancels)
            co__transport_lose(t, -ECANCELED);
        co_shield {
            co__transport_rest(t);
        }
    }
}

static void end(struct co_transport *t)
{
    int r = 0;

    wait_for_writer(t);
    t->closing = 1;
    if (t->aborted)
        t->kind->abort(t);
    else
        r = t->kind->close(t);
    if (r < 0 && !t->error)
        t->error = r;
    call_lost(t);
    if (co__loop)
        co__internal_ended(t->loop);
    co__free(t);
}

static int run(void *arg)
{
    struct co_transport *t = arg;
    int r = 1;

    if (t->unmade) {
        co__internal_ended(t->loop);
        co__free(t);
        return 0;
    }
    call_made(t);
    while (co__loop && r > 0 && may_read(t))
        r = t->kind->read(t);
    if (CO_UNLIKELY(!co__loop))
        return 0; /* a forked child, see fork.c */
    if (r == 0 && !t->closing && call_eof(t))
        while (!t->closing && !t->reader->chain.cancels)
            co__transport_rest(t);
    if (t->reader->chain.cancels)
        r = -ECANCELED;
    if (r < 0 && !t->closing)
        co__transport_lose(t, r);
    t->closing = 1;
    end(t);
    return 0;
}

/* ---- a stream ------------------------------------------------------------ */

static int give(struct co_transport *t, const void *data, size_t len)
{
    const co_protocol *protocol = t->protocol;

    if (protocol->data_received)
        protocol->data_received(t, t->arg, data, len);
    return co_stream_skip(t->stream, len);
}

/* Into the protocol's own buffer. */
static int fill(struct co_transport *t, const void *data, size_t len)
{
    const co_protocol *protocol = t->protocol;
    size_t room = 0;
    void *buffer = protocol->get_buffer(t, t->arg, len, &room);

    if (!buffer || !room)
        return -ENOBUFS;
    if (len > room)
        len = room;
    memcpy(buffer, data, len);
    co_stream_skip(t->stream, len);
    protocol->buffer_updated(t, t->arg, len);
    return 0;
}

static int read_stream(struct co_transport *t)
{
    const void *data;
    ssize_t n = 0;
    unsigned old;
    int r;

    co_timeout_in(&t->reading, CO_NEVER) {
        n = co_stream_peek(t->stream, 1, &data);
    }
    if (n <= 0)
        return (int)n;
    if (!may_read(t)) /* it was paused, or closed, meanwhile */
        return 1;
    old = co__protocol_begin(t);
    r = t->protocol->get_buffer ? fill(t, data, (size_t)n)
                                : give(t, data, (size_t)n);
    co__protocol_end(t, old);
    return r < 0 ? r : 1;
}

static int write_stream(struct co_transport *t, struct co__piece *piece)
{
    size_t done;
    int r = co_stream_write(t->stream, piece->data + piece->begin,
                            piece->end - piece->begin, &done);

    piece->begin += done;
    t->buffered -= done;
    t->flush_due = 1;
    return r;
}

static int write_eof_stream(struct co_transport *t)
{
    return co_stream_write_eof(t->stream);
}

static int close_stream(struct co_transport *t)
{
    return co_stream_close(t->stream);
}

static void abort_stream(struct co_transport *t)
{
    co_stream_abort(t->stream);
}

static const struct co__transport_kind stream_kind = {
    .read = read_stream,
    .write = write_stream,
    .write_eof = write_eof_stream,
    .close = close_stream,
    .abort = abort_stream,
};

static const struct co__transport_kind sink_kind = {
    .read = co__transport_watch_reader,
    .write = write_stream,
    .close = close_stream,
    .abort = abort_stream,
};

/* ---- the user's side ----------------------------------------------------- */

int co__protocol_check(const co_protocol *protocol)
{
    if (!protocol || protocol->size != sizeof(*protocol) ||
        !protocol->get_buffer != !protocol->buffer_updated)
        return -EINVAL;
    return 0;
}

co_transport *co__transport_make(const char *site, const char *call,
                                 const co_protocol *protocol, void *arg,
                                 const struct co_transport *behind)
{
    int r = co__protocol_check(protocol);
    struct co_transport *t = NULL;

    if (r == 0)
        r = co__loop ? co__event_check_new(co__loop, call) : -EPERM;
    if (r == 0 && !(t = co__alloc(sizeof(*t))))
        r = -ENOMEM;
    if (r == 0) {
        *t = *behind;
        t->protocol = protocol;
        t->arg = arg;
        t->site = site;
        t->loop = co__loop;
        t->high = HIGH;
        t->low = HIGH / 4;
        t->reader = co__spawn_internal(t->loop, site, "transport", run, t);
        r = t->reader ? 0 : -errno;
    }
    if (r < 0) {
        co__free(t);
        errno = -r;
        return NULL;
    }
    return t;
}

void co__transport_unmake(struct co_transport *t)
{
    if (!t)
        return;
    t->unmade = 1;
    if (t->stream)
        t->stream->flushed = 0;
}

/* All, unless it is a descriptor that says otherwise. */
static int ways_of(const co_stream *stream)
{
    int fd = co__stream_fd(stream);
    int flags = fd < 0 ? O_RDWR : fcntl(fd, F_GETFL);

    return flags < 0 ? O_RDWR : flags & O_ACCMODE;
}

co_transport *co__transport_make_stream(const char *site, co_stream *stream,
                                        const co_protocol *protocol, void *arg,
                                        const struct co_transport *of)
{
    struct co_transport behind = *of;
    int ways = ways_of(stream);
    co_transport *t;

    behind.stream = stream;
    behind.fd = -EINVAL;
    behind.reads = ways != O_WRONLY;
    behind.writes = ways != O_RDONLY;
    behind.kind = behind.reads ? &stream_kind : &sink_kind;
    t = co__transport_make(site, "co_transport_start", protocol, arg, &behind);
    if (t)
        stream->flushed = 1; /* by the writer, for which the reader must not
                              * wait */
    return t;
}

co_transport *co_transport_start_at(const char *site, co_stream *stream,
                                    const co_protocol *protocol, void *arg)
{
    const struct co_transport of = {.owner = NULL};

    if (!stream) {
        errno = EINVAL;
        return NULL;
    }
    return co__transport_make_stream(site, stream, protocol, arg, &of);
}

int co_transport_close(co_transport *t)
{
    if (!t)
        return -EINVAL;
    if (!t->closing) {
        t->closing = 1;
        co__transport_kick(t);
    }
    return 0;
}

int co_transport_abort(co_transport *t)
{
    if (!t)
        return -EINVAL;
    co__transport_lose(t, 0);
    return 0;
}

int co_transport_is_closing(const co_transport *t)
{
    return !t || t->closing;
}

static int set_paused(co_transport *t, int paused)
{
    if (!t)
        return -EINVAL;
    if (!t->reads)
        return -EBADF;
    if (t->closing)
        return -EPIPE;
    if (t->paused == paused)
        return -EALREADY;
    t->paused = (uint8_t)paused;
    if (!paused && t->resting)
        co__wake(t->reader, 0);
    return 0;
}

int co_transport_pause_reading(co_transport *t)
{
    return set_paused(t, 1);
}

int co_transport_resume_reading(co_transport *t)
{
    return set_paused(t, 0);
}

int co_transport_is_reading(const co_transport *t)
{
    return t && t->reads && !t->closing && !t->paused;
}

int co_transport_set_protocol(co_transport *t, const co_protocol *protocol,
                              void *arg)
{
    int r = t && !t->owner ? co__protocol_check(protocol) : -EINVAL;

    if (r < 0)
        return r;
    t->protocol = protocol;
    t->arg = arg;
    return 0;
}

co_stream *co_transport_stream(const co_transport *t)
{
    return t ? t->stream : NULL;
}

int co_transport_fd(const co_transport *t)
{
    return t ? t->fd : -EINVAL;
}
