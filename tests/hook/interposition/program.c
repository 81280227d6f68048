/* SPDX-License-Identifier: MIT */
/*
 * What interposition.sh builds in many ways. It prints "on" if the hooks say
 * that they are in force, and "off: <why>" if not; then whether the client
 * library's read left the thread to another task: "parks" or "blocks".
 *
 * It calls no hooked function itself, which would be a reason to link them.
 *
 * How it is built: ENABLE_BY_WRAP, ENABLE_BY_DLOPEN, ENABLE_BY_ENVIRONMENT, or
 * by the function itself; CLIENT_OPEN=<a call that loads CLIENT>, or linked.
 */
#include <coppice/hook.h>
#include <coppice/loop.h>
#include <coppice/task.h>

#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#if defined(ENABLE_BY_WRAP)
int wrap_enable(void);
const char *wrap_problem(void);
#define enable  wrap_enable
#define problem wrap_problem
#elif defined(ENABLE_BY_DLOPEN)
static const char *(*problem)(void);
static int enable(void)
{
    void *hook = dlopen("libcoppice-hook.so.0", RTLD_NOW | RTLD_GLOBAL);
    int (*call)(unsigned groups);

    if (!hook)
        hook = dlopen("libcoppice-hook.so", RTLD_NOW | RTLD_GLOBAL);
    if (!hook)
        errx(2, "%s", dlerror());
    *(void **)&call = dlsym(hook, "co_hook_enable");
    *(void **)&problem = dlsym(hook, "co_hook_problem");
    return call(CO_HOOK_ALL);
}
#elif defined(ENABLE_BY_ENVIRONMENT)
static int enable(void)
{
    return 0;
}
static const char *problem(void)
{
    return "";
}
#else
static int enable(void)
{
    return co_hook_enable(CO_HOOK_ALL);
}
#define problem co_hook_problem
#endif

#ifdef CLIENT_OPEN
#define CLIENT "libclient.so"
static int (*client_read)(int fd), (*client_write)(int fd);
#else
int client_read(int fd);
int client_write(int fd);
#endif

static int fds[2], others_ran;

static int read_task(void *unused)
{
    (void)unused;
    (void)client_read(fds[0]);
    return others_ran;
}

static int other_task(void *unused)
{
    (void)unused;
    others_ran = 1;
    return client_write(fds[1]);
}

/* A read that blocks the thread ends by itself, without a byte. */
static int run(void *unused)
{
    struct timeval limit = {0, 100000};
    co_task *reader, *other;
    int parked = 0;

    (void)unused;
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    reader = co_spawn(read_task, NULL);
    other = co_spawn(other_task, NULL);
    if (!reader || !other || co_join(reader, &parked) < 0 ||
        co_join(other, NULL) < 0)
        return -1;
    return parked;
}

/* By none of the calls that are hooked. */
static void say(const char *text)
{
    fputs_unlocked(text, stdout);
}

int main(void)
{
    char line[512];
    int r;

#ifdef CLIENT_OPEN
    void *client = CLIENT_OPEN;

    if (!client)
        errx(2, "%s", dlerror());
    *(void **)&client_read = dlsym(client, "client_read");
    *(void **)&client_write = dlsym(client, "client_write");
#endif
    r = enable();
    if (r == 0)
        snprintf(line, sizeof(line), "on ");
    else if (r == -ENOTSUP)
        snprintf(line, sizeof(line), "off: %s ", problem());
    else
        snprintf(line, sizeof(line), "error %d ", r);
    say(line);
    say(co_run(run, NULL) > 0 ? "parks\n" : "blocks\n");
    return 0;
}
