/* SPDX-License-Identifier: MIT */
/*
 * The smallest echo server over io_uring: raw_epoll.c for completions. What a
 * connection has received is sent, and the next receive is linked to that, so
 * that a message costs two entries, one end, and a share of one system call.
 *
 * Other ways were measured with 9,900 connections: a receive that goes on by
 * itself (multishot) and takes its buffers out of a ring took 0.94 of what
 * raw_epoll.c takes, one at a time 0.88. To wait before the first try
 * (POLL_FIRST) made no difference that could be told from noise.
 */
#include "net.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>

#define SEND    UINT64_MAX /* what an end is of; others are descriptors */
#define FDS_MAX 32768
#define ENTRIES 4096
#define ENDS    (4 * ENTRIES)

static struct io_uring ring;
static char *buffers[FDS_MAX];

/* Links do not reach from one submission to the next. */
static void make_room(unsigned count)
{
    if (io_uring_sq_space_left(&ring) < count)
        io_uring_submit(&ring);
}

static void receive(int fd)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    io_uring_prep_recv(sqe, fd, buffers[fd], NET_BUFFER, 0);
    io_uring_sqe_set_data64(sqe, (uint64_t)fd);
}

static void accept_next(int listener)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, (uint64_t)listener);
}

/* A send that succeeds has no end of its own; one that fails ends the receive
 * that is linked to it. */
static void echo(int fd, unsigned len)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    io_uring_prep_send(sqe, fd, buffers[fd], len, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, SEND);
    receive(fd);
}

static void accepted(int listener, const struct io_uring_cqe *cqe)
{
    int fd = cqe->res;

    if (!(cqe->flags & IORING_CQE_F_MORE))
        accept_next(listener);
    if (fd < 0)
        return;
    if (fd < FDS_MAX && !buffers[fd])
        buffers[fd] = malloc(NET_BUFFER);
    if (fd < FDS_MAX && buffers[fd])
        receive(fd);
    else
        close(fd);
}

static void ended(int listener, const struct io_uring_cqe *cqe)
{
    uint64_t data = io_uring_cqe_get_data64(cqe);

    if (data == SEND)
        return;
    make_room(2);
    if ((int)data == listener)
        accepted(listener, cqe);
    else if (cqe->res > 0)
        echo((int)data, (unsigned)cqe->res);
    else
        close((int)data);
}

int main(int argc, char **argv)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_CQSIZE,
        .cq_entries = ENDS,
    };
    int listener = net_listen(net_init(argc, argv));

    errno = -io_uring_queue_init_params(ENTRIES, &ring, &params);
    if (errno)
        bench_die("io_uring");
    io_uring_register_ring_fd(&ring);
    accept_next(listener);
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;

        if (io_uring_submit_and_wait(&ring, 1) < 0 && errno != EINTR)
            continue;
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            ended(listener, cqe);
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }
}
