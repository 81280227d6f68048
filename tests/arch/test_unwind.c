/* SPDX-License-Identifier: MIT */
/* Unwinding: from inside a task, from another stack through a parked one, and
 * from every instruction of the switch. */
#include "arch/switch.h"

#include <execinfo.h>
#include <stdbool.h>
#include <string.h>
#include <unwind.h>

#include "machine.h"
#include "sides.h"
#include "support/check_main.h"

enum {
    FRAMES_MAX = 32,
};

/* ---- traces ------------------------------------------------------------ */

struct trace {
    uintptr_t function[FRAMES_MAX]; /* where each frame's function begins */
    int count;
    _Unwind_Reason_Code end;
    /* The registers in the first frame of machine_call_with or _elsewhere. */
    uint64_t registers[MACHINE_REGISTERS_MAX];
    uintptr_t cfa;
    bool has_registers;
    uintptr_t outermost_cfa; /* of the last frame */
};

static RAW _Unwind_Reason_Code add_frame(struct _Unwind_Context *context,
                                         void *arg)
{
    struct trace *t = arg;
    if (t->count == FRAMES_MAX)
        return _URC_NORMAL_STOP;
    if (_Unwind_GetIP(context) == 0) { /* libgcc shows the last one's caller */
        t->outermost_cfa = (uintptr_t)_Unwind_GetCFA(context);
        return _URC_NO_REASON;
    }
    uintptr_t function = (uintptr_t)_Unwind_GetRegionStart(context);
    t->function[t->count++] = function;
    if (!t->has_registers && (function == (uintptr_t)machine_call_with ||
                              function == (uintptr_t)machine_call_elsewhere)) {
        for (int i = 0; i < machine_register_count; i++)
            t->registers[i] = _Unwind_GetGR(context, machine_register_dwarf[i]);
        t->cfa = (uintptr_t)_Unwind_GetCFA(context);
        t->has_registers = true;
    }
    return _URC_NO_REASON;
}

static RAW void take_trace(void *arg)
{
    struct trace *t = arg;
    memset(t, 0, sizeof(*t));
    t->end = _Unwind_Backtrace(add_frame, t);
}

/* The same through what users call. It does not tell functions, and does not
 * tell how it ended, but stops before an address that makes no sense. */
static RAW void take_backtrace(void *arg)
{
    struct trace *t = arg;
    memset(t, 0, sizeof(*t));
    void *address[FRAMES_MAX];
    int count = backtrace(address, FRAMES_MAX);
    for (int i = 0; i < count; i++) {
        void *function = _Unwind_FindEnclosingFunction(address[i]);
        t->function[t->count++] = (uintptr_t)function;
        if (function == (void *)(uintptr_t)take_backtrace) {
            t->function[0] = (uintptr_t)function;
            t->count = 1; /* a sanitizer's frames came before */
        }
    }
    t->end = _URC_END_OF_STACK;
}

static void expect_frames(const struct trace *t, int count,
                          const uintptr_t *functions)
{
    ck_assert_int_eq(t->end, _URC_END_OF_STACK);
    ck_assert_int_eq(t->count, count);
    for (int i = 0; i < count; i++)
        ck_assert_msg(t->function[i] == functions[i], "frame %d", i);
}

static void expect_registers(const struct trace *t, const struct pattern *p)
{
    ck_assert(t->has_registers);
    for (int i = 0; i < machine_register_count; i++)
        ck_assert_msg(t->registers[i] == p->in[i], "%s in the caller's frame",
                      machine_register_name[i]);
}

/* A task three calls deep. Called through pointers that the compiler cannot
 * see through, so that none is inlined or cloned. */
static void (*volatile call_inner)(void (*)(void *), void *);
static void (*volatile call_middle)(void (*)(void *), void *);
static void (*volatile task_does)(void *);
static int (*volatile call_to_main)(int);

static RAW void inner(void (*fn)(void *), void *arg)
{
    fn(arg);
    NO_TAIL_CALL;
}

static RAW void middle(void (*fn)(void *), void *arg)
{
    call_inner(fn, arg);
    NO_TAIL_CALL;
}

static RAW void deep_task(void *arg)
{
    call_inner = inner;
    call_middle = middle;
    call_middle(task_does, arg);
    for (;;)
        to_main(0);
}

static RAW void park(void *arg)
{
    (void)arg;
    call_to_main = patterned_to_main;
    for (;;) {
        call_to_main(0);
        NO_TAIL_CALL;
    }
}

START_TEST(a_backtrace_inside_a_context_ends_at_its_entry)
{
    static void (*const take[])(void *) = {take_trace, take_backtrace};
    for (int i = 0; i < 2; i++) {
        struct trace t;
        task_does = take[i];
        prepare(deep_task, &t);
        to_task(0);
        const uintptr_t functions[] = {(uintptr_t)take[i], (uintptr_t)inner,
                                       (uintptr_t)middle, (uintptr_t)deep_task,
                                       (uintptr_t)co__switch_entry};
        expect_frames(&t, 5, functions);
        start(deep_task, &t);
        expect_frames(&t, 5, functions);
    }
}
END_TEST

START_TEST(a_parked_context_is_unwound_from_another_stack)
{
    static void (*const take[])(void *) = {take_trace, take_backtrace};
    task_does = park;
    fill(&task_pattern, 11);
    prepare(deep_task, NULL);
    to_task(0);

    for (int i = 0; i < 2; i++) {
        struct trace t;
        co__switch_unwind(task_sp, take[i], &t);
        const uintptr_t functions[] = {(uintptr_t)take[i],
                                       (uintptr_t)co__switch_unwind,
                                       (uintptr_t)machine_call_with,
                                       (uintptr_t)patterned_to_main,
                                       (uintptr_t)park,
                                       (uintptr_t)inner,
                                       (uintptr_t)middle,
                                       (uintptr_t)deep_task,
                                       (uintptr_t)co__switch_entry};
        expect_frames(&t, 9, functions);
        if (i == 0)
            expect_registers(&t, &task_pattern);
    }
}
END_TEST

START_TEST(a_context_that_never_ran_is_unwound_to_its_entry)
{
    struct trace t;
    prepare(deep_task, NULL);
    co__switch_unwind(task_sp, take_trace, &t);
    const uintptr_t functions[] = {(uintptr_t)take_trace,
                                   (uintptr_t)co__switch_unwind,
                                   (uintptr_t)co__switch_entry};
    expect_frames(&t, 3, functions);
    ck_assert_uint_eq(t.outermost_cfa, (uintptr_t)stack_top);
}
END_TEST

START_TEST(unwinding_a_parked_context_leaves_its_stack_alone)
{
    struct trace t;
    static char before[STACK_BYTES];
    task_does = park;
    fill(&task_pattern, 12);
    prepare(deep_task, NULL);
    to_task(0);
    memcpy(before, stack_top - STACK_BYTES, STACK_BYTES);
    VALGRIND_MAKE_MEM_DEFINED(before, STACK_BYTES); /* compare all of it */
    VALGRIND_MAKE_MEM_DEFINED(stack_top - STACK_BYTES, STACK_BYTES);
    co__switch_unwind(task_sp, take_trace, &t);
    ck_assert(memcmp(before, stack_top - STACK_BYTES, STACK_BYTES) == 0);

    /* It goes on as if nothing had been. */
    to_task(0);
    compare(&task_pattern, "the task");
}
END_TEST

START_TEST(unwinding_a_parked_context_keeps_the_callers_registers)
{
    struct trace t;
    task_does = park;
    prepare(deep_task, NULL);
    to_task(0);
    fill(&main_pattern, 13);
    machine_call_with(main_pattern.in, main_pattern.out,
                      (void (*)(void))co__switch_unwind, task_sp,
                      (void *)(uintptr_t)take_trace, &t, NULL);
    compare(&main_pattern, "main");
    ck_assert_int_gt(t.count, 0);
}
END_TEST

/* ---- unwinding from every instruction ---------------------------------- */

static struct {
    int steps;
    int on_main;
    int on_task;
    int wrong;
    int unended;
    uintptr_t cfa[2]; /* of machine_call_with, on main and on the task */
} stepped;

/* The caller is always found at the same place and with its registers. */
static RAW void check_caller(const struct trace *t, bool on_task)
{
    const struct pattern *p = on_task ? &task_pattern : &main_pattern;
    size_t bytes = (size_t)machine_register_count * sizeof(p->in[0]);
    on_task ? stepped.on_task++ : stepped.on_main++;
    if (!stepped.cfa[on_task])
        stepped.cfa[on_task] = t->cfa;
    if (!t->has_registers || t->cfa != stepped.cfa[on_task] ||
        memcmp(t->registers, p->in, bytes) != 0)
        stepped.wrong++;
}

/* Whichever stack the instruction finds itself on, unwinding must find the
 * function that switched, with the registers that it had, and then an end. */
static RAW void check_step(uintptr_t pc)
{
    (void)pc;
    struct trace t;
    take_trace(&t);
    stepped.steps++;

    bool on_task =
        t.cfa > (uintptr_t)stack_base && t.cfa <= (uintptr_t)stack_top;
    check_caller(&t, on_task);
    if (on_task && (t.end != _URC_END_OF_STACK ||
                    t.function[t.count - 1] != (uintptr_t)co__switch_entry))
        stepped.unended++;
}

static RAW void there_and_back(void *arg)
{
    (void)arg;
    patterned_to_task(0);
}

static RAW void nothing(void *arg)
{
    (void)arg;
}

static RAW void unwind_nothing(void *arg)
{
    (void)arg;
    machine_call_with(main_pattern.in, main_pattern.out,
                      (void (*)(void))co__switch_unwind, task_sp,
                      (void *)(uintptr_t)nothing, NULL, NULL);
}

static void park_patterned_task(void)
{
    memset(&stepped, 0, sizeof(stepped));
    prepare(patterned_task, NULL);
    fill(&main_pattern, 21);
    fill(&task_pattern, 22);
    patterned_to_task(0);
}

START_TEST(unwinding_works_from_every_instruction_of_the_switch)
{
    task_is_elsewhere = _i;
    park_patterned_task();
    int n =
        machine_step((uintptr_t)co__switch, there_and_back, NULL, check_step);
    if (RUNNING_ON_VALGRIND)
        return; /* which has no single steps */
    ck_assert_int_gt(n, 20);
    ck_assert_int_eq(stepped.steps, n);
    ck_assert_int_eq(stepped.wrong, 0);
    ck_assert_int_eq(stepped.unended, 0);
    ck_assert_int_gt(stepped.on_main, 8);
    ck_assert_int_gt(stepped.on_task, 8);
    compare(&main_pattern, "main");
    compare(&task_pattern, "the task");
}
END_TEST

START_TEST(unwinding_works_from_every_instruction_of_unwind)
{
    park_patterned_task();
    int n = machine_step((uintptr_t)co__switch_unwind, unwind_nothing, NULL,
                         check_step);
    if (RUNNING_ON_VALGRIND)
        return; /* which has no single steps */
    ck_assert_int_gt(n, 6);
    ck_assert_int_eq(stepped.steps, n);
    ck_assert_int_eq(stepped.wrong, 0);
    ck_assert_int_eq(stepped.unended, 0);
    ck_assert_int_eq(stepped.on_task, 1); /* the call itself */
}
END_TEST

static RAW void check_entry_step(uintptr_t pc)
{
    (void)pc;
    struct trace t;
    take_trace(&t);
    stepped.steps++;
    if (t.end != _URC_END_OF_STACK ||
        t.function[t.count - 1] != (uintptr_t)co__switch_entry)
        stepped.unended++;
}

static RAW void start_anew(void *arg)
{
    (void)arg;
    prepare(patterned_task, NULL);
    to_task(0);
}

/* The stack of main until the switch; on the new stack, an end at once. */
static RAW void check_start_step(uintptr_t pc)
{
    (void)pc;
    struct trace t;
    take_trace(&t);
    stepped.steps++;
    if (t.has_registers) {
        check_caller(&t, false);
    } else {
        stepped.on_task++;
        if (t.end != _URC_END_OF_STACK ||
            t.function[t.count - 1] != (uintptr_t)co__switch_start)
            stepped.unended++;
    }
}

static RAW void start_and_end(void *arg)
{
    (void)arg;
    patterned_start(patterned_final_task, NULL);
}

START_TEST(unwinding_works_from_every_instruction_of_a_start)
{
    memset(&stepped, 0, sizeof(stepped));
    memset(stack_top, 0x5a, 512); /* no unwinder may look there */
    fill(&main_pattern, 41);
    fill(&task_pattern, 42);
    int n = machine_step((uintptr_t)co__switch_start, start_and_end, NULL,
                         check_start_step);
    if (RUNNING_ON_VALGRIND)
        return; /* which has no single steps */
    ck_assert_int_gt(n, 14);
    ck_assert_int_eq(stepped.steps, n);
    ck_assert_int_eq(stepped.wrong, 0);
    ck_assert_int_eq(stepped.unended, 0);
    ck_assert_int_ge(stepped.on_main, n - 5);
    ck_assert_int_ge(stepped.on_task, 4);
}
END_TEST

/* The stack of the context that ends until sp is the other's; there, an end at
 * once. */
static RAW void check_begin_step(uintptr_t pc)
{
    (void)pc;
    struct trace t;
    take_trace(&t);
    uintptr_t last = t.function[t.count - 1];
    stepped.steps++;
    if (last == (uintptr_t)co__switch_begin)
        stepped.on_task++;
    else
        stepped.unended += last != (uintptr_t)co__switch_entry;
    stepped.unended += t.end != _URC_END_OF_STACK;
}

static RAW void start_and_begin(void *arg)
{
    (void)arg;
    start_by_end(stack_top, patterned_final_task, NULL);
}

START_TEST(unwinding_ends_at_every_instruction_of_a_beginning)
{
    memset(&stepped, 0, sizeof(stepped));
    memset(stack_top, 0x5a, 512); /* no unwinder may look there */
    fill(&task_pattern, 45);
    int n = machine_step((uintptr_t)co__switch_begin, start_and_begin, NULL,
                         check_begin_step);
    if (RUNNING_ON_VALGRIND)
        return; /* which has no single steps */
    ck_assert_int_gt(n, 6);
    ck_assert_int_eq(stepped.steps, n);
    ck_assert_int_eq(stepped.unended, 0);
    ck_assert_int_eq(stepped.on_task, n - 2); /* all that follows sp */
}
END_TEST

START_TEST(unwinding_works_from_every_instruction_of_an_end)
{
    memset(&stepped, 0, sizeof(stepped));
    fill(&main_pattern, 43);
    fill(&task_pattern, 44);
    int n = machine_step((uintptr_t)co__switch_final, start_and_end, NULL,
                         check_step);
    if (RUNNING_ON_VALGRIND)
        return; /* which has no single steps */
    ck_assert_int_gt(n, 10);
    ck_assert_int_eq(stepped.steps, n);
    ck_assert_int_eq(stepped.wrong, 0);
    ck_assert_int_eq(stepped.unended, 0);
    ck_assert_int_eq(stepped.on_task, 2); /* until sp is main's */
}
END_TEST

START_TEST(unwinding_ends_at_every_instruction_of_the_entry)
{
    memset(&stepped, 0, sizeof(stepped));
    int n = machine_step((uintptr_t)co__switch_entry, start_anew, NULL,
                         check_entry_step);
    if (RUNNING_ON_VALGRIND)
        return;             /* which has no single steps */
    ck_assert_int_eq(n, 2); /* move the argument, call */
    ck_assert_int_eq(stepped.steps, 2);
    ck_assert_int_eq(stepped.unended, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("unwind");
    TCase *tc = tcase_create("unwind");
    tcase_add_checked_fixture(tc, make_stack, free_stack);
    tcase_add_test(tc, a_backtrace_inside_a_context_ends_at_its_entry);
    tcase_add_test(tc, a_parked_context_is_unwound_from_another_stack);
    tcase_add_test(tc, a_context_that_never_ran_is_unwound_to_its_entry);
    tcase_add_test(tc, unwinding_a_parked_context_leaves_its_stack_alone);
    tcase_add_test(tc, unwinding_a_parked_context_keeps_the_callers_registers);
    tcase_add_loop_test(
        tc, unwinding_works_from_every_instruction_of_the_switch, 0, 2);
    tcase_add_test(tc, unwinding_works_from_every_instruction_of_an_end);
    tcase_add_test(tc, unwinding_works_from_every_instruction_of_a_start);
    tcase_add_test(tc, unwinding_ends_at_every_instruction_of_a_beginning);
    tcase_add_test(tc, unwinding_works_from_every_instruction_of_unwind);
    tcase_add_test(tc, unwinding_ends_at_every_instruction_of_the_entry);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
