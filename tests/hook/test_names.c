/* SPDX-License-Identifier: MIT */
/* Looking up names, in tasks. "the resolver inside glibc (un-hooked
 * gethostbyname blocked the loop 112 ms)". The servers are tasks of the same
 * thread: a lookup that blocked it would get no answer. */
#include "hook/hook_support.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>

static const struct sockaddr_in loopback = {.sin_family = AF_INET,
                                            .sin_addr = {.s_addr = 0x0100007f}};

/* ---- every lookup, of what needs no server ------------------------------- */

static char room[1024];

static ssize_t is_loopback(const struct hostent *entry)
{
    if (!entry)
        return -1;
    ck_assert_int_eq(entry->h_addrtype, AF_INET);
    ck_assert_int_eq(memcmp(entry->h_addr_list[0], &loopback.sin_addr, 4), 0);
    return 1;
}

static ssize_t by_getaddrinfo(struct hook_call *c)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;

    (void)c;
    if (getaddrinfo("localhost", "80", &hints, &list) != 0)
        return -1;
    ck_assert_int_eq(memcmp(&((struct sockaddr_in *)list->ai_addr)->sin_addr,
                            &loopback.sin_addr, 4),
                     0);
    freeaddrinfo(list);
    return 1;
}

static ssize_t service_by_getaddrinfo(struct hook_call *c)
{
    struct addrinfo *list;

    (void)c;
    return getaddrinfo("127.0.0.1", "no-service", NULL, &list) == EAI_SERVICE;
}

static ssize_t by_getnameinfo(struct hook_call *c)
{
    char service[32];

    (void)c;
    if (getnameinfo((const struct sockaddr *)&loopback, sizeof(loopback), room,
                    sizeof(room), service, sizeof(service),
                    NI_NUMERICHOST) != 0)
        return -1;
    ck_assert_str_eq(room, "127.0.0.1");
    return 1;
}

static ssize_t by_gethostbyname(struct hook_call *c)
{
    (void)c;
    return is_loopback(gethostbyname("127.0.0.1"));
}

static ssize_t by_gethostbyname2(struct hook_call *c)
{
    (void)c;
    return is_loopback(gethostbyname2("127.0.0.1", AF_INET));
}

static ssize_t by_gethostbyname_r(struct hook_call *c)
{
    struct hostent entry, *found;
    int error;

    (void)c;
    return gethostbyname_r("127.0.0.1", &entry, room, sizeof(room), &found,
                           &error) == 0
               ? is_loopback(found)
               : -1;
}

static ssize_t by_gethostbyname2_r(struct hook_call *c)
{
    struct hostent entry, *found;
    int error;

    (void)c;
    return gethostbyname2_r("127.0.0.1", AF_INET, &entry, room, sizeof(room),
                            &found, &error) == 0
               ? is_loopback(found)
               : -1;
}

/* From /etc/hosts; or nobody knows it. */
static ssize_t by_gethostbyaddr(struct hook_call *c)
{
    (void)c;
    (void)gethostbyaddr(&loopback.sin_addr, 4, AF_INET);
    return 1;
}

static ssize_t by_gethostbyaddr_r(struct hook_call *c)
{
    struct hostent entry, *found;
    int error;

    (void)c;
    (void)gethostbyaddr_r(&loopback.sin_addr, 4, AF_INET, &entry, room,
                          sizeof(room), &found, &error);
    return 1;
}

/* No name has a part of 64 letters. */
#define LONG_PART                                                              \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."       \
    "invalid."

static ssize_t by_res_query(struct hook_call *c)
{
    (void)c;
    h_errno = 0;
    if (res_query(LONG_PART, C_IN, T_A, (unsigned char *)room, sizeof(room)) >=
        0)
        return -1;
    return h_errno == NO_RECOVERY;
}

static ssize_t by_res_search(struct hook_call *c)
{
    (void)c;
    return res_search(LONG_PART, C_IN, T_A, (unsigned char *)room,
                      sizeof(room)) < 0;
}

typedef ssize_t call_fn(struct hook_call *c);

static call_fn *const lookups[] = {service_by_getaddrinfo, by_getnameinfo,
                                   by_getaddrinfo,         by_gethostbyname,
                                   by_gethostbyname2,      by_gethostbyname_r,
                                   by_gethostbyname2_r,    by_gethostbyaddr,
                                   by_gethostbyaddr_r,     by_res_query,
                                   by_res_search};
/* Those but the first two make glibc load the resolver's configuration, which
 * it never frees. */
#define LOOKUPS                                                                \
    (CO_TEST_MEMCHECK ? 2 : (int)(sizeof(lookups) / sizeof(lookups[0])))

static int lookup;

static void a_lookup_parks_in_task(void)
{
    struct hook_call call = {.fn = lookups[lookup]};

    hook_begin_waiting(&call);
    ck_assert_int_eq(hook_end(&call), 1);
}

START_TEST(a_lookup_parks)
{
    lookup = _i;
    co_test_in_task(a_lookup_parks_in_task);
}
END_TEST

static int set(void *flag)
{
    *(int *)flag = 1;
    return 0;
}

CO_TASK_TEST(digits_need_no_thread)
{
    const char *const hosts[] = {"127.0.0.1", "::1", NULL};
    struct addrinfo *list;
    int others_ran = 0;
    co_task *other = co_test_spawn(set, &others_ran);

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(getaddrinfo(hosts[i], "80", NULL, &list), 0);
        freeaddrinfo(list);
    }
    ck_assert_int_eq(getaddrinfo("::1", NULL, NULL, &list), 0);
    freeaddrinfo(list);
    ck_assert_int_eq(getnameinfo((const struct sockaddr *)&loopback,
                                 sizeof(loopback), room, sizeof(room), NULL, 0,
                                 NI_NUMERICHOST),
                     0);
    ck_assert_str_eq(room, "127.0.0.1");
    ck_assert_int_eq(others_ran, 0);
    ck_assert_int_eq(co_test_result(other), 0);
}

static int cancelled_lookup(void *unused)
{
    struct addrinfo *list = NULL;
    int r;

    (void)unused;
    co_cancel(co_self());
    errno = 0;
    r = getaddrinfo("localhost", "80", NULL, &list);
    ck_assert_ptr_null(list);
    return r == EAI_SYSTEM ? -errno : r;
}

CO_TASK_TEST(a_cancelled_lookup_is_a_systems_error)
{
    ck_assert_int_eq(co_test_result(co_test_spawn(cancelled_lookup, NULL)),
                     -ECANCELED);
}

CO_TASK_TEST(mistakes_are_told_as_by_the_system)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
    struct addrinfo *list;

    ck_assert_int_eq(getaddrinfo("no number", NULL, &hints, &list), EAI_NONAME);
    ck_assert_int_eq(getaddrinfo(NULL, NULL, NULL, &list), EAI_NONAME);
    ck_assert_int_eq(getnameinfo((const struct sockaddr *)&loopback, 1, room,
                                 sizeof(room), NULL, 0, 0),
                     EAI_FAMILY);
}

/* ---- a server ------------------------------------------------------------ */

static int server;

static struct __res_state *resolver(void)
{
    struct sockaddr_in addr = loopback;
    socklen_t len = sizeof(addr);
    struct __res_state *state = calloc(1, sizeof(*state));

    server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&addr, len), 0);
    ck_assert_int_eq(getsockname(server, (struct sockaddr *)&addr, &len), 0);
    ck_assert_int_eq(res_ninit(state), 0);
    for (int i = 0; i < MAXNS; i++) /* those of IPv6, too */
        state->_u._ext.nsaddrs[i] = NULL;
    state->nscount = 1;
    state->nsaddr_list[0] = addr;
    state->retry = 1;
    state->retrans = 20;
    return state;
}

static void resolver_free(struct __res_state *state)
{
    res_nclose(state);
    free(state);
    close(server);
}

/* That there is no such name. */
static int answer_one(void *unused)
{
    unsigned char query[512];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    ssize_t n = recvfrom(server, query, sizeof(query), 0,
                         (struct sockaddr *)&from, &len);

    (void)unused;
    if (n < 12)
        return -EIO;
    query[2] |= 0x80;
    query[3] = 0x83;
    return sendto(server, query, (size_t)n, 0, (struct sockaddr *)&from, len) ==
                   n
               ? 0
               : -EIO;
}

CO_TASK_TEST(a_resolver_waits_for_a_server_that_is_a_task)
{
    struct __res_state *state = resolver();
    unsigned char reply[512];
    co_task *task;

    for (int i = 0; i < 2; i++) {
        task = co_test_spawn(answer_one, NULL);
        h_errno = 0;
        ck_assert_int_eq(
            i ? res_nsearch(state, "none.test.", C_IN, T_A, reply, 512)
              : res_nquery(state, "none.test", C_IN, T_A, reply, 512),
            -1);
        ck_assert_int_eq(h_errno, HOST_NOT_FOUND);
        ck_assert_int_eq(co_test_result(task), 0);
    }
    resolver_free(state);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.names");
    TCase *tc = hook_case(s, "names");

    tcase_add_loop_test(tc, a_lookup_parks, 0, LOOKUPS);
    tcase_add_test(tc, digits_need_no_thread);
    tcase_add_test(tc, a_cancelled_lookup_is_a_systems_error);
    tcase_add_test(tc, mistakes_are_told_as_by_the_system);
    tcase_add_test(tc, a_resolver_waits_for_a_server_that_is_a_task);
    return s;
}

CO_TEST_MAIN(suite)
