/* SPDX-License-Identifier: MIT */
/*
 * See splice.h: splice(2), which moves references to the pages that a socket
 * has received, and not the bytes in them. It wants a pipe on one side; both of
 * ours being sockets as a rule, there is one in between, always: a file goes
 * through a pipe within sendfile(2), too.
 *
 * A pipe is there while bytes are in it. A loop keeps one that is empty, so
 * that who copies without ever waiting for room makes none; and a copy that
 * waits for more has none. Who waits for room does, so pipes are not made of
 * the last descriptors.
 */
#include "io/splice.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "io/io.h"
#include "io/sys.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- pipes --------------------------------------------------------------- */

/* The lowest numbers are in use, so a number tells how many are. */
static int is_one_of_the_last(int fd)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
           (rlim_t)fd >= limit.rlim_cur / 4 * 3;
}

static void close_pipe(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static struct co__pipeful *make_pipe(void)
{
    struct co__pipeful *pipeful = co__alloc(sizeof(*pipeful));

    if (!pipeful)
        return NULL;
    pipeful->count = 0;
    if (co__sys_pipe(pipeful->fds) == 0) {
        if (!is_one_of_the_last(pipeful->fds[1]))
            return pipeful;
        close_pipe(pipeful->fds);
    }
    co__free(pipeful);
    return NULL;
}

/* An empty one, or NULL. */
static struct co__pipeful *take_pipe(struct co__fd_table *table)
{
    struct co__pipeful *pipeful = table->spare;

    table->spare = NULL;
    return pipeful ? pipeful : make_pipe();
}

static void put_pipe(struct co__pipeful *pipeful)
{
    CO_ASSERT(!pipeful->count);
    if (!co__loop || co__loop->fds->spare)
        co__pipeful_free(pipeful);
    else
        co__loop->fds->spare = pipeful;
}

void co__pipeful_free(struct co__pipeful *pipeful)
{
    if (!pipeful)
        return;
    close_pipe(pipeful->fds);
    co__free(pipeful);
}

void co__splice_rest(struct co__fd_table *table)
{
    co__pipeful_free(table->spare);
    table->spare = NULL;
}

/* So many bytes have left. */
static void taken(struct co__pipeful **pipeful, size_t len)
{
    CO_ASSERT(len <= (*pipeful)->count);
    (*pipeful)->count -= len;
    if ((*pipeful)->count)
        return;
    put_pipe(*pipeful);
    *pipeful = NULL;
}

/* ---- the calls ----------------------------------------------------------- */

struct splice_op {
    struct co__op op; /* first: what the mechanism knows */
    struct co__pipeful *pipeful;
    size_t most;
};

/* Not an error of what is moved: it is not to be had here. */
static ssize_t result_of(ssize_t n)
{
    if (n >= 0)
        return n;
    switch (errno) {
    case EINVAL: /* one of them cannot */
    case ENOSYS:
    case EPERM: /* a filter of system calls */
    case ENOMEM:
        return -ENOTSUP;
    default:
        return -errno;
    }
}

static ssize_t move(int from, int to, size_t most)
{
    ssize_t n;

    do
        n = splice(from, NULL, to, NULL, most,
                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    return result_of(n);
}

/* SPLICE_F_NONBLOCK is of the pipe alone. */
static ssize_t try_in(struct co__op *op, unsigned care)
{
    struct splice_op *s = (struct splice_op *)op;

    if (!(care & CO__FD_OWN))
        return -ENOTSUP;
    return move(op->fd, s->pipeful->fds[1], s->most);
}

static ssize_t try_out(struct co__op *op, unsigned care)
{
    struct splice_op *s = (struct splice_op *)op;

    if (!(care & CO__FD_OWN))
        return -ENOTSUP;
    return move(s->pipeful->fds[0], op->fd, s->most);
}

static const struct co__op_kind kind_in = {try_in, NULL},
                                kind_out = {try_out, NULL};

/*
 * In front of urgent data of TCP the kernel has nothing to splice, for ever,
 * and something to read. So when it has reported that or, for all that it has
 * reported, there is nothing, this says nothing of what can be read.
 */
static unsigned mode_of(struct co_loop *loop, int fd, int woken)
{
    const struct co__fd_slot *slot = co__fd_find(loop, fd);

    return CO__OP_NOWAIT | (woken || (slot && slot->sticky) ? CO__OP_ASIDE : 0);
}

ssize_t co__splice_in(int from, size_t most, int woken,
                      struct co__pipeful **out)
{
    struct splice_op s = {
        .op = {.kind = &kind_in, .fd = from, .direction = CO_READABLE},
        .most = most < CO__PIPEFUL_MAX ? most : CO__PIPEFUL_MAX};
    struct co__here here;
    ssize_t n;

    /* Outside a task a write would raise SIGPIPE. */
    if (!co__here(&here))
        return -ENOTSUP;
    s.op.mode = mode_of(here.loop, from, woken);
    s.pipeful = take_pipe(here.loop->fds);
    if (!s.pipeful)
        return -ENOTSUP;
    n = co__io_wait(&here, &s.op);
    if (n <= 0) {
        put_pipe(s.pipeful);
        return n;
    }
    s.pipeful->count = (size_t)n;
    *out = s.pipeful;
    return n;
}

ssize_t co__splice_out(int to, size_t most, struct co__pipeful **pipeful)
{
    struct splice_op s = {
        .op = {.fd = to},
        .pipeful = *pipeful,
        .most = most < (*pipeful)->count ? most : (*pipeful)->count,
    };
    ssize_t n;

    if (!co__loop)
        return -ENOTSUP;
    n = co__io(&s.op, &kind_out, CO_WRITABLE);
    if (n == 0)
        n = -EIO; /* the pipe is not empty */
    if (n > 0)
        taken(pipeful, (size_t)n);
    return n;
}

ssize_t co__pipeful_read(struct co__pipeful **pipeful, void *buffer, size_t len)
{
    ssize_t n;

    do
        n = read((*pipeful)->fds[0], buffer,
                 len < (*pipeful)->count ? len : (*pipeful)->count);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : -EIO;
    taken(pipeful, (size_t)n);
    return n;
}

/* ---- what it is for ------------------------------------------------------ */

enum kind {
    OTHER,
    CHANNEL, /* a stream socket or a pipe */
    REGULAR  /* all of ours */
};

static enum kind kind_of(int fd)
{
    int type = -1;
    socklen_t len = sizeof(type);
    struct stat st;
    int elsewhere;

    if (!(co__fd_care(fd, &elsewhere) & CO__FD_OWN) || elsewhere ||
        fstat(fd, &st) < 0)
        return OTHER;
    if (S_ISSOCK(st.st_mode) &&
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
        return type == SOCK_STREAM ? CHANNEL : OTHER;
    if (S_ISFIFO(st.st_mode))
        return CHANNEL;
    return S_ISREG(st.st_mode) ? REGULAR : OTHER;
}

int co__splice_fits(int to, int from)
{
    return kind_of(from) != OTHER && kind_of(to) == CHANNEL;
}
