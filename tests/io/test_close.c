/* SPDX-License-Identifier: MIT */
/* co_wait_fd, closing under those who wait, and calls in a loop callback. */
#include "pairs.h"

#include <coppice/cancel.h>
#include <coppice/scope.h>

#include <sys/eventfd.h>

/* ---- co_wait_fd ---------------------------------------------------------- */

PAIR_TEST(wait_fd_tells_and_takes_nothing)
{
    struct call waiter = {.len = CO_READABLE};
    char byte;
    int fds[2];

    make_pair(fds);
    ck_assert_int_eq(co_wait_fd(fds[1], CO_WRITABLE), CO_WRITABLE);
    waiter.fd = fds[0];
    call_start(&waiter, call_wait);
    ck_assert(call_waits(&waiter));
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    ck_assert_int_eq(call_result(&waiter), CO_READABLE);
    ck_assert_int_eq(co_wait_fd(fds[0], CO_READABLE), CO_READABLE);
    ck_assert_int_eq(co_read(fds[0], &byte, 1), 1);
    call_start(&waiter, call_wait);
    ck_assert(call_waits(&waiter));
    ck_assert_int_eq(co_close(fds[1]), 0);
    ck_assert_int_eq(call_result(&waiter), CO_READABLE);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

PAIR_TEST(wait_fd_waits_for_room)
{
    struct call waiter = {.len = CO_WRITABLE};
    int fds[2];

    make_pair(fds);
    fill(fds[1]);
    waiter.fd = fds[1];
    call_start(&waiter, call_wait);
    ck_assert(call_waits(&waiter));
    drain_filled(fds[0]);
    ck_assert_int_eq(call_result(&waiter), CO_WRITABLE);
    close_pair(fds);
}

CO_TASK_TEST(wait_fd_waits_in_both_directions)
{
    struct call waiter = {.len = CO_READABLE | CO_WRITABLE};
    int fds[2];

    for (int i = 0; i < 4; i++) {
        (i & 1 ? unix_pair : foreign_socket_pair)(fds);
        waiter.fd = fds[0];
        fill(fds[0]);
        call_start(&waiter, call_wait);
        ck_assert(call_waits(&waiter));
        if (i & 2) {
            drain_filled(fds[1]);
            ck_assert_int_eq(call_result(&waiter), CO_WRITABLE);
        } else {
            ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
            ck_assert_int_eq(call_result(&waiter), CO_READABLE);
        }
        close_pair(fds);
    }
}

/* Who only asks does not keep the event from who reads, nor the other way. */
PAIR_TEST(wait_fd_and_read_share_an_event)
{
    struct call waiter = {.len = CO_READABLE}, reader = {.len = 1};
    int fds[2];

    make_pair(fds);
    waiter.fd = reader.fd = fds[0];
    call_start(&waiter, call_wait);
    call_start(&reader, call_read);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    ck_assert_int_eq(call_result(&waiter), CO_READABLE);
    ck_assert_int_eq(call_result(&reader), 1);

    call_start(&reader, call_read);
    call_start(&waiter, call_wait);
    ck_assert_int_eq(co_write(fds[1], "xy", 2), 2);
    ck_assert_int_eq(call_result(&reader), 1);
    ck_assert_int_eq(call_result(&waiter), CO_READABLE);
    close_pair(fds);
}

PAIR_TEST(wait_fd_is_cancelled_and_times_out)
{
    struct call waiter = {.len = CO_READABLE};
    int fds[2];

    make_pair(fds);
    waiter.fd = fds[0];
    call_start(&waiter, call_wait);
    co_cancel(waiter.task);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    ck_assert_int_eq(call_result(&waiter), -ECANCELED);
    take(fds[0], 1);
    co_timeout(CO_MS)
        ck_assert_int_eq(co_wait_fd(fds[0], CO_READABLE), -ETIMEDOUT);
    close_pair(fds);
}

/* ---- closing ------------------------------------------------------------- */

PAIR_TEST(close_wakes_everybody_with_ebadf)
{
    struct call readers[3], waiter = {.len = CO_READABLE};
    int fds[2];

    make_pair(fds);
    start_readers(readers, 3, fds[0], NULL);
    waiter.fd = fds[0];
    call_start(&waiter, call_wait);
    ck_assert_int_eq(co_close(fds[0]), 0);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(call_result(&readers[i]), -EBADF);
    ck_assert_int_eq(call_result(&waiter), -EBADF);
    ck_assert_int_eq(co_close(fds[0]), -EBADF);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

PAIR_TEST(close_wakes_writers_too)
{
    struct call writers[2];
    int fds[2];

    make_pair(fds);
    fill(fds[1]);
    for (int i = 0; i < 2; i++) {
        writers[i] = (struct call){.fd = fds[1], .len = 1};
        call_start(&writers[i], call_write);
    }
    ck_assert_int_eq(co_close(fds[1]), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(call_result(&writers[i]), -EBADF);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

CO_TASK_TEST(close_wakes_both_directions)
{
    struct call reader = {.len = 1}, writer = {.len = 1};
    struct call both = {.len = CO_READABLE | CO_WRITABLE};
    int fds[2];

    for (int i = 0; i < 2; i++) {
        (i ? unix_pair : foreign_socket_pair)(fds);
        fill(fds[0]);
        reader.fd = writer.fd = both.fd = fds[0];
        call_start(&reader, call_read);
        call_start(&writer, call_write);
        call_start(&both, call_wait);
        ck_assert_int_eq(co_close(fds[0]), 0);
        ck_assert_int_eq(call_result(&reader), -EBADF);
        ck_assert_int_eq(call_result(&writer), -EBADF);
        ck_assert_int_eq(call_result(&both), -EBADF);
        ck_assert_int_eq(co_close(fds[1]), 0);
    }
}

/* Woken by data, but the descriptor is gone before the task runs: it must not
 * read from whatever has the number by then. */
PAIR_TEST(closed_after_the_event_is_ebadf)
{
    struct call reader = {.len = 64}, waiter = {.len = CO_READABLE};
    char buffer[64];
    int fds[2], others[2];
    int done; /* it has read already */

    make_pair(fds);
    done = is_commanded(fds[0]);
    reader.fd = waiter.fd = fds[0];
    call_start(&reader, call_read);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    wake_by_event(&reader);
    ck_assert_int_eq(co_close(fds[0]), 0);
    foreign_socket_pair(others);
    if (others[1] == fds[0]) {
        others[1] = others[0];
        others[0] = fds[0];
    }
    others[0] = renumber(others[0], fds[0]);
    adopt_pair(others);
    ck_assert_int_eq(co_write(others[1], "other", 5), 5);
    ck_assert_int_eq(co_read(others[0], buffer, 64), 5);
    ck_assert_int_eq(co_write(others[1], "more", 4), 4);
    ck_assert_int_eq(call_result(&reader), done ? 1 : -EBADF);
    ck_assert_int_eq(co_read(others[0], buffer, 64), 4);
    close_pair(others);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

PAIR_TEST(release_wakes_with_ebadf_and_leaves_it_open)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    ck_assert_int_eq(co_fd_release(fds[0]), 0);
    ck_assert_int_eq(call_result(&reader), -EBADF);
    /* It still works, as a foreign one. */
    call_start(&reader, call_read);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    ck_assert_int_eq(call_result(&reader), 1);
    close_pair(fds);
}

/* ---- in a loop callback -------------------------------------------------- */

static struct {
    int fds[2];
    ssize_t read_empty, wait_empty, read_data, write_full;
    char byte;
} in_callback;

static void callback(void *arg)
{
    int fd = in_callback.fds[0];

    (void)arg;
    in_callback.read_empty = co_read(fd, &in_callback.byte, 1);
    in_callback.wait_empty = co_wait_fd(fd, CO_READABLE);
    /* TCP may have moved on meanwhile, and have room again. */
    do
        in_callback.write_full = co_write(fd, "y", 1);
    while (in_callback.write_full == 1);
    ck_assert_int_eq(write(in_callback.fds[1], "x", 1), 1);
    do {
        collect_events();
        in_callback.read_data = co_read(fd, &in_callback.byte, 1);
    } while (in_callback.read_data == -EPERM);
}

PAIR_TEST(callback_reads_but_does_not_wait)
{
    co_call call = {.fn = callback};
    int fds[2];

    if (is_pipe())
        return;
    make_pair(fds);
    memcpy(in_callback.fds, fds, sizeof(fds));
    in_callback.read_data = 12345;
    fill(fds[0]);
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    while (in_callback.read_data == 12345)
        ck_assert_int_eq(co_sleep(CO_US), 0);
    ck_assert_int_eq(in_callback.read_empty, -EPERM);
    ck_assert_int_eq(in_callback.wait_empty, -EPERM);
    ck_assert_int_eq(in_callback.write_full, -EPERM);
    ck_assert_int_eq(in_callback.read_data, 1);
    ck_assert_int_eq(in_callback.byte, 'x');
    close_pair(fds);
}

/* ---- other kinds --------------------------------------------------------- */

CO_TASK_TEST(eventfd_is_drained_by_eagain_alone)
{
    uint64_t count = 0, one = 1;
    struct call reader = {.len = 8};
    int fd = eventfd(3, EFD_CLOEXEC | EFD_SEMAPHORE);

    ck_assert_int_ge(fd, 0);
    for (int i = 0; i < 2; i++) {
        reader.fd = fd;
        for (int k = 0; k < 3; k++) {
            ck_assert_int_eq(co_read(fd, &count, 8), 8);
            ck_assert_uint_eq(count, 1);
        }
        call_start(&reader, call_read);
        ck_assert(call_waits(&reader));
        one = 4;
        ck_assert_int_eq(co_write(fd, &one, 8), 8);
        ck_assert_int_eq(call_result(&reader), 8);
        if (!i)
            ck_assert_int_eq(co_adopt(fd), 0);
    }
    ck_assert_int_eq(co_close(fd), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("close");
    TCase *tc = tcase_create("close");

    co_test_check_fds(tc);
    ADD_PAIR_TEST(tc, wait_fd_tells_and_takes_nothing);
    ADD_PAIR_TEST(tc, wait_fd_waits_for_room);
    ADD_PAIR_TEST(tc, wait_fd_and_read_share_an_event);
    ADD_PAIR_TEST(tc, wait_fd_is_cancelled_and_times_out);
    ADD_PAIR_TEST(tc, close_wakes_everybody_with_ebadf);
    ADD_PAIR_TEST(tc, close_wakes_writers_too);
    ADD_PAIR_TEST(tc, closed_after_the_event_is_ebadf);
    ADD_PAIR_TEST(tc, release_wakes_with_ebadf_and_leaves_it_open);
    ADD_PAIR_TEST(tc, callback_reads_but_does_not_wait);
    tcase_add_test(tc, wait_fd_waits_in_both_directions);
    tcase_add_test(tc, close_wakes_both_directions);
    tcase_add_test(tc, eventfd_is_drained_by_eagain_alone);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
