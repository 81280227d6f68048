/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include <fcntl.h>
#include <sys/wait.h>

START_TEST(the_descriptor_is_readable_when_there_is_something_to_report)
{
    int fd = ops->fd(poller);
    int fds[2];

    if (fd == -ENOTSUP)
        return;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    pair_make(fds);
    ck_assert(!is_readable(fd));
    put(fds[1]);
    ck_assert_int_eq(await(fds[0], 1, CO_BOTH), 0);
    ck_assert(is_readable(fd));
    look();
    ck_assert(!is_readable(fd)); /* an edge, and it has been reported */
    ops->wake(poller);
    ck_assert(is_readable(fd));
    look();
    ck_assert(!is_readable(fd));
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(abandoning_in_a_child_leaves_the_parents_registrations)
{
    int fds[2], armed[2], status, before;
    pid_t pid;

    pair_make(fds);
    pair_make(armed);
    ck_assert_int_eq(await(fds[0], 1, CO_BOTH), 0);
    ck_assert_int_eq(ops->arm(poller, armed[0], 2, CO__POLL_IN), 0);
    look();
    ck_assert_int_eq(await_more(fds[0], 1, CO__POLL_IN), 0);
    before = co_test_fds_open();
    pid = fork();
    if (pid == 0)
        _exit(abandoned_well(before, 4) ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    put(fds[1]);
    put(armed[1]);
    ck_assert_int_eq(look(), 2);
    ck_assert_int_eq(reports[fds[0]].count, 1);
    ck_assert_int_eq(reports[armed[0]].count, 1);
    ops->wake(poller);
    ck_assert_int_eq(wait_for(CO_NEVER), 0);
    ops->unwatch(poller, fds[0]);
    ops->unwatch(poller, armed[0]);
    pair_close(fds);
    pair_close(armed);
}
END_TEST

/* Its number may be in use again, where the kernel does not pass it on. */
START_TEST(abandoning_closes_nobody_elses_descriptor)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        int own[8];
        int intact = 1;

        for (int i = 0; i < 8; i++)
            own[i] = dup(STDERR_FILENO);
        ops->abandon(poller);
        for (int i = 0; i < 8; i++)
            intact &= fcntl(own[i], F_GETFD) >= 0;
        _exit(intact ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_table_is_complete)
{
    ck_assert_ptr_nonnull(ops->name);
    ck_assert_uint_gt(strlen(ops->name), 0);
    ck_assert(ops->open && ops->close && ops->arm && ops->unwatch);
    ck_assert(ops->watch_process && ops->watch_signal && ops->end_watch);
    ck_assert(ops->wait && ops->wake && ops->fd && ops->abandon);
    ck_assert(!ops->begin == !ops->end);
    ck_assert(!ops->submit == !ops->cancel && !ops->submit == !ops->forget);
}
END_TEST

void add_whole(TCase *tc)
{
    tcase_add_test(
        tc, the_descriptor_is_readable_when_there_is_something_to_report);
    tcase_add_test(tc, abandoning_in_a_child_leaves_the_parents_registrations);
    tcase_add_test(tc, abandoning_closes_nobody_elses_descriptor);
    tcase_add_test(tc, the_table_is_complete);
}
