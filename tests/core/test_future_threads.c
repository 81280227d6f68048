/* SPDX-License-Identifier: MIT */
/* Thread-safe futures: between plain threads, tasks, and loops on several
 * threads, and spawning into another thread's loop. What races here is for the
 * thread sanitizer to see. */
#include <coppice/call.h>
#include <coppice/future.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "core/task.h"

#include "support/check_main.h"
#include "support/random.h"
#include "support/stderr.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- threads, and loops on them ------------------------------------------ */

static pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t id;

    ck_assert_int_eq(pthread_create(&id, NULL, fn, arg), 0);
    return id;
}

static void end(pthread_t id)
{
    ck_assert_int_eq(pthread_join(id, NULL), 0);
}

static co_future *make(void)
{
    co_future *future = co_future_new_threadsafe();

    ck_assert_ptr_nonnull(future);
    return future;
}

/* A loop that a thread of its own runs. */
struct worker {
    co_loop *loop;
    pthread_t thread;
};

static void *run_loop(void *arg)
{
    struct worker *worker = arg;
    int r = co_loop_run_forever(worker->loop);

    co_loop_free(worker->loop);
    return r == 0 ? NULL : worker;
}

static void worker_start(struct worker *worker)
{
    worker->loop = co_loop_new(NULL);
    ck_assert_ptr_nonnull(worker->loop);
    worker->thread = start(run_loop, worker);
}

static void worker_stop(struct worker *worker)
{
    ck_assert_int_eq(co_loop_stop(worker->loop), 0);
    end(worker->thread);
}

struct waiting {
    co_future *future;
    co_time timeout; /* 0: none */
    int result;
    void *value;
};

static int run_wait(void *arg)
{
    struct waiting *wait = arg;

    if (!wait->timeout)
        return wait->result = co_wait(wait->future, &wait->value);
    co_timeout(wait->timeout) {
        wait->result = co_wait(wait->future, &wait->value);
    }
    return wait->result;
}

static void *wait_in_thread(void *arg)
{
    run_wait(arg);
    return NULL;
}

static int thing;

static void *resolve_in_thread(void *future)
{
    co_future_resolve(future, 7, &thing);
    return NULL;
}

/* ---- plain threads ------------------------------------------------------- */

START_TEST(thread_waits_for_what_another_resolves)
{
    for (int i = 0; i < co_test_scale(200, 50); i++) {
        struct waiting wait = {.future = make()};
        pthread_t waiter = start(wait_in_thread, &wait);

        if (i & 1)
            sched_yield();
        ck_assert_int_eq(co_future_resolve(wait.future, 3, &thing), 0);
        end(waiter);
        ck_assert_int_eq(wait.result, 3);
        ck_assert_ptr_eq(wait.value, &thing);
        co_future_unref(wait.future);
    }
}
END_TEST

static void count_up(co_future *future, void *count)
{
    ck_assert_int_eq(co_future_done(future), 1);
    ++*(int *)count;
}

START_TEST(without_a_loop_all_but_the_callbacks_works)
{
    co_future *future = make();
    void *value = NULL;

    ck_assert_int_eq(co_future_done(future), 0);
    ck_assert_int_eq(co_future_result(future, NULL), -EAGAIN);
    ck_assert_int_eq(co_future_resolve(future, -1, NULL), -EINVAL);
    ck_assert_int_eq(co_future_fail(future, 0), -EINVAL);
    ck_assert_int_eq(co_future_on_done(future, count_up, NULL), -EPERM);
    ck_assert_int_eq(co_future_remove_on_done(future, count_up, NULL), -EPERM);
    ck_assert_int_eq(co_future_resolve(future, 3, &thing), 0);
    ck_assert_int_eq(co_future_resolve(future, 4, NULL), -EALREADY);
    ck_assert_int_eq(co_future_cancel(future), -EALREADY);
    ck_assert_int_eq(co_wait(future, &value), 3);
    ck_assert_ptr_eq(value, &thing);
    co_future_unref(future);
    future = make();
    ck_assert_int_eq(co_future_cancel(future), 0);
    ck_assert_int_eq(co_future_cancelled(future), 1);
    ck_assert_int_eq(co_wait(future, NULL), -ECANCELED);
    co_future_unref(future);
    future = make();
    ck_assert_int_eq(co_future_fail(future, -EIO), 0);
    ck_assert_int_eq(co_future_cancelled(future), 0);
    ck_assert_int_eq(co_wait(future, NULL), -EIO);
    co_future_unref(future);
}
END_TEST

START_TEST(thread_waits_no_longer_than_its_scope)
{
    struct waiting wait = {.future = make(), .timeout = 5 * CO_MS};
    co_scope scope = {0};
    co_time begun = co_now();

    ck_assert_int_eq(run_wait(&wait), -ETIMEDOUT);
    ck_assert_int_ge(co_now() - begun, 5 * CO_MS);
    ck_assert_int_eq(co_future_done(wait.future), 0);
    co_timeout_in(&scope, 0) {
        ck_assert_int_eq(co_wait(wait.future, NULL), -ETIMEDOUT);
        ck_assert_int_eq(co_future_resolve(wait.future, 1, NULL), 0);
        ck_assert_int_eq(co_wait(wait.future, NULL), -ETIMEDOUT);
        co_shield {
            ck_assert_int_eq(co_wait(wait.future, NULL), 1);
        }
    }
    ck_assert_int_eq(co_scope_expired(&scope), 1);
    ck_assert_int_eq(co_wait(wait.future, NULL), 1);
    co_future_unref(wait.future);
}
END_TEST

START_TEST(any_number_of_threads_can_wait)
{
    struct waiting wait[8];
    pthread_t thread[8];
    co_future *future = make();

    for (int i = 0; i < 8; i++) {
        wait[i] = (struct waiting){.future = co_future_ref(future)};
        thread[i] = start(wait_in_thread, &wait[i]);
    }
    ck_assert_int_eq(co_future_fail(future, -EIO), 0);
    co_future_unref(future);
    for (int i = 0; i < 8; i++) {
        end(thread[i]);
        ck_assert_int_eq(wait[i].result, -EIO);
        co_future_unref(wait[i].future);
    }
}
END_TEST

static atomic_int winners;
static atomic_int go;

static void *race_to_resolve(void *future)
{
    int r;

    while (!atomic_load(&go))
        continue;
    r = co_future_resolve(future, 1, NULL);
    if (r == 0)
        atomic_fetch_add(&winners, 1);
    else
        ck_assert_int_eq(r, -EALREADY);
    co_future_unref(future);
    return NULL;
}

START_TEST(one_of_many_resolvers_wins)
{
    for (int round = 0; round < co_test_scale(100, 20); round++) {
        co_future *future = make();
        pthread_t thread[4];

        atomic_store(&winners, 0);
        atomic_store(&go, 0);
        for (int i = 0; i < 4; i++)
            thread[i] = start(race_to_resolve, co_future_ref(future));
        atomic_store(&go, 1);
        ck_assert_int_eq(co_wait(future, NULL), 1);
        co_future_unref(future);
        for (int i = 0; i < 4; i++)
            end(thread[i]);
        ck_assert_int_eq(atomic_load(&winners), 1);
    }
}
END_TEST

/* One thread waits and frees at once; the other has no reference of its own. */
struct relay {
    _Atomic(co_future *) next;
    int rounds;
};

static void *resolve_all(void *arg)
{
    struct relay *relay = arg;

    for (int i = 0; i < relay->rounds; i++) {
        co_future *future;

        while (!(future = atomic_exchange(&relay->next, NULL)))
            sched_yield();
        co_future_resolve(future, i, NULL);
    }
    return NULL;
}

static int free_all(void *arg)
{
    struct relay *relay = arg;

    for (int i = 0; i < relay->rounds; i++) {
        co_future *future = make();
        int r;

        atomic_store(&relay->next, future);
        if (i & 1)
            sched_yield();
        r = co_wait(future, NULL);
        co_future_unref(future);
        if (r != i)
            return -EIO;
    }
    return 0;
}

START_TEST(future_may_be_freed_as_soon_as_it_is_done)
{
    struct relay relay = {.rounds = co_test_scale(20000, 2000)};
    pthread_t thread = start(resolve_all, &relay);

    ck_assert_int_eq(free_all(&relay), 0);
    end(thread);
    thread = start(resolve_all, &relay);
    ck_assert_int_eq(co_run(free_all, &relay), 0);
    end(thread);
}
END_TEST

/* ---- tasks --------------------------------------------------------------- */

CO_TASK_TEST(task_waits_for_what_a_thread_resolves)
{
    for (int i = 0; i < co_test_scale(200, 50); i++) {
        struct waiting wait = {.future = make()};
        pthread_t thread = start(resolve_in_thread, wait.future);

        ck_assert_int_eq(run_wait(&wait), 7);
        ck_assert_ptr_eq(wait.value, &thing);
        end(thread);
        co_future_unref(wait.future);
    }
}

static struct co_test_log events;

static int wait_and_log(void *arg)
{
    struct waiting *wait = arg;
    int r = co_wait(wait->future, NULL);

    co_test_log_add(&events, (char)('a' + wait->result));
    return r;
}

CO_TASK_TEST(waiting_tasks_are_woken_in_the_order_they_came)
{
    for (int threaded = 0; threaded < 2; threaded++) {
        co_future *future = make();
        struct waiting wait[10];
        co_task *task[10];

        events = (struct co_test_log){.length = 0};
        for (int i = 0; i < 10; i++) {
            wait[i] = (struct waiting){.future = future, .result = i};
            task[i] = co_test_spawn(wait_and_log, &wait[i]);
        }
        co_test_yield();
        if (threaded)
            end(start(resolve_in_thread, future));
        else
            ck_assert_int_eq(co_future_resolve(future, 7, NULL), 0);
        for (int i = 9; i >= 0; i--)
            ck_assert_int_eq(co_test_result(task[i]), 7);
        ck_assert_str_eq(events.text, "abcdefghij");
        co_future_unref(future);
    }
}

CO_TASK_TEST(result_and_cancel_in_both_orders)
{
    for (int i = 0; i < 4; i++) {
        struct waiting wait = {.future = make()};
        co_task *task = co_test_spawn(run_wait, &wait);
        int cancel_first = i & 1, threaded = i & 2;

        co_test_yield();
        if (cancel_first)
            ck_assert_int_eq(co_cancel(task), 1);
        if (threaded)
            end(start(resolve_in_thread, wait.future));
        else
            ck_assert_int_eq(co_future_resolve(wait.future, 7, NULL), 0);
        if (!cancel_first)
            ck_assert_int_eq(co_cancel(task), 1);
        co_test_result(task);
        /* Here it has been told at once; a thread's word arrives in a turn. */
        if (!threaded && !cancel_first)
            ck_assert_int_eq(wait.result, 7);
        else
            ck_assert(wait.result == 7 || wait.result == -ECANCELED);
        ck_assert_int_eq(co_future_result(wait.future, NULL), 7);
        co_future_unref(wait.future);
    }
}

CO_TASK_TEST(wait_that_ends_early_leaves_the_future_pending)
{
    struct waiting wait[3];
    co_future *future = make();
    co_task *task[3];

    for (int i = 0; i < 3; i++) {
        wait[i] =
            (struct waiting){.future = future, .timeout = i == 1 ? CO_MS : 0};
        task[i] = co_test_spawn(run_wait, &wait[i]);
    }
    co_test_yield();
    ck_assert_int_eq(co_cancel(task[0]), 1);
    ck_assert_int_eq(co_test_result(task[0]), -ECANCELED);
    ck_assert_int_eq(co_test_result(task[1]), -ETIMEDOUT);
    ck_assert_int_eq(co_future_done(future), 0);
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(co_wait(future, NULL), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_int_eq(co_future_resolve(future, 2, NULL), 0);
    ck_assert_int_eq(co_test_result(task[2]), 2);
    co_future_unref(future);
}

/* Resolve it from a thread, which has ended then, or here. */
static void resolve_from(int threaded, co_future *future)
{
    if (threaded)
        end(start(resolve_in_thread, future));
    else
        ck_assert_int_eq(co_future_resolve(future, 7, &thing), 0);
}

CO_TASK_TEST(result_before_a_timeout_is_kept)
{
    for (int threaded = 0; threaded < 2; threaded++) {
        struct waiting wait = {.future = make(), .timeout = CO_SEC};
        co_task *task = co_test_spawn(run_wait, &wait);

        co_test_yield();
        resolve_from(threaded, wait.future);
        co_test_clock_pass(2 * CO_SEC);
        ck_assert_int_eq(co_test_result(task), 7);
        ck_assert_ptr_eq(wait.value, &thing);
        co_future_unref(wait.future);
    }
}

/* The task has not seen its timeout yet: what is there by then counts. */
CO_TASK_TEST(result_after_a_timeout_that_nobody_has_seen_is_kept)
{
    for (int threaded = 0; threaded < 2; threaded++) {
        struct waiting wait = {.future = make(), .timeout = CO_SEC};
        co_task *task = co_test_spawn(run_wait, &wait);

        /* Its timer is armed after this one, for the same time. */
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
        ck_assert_int_eq(task->state, CO__TASK_READY);
        resolve_from(threaded, wait.future);
        ck_assert_int_eq(co_test_result(task), 7);
        ck_assert_ptr_eq(wait.value, &thing);
        co_future_unref(wait.future);
    }
}

CO_TASK_TEST(result_after_a_timeout_that_was_seen_stays)
{
    for (int threaded = 0; threaded < 2; threaded++) {
        struct waiting wait = {.future = make(), .timeout = CO_SEC};
        co_task *task = co_test_spawn(run_wait, &wait);

        ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
        ck_assert_ptr_null(wait.value);
        resolve_from(threaded, wait.future);
        ck_assert_int_eq(co_wait(wait.future, &wait.value), 7);
        ck_assert_ptr_eq(wait.value, &thing);
        co_future_unref(wait.future);
    }
}

static int resolve_it(void *future)
{
    return co_future_resolve(future, 7, &thing);
}

CO_TASK_TEST(wait_allocates_nothing)
{
    enum {
        WARM = 100, /* by then debug builds, too, use stacks again */
        ALL = 120
    };
    co_future *futures[ALL];

    for (int i = 0; i < ALL; i++)
        futures[i] = make();
    for (int i = 0; i < ALL; i++) {
        struct waiting wait = {.future = futures[i], .timeout = CO_SEC};
        co_task *task;

        if (i == WARM)
            co__fault_after(0);
        task = co_test_spawn(resolve_it, wait.future);
        ck_assert_int_eq(run_wait(&wait), 7);
        ck_assert_int_eq(co_test_result(task), 0);
    }
    ck_assert_uint_eq(co__fault_after(0), 0);
    for (int i = 0; i < ALL; i++)
        co_future_unref(futures[i]);
}

struct from_callback {
    co_call call;
    co_future *future;
    int pending, done;
};

static void wait_in_callback(void *arg)
{
    struct from_callback *f = arg;

    f->pending = co_wait(f->future, NULL);
    ck_assert_int_eq(co_future_resolve(f->future, 5, NULL), 0);
    f->done = co_wait(f->future, NULL);
}

CO_TASK_TEST(callback_may_resolve_and_look_but_not_wait)
{
    struct from_callback f = {.future = make()};

    f.call = (co_call){.fn = wait_in_callback, .arg = &f};
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &f.call), 0);
    ck_assert_int_eq(co_wait(f.future, NULL), 5);
    ck_assert_int_eq(f.pending, -EPERM);
    ck_assert_int_eq(f.done, 5);
    co_future_unref(f.future);
}

/* Timeouts of about as long as the other thread takes. */
struct storm {
    _Atomic(co_future *) next;
    atomic_int over;
};

static void *resolve_at_random(void *arg)
{
    struct storm *storm = arg;
    struct co_test_random random = {23};

    while (!atomic_load(&storm->over)) {
        co_future *future = atomic_exchange(&storm->next, NULL);

        if (!future) {
            sched_yield();
            continue;
        }
        for (uint32_t n = co_test_random_below(&random, 400); n; n--)
            atomic_load(&storm->over);
        co_future_resolve(future, 1, NULL);
        co_future_unref(future);
    }
    return NULL;
}

static int wait_at_random(void *arg)
{
    struct storm *storm = arg;
    struct co_test_random random = {29};

    for (int i = 0; i < co_test_scale(5000, 500); i++) {
        struct waiting wait = {.future = make(),
                               .timeout =
                                   1 + co_test_random_below(&random, 20000)};
        co_future *old =
            atomic_exchange(&storm->next, co_future_ref(wait.future));

        co_future_unref(old); /* nobody has come for it */
        run_wait(&wait);
        ck_assert(wait.result == 1 || wait.result == -ETIMEDOUT);
        if (wait.result == 1)
            ck_assert_int_eq(co_future_done(wait.future), 1);
        co_future_unref(wait.future);
    }
    return 0;
}

START_TEST(timeouts_race_results_and_nothing_is_lost)
{
    for (int in_loop = 0; in_loop < 2; in_loop++) {
        struct storm storm = {.over = 0};
        pthread_t thread = start(resolve_at_random, &storm);

        if (in_loop)
            ck_assert_int_eq(co_run(wait_at_random, &storm), 0);
        else
            ck_assert_int_eq(wait_at_random(&storm), 0);
        atomic_store(&storm.over, 1);
        end(thread);
        co_future_unref(atomic_load(&storm.next));
    }
}
END_TEST

/* ---- functions that are called ------------------------------------------- */

CO_TASK_TEST(functions_are_called_on_the_loop_that_asked)
{
    int count = 0;

    for (int i = 0; i < 50; i++) {
        co_future *future = make();
        pthread_t thread;

        for (int j = 0; j < 3; j++)
            ck_assert_int_eq(co_future_on_done(future, count_up, &count), 0);
        thread = start(resolve_in_thread, future);
        while (count < 3 * (i + 1))
            ck_assert_int_eq(co_sleep(10 * CO_US), 0);
        end(thread);
        co_future_unref(future);
    }
    ck_assert_int_eq(count, 150);
}

/* It is taken back, or called: one of both, whatever the other thread does. */
CO_TASK_TEST(taking_back_races_the_result)
{
    for (int i = 0; i < co_test_scale(500, 100); i++) {
        co_future *future = make();
        int count = 0, back;
        pthread_t thread;

        for (int j = 0; j < 3; j++)
            ck_assert_int_eq(co_future_on_done(future, count_up, &count), 0);
        thread = start(resolve_in_thread, future);
        for (int spins = i % 300 * 10; spins; spins--)
            co_future_done(future);
        if (i & 1)
            co_test_yield();
        back = co_future_remove_on_done(future, count_up, &count);
        ck_assert_int_ge(back, 0);
        end(thread);
        ck_assert_int_eq(co_sleep(100 * CO_US), 0);
        ck_assert_int_eq(count + back, 3);
        co_future_unref(future);
    }
}

struct leaver {
    co_future *future;
    int count;
};

static int leave_requests(void *arg)
{
    struct leaver *leaver = arg;

    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(
            co_future_on_done(leaver->future, count_up, &leaver->count), 0);
    atomic_store(&go, 1);
    return 0;
}

static void *resolve_on_go(void *future)
{
    while (!atomic_load(&go))
        continue;
    co_future_resolve(future, 1, NULL);
    return NULL;
}

START_TEST(end_of_the_loop_races_the_result)
{
    for (int i = 0; i < co_test_scale(500, 100); i++) {
        struct leaver leaver = {.future = make()};
        pthread_t thread;

        atomic_store(&go, 0);
        thread = start(resolve_on_go, leaver.future);
        ck_assert_int_eq(co_run(leave_requests, &leaver), 0);
        ck_assert_int_le(leaver.count, 5);
        end(thread);
        co_future_unref(leaver.future);
    }
}
END_TEST

/* ---- loops on several threads -------------------------------------------- */

static int double_it(void *number)
{
    co_sleep((intptr_t)number % 3 * 10 * CO_US);
    return 2 * (int)(intptr_t)number;
}

START_TEST(thread_spawns_into_a_loop_and_waits)
{
    struct worker worker;

    worker_start(&worker);
    for (int i = 0; i < 100; i++) {
        co_future *future =
            co_spawn_on(worker.loop, double_it, co_test_number(i));

        ck_assert_ptr_nonnull(future);
        ck_assert_int_eq(co_future_resolve(future, 1, NULL), -EPERM);
        ck_assert_int_eq(co_wait(future, NULL), 2 * i);
        ck_assert_int_eq(co_future_cancel(future), -EALREADY);
        co_future_unref(future);
    }
    worker_stop(&worker);
}
END_TEST

static int spawn_many(void *loop)
{
    for (int round = 0; round < co_test_scale(50, 10); round++) {
        co_future *future[50];

        for (int i = 0; i < 50; i++) {
            future[i] = co_spawn_on(loop, double_it, co_test_number(i));
            ck_assert_ptr_nonnull(future[i]);
        }
        for (int i = 49; i >= 0; i--) {
            ck_assert_int_eq(co_wait(future[i], NULL), 2 * i);
            co_future_unref(future[i]);
        }
    }
    return 0;
}

static void *spawn_from_thread(void *loop)
{
    spawn_many(loop);
    return NULL;
}

START_TEST(threads_and_loops_spawn_into_each_other)
{
    struct worker worker[2];
    co_future *across[2];
    pthread_t thread[2];

    for (int i = 0; i < 2; i++)
        worker_start(&worker[i]);
    for (int i = 0; i < 2; i++) {
        across[i] = co_spawn_on(worker[i].loop, spawn_many, worker[!i].loop);
        thread[i] = start(spawn_from_thread, worker[i].loop);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(co_wait(across[i], NULL), 0);
        co_future_unref(across[i]);
        end(thread[i]);
    }
    for (int i = 0; i < 2; i++)
        worker_stop(&worker[i]);
}
END_TEST

/* Two tasks on two loops hand a ball to and fro. */
struct match {
    co_future *ball[2][200];
    int side[2];
};

static struct match match;

static int play(void *arg)
{
    int side = *(int *)arg;

    for (int i = 0; i < 200; i++) {
        if (side)
            if (co_wait(match.ball[0][i], NULL) != i)
                return -EIO;
        if (co_future_resolve(match.ball[side][i], i, NULL) < 0)
            return -EIO;
        if (!side)
            if (co_wait(match.ball[1][i], NULL) != i)
                return -EIO;
    }
    return 0;
}

START_TEST(tasks_of_two_loops_take_turns)
{
    struct worker worker[2];
    co_future *future[2];

    for (int i = 0; i < 200; i++)
        for (int side = 0; side < 2; side++)
            match.ball[side][i] = make();
    for (int i = 0; i < 2; i++) {
        match.side[i] = i;
        worker_start(&worker[i]);
        future[i] = co_spawn_on(worker[i].loop, play, &match.side[i]);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(co_wait(future[i], NULL), 0);
        co_future_unref(future[i]);
    }
    for (int i = 0; i < 2; i++)
        worker_stop(&worker[i]);
    for (int i = 0; i < 200; i++)
        for (int side = 0; side < 2; side++)
            co_future_unref(match.ball[side][i]);
}
END_TEST

static atomic_int cancels_seen;

static int end_when_cancelled(void *unused)
{
    int r = co_sleep_until(CO_NEVER);

    (void)unused;
    if (r == -ECANCELED)
        atomic_fetch_add(&cancels_seen, 1);
    return r;
}

START_TEST(cancel_of_the_future_cancels_the_task)
{
    struct worker worker;

    atomic_store(&cancels_seen, 0);
    worker_start(&worker);
    for (int i = 0; i < 50; i++) {
        co_future *future = co_spawn_on(worker.loop, end_when_cancelled, NULL);
        struct waiting wait = {.future = future, .timeout = CO_MS};

        if (i % 10 == 9)
            ck_assert_int_eq(run_wait(&wait), -ETIMEDOUT);
        for (int j = 0; j < 3; j++) {
            int r = co_future_cancel(future);

            ck_assert(r == 0 || r == -EALREADY);
        }
        ck_assert_int_eq(co_wait(future, NULL), -ECANCELED);
        ck_assert_int_eq(co_future_cancelled(future), 1);
        co_future_unref(future);
    }
    ck_assert_int_eq(atomic_load(&cancels_seen), 50);
    worker_stop(&worker);
}
END_TEST

/* The request may come before, amid, or after the end of the task. */
START_TEST(cancel_races_the_end_of_the_task)
{
    struct worker worker;

    worker_start(&worker);
    for (int i = 0; i < co_test_scale(2000, 300); i++) {
        co_future *future =
            co_spawn_on(worker.loop, co_test_return, co_test_number(3));
        int r;

        for (int spins = i % 500 * 10; spins; spins--)
            co_future_done(future);
        r = co_future_cancel(future);
        ck_assert(r == 0 || r == -EALREADY);
        ck_assert_int_eq(co_wait(future, NULL), 3);
        ck_assert_int_eq(co_future_cancelled(future), 0);
        co_future_unref(future);
    }
    worker_stop(&worker);
}
END_TEST

START_TEST(task_that_is_left_resolves_its_future)
{
    struct worker worker;
    co_future *future[10];

    worker_start(&worker);
    for (int i = 0; i < 10; i++)
        future[i] = co_spawn_on(worker.loop, end_when_cancelled, NULL);
    worker_stop(&worker);
    for (int i = 0; i < 10; i++) {
        int r = co_wait(future[i], NULL);

        ck_assert(r == -ECANCELED || r == -ESHUTDOWN);
        co_future_unref(future[i]);
    }
}
END_TEST

START_TEST(loop_that_never_runs_refuses)
{
    co_loop *loop = co_loop_new(NULL);
    co_future *future = co_spawn_on(loop, co_test_return, NULL);

    ck_assert_ptr_nonnull(future);
    ck_assert_int_eq(co_future_cancel(future), 0);
    ck_assert_int_eq(co_future_done(future), 0);
    co_loop_free(loop);
    ck_assert_int_eq(co_future_result(future, NULL), -ESHUTDOWN);
    co_future_unref(future);
}
END_TEST

/* The caller may not want to know. */
START_TEST(future_of_a_spawned_task_may_be_dropped)
{
    struct worker worker;

    worker_start(&worker);
    for (int i = 0; i < 100; i++)
        co_future_unref(co_spawn_on(worker.loop, double_it, co_test_number(i)));
    worker_stop(&worker);
}
END_TEST

/* ---- errors that nobody looked at ---------------------------------------- */

static void *fail_and_forget(void *future)
{
    co_future_fail(future, -EIO);
    co_future_unref(future);
    return NULL;
}

/* The thread drops the last reference, to what this has made. */
static int make_for_a_thread(void *unused)
{
    (void)unused;
    end(start(fail_and_forget, make()));
    return 0;
}

START_TEST(error_that_a_thread_forgets_is_reported)
{
    static const struct {
        const char *environment;
        int in_loop, debug, reported;
    } cases[] = {
        {"1", 0, 0, 1},
        {"0", 0, 0, 0},
        {"0", 1, 1, 1},
        {"0", 1, 0, 0},
    };
    co_loop_options options = {.size = sizeof(options)};

    for (size_t i = 0; i < CO_ARRAY_LEN(cases); i++) {
        FILE *file = co_test_stderr_catch();
        const char *text;

        setenv("COPPICE_DEBUG", cases[i].environment, 1);
        options.debug = cases[i].debug;
        if (!cases[i].in_loop)
            make_for_a_thread(NULL);
        else if (co_run_with(&options, make_for_a_thread, NULL, NULL) < 0)
            abort();
        unsetenv("COPPICE_DEBUG");
        text = co_test_stderr_caught(file);
        ck_assert_int_eq(strstr(text, "error was never looked at") != NULL,
                         cases[i].reported);
        ck_assert_int_eq(strstr(text, __FILE__) != NULL, cases[i].reported);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("core/future_threads");
    TCase *tc = tcase_create("future_threads");

    co_test_check_fds(tc);
    tcase_add_test(tc, thread_waits_for_what_another_resolves);
    tcase_add_test(tc, without_a_loop_all_but_the_callbacks_works);
    tcase_add_test(tc, thread_waits_no_longer_than_its_scope);
    tcase_add_test(tc, any_number_of_threads_can_wait);
    tcase_add_test(tc, one_of_many_resolvers_wins);
    tcase_add_test(tc, future_may_be_freed_as_soon_as_it_is_done);
    tcase_add_test(tc, task_waits_for_what_a_thread_resolves);
    tcase_add_test(tc, waiting_tasks_are_woken_in_the_order_they_came);
    tcase_add_test(tc, result_and_cancel_in_both_orders);
    tcase_add_test(tc, wait_that_ends_early_leaves_the_future_pending);
    tcase_add_test(tc, callback_may_resolve_and_look_but_not_wait);
    tcase_add_test(tc, timeouts_race_results_and_nothing_is_lost);
    tcase_add_test(tc, functions_are_called_on_the_loop_that_asked);
    tcase_add_test(tc, taking_back_races_the_result);
    tcase_add_test(tc, end_of_the_loop_races_the_result);
    tcase_add_test(tc, thread_spawns_into_a_loop_and_waits);
    tcase_add_test(tc, threads_and_loops_spawn_into_each_other);
    tcase_add_test(tc, tasks_of_two_loops_take_turns);
    tcase_add_test(tc, cancel_of_the_future_cancels_the_task);
    tcase_add_test(tc, cancel_races_the_end_of_the_task);
    tcase_add_test(tc, task_that_is_left_resolves_its_future);
    tcase_add_test(tc, loop_that_never_runs_refuses);
    tcase_add_test(tc, future_of_a_spawned_task_may_be_dropped);
    tcase_add_test(tc, error_that_a_thread_forgets_is_reported);
    suite_add_tcase(s, tc);

    tc = tcase_create("in turn");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, result_before_a_timeout_is_kept);
    tcase_add_test(tc, result_after_a_timeout_that_nobody_has_seen_is_kept);
    tcase_add_test(tc, result_after_a_timeout_that_was_seen_stays);
    tcase_add_test(tc, wait_allocates_nothing);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
