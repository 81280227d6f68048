/* SPDX-License-Identifier: MIT */
/* The switch alone: no scheduler, and no sanitizer is told. The same file is
 * built with several optimisation levels, since what a compiler keeps in
 * registers across a call differs. */
#include "arch/switch.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"
#include "sides.h"
#include "support/check_main.h"

/* ---- registers --------------------------------------------------------- */

START_TEST(every_callee_saved_register_survives_a_switch)
{
    task_is_elsewhere = _i;
    prepare(patterned_task, NULL);
    fill(&main_pattern, 1);
    fill(&task_pattern, 2);
    patterned_to_task(0); /* into a new context, back from a park */
    compare(&main_pattern, "main");

    for (uint64_t round = 1; round < 5; round++) {
        struct pattern parked_with = task_pattern;
        fill(&main_pattern, 2 * round + 1);
        fill(&task_pattern, 2 * round + 2); /* for the task's next park */
        patterned_to_task(0);
        compare(&main_pattern, "main");
        memcpy(parked_with.out, task_pattern.out, sizeof(parked_with.out));
        compare(&parked_with, "the task");
    }
}
END_TEST

START_TEST(every_callee_saved_register_survives_a_start_and_an_end)
{
    fill(&main_pattern, 31);
    fill(&task_pattern, 32);
    ck_assert_int_eq(patterned_start(patterned_final_task, NULL), -77);
    compare(&main_pattern, "main");

    /* The same with a task that parks before. */
    fill(&main_pattern, 33);
    patterned_start(patterned_task, NULL);
    compare(&main_pattern, "main");
    fill(&main_pattern, 34);
    patterned_to_task(0);
    compare(&main_pattern, "main");
    compare(&task_pattern, "the task");
}
END_TEST

/* ---- control words of the floating-point units ------------------------- */

static struct machine_float float_seen;
static struct machine_float float_next;

static void compare_float(struct machine_float a, struct machine_float b)
{
    for (int i = 0; i < machine_float_words; i++)
        ck_assert_uint_eq(a.word[i], b.word[i]);
}

static RAW void float_task(void *arg)
{
    (void)arg;
    for (;;) {
        float_seen = machine_float_get();
        machine_float_set(float_next);
        to_main(0);
    }
}

START_TEST(float_control_words_belong_to_the_context)
{
    struct machine_float at_start = machine_float_get();
    for (int i = 0; i < MACHINE_FLOAT_PATTERNS; i++) {
        prepare(float_task, NULL);
        struct machine_float parked_with = at_start;
        for (int j = 0; j < MACHINE_FLOAT_PATTERNS; j++) {
            struct machine_float ours = machine_float_pattern(j);
            float_next = machine_float_pattern(i + j + 1);
            machine_float_set(ours);
            to_task(0);
            struct machine_float after = machine_float_get();
            machine_float_set(at_start);
            compare_float(after, ours);
            compare_float(float_seen, parked_with);
            parked_with = float_next;
        }
    }
}
END_TEST

START_TEST(a_new_context_starts_with_the_control_words_of_its_maker)
{
    struct machine_float at_start = machine_float_get();
    for (int i = 0; i < MACHINE_FLOAT_PATTERNS; i++) {
        struct machine_float maker = machine_float_pattern(i);
        machine_float_set(maker);
        prepare(float_task, NULL);
        struct machine_float after = machine_float_get();
        machine_float_set(machine_float_pattern(i + 1));
        to_task(0);
        machine_float_set(at_start);
        compare_float(after, maker);
        compare_float(float_seen, maker);
    }
}
END_TEST

static RAW void final_float_task(void *arg)
{
    (void)arg;
    float_seen = machine_float_get();
    machine_float_set(float_next);
    co__switch_final(main_sp, 0);
}

START_TEST(a_started_context_inherits_the_control_words_and_keeps_its_own)
{
    struct machine_float at_start = machine_float_get();
    for (int i = 0; i < MACHINE_FLOAT_PATTERNS; i++) {
        struct machine_float ours = machine_float_pattern(i);
        float_next = machine_float_pattern(i + 1);
        machine_float_set(ours);
        start(final_float_task, NULL);
        struct machine_float after = machine_float_get();
        struct machine_float seen = float_seen;
        start_by_end(stack_top, final_float_task, NULL);
        struct machine_float after_both = machine_float_get();
        machine_float_set(at_start);
        compare_float(seen, ours);
        compare_float(after, ours);
        compare_float(float_seen, ours);
        compare_float(after_both, ours);
    }
}
END_TEST

/* ---- what is handed over ----------------------------------------------- */

static int values_seen[8];

static RAW void value_task(void *arg)
{
    int value = *(int *)arg;
    for (int i = 0;; i++) {
        value = to_main(value);
        values_seen[i] = value;
        value = (int)(0u - (unsigned)value);
    }
}

START_TEST(a_value_is_handed_over_in_both_directions)
{
    static const int values[] = {0, 1, -1, 42, -110, INT_MAX, INT_MIN, 7};
    int first = 1234567;
    prepare(value_task, &first);
    ck_assert_int_eq(to_task(99), first);
    for (int i = 0; i < 8; i++) {
        int back = to_task(values[i]);
        ck_assert_int_eq(values_seen[i], values[i]);
        ck_assert_int_eq(back, (int)(0u - (unsigned)values[i]));
    }
}
END_TEST

static RAW void final_value_task(void *arg)
{
    int value = *(int *)arg;
    value = to_main(value);
    values_seen[0] = value;
    co__switch_final(main_sp, (int)(0u - (unsigned)value));
}

START_TEST(a_value_is_handed_over_by_a_start_and_an_end)
{
    static const int values[] = {0, 1, -1, INT_MAX, INT_MIN};
    int first = -4321;
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(start(final_value_task, &first), first);
        int back = to_task(values[i]);
        ck_assert_int_eq(values_seen[0], values[i]);
        ck_assert_int_eq(back, (int)(0u - (unsigned)values[i]));
    }
}
END_TEST

START_TEST(a_context_that_ends_begins_another_anywhere)
{
    /* On another stack, and where it has been itself. */
    char *tops[] = {stack_top, other_top};
    int first = -4321;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(start_by_end(tops[i], final_value_task, &first),
                         first);
        int back = to_task(77);
        ck_assert_int_eq(values_seen[0], 77);
        ck_assert_int_eq(back, -77);
    }
}
END_TEST

static uintptr_t argument_seen;

static RAW void argument_task(void *arg)
{
    argument_seen = (uintptr_t)arg;
    for (;;)
        to_main(0);
}

START_TEST(entry_gets_its_whole_argument)
{
    static const uintptr_t arguments[] = {0, 1, 0x123456789abcdef0u,
                                          UINTPTR_MAX};
    for (int i = 0; i < 4; i++) {
        prepare(argument_task, (void *)arguments[i]);
        argument_seen = ~arguments[i];
        to_task(-1);
        ck_assert_uint_eq(argument_seen, arguments[i]);
        argument_seen = ~arguments[i];
        start(argument_task, (void *)arguments[i]);
        ck_assert_uint_eq(argument_seen, arguments[i]);
        argument_seen = ~arguments[i];
        start_by_end(stack_top, argument_task, (void *)arguments[i]);
        ck_assert_uint_eq(argument_seen, arguments[i]);
    }
}
END_TEST

/* ---- the first frame --------------------------------------------------- */

static RAW void after_probe(void *arg)
{
    (void)arg;
    for (;;)
        to_main(0);
}

START_TEST(entry_begins_with_an_aligned_stack_and_no_frame_pointer)
{
    for (ptrdiff_t colour = 0; colour < 512; colour += 16) {
        struct machine_entry entry = {1, 1, after_probe};
        char *top = stack_top - colour;
        task_sp = co__switch_prepare(top, machine_entry_probe, &entry);
        to_task(0);
        ck_assert_int_eq(top - (char *)entry.sp, machine_entry_sp_below_top);
        ck_assert_uint_eq(entry.frame_pointer, 0);

        entry = (struct machine_entry){1, 1, after_probe};
        co__switch_start(&main_sp, top, machine_entry_probe, &entry);
        ck_assert_int_eq(top - (char *)entry.sp, machine_entry_sp_below_top);
        ck_assert_uint_eq(entry.frame_pointer, 0);

        entry = (struct machine_entry){1, 1, after_probe};
        start_by_end(top, machine_entry_probe, &entry);
        ck_assert_int_eq(top - (char *)entry.sp, machine_entry_sp_below_top);
        ck_assert_uint_eq(entry.frame_pointer, 0);
    }
}
END_TEST

START_TEST(preparing_writes_nothing_but_the_frame)
{
    char *low = stack_top - 1024;
    memset(low, 0x5a, 2048);
    prepare(argument_task, NULL);
    ck_assert_int_eq(stack_top - (char *)task_sp, machine_frame_bytes);
    for (char *p = low; p < low + 2048; p++) {
        if (p < (char *)task_sp || p >= stack_top)
            ck_assert_int_eq(*p, 0x5a);
    }
}
END_TEST

START_TEST(a_context_that_parked_has_one_frame_below_its_sp)
{
    prepare(argument_task, NULL);
    to_task(0);
    /* argument_task, to_main and the switch: not a page, not nothing. */
    ptrdiff_t used = stack_top - (char *)task_sp;
    ck_assert_int_gt(used, machine_frame_bytes);
    ck_assert_int_lt(used, 1024);
    ck_assert_uint_eq((uintptr_t)task_sp % 16, 0);
}
END_TEST

static RAW void returning_task(void *arg)
{
    (void)arg;
}

/* Called again, an entry that returns would stay here. */
static volatile int entries;

static RAW void returning_once_task(void *arg)
{
    (void)arg;
    if (entries++ > 0)
        _exit(0);
}

START_TEST(an_entry_that_returns_is_trapped)
{
    for (int i = 0; i < 4; i++) {
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            signal(SIGILL, SIG_DFL);
            signal(SIGTRAP, SIG_DFL);
            alarm(5);
            if (i == 0) {
                prepare(returning_task, NULL);
                to_task(0);
            } else if (i == 1) {
                start(returning_task, NULL);
            } else if (i == 2) {
                start_by_end(stack_top, returning_task, NULL);
            } else {
                /* In the registers that a prepared frame would use. */
                for (int r = 0; r < machine_register_count; r++)
                    main_pattern.in[r] = (uintptr_t)returning_once_task;
                patterned_start(returning_once_task, NULL);
            }
            _exit(0);
        }
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), machine_trap_signal);
    }
}
END_TEST

START_TEST(every_function_begins_with_a_landing_pad)
{
    ck_assert(machine_is_landing_pad((uintptr_t)co__switch));
    ck_assert(machine_is_landing_pad((uintptr_t)co__switch_start));
    ck_assert(machine_is_landing_pad((uintptr_t)co__switch_begin));
    ck_assert(machine_is_landing_pad((uintptr_t)co__switch_final));
    ck_assert(machine_is_landing_pad((uintptr_t)co__switch_prepare));
    ck_assert(machine_is_landing_pad((uintptr_t)co__switch_unwind));
}
END_TEST

/* ---- doubles ----------------------------------------------------------- */

/* Fourteen doubles and eight integers, all live across the switch: more than a
 * machine has registers of either kind to keep. */
static RAW double churn(double seed, int (*other_side)(int))
{
    double a = seed, b = a + 1, c = b + 1, d = c + 1, e = d + 1, f = e + 1,
           g = f + 1, h = g + 1, i = h + 1, j = i + 1, k = j + 1, l = k + 1,
           m = l + 1, n = m + 1;
    unsigned p = (unsigned)seed, q = p + 1, r = q + 1, s = r + 1, t = s + 1,
             u = t + 1, v = u + 1, w = v + 1;
    for (int round = 0; round < 100; round++) {
        a += b * 0.5, c -= a * 0.25, d += c * 0.125, e -= d * 0.5;
        f += e * 0.25, g -= f * 0.125, h += g * 0.5, i -= h * 0.25;
        p += q, r ^= p, s += r, t ^= s;
        p += (unsigned)other_side(round);
        j += i * 0.125, k -= j * 0.5, l += k * 0.25, m -= l * 0.125;
        n += m * 0.5, b -= n * 0.25;
        u += t, v ^= u, w += v, q ^= w;
    }
    return a + b + c + d + e + f + g + h + i + j + k + l + m + n +
           (double)(p ^ q ^ r ^ s ^ t ^ u ^ v ^ w);
}

static RAW int stay_here(int value)
{
    return value;
}

/* What the task answers: it is one round ahead, and then through. */
static RAW int as_the_task_answers(int value)
{
    return value < 99 ? value + 1 : -1;
}

static double task_sum;

static RAW void churning_task(void *arg)
{
    task_sum = churn(*(double *)arg, to_main);
    for (;;)
        to_main(-1);
}

START_TEST(doubles_that_are_live_across_switches_keep_their_values)
{
    double task_seed = 77.75;
    prepare(churning_task, &task_seed);
    ck_assert_int_eq(to_task(0), 0);
    double main_sum = churn(3.5, to_task);
    ck_assert(main_sum == churn(3.5, as_the_task_answers));
    ck_assert(task_sum == churn(task_seed, stay_here));
    ck_assert(main_sum != task_sum);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("switch");
    TCase *tc = tcase_create("switch");
    tcase_add_checked_fixture(tc, make_stack, free_stack);
    tcase_add_loop_test(tc, every_callee_saved_register_survives_a_switch, 0,
                        2);
    tcase_add_test(tc, every_callee_saved_register_survives_a_start_and_an_end);
    tcase_add_test(tc, float_control_words_belong_to_the_context);
    tcase_add_test(
        tc, a_started_context_inherits_the_control_words_and_keeps_its_own);
    tcase_add_test(tc,
                   a_new_context_starts_with_the_control_words_of_its_maker);
    tcase_add_test(tc, a_value_is_handed_over_in_both_directions);
    tcase_add_test(tc, a_value_is_handed_over_by_a_start_and_an_end);
    tcase_add_test(tc, a_context_that_ends_begins_another_anywhere);
    tcase_add_test(tc, entry_gets_its_whole_argument);
    tcase_add_test(tc, entry_begins_with_an_aligned_stack_and_no_frame_pointer);
    tcase_add_test(tc, preparing_writes_nothing_but_the_frame);
    tcase_add_test(tc, a_context_that_parked_has_one_frame_below_its_sp);
    tcase_add_test(tc, an_entry_that_returns_is_trapped);
    tcase_add_test(tc, every_function_begins_with_a_landing_pad);
    tcase_add_test(tc, doubles_that_are_live_across_switches_keep_their_values);
    machine_add_tests(tc);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
