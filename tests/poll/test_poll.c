/* SPDX-License-Identifier: MIT */
/* The reactor of poll(2): what the contract's suite leaves open. */
#include "poll/poll.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "support/check_main.h"
#include "support/random.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
    FDS_MAX = 16384,
};

static const struct co__poller_ops *const ops = &co__poller_poll;
static struct co__poller *poller;
static int counts[FDS_MAX];
static uint32_t masks[FDS_MAX];
static uint32_t gens[FDS_MAX];
static uint32_t arm_again; /* in each report; as a gen */

void co__fd_ready(struct co_loop *loop, int fd, uint32_t gen, uint32_t mask)
{
    (void)loop;
    counts[fd]++;
    masks[fd] = mask;
    gens[fd] = gen;
    if (arm_again)
        ck_assert_int_eq(ops->arm(poller, fd, arm_again, CO__POLL_IN), 0);
}

static void poller_made(void)
{
    arm_again = 0;
    ck_assert_int_eq(ops->open(NULL, &poller), 0);
}

static void poller_closed(void)
{
    ops->close(poller);
}

static int look(void)
{
    memset(counts, 0, sizeof(counts));
    return ops->wait(poller, co__clock_read(), 0);
}

static int ready_eventfd(void)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_lt(fd, FDS_MAX);
    return fd;
}

/* Its task finds out; a wait that came back at once for ever would not. */
START_TEST(a_number_closed_while_armed_is_an_error_once)
{
    int fd = ready_eventfd();

    ck_assert_int_eq(ops->arm(poller, fd, 1, CO__POLL_OUT), 0);
    close(fd);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(masks[fd], CO__POLL_IN | CO__POLL_OUT | CO__POLL_ERR);
    ck_assert_int_eq(look(), 0);
}
END_TEST

START_TEST(urgent_data_does_not_keep_a_wait_from_waiting)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    socklen_t length = sizeof(to);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int here = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int there;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&to, &length), 0);
    ck_assert_int_eq(connect(here, (struct sockaddr *)&to, sizeof(to)), 0);
    there = accept(listener, NULL, NULL);
    ck_assert_int_eq((int)send(there, "!", 1, MSG_OOB), 1);
    ck_assert_int_eq(ops->arm(poller, here, 1, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq((int)send(there, "x", 1, 0), 1);
    ck_assert_int_eq(look(), 1);
    ops->unwatch(poller, here);
    close(listener);
    close(here);
    close(there);
}
END_TEST

START_TEST(ten_thousand_descriptors_are_all_reported_once)
{
    static int fds[10000];
    const int many = co_test_scale(10000, 1000);
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < many; i++) {
        fds[i] = ready_eventfd();
        ck_assert_int_eq(ops->arm(poller, fds[i], (uint32_t)i, CO__POLL_IN), 0);
    }
    ck_assert_int_eq(look(), many);
    for (int i = 0; i < many; i++) {
        ck_assert_int_eq(counts[fds[i]], 1);
        ck_assert_uint_eq(gens[fds[i]], (uint32_t)i);
    }
    ck_assert_int_eq(look(), 0);
    for (int i = 0; i < many; i++)
        close(fds[i]);
}
END_TEST

/* Each moves to the end of the array, where more room may have to be made. */
START_TEST(a_report_may_arm_again)
{
    int fds[200];

    for (int i = 0; i < 200; i++) {
        fds[i] = ready_eventfd();
        ck_assert_int_eq(ops->arm(poller, fds[i], 1, CO__POLL_IN), 0);
    }
    for (arm_again = 2; arm_again < 10; arm_again++) {
        ck_assert_int_eq(look(), 200);
        for (int i = 0; i < 200; i++) {
            ck_assert_int_eq(counts[fds[i]], 1);
            ck_assert_uint_eq(gens[fds[i]], arm_again - 1);
        }
    }
    for (int i = 0; i < 200; i++) {
        ops->unwatch(poller, fds[i]);
        close(fds[i]);
    }
    ck_assert_int_eq(look(), 0);
}
END_TEST

/* Arming, taking out and reporting in any order, beside a plain model. */
START_TEST(any_order_of_calls_agrees_with_a_model)
{
    enum {
        MANY = 40,
    };
    struct co_test_random random = {1};
    int fds[MANY], ready[MANY] = {0}, armed[MANY] = {0};

    for (int i = 0; i < MANY; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        ck_assert_int_ge(fds[i], 0);
    }
    for (int step = 0; step < co_test_scale(50000, 5000); step++) {
        uint32_t i = co_test_random_below(&random, MANY);
        uint64_t count = 1;
        int expected = 0;

        switch (co_test_random_below(&random, 5)) {
        case 0:
            ck_assert_int_eq(ops->arm(poller, fds[i], 1, CO__POLL_IN), 0);
            armed[i] = 1;
            break;
        case 1:
            ops->unwatch(poller, fds[i]);
            armed[i] = 0;
            break;
        case 2:
            ck_assert_int_eq(write(fds[i], &count, 8), 8);
            ready[i] = 1;
            break;
        case 3:
            if (read(fds[i], &count, 8) < 0)
                ck_assert_int_eq(errno, EAGAIN);
            ready[i] = 0;
            break;
        default:
            for (int k = 0; k < MANY; k++)
                expected += armed[k] && ready[k];
            ck_assert_int_eq(look(), expected);
            for (int k = 0; k < MANY; k++) {
                ck_assert_int_eq(counts[fds[k]], armed[k] && ready[k]);
                armed[k] = armed[k] && !ready[k];
            }
        }
    }
    for (int i = 0; i < MANY; i++) {
        ops->unwatch(poller, fds[i]);
        close(fds[i]);
    }
}
END_TEST

START_TEST(want_of_memory_is_enomem_and_undone)
{
    struct co__poller *second;
    int fd = ready_eventfd();
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    int r;

    ck_assert_int_eq(high, 900);
    for (unsigned n = 1;; n++) {
        co__fault_after(n);
        r = ops->open(NULL, &second);
        co__fault_after(0);
        if (r == 0)
            break;
        ck_assert_int_eq(r, -ENOMEM);
    }
    for (unsigned n = 1;; n++) {
        co__fault_after(n);
        r = ops->arm(second, high, 1, CO__POLL_IN);
        co__fault_after(0);
        if (r == 0)
            break;
        ck_assert_int_eq(r, -ENOMEM);
        ck_assert_int_eq(ops->wait(second, 0, 0), 0);
        ops->unwatch(second, high);
    }
    memset(counts, 0, sizeof(counts));
    ck_assert_int_eq(ops->wait(second, 0, 0), 1);
    ck_assert_int_eq(counts[high], 1);
    ops->close(second);
    close(fd);
    close(high);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("poll");
    TCase *tc = tcase_create("poll");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, poller_made, poller_closed);
    tcase_add_test(tc, a_number_closed_while_armed_is_an_error_once);
    tcase_add_test(tc, urgent_data_does_not_keep_a_wait_from_waiting);
    tcase_add_test(tc, ten_thousand_descriptors_are_all_reported_once);
    tcase_add_test(tc, a_report_may_arm_again);
    tcase_add_test(tc, any_order_of_calls_agrees_with_a_model);
    tcase_add_test(tc, want_of_memory_is_enomem_and_undone);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
