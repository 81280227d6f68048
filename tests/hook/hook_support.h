/* SPDX-License-Identifier: MIT */
/* What the tests of the hooks share: a call that a task of its own makes, and
 * descriptors for it. What is written to fds[1] is read from fds[0]. */
#ifndef CO_TESTS_HOOK_SUPPORT_H
#define CO_TESTS_HOOK_SUPPORT_H

#include <coppice/hook.h>

#include "base/sanitize.h"
#include "core/task.h"
#include "support/check_main.h"
#include "support/tasks.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static inline void hook_on(void)
{
    ck_assert_msg(co_hook_enable(CO_HOOK_ALL) == 0, "%s", co_hook_problem());
}

/* A case whose tests have the hooks on, and leave no descriptor open. */
static inline TCase *hook_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, hook_on, NULL);
    co_test_check_fds(tc);
    suite_add_tcase(suite, tc);
    return tc;
}

/* ---- calls --------------------------------------------------------------- */

struct hook_call {
    ssize_t (*fn)(struct hook_call *call); /* as the call: -1 and errno */
    int fd;
    void *data;
    size_t len;
    int flags;
    ssize_t result; /* or a negative errno */
    int done;
    co_task *task;
};

static inline int hook_call_run(void *arg)
{
    struct hook_call *call = arg;

    errno = 0;
    call->result = call->fn(call);
    if (call->result < 0)
        call->result = -errno;
    __atomic_store_n(&call->done, 1, __ATOMIC_RELEASE); /* threads may look */
    return 0;
}

/* Here and now. */
static inline ssize_t hook_do(struct hook_call *call)
{
    hook_call_run(call);
    return call->result;
}

/* In a task, which has begun when this returns. */
static inline void hook_begin(struct hook_call *call)
{
    call->done = 0;
    call->task = co_test_spawn(hook_call_run, call);
    co_test_yield();
}

/* It has begun, so it waits; or is about to look again whether it has to. */
static inline int hook_waits(const struct hook_call *call)
{
    return !call->done;
}

/* The same, and it waits. */
static inline void hook_begin_waiting(struct hook_call *call)
{
    hook_begin(call);
    ck_assert_msg(hook_waits(call), "it did not park: %zd", call->result);
}

static inline ssize_t hook_end(struct hook_call *call)
{
    ck_assert_int_eq(co_join(call->task, NULL), 0);
    ck_assert_int_eq(call->done, 1);
    return call->result;
}

/* ---- descriptors --------------------------------------------------------- */

static inline void hook_pair(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
}

static inline void hook_pipe(int fds[2])
{
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
}

static inline socklen_t hook_listen(int *listener, struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);

    memset(addr, 0, sizeof(*addr));
    addr->sin_family = AF_INET;
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(*listener, 0);
    ck_assert_int_eq(bind(*listener, (struct sockaddr *)addr, len), 0);
    ck_assert_int_eq(listen(*listener, 8), 0);
    ck_assert_int_eq(getsockname(*listener, (struct sockaddr *)addr, &len), 0);
    return len;
}

static inline void hook_tcp_pair(int fds[2])
{
    struct sockaddr_in addr;
    int listener;
    socklen_t len = hook_listen(&listener, &addr);

    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fds[1], (struct sockaddr *)&addr, len), 0);
    fds[0] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[0], 0);
    close(listener);
}

/* fds[0] is the terminal, fds[1] its master. */
static inline void hook_terminal(int fds[2])
{
    struct termios settings;

    fds[1] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(fds[1], 0);
    ck_assert_int_eq(grantpt(fds[1]), 0);
    ck_assert_int_eq(unlockpt(fds[1]), 0);
    fds[0] = open(ptsname(fds[1]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(fds[0], 0);
    ck_assert_int_eq(tcgetattr(fds[0], &settings), 0);
    settings.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    ck_assert_int_eq(tcsetattr(fds[0], TCSANOW, &settings), 0);
}

static inline void hook_close(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static inline void hook_put(int fd, const char *text)
{
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static inline int hook_is_nonblocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

static inline void hook_set_nonblocking(int fd)
{
    ck_assert_int_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static inline void hook_limit(int fd, int name, int ms)
{
    struct timeval limit = {ms / 1000, ms % 1000 * 1000};

    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, name, &limit, sizeof(limit)),
                     0);
}

/* A loop test, tcase_add_loop_test(3), whose body is a task's: one for each of
 * a family of calls. */
#define EACH_TEST(name)                                                        \
    static int name##_i;                                                       \
    static void name##_body(int i);                                            \
    static void name##_run(void)                                               \
    {                                                                          \
        name##_body(name##_i);                                                 \
    }                                                                          \
    START_TEST(name)                                                           \
    {                                                                          \
        name##_i = _i;                                                         \
        co_test_in_task(name##_run);                                           \
    }                                                                          \
    END_TEST                                                                   \
    static void name##_body(int i)

#endif
