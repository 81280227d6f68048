/* SPDX-License-Identifier: MIT */
/* EVFILT_READ, EVFILT_WRITE and EVFILT_EXCEPT. */
#include "shim_tests.h"

#include <fcntl.h>
#include <sys/socket.h>

static int add(int fd, short filter, unsigned flags)
{
    return change((uintptr_t)fd, filter, EV_ADD | flags, 0, NULL);
}

/* ---- reading ------------------------------------------------------------- */

START_TEST(data_is_the_number_of_bytes_to_read)
{
    int fds[2];

    pair_make(fds);
    put(fds[1], 123);
    ck_assert_int_eq(add(fds[0], EVFILT_READ, 0), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].data, 123);
    ck_assert(!(events[0].flags & EV_EOF));
    close_both(fds);
}
END_TEST

START_TEST(data_is_the_size_of_the_listen_backlog)
{
    int listener, second;
    int fds[2];
    struct sockaddr_storage to;
    socklen_t length = sizeof(to);

    tcp_make(fds, &listener);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&to, &length), 0);
    ck_assert_int_eq(add(listener, EVFILT_READ, EV_CLEAR), 0);
    ck_assert_int_eq(await(), 1);
    ck_assert_int_eq(events[0].data, 1);
    second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(second, (struct sockaddr *)&to, length), 0);
    ck_assert_int_eq(await(), 1);
    ck_assert_int_eq(events[0].data, CO_TEST_EMULATED ? 1 : 2);
    close(second);
    close(listener);
    close(fds[0]);
}
END_TEST

START_TEST(if_the_read_direction_has_shut_down_it_is_eof)
{
    const struct kevent *in = NULL, *out;
    int fds[2];
    int n;

    tcp_make(fds, NULL);
    ck_assert_int_eq(add(fds[0], EVFILT_READ, EV_CLEAR), 0);
    ck_assert_int_eq(add(fds[0], EVFILT_WRITE, EV_CLEAR), 0);
    ck_assert_int_eq(look(), 1); /* writable */
    put(fds[1], 5);
    shutdown(fds[1], SHUT_WR);
    while (!in || !(in->flags & EV_EOF)) {
        n = await();
        in = event_of((uintptr_t)fds[0], EVFILT_READ, n);
        out = event_of((uintptr_t)fds[0], EVFILT_WRITE, n);
        ck_assert(!out || !(out->flags & EV_EOF)); /* this one has not */
    }
    ck_assert_int_eq(in->data, 5); /* data may still be pending */
    ck_assert_uint_eq(in->fflags, 0);
    ck_assert_int_eq(look(), 0);
    close_both(fds);
}
END_TEST

START_TEST(the_socket_error_is_in_fflags)
{
    struct linger now = {.l_onoff = 1};
    const struct kevent *in, *out;
    int fds[2];
    int n = 0;

    tcp_make(fds, NULL);
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fds[1]); /* a reset */
    while (n != 2) {
        ck_assert_int_eq(add(fds[0], EVFILT_READ, 0), 0);
        ck_assert_int_eq(add(fds[0], EVFILT_WRITE, 0), 0);
        n = await();
    }
    in = event_of((uintptr_t)fds[0], EVFILT_READ, 2);
    out = event_of((uintptr_t)fds[0], EVFILT_WRITE, 2);
    ck_assert(in->flags & EV_EOF);
    ck_assert(out->flags & EV_EOF);
    ck_assert_uint_eq(in->fflags, ECONNRESET);
    ck_assert_uint_eq(out->fflags, ECONNRESET);
    close(fds[0]);
}
END_TEST

START_TEST(a_pipe_says_how_much_and_when_the_last_writer_is_gone)
{
    int fds[2];

    pipe_make(fds);
    ck_assert_int_eq(add(fds[0], EVFILT_READ, EV_CLEAR), 0);
    put(fds[1], 7);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].data, 7);
    ck_assert(!(events[0].flags & EV_EOF));
    close(fds[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert(events[0].flags & EV_EOF);
    ck_assert_int_eq(look(), 0);
    close(fds[0]);
}
END_TEST

START_TEST(a_file_is_ready_while_not_at_its_end)
{
    FILE *file = tmpfile();
    int fd = fileno(file);

    ck_assert_int_eq(add(fd, EVFILT_READ, 0), 0);
    ck_assert_int_eq(look(), 0);
    put(fd, 100);
    lseek(fd, 40, SEEK_SET);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(look(), 1); /* a level */
    ck_assert_int_eq(events[0].data, 60);
    lseek(fd, 150, SEEK_SET);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].data, -50); /* it may be negative */
    ck_assert_int_eq(add(fd, EVFILT_WRITE, 0), -EINVAL);
    ck_assert_int_eq(change((uintptr_t)fd, EVFILT_READ, EV_DELETE, 0, NULL), 0);
    fclose(file);
}
END_TEST

/* ---- writing ------------------------------------------------------------- */

START_TEST(data_is_the_space_that_remains)
{
    char bytes[65536];
    int64_t room;
    int fds[2];

    pipe_make(fds);
    ck_assert_int_eq(add(fds[1], EVFILT_WRITE, EV_CLEAR), 0);
    ck_assert_int_eq(look(), 1);
    room = events[0].data;
    ck_assert_int_eq(room, fcntl(fds[1], F_GETPIPE_SZ));
    put(fds[1], 4096);
    ck_assert_int_eq(add(fds[1], EVFILT_WRITE, 0), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].data, room - 4096);
    fill(fds[1]);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_gt((int)read(fds[0], bytes, sizeof(bytes)), 0);
    ck_assert_int_eq(look(), 1); /* there is room again */
    close_both(fds);
}
END_TEST

START_TEST(room_in_a_full_socket_is_an_event)
{
    char bytes[65536];
    int fds[2];

    pair_make(fds);
    fill(fds[0]);
    ck_assert_int_eq(add(fds[0], EVFILT_WRITE, EV_CLEAR), 0);
    ck_assert_int_eq(look(), 0);
    while (read(fds[1], bytes, sizeof(bytes)) > 0)
        continue;
    ck_assert_int_eq(look(), 1);
    ck_assert_int_gt(events[0].data, 0);
    ck_assert_int_eq(look(), 0);
    close_both(fds);
}
END_TEST

START_TEST(it_is_eof_when_the_reader_disconnects)
{
    int fds[2];

    pipe_make(fds);
    fill(fds[1]);
    ck_assert_int_eq(add(fds[1], EVFILT_WRITE, EV_CLEAR), 0);
    ck_assert_int_eq(look(), 0);
    close(fds[0]);
    ck_assert_int_eq(look(), 1);
    ck_assert(events[0].flags & EV_EOF);
    /* FreeBSD and macOS, though their pages do not say so: */
    ck_assert_int_eq(
        change((uintptr_t)fds[1], EVFILT_WRITE, EV_DELETE, 0, NULL), 0);
    ck_assert_int_eq(add(fds[1], EVFILT_WRITE, EV_CLEAR), -EPIPE);
    close(fds[1]);
}
END_TEST

START_TEST(a_socket_whose_peer_is_gone_is_eof_both_ways)
{
    int fds[2];

    pair_make(fds);
    close(fds[1]);
    ck_assert_int_eq(add(fds[0], EVFILT_READ, EV_CLEAR), 0);
    ck_assert_int_eq(add(fds[0], EVFILT_WRITE, EV_CLEAR), 0);
    ck_assert_int_eq(look(), 2);
    ck_assert(events[0].flags & EV_EOF);
    ck_assert(events[1].flags & EV_EOF);
    ck_assert_uint_eq(events[0].fflags, 0);
    ck_assert_uint_eq(events[1].fflags, 0);
    close(fds[0]);
}
END_TEST

START_TEST(what_has_no_events_cannot_be_registered)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    ck_assert_int_eq(add(fd, EVFILT_READ, 0), -ENODEV);
    close(fd);
}
END_TEST

/* ---- exceptional conditions ---------------------------------------------- */

START_TEST(out_of_band_data_is_an_exceptional_condition)
{
    const unsigned flags = EV_ADD | EV_CLEAR;
    int fds[2];

    tcp_make(fds, NULL);
    ck_assert_int_eq(
        change((uintptr_t)fds[0], EVFILT_EXCEPT, flags, NOTE_OOB, NULL), 0);
    put(fds[1], 1);
    ck_assert_int_eq((int)send(fds[1], "!", 1, MSG_OOB), 1);
    ck_assert_int_eq(await(), 1);
    ck_assert_int_eq(events[0].filter, EVFILT_EXCEPT);
    ck_assert_uint_eq(events[0].fflags, NOTE_OOB);
    ck_assert_int_eq(look(), 0);
    close_both(fds);
    pipe_make(fds);
    ck_assert_int_eq(change((uintptr_t)fds[0], EVFILT_EXCEPT, flags, NOTE_OOB,
                            NULL),
                     -EINVAL);
    close_both(fds);
}
END_TEST

void add_descriptors(TCase *tc)
{
    tcase_add_test(tc, data_is_the_number_of_bytes_to_read);
    tcase_add_test(tc, data_is_the_size_of_the_listen_backlog);
    tcase_add_test(tc, if_the_read_direction_has_shut_down_it_is_eof);
    tcase_add_test(tc, the_socket_error_is_in_fflags);
    tcase_add_test(tc, a_pipe_says_how_much_and_when_the_last_writer_is_gone);
    tcase_add_test(tc, a_file_is_ready_while_not_at_its_end);
    tcase_add_test(tc, data_is_the_space_that_remains);
    tcase_add_test(tc, room_in_a_full_socket_is_an_event);
    tcase_add_test(tc, it_is_eof_when_the_reader_disconnects);
    tcase_add_test(tc, a_socket_whose_peer_is_gone_is_eof_both_ways);
    tcase_add_test(tc, what_has_no_events_cannot_be_registered);
    tcase_add_test(tc, out_of_band_data_is_an_exceptional_condition);
}
