/* SPDX-License-Identifier: MIT */
#include "sides.h"

#include <check.h>
#include <sys/mman.h>

#include "arch/switch.h"
#include "machine.h"

enum {
    /* valgrind takes two stacks that are near each other for one. */
    STACK_STRIDE = 8 * 1024 * 1024,
};

char *stack_base;
char *stack_top;
char *other_top;
void *main_sp;
void *task_sp;

void make_stack(void)
{
    stack_base = mmap(NULL, STACK_STRIDE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(stack_base, MAP_FAILED);
    stack_top = stack_base + STACK_STRIDE / 2 + STACK_BYTES;
    other_top = stack_base + STACK_BYTES;
    task_is_elsewhere = 0;
}

void free_stack(void)
{
    munmap(stack_base, STACK_STRIDE);
}

RAW int to_task(int value)
{
    return co__switch(&main_sp, task_sp, value);
}

RAW int to_main(int value)
{
    return co__switch(&task_sp, main_sp, value);
}

RAW int start(void (*entry)(void *), void *arg)
{
    return co__switch_start(&main_sp, stack_top, entry, arg);
}

struct beginning {
    void *top;
    void (*entry)(void *arg);
    void *arg;
};

static RAW void begin(void *arg)
{
    struct beginning *next = arg;
    co__switch_begin(next->top, next->entry, next->arg);
}

RAW int start_by_end(void *top, void (*entry)(void *), void *arg)
{
    struct beginning next = {top, entry, arg};
    int value = co__switch_start(&main_sp, other_top, begin, &next);
    NO_TAIL_CALL;
    return value;
}

void prepare(void (*entry)(void *), void *arg)
{
    task_sp = co__switch_prepare(stack_top, entry, arg);
}

struct pattern main_pattern;
struct pattern task_pattern;
int task_is_elsewhere;

void fill(struct pattern *p, uint64_t seed)
{
    for (int i = 0; i < machine_register_count; i++) {
        p->in[i] = seed * 0x9e3779b97f4a7c15u + (uint64_t)i * 0x0101010101u;
        p->out[i] = 0;
    }
}

void compare(const struct pattern *p, const char *side)
{
    for (int i = 0; i < machine_register_count; i++)
        ck_assert_msg(p->out[i] == p->in[i], "%s of %s: %#llx became %#llx",
                      machine_register_name[i], side,
                      (unsigned long long)p->in[i],
                      (unsigned long long)p->out[i]);
}

RAW int patterned_to_task(int value)
{
    value = machine_call_with(main_pattern.in, main_pattern.out,
                              (void (*)(void))co__switch, &main_sp, task_sp,
                              (void *)(intptr_t)value, NULL);
    NO_TAIL_CALL;
    return value;
}

RAW int patterned_to_main(int value)
{
    value = (task_is_elsewhere ? machine_call_elsewhere : machine_call_with)(
        task_pattern.in, task_pattern.out, (void (*)(void))co__switch, &task_sp,
        main_sp, (void *)(intptr_t)value, NULL);
    NO_TAIL_CALL;
    return value;
}

RAW void patterned_task(void *arg)
{
    (void)arg;
    for (;;)
        patterned_to_main(0);
}
RAW int patterned_start(void (*entry)(void *), void *arg)
{
    int value = machine_call_with(main_pattern.in, main_pattern.out,
                                  (void (*)(void))co__switch_start, &main_sp,
                                  stack_top, (void *)(uintptr_t)entry, arg);
    NO_TAIL_CALL;
    return value;
}

RAW void patterned_final_task(void *arg)
{
    (void)arg;
    machine_call_with(task_pattern.in, task_pattern.out,
                      (void (*)(void))co__switch_final, main_sp,
                      (void *)(intptr_t)-77, NULL, NULL);
}
