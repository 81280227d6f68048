/* SPDX-License-Identifier: MIT */
/*
 * Talking to a process both ways: one task writes what it has room for, reads
 * what is there, and waits for whichever comes first when neither goes on. So
 * neither pipe is full for long, however much there is.
 *
 * What was written and read is counted in the process's record: a call that is
 * interrupted has lost nothing.
 */
#include "io/process.h"

#include <coppice/select.h>

#include "base/alloc.h"
#include "io/io.h"
#include "io/splice.h"
#include "io/stream.h"

#include <string.h>

#define ROOM_FIRST ((size_t)16 * 1024)
#define ROOM_LEAST ((size_t)4 * 1024) /* for a read */

struct talk {
    struct co_process *process;
    const char *input;
    size_t input_len;
    size_t bytes_max;
};

/* ---- one step in one direction ------------------------------------------- */

/* All three: 1 if there was something to do, 0 if not now, or an error. */

static int feed(const struct talk *talk)
{
    struct co_process *process = talk->process;
    size_t left = talk->input_len - process->written;
    ssize_t n = 0;

    if (left) {
        n = co__fd_try_write(process->fds[0], talk->input + process->written,
                             left);
        if (n == -EAGAIN)
            return 0;
        if (n < 0 && n != -EPIPE)
            return (int)n;
    }
    if (n > 0)
        process->written += (size_t)n;
    /* It need not want to read all. */
    if (n == -EPIPE || process->written == talk->input_len)
        co__process_shut(process, 0);
    return 1;
}

/* Room for what is read next, and a zero byte. */
static int make_room(struct co__gathered *got, size_t bytes)
{
    size_t room = got->room ? got->room : ROOM_FIRST;
    char *data;

    if (got->room - got->len > bytes)
        return 0;
    while (room - got->len <= bytes)
        room *= 2;
    data = co__realloc(got->data, room);
    if (!data)
        return -ENOMEM;
    got->data = data;
    got->room = room;
    return 0;
}

/* What a stream has read ahead comes first, then what a copy of it has left. */
static int take_buffered(struct co_process *process, int which,
                         struct co__gathered *got)
{
    co_stream *stream = process->streams[which];
    size_t n = stream ? stream->in_count : 0;
    ssize_t left = 0;
    int r;

    if (!n && !(stream && stream->piped))
        return 0;
    if (co_mutex_is_locked(&stream->reading))
        return -EBUSY;
    r = make_room(got, n ? n : stream->piped->count);
    if (r < 0)
        return r;
    if (n) {
        memcpy(got->data + got->len, stream->in + stream->in_head, n);
        r = co_stream_skip(stream, n);
    } else {
        left = co__pipeful_read(&stream->piped, got->data + got->len,
                                stream->piped->count);
        r = left < 0 ? (int)left : 0;
    }
    if (r == 0)
        got->len += n + (size_t)left;
    return r < 0 ? r : 1;
}

static int drain(const struct talk *talk, int which)
{
    struct co_process *process = talk->process;
    struct co__gathered *got = &process->got[which - 1];
    int r = take_buffered(process, which, got);
    size_t len;
    ssize_t n;

    if (r != 0)
        return r;
    r = make_room(got, ROOM_LEAST);
    if (r < 0)
        return r;
    if (talk->bytes_max && got->len > talk->bytes_max)
        return -EMSGSIZE;
    len = got->room - got->len - 1;
    if (talk->bytes_max && len > talk->bytes_max - got->len + 1)
        len = talk->bytes_max - got->len + 1;
    n = co__fd_try_read(process->fds[which], got->data + got->len, len);
    if (n == -EAGAIN)
        return 0;
    if (n < 0)
        return (int)n;
    if (n == 0)
        co__process_shut(process, which);
    got->len += (size_t)n;
    return 1;
}

/* ---- all of them --------------------------------------------------------- */

/* One step everywhere: 1, 0, or an error; and what to wait for. */
static int step(const struct talk *talk, co_case *cases, size_t *count)
{
    int progress = 0;

    *count = 0;
    for (int i = 0; i < 3; i++) {
        int fd = co_process_fd(talk->process, i);
        int r;

        if (fd < 0)
            continue;
        r = i == 0 ? feed(talk) : drain(talk, i);
        if (r < 0)
            return r;
        progress |= r;
        cases[(*count)++] = CO_CASE_FD(fd, i == 0 ? CO_WRITABLE : CO_READABLE);
    }
    return progress;
}

static int talk_all(const struct talk *talk)
{
    co_case cases[3];
    size_t count;
    int r;

    do {
        r = co__io_enter();
        if (r < 0)
            return r;
        if (talk->process->gone)
            return -EBADF;
        r = step(talk, cases, &count);
        if (r == 0 && count)
            r = co_select(cases, count); /* what happens shows in the next */
        if (r < 0)
            return r;
    } while (count);
    return 0;
}

static int too_much(const struct talk *talk)
{
    const struct co_process *process = talk->process;

    return talk->bytes_max && (process->got[0].len > talk->bytes_max ||
                               process->got[1].len > talk->bytes_max);
}

static char *hand_over(struct co__gathered *got, size_t *len)
{
    char *data = got->data;

    if (data)
        data[got->len] = 0;
    *len = got->len;
    *got = (struct co__gathered){.data = NULL};
    return data;
}

int co_process_communicate(co_process *process, const void *input,
                           size_t input_len, size_t bytes_max,
                           co_process_output *output)
{
    struct talk talk = {process, input, input_len, bytes_max};
    co_process_output all = {.out = NULL};
    int r = co__process_check(process);

    if (r < 0)
        return r;
    if ((input_len && !input) ||
        (process->fds[0] >= 0 && input_len < process->written))
        return -EINVAL;
    if (process->busy)
        return -EBUSY;
    process->busy = 1;
    process->users++;
    r = talk_all(&talk);
    if (r == 0 && too_much(&talk))
        r = -EMSGSIZE;
    if (r == 0)
        r = process->gone ? -EBADF : co_process_wait(process, &all.code);
    process->busy = 0;
    if (r == 0) {
        all.out = hand_over(&process->got[0], &all.out_len);
        all.err = hand_over(&process->got[1], &all.err_len);
        if (output)
            *output = all;
        else
            co_process_output_free(&all);
    }
    co__process_drop(process);
    return r;
}

void co_process_output_free(co_process_output *output)
{
    if (!output)
        return;
    co__free(output->out);
    co__free(output->err);
    output->out = output->err = NULL;
    output->out_len = output->err_len = 0;
}
