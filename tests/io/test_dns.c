/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* Lookups: against a name server of our own, that answers, is silent, or talks
 * nonsense. */
#include <coppice/dns.h>

#include <coppice/cancel.h>
#include <coppice/threadpool.h>

#include "base/alloc.h"
#include "dns_server.h"

#include <netdb.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct dns_server server;

/* Long enough for any answer that comes; and for those that do not. */
#define PATIENT (20 * CO_SEC)
#define BRIEF   (50 * CO_MS)

static co_dns_options ours(void)
{
    return (co_dns_options){
        .size = sizeof(co_dns_options),
        .servers = server.address,
        .search = "",
        .timeout = PATIENT,
        .tries = 2,
    };
}

/* Look up both families at our server. */
static int ask_for(const char *host, co_time timeout, co_addrinfo **out)
{
    co_dns_options options = ours();

    options.timeout = timeout;
    return co_getaddrinfo(host, "80", &options, out);
}

static int ask(const char *host, co_addrinfo **out)
{
    return ask_for(host, PATIENT, out);
}

static const char *text_of(const co_addr *addr)
{
    static char text[CO_ADDR_TEXT_MAX];

    ck_assert_int_gt(
        co_addr_format(&addr->as.any, addr->len, text, sizeof(text)), 0);
    return text;
}

static void expect(const char *host, const char *address)
{
    co_addrinfo *info = NULL;

    ck_assert_int_eq(ask(host, &info), 0);
    ck_assert_uint_eq(info->count, 1);
    ck_assert_str_eq(text_of(&info->addrs[0]), address);
    co_addrinfo_free(info);
}

static void expect_error(const char *host, int error)
{
    co_addrinfo *info = (co_addrinfo *)&server;
    co_time timeout = error == -ETIMEDOUT ? BRIEF : PATIENT;

    ck_assert_int_eq(ask_for(host, timeout, &info), error);
    ck_assert_ptr_eq(info, &server); /* it was not written to */
}

#define DNS_TEST(name)                                                         \
    static void name##_served(void);                                           \
    CO_TASK_TEST(name)                                                         \
    {                                                                          \
        dns_start(&server);                                                    \
        name##_served();                                                       \
        dns_stop(&server);                                                     \
    }                                                                          \
    static void name##_served(void)

/* ---- what is found ------------------------------------------------------- */

DNS_TEST(name_has_addresses)
{
    co_addrinfo *info;
    int v4 = 0, v6 = 0;

    expect("a1.test", "10.0.0.1:80");
    expect("a300.test.", "10.0.1.44:80");
    expect("six.test", "[2001:db8::6]:80");
    ck_assert_int_eq(ask("both.test", &info), 0);
    ck_assert_uint_eq(info->count, 2);
    for (size_t i = 0; i < 2; i++) {
        v4 += strcmp(text_of(&info->addrs[i]), "192.0.2.1:80") == 0;
        v6 += strcmp(text_of(&info->addrs[i]), "[2001:db8::1]:80") == 0;
    }
    ck_assert_int_eq(v4, 1);
    ck_assert_int_eq(v6, 1);
    ck_assert_str_eq(info->canonical, "both.test");
    co_addrinfo_free(info);
    co_addrinfo_free(NULL);
}

DNS_TEST(one_family_is_asked_for)
{
    co_dns_options options = ours();
    co_addrinfo *info;

    options.family = AF_INET6;
    ck_assert_int_eq(co_getaddrinfo("both.test", NULL, &options, &info), 0);
    ck_assert_uint_eq(info->count, 1);
    ck_assert_str_eq(text_of(&info->addrs[0]), "[2001:db8::1]:0");
    co_addrinfo_free(info);
    ck_assert_uint_eq(server.asked, 1);
    ck_assert_int_eq(co_getaddrinfo("a1.test", NULL, &options, &info),
                     -ENODATA);
    options.family = AF_INET;
    ck_assert_int_eq(co_getaddrinfo("six.test", NULL, &options, &info),
                     -ENODATA);
}

DNS_TEST(alias_tells_the_canonical_name)
{
    co_addrinfo *info;

    ck_assert_int_eq(ask("alias.test", &info), 0);
    ck_assert_uint_eq(info->count, 1);
    ck_assert_str_eq(text_of(&info->addrs[0]), "10.0.0.7:80");
    ck_assert_str_eq(info->canonical, "a7.test");
    co_addrinfo_free(info);
}

DNS_TEST(search_domains_are_tried)
{
    co_dns_options options = ours();
    co_addrinfo *info;

    expect_error("short", -ENOENT);
    options.search = "no.test sub.test";
    ck_assert_int_eq(co_getaddrinfo("short", NULL, &options, &info), 0);
    ck_assert_str_eq(text_of(&info->addrs[0]), "10.0.0.9:0");
    co_addrinfo_free(info);
    options.search = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17";
    ck_assert_int_eq(co_getaddrinfo("short", NULL, &options, &info), -EINVAL);
}

DNS_TEST(large_answer_comes_by_tcp)
{
    co_addrinfo *info;

    ck_assert_int_eq(ask("large.test", &info), 0);
    ck_assert_uint_eq(info->count, 100);
    co_addrinfo_free(info);
}

CO_TASK_TEST(hosts_file_and_numbers_ask_nobody)
{
    static const char *const numbers[] = {"192.0.2.1", "::1", "2001:db8::1"};
    co_dns_options options = {.size = sizeof(options),
                              .servers = "127.0.0.1:1"};
    co_addrinfo *info;

    ck_assert_int_eq(co_getaddrinfo("localhost", "http", &options, &info), 0);
    ck_assert_uint_ge(info->count, 1);
    ck_assert_ptr_nonnull(strstr(text_of(&info->addrs[0]), ":80"));
    co_addrinfo_free(info);
    options.flags = CO_DNS_NUMERIC;
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(co_getaddrinfo(numbers[i], "1", &options, &info), 0);
        ck_assert_uint_eq(info->count, 1);
        ck_assert_ptr_nonnull(strstr(text_of(&info->addrs[0]), numbers[i]));
        co_addrinfo_free(info);
    }
    ck_assert_int_eq(co_getaddrinfo("localhost", NULL, &options, &info),
                     -ENOENT);
}

CO_TASK_TEST(no_host_is_the_loopback_or_any)
{
    co_dns_options options = {.size = sizeof(options), .family = AF_INET};
    co_addrinfo *info;

    ck_assert_int_eq(co_getaddrinfo(NULL, "80", NULL, &info), 0);
    ck_assert_uint_ge(info->count, 1);
    co_addrinfo_free(info);
    ck_assert_int_eq(co_getaddrinfo(NULL, "80", &options, &info), 0);
    ck_assert_str_eq(text_of(&info->addrs[0]), "127.0.0.1:80");
    co_addrinfo_free(info);
    options.flags = CO_DNS_PASSIVE;
    ck_assert_int_eq(co_getaddrinfo(NULL, "80", &options, &info), 0);
    ck_assert_str_eq(text_of(&info->addrs[0]), "0.0.0.0:80");
    co_addrinfo_free(info);
}

/* ---- what is not --------------------------------------------------------- */

DNS_TEST(errors_are_told_apart)
{
    expect_error("missing.test", -ENOENT);
    expect_error("broken.test", -EAGAIN);
    expect_error("refused.test", -EAGAIN);
    expect_error("never.test", -ETIMEDOUT);
    expect_error("bad2.test", -EBADMSG);
}

CO_TASK_TEST(no_server_can_be_reached)
{
    co_dns_options options = {
        .size = sizeof(options), .timeout = BRIEF, .tries = 1};
    char nobody[32];
    co_addrinfo *info;

    snprintf(nobody, sizeof(nobody), "127.0.0.1:%d", co_test_port());
    options.servers = nobody;
    ck_assert_int_eq(co_getaddrinfo("a1.test", NULL, &options, &info),
                     -ECONNREFUSED);
}

CO_TASK_TEST(bad_arguments_are_refused)
{
    char long_name[300];
    co_addrinfo *info;
    co_dns_options options[] = {
        {.size = 1},
        {.size = sizeof(options[0]), .family = AF_UNIX},
        {.size = sizeof(options[0]), .flags = 64},
        {.size = sizeof(options[0]), .timeout = -1},
        {.size = sizeof(options[0]), .tries = -1},
        {.size = sizeof(options[0]), .servers = "nonsense"},
        {.size = sizeof(options[0]), .servers = ""},
        {.size = sizeof(options[0]), .flags = CO_DNS_THREAD, .tries = 1},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        ck_assert_int_eq(co_getaddrinfo("a1.test", NULL, &options[i], &info),
                         -EINVAL);
    ck_assert_int_eq(co_getaddrinfo("a1.test", NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_getaddrinfo("", NULL, NULL, &info), -EINVAL);
    ck_assert_int_eq(co_getaddrinfo("::1", "no such service", NULL, &info),
                     -EINVAL);
    ck_assert_int_eq(co_getaddrinfo("::1", "65536", NULL, &info), -EINVAL);
    ck_assert_int_eq(co_getaddrinfo("::1", "80x", NULL, &info), -EINVAL);
    ck_assert_int_eq(co_getaddrinfo("::1", "", NULL, &info), -EINVAL);
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    ck_assert_int_eq(co_getaddrinfo(long_name, NULL, NULL, &info), -EINVAL);
    long_name[100] = '\0'; /* a label of 100 bytes */
    ck_assert_int_lt(co_getaddrinfo(long_name, NULL, NULL, &info), 0);
}

/* None of them may do harm; what is found behind one is not a lie. */
DNS_TEST(malformed_answers_are_errors)
{
    for (int way = 0; way < DNS_BAD_WAYS; way++) {
        char host[32];
        co_addrinfo *info = NULL;
        int r;

        snprintf(host, sizeof(host), "bad%d.test", way);
        r = ask_for(host, BRIEF, &info);
        ck_assert_msg(r == -EBADMSG || r == -ETIMEDOUT || r == -ENODATA ||
                          r == -EAGAIN,
                      "way %d: %d", way, r);
        ck_assert_ptr_null(info);
    }
}

DNS_TEST(nothing_that_a_server_says_does_harm)
{
    co_dns_options options = ours();
    int rounds = co_test_scale(2000, 200);

    options.timeout = CO_MS;
    options.tries = 1;
    for (int i = 0; i < rounds; i++) {
        co_addrinfo *info = NULL;
        int r;

        server.random.state = (uint64_t)i + 1;
        r = co_getaddrinfo("fuzz.test", NULL, &options, &info);
        ck_assert_msg(r <= 0, "seed %d", i);
        ck_assert_msg((r == 0) == (info != NULL), "seed %d", i);
        co_addrinfo_free(info);
    }
}

/* ---- many at once -------------------------------------------------------- */

struct lookup {
    int number;
    int silent;
    co_time timeout;
    int result;
    char address[CO_ADDR_TEXT_MAX];
};

static int look_up(void *arg)
{
    struct lookup *lookup = arg;
    co_dns_options options = ours();
    char host[32];
    co_addrinfo *info;

    options.family = AF_INET;
    options.timeout = lookup->timeout;
    snprintf(host, sizeof(host), lookup->silent ? "never%d.test" : "a%d.test",
             lookup->number);
    lookup->result = co_getaddrinfo(host, "80", &options, &info);
    if (lookup->result == 0) {
        strcpy(lookup->address, text_of(&info->addrs[0]));
        co_addrinfo_free(info);
    }
    return 0;
}

/* One of ten runs out of time; one more of twenty waits until it is cancelled,
 * when all others are there: nobody has waited for it. */
DNS_TEST(thousand_lookups_of_which_a_tenth_is_never_answered)
{
    int count = co_test_scale(1000, 300), forever = 0;
    struct lookup *lookups = calloc((size_t)count, sizeof(*lookups));
    struct rlimit before, more;
    co_group group = {0}, never = {0};

    getrlimit(RLIMIT_NOFILE, &before);
    more = before;
    if (more.rlim_cur < 2048)
        more.rlim_cur = more.rlim_max < 2048 ? more.rlim_max : 2048;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &more), 0);
    for (int i = 0; i < count; i++) {
        int cancelled = i % 20 == 15, brief = i % 10 == 3;

        lookups[i].number = i + 1;
        lookups[i].silent = cancelled || brief;
        lookups[i].timeout = brief ? BRIEF : 100 * CO_SEC;
        lookups[i].result = 1;
        ck_assert_ptr_nonnull(
            co_group_spawn(cancelled ? &never : &group, look_up, &lookups[i]));
        forever += cancelled;
    }
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_uint_eq(co_group_count(&never), (size_t)forever);
    ck_assert_int_eq(co_group_cancel(&never), 0);
    ck_assert_int_eq(co_group_wait(&never), 0);
    for (int i = 0; i < count; i++) {
        char wanted[32];

        if (lookups[i].silent) {
            ck_assert_int_eq(lookups[i].result, lookups[i].timeout == BRIEF
                                                    ? -ETIMEDOUT
                                                    : -ECANCELED);
            continue;
        }
        ck_assert_int_eq(lookups[i].result, 0);
        snprintf(wanted, sizeof(wanted), "10.0.%d.%d:80", (i + 1) >> 8,
                 (i + 1) & 255);
        ck_assert_str_eq(lookups[i].address, wanted);
    }
    free(lookups);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* ---- given up ------------------------------------------------------------ */

static int ask_never(void *result)
{
    co_addrinfo *info;

    *(int *)result = ask("never.test", &info);
    return co_yield_now();
}

DNS_TEST(lookup_that_is_cancelled_leaves_nothing_behind)
{
    int result = 1, fds = co_test_fds_open();
    co_task *task = co_test_spawn(ask_never, &result);
    co_addrinfo *info;

    while (server.asked < 2)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    ck_assert_int_gt(co_test_fds_open(), fds);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(result, -ECANCELED);
    ck_assert(CO_TEST_FDS_VARY || co_test_fds_open() == fds);
    co_timeout(5 * CO_MS) {
        ck_assert_int_eq(ask("never.test", &info), -ETIMEDOUT);
        ck_assert_int_eq(ask("a1.test", &info), -ETIMEDOUT);
    }
    ck_assert(CO_TEST_FDS_VARY || co_test_fds_open() == fds);
}

static int ask_first(void *arg)
{
    co_addrinfo *info = NULL;
    co_dns_options options = ours();
    int r;

    options.family = AF_INET;
    r = co_getaddrinfo("a1.test", NULL, &options, &info);
    co_addrinfo_free(info);
    *(int *)arg = r;
    return co_yield_now();
}

/* The event first, or the cancel: who was first decides. */
DNS_TEST(answer_that_came_before_the_cancel_is_kept)
{
    int result = 1;
    co_task *task = co_test_spawn(ask_first, &result);

    co_test_yield();
    while (task->state == CO__TASK_PARKED) {
        collect_events();
        if (task->state == CO__TASK_PARKED)
            co_test_yield();
    }
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(result, 0);

    task = co_test_spawn(ask_first, &result);
    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(result, -ECANCELED);
}

DNS_TEST(cancelled_task_asks_nobody)
{
    co_addrinfo *info;

    ck_assert_int_eq(co_cancel(co_self()), 1);
    expect_error("a1.test", -ECANCELED);
    ck_assert_int_eq(co_getaddrinfo("::1", NULL, NULL, &info), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_uint_eq(server.asked, 0);
}

DNS_TEST(no_memory_leaves_nothing_behind)
{
    for (unsigned n = 1;; n++) {
        co_addrinfo *info = NULL;
        int r;

        co__fault_after(n);
        /* The server may be the one who lacks it, and be silent. */
        r = ask_for("a1.test", BRIEF, &info);
        if (r == 0)
            co_addrinfo_free(info);
        else
            ck_assert(r == -ENOMEM || r == -ETIMEDOUT);
        if (co__fault_after(0) < n)
            break;
    }
    expect("a1.test", "10.0.0.1:80");
}

DNS_TEST(no_descriptor_is_an_error)
{
    struct rlimit before, none;
    int next = dup(0);

    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)next;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    expect_error("a1.test", -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect("a1.test", "10.0.0.1:80");
}

/* ---- outside a task, and on a thread ------------------------------------- */

static _Atomic int stop_serving, serving;

static int serve_until_stopped(void *arg)
{
    (void)arg;
    dns_start(&server);
    serving = 1;
    while (!stop_serving)
        if (co_sleep(CO_MS) < 0)
            break;
    dns_stop(&server);
    return 0;
}

static void *serve_on_thread(void *arg)
{
    return co_test_number(co_run(serve_until_stopped, arg));
}

START_TEST(thread_without_a_loop_waits_itself)
{
    pthread_t thread;
    void *result;
    co_addrinfo *info;

    stop_serving = serving = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_on_thread, NULL), 0);
    while (!serving)
        usleep(1000);
    expect("a1.test", "10.0.0.1:80");
    ck_assert_int_eq(ask("large.test", &info), 0);
    co_addrinfo_free(info);
    expect_error("never.test", -ETIMEDOUT);
    co_timeout(5 * CO_MS) {
        expect_error("never.test", -ETIMEDOUT);
    }
    stop_serving = 1;
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_null(result);
}
END_TEST

/* A folder has a link for each one in it, and two of its own. */
static nlink_t threads(void)
{
    struct stat status;

    ck_assert_int_eq(stat("/proc/self/task", &status), 0);
    return status.st_nlink;
}

CO_TASK_TEST(threads_look_up_by_option)
{
    nlink_t before = threads();
    co_dns_options options = {.size = sizeof(options), .flags = CO_DNS_THREAD};
    struct sockaddr_in in = {.sin_family = AF_INET};
    co_addrinfo *info;
    char host[256];

    ck_assert_int_eq(co_getaddrinfo("localhost", "80", &options, &info), 0);
    ck_assert_uint_ge(info->count, 1);
    co_addrinfo_free(info);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(co_getnameinfo((struct sockaddr *)&in, sizeof(in), 0,
                                    &options, host, sizeof(host), NULL, 0),
                     0);
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(co_getaddrinfo("localhost", "80", &options, &info),
                     -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    /* The C library keeps the resolver's configuration as long as one lives:
     * lost, says memcheck, if that is the end of the process. (ThreadSanitizer
     * has a thread of its own that never ends.) */
    while (CO_TEST_MEMCHECK && threads() > before)
        usleep(1000);
}

/* ---- names of addresses -------------------------------------------------- */

static int name_of(const char *address, int flags, char *host, size_t bytes)
{
    co_dns_options options = ours();
    co_addr addr;

    ck_assert_int_eq(co_addr_tcp(address, &addr), 0);
    return co_getnameinfo(&addr.as.any, addr.len, flags, &options, host, bytes,
                          NULL, 0);
}

DNS_TEST(address_has_a_name)
{
    char host[64], service[16];
    co_addr addr;

    ck_assert_int_eq(name_of("1.2.3.4:80", 0, host, sizeof(host)), 0);
    ck_assert_str_eq(host, "host.test");
    ck_assert_int_eq(name_of("1.2.3.4:80", 0, host, 5), -ENOSPC);
    ck_assert_int_eq(name_of("1.2.3.5:80", 0, host, sizeof(host)), 0);
    ck_assert_str_eq(host, "1.2.3.5");
    ck_assert_int_eq(name_of("1.2.3.5:80", NI_NAMEREQD, host, sizeof(host)),
                     -ENOENT);
    ck_assert_int_eq(
        name_of("[2001:db8::1]:80", NI_NUMERICHOST, host, sizeof(host)), 0);
    ck_assert_str_eq(host, "2001:db8::1");
    ck_assert_int_eq(co_addr_tcp("1.2.3.4:80", &addr), 0);
    ck_assert_int_eq(co_getnameinfo(&addr.as.any, addr.len, 0, NULL, NULL, 0,
                                    service, sizeof(service)),
                     0);
    ck_assert_str_eq(service, "http");
    ck_assert_int_eq(co_getnameinfo(&addr.as.any, addr.len, NI_NUMERICSERV,
                                    NULL, NULL, 0, service, 2),
                     -ENOSPC);
}

CO_TASK_TEST(bad_addresses_have_no_name)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr *addr = (struct sockaddr *)&in;
    char host[64];

    ck_assert_int_eq(
        co_getnameinfo(NULL, sizeof(in), 0, NULL, host, 64, NULL, 0), -EINVAL);
    ck_assert_int_eq(co_getnameinfo(addr, 1, 0, NULL, host, 64, NULL, 0),
                     -EINVAL);
    ck_assert_int_eq(co_getnameinfo(addr, sizeof(in) - 1, 0, NULL, host, 64,
                                    NULL, 0),
                     -EINVAL);
    ck_assert_int_eq(co_getnameinfo(addr, sizeof(in), 1 << 20, NULL, host, 64,
                                    NULL, 0),
                     -EINVAL);
    ck_assert_int_eq(
        co_getnameinfo(addr, sizeof(in), 0, NULL, NULL, 64, NULL, 0), -EINVAL);
    ck_assert_int_eq(
        co_getnameinfo(addr, sizeof(in), 0, NULL, NULL, 0, NULL, 0), -EINVAL);
    in.sin_family = AF_UNIX;
    ck_assert_int_eq(co_getnameinfo(addr, sizeof(in), 0, NULL, host, 64, NULL,
                                    0),
                     -EAFNOSUPPORT);
}

/* Without c-ares there are the threads alone, and our server is not asked. */
static int has_cares(void)
{
    co_dns_options options = {.size = sizeof(options), .servers = "nonsense"};
    co_addrinfo *info;

    return co_getaddrinfo("a1.test", NULL, &options, &info) != -ENOTSUP;
}

static void add_lookups(Suite *s)
{
    TCase *tc = tcase_create("found");

    co_test_check_fds(tc);
    tcase_add_test(tc, name_has_addresses);
    tcase_add_test(tc, one_family_is_asked_for);
    tcase_add_test(tc, alias_tells_the_canonical_name);
    tcase_add_test(tc, search_domains_are_tried);
    tcase_add_test(tc, large_answer_comes_by_tcp);
    tcase_add_test(tc, hosts_file_and_numbers_ask_nobody);
    suite_add_tcase(s, tc);

    tc = tcase_create("errors");
    co_test_check_fds(tc);
    tcase_add_test(tc, errors_are_told_apart);
    tcase_add_test(tc, no_server_can_be_reached);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, malformed_answers_are_errors);
    tcase_add_test(tc, nothing_that_a_server_says_does_harm);
    tcase_add_test(tc, thousand_lookups_of_which_a_tenth_is_never_answered);
    suite_add_tcase(s, tc);

    tc = tcase_create("given up");
    co_test_check_fds(tc);
    tcase_add_test(tc, lookup_that_is_cancelled_leaves_nothing_behind);
    tcase_add_test(tc, answer_that_came_before_the_cancel_is_kept);
    tcase_add_test(tc, cancelled_task_asks_nobody);
    tcase_add_test(tc, no_memory_leaves_nothing_behind);
    tcase_add_test(tc, no_descriptor_is_an_error);
    tcase_add_test(tc, thread_without_a_loop_waits_itself);
    tcase_add_test(tc, address_has_a_name);
    suite_add_tcase(s, tc);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io.dns");
    TCase *tc = tcase_create("anywhere");

    co_test_check_fds(tc);
    tcase_add_test(tc, no_host_is_the_loopback_or_any);
    tcase_add_test(tc, threads_look_up_by_option);
    tcase_add_test(tc, bad_addresses_have_no_name);
    suite_add_tcase(s, tc);
    if (has_cares())
        add_lookups(s);
    return s;
}

CO_TEST_MAIN(suite)
