/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include "base/alloc.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

const struct co__poller_ops *ops;
struct co__poller *poller;
int fds_without_poller;
int lends = 1, lent;
struct report reports[FDS_MAX];

/* ---- support ------------------------------------------------------------- */

struct co_loop *loop_of_nobody(void)
{
    static char nobody;

    return (struct co_loop *)(void *)&nobody;
}

void co__fd_ready(struct co_loop *loop, int fd, uint32_t gen, uint32_t mask)
{
    ck_assert_ptr_eq(loop, loop_of_nobody());
    ck_assert_int_ge(fd, 0);
    ck_assert_int_lt(fd, FDS_MAX);
    reports[fd].count++;
    reports[fd].gen = gen;
    reports[fd].mask |= mask;
}

void co__fds_expect(const struct co_loop *loop, const int *fds, unsigned count)
{
    ck_assert_ptr_eq(loop, loop_of_nobody());
    ck_assert_uint_ge(count, CO__EXPECT_MIN);
    ck_assert_uint_le(count, CO__EXPECT_MAX);
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_lt(fds[i], FDS_MAX); /* less than 0: its own */
}

void *co__lend(void)
{
    if (!lends)
        return NULL;
    lent++;
    return co__alloc(CO__LENT_BYTES);
}

void forget(void)
{
    memset(reports, 0, sizeof(reports));
}

int wait_for(co_time ns)
{
    co_time now = co__clock_read();

    forget();
    return ops->wait(poller, now, ns == CO_NEVER ? CO_NEVER : now + ns);
}

int look(void)
{
    forget();
    return ops->wait(poller, co__clock_read(), 0);
}

int await(int fd, uint32_t gen, uint32_t mask)
{
    return ops->watch ? ops->watch(poller, fd, gen)
                      : ops->arm(poller, fd, gen, mask);
}

int await_more(int fd, uint32_t gen, uint32_t mask)
{
    return ops->watch ? 0 : ops->arm(poller, fd, gen, mask);
}

void pair_make(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
}

void pair_close(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static int listen_local(struct sockaddr_in *to)
{
    socklen_t length = sizeof(*to);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(to, 0, sizeof(*to));
    to->sin_family = AF_INET;
    to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)to, sizeof(*to)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)to, &length), 0);
    return fd;
}

void tcp_make(int fds[2])
{
    struct sockaddr_in to;
    int listener = listen_local(&to);

    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&to, sizeof(to)), 0);
    fds[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[1], 0);
    close(listener);
}

void put(int fd)
{
    ck_assert_int_eq((int)write(fd, "x", 1), 1);
}

void fill(int fd)
{
    char block[4096] = "";

    while (write(fd, block, sizeof(block)) > 0)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
}

void drain(int fd)
{
    char block[4096];

    while (read(fd, block, sizeof(block)) > 0)
        continue;
}

/* Between two runs: who embeds a loop waits for it then. */
int is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (ops->end)
        ops->end(poller, 0);
    return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

int abandoned_well(int before, int own)
{
    /* With the fork valgrind closes one of its own. */
    int gone = CO_TEST_MEMCHECK ? before - co_test_fds_open() : 0;

    ops->abandon(poller);
    return co_test_fds_open() == fds_without_poller - gone + own;
}

/* ---- the suite ----------------------------------------------------------- */

static void poller_made(void)
{
    poller = NULL;
    fds_without_poller = co_test_fds_open();
    ck_assert_int_eq(ops->open(loop_of_nobody(), &poller), 0);
    ck_assert_ptr_nonnull(poller);
    if (ops->begin)
        ck_assert_int_eq(ops->begin(poller), 0);
}

static void poller_closed(void)
{
    if (ops->end)
        ops->end(poller, 1);
    ops->close(poller);
    poller = NULL;
}

/* No backend of the build goes untested. */
START_TEST(every_backend_of_the_build_is_a_test)
{
    char names[256] = " " CO_TEST_BACKENDS " ";
    char name[64];
    size_t spaces = 0, count = 0;

    for (const char *c = names; *c; c++)
        spaces += *c == ' ';
    for (size_t i = 0; co__pollers[i]; i++) {
        if (!co__pollers[i]->wait)
            continue; /* it stands for what the build does without */
        snprintf(name, sizeof(name), " %s ", co__pollers[i]->name);
        ck_assert_msg(strstr(names, name) != NULL, "%s is not in '%s'", name,
                      names);
        count++;
    }
    ck_assert_uint_eq(spaces, count + 1);
    ck_assert(!co__pollers[0]->by_name); /* there is a default */
}
END_TEST

static Suite *suite(void)
{
    static void (*const parts[])(TCase *) = {
        add_descriptors, add_waits, add_processes, add_signals,
        add_accepts,     add_lends, add_lapses,    add_whole,
    };
    Suite *s = suite_create(ops->name);
    TCase *tc = tcase_create(ops->name);

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, poller_made, poller_closed);
    tcase_add_test(tc, every_backend_of_the_build_is_a_test);
    if (ops->watch)
        add_edges(tc);
    for (size_t i = 0; i < CO_ARRAY_LEN(parts); i++)
        parts[i](tc);
    suite_add_tcase(s, tc);
    return s;
}

static const struct co__poller_ops *backend_called(const char *name)
{
    for (size_t i = 0; co__pollers[i]; i++)
        if (!strcmp(co__pollers[i]->name, name))
            return co__pollers[i];
    return NULL;
}

int main(void)
{
    const char *name = getenv("COPPICE_BACKEND");

    ops = name && *name ? backend_called(name) : co__pollers[0];
    if (!ops) {
        fprintf(stderr, "this build has no backend '%s'\n", name);
        return EXIT_FAILURE;
    }
    if (ops->open(loop_of_nobody(), &poller) == -ENOSYS) {
        fprintf(stderr, "this kernel has no %s, or forbids it\n", ops->name);
        return 77; /* skipped */
    }
    ops->close(poller);
    return co_test_run(suite, false);
}
