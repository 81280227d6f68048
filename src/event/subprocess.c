/* SPDX-License-Identifier: MIT */
/*
 * A process behind a transport. See transport.h.
 *
 * Its pipes are transports of their own, of a protocol that hands everything on
 * to the process's: so they buffer, pause and end as any other does. The
 * process's own reading task waits for the end of the process, then for those
 * of the pipes. What still runs at a close is killed, and waited for: a killed
 * process ends soon. One that cannot be killed (it runs as somebody else) is
 * let go, and connection_lost says why.
 */
#include "event/transport.h"

#include "io/process.h"

/* ---- its pipes ----------------------------------------------------------- */

static void pipe_data(co_transport *pipe, void *arg, const void *data,
                      size_t len)
{
    struct co_transport *t = arg;

    if (t->protocol->pipe_data_received)
        t->protocol->pipe_data_received(t, t->arg, pipe->which, data, len);
}

static void pipe_lost(co_transport *pipe, void *arg, int error)
{
    struct co_transport *t = arg;

    t->pipes[pipe->which] = NULL;
    if (t->protocol->pipe_connection_lost)
        t->protocol->pipe_connection_lost(t, t->arg, pipe->which, error);
    if (t->resting)
        co__wake(t->reader, 0);
}

static void pipe_pause(co_transport *pipe, void *arg)
{
    struct co_transport *t = arg;

    (void)pipe;
    if (t->protocol->pause_writing)
        t->protocol->pause_writing(t, t->arg);
}

static void pipe_resume(co_transport *pipe, void *arg)
{
    struct co_transport *t = arg;

    (void)pipe;
    if (t->protocol->resume_writing)
        t->protocol->resume_writing(t, t->arg);
}

static const co_protocol pipe_protocol = {
    .size = sizeof(pipe_protocol),
    .connection_lost = pipe_lost,
    .data_received = pipe_data,
    .pause_writing = pipe_pause,
    .resume_writing = pipe_resume,
};

/* 0, or an error: then some are there and some are not. */
static int make_pipes(struct co_transport *t)
{
    for (int i = 0; i < 3; i++) {
        const struct co_transport of = {.owner = t, .which = i};
        co_stream *stream;

        if (co_process_fd(t->process, i) < 0)
            continue;
        stream = co_process_stream(t->process, i);
        if (stream)
            t->pipes[i] = co__transport_make_stream(t->site, stream,
                                                    &pipe_protocol, t, &of);
        if (!t->pipes[i])
            return -errno;
    }
    return 0;
}

static int has_pipes(const struct co_transport *t)
{
    return t->pipes[0] || t->pipes[1] || t->pipes[2];
}

/* ---- its life ------------------------------------------------------------ */

/* What a wait for the process has returned: 1, or an error. How it has ended
 * somebody else may know (-ECHILD), but that it has is certain. */
static int tell_exit(struct co_transport *t, int r)
{
    unsigned old;

    if (r < 0 && r != -ECHILD)
        return r;
    t->exited = 1;
    old = co__protocol_begin(t);
    if (t->protocol->process_exited)
        t->protocol->process_exited(t, t->arg);
    co__protocol_end(t, old);
    return 1;
}

static int read_process(struct co_transport *t)
{
    int r = 0;

    if (!t->exited) {
        co_timeout_in(&t->reading, CO_NEVER) {
            r = co_process_wait(t->process, NULL);
        }
        return tell_exit(t, r);
    }
    if (!has_pipes(t)) {
        t->closing = 1; /* that was all of it */
        return 1;
    }
    co__transport_rest(t);
    return t->reader->chain.cancels ? -ECANCELED : 1;
}

static int close_process(struct co_transport *t)
{
    int r = t->exited ? 0 : co_process_kill(t->process);

    for (int i = 0; i < 3; i++)
        co_transport_abort(t->pipes[i]);
    co_shield {
        while (has_pipes(t))
            co__transport_rest(t);
        if (!t->exited && (r == 0 || r == -ESRCH))
            r = tell_exit(t, co_process_wait(t->process, NULL));
    }
    co_process_free(t->process);
    t->process = NULL;
    return r < 0 ? r : 0;
}

static void abort_process(struct co_transport *t)
{
    int r = close_process(t);

    if (r < 0 && !t->error)
        t->error = r;
}

static const struct co__transport_kind process_kind = {
    .read = read_process,
    .close = close_process,
    .abort = abort_process,
};

/* ---- the user's side ----------------------------------------------------- */

co_transport *co_transport_start_process_at(const char *site,
                                            co_process *process,
                                            const co_protocol *protocol,
                                            void *arg)
{
    const struct co_transport behind = {
        .kind = &process_kind, .process = process, .fd = -EINVAL};
    int r = co__process_check(process);
    struct co_transport *t;

    if (r < 0) {
        errno = -r;
        return NULL;
    }
    t = co__transport_make(site, "co_transport_start_process", protocol, arg,
                           &behind);
    if (!t)
        return NULL;
    r = make_pipes(t);
    if (r < 0) {
        for (int i = 0; i < 3; i++)
            co__transport_unmake(t->pipes[i]);
        co__transport_unmake(t);
        errno = -r;
        return NULL;
    }
    return t;
}

co_process *co_transport_process(const co_transport *t)
{
    return t ? t->process : NULL;
}

co_transport *co_transport_pipe(const co_transport *t, int which)
{
    return t && which >= 0 && which <= 2 ? t->pipes[which] : NULL;
}
