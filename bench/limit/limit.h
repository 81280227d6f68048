/* SPDX-License-Identifier: MIT */
/*
 * bench/limit/limit.h - the smallest scheduler of stackful tasks that one can
 * write by hand for x86_64, to find what the machine allows. It has no safety,
 * no cancelling and no errors, but pays what Coppice cannot avoid either:
 *
 * - the switch keeps the float control words, as the ABI asks;
 * - stacks lie 260 KiB apart, on small pages, with their tops coloured (64
 *   pages would put all tops into the same sets of the larger caches);
 * - every 61 switches it reads the clock, and polls if 20 us have passed.
 *
 * One program includes it and defines limit_idle(), which must make a task
 * ready, or end the program.
 */
#ifndef BENCH_LIMIT_H
#define BENCH_LIMIT_H

#include "bench.h"

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define LIMIT_STRIDE     ((size_t)260 << 10)
#define LIMIT_SLAB       (1024 * LIMIT_STRIDE)
#define LIMIT_GUARD      ((size_t)4096)
#define LIMIT_POLL_EVERY 61
#define LIMIT_POLL_NS    20000
#define LIMIT_EVENTS_MAX 256

/* As limit_place the same programs go on by a jump where they do not go back to
 * the place that the switch was called from, as ours do. */
#ifdef LIMIT_PLACE
#define LIMIT_HERE "    mov 56(%rsp), %rcx\n"
#define LIMIT_LEAVE                                                            \
    "    cmp %rcx, (%rsp)\n"                                                   \
    "    jne 1f\n"                                                             \
    "    ret\n"                                                                \
    "1:  pop %rcx\n"                                                           \
    "    notrack jmp *%rcx\n"
#else
#define LIMIT_HERE  ""
#define LIMIT_LEAVE "    ret\n"
#endif

/*
 * Save the callee-saved registers here, take up the other stack there, and
 * return value as the result of the call that left that stack.
 */
__asm__(".text\n"
        ".p2align 4\n"
        ".type limit_switch, @function\n"
        "limit_switch:\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    sub $8, %rsp\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n" LIMIT_HERE "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    add $8, %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    mov %edx, %eax\n" LIMIT_LEAVE
        ".size limit_switch, . - limit_switch\n");
int limit_switch(void **from, void *to, int value);

struct limit_task {
    void *sp;                /* valid while the task does not run */
    struct limit_task *next; /* in the run queue or the free list */
    struct limit_task *joiner;
    void (*fn)(void *arg);
    union {
        void *arg;  /* until it starts */
        long value; /* from then on: what is handed to it while it waits */
    };
    bool done;
    bool waiting; /* from here on: for the program's use */
    int fd;
    unsigned events;
    uint64_t due; /* tick */
    struct limit_task *timer_next, *timer_prev;
} __attribute__((aligned(64)));

static struct limit_task limit_main;
static struct limit_task *limit_current = &limit_main;
static struct limit_task *limit_head, **limit_tail = &limit_head;
static struct limit_task *limit_free;
static bool limit_guards;
static int limit_epoll = -1;
static unsigned limit_countdown = LIMIT_POLL_EVERY;
static int64_t limit_polled;
static void (*limit_timers)(void); /* called at each poll; or NULL */

static void limit_idle(void);
static void limit_events(const struct epoll_event *events, int count);

BENCH_UNUSED static void limit_init(void)
{
    limit_epoll = epoll_create1(EPOLL_CLOEXEC);
    limit_polled = bench_now_ns();
}

BENCH_NOINLINE static void limit_poll(void)
{
    /* Not on the stack of the task that happens to poll: that would keep a
     * second page for ever. */
    static struct epoll_event events[LIMIT_EVENTS_MAX];
    int64_t now = bench_now_ns();
    int n;

    limit_countdown = LIMIT_POLL_EVERY;
    if (now - limit_polled < LIMIT_POLL_NS)
        return;
    limit_polled = now;
    n = epoll_wait(limit_epoll, events, LIMIT_EVENTS_MAX, 0);
    if (n > 0)
        limit_events(events, n);
    if (limit_timers)
        limit_timers();
}

static inline void limit_tick(void)
{
    if (__builtin_expect(--limit_countdown == 0, 0))
        limit_poll();
}

static inline void limit_ready(struct limit_task *task)
{
    task->next = NULL;
    *limit_tail = task;
    limit_tail = &task->next;
}

static inline struct limit_task *limit_pop(void)
{
    struct limit_task *task;

    while (__builtin_expect(!limit_head, 0))
        limit_idle();
    task = limit_head;
    limit_head = task->next;
    if (!limit_head)
        limit_tail = &limit_head;
    return task;
}

static inline void limit_go(struct limit_task *task)
{
    struct limit_task *from = limit_current;

    limit_current = task;
    limit_switch(&from->sp, task->sp, 0);
}

BENCH_UNUSED BENCH_NOINLINE static void limit_yield(void)
{
    limit_tick();
    if (!limit_head)
        return;
    limit_ready(limit_current);
    limit_go(limit_pop());
}

BENCH_UNUSED BENCH_NOINLINE static void limit_block(void)
{
    struct limit_task *task;

    limit_tick();
    task = limit_pop();
    if (task != limit_current)
        limit_go(task);
}

/* A finished task's stack begins again here, so its frame is made only once. */
static void limit_entry(void)
{
    for (;;) {
        struct limit_task *task = limit_current;

        task->fn(task->arg);
        task->done = true;
        if (task->joiner)
            limit_ready(task->joiner);
        limit_block();
    }
}

/* The next 260 KiB of address space, from slabs on 2 MiB boundaries. */
static inline char *limit_stack(void)
{
    static char *slab, *slab_end;
    const uintptr_t huge = (uintptr_t)2 << 20;
    char *stack;

    if (slab == slab_end) {
        void *p = mmap(NULL, LIMIT_SLAB + huge, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
            bench_die("mmap");
        slab = (char *)(((uintptr_t)p + huge - 1) & ~(huge - 1));
        slab_end = slab + LIMIT_SLAB;
        madvise(slab, LIMIT_SLAB, MADV_NOHUGEPAGE);
    }
    stack = slab;
    slab += LIMIT_STRIDE;
    if (limit_guards && madvise(stack, LIMIT_GUARD, MADV_GUARD_INSTALL) < 0)
        bench_die("MADV_GUARD_INSTALL");
    return stack;
}

/* A stack whose first switch enters entry; the task sits at its top. */
static struct limit_task *limit_new(void (*entry)(void))
{
    static size_t colour;
    struct limit_task *task;
    char *top = limit_stack() + LIMIT_STRIDE;
    uint64_t *sp;

    /* Tops spread over half a page, or all would fall in the same sets. */
    top -= colour++ * 192 % 2048;
    task = (struct limit_task *)((uintptr_t)(top - sizeof(*task)) &
                                 ~(uintptr_t)63);
    sp = (uint64_t *)task;
    *--sp = 0; /* no return address */
    *--sp = (uint64_t)(uintptr_t)entry;
    sp -= 6;
    *--sp = (uint64_t)0x037f << 32 | 0x1f80; /* x87 CW, MXCSR */
    task->sp = sp;
    return task;
}

BENCH_UNUSED BENCH_NOINLINE static struct limit_task *limit_spawn(
    void (*fn)(void *), void *arg)
{
    struct limit_task *task = limit_free;

    if (task)
        limit_free = task->next;
    else
        task = limit_new(limit_entry);
    task->fn = fn;
    task->arg = arg;
    task->done = false;
    task->joiner = NULL;
    limit_ready(task);
    return task;
}

BENCH_UNUSED BENCH_NOINLINE static void limit_join(struct limit_task *task)
{
    if (!task->done) {
        task->joiner = limit_current;
        limit_block();
    }
    task->next = limit_free;
    limit_free = task;
}

/* For programs without descriptors, and without anything to wait for. */
#define LIMIT_NO_EVENTS                                                        \
    static void limit_events(const struct epoll_event *events, int count)      \
    {                                                                          \
        (void)events;                                                          \
        (void)count;                                                           \
    }
#define LIMIT_NO_IDLE                                                          \
    static void limit_idle(void)                                               \
    {                                                                          \
        fputs("limit: deadlock\n", stderr);                                    \
        exit(1);                                                               \
    }

#endif
