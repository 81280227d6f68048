/* SPDX-License-Identifier: MIT */
/* Reading and writing, over every kind of descriptor. */
#include "pairs.h"

#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* ---- one transfer -------------------------------------------------------- */

PAIR_TEST(what_is_written_is_read)
{
    char buffer[16];
    int fds[2];

    make_pair(fds);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_write(fds[1], "hello", 5), 5);
        ck_assert_int_eq(co_read(fds[0], buffer, sizeof(buffer)), 5);
        ck_assert_mem_eq(buffer, "hello", 5);
    }
    close_pair(fds);
}

PAIR_TEST(reader_waits_for_the_writer)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    reader.fd = fds[0];
    for (int i = 0; i < 3; i++) {
        call_start(&reader, call_read);
        ck_assert(call_waits(&reader));
        ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
        ck_assert_int_eq(call_result(&reader), 3);
        ck_assert_mem_eq(reader.buffer, "abc", 3);
    }
    close_pair(fds);
}

PAIR_TEST(writer_waits_for_room)
{
    struct call writer = {.len = 5, .buffer = "hello"};
    int fds[2];

    make_pair(fds);
    writer.fd = fds[1];
    for (int i = 0; i < 3; i++) {
        fill(fds[1]);
        call_start(&writer, call_write);
        ck_assert(call_waits(&writer));
        drain_filled(fds[0]);
        ck_assert_int_eq(call_result(&writer), 5);
        take(fds[0], 5);
    }
    close_pair(fds);
}

PAIR_TEST(end_of_file_is_zero_and_stays)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    ck_assert_int_eq(co_close(fds[1]), 0);
    ck_assert_int_eq(call_result(&reader), 0);
    ck_assert_int_eq(co_read(fds[0], reader.buffer, 64), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

/* The end is queued with the data: no event of its own follows. */
PAIR_TEST(end_of_file_behind_data_is_seen_after_a_short_read)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    ck_assert_int_eq(co_write(fds[1], "last", 4), 4);
    ck_assert_int_eq(co_close(fds[1]), 0);
    ck_assert_int_eq(call_result(&reader), 4);
    ck_assert_int_eq(co_read(fds[0], reader.buffer, 64), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

/* The same if nobody waited, so that nothing was registered before. */
PAIR_TEST(end_of_file_behind_data_is_seen_by_a_first_read)
{
    char buffer[64];
    int fds[2];

    make_pair(fds);
    ck_assert_int_eq(co_write(fds[1], "last", 4), 4);
    ck_assert_int_eq(co_close(fds[1]), 0);
    ck_assert_int_eq(co_read(fds[0], buffer, 64), 4);
    ck_assert_int_eq(co_read(fds[0], buffer, 64), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

PAIR_TEST(data_that_came_between_two_short_reads_is_read)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    ck_assert_int_eq(co_write(fds[1], "one", 3), 3);
    ck_assert_int_eq(call_result(&reader), 3);
    ck_assert_int_eq(co_write(fds[1], "two", 3), 3);
    ck_assert_int_eq(co_read(fds[0], reader.buffer, 64), 3);
    ck_assert_int_eq(co_write(fds[1], "three", 5), 5);
    collect_events();
    ck_assert_int_eq(co_read(fds[0], reader.buffer, 64), 5);
    close_pair(fds);
}

PAIR_TEST(write_to_nobody_is_epipe_and_no_signal)
{
    int fds[2];

    make_pair(fds);
    ck_assert_int_eq(co_close(fds[0]), 0);
    for (int i = 0; i < 100; i++) {
        ssize_t n = co_write(fds[1], "x", 1);

        /* TCP hears of it with the answer to the first. */
        if (n == 1 || n == -ECONNRESET)
            continue;
        ck_assert_int_eq(n, -EPIPE);
    }
    ck_assert_int_eq(co_write(fds[1], "x", 1), -EPIPE);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

PAIR_TEST(vectors_are_scattered_and_gathered)
{
    char a[3], b[8];
    struct iovec out[] = {{.iov_base = (void *)"ab", .iov_len = 2},
                          {.iov_base = NULL, .iov_len = 0},
                          {.iov_base = (void *)"cdef", .iov_len = 4}};
    struct iovec in[] = {{.iov_base = a, .iov_len = 3},
                         {.iov_base = b, .iov_len = 8}};
    int fds[2];

    make_pair(fds);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_writev(fds[1], out, 3), 6);
        ck_assert_int_eq(co_readv(fds[0], in, 2), 6);
        ck_assert_mem_eq(a, "abc", 3);
        ck_assert_mem_eq(b, "def", 3);
    }
    ck_assert_int_eq(co_readv(fds[0], in, 0), 0);
    close_pair(fds);
}

static int read_vector(void *arg)
{
    struct call *call = arg;
    struct iovec in[] = {{.iov_base = call->buffer, .iov_len = 1},
                         {.iov_base = call->buffer + 1, .iov_len = 10}};

    return call_end(call, co_readv(call->fd, in, 2));
}

static int write_vector(void *arg)
{
    struct call *call = arg;
    struct iovec out[] = {{.iov_base = call->buffer, .iov_len = 1},
                          {.iov_base = call->buffer + 1, .iov_len = 4}};

    return call_end(call, co_writev(call->fd, out, 2));
}

PAIR_TEST(vectors_wait_too)
{
    struct call call = {.buffer = ""};
    int fds[2];

    make_pair(fds);
    call.fd = fds[0];
    call_start(&call, read_vector);
    ck_assert(call_waits(&call));
    ck_assert_int_eq(co_write(fds[1], "hello", 5), 5);
    ck_assert_int_eq(call_result(&call), 5);
    ck_assert_mem_eq(call.buffer, "hello", 5);

    fill(fds[1]);
    call.fd = fds[1];
    call_start(&call, write_vector);
    ck_assert(call_waits(&call));
    drain_filled(fds[0]);
    ck_assert_int_eq(call_result(&call), 5);
    close_pair(fds);
}

/* ---- all of it ----------------------------------------------------------- */

struct bulk {
    int fd;
    size_t len;
    char *data;
    size_t done;
    int result;
};

static int write_bulk(void *arg)
{
    struct bulk *bulk = arg;

    bulk->result = co_write_all(bulk->fd, bulk->data, bulk->len, &bulk->done);
    return 0;
}

static void fill_pattern(char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 7 + i / 251);
}

PAIR_TEST(megabytes_go_through_a_slow_reader_unharmed)
{
    size_t len = (size_t)co_test_scale(8, 1) << 20;
    struct bulk bulk = {.len = len, .data = malloc(len)};
    char *got = malloc(len);
    size_t at = 0, step = 1;
    co_task *writer;
    int fds[2];

    make_pair(fds);
    fill_pattern(bulk.data, len);
    bulk.fd = fds[1];
    writer = co_test_spawn(write_bulk, &bulk);
    while (at < len) {
        size_t want = step < len - at ? step : len - at;
        ssize_t n = co_read(fds[0], got + at, want);

        ck_assert_int_gt(n, 0);
        at += (size_t)n;
        step = step % 100000 + 777;
        co_test_yield();
    }
    ck_assert_int_eq(co_test_result(writer), 0);
    ck_assert_int_eq(bulk.result, 0);
    ck_assert_uint_eq(bulk.done, len);
    ck_assert_int_eq(memcmp(got, bulk.data, len), 0);
    free(got);
    free(bulk.data);
    close_pair(fds);
}

PAIR_TEST(read_full_collects_pieces)
{
    char buffer[10];
    struct bulk bulk = {.len = 10, .data = (char[]){"0123456789"}};
    co_task *writer;
    size_t done = 99;
    int fds[2];

    make_pair(fds);
    bulk.fd = fds[1];
    ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
    writer = co_test_spawn(write_bulk, &bulk);
    ck_assert_int_eq(co_read_full(fds[0], buffer, 10, &done), 0);
    ck_assert_uint_eq(done, 10);
    ck_assert_mem_eq(buffer, "abc0123456", 10);
    ck_assert_int_eq(co_test_result(writer), 0);
    ck_assert_int_eq(co_read_full(fds[0], buffer, 3, NULL), 0);
    ck_assert_mem_eq(buffer, "789", 3);
    close_pair(fds);
}

PAIR_TEST(read_full_tells_how_far_it_came_at_the_end)
{
    char buffer[10];
    size_t done = 99;
    int fds[2];

    make_pair(fds);
    ck_assert_int_eq(co_write_all(fds[1], "abc", 3, NULL), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
    ck_assert_int_eq(co_read_full(fds[0], buffer, 10, &done), -ENODATA);
    ck_assert_uint_eq(done, 3);
    ck_assert_int_eq(co_read_full(fds[0], buffer, 10, &done), -ENODATA);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

PAIR_TEST(a_timeout_half_way_leaves_done_right)
{
    size_t len = (size_t)32 << 20;
    char *data = malloc(len);
    char buffer[10];
    size_t done = 99;
    int fds[2];

    make_pair(fds);
    ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
    co_timeout(CO_MS)
        ck_assert_int_eq(co_read_full(fds[0], buffer, 10, &done), -ETIMEDOUT);
    ck_assert_uint_eq(done, 3);
    ck_assert_mem_eq(buffer, "abc", 3);

    memset(data, 'x', len);
    co_timeout(50 * CO_MS)
        ck_assert_int_eq(co_write_all(fds[1], data, len, &done), -ETIMEDOUT);
    ck_assert_uint_gt(done, 0);
    ck_assert_uint_lt(done, len);
    take(fds[0], done);
    ck_assert(nothing_there(fds[0]));
    free(data);
    close_pair(fds);
}

/* ---- bad input ----------------------------------------------------------- */

CO_TASK_TEST(negative_and_closed_descriptors_are_ebadf)
{
    int closed = dup(0);
    const int bad[] = {-1, INT_MIN, INT_MAX, 1 << 20, closed};
    struct iovec iov = {.iov_base = (char[4]){0}, .iov_len = 4};
    char buffer[4] = "";
    size_t done = 99;

    close(closed);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t len = 0; len < 5; len += 4) {
            ck_assert_int_eq(co_read(bad[i], buffer, len), -EBADF);
            ck_assert_int_eq(co_write(bad[i], buffer, len), -EBADF);
        }
        ck_assert_int_eq(co_readv(bad[i], &iov, 1), -EBADF);
        ck_assert_int_eq(co_writev(bad[i], &iov, 1), -EBADF);
        ck_assert_int_eq(co_readv(bad[i], &iov, 0), -EBADF);
        ck_assert_int_eq(co_read_full(bad[i], buffer, 4, &done), -EBADF);
        ck_assert_uint_eq(done, 0);
        done = 99;
        ck_assert_int_eq(co_write_all(bad[i], buffer, 4, &done), -EBADF);
        ck_assert_uint_eq(done, 0);
        ck_assert_int_eq(co_wait_fd(bad[i], CO_READABLE), -EBADF);
        ck_assert_int_eq(co_close(bad[i]), -EBADF);
        ck_assert_int_eq(co_adopt(bad[i]), -EBADF);
        ck_assert_int_eq(co_fd_release(bad[i]), -EBADF);
    }
    ck_assert_int_eq(co_read_full(-1, buffer, 0, NULL), -EBADF);
    ck_assert_int_eq(co_write_all(-1, buffer, 0, NULL), -EBADF);
}

CO_TASK_TEST(null_buffers_and_absurd_vectors_are_einval)
{
    struct iovec null_part = {.iov_base = NULL, .iov_len = 1};
    struct iovec huge[2] = {{.iov_base = &null_part, .iov_len = SSIZE_MAX},
                            {.iov_base = &null_part, .iov_len = SIZE_MAX}};
    size_t done = 99;
    int fds[2];

    pipe_pair(fds);
    ck_assert_int_eq(co_read(fds[0], NULL, 1), -EINVAL);
    ck_assert_int_eq(co_write(fds[1], NULL, 1), -EINVAL);
    ck_assert_int_eq(co_read(fds[0], NULL, 0), 0);
    ck_assert_int_eq(co_write(fds[1], NULL, 0), 0);
    ck_assert_int_eq(co_read_full(fds[0], NULL, 1, &done), -EINVAL);
    ck_assert_uint_eq(done, 0);
    done = 99;
    ck_assert_int_eq(co_write_all(fds[1], NULL, 1, &done), -EINVAL);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(co_readv(fds[0], NULL, 1), -EINVAL);
    ck_assert_int_eq(co_writev(fds[1], NULL, 1), -EINVAL);
    ck_assert_int_eq(co_readv(fds[0], &null_part, 1), -EINVAL);
    ck_assert_int_eq(co_writev(fds[1], &null_part, 1), -EINVAL);
    ck_assert_int_eq(co_readv(fds[0], huge, -1), -EINVAL);
    ck_assert_int_eq(co_writev(fds[1], huge, IOV_MAX + 1), -EINVAL);
    ck_assert_int_eq(co_readv(fds[0], huge, 2), -EINVAL);
    ck_assert_int_eq(co_writev(fds[1], huge, 2), -EINVAL);
    ck_assert_int_eq(co_wait_fd(fds[0], 0), -EINVAL);
    ck_assert_int_eq(co_wait_fd(fds[0], 4), -EINVAL);
    ck_assert_int_eq(co_wait_fd(fds[0], -1), -EINVAL);
    close_pair(fds);
}

CO_TASK_TEST(directory_is_eisdir)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char byte = 0;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_read(fd, &byte, 1), -EISDIR);
    ck_assert_int_eq(co_write(fd, &byte, 1), -EBADF);
    ck_assert_int_eq(co_adopt(fd), 0);
    ck_assert_int_eq(co_read(fd, &byte, 1), -EISDIR);
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(wrong_end_of_a_pipe_is_ebadf)
{
    char byte = 0;
    int fds[2];

    foreign_pipe(fds);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(co_read(fds[1], &byte, 1), -EBADF);
        ck_assert_int_eq(co_write(fds[0], &byte, 1), -EBADF);
        if (!i)
            adopt_pair(fds);
    }
    close_pair(fds);
}

CO_TASK_TEST(reading_nothing_takes_nothing)
{
    char buffer[4];
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    adopt_pair(fds);
    ck_assert_int_eq(co_read(fds[0], buffer, 0), 0);
    ck_assert_int_eq(co_write(fds[1], "ab", 2), 2);
    ck_assert_int_eq(co_read(fds[0], buffer, 0), 0);
    ck_assert_int_eq(co_read(fds[0], buffer, 4), 2);
    /* An empty datagram is one, too. */
    ck_assert_int_eq(co_write(fds[1], NULL, 0), 0);
    ck_assert_int_eq(co_read(fds[0], buffer, 4), 0);
    close_pair(fds);
}

static Suite *suite(void)
{
    Suite *s = suite_create("fd");
    TCase *tc = tcase_create("pairs");

    co_test_check_fds(tc);
    ADD_PAIR_TEST(tc, what_is_written_is_read);
    ADD_PAIR_TEST(tc, reader_waits_for_the_writer);
    ADD_PAIR_TEST(tc, writer_waits_for_room);
    ADD_PAIR_TEST(tc, end_of_file_is_zero_and_stays);
    tcase_add_loop_test(tc, end_of_file_behind_data_is_seen_after_a_short_read,
                        0, PAIRS);
    ADD_PAIR_TEST(tc, end_of_file_behind_data_is_seen_by_a_first_read);
    ADD_PAIR_TEST(tc, data_that_came_between_two_short_reads_is_read);
    ADD_PAIR_TEST(tc, write_to_nobody_is_epipe_and_no_signal);
    ADD_PAIR_TEST(tc, vectors_are_scattered_and_gathered);
    ADD_PAIR_TEST(tc, vectors_wait_too);
    ADD_PAIR_TEST(tc, megabytes_go_through_a_slow_reader_unharmed);
    ADD_PAIR_TEST(tc, read_full_collects_pieces);
    ADD_PAIR_TEST(tc, read_full_tells_how_far_it_came_at_the_end);
    ADD_PAIR_TEST(tc, a_timeout_half_way_leaves_done_right);
    suite_add_tcase(s, tc);

    tc = tcase_create("bad input");
    co_test_check_fds(tc);
    tcase_add_test(tc, negative_and_closed_descriptors_are_ebadf);
    tcase_add_test(tc, null_buffers_and_absurd_vectors_are_einval);
    tcase_add_test(tc, directory_is_eisdir);
    tcase_add_test(tc, wrong_end_of_a_pipe_is_ebadf);
    tcase_add_test(tc, reading_nothing_takes_nothing);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
