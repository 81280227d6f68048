/* SPDX-License-Identifier: MIT */
/* tests/arch/sides.h - the two sides of most tests: the test itself, called
 * main, and one context, called the task. They run in turn.
 */
#ifndef CO_TESTS_ARCH_SIDES_H
#define CO_TESTS_ARCH_SIDES_H

#include <stdint.h>

#include "machine.h"

enum {
    STACK_BYTES = 256 * 1024,
};

extern char *stack_base;
extern char *stack_top; /* the task's; there is writable memory above too */
extern char *other_top; /* of another stack, as large */
extern void *main_sp;
extern void *task_sp;

/* Fixtures: a new stack for every test. */
void make_stack(void);
void free_stack(void);

/* Switch, as the library does: by a function that ends in a tail call. */
int to_task(int value);
int to_main(int value);
int start(void (*entry)(void *), void *arg);
/* The same by way of a task on the other stack, which begins the entry on `top`
 * as it ends. */
int start_by_end(void *top, void (*entry)(void *), void *arg);

void prepare(void (*entry)(void *), void *arg);

/* What a side has in its registers as it switches, and as it comes back. */
struct pattern {
    uint64_t in[MACHINE_REGISTERS_MAX];
    uint64_t out[MACHINE_REGISTERS_MAX];
};
extern struct pattern main_pattern;
extern struct pattern task_pattern;

void fill(struct pattern *p, uint64_t seed);
void compare(const struct pattern *p, const char *side);

/* Whether the task switches at another place than main. */
extern int task_is_elsewhere;

/* Switch with these patterns in the registers. */
int patterned_to_task(int value);
int patterned_to_main(int value);
int patterned_start(void (*entry)(void *), void *arg);

/* Entries: parks for ever; ends at once, having spoilt every register. */
void patterned_task(void *arg);
void patterned_final_task(void *arg);

#endif
