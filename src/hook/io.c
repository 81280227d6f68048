/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing. Sockets are tried with MSG_DONTWAIT, all else with
 * RWF_NOWAIT, and what knows neither (ttys, some devices) after a look by
 * poll(2). Only who finds nothing pays for asking whether the program has set
 * O_NONBLOCK, and a limit by SO_RCVTIMEO.
 *
 * Like the calls that they replace, writes go on until all is written, and
 * errors half way are told by the next call.
 */
#include <coppice/fd.h>

#include "hook/hook.h"
#include "hook/op.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A call that may wait. */
struct transfer {
    int fd;
    int flags; /* of recv and send */
    int plain; /* read(2), write(2) and kin: it need not be a socket... */
    int other; /* ...and is none */
    int writes;
    struct msghdr message;
    int single; /* one buffer, and nothing else */
};

/* ---- one try ------------------------------------------------------------- */

/* What must be asked by poll(2) has room for so much if it has any; but not a
 * terminal, of which nobody knows. */
#define ROOM PIPE_BUF

struct blocking {
    const struct transfer *t;
    ssize_t result;
};

static void run_blocking(void *arg)
{
    struct blocking *b = arg;

    b->result = CO__REAL(writev)(b->t->fd, b->t->message.msg_iov,
                                 (int)b->t->message.msg_iovlen);
}

static ssize_t write_ready(struct co__site *site, const struct transfer *t)
{
    const struct iovec *first = t->message.msg_iov;
    struct blocking b = {t, -1};
    int r;

    while (first->iov_len == 0)
        first++;
    if (!isatty(t->fd))
        return CO__REAL(write)(t->fd, first->iov_base,
                               first->iov_len < ROOM ? first->iov_len : ROOM);
    r = co__hook_offload(site, run_blocking, &b);
    return r < 0 ? co__hook_fail(r) : b.result;
}

static ssize_t blocking(const struct transfer *t)
{
    int count = (int)t->message.msg_iovlen;

    return t->writes ? CO__REAL(writev)(t->fd, t->message.msg_iov, count)
                     : CO__REAL(readv)(t->fd, t->message.msg_iov, count);
}

/* What poll(2) calls ready whether or not it is in memory, and what gives all
 * that it is asked for if that is there. */
static int is_file(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 &&
           (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode));
}

static ssize_t try_plain(struct co__site *site, const struct transfer *t)
{
    int count = (int)t->message.msg_iovlen;
    struct pollfd p = {t->fd, t->writes ? POLLOUT : POLLIN, 0};
    ssize_t n = t->writes
                    ? pwritev2(t->fd, t->message.msg_iov, count, -1, RWF_NOWAIT)
                    : preadv2(t->fd, t->message.msg_iov, count, -1, RWF_NOWAIT);

    if (n >= 0)
        return n;
    if (errno == EAGAIN)
        return is_file(t->fd) ? blocking(t) : co__hook_fail(EAGAIN);
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != ESPIPE)
        return n;
    if (CO__REAL(poll)(&p, 1, 0) == 0)
        return co__hook_fail(EAGAIN);
    return t->writes && !is_file(t->fd) ? write_ready(site, t) : blocking(t);
}

/* The kernel has less to read. */
static ssize_t try_single(const struct transfer *t)
{
    const struct iovec *iov = t->message.msg_iov;
    int flags = t->flags | MSG_DONTWAIT;

    return t->writes
               ? CO__REAL(send)(t->fd, iov->iov_base, iov->iov_len, flags)
               : CO__REAL(recv)(t->fd, iov->iov_base, iov->iov_len, flags);
}

static ssize_t try_once(struct co__site *site, struct transfer *t)
{
    ssize_t n;

    if (t->other)
        return try_plain(site, t);
    if (t->single)
        n = try_single(t);
    else
        n = t->writes
                ? CO__REAL(sendmsg)(t->fd, &t->message, t->flags | MSG_DONTWAIT)
                : CO__REAL(recvmsg)(t->fd, &t->message,
                                    t->flags | MSG_DONTWAIT);
    if (n >= 0 || errno != ENOTSOCK || !t->plain)
        return n;
    t->other = 1;
    return try_plain(site, t);
}

static ssize_t try_now(struct transfer *t)
{
    ssize_t n;

    do
        n = try_once(&co__no_site, t);
    while (n < 0 && errno == EINTR);
    return n;
}

ssize_t co__op_read_now(int fd, void *buffer, size_t len)
{
    struct iovec iov = {buffer, len};
    struct transfer t = {.fd = fd,
                         .plain = 1,
                         .single = 1,
                         .message = {.msg_iov = &iov, .msg_iovlen = 1}};

    return try_now(&t);
}

ssize_t co__op_write_now(int fd, struct iovec *iov, int count)
{
    struct transfer t = {.fd = fd,
                         .plain = 1,
                         .writes = 1,
                         .message = {.msg_iov = iov,
                                     .msg_iovlen = (size_t)count}};

    return try_now(&t);
}

/* ---- until it is done ---------------------------------------------------- */

/* After a part was transferred. */
static void advance(struct msghdr *message, size_t done)
{
    while (message->msg_iovlen && done >= message->msg_iov->iov_len) {
        done -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (message->msg_iovlen) {
        message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + done;
        message->msg_iov->iov_len -= done;
    }
    message->msg_control = NULL; /* it went with the first byte */
    message->msg_controllen = 0;
}

static int option_of(int fd, int name)
{
    socklen_t len = sizeof(int);
    int value = 0;

    return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

#define PEEK_ALL (MSG_PEEK | MSG_WAITALL)

/* Whether a part may not be enough. */
static int wants_all(const struct transfer *t)
{
    return t->writes || t->plain || (t->flags & PEEK_ALL) == MSG_WAITALL;
}

/* Whether the call goes on after a part that is less than it wants. What
 * came with it ends a call of MSG_WAITALL, which means nothing to datagrams. */
static int goes_on(const struct transfer *t,
                   const struct co__patience *patience)
{
    if (!wants_all(t))
        return 0;
    if (!t->writes && t->plain)
        return t->other && is_file(t->fd);
    if (!t->writes && ((t->message.msg_control && t->message.msg_controllen) ||
                       option_of(t->fd, SO_TYPE) != SOCK_STREAM))
        return 0;
    return patience->known || !co__op_nonblocking(t->fd);
}

static size_t length_of(const struct msghdr *message)
{
    size_t sum = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++)
        sum += message->msg_iov[i].iov_len;
    return sum;
}

/* EAGAIN: wait until it may be otherwise. Returns 1, or 0 with errno. */
static int wait_more(struct co__site *site, struct transfer *t,
                     struct co__patience *patience)
{
    int r = co__op_wait_more(site, t->fd, t->writes ? CO_WRITABLE : CO_READABLE,
                             patience);

    if (r == 1)
        return 1;
    co__hook_fail(r < 0 ? r : EAGAIN);
    return 0;
}

/* MSG_PEEK with MSG_WAITALL, which only TCP heeds. No event tells that there is
 * more than there was: 1 to look again, after a while, or 0. */
static int peek_again(struct co__site *site, const struct transfer *t,
                      struct co__patience *patience)
{
    struct pollfd p = {t->fd, POLLRDHUP, 0};

    if ((t->flags & PEEK_ALL) != PEEK_ALL ||
        option_of(t->fd, SO_PROTOCOL) != IPPROTO_TCP ||
        CO__REAL(poll)(&p, 1, 0) != 0)
        return 0;
    return co__op_patient(t->fd, CO_READABLE, patience) &&
           co_now() < patience->until &&
           co__hook_pause(site, &patience->pause, patience->until) == 0;
}

static ssize_t go_on(struct co__site *site, struct transfer *t)
{
    struct co__patience patience = CO__PATIENCE;
    size_t left = length_of(&t->message);
    ssize_t n, done = 0;

    for (;;) {
        n = try_once(site, t);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (wait_more(site, t, &patience))
                continue;
            return done ? done : -1;
        }
        if (n < 0)
            return done ? done : n;
        if (n > 0 && (size_t)n < left && peek_again(site, t, &patience))
            continue;
        done += n;
        /* With MSG_TRUNC it may be more than there was room for. */
        if (n == 0 || (size_t)n >= left || !goes_on(t, &patience))
            return done;
        left -= (size_t)n;
        patience.rounds = 0;
        advance(&t->message, (size_t)n);
    }
}

#define IOV_FEW 8

static ssize_t transfer(struct co__site *site, struct transfer *t)
{
    struct iovec few[IOV_FEW], *copy = few;
    size_t count = t->message.msg_iovlen;
    ssize_t n;
    int r = co__guest_enter();

    if (r < 0)
        return co__hook_fail(r);
    if (!wants_all(t))
        return go_on(site, t);
    if (count > IOV_FEW) {
        copy = malloc(count * sizeof(*copy));
        if (!copy)
            return co__hook_fail(ENOMEM);
    }
    if (count)
        memcpy(copy, t->message.msg_iov, count * sizeof(*copy));
    t->message.msg_iov = copy;
    n = go_on(site, t);
    if (copy != few)
        free(copy);
    return n;
}

static ssize_t transfer_one(struct co__site *site, struct transfer *t,
                            const void *data, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};

    t->message.msg_iov = &iov;
    t->message.msg_iovlen = 1;
    t->single = t->message.msg_name == NULL;
    return transfer(site, t);
}

/* ---- in a task ----------------------------------------------------------- */

/* Functions of their own, for what is to be passed on would else set up their
 * variables, too. */

static CO_NOINLINE ssize_t do_read(struct co__site *site, int fd, void *buffer,
                                   size_t len)
{
    struct transfer t = {.fd = fd, .plain = 1};

    return transfer_one(site, &t, buffer, len);
}

CO_NOINLINE ssize_t co__op_write(struct co__site *site, int fd,
                                 const void *data, size_t len)
{
    struct transfer t = {.fd = fd, .plain = 1, .writes = 1};

    return transfer_one(site, &t, data, len);
}

static CO_NOINLINE ssize_t do_vector(struct co__site *site, int fd,
                                     const struct iovec *iov, int count,
                                     int writes)
{
    struct transfer t = {
        .fd = fd,
        .plain = 1,
        .writes = writes,
        .message = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                    .msg_iovlen = (size_t)count},
    };

    return transfer(site, &t);
}

static CO_NOINLINE ssize_t do_recvfrom(struct co__site *site, int fd,
                                       void *buffer, size_t len, int flags,
                                       struct sockaddr *addr,
                                       socklen_t *addr_len)
{
    struct transfer t = {.fd = fd, .flags = flags};
    ssize_t n;

    t.message.msg_name = addr;
    t.message.msg_namelen = addr && addr_len ? *addr_len : 0;
    n = transfer_one(site, &t, buffer, len);
    if (n >= 0 && addr && addr_len)
        *addr_len = t.message.msg_namelen;
    return n;
}

static CO_NOINLINE ssize_t do_sendto(struct co__site *site, int fd,
                                     const void *data, size_t len, int flags,
                                     const struct sockaddr *addr,
                                     socklen_t addr_len)
{
    struct transfer t = {
        .fd = fd,
        .flags = flags,
        .writes = 1,
        .message = {.msg_name = (void *)(uintptr_t)addr,
                    .msg_namelen = addr_len},
    };

    return transfer_one(site, &t, data, len);
}

static CO_NOINLINE ssize_t do_recvmsg(struct co__site *site, int fd,
                                      struct msghdr *message, int flags)
{
    struct transfer t = {.fd = fd, .flags = flags, .message = *message};
    ssize_t n = transfer(site, &t);

    if (n >= 0) {
        message->msg_namelen = t.message.msg_namelen;
        message->msg_controllen = t.message.msg_controllen;
        message->msg_flags = t.message.msg_flags;
    }
    return n;
}

static CO_NOINLINE ssize_t do_sendmsg(struct co__site *site, int fd,
                                      const struct msghdr *message, int flags)
{
    struct transfer t = {
        .fd = fd, .flags = flags, .writes = 1, .message = *message};

    return transfer(site, &t);
}

/* ---- read(2), write(2) --------------------------------------------------- */

CO__HOOK_ALIAS(__read, read);
ssize_t co__hook_read(int fd, void *buffer, size_t len)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, read);

    if (!site || len == 0 || co__guest_owns(fd))
        return CO__REAL(read)(fd, buffer, len);
    return do_read(site, fd, buffer, len);
}

ssize_t co__hook___read_chk(int fd, void *buffer, size_t len, size_t room)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, read);

    if (!site || len == 0 || len > room || co__guest_owns(fd))
        return CO__REAL(__read_chk)(fd, buffer, len, room);
    return do_read(site, fd, buffer, len);
}

CO__HOOK_ALIAS(__write, write);
ssize_t co__hook_write(int fd, const void *data, size_t len)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, write);

    if (!site || len == 0 || co__guest_owns(fd))
        return CO__REAL(write)(fd, data, len);
    return co__op_write(site, fd, data, len);
}

static int is_vector(const struct iovec *iov, int count)
{
    return iov && count > 0 && count <= 1024;
}

ssize_t co__hook_readv(int fd, const struct iovec *iov, int count)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, readv);

    if (!site || !is_vector(iov, count) || co__guest_owns(fd))
        return CO__REAL(readv)(fd, iov, count);
    return do_vector(site, fd, iov, count, 0);
}

ssize_t co__hook_writev(int fd, const struct iovec *iov, int count)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, writev);

    if (!site || !is_vector(iov, count) || co__guest_owns(fd))
        return CO__REAL(writev)(fd, iov, count);
    return do_vector(site, fd, iov, count, 1);
}

/* ---- recv(2), send(2) ---------------------------------------------------- */

ssize_t co__hook_recv(int fd, void *buffer, size_t len, int flags)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, recv);

    if (!site || flags & CO__AT_ONCE)
        return CO__REAL(recv)(fd, buffer, len, flags);
    return do_recvfrom(site, fd, buffer, len, flags, NULL, NULL);
}

ssize_t co__hook___recv_chk(int fd, void *buffer, size_t len, size_t room,
                            int flags)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, recv);

    if (!site || flags & CO__AT_ONCE || len > room)
        return CO__REAL(__recv_chk)(fd, buffer, len, room, flags);
    return do_recvfrom(site, fd, buffer, len, flags, NULL, NULL);
}

CO__HOOK_ALIAS(__send, send);
ssize_t co__hook_send(int fd, const void *data, size_t len, int flags)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, send);

    if (!site || flags & CO__AT_ONCE)
        return CO__REAL(send)(fd, data, len, flags);
    return do_sendto(site, fd, data, len, flags, NULL, 0);
}

ssize_t co__hook_recvfrom(int fd, void *buffer, size_t len, int flags,
                          struct sockaddr *addr, socklen_t *addr_len)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, recvfrom);

    if (!site || flags & CO__AT_ONCE)
        return CO__REAL(recvfrom)(fd, buffer, len, flags, addr, addr_len);
    return do_recvfrom(site, fd, buffer, len, flags, addr, addr_len);
}

ssize_t co__hook___recvfrom_chk(int fd, void *buffer, size_t len, size_t room,
                                int flags, struct sockaddr *addr,
                                socklen_t *addr_len)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, recvfrom);

    if (!site || flags & CO__AT_ONCE || len > room)
        return CO__REAL(__recvfrom_chk)(fd, buffer, len, room, flags, addr,
                                        addr_len);
    return do_recvfrom(site, fd, buffer, len, flags, addr, addr_len);
}

ssize_t co__hook_sendto(int fd, const void *data, size_t len, int flags,
                        const struct sockaddr *addr, socklen_t addr_len)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, sendto);

    if (!site || flags & CO__AT_ONCE)
        return CO__REAL(sendto)(fd, data, len, flags, addr, addr_len);
    return do_sendto(site, fd, data, len, flags, addr, addr_len);
}

ssize_t co__hook_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, recvmsg);

    if (!site || flags & CO__AT_ONCE || !message)
        return CO__REAL(recvmsg)(fd, message, flags);
    return do_recvmsg(site, fd, message, flags);
}

ssize_t co__hook_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, sendmsg);

    if (!site || flags & CO__AT_ONCE || !message)
        return CO__REAL(sendmsg)(fd, message, flags);
    return do_sendmsg(site, fd, message, flags);
}
