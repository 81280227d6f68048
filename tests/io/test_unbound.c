/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* Lookups against a real name server, unbound, that serves zones of its own on
 * the loopback. What only a nonsensical server does is in test_dns.c. */
#include <coppice/cancel.h>
#include <coppice/clock.h>
#include <coppice/dial.h>
#include <coppice/dns.h>
#include <coppice/group.h>
#include <coppice/scope.h>

#include "io_support.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

static const char program[] = "/usr/sbin/unbound";

static char folder[64];
static char address[32]; /* the server's */
static pid_t pid;

/* ---- the server ---------------------------------------------------------- */

static const char zone[] = "$ORIGIN trees.test.\n"
                           "$TTL 60\n"
                           "@ IN SOA ns root 1 3600 600 86400 60\n"
                           "@ IN NS ns\n"
                           "ns IN A 127.0.0.1\n"
                           "oak IN A 192.0.2.7\n"
                           "oak IN AAAA 2001:db8::7\n"
                           "four IN A 192.0.2.4\n"
                           "six IN AAAA 2001:db8::6\n"
                           "eiche IN CNAME oak\n"
                           "chene IN CNAME eiche\n"
                           "dangling IN CNAME felled\n"
                           "text IN TXT \"no address\"\n"
                           "www.sub IN A 192.0.2.8\n"
                           "home IN A 127.0.0.1\n";

static const char reverse4[] = "$ORIGIN 2.0.192.in-addr.arpa.\n"
                               "$TTL 60\n"
                               "@ IN SOA ns.trees.test. root 1 2 3 4 60\n"
                               "@ IN NS ns.trees.test.\n"
                               "7 IN PTR oak.trees.test.\n";

static const char reverse6[] =
    "$ORIGIN 8.b.d.0.1.0.0.2.ip6.arpa.\n"
    "$TTL 60\n"
    "@ IN SOA ns.trees.test. root 1 2 3 4 60\n"
    "@ IN NS ns.trees.test.\n"
    "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 IN PTR oak.trees.test.\n";

static FILE *create(const char *name)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    return file;
}

static void write_file(const char *name, const char *text, int many)
{
    FILE *file = create(name);

    fputs(text, file);
    for (int i = 0; i < many; i++)
        fprintf(file, "many IN A 10.0.0.%d\n", i);
    fclose(file);
}

static const char *const zones[] = {"trees.test", "2.0.192.in-addr.arpa",
                                    "8.b.d.0.1.0.0.2.ip6.arpa"};

/* "silent" gets no answer, "closed" a refusal; nothing else has any names, and
 * no other server is asked. */
static void write_configuration(int port)
{
    FILE *file = create("unbound.conf");

    fprintf(file,
            "server:\n"
            "  interface: 127.0.0.1@%d\n"
            "  do-daemonize: no\n"
            "  chroot: \"\"\n"
            "  username: \"\"\n"
            "  pidfile: \"\"\n"
            "  use-syslog: no\n"
            "  verbosity: 0\n"
            "  num-threads: 1\n"
            "  module-config: \"iterator\"\n"
            "  local-zone: \".\" static\n"
            "  local-zone: \"silent.test.\" deny\n"
            "  local-zone: \"closed.test.\" refuse\n"
            "  local-zone: \"fields.test.\" static\n",
            port);
    for (int i = 0; i < 3; i++)
        fprintf(file, "  local-zone: \"%s.\" transparent\n", zones[i]);
    for (int i = 0; i < 3; i++)
        fprintf(file,
                "auth-zone:\n  name: \"%s\"\n  zonefile: \"%s/zone%d\"\n"
                "  for-downstream: yes\n  for-upstream: no\n",
                zones[i], folder, i);
    fclose(file);
}

static co_dns_options ours(void)
{
    return (co_dns_options){
        .size = sizeof(co_dns_options),
        .servers = address,
        .search = "",
        .timeout = 2 * CO_SEC,
        .tries = 5,
    };
}

static int ask(const char *host, int family, co_addrinfo **out)
{
    co_dns_options options = ours();

    options.family = family;
    return co_getaddrinfo(host, "80", &options, out);
}

/* It takes a moment to listen. */
static void await_server(void)
{
    co_addrinfo *info = NULL;
    int r = -ECONNREFUSED;

    for (int i = 0; i < 1000 && r == -ECONNREFUSED; i++) {
        r = ask("four.trees.test", AF_INET, &info);
        if (r == -ECONNREFUSED)
            usleep(10000);
    }
    ck_assert_msg(r == 0, "unbound does not answer: %d", r);
    co_addrinfo_free(info);
}

static void start_server(void)
{
    char configuration[128];
    char *argv[] = {(char *)program, (char *)"-d", (char *)"-c", configuration,
                    NULL};
    int port = co_test_port();

    snprintf(folder, sizeof(folder), "/tmp/coppice-unbound-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    snprintf(configuration, sizeof(configuration), "%s/unbound.conf", folder);
    write_file("zone0", zone, 100);
    write_file("zone1", reverse4, 0);
    write_file("zone2", reverse6, 0);
    write_configuration(port);
    ck_assert_int_eq(posix_spawn(&pid, program, NULL, NULL, argv, environ), 0);
    await_server();
}

static void stop_server(void)
{
    static const char *const names[] = {"unbound.conf", "zone0", "zone1",
                                        "zone2"};
    char path[128];

    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* ---- names --------------------------------------------------------------- */

static const char *text_of(const co_addr *addr)
{
    static char text[CO_ADDR_TEXT_MAX];

    ck_assert_int_gt(
        co_addr_format(&addr->as.any, addr->len, text, sizeof(text)), 0);
    return text;
}

static int has(const co_addrinfo *info, const char *text)
{
    int count = 0;

    for (size_t i = 0; i < info->count; i++)
        count += strcmp(text_of(&info->addrs[i]), text) == 0;
    return count == 1;
}

/* It has this address and no other; what it is an alias of. */
static void expect(const char *host, int family, const char *text,
                   const char *canonical)
{
    co_addrinfo *info = NULL;

    ck_assert_int_eq(ask(host, family, &info), 0);
    ck_assert_uint_eq(info->count, 1);
    ck_assert_str_eq(text_of(&info->addrs[0]), text);
    if (canonical)
        ck_assert_str_eq(info->canonical, canonical);
    co_addrinfo_free(info);
}

CO_TASK_TEST(a_name_has_addresses_of_both_families)
{
    co_addrinfo *info = NULL;

    ck_assert_int_eq(ask("oak.trees.test", AF_UNSPEC, &info), 0);
    ck_assert_uint_eq(info->count, 2);
    ck_assert(has(info, "192.0.2.7:80"));
    ck_assert(has(info, "[2001:db8::7]:80"));
    co_addrinfo_free(info);
    expect("oak.trees.test", AF_INET, "192.0.2.7:80", NULL);
    expect("oak.trees.test", AF_INET6, "[2001:db8::7]:80", NULL);
    expect("OAK.Trees.Test.", AF_INET, "192.0.2.7:80", NULL);
    expect("four.trees.test", AF_UNSPEC, "192.0.2.4:80", NULL);
    expect("six.trees.test", AF_UNSPEC, "[2001:db8::6]:80", NULL);
}

CO_TASK_TEST(aliases_lead_to_the_canonical_name)
{
    expect("eiche.trees.test", AF_INET, "192.0.2.7:80", "oak.trees.test");
    expect("chene.trees.test", AF_INET6, "[2001:db8::7]:80", "oak.trees.test");
}

CO_TASK_TEST(an_answer_too_long_for_a_datagram_comes_by_tcp)
{
    co_addrinfo *info = NULL;

    ck_assert_int_eq(ask("many.trees.test", AF_INET, &info), 0);
    ck_assert_uint_eq(info->count, 100);
    for (int i = 0; i < 100; i++) {
        char text[32];

        snprintf(text, sizeof(text), "10.0.0.%d:80", i);
        ck_assert(has(info, text));
    }
    co_addrinfo_free(info);
}

CO_TASK_TEST(search_domains_are_tried_in_their_order)
{
    co_dns_options options = ours();
    co_addrinfo *info = NULL;

    options.search = "fields.test trees.test";
    ck_assert_int_eq(co_getaddrinfo("six", "80", &options, &info), 0);
    ck_assert_str_eq(text_of(&info->addrs[0]), "[2001:db8::6]:80");
    co_addrinfo_free(info);
    ck_assert_int_eq(co_getaddrinfo("www.sub", "80", &options, &info), 0);
    ck_assert_str_eq(text_of(&info->addrs[0]), "192.0.2.8:80");
    co_addrinfo_free(info);
    ck_assert_int_eq(co_getaddrinfo("felled", "80", &options, &info), -ENOENT);
    options.search = "fields.test";
    ck_assert_int_eq(co_getaddrinfo("six", "80", &options, &info), -ENOENT);
}

CO_TASK_TEST(what_has_no_address_is_an_error_that_says_why)
{
    co_addrinfo *info = NULL;

    ck_assert_int_eq(ask("felled.trees.test", AF_UNSPEC, &info), -ENOENT);
    ck_assert_int_eq(ask("oak.fields.test", AF_UNSPEC, &info), -ENOENT);
    ck_assert_int_eq(ask("four.trees.test", AF_INET6, &info), -ENODATA);
    ck_assert_int_eq(ask("six.trees.test", AF_INET, &info), -ENODATA);
    ck_assert_int_eq(ask("text.trees.test", AF_UNSPEC, &info), -ENODATA);
    ck_assert_int_lt(ask("dangling.trees.test", AF_UNSPEC, &info), 0);
    ck_assert_int_eq(ask("oak.closed.test", AF_UNSPEC, &info), -EAGAIN);
    ck_assert_ptr_null(info);
}

/* ---- reverse names ------------------------------------------------------- */

static int name_of(const char *text, int flags, char *host, size_t bytes)
{
    co_dns_options options = ours();
    co_addr addr;

    ck_assert_int_eq(co_addr_tcp(text, &addr), 0);
    return co_getnameinfo(&addr.as.any, addr.len, flags, &options, host, bytes,
                          NULL, 0);
}

CO_TASK_TEST(addresses_of_both_families_have_names)
{
    char host[64];

    ck_assert_int_eq(name_of("192.0.2.7:80", NI_NAMEREQD, host, sizeof(host)),
                     0);
    ck_assert_str_eq(host, "oak.trees.test");
    ck_assert_int_eq(
        name_of("[2001:db8::7]:80", NI_NAMEREQD, host, sizeof(host)), 0);
    ck_assert_str_eq(host, "oak.trees.test");
    ck_assert_int_eq(name_of("192.0.2.9:80", 0, host, sizeof(host)), 0);
    ck_assert_str_eq(host, "192.0.2.9");
    ck_assert_int_eq(
        name_of("[2001:db8::9]:80", NI_NAMEREQD, host, sizeof(host)), -ENOENT);
}

/* ---- silence ------------------------------------------------------------- */

CO_TASK_TEST(silence_ends_with_the_lookups_own_limit_or_the_scopes)
{
    co_dns_options options = ours();
    co_addrinfo *info = NULL;
    co_scope scope = {0};
    int r = 0;

    options.timeout = 100 * CO_MS;
    options.tries = 2;
    ck_assert_int_eq(co_getaddrinfo("oak.silent.test", "80", &options, &info),
                     -ETIMEDOUT);
    options = ours();
    co_timeout_in(&scope, 50 * CO_MS) {
        r = co_getaddrinfo("oak.silent.test", "80", &options, &info);
    }
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert(co_scope_expired(&scope));
    ck_assert_ptr_null(info);
}

static int ask_silent(void *result)
{
    co_addrinfo *info;

    *(int *)result = ask("oak.silent.test", AF_UNSPEC, &info);
    return 0;
}

CO_TASK_TEST(a_cancel_ends_a_lookup_that_nobody_answers)
{
    int result = 0;
    co_task *task = co_test_spawn(ask_silent, &result);

    co_test_yield();
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(result, -ECANCELED);
}

struct lookup {
    int silent;
    int result;
};

static int look_up(void *arg)
{
    struct lookup *lookup = arg;
    co_dns_options options = ours();
    co_addrinfo *info = NULL;

    options.timeout = lookup->silent ? 200 * CO_MS : 10 * CO_SEC;
    options.tries = lookup->silent ? 1 : 3;
    lookup->result =
        co_getaddrinfo(lookup->silent ? "oak.silent.test" : "oak.trees.test",
                       "80", &options, &info);
    co_addrinfo_free(info);
    return 0;
}

CO_TASK_TEST(two_hundred_at_once_do_not_wait_for_those_without_an_answer)
{
    static struct lookup lookups[200];
    co_group group = {0};

    for (int i = 0; i < 200; i++) {
        lookups[i] = (struct lookup){.silent = i % 10 == 3, .result = 1};
        ck_assert_ptr_nonnull(co_group_spawn(&group, look_up, &lookups[i]));
    }
    ck_assert_int_eq(co_group_wait(&group), 0);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(lookups[i].result, lookups[i].silent ? -ETIMEDOUT : 0);
}

/* ---- dialling ------------------------------------------------------------ */

CO_TASK_TEST(a_name_can_be_dialled)
{
    co_dns_options dns = ours();
    co_dial_options options = {.size = sizeof(options), .dns = &dns};
    int listener = co_tcp_listen("127.0.0.1:0", 0);
    char url[64];
    int fd, peer;

    ck_assert_int_ge(listener, 0);
    snprintf(url, sizeof(url), "tcp://home.trees.test%s",
             strrchr(bound_to(listener), ':'));
    fd = co_dial_fd(url, &options);
    ck_assert_int_ge(fd, 0);
    peer = co_accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_close(peer), 0);
    ck_assert_int_eq(co_close(listener), 0);
    ck_assert_int_eq(co_dial_fd("tcp://felled.trees.test:80", &options),
                     -ENOENT);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io.unbound");
    TCase *tc = tcase_create("lookups");

    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    co_test_check_fds(tc);
    tcase_add_test(tc, a_name_has_addresses_of_both_families);
    tcase_add_test(tc, aliases_lead_to_the_canonical_name);
    tcase_add_test(tc, an_answer_too_long_for_a_datagram_comes_by_tcp);
    tcase_add_test(tc, search_domains_are_tried_in_their_order);
    tcase_add_test(tc, what_has_no_address_is_an_error_that_says_why);
    tcase_add_test(tc, addresses_of_both_families_have_names);
    tcase_add_test(tc, silence_ends_with_the_lookups_own_limit_or_the_scopes);
    tcase_add_test(tc, a_cancel_ends_a_lookup_that_nobody_answers);
    tcase_add_test(tc,
                   two_hundred_at_once_do_not_wait_for_those_without_an_answer);
    tcase_add_test(tc, a_name_can_be_dialled);
    suite_add_tcase(s, tc);
    return s;
}

/* Without c-ares no server can be named. */
static int has_cares(void)
{
    co_dns_options options = {.size = sizeof(options), .servers = "nonsense"};
    co_addrinfo *info;

    return co_getaddrinfo("a.test", NULL, &options, &info) != -ENOTSUP;
}

int main(void)
{
    if (access(program, X_OK) < 0 || !has_cares()) {
        fprintf(stderr, "skipped: %s\n",
                has_cares() ? "unbound is not installed" : "no c-ares");
        return 77;
    }
    return co_test_run(suite, false);
}
