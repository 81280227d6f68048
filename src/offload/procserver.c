/* SPDX-License-Identifier: MIT */
/*
 * The server of a process pool, and its workers.
 *
 * A program with threads cannot fork workers when it needs them: the child
 * would have the locks of threads that it does not have. So one process is
 * forked when the pool is made, and that one, which has a single thread and
 * does nothing else, forks all workers, those that replace crashed ones too. It
 * also reaps them: to the program they are grandchildren, and its one child is
 * the server.
 *
 * The server waits for orders and for SIGCHLD. When the program's end of its
 * stream is closed, it kills the workers, reaps them, and exits. A worker reads
 * a request, calls the function, writes the answer, until its stream ends.
 */
#include "offload/procserver.h"

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "offload/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STREAM 3 /* the one descriptor beyond the standard ones */
/* Workers, and killed ones that are not reaped yet. */
#define LIVE_MAX (4 * CO__PROC_WORKERS_MAX)

struct live {
    pid_t pid;
    uint32_t id;
};

struct server {
    const co_procpool_fn *functions;
    unsigned function_count;
    uint64_t bytes_max;
    struct live live[LIVE_MAX];
    unsigned live_count;
};

/* ---- orders -------------------------------------------------------------- */

union descriptor {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int))];
};

int co__proc_send(int control, uint32_t kind, uint32_t id, int fd)
{
    struct co__proc_order order = {.kind = kind, .id = id};
    struct iovec iov = {.iov_base = &order, .iov_len = sizeof(order)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    union descriptor right;
    ssize_t n;

    if (fd >= 0) {
        struct cmsghdr *head;

        memset(&right, 0, sizeof(right));
        message.msg_control = right.space;
        message.msg_controllen = sizeof(right.space);
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    }
    do
        n = sendmsg(control, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    /* A few bytes on a stream that blocks are sent together or not at all. */
    return n < 0 ? -errno : 0;
}

/* Read an order: 1; 0 if there are no more. */
static int receive(struct co__proc_order *order, int *fd)
{
    size_t have = 0;

    *fd = -1;
    while (have < sizeof(*order)) {
        struct iovec iov = {.iov_base = (char *)order + have,
                            .iov_len = sizeof(*order) - have};
        union descriptor right;
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = right.space,
                                 .msg_controllen = sizeof(right.space)};
        struct cmsghdr *head;
        ssize_t n = recvmsg(STREAM, &message, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        have += (size_t)n;
        head = CMSG_FIRSTHDR(&message);
        if (head && head->cmsg_type == SCM_RIGHTS)
            memcpy(fd, CMSG_DATA(head), sizeof(*fd));
    }
    return 1;
}

/* ---- a worker ------------------------------------------------------------ */

static int read_full(void *buffer, size_t bytes)
{
    for (size_t have = 0; have < bytes;) {
        ssize_t n = recv(STREAM, (char *)buffer + have, bytes - have, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        have += (size_t)n;
    }
    return 1;
}

static int write_full(const void *buffer, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = send(STREAM, (const char *)buffer + done, bytes - done,
                         MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return 0;
        done += (size_t)n;
    }
    return 1;
}

/* Read a request, and answer it. Returns 0 when the program is gone. */
static int serve(const struct server *server)
{
    struct co__proc_head head, answer = {.magic = CO__PROC_ANSWER};
    void *in = NULL, *out = NULL;
    size_t out_bytes = 0;
    int ok;

    if (!read_full(&head, sizeof(head)) || head.magic != CO__PROC_REQUEST ||
        (unsigned)head.number >= server->function_count)
        return 0;
    if (head.bytes) {
        in = malloc(head.bytes);
        if (!in)
            return 0; /* as good as a crash */
        if (!read_full(in, head.bytes)) {
            free(in);
            return 0;
        }
    }
    answer.number =
        server->functions[head.number](in, head.bytes, &out, &out_bytes);
    free(in);
    fflush(NULL); /* a worker may be killed at any time */
    if (!out)
        out_bytes = 0;
    if (out_bytes > server->bytes_max) {
        answer.number = -EMSGSIZE;
        out_bytes = 0;
    }
    answer.bytes = out_bytes;
    ok = write_full(&answer, sizeof(answer)) && write_full(out, out_bytes);
    free(out);
    return ok;
}

/* Make `fd` the stream, and close all that is not standard. */
static void keep_only(int fd)
{
    if (fd != STREAM) {
        dup2(fd, STREAM);
        close(fd);
    }
    co__sys_close_from(STREAM + 1);
}

static CO_NORETURN void worker(const struct server *server, int fd,
                               const sigset_t *none)
{
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, none, NULL);
    keep_only(fd);
    co__sys_thread_name("co-worker");
    while (serve(server))
        continue;
    _exit(0);
}

/* ---- the server ---------------------------------------------------------- */

static void child_ended(int signal_number)
{
    (void)signal_number; /* ends the wait */
}

static void reap(struct server *server, int options)
{
    pid_t pid;

    while (server->live_count && (pid = waitpid(-1, NULL, options)) != 0) {
        if (pid < 0 && errno != EINTR)
            break;
        for (unsigned i = 0; i < server->live_count; i++)
            if (server->live[i].pid == pid) {
                server->live[i] = server->live[--server->live_count];
                break;
            }
    }
}

static void start_worker(struct server *server, uint32_t id, int fd,
                         const sigset_t *none)
{
    pid_t pid = server->live_count < LIVE_MAX ? fork() : -1;

    if (pid == 0)
        worker(server, fd, none);
    close(fd); /* if there is no worker, the program sees its stream end */
    if (pid > 0)
        server->live[server->live_count++] = (struct live){pid, id};
}

static void obey(struct server *server, const sigset_t *none)
{
    struct co__proc_order order;
    int fd;

    if (!receive(&order, &fd)) {
        for (unsigned i = 0; i < server->live_count; i++)
            kill(server->live[i].pid, SIGKILL);
        reap(server, 0);
        _exit(0);
    }
    if (order.kind == CO__PROC_START && fd >= 0)
        start_worker(server, order.id, fd, none);
    for (unsigned i = 0; i < server->live_count; i++)
        if (order.kind == CO__PROC_KILL && server->live[i].id == order.id)
            kill(server->live[i].pid, SIGKILL);
}

/* The program's handlers are not for this process. */
static void reset_signals(void)
{
    static const int ignored[] = {SIGINT, SIGQUIT, SIGHUP};
    struct sigaction action = {.sa_handler = SIG_DFL};

    for (int i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL); /* fails for two of them */
    action.sa_handler = SIG_IGN;
    for (size_t i = 0; i < CO_ARRAY_LEN(ignored); i++)
        sigaction(ignored[i], &action, NULL);
    action.sa_handler = child_ended;
    sigaction(SIGCHLD, &action, NULL);
}

/* In the forked process, which has every signal blocked. */
static CO_NORETURN void run_server(struct server *server, int fd)
{
    sigset_t none, child;
    int null;

    reset_signals();
    co__sys_purge(stdin); /* what stands there is the program's */
    co__sys_purge(stdout);
    sigemptyset(&none);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    keep_only(fd);
    null = open("/dev/null", O_RDONLY);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        close(null);
    }
    co__sys_thread_name("co-procpool");
    sigprocmask(SIG_SETMASK, &child, NULL);
    for (;;) {
        fd_set orders;

        FD_ZERO(&orders);
        FD_SET(STREAM, &orders);
        if (pselect(STREAM + 1, &orders, NULL, NULL, NULL, &none) > 0)
            obey(server, &none);
        reap(server, WNOHANG);
    }
}

/* ---- making it ----------------------------------------------------------- */

struct making {
    struct server *server;
    int fds[2]; /* the program's, the server's */
    pid_t pid;
    int error;
};

static void *fork_server(void *arg)
{
    struct making *making = arg;

    making->pid = fork();
    if (making->pid == 0)
        run_server(making->server, making->fds[1]);
    if (making->pid < 0)
        making->error = -errno;
    return NULL;
}

static int fork_on_thread(struct making *making)
{
    pthread_t thread;
    sigset_t all, old;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&thread, NULL, fork_server, making);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return -r;
    co__thread_join(thread);
    return making->error;
}

pid_t co__proc_serve(const co_procpool_options *options, int *control)
{
    struct making making = {.error = 0};
    int r;

    making.server = co__alloc_zero(sizeof(*making.server));
    if (!making.server)
        return -ENOMEM;
    making.server->functions = options->functions;
    making.server->function_count = options->function_count;
    making.server->bytes_max = options->bytes_max;
    r = co__sys_socketpair(making.fds);
    if (r < 0)
        goto free_server;
    r = fork_on_thread(&making);
    close(making.fds[1]);
    if (r < 0)
        close(making.fds[0]);
    else
        *control = making.fds[0];

free_server:
    co__free(making.server);
    return r < 0 ? r : making.pid;
}
