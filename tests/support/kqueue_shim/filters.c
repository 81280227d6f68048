/* SPDX-License-Identifier: MIT */
/* The filters: how each begins, and what it has to tell. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static mode_t mode_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 ? 0 : st.st_mode;
}

/* ---- beginning ----------------------------------------------------------- */

static uint32_t wanted(const struct knote *knote)
{
    static const uint32_t of[SHIM_SETS] = {
        [SHIM_READ] = EPOLLIN | EPOLLRDHUP,
        [SHIM_WRITE] = EPOLLOUT,
        [SHIM_EXCEPT] = EPOLLPRI,
        [SHIM_PROC] = EPOLLIN,
    };

    return of[knote->set] | (knote->is.flags & EV_CLEAR ? EPOLLET : 0);
}

static int put(const struct queue *queue, const struct knote *knote)
{
    struct epoll_event event = {.events = wanted(knote),
                                .data.u64 = (uint64_t)knote->serial << 32 |
                                            (uint32_t)knote->is.ident};
    int set = queue->sets[knote->set];

    if (epoll_ctl(set, EPOLL_CTL_MOD, knote->fd, &event) == 0 ||
        (errno == ENOENT &&
         epoll_ctl(set, EPOLL_CTL_ADD, knote->fd, &event) == 0))
        return 0;
    if (errno == EPERM)
        return ENODEV;
    return errno == ENOSPC ? ENOMEM : errno;
}

static void take_out(const struct queue *queue, const struct knote *knote)
{
    struct epoll_event unused = {.events = 0};

    epoll_ctl(queue->sets[knote->set], EPOLL_CTL_DEL, knote->fd, &unused);
}

/* Of what one was written into, and nobody is left who could read it. */
static int is_broken_pipe(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

static int attach_fd(struct queue *queue, struct knote *knote)
{
    int fd = (int)knote->is.ident;
    mode_t mode = mode_of(fd);

    knote->fd = fd;
    if (S_ISREG(mode) || S_ISDIR(mode)) {
        if (knote->is.filter != EVFILT_READ)
            return EINVAL;
        knote->set = -1;
        knote->seen = -1;
        return 0;
    }
    if (knote->is.filter == EVFILT_EXCEPT) {
        if (!S_ISSOCK(mode) || knote->is.fflags != NOTE_OOB ||
            !(knote->is.flags & EV_CLEAR))
            return EINVAL;
        knote->set = SHIM_EXCEPT;
    } else if (knote->is.filter == EVFILT_WRITE) {
        if (S_ISFIFO(mode) && is_broken_pipe(fd))
            return EPIPE;
        knote->set = SHIM_WRITE;
    } else {
        knote->set = SHIM_READ;
    }
    return put(queue, knote);
}

/* Make a set that only few need. */
static int need_set(struct queue *queue, int set)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd;

    if (queue->sets[set] >= 0)
        return 0;
    fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return ENOMEM;
    if (epoll_ctl(queue->kq, EPOLL_CTL_ADD, fd, &event) < 0) {
        shim_close(fd);
        return ENOMEM;
    }
    queue->sets[set] = fd;
    return 0;
}

static int attach_process(struct queue *queue, struct knote *knote)
{
    struct pollfd ended = {.events = POLLIN};
    int r = need_set(queue, SHIM_PROC);

    if (r)
        return r;
    if (knote->is.fflags != NOTE_EXIT)
        return EINVAL;
    knote->set = SHIM_PROC;
    knote->is.flags |= EV_ONESHOT;
    ended.fd = (int)syscall(SYS_pidfd_open, (pid_t)knote->is.ident, 0);
    if (ended.fd < 0)
        return errno == EMFILE || errno == ENFILE ? ENOMEM : ESRCH;
    knote->fd = ended.fd;
    r = poll(&ended, 1, 0) == 1 ? ESRCH : put(queue, knote);
    if (r)
        shim_close(knote->fd);
    return r;
}

static int attach_signal(struct queue *queue, struct knote *knote)
{
    int r = need_set(queue, SHIM_SIGNAL);

    knote->set = SHIM_SIGNAL;
    knote->is.flags |= EV_CLEAR;
    return r ? r : shim_signal_attach(queue, knote);
}

int shim_attach(struct queue *queue, struct knote *knote)
{
    switch (knote->is.filter) {
    case EVFILT_READ:
    case EVFILT_WRITE:
    case EVFILT_EXCEPT:
        return attach_fd(queue, knote);
    case EVFILT_PROC:
        return attach_process(queue, knote);
    case EVFILT_SIGNAL:
        return attach_signal(queue, knote);
    default:
        knote->set = -1;
        knote->fd = -1;
        knote->count = (knote->is.fflags & NOTE_TRIGGER) != 0;
        knote->is.fflags &= NOTE_FFLAGSMASK;
        return 0;
    }
}

void shim_detach(struct queue *queue, struct knote *knote)
{
    if (knote->is.filter == EVFILT_SIGNAL) {
        shim_signal_detach(knote);
    } else if (knote->set >= 0) {
        take_out(queue, knote);
        if (knote->set == SHIM_PROC)
            shim_close(knote->fd);
    }
}

/* ---- changing ------------------------------------------------------------ */

static void touch_user(struct knote *knote, const struct kevent *change)
{
    unsigned flags = change->fflags & NOTE_FFLAGSMASK;

    switch (change->fflags & NOTE_FFCTRLMASK) {
    case NOTE_FFAND:
        knote->is.fflags &= flags;
        break;
    case NOTE_FFOR:
        knote->is.fflags |= flags;
        break;
    case NOTE_FFCOPY:
        knote->is.fflags = flags;
        break;
    default:
        break;
    }
    if (change->fflags & NOTE_TRIGGER)
        knote->count = 1;
}

int shim_touch(struct queue *queue, struct knote *knote,
               const struct kevent *change)
{
    knote->is.udata = change->udata;
    if (change->flags & EV_DISABLE)
        knote->disabled = 1;
    else if (change->flags & (EV_ENABLE | EV_ADD))
        knote->disabled = 0;
    if (knote->is.filter == EVFILT_USER) {
        touch_user(knote, change);
        return 0;
    }
    if (knote->set < 0 || knote->set == SHIM_SIGNAL)
        return 0;
    if (!knote->disabled)
        return put(queue, knote);
    take_out(queue, knote);
    return 0;
}

/* ---- telling ------------------------------------------------------------- */

static int bytes(int fd, unsigned long request)
{
    int n = 0;

    return ioctl(fd, request, &n) < 0 ? 0 : n;
}

static int option(int fd, int name)
{
    int value = 0;
    socklen_t size = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? 0 : value;
}

/* Connections that wait to be accepted: of TCP alone is it known how many. */
static int backlog(int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);

    /* An emulator may tell less. */
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ||
        size <
            sizeof(info.tcpi_unacked) + offsetof(struct tcp_info, tcpi_unacked))
        return 1;
    return (int)info.tcpi_unacked;
}

static void describe_read(const struct knote *knote, uint32_t events,
                          struct kevent *out)
{
    int socket = S_ISSOCK(mode_of(knote->fd));

    if (socket && option(knote->fd, SO_ACCEPTCONN)) {
        out->data = backlog(knote->fd);
        return;
    }
    out->data = bytes(knote->fd, FIONREAD);
    if (events & (EPOLLRDHUP | EPOLLHUP) || (!socket && events & EPOLLERR))
        out->flags |= EV_EOF;
}

static void describe_write(const struct knote *knote, uint32_t events,
                           struct kevent *out)
{
    mode_t mode = mode_of(knote->fd);

    if (S_ISSOCK(mode))
        out->data = option(knote->fd, SO_SNDBUF) - bytes(knote->fd, SIOCOUTQ);
    else if (S_ISFIFO(mode))
        out->data = fcntl(knote->fd, F_GETPIPE_SZ) - bytes(knote->fd, FIONREAD);
    if (events & EPOLLHUP || (!S_ISSOCK(mode) && events & EPOLLERR))
        out->flags |= EV_EOF;
}

static void describe_process(const struct knote *knote, struct kevent *out)
{
    siginfo_t info = {.si_pid = 0};

    out->fflags = NOTE_EXIT;
    out->flags |= EV_EOF;
    if (waitid(P_PIDFD, (id_t)knote->fd, &info, WEXITED | WNOHANG | WNOWAIT) ==
            0 &&
        info.si_pid)
        out->data =
            info.si_code == CLD_EXITED
                ? info.si_status << 8
                : info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
}

static int describe_signal(struct knote *knote, struct kevent *out)
{
    int64_t count = shim_signal_count((int)knote->is.ident);

    out->data = count - knote->seen + knote->count;
    knote->seen = count;
    knote->count = 0;
    return out->data > 0;
}

/* A file is looked at whenever the queue is. */
static off_t file_rest(const struct knote *knote)
{
    struct stat st;
    off_t at = lseek(knote->fd, 0, SEEK_CUR);

    if (at < 0 || fstat(knote->fd, &st) < 0 ||
        (knote->is.flags & EV_CLEAR && knote->seen == st.st_size))
        return 0;
    return st.st_size - at;
}

int shim_has_news(const struct knote *knote)
{
    return knote->is.filter == EVFILT_USER ? knote->count > 0
                                           : file_rest(knote) != 0;
}

static void describe_soft(struct knote *knote, struct kevent *out)
{
    struct stat st;

    if (knote->is.filter == EVFILT_USER) {
        out->fflags = knote->is.fflags;
        if (knote->is.flags & (EV_CLEAR | EV_DISPATCH))
            knote->count = 0;
    } else if (fstat(knote->fd, &st) == 0) {
        out->data = file_rest(knote);
        knote->seen = st.st_size;
    }
}

int shim_describe(struct knote *knote, uint32_t events, struct kevent *out)
{
    *out = knote->is;
    out->fflags = 0;
    out->data = 0;
    if (knote->set < 0) {
        describe_soft(knote, out);
        return 1;
    }
    switch (knote->is.filter) {
    case EVFILT_READ:
        describe_read(knote, events, out);
        break;
    case EVFILT_WRITE:
        describe_write(knote, events, out);
        break;
    case EVFILT_EXCEPT:
        out->fflags = NOTE_OOB;
        return (events & EPOLLPRI) != 0;
    case EVFILT_PROC:
        describe_process(knote, out);
        break;
    default:
        return describe_signal(knote, out);
    }
    /* Which error it is Linux tells once, and not us. */
    if (out->flags & EV_EOF && events & EPOLLERR && events & EPOLLHUP)
        out->fflags = ECONNRESET;
    return 1;
}
