/* SPDX-License-Identifier: MIT */
/*
 * hook/symbols.h - every function that is hooked: X(type, name, parameters).
 * For each there is co__hook_<name>, which the linker knows by the plain name,
 * and co__real.<name>, what it would be without us.
 */
#ifndef CO_HOOK_SYMBOLS_H
#define CO_HOOK_SYMBOLS_H

#define CO__HOOK_IO_SYMBOLS(X)                                                 \
    X(ssize_t, read, (int fd, void *buffer, size_t len))                       \
    X(ssize_t, write, (int fd, const void *data, size_t len))                  \
    X(ssize_t, readv, (int fd, const struct iovec *iov, int count))            \
    X(ssize_t, writev, (int fd, const struct iovec *iov, int count))           \
    X(ssize_t, recv, (int fd, void *buffer, size_t len, int flags))            \
    X(ssize_t, send, (int fd, const void *data, size_t len, int flags))        \
    X(ssize_t, recvfrom,                                                       \
      (int fd, void *buffer, size_t len, int flags, struct sockaddr *addr,     \
       socklen_t *addr_len))                                                   \
    X(ssize_t, sendto,                                                         \
      (int fd, const void *data, size_t len, int flags,                        \
       const struct sockaddr *addr, socklen_t addr_len))                       \
    X(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags))           \
    X(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags))     \
    X(int, recvmmsg,                                                           \
      (int fd, struct mmsghdr *list, unsigned count, int flags,                \
       struct timespec *limit))                                                \
    X(int, sendmmsg,                                                           \
      (int fd, struct mmsghdr *list, unsigned count, int flags))               \
    X(ssize_t, sendfile, (int out, int in, off_t *offset, size_t len))         \
    X(ssize_t, splice,                                                         \
      (int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len,   \
       unsigned flags))                                                        \
    X(ssize_t, __read_chk, (int fd, void *buffer, size_t len, size_t room))    \
    X(ssize_t, __recv_chk,                                                     \
      (int fd, void *buffer, size_t len, size_t room, int flags))              \
    X(ssize_t, __recvfrom_chk,                                                 \
      (int fd, void *buffer, size_t len, size_t room, int flags,               \
       struct sockaddr *addr, socklen_t *addr_len))                            \
    X(int, connect, (int fd, const struct sockaddr *addr, socklen_t addr_len)) \
    X(int, accept, (int fd, struct sockaddr *addr, socklen_t *addr_len))       \
    X(int, accept4,                                                            \
      (int fd, struct sockaddr *addr, socklen_t *addr_len, int flags))         \
    X(int, poll, (struct pollfd * fds, nfds_t count, int ms))                  \
    X(int, ppoll,                                                              \
      (struct pollfd * fds, nfds_t count, const struct timespec *limit,        \
       const sigset_t *mask))                                                  \
    X(int, __poll_chk,                                                         \
      (struct pollfd * fds, nfds_t count, int ms, size_t room))                \
    X(int, __ppoll_chk,                                                        \
      (struct pollfd * fds, nfds_t count, const struct timespec *limit,        \
       const sigset_t *mask, size_t room))                                     \
    X(int, select,                                                             \
      (int count, fd_set *in, fd_set *out, fd_set *except,                     \
       struct timeval *limit))                                                 \
    X(int, pselect,                                                            \
      (int count, fd_set *in, fd_set *out, fd_set *except,                     \
       const struct timespec *limit, const sigset_t *mask))                    \
    X(int, epoll_wait, (int fd, struct epoll_event *events, int most, int ms)) \
    X(int, epoll_pwait,                                                        \
      (int fd, struct epoll_event *events, int most, int ms,                   \
       const sigset_t *mask))                                                  \
    X(int, epoll_pwait2,                                                       \
      (int fd, struct epoll_event *events, int most,                           \
       const struct timespec *limit, const sigset_t *mask))                    \
    X(int, close, (int fd))                                                    \
    X(int, dup2, (int from, int to))                                           \
    X(int, dup3, (int from, int to, int flags))                                \
    X(int, close_range, (unsigned first, unsigned last, int flags))            \
    X(void, closefrom, (int first))                                            \
    X(int, fclose, (FILE * file))

#define CO__HOOK_TIME_SYMBOLS(X)                                               \
    X(int, nanosleep, (const struct timespec *time, struct timespec *left))    \
    X(int, clock_nanosleep,                                                    \
      (clockid_t clock, int flags, const struct timespec *time,                \
       struct timespec *left))                                                 \
    X(int, usleep, (useconds_t us))                                            \
    X(unsigned, sleep, (unsigned seconds))

#define CO__HOOK_NAMES_SYMBOLS(X)                                              \
    X(int, getaddrinfo,                                                        \
      (const char *host, const char *service, const struct addrinfo *hints,    \
       struct addrinfo **list))                                                \
    X(int, getnameinfo,                                                        \
      (const struct sockaddr *addr, socklen_t addr_len, char *host,            \
       socklen_t host_len, char *service, socklen_t service_len, int flags))   \
    X(struct hostent *, gethostbyname, (const char *name))                     \
    X(struct hostent *, gethostbyname2, (const char *name, int family))        \
    X(struct hostent *, gethostbyaddr,                                         \
      (const void *addr, socklen_t len, int family))                           \
    X(int, gethostbyname_r,                                                    \
      (const char *name, struct hostent *entry, char *room, size_t size,       \
       struct hostent **result, int *error))                                   \
    X(int, gethostbyname2_r,                                                   \
      (const char *name, int family, struct hostent *entry, char *room,        \
       size_t size, struct hostent **result, int *error))                      \
    X(int, gethostbyaddr_r,                                                    \
      (const void *addr, socklen_t len, int family, struct hostent *entry,     \
       char *room, size_t size, struct hostent **result, int *error))          \
    X(int, res_query,                                                          \
      (const char *name, int class, int type, unsigned char *answer, int len)) \
    X(int, res_search,                                                         \
      (const char *name, int class, int type, unsigned char *answer, int len)) \
    X(int, res_nquery,                                                         \
      (struct __res_state * state, const char *name, int class, int type,      \
       unsigned char *answer, int len))                                        \
    X(int, res_nsearch,                                                        \
      (struct __res_state * state, const char *name, int class, int type,      \
       unsigned char *answer, int len))

#define CO__HOOK_SYNC_SYMBOLS(X)                                               \
    X(int, pthread_mutex_lock, (pthread_mutex_t * mutex))                      \
    X(int, pthread_mutex_trylock, (pthread_mutex_t * mutex))                   \
    X(int, pthread_mutex_timedlock,                                            \
      (pthread_mutex_t * mutex, const struct timespec *until))                 \
    X(int, pthread_mutex_clocklock,                                            \
      (pthread_mutex_t * mutex, clockid_t clock,                               \
       const struct timespec *until))                                          \
    X(int, pthread_mutex_unlock, (pthread_mutex_t * mutex))                    \
    X(int, pthread_cond_wait,                                                  \
      (pthread_cond_t * cond, pthread_mutex_t * mutex))                        \
    X(int, pthread_cond_timedwait,                                             \
      (pthread_cond_t * cond, pthread_mutex_t * mutex,                         \
       const struct timespec *until))                                          \
    X(int, pthread_cond_clockwait,                                             \
      (pthread_cond_t * cond, pthread_mutex_t * mutex, clockid_t clock,        \
       const struct timespec *until))                                          \
    X(int, pthread_cond_signal, (pthread_cond_t * cond))                       \
    X(int, pthread_cond_broadcast, (pthread_cond_t * cond))                    \
    X(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock))                   \
    X(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock))                   \
    X(int, pthread_rwlock_trywrlock, (pthread_rwlock_t * lock))                \
    X(int, pthread_rwlock_timedrdlock,                                         \
      (pthread_rwlock_t * lock, const struct timespec *until))                 \
    X(int, pthread_rwlock_timedwrlock,                                         \
      (pthread_rwlock_t * lock, const struct timespec *until))                 \
    X(int, pthread_rwlock_clockrdlock,                                         \
      (pthread_rwlock_t * lock, clockid_t clock,                               \
       const struct timespec *until))                                          \
    X(int, pthread_rwlock_clockwrlock,                                         \
      (pthread_rwlock_t * lock, clockid_t clock,                               \
       const struct timespec *until))                                          \
    X(int, pthread_rwlock_unlock, (pthread_rwlock_t * lock))                   \
    X(int, sem_wait, (sem_t * sem))                                            \
    X(int, sem_timedwait, (sem_t * sem, const struct timespec *until))         \
    X(int, sem_clockwait,                                                      \
      (sem_t * sem, clockid_t clock, const struct timespec *until))            \
    X(int, pthread_once, (pthread_once_t * once, void (*init)(void)))          \
    X(int, pthread_join, (pthread_t thread, void **result))                    \
    X(int, pthread_timedjoin_np,                                               \
      (pthread_t thread, void **result, const struct timespec *until))         \
    X(int, pthread_barrier_wait, (pthread_barrier_t * barrier))

#define CO__HOOK_PROCESS_SYMBOLS(X)                                            \
    X(pid_t, wait, (int *status))                                              \
    X(pid_t, waitpid, (pid_t pid, int *status, int options))                   \
    X(pid_t, wait3, (int *status, int options, struct rusage *usage))          \
    X(pid_t, wait4,                                                            \
      (pid_t pid, int *status, int options, struct rusage *usage))             \
    X(int, waitid, (idtype_t type, id_t id, siginfo_t * info, int options))    \
    X(int, system, (const char *line))                                         \
    X(int, pclose, (FILE * file))

#define CO__HOOK_STDIO_SYMBOLS(X)                                              \
    X(char *, fgets, (char *line, int size, FILE *file))                       \
    X(char *, __fgets_chk, (char *line, size_t room, int size, FILE *file))    \
    X(size_t, fread, (void *data, size_t size, size_t count, FILE *file))      \
    X(size_t, __fread_chk,                                                     \
      (void *data, size_t room, size_t size, size_t count, FILE *file))        \
    X(int, fgetc, (FILE * file))                                               \
    X(int, getc, (FILE * file))                                                \
    X(int, getchar, (void))                                                    \
    X(ssize_t, getline, (char **line, size_t *size, FILE *file))               \
    X(ssize_t, getdelim,                                                       \
      (char **line, size_t *size, int delimiter, FILE *file))                  \
    X(size_t, fwrite,                                                          \
      (const void *data, size_t size, size_t count, FILE *file))               \
    X(int, fputs, (const char *text, FILE *file))                              \
    X(int, puts, (const char *text))                                           \
    X(int, fputc, (int byte, FILE *file))                                      \
    X(int, putc, (int byte, FILE *file))                                       \
    X(int, putchar, (int byte))                                                \
    X(int, fflush, (FILE * file))

#define CO__HOOK_PRINT_SYMBOLS(X)                                              \
    X(int, printf, (const char *format, ...))                                  \
    X(int, vprintf, (const char *format, va_list list))                        \
    X(int, fprintf, (FILE * file, const char *format, ...))                    \
    X(int, vfprintf, (FILE * file, const char *format, va_list list))          \
    X(int, dprintf, (int fd, const char *format, ...))                         \
    X(int, vdprintf, (int fd, const char *format, va_list list))               \
    X(int, __printf_chk, (int flag, const char *format, ...))                  \
    X(int, __vprintf_chk, (int flag, const char *format, va_list list))        \
    X(int, __fprintf_chk, (FILE * file, int flag, const char *format, ...))    \
    X(int, __vfprintf_chk,                                                     \
      (FILE * file, int flag, const char *format, va_list list))               \
    X(int, __dprintf_chk, (int fd, int flag, const char *format, ...))         \
    X(int, __vdprintf_chk, (int fd, int flag, const char *format, va_list list))

/* The C library's headers choose one of the three by the program's standard. */
#define CO__HOOK_SCAN_SYMBOLS(X)                                               \
    X(int, scanf, (const char *format, ...))                                   \
    X(int, vscanf, (const char *format, va_list list))                         \
    X(int, fscanf, (FILE * file, const char *format, ...))                     \
    X(int, vfscanf, (FILE * file, const char *format, va_list list))           \
    X(int, __isoc99_scanf, (const char *format, ...))                          \
    X(int, __isoc99_vscanf, (const char *format, va_list list))                \
    X(int, __isoc99_fscanf, (FILE * file, const char *format, ...))            \
    X(int, __isoc99_vfscanf, (FILE * file, const char *format, va_list list))  \
    X(int, __isoc23_scanf, (const char *format, ...))                          \
    X(int, __isoc23_vscanf, (const char *format, va_list list))                \
    X(int, __isoc23_fscanf, (FILE * file, const char *format, ...))            \
    X(int, __isoc23_vfscanf, (FILE * file, const char *format, va_list list))

#define CO__HOOK_SYMBOLS(X)                                                    \
    CO__HOOK_IO_SYMBOLS(X)                                                     \
    CO__HOOK_TIME_SYMBOLS(X)                                                   \
    CO__HOOK_NAMES_SYMBOLS(X)                                                  \
    CO__HOOK_SYNC_SYMBOLS(X)                                                   \
    CO__HOOK_PROCESS_SYMBOLS(X)                                                \
    CO__HOOK_STDIO_SYMBOLS(X)                                                  \
    CO__HOOK_PRINT_SYMBOLS(X)                                                  \
    CO__HOOK_SCAN_SYMBOLS(X)

/* Another name under which the C library offers one; in the file that defines
 * it. */
#define CO__HOOK_ALIAS(alias, name)                                            \
    __asm__(".globl " #alias "\n.type " #alias ", %function\n.set " #alias     \
            ", " #name)

#endif
