/* SPDX-License-Identifier: MIT */
/* See sys.h: Linux. */
#include "base/sys.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51 /* Linux 5.14; older ones have no such entry */
#endif

const char *co__sys_error_name(int error)
{
    return strerrorname_np(error);
}

const char *co__sys_error_text(int error, char *buffer, size_t bytes)
{
    (void)buffer;
    (void)bytes;
    return strerrordesc_np(error);
}

/* One that this thread has caused was sent to it, and is here already. */
void co__sys_discard_sigpipe(void)
{
    static const struct timespec at_once = {0};
    sigset_t pipe_only;
    int signo;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    do
        signo = sigtimedwait(&pipe_only, NULL, &at_once);
    while (signo == SIGPIPE || errno == EINTR);
}

uint64_t co__sys_thread_id(void)
{
    return (uint64_t)gettid();
}

size_t co__sys_signal_frame_bytes(void)
{
    return getauxval(AT_MINSIGSTKSZ);
}
