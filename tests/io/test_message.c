/* SPDX-License-Identifier: MIT */
/* recv, send and kin: flags, datagrams, addresses, passed descriptors. */
#include "io_support.h"

#include <coppice/cancel.h>
#include <coppice/scope.h>

#include <limits.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/uio.h>
#include <sys/un.h>

static int call_recv(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_recv(call->fd, call->buffer, call->len, 0));
}

static int call_peek(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_recv(call->fd, call->buffer, call->len, MSG_PEEK));
}

static int call_send(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_send(call->fd, call->buffer, call->len, 0));
}

/* ---- flags --------------------------------------------------------------- */

CO_TASK_TEST(recv_and_send_wait)
{
    static pair_fn *const kinds[] = {tcp_pair, unix_pair, foreign_socket_pair};
    struct call call = {.len = 8, .buffer = "hello"};
    int fds[2];

    for (int i = 0; i < 3; i++) {
        kinds[i](fds);
        call.fd = fds[0];
        call_start(&call, call_recv);
        ck_assert(call_waits(&call));
        ck_assert_int_eq(co_send(fds[1], "abc", 3, 0), 3);
        ck_assert_int_eq(call_result(&call), 3);
        fill(fds[1]);
        call.fd = fds[1];
        call_start(&call, call_send);
        ck_assert(call_waits(&call));
        drain_filled(fds[0]);
        ck_assert_int_eq(call_result(&call), 8);
        close_pair(fds);
    }
}

CO_TASK_TEST(dontwait_never_waits)
{
    static pair_fn *const kinds[] = {tcp_pair, unix_pair, foreign_socket_pair};
    struct call reader = {.len = 1};
    char buffer[8] = "";
    int fds[2];

    for (int i = 0; i < 3; i++) {
        kinds[i](fds);
        ck_assert_int_eq(co_recv(fds[0], buffer, 8, MSG_DONTWAIT), -EAGAIN);
        ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
        wait_readable(fds[0]);
        /* It looks for itself: no event has been collected. */
        ck_assert_int_eq(co_recv(fds[0], buffer, 8, MSG_DONTWAIT), 3);
        ck_assert_int_eq(co_recv(fds[0], buffer, 8, MSG_DONTWAIT), -EAGAIN);
        /* It does not push in before who waits. */
        reader.fd = fds[0];
        call_start(&reader, call_recv);
        ck_assert_int_eq(co_recv(fds[0], buffer, 8, MSG_DONTWAIT), -EAGAIN);
        ck_assert_int_eq(co_write(fds[1], "a", 1), 1);
        ck_assert_int_eq(call_result(&reader), 1);
        fill(fds[1]);
        ck_assert_int_eq(co_send(fds[1], buffer, 8, MSG_DONTWAIT), -EAGAIN);
        close_pair(fds);
    }
}

CO_TASK_TEST(waitall_and_null_are_einval)
{
    struct iovec null_part = {.iov_base = NULL, .iov_len = 1};
    struct msghdr bad[] = {{.msg_iovlen = 1},
                           {.msg_iov = &null_part, .msg_iovlen = 1}};
    static struct iovec many[IOV_MAX + 1];
    struct sockaddr_storage addr;
    char b[4] = "";
    int fds[2];

    tcp_pair(fds);
    ck_assert_int_eq(co_recv(fds[0], b, 4, MSG_WAITALL), -EINVAL);
    ck_assert_int_eq(co_recvfrom(fds[0], b, 4, MSG_WAITALL, NULL, NULL),
                     -EINVAL);
    ck_assert_int_eq(co_recv(fds[0], NULL, 4, 0), -EINVAL);
    ck_assert_int_eq(co_send(fds[0], NULL, 4, 0), -EINVAL);
    ck_assert_int_eq(co_recvfrom(fds[0], NULL, 4, 0, NULL, NULL), -EINVAL);
    ck_assert_int_eq(
        co_recvfrom(fds[0], b, 4, 0, (struct sockaddr *)&addr, NULL), -EINVAL);
    ck_assert_int_eq(co_sendto(fds[0], NULL, 4, 0, NULL, 0), -EINVAL);
    ck_assert_int_eq(co_sendto(fds[0], b, 4, 0, NULL, 4), -EINVAL);
    ck_assert_int_eq(co_recvmsg(fds[0], NULL, 0), -EINVAL);
    ck_assert_int_eq(co_sendmsg(fds[0], NULL, 0), -EINVAL);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(co_recvmsg(fds[0], &bad[i], 0), -EINVAL);
        ck_assert_int_eq(co_sendmsg(fds[0], &bad[i], 0), -EINVAL);
    }
    bad[1].msg_iov = many;
    bad[1].msg_iovlen = IOV_MAX + 1;
    ck_assert_int_eq(co_sendmsg(fds[0], &bad[1], 0), -EMSGSIZE);
    close_pair(fds);

    for (int fd = -1; fd < 20000; fd += 12346) {
        ck_assert_int_eq(co_recv(fd, b, 4, 0), -EBADF);
        ck_assert_int_eq(co_send(fd, b, 4, 0), -EBADF);
    }
    for (int i = 0; i < 2; i++) {
        (i ? pipe_pair : foreign_pipe)(fds);
        ck_assert_int_eq(co_recv(fds[0], b, 4, 0), -ENOTSOCK);
        ck_assert_int_eq(co_send(fds[1], b, 4, 0), -ENOTSOCK);
        close_pair(fds);
    }
}

CO_TASK_TEST(peek_takes_nothing_and_is_no_short_read)
{
    struct call peeker = {.len = 64}, reader = {.len = 64};
    int fds[2];

    for (int i = 0; i < 2; i++) {
        (i ? tcp_pair : foreign_socket_pair)(fds);
        peeker.fd = reader.fd = fds[0];
        call_start(&peeker, call_peek);
        ck_assert(call_waits(&peeker));
        call_start(&reader, call_recv);
        ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
        ck_assert_int_eq(call_result(&peeker), 3);
        ck_assert_int_eq(call_result(&reader), 3);
        close_pair(fds);
    }
}

/* A descriptor that is registered, with data whose event has been collected:
 * there will be no other. */
static void make_ready(int fds[2])
{
    struct call reader = {.fd = fds[0], .len = 8};

    call_start(&reader, call_recv);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    ck_assert_int_eq(call_result(&reader), 1);
    ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
    ck_assert_int_eq(co_wait_fd(fds[0], CO_READABLE), CO_READABLE);
    wait_readable(fds[0]);
    ck_assert_int_eq(co_sleep(CO_MS), 0);
}

/* With an offset a peek finds nothing although there is something to read. */
CO_TASK_TEST(peek_with_an_offset_does_not_hide_data)
{
    char buffer[8];
    int offset = 3;
    int fds[2];

    unix_pair(fds);
    make_ready(fds);
    if (setsockopt(fds[0], SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) <
        0) {
        ck_assert_int_eq(errno, ENOPROTOOPT); /* qemu does not know it */
        close_pair(fds);
        return;
    }
    ck_assert_int_eq(co_recv(fds[0], buffer, 8, MSG_PEEK | MSG_DONTWAIT),
                     -EAGAIN);
    co_timeout(10 * CO_SEC)
        ck_assert_int_eq(co_recv(fds[0], buffer, 8, 0), 3);
    close_pair(fds);
}

/* A read stops at the urgent mark, and is short without being drained. */
CO_TASK_TEST(data_behind_urgent_data_is_read)
{
    struct call reader = {.len = 64};
    char byte;
    int fds[2];

    tcp_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, call_recv);
    ck_assert_int_eq(co_send(fds[1], "ab!", 3, MSG_OOB), 3);
    ck_assert_int_eq(co_send(fds[1], "cd", 2, 0), 2);
    ck_assert_int_eq(call_result(&reader), 2);
    ck_assert_mem_eq(reader.buffer, "ab", 2);
    ck_assert_int_eq(co_recv(fds[0], &byte, 1, MSG_OOB), 1);
    ck_assert_int_eq(byte, '!');
    ck_assert_int_eq(co_recv(fds[0], &byte, 1, MSG_OOB), -EINVAL);
    ck_assert_int_eq(co_recv(fds[0], reader.buffer, 64, 0), 2);
    ck_assert_mem_eq(reader.buffer, "cd", 2);
    close_pair(fds);
}

CO_TASK_TEST(empty_error_queue_does_not_hide_data)
{
    char buffer[8];
    int fds[2];

    tcp_pair(fds);
    make_ready(fds);
    ck_assert_int_eq(co_recv(fds[0], buffer, 8, MSG_ERRQUEUE), -EAGAIN);
    co_timeout(10 * CO_SEC)
        ck_assert_int_eq(co_recv(fds[0], buffer, 8, 0), 3);
    close_pair(fds);
}

/* ---- datagrams ----------------------------------------------------------- */

static int udp_bound(struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);
    int fd = co_socket(AF_INET, SOCK_DGRAM, 0);

    ck_assert_int_ge(fd, 0);
    *addr = (struct sockaddr_in){.sin_family = AF_INET};
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)addr, sizeof(*addr)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    return fd;
}

static int call_recvfrom(void *arg)
{
    struct call *call = arg;
    struct sockaddr_in from = {.sin_port = 0};
    socklen_t len = sizeof(from);
    ssize_t n = co_recvfrom(call->fd, call->buffer, 32, 0,
                            (struct sockaddr *)&from, &len);

    memcpy(call->buffer + 32, &from.sin_port, sizeof(from.sin_port));
    return call_end(call, n);
}

CO_TASK_TEST(datagrams_come_with_their_sender)
{
    struct sockaddr_in a_addr, b_addr;
    int a = udp_bound(&a_addr), b = udp_bound(&b_addr);
    struct call receiver = {.fd = b};

    for (int i = 0; i < 3; i++) {
        call_start(&receiver, call_recvfrom);
        ck_assert(call_waits(&receiver));
        ck_assert_int_eq(co_sendto(a, "hi", (size_t)i, 0,
                                   (struct sockaddr *)&b_addr, sizeof(b_addr)),
                         i);
        ck_assert_int_eq(call_result(&receiver), i);
        ck_assert_mem_eq(receiver.buffer + 32, &a_addr.sin_port, 2);
        if (i == 1) /* the rest, as a foreign one */
            ck_assert_int_eq(co_fd_release(b), 0);
    }
    ck_assert_int_eq(co_sendto(a, "x", 1, 0, NULL, 0), -EDESTADDRREQ);
    ck_assert_int_eq(co_sendto(a, "x", 1, 0, (struct sockaddr *)&b_addr, 3),
                     -EINVAL);
    ck_assert_int_eq(co_close(a), 0);
    ck_assert_int_eq(co_close(b), 0);
}

/* A short datagram is no sign that no other is queued. */
CO_TASK_TEST(all_queued_datagrams_are_received)
{
    struct sockaddr_in to;
    int b = udp_bound(&to), a = co_socket(AF_INET, SOCK_DGRAM, 0);
    struct call receiver = {.fd = b, .len = 64};

    ck_assert_int_eq(co_connect(a, (struct sockaddr *)&to, sizeof(to)), 0);
    call_start(&receiver, call_recv);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_send(a, "xy", 2, 0), 2);
    ck_assert_int_eq(call_result(&receiver), 2);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(co_recv(b, receiver.buffer, 64, 0), 2);
    ck_assert_int_eq(co_recv(b, receiver.buffer, 64, MSG_DONTWAIT), -EAGAIN);
    ck_assert_int_eq(co_close(a), 0);
    ck_assert_int_eq(co_close(b), 0);
}

/* Nobody tells the sender when a unix receiver's queue has room again. */
static struct sockaddr_un dgram_addr;
static socklen_t dgram_len;

static int call_sendto_unix(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_sendto(call->fd, "x", 1, 0,
                                    (struct sockaddr *)&dgram_addr, dgram_len));
}

CO_TASK_TEST(full_unix_receiver_makes_the_sender_wait)
{
    int to = co_socket(AF_UNIX, SOCK_DGRAM, 0);
    struct call sender = {.fd = co_socket(AF_UNIX, SOCK_DGRAM, 0)};
    int sent = 0;

    dgram_addr.sun_family = AF_UNIX;
    dgram_len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                    (size_t)snprintf(dgram_addr.sun_path + 1, 90,
                                     "coppice-dgram-%d", (int)getpid()));
    ck_assert_int_eq(bind(to, (struct sockaddr *)&dgram_addr, dgram_len), 0);
    while (co_sendto(sender.fd, "x", 1, MSG_DONTWAIT,
                     (struct sockaddr *)&dgram_addr, dgram_len) == 1)
        sent++;
    ck_assert_int_gt(sent, 0);
    for (int foreign = 0; foreign < 2; foreign++) {
        call_start(&sender, call_sendto_unix);
        ck_assert(call_waits(&sender));
        co_cancel(sender.task);
        ck_assert_int_eq(call_result(&sender), -ECANCELED);
        call_start(&sender, call_sendto_unix);
        for (int i = 0; i < 3; i++)
            run_events();
        ck_assert(call_waits(&sender));
        ck_assert_int_eq(co_recv(to, sender.buffer, 1, 0), 1);
        ck_assert_int_eq(call_result(&sender), 1);
        ck_assert_int_eq(co_fd_release(sender.fd), 0);
    }
    ck_assert_int_eq(co_close(to), 0);
    ck_assert_int_eq(co_close(sender.fd), 0);
}

/* ---- passed descriptors -------------------------------------------------- */

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

static ssize_t send_fd(int fd, const char *data, size_t len, int passed)
{
    union control control = {.bytes = {0}};
    struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &passed, sizeof(int));
    return co_sendmsg(fd, &message, 0);
}

static ssize_t recv_fd(int fd, char *data, size_t len, int *passed)
{
    union control control;
    struct iovec iov = {.iov_base = data, .iov_len = len};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t n = co_recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *cmsg = n >= 0 ? CMSG_FIRSTHDR(&message) : NULL;

    *passed = -1;
    if (cmsg)
        memcpy(passed, CMSG_DATA(cmsg), sizeof(int));
    return n;
}

struct passing {
    int fd;
    int passed[2];
    int count;
};

static int receive_six_bytes(void *arg)
{
    struct passing *p = arg;
    char buffer[64];
    ssize_t total = 0, n;
    int passed;

    while (total < 6) {
        n = recv_fd(p->fd, buffer, sizeof(buffer), &passed);
        if (n <= 0)
            return -EPROTO;
        total += n;
        if (passed >= 0 && p->count < 2)
            p->passed[p->count++] = passed;
    }
    return 0;
}

/* A read ends where the next message with descriptors begins, and is short;
 * what is behind it has no event of its own. */
CO_TASK_TEST(descriptors_behind_data_arrive)
{
    int spare[2], fds[2];

    foreign_pipe(spare);
    for (int foreign = 0; foreign < 2; foreign++) {
        struct passing p = {.fd = -1};
        co_task *receiver;

        (foreign ? foreign_socket_pair : unix_pair)(fds);
        p.fd = fds[0];
        receiver = co_test_spawn(receive_six_bytes, &p);
        co_test_yield();
        ck_assert_int_eq(co_write(fds[1], "data", 4), 4);
        ck_assert_int_eq(send_fd(fds[1], "1", 1, spare[0]), 1);
        ck_assert_int_eq(send_fd(fds[1], "2", 1, spare[1]), 1);
        co_timeout(10 * CO_SEC)
            ck_assert_int_eq(co_test_result(receiver), 0);
        ck_assert_int_eq(p.count, 2);
        for (int i = 0; i < 2; i++) {
            ck_assert(fcntl(p.passed[i], F_GETFD) & FD_CLOEXEC);
            close(p.passed[i]);
        }
        close_pair(fds);
    }
    close_pair(spare);
}

struct sending {
    int fd, passed;
    ssize_t result;
};

static int send_one(void *arg)
{
    struct sending *s = arg;

    s->result = send_fd(s->fd, "!", 1, s->passed);
    return 0;
}

/* The send waits for room; then it is made once. */
CO_TASK_TEST(descriptors_are_never_sent_twice)
{
    static char buffer[65536];
    int spare[2], fds[2], passed, count = 0;

    foreign_pipe(spare);
    for (int foreign = 0; foreign < 2; foreign++) {
        struct sending s = {.passed = spare[0], .result = 12345};
        co_task *sender;

        (foreign ? foreign_socket_pair : unix_pair)(fds);
        fill(fds[1]);
        s.fd = fds[1];
        sender = co_test_spawn(send_one, &s);
        co_test_yield();
        ck_assert_int_eq(sender->state, CO__TASK_PARKED);
        for (;;) {
            ssize_t n = 0;

            co_timeout(10 * CO_SEC)
                n = recv_fd(fds[0], buffer, sizeof(buffer), &passed);
            ck_assert_int_gt(n, 0);
            if (passed >= 0) {
                count++;
                close(passed);
            }
            if (buffer[n - 1] == '!')
                break;
        }
        ck_assert_int_eq(co_test_result(sender), 0);
        ck_assert_int_eq(s.result, 1);
        ck_assert_int_eq(count, foreign + 1);
        ck_assert(nothing_there(fds[0]));
        close_pair(fds);
    }
    close_pair(spare);
}

static Suite *suite(void)
{
    Suite *s = suite_create("message");
    TCase *tc = tcase_create("message");

    co_test_check_fds(tc);
    tcase_add_test(tc, recv_and_send_wait);
    tcase_add_test(tc, dontwait_never_waits);
    tcase_add_test(tc, waitall_and_null_are_einval);
    tcase_add_test(tc, peek_takes_nothing_and_is_no_short_read);
    tcase_add_test(tc, peek_with_an_offset_does_not_hide_data);
    tcase_add_test(tc, data_behind_urgent_data_is_read);
    tcase_add_test(tc, empty_error_queue_does_not_hide_data);
    tcase_add_test(tc, datagrams_come_with_their_sender);
    tcase_add_test(tc, all_queued_datagrams_are_received);
    tcase_add_test(tc, full_unix_receiver_makes_the_sender_wait);
    tcase_add_test(tc, descriptors_behind_data_arrive);
    tcase_add_test(tc, descriptors_are_never_sent_twice);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
