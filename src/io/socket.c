/* SPDX-License-Identifier: MIT */
/*
 * Making sockets and connecting.
 *
 * A foreign socket that blocks is made non-blocking for the one accept or
 * connect, and made blocking again before anything else happens: there is no
 * flag like MSG_DONTWAIT for these two. (Nor, on macOS, for sending.)
 */
#include <coppice/socket.h>

#include "base/system.h"
#include "core/command.h"
#include "io/care.h"
#include "io/io.h"
#include "io/sys.h"

#include <fcntl.h>
#include <unistd.h>

struct sock_op {
    struct co__op op; /* first: what the mechanism knows */
    struct sockaddr *addr;
    socklen_t addr_size;
};

int co_socket(int domain, int type, int protocol)
{
    int fd = co__sys_socket(domain, type, protocol);
    unsigned kind = CO__FD_SOCKET;
    int r;

    if (fd < 0)
        return fd;
    if (domain == AF_INET || domain == AF_INET6)
        kind = co__fd_kind_of_socket(fd);
    r = co__fd_own(fd, CO__FD_OWN | kind);
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

int co__fd_unblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    if (flags & O_NONBLOCK)
        return 0;
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : flags;
}

void co__fd_reblock(int fd, int flags)
{
    int saved = errno;

    if (flags)
        (void)fcntl(fd, F_SETFL, flags);
    errno = saved;
}

/* What is no socket is left alone: a terminal is shared with others. */
int co__send_unblock(int fd)
{
    int type;
    socklen_t len = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return -errno;
    return co__fd_unblock(fd);
}

/* ---- connect ------------------------------------------------------------- */

int co__connect_begin(int fd, const struct sockaddr *addr, socklen_t len)
{
    int r = connect(fd, addr, len) < 0 ? -errno : 0;

    return r == -EINTR || r == -EALREADY ? -EINPROGRESS : r;
}

/* -EINPROGRESS if it goes on by itself. */
static ssize_t try_connect(struct co__op *op, unsigned care)
{
    struct sock_op *s = (struct sock_op *)op;
    int flags = care & CO__FD_OWN ? 0 : co__fd_unblock(op->fd);
    ssize_t r;

    if (flags < 0)
        return flags;
    r = co__connect_begin(op->fd, s->addr, s->addr_size);
    co__fd_reblock(op->fd, flags);
    return r;
}

int co__connect_outcome(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof(peer);
    int error = 0;
    socklen_t error_len = sizeof(error);

    /* Asking connect itself leaves the socket connected, or free for another
     * attempt, as a blocking connect does. SO_ERROR would leave it between. */
    if (CO_CONNECT_TELLS &&
        (addr->sa_family == AF_INET || addr->sa_family == AF_INET6)) {
        if (connect(fd, addr, len) == 0 || errno == EISCONN)
            return 0;
        return errno == EALREADY || errno == EINTR ? -EAGAIN : -errno;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) < 0)
        return -errno;
    if (error)
        return -error;
    /* Somebody else may have fetched the error. EINVAL: it was connected, and
     * was reset since; macOS says so. */
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0)
        return 0;
    return errno == EINVAL ? 0 : -errno;
}

static ssize_t try_connected(struct co__op *op, unsigned care)
{
    struct sock_op *s = (struct sock_op *)op;
    int r = co__fd_poll(op->fd, CO_WRITABLE);

    (void)care;
    if (r <= 0)
        return r < 0 ? r : -EAGAIN;
    return co__connect_outcome(op->fd, s->addr, s->addr_size);
}

static void describe_connect(struct co__op *op, struct co__command *command)
{
    const struct sock_op *s = (const struct sock_op *)op;

    command->code = CO__DO_CONNECT;
    command->data = s->addr;
    command->offset = s->addr_size;
}

static const struct co__op_kind kind_connect = {try_connect, describe_connect},
                                kind_connected = {try_connected, NULL};

/* TCP, which alone takes its time, and nobody in line: who comes while another
 * connects shares its outcome. */
static int is_command(const struct co__fd_slot *slot, int family)
{
    const struct co_loop *loop = co__loop; /* if there is a slot */

    return slot && co__commands(loop) && co__fd_commanded(slot) &&
           slot->flags & CO__FD_DRAIN && !slot->waiters[1].head &&
           (family == AF_INET || family == AF_INET6) &&
           !(loop->self->flags & CO__FLAG_CALLBACK);
}

/* The backend has fetched the error as SO_ERROR would, and has left the socket
 * between, see connect_outcome. An attempt that is under way goes on. */
static void make_free(int fd)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);

    if (co__fd_poll(fd, CO_WRITABLE) > 0 &&
        getpeername(fd, (struct sockaddr *)&peer, &len) < 0 &&
        errno == ENOTCONN)
        (void)connect(fd, &nobody, sizeof(nobody));
}

static ssize_t connect_by_command(struct sock_op *s, struct co__fd_slot *slot)
{
    struct co__here here;
    uint32_t drops = slot->drops;
    ssize_t r;

    co__here(&here);
    s->op.kind = &kind_connect;
    s->op.direction = CO_WRITABLE;
    r = co__io_command(&here, slot, &s->op);
    if (r == -EALREADY)
        return -EINPROGRESS; /* begun by a call that was cancelled, say */
    if (r < 0 && r != -EISCONN && slot->drops == drops && co__fd_current(slot))
        make_free(s->op.fd);
    return r;
}

int co_connect(int fd, const struct sockaddr *addr, socklen_t addr_len)
{
    struct sock_op s = {.op = {.fd = fd, .mode = CO__OP_BACKOFF},
                        .addr = (struct sockaddr *)addr,
                        .addr_size = addr_len};
    struct co__fd_slot *slot = NULL;
    ssize_t r = 0;

    if (fd < 0)
        return -EBADF;
    if (!addr || addr_len < CO_SOCKADDR_LEAST)
        return -EINVAL;
    if (co__loop)
        r = co__fd_slot(co__loop, fd, &slot);
    if (r < 0)
        return (int)r;
    /* Only a unix socket says -EAGAIN for "later", when the listener's backlog
     * is full; nothing tells when it no longer is. */
    if (addr->sa_family == AF_UNIX) {
        r = co__io(&s.op, &kind_connect, CO_WRITABLE);
    } else {
        r = co__io_enter();
        if (r == 0 && is_command(slot, addr->sa_family))
            r = connect_by_command(&s, slot);
        else if (r == 0)
            r = try_connect(&s.op, slot ? slot->flags : 0);
    }
    /* What was seen of the socket before it was connected is void. */
    if (slot && (r == 0 || r == -EINPROGRESS))
        slot->sticky = 0;
    if (r != -EINPROGRESS)
        return (int)r;
    s.op.mode = 0;
    return (int)co__io(&s.op, &kind_connected, CO_WRITABLE);
}
