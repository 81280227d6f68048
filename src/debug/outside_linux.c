/* SPDX-License-Identifier: MIT */
/*
 * See outside.h: Linux, proc(5). `syscall` tells which call a thread is in, and
 * its stack and program pointers; `status` how often it has been switched: as
 * long as none of these change it has not left the call. System calls are made
 * by syscall(2), for sanitizers hold it against us what others read as well.
 */
#include "debug/outside.h"

#include "base/calls.h"
#include "base/wait.h"
#include "core/unwind.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* How long a thread may take to answer a signal. */
#define ANSWER_PERIOD (100 * CO_US)
#define ANSWER_LOOKS  1000

/* ---- memory -------------------------------------------------------------- */

int co__outside_init(void)
{
    int here = 1, copy = 0;

    return co__outside_read(&copy, &here, sizeof(copy)) < 0 ? -ENOSYS : 0;
}

int co__outside_read(void *to, const void *from, size_t len)
{
    struct iovec local = {to, len};
    struct iovec remote = {(void *)(uintptr_t)from, len};
    long n =
        syscall(SYS_process_vm_readv, getpid(), &local, 1UL, &remote, 1UL, 0UL);

    return n == (long)len ? 0 : -EFAULT;
}

/* ---- what a thread does -------------------------------------------------- */

/* A file of a thread's, as a string: 0 or -ESRCH. */
static int read_file(uint64_t thread, const char *name, char *text, size_t size)
{
    char path[64];
    long fd, n;

    snprintf(path, sizeof(path), "/proc/self/task/%llu/%s",
             (unsigned long long)thread, name);
    fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -ESRCH;
    n = syscall(SYS_read, fd, text, size - 1);
    syscall(SYS_close, fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0 ? 0 : -ESRCH;
}

static uint64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static uint64_t switches_of(uint64_t thread)
{
    char text[4096];

    if (read_file(thread, "status", text, sizeof(text)) < 0)
        return 0;
    return number_after(text, "\nvoluntary_ctxt_switches:") +
           number_after(text, "\nnonvoluntary_ctxt_switches:");
}

/* "0 0x3 0x7f5c93cdf000 ... <stack pointer> <program counter>": a call; "-1"
 * and these two: waiting, in none; else it is "running". */
static void parse(const char *text, struct co__doing *doing)
{
    static const enum co_blocked_by by[] = {
        [CO__CALL_FD] = CO_BLOCKED_IO,
        [CO__CALL_LOCK] = CO_BLOCKED_LOCK,
        [CO__CALL_TIME] = CO_BLOCKED_SLEEP,
        [CO__CALL_PROCESS] = CO_BLOCKED_PROCESS,
    };
    const struct co__call *call;
    uint64_t words[8] = {0};
    char *end;
    long number = strtol(text, &end, 10);

    if (end == text) {
        doing->by = CO_BLOCKED_RUNNING;
        return;
    }
    doing->by = CO_BLOCKED_OTHER;
    for (int i = 0; i < 8 && *end == ' '; i++)
        words[i] = strtoull(end, &end, 16);
    doing->place[0] = words[number < 0 ? 0 : 6];
    doing->place[1] = words[number < 0 ? 1 : 7];
    if (number < 0)
        return;
    call = co__call_of(number);
    if (!call) {
        snprintf(doing->number, sizeof(doing->number), "call %ld", number);
        doing->call = doing->number;
        return;
    }
    doing->by = by[call->waits];
    doing->call = call->name;
    if (call->has_fd)
        doing->fd = (int)words[0];
}

int co__outside_look(uint64_t thread, struct co__doing *doing)
{
    char text[256];

    *doing = (struct co__doing){.call = "", .fd = -1};
    if (read_file(thread, "syscall", text, sizeof(text)) < 0)
        return -ESRCH;
    parse(text, doing);
    if (doing->by != CO_BLOCKED_RUNNING)
        doing->place[2] = switches_of(thread);
    return 0;
}

/* ---- backtraces ---------------------------------------------------------- */

enum {
    NOBODY,
    ASKED,
    ANSWERING,
    ANSWERED
};

/* A thread that answers when nobody waits any more finds NOBODY, or the next
 * question, which is for another. */
static struct {
    atomic_int state;
    atomic_llong thread;
    void **frames;
    unsigned max, count;
    struct sigaction before;
} question;

static void answer(int signo)
{
    int error = errno;
    int asked = ASKED;

    (void)signo;
    if (atomic_load(&question.thread) == syscall(SYS_gettid) &&
        atomic_compare_exchange_strong(&question.state, &asked, ANSWERING)) {
        question.count = co__unwind_interrupted(question.frames, question.max);
        atomic_store(&question.state, ANSWERED);
    }
    errno = error;
}

int co__outside_take_signal(int signo)
{
    struct sigaction action = {.sa_handler = answer,
                               .sa_flags = SA_RESTART | SA_ONSTACK};

    if (sigaction(signo, &action, &question.before) < 0)
        return -EINVAL;
    return 0;
}

void co__outside_drop_signal(int signo)
{
    sigaction(signo, &question.before, NULL);
}

/* Whether the answer came in time. A handler can end no wait of ours but by a
 * descriptor, which is more than this is worth. */
static int wait_for_answer(void)
{
    int asked = ASKED;

    for (int i = 0; i < ANSWER_LOOKS; i++) {
        if (atomic_load(&question.state) == ANSWERED)
            return 1;
        co__poll(NULL, 0, ANSWER_PERIOD);
    }
    if (atomic_compare_exchange_strong(&question.state, &asked, NOBODY))
        return 0;
    while (atomic_load(&question.state) != ANSWERED)
        co__poll(NULL, 0, ANSWER_PERIOD); /* it is about to */
    return 1;
}

unsigned co__outside_backtrace(uint64_t thread, int signo, void **frames,
                               unsigned max)
{
    question.frames = frames;
    question.max = max;
    question.count = 0;
    atomic_store(&question.thread, (long long)thread);
    atomic_store(&question.state, ASKED);
    if (syscall(SYS_tgkill, getpid(), (pid_t)thread, signo) < 0) {
        atomic_store(&question.state, NOBODY);
        return 0;
    }
    if (!wait_for_answer())
        return 0;
    atomic_store(&question.state, NOBODY);
    return question.count;
}
