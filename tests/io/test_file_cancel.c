/* SPDX-License-Identifier: MIT */
/* Files under cancels, limits, signals and forks: what has not begun is taken
 * back, what has is waited for, and nobody touches a buffer afterwards. */
#include "file_support.h"

#include "../offload/offload_support.h"
#include "base/sanitize.h"
#include "support/forks.h"
#include "support/virtual_clock.h"

#include <coppice/scope.h>

#include <dirent.h>
#include <signal.h>

/* ---- before the call ----------------------------------------------------- */

/* Every call fails with `error`, having done nothing; but closing closes. */
static void check_all_fail(int fd, int error)
{
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    struct stat st;

    ck_assert_int_eq(co_file_open(in_folder("b"), O_RDWR | O_CREAT, 0600),
                     error);
    ck_assert_int_eq(access(in_folder("b"), F_OK), -1);
    ck_assert_int_eq(co_file_read_at(fd, &byte, 1, 0), error);
    ck_assert_int_eq(co_file_readv_at(fd, &iov, 1, 0), error);
    ck_assert_int_eq(byte, 'x');
    ck_assert_int_eq(co_file_write_at(fd, &byte, 1, 100), error);
    ck_assert_int_eq(co_file_writev_at(fd, &iov, 1, 100), error);
    ck_assert_int_eq(co_file_truncate(fd, 0), error);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 100);
    ck_assert_int_eq(co_file_sync(fd, CO_FILE_SYNC_ALL), error);
    ck_assert_int_eq(co_file_stat(fd, &st), error);
    ck_assert_int_eq(co_file_close(fd), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}

CO_TASK_TEST(a_cancelled_task_does_nothing_but_close)
{
    co_cancel(co_self());
    check_all_fail(file_of("a", 100), -ECANCELED);
    co_uncancel(co_self());
}

CO_TASK_TEST(a_task_out_of_time_does_nothing_but_close)
{
    co_timeout(0)
        check_all_fail(file_of("a", 100), -ETIMEDOUT);
}

START_TEST(a_thread_out_of_time_does_nothing_but_close)
{
    co_timeout(0)
        check_all_fail(file_of("a", 100), -ETIMEDOUT);
}
END_TEST

/* ---- in the queue of the pool -------------------------------------------- */

struct reader {
    int fd;
    co_time limit;
    ssize_t result;
    int after; /* what the next call says */
    char data[4096];
};

static int reader_run(void *arg)
{
    struct reader *reader = arg;

    co_timeout(reader->limit) {
        reader->result =
            co_file_read_at(reader->fd, reader->data, sizeof(reader->data), 0);
        reader->after = co_yield_now();
    }
    return 0;
}

/* The pool has one thread, which is busy until `busy` is let go. */
static struct gate busy;
static co_task *busy_task;

static void occupy_pool(void)
{
    co_executor_options one = {.size = sizeof(one), .threads_max = 1};

    ck_assert_int_eq(co_offload_configure(CO_LANE_DEFAULT, &one), 0);
    gate_init(&busy, NULL, 1);
    busy_task = gate_spawn_begun(&busy);
}

static void vacate_pool(void)
{
    co_executor_options any = {.size = sizeof(any)};

    sem_post(&busy.let_go);
    ck_assert_int_eq(co_test_result(busy_task), 1);
    ck_assert_int_eq(co_offload_configure(CO_LANE_DEFAULT, &any), 0);
    gate_fini(&busy);
}

CO_TASK_TEST(what_is_queued_is_taken_back)
{
    struct reader cancelled = {.limit = CO_NEVER}, late = {.limit = CO_SEC};
    struct reader last = {.limit = CO_NEVER};
    co_task *tasks[3];

    if (files_are_native())
        return;
    cancelled.fd = late.fd = last.fd = file_of("a", sizeof(last.data));
    occupy_pool();
    tasks[0] = co_test_spawn(reader_run, &cancelled);
    tasks[1] = co_test_spawn(reader_run, &late);
    tasks[2] = co_test_spawn(reader_run, &last);
    co_test_yield();
    co_cancel(tasks[0]);
    ck_assert_int_eq(co_test_result(tasks[0]), 0);
    ck_assert_int_eq(co_test_result(tasks[1]), 0);
    ck_assert_int_eq(cancelled.result, -ECANCELED);
    ck_assert_int_eq(late.result, -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    vacate_pool();
    ck_assert_int_eq(co_test_result(tasks[2]), 0);
    ck_assert_int_eq(last.result, sizeof(last.data));
    assert_pattern(last.data, sizeof(last.data), 0);
    assert_filled(cancelled.data, sizeof(cancelled.data), 0);
    assert_filled(late.data, sizeof(late.data), 0);
    ck_assert_int_eq(co_file_close(last.fd), 0);
}

static int close_it(void *arg)
{
    return co_file_close((int)(intptr_t)arg);
}

CO_TASK_TEST(closing_waits_in_the_queue_though_it_is_cancelled)
{
    co_task *task;
    int fd = file_of("a", 1);

    if (files_are_native()) {
        close(fd);
        return;
    }
    occupy_pool();
    task = co_test_spawn(close_it, co_test_number(fd));
    co_test_yield();
    co_cancel(task);
    for (int i = 0; i < 10; i++)
        co_test_yield();
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    vacate_pool();
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}

/* ---- begun --------------------------------------------------------------- */

/* Opening a FIFO begins, and ends when the other end is opened. */
struct opener {
    co_time limit;
    int fd;
    int after;
};

static int opener_run(void *arg)
{
    struct opener *opener = arg;

    co_timeout(opener->limit) {
        opener->fd = co_file_open(in_folder("fifo"), O_RDONLY, 0);
        opener->after = co_yield_now();
    }
    return 0;
}

static unsigned pool_running(void)
{
    co_executor *pool = default_pool(CO_LANE_DEFAULT);
    unsigned running;

    pthread_mutex_lock(&pool->lock);
    running = pool->running;
    pthread_mutex_unlock(&pool->lock);
    return running;
}

/* A task that opens the FIFO, which a thread or the kernel is doing. */
static co_task *opener_start(struct opener *opener)
{
    co_task *task;

    ck_assert_int_eq(mkfifo(in_folder("fifo"), 0600), 0);
    task = co_test_spawn(opener_run, opener);
    co_test_yield();
    if (!files_are_native())
        AWAIT(pool_running() == 1);
    return task;
}

/* It was cancelled, or its time is up, with `error`. Threads cannot be stopped,
 * the kernel may. */
static void opener_end(struct opener *opener, co_task *task, int error)
{
    int other;

    for (int i = 0; i < 10; i++)
        co_test_yield();
    if (!files_are_native())
        ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 2);
    other = open(in_folder("fifo"), O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(other, 0);
    ck_assert_int_eq(co_test_result(task), 0);
    if (files_are_native() && opener->fd < 0) {
        ck_assert_int_eq(opener->fd, error);
    } else {
        ck_assert_int_ge(opener->fd, 0);
        ck_assert_int_eq(co_file_close(opener->fd), 0);
    }
    ck_assert_int_eq(opener->after, error);
    close(other);
}

CO_TASK_TEST(what_has_begun_when_it_is_cancelled_keeps_its_result)
{
    struct opener opener = {.limit = CO_NEVER};
    co_task *task = opener_start(&opener);

    co_cancel(task);
    opener_end(&opener, task, -ECANCELED);
}

CO_TASK_TEST(what_has_begun_when_its_time_is_up_keeps_its_result)
{
    struct opener opener = {.limit = CO_SEC};
    co_task *task = opener_start(&opener);

    ck_assert_int_eq(co_sleep(2 * CO_SEC), 0);
    opener_end(&opener, task, -ETIMEDOUT);
}

CO_TASK_TEST(what_is_done_before_the_cancel_is_returned)
{
    struct reader reader = {.limit = CO_NEVER};
    co_task *task;

    if (files_are_native())
        return;
    reader.fd = file_of("a", sizeof(reader.data));
    task = co_test_spawn(reader_run, &reader);
    co_test_yield();
    AWAIT(co__inbox_flagged(co__loop));
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(reader.result, sizeof(reader.data));
    assert_pattern(reader.data, sizeof(reader.data), 0);
    ck_assert_int_eq(reader.after, -ECANCELED);
    ck_assert_int_eq(co_file_close(reader.fd), 0);
}

/* ---- cancels at any time ------------------------------------------------- */

#define READERS 64

static int storm_fd;

/* Read into memory of one's own until cancelled, and look whether the memory
 * is left alone then. */
static int storm_read(void *arg)
{
    char *data = malloc(4096);
    off_t offset = (off_t)(intptr_t)arg * 4096;
    ssize_t n;

    ck_assert_ptr_nonnull(data);
    while ((n = co_file_read_at(storm_fd, data, 4096, offset)) >= 0) {
        ck_assert_int_eq(n, 4096);
        assert_pattern(data, 4096, offset);
        memset(data, 0, 4096);
    }
    ck_assert_int_eq(n, -ECANCELED);
    memset(data, 0x55, 4096);
    CO_SHIELD;
    for (int i = 0; i < 3; i++)
        (void)co_yield_now();
    assert_filled(data, 4096, 0x55);
    free(data);
    return 0;
}

CO_TASK_TEST(cancelled_reads_give_all_or_nothing)
{
    int rounds = co_test_scale(50, 5);
    co_task *tasks[READERS];

    storm_fd = file_of("a", READERS * 4096);
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < READERS; i++)
            tasks[i] = co_test_spawn(storm_read, co_test_number(i));
        for (int i = 0; i < round % 5; i++)
            co_test_yield();
        if (round % 2)
            ck_assert_int_eq(co_sleep(CO_US * round), 0);
        for (int i = 0; i < READERS; i++) {
            co_cancel(tasks[i]);
            if (i % 8 == 0)
                co_test_yield();
        }
        for (int i = 0; i < READERS; i++)
            ck_assert_int_eq(co_test_result(tasks[i]), 0);
    }
    ck_assert_int_eq(co_file_close(storm_fd), 0);
}

static int read_once(void *arg)
{
    off_t offset = (off_t)(intptr_t)arg;
    char byte = 0;

    ck_assert_int_eq(co_file_read_at(storm_fd, &byte, 1, offset), 1);
    return byte == pattern(offset);
}

CO_TASK_TEST(any_number_of_reads_may_be_under_way)
{
    int count = co_test_scale(5000, 500);
    co_task **tasks = calloc((size_t)count, sizeof(co_task *));

    ck_assert_ptr_nonnull(tasks);
    storm_fd = file_of("a", (size_t)count);
    for (int i = 0; i < count; i++)
        tasks[i] = co_test_spawn(read_once, co_test_number(i));
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 1);
    ck_assert_int_eq(co_file_close(storm_fd), 0);
    free(tasks);
}

/* ---- descriptors that are looked after ----------------------------------- */

static int read_and_return(void *arg)
{
    char byte;

    return (int)co_read((int)(intptr_t)arg, &byte, 1);
}

CO_TASK_TEST(closing_wakes_those_who_wait_with_ebadf)
{
    co_task *task;
    int fds[2];

    for (int own = 0; own < 2; own++) {
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        if (own)
            ck_assert_int_eq(co_adopt(fds[0]), 0);
        task = co_test_spawn(read_and_return, co_test_number(fds[0]));
        co_test_yield();
        ck_assert_int_eq(co_file_close(fds[0]), 0);
        ck_assert_int_eq(co_test_result(task), -EBADF);
        ck_assert_int_eq(co_file_close(fds[1]), 0);
    }
}

struct elsewhere {
    pthread_t thread;
    int fd;
    int write_end;
    sem_t knows, done;
};

/* A loop of another thread that looks after a descriptor. */
static int look_after(void *arg)
{
    struct elsewhere *elsewhere = arg;
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    ck_assert_int_eq(co_adopt(fds[0]), 0);
    co_timeout(CO_MS)
        ck_assert_int_eq(co_wait_fd(fds[0], CO_READABLE), -ETIMEDOUT);
    elsewhere->fd = fds[0];
    elsewhere->write_end = fds[1];
    sem_post(&elsewhere->knows);
    gate_await(&elsewhere->done);
    ck_assert_int_eq(co_file_close(fds[0]), 0);
    ck_assert_int_eq(co_file_close(fds[1]), 0);
    return 0;
}

static void *look_after_thread(void *arg)
{
    ck_assert_int_eq(co_run(look_after, arg), 0);
    return NULL;
}

CO_TASK_TEST(what_another_loop_looks_after_is_not_closed)
{
    struct elsewhere elsewhere = {.fd = -1};

    sem_init(&elsewhere.knows, 0, 0);
    sem_init(&elsewhere.done, 0, 0);
    ck_assert_int_eq(pthread_create(&elsewhere.thread, NULL, look_after_thread,
                                    &elsewhere),
                     0);
    gate_await(&elsewhere.knows);
    ck_assert_int_eq(co_file_close(elsewhere.fd), -EPERM);
    ck_assert_int_eq(fcntl(elsewhere.fd, F_GETFD), FD_CLOEXEC);
    sem_post(&elsewhere.done);
    pthread_join(elsewhere.thread, NULL);
    sem_destroy(&elsewhere.knows);
    sem_destroy(&elsewhere.done);
}

/* ---- several loops ------------------------------------------------------- */

static int own_third(void *arg)
{
    off_t offset = (off_t)(intptr_t)arg * 1000;
    char data[1000];

    for (int round = 0; round < 100; round++) {
        memset(data, round, sizeof(data));
        ck_assert_int_eq(co_file_write_at(storm_fd, data, 1000, offset), 1000);
        memset(data, 0, sizeof(data));
        ck_assert_int_eq(co_file_read_at(storm_fd, data, 1000, offset), 1000);
        assert_filled(data, 1000, (char)round);
    }
    return 0;
}

static void *own_third_thread(void *arg)
{
    ck_assert_int_eq(co_run(own_third, arg), 0);
    return NULL;
}

START_TEST(loops_of_several_threads_share_a_file)
{
    pthread_t threads[3];

    storm_fd = file_of("a", 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, own_third_thread,
                                        co_test_number(i)),
                         0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(co_file_close(storm_fd), 0);
}
END_TEST

/* ---- signals and forks --------------------------------------------------- */

struct storm {
    pthread_t thread, victim;
    const char *path;
};

static void on_signal(int signal)
{
    (void)signal;
}

/* Opens the other end of the FIFO when signals enough have been sent. */
static void *interrupt_and_open(void *arg)
{
    struct storm *storm = arg;
    int fd;

    for (int i = 0; i < 20; i++) {
        pthread_kill(storm->victim, SIGUSR1);
        usleep(200);
    }
    fd = open(storm->path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    close(fd);
    return NULL;
}

static int open_in_a_storm(void *unused)
{
    struct storm storm = {.victim = pthread_self(), .path = in_folder("fifo")};
    struct sigaction action = {.sa_handler = on_signal}, old;
    int fd;

    (void)unused;
    ck_assert_int_eq(mkfifo(storm.path, 0600), 0);
    sigaction(SIGUSR1, &action, &old);
    ck_assert_int_eq(
        pthread_create(&storm.thread, NULL, interrupt_and_open, &storm), 0);
    fd = co_file_open(storm.path, O_RDONLY, 0);
    ck_assert_int_ge(fd, 0);
    pthread_join(storm.thread, NULL);
    sigaction(SIGUSR1, &old, NULL);
    ck_assert_int_eq(co_file_close(fd), 0);
    return 0;
}

CO_TASK_TEST(signals_do_not_interrupt_a_task)
{
    ck_assert_int_eq(open_in_a_storm(NULL), 0);
}

START_TEST(signals_do_not_interrupt_a_thread)
{
    ck_assert_int_eq(open_in_a_storm(NULL), 0);
}
END_TEST

static int is_native(void *unused)
{
    (void)unused;
    return files_are_native();
}

/* Opens the FIFO, and says so before. */
static int open_and_tell(void *tell)
{
    if (write(*(int *)tell, "", 1) != 1)
        return -1;
    return co_file_open(in_folder("fifo"), O_RDONLY, 0) < 0 ? -1 : 0;
}

/* Whether a thread of the kernel's own that works for a process waits. */
static int worker_waits(pid_t pid)
{
    char path[300], line[128];
    int waits = 0;
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    tasks = opendir(path);
    ck_assert_ptr_nonnull(tasks);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", pid,
                 task->d_name);
        f = fopen(path, "r");
        if (f && fgets(line, sizeof(line), f))
            waits |= strstr(line, "(iou-wrk-") && strstr(line, ") S ");
        if (f)
            fclose(f);
    }
    closedir(tasks);
    return waits;
}

/* It has left its waits by the time that waitpid tells so. */
static void stop_and_go_on(pid_t pid)
{
    int status;

    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
    ck_assert(WIFSTOPPED(status));
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    ck_assert_int_eq(waitpid(pid, &status, WCONTINUED), pid);
    ck_assert(WIFCONTINUED(status));
}

START_TEST(a_process_that_was_stopped_goes_on_opening)
{
    int native = co_run(is_native, NULL);
    int tell[2], writer;
    char byte;
    pid_t pid;

    /* Otherwise the child starts a thread. */
    if (!native && (CO__TSAN || !CO_TEST_FORKS_AMID_WORK))
        return;

    ck_assert_int_eq(mkfifo(in_folder("fifo"), 0600), 0);
    ck_assert_int_eq(pipe2(tell, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0)
        _exit(co_run(open_and_tell, &tell[1]) == 0 ? CO_TEST_WELL : 1);
    ck_assert_int_eq(read(tell[0], &byte, 1), 1);
    AWAIT(!native || worker_waits(pid));
    stop_and_go_on(pid);
    writer = -1;
    for (int i = 0; writer < 0 && i < 5000; i++) {
        writer = open(in_folder("fifo"), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        usleep(200);
    }
    ck_assert_int_eq(co_test_end_of(pid), CO_TEST_WELL);
    ck_assert_int_ge(writer, 0);
    close(writer);
    close(tell[0]);
    close(tell[1]);
}
END_TEST

static int read_first_byte(void)
{
    char byte = ~pattern(0);
    ssize_t n = co_file_read_at(storm_fd, &byte, 1, 0);

    return n < 0 ? (int)n : byte == pattern(0);
}

static int read_first(void *unused)
{
    (void)unused;
    return read_first_byte();
}

CO_TASK_TEST(a_forked_child_uses_files)
{
    co_task *task;
    pid_t pid;

    storm_fd = file_of("a", 10);
    task = co_test_spawn(read_first, NULL);
    co_test_yield(); /* an operation is under way */
    pid = fork();
    if (pid == 0) {
        CO_CHILD_CHECK(read_first_byte() == 1); /* a plain thread */
        /* TSan does not start threads in such a child. */
        CO_CHILD_CHECK(CO__TSAN || !CO_TEST_FORKS_AMID_WORK ||
                       co_run(read_first, NULL) == 1);
        CO_CHILD_CHECK(co_file_close(storm_fd) == 0);
        _exit(CO_TEST_WELL);
    }
    ck_assert_int_eq(co_test_end_of(pid), CO_TEST_WELL);
    ck_assert_int_eq(co_test_result(task), 1);
    ck_assert_int_eq(co_file_close(storm_fd), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io.file_cancel");
    TCase *tc = tcase_create("limits");
    TCase *virtual_time = tcase_create("virtual time");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, folder_make, folder_remove);
    tcase_add_test(tc, a_cancelled_task_does_nothing_but_close);
    tcase_add_test(tc, a_task_out_of_time_does_nothing_but_close);
    tcase_add_test(tc, a_thread_out_of_time_does_nothing_but_close);
    tcase_add_test(tc, closing_waits_in_the_queue_though_it_is_cancelled);
    tcase_add_test(tc, what_has_begun_when_it_is_cancelled_keeps_its_result);
    tcase_add_test(tc, what_is_done_before_the_cancel_is_returned);
    tcase_add_test(tc, cancelled_reads_give_all_or_nothing);
    tcase_add_test(tc, any_number_of_reads_may_be_under_way);
    tcase_add_test(tc, closing_wakes_those_who_wait_with_ebadf);
    tcase_add_test(tc, what_another_loop_looks_after_is_not_closed);
    tcase_add_test(tc, loops_of_several_threads_share_a_file);
    tcase_add_test(tc, signals_do_not_interrupt_a_task);
    tcase_add_test(tc, signals_do_not_interrupt_a_thread);
    tcase_add_test(tc, a_process_that_was_stopped_goes_on_opening);
    tcase_add_test(tc, a_forked_child_uses_files);
    suite_add_tcase(s, tc);

    co_test_check_fds(virtual_time);
    tcase_add_checked_fixture(virtual_time, folder_make, folder_remove);
    tcase_add_checked_fixture(virtual_time, co_test_clock_start,
                              co_test_clock_stop);
    tcase_add_test(virtual_time, what_is_queued_is_taken_back);
    tcase_add_test(virtual_time,
                   what_has_begun_when_its_time_is_up_keeps_its_result);
    suite_add_tcase(s, virtual_time);
    return s;
}

CO_TEST_MAIN(suite)
