/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "arch/aarch64/frame.h"
#include "arch/switch.h"

#ifndef PROT_BTI
#define PROT_BTI 0x10
#endif
#ifndef HWCAP_PACA
#define HWCAP_PACA (1ul << 30)
#endif
#ifndef HWCAP2_BTI
#define HWCAP2_BTI (1ul << 17)
#endif

const int machine_register_count = 19;
const char *const machine_register_name[] = {"x19", "x20", "x21", "x22", "x23",
                                             "x24", "x25", "x26", "x27", "x28",
                                             "x29", "d8",  "d9",  "d10", "d11",
                                             "d12", "d13", "d14", "d15"};
const int machine_register_dwarf[] = {19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
                                      29, 72, 73, 74, 75, 76, 77, 78, 79};
const int machine_trap_signal = SIGTRAP;
const ptrdiff_t machine_frame_bytes = CO__FRAME_BYTES;
const ptrdiff_t machine_entry_sp_below_top = 0;

/* ---- floating point --------------------------------------------------- */

const int machine_float_words = 1;

struct machine_float machine_float_get(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return (struct machine_float){{fpcr}};
}

void machine_float_set(struct machine_float words)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(words.word[0]));
}

struct machine_float machine_float_pattern(int i)
{
    /* Rounding mode, and by turns flush to zero or default NaN. */
    uint64_t fpcr = (uint64_t)(i & 3) << 22 | 1ul << (24 + (i & 1));
    return (struct machine_float){{fpcr}};
}

/* ---- single steps ------------------------------------------------------ */

static struct {
    void (*at)(uintptr_t pc);
    uint32_t *word;
    uint32_t instruction;
    int count;
} stepping;

static void put(uint32_t instruction)
{
    char *word = (char *)stepping.word;
    *stepping.word = instruction;
    __builtin___clear_cache(word, word + sizeof(instruction));
}

static void on_step(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    ucontext_t *uc = context;
    uintptr_t pc = (uintptr_t)uc->uc_mcontext.pc;
    if (pc != (uintptr_t)stepping.word)
        abort();
    put(stepping.instruction);
    stepping.count++;
    stepping.at(pc);
}

/* User mode has no single steps, so put a breakpoint on every instruction in
 * turn, run, and take it away when it is hit. */
int machine_step(uintptr_t function, void (*run)(void *), void *arg,
                 void (*at)(uintptr_t pc))
{
    struct sigaction old;
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_step;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, &old);

    stepping.at = at;
    stepping.count = 0;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *pages = (void *)(function & ~(page - 1));
    size_t bytes = function + 255 - (uintptr_t)pages;
    if (mprotect(pages, bytes, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        return 0;

    for (uintptr_t pc = function;; pc += sizeof(uint32_t)) {
        /* The lookup is for return addresses: of the byte before. */
        void *found = _Unwind_FindEnclosingFunction((void *)(pc + 1));
        if ((uintptr_t)found != function)
            break;
        stepping.word = (uint32_t *)pc;
        stepping.instruction = *stepping.word;
        put(0xd4200000u); /* brk #0 */
        run(arg);
        put(stepping.instruction); /* if it was not hit */
    }

    mprotect(pages, bytes, PROT_READ | PROT_EXEC);
    sigaction(SIGTRAP, &old, NULL);
    return stepping.count;
}

/* ---- landing pads and signed addresses --------------------------------- */

int machine_is_landing_pad(uintptr_t function)
{
    uint32_t first;
    memcpy(&first, (const void *)function, sizeof(first));
    return first == 0xd503233f     /* paciasp */
           || first == 0xd503245f; /* bti c */
}

/* Run fn in a child; the signal that ended it, or 0. */
static int signal_that_ends(void (*fn)(void *), void *arg)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        static const int deadly[] = {SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
        for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
            signal(deadly[i], SIG_DFL);
        alarm(5);
        fn(arg);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

enum {
    STACK_BYTES = 64 * 1024
};
static _Alignas(16) char stack[STACK_BYTES];
static void *task_sp;
static void *main_sp;

typedef int switch_function(void **from, void *to, int value);
typedef int start_function(void **from, void *top, void (*entry)(void *),
                           void *arg);
typedef void begin_function(void *top, void (*entry)(void *), void *arg);
typedef void final_function(void *to, int value);
typedef void *prepare_function(void *top, void (*entry)(void *), void *arg);
typedef void unwind_function(void *sp, void (*fn)(void *), void *arg);

/* The switch again, in a page of its own where every indirect call must hit a
 * landing pad. (Debian's start files have none, so the program as a whole
 * cannot be run so.) */
static struct guarded {
    uintptr_t moved_by;
    switch_function *switch_;
    start_function *start;
    begin_function *begin;
    final_function *final;
    prepare_function *prepare;
    unwind_function *unwind;
} guarded;

static bool guard_a_copy(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)co__switch;
    uintptr_t last = (uintptr_t)co__switch_unwind + 256;
    ck_assert_uint_lt((uintptr_t)co__switch_prepare, last);
    ck_assert_uint_lt((uintptr_t)co__switch_entry, last);
    ck_assert_uint_lt((uintptr_t)co__switch_start, last);
    ck_assert_uint_lt((uintptr_t)co__switch_begin, last);
    ck_assert_uint_lt((uintptr_t)co__switch_final, last);
    ck_assert_uint_lt(first, (uintptr_t)co__switch_prepare);
    ck_assert_uint_lt(first, (uintptr_t)co__switch_start);
    ck_assert_uint_lt(first, (uintptr_t)co__switch_begin);
    ck_assert_uint_lt(first, (uintptr_t)co__switch_final);

    char *copy = mmap(NULL, page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(copy, MAP_FAILED);
    ck_assert_uint_le(last - first, page);
    memcpy(copy, (const void *)first, last - first);
    if (mprotect(copy, page, PROT_READ | PROT_EXEC | PROT_BTI) != 0)
        return false;
    __builtin___clear_cache(copy, copy + page);

    uintptr_t by = (uintptr_t)copy - first;
    guarded.moved_by = by;
    guarded.switch_ = (switch_function *)((uintptr_t)co__switch + by);
    guarded.start = (start_function *)((uintptr_t)co__switch_start + by);
    guarded.begin = (begin_function *)((uintptr_t)co__switch_begin + by);
    guarded.final = (final_function *)((uintptr_t)co__switch_final + by);
    guarded.prepare = (prepare_function *)((uintptr_t)co__switch_prepare + by);
    guarded.unwind = (unwind_function *)((uintptr_t)co__switch_unwind + by);
    return true;
}

RAW static void guarded_task(void *arg)
{
    int value = 0;
    for (;;)
        value = guarded.switch_(&task_sp, main_sp, value + *(int *)arg);
}

/* Landed on by a jump from the guarded page, but not in one. */
RAW static void final_task(void *arg)
{
    guarded.final(main_sp, *(int *)arg);
}

RAW static void begin_final_task(void *arg)
{
    guarded.begin(stack + STACK_BYTES, final_task, arg);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void call_guarded(void *arg)
{
    int step = 5;
    int *result = arg;
    task_sp = guarded.prepare(stack + STACK_BYTES, guarded_task, &step);
    guarded.unwind(task_sp, count, result);
    for (int i = 0; i < 3; i++)
        *result += guarded.switch_(&main_sp, task_sp, 100);
    *result += guarded.start(&main_sp, stack + STACK_BYTES, final_task, &step);
    *result +=
        guarded.start(&main_sp, stack + STACK_BYTES, begin_final_task, &step);
}

static void call_past_the_landing_pad(void *arg)
{
    (void)arg;
    uintptr_t second = (uintptr_t)co__switch_prepare + 4 + guarded.moved_by;
    ((prepare_function *)second)(stack + STACK_BYTES, guarded_task, NULL);
}

START_TEST(every_function_may_be_called_indirectly_from_a_guarded_page)
{
    if (!(getauxval(AT_HWCAP2) & HWCAP2_BTI) || !guard_a_copy())
        return; /* this processor has no such pages */
    /* The page is guarded indeed. */
    ck_assert_int_eq(signal_that_ends(call_past_the_landing_pad, NULL), SIGILL);
    int result = 0;
    ck_assert_int_eq(signal_that_ends(call_guarded, &result), 0);
    call_guarded(&result);
    /* count(), three switches, and the step of a task that ends at once, and
     * of one that another begins. */
    ck_assert_int_eq(result, 1 + 5 + 105 + 105 + 5 + 5);
}
END_TEST

static uint64_t *saved_return_address(void)
{
    return (uint64_t *)((char *)task_sp + CO__FRAME_X30);
}

RAW static void plain_task(void *arg)
{
    (void)arg;
    for (;;)
        co__switch(&task_sp, main_sp, 0);
}

static void resume(void *arg)
{
    (void)arg;
    co__switch(&main_sp, task_sp, 0);
}

START_TEST(a_saved_return_address_is_signed_and_checked)
{
    if (!(getauxval(AT_HWCAP) & HWCAP_PACA))
        return; /* this processor signs nothing */

    /* A signature is a few bits, and may happen to be the bits that were there
     * before: about one time in a hundred. So take several addresses. */
    int differed[2] = {0, 0};
    for (int colour = 0; colour < 8; colour++) {
        char *top = stack + STACK_BYTES - 16 * colour;
        task_sp = co__switch_prepare(top, plain_task, NULL);
        for (int i = 0; i < 2; i++) { /* a new context, then one that parked */
            uint64_t signed_address = *saved_return_address();
            uint64_t plain = signed_address & ((1ull << 47) - 1);
            ck_assert_int_eq(signal_that_ends(resume, NULL), 0);
            if (signed_address != plain) {
                differed[i]++;
                *saved_return_address() = plain;
                int ended_by = signal_that_ends(resume, NULL);
                ck_assert(ended_by == SIGILL || ended_by == SIGSEGV);
                *saved_return_address() = signed_address;
            }
            resume(NULL);
        }
    }
    ck_assert_int_gt(differed[0], 0);
    ck_assert_int_gt(differed[1], 0);
}
END_TEST

void machine_add_tests(TCase *tc)
{
    tcase_add_test(tc,
                   every_function_may_be_called_indirectly_from_a_guarded_page);
    tcase_add_test(tc, a_saved_return_address_is_signed_and_checked);
}
