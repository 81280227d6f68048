/* SPDX-License-Identifier: MIT */
/* Locks for many readers or one writer. */
#include <coppice/rwlock.h>

#include "sync/sync_support.h"

#include "support/random.h"

static co_rwlock lock;

static int read_lock(void)
{
    return co_rwlock_read_lock(&lock);
}

static int write_lock(void)
{
    return co_rwlock_write_lock(&lock);
}

static void read_unlock(void)
{
    co_rwlock_read_unlock(&lock);
}

static void write_unlock(void)
{
    co_rwlock_write_unlock(&lock);
}

/* The test's task reads, or writes. */
static void start_reading(void)
{
    memset(&lock, 0, sizeof(lock));
    ck_assert_int_eq(read_lock(), 0);
}

static void start_writing(void)
{
    memset(&lock, 0, sizeof(lock));
    ck_assert_int_eq(write_lock(), 0);
}

static void is_free(void)
{
    co_rwlock_fini(&lock);
    ck_assert_int_eq(co_rwlock_try_write_lock(&lock), 0);
    write_unlock();
}

static void is_read_by(int readers)
{
    ck_assert_ptr_null(lock.co__writer);
    ck_assert_uint_eq(lock.co__readers, (size_t)readers);
}

/* ---- tasks that read and write, in a line -------------------------------- */

/* Lock as the letter says, log it, keep it until the next turn, unlock. */
static int use(void *letter)
{
    char c = (char)(intptr_t)letter;
    int writes = c >= 'A' && c <= 'Z';
    int r = writes ? write_lock() : read_lock();

    if (r < 0)
        return r;
    co_test_log_add(&sync_log, c);
    co_test_yield();
    if (writes)
        write_unlock();
    else
        read_unlock();
    return 0;
}

/* Have tasks wait, capitals to write. */
static void line_up(const char *letters)
{
    int count = (int)strlen(letters);

    sync_log_clear();
    for (int i = 0; i < count; i++)
        sync_task[i] = co_test_spawn(use, co_test_number(letters[i]));
    co_test_yield();
    sync_log_is("");
}

/* ---- alone --------------------------------------------------------------- */

CO_TASK_TEST(many_read_at_a_time)
{
    start_reading();
    ck_assert_int_eq(co_rwlock_try_read_lock(&lock), 0);
    is_read_by(2);
    ck_assert_int_eq(co_rwlock_try_write_lock(&lock), -EBUSY);
    read_unlock();
    ck_assert_int_eq(co_rwlock_try_write_lock(&lock), -EBUSY);
    read_unlock();
    is_free();
}

CO_TASK_TEST(one_writes_alone)
{
    start_writing();
    ck_assert_int_eq(co_rwlock_try_read_lock(&lock), -EBUSY);
    ck_assert_int_eq(co_rwlock_try_write_lock(&lock), -EBUSY);
    write_unlock();
    is_free();
}

CO_TASK_TEST(writer_that_locks_again_is_edeadlk)
{
    start_writing();
    ck_assert_int_eq(read_lock(), -EDEADLK);
    ck_assert_int_eq(write_lock(), -EDEADLK);
    write_unlock();
    is_free();
}

START_TEST(null_is_einval)
{
    ck_assert_int_eq(co_rwlock_read_lock(NULL), -EINVAL);
    ck_assert_int_eq(co_rwlock_write_lock(NULL), -EINVAL);
    ck_assert_int_eq(co_rwlock_try_read_lock(NULL), -EINVAL);
    ck_assert_int_eq(co_rwlock_try_write_lock(NULL), -EINVAL);
    co_rwlock_fini(NULL);
}
END_TEST

START_TEST(outside_a_task_only_waiting_is_refused)
{
    start_reading();
    ck_assert_int_eq(read_lock(), 0);
    ck_assert_int_eq(write_lock(), -EPERM);
    read_unlock();
    read_unlock();
    ck_assert_int_eq(write_lock(), 0);
    ck_assert_int_eq(read_lock(), -EDEADLK);
    ck_assert_int_eq(write_lock(), -EDEADLK);
    write_unlock();
    co_timeout(0) {
        ck_assert_int_eq(read_lock(), -ETIMEDOUT);
        ck_assert_int_eq(write_lock(), -ETIMEDOUT);
    }
    is_free();
}
END_TEST

static int write_and_unlock(void)
{
    int r = write_lock();

    if (r == 0)
        write_unlock();
    return r;
}

CO_TASK_TEST(in_a_callback_only_waiting_is_refused)
{
    start_reading();
    ck_assert_int_eq(sync_in_callback(write_lock), -EPERM);
    ck_assert_int_eq(sync_in_callback(read_lock), 0);
    is_read_by(2);
    read_unlock();
    read_unlock();
    ck_assert_int_eq(sync_in_callback(write_and_unlock), 0);
    ck_assert_int_eq(write_lock(), 0);
    ck_assert_int_eq(sync_in_callback(read_lock), -EPERM);
    write_unlock();
    is_free();
}

CO_TASK_TEST(cancelled_or_late_task_locks_nothing)
{
    memset(&lock, 0, sizeof(lock));
    sync_refused_when_cancelled(read_lock);
    sync_refused_when_late(read_lock);
    sync_refused_when_cancelled(write_lock);
    sync_refused_when_late(write_lock);
    is_free();
}

/* ---- fair ---------------------------------------------------------------- */

CO_TASK_TEST(reader_that_comes_after_a_waiting_writer_waits_behind_it)
{
    start_reading();
    line_up("Wr");
    is_read_by(1);
    ck_assert_int_eq(co_rwlock_try_read_lock(&lock), -EBUSY);
    read_unlock();
    sync_results_are(0, 2, 0);
    sync_log_is("Wr");
    is_free();
}

CO_TASK_TEST(readers_at_the_front_are_let_in_together)
{
    start_writing();
    line_up("abWcd");
    write_unlock();
    is_read_by(2);
    co_test_yield();
    sync_log_is("ab");
    co_test_yield();
    sync_log_is("");
    ck_assert_ptr_eq(lock.co__writer, sync_task[2]);
    co_test_yield();
    sync_log_is("W");
    co_test_yield();
    is_read_by(2);
    sync_results_are(0, 5, 0);
    sync_log_is("cd");
    is_free();
}

CO_TASK_TEST(writers_go_one_by_one_in_the_order_they_came)
{
    start_writing();
    line_up("ABrCD");
    write_unlock();
    sync_results_are(0, 5, 0);
    sync_log_is("ABrCD");
    is_free();
}

CO_TASK_TEST(last_reader_lets_the_writer_in)
{
    start_reading();
    ck_assert_int_eq(read_lock(), 0);
    line_up("W");
    read_unlock();
    co_test_yield();
    sync_log_is("");
    read_unlock();
    sync_results_are(0, 1, 0);
    sync_log_is("W");
}

/* Handed over: nobody gets in between the unlock and the waiter's turn. */
CO_TASK_TEST(who_unlocks_cannot_overtake_a_waiter)
{
    start_writing();
    line_up("r");
    write_unlock();
    ck_assert_int_eq(co_rwlock_try_write_lock(&lock), -EBUSY);
    sync_results_are(0, 1, 0);
    ck_assert_int_eq(write_lock(), 0);
    line_up("W");
    write_unlock();
    ck_assert_int_eq(co_rwlock_try_read_lock(&lock), -EBUSY);
    sync_results_are(0, 1, 0);
    is_free();
}

/* ---- cancelled and late -------------------------------------------------- */

CO_TASK_TEST(lock_granted_before_cancel_is_kept)
{
    start_writing();
    sync_line_up(read_lock, read_unlock, 2);
    write_unlock();
    is_read_by(2);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 2, 0);
    start_reading();
    sync_line_up(write_lock, write_unlock, 1);
    read_unlock();
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, 0);
    is_free();
}

CO_TASK_TEST(lock_unlocked_after_cancel_goes_to_the_next)
{
    start_writing();
    sync_line_up(write_lock, write_unlock, 2);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    write_unlock();
    ck_assert_ptr_eq(lock.co__writer, sync_task[1]);
    sync_results_are(0, 1, -ECANCELED);
    sync_results_are(1, 2, 0);
    start_writing();
    sync_line_up(read_lock, read_unlock, 3);
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    write_unlock();
    is_read_by(2);
    sync_results_are(1, 2, -ECANCELED);
    sync_results_are(0, 1, 0);
    sync_results_are(2, 3, 0);
    is_free();
}

/* Those who stood behind it and need not wait any more are let in. */
CO_TASK_TEST(writer_that_gives_up_lets_in_the_readers_behind_it)
{
    start_reading();
    line_up("WabXc");
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    is_read_by(1);
    sync_results_are(0, 1, -ECANCELED);
    is_read_by(3);
    co_test_yield();
    sync_log_is("ab");
    ck_assert_int_eq(co_cancel(sync_task[3]), 1);
    read_unlock();
    sync_results_are(1, 3, 0);
    sync_results_are(3, 4, -ECANCELED);
    sync_results_are(4, 5, 0);
    sync_log_is("c");
    is_free();
}

CO_TASK_TEST(writer_cancelled_in_the_turn_of_the_unlock_is_passed_over)
{
    start_reading();
    line_up("Wab");
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    read_unlock();
    is_read_by(2);
    sync_results_are(0, 1, -ECANCELED);
    sync_results_are(1, 3, 0);
    sync_log_is("ab");
    is_free();
}

/* The line is not empty before it has run: a newcomer stands in it, and is let
 * in by the one that leaves. */
CO_TASK_TEST(newcomer_behind_a_cancelled_writer_is_let_in)
{
    start_reading();
    line_up("W");
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    ck_assert_int_eq(read_lock(), 0);
    is_read_by(2);
    sync_results_are(0, 1, -ECANCELED);
    read_unlock();
    read_unlock();
    is_free();
}

CO_TASK_TEST(lock_granted_before_the_timeout_is_seen_is_kept)
{
    start_writing();
    sync_line_up_nearly_late(read_lock, read_unlock, 2);
    write_unlock();
    sync_results_are(0, 2, 0);
    start_reading();
    sync_line_up_nearly_late(write_lock, write_unlock, 1);
    read_unlock();
    sync_results_are(0, 1, 0);
    is_free();
}

CO_TASK_TEST(lock_unlocked_after_the_timeout_is_free)
{
    start_writing();
    sync_line_up_late(read_lock, read_unlock, 2);
    write_unlock();
    is_read_by(0);
    sync_results_are(0, 2, -ETIMEDOUT);
    start_reading();
    sync_line_up_late(write_lock, write_unlock, 2);
    read_unlock();
    sync_results_are(0, 2, -ETIMEDOUT);
    is_free();
}

static void hand_over(void)
{
    start_writing();
    line_up("abWcX");
    write_unlock();
    sync_results_are(0, 5, 0);
}

CO_TASK_TEST(nothing_is_allocated)
{
    sync_allocates_nothing(hand_over);
}

/* ---- at random ----------------------------------------------------------- */

static struct co_test_random numbers;
static int reading, writing, got;

static int live(void *unused)
{
    (void)unused;
    for (int i = 0; i < 50; i++) {
        int writes = co_test_random_below(&numbers, 3) == 0, r = 0;

        co_timeout((co_time)co_test_random_below(&numbers, 20) * CO_US) {
            r = writes ? write_lock() : read_lock();
        }
        if (r == -ETIMEDOUT)
            continue;
        if (r < 0)
            return r;
        got++;
        *(writes ? &writing : &reading) += 1;
        ck_assert(writing == 0 || (writing == 1 && reading == 0));
        if (co_test_random_below(&numbers, 2))
            r = co_sleep((co_time)co_test_random_below(&numbers, 5) * CO_US);
        ck_assert(writing == 0 || (writing == 1 && reading == 0));
        *(writes ? &writing : &reading) -= 1;
        if (writes)
            write_unlock();
        else
            read_unlock();
        if (r < 0)
            return r;
    }
    return 0;
}

CO_TASK_TEST(random_readers_and_writers_exclude_each_other_and_lose_nothing)
{
    enum {
        TASKS = 20
    };
    co_task *task[TASKS];

    memset(&lock, 0, sizeof(lock));
    numbers = (struct co_test_random){7};
    reading = writing = got = 0;
    for (int i = 0; i < TASKS; i++)
        task[i] = co_test_spawn(live, NULL);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(co_sleep(20 * CO_US), 0);
        ck_assert_int_eq(co_cancel(task[i]), 1);
    }
    for (int i = 0; i < TASKS; i++)
        ck_assert_int_eq(co_test_result(task[i]), i < 5 ? -ECANCELED : 0);
    ck_assert_int_gt(got, 100);
    is_free();
}

/* ---- who must not -------------------------------------------------------- */

static void read_unlock_a_free_one(void)
{
    memset(&lock, 0, sizeof(lock));
    read_unlock();
}

static void write_unlock_a_free_one(void)
{
    memset(&lock, 0, sizeof(lock));
    write_unlock();
}

static void read_unlock_what_is_written(void)
{
    start_writing();
    read_unlock();
}

static int write_unlock_in_a_task(void *unused)
{
    (void)unused;
    write_unlock();
    return 0;
}

static void write_unlock_by_another(void)
{
    start_writing();
    if (co_join(co_test_spawn(write_unlock_in_a_task, NULL), NULL) < 0)
        _exit(1);
}

static void fini_of_a_read_one(void)
{
    start_reading();
    co_rwlock_fini(&lock);
}

static void fini_of_a_written_one(void)
{
    start_writing();
    co_rwlock_fini(&lock);
}

static void unlock_null(void)
{
    co_rwlock_read_unlock(NULL);
}

static void write_unlock_null(void)
{
    co_rwlock_write_unlock(NULL);
}

START_TEST(unlock_by_a_stranger_stops_the_program)
{
    sync_dies(read_unlock_a_free_one, 1, "co_rwlock_read_unlock by task");
    sync_dies(write_unlock_a_free_one, 0, "co_rwlock_write_unlock outside");
    sync_dies(read_unlock_what_is_written, 1, "co_rwlock_read_unlock by task");
    sync_dies(write_unlock_by_another, 1, "co_rwlock_write_unlock by task");
    sync_dies(unlock_null, 1, "co_rwlock_read_unlock");
    sync_dies(write_unlock_null, 1, "co_rwlock_write_unlock");
}
END_TEST

START_TEST(fini_of_a_locked_lock_stops_the_program)
{
    sync_dies(fini_of_a_read_one, 1, "co_rwlock_fini");
    sync_dies(fini_of_a_written_one, 1, "co_rwlock_fini");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sync/rwlock");
    TCase *tc = tcase_create("rwlock");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, many_read_at_a_time);
    tcase_add_test(tc, one_writes_alone);
    tcase_add_test(tc, writer_that_locks_again_is_edeadlk);
    tcase_add_test(tc, null_is_einval);
    tcase_add_test(tc, outside_a_task_only_waiting_is_refused);
    tcase_add_test(tc, in_a_callback_only_waiting_is_refused);
    tcase_add_test(tc, cancelled_or_late_task_locks_nothing);
    tcase_add_test(tc,
                   reader_that_comes_after_a_waiting_writer_waits_behind_it);
    tcase_add_test(tc, readers_at_the_front_are_let_in_together);
    tcase_add_test(tc, writers_go_one_by_one_in_the_order_they_came);
    tcase_add_test(tc, last_reader_lets_the_writer_in);
    tcase_add_test(tc, who_unlocks_cannot_overtake_a_waiter);
    tcase_add_test(tc, lock_granted_before_cancel_is_kept);
    tcase_add_test(tc, lock_unlocked_after_cancel_goes_to_the_next);
    tcase_add_test(tc, writer_that_gives_up_lets_in_the_readers_behind_it);
    tcase_add_test(tc,
                   writer_cancelled_in_the_turn_of_the_unlock_is_passed_over);
    tcase_add_test(tc, newcomer_behind_a_cancelled_writer_is_let_in);
    tcase_add_test(tc, lock_granted_before_the_timeout_is_seen_is_kept);
    tcase_add_test(tc, lock_unlocked_after_the_timeout_is_free);
    tcase_add_test(tc, nothing_is_allocated);
    tcase_add_test(
        tc, random_readers_and_writers_exclude_each_other_and_lose_nothing);
    tcase_add_test(tc, unlock_by_a_stranger_stops_the_program);
    tcase_add_test(tc, fini_of_a_locked_lock_stops_the_program);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
