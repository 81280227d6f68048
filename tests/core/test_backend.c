/* SPDX-License-Identifier: MIT */
/*
 * Which reactor a loop gets. The table of backends is this program's own: three
 * names for poll(2), each of which may be said to be missing.
 */
#include <coppice/loop.h>

#include "base/compiler.h"
#include "core/poller.h"
#include "poll/poll.h"
#include "support/check_main.h"
#include "support/stderr.h"

#include <errno.h>
#include <string.h>

static struct co__poller_ops best, second, wish;

const struct co__poller_ops *const co__pollers[] = {
    &best,
    &wish,
    &second,
    NULL,
};

static int best_error, second_error, wish_error;
static int wish_tries;

static int open_best(struct co_loop *loop, struct co__poller **out)
{
    return best_error ? best_error : co__poller_poll.open(loop, out);
}

static int open_second(struct co_loop *loop, struct co__poller **out)
{
    return second_error ? second_error : co__poller_poll.open(loop, out);
}

static int open_wish(struct co_loop *loop, struct co__poller **out)
{
    wish_tries++;
    return wish_error ? wish_error : co__poller_poll.open(loop, out);
}

static void table_made(void)
{
    unsetenv("COPPICE_BACKEND");
    unsetenv("COPPICE_DEBUG");
    best = second = wish = co__poller_poll;
    best.name = "epoll";
    best.open = open_best;
    second.name = "poll";
    second.open = open_second;
    wish.name = "io_uring";
    wish.open = open_wish;
    wish.by_name = 1;
    best_error = second_error = wish_error = wish_tries = 0;
}

/* The backend that a loop gets if the options ask for `name`; NULL with errno
 * if it gets none. */
static const char *got(const char *name, int debug)
{
    co_loop_options options = {
        .size = sizeof(options), .backend = name, .debug = debug};
    co_loop *loop = co_loop_new(&options);
    const char *backend;

    if (!loop)
        return NULL;
    backend = co_loop_backend(loop);
    co_loop_free(loop);
    return backend;
}

static void check_refused(const char *name, int error)
{
    errno = 0;
    ck_assert_ptr_null(got(name, 0));
    ck_assert_int_eq(errno, error);
}

START_TEST(without_a_wish_it_is_the_first)
{
    ck_assert_str_eq(got(NULL, 0), "epoll");
    best_error = -ENOSYS;
    ck_assert_str_eq(got(NULL, 0), "poll");
    second_error = -ENOSYS;
    check_refused(NULL, ENOSYS);
    ck_assert_int_eq(wish_tries, 0); /* it has to be asked for */
}
END_TEST

START_TEST(the_options_name_it)
{
    ck_assert_str_eq(got("poll", 0), "poll");
    ck_assert_str_eq(got("epoll", 0), "epoll");
    ck_assert_str_eq(got("io_uring", 0), "io_uring");
}
END_TEST

START_TEST(the_environment_names_it_where_the_options_do_not)
{
    setenv("COPPICE_BACKEND", "io_uring", 1);
    ck_assert_str_eq(got(NULL, 0), "io_uring");
    ck_assert_str_eq(got("poll", 0), "poll");
    setenv("COPPICE_BACKEND", "", 1); /* as if it were not set */
    ck_assert_str_eq(got(NULL, 0), "epoll");
    unsetenv("COPPICE_BACKEND");
}
END_TEST

START_TEST(what_is_no_name_is_refused)
{
    static const char *const none[] = {"", "teapot", "Epoll", "epoll ",
                                       "epoll,poll"};

    for (size_t i = 0; i < CO_ARRAY_LEN(none); i++) {
        check_refused(none[i], ENOSYS);
        if (!*none[i])
            continue;
        setenv("COPPICE_BACKEND", none[i], 1);
        check_refused(NULL, ENOSYS);
        ck_assert_str_eq(got("poll", 0), "poll"); /* nobody looks at it */
        unsetenv("COPPICE_BACKEND");
    }
}
END_TEST

START_TEST(a_wish_that_the_kernel_lacks_becomes_the_default)
{
    wish_error = best_error = -ENOSYS;
    ck_assert_str_eq(got("io_uring", 0), "poll");
    ck_assert_str_eq(got("epoll", 0), "poll");
    best_error = 0;
    ck_assert_str_eq(got("io_uring", 0), "epoll");
    setenv("COPPICE_BACKEND", "io_uring", 1);
    ck_assert_str_eq(got(NULL, 0), "epoll");
    unsetenv("COPPICE_BACKEND");
}
END_TEST

START_TEST(a_wish_that_the_build_lacks_becomes_the_default)
{
    ck_assert_str_eq(got("kqueue", 0), "epoll");
}
END_TEST

static void check_says(const char *name, int debug, const char *expected)
{
    FILE *file = co_test_stderr_catch();

    (void)got(name, debug);
    ck_assert_str_eq(co_test_stderr_caught(file), expected);
}

START_TEST(in_debug_mode_a_wish_that_fails_is_one_line)
{
    check_says("io_uring", 1, "");
    wish_error = -ENOSYS;
    check_says("io_uring", 0, "");
    check_says("io_uring", 1,
               "coppice: this kernel has no io_uring, or forbids it: the loop "
               "runs on epoll\n");
    check_says("kqueue", 1,
               "coppice: this build has no kqueue: the loop runs on epoll\n");
    best_error = -ENOSYS;
    check_says(NULL, 1, ""); /* it was nobody's wish */
}
END_TEST

/* Nothing else is a reason to pass one over. */
START_TEST(want_of_memory_or_descriptors_is_an_error)
{
    static const int errors[] = {-ENOMEM, -EMFILE, -ENFILE};

    for (size_t i = 0; i < CO_ARRAY_LEN(errors); i++) {
        best_error = wish_error = errors[i];
        check_refused(NULL, -errors[i]);
        check_refused("io_uring", -errors[i]);
        wish_error = -ENOSYS;
        check_refused("io_uring", -errors[i]);
        ck_assert_str_eq(got("poll", 0), "poll");
    }
}
END_TEST

START_TEST(no_loop_has_no_backend)
{
    ck_assert_ptr_null(co_loop_backend(NULL));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("backend");
    TCase *tc = tcase_create("choice");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, table_made, NULL);
    tcase_add_test(tc, without_a_wish_it_is_the_first);
    tcase_add_test(tc, the_options_name_it);
    tcase_add_test(tc, the_environment_names_it_where_the_options_do_not);
    tcase_add_test(tc, what_is_no_name_is_refused);
    tcase_add_test(tc, a_wish_that_the_kernel_lacks_becomes_the_default);
    tcase_add_test(tc, a_wish_that_the_build_lacks_becomes_the_default);
    tcase_add_test(tc, in_debug_mode_a_wish_that_fails_is_one_line);
    tcase_add_test(tc, want_of_memory_or_descriptors_is_an_error);
    tcase_add_test(tc, no_loop_has_no_backend);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
