/* SPDX-License-Identifier: MIT */
/* See sys.h: the BSDs and macOS, by what POSIX has. */
#include "base/sys.h"

#include "base/compiler.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

/* Where two names are one number, the first is the answer. */
#define NAME(error)                                                            \
    {                                                                          \
        error, #error                                                          \
    }

/* clang-format off */
static const struct {
    int number;
    const char *name;
} names[] = {
    NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EINTR), NAME(EIO), NAME(ENXIO),
    NAME(E2BIG), NAME(ENOEXEC), NAME(EBADF), NAME(ECHILD), NAME(EDEADLK),
    NAME(ENOMEM), NAME(EACCES), NAME(EFAULT), NAME(ENOTBLK), NAME(EBUSY),
    NAME(EEXIST), NAME(EXDEV), NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR),
    NAME(EINVAL), NAME(ENFILE), NAME(EMFILE), NAME(ENOTTY), NAME(ETXTBSY),
    NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE), NAME(EROFS), NAME(EMLINK),
    NAME(EPIPE), NAME(EDOM), NAME(ERANGE), NAME(EAGAIN), NAME(EINPROGRESS),
    NAME(EALREADY), NAME(ENOTSOCK), NAME(EDESTADDRREQ), NAME(EMSGSIZE),
    NAME(EPROTOTYPE), NAME(ENOPROTOOPT), NAME(EPROTONOSUPPORT),
    NAME(ESOCKTNOSUPPORT), NAME(EOPNOTSUPP), NAME(ENOTSUP), NAME(EPFNOSUPPORT),
    NAME(EAFNOSUPPORT), NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(ENETDOWN),
    NAME(ENETUNREACH), NAME(ENETRESET), NAME(ECONNABORTED), NAME(ECONNRESET),
    NAME(ENOBUFS), NAME(EISCONN), NAME(ENOTCONN), NAME(ESHUTDOWN),
    NAME(ETOOMANYREFS), NAME(ETIMEDOUT), NAME(ECONNREFUSED), NAME(ELOOP),
    NAME(ENAMETOOLONG), NAME(EHOSTDOWN), NAME(EHOSTUNREACH), NAME(ENOTEMPTY),
    NAME(EUSERS), NAME(EDQUOT), NAME(ESTALE), NAME(EREMOTE), NAME(ENOLCK),
    NAME(ENOSYS), NAME(EOVERFLOW), NAME(ECANCELED), NAME(EIDRM), NAME(ENOMSG),
    NAME(EILSEQ), NAME(EBADMSG), NAME(EMULTIHOP), NAME(ENOLINK), NAME(EPROTO),
    NAME(EOWNERDEAD), NAME(ENOTRECOVERABLE),
#ifdef ENODATA
    NAME(ENODATA),
#endif
#ifdef ENOATTR
    NAME(ENOATTR),
#endif
#ifdef ENOSR
    NAME(ENOSR),
#endif
#ifdef ENOSTR
    NAME(ENOSTR),
#endif
#ifdef ETIME
    NAME(ETIME),
#endif
#ifdef EFTYPE
    NAME(EFTYPE),
#endif
#ifdef EAUTH
    NAME(EAUTH),
#endif
#ifdef ENEEDAUTH
    NAME(ENEEDAUTH),
#endif
#ifdef EPROCLIM
    NAME(EPROCLIM),
#endif
#ifdef EPROCUNAVAIL
    NAME(EPROCUNAVAIL),
#endif
#ifdef EQFULL
    NAME(EQFULL),
#endif
#ifdef ECAPMODE
    NAME(ECAPMODE),
#endif
#ifdef ENOTCAPABLE
    NAME(ENOTCAPABLE),
#endif
#ifdef EINTEGRITY
    NAME(EINTEGRITY),
#endif
};
/* clang-format on */

const char *co__sys_error_name(int error)
{
    for (size_t i = 0; i < CO_ARRAY_LEN(names); i++)
        if (names[i].number == error)
            return names[i].name;
    return NULL;
}

const char *co__sys_error_text(int error, char *buffer, size_t bytes)
{
    return strerror_r(error, buffer, bytes) == 0 ? buffer : NULL;
}

/* Not every one has sigtimedwait, and sigwait would wait for ever if what
 * sigpending has seen was sent to the process, and another thread took it. So
 * one is sent to this thread, where it becomes one with what is there. */
void co__sys_discard_sigpipe(void)
{
    sigset_t pipe_only, pending;
    int signo;

    sigpending(&pending);
    if (!sigismember(&pending, SIGPIPE))
        return;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    if (pthread_kill(pthread_self(), SIGPIPE) == 0)
        sigwait(&pipe_only, &signo);
}

uint64_t co__sys_thread_id(void)
{
    return 0;
}

size_t co__sys_signal_frame_bytes(void)
{
    return MINSIGSTKSZ;
}
