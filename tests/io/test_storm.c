/* SPDX-License-Identifier: MIT */
/* ctest: timeout=180 labels=slow */
/*
 * Calls that are cancelled in the very turn in which they end, in every order
 * of the two: no byte is lost or doubled, and no memory is touched after a call
 * has returned. On every reactor; the one that needs it is io_uring, where the
 * kernel has the caller's buffer until it has let go of it.
 */
#include "io_support.h"

#include <stdlib.h>

enum {
    PAIRS_MANY = 50,
    KEPT = 16, /* buffers that calls have returned from, and were freed late */
    BUFFER = 64,
};

static const unsigned char UNTOUCHED = 0xee;

struct stream {
    int fds[2];
    co_task *task;
    unsigned next;     /* byte that is expected */
    unsigned sent;     /* byte that is sent next */
    uint64_t received; /* bytes */
    uint64_t cancelled;
    unsigned char *kept[KEPT];
    unsigned kept_next;
    int ends;
};

/* A call that was cancelled has returned: nobody may write there any more. */
static unsigned char *keep(struct stream *s, unsigned char *buffer)
{
    unsigned char *oldest = s->kept[s->kept_next];
    int touched = 0;

    memset(buffer, UNTOUCHED, BUFFER);
    s->kept[s->kept_next] = buffer;
    s->kept_next = (s->kept_next + 1) % KEPT;
    for (int i = 0; oldest && i < BUFFER; i++)
        touched |= oldest[i] != UNTOUCHED;
    ck_assert(!touched);
    free(oldest);
    buffer = malloc(BUFFER);
    ck_assert_ptr_nonnull(buffer);
    return buffer;
}

static int read_all(void *arg)
{
    struct stream *s = arg;
    unsigned char *buffer = malloc(BUFFER);
    ssize_t n;

    while (!s->ends || s->received < s->sent) {
        n = co_read(s->fds[0], buffer, BUFFER);
        if (n == -ECANCELED) {
            s->cancelled++;
        } else {
            if (n <= 0)
                ck_abort_msg("read %zd", n);
            for (ssize_t i = 0; i < n; i++)
                if (buffer[i] != (unsigned char)s->next++)
                    ck_abort_msg("byte %zd of %zd is wrong", i, n);
            s->received += (uint64_t)n;
        }
        buffer = keep(s, buffer);
        while (co_uncancel(co_self()) > 0)
            continue;
    }
    for (int i = 0; i < KEPT; i++)
        free(s->kept[i]);
    free(buffer);
    return 0;
}

/* Past Coppice, so that it happens now. */
static void put_byte(struct stream *s)
{
    const unsigned char byte = (unsigned char)s->sent++;

    ck_assert_int_eq(write(s->fds[1], &byte, 1), 1);
}

/* A byte comes and a cancel, in one of the orders that there are. */
static void collide(struct stream *s, int order)
{
    switch (order % 5) {
    case 0: /* the byte is there before the cancel, but not reported */
        put_byte(s);
        co_cancel(s->task);
        break;
    case 1: /* reported, and then cancelled */
        put_byte(s);
        collect_events();
        co_cancel(s->task);
        break;
    case 2:
        co_cancel(s->task);
        put_byte(s);
        break;
    case 3: /* between the cancel and what the task makes of it */
        co_cancel(s->task);
        co_test_yield();
        put_byte(s);
        break;
    default: /* the kernel has been told, and may have let go */
        co_cancel(s->task);
        co_test_yield();
        collect_events();
        put_byte(s);
    }
}

static void storm(pair_fn *make, int operations)
{
    static struct stream streams[PAIRS_MANY];
    int rounds = operations / PAIRS_MANY;
    uint64_t cancelled = 0;

    memset(streams, 0, sizeof(streams));
    for (int i = 0; i < PAIRS_MANY; i++) {
        make(streams[i].fds);
        streams[i].task = co_test_spawn(read_all, &streams[i]);
    }
    co_test_yield();
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < PAIRS_MANY; i++)
            collide(&streams[i], round + i);
        co_test_yield();
        if (round % 3 == 0)
            run_events();
    }
    for (int i = 0; i < PAIRS_MANY; i++) {
        struct stream *s = &streams[i];

        s->ends = 1;
        put_byte(s);
        ck_assert_int_eq(co_test_result(s->task), 0);
        ck_assert_uint_eq(s->received, s->sent);
        ck_assert(nothing_there(s->fds[0]));
        cancelled += s->cancelled;
        close_pair(s->fds);
    }
    ck_assert_uint_gt(cancelled, 0); /* both ends of the race were seen */
    ck_assert_uint_lt(cancelled, (uint64_t)operations);
}

/* Where the kernel carries out the calls there is most to go wrong. */
static int many(void)
{
    int commands = !strcmp(co_loop_backend(co_loop_running()), "io_uring");

    return commands ? 100000 : co_test_crawl(10000, 1000);
}

CO_TASK_TEST(no_byte_of_a_unix_socket_is_lost)
{
    storm(unix_pair, many());
}

CO_TASK_TEST(no_byte_of_a_tcp_socket_is_lost)
{
    storm(tcp_pair, many());
}

CO_TASK_TEST(no_byte_of_a_pipe_is_lost)
{
    storm(pipe_pair, co_test_crawl(2000, 1000));
}

/* ---- writers ------------------------------------------------------------- */

struct writer {
    int fd;
    co_task *task;
    uint64_t written;
    int ends;
};

static int write_much(void *arg)
{
    struct writer *w = arg;
    static const char block[4096];

    while (!w->ends) {
        ssize_t n = co_write(w->fd, block, sizeof(block));

        if (n > 0)
            w->written += (uint64_t)n;
        else if (n != -ECANCELED)
            ck_abort_msg("write %zd", n);
        while (co_uncancel(co_self()) > 0)
            continue;
    }
    return 0;
}

/* What a cancelled write has not told of has not been sent. */
CO_TASK_TEST(a_cancelled_write_has_sent_what_it_says)
{
    static char block[65536];
    struct writer w = {.fd = -1};
    uint64_t received = 0;
    ssize_t n;
    int fds[2];

    unix_pair(fds);
    w.fd = fds[1];
    w.task = co_test_spawn(write_much, &w);
    for (int i = 0; i < co_test_crawl(2000, 500); i++) {
        co_test_yield();
        if (i & 1)
            collect_events();
        n = recv(fds[0], block, (size_t)(i % 7) * 3000 + 1, MSG_DONTWAIT);
        if (n > 0)
            received += (uint64_t)n;
        if (i & 2)
            collect_events();
        co_cancel(w.task);
    }
    w.ends = 1;
    co_cancel(w.task);
    ck_assert_int_eq(co_test_result(w.task), 0);
    while ((n = recv(fds[0], block, sizeof(block), MSG_DONTWAIT)) > 0)
        received += (uint64_t)n;
    ck_assert_uint_eq(received, w.written);
    close_pair(fds);
}

/* ---- closing ------------------------------------------------------------- */

/* Closed in the turn of the end, and the number used again at once. */
CO_TASK_TEST(closing_and_reusing_numbers_mixes_nothing_up)
{
    for (int i = 0; i < co_test_crawl(1000, 100); i++) {
        struct call reader = {.len = 64}, again = {.len = 64};
        int fds[2], others[2];
        ssize_t n;

        unix_pair(fds);
        reader.fd = fds[0];
        call_start(&reader, call_read);
        if (i & 1)
            ck_assert_int_eq(write(fds[1], "x", 1), 1);
        if (i & 2)
            collect_events();
        ck_assert_int_eq(co_close(fds[0]), 0);
        unix_pair(others);
        ck_assert_int_eq(others[0], fds[0]);
        again.fd = others[0];
        call_start(&again, call_read);
        n = call_result(&reader);
        if (n != -EBADF)
            ck_assert(i & 1 && n == 1 && reader.buffer[0] == 'x');
        ck_assert_int_eq(write(others[1], "yz", 2), 2);
        ck_assert_int_eq(call_result(&again), 2);
        ck_assert_int_eq(again.buffer[0], 'y');
        close_pair(others);
        ck_assert_int_eq(co_close(fds[1]), 0);
    }
}

static Suite *suite(void)
{
    Suite *s = suite_create("storm");
    TCase *tc = tcase_create("storm");

    co_test_check_fds(tc);
    tcase_set_timeout(tc, 150);
    tcase_add_test(tc, no_byte_of_a_unix_socket_is_lost);
    tcase_add_test(tc, no_byte_of_a_tcp_socket_is_lost);
    tcase_add_test(tc, no_byte_of_a_pipe_is_lost);
    tcase_add_test(tc, a_cancelled_write_has_sent_what_it_says);
    tcase_add_test(tc, closing_and_reusing_numbers_mixes_nothing_up);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
