/* SPDX-License-Identifier: MIT */
/* Functions that the loop calls while a descriptor is ready. */
#include "io/pairs.h"

#include <coppice/callback.h>
#include <coppice/cancel.h>
#include <coppice/clock.h>
#include <coppice/dump.h>
#include <coppice/embed.h>
#include <coppice/reader.h>

#include "base/alloc.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

/* ---- support ------------------------------------------------------------- */

/* A function's argument: what it has seen, and what it is to do. */
struct seen {
    int calls;
    int fd;
    int take;  /* bytes to read at a time; 0: it does not read */
    int plain; /* with read(2), which tells Coppice nothing */
    int bytes;
    int remove_after; /* calls; 0: never */
    int result;       /* of the removal */
};

static void on_readable(int fd, void *arg)
{
    struct seen *s = arg;
    char buffer[64];
    ssize_t n = 0;

    s->calls++;
    s->fd = fd;
    if (s->take) {
        n = s->plain ? read(fd, buffer, (size_t)s->take)
                     : co_read(fd, buffer, (size_t)s->take);
        ck_assert_int_gt(n, 0); /* it is not called in vain */
    }
    s->bytes += (int)n;
    if (s->calls == s->remove_after)
        s->result = co_loop_remove_reader(co_loop_running(), fd);
}

static void on_writable(int fd, void *arg)
{
    struct seen *s = arg;

    s->calls++;
    s->fd = fd;
    if (s->calls == s->remove_after)
        s->result = co_loop_remove_writer(co_loop_running(), fd);
}

static void add_reader(int fd, struct seen *s)
{
    ck_assert_int_eq(co_loop_add_reader(co_loop_running(), fd, on_readable, s),
                     0);
}

static void put(int fd, const char *text)
{
    ck_assert_int_eq(co_write_all(fd, text, strlen(text), NULL), 0);
}

/* Some turns of the loop: what is ready has been called by then, more than
 * once if it is still ready. */
static void turns(void)
{
    for (int i = 0; i < 20; i++) {
        co__turn(co_loop_running(), 0);
        co_test_yield();
    }
}

/* ---- readiness ----------------------------------------------------------- */

PAIR_TEST(a_reader_is_called_when_there_is_something_to_read)
{
    struct seen s = {.take = 64};
    int fds[2];

    make_pair(fds);
    add_reader(fds[0], &s);
    turns();
    ck_assert_int_eq(s.calls, 0);
    put(fds[1], "hello");
    turns();
    ck_assert_int_eq(s.calls, 1);
    ck_assert_int_eq(s.bytes, 5);
    ck_assert_int_eq(s.fd, fds[0]);
    put(fds[1], "again");
    turns();
    ck_assert_int_eq(s.calls, 2);
    ck_assert_int_eq(s.bytes, 10);
    ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), fds[0]), 1);
    ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), fds[0]), 0);
    put(fds[1], "unread");
    turns();
    ck_assert_int_eq(s.calls, 2);
    ck_assert_uint_eq(co_loop_running()->internal, 0);
    close_pair(fds);
}

PAIR_TEST(a_reader_is_called_again_while_something_is_left)
{
    for (int plain = 0; plain < 2; plain++) {
        struct seen s = {.take = 1, .plain = plain};
        int fds[2];

        make_pair(fds);
        put(fds[1], "12345");
        add_reader(fds[0], &s);
        turns();
        ck_assert_int_eq(s.calls, 5);
        put(fds[1], "678");
        turns();
        ck_assert_int_eq(s.calls, 8);
        close_pair(fds);
    }
}

PAIR_TEST(a_reader_that_does_not_read_is_called_on_and_on)
{
    struct seen s = {.remove_after = 10};
    char buffer[8];
    int fds[2];

    make_pair(fds);
    put(fds[1], "x");
    add_reader(fds[0], &s);
    turns();
    turns();
    ck_assert_int_eq(s.calls, 10);
    ck_assert_int_eq(s.result, 1);
    /* What it left is there for others. */
    ck_assert_int_eq(co_read(fds[0], buffer, sizeof(buffer)), 1);
    close_pair(fds);
}

PAIR_TEST(the_end_of_file_counts_as_readable)
{
    struct seen s = {.remove_after = 1};
    int fds[2];

    make_pair(fds);
    add_reader(fds[0], &s);
    turns();
    ck_assert_int_eq(co_close(fds[1]), 0);
    turns();
    ck_assert_int_eq(s.calls, 1);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

PAIR_TEST(a_writer_is_called_while_there_is_room)
{
    struct seen s = {.remove_after = 3};
    int fds[2];

    make_pair(fds);
    ck_assert_int_eq(
        co_loop_add_writer(co_loop_running(), fds[1], on_writable, &s), 0);
    turns();
    ck_assert_int_eq(s.calls, 3);
    ck_assert_int_eq(s.result, 1);
    ck_assert_int_eq(s.fd, fds[1]);
    close_pair(fds);
}

PAIR_TEST(a_writer_waits_for_room)
{
    struct seen s = {.remove_after = 1};
    char buffer[4096];
    int fds[2];

    make_pair(fds);
    fill(fds[1]);
    ck_assert_int_eq(
        co_loop_add_writer(co_loop_running(), fds[1], on_writable, &s), 0);
    turns();
    ck_assert_int_eq(s.calls, 0);
    while (filled > 0) {
        ssize_t n = co_read(fds[0], buffer, sizeof(buffer));

        ck_assert_int_gt(n, 0);
        filled -= (size_t)n;
    }
    turns();
    for (int i = 0; s.calls == 0 && i < 1000; i++)
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(s.calls, 1);
    close_pair(fds);
}

CO_TASK_TEST(both_directions_go_side_by_side)
{
    struct seen in = {.take = 64}, out = {.remove_after = 1};
    int fds[2];

    unix_pair(fds);
    add_reader(fds[0], &in);
    ck_assert_int_eq(
        co_loop_add_writer(co_loop_running(), fds[0], on_writable, &out), 0);
    put(fds[1], "x");
    turns();
    ck_assert_int_eq(in.calls, 1);
    ck_assert_int_eq(out.calls, 1);
    ck_assert_int_eq(co_loop_remove_writer(co_loop_running(), fds[0]), 0);
    put(fds[1], "y");
    turns();
    ck_assert_int_eq(in.calls, 2);
    ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), fds[0]), 1);
    turns();
    ck_assert_uint_eq(co_loop_running()->internal, 0); /* nobody waits on */
    close_pair(fds);
}

CO_TASK_TEST(many_readers_are_all_called)
{
    enum {
        MANY = 100
    };
    struct seen s[MANY];
    int fds[MANY][2];

    memset(s, 0, sizeof(s));
    for (int i = 0; i < MANY; i++) {
        foreign_pipe(fds[i]);
        s[i].take = 64;
        add_reader(fds[i][0], &s[i]);
    }
    turns();
    for (int i = 0; i < MANY; i += 3)
        put(fds[i][1], "abc");
    turns();
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(s[i].calls, i % 3 == 0);
        close_pair(fds[i]);
    }
}

/* ---- replacing and removing ---------------------------------------------- */

PAIR_TEST(a_second_reader_replaces_the_first)
{
    struct seen first = {.take = 64}, second = {.take = 64};
    int fds[2];

    make_pair(fds);
    add_reader(fds[0], &first);
    turns();
    add_reader(fds[0], &second);
    put(fds[1], "x");
    turns();
    ck_assert_int_eq(first.calls, 0);
    ck_assert_int_eq(second.calls, 1);
    ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), fds[0]), 1);
    ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), fds[0]), 0);
    close_pair(fds);
}

/* Whoever is called takes all away from the others. */
static int shared_fds[2];

static void replace_or_remove(int fd, void *arg)
{
    struct seen *s = arg;
    char buffer[8];

    s->calls++;
    ck_assert_int_eq(fd, shared_fds[0]);
    ck_assert_int_gt(co_read(fd, buffer, 1), 0);
    if (s->calls == 1)
        ck_assert_int_eq(co_loop_add_reader(co_loop_running(), fd,
                                            replace_or_remove, s + 1),
                         0);
    else
        s->result = co_loop_remove_reader(co_loop_running(), fd);
}

PAIR_TEST(a_reader_can_replace_itself)
{
    struct seen s[4] = {{.calls = 0}};
    char buffer[8];

    make_pair(shared_fds);
    s[2].calls = 1; /* the last one removes itself */
    ck_assert_int_eq(co_loop_add_reader(co_loop_running(), shared_fds[0],
                                        replace_or_remove, s),
                     0);
    put(shared_fds[1], "12345");
    turns();
    ck_assert_int_eq(s[0].calls, 1);
    ck_assert_int_eq(s[1].calls, 1);
    ck_assert_int_eq(s[2].calls, 2);
    ck_assert_int_eq(s[2].result, 1);
    ck_assert_int_eq(co_read(shared_fds[0], buffer, sizeof(buffer)), 2);
    close_pair(shared_fds);
}

static void remove_shared(int fd, void *arg)
{
    struct seen *s = arg;

    (void)fd;
    s->calls++;
    ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), shared_fds[0]),
                     1);
    ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), shared_fds[1]),
                     1);
}

CO_TASK_TEST(a_reader_that_was_removed_in_the_same_round_is_not_called)
{
    struct seen s = {0};

    shared_fds[0] = eventfd(1, EFD_CLOEXEC);
    shared_fds[1] = eventfd(1, EFD_CLOEXEC);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(co_loop_add_reader(co_loop_running(), shared_fds[i],
                                            remove_shared, &s),
                         0);
    turns();
    ck_assert_int_eq(s.calls, 1);
    close_pair(shared_fds);
}

CO_TASK_TEST(a_reader_that_was_removed_before_it_waited_leaves_nothing)
{
    struct seen s = {0};
    int fd = eventfd(1, EFD_CLOEXEC);

    for (int i = 0; i < 100; i++) {
        add_reader(fd, &s);
        ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), fd), 1);
    }
    turns();
    ck_assert_int_eq(s.calls, 0);
    add_reader(fd, &s);
    turns();
    ck_assert_int_gt(s.calls, 0);
    ck_assert_int_eq(co_close(fd), 0);
}

/* ---- closing ------------------------------------------------------------- */

PAIR_TEST(closing_removes_the_reader)
{
    struct seen s = {.take = 64};
    int fds[2], fd;

    make_pair(fds);
    add_reader(fds[0], &s);
    turns();
    fd = fds[0];
    ck_assert_int_eq(co_close(fds[0]), 0);
    ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), fd), 0);
    turns();
    ck_assert_int_eq(s.calls, 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

static void close_it(int fd, void *arg)
{
    struct seen *s = arg;

    s->calls++;
    s->result = co_close(fd);
}

/* The number is used again at once, by something that is readable too. */
static void close_and_reopen(int fd, void *arg)
{
    close_it(fd, arg);
    ck_assert_int_eq(renumber(eventfd(1, EFD_CLOEXEC), fd), fd);
}

PAIR_TEST(a_reader_can_close_its_descriptor)
{
    struct seen s = {0};
    int fds[2];

    make_pair(fds);
    put(fds[1], "x");
    ck_assert_int_eq(
        co_loop_add_reader(co_loop_running(), fds[0], close_it, &s), 0);
    turns();
    ck_assert_int_eq(s.calls, 1);
    ck_assert_int_eq(s.result, 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

PAIR_TEST(a_number_that_is_used_again_is_not_the_same_descriptor)
{
    struct seen s = {0}, after = {.remove_after = 1};
    int fds[2];

    make_pair(fds);
    put(fds[1], "x");
    ck_assert_int_eq(
        co_loop_add_reader(co_loop_running(), fds[0], close_and_reopen, &s), 0);
    turns();
    ck_assert_int_eq(s.calls, 1);
    /* Neither was it removed... */
    ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), fds[0]), 0);
    /* ...nor is the way barred to a new one. */
    add_reader(fds[0], &after);
    turns();
    ck_assert_int_eq(s.calls, 1);
    ck_assert_int_eq(after.calls, 1);
    close_pair(fds);
}

CO_TASK_TEST(a_call_that_is_queued_when_its_descriptor_is_closed_is_not_made)
{
    struct seen s = {0};
    int fd = eventfd(1, EFD_CLOEXEC);

    add_reader(fd, &s);
    co_test_yield(); /* its task has had the call queued */
    ck_assert_int_eq(s.calls, 0);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(renumber(eventfd(1, EFD_CLOEXEC), fd), fd);
    turns();
    ck_assert_int_eq(s.calls, 0);
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(adopting_and_releasing_a_descriptor)
{
    struct seen s = {.take = 64};
    int fds[2];

    foreign_socket_pair(fds);
    add_reader(fds[0], &s);
    turns();
    ck_assert_int_eq(co_adopt(fds[0]), 0); /* who waits goes on waiting */
    put(fds[1], "x");
    turns();
    ck_assert_int_eq(s.calls, 1);
    put(fds[1], "y");
    turns();
    ck_assert_int_eq(s.calls, 2);
    ck_assert_int_eq(co_fd_release(fds[0]), 0); /* gone */
    put(fds[1], "z");
    turns();
    ck_assert_int_eq(s.calls, 2);
    close_pair(fds);
}

/* ---- beside tasks -------------------------------------------------------- */

static int read_one(void *arg)
{
    char c;

    return (int)co_read(*(int *)arg, &c, 1);
}

PAIR_TEST(a_reader_and_a_reading_task_share_a_descriptor)
{
    struct seen s = {.take = 1};
    co_task *task;
    int fds[2];

    make_pair(fds);
    task = co_test_spawn(read_one, &fds[0]);
    co_test_yield();
    add_reader(fds[0], &s);
    turns();
    put(fds[1], "abcdef");
    turns();
    ck_assert_int_eq(co_test_result(task), 1); /* it was first in line */
    turns();
    ck_assert_int_eq(s.bytes, 5);
    close_pair(fds);
}

static int count_one(co_task *task, void *arg)
{
    (void)task;
    ++*(int *)arg;
    return 0;
}

CO_TASK_TEST(readers_are_not_among_the_tasks)
{
    struct seen s = {0};
    int fd = eventfd(0, EFD_CLOEXEC), count = 0;

    add_reader(fd, &s);
    turns();
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 1);
    ck_assert_int_eq(co_loop_each_task(NULL, count_one, &count), 0);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(co_close(fd), 0);
    turns();
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 1);
}

CO_TASK_TEST(calls_of_a_reader_allocate_nothing)
{
    struct seen s = {.take = 8};
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;

    add_reader(fd, &s);
    turns();
    co__fault_after(0);
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(write(fd, &one, 8), 8);
        turns();
    }
    ck_assert_int_eq(s.calls, 50);
    ck_assert_int_eq(co__fault_after(0), 0);
    ck_assert_int_eq(co_close(fd), 0);
}

/* ---- refusals ------------------------------------------------------------ */

CO_TASK_TEST(bad_readers_are_refused)
{
    co_loop *loop = co_loop_running();
    struct seen s = {0};
    int fd = eventfd(0, EFD_CLOEXEC);

    ck_assert_int_eq(co_loop_add_reader(NULL, fd, on_readable, &s), -EINVAL);
    ck_assert_int_eq(co_loop_add_reader(loop, fd, NULL, &s), -EINVAL);
    ck_assert_int_eq(co_loop_add_writer(NULL, fd, on_readable, &s), -EINVAL);
    ck_assert_int_eq(co_loop_add_writer(loop, fd, NULL, &s), -EINVAL);
    ck_assert_int_eq(co_loop_add_reader(loop, -1, on_readable, &s), -EBADF);
    ck_assert_int_eq(co_loop_add_reader(loop, 12345, on_readable, &s), -EBADF);
    ck_assert_int_eq(co_loop_remove_reader(NULL, fd), -EINVAL);
    ck_assert_int_eq(co_loop_remove_writer(NULL, fd), -EINVAL);
    ck_assert_int_eq(co_loop_remove_reader(loop, fd), 0);
    ck_assert_int_eq(co_loop_remove_reader(loop, -1), 0);
    ck_assert_int_eq(co_loop_remove_writer(loop, 123456), 0);
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(no_memory_for_a_reader_is_told)
{
    struct seen s = {0};
    int fd = eventfd(1, EFD_CLOEXEC), r = -ENOMEM;

    for (unsigned n = 1; r == -ENOMEM; n++) {
        ck_assert_uint_lt(n, 20);
        co__fault_after(n);
        r = co_loop_add_reader(co_loop_running(), fd, on_readable, &s);
        co__fault_after(0);
    }
    ck_assert_int_eq(r, 0);
    turns();
    ck_assert_int_gt(s.calls, 0);
    ck_assert_int_eq(co_close(fd), 0);
}

struct elsewhere {
    co_loop *loop;
    int fd;
    int added, removed;
};

static void *use_elsewhere(void *arg)
{
    struct elsewhere *e = arg;

    e->added = co_loop_add_reader(e->loop, e->fd, on_readable, NULL);
    e->removed = co_loop_remove_writer(e->loop, e->fd);
    return NULL;
}

CO_TASK_TEST(another_thread_is_refused)
{
    struct elsewhere e = {co_loop_running(), eventfd(0, EFD_CLOEXEC), 0, 0};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, use_elsewhere, &e), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(e.added, -EPERM);
    ck_assert_int_eq(e.removed, -EPERM);
    ck_assert_int_eq(co_close(e.fd), 0);
}

/* ---- the loop's life ----------------------------------------------------- */

static int late_result;

static int add_at_the_end(void *arg)
{
    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    late_result =
        co_loop_add_reader(co_loop_running(), *(int *)arg, on_readable, NULL);
    return 0;
}

static struct seen left;

static int leave_a_reader(void *arg)
{
    ck_assert_int_eq(co_detach(co_spawn(add_at_the_end, arg)), 0);
    add_reader(*(int *)arg, &left);
    turns();
    ck_assert_int_gt(left.calls, 0);
    left.calls = 0;
    return 0;
}

START_TEST(a_reader_ends_with_its_loop)
{
    co_loop_options options = {.size = sizeof(options), .debug = 1};
    int fd = eventfd(1, EFD_CLOEXEC), result = 1;

    left = (struct seen){0};
    ck_assert_int_eq(co_run_with(&options, leave_a_reader, &fd, &result), 0);
    ck_assert_int_eq(result, 0);
    ck_assert_int_le(left.calls, 1);
    ck_assert_int_eq(late_result, -ESHUTDOWN);
    ck_assert_int_eq(co_close(fd), 0);
}
END_TEST

static int nap(void *arg)
{
    (void)arg;
    turns();
    return 0;
}

START_TEST(a_loop_that_does_not_run_takes_readers_and_gives_them_back)
{
    co_loop *loop = co_loop_new(NULL);
    struct seen a = {.take = 8}, b = {.take = 8};
    int one = eventfd(1, EFD_CLOEXEC), two = eventfd(1, EFD_CLOEXEC);

    ck_assert_int_eq(co_loop_add_reader(loop, one, on_readable, &a), 0);
    ck_assert_int_eq(co_loop_add_reader(loop, two, on_readable, &b), 0);
    ck_assert_int_eq(co_loop_remove_reader(loop, two), 1);
    ck_assert_uint_eq(co_loop_task_count(loop), 0);
    ck_assert_int_eq(co_loop_run_until(loop, nap, NULL, NULL), 0);
    ck_assert_int_eq(a.calls, 1);
    ck_assert_int_eq(b.calls, 0);
    ck_assert_int_eq(co_loop_remove_reader(loop, one), 1);
    ck_assert_int_eq(co_loop_add_reader(loop, two, on_readable, &b), 0);
    ck_assert_int_eq(co_loop_run_until(loop, nap, NULL, NULL), 0);
    ck_assert_int_eq(a.calls, 1);
    ck_assert_int_eq(b.calls, 1);
    co_loop_free(loop);
    ck_assert_int_eq(close(one), 0);
    ck_assert_int_eq(close(two), 0);
}
END_TEST

START_TEST(an_embedded_loop_is_ready_when_its_readers_are)
{
    co_loop *loop = co_loop_new(NULL);
    struct seen s = {.take = 8};
    int fd = eventfd(0, EFD_CLOEXEC);
    struct pollfd p = {.events = POLLIN};
    uint64_t one = 1;

    ck_assert_int_eq(co_loop_add_reader(loop, fd, on_readable, &s), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_loop_turn(loop, 0), 0);
    p.fd = co_loop_fd(loop);
    ck_assert_int_eq(co_loop_next_deadline(loop), CO_NEVER);
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    ck_assert_int_eq(write(fd, &one, 8), 8);
    if (p.fd != -ENOTSUP)
        ck_assert_int_eq(poll(&p, 1, 1000), 1);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_loop_turn(loop, 0), 0);
    ck_assert_int_eq(s.calls, 1);
    co_loop_free(loop);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

static void fork_here(int fd, void *arg)
{
    uint64_t count;
    pid_t pid;

    ck_assert_int_eq(read(fd, &count, sizeof(count)), 8);
    pid = fork();
    if (pid == 0)
        return; /* ends the child */
    waitpid(pid, arg, 0);
}

CO_TASK_TEST(a_child_forked_by_a_reader_ends_there)
{
    int status = -1, fd = eventfd(1, EFD_CLOEXEC);

    ck_assert_int_eq(
        co_loop_add_reader(co_loop_running(), fd, fork_here, &status), 0);
    turns();
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert_int_eq(co_loop_remove_reader(co_loop_running(), fd), 1);
    ck_assert_int_eq(co_close(fd), 0);
}

/* -------------------------------------------------------------------------- */

static void add_pair_tests(TCase *tc)
{
    ADD_PAIR_TEST(tc, a_reader_is_called_when_there_is_something_to_read);
    ADD_PAIR_TEST(tc, a_reader_is_called_again_while_something_is_left);
    ADD_PAIR_TEST(tc, a_reader_that_does_not_read_is_called_on_and_on);
    ADD_PAIR_TEST(tc, the_end_of_file_counts_as_readable);
    ADD_PAIR_TEST(tc, a_writer_is_called_while_there_is_room);
    ADD_PAIR_TEST(tc, a_writer_waits_for_room);
    ADD_PAIR_TEST(tc, a_second_reader_replaces_the_first);
    ADD_PAIR_TEST(tc, a_reader_can_replace_itself);
    ADD_PAIR_TEST(tc, closing_removes_the_reader);
    ADD_PAIR_TEST(tc, a_reader_can_close_its_descriptor);
    ADD_PAIR_TEST(tc, a_number_that_is_used_again_is_not_the_same_descriptor);
    ADD_PAIR_TEST(tc, a_reader_and_a_reading_task_share_a_descriptor);
}

static Suite *suite(void)
{
    Suite *s = suite_create("reader");
    TCase *tc = tcase_create("reader");

    co_test_check_fds(tc);
    add_pair_tests(tc);
    tcase_add_test(tc, both_directions_go_side_by_side);
    tcase_add_test(tc, many_readers_are_all_called);
    tcase_add_test(tc,
                   a_reader_that_was_removed_in_the_same_round_is_not_called);
    tcase_add_test(tc,
                   a_reader_that_was_removed_before_it_waited_leaves_nothing);
    tcase_add_test(
        tc, a_call_that_is_queued_when_its_descriptor_is_closed_is_not_made);
    tcase_add_test(tc, adopting_and_releasing_a_descriptor);
    tcase_add_test(tc, readers_are_not_among_the_tasks);
    tcase_add_test(tc, calls_of_a_reader_allocate_nothing);
    tcase_add_test(tc, bad_readers_are_refused);
    tcase_add_test(tc, no_memory_for_a_reader_is_told);
    tcase_add_test(tc, another_thread_is_refused);
    tcase_add_test(tc, a_reader_ends_with_its_loop);
    tcase_add_test(tc,
                   a_loop_that_does_not_run_takes_readers_and_gives_them_back);
    tcase_add_test(tc, an_embedded_loop_is_ready_when_its_readers_are);
    tcase_add_test(tc, a_child_forked_by_a_reader_ends_there);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
