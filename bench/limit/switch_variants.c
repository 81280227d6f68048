/* SPDX-License-Identifier: MIT */
/* switch_variants - which way to write the x86_64 switch, and why.
 *
 * Two contexts switch to and fro. A row is a way to write the switch:
 *
 *     ret           push six registers, change stacks, pop them, ret
 *     jmp           the same, but pop the return address and jump to it
 *     float_ret     + MXCSR and the x87 control word, saved and reloaded
 *     float_jmp     both
 *     lazy_ret      float_ret, but reload a word only if it differs
 *     place         ret if both contexts wait at one place, else jmp
 *     float_place   float_ret or float_jmp likewise
 *
 * A block of rows is the way from the program to the switch:
 *
 *     direct        the loop calls it
 *     tail          the loop calls a function that ends in `return switch()`
 *     wrapped       the loop calls a function that calls it and then returns
 *
 * A column is what surrounds that:
 *
 *     same          both contexts run one loop
 *     sites         each has a loop of its own, so the returns alternate
 *     deep          one loop, the way lies below four calls that return
 *     deep sites    both
 *     inner sites   one loop, four calls that return, below them two places
 *
 * Each figure is the least of several rounds, in ns a switch, since what
 * disturbs a round only ever adds. Compare within a column.
 *
 *     switch_variants [switches a round [rounds]]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))
#define INLINE   static inline __attribute__((always_inline))
#define BARRIER  __asm__ volatile("")
#define NOP      __asm__ volatile("nop") /* makes two functions differ */

typedef void loop_function(void);

/* ---- the variants ------------------------------------------------------ */

/* int name(void **from: rdi, void *to: rsi, int value: edx) */
#define SWITCH(name, save_float, load_float, leave)                            \
    int name(void **from, void *to, int value);                                \
    __asm__(                                                                   \
        ".text; .p2align 4; " #name ": endbr64;"                               \
        "push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15;"    \
        "sub $8, %rsp;" save_float                                             \
        "mov %rsp, (%rdi); mov %rsi, %rsp; mov %edx, %eax;" load_float         \
        "add $8, %rsp;"                                                        \
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp;" leave)

#define SAVE      "stmxcsr (%rsp); fnstcw 4(%rsp);"
#define LOAD      "ldmxcsr (%rsp); fldcw 4(%rsp);"
#define LAZY_SAVE SAVE "mov (%rsp), %r8d; movzwl 4(%rsp), %r9d;"
#define LAZY_LOAD                                                              \
    "cmp %r8d, (%rsp); je 1f; ldmxcsr (%rsp); 1:"                              \
    "cmp %r9w, 4(%rsp); je 2f; fldcw 4(%rsp); 2:"
#define RET   "ret"
#define JMP   "pop %rcx; notrack jmp *%rcx"
#define PLACE "cmp %rcx, (%rsp); je 3f;" JMP "; 3: ret"
/* Where this context waits: the address above the frame. */
#define HERE "mov 56(%rsp), %rcx;"

SWITCH(sw_ret, "", "", RET);
SWITCH(sw_jmp, "", "", JMP);
SWITCH(sw_float_ret, SAVE, LOAD, RET);
SWITCH(sw_float_jmp, SAVE, LOAD, JMP);
SWITCH(sw_lazy_ret, LAZY_SAVE, LAZY_LOAD, RET);
SWITCH(sw_place, HERE, "", PLACE);
SWITCH(sw_float_place, SAVE HERE, LOAD, PLACE);

/* ---- the two contexts -------------------------------------------------- */

enum {
    STACK_BYTES = 64 * 1024,
    MAIN = 2
};

static _Alignas(64) char stacks[2][STACK_BYTES];
static void *saved_sp[3]; /* of the two contexts and of main */
static int running;
static long left; /* switches until the round is over */

struct frame {
    uint32_t mxcsr;
    uint32_t x87_cw;
    uint64_t registers[6];
    loop_function *pc;
    uint64_t pad; /* the stack as it is after a call */
};

static void prepare(int i, loop_function *loop)
{
    /* Not in the same cache sets. */
    char *top = stacks[i] + STACK_BYTES - 256 * i;
    struct frame *f = (struct frame *)(void *)top - 1;
    uint16_t cw;
    *f = (struct frame){.pc = loop};
    __asm__ volatile("stmxcsr %0" : "=m"(f->mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(cw));
    f->x87_cw = cw;
    saved_sp[i] = f;
}

/* For a variant: the three ways to it. `me` switches to the other context. */
#define WAYS(sw)                                                               \
    INLINE int sw##_direct(void)                                               \
    {                                                                          \
        int me = running;                                                      \
        running = 1 - me;                                                      \
        return sw(&saved_sp[me], saved_sp[1 - me], me);                        \
    }                                                                          \
    NOINLINE static int sw##_tail(void)                                        \
    {                                                                          \
        return sw##_direct();                                                  \
    }                                                                          \
    NOINLINE static int sw##_wrapped(void)                                     \
    {                                                                          \
        int value = sw##_direct();                                             \
        BARRIER;                                                               \
        return value;                                                          \
    }

/* A chain of four calls above `way`, and a loop above `go`. */
#define CHAIN(name, way, mark)                                                 \
    NOINLINE static void name##1(void)                                         \
    {                                                                          \
        way();                                                                 \
        mark;                                                                  \
    }                                                                          \
    REST_OF_CHAIN(name, mark)
#define CHAIN_OF_TWO(name, way)                                                \
    NOINLINE static void name##1(void)                                         \
    {                                                                          \
        if (running) {                                                         \
            NOP;                                                               \
            way();                                                             \
            BARRIER;                                                           \
        } else {                                                               \
            way();                                                             \
            NOP;                                                               \
        }                                                                      \
    }                                                                          \
    REST_OF_CHAIN(name, BARRIER)
#define REST_OF_CHAIN(name, mark)                                              \
    NOINLINE static void name##2(void)                                         \
    {                                                                          \
        name##1();                                                             \
        mark;                                                                  \
    }                                                                          \
    NOINLINE static void name##3(void)                                         \
    {                                                                          \
        name##2();                                                             \
        mark;                                                                  \
    }                                                                          \
    NOINLINE static void name##4(void)                                         \
    {                                                                          \
        name##3();                                                             \
        mark;                                                                  \
    }

#define LOOP(name, sw, go, mark)                                               \
    NOINLINE static void name(void)                                            \
    {                                                                          \
        for (;;) {                                                             \
            if (__builtin_expect(--left < 0, 0))                               \
                sw(&saved_sp[running], saved_sp[MAIN], 0);                     \
            go();                                                              \
            mark;                                                              \
        }                                                                      \
    }

#define LOOPS(sw, way)                                                         \
    CHAIN(sw##_##way##_chain_a, sw##_##way, BARRIER)                           \
    CHAIN(sw##_##way##_chain_b, sw##_##way, NOP)                               \
    CHAIN_OF_TWO(sw##_##way##_chain_c, sw##_##way)                             \
    LOOP(sw##_##way##_a, sw, sw##_##way, BARRIER)                              \
    LOOP(sw##_##way##_b, sw, sw##_##way, NOP)                                  \
    LOOP(sw##_##way##_deep_a, sw, sw##_##way##_chain_a4, BARRIER)              \
    LOOP(sw##_##way##_deep_b, sw, sw##_##way##_chain_b4, NOP)                  \
    LOOP(sw##_##way##_inner, sw, sw##_##way##_chain_c4, BARRIER)

#define VARIANT(sw)                                                            \
    WAYS(sw)                                                                   \
    LOOPS(sw, direct)                                                          \
    LOOPS(sw, tail)                                                            \
    LOOPS(sw, wrapped)

VARIANT(sw_ret)
VARIANT(sw_jmp)
VARIANT(sw_float_ret)
VARIANT(sw_float_jmp)
VARIANT(sw_lazy_ret)
VARIANT(sw_place)
VARIANT(sw_float_place)

/* ---- measuring --------------------------------------------------------- */

enum {
    VARIANTS = 7,
    SHAPES = 5
};

struct row {
    const char *way;
    const char *variant;
    int (*sw)(void **, void *, int);
    loop_function *loop[SHAPES][2];
    double ns[SHAPES];
};

#define ROW(sw, way, name)                                                     \
    {                                                                          \
#way, name, sw,                                                        \
            {{sw##_##way##_a, sw##_##way##_a },                                \
              {sw##_##way##_a, sw##_##way##_b },                               \
               {sw##_##way##_deep_a, sw##_##way##_deep_a },                    \
                {sw##_##way##_deep_a, sw##_##way##_deep_b },                   \
                 {sw##_##way##_inner, sw##_##way##_inner } },                  \
        {                                                                      \
            0                                                                  \
        }                                                                      \
    }
#define ROWS(way)                                                              \
    ROW(sw_ret, way, "ret"), ROW(sw_jmp, way, "jmp"),                          \
        ROW(sw_float_ret, way, "float_ret"),                                   \
        ROW(sw_float_jmp, way, "float_jmp"),                                   \
        ROW(sw_lazy_ret, way, "lazy_ret"), ROW(sw_place, way, "place"),        \
        ROW(sw_float_place, way, "float_place")

static struct row rows[] = {ROWS(direct), ROWS(tail), ROWS(wrapped)};
enum {
    ROW_COUNT = sizeof(rows) / sizeof(rows[0])
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double measure(const struct row *row, int shape, long switches)
{
    prepare(0, row->loop[shape][0]);
    prepare(1, row->loop[shape][1]);
    running = 0;
    left = switches;
    double begin = now_ns();
    row->sw(&saved_sp[MAIN], saved_sp[0], 0);
    return (now_ns() - begin) / (double)switches;
}

int main(int argc, char **argv)
{
    long switches = argc > 1 ? atol(argv[1]) : 1000000;
    int rounds = argc > 2 ? atoi(argv[2]) : 15;
    if (switches < 1 || rounds < 1) {
        fprintf(stderr, "usage: %s [switches a round [rounds]]\n", argv[0]);
        return 2;
    }

    for (int round = 0; round < rounds; round++) {
        for (int r = 0; r < ROW_COUNT; r++) {
            for (int s = 0; s < SHAPES; s++) {
                double ns = measure(&rows[r], s, switches);
                if (round == 0 || ns < rows[r].ns[s])
                    rows[r].ns[s] = ns;
            }
        }
    }

    for (int r = 0; r < ROW_COUNT; r++) {
        if (r % VARIANTS == 0)
            printf("%s%-12s%8s%8s%8s%12s%13s\n", r ? "\n" : "", rows[r].way,
                   "same", "sites", "deep", "deep sites", "inner sites");
        printf("%-12s%8.1f%8.1f%8.1f%12.1f%13.1f\n", rows[r].variant,
               rows[r].ns[0], rows[r].ns[1], rows[r].ns[2], rows[r].ns[3],
               rows[r].ns[4]);
    }
    return 0;
}
