/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out: each request for memory, in turn, fails once, and what
 * comes back is either success or the documented error, with all undone. And
 * random programs under the virtual clock.
 */
#include <coppice/call.h>
#include <coppice/cancel.h>
#include <coppice/embed.h>
#include <coppice/error.h>
#include <coppice/loop.h>
#include <coppice/scope.h>
#include <coppice/task.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sanitize.h"
#include "core/loop.h"
#include "core/stack.h"
#include "support/check_main.h"
#include "support/counting.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* ---- counting ------------------------------------------------------------ */

static void counting_on(void)
{
    ck_assert_int_eq(co_set_allocator(&co_test_counting), 0);
}

static void counting_off(void)
{
    ck_assert_int_eq(co_set_allocator(NULL), 0);
}

/* Address space in use, in KiB: what is mapped and forgotten shows here. Not
 * from statm: under qemu's user mode that counts qemu's own mappings. */
static long mapped_kib(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    unsigned long from, to, sum = 0;

    ck_assert_ptr_nonnull(f);
    while (fscanf(f, "%lx-%lx%*[^\n]", &from, &to) == 2)
        sum += to - from;
    ck_assert(feof(f));
    fclose(f);
    return (long)(sum / 1024);
}

/* ---- the fault loop ------------------------------------------------------ */

static int run_sizes(void);

/* One way to use the library. Returns 0 if it went well, the documented error
 * if it failed cleanly, and anything else is a bug. Runs on a thread of its
 * own, so that no warm stacks are there. */
typedef int (*scenario_fn)(void);

struct attempt {
    scenario_fn fn;
    unsigned n; /* which request fails; 0: none */
    unsigned requests;
    int result;
};

static void *attempt_thread(void *arg)
{
    struct attempt *a = arg;

    co__fault_after(a->n);
    a->result = a->fn();
    a->requests = co__fault_after(0);
    return NULL;
}

static void attempt_run(struct attempt *a)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, attempt_thread, a), 0);
    pthread_join(thread, NULL);
}

/* Returns how many attempts failed as documented. */
static int fault_loop(scenario_fn fn)
{
    struct attempt a = {.fn = fn};
    int failures = 0;
    int fds;
    long held, kib;

    /* What is made once a process is made, and descriptors of slabs, which are
     * kept for the next ones. */
    attempt_run(&(struct attempt){.fn = run_sizes});
    for (int i = 0; i < 3; i++) {
        attempt_run(&a);
        ck_assert_int_eq(a.result, 0);
    }
    fds = co_test_fds_open();
    held = atomic_load(&co_test_blocks);
    kib = mapped_kib();
    for (a.n = 1;; a.n++) {
        for (int again = 0; again < 5; again++) {
            attempt_run(&a);
            ck_assert_msg(a.result == 0 || a.result == -ENOMEM,
                          "request %u of %u failed: result %d", a.n, a.requests,
                          a.result);
            ck_assert_msg(atomic_load(&co_test_blocks) == held,
                          "request %u failed: %ld blocks left", a.n,
                          atomic_load(&co_test_blocks) - held);
            ck_assert_int_eq(co_test_fds_open(), fds);
        }
        if (a.requests < a.n)
            break;
        failures += a.result != 0;
        ck_assert_uint_lt(a.n, 10000);
    }
    ck_assert_int_eq(a.result, 0);
    /* Sanitizers map for themselves. */
    if (!CO_TEST_ONE_PROCESS || CO_TEST_EMULATED)
        ck_assert_msg(mapped_kib() - kib < 160, "%ld KiB stay mapped",
                      mapped_kib() - kib);
    return failures;
}

/* ---- scenarios ----------------------------------------------------------- */

static int make_a_loop(void)
{
    co_loop *loop;

    errno = 0;
    loop = co_loop_new(NULL);
    if (!loop)
        return -errno;
    co_loop_free(loop);
    return 0;
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int run_seven(void)
{
    int result = 99;
    int r = co_run_with(NULL, seven, NULL, &result);

    if (r < 0)
        return result == 99 ? r : 1;
    return result == 7 ? 0 : 2;
}

enum {
    MANY = 200,
};

static int count_up(void *arg)
{
    if (co_yield_now() < 0)
        return -1;
    ++*(int *)arg;
    return 0;
}

/* Spawn many; those that could not be spawned are told by errno, and the
 * others run to their end. */
static int spawn_many(void *arg)
{
    static _Thread_local co_task *tasks[MANY];
    int n = 0, count = 0, error = 0;

    (void)arg;
    for (int i = 0; i < MANY; i++) {
        errno = 0;
        tasks[n] = co_spawn(count_up, &count);
        if (tasks[n])
            n++;
        else if (errno == ENOMEM || errno == EAGAIN)
            error = -ENOMEM;
        else
            return 1;
    }
    for (int i = 0; i < n; i++) {
        int result = -1;

        if (co_join(tasks[i], &result) != 0 || result != 0)
            return 2;
    }
    if (count != n || co_loop_task_count(co_loop_running()) != 1)
        return 3;
    /* It was one request that failed: now there is memory again. */
    tasks[0] = co_spawn(count_up, &count);
    if (!tasks[0] || co_join(tasks[0], NULL) != 0)
        return 4;
    return error;
}

static int run_many(void)
{
    int result = 0;
    int r = co_run_with(NULL, spawn_many, NULL, &result);

    return r < 0 ? r : result;
}

static int run_many_sizes(void)
{
    co_loop *loop = co_loop_new(NULL);
    int r = 0, error = 0;

    if (!loop)
        return -errno;
    for (int i = 0; i < 3; i++) {
        int result = 0;

        r = co_loop_run_until(loop, spawn_many, NULL, &result);
        if (r < 0)
            error = r;
        else if (result != 0)
            error = result;
    }
    co_loop_free(loop);
    return error;
}

static int sleepers(void *arg)
{
    co_spawn_options options = {.size = sizeof(options), .detached = 1};

    (void)arg;
    for (int i = 0; i < 8; i++) {
        options.stack_size = CO_STACK_SIZE_MIN << i;
        errno = 0;
        if (!co_spawn_with(&options, count_up, arg) && errno != ENOMEM)
            return 1;
    }
    return co_sleep(CO_US);
}

static int run_sizes(void)
{
    static int count;
    int result = 0;
    int r = co_run_with(NULL, sleepers, &count, &result);

    return r < 0 ? r : result;
}

static void note(void *arg)
{
    ++*(int *)arg;
}

static int await_call(void *arg)
{
    int called = 0;
    co_call call = {.fn = note, .arg = &called};
    co_time until = co_now() + 20 * CO_SEC;

    (void)arg;
    if (co_call_soon_threadsafe(co_loop_running(), &call) != 0)
        return 1;
    while (!called && co_now() < until)
        if (co_sleep(10 * CO_US) < 0)
            return 2;
    return called == 1 ? 0 : 3;
}

/* A call is late without memory, but made. */
static int run_call(void)
{
    int result = 0;
    int r = co_run_with(NULL, await_call, NULL, &result);

    return r < 0 ? r : result;
}

static int leave_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < 70; i++)
        if (!co_spawn(count_up, arg) && errno != ENOMEM)
            return 1;
    return co_yield_now();
}

static int run_leftovers(void)
{
    static int count;
    int result = 0;
    int r = co_run_with(NULL, leave_some, &count, &result);

    return r < 0 ? r : result;
}

static int spawn_and_free(int turned)
{
    co_loop *loop = co_loop_new(NULL);
    static int count;
    int error = 0, r;

    if (!loop)
        return -errno;
    for (int i = 0; i < 100; i++)
        if (!co_loop_spawn(loop, count_up, &count) && errno == ENOMEM)
            error = -ENOMEM;
    r = turned ? co_loop_turn(loop, 0) : 0;
    if (r == -ENOMEM)
        error = r;
    else if (r < 0)
        error = 1;
    co_loop_free(loop); /* must not fail, memory or not */
    return error;
}

static int spawn_turn_free(void)
{
    return spawn_and_free(1);
}

static int spawn_free(void)
{
    return spawn_and_free(0);
}

START_TEST(co_loop_new_without_memory_leaves_nothing)
{
    ck_assert_int_ge(fault_loop(make_a_loop), 3);
}
END_TEST

START_TEST(co_run_without_memory_leaves_nothing)
{
    ck_assert_int_ge(fault_loop(run_seven), 4);
}
END_TEST

START_TEST(spawning_without_memory_leaves_nothing)
{
    ck_assert_int_ge(fault_loop(run_many), 5);
}
END_TEST

START_TEST(a_loop_that_ran_out_of_memory_runs_again)
{
    ck_assert_int_ge(fault_loop(run_many_sizes), 4);
}
END_TEST

START_TEST(stacks_of_all_sizes_without_memory_leave_nothing)
{
    fault_loop(run_sizes);
}
END_TEST

START_TEST(a_call_without_memory_is_made_later)
{
    fault_loop(run_call);
}
END_TEST

START_TEST(leftovers_without_memory_are_ended)
{
    fault_loop(run_leftovers);
}
END_TEST

START_TEST(freeing_a_loop_without_memory_ends_its_tasks)
{
    fault_loop(spawn_turn_free);
    fault_loop(spawn_free);
}
END_TEST

/* ---- random programs ----------------------------------------------------- */

enum {
    DEPTH_MAX = 4,
    CHILDREN_MAX = 4,
    STEPS_MAX = 12,
    PROGRAM_TASKS = 400, /* no more are spawned by one program */
};

struct program {
    uint64_t seed;
    int spawned, started, ended, wrong;
    uint64_t trace; /* of all that happened, in its order */
};

struct actor {
    struct program *program;
    int depth;
};

static uint64_t draw(struct program *p)
{
    p->seed ^= p->seed << 13; /* Marsaglia's xorshift64 */
    p->seed ^= p->seed >> 7;
    p->seed ^= p->seed << 17;
    return p->seed;
}

static void happened(struct program *p, int what)
{
    p->trace = (p->trace ^ (uint64_t)(uint32_t)what) * 1099511628211u;
    p->trace ^= (uint64_t)co_now();
}

static int act(void *arg);

static co_task *spawn_actor(struct actor *self, int *detached)
{
    struct program *p = self->program;
    struct actor *child;
    co_spawn_options options = {.size = sizeof(options)};
    co_task *task;

    *detached = 0;
    if (self->depth >= DEPTH_MAX || p->spawned >= PROGRAM_TASKS)
        return NULL;
    child = malloc(sizeof(*child));
    child->program = p;
    child->depth = self->depth + 1;
    options.detached = draw(p) % 4 == 0;
    task = co_spawn_with(&options, act, child);
    if (!task) {
        p->wrong += errno != ESHUTDOWN;
        free(child);
        return NULL;
    }
    p->spawned++;
    *detached = options.detached;
    return task;
}

/* Any of these may find the task cancelled, or under a limit that ran out. */
static int is_limit(int r)
{
    return r == 0 || r == -ECANCELED || r == -ETIMEDOUT;
}

static int wait_somehow(struct program *p)
{
    int r = draw(p) % 3 == 0 ? co_yield_now()
                             : co_sleep((co_time)(draw(p) % 50) * CO_MS);

    happened(p, r);
    p->wrong += !is_limit(r);
    return r;
}

static int act_in_scopes(struct program *p)
{
    co_scope scope = {0};
    int r = 0;

    switch (draw(p) % 4) {
    case 0:
        co_shield {
            r = wait_somehow(p);
            p->wrong += r != 0; /* unless an inner limit: there is none */
        }
        break;
    case 1:
        co_timeout_in(&scope, (co_time)(draw(p) % 60) * CO_MS) {
            r = wait_somehow(p);
            if (draw(p) % 2)
                co_timeout((co_time)(draw(p) % 60) * CO_MS) {
                    r = wait_somehow(p);
                }
        }
        break;
    case 2:
        co_timeout_in(&scope, CO_MS) {
            co_scope_reschedule(&scope, co_now() + 20 * CO_MS);
            r = wait_somehow(p);
        }
        break;
    default:
        co_timeout((co_time)(draw(p) % 30) * CO_MS) {
            co_shield {
                r = wait_somehow(p);
                p->wrong += r != 0;
            }
            r = wait_somehow(p);
        }
    }
    return r;
}

/* Take or give up a child, so that it is joined or detached in the end. */
static int settle(struct program *p, co_task *child)
{
    int result = 0;
    int r;

    if (draw(p) % 4 == 0) {
        r = co_detach(child);
        p->wrong += r != 0;
        return 1;
    }
    if (draw(p) % 3 == 0)
        co_cancel(child);
    r = co_join(child, &result);
    happened(p, r);
    p->wrong += !is_limit(r);
    return r == 0;
}

static int act(void *arg)
{
    struct actor *self = arg;
    struct program *p = self->program;
    co_task *children[CHILDREN_MAX];
    int steps = (int)(draw(p) % STEPS_MAX), n = 0, detached;

    p->started++;
    happened(p, 1000 + self->depth);
    for (int i = 0; i < steps; i++)
        switch (draw(p) % 6) {
        case 0:
        case 1:
            if (n < CHILDREN_MAX) {
                co_task *child = spawn_actor(self, &detached);

                if (child && !detached)
                    children[n++] = child;
            }
            break;
        case 2:
            wait_somehow(p);
            break;
        case 3:
            act_in_scopes(p);
            break;
        case 4:
            if (n && settle(p, children[n - 1]))
                n--;
            break;
        default:
            if (n && draw(p) % 2)
                p->wrong += co_cancel(children[draw(p) % (uint64_t)n]) < 1;
            else if (draw(p) % 8 == 0)
                co_cancel(co_self());
            else
                co_uncancel(co_self());
        }
    /* Most clean up; some leave their children to the loop. */
    if (draw(p) % 8)
        co_shield {
            while (n)
                p->wrong += co_join(children[--n], NULL) != 0;
        }
    p->ended++;
    happened(p, 2000 + self->depth);
    if (self->depth)
        free(self);
    return 0;
}

/* Returns the trace. */
static uint64_t run_program(uint64_t seed)
{
    struct program p = {.seed = seed * 0x9e3779b97f4a7c15u + 1};
    struct actor root = {.program = &p};
    uint64_t trace;
    co_loop *loop;
    int r;

    co__clock_virtual = 1;
    co__clock_virtual_now = CO_SEC;
    loop = co_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
    for (int i = 0; i < 4 && seed % 4; i++) { /* others beside the first */
        struct actor *beside = malloc(sizeof(*beside));

        beside->program = &p;
        beside->depth = 1;
        p.spawned++;
        if (!co_loop_spawn(loop, act, beside))
            p.wrong++;
    }
    r = co_loop_run_until(loop, act, &root, NULL);
    if (seed % 3 == 0 && r == 0)
        r = co_loop_run_until(loop, act, &root, NULL), p.spawned++;
    trace = p.trace; /* tasks that are left are cancelled in no given order */
    co_loop_free(loop);
    co__clock_virtual = 0;
    ck_assert_msg(r == 0 && p.wrong == 0 && p.started == p.spawned + 1 &&
                      p.ended == p.started,
                  "seed %llu: r %d, %d wrong, %d spawned, %d started, %d ended",
                  (unsigned long long)seed, r, p.wrong, p.spawned, p.started,
                  p.ended);
    return trace;
}

static int count_one(struct co_task *task, void *arg)
{
    (void)task;
    ++*(size_t *)arg;
    return 0;
}

static size_t stacks_in_use(void)
{
    struct co__stack_pool *pool = co__stack_pool_get();
    size_t count = 0;

    co__stack_pool_each(pool, count_one, &count);
    co__stack_pool_put(pool);
    return count;
}

START_TEST(random_programs_end_each_task_once)
{
    int seeds = co_test_scale(10000, 200);

    for (int seed = 1; seed <= seeds; seed++) {
        run_program((uint64_t)seed);
        if (seed % 100 == 0)
            ck_assert_uint_eq(stacks_in_use(), 0);
    }
}
END_TEST

START_TEST(a_seed_gives_the_same_program_again)
{
    for (uint64_t seed = 1; seed <= (uint64_t)co_test_scale(300, 20); seed++)
        ck_assert_msg(run_program(seed) == run_program(seed),
                      "seed %llu differs from itself",
                      (unsigned long long)seed);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("faults");
    TCase *tc = tcase_create("memory");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, counting_on, counting_off);
    tcase_set_timeout(tc, 170);
    tcase_add_test(tc, co_loop_new_without_memory_leaves_nothing);
    tcase_add_test(tc, co_run_without_memory_leaves_nothing);
    tcase_add_test(tc, spawning_without_memory_leaves_nothing);
    tcase_add_test(tc, a_loop_that_ran_out_of_memory_runs_again);
    tcase_add_test(tc, stacks_of_all_sizes_without_memory_leave_nothing);
    tcase_add_test(tc, a_call_without_memory_is_made_later);
    tcase_add_test(tc, leftovers_without_memory_are_ended);
    tcase_add_test(tc, freeing_a_loop_without_memory_ends_its_tasks);
    suite_add_tcase(s, tc);

    tc = tcase_create("random");
    co_test_check_fds(tc);
    tcase_set_timeout(tc, 170);
    tcase_add_test(tc, random_programs_end_each_task_once);
    tcase_add_test(tc, a_seed_gives_the_same_program_again);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
