/* SPDX-License-Identifier: MIT */
/* Dialling: URLs, hosts with several addresses, of which some are silent, and
 * every way to give up. */
#include <coppice/dial.h>

#include <coppice/cancel.h>

#include "base/alloc.h"
#include "dns_server.h"
#include "io/race.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>

#define MAX 24

/* ---- who is dialled ------------------------------------------------------ */

/* Sockets on one port of several addresses of the loopback. */
struct place {
    int fd;
    int fill[4]; /* what fills the backlog of one that is silent */
    int fills;
};

static int port; /* of all of them */

static co_addr address(const char *host)
{
    char text[64];
    co_addr addr;

    snprintf(text, sizeof(text), "%s:%d", host, port);
    ck_assert_int_eq(co_addr_tcp(text, &addr), 0);
    return addr;
}

static int bind_to(const char *host, int backlog)
{
    co_addr addr = address(host);
    int one = 1;
    int fd = socket(addr.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    ck_assert_int_eq(bind(fd, &addr.as.any, addr.len), 0);
    if (backlog >= 0)
        ck_assert_int_eq(listen(fd, backlog), 0);
    return fd;
}

static struct place listening(const char *host)
{
    return (struct place){.fd = bind_to(host, 16)};
}

/* A listener without room: what is sent to it is dropped. */
static struct place silent(const char *host)
{
    struct place place = {.fd = bind_to(host, 0)};
    co_addr addr = address(host);

    for (int i = 0; i < 4; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct pollfd p = {.fd = fd, .events = POLLOUT};

        (void)connect(fd, &addr.as.any, addr.len);
        place.fill[place.fills++] = fd;
        if (poll(&p, 1, 20) == 0)
            return place; /* this one waits for ever */
    }
    ck_abort_msg("the backlog is not full");
    return place;
}

static void leave(struct place *place)
{
    for (int i = 0; i < place->fills; i++)
        close(place->fill[i]);
    close(place->fd);
}

static void pick_port(void)
{
    port = co_test_port();
}

static const char *url_of(const char *scheme, const char *host)
{
    static char url[128];

    snprintf(url, sizeof(url), "%s%s:%d", scheme, host, port);
    return url;
}

static co_dial_attempt list[MAX];
static co_dial_attempts attempts;

static co_dial_options options_with(co_time delay)
{
    attempts = (co_dial_attempts){.list = list, .max = MAX};
    return (co_dial_options){
        .size = sizeof(co_dial_options),
        .delay = delay,
        .attempts = &attempts,
    };
}

/* The race alone. */
static int race_to(const char *const *hosts, size_t count, co_time delay)
{
    struct co__race race = {.delay = delay, .attempts = &attempts};
    co_addr addrs[MAX];

    attempts = (co_dial_attempts){.list = list, .max = MAX};
    for (size_t i = 0; i < count; i++)
        addrs[i] = address(hosts[i]);
    return co__race_run(&race, addrs, count);
}

static void expect_attempt(size_t index, const char *host, int error)
{
    char text[CO_ADDR_TEXT_MAX], wanted[64];

    ck_assert_uint_lt(index, attempts.count);
    co_addr_format(&list[index].addr.as.any, list[index].addr.len, text,
                   sizeof(text));
    snprintf(wanted, sizeof(wanted), "%s:%d", host, port);
    ck_assert_str_eq(text, wanted);
    ck_assert_int_eq(list[index].error, error);
}

/* The descriptor is ours, and the other side is there. */
static void expect_connected(int fd, const struct place *place)
{
    int peer;

    ck_assert_int_ge(fd, 0);
    peer = accept(place->fd, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    ck_assert_int_eq(co_adopt(fd), -EALREADY);
    ck_assert_int_eq(co_write(fd, "x", 1), 1);
    take(peer, 1);
    close(peer);
    ck_assert_int_eq(co_close(fd), 0);
}

/* ---- URLs ---------------------------------------------------------------- */

CO_TASK_TEST(bad_urls_are_refused)
{
    static const char *const bad[] = {"",
                                      "tcp",
                                      "tcp:",
                                      "tcp://",
                                      "tcp://host",
                                      "tcp://host:",
                                      "tcp://:80",
                                      "tcp://host:0",
                                      "tcp://host:65536",
                                      "tcp://host:80/",
                                      "tcp://::1:80",
                                      "tcp://[::1]",
                                      "tcp://[::1]80",
                                      "tcp://[::1:80",
                                      "tcp://[host]:80",
                                      "tcp://[]:80",
                                      "tcp://user@host:80",
                                      "tcp://host:80?q",
                                      "host:80",
                                      "tcp://ho st:80",
                                      "tcp://host:80:90",
                                      "unix:",
                                      "unix:@",
                                      "tcp://host:no-such-service"};
    static const char *const other[] = {"tls://host:80", "http://host:80",
                                        "TCP://host:80", "://host:80"};
    char long_url[600] = "tcp://";
    co_stream_options how = {.size = 1};
    co_dns_options dns = {.size = 1};
    co_dial_options options[] = {
        {.size = 1},
        {.size = sizeof(options[0]), .delay = -1},
        {.size = sizeof(options[0]), .family = AF_UNIX},
        {.size = sizeof(options[0]), .stream = &how},
        {.size = sizeof(options[0]), .dns = &dns},
    };
    co_stream *stream = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(co_dial(bad[i], NULL, &stream) == -EINVAL, "%s", bad[i]);
        ck_assert_msg(co_dial_fd(bad[i], NULL) == -EINVAL, "%s", bad[i]);
    }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        ck_assert_int_eq(co_dial_fd(other[i], NULL), -EPROTONOSUPPORT);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        ck_assert_int_eq(co_dial("tcp://127.0.0.1:1", &options[i], &stream),
                         -EINVAL);
        ck_assert_int_eq(co_dial_fd("tcp://127.0.0.1:1", &options[i]), -EINVAL);
    }
    memset(long_url + 6, 'a', 500);
    strcpy(long_url + 506, ":80");
    ck_assert_int_eq(co_dial_fd(long_url, NULL), -EINVAL);
    ck_assert_int_eq(co_dial("udp://127.0.0.1:1", NULL, &stream),
                     -EPROTONOSUPPORT);
    ck_assert_int_eq(co_dial(NULL, NULL, &stream), -EINVAL);
    ck_assert_int_eq(co_dial("tcp://127.0.0.1:1", NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_dial_fd(NULL, NULL), -EINVAL);
    ck_assert_ptr_null(stream);
}

CO_TASK_TEST(hosts_are_dialled_by_address_and_by_name)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};

    pick_port();
    for (int i = 0; i < 3; i++) {
        struct place place = listening(i == 2 ? "[::1]" : "127.0.0.1");
        co_stream *stream = NULL;
        int peer;

        expect_connected(co_dial_fd(url_of("tcp://", hosts[i]), NULL), &place);
        ck_assert_int_eq(co_dial(url_of("tcp://", hosts[i]), NULL, &stream), 0);
        ck_assert_int_eq(co_stream_write(stream, "word", 4, NULL), 0);
        peer = accept(place.fd, NULL, NULL);
        take(peer, 4);
        close(peer);
        ck_assert_int_eq(co_stream_close(stream), 0);
        leave(&place);
    }
}

CO_TASK_TEST(unix_sockets_are_dialled)
{
    char url[64];
    struct place place;

    snprintf(url, sizeof(url), "unix:%s", own_name("dial"));
    place.fd = co_unix_listen(url + strlen("unix:"), 0);
    ck_assert_int_ge(place.fd, 0);
    expect_connected(co_dial_fd(url, NULL), &place);
    ck_assert_int_eq(co_close(place.fd), 0);
    ck_assert_int_eq(co_dial_fd(url, NULL), -ECONNREFUSED);
    ck_assert_int_eq(co_dial_fd("unix:/nowhere/at/all", NULL), -ENOENT);
}

CO_TASK_TEST(datagram_sockets_are_connected)
{
    int there = co_socket(AF_INET, SOCK_DGRAM, 0), fd;
    co_addr addr;
    char got[8];

    port = 0;
    addr = address("127.0.0.1");
    ck_assert_int_eq(bind(there, &addr.as.any, addr.len), 0);
    port = atoi(strrchr(bound_to(there), ':') + 1);
    fd = co_dial_fd(url_of("udp://", "127.0.0.1"), NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_send(fd, "word", 4, 0), 4);
    ck_assert_int_eq(co_recv(there, got, sizeof(got), 0), 4);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_close(there), 0);
}

CO_TASK_TEST(dialler_is_bound_where_it_is_told)
{
    struct place place;
    co_dial_options options = options_with(0);
    co_addr local;
    int fd;

    ck_assert_int_eq(co_addr_tcp("127.0.0.9:0", &local), 0);
    pick_port();
    place = listening("127.0.0.1");
    options.local = &local;
    fd = co_dial_fd(url_of("tcp://", "127.0.0.1"), &options);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(strncmp(bound_to(fd), "127.0.0.9:", 10), 0);
    expect_connected(fd, &place);
    options.family = AF_INET6;
    ck_assert_int_lt(co_dial_fd(url_of("tcp://", "[::1]"), &options), 0);
    leave(&place);
}

/* ---- several addresses --------------------------------------------------- */

CO_TASK_TEST(address_that_refuses_is_followed_by_the_next_at_once)
{
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.3"};
    struct place place;
    co_time began = co_now();

    pick_port();
    place = listening("127.0.0.3");
    expect_connected(race_to(hosts, 2, 100 * CO_SEC), &place);
    ck_assert_int_lt(co_now() - began, 50 * CO_SEC);
    ck_assert_uint_eq(attempts.count, 2);
    expect_attempt(0, "127.0.0.2", -ECONNREFUSED);
    expect_attempt(1, "127.0.0.3", 0);
    leave(&place);
}

CO_TASK_TEST(address_that_is_silent_is_overtaken)
{
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.3", "127.0.0.4"};
    struct place first, second;
    co_time began;

    pick_port();
    first = silent("127.0.0.2");
    second = listening("127.0.0.3");
    began = co_now();
    expect_connected(race_to(hosts, 3, 20 * CO_MS), &second);
    ck_assert_int_ge(co_now() - began, 20 * CO_MS);
    ck_assert_uint_eq(attempts.count, 2);
    expect_attempt(0, "127.0.0.2", -ECANCELED);
    expect_attempt(1, "127.0.0.3", 0);
    leave(&first);
    leave(&second);
}

/* The second is begun, and the first answers after all. */
CO_TASK_TEST(first_that_answers_wins)
{
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.3"};
    struct place first, second;

    pick_port();
    first = listening("127.0.0.2");
    second = silent("127.0.0.3");
    expect_connected(race_to(hosts, 2, CO_MS), &first);
    ck_assert_uint_le(attempts.count, 2);
    expect_attempt(0, "127.0.0.2", 0);
    leave(&first);
    leave(&second);
}

CO_TASK_TEST(families_take_turns)
{
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.3", "127.0.0.4",
                                        "[::1]"};
    static const char *const sixes[] = {"[::1]", "[::1]", "127.0.0.2"};

    pick_port();
    ck_assert_int_eq(race_to(hosts, 4, CO_SEC), -ECONNREFUSED);
    ck_assert_uint_eq(attempts.count, 4);
    expect_attempt(0, "127.0.0.2", -ECONNREFUSED);
    expect_attempt(1, "[::1]", -ECONNREFUSED);
    expect_attempt(2, "127.0.0.3", -ECONNREFUSED);
    expect_attempt(3, "127.0.0.4", -ECONNREFUSED);
    ck_assert_int_eq(race_to(sixes, 3, CO_SEC), -ECONNREFUSED);
    expect_attempt(0, "[::1]", -ECONNREFUSED);
    expect_attempt(1, "127.0.0.2", -ECONNREFUSED);
    expect_attempt(2, "[::1]", -ECONNREFUSED);
}

CO_TASK_TEST(error_is_the_first_address_s)
{
    static const char *const hosts[] = {"127.0.0.2", "255.255.255.255"};

    pick_port();
    ck_assert_int_eq(race_to(hosts, 2, CO_SEC), -ECONNREFUSED);
    ck_assert_int_lt(list[1].error, 0);
    ck_assert_int_ne(list[1].error, -ECONNREFUSED);
    attempts.max = 0;
}

CO_TASK_TEST(host_with_several_addresses_is_raced)
{
    struct dns_server server;
    struct place six, second, third;
    co_dial_options options = options_with(5 * CO_MS);
    co_dns_options dns = {.size = sizeof(dns), .search = ""};
    const char *url;

    dns_start(&server);
    dns.servers = server.address;
    options.dns = &dns;
    pick_port();
    second = silent("127.0.0.2");
    third = listening("127.0.0.3");
    url = url_of("tcp://", "l-2-3.test");
    expect_connected(co_dial_fd(url, &options), &third);
    ck_assert_int_eq(co_dial_fd(url_of("tcp://", "missing.test"), &options),
                     -ENOENT);
    ck_assert_uint_eq(attempts.count, 0);
    six = listening("[::1]");
    expect_connected(co_dial_fd(url_of("tcp://", "m-2.test"), &options), &six);
    options.family = AF_INET;
    expect_connected(co_dial_fd(url_of("tcp://", "m-3.test"), &options),
                     &third);
    leave(&six);
    leave(&second);
    leave(&third);
    dns_stop(&server);
}

/* ---- given up ------------------------------------------------------------ */

struct dialling {
    const char *const *hosts;
    size_t count;
    co_time delay;
    int result;
    int after;
};

static int dial_in_task(void *arg)
{
    struct dialling *dialling = arg;

    dialling->result =
        race_to(dialling->hosts, dialling->count, dialling->delay);
    dialling->after = co_yield_now();
    return 0;
}

/* With a limit that lets so many begin: a longer one, if it was over before. */
static void race_out_of_time(const char *const *hosts, size_t count,
                             co_time delay, size_t begun)
{
    co_time limit = 10 * CO_MS;

    do {
        co_timeout(limit) {
            ck_assert_int_eq(race_to(hosts, count, delay), -ETIMEDOUT);
        }
        limit *= 2;
    } while (attempts.count < begun && limit < 30 * CO_SEC);
    ck_assert_uint_eq(attempts.count, begun);
}

CO_TASK_TEST(limits_end_the_race)
{
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.2"};
    struct dialling dialling = {hosts, 2, CO_MS, 1, 1};
    struct place place;
    co_task *task;

    pick_port();
    place = silent("127.0.0.2");
    race_out_of_time(hosts, 2, CO_MS, 2);
    expect_attempt(0, "127.0.0.2", -ECANCELED);
    expect_attempt(1, "127.0.0.2", -ECANCELED);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_dial_fd(url_of("tcp://", "127.0.0.2"), NULL),
                         -ETIMEDOUT);
    }
    task = co_test_spawn(dial_in_task, &dialling);
    ck_assert_int_eq(co_sleep(5 * CO_MS), 0);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(dialling.result, -ECANCELED);
    leave(&place);
}

/* Whoever was first decides. There is room after a while, and the connection
 * is made when TCP tries again, a second later. */
CO_TASK_TEST(connection_made_before_the_cancel_is_kept)
{
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.2"};
    struct dialling dialling = {hosts, 2, 100 * CO_SEC, 1, 1};
    struct place place;
    co_task *task;

    pick_port();
    place = silent("127.0.0.2");
    task = co_test_spawn(dial_in_task, &dialling);
    co_test_yield();
    ck_assert_int_eq(task->state, CO__TASK_PARKED);
    while (task->state == CO__TASK_PARKED) {
        if (!nothing_there(place.fd))
            close(accept(place.fd, NULL, NULL));
        collect_events();
        usleep(500);
    }
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(dialling.after, -ECANCELED);
    ck_assert_int_ge(dialling.result, 0);
    ck_assert_int_eq(co_close(dialling.result), 0);
    leave(&place);
}

CO_TASK_TEST(cancelled_task_dials_nobody)
{
    co_dial_options options = options_with(0);

    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(co_dial_fd("tcp://127.0.0.1:1", &options), -ECANCELED);
    ck_assert_int_eq(co_dial_fd("unix:/nowhere", &options), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
}

CO_TASK_TEST(field_is_limited)
{
    const char *hosts[MAX];
    struct place place;

    pick_port();
    place = silent("127.0.0.2");
    for (int i = 0; i < MAX; i++)
        hosts[i] = "127.0.0.2";
    race_out_of_time(hosts, MAX, CO_US, 15);
    leave(&place);
}

CO_TASK_TEST(no_memory_and_no_descriptors_are_errors)
{
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.2"};
    struct rlimit before, none;
    struct place place;
    int next = dup(0);

    close(next);
    pick_port();
    place = listening("127.0.0.2");
    for (unsigned n = 1;; n++) {
        co_stream *stream = NULL;
        int r;

        co__fault_after(n);
        r = n % 2 ? co_dial(url_of("tcp://", "127.0.0.2"), NULL, &stream)
                  : race_to(hosts, 2, CO_SEC);
        if (r == 0)
            co_stream_abort(stream);
        else if (r > 0)
            co_close(r);
        else
            ck_assert_int_eq(r, -ENOMEM);
        if (co__fault_after(0) < n && n > 8)
            break;
    }
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)next + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(race_to(hosts, 2, CO_SEC), -EMFILE);
    ck_assert_int_eq(co_dial_fd(url_of("tcp://", "127.0.0.2"), NULL), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    leave(&place);
}

START_TEST(thread_without_a_loop_dials_one_after_the_other)
{
    struct place place;
    co_dial_options options = options_with(0);

    pick_port();
    place = listening("127.0.0.1");
    /* ::1 first, where localhost has it */
    expect_connected(co_dial_fd(url_of("tcp://", "localhost"), &options),
                     &place);
    ck_assert_uint_ge(attempts.count, 1);
    ck_assert_int_eq(list[attempts.count - 1].error, 0);
    leave(&place);
    ck_assert_int_eq(co_dial_fd(url_of("tcp://", "127.0.0.1"), NULL),
                     -ECONNREFUSED);
}
END_TEST

static Suite *suite(void)
{
    co_dns_options options = {.size = sizeof(options), .servers = "nonsense"};
    co_addrinfo *info;
    Suite *s = suite_create("io.dial");
    TCase *tc = tcase_create("URLs");

    co_test_check_fds(tc);
    tcase_add_test(tc, bad_urls_are_refused);
    tcase_add_test(tc, hosts_are_dialled_by_address_and_by_name);
    tcase_add_test(tc, unix_sockets_are_dialled);
    tcase_add_test(tc, datagram_sockets_are_connected);
    tcase_add_test(tc, dialler_is_bound_where_it_is_told);
    suite_add_tcase(s, tc);

    tc = tcase_create("races");
    co_test_check_fds(tc);
    tcase_add_test(tc, address_that_refuses_is_followed_by_the_next_at_once);
    tcase_add_test(tc, address_that_is_silent_is_overtaken);
    tcase_add_test(tc, first_that_answers_wins);
    tcase_add_test(tc, families_take_turns);
    tcase_add_test(tc, error_is_the_first_address_s);
    if (co_getaddrinfo("a", NULL, &options, &info) != -ENOTSUP)
        tcase_add_test(tc, host_with_several_addresses_is_raced);
    suite_add_tcase(s, tc);

    tc = tcase_create("given up");
    co_test_check_fds(tc);
    tcase_add_test(tc, limits_end_the_race);
    tcase_add_test(tc, connection_made_before_the_cancel_is_kept);
    tcase_add_test(tc, cancelled_task_dials_nobody);
    tcase_add_test(tc, field_is_limited);
    tcase_add_test(tc, no_memory_and_no_descriptors_are_errors);
    tcase_add_test(tc, thread_without_a_loop_dials_one_after_the_other);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
