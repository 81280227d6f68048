/* SPDX-License-Identifier: MIT */
/* What the BSDs and macOS have in place of io/sys_linux.c is POSIX: it runs
 * here, too. */
#define co__sys_readv_now     twin_readv_now
#define co__sys_writev_now    twin_writev_now
#define co__sys_reopen_tty    twin_reopen_tty
#define co__sys_fstat_command twin_fstat_command
#include "io/sys_bsd.c"

#include "support/check_main.h"

#include <string.h>

static int master, slave;

static void open_pair(void)
{
    char path[128];

    master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    ck_assert_int_eq(ptsname_r(master, path, sizeof(path)), 0);
    slave = open(path, O_RDWR | O_NOCTTY);
    ck_assert_int_ge(slave, 0);
}

static void close_pair(void)
{
    close(slave);
    close(master);
}

START_TEST(a_terminal_is_opened_again_and_does_not_block)
{
    char buffer[8] = "";
    int again = twin_reopen_tty(slave);

    ck_assert_int_ge(again, 0);
    ck_assert_int_ne(again, slave);
    ck_assert_int_eq(fcntl(again, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    ck_assert_int_eq(fcntl(again, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(write(again, "hello", 5), 5);
    ck_assert_int_eq(read(master, buffer, sizeof(buffer)), 5);
    ck_assert_str_eq(buffer, "hello");
    close(again);
}
END_TEST

START_TEST(a_master_and_what_is_no_terminal_are_not)
{
    int fds[2];

    ck_assert_int_eq(twin_reopen_tty(master), -ENOTTY);
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(twin_reopen_tty(fds[1]), -ENOTTY);
    close(fds[0]);
    close(fds[1]);
    ck_assert_int_eq(twin_reopen_tty(-1), -ENOTTY);
}
END_TEST

START_TEST(nothing_is_tried_without_asking_poll_first)
{
    char byte;
    struct iovec iov = {&byte, 1};

    ck_assert_int_eq(twin_readv_now(slave, &iov, 1), -EOPNOTSUPP);
    ck_assert_int_eq(twin_writev_now(slave, &iov, 1), -EOPNOTSUPP);
    ck_assert_int_eq(twin_fstat_command(NULL, slave, NULL), -EOPNOTSUPP);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("io/sys_bsd");
    TCase *tc = tcase_create("sys_bsd");

    tcase_add_checked_fixture(tc, open_pair, close_pair);
    tcase_add_test(tc, a_terminal_is_opened_again_and_does_not_block);
    tcase_add_test(tc, a_master_and_what_is_no_terminal_are_not);
    tcase_add_test(tc, nothing_is_tried_without_asking_poll_first);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
