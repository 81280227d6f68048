/* SPDX-License-Identifier: MIT */
/*
 * Naming the task that has overflowed its stack. The guard below the stack
 * makes the first access to it a fault; the handler, which needs a stack of its
 * own (sigaltstack(2)), finds out whose guard it is, says so, and then lets
 * happen what would have happened without us: the handler that was there before
 * gets the signal, or, by default, the instruction is run once more and ends
 * the process, with a core dump that shows the place.
 *
 * The handler is the process's, installed once and never taken away: handlers
 * that others install later may have kept ours to hand over to. The stack for
 * handlers is the thread's. It stays until the thread ends, so that a run of a
 * loop costs one system call and no mapping.
 *
 * An access to a guard is an overflow only if the running task owns it: one by
 * another task is a stray pointer, mostly an array at the top of a stack that
 * was written past its end. Blaming the owner would send people to the wrong
 * place, so that is told apart.
 */
#include "core/overflow.h"

#include "base/alloc.h"
#include "base/lock.h"
#include "base/sys.h"
#include "base/system.h"
#include "core/describe.h"
#include "core/loop.h"
#include "core/stack.h"
#include "core/unwind.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#define FRAMES_MAX    32
#define TEXT_BYTES    512
#define HANDLER_BYTES ((size_t)64 << 10) /* beside what the kernel saves */

/* ---- the handler: async-signal-safe, as far as unwinding is -------------- */

/* What we replaced; [1]: SIGBUS. Written once, before ours is installed. */
static struct sigaction previous[2];

static void report(const struct co_task *self, const struct co_task *owner)
{
    char buffer[TEXT_BYTES];
    void *frames[FRAMES_MAX];
    struct co__text text;

    co__text_init(&text, STDERR_FILENO, buffer, sizeof(buffer));
    co__text_string(&text, "coppice: ");
    co__describe_task(&text, self);
    if (self == owner) {
        co__text_string(&text, " overflowed its ");
        co__text_decimal(&text, co_task_stack_size(owner) >> 10);
        co__text_string(&text, " KiB stack\n");
    } else {
        co__text_string(&text, " touched the guard below the stack of ");
        co__describe_task(&text, owner);
        co__text_char(&text, '\n');
    }
    /* The line goes out before the unwinder runs: it may fail. */
    co__text_flush(&text);
    co__unwind_print(STDERR_FILENO, frames,
                     co__unwind_interrupted(frames, FRAMES_MAX));
}

static void look_at(const void *address)
{
    const struct co_task *self, *owner;
    const struct co_loop *loop;
    int in_guard = 0;

    owner = co__stack_owner(address, &in_guard);
    if (!owner || !in_guard)
        return;
    /* Outside the tasks a guard is hit by a stray pointer only. (Looked at
     * last: a thread's first look at its thread-locals may allocate.) */
    loop = co__loop;
    if (!loop || !loop->overflow_report || loop->self == &loop->root)
        return;
    self = loop->self ? loop->self : owner; /* NULL: amid a reactor's turn */
    report(self, owner);
}

/* Let the default action happen: at the second try of the instruction that
 * faulted, or, for a signal that was sent, as soon as the handler returns. */
static void hand_over_to_default(int sig, const siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    sigaction(sig, &action, NULL);
    if (co__signal_is_sent(info))
        raise(sig);
}

static void hand_over(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *old = &previous[sig == SIGBUS];
    struct sigaction standard = {.sa_handler = SIG_DFL};
    int real = old->sa_flags & SA_SIGINFO ||
               (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN);

    if (!real) {
        /* Only a signal that was sent can be ignored, not a fault. */
        if (old->sa_handler == SIG_DFL || co__signal_is_fault(info))
            hand_over_to_default(sig, info);
        return;
    }
    if (old->sa_flags & (int)SA_RESETHAND)
        sigaction(sig, &standard, NULL);
    if (old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(sig, info, context);
    else
        old->sa_handler(sig);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    int saved = errno;

    if (co__signal_is_fault(info))
        look_at(info->si_addr);
    errno = saved;
    hand_over(sig, info, context);
}

/* ---- installing it ------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int install_result;
static pthread_key_t stack_key; /* the thread's stack for handlers, if ours */
static size_t stack_bytes;

static int install_for(int sig)
{
    struct sigaction *old = &previous[sig == SIGBUS];
    struct sigaction action = {.sa_sigaction = on_fault};

    if (sigaction(sig, NULL, old) < 0)
        return -errno;
    /* What the old handler wanted masked while it runs stays masked. SIGSEGV
     * is masked too: should the unwinder fault, the kernel ends it. */
    action.sa_mask = old->sa_mask;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (old->sa_flags & SA_RESTART);
    return sigaction(sig, &action, NULL) < 0 ? -errno : 0;
}

/* The thread ends. */
static void stack_free(void *base)
{
    stack_t current;

    if (sigaltstack(NULL, &current) == 0 && current.ss_sp == base) {
        current.ss_flags = SS_DISABLE;
        sigaltstack(&current, NULL);
    }
    co__unmap(base, stack_bytes);
}

static void install(void)
{
    void *frames[1];
    int r;

    stack_bytes = HANDLER_BYTES + co__sys_signal_frame_bytes();
    stack_bytes = (stack_bytes + 4095) & ~(size_t)4095;
    r = -pthread_key_create(&stack_key, stack_free);
    if (r == 0)
        r = install_for(SIGSEGV);
    if (r == 0)
        r = install_for(SIGBUS);
    /* Have the dynamic linker bind, and the unwinder set up, what the handler
     * needs while there is no hurry. */
    if (r == 0)
        co__unwind_here(frames, 1);
    install_result = r;
}

int co__overflow_install(void)
{
    co__once(&once, install);
    return install_result;
}

/* ---- a thread's stack for handlers --------------------------------------- */

int co__overflow_enter(void)
{
    stack_t stack = {0};
    int r;

    if (sigaltstack(NULL, &stack) < 0)
        return -errno;
    if (!(stack.ss_flags & SS_DISABLE))
        return 0;

    stack.ss_flags = 0;
    stack.ss_size = stack_bytes;
    stack.ss_sp = pthread_getspecific(stack_key);
    if (stack.ss_sp) /* somebody has disabled it in between */
        return sigaltstack(&stack, NULL) < 0 ? -errno : 0;

    stack.ss_sp = co__map(stack_bytes);
    if (!stack.ss_sp)
        return -ENOMEM;
    r = -pthread_setspecific(stack_key, stack.ss_sp);
    if (r < 0)
        goto unmap;
    if (sigaltstack(&stack, NULL) < 0) {
        r = -errno;
        goto forget;
    }
    return 0;

forget:
    pthread_setspecific(stack_key, NULL);
unmap:
    co__unmap(stack.ss_sp, stack_bytes);
    return r;
}

void co__overflow_leave(void)
{
    /* The stack stays for the thread's next run; stack_free takes it away. */
}
