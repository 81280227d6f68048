/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unwind.h>
#include <xmmintrin.h>

#include "arch/switch.h"
#include "arch/x86_64/frame.h"

const int machine_register_count = 6;
const char *const machine_register_name[] = {"rbx", "rbp", "r12",
                                             "r13", "r14", "r15"};
const int machine_register_dwarf[] = {3, 6, 12, 13, 14, 15};
const int machine_trap_signal = SIGILL;
const ptrdiff_t machine_frame_bytes = CO__FRAME_BYTES;
const ptrdiff_t machine_entry_sp_below_top = 8; /* the return address */

/* ---- floating point --------------------------------------------------- */

const int machine_float_words = 2;

struct machine_float machine_float_get(void)
{
    uint16_t cw;
    __asm__ volatile("fnstcw %0" : "=m"(cw));
    return (struct machine_float){{_mm_getcsr(), cw}};
}

void machine_float_set(struct machine_float words)
{
    uint16_t cw = (uint16_t)words.word[1];
    __asm__ volatile("fldcw %0" : : "m"(cw));
    _mm_setcsr((unsigned)words.word[0]);
}

struct machine_float machine_float_pattern(int i)
{
    /* Rounding in both units, never the same one. valgrind knows no more. */
    uint64_t mxcsr = 0x1f80u | (uint64_t)(i & 3) << 13;
    uint64_t cw = 0x037fu | (uint64_t)((i + 1) & 3) << 10;
    if (!RUNNING_ON_VALGRIND) {
        mxcsr |= i & 1 ? 0x8000u : 0x0040u; /* flush to zero, or DAZ */
        cw &= i & 2 ? ~0x0100u : ~0x0001u;  /* precision, or a mask */
    }
    return (struct machine_float){{mxcsr, cw}};
}

/* ---- single steps ------------------------------------------------------ */

static struct {
    uintptr_t function;
    void (*at)(uintptr_t pc);
    int count;
} stepping;

static void on_step(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    ucontext_t *uc = context;
    uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    /* The lookup is for return addresses: of the byte before. */
    void *found = _Unwind_FindEnclosingFunction((void *)(pc + 1));
    if ((uintptr_t)found == stepping.function) {
        stepping.count++;
        stepping.at(pc);
    }
}

int machine_step(uintptr_t function, void (*run)(void *), void *arg,
                 void (*at)(uintptr_t pc))
{
    if (RUNNING_ON_VALGRIND)
        return 0;

    stepping.function = function;
    stepping.at = at;
    stepping.count = 0;

    struct sigaction old;
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_step;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, &old);

    /* The trap flag: a SIGTRAP before each instruction that follows. Flags are
     * the processor's, whatever stack it is on. */
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t" /* below the red zone */
                     "pushfq\n\t"
                     "orq $0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "lea 128(%%rsp), %%rsp" ::
                         : "memory", "cc");
    run(arg);
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                     "pushfq\n\t"
                     "andq $~0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "lea 128(%%rsp), %%rsp" ::
                         : "memory", "cc");

    sigaction(SIGTRAP, &old, NULL);
    return stepping.count;
}

/* ---- landing pads ------------------------------------------------------ */

int machine_is_landing_pad(uintptr_t function)
{
    /* No Linux kernel enforces IBT in user mode yet, so look at the bytes. */
    static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    return memcmp((const void *)function, endbr64, sizeof(endbr64)) == 0;
}

void machine_add_tests(TCase *tc)
{
    (void)tc;
}
