/* SPDX-License-Identifier: MIT */
/* Reading by the plain calls, in tasks. "user O_NONBLOCK,
 * MSG_DONTWAIT", "tty (pty)", "regular files". */
#include "hook/hook_support.h"

#include "support/forks.h"
#include "support/virtual_clock.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

ssize_t __read_chk(int fd, void *buffer, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buffer, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t len, size_t room, int flags,
                       struct sockaddr *addr, socklen_t *addr_len);
ssize_t __read(int fd, void *buffer, size_t len);

/* ---- every call that reads ----------------------------------------------- */

static ssize_t by_read(struct hook_call *c)
{
    return read(c->fd, c->data, c->len);
}

static ssize_t by_read_alias(struct hook_call *c)
{
    return __read(c->fd, c->data, c->len);
}

static ssize_t by_read_chk(struct hook_call *c)
{
    return __read_chk(c->fd, c->data, c->len, c->len);
}

static ssize_t by_readv(struct hook_call *c)
{
    struct iovec iov[2] = {{c->data, 1}, {(char *)c->data + 1, c->len - 1}};

    return readv(c->fd, iov, 2);
}

static ssize_t by_recv(struct hook_call *c)
{
    return recv(c->fd, c->data, c->len, c->flags);
}

static ssize_t by_recv_chk(struct hook_call *c)
{
    return __recv_chk(c->fd, c->data, c->len, c->len, c->flags);
}

static ssize_t by_recvfrom(struct hook_call *c)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);

    return recvfrom(c->fd, c->data, c->len, c->flags, (struct sockaddr *)&from,
                    &len);
}

static ssize_t by_recvfrom_chk(struct hook_call *c)
{
    return __recvfrom_chk(c->fd, c->data, c->len, c->len, c->flags, NULL, NULL);
}

static ssize_t by_recvmsg(struct hook_call *c)
{
    struct iovec iov = {c->data, c->len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    return recvmsg(c->fd, &message, c->flags);
}

static ssize_t by_recvmmsg(struct hook_call *c)
{
    struct iovec iov = {c->data, c->len};
    struct mmsghdr one = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
    int n = recvmmsg(c->fd, &one, 1, c->flags, NULL);

    return n < 0 ? n : (ssize_t)one.msg_len;
}

typedef ssize_t call_fn(struct hook_call *c);

static call_fn *const readers[] = {
    by_recv,     by_recv_chk, by_recvfrom,   by_recvfrom_chk, by_recvmsg,
    by_recvmmsg, by_read,     by_read_alias, by_read_chk,     by_readv,
};
#define READERS   ((int)(sizeof(readers) / sizeof(readers[0])))
#define RECEIVERS 6 /* the first of them, which know flags */

/* What a call reads from, and what it reads into. */
static int fds[2];
static char got[64];
static struct hook_call call;

static void prepare(int i, void (*make)(int fds[2]))
{
    make(fds);
    memset(got, 0, sizeof(got));
    call = (struct hook_call){
        .fn = readers[i], .fd = fds[0], .data = got, .len = 5};
}

EACH_TEST(a_read_parks_its_task_alone)
{
    prepare(i, hook_pair);
    hook_begin_waiting(&call);
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_end(&call), 3);
    ck_assert_str_eq(got, "abc");
    ck_assert_int_eq(hook_is_nonblocking(fds[0]), 0);
    hook_close(fds);
}

EACH_TEST(what_is_there_is_read_at_once)
{
    prepare(i, hook_tcp_pair);
    hook_put(fds[1], "abcdefg");
    ck_assert_int_eq(hook_do(&call), 5);
    ck_assert_str_eq(got, "abcde");
    ck_assert_int_eq(hook_do(&call), 2);
    hook_close(fds);
}

EACH_TEST(the_end_is_zero)
{
    prepare(i, hook_pair);
    hook_begin_waiting(&call);
    ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
    ck_assert_int_eq(hook_end(&call), 0);
    ck_assert_int_eq(hook_do(&call), 0);
    hook_close(fds);
}

EACH_TEST(what_is_non_blocking_says_eagain)
{
    prepare(i, hook_pair);
    hook_set_nonblocking(fds[0]);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    ck_assert_int_eq(hook_is_nonblocking(fds[0]), 1);
    ck_assert_int_eq(hook_is_nonblocking(fds[1]), 0);
    hook_close(fds);
}

EACH_TEST(so_rcvtimeo_ends_the_wait)
{
    prepare(i, hook_pair);
    hook_limit(fds[0], SO_RCVTIMEO, 40);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    ck_assert_int_eq(co_test_clock_elapsed(), 40 * CO_MS);
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_do(&call), 3);
    hook_close(fds);
}

EACH_TEST(a_scope_out_of_time_is_etimedout)
{
    prepare(i, hook_pair);
    hook_limit(fds[0], SO_RCVTIMEO, 40);
    co_timeout(20 * CO_MS)
        ck_assert_int_eq(hook_do(&call), -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), 20 * CO_MS);
    hook_close(fds);
}

EACH_TEST(a_cancel_is_ecanceled)
{
    prepare(i, hook_pair);
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    hook_close(fds);
}

/* Nothing is lost, whichever comes first. */
EACH_TEST(a_cancel_beside_the_data_loses_none_of_it)
{
    prepare(i, hook_pair);
    for (int first = 0; first < 2; first++) {
        hook_begin_waiting(&call);
        if (first)
            co_cancel(call.task);
        hook_put(fds[1], "abc");
        if (!first)
            co_cancel(call.task);
        if (hook_end(&call) < 0) {
            ck_assert_int_eq(call.result, -ECANCELED);
            ck_assert_int_eq(hook_do(&call), 3);
        }
        ck_assert_str_eq(got, "abc");
    }
    hook_close(fds);
}

static int cancel_myself_and_call(void *arg)
{
    co_cancel(co_self());
    return hook_call_run(arg);
}

EACH_TEST(who_is_cancelled_reads_nothing)
{
    prepare(i, hook_pair);
    hook_put(fds[1], "abc");
    call.task = co_test_spawn(cancel_myself_and_call, &call);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    ck_assert_int_eq(hook_do(&call), 3);
    hook_close(fds);
}

/* "close() while another waits". */
EACH_TEST(what_is_closed_meanwhile_is_ebadf)
{
    prepare(i, hook_pair);
    hook_begin_waiting(&call);
    ck_assert_int_eq(close(fds[0]), 0);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    ck_assert_int_eq(close(fds[1]), 0);
}

EACH_TEST(mistakes_are_told_as_by_the_system)
{
    prepare(i, hook_pair);
    hook_put(fds[1], "abc");
    call.fd = -1;
    ck_assert_int_eq(hook_do(&call), -EBADF);
    call.fd = 1000;
    ck_assert_int_eq(hook_do(&call), -EBADF);
    call.fd = fds[0];
    call.data = NULL;
    /* by_readv's second part is not NULL; memcheck minds. */
    if (call.fn != by_readv && !CO_TEST_MEMCHECK)
        ck_assert_int_eq(hook_do(&call), -EFAULT);
    hook_close(fds);
}

EACH_TEST(only_sockets_are_received_from)
{
    ssize_t want = i < RECEIVERS ? -ENOTSOCK : 3;

    prepare(i, hook_pipe);
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_do(&call), want);
    hook_close(fds);
}

/* Several tasks read one socket: each byte reaches one of them. */
EACH_TEST(readers_of_one_socket_share_what_comes)
{
    struct hook_call calls[4];
    char bytes[4];
    int sum = 0;

    prepare(i, hook_pair);
    for (int k = 0; k < 4; k++) {
        calls[k] = call;
        calls[k].data = &bytes[k];
        calls[k].len = 1;
        if (call.fn == by_readv) { /* its parts are two */
            calls[k].fn = by_read;
        }
        hook_begin_waiting(&calls[k]);
    }
    hook_put(fds[1], "\1\2\4\10");
    for (int k = 0; k < 4; k++) {
        ck_assert_int_eq(hook_end(&calls[k]), 1);
        sum += bytes[k];
    }
    ck_assert_int_eq(sum, 15);
    hook_close(fds);
}

static int done_of(const struct hook_call *calls, int count)
{
    int sum = 0;

    for (int k = 0; k < count; k++)
        sum += calls[k].done;
    return sum;
}

/* How many of them are neither done nor in line for the descriptor. */
static int busy_of(const struct hook_call *calls, int count)
{
    int sum = 0;

    for (int k = 0; k < count; k++)
        sum += !calls[k].done && (calls[k].task->state != CO__TASK_PARKED ||
                                  calls[k].task->reason != CO__WAIT_FD_READ);
    return sum;
}

/* One has the byte, and the next looks whether there is more; that is all, they
 * do not go on waking each other. */
CO_TASK_TEST(readers_for_whom_nothing_is_left_wait_on)
{
    struct hook_call calls[3];
    char bytes[3] = "";
    int busy = 0;

    hook_pair(fds);
    for (int k = 0; k < 3; k++) {
        calls[k] = (struct hook_call){
            .fn = by_read, .fd = fds[0], .data = &bytes[k], .len = 1};
        hook_begin_waiting(&calls[k]);
    }
    hook_put(fds[1], "a");
    while (done_of(calls, 3) == 0)
        co_test_yield();
    for (int k = 0; k < 100; k++) {
        busy += busy_of(calls, 3);
        co_test_yield();
    }
    ck_assert_int_eq(done_of(calls, 3), 1);
    ck_assert_int_le(busy, 2);
    hook_put(fds[1], "bc");
    for (int k = 0; k < 3; k++)
        ck_assert_int_eq(hook_end(&calls[k]), 1);
    ck_assert_int_eq(bytes[0] + bytes[1] + bytes[2], 'a' + 'b' + 'c');
    hook_close(fds);
}

/* ---- flags of recv(2) ---------------------------------------------------- */

EACH_TEST(msg_dontwait_says_eagain)
{
    prepare(i, hook_pair);
    call.flags = MSG_DONTWAIT;
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    hook_close(fds);
}

EACH_TEST(msg_peek_leaves_what_it_reads)
{
    prepare(i, hook_pair);
    call.flags = MSG_PEEK;
    hook_begin_waiting(&call);
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_end(&call), 3);
    ck_assert_int_eq(hook_do(&call), 3);
    call.flags = 0;
    ck_assert_int_eq(hook_do(&call), 3);
    hook_close(fds);
}

EACH_TEST(msg_waitall_goes_on_until_all_is_there)
{
    prepare(i, hook_tcp_pair);
    call.flags = MSG_WAITALL;
    hook_begin_waiting(&call);
    hook_put(fds[1], "ab");
    co_sleep(CO_MS);
    ck_assert_int_eq(hook_waits(&call), 1);
    hook_put(fds[1], "cdef");
    ck_assert_int_eq(hook_end(&call), 5);
    ck_assert_str_eq(got, "abcde");
    hook_close(fds);
}

EACH_TEST(msg_waitall_is_content_with_the_end)
{
    prepare(i, hook_pair);
    call.flags = MSG_WAITALL;
    hook_begin_waiting(&call);
    hook_put(fds[1], "ab");
    close(fds[1]);
    ck_assert_int_eq(hook_end(&call), 2);
    close(fds[0]);
}

EACH_TEST(msg_waitall_keeps_what_a_cancel_finds)
{
    prepare(i, hook_pair);
    call.flags = MSG_WAITALL;
    hook_put(fds[1], "ab");
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), 2);
    hook_close(fds);
}

EACH_TEST(msg_waitall_of_a_non_blocking_socket_waits_for_nothing)
{
    prepare(i, hook_pair);
    call.flags = MSG_WAITALL;
    hook_set_nonblocking(fds[0]);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    hook_put(fds[1], "ab");
    ck_assert_int_eq(hook_do(&call), 2);
    hook_close(fds);
}

static void datagrams(int pair[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair),
                     0);
}

EACH_TEST(msg_waitall_means_nothing_to_datagrams)
{
    prepare(i, datagrams);
    call.flags = MSG_WAITALL;
    hook_begin_waiting(&call);
    hook_put(fds[1], "ab");
    hook_put(fds[1], "cd");
    ck_assert_int_eq(hook_end(&call), 2);
    ck_assert_str_eq(got, "ab");
    call.flags = MSG_WAITALL | MSG_TRUNC;
    call.len = 1;
    ck_assert_int_eq(hook_do(&call), 2);
    hook_close(fds);
}

EACH_TEST(msg_peek_with_msg_waitall_waits_for_all)
{
    prepare(i, hook_tcp_pair);
    call.flags = MSG_WAITALL | MSG_PEEK;
    hook_put(fds[1], "ab");
    hook_begin_waiting(&call);
    hook_put(fds[1], "cdef");
    ck_assert_int_eq(hook_end(&call), 5);
    ck_assert_str_eq(got, "abcde");
    call.len = 10;
    ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
    ck_assert_int_eq(hook_do(&call), 6);
    hook_close(fds);
}

/* ---- messages ------------------------------------------------------------ */

union control {
    char room[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

static void put_with(int fd, const char *text, int sent)
{
    union control control = {{0}};
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &sent, sizeof(int));
    ck_assert_int_eq(sendmsg(fd, &message, 0), (ssize_t)strlen(text));
}

/* How many bytes there were, and *came with them. */
static ssize_t take_with(const struct hook_call *c, int *came)
{
    union control control = {{0}};
    struct iovec iov = {c->data, c->len};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    ssize_t n = recvmsg(c->fd, &message, c->flags);
    struct cmsghdr *head = n >= 0 ? CMSG_FIRSTHDR(&message) : NULL;

    ck_assert_msg(n < 0 || head, "the descriptor got lost");
    *came = -1;
    if (head)
        memcpy(came, CMSG_DATA(head), sizeof(*came));
    return n;
}

static ssize_t by_recvmsg_with(struct hook_call *c)
{
    int came;
    ssize_t n = take_with(c, &came);

    close(came);
    return n;
}

CO_TASK_TEST(descriptors_come_with_messages)
{
    prepare(0, hook_pair);
    call.fn = by_recvmsg_with;
    hook_begin_waiting(&call);
    put_with(fds[1], "abc", fds[1]);
    ck_assert_int_eq(hook_end(&call), 3);
    hook_close(fds);
}

/* "fds passed by SCM_RIGHTS should need nothing". */
CO_TASK_TEST(a_descriptor_passed_to_a_process_blocks_there)
{
    int way[2], status, came;
    pid_t pid;

    prepare(0, hook_pair);
    hook_pair(way);
    hook_begin_waiting(&call);
    pid = fork();
    if (pid == 0) {
        struct hook_call take = {.fd = way[0], .data = got, .len = 1};

        hook_close(fds);
        CO_CHILD_CHECK(take_with(&take, &came) == 1);
        CO_CHILD_CHECK(!hook_is_nonblocking(came));
        CO_CHILD_CHECK(read(came, got, sizeof(got)) == 3);
        _exit(CO_TEST_WELL);
    }
    put_with(way[1], "a", fds[0]);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    hook_put(fds[1], "abc");
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(status), CO_TEST_WELL);
    hook_close(way);
    hook_close(fds);
}

/* The kernel, too, stops where a descriptor came. */
CO_TASK_TEST(descriptors_come_with_msg_waitall)
{
    prepare(0, hook_pair);
    call.fn = by_recvmsg_with;
    call.flags = MSG_WAITALL;
    hook_begin_waiting(&call);
    put_with(fds[1], "ab", fds[1]);
    hook_put(fds[1], "cde");
    ck_assert_int_eq(hook_end(&call), 2);
    hook_close(fds);
}

CO_TASK_TEST(a_message_keeps_its_vector)
{
    char a[2], b[4];
    struct iovec iov[2] = {{a, 2}, {b, 4}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

    hook_pair(fds);
    hook_put(fds[1], "abcdef");
    ck_assert_int_eq(recvmsg(fds[0], &message, MSG_WAITALL), 6);
    ck_assert_ptr_eq(message.msg_iov, iov);
    ck_assert_uint_eq(message.msg_iovlen, 2);
    ck_assert_ptr_eq(iov[0].iov_base, a);
    ck_assert_uint_eq(iov[1].iov_len, 4);
    ck_assert_int_eq(memcmp(b, "cdef", 4), 0);
    hook_close(fds);
}

static ssize_t by_three_messages(struct hook_call *c)
{
    struct mmsghdr list[3];
    struct iovec iov[3];

    memset(list, 0, sizeof(list));
    for (int i = 0; i < 3; i++) {
        iov[i] = (struct iovec){(char *)c->data + 8 * i, 8};
        list[i].msg_hdr.msg_iov = &iov[i];
        list[i].msg_hdr.msg_iovlen = 1;
    }
    return recvmmsg(c->fd, list, 3, c->flags, NULL);
}

CO_TASK_TEST(recvmmsg_waits_for_as_many_as_it_was_told)
{
    prepare(0, datagrams);
    call.fn = by_three_messages;
    hook_begin_waiting(&call);
    hook_put(fds[1], "a");
    hook_put(fds[1], "b");
    co_sleep(CO_MS);
    ck_assert_int_eq(hook_waits(&call), 1);
    hook_put(fds[1], "c");
    ck_assert_int_eq(hook_end(&call), 3);
    call.flags = MSG_WAITFORONE;
    hook_begin_waiting(&call);
    hook_put(fds[1], "a");
    ck_assert_int_eq(hook_end(&call), 1);
    hook_close(fds);
}

CO_TASK_TEST(a_list_that_is_null_is_efault)
{
    if (CO_TEST_MEMCHECK) /* which minds */
        return;
    prepare(0, datagrams);
    hook_put(fds[1], "a");
    ck_assert_int_eq(recvmmsg(fds[0], NULL, 1, 0, NULL), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(sendmmsg(fds[0], NULL, 1, 0), -1);
    ck_assert_int_eq(errno, EFAULT);
    hook_close(fds);
}

CO_TASK_TEST(recvfrom_tells_who_sent)
{
    struct sockaddr_in addr = {.sin_family = AF_INET}, from;
    socklen_t len = sizeof(addr), from_len = sizeof(from);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fds[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fds[0], (struct sockaddr *)&addr, len), 0);
    ck_assert_int_eq(getsockname(fds[0], (struct sockaddr *)&addr, &len), 0);
    ck_assert_int_eq(sendto(fds[0], "abc", 3, 0, (struct sockaddr *)&addr, len),
                     3);
    ck_assert_int_eq(recvfrom(fds[0], got, sizeof(got), 0,
                              (struct sockaddr *)&from, &from_len),
                     3);
    ck_assert_uint_eq(from_len, sizeof(from));
    ck_assert_int_eq(from.sin_port, addr.sin_port);
    close(fds[0]);
}

/* ---- what is no socket --------------------------------------------------- */

static void read_parks(void (*make)(int fds[2]))
{
    prepare(0, make);
    for (int i = RECEIVERS; i < READERS; i++) {
        call.fn = readers[i];
        hook_begin_waiting(&call);
        hook_put(fds[1], "abc");
        ck_assert_int_eq(hook_end(&call), 3);
        ck_assert_str_eq(got, "abc");
        ck_assert_int_eq(hook_is_nonblocking(fds[0]), 0);
    }
    call.fn = by_read;
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    hook_set_nonblocking(fds[0]);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    hook_close(fds);
}

CO_TASK_TEST(a_pipe_parks)
{
    read_parks(hook_pipe);
}

/* "tty (pty)". */
CO_TASK_TEST(a_terminal_parks_and_stays_blocking)
{
    read_parks(hook_terminal);
}

static void fifo(int ends[2])
{
    char folder[] = "/tmp/coppice-hook-XXXXXX", path[64];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/fifo", folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ends[0] = open(path, O_RDWR | O_CLOEXEC);
    ends[1] = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(ends[1], 0);
    unlink(path);
    rmdir(folder);
}

CO_TASK_TEST(a_fifo_parks)
{
    read_parks(fifo);
}

CO_TASK_TEST(an_eventfd_parks)
{
    uint64_t count = 0, one = 1;

    fds[0] = eventfd(0, EFD_CLOEXEC);
    call = (struct hook_call){
        .fn = by_read, .fd = fds[0], .data = &count, .len = sizeof(count)};
    hook_begin_waiting(&call);
    ck_assert_int_eq(write(fds[0], &one, sizeof(one)), sizeof(one));
    ck_assert_int_eq(hook_end(&call), sizeof(count));
    ck_assert_uint_eq(count, 1);
    call.len = 4;
    if (!CO_TEST_EMULATED) /* which has no preadv2: the hook has to wait */
        ck_assert_int_eq(hook_do(&call), -EINVAL);
    close(fds[0]);
}

CO_TASK_TEST(a_timerfd_parks)
{
    struct itimerspec soon = {.it_value = {0, 1000000}};
    uint64_t count = 0;

    fds[0] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    call = (struct hook_call){
        .fn = by_read, .fd = fds[0], .data = &count, .len = sizeof(count)};
    hook_begin_waiting(&call);
    ck_assert_int_eq(timerfd_settime(fds[0], 0, &soon, NULL), 0);
    ck_assert_int_eq(hook_end(&call), sizeof(count));
    ck_assert_uint_eq(count, 1);
    close(fds[0]);
}

#define FILE_BYTES 300000

/* "regular files". Half of it is in memory, which RWF_NOWAIT would
 * be content with. */
CO_TASK_TEST(a_regular_file_is_read_at_once_and_whole)
{
    char path[] = "./coppice-hook-XXXXXX";
    char *data = calloc(1, FILE_BYTES + 1);
    int fd = mkostemp(path, O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    unlink(path);
    ck_assert_int_eq(write(fd, data, FILE_BYTES), FILE_BYTES);
    ck_assert_int_eq(fdatasync(fd), 0);
    for (int from = 0; from < 2; from++) {
        call = (struct hook_call){
            .fn = by_read, .fd = fd, .data = data, .len = FILE_BYTES + 1};
        ck_assert_int_eq(
            posix_fadvise(fd, from * 131072L, 0, POSIX_FADV_DONTNEED), 0);
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        hook_begin(&call);
        ck_assert_int_eq(call.done, 1);
        ck_assert_int_eq(hook_end(&call), FILE_BYTES);
    }
    ck_assert_int_eq(read(fd, data, 1), 0);
    close(fd);
    free(data);
}

CO_TASK_TEST(a_folder_is_not_read)
{
    int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_eq(read(fd, got, 1), -1);
    ck_assert_int_eq(errno, EISDIR);
    close(fd);
}

CO_TASK_TEST(nothing_is_read_at_once)
{
    /* Volatile: the compiler is not to know better. */
    struct iovec none = {got, 0}, *volatile nowhere = NULL;
    volatile int less = -1;

    hook_pair(fds);
    ck_assert_int_eq(read(fds[0], got, 0), 0);
    ck_assert_int_eq(readv(fds[0], &none, 0), 0);
    if (!CO_TEST_MEMCHECK) {
        ck_assert_int_eq(readv(fds[0], nowhere, 1), -1);
        ck_assert_int_eq(errno, EFAULT);
    }
    ck_assert_int_eq(readv(fds[0], &none, less), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(read(-1, got, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    hook_close(fds);
}

/* "errno": kept in a register across calls, or not. */
CO_TASK_TEST(errno_is_a_tasks_own_over_a_wait)
{
    prepare(0, hook_pair);
    hook_begin_waiting(&call);
    errno = EXDEV;
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_end(&call), 3);
    ck_assert_int_eq(errno, EXDEV);
    hook_close(fds);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.io");
    TCase *tc = hook_case(s, "every call");

    tcase_add_loop_test(tc, a_read_parks_its_task_alone, 0, READERS);
    tcase_add_loop_test(tc, what_is_there_is_read_at_once, 0, READERS);
    tcase_add_loop_test(tc, the_end_is_zero, 0, READERS);
    tcase_add_loop_test(tc, what_is_non_blocking_says_eagain, 0, READERS);
    tcase_add_loop_test(tc, a_cancel_is_ecanceled, 0, READERS);
    tcase_add_loop_test(tc, a_cancel_beside_the_data_loses_none_of_it, 0,
                        READERS);
    tcase_add_loop_test(tc, who_is_cancelled_reads_nothing, 0, READERS);
    tcase_add_loop_test(tc, what_is_closed_meanwhile_is_ebadf, 0, READERS);
    tcase_add_loop_test(tc, mistakes_are_told_as_by_the_system, 0, READERS);
    tcase_add_loop_test(tc, only_sockets_are_received_from, 0, READERS);
    tcase_add_loop_test(tc, readers_of_one_socket_share_what_comes, 0, READERS);
    tcase_add_test(tc, readers_for_whom_nothing_is_left_wait_on);

    tc = hook_case(s, "time");
    co_test_virtual_clock(tc);
    tcase_add_loop_test(tc, so_rcvtimeo_ends_the_wait, 0, READERS);
    tcase_add_loop_test(tc, a_scope_out_of_time_is_etimedout, 0, READERS);

    tc = hook_case(s, "flags");
    tcase_add_loop_test(tc, msg_dontwait_says_eagain, 0, RECEIVERS);
    tcase_add_loop_test(tc, msg_peek_leaves_what_it_reads, 0, RECEIVERS);
    tcase_add_loop_test(tc, msg_waitall_goes_on_until_all_is_there, 0,
                        RECEIVERS);
    tcase_add_loop_test(tc, msg_waitall_is_content_with_the_end, 0, RECEIVERS);
    tcase_add_loop_test(tc, msg_waitall_keeps_what_a_cancel_finds, 0,
                        RECEIVERS);
    tcase_add_loop_test(tc,
                        msg_waitall_of_a_non_blocking_socket_waits_for_nothing,
                        0, RECEIVERS);
    tcase_add_loop_test(tc, msg_waitall_means_nothing_to_datagrams, 0,
                        RECEIVERS);
    tcase_add_loop_test(tc, msg_peek_with_msg_waitall_waits_for_all, 0,
                        RECEIVERS);

    tc = hook_case(s, "messages");
    tcase_add_test(tc, descriptors_come_with_messages);
    tcase_add_test(tc, a_descriptor_passed_to_a_process_blocks_there);
    tcase_add_test(tc, descriptors_come_with_msg_waitall);
    tcase_add_test(tc, a_message_keeps_its_vector);
    tcase_add_test(tc, recvmmsg_waits_for_as_many_as_it_was_told);
    tcase_add_test(tc, a_list_that_is_null_is_efault);
    tcase_add_test(tc, recvfrom_tells_who_sent);

    tc = hook_case(s, "no sockets");
    tcase_add_test(tc, a_pipe_parks);
    tcase_add_test(tc, a_terminal_parks_and_stays_blocking);
    tcase_add_test(tc, a_fifo_parks);
    tcase_add_test(tc, an_eventfd_parks);
    tcase_add_test(tc, a_timerfd_parks);
    tcase_add_test(tc, a_regular_file_is_read_at_once_and_whole);
    tcase_add_test(tc, a_folder_is_not_read);
    tcase_add_test(tc, nothing_is_read_at_once);
    tcase_add_test(tc, errno_is_a_tasks_own_over_a_wait);
    return s;
}

CO_TEST_MAIN(suite)
