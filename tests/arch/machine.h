/* SPDX-License-Identifier: MIT */
/* tests/arch/machine.h - what the tests of the switch must know of a machine:
 * <machine>_machine.c and <machine>_regs.S, one pair for each.
 *
 * "The registers" are those that a called function keeps, in an order of the
 * machine's own.
 */
#ifndef CO_TESTS_ARCH_MACHINE_H
#define CO_TESTS_ARCH_MACHINE_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#if CO__VALGRIND
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND                      0
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ((void)0)
#endif

/* These functions run on stacks that no sanitizer has been told of, and leave
 * some of them for good. The empty asm keeps a call from being a tail call. */
#define RAW          __attribute__((noinline, no_sanitize("address", "thread")))
#define NO_TAIL_CALL __asm__ volatile("" ::: "memory")

enum {
    MACHINE_REGISTERS_MAX = 24,
    MACHINE_FLOAT_WORDS_MAX = 2,
    MACHINE_FLOAT_PATTERNS = 4,
};

extern const int machine_register_count;
extern const char *const machine_register_name[];
extern const int machine_register_dwarf[];  /* their numbers for unwinders */
extern const int machine_trap_signal;       /* for an entry that returns */
extern const ptrdiff_t machine_frame_bytes; /* of a context that is saved */
extern const ptrdiff_t machine_entry_sp_below_top;

/*
 * Put in[] into the registers, call fn(a, b, c, d), put what they hold then
 * into out[], and return what fn returned. Unwinders find in[] in this frame.
 */
int machine_call_with(const uint64_t *in, uint64_t *out, void (*fn)(void),
                      void *a, void *b, void *c, void *d);
/* The same, so that fn returns to another place. */
int machine_call_elsewhere(const uint64_t *in, uint64_t *out, void (*fn)(void),
                           void *a, void *b, void *c, void *d);

/* An entry whose argument is a struct machine_entry: it notes how it was
 * entered, makes an access that demands an aligned stack, and goes on in
 * next(argument). */
struct machine_entry {
    uintptr_t sp;
    uintptr_t frame_pointer;
    void (*next)(void *);
};
void machine_entry_probe(void *entry);

/* The control words of the floating-point units. */
struct machine_float {
    uint64_t word[MACHINE_FLOAT_WORDS_MAX];
};
extern const int machine_float_words;
struct machine_float machine_float_get(void);
void machine_float_set(struct machine_float words);
struct machine_float machine_float_pattern(int i); /* all words differ */

/*
 * Call run(arg) and, before every instruction of `function` that it executes,
 * at(pc) in a signal handler. Returns how many instructions that were: none
 * under valgrind.
 */
int machine_step(uintptr_t function, void (*run)(void *), void *arg,
                 void (*at)(uintptr_t pc));

/* May an indirect call land on the function's first instruction? */
int machine_is_landing_pad(uintptr_t function);

/* The machine's own tests. */
void machine_add_tests(TCase *tc);

#endif
