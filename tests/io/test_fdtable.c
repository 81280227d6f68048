/* SPDX-License-Identifier: MIT */
/* Who looks after a number, and what becomes of it when it is reused. */
#include "io_support.h"

#include <coppice/embed.h>
#include <coppice/loop.h>
#include <coppice/scope.h>

#include "base/alloc.h"
#include "core/fdhook.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

static struct co__fd_slot *slot_of(int fd)
{
    struct co__fd_slot *slot = NULL;

    ck_assert_int_eq(co__fd_slot(co_loop_running(), fd, &slot), 0);
    return slot;
}

/* ---- what is remembered -------------------------------------------------- */

CO_TASK_TEST(short_read_drains_a_tcp_stream_alone)
{
    static const struct {
        pair_fn *make;
        int drains;
    } kinds[] = {{tcp_pair, 1}, {pipe_pair, 0}, {unix_pair, 0}};
    char buffer[8];
    int fds[2];

    for (int i = 0; i < 3; i++) {
        kinds[i].make(fds);
        if (is_commanded(fds[0])) { /* nobody asks whether it is ready */
            close_pair(fds);
            continue;
        }
        ck_assert_int_eq(co_write(fds[1], "abcd", 4), 4);
        wait_readable(fds[0]);
        ck_assert_int_eq(co_read(fds[0], buffer, 2), 2);
        ck_assert_int_eq(slot_of(fds[0])->ready & CO_READABLE, CO_READABLE);
        ck_assert_int_eq(co_read(fds[0], buffer, 8), 2);
        ck_assert_int_eq(!(slot_of(fds[0])->ready & CO_READABLE),
                         kinds[i].drains);
        /* An own descriptor that never waited was never registered. */
        ck_assert_int_eq(slot_of(fds[0])->flags & CO__FD_KNOWN, 0);
        close_pair(fds);
    }
}

CO_TASK_TEST(after_the_peers_end_was_seen_short_means_nothing)
{
    struct pollfd end = {.events = POLLRDHUP};
    struct call reader = {.len = 8};
    int fds[2];

    tcp_pair(fds);
    end.fd = reader.fd = fds[0];
    call_start(&reader, call_read);
    ck_assert_int_eq(co_write(fds[1], "abcd", 4), 4);
    ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
    ck_assert_int_eq(poll(&end, 1, -1), 1);
    ck_assert_int_eq(call_result(&reader), 4);
    if (!is_commanded(fds[0])) {
        ck_assert_int_ne(slot_of(fds[0])->sticky & CO__POLL_RDHUP, 0);
        ck_assert_int_eq(slot_of(fds[0])->ready & CO_READABLE, CO_READABLE);
    }
    ck_assert_int_eq(co_read(fds[0], reader.buffer, 8), 0);
    close_pair(fds);
}

CO_TASK_TEST(short_write_fills_a_pipe)
{
    static char data[1 << 20];
    int fds[2];

    pipe_pair(fds);
    ck_assert_int_lt(co_write(fds[1], data, sizeof(data)), sizeof(data));
    ck_assert_int_eq(slot_of(fds[1])->ready & CO_WRITABLE, 0);
    close_pair(fds);
}

/* In packet mode each read gives one packet; only the other end knows. */
CO_TASK_TEST(packet_pipe_is_not_drained_by_a_short_read)
{
    char buffer[64];
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_DIRECT), 0);
    adopt_pair(fds);
    ck_assert_int_eq(co_write(fds[1], "one", 3), 3);
    ck_assert_int_eq(co_write(fds[1], "two", 3), 3);
    ck_assert_int_eq(co_read(fds[0], buffer, 64), 3);
    co_timeout(10 * CO_SEC)
        ck_assert_int_eq(co_read(fds[0], buffer, 64), 3);
    close_pair(fds);
}

/* ---- reuse on one loop --------------------------------------------------- */

CO_TASK_TEST(late_event_of_a_reused_number_is_dropped)
{
    struct call reader = {.len = 8};
    uint32_t gen;
    int fds[2], others[2];

    unix_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    gen = slot_of(fds[0])->gen;
    ck_assert_int_eq(co_close(fds[0]), 0);
    ck_assert_int_eq(call_result(&reader), -EBADF);

    foreign_socket_pair(others);
    reader.fd = others[0] = renumber(others[0], fds[0]);
    ck_assert_int_eq(co_adopt(others[0]), 0);
    call_start(&reader, call_read);
    ck_assert_uint_ne(slot_of(others[0])->gen, gen);
    co__fd_ready(co_loop_running(), others[0], gen, CO__POLL_IN);
    ck_assert(call_waits(&reader));
    ck_assert_int_eq(slot_of(others[0])->ready & CO_READABLE, 0);
    /* Nor for what nobody has used. */
    co__fd_ready(co_loop_running(), 1 << 20, 0, CO__POLL_IN);
    co__fd_ready(co_loop_running(), others[1] + 1, 0, CO__POLL_IN);
    ck_assert_int_eq(co_write(others[1], "x", 1), 1);
    ck_assert_int_eq(call_result(&reader), 1);
    close_pair(others);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

/* A dup keeps the description alive, and with it a registration that was not
 * taken back. */
CO_TASK_TEST(closed_descriptor_leaves_the_reactor_though_a_dup_lives)
{
    struct call reader = {.len = 8};
    struct co_loop *loop = co_loop_running();
    int fds[2], others[2], copy;

    for (int own = 0; own < 2; own++) {
        (own ? unix_pair : foreign_socket_pair)(fds);
        copy = dup(fds[0]);
        reader.fd = fds[0];
        call_start(&reader, call_read);
        ck_assert_int_eq(co_close(fds[0]), 0);
        ck_assert_int_eq(call_result(&reader), -EBADF);
        foreign_socket_pair(others);
        reader.fd = others[0] = renumber(others[0], fds[0]);
        ck_assert_int_eq(co_adopt(others[0]), 0);
        call_start(&reader, call_read);
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        /* The one event is that the new one is writable, if that was asked. */
        ck_assert_int_eq(
            loop->poller_ops->wait(loop->poller, 0, 0),
            loop->poller_ops->watch && !is_commanded(others[0]) ? 1 : 0);
        ck_assert(call_waits(&reader));
        ck_assert_int_eq(co_write(others[1], "y", 1), 1);
        ck_assert_int_eq(call_result(&reader), 1);
        ck_assert_int_eq(reader.buffer[0], 'y');
        close_pair(others);
        close(copy);
        ck_assert_int_eq(co_close(fds[1]), 0);
    }
}

/* ---- adopting and releasing ---------------------------------------------- */

CO_TASK_TEST(adopted_twice_is_ealready)
{
    int fds[2];

    foreign_pipe(fds);
    ck_assert_int_eq(co_adopt(fds[0]), 0);
    ck_assert(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    ck_assert_int_eq(co_adopt(fds[0]), -EALREADY);
    ck_assert_int_eq(co_fd_release(fds[0]), 0);
    ck_assert(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    ck_assert_int_eq(co_fd_release(fds[0]), 0);
    ck_assert_int_eq(co_adopt(fds[0]), 0);
    close_pair(fds);
}

CO_TASK_TEST(adopting_does_not_disturb_who_waits)
{
    struct call readers[3];
    int fds[2];

    foreign_socket_pair(fds);
    start_readers(readers, 3, fds[0], NULL);
    ck_assert_int_eq(co_adopt(fds[0]), 0);
    run_events();
    for (int i = 0; i < 3; i++)
        ck_assert(call_waits(&readers[i]));
    ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(call_result(&readers[i]), 1);
    ck_assert_int_ne(slot_of(fds[0])->flags & CO__FD_OWN, 0);
    close_pair(fds);
}

/* ---- several loops ------------------------------------------------------- */

static int use_pair(void *arg)
{
    int *fds = arg;
    struct call reader = {.fd = fds[0], .len = 8};

    call_start(&reader, call_read);
    ck_assert(call_waits(&reader));
    ck_assert_int_ne(slot_of(fds[0])->flags & CO__FD_OWN, 0);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    ck_assert_int_eq(call_result(&reader), 1);
    return 0;
}

START_TEST(made_outside_it_belongs_to_each_loop_in_turn)
{
    int fds[2];

    tcp_pair(fds);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_run(use_pair, fds), 0);
    close_pair(fds);
}
END_TEST

/* A second thread with a loop of its own, which does one thing. */
struct second {
    pthread_t thread;
    co_task_fn fn;
    int fds[2];
    int results[5];
    atomic_int started; /* its loop has taken the numbers that it needs */
};

static void *second_run(void *arg)
{
    struct second *second = arg;

    ck_assert_int_eq(co_run(second->fn, second), 0);
    return NULL;
}

static void second_start(struct second *second, co_task_fn fn)
{
    second->fn = fn;
    ck_assert_int_eq(pthread_create(&second->thread, NULL, second_run, second),
                     0);
}

static int meddle(void *arg)
{
    struct second *s = arg;
    char byte;

    s->results[0] = co_close(s->fds[0]);
    s->results[1] = co_adopt(s->fds[0]);
    s->results[2] = co_fd_release(s->fds[0]);
    /* Reading works: as from a foreign one. */
    s->results[3] = (int)co_read(s->fds[0], &byte, 1);
    s->results[4] = slot_of(s->fds[0])->flags & CO__FD_OWN;
    return 0;
}

static int meddle_outside(void *arg)
{
    struct second *s = arg;

    s->results[0] = co_close(s->fds[0]);
    s->results[1] = co_adopt(s->fds[0]);
    s->results[2] = co_fd_release(s->fds[0]);
    return 0;
}

static void *outside_run(void *arg)
{
    meddle_outside(arg);
    return NULL;
}

CO_TASK_TEST(another_loops_descriptor_is_not_ours_to_close)
{
    struct call reader = {.len = 1};
    struct second s;

    unix_pair(s.fds);
    reader.fd = s.fds[0];
    for (int outside = 0; outside < 2; outside++) {
        call_start(&reader, call_read);
        if (outside)
            ck_assert_int_eq(pthread_create(&s.thread, NULL, outside_run, &s),
                             0);
        else
            second_start(&s, meddle);
        if (!outside)
            ck_assert_int_eq(write(s.fds[1], "x", 1), 1);
        pthread_join(s.thread, NULL);
        ck_assert_int_eq(s.results[0], -EPERM);
        ck_assert_int_eq(s.results[1], -EPERM);
        ck_assert_int_eq(s.results[2], -EPERM);
        if (!outside) {
            ck_assert_int_eq(s.results[3], 1);
            ck_assert_int_eq(s.results[4], 0);
        }
        co_test_yield();
        ck_assert(call_waits(&reader));
        ck_assert_int_eq(co_write(s.fds[1], "y", 1), 1);
        ck_assert_int_eq(call_result(&reader), 1);
    }
    close_pair(s.fds);
}

static int close_one(void *arg)
{
    struct second *s = arg;

    s->results[0] = co_close(s->fds[0]);
    return 0;
}

static void *close_outside(void *arg)
{
    close_one(arg);
    return NULL;
}

/* What nobody owns may be closed anywhere. */
CO_TASK_TEST(a_foreign_descriptor_closed_elsewhere_wakes_its_waiters)
{
    struct call readers[2] = {{.len = 1}, {.len = 1}};
    struct second s;

    for (int outside = 0; outside < 2; outside++) {
        foreign_pipe(s.fds);
        for (int i = 0; i < 2; i++) {
            readers[i].fd = s.fds[0];
            call_start(&readers[i], call_read);
        }
        if (outside)
            ck_assert_int_eq(pthread_create(&s.thread, NULL, close_outside, &s),
                             0);
        else
            second_start(&s, close_one);
        ck_assert_int_eq(call_result(&readers[0]), -EBADF);
        ck_assert_int_eq(call_result(&readers[1]), -EBADF);
        pthread_join(s.thread, NULL);
        ck_assert_int_eq(s.results[0], 0);
        close(s.fds[1]);
    }
}

/* When told to, take the lowest free number for a socket of ours. */
static int make_own(void *arg)
{
    struct second *s = arg;
    char byte;

    atomic_store(&s->started, 1);
    s->results[0] = (int)co_read(s->fds[0], &byte, 1);
    s->results[1] = co_socket(AF_INET, SOCK_DGRAM, 0);
    return 0;
}

/* Closed by mistake with close(2), and reused on another loop: who waited for
 * the old one does not read from the new one. */
CO_TASK_TEST(number_reused_by_another_loop_is_recognised)
{
    struct call robbed = {.len = 8}, reader = {.len = 8};
    struct second s;
    int fds[2], copy;
    int done; /* it has read already, what was its own */

    unix_pair(fds);
    done = is_commanded(fds[0]);
    reader.fd = robbed.fd = fds[0];
    foreign_pipe(s.fds);
    copy = dup(fds[0]);
    call_start(&robbed, call_read);
    call_start(&reader, call_read);
    atomic_init(&s.started, 0);
    second_start(&s, make_own);
    while (!atomic_load(&s.started))
        sched_yield();
    /* Woken, but not run yet. */
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    wake_by_event(&robbed);
    ck_assert(call_waits(&reader));
    close(fds[0]);
    ck_assert_int_eq(write(s.fds[1], "x", 1), 1);
    pthread_join(s.thread, NULL);
    ck_assert_int_eq(s.results[0], 1);
    ck_assert_int_eq(s.results[1], fds[0]);
    ck_assert_int_eq(call_result(&robbed), done ? 1 : -EBADF);
    ck_assert_int_eq(call_result(&reader), -EBADF);
    /* The other loop has ended, so it may be used here. */
    ck_assert_int_eq(co_recv(fds[0], robbed.buffer, 8, MSG_DONTWAIT), -EAGAIN);
    close(copy);
    close_pair(fds);
    close_pair(s.fds);
}

/* Loops on two threads that make and close descriptors all the time, so that
 * numbers go to and fro; none may see what is the other's. */
static int churn(void *arg)
{
    struct second *s = arg;
    int rounds = co_test_scale(1000, 200);

    for (int i = 0; i < rounds; i++) {
        struct call reader = {.len = 8};
        int fds[2];

        (i % 3 ? tcp_pair : unix_pair)(fds);
        reader.fd = fds[0];
        call_start(&reader, call_read);
        if (co_write(fds[1], &i, sizeof(i)) != sizeof(i))
            return -EIO;
        if (call_result(&reader) != sizeof(i) ||
            memcmp(reader.buffer, &i, sizeof(i)) != 0)
            return -EPROTO;
        if (i % 2)
            call_start(&reader, call_read);
        close_pair(fds);
        if (i % 2 && call_result(&reader) != -EBADF)
            return -EPROTO;
        s->results[0]++;
    }
    return 0;
}

START_TEST(numbers_go_to_and_fro_between_two_loops)
{
    struct second s[2] = {{.results = {0}}, {.results = {0}}};

    for (int i = 0; i < 2; i++)
        second_start(&s[i], churn);
    for (int i = 0; i < 2; i++) {
        pthread_join(s[i].thread, NULL);
        ck_assert_int_eq(s[i].results[0], co_test_scale(1000, 200));
    }
}
END_TEST

/* ---- a loop between its turns -------------------------------------------- */

START_TEST(own_loop_between_turns_lets_its_descriptors_be_closed)
{
    co_loop *loop = co_loop_new(NULL);
    struct call reader = {.len = 8};
    struct second s;

    unix_pair(s.fds);
    reader.fd = s.fds[0];
    reader.task = co_loop_spawn(loop, call_read, &reader);
    ck_assert_int_eq(co_loop_turn(loop, 0), 1);
    /* Another thread may not. */
    ck_assert_int_eq(pthread_create(&s.thread, NULL, outside_run, &s), 0);
    pthread_join(s.thread, NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(s.results[i], -EPERM);
    ck_assert_int_eq(co_close(s.fds[0]), 0);
    ck_assert_int_eq(co_loop_next_deadline(loop), 0);
    for (int i = 0; i < 3 && co_loop_task_count(loop); i++)
        ck_assert_int_ge(co_loop_turn(loop, 0), 0);
    ck_assert_int_eq(reader.result, -EBADF);
    ck_assert_int_eq(co_close(s.fds[1]), 0);
    co_loop_free(loop);
}
END_TEST

/* ---- fork ---------------------------------------------------------------- */

static int child(int fds[2])
{
    char byte;

    /* The child's copies are its own to use and to close. */
    if (co_run(use_pair, fds) != 0)
        return 1;
    if (co_write(fds[1], "c", 1) != 1 || co_read(fds[0], &byte, 1) != 1)
        return 2;
    return co_close(fds[0]) == 0 && co_close(fds[1]) == 0 ? 0 : 3;
}

CO_TASK_TEST(forked_child_neither_inherits_nor_harms)
{
    struct call reader = {.len = 8};
    int fds[2], status;
    pid_t pid;

    tcp_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    pid = fork();
    if (pid == 0)
        _exit(child(fds));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    run_events();
    ck_assert(call_waits(&reader));
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    ck_assert_int_eq(call_result(&reader), 1);
    close_pair(fds);
}

/* ---- no memory ----------------------------------------------------------- */

#define HIGH 9000 /* beyond what anybody has used so far */

static ssize_t first_read(int fd)
{
    char buffer[8];

    return co_read(fd, buffer, 8);
}

CO_TASK_TEST(first_use_without_memory_loses_nothing)
{
    ssize_t n = -ENOMEM;
    int fds[2], high, failures = 0;

    foreign_pipe(fds);
    high = fcntl(fds[0], F_DUPFD_CLOEXEC, HIGH);
    ck_assert_int_ge(high, HIGH);
    ck_assert_int_eq(write(fds[1], "abc", 3), 3);
    for (unsigned i = 1; n == -ENOMEM; i++) {
        ck_assert_uint_lt(i, 10);
        co__fault_after(i);
        n = first_read(high);
        co__fault_after(0);
        failures += n == -ENOMEM;
    }
    ck_assert_int_gt(failures, 0);
    ck_assert_int_eq(n, 3);
    ck_assert_int_eq(co_close(high), 0);
    close_pair(fds);
}

CO_TASK_TEST(adopting_without_memory_changes_nothing)
{
    int fds[2], high, flags, r;

    foreign_pipe(fds);
    high = fcntl(fds[0], F_DUPFD_CLOEXEC, 2 * HIGH);
    if (high < 0) /* the limit of descriptors is low here */
        high = fcntl(fds[0], F_DUPFD_CLOEXEC, HIGH);
    flags = fcntl(high, F_GETFL);
    co__fault_after(1);
    r = co_adopt(high);
    co__fault_after(0);
    if (r == -ENOMEM) {
        ck_assert_int_eq(fcntl(high, F_GETFL), flags);
        ck_assert_int_eq(co_adopt(high), 0);
    }
    ck_assert_int_eq(co_close(high), 0);
    close_pair(fds);
}

static Suite *suite(void)
{
    Suite *s = suite_create("fdtable");
    TCase *tc = tcase_create("fdtable");

    co_test_check_fds(tc);
    tcase_add_test(tc, short_read_drains_a_tcp_stream_alone);
    tcase_add_test(tc, after_the_peers_end_was_seen_short_means_nothing);
    tcase_add_test(tc, short_write_fills_a_pipe);
    tcase_add_test(tc, packet_pipe_is_not_drained_by_a_short_read);
    tcase_add_test(tc, late_event_of_a_reused_number_is_dropped);
    tcase_add_test(tc, closed_descriptor_leaves_the_reactor_though_a_dup_lives);
    tcase_add_test(tc, adopted_twice_is_ealready);
    tcase_add_test(tc, adopting_does_not_disturb_who_waits);
    tcase_add_test(tc, made_outside_it_belongs_to_each_loop_in_turn);
    tcase_add_test(tc, another_loops_descriptor_is_not_ours_to_close);
    tcase_add_test(tc, a_foreign_descriptor_closed_elsewhere_wakes_its_waiters);
    tcase_add_test(tc, number_reused_by_another_loop_is_recognised);
    tcase_add_test(tc, numbers_go_to_and_fro_between_two_loops);
    tcase_add_test(tc, own_loop_between_turns_lets_its_descriptors_be_closed);
    tcase_add_test(tc, forked_child_neither_inherits_nor_harms);
    tcase_add_test(tc, first_use_without_memory_loses_nothing);
    tcase_add_test(tc, adopting_without_memory_changes_nothing);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
