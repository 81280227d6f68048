/* SPDX-License-Identifier: MIT */
/* Locks of threads, between tasks. "mutex held across a park",
 * "recursive mutex across a park", "pthread_cond_wait in a task",
 * "pthread_once init that parks", "pthread_join in a task", and the untested
 * "rwlock/sem". */
#include "hook/hook_support.h"

#include "support/virtual_clock.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

int __pthread_mutex_lock(pthread_mutex_t *mutex);
int __pthread_mutex_unlock(pthread_mutex_t *mutex);

static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                            PTHREAD_MUTEX_ERRORCHECK,
                            PTHREAD_MUTEX_ADAPTIVE_NP};
#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

static pthread_mutex_t mutex;
static pthread_cond_t cond;

static void mutex_make(int kind)
{
    pthread_mutexattr_t attr;

    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, kind), 0);
    ck_assert_int_eq(pthread_mutex_init(&mutex, &attr), 0);
    pthread_mutexattr_destroy(&attr);
}

static void lock(void)
{
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
}

static void unlock(void)
{
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
}

/* What pthreads call an error, a task returns as ours. */
static int lock_in_task(void *unused)
{
    (void)unused;
    return -pthread_mutex_lock(&mutex);
}

static int trylock_in_task(void *unused)
{
    (void)unused;
    return -pthread_mutex_trylock(&mutex);
}

static int unlock_in_task(void *unused)
{
    (void)unused;
    return -pthread_mutex_unlock(&mutex);
}

static int lock_and_unlock(void *unused)
{
    int r = lock_in_task(unused);

    return r < 0 ? r : unlock_in_task(unused);
}

static int result_of(co_task_fn fn)
{
    return co_test_result(co_test_spawn(fn, NULL));
}

static co_task *begun(co_task_fn fn, void *arg)
{
    co_task *task = co_test_spawn(fn, arg);

    co_test_yield();
    return task;
}

/* It waits, or is about to look again whether it has to. */
static void still_waits(const co_task *task)
{
    ck_assert(task->state == CO__TASK_PARKED || task->state == CO__TASK_READY);
}

static co_task *waiting(co_task_fn fn, void *arg)
{
    co_task *task = begun(fn, arg);

    still_waits(task);
    return task;
}

/* Far more than a test takes: on the virtual clock it is over at once, and what
 * has to wait does so however slow it is. */
#define MINUTE 60000

static struct timespec in_ms(clockid_t clock, int ms)
{
    struct timespec t;

    clock_gettime(clock, &t);
    t.tv_nsec += ms % 1000 * 1000000L;
    t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* ---- mutexes ------------------------------------------------------------- */

/* Time stands still, so the task is woken by the unlock, and not by its look
 * for itself. */
EACH_TEST(an_unlock_wakes_who_waits)
{
    co_task *task;

    mutex_make(kinds[i]);
    lock();
    task = waiting(lock_and_unlock, NULL);
    unlock();
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
    ck_assert_int_eq(__pthread_mutex_lock(&mutex), 0);
    task = waiting(lock_and_unlock, NULL);
    ck_assert_int_eq(__pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
    pthread_mutex_destroy(&mutex);
}

EACH_TEST(a_task_has_a_mutex_for_itself)
{
    mutex_make(kinds[i]);
    lock();
    ck_assert_int_eq(result_of(trylock_in_task), -EBUSY);
    if (kinds[i] == PTHREAD_MUTEX_RECURSIVE ||
        kinds[i] == PTHREAD_MUTEX_ERRORCHECK)
        ck_assert_int_eq(result_of(unlock_in_task), -EPERM);
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(result_of(trylock_in_task), -EBUSY);
    unlock();
    ck_assert_int_eq(result_of(lock_and_unlock), 0);
    pthread_mutex_destroy(&mutex);
}

CO_TASK_TEST(a_recursive_mutex_is_free_when_it_is_let_go_as_often)
{
    co_task *task;

    mutex_make(PTHREAD_MUTEX_RECURSIVE);
    lock();
    lock();
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), 0);
    task = waiting(lock_and_unlock, NULL);
    unlock();
    unlock();
    co_test_yield();
    still_waits(task);
    ck_assert_int_eq(result_of(trylock_in_task), -EBUSY);
    unlock();
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), EPERM);
    pthread_mutex_destroy(&mutex);
}

/* What is locked while the hooks are paused counts too. */
CO_TASK_TEST(a_pause_within_a_recursive_lock_keeps_count)
{
    mutex_make(PTHREAD_MUTEX_RECURSIVE);
    lock();
    co_hook_pause lock();
    unlock();
    ck_assert_int_eq(result_of(trylock_in_task), -EBUSY);
    co_hook_pause unlock();
    ck_assert_int_eq(result_of(lock_and_unlock), 0);
    pthread_mutex_destroy(&mutex);
}

CO_TASK_TEST(an_error_checking_mutex_knows_its_task)
{
    struct timespec soon = in_ms(CLOCK_REALTIME, MINUTE);

    mutex_make(PTHREAD_MUTEX_ERRORCHECK);
    lock();
    ck_assert_int_eq(pthread_mutex_lock(&mutex), EDEADLK);
    ck_assert_int_eq(pthread_mutex_timedlock(&mutex, &soon), EDEADLK);
    unlock();
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), EPERM);
    pthread_mutex_destroy(&mutex);
}

static int timedlock(void *ms)
{
    struct timespec t = in_ms(CLOCK_REALTIME, (int)(intptr_t)ms);

    return -pthread_mutex_timedlock(&mutex, &t);
}

static int clocklock(void *ms)
{
    struct timespec t = in_ms(CLOCK_MONOTONIC, (int)(intptr_t)ms);

    return -pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &t);
}

static int wrongly_timed_lock(void *unused)
{
    struct timespec wrong = {0, -1};

    (void)unused;
    return -pthread_mutex_timedlock(&mutex, &wrong);
}

EACH_TEST(a_timed_lock_ends_when_its_time_does)
{
    co_task *task;
    struct timespec wrong = {0, -1};

    mutex_make(kinds[i]);
    lock();
    task = waiting(timedlock, co_test_number(MINUTE));
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    task = waiting(clocklock, co_test_number(MINUTE));
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    task = begun(timedlock, co_test_number(-1000));
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    unlock();
    /* The time is looked at only by who has to wait. */
    ck_assert_int_eq(pthread_mutex_timedlock(&mutex, &wrong), 0);
    ck_assert_int_eq(result_of(wrongly_timed_lock), -EINVAL);
    unlock();
    pthread_mutex_destroy(&mutex);
}

/* Who is cancelled gets the lock: no caller could do without. */
EACH_TEST(a_cancel_does_not_break_a_lock)
{
    co_task *task;

    mutex_make(kinds[i]);
    lock();
    task = waiting(lock_and_unlock, NULL);
    co_cancel(task);
    co_test_yield();
    still_waits(task);
    unlock();
    ck_assert_int_eq(co_test_result(task), 0);
    pthread_mutex_destroy(&mutex);
}

/* ---- exclusion: tasks of one thread, of two loops, and a plain thread ---- */

#define ROUNDS 100
#define TASKS  6

static int inside, together, entered, recursive;

static int critical(void *seed)
{
    unsigned x = (unsigned)(intptr_t)seed * 2654435761u;
    int depth = recursive ? 2 : 1;

    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < depth; k++)
            if (pthread_mutex_lock(&mutex) != 0)
                return -EIO;
        if (inside++)
            together++;
        entered++;
        x = x * 1664525u + 1013904223u;
        if (co_self() && x >> 30 == 0)
            co_sleep(1);
        else if (co_self() && x >> 30 == 1)
            co_yield_now();
        inside--;
        for (int k = 0; k < depth; k++)
            if (pthread_mutex_unlock(&mutex) != 0)
                return -EIO;
        if (co_self() && x >> 31)
            co_yield_now();
    }
    return 0;
}

static int crowd(void *seed)
{
    co_task *tasks[TASKS];
    int r = 0, result;

    for (int i = 0; i < TASKS; i++) {
        tasks[i] = co_spawn(critical, co_test_number((intptr_t)seed + i));
        if (!tasks[i])
            return -ENOMEM;
    }
    for (int i = 0; i < TASKS; i++)
        if (co_join(tasks[i], &result) < 0 || result < 0)
            r = -EIO;
    return r;
}

static void *crowd_in_loop(void *seed)
{
    return co_test_number(co_run(crowd, seed));
}

static void *critical_in_thread(void *seed)
{
    return co_test_number(critical(seed));
}

START_TEST(nobody_is_in_it_together)
{
    pthread_t loop, plain;
    void *r;

    mutex_make(kinds[_i % KINDS]);
    inside = together = entered = 0;
    recursive = kinds[_i % KINDS] == PTHREAD_MUTEX_RECURSIVE;
    pthread_create(&loop, NULL, crowd_in_loop, co_test_number(_i * 31 + 7));
    pthread_create(&plain, NULL, critical_in_thread, co_test_number(_i + 3));
    ck_assert_int_eq(co_run(crowd, co_test_number(_i * 17)), 0);
    ck_assert_int_eq(pthread_join(loop, &r), 0);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(pthread_join(plain, &r), 0);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(together, 0);
    ck_assert_int_eq(entered, (2 * TASKS + 1) * ROUNDS);
    pthread_mutex_destroy(&mutex);
}
END_TEST

/* ---- conditions ---------------------------------------------------------- */

static int go, woken;

static int wait_for_go(void *unused)
{
    int r = 0;

    (void)unused;
    lock();
    while (!go && r == 0)
        r = pthread_cond_wait(&cond, &mutex);
    go -= go > 0;
    woken++;
    unlock();
    return -r;
}

static void cond_make(int kind)
{
    mutex_make(kind);
    ck_assert_int_eq(pthread_cond_init(&cond, NULL), 0);
    go = woken = 0;
}

static void cond_drop(void)
{
    pthread_cond_destroy(&cond);
    pthread_mutex_destroy(&mutex);
}

EACH_TEST(a_signal_wakes_one_and_a_broadcast_all)
{
    co_task *tasks[4];

    cond_make(kinds[i]);
    for (int k = 0; k < 4; k++)
        tasks[k] = waiting(wait_for_go, NULL);
    lock();
    go = 1;
    ck_assert_int_eq(pthread_cond_signal(&cond), 0);
    unlock();
    ck_assert_int_eq(co_test_result(tasks[0]), 0);
    ck_assert_int_eq(woken, 1);
    lock();
    go = 3;
    ck_assert_int_eq(pthread_cond_broadcast(&cond), 0);
    unlock();
    for (int k = 1; k < 4; k++)
        ck_assert_int_eq(co_test_result(tasks[k]), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
    cond_drop();
}

static int timedwait(void *ms)
{
    struct timespec t = in_ms(CLOCK_REALTIME, (int)(intptr_t)ms);
    int r;

    lock();
    r = pthread_cond_timedwait(&cond, &mutex, &t);
    unlock();
    return -r;
}

static int clockwait(void *ms)
{
    struct timespec t = in_ms(CLOCK_MONOTONIC, (int)(intptr_t)ms);
    int r;

    lock();
    r = pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &t);
    unlock();
    return -r;
}

/* CLOCK_MONOTONIC says another time than CLOCK_REALTIME: a wait by the wrong
 * one would end at once. */
static int timedwait_monotonic(void *ms)
{
    struct timespec t = in_ms(CLOCK_MONOTONIC, (int)(intptr_t)ms);
    int r;

    lock();
    r = pthread_cond_timedwait(&cond, &mutex, &t);
    unlock();
    return -r;
}

EACH_TEST(a_timed_wait_ends_when_its_time_does)
{
    pthread_condattr_t attr;
    co_task *task;

    cond_make(kinds[i]);
    task = waiting(timedwait, co_test_number(MINUTE));
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    task = waiting(clockwait, co_test_number(MINUTE));
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    task = waiting(timedwait, co_test_number(MINUTE));
    ck_assert_int_eq(pthread_cond_signal(&cond), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    pthread_cond_destroy(&cond);

    ck_assert_int_eq(pthread_condattr_init(&attr), 0);
    ck_assert_int_eq(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), 0);
    ck_assert_int_eq(pthread_cond_init(&cond, &attr), 0);
    pthread_condattr_destroy(&attr);
    task = waiting(timedwait_monotonic, co_test_number(MINUTE));
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    cond_drop();
}

/* As POSIX allows, it wakes for no reason; its program looks round. */
CO_TASK_TEST(a_cancelled_wait_wakes_for_no_reason)
{
    co_task *task;

    cond_make(PTHREAD_MUTEX_NORMAL);
    task = waiting(timedwait, co_test_number(MINUTE));
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), 0);
    task = waiting(wait_for_go, NULL);
    co_cancel(task);
    ck_assert_int_eq(co_sleep(10 * CO_MS), 0);
    ck_assert_int_eq(woken, 0);
    go = 1;
    ck_assert_int_eq(co_test_result(task), 0);
    cond_drop();
}

CO_TASK_TEST(a_mutex_that_is_not_held_is_eperm)
{
    cond_make(PTHREAD_MUTEX_ERRORCHECK);
    ck_assert_int_eq(pthread_cond_wait(&cond, &mutex), EPERM);
    cond_drop();
}

static void *signal_from_thread(void *unused)
{
    (void)unused;
    lock();
    go = 1;
    pthread_cond_signal(&cond);
    unlock();
    return NULL;
}

static void *wait_in_thread(void *unused)
{
    wait_for_go(unused);
    return NULL;
}

CO_TASK_TEST(threads_and_tasks_signal_each_other)
{
    pthread_t thread;
    co_task *task;

    cond_make(PTHREAD_MUTEX_NORMAL);
    task = waiting(wait_for_go, NULL);
    pthread_create(&thread, NULL, signal_from_thread, NULL);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_create(&thread, NULL, wait_in_thread, NULL);
    lock();
    go = 1;
    pthread_cond_signal(&cond);
    unlock();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(woken, 2);
    cond_drop();
}

/* Tokens that one passes to the other: one wake-up lost, and it is over. */
#define TOKENS 2000

static int turn, turns;

static int take_turns(void *whose)
{
    for (int i = 0; i < turns; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != (int)(intptr_t)whose)
            pthread_cond_wait(&cond, &mutex);
        turn = (turn + 1) % 3;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return 0;
}

static void *take_turns_in_loop(void *whose)
{
    return co_test_number(co_run(take_turns, whose));
}

static void *take_turns_in_thread(void *whose)
{
    return co_test_number(take_turns(whose));
}

START_TEST(no_wake_up_is_lost_between_threads)
{
    pthread_t loop, plain;

    cond_make(PTHREAD_MUTEX_NORMAL);
    turn = 0;
    turns = co_test_scale(TOKENS, TOKENS / 10);
    pthread_create(&loop, NULL, take_turns_in_loop, co_test_number(1));
    pthread_create(&plain, NULL, take_turns_in_thread, co_test_number(2));
    ck_assert_int_eq(co_run(take_turns, co_test_number(0)), 0);
    pthread_join(loop, NULL);
    pthread_join(plain, NULL);
    ck_assert_int_eq(turn, 0);
    cond_drop();
}
END_TEST

/* ---- locks for readers and writers --------------------------------------- */

static pthread_rwlock_t rwlock;

static int read_lock(void *unused)
{
    (void)unused;
    return -pthread_rwlock_rdlock(&rwlock);
}

static int write_lock(void *unused)
{
    (void)unused;
    return -pthread_rwlock_wrlock(&rwlock);
}

static int timed_read_lock(void *ms)
{
    struct timespec t = in_ms(CLOCK_REALTIME, (int)(intptr_t)ms);

    return -pthread_rwlock_timedrdlock(&rwlock, &t);
}

static int timed_write_lock(void *ms)
{
    struct timespec t = in_ms(CLOCK_REALTIME, (int)(intptr_t)ms);

    return -pthread_rwlock_timedwrlock(&rwlock, &t);
}

static void rw_unlock(void)
{
    ck_assert_int_eq(pthread_rwlock_unlock(&rwlock), 0);
}

/* Who locks it lets it go, when it may. */
static int held;

static int hold(co_task_fn lock_it)
{
    int r = lock_it(NULL);

    if (r < 0)
        return r;
    while (held)
        co_yield_now();
    rw_unlock();
    return 0;
}

static int read_and_hold(void *unused)
{
    (void)unused;
    return hold(read_lock);
}

static int write_and_hold(void *unused)
{
    (void)unused;
    return hold(write_lock);
}

CO_TASK_TEST(readers_share_and_a_writer_does_not)
{
    co_task *writer, *reader;

    ck_assert_int_eq(pthread_rwlock_init(&rwlock, NULL), 0);
    held = 1;
    reader = begun(read_and_hold, NULL);
    ck_assert_int_eq(read_lock(NULL), 0);
    writer = waiting(write_and_hold, NULL);
    co_cancel(writer); /* which no lock heeds */
    rw_unlock();
    co_test_yield();
    still_waits(writer);
    held = 0;
    ck_assert_int_eq(co_test_result(reader), 0);
    ck_assert_int_eq(co_test_result(writer), 0);
    ck_assert_int_eq(write_lock(NULL), 0);
    reader = waiting(read_and_hold, NULL);
    writer = waiting(write_and_hold, NULL);
    rw_unlock();
    ck_assert_int_eq(co_test_result(reader), 0);
    ck_assert_int_eq(co_test_result(writer), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
    pthread_rwlock_destroy(&rwlock);
}

CO_TASK_TEST(timed_locks_of_readers_and_writers_end)
{
    ck_assert_int_eq(pthread_rwlock_init(&rwlock, NULL), 0);
    ck_assert_int_eq(pthread_rwlock_wrlock(&rwlock), 0);
    ck_assert_int_eq(
        co_test_result(waiting(timed_read_lock, co_test_number(MINUTE))),
        -ETIMEDOUT);
    ck_assert_int_eq(
        co_test_result(waiting(timed_write_lock, co_test_number(MINUTE))),
        -ETIMEDOUT);
    rw_unlock();
    ck_assert_int_eq(timed_read_lock(co_test_number(MINUTE)), 0);
    rw_unlock();
    pthread_rwlock_destroy(&rwlock);
}

static int clocked_locks(void *ms)
{
    struct timespec t = in_ms(CLOCK_MONOTONIC, (int)(intptr_t)ms);
    int r = pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &t);

    return r == pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &t) ? -r
                                                                         : 1;
}

/* As the C library tells a thread. */
CO_TASK_TEST(a_writer_that_waits_for_itself_is_told)
{
    co_task *other;

    ck_assert_int_eq(pthread_rwlock_init(&rwlock, NULL), 0);
    for (int by_try = 0; by_try < 2; by_try++) {
        ck_assert_int_eq(by_try ? pthread_rwlock_trywrlock(&rwlock)
                                : pthread_rwlock_wrlock(&rwlock),
                         0);
        ck_assert_int_eq(write_lock(NULL), -EDEADLK);
        ck_assert_int_eq(read_lock(NULL), -EDEADLK);
        ck_assert_int_eq(timed_write_lock(co_test_number(MINUTE)), -EDEADLK);
        ck_assert_int_eq(timed_read_lock(co_test_number(MINUTE)), -EDEADLK);
        ck_assert_int_eq(clocked_locks(co_test_number(MINUTE)), -EDEADLK);
        ck_assert_int_eq(pthread_rwlock_trywrlock(&rwlock), EBUSY);
        ck_assert_int_eq(
            co_test_result(waiting(clocked_locks, co_test_number(MINUTE))),
            -ETIMEDOUT);
        held = 0;
        other = waiting(write_and_hold, NULL);
        rw_unlock();
        ck_assert_int_eq(co_test_result(other), 0);
    }
    ck_assert_int_eq(read_lock(NULL), 0);
    ck_assert_int_eq(read_lock(NULL), 0);
    rw_unlock();
    rw_unlock();
    pthread_rwlock_destroy(&rwlock);
}

/* ---- semaphores ---------------------------------------------------------- */

static sem_t sem;

static int take(void *unused)
{
    (void)unused;
    return sem_wait(&sem) < 0 ? -errno : 0;
}

static int take_until(void *ms)
{
    struct timespec t = in_ms(CLOCK_REALTIME, (int)(intptr_t)ms);

    return sem_timedwait(&sem, &t) < 0 ? -errno : 0;
}

static int take_until_monotonic(void *ms)
{
    struct timespec t = in_ms(CLOCK_MONOTONIC, (int)(intptr_t)ms);

    return sem_clockwait(&sem, CLOCK_MONOTONIC, &t) < 0 ? -errno : 0;
}

CO_TASK_TEST(a_semaphore_parks)
{
    struct timespec wrong = {0, -1};
    co_task *task, *other;

    ck_assert_int_eq(sem_init(&sem, 0, 1), 0);
    ck_assert_int_eq(take(NULL), 0);
    task = waiting(take, NULL);
    other = waiting(take, NULL);
    co_cancel(other);
    ck_assert_int_eq(co_test_result(other), -ECANCELED);
    ck_assert_int_eq(sem_post(&sem), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    task = waiting(take_until, co_test_number(MINUTE));
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    task = waiting(take_until_monotonic, co_test_number(MINUTE));
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    co_timeout(10 * CO_MS)
        ck_assert_int_eq(take(NULL), -ETIMEDOUT);
    ck_assert_int_eq(sem_timedwait(&sem, &wrong), -1);
    ck_assert_int_eq(errno, EINVAL);
    sem_destroy(&sem);
}

/* ---- pthread_once -------------------------------------------------------- */

static pthread_once_t once;
static int begun_count, ended_count;

static void slow_init(void)
{
    begun_count++;
    ck_assert_int_eq(co_sleep(5 * CO_MS), 0);
    ended_count++;
}

static int once_in_task(void *unused)
{
    (void)unused;
    ck_assert_int_eq(pthread_once(&once, slow_init), 0);
    return ended_count;
}

CO_TASK_TEST(an_initialisation_that_parks_is_waited_for)
{
    static const pthread_once_t fresh = PTHREAD_ONCE_INIT;
    co_task *tasks[3];

    once = fresh;
    begun_count = ended_count = 0;
    for (int i = 0; i < 3; i++)
        tasks[i] = waiting(once_in_task, NULL);
    co_cancel(tasks[1]);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 1);
    ck_assert_int_eq(begun_count, 1);
    ck_assert_int_eq(pthread_once(&once, slow_init), 0);
    ck_assert_int_eq(begun_count, 1);
}

/* ---- pthread_join, barriers ---------------------------------------------- */

static atomic_int may_end;

static void *end_when_told(void *result)
{
    struct timespec ms = {0, 200000};

    while (!atomic_load(&may_end))
        nanosleep(&ms, NULL);
    return result;
}

struct joined {
    pthread_t thread;
    void *result;
    int ms;
};

static int join_thread(void *arg)
{
    struct joined *j = arg;
    struct timespec t = in_ms(CLOCK_REALTIME, j->ms);

    return j->ms ? -pthread_timedjoin_np(j->thread, &j->result, &t)
                 : -pthread_join(j->thread, &j->result);
}

CO_TASK_TEST(a_join_parks_its_task_alone)
{
    struct joined j = {.ms = 10};
    co_task *task;

    atomic_store(&may_end, 0);
    pthread_create(&j.thread, NULL, end_when_told, &j);
    ck_assert_int_eq(co_test_result(begun(join_thread, &j)), -ETIMEDOUT);
    j.ms = 0;
    task = waiting(join_thread, &j);
    co_cancel(task); /* or the thread would never be joined */
    atomic_store(&may_end, 1);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_ptr_eq(j.result, &j);
    if (!CO__TSAN) /* which knows nobody who could join it */
        ck_assert_int_eq(pthread_join(pthread_self(), NULL), EDEADLK);
}

static pthread_barrier_t barrier;

static int meet(void *unused)
{
    int r = pthread_barrier_wait(&barrier);

    (void)unused;
    return r == PTHREAD_BARRIER_SERIAL_THREAD;
}

CO_TASK_TEST(tasks_meet_at_a_barrier)
{
    co_task *tasks[3];
    int serial = 0;

    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 3), 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++)
            tasks[i] = begun(meet, NULL);
        co_cancel(tasks[0]);
        for (int i = 0; i < 3; i++)
            serial += co_test_result(tasks[i]);
        ck_assert_int_eq(serial, round + 1);
    }
    pthread_barrier_destroy(&barrier);
}

static void add_others(Suite *s)
{
    TCase *tc = hook_case(s, "others");

    tcase_add_test(tc, a_join_parks_its_task_alone);
    tcase_add_test(tc, tasks_meet_at_a_barrier);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.sync");
    TCase *tc = hook_case(s, "woken");

    co_test_virtual_clock(tc);
    tcase_add_loop_test(tc, an_unlock_wakes_who_waits, 0, KINDS);
    tcase_add_loop_test(tc, a_signal_wakes_one_and_a_broadcast_all, 0, KINDS);
    tcase_add_test(tc, readers_share_and_a_writer_does_not);

    tc = hook_case(s, "on time");
    co_test_virtual_clock(tc);
    tcase_add_test(tc, an_error_checking_mutex_knows_its_task);
    tcase_add_loop_test(tc, a_timed_lock_ends_when_its_time_does, 0, KINDS);
    tcase_add_loop_test(tc, a_timed_wait_ends_when_its_time_does, 0, KINDS);
    tcase_add_test(tc, a_cancelled_wait_wakes_for_no_reason);
    tcase_add_test(tc, timed_locks_of_readers_and_writers_end);
    tcase_add_test(tc, a_writer_that_waits_for_itself_is_told);
    tcase_add_test(tc, a_semaphore_parks);
    tcase_add_test(tc, an_initialisation_that_parks_is_waited_for);

    tc = hook_case(s, "mutexes");
    tcase_add_loop_test(tc, a_task_has_a_mutex_for_itself, 0, KINDS);
    tcase_add_test(tc, a_recursive_mutex_is_free_when_it_is_let_go_as_often);
    tcase_add_test(tc, a_pause_within_a_recursive_lock_keeps_count);
    tcase_add_loop_test(tc, a_cancel_does_not_break_a_lock, 0, KINDS);
    tcase_add_loop_test(tc, nobody_is_in_it_together, 0, KINDS);

    tc = hook_case(s, "conditions");
    tcase_add_test(tc, a_mutex_that_is_not_held_is_eperm);
    tcase_add_test(tc, threads_and_tasks_signal_each_other);
    tcase_add_test(tc, no_wake_up_is_lost_between_threads);
    add_others(s);
    return s;
}

CO_TEST_MAIN(suite)
