/* SPDX-License-Identifier: MIT */
/* Several messages at a time, and bytes that go from one descriptor to another.
 */
#include <coppice/fd.h>

#include "hook/hook.h"
#include "hook/op.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>

/* ---- several at a time --------------------------------------------------- */

int co__hook_recvmmsg(int fd, struct mmsghdr *list, unsigned count, int flags,
                      struct timespec *limit)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, recvmmsg);
    co_time end;
    unsigned i;

    if (!site || flags & CO__AT_ONCE || !list || count == 0)
        return CO__REAL(recvmmsg)(fd, list, count, flags, limit);
    end = limit ? co__after(co__span_of(limit)) : CO_NEVER;
    for (i = 0; i < count; i++) {
        int one = flags & ~MSG_WAITFORONE;
        ssize_t n;

        if (i > 0 && flags & MSG_WAITFORONE)
            one |= MSG_DONTWAIT;
        n = co__hook_recvmsg(fd, &list[i].msg_hdr, one);
        if (n < 0)
            break;
        list[i].msg_len = (unsigned)n;
        /* The kernel, too, looks at the clock after a message only. */
        if (limit && co_now() >= end) {
            i++;
            break;
        }
    }
    return i > 0 ? (int)i : -1;
}

int co__hook_sendmmsg(int fd, struct mmsghdr *list, unsigned count, int flags)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, sendmmsg);
    unsigned i;

    if (!site || flags & CO__AT_ONCE || !list || count == 0)
        return CO__REAL(sendmmsg)(fd, list, count, flags);
    for (i = 0; i < count; i++) {
        ssize_t n = co__hook_sendmsg(fd, &list[i].msg_hdr, flags);

        if (n < 0)
            break;
        list[i].msg_len = (unsigned)n;
    }
    return i > 0 ? (int)i : -1;
}

/* ---- sendfile(2), splice(2) ---------------------------------------------- */

CO__HOOK_ALIAS(sendfile64, sendfile);
ssize_t co__hook_sendfile(int out, int in, off_t *offset, size_t len)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, sendfile);
    struct co__patience patience = CO__PATIENCE;
    ssize_t n, done = 0;
    int r;

    if (!site || len == 0 || co__op_nonblocking(out))
        return CO__REAL(sendfile)(out, in, offset, len);
    r = co__guest_enter();
    if (r < 0)
        return co__hook_fail(r);
    while ((size_t)done < len) {
        int flags = co__op_unblock(out);

        n = CO__REAL(sendfile)(out, in, offset, len - (size_t)done);
        co__op_reblock(out, flags);
        if (n > 0)
            done += n;
        else if (n == 0)
            break;
        else if (errno != EAGAIN)
            return done ? done : n;
        else if ((r = co__op_wait(site, out, CO_WRITABLE, &patience)) != 1)
            return done ? done : co__hook_fail(r < 0 ? r : EAGAIN);
    }
    return done;
}

/* Which of the two has made it wait is not told. */
static int splice_wait(struct co__site *site, int in, int out,
                       struct co__patience *patience)
{
    struct pollfd p = {in, POLLIN, 0};

    return CO__REAL(poll)(&p, 1, 0) == 0
               ? co__op_wait(site, in, CO_READABLE, patience)
               : co__op_wait(site, out, CO_WRITABLE, patience);
}

ssize_t co__hook_splice(int in, off64_t *in_offset, int out,
                        off64_t *out_offset, size_t len, unsigned flags)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_IO, splice);
    struct co__patience patience = CO__PATIENCE;
    int r;

    if (!site || len == 0 || flags & SPLICE_F_NONBLOCK)
        return CO__REAL(splice)(in, in_offset, out, out_offset, len, flags);
    r = co__guest_enter();
    while (r >= 0) {
        int in_flags = in_offset ? 0 : co__op_unblock(in);
        int out_flags = out_offset ? 0 : co__op_unblock(out);
        ssize_t n = CO__REAL(splice)(in, in_offset, out, out_offset, len,
                                     flags | SPLICE_F_NONBLOCK);

        co__op_reblock(out, out_flags);
        co__op_reblock(in, in_flags);
        if (n >= 0 || errno != EAGAIN)
            return n;
        r = splice_wait(site, in, out, &patience);
        if (r == 0)
            r = -EAGAIN;
    }
    return co__hook_fail(r);
}
