/* SPDX-License-Identifier: MIT */
/* Sockets of datagrams, and several datagrams at once. */
#include <coppice/dgram.h>

#include <coppice/fd.h>
#include <coppice/socket.h>

#include "base/system.h"
#include "io/io.h"
#include "io/mmsg.h"
#include "io/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

static int set(int fd, int level, int name, const void *value, socklen_t len)
{
    return setsockopt(fd, level, name, value, len) < 0 ? -errno : 0;
}

static int set_int(int fd, int level, int name, int value)
{
    return set(fd, level, name, &value, sizeof(value));
}

/* ---- sockets ------------------------------------------------------------- */

/* Returns fd, or the error, and then it is closed. */
static int finish(int fd, int error)
{
    if (error < 0)
        (void)co_close(fd);
    return error < 0 ? error : fd;
}

static int bind_at(const co_addr *addr, const co_udp_options *options)
{
    int family = addr->as.any.sa_family;
    int fd = co_socket(family, SOCK_DGRAM, 0);
    int r = 0;

    if (fd < 0)
        return fd;
    if (family == AF_INET6)
        r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6_only != 0);
    if (r == 0 && options->reuse_port)
        r = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0 && options->reuse_addr)
        r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0 && options->broadcast)
        r = set_int(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (r == 0 && bind(fd, &addr->as.any, addr->len) < 0)
        r = -errno;
    return finish(fd, r);
}

int co_udp_bind(const char *address, const co_udp_options *options)
{
    static const co_udp_options defaults = {.size = sizeof(defaults)};
    co_addr addr;
    int fd, r;

    options = options ? options : &defaults;
    if (options->size != sizeof(*options))
        return -EINVAL;
    r = co_addr_tcp(address, &addr);
    if (r < 0)
        return r;
    fd = bind_at(&addr, options);
    if (fd == -EAFNOSUPPORT && !options->v6_only && co__net_any_ipv4(&addr))
        fd = bind_at(&addr, options);
    return fd;
}

int co_udp_dial(const char *address)
{
    co_addr addr;
    int r = co_addr_tcp(address, &addr);

    return r < 0 ? r : co__net_dial(&addr, SOCK_DGRAM, NULL);
}

int co_unix_dgram_bind(const char *path)
{
    co_addr addr;
    int fd, r = path ? co_addr_unix(path, &addr) : 0;

    if (r < 0)
        return r;
    fd = co_socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd >= 0 && path && bind(fd, &addr.as.any, addr.len) < 0)
        r = -errno;
    return fd < 0 ? fd : finish(fd, r);
}

int co_unix_dgram_dial(const char *path, const char *local)
{
    co_addr addr;
    int fd, r = co_addr_unix(path, &addr);

    if (r < 0)
        return r;
    fd = co_unix_dgram_bind(local);
    if (fd < 0)
        return fd;
    return finish(fd, co_connect(fd, &addr.as.any, addr.len));
}

/* ---- multicast ----------------------------------------------------------- */

/* An interface's name or number; NULL: 0. */
static int parse_interface(const char *interface, unsigned *index)
{
    char *end;
    unsigned long number;

    *index = 0;
    if (!interface)
        return 0;
    *index = if_nametoindex(interface);
    if (*index)
        return 0;
    number = strtoul(interface, &end, 10);
    if (*end || end == interface || !number || number > UINT32_MAX)
        return -ENODEV;
    *index = (unsigned)number;
    return 0;
}

static int membership(int fd, int what, const char *group,
                      const char *interface)
{
    struct group_req request;
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    int level = IPPROTO_IP;
    unsigned index;
    int r;

    if (!group)
        return -EINVAL;
    memset(&request, 0, sizeof(request));
    if (inet_pton(AF_INET, group, &in.sin_addr) == 1) {
        memcpy(&request.gr_group, &in, sizeof(in));
    } else if (inet_pton(AF_INET6, group, &in6.sin6_addr) == 1) {
        memcpy(&request.gr_group, &in6, sizeof(in6));
        level = IPPROTO_IPV6;
    } else {
        return -EINVAL;
    }
    r = parse_interface(interface, &index);
    request.gr_interface = index;
    return r < 0 ? r : set(fd, level, what, &request, sizeof(request));
}

int co_udp_join(int fd, const char *group, const char *interface)
{
    return membership(fd, MCAST_JOIN_GROUP, group, interface);
}

int co_udp_leave(int fd, const char *group, const char *interface)
{
    return membership(fd, MCAST_LEAVE_GROUP, group, interface);
}

static int multicast_v4(int fd, unsigned index, int hops, int loopback)
{
    struct ip_mreqn from = {.imr_ifindex = (int)index};
    unsigned char value;
    int r = 0;

    if (index)
        r = set(fd, IPPROTO_IP, IP_MULTICAST_IF, &from, sizeof(from));
    value = (unsigned char)hops;
    if (r == 0 && hops >= 0)
        r = set(fd, IPPROTO_IP, IP_MULTICAST_TTL, &value, sizeof(value));
    value = (unsigned char)loopback;
    if (r == 0 && loopback >= 0)
        r = set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &value, sizeof(value));
    return r;
}

static int multicast_v6(int fd, unsigned index, int hops, int loopback)
{
    int r = 0;

    if (index)
        r = set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)index);
    if (r == 0 && hops >= 0)
        r = set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops);
    if (r == 0 && loopback >= 0)
        r = set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, loopback);
    return r;
}

int co_udp_multicast(int fd, const char *interface, int hops, int loopback)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(name);
    unsigned index;
    int r;

    if (hops < -1 || hops > 255 || loopback < -1 || loopback > 1)
        return -EINVAL;
    r = parse_interface(interface, &index);
    if (r < 0)
        return r;
    if (getsockname(fd, (struct sockaddr *)&name, &len) < 0)
        return -errno;
    return name.ss_family == AF_INET6 ? multicast_v6(fd, index, hops, loopback)
                                      : multicast_v4(fd, index, hops, loopback);
}

/* ---- several at once ----------------------------------------------------- */

struct many_op {
    struct co__op op; /* first: what the mechanism knows */
    co_dgram *list;
    unsigned count;
};

/* On the stack of one try: so that a task that waits does not hold it. */
struct batch {
    struct co__mmsg messages[CO_DGRAM_BATCH];
    struct iovec parts[CO_DGRAM_BATCH];
};

static void fill(struct batch *batch, unsigned i, co_dgram *dgram, size_t len)
{
    struct msghdr *head = &batch->messages[i].head;

    batch->parts[i] = (struct iovec){.iov_base = dgram->data, .iov_len = len};
    memset(&batch->messages[i], 0, sizeof(batch->messages[i]));
    head->msg_iov = &batch->parts[i];
    head->msg_iovlen = 1;
    if (dgram->addr.len) {
        head->msg_name = &dgram->addr.as;
        head->msg_namelen = dgram->addr.len;
    }
}

static CO_NOINLINE ssize_t try_receive(struct co__op *op, unsigned care)
{
    struct many_op *m = (struct many_op *)op;
    struct batch batch;
    int n;

    (void)care;
    for (unsigned i = 0; i < m->count; i++) {
        m->list[i].addr.len = sizeof(m->list[i].addr.as);
        fill(&batch, i, &m->list[i], m->list[i].room);
    }
    n = co__mmsg_receive(op->fd, batch.messages, m->count, MSG_DONTWAIT);
    for (int i = 0; i < n; i++) {
        const struct msghdr *head = &batch.messages[i].head;

        m->list[i].len = batch.messages[i].len;
        m->list[i].addr.len = head->msg_namelen;
        m->list[i].truncated = (head->msg_flags & MSG_TRUNC) != 0;
    }
    return n;
}

static CO_NOINLINE ssize_t try_send(struct co__op *op, unsigned care)
{
    struct many_op *m = (struct many_op *)op;
    int restore = co__send_begin(op, care);
    struct batch batch;
    int n;

    if (restore < 0)
        return restore;
    for (unsigned i = 0; i < m->count; i++)
        fill(&batch, i, &m->list[i], m->list[i].len);
    n = co__mmsg_send(op->fd, batch.messages, m->count,
                      MSG_DONTWAIT | MSG_NOSIGNAL);
    co__send_end(op, restore);
    return n;
}

static const struct co__op_kind kind_receive = {try_receive, NULL},
                                kind_send = {try_send, NULL};

static int check(const co_dgram *list, size_t count, int receives)
{
    if (count && !list)
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        if (!list[i].data && (receives ? list[i].room : list[i].len))
            return -EINVAL;
    return 0;
}

int co_dgram_recv_many(int fd, co_dgram *list, size_t count)
{
    struct many_op m = {.op = {.fd = fd}, .list = list};

    count = count < CO_DGRAM_BATCH ? count : CO_DGRAM_BATCH;
    if (check(list, count, 1) < 0)
        return -EINVAL;
    m.count = (unsigned)count;
    if (!count)
        return co__io_enter();
    return (int)co__io(&m.op, &kind_receive, CO_READABLE);
}

int co_dgram_send_many(int fd, const co_dgram *list, size_t count)
{
    struct many_op m = {.op = {.fd = fd}, .list = (co_dgram *)list};

    count = count < CO_DGRAM_BATCH ? count : CO_DGRAM_BATCH;
    if (check(list, count, 0) < 0)
        return -EINVAL;
    m.count = (unsigned)count;
    if (!count)
        return co__io_enter();
    /* No event tells that another one's queue has room again: message.c. */
    if (list[0].addr.len && list[0].addr.as.any.sa_family == AF_UNIX)
        m.op.mode = CO__OP_BACKOFF;
    return (int)co__io(&m.op, &kind_send, CO_WRITABLE);
}
