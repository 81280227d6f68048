/* SPDX-License-Identifier: MIT */
/* What the BSDs and macOS have in place of base/sys_linux.c is POSIX: it runs
 * here, too. */
#include <string.h>

#if defined(__linux__)
extern int __xpg_strerror_r(int error, char *buffer, size_t bytes);
#define strerror_r __xpg_strerror_r /* what POSIX calls by this name */
#endif

#define co__sys_error_name         twin_error_name
#define co__sys_error_text         twin_error_text
#define co__sys_discard_sigpipe    twin_discard_sigpipe
#define co__sys_signal_frame_bytes twin_signal_frame_bytes
#define co__sys_thread_id          twin_thread_id
#include "base/sys_bsd.c"
#undef co__sys_error_name
#undef co__sys_error_text
#undef strerror_r

const char *co__sys_error_name(int error);
const char *co__sys_error_text(int error, char *buffer, size_t bytes);

#include "support/check_main.h"

#include <pthread.h>
#include <unistd.h>

START_TEST(names_and_texts_are_those_of_the_system)
{
    char buffer[128];
    int known = 0;

    for (int error = 1; error < 140; error++) {
        const char *name = twin_error_name(error);

        if (!name)
            continue;
        known++;
        ck_assert_str_eq(name, co__sys_error_name(error));
        ck_assert_str_eq(twin_error_text(error, buffer, sizeof(buffer)),
                         co__sys_error_text(error, NULL, 0));
    }
    ck_assert_int_gt(known, 80);
    ck_assert_ptr_null(twin_error_name(0));
    ck_assert_ptr_null(twin_error_name(9999));
}
END_TEST

static int is_pending(void)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, SIGPIPE);
}

static void block_sigpipe(void)
{
    sigset_t pipe_only;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &pipe_only, NULL), 0);
}

START_TEST(sigpipe_that_a_write_has_raised_is_forgotten)
{
    int fds[2];

    block_sigpipe();
    ck_assert_int_eq(pipe(fds), 0);
    close(fds[0]);
    ck_assert_int_lt(write(fds[1], "x", 1), 0);
    close(fds[1]);
    ck_assert_int_eq(is_pending(), 1);
    twin_discard_sigpipe();
    ck_assert_int_eq(is_pending(), 0);
}
END_TEST

START_TEST(nothing_pending_is_not_waited_for)
{
    block_sigpipe();
    alarm(10);
    twin_discard_sigpipe();
    alarm(0);
    ck_assert_int_eq(is_pending(), 0);
}
END_TEST

START_TEST(handlers_have_room_for_what_the_kernel_saves)
{
    ck_assert_uint_ge(twin_signal_frame_bytes(), 2048);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base/sys_bsd");
    TCase *tc = tcase_create("sys_bsd");

    tcase_add_test(tc, names_and_texts_are_those_of_the_system);
    tcase_add_test(tc, sigpipe_that_a_write_has_raised_is_forgotten);
    tcase_add_test(tc, nothing_pending_is_not_waited_for);
    tcase_add_test(tc, handlers_have_room_for_what_the_kernel_saves);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
