/* SPDX-License-Identifier: MIT */
/*
 * The smallest echo servers over io_uring: raw_epoll.c for completions, in
 * three ways.
 *
 * linked (the default): what a connection has received is sent, and the next
 * receive is linked to that, so that a message costs two entries, one end, and
 * a share of one system call.
 *
 * single: the next receive is asked for when the send has ended.
 *
 * multishot: a receive goes on by itself, and takes its buffers out of a ring;
 * they are sent, and go back. It needs a client that sends nothing before it
 * has the answer; what others send would have to be kept in order.
 */
#include "net.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>

#define FDS_MAX 32768
#define ENTRIES 4096
#define ENDS    (4 * ENTRIES)
#define LENT    1024 /* buffers, of as many bytes */
#define GROUP   0

static struct io_uring ring;
static char *buffers[FDS_MAX];
static struct io_uring_buf_ring *lent;
static char lent_bytes[LENT][LENT];

static enum {
    LINKED,
    SINGLE,
    MULTISHOT
} way;

/* What an end is of: a receive or an accept of a descriptor; a send of one,
 * with a lent buffer above; or a send that needs no end. */
#define RECEIVE       UINT64_C(0)
#define SEND          UINT64_C(1)
#define LINKED_SEND   UINT64_MAX
#define DATA(of, fd)  ((of) | (uint64_t)(fd) << 1)
#define WITH(id)      ((uint64_t)(id) << 32)
#define FD_OF(data)   ((int)((uint32_t)(data) >> 1))
#define LENT_OF(data) ((unsigned)((data) >> 32))

static void lend(unsigned id)
{
    io_uring_buf_ring_add(lent, lent_bytes[id], LENT, (unsigned short)id,
                          io_uring_buf_ring_mask(LENT), 0);
    io_uring_buf_ring_advance(lent, 1);
}

static void lend_all(void)
{
    struct io_uring_buf_reg registration = {.ring_entries = LENT,
                                            .bgid = GROUP};

    lent = aligned_alloc(65536, 65536);
    registration.ring_addr = (uintptr_t)lent;
    errno = -io_uring_register_buf_ring(&ring, &registration, 0);
    if (errno)
        bench_die("io_uring_register_buf_ring");
    io_uring_buf_ring_init(lent);
    for (unsigned id = 0; id < LENT; id++)
        lend(id);
}

/* Links do not reach from one submission to the next. */
static void make_room(unsigned count)
{
    if (io_uring_sq_space_left(&ring) < count)
        io_uring_submit(&ring);
}

static void receive(int fd)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (way == MULTISHOT) {
        io_uring_prep_recv(sqe, fd, NULL, 0, 0);
        sqe->ioprio |= IORING_RECV_MULTISHOT;
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = GROUP;
    } else {
        io_uring_prep_recv(sqe, fd, buffers[fd], NET_BUFFER, 0);
    }
    io_uring_sqe_set_data64(sqe, DATA(RECEIVE, fd));
}

static void accept_next(int listener)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, DATA(RECEIVE, listener));
}

static struct io_uring_sqe *send_back(int fd, const char *data, unsigned len)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    io_uring_prep_send(sqe, fd, data, len, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, DATA(SEND, fd));
    return sqe;
}

static void echo(int fd, unsigned len, unsigned flags)
{
    unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
    struct io_uring_sqe *sqe;

    if (way == MULTISHOT) {
        sqe = send_back(fd, lent_bytes[id], len);
        io_uring_sqe_set_data64(sqe, DATA(SEND, fd) | WITH(id));
        if (!(flags & IORING_CQE_F_MORE))
            receive(fd);
        return;
    }
    sqe = send_back(fd, buffers[fd], len);
    if (way == SINGLE)
        return;
    /* One that succeeds has no end of its own; one that fails ends the receive
     * that is linked to it. */
    sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, LINKED_SEND);
    receive(fd);
}

static void sent(uint64_t data)
{
    if (data == LINKED_SEND)
        return;
    if (way == MULTISHOT)
        lend(LENT_OF(data));
    else
        receive(FD_OF(data));
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

    make_room(2);
    if (data & SEND)
        sent(data);
    else if (FD_OF(data) == listener)
        accepted(listener, cqe);
    else if (cqe->res > 0)
        echo(FD_OF(data), (unsigned)cqe->res, cqe->flags);
    else if (cqe->res == -ENOBUFS)
        receive(FD_OF(data));
    else
        close(FD_OF(data));
}

static int parse(int argc, char **argv)
{
    const char *name = argc > 2 ? argv[1] : "linked";

    if (!strcmp(name, "single"))
        way = SINGLE;
    else if (!strcmp(name, "multishot"))
        way = MULTISHOT;
    else if (strcmp(name, "linked") != 0)
        bench_die(name);
    return argc > 2 ? net_init(argc - 1, argv + 1) : net_init(argc, argv);
}

int main(int argc, char **argv)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_CQSIZE,
        .cq_entries = ENDS,
    };
    int listener = net_listen(parse(argc, argv));

    errno = -io_uring_queue_init_params(ENTRIES, &ring, &params);
    if (errno)
        bench_die("io_uring");
    io_uring_register_ring_fd(&ring);
    if (way == MULTISHOT)
        lend_all();
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
