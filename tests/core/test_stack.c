/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 labels=slow */
/* Stacks: their sizes, guards and colours, what they cost, that their memory
 * comes back, and that nothing is lost when there is none. */
#include "core/stack.h"

#include <coppice/dump.h>

#include "base/alloc.h"
#include "core/loop.h"

#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#ifdef CO__VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define KIB ((size_t)1024)

static co_stack_stats stats_now(void)
{
    co_stack_stats stats = {.size = sizeof(stats)};

    ck_assert_int_eq(co_loop_stack_stats(co_loop_running(), &stats), 0);
    return stats;
}

/* Use so many KiB of the stack below. Each call hands its block on, so that no
 * compiler makes a loop of it. */
static CO_NOINLINE int go_deeper(int kib, volatile char *above)
{
    volatile char block[KIB];

    block[0] = (char)kib;
    block[KIB - 1] = *above;
    if (kib <= 1)
        return block[KIB - 1];
    return go_deeper(kib - 1, block + KIB - 1) + block[KIB - 1];
}

static int go_deep(int kib)
{
    volatile char one = 1;

    return go_deeper(kib, &one);
}

static int be_deep(void *kib)
{
    int n = (int)(intptr_t)kib;

    return n ? go_deep(n) - n : 0;
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* How many bytes of a range are in memory. */
static size_t resident(const char *from, size_t bytes)
{
    unsigned char pages[4096];
    size_t count = bytes / page_bytes(), sum = 0;

    ck_assert_uint_le(count, sizeof(pages));
    ck_assert_int_eq(mincore((void *)from, bytes, pages), 0);
    for (size_t i = 0; i < count; i++)
        sum += pages[i] & 1;
    return sum * page_bytes();
}

static size_t task_resident(const co_task *task)
{
    return resident(co__stack_bottom(task),
                    task->slab->stride - CO_GUARD_BYTES);
}

/* Whether the kernel can read there. */
static int readable(const char *p)
{
    int fds[2];
    ssize_t n;

    ck_assert_int_eq(pipe(fds), 0);
    n = write(fds[1], p, 1);
    if (n < 0)
        ck_assert_int_eq(errno, EFAULT);
    close(fds[0]);
    close(fds[1]);
    return n == 1;
}

static void check_guard_below(const char *bottom)
{
    ck_assert(readable(bottom));
    /* Memcheck complains of the reading itself. */
    if (RUNNING_ON_VALGRIND)
        return;
    ck_assert(!readable(bottom - 1));
    ck_assert(!readable(bottom - CO_GUARD_BYTES));
    ck_assert(!readable(bottom - CO_GUARD_BYTES / 2));
}

static void check_guard(const co_task *task)
{
    check_guard_below(co__stack_bottom(task));
}

/* ---- sizes --------------------------------------------------------------- */

START_TEST(sizes_are_rounded_up_to_powers_of_two)
{
    for (size_t bytes = CO_STACK_SIZE_MIN; bytes <= CO_STACK_SIZE_MAX;
         bytes *= 2) {
        int class = co__stack_class(bytes);

        ck_assert_int_ge(class, 0);
        ck_assert_uint_ge(co__stack_class_bytes((unsigned)class), bytes);
        /* Small ones are rounded to what a guard leaves room in. */
        if (bytes >= 2 * CO_GUARD_BYTES)
            ck_assert_uint_eq(co__stack_class_bytes((unsigned)class), bytes);
        if (bytes < CO_STACK_SIZE_MAX)
            ck_assert_uint_ge(
                co__stack_class_bytes((unsigned)co__stack_class(bytes + 1)),
                bytes + 1);
        ck_assert_int_eq(co__stack_class(bytes - 1),
                         bytes == CO_STACK_SIZE_MIN ? -EINVAL : class);
    }
    ck_assert_int_eq(co__stack_class(0), -EINVAL);
    ck_assert_int_eq(co__stack_class(CO_STACK_SIZE_MAX + 1), -EINVAL);
    ck_assert_int_eq(co__stack_class(SIZE_MAX), -EINVAL);
}
END_TEST

CO_TASK_TEST(each_task_may_have_a_stack_of_its_own_size)
{
    static const size_t kib[] = {16, 17, 64, 100, 256, 1024, 8192};

    for (size_t i = 0; i < sizeof(kib) / sizeof(kib[0]); i++) {
        co_spawn_options options = {.size = sizeof(options),
                                    .stack_size = kib[i] * KIB};
        int deep = (int)kib[i] / 2 - 8;
        co_task *task = co_spawn_with(&options, be_deep, co_test_number(deep));

        ck_assert_ptr_nonnull(task);
        ck_assert_uint_ge(co_task_stack_size(task), kib[i] * KIB);
        check_guard(task);
        ck_assert_int_eq(co_test_result(task), 0);
    }
}

/* A sanitizer would map shadows for all of it. */
CO_TASK_TEST(greatest_stack_can_be_had)
{
    co_spawn_options options = {.size = sizeof(options),
                                .stack_size = CO_STACK_SIZE_MAX};
    co_task *task = co_spawn_with(&options, be_deep, co_test_number(4096));

    ck_assert_ptr_nonnull(task);
    ck_assert_uint_eq(co_task_stack_size(task), CO_STACK_SIZE_MAX);
    ck_assert_int_eq(co_test_result(task), 0);
}

START_TEST(loop_with_an_absurd_stack_size_is_einval)
{
    co_loop_options options = {.size = sizeof(options), .stack_size = 1};

    errno = 0;
    ck_assert_ptr_null(co_loop_new(&options));
    ck_assert_int_eq(errno, EINVAL);
    options.stack_size = CO_STACK_SIZE_MAX + 1;
    errno = 0;
    ck_assert_ptr_null(co_loop_new(&options));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static int stack_size_of_self(void *kib)
{
    *(size_t *)kib = co_task_stack_size(co_self()) / KIB;
    return 0;
}

START_TEST(loops_stack_size_is_that_of_its_tasks)
{
    co_loop_options options = {.size = sizeof(options), .stack_size = 64 * KIB};
    size_t kib = 0;
    int result = -1;

    ck_assert_int_eq(co_run_with(&options, stack_size_of_self, &kib, &result),
                     0);
    ck_assert_int_eq(result, 0);
    ck_assert_uint_ge(kib, 64);
    ck_assert_int_eq(co_run(stack_size_of_self, &kib), 0);
    ck_assert_uint_eq(kib, CO__STACK_SIZE_DEFAULT / KIB);
}
END_TEST

/* ---- what a task has used ------------------------------------------------ */

static int go_deep_and_look(void *used)
{
    size_t *u = used;

    u[0] = co_task_stack_used(co_self());
    go_deep(100);
    u[1] = co_task_stack_used(co_self());
    co_test_yield();
    go_deep(10);
    u[2] = co_task_stack_used(co_self());
    return 0;
}

CO_TASK_TEST(high_water_mark_is_that_of_the_deepest_call)
{
    size_t used[3] = {0};
    co_task *task;

    co_loop_trim(co_loop_running());
    task = co_test_spawn(go_deep_and_look, used);
    ck_assert_uint_gt(co_task_stack_used(task), 0);
    co_test_yield();
    ck_assert_uint_ge(used[0], 64);
    ck_assert_uint_lt(used[0], 64 * KIB);
    ck_assert_uint_ge(used[1], used[0]);
    ck_assert_uint_ge(used[1], 100 * KIB);
    ck_assert_uint_lt(used[1], 256 * KIB - CO_GUARD_BYTES);
    ck_assert_uint_eq(co_task_stack_used(task), used[1]);
    co_test_yield();
    ck_assert_uint_eq(used[2], used[1]);
    ck_assert_int_eq(co_test_result(task), 0);
}

static CO_NOINLINE int park_deep(int kib, volatile char *above)
{
    volatile char block[KIB];

    block[0] = block[KIB - 1] = *above;
    if (kib <= 1)
        return co_test_sleep_for_ever(NULL);
    return park_deep(kib - 1, block + KIB - 1) - (block[0] != 1);
}

static int park_50_kib_deep(void *unused)
{
    volatile char one = 1;

    (void)unused;
    return park_deep(50, &one);
}

/* Live frames and, under sanitizers, their red zones are looked at. */
CO_TASK_TEST(high_water_mark_of_a_task_that_is_parked_deep)
{
    co_task *task = co_test_spawn(park_50_kib_deep, NULL);

    co_test_yield();
    ck_assert_uint_ge(co_task_stack_used(task), 50 * KIB);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
}

CO_TASK_TEST(control_block_counts_as_used)
{
    co_task *task = co_test_spawn(co_test_return, NULL);

    ck_assert_uint_ge(co_task_stack_used(task), sizeof(struct co_task));
    ck_assert_int_eq(co_test_result(task), 0);
}

/* ---- where things lie ---------------------------------------------------- */

#define SOME 100

static co_task *some[SOME];

static void spawn_some(co_task_fn fn, void *arg)
{
    for (int i = 0; i < SOME; i++)
        some[i] = co_test_spawn(fn, arg);
}

static void join_some(int expected)
{
    for (int i = 0; i < SOME; i++)
        ck_assert_int_eq(co_test_result(some[i]), expected);
}

CO_TASK_TEST(every_stack_has_a_guard_below)
{
    spawn_some(co_test_return, NULL);
    for (int i = 0; i < SOME; i++)
        check_guard(some[i]);
    join_some(0);
}

/* Memory that is locked refuses the first kind of guard. */
CO_TASK_TEST(guard_can_be_made_by_mprotect_as_well)
{
    co_spawn_options options = {.size = sizeof(options),
                                .stack_size = 128 * KIB};
    struct co__slab *slab;
    co_task *task[4];

    task[0] = co_spawn_with(&options, be_deep, NULL);
    ck_assert_ptr_nonnull(task[0]);
    slab = task[0]->slab;
    if (mlock2(slab->base, 32 * slab->stride, MLOCK_ONFAULT) == 0) {
        for (int i = 1; i < 4; i++) {
            task[i] = co_spawn_with(&options, be_deep, co_test_number(50));
            ck_assert_ptr_nonnull(task[i]);
            ck_assert_ptr_eq(task[i]->slab, slab);
            check_guard(task[i]);
            ck_assert_int_eq(co_test_result(task[i]), 0);
        }
        ck_assert_int_eq(munlock(slab->base, 32 * slab->stride), 0);
    }
    ck_assert_int_eq(co_test_result(task[0]), 0);
}

CO_TASK_TEST(neighbours_have_different_colours)
{
    int lines[64] = {0};
    int colours = 0;

    spawn_some(co_test_return, NULL);
    for (int i = 0; i < SOME; i++) {
        uintptr_t at = (uintptr_t)some[i];

        ck_assert_uint_eq(at % CO_CACHE_LINE, 0);
        lines[at / CO_CACHE_LINE % 64]++;
    }
    for (int i = 0; i < 64; i++) {
        colours += lines[i] > 0;
        ck_assert_int_le(lines[i], SOME / 16 + 8);
    }
    ck_assert_int_ge(colours, 16);
    join_some(0);
}

CO_TASK_TEST(block_and_first_frames_share_the_highest_page)
{
    spawn_some(co_test_sleep_for_ever, NULL);
    for (int i = 0; i < SOME; i++) {
        uintptr_t end = (uintptr_t)co__stack_bottom(some[i]) +
                        some[i]->slab->stride - CO_GUARD_BYTES;

        ck_assert_uint_le((uintptr_t)(some[i] + 1), end);
        ck_assert_uint_lt(end - (uintptr_t)some[i], 4096 - 1024);
    }
    for (int i = 0; i < SOME; i++)
        co_cancel(some[i]);
    join_some(-ECANCELED);
}

CO_TASK_TEST(owner_of_an_address_is_found)
{
    co_task *task = co_test_spawn(co_test_return, NULL);
    char *bottom = co__stack_bottom(task);
    int in_guard = -1;

    ck_assert_ptr_eq(co__stack_owner(task, &in_guard), task);
    ck_assert_int_eq(in_guard, 0);
    ck_assert_ptr_eq(co__stack_owner(bottom, &in_guard), task);
    ck_assert_int_eq(in_guard, 0);
    ck_assert_ptr_eq(co__stack_owner(bottom - 1, &in_guard), task);
    ck_assert_int_eq(in_guard, 1);
    ck_assert_ptr_eq(co__stack_owner(bottom - CO_GUARD_BYTES, &in_guard), task);
    ck_assert_int_eq(in_guard, 1);
    ck_assert_ptr_ne(co__stack_owner(bottom - CO_GUARD_BYTES - 1, &in_guard),
                     task);
    ck_assert_ptr_null(co__stack_owner(NULL, &in_guard));
    ck_assert_ptr_null(co__stack_owner(&some, &in_guard));
    /* A stack that was never used is nobody's. */
    ck_assert_ptr_null(co__stack_owner(
        task->slab->base + (size_t)task->slab->used * task->slab->stride,
        &in_guard));
    ck_assert_int_eq(co_test_result(task), 0);
}

/* ---- reuse --------------------------------------------------------------- */

CO_TASK_TEST(ended_tasks_leave_warm_stacks)
{
    co_stack_stats before, after;

    spawn_some(co_test_return, NULL);
    join_some(0);
    spawn_some(co_test_return, NULL);
    join_some(0);
    before = stats_now();
    for (int i = 0; i < 10; i++) {
        spawn_some(co_test_return, NULL);
        ck_assert_uint_eq(stats_now().in_use, before.in_use + SOME);
        join_some(0);
    }
    after = stats_now();
    ck_assert_uint_eq(after.in_use, before.in_use);
    ck_assert_uint_eq(after.slab_count, before.slab_count);
    ck_assert_uint_eq(after.slab_bytes, before.slab_bytes);
    /* Quarantined handles of debug builds make some new ones needed. */
    ck_assert_uint_le(after.spawned_cold, before.spawned_cold + 64);
    ck_assert_uint_eq(after.spawned_warm + after.spawned_cold,
                      before.spawned_warm + before.spawned_cold + 10 * SOME);
}

CO_TASK_TEST(trim_gives_the_memory_back_and_keeps_the_guards)
{
    size_t before = 0, after = 0, bytes;
    const char *bottom[SOME];
    co_stack_stats stats;

    spawn_some(be_deep, co_test_number(100));
    bytes = some[0]->slab->stride - CO_GUARD_BYTES;
    for (int i = 0; i < SOME; i++)
        bottom[i] = co__stack_bottom(some[i]);
    join_some(0);
    for (int i = 0; i < SOME; i++)
        before += resident(bottom[i], bytes);
    ck_assert_uint_ge(before, SOME * 100 * KIB);
    stats = stats_now();
    ck_assert_int_ge(co_loop_trim(co_loop_running()), (int)stats.warm);
    for (int i = 0; i < SOME; i++)
        after += resident(bottom[i], bytes);
    /* All but those in quarantine. */
    ck_assert_uint_le(after, before * 65 / SOME);
    ck_assert_uint_eq(stats_now().warm, 0);
    ck_assert_uint_ge(stats_now().trimmed, stats.trimmed + stats.warm);
    for (int i = 0; i < SOME; i++)
        check_guard_below(bottom[i]);
    stats = stats_now();
    spawn_some(be_deep, co_test_number(100));
    for (int i = 0; i < SOME; i++)
        check_guard(some[i]);
    join_some(0);
    ck_assert_uint_eq(stats_now().slab_bytes, stats.slab_bytes);
    ck_assert_int_eq(co_loop_trim(NULL), -EINVAL);
}

CO_TASK_TEST(idle_loop_gives_deep_pages_back)
{
    size_t before = 0, after = 0;

    co_loop_trim(co_loop_running());
    spawn_some(be_deep, co_test_number(100));
    join_some(0);
    for (int i = 0; i < SOME; i++)
        before += task_resident(some[i]);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(co_sleep(20 * CO_MS), 0);
    for (int i = 0; i < SOME; i++)
        after += task_resident(some[i]);
    ck_assert_uint_le(after, before * 65 / SOME + SOME * 8 * KIB);
    spawn_some(be_deep, co_test_number(100));
    join_some(0);
}

static void spawn_and_trim(void)
{
    spawn_some(co_test_return, NULL);
    join_some(0);
    co_loop_trim(co_loop_running());
}

static void look_at_new_counters(void)
{
    co_stack_stats stats = stats_now();

    ck_assert_uint_eq(stats.in_use, 1);
    ck_assert_uint_eq(stats.spawned_warm + stats.spawned_cold, 1);
    ck_assert_uint_eq(stats.trimmed, 0);
    ck_assert_uint_gt(stats.slab_count, 0);
    ck_assert_uint_gt(stats.slab_bytes, 0);
}

START_TEST(counters_begin_with_the_loop)
{
    co_test_in_task(spawn_and_trim);
    co_test_in_task(look_at_new_counters);
}
END_TEST

START_TEST(stats_of_nothing_are_einval)
{
    co_loop *loop = co_loop_new(NULL);
    co_stack_stats stats = {.size = sizeof(stats)};

    ck_assert_ptr_nonnull(loop);
    ck_assert_int_eq(co_loop_stack_stats(NULL, &stats), -EINVAL);
    ck_assert_int_eq(co_loop_stack_stats(loop, NULL), -EINVAL);
    stats.size--;
    ck_assert_int_eq(co_loop_stack_stats(loop, &stats), -EINVAL);
    stats.size++;
    ck_assert_int_eq(co_loop_stack_stats(loop, &stats), 0);
    ck_assert_uint_eq(stats.in_use, 0);
    co_loop_free(loop);
}
END_TEST

/* ---- many ---------------------------------------------------------------- */

static co_task **many;

CO_TASK_TEST(hundred_thousand_tasks_park_and_end)
{
    int count = co_test_scale(100000, 900);
    co_stack_stats stats;

    many = calloc((size_t)count, sizeof(co_task *));
    ck_assert_ptr_nonnull(many);
    for (int i = 0; i < count; i++)
        many[i] = co_test_spawn(co_test_sleep_for_ever, NULL);
    co_test_yield();
    stats = stats_now();
    ck_assert_uint_eq(stats.in_use, (size_t)count + 1);
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), (size_t)count + 1);
    /* A parked task that has not gone deep keeps one page. */
    ck_assert_uint_le(task_resident(many[count / 2]), 4 * page_bytes());
    check_guard(many[count - 1]);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(co_cancel(many[i]), 1);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(co_test_result(many[i]), -ECANCELED);
    ck_assert_uint_eq(stats_now().in_use, 1);
    free(many);
}

static struct co__slab *newest_descriptor;
static int new_descriptors;

/* A pool of more than 1 GiB dies with its loop. */
static void use_a_big_pool(void)
{
    co_spawn_options options = {.size = sizeof(options),
                                .stack_size = CO_STACK_SIZE_MAX};
    co_task *big = co_spawn_with(&options, co_test_return, NULL);
    struct co__slab *slabs[2];

    ck_assert_ptr_nonnull(big);
    slabs[0] = big->slab;
    slabs[1] = co_self()->slab;
    /* New descriptors come before those that were there. */
    for (int i = 0; i < 2; i++) {
        struct co__slab *s = newest_descriptor;

        while (s && s != slabs[i])
            s = s->next_any;
        if (!s) {
            newest_descriptor = slabs[i];
            new_descriptors++;
        }
    }
    ck_assert_int_eq(co_test_result(big), 0);
}

START_TEST(slab_descriptors_are_used_again)
{
    newest_descriptor = NULL;
    new_descriptors = 0;
    for (int i = 0; i < 10; i++)
        co_test_in_task(use_a_big_pool);
    ck_assert_int_le(new_descriptors, 2);
}
END_TEST

static int mapped(const void *p)
{
    uintptr_t page = (uintptr_t)p & ~(uintptr_t)(page_bytes() - 1);
    unsigned char in_memory;

    return mincore((void *)page, page_bytes(), &in_memory) == 0;
}

/* Where a stack of the thread was, and its slab's list of cold ones. */
static void *address, *cold_list;

static void spawn_trim_and_note(void)
{
    spawn_and_trim();
    address = some[0];
    cold_list = co_self()->slab->cold;
}

static void *stacks_of_a_thread(void *unused)
{
    co_test_in_task(spawn_trim_and_note);
    return unused;
}

START_TEST(thread_that_ends_leaves_no_stacks)
{
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        int in_guard;

        ck_assert_int_eq(
            pthread_create(&thread, NULL, stacks_of_a_thread, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_ptr_nonnull(address);
        ck_assert_ptr_null(co__stack_owner(address, &in_guard));
        ck_assert(!mapped(address));
        ck_assert(!mapped(cold_list));
    }
}
END_TEST

/* ---- no memory ----------------------------------------------------------- */

static _Atomic long outstanding;

static void *count_malloc(size_t bytes)
{
    outstanding++;
    return malloc(bytes);
}

static void *count_realloc(void *p, size_t bytes)
{
    outstanding += !p;
    return realloc(p, bytes);
}

static void count_free(void *p)
{
    outstanding--;
    free(p);
}

static void nothing(void *unused)
{
    (void)unused;
}

/* Something of everything; what cannot be had is gone without. */
static int use_everything(void *unused)
{
    static co_task *task[300];
    co_call call = {.fn = nothing};
    size_t in_use = stats_now().in_use;
    int failures = 0;

    (void)unused;
    for (int i = 0; i < 300; i++) {
        co_spawn_options options = {.size = sizeof(options),
                                    .stack_size = i % 2 ? 16 * KIB : 0};

        errno = 0;
        task[i] = co_spawn_with(&options, co_test_return, co_test_number(i));
        if (!task[i]) {
            ck_assert_int_eq(errno, ENOMEM);
            failures++;
        }
        ck_assert_uint_eq(stats_now().in_use,
                          in_use + 1 + (size_t)i - (size_t)failures);
    }
    ck_assert_int_le(failures, 1);
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    for (int i = 0; i < 300; i++)
        if (task[i])
            ck_assert_int_eq(co_test_result(task[i]), i);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
    }
    co_loop_trim(co_loop_running());
    /* The call has been made, even if its task could not be at first. */
    ck_assert_uint_eq(call.co__state, 0);
    return 77;
}

struct fault {
    unsigned at;
    int r;
    int result;
};

static void *run_with_fault(void *arg)
{
    struct fault *fault = arg;

    co__fault_after(fault->at);
    fault->r = co_run_with(NULL, use_everything, NULL, &fault->result);
    return NULL;
}

/* On a thread of its own: no stacks are kept from before, or after. */
static struct fault run_with_fault_at(unsigned at)
{
    struct fault fault = {.at = at};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, run_with_fault, &fault), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return fault;
}

START_TEST(no_memory_at_any_request_is_survived)
{
    co_allocator counting = {.size = sizeof(counting),
                             .malloc_fn = count_malloc,
                             .realloc_fn = count_realloc,
                             .free_fn = count_free};
    struct fault fault;
    unsigned requests;
    long before;
    int fds, refused = 0;

    ck_assert_int_eq(co_set_allocator(&counting), 0);
    fault = run_with_fault_at(0);
    ck_assert_int_eq(fault.r, 0);
    requests = co__fault_after(0);
    ck_assert_uint_gt(requests, 10);
    /* Slab descriptors are never freed: have as many as it ever takes. A slab
     * that cannot be had is tried smaller, and then there are more of them. */
    for (unsigned at = 1; at <= requests; at++)
        run_with_fault_at(at);
    before = outstanding;
    fds = co_test_fds_open();
    for (unsigned at = 1; at <= requests; at++) {
        fault = run_with_fault_at(at);
        if (fault.r != 0) {
            ck_assert_int_eq(fault.r, -ENOMEM);
            refused++;
        } else {
            ck_assert_int_eq(fault.result, 77);
        }
        ck_assert_int_eq(outstanding, before);
        ck_assert_int_eq(co_test_fds_open(), fds);
        co__fault_after(0);
    }
    ck_assert_int_gt(refused, 3);
    ck_assert_int_lt(refused, (int)requests);
    fault = run_with_fault_at(0);
    ck_assert_int_eq(fault.r, 0);
    ck_assert_int_eq(fault.result, 77);
    ck_assert_int_eq(outstanding, before);
    ck_assert_int_eq(co_set_allocator(NULL), 0);
}
END_TEST

static void spawn_without_address_space(void)
{
    co_spawn_options options = {.size = sizeof(options),
                                .stack_size = CO_STACK_SIZE_MAX};
    co_stack_stats before = stats_now(), after;
    long held = 0;
    co_task *big;

    for (int i = 0; i < 20; i++) {
        co__fault_after(1); /* the slab; a descriptor for it is there */
        errno = 0;
        ck_assert_ptr_null(co_spawn_with(&options, co_test_return, NULL));
        ck_assert_int_eq(errno, ENOMEM);
        if (!i)
            held = outstanding;
        ck_assert_int_eq(outstanding, held);
    }
    co__fault_after(0);
    /* No descriptor was lost: there is one for a slab that can be had. */
    big = co_spawn_with(&options, co_test_return, NULL);
    ck_assert_ptr_nonnull(big);
    ck_assert_int_eq(outstanding, held);
    before.slab_count++;
    before.slab_bytes += big->slab->stride;
    ck_assert_int_eq(co_test_result(big), 0);
    after = stats_now();
    ck_assert_uint_eq(after.in_use, before.in_use);
    ck_assert_uint_eq(after.slab_count, before.slab_count);
    ck_assert_uint_eq(after.slab_bytes, before.slab_bytes);
}

static void *refuse_on_a_thread(void *unused)
{
    co_test_in_task(spawn_without_address_space);
    return unused;
}

START_TEST(slab_that_cannot_be_mapped_leaves_nothing_behind)
{
    co_allocator counting = {.size = sizeof(counting),
                             .malloc_fn = count_malloc,
                             .realloc_fn = count_realloc,
                             .free_fn = count_free};
    pthread_t thread;

    ck_assert_int_eq(co_set_allocator(&counting), 0);
    ck_assert_int_eq(run_with_fault_at(0).r, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, refuse_on_a_thread, NULL),
                     0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(co_set_allocator(NULL), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("core/stack");
    TCase *tc = tcase_create("stack");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, sizes_are_rounded_up_to_powers_of_two);
    tcase_add_test(tc, each_task_may_have_a_stack_of_its_own_size);
    if (!CO_TEST_SLOW)
        tcase_add_test(tc, greatest_stack_can_be_had);
    tcase_add_test(tc, loop_with_an_absurd_stack_size_is_einval);
    tcase_add_test(tc, loops_stack_size_is_that_of_its_tasks);
    tcase_add_test(tc, high_water_mark_is_that_of_the_deepest_call);
    tcase_add_test(tc, high_water_mark_of_a_task_that_is_parked_deep);
    tcase_add_test(tc, control_block_counts_as_used);
    tcase_add_test(tc, every_stack_has_a_guard_below);
    tcase_add_test(tc, guard_can_be_made_by_mprotect_as_well);
    tcase_add_test(tc, neighbours_have_different_colours);
    tcase_add_test(tc, block_and_first_frames_share_the_highest_page);
    tcase_add_test(tc, owner_of_an_address_is_found);
    tcase_add_test(tc, ended_tasks_leave_warm_stacks);
    tcase_add_test(tc, trim_gives_the_memory_back_and_keeps_the_guards);
    tcase_add_test(tc, idle_loop_gives_deep_pages_back);
    tcase_add_test(tc, counters_begin_with_the_loop);
    tcase_add_test(tc, stats_of_nothing_are_einval);
    tcase_add_test(tc, hundred_thousand_tasks_park_and_end);
    if (!CO_TEST_SLOW)
        tcase_add_test(tc, slab_descriptors_are_used_again);
    tcase_add_test(tc, thread_that_ends_leaves_no_stacks);
    if (!CO_TEST_SLOW)
        tcase_add_test(tc, slab_that_cannot_be_mapped_leaves_nothing_behind);
    tcase_add_test(tc, no_memory_at_any_request_is_survived);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
