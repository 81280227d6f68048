/* SPDX-License-Identifier: MIT */
/* Pools of processes. */
#include <coppice/procpool.h>

#include "base/alloc.h"
#include "base/sanitize.h"
#include "core/loop.h"
#include "core/turn.h"
#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- what the workers run ------------------------------------------------ */

static int echo(const void *in, size_t in_bytes, void **out, size_t *out_bytes)
{
    *out = malloc(in_bytes ? in_bytes : 1);
    if (!*out)
        return -ENOMEM;
    if (in_bytes)
        memcpy(*out, in, in_bytes);
    *out_bytes = in_bytes;
    return (int)in_bytes;
}

static int own_pid(const void *in, size_t in_bytes, void **out,
                   size_t *out_bytes)
{
    (void)in, (void)in_bytes, (void)out, (void)out_bytes;
    return getpid();
}

static int give_error(const void *in, size_t in_bytes, void **out,
                      size_t *out_bytes)
{
    (void)in, (void)in_bytes, (void)out, (void)out_bytes;
    return -EIO;
}

/* Crash the way that the first byte says. */
static int crash(const void *in, size_t in_bytes, void **out, size_t *out_bytes)
{
    (void)in_bytes, (void)out, (void)out_bytes;
    if (*(const char *)in == 'e')
        _exit(0);
    raise(*(const char *)in == 's' ? SIGSEGV : SIGKILL);
    return 0;
}

/* A named pipe holds the worker in place: it says that it has begun, and ends
 * when it is let go. */
struct hold {
    char begun[64], let_go[64];
};

static int hold(const void *in, size_t in_bytes, void **out, size_t *out_bytes)
{
    const struct hold *names = in;
    char byte;
    int fd = open(names->begun, O_WRONLY);
    ssize_t n = write(fd, "x", 1);

    (void)in_bytes, (void)out, (void)out_bytes;
    close(fd);
    fd = open(names->let_go, O_RDONLY);
    n += read(fd, &byte, 1);
    close(fd);
    return n == 2 ? 7 : -EIO;
}

static int count_fds(const void *in, size_t in_bytes, void **out,
                     size_t *out_bytes)
{
    int count = 0;

    (void)in, (void)in_bytes, (void)out, (void)out_bytes;
    for (int fd = 0; fd < 1000; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int read_stdin(const void *in, size_t in_bytes, void **out,
                      size_t *out_bytes)
{
    char byte;

    (void)in, (void)in_bytes, (void)out, (void)out_bytes;
    return (int)read(STDIN_FILENO, &byte, 1);
}

static int signals_are_plain(const void *in, size_t in_bytes, void **out,
                             size_t *out_bytes)
{
    struct sigaction action;
    sigset_t mask;

    (void)in, (void)in_bytes, (void)out, (void)out_bytes;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int i = 1; i < 32; i++)
        if (sigismember(&mask, i))
            return -i;
    sigaction(SIGUSR1, NULL, &action);
    if (action.sa_handler != SIG_DFL)
        return -EIO;
    sigaction(SIGCHLD, NULL, &action);
    if (action.sa_handler != SIG_DFL)
        return -EIO;
    sigaction(SIGINT, NULL, &action);
    return action.sa_handler == SIG_IGN ? 1 : -EIO;
}

static int much_stack(const void *in, size_t in_bytes, void **out,
                      size_t *out_bytes)
{
    volatile char room[1 << 20];

    (void)in, (void)in_bytes, (void)out, (void)out_bytes;
    for (size_t i = 0; i < sizeof(room); i += 4096)
        room[i] = 1;
    return room[4096];
}

static int run_loop_task(void *arg)
{
    return co_sleep(*(const co_time *)arg) < 0 ? -EIO : 11;
}

static int run_loop(const void *in, size_t in_bytes, void **out,
                    size_t *out_bytes)
{
    co_time ns = CO_US;

    (void)in, (void)in_bytes, (void)out, (void)out_bytes;
    return co_run(run_loop_task, &ns);
}

enum {
    ECHO,
    OWN_PID,
    GIVE_ERROR,
    CRASH,
    HOLD,
    COUNT_FDS,
    READ_STDIN,
    SIGNALS,
    MUCH_STACK,
    RUN_LOOP,
    FUNCTIONS,
};

static const co_procpool_fn functions[FUNCTIONS] = {
    [ECHO] = echo,
    [OWN_PID] = own_pid,
    [GIVE_ERROR] = give_error,
    [CRASH] = crash,
    [HOLD] = hold,
    [COUNT_FDS] = count_fds,
    [READ_STDIN] = read_stdin,
    [SIGNALS] = signals_are_plain,
    [MUCH_STACK] = much_stack,
    [RUN_LOOP] = run_loop,
};

/* ---- support ------------------------------------------------------------- */

static co_procpool_options options_of(unsigned workers)
{
    return (co_procpool_options){.size = sizeof(co_procpool_options),
                                 .functions = functions,
                                 .function_count = FUNCTIONS,
                                 .workers_max = workers};
}

static co_procpool *pool_of(unsigned workers)
{
    co_procpool_options options = options_of(workers);
    co_procpool *pool = co_procpool_new(&options);

    ck_assert_ptr_nonnull(pool);
    return pool;
}

/* Wait until all has ended, free it, and see that no child is left. */
static void no_children(void)
{
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

static void pool_end(co_procpool *pool)
{
    ck_assert_int_eq(co_procpool_shutdown(pool, 1), 0);
    no_children();
    co_procpool_free(pool);
}

static int call(co_procpool *pool, unsigned function)
{
    return co_procpool_call(pool, function, NULL, 0, NULL, NULL);
}

static int crash_call(co_procpool *pool, char how)
{
    return co_procpool_call(pool, CRASH, &how, 1, NULL, NULL);
}

/* A call that is held in place, in a task of its own. */
struct held {
    co_procpool *pool;
    struct hold names;
    co_time limit;
};

static void held_init(struct held *held, co_procpool *pool)
{
    static int number;

    memset(held, 0, sizeof(*held));
    held->pool = pool;
    number++;
    snprintf(held->names.begun, sizeof(held->names.begun),
             "/tmp/co-test-%d-%d-begun", getpid(), number);
    snprintf(held->names.let_go, sizeof(held->names.let_go),
             "/tmp/co-test-%d-%d-let-go", getpid(), number);
    ck_assert_int_eq(mkfifo(held->names.begun, 0600), 0);
    ck_assert_int_eq(mkfifo(held->names.let_go, 0600), 0);
}

static void held_fini(struct held *held)
{
    unlink(held->names.begun);
    unlink(held->names.let_go);
}

static int held_call(void *arg)
{
    struct held *held = arg;
    int r = 0;

    co_timeout(held->limit ? held->limit : CO_NEVER) {
        r = co_procpool_call(held->pool, HOLD, &held->names,
                             sizeof(held->names), NULL, NULL);
    }
    return r;
}

/* The thread waits until the worker has begun. */
static void held_await(const struct held *held)
{
    char byte;
    int fd = open(held->names.begun, O_RDONLY);

    ck_assert_int_eq(read(fd, &byte, 1), 1);
    close(fd);
}

static void held_let_go(const struct held *held)
{
    int fd = open(held->names.let_go, O_WRONLY);

    ck_assert_int_eq(write(fd, "x", 1), 1);
    close(fd);
}

static co_task *held_spawn(struct held *held)
{
    co_task *task = co_test_spawn(held_call, held);

    co_test_yield();
    held_await(held);
    return task;
}

static int echo_task(void *arg)
{
    return call(arg, ECHO);
}

/* ---- calls --------------------------------------------------------------- */

CO_TASK_TEST(bytes_go_there_and_back)
{
    co_procpool *pool = pool_of(2);
    void *out = NULL;
    size_t bytes = 0;

    ck_assert_int_eq(co_procpool_call(pool, ECHO, "hello", 6, &out, &bytes), 6);
    ck_assert_uint_eq(bytes, 6);
    ck_assert_str_eq(out, "hello");
    free(out);
    ck_assert_int_eq(co_procpool_call(pool, ECHO, NULL, 0, &out, &bytes), 0);
    ck_assert_uint_eq(bytes, 0);
    ck_assert_ptr_null(out);
    ck_assert_int_eq(co_procpool_call(pool, ECHO, "hello", 6, NULL, NULL), 6);
    ck_assert_int_eq(call(pool, GIVE_ERROR), -EIO);
    pool_end(pool);
}

CO_TASK_TEST(more_than_a_socket_holds_goes_there_and_back)
{
    size_t bytes = (size_t)co_test_scale(16, 2) << 20, got = 0;
    co_procpool *pool = pool_of(1);
    unsigned char *in = malloc(bytes);
    void *out = NULL;

    for (size_t i = 0; i < bytes; i++)
        in[i] = (unsigned char)(i * 7 + (i >> 12));
    ck_assert_int_eq(co_procpool_call(pool, ECHO, in, bytes, &out, &got),
                     (int)bytes);
    ck_assert_uint_eq(got, bytes);
    ck_assert_int_eq(memcmp(in, out, bytes), 0);
    free(in);
    free(out);
    pool_end(pool);
}

START_TEST(a_plain_thread_can_call)
{
    co_procpool *pool = pool_of(1);
    void *out = NULL;
    size_t bytes = 0;

    ck_assert_int_eq(co_procpool_call(pool, ECHO, "hello", 6, &out, &bytes), 6);
    ck_assert_str_eq(out, "hello");
    free(out);
    co_timeout(0) {
        ck_assert_int_eq(call(pool, ECHO), -ETIMEDOUT);
    }
    pool_end(pool);
}
END_TEST

CO_TASK_TEST(one_worker_serves_one_call_after_the_other)
{
    co_procpool *pool = pool_of(4);
    int pid = call(pool, OWN_PID);

    ck_assert_int_gt(pid, 0);
    ck_assert_int_ne(pid, getpid());
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(call(pool, OWN_PID), pid);
    pool_end(pool);
}

CO_TASK_TEST(calls_beyond_the_workers_wait_in_line)
{
    co_procpool *pool = pool_of(2);
    struct held held[2];
    co_task *holders[2], *tasks[10];

    for (int i = 0; i < 2; i++) {
        held_init(&held[i], pool);
        holders[i] = held_spawn(&held[i]);
    }
    for (int i = 0; i < 10; i++)
        tasks[i] = co_test_spawn(echo_task, pool);
    for (int i = 0; i < 10; i++)
        co_test_yield();
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 13);
    for (int i = 0; i < 2; i++) {
        held_let_go(&held[i]);
        ck_assert_int_eq(co_test_result(holders[i]), 7);
        held_fini(&held[i]);
    }
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
    pool_end(pool);
}

static co_procpool *shared;

static int call_much(void *arg)
{
    (void)arg;
    for (int i = 0; i < co_test_scale(100, 20); i++) {
        void *out = NULL;
        size_t bytes = 0;

        if (co_procpool_call(shared, ECHO, &i, sizeof(i), &out, &bytes) !=
                (int)sizeof(i) ||
            bytes != sizeof(i) || memcmp(out, &i, sizeof(i)) != 0)
            return -EIO;
        free(out);
    }
    return 0;
}

static int call_from_tasks(void *arg)
{
    co_task *tasks[4];
    int result, r = 0;

    for (int i = 0; i < 4; i++)
        tasks[i] = co_spawn(call_much, arg);
    for (int i = 0; i < 4; i++)
        if (co_join(tasks[i], &result) < 0 || result < 0)
            r = -EIO;
    return r;
}

static void *run_calls(void *arg)
{
    return co_test_number(co_run(call_from_tasks, arg));
}

START_TEST(loops_of_several_threads_share_a_pool)
{
    pthread_t threads[3];
    void *r;

    shared = pool_of(2);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_calls, NULL), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &r);
        ck_assert_ptr_null(r);
    }
    pool_end(shared);
}
END_TEST

/* ---- what a worker is ---------------------------------------------------- */

CO_TASK_TEST(workers_have_no_descriptors_of_the_programs)
{
    int pipe_fds[2];
    co_procpool *other = pool_of(1), *pool;

    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(call(other, ECHO), 0);
    pool = pool_of(1);
    ck_assert_int_eq(call(pool, COUNT_FDS), 4); /* standard ones, its stream */
    ck_assert_int_eq(call(other, COUNT_FDS), 4);
    ck_assert_int_eq(call(pool, READ_STDIN), 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    /* Each waits for its own child only. */
    ck_assert_int_eq(co_procpool_shutdown(pool, 1), 0);
    co_procpool_free(pool);
    ck_assert_int_eq(call(other, ECHO), 0);
    pool_end(other);
}

static void handler(int signal_number)
{
    (void)signal_number;
}

CO_TASK_TEST(workers_have_no_signal_handlers_of_the_programs)
{
    struct sigaction action = {.sa_handler = handler}, old;
    co_procpool *pool;

    sigaction(SIGUSR1, &action, &old);
    pool = pool_of(1);
    ck_assert_int_eq(call(pool, SIGNALS), 1);
    pool_end(pool);
    sigaction(SIGUSR1, &old, NULL);
}

CO_TASK_TEST(functions_have_a_threads_stack)
{
    co_procpool *pool = pool_of(1);

    ck_assert_int_eq(call(pool, MUCH_STACK), 1);
    pool_end(pool);
}

CO_TASK_TEST(functions_may_run_a_loop)
{
    co_procpool *pool = pool_of(1);

    ck_assert_int_eq(call(pool, RUN_LOOP), 11);
    ck_assert_int_eq(call(pool, RUN_LOOP), 11);
    pool_end(pool);
}

/* ---- crashes ------------------------------------------------------------- */

CO_TASK_TEST(a_crash_fails_its_own_call_and_the_worker_is_replaced)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID);

    for (const char *how = "kse"; *how; how++) {
        ck_assert_int_eq(crash_call(pool, *how), -EPIPE);
        ck_assert_int_ne(call(pool, OWN_PID), pid);
    }
    pool_end(pool);
}

CO_TASK_TEST(a_crash_leaves_other_calls_alone)
{
    co_procpool *pool = pool_of(2);
    struct held held;
    co_task *task;

    held_init(&held, pool);
    task = held_spawn(&held);
    ck_assert_int_eq(crash_call(pool, 'k'), -EPIPE);
    ck_assert_int_eq(crash_call(pool, 'e'), -EPIPE);
    ck_assert_int_eq(call(pool, ECHO), 0);
    held_let_go(&held);
    ck_assert_int_eq(co_test_result(task), 7);
    held_fini(&held);
    pool_end(pool);
}

static void await_death(pid_t pid)
{
    for (int i = 0; kill(pid, 0) == 0; i++) {
        ck_assert_int_lt(i, 20000);
        usleep(500);
    }
}

CO_TASK_TEST(a_worker_that_died_idle_is_replaced_unseen)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID), next;

    kill(pid, SIGKILL);
    await_death(pid); /* the server has reaped it */
    next = call(pool, OWN_PID);
    ck_assert_int_gt(next, 0);
    ck_assert_int_ne(next, pid);
    pool_end(pool);
}

static int pid_task(void *pool)
{
    return call(pool, OWN_PID);
}

CO_TASK_TEST(a_worker_that_died_with_a_request_unread_is_replaced)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID), next;
    co_task *task;

    kill(pid, SIGSTOP);
    task = co_test_spawn(pid_task, pool);
    co_test_yield();
    kill(pid, SIGKILL);
    next = co_test_result(task);
    ck_assert_int_gt(next, 0);
    ck_assert_int_ne(next, pid);
    pool_end(pool);
}

static int parent_of(pid_t pid)
{
    char name[64], text[256] = "";
    int parent = -1;
    FILE *f;

    snprintf(name, sizeof(name), "/proc/%d/stat", pid);
    f = fopen(name, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
    fclose(f);
    ck_assert_int_eq(sscanf(strrchr(text, ')') + 1, " %*c %d", &parent), 1);
    return parent;
}

CO_TASK_TEST(without_its_server_a_pool_fails_its_calls)
{
    co_procpool *pool = pool_of(1);
    pid_t server = parent_of(call(pool, OWN_PID));

    ck_assert_int_eq(parent_of(server), getpid());
    kill(server, SIGKILL);
    /* Not reaped: that is the pool's to do. */
    ck_assert_int_eq(
        waitid(P_PID, (id_t)server, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(call(pool, ECHO), 0); /* the worker goes on */
    ck_assert_int_eq(crash_call(pool, 'e'), -EPIPE);
    ck_assert_int_eq(call(pool, ECHO), -EPIPE);
    pool_end(pool);
}

CO_TASK_TEST(a_server_that_the_program_has_waited_for_does_not_matter)
{
    co_procpool *pool = pool_of(1);
    pid_t server = parent_of(call(pool, OWN_PID));

    kill(server, SIGKILL);
    ck_assert_int_eq(waitpid(server, NULL, 0), server);
    pool_end(pool);
}

/* ---- cancelling ---------------------------------------------------------- */

CO_TASK_TEST(a_call_cancelled_before_it_began_is_not_made)
{
    co_procpool *pool = pool_of(1);

    co_cancel(co_self());
    ck_assert_int_eq(call(pool, ECHO), -ECANCELED);
    ck_assert_int_eq(co_procpool_shutdown(pool, 1), -ECANCELED);
    co_uncancel(co_self());
    co_timeout(0) {
        ck_assert_int_eq(call(pool, ECHO), -ETIMEDOUT);
    }
    ck_assert_int_eq(call(pool, ECHO), 0);
    pool_end(pool);
}

CO_TASK_TEST(a_cancelled_calls_worker_is_killed_and_replaced)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID);
    struct held held;
    co_task *task;

    held_init(&held, pool);
    task = held_spawn(&held);
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    await_death(pid);
    ck_assert_int_ne(call(pool, OWN_PID), pid);
    held_fini(&held);
    pool_end(pool);
}

CO_TASK_TEST(a_call_out_of_time_loses_its_worker)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID);
    struct held held;
    co_task *task;

    held_init(&held, pool);
    held.limit = 20 * CO_MS;
    task = held_spawn(&held);
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    await_death(pid);
    ck_assert_int_ne(call(pool, OWN_PID), pid);
    held_fini(&held);
    pool_end(pool);
}

/* Until what comes from another process has made a task ready, which has not
 * run since. */
static void turn_until_ready(const co_task *task)
{
    while (task->state == CO__TASK_PARKED)
        co__turn(co__loop, 0);
    ck_assert_int_eq(task->state, CO__TASK_READY);
}

/* A cancelled call would cost its worker. */
static void answer_is_kept(struct held *held, co_task *task, int pid)
{
    ck_assert_int_eq(co_test_result(task), 7);
    ck_assert_int_eq(call(held->pool, OWN_PID), pid);
    held_fini(held);
    pool_end(held->pool);
}

CO_TASK_TEST(an_answer_that_came_before_the_cancel_is_kept)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID);
    struct held held;
    co_task *task;

    held_init(&held, pool);
    task = held_spawn(&held);
    held_let_go(&held);
    turn_until_ready(task);
    ck_assert_int_eq(co_cancel(task), 1);
    answer_is_kept(&held, task, pid);
}

CO_TASK_TEST(an_answer_that_came_before_the_timeout_is_seen_is_kept)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID);
    struct held held;
    co_task *task;

    held_init(&held, pool);
    held.limit = CO_SEC;
    task = held_spawn(&held);
    held_let_go(&held);
    turn_until_ready(task);
    co_test_clock_pass(2 * CO_SEC);
    answer_is_kept(&held, task, pid);
}

CO_TASK_TEST(a_call_cancelled_in_line_costs_no_worker)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID);
    struct held held;
    co_task *holder, *first, *second;

    held_init(&held, pool);
    holder = held_spawn(&held);
    first = co_test_spawn(echo_task, pool);
    second = co_test_spawn(echo_task, pool);
    co_test_yield();
    co_cancel(first);
    ck_assert_int_eq(co_test_result(first), -ECANCELED);
    held_let_go(&held);
    ck_assert_int_eq(co_test_result(holder), 7);
    ck_assert_int_eq(co_test_result(second), 0);
    ck_assert_int_eq(call(pool, OWN_PID), pid);
    held_fini(&held);
    pool_end(pool);
}

static struct {
    co_task *victim;
    struct held held;
} hand_over;

/* Ends its call, which hands the place on, and cancels who got it. */
static int call_then_cancel(void *arg)
{
    int r = held_call(arg);

    co_cancel(hand_over.victim);
    return r;
}

CO_TASK_TEST(a_place_granted_before_the_cancel_goes_to_the_next)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID);
    co_task *holder, *next;

    held_init(&hand_over.held, pool);
    holder = co_test_spawn(call_then_cancel, &hand_over.held);
    co_test_yield();
    held_await(&hand_over.held);
    hand_over.victim = co_test_spawn(echo_task, pool);
    next = co_test_spawn(echo_task, pool);
    co_test_yield();
    held_let_go(&hand_over.held);
    ck_assert_int_eq(co_test_result(holder), 7);
    ck_assert_int_eq(co_test_result(next), 0);
    ck_assert_int_eq(co_test_result(hand_over.victim), -ECANCELED);
    ck_assert_int_eq(call(pool, OWN_PID), pid);
    held_fini(&hand_over.held);
    pool_end(pool);
}

static void *held_call_in_thread(void *held)
{
    return co_test_number(held_call(held));
}

CO_TASK_TEST(a_place_on_its_way_to_a_cancelled_task_goes_to_the_next)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID);
    struct held held;
    pthread_t thread;
    co_task *victim;
    void *result;

    held_init(&held, pool);
    ck_assert_int_eq(pthread_create(&thread, NULL, held_call_in_thread, &held),
                     0);
    held_await(&held);
    victim = co_test_spawn(echo_task, pool);
    co_test_yield();
    held_let_go(&held);
    pthread_join(thread, &result); /* it has handed its place on */
    ck_assert_int_eq((int)(intptr_t)result, 7);
    co_cancel(victim); /* first in the loop's eyes */
    ck_assert_int_eq(co_test_result(victim), -ECANCELED);
    ck_assert_int_eq(call(pool, OWN_PID), pid);
    held_fini(&held);
    pool_end(pool);
}

/* ---- the end ------------------------------------------------------------- */

static int shut_down(void *pool)
{
    return co_procpool_shutdown(pool, 1);
}

CO_TASK_TEST(a_shutdown_that_waits_lets_all_calls_end)
{
    co_procpool *pool = pool_of(1);
    struct held held;
    co_task *holder, *queued, *closer;

    held_init(&held, pool);
    holder = held_spawn(&held);
    queued = co_test_spawn(echo_task, pool);
    co_test_yield();
    closer = co_test_spawn(shut_down, pool);
    co_test_yield();
    ck_assert_int_eq(call(pool, ECHO), -ESHUTDOWN);
    held_let_go(&held);
    ck_assert_int_eq(co_test_result(closer), 0);
    no_children();
    ck_assert_int_eq(co_test_result(holder), 7);
    ck_assert_int_eq(co_test_result(queued), 0);
    held_fini(&held);
    ck_assert_int_eq(co_procpool_shutdown(pool, 1), 0);
    ck_assert_int_eq(co_procpool_shutdown(pool, 0), 0);
    co_procpool_free(pool);
}

CO_TASK_TEST(a_shutdown_without_waiting_fails_all_calls)
{
    co_procpool *pool = pool_of(1);
    struct held held;
    co_task *holder, *queued;

    held_init(&held, pool);
    holder = held_spawn(&held);
    queued = co_test_spawn(echo_task, pool);
    co_test_yield();
    ck_assert_int_eq(co_procpool_shutdown(pool, 0), 0);
    ck_assert_int_eq(call(pool, ECHO), -ESHUTDOWN);
    ck_assert_int_eq(co_test_result(holder), -ECANCELED);
    ck_assert_int_eq(co_test_result(queued), -ECANCELED);
    held_fini(&held);
    co_procpool_free(pool);
    no_children();
}

CO_TASK_TEST(a_shutdown_keeps_to_its_time_and_can_be_asked_again)
{
    co_procpool *pool = pool_of(1);
    struct held held;
    co_task *holder, *closer;

    held_init(&held, pool);
    holder = held_spawn(&held);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_procpool_shutdown(pool, 1), -ETIMEDOUT);
    }
    closer = co_test_spawn(shut_down, pool);
    co_test_yield();
    co_cancel(closer);
    ck_assert_int_eq(co_test_result(closer), -ECANCELED);
    held_let_go(&held);
    ck_assert_int_eq(co_test_result(holder), 7);
    held_fini(&held);
    pool_end(pool);
}

/* A task that waits for the end of the pool's server, which is stopped. */
static co_task *shut_down_with_server_stopped(co_procpool *pool, pid_t *server)
{
    co_task *task;

    *server = parent_of(call(pool, OWN_PID));
    kill(*server, SIGSTOP);
    ck_assert_int_eq(
        waitid(P_PID, (id_t)*server, &(siginfo_t){0}, WSTOPPED | WNOWAIT), 0);
    task = co_test_spawn(shut_down, pool);
    co_test_yield();
    ck_assert_int_eq(task->state, CO__TASK_PARKED);
    return task;
}

CO_TASK_TEST(a_shutdown_cancelled_before_the_server_ends_can_be_asked_again)
{
    co_procpool *pool = pool_of(1);
    pid_t server;
    co_task *task = shut_down_with_server_stopped(pool, &server);

    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    kill(server, SIGCONT);
    pool_end(pool);
}

CO_TASK_TEST(a_shutdown_whose_server_ended_before_the_cancel_says_so)
{
    co_procpool *pool = pool_of(1);
    pid_t server;
    co_task *task = shut_down_with_server_stopped(pool, &server);

    kill(server, SIGCONT);
    turn_until_ready(task);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 0);
    no_children();
    co_procpool_free(pool);
}

START_TEST(a_pool_that_is_just_freed_leaves_no_process)
{
    for (int i = 0; i < 10; i++) {
        co_procpool *pool = pool_of(2);
        int pid = i & 1 ? call(pool, OWN_PID) : 0;

        co_procpool_free(pool);
        no_children();
        if (pid)
            ck_assert_int_lt(kill(pid, 0), 0);
    }
    co_procpool_free(NULL);
}
END_TEST

CO_TASK_TEST(a_forked_child_does_not_share_the_pool)
{
    co_procpool *pool = pool_of(1);
    int pid = call(pool, OWN_PID), status = -1;
    pid_t child = fork();

    if (child == 0) {
        int fine = call(pool, ECHO) == -ESHUTDOWN &&
                   co_procpool_shutdown(pool, 1) == 0;

        co_procpool_free(pool);
        _exit(fine ? 42 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    ck_assert_int_eq(call(pool, OWN_PID), pid);
    pool_end(pool);
}

static int fds_of_a_child(void)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(co_test_fds_open());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

CO_TASK_TEST(a_forked_child_has_none_of_its_descriptors)
{
    int before = fds_of_a_child();
    co_procpool *pool = pool_of(1);

    ck_assert_int_eq(call(pool, ECHO), 0);
    ck_assert_int_eq(fds_of_a_child(), before);
    ck_assert_int_eq(call(pool, ECHO), 0);
    pool_end(pool);
}

static int ready[2];

/* In a child: a pool, a call that is held for ever, and then a sudden death. */
static void die_with_a_pool(void)
{
    co_procpool *pool = pool_of(1);
    struct held held;
    int pids[2];

    pids[0] = call(pool, OWN_PID);
    pids[1] = parent_of(pids[0]);
    held_init(&held, pool);
    (void)held_spawn(&held);
    held_fini(&held);
    if (write(ready[1], pids, sizeof(pids)) != (ssize_t)sizeof(pids))
        _exit(1);
    raise(SIGKILL);
}

START_TEST(processes_do_not_outlive_the_program)
{
    int pids[2] = {0, 0}, status = 0;
    pid_t child;

    /* The child makes a pool on a thread, and ThreadSanitizer refuses to start
     * one in the child of a program that had threads. */
    if (CO__TSAN)
        return;
    ck_assert_int_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        co_test_in_task(die_with_a_pool);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], pids, sizeof(pids)), sizeof(pids));
    for (int i = 0; i < 2; i++) {
        /* They are init's to reap, which may not do so: ended is enough. */
        for (int k = 0; kill(pids[i], 0) == 0; k++) {
            char name[64], text[256] = "";
            FILE *f;

            snprintf(name, sizeof(name), "/proc/%d/stat", pids[i]);
            f = fopen(name, "r");
            if (!f || !fgets(text, sizeof(text), f)) {
                if (f)
                    fclose(f);
                break;
            }
            fclose(f);
            if (strstr(text, ") Z "))
                break;
            ck_assert_int_lt(k, 20000);
            usleep(500);
        }
    }
    close(ready[0]);
}
END_TEST

/* ---- bad input ----------------------------------------------------------- */

CO_TASK_TEST(bad_arguments_are_refused)
{
    co_procpool *pool = pool_of(1);
    void *out = pool;

    ck_assert_int_eq(call(NULL, ECHO), -EINVAL);
    ck_assert_int_eq(call(pool, FUNCTIONS), -EINVAL);
    ck_assert_int_eq(co_procpool_call(pool, ECHO, NULL, 1, &out, NULL),
                     -EINVAL);
    ck_assert_ptr_eq(out, pool);
    ck_assert_int_eq(co_procpool_shutdown(NULL, 1), -EINVAL);
    pool_end(pool);
}

static void refused(const co_procpool_options *options)
{
    errno = 0;
    ck_assert_ptr_null(co_procpool_new(options));
    ck_assert_int_eq(errno, EINVAL);
}

START_TEST(options_out_of_range_are_refused)
{
    static const co_procpool_fn hole[] = {echo, NULL};
    co_procpool_options bad;

    refused(NULL);
    bad = options_of(1);
    bad.size--;
    refused(&bad);
    bad = options_of(257);
    refused(&bad);
    bad = options_of(1);
    bad.functions = NULL;
    refused(&bad);
    bad = options_of(1);
    bad.function_count = 0;
    refused(&bad);
    bad = options_of(1);
    bad.functions = hole;
    bad.function_count = 2;
    refused(&bad);
}
END_TEST

CO_TASK_TEST(what_is_too_large_is_refused_both_ways)
{
    co_procpool_options options = options_of(1);
    char bytes[101] = "x";
    void *out = NULL;
    co_procpool *pool;
    int pid;

    options.bytes_max = 100;
    pool = co_procpool_new(&options);
    pid = call(pool, OWN_PID);
    ck_assert_int_eq(co_procpool_call(pool, ECHO, bytes, 101, &out, NULL),
                     -EMSGSIZE);
    ck_assert_int_eq(co_procpool_call(pool, ECHO, bytes, 100, &out, NULL), 100);
    free(out);
    ck_assert_int_eq(call(pool, OWN_PID), pid);
    pool_end(pool);
}

START_TEST(without_memory_there_is_no_pool)
{
    co_procpool_options options = options_of(1);
    co_procpool *pool = NULL;
    int failures = 0;

    for (unsigned n = 1; n < 10 && !pool; n++) {
        co__fault_after(n);
        errno = 0;
        pool = co_procpool_new(&options);
        co__fault_after(0);
        if (!pool) {
            failures++;
            ck_assert_int_eq(errno, ENOMEM);
            no_children();
        }
    }
    ck_assert_int_ge(failures, 1);
    pool_end(pool);
}
END_TEST

CO_TASK_TEST(without_memory_for_an_answer_the_call_fails)
{
    co_procpool *pool = pool_of(1);
    void *out = NULL;

    ck_assert_int_eq(call(pool, ECHO), 0);
    ck_assert_int_eq(co_procpool_call(pool, ECHO, "x", 1, &out, NULL), 1);
    free(out);
    out = NULL;
    co__fault_after(1);
    ck_assert_int_eq(co_procpool_call(pool, ECHO, "x", 1, &out, NULL), -ENOMEM);
    co__fault_after(0);
    ck_assert_ptr_null(out);
    ck_assert_int_eq(call(pool, ECHO), 0);
    pool_end(pool);
}

static void call_in_callback(void *arg)
{
    void **args = arg;

    *(int *)args[1] = call(args[0], ECHO);
}

CO_TASK_TEST(a_loop_callback_cannot_wait)
{
    co_procpool *pool = pool_of(1);
    int r = 0;
    void *args[] = {pool, &r};
    co_call callback = {.fn = call_in_callback, .arg = args};

    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &callback), 0);
    while (!r)
        co_test_yield();
    ck_assert_int_eq(r, -EPERM);
    pool_end(pool);
}

static Suite *suite(void)
{
    Suite *s = suite_create("procpool");
    TCase *tc = tcase_create("procpool");

    co_test_check_fds(tc);
    tcase_set_timeout(tc, 100);
    tcase_add_test(tc, bytes_go_there_and_back);
    tcase_add_test(tc, more_than_a_socket_holds_goes_there_and_back);
    tcase_add_test(tc, a_plain_thread_can_call);
    tcase_add_test(tc, one_worker_serves_one_call_after_the_other);
    tcase_add_test(tc, calls_beyond_the_workers_wait_in_line);
    tcase_add_test(tc, loops_of_several_threads_share_a_pool);
    tcase_add_test(tc, workers_have_no_descriptors_of_the_programs);
    tcase_add_test(tc, workers_have_no_signal_handlers_of_the_programs);
    tcase_add_test(tc, functions_have_a_threads_stack);
    tcase_add_test(tc, functions_may_run_a_loop);
    tcase_add_test(tc, a_crash_fails_its_own_call_and_the_worker_is_replaced);
    tcase_add_test(tc, a_crash_leaves_other_calls_alone);
    tcase_add_test(tc, a_worker_that_died_idle_is_replaced_unseen);
    tcase_add_test(tc, without_its_server_a_pool_fails_its_calls);
    tcase_add_test(tc,
                   a_server_that_the_program_has_waited_for_does_not_matter);
    tcase_add_test(tc, a_call_cancelled_before_it_began_is_not_made);
    tcase_add_test(tc, a_cancelled_calls_worker_is_killed_and_replaced);
    tcase_add_test(tc, a_call_out_of_time_loses_its_worker);
    tcase_add_test(tc, an_answer_that_came_before_the_cancel_is_kept);
    tcase_add_test(tc, a_call_cancelled_in_line_costs_no_worker);
    tcase_add_test(tc, a_place_granted_before_the_cancel_goes_to_the_next);
    tcase_add_test(tc, a_place_on_its_way_to_a_cancelled_task_goes_to_the_next);
    tcase_add_test(tc, a_worker_that_died_with_a_request_unread_is_replaced);
    tcase_add_test(tc, a_forked_child_has_none_of_its_descriptors);
    tcase_add_test(tc, a_shutdown_that_waits_lets_all_calls_end);
    tcase_add_test(tc, a_shutdown_without_waiting_fails_all_calls);
    tcase_add_test(tc, a_shutdown_keeps_to_its_time_and_can_be_asked_again);
    tcase_add_test(
        tc, a_shutdown_cancelled_before_the_server_ends_can_be_asked_again);
    tcase_add_test(tc, a_shutdown_whose_server_ended_before_the_cancel_says_so);
    tcase_add_test(tc, a_pool_that_is_just_freed_leaves_no_process);
    tcase_add_test(tc, a_forked_child_does_not_share_the_pool);
    tcase_add_test(tc, processes_do_not_outlive_the_program);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, options_out_of_range_are_refused);
    tcase_add_test(tc, what_is_too_large_is_refused_both_ways);
    tcase_add_test(tc, without_memory_there_is_no_pool);
    tcase_add_test(tc, without_memory_for_an_answer_the_call_fails);
    tcase_add_test(tc, a_loop_callback_cannot_wait);
    suite_add_tcase(s, tc);

    tc = tcase_create("limits");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_set_timeout(tc, 100);
    tcase_add_test(tc, an_answer_that_came_before_the_timeout_is_seen_is_kept);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
