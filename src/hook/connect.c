/* SPDX-License-Identifier: MIT */
/*
 * connect(2) and accept(2), which know no flag that says "do not block": the
 * descriptor is made non-blocking for the one system call, and never while the
 * task waits. Whoever shares it could see that.
 */
#include <coppice/fd.h>

#include "hook/hook.h"
#include "hook/op.h"

#include <errno.h>

/* ---- connect(2) ---------------------------------------------------------- */

static int try_connect(int fd, const struct sockaddr *addr, socklen_t addr_len)
{
    int flags = co__op_unblock(fd);
    int r = CO__REAL(connect)(fd, addr, addr_len);

    co__op_reblock(fd, flags);
    return r;
}

/* It is under way. Only a further call learns how it went and leaves the socket
 * as one that blocks would: connected, or ready for another try. */
static int finish(struct co__site *site, int fd, const struct sockaddr *addr,
                  socklen_t addr_len, struct co__patience *patience)
{
    int r;

    for (;;) {
        r = co__op_wait(site, fd, CO_WRITABLE, patience);
        if (r == 0) /* SO_SNDTIMEO */
            return co__hook_fail(EINPROGRESS);
        if (r < 0)
            return co__hook_fail(r);
        r = try_connect(fd, addr, addr_len);
        if (r == 0 || errno == EISCONN)
            return 0;
        if (errno != EALREADY && errno != EINPROGRESS)
            return r;
    }
}

/* A unix socket whose listener's queue is full says EAGAIN, and no event tells
 * when there is room. Returns 0, or a negative errno. */
static int wait_room(struct co__site *site, int fd,
                     struct co__patience *patience)
{
    if (!co__op_patient(fd, CO_WRITABLE, patience) ||
        co_now() >= patience->until)
        return -EAGAIN;
    return co__hook_pause(site, &patience->pause, patience->until);
}

CO__HOOK_ALIAS(__connect, connect);
int co__hook_connect(int fd, const struct sockaddr *addr, socklen_t addr_len)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, connect);
    struct co__patience patience = CO__PATIENCE;
    int r;

    if (!site || co__op_nonblocking(fd))
        return CO__REAL(connect)(fd, addr, addr_len);
    r = co__guest_enter();
    while (r >= 0) {
        r = try_connect(fd, addr, addr_len);
        if (r == 0)
            return 0;
        if (errno == EINPROGRESS)
            return finish(site, fd, addr, addr_len, &patience);
        if (errno != EAGAIN)
            return r;
        r = wait_room(site, fd, &patience);
    }
    return co__hook_fail(r);
}

/* ---- accept(2) ----------------------------------------------------------- */

/* Only one that is ready is tried: else every call would flip the flag of a
 * descriptor that others may share. */
static int accept_one(struct co__site *site, int fd, struct sockaddr *addr,
                      socklen_t *addr_len, int flags)
{
    struct co__patience patience = CO__PATIENCE;
    int r = co__guest_enter();

    while (r >= 0) {
        struct pollfd p = {fd, POLLIN, 0};

        if (CO__REAL(poll)(&p, 1, 0) != 0) {
            int was = co__op_unblock(fd);
            int conn = CO__REAL(accept4)(fd, addr, addr_len, flags);

            co__op_reblock(fd, was);
            if (conn >= 0 || errno != EAGAIN)
                return conn;
        }
        r = co__op_wait(site, fd, CO_READABLE, &patience);
        if (r == 0)
            r = -EAGAIN;
    }
    return co__hook_fail(r);
}

int co__hook_accept(int fd, struct sockaddr *addr, socklen_t *addr_len)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, accept);

    if (!site || co__op_nonblocking(fd))
        return CO__REAL(accept)(fd, addr, addr_len);
    return accept_one(site, fd, addr, addr_len, 0);
}

int co__hook_accept4(int fd, struct sockaddr *addr, socklen_t *addr_len,
                     int flags)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, accept4);

    if (!site || co__op_nonblocking(fd))
        return CO__REAL(accept4)(fd, addr, addr_len, flags);
    return accept_one(site, fd, addr, addr_len, flags);
}
