/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include "support/pidfd.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

struct watched {
    struct co__poll_watch watch; /* first */
    int fired;
};

static void count(struct co__poll_watch *watch)
{
    struct watched *w = (struct watched *)watch;

    ck_assert_ptr_null(watch->link); /* it is over by now */
    w->fired++;
}

static const struct watched unwatched = {.watch = {.fire = count}};

/* A child that lives until `gate` is closed in the parent, then exits with
 * `status`. */
static pid_t child_behind(int gate[2], int status)
{
    pid_t pid = fork();
    char unused;

    if (pid == 0) {
        close(gate[1]);
        while (read(gate[0], &unused, 1) > 0)
            continue;
        _exit(status);
    }
    ck_assert_int_gt(pid, 0);
    return pid;
}

static pid_t zombie(int status)
{
    siginfo_t info;
    pid_t pid = fork();

    if (pid == 0)
        _exit(status);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    return pid;
}

static int status_of(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, WNOHANG), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(the_end_of_a_process_is_told_once)
{
    struct watched w = unwatched;
    int gate[2];
    pid_t pid;

    ck_assert_int_eq(pipe(gate), 0);
    pid = child_behind(gate, 3);
    ck_assert_int_eq(ops->watch_process(poller, &w.watch, pid), 0);
    ck_assert_int_eq(look(), 0);
    pair_close(gate);
    ck_assert_int_eq(wait_for(CO_NEVER), 1);
    ck_assert_int_eq(w.fired, 1);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(status_of(pid), 3); /* left to be waited for */
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(w.fired, 1);
}
END_TEST

START_TEST(a_process_that_has_ended_already_is_told_of)
{
    struct watched w = unwatched;
    pid_t pid = zombie(4);

    ck_assert_int_eq(ops->watch_process(poller, &w.watch, pid), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(w.fired, 1);
    ck_assert_int_eq(status_of(pid), 4);
}
END_TEST

START_TEST(a_process_that_is_killed_is_told_of)
{
    struct watched w = unwatched;
    int gate[2], status;
    pid_t pid;

    ck_assert_int_eq(pipe(gate), 0);
    pid = child_behind(gate, 0);
    ck_assert_int_eq(ops->watch_process(poller, &w.watch, pid), 0);
    kill(pid, SIGKILL);
    ck_assert_int_eq(wait_for(CO_NEVER), 1);
    ck_assert_int_eq(w.fired, 1);
    ck_assert_int_eq(waitpid(pid, &status, WNOHANG), pid);
    ck_assert(WIFSIGNALED(status));
    pair_close(gate);
}
END_TEST

START_TEST(a_process_that_there_is_not_cannot_be_watched)
{
    static const pid_t none[] = {0, -1, INT_MIN};
    struct watched w = unwatched;
    pid_t pid = zombie(0);

    status_of(pid);
    ck_assert_int_eq(ops->watch_process(poller, &w.watch, pid), -ESRCH);
    for (size_t i = 0; i < CO_ARRAY_LEN(none); i++)
        ck_assert_int_eq(ops->watch_process(poller, &w.watch, none[i]),
                         -EINVAL);
    ops->end_watch(poller, &w.watch); /* harmless */
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(w.fired, 0);
}
END_TEST

START_TEST(each_watch_of_a_process_fires)
{
    struct watched w[3] = {unwatched, unwatched, unwatched};
    int gate[2];
    pid_t pid;

    ck_assert_int_eq(pipe(gate), 0);
    pid = child_behind(gate, 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ops->watch_process(poller, &w[i].watch, pid), 0);
    ops->end_watch(poller, &w[1].watch);
    pair_close(gate);
    for (int left = 2; left > 0;)
        left -= wait_for(CO_NEVER);
    ck_assert_int_eq(w[0].fired, 1);
    ck_assert_int_eq(w[1].fired, 0);
    ck_assert_int_eq(w[2].fired, 1);
    status_of(pid);
}
END_TEST

START_TEST(a_watch_of_a_process_that_was_ended_is_silent)
{
    struct watched w = unwatched;
    pid_t pid = zombie(0);

    ck_assert_int_eq(ops->watch_process(poller, &w.watch, pid), 0);
    ops->end_watch(poller, &w.watch);
    ops->end_watch(poller, &w.watch);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(ops->watch_process(poller, &w.watch, pid), 0);
    ck_assert_int_eq(look(), 1);
    ops->end_watch(poller, &w.watch); /* it is over */
    ck_assert_int_eq(w.fired, 1);
    status_of(pid);
}
END_TEST

/* More than a backend looks at at a time. */
START_TEST(many_processes_that_end_at_once_are_all_told_of)
{
    enum {
        MANY = 150,
    };
    static struct watched w[MANY];
    static pid_t pids[MANY];
    int count_of = co_test_scale(MANY, 40);
    int gate[2];

    ck_assert_int_eq(pipe(gate), 0);
    for (int i = 0; i < count_of; i++) {
        w[i] = unwatched;
        pids[i] = child_behind(gate, i);
        ck_assert_int_eq(ops->watch_process(poller, &w[i].watch, pids[i]), 0);
    }
    ck_assert_int_eq(look(), 0);
    pair_close(gate);
    for (int left = count_of; left > 0;)
        left -= wait_for(CO_NEVER);
    for (int i = 0; i < count_of; i++) {
        ck_assert_int_eq(w[i].fired, 1);
        ck_assert_int_eq(status_of(pids[i]), i);
    }
}
END_TEST

START_TEST(the_descriptor_tells_of_processes)
{
    struct watched w = unwatched;
    int fd = ops->fd(poller);
    pid_t pid = zombie(0);

    if (fd == -ENOTSUP) {
        status_of(pid);
        return;
    }
    ck_assert(!is_readable(fd));
    ck_assert_int_eq(ops->watch_process(poller, &w.watch, pid), 0);
    ck_assert(is_readable(fd));
    ck_assert_int_eq(look(), 1);
    status_of(pid);
    look();
    ck_assert(!is_readable(fd));
}
END_TEST

START_TEST(a_poller_may_be_closed_with_its_watches)
{
    static struct watched w; /* outlives this function, as the rule is */
    pid_t pid = zombie(0);

    w = unwatched;
    ck_assert_int_eq(ops->watch_process(poller, &w.watch, pid), 0);
    status_of(pid);
}
END_TEST

START_TEST(a_kernel_that_cannot_watch_processes_says_so)
{
    struct watched w = unwatched;

    ck_assert_int_eq(ops->watch_process(poller, &w.watch, getpid()), -ENOSYS);
    ck_assert_int_eq(ops->watch_process(poller, &w.watch, 0), -EINVAL);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(w.fired, 0);
}
END_TEST

void add_processes(TCase *tc)
{
    if (!co_test_watches_processes()) {
        tcase_add_test(tc, a_kernel_that_cannot_watch_processes_says_so);
        return;
    }
    tcase_add_test(tc, the_end_of_a_process_is_told_once);
    tcase_add_test(tc, a_process_that_has_ended_already_is_told_of);
    tcase_add_test(tc, a_process_that_is_killed_is_told_of);
    tcase_add_test(tc, a_process_that_there_is_not_cannot_be_watched);
    tcase_add_test(tc, each_watch_of_a_process_fires);
    tcase_add_test(tc, a_watch_of_a_process_that_was_ended_is_silent);
    tcase_add_test(tc, many_processes_that_end_at_once_are_all_told_of);
    tcase_add_test(tc, the_descriptor_tells_of_processes);
    tcase_add_test(tc, a_poller_may_be_closed_with_its_watches);
}
