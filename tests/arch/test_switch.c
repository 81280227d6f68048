/* SPDX-License-Identifier: MIT */
/* The switch alone: no scheduler, and no sanitizer is told. The same file is
 * built with several optimisation levels, since what a compiler keeps in
 * registers across a call differs. */
#include "arch/switch.h"

#include <execinfo.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unwind.h>

#include "machine.h"
#include "support/check_main.h"

enum {
    STACK_BYTES = 256 * 1024,
    /* valgrind takes two stacks that are near each other for one. */
    STACK_STRIDE = 8 * 1024 * 1024,
    FRAMES_MAX = 32,
};

/* The two sides of most tests: the test itself, and one context. */
static char *stack_base;
static char *stack_top;
static void *main_sp;
static void *task_sp;

static void make_stack(void)
{
    stack_base = mmap(NULL, STACK_STRIDE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(stack_base, MAP_FAILED);
    stack_top = stack_base + STACK_STRIDE / 2 + STACK_BYTES;
}

static void free_stack(void)
{
    munmap(stack_base, STACK_STRIDE);
}

/* As the library calls it: a function of our own, a tail call at -O2. */
static RAW int to_task(int value)
{
    return co__switch(&main_sp, task_sp, value);
}

static RAW int to_main(int value)
{
    return co__switch(&task_sp, main_sp, value);
}

static RAW int start(void (*entry)(void *), void *arg)
{
    return co__switch_start(&main_sp, stack_top, entry, arg);
}

static void prepare(void (*entry)(void *), void *arg)
{
    task_sp = co__switch_prepare(stack_top, entry, arg);
}

/* ---- registers --------------------------------------------------------- */

struct pattern {
    uint64_t in[MACHINE_REGISTERS_MAX];
    uint64_t out[MACHINE_REGISTERS_MAX];
};
static struct pattern main_pattern;
static struct pattern task_pattern;

static void fill(struct pattern *p, uint64_t seed)
{
    for (int i = 0; i < machine_register_count; i++) {
        p->in[i] = seed * 0x9e3779b97f4a7c15u + (uint64_t)i * 0x0101010101u;
        p->out[i] = 0;
    }
}

static void compare(const struct pattern *p, const char *side)
{
    for (int i = 0; i < machine_register_count; i++)
        ck_assert_msg(p->out[i] == p->in[i], "%s of %s: %#llx became %#llx",
                      machine_register_name[i], side,
                      (unsigned long long)p->in[i],
                      (unsigned long long)p->out[i]);
}

static RAW int patterned_to_task(int value)
{
    value = machine_call_with(main_pattern.in, main_pattern.out,
                              (void (*)(void))co__switch, &main_sp, task_sp,
                              (void *)(intptr_t)value, NULL);
    NO_TAIL_CALL;
    return value;
}

static RAW int patterned_to_main(int value)
{
    value = machine_call_with(task_pattern.in, task_pattern.out,
                              (void (*)(void))co__switch, &task_sp, main_sp,
                              (void *)(intptr_t)value, NULL);
    NO_TAIL_CALL;
    return value;
}

static RAW void patterned_task(void *arg)
{
    (void)arg;
    for (;;)
        patterned_to_main(0);
}

START_TEST(every_callee_saved_register_survives_a_switch)
{
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

static RAW int patterned_start(void (*entry)(void *), void *arg)
{
    int value = machine_call_with(main_pattern.in, main_pattern.out,
                                  (void (*)(void))co__switch_start, &main_sp,
                                  stack_top, (void *)(uintptr_t)entry, arg);
    NO_TAIL_CALL;
    return value;
}

/* Ends at once, having spoilt every register. */
static RAW void patterned_final_task(void *arg)
{
    (void)arg;
    machine_call_with(task_pattern.in, task_pattern.out,
                      (void (*)(void))co__switch_final, main_sp,
                      (void *)(intptr_t)-77, NULL, NULL);
}

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
        machine_float_set(at_start);
        compare_float(float_seen, ours);
        compare_float(after, ours);
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
    for (int i = 0; i < 3; i++) {
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

/* ---- unwinding --------------------------------------------------------- */

struct trace {
    uintptr_t function[FRAMES_MAX]; /* where each frame's function begins */
    int count;
    _Unwind_Reason_Code end;
    /* The registers in the first frame of machine_call_with. */
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
    if (function == (uintptr_t)machine_call_with && !t->has_registers) {
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
    prepare(argument_task, NULL);
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
    Suite *s = suite_create("switch");
    TCase *tc = tcase_create("switch");
    tcase_add_checked_fixture(tc, make_stack, free_stack);
    tcase_add_test(tc, every_callee_saved_register_survives_a_switch);
    tcase_add_test(tc, every_callee_saved_register_survives_a_start_and_an_end);
    tcase_add_test(tc, float_control_words_belong_to_the_context);
    tcase_add_test(
        tc, a_started_context_inherits_the_control_words_and_keeps_its_own);
    tcase_add_test(tc,
                   a_new_context_starts_with_the_control_words_of_its_maker);
    tcase_add_test(tc, a_value_is_handed_over_in_both_directions);
    tcase_add_test(tc, a_value_is_handed_over_by_a_start_and_an_end);
    tcase_add_test(tc, entry_gets_its_whole_argument);
    tcase_add_test(tc, entry_begins_with_an_aligned_stack_and_no_frame_pointer);
    tcase_add_test(tc, preparing_writes_nothing_but_the_frame);
    tcase_add_test(tc, a_context_that_parked_has_one_frame_below_its_sp);
    tcase_add_test(tc, an_entry_that_returns_is_trapped);
    tcase_add_test(tc, every_function_begins_with_a_landing_pad);
    tcase_add_test(tc, doubles_that_are_live_across_switches_keep_their_values);
    machine_add_tests(tc);
    suite_add_tcase(s, tc);

    tc = tcase_create("unwinding");
    tcase_add_checked_fixture(tc, make_stack, free_stack);
    tcase_add_test(tc, a_backtrace_inside_a_context_ends_at_its_entry);
    tcase_add_test(tc, a_parked_context_is_unwound_from_another_stack);
    tcase_add_test(tc, a_context_that_never_ran_is_unwound_to_its_entry);
    tcase_add_test(tc, unwinding_a_parked_context_leaves_its_stack_alone);
    tcase_add_test(tc, unwinding_a_parked_context_keeps_the_callers_registers);
    tcase_add_test(tc, unwinding_works_from_every_instruction_of_the_switch);
    tcase_add_test(tc, unwinding_works_from_every_instruction_of_an_end);
    tcase_add_test(tc, unwinding_works_from_every_instruction_of_a_start);
    tcase_add_test(tc, unwinding_works_from_every_instruction_of_unwind);
    tcase_add_test(tc, unwinding_ends_at_every_instruction_of_the_entry);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
