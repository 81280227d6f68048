/* SPDX-License-Identifier: MIT */
/*
 * support/forks.h - tests that fork. In a child nothing may be asserted: Check
 * would think it its own test. It ends with a number that says what went wrong,
 * or CO_TEST_WELL.
 */
#ifndef CO_TESTS_SUPPORT_FORKS_H
#define CO_TESTS_SUPPORT_FORKS_H

#include "support/check_main.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CO_TEST_WELL = 42,
};

#define CO_CHILD_CHECK(condition)                                              \
    do {                                                                       \
        if (!(condition))                                                      \
            _exit(__LINE__ % 199 + 50);                                        \
    } while (0)

/* 1 where a child forked amid other threads' work can start threads: it
 * inherits no lock that one of them held. The emulator's own locks, those of
 * ASan's and LSan's run times (before LLVM 17), are never let go there. */
#if defined(__has_feature)
#define CO_TEST_FORKS_AMID_WORK                                                \
    (!CO_TEST_EMULATED && !__has_feature(address_sanitizer) &&                 \
     !__has_feature(leak_sanitizer))
#elif defined(__SANITIZE_ADDRESS__)
#define CO_TEST_FORKS_AMID_WORK 0
#else
#define CO_TEST_FORKS_AMID_WORK (!CO_TEST_EMULATED)
#endif

/* Wait for a child: its exit code, or -1 - signal. One that hangs is killed
 * after a while, by its parent (it may have blocked every signal), so that it
 * is a failure and no more. */
static inline int co_test_end_of(pid_t pid)
{
    long waits = 5000L * co_test_scale(20, 60); /* of 200 us and more */
    int status = -1;
    pid_t ended;

    ck_assert_int_gt(pid, 0);
    while ((ended = waitpid(pid, &status, WNOHANG)) != pid) {
        ck_assert(ended == 0 || errno == EINTR);
        if (--waits == 0)
            kill(pid, SIGKILL);
        usleep(200);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1 - WTERMSIG(status);
}

#endif
