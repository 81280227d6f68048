/* SPDX-License-Identifier: MIT */
/* Dialling and listening in one call, by address as text. */
#include <coppice/addr.h>
#include <coppice/fd.h>
#include <coppice/socket.h>

#include "io/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

static const int yes = 1;
static const int no;

int co__net_any_ipv4(co_addr *addr)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6;

    if (addr->as.any.sa_family != AF_INET6)
        return 0;
    memcpy(&v6, &addr->as.storage, sizeof(v6));
    if (!IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr))
        return 0;
    v4.sin_port = v6.sin6_port;
    memcpy(&addr->as.storage, &v4, sizeof(v4));
    addr->len = sizeof(v4);
    return 1;
}

/* Undo a half-made socket. */
static int fail(int fd, int error)
{
    (void)co_close(fd);
    return error;
}

static int set(int fd, int level, int name, const int *value)
{
    return setsockopt(fd, level, name, value, sizeof(*value)) < 0 ? -errno : 0;
}

int co__net_prepare(int fd, int family, int type, const co_addr *local)
{
    int r = 0;

    if (type == SOCK_STREAM && family != AF_UNIX)
        r = set(fd, IPPROTO_TCP, TCP_NODELAY, &yes);
    if (r == 0 && local && bind(fd, &local->as.any, local->len) < 0)
        r = -errno;
    return r;
}

int co__net_dial(const co_addr *addr, int type, const co_addr *local)
{
    int family = addr->as.any.sa_family;
    int fd = co_socket(family, type, 0);
    int r;

    if (fd < 0)
        return fd;
    r = co__net_prepare(fd, family, type, local);
    if (r == 0)
        r = co_connect(fd, &addr->as.any, addr->len);
    return r < 0 ? fail(fd, r) : fd;
}

int co__net_listen(const co_addr *addr, const struct co__net_listener *how,
                   int *bound)
{
    int family = addr->as.any.sa_family;
    int fd = co_socket(family, SOCK_STREAM, 0);
    int r = 0;

    *bound = 0;
    if (fd < 0)
        return fd;
    if (family != AF_UNIX) {
        r = set(fd, SOL_SOCKET, SO_REUSEADDR, &yes);
        if (r == 0) /* what is accepted inherits it */
            r = set(fd, IPPROTO_TCP, TCP_NODELAY, &yes);
        if (r == 0 && how->reuse_port)
            r = set(fd, SOL_SOCKET, SO_REUSEPORT, &yes);
    }
    if (r == 0 && family == AF_INET6)
        r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, how->v6_only ? &yes : &no);
    if (r == 0 && bind(fd, &addr->as.any, addr->len) < 0)
        r = -errno;
    if (r < 0)
        return fail(fd, r);
    *bound = 1;
    if (listen(fd, how->backlog ? how->backlog : SOMAXCONN) < 0)
        return fail(fd, -errno);
    return fd;
}

int co_tcp_dial(const char *address)
{
    co_addr addr;
    int r = co_addr_tcp(address, &addr);

    if (r < 0)
        return r;
    r = co__net_dial(&addr, SOCK_STREAM, NULL);
    if (r == -EAFNOSUPPORT && co__net_any_ipv4(&addr))
        r = co__net_dial(&addr, SOCK_STREAM, NULL);
    return r;
}

int co_tcp_listen(const char *address, int backlog)
{
    const struct co__net_listener how = {.backlog = backlog};
    co_addr addr;
    int bound;
    int r = backlog < 0 ? -EINVAL : co_addr_tcp(address, &addr);

    if (r < 0)
        return r;
    r = co__net_listen(&addr, &how, &bound);
    if (r == -EAFNOSUPPORT && co__net_any_ipv4(&addr))
        r = co__net_listen(&addr, &how, &bound);
    return r;
}

int co_unix_dial(const char *path)
{
    co_addr addr;
    int r = co_addr_unix(path, &addr);

    return r < 0 ? r : co__net_dial(&addr, SOCK_STREAM, NULL);
}

int co_unix_listen(const char *path, int backlog)
{
    const struct co__net_listener how = {.backlog = backlog};
    co_addr addr;
    int bound;
    int r = backlog < 0 ? -EINVAL : co_addr_unix(path, &addr);

    if (r < 0)
        return r;
    r = co__net_listen(&addr, &how, &bound);
    if (r < 0 && bound && path[0] != '@')
        (void)unlink(path);
    return r;
}
