/* SPDX-License-Identifier: MIT */
/*
 * The addresses of a server.
 *
 * The file of a unix socket outlives its server, and is in the next one's way.
 * Whether somebody listens behind it is asked by connecting, which either is
 * refused or fills a place in the backlog of a server that lives. What is not a
 * socket is never removed.
 */
#include "io/server.h"

#include "io/net.h"
#include "io/sys.h"

#include <coppice/fd.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The path of an address; NULL if it has none. */
static const char *path_of(const co_addr *addr)
{
    const struct sockaddr_un *un = (const void *)&addr->as.storage;

    if (addr->as.any.sa_family != AF_UNIX || !un->sun_path[0])
        return NULL;
    return un->sun_path;
}

/* Whether the path is a socket that nobody listens on. */
static int is_stale(const co_addr *addr, const char *path)
{
    struct stat st;
    int fd, refused;

    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return 0;
    fd = co__sys_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return 0;
    refused =
        connect(fd, &addr->as.any, addr->len) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* As text, see server.h. *v6_only: it names an IPv6 address. */
static int parse(const char *text, co_addr *addr, int *v6_only)
{
    *v6_only = 0;
    if (!text)
        return -EINVAL;
    if (strncmp(text, "unix:", 5) == 0)
        return co_addr_unix(text + 5, addr);
    if (strncmp(text, "tcp://", 6) == 0)
        text += 6;
    *v6_only = text[0] == '[';
    return co_addr_tcp(text, addr);
}

static int open_at(co_addr *addr, const struct co__net_listener *how)
{
    const char *path = path_of(addr);
    int bound;
    int fd = co__net_listen(addr, how, &bound);

    if (fd == -EAFNOSUPPORT && !how->v6_only && co__net_any_ipv4(addr))
        fd = co__net_listen(addr, how, &bound);
    if (fd == -EADDRINUSE && path && is_stale(addr, path)) {
        (void)unlink(path);
        fd = co__net_listen(addr, how, &bound);
    }
    if (fd < 0 && bound && path)
        (void)unlink(path);
    return fd;
}

int co__listener_open(struct co__listener *listener, const char *address)
{
    const co_server_options *options = &listener->server->options;
    struct co__net_listener how = {.backlog = options->backlog,
                                   .reuse_port = options->reuse_port};
    const char *path;
    struct stat st;
    int fd, r = parse(address, &listener->addr, &how.v6_only);

    if (r < 0)
        return r;
    fd = open_at(&listener->addr, &how);
    if (fd < 0)
        return fd;
    path = path_of(&listener->addr);
    if (path && lstat(path, &st) == 0) {
        listener->dev = st.st_dev;
        listener->ino = st.st_ino;
    }
    if (!path && listener->addr.as.any.sa_family != AF_UNIX) {
        listener->addr.len = sizeof(listener->addr.as.storage);
        (void)getsockname(fd, &listener->addr.as.any, &listener->addr.len);
    }
    listener->fd = fd;
    return 0;
}

void co__listener_close(struct co__listener *listener)
{
    const char *path = path_of(&listener->addr);
    struct stat st;

    if (listener->fd < 0)
        return;
    if (path && lstat(path, &st) == 0 && st.st_dev == listener->dev &&
        st.st_ino == listener->ino)
        (void)unlink(path);
    co_close(listener->fd);
    listener->fd = -1;
}
