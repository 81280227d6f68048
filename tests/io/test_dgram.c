/* SPDX-License-Identifier: MIT */
/* Datagrams: sockets, multicast on the loopback, and several at once, by one
 * system call and by many. */
#include <coppice/dgram.h>

#include <coppice/cancel.h>

#include "io_support.h"

#include <netinet/in.h>
#include <stdlib.h>

/* The way of systems that lack the calls, beside the one that is built in. */
#define co__mmsg_receive loop_receive
#define co__mmsg_send    loop_send
#include "io/mmsg_loop.c"
#undef co__mmsg_receive
#undef co__mmsg_send

#define MANY 8

struct many {
    co_dgram list[MANY];
    char data[MANY][16];
};

/* Room for so many, or that many numbered ones to an address. */
static void make_room(struct many *many)
{
    memset(many, 0, sizeof(*many));
    for (int i = 0; i < MANY; i++) {
        many->list[i].data = many->data[i];
        many->list[i].room = sizeof(many->data[i]);
    }
}

static void number(struct many *many, const char *to)
{
    make_room(many);
    for (int i = 0; i < MANY; i++) {
        many->data[i][0] = (char)('0' + i);
        many->list[i].len = (size_t)i;
        if (to)
            ck_assert_int_eq(co_addr_tcp(to, &many->list[i].addr), 0);
    }
}

static int udp(const char *address)
{
    int fd = co_udp_bind(address, NULL);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static const char *at(int fd)
{
    return bound_to(fd);
}

/* ---- sockets ------------------------------------------------------------- */

CO_TASK_TEST(datagrams_go_both_ways)
{
    static const char *const addresses[] = {"127.0.0.1:0", "[::1]:0"};

    for (int i = 0; i < 2; i++) {
        int server = udp(addresses[i]), client = co_udp_dial(at(server));
        struct sockaddr_storage from;
        socklen_t len = sizeof(from);
        char got[16];

        ck_assert_int_ge(client, 0);
        ck_assert_int_eq(co_send(client, "ping", 4, 0), 4);
        ck_assert_int_eq(co_recvfrom(server, got, sizeof(got), 0,
                                     (struct sockaddr *)&from, &len),
                         4);
        ck_assert_int_eq(
            co_sendto(server, "pong!", 5, 0, (struct sockaddr *)&from, len), 5);
        ck_assert_int_eq(co_recv(client, got, sizeof(got), 0), 5);
        ck_assert_int_eq(co_send(client, "", 0, 0), 0);
        ck_assert_int_eq(co_recv(server, got, sizeof(got), 0), 0);
        ck_assert_int_eq(co_close(client), 0);
        ck_assert_int_eq(co_close(server), 0);
    }
}

CO_TASK_TEST(any_address_takes_both_families)
{
    int server = udp("*:0"), client;
    int port = atoi(strrchr(at(server), ':') + 1);
    char text[64], got[4];

    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof(text), "%s:%d", i ? "[::1]" : "127.0.0.1", port);
        client = co_udp_dial(text);
        ck_assert_int_eq(co_send(client, "x", 1, 0), 1);
        ck_assert_int_eq(co_recv(server, got, sizeof(got), 0), 1);
        ck_assert_int_eq(co_close(client), 0);
    }
    ck_assert_int_eq(co_close(server), 0);
}

CO_TASK_TEST(options_are_heeded)
{
    co_udp_options options = {.size = sizeof(options), .reuse_port = 1};
    int first = co_udp_bind("127.0.0.1:0", &options), second, value = 0;
    socklen_t len = sizeof(value);

    ck_assert_int_ge(first, 0);
    ck_assert_int_eq(co_udp_bind(at(first), NULL), -EADDRINUSE);
    second = co_udp_bind(at(first), &options);
    ck_assert_int_ge(second, 0);
    ck_assert_int_eq(co_close(second), 0);
    ck_assert_int_eq(co_close(first), 0);
    options = (co_udp_options){
        .size = sizeof(options), .reuse_addr = 1, .broadcast = 1, .v6_only = 1};
    first = co_udp_bind("[::]:0", &options);
    ck_assert_int_ge(first, 0);
    getsockopt(first, SOL_SOCKET, SO_BROADCAST, &value, &len);
    ck_assert_int_eq(value, 1);
    getsockopt(first, IPPROTO_IPV6, IPV6_V6ONLY, &value, &len);
    ck_assert_int_eq(value, 1);
    ck_assert_int_eq(co_close(first), 0);
}

CO_TASK_TEST(bad_arguments_are_refused)
{
    co_udp_options options = {.size = 1};
    co_dgram none = {.room = 1, .len = 1};
    int fd = udp("127.0.0.1:0");

    ck_assert_int_eq(co_udp_bind(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_udp_bind("nonsense", NULL), -EINVAL);
    ck_assert_int_eq(co_udp_bind("127.0.0.1:0", &options), -EINVAL);
    ck_assert_int_eq(co_udp_bind("192.0.2.1:0", NULL), -EADDRNOTAVAIL);
    ck_assert_int_eq(co_udp_dial(NULL), -EINVAL);
    ck_assert_int_eq(co_udp_dial("localhost:1"), -EINVAL);
    ck_assert_int_eq(co_unix_dgram_dial(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_unix_dgram_dial("/nowhere/at/all", NULL), -ENOENT);
    ck_assert_int_eq(co_unix_dgram_bind(""), -EINVAL);
    ck_assert_int_eq(co_dgram_recv_many(fd, NULL, 1), -EINVAL);
    ck_assert_int_eq(co_dgram_send_many(fd, NULL, 1), -EINVAL);
    ck_assert_int_eq(co_dgram_recv_many(fd, &none, 1), -EINVAL);
    ck_assert_int_eq(co_dgram_send_many(fd, &none, 1), -EINVAL);
    ck_assert_int_eq(co_dgram_recv_many(fd, NULL, 0), 0);
    ck_assert_int_eq(co_dgram_send_many(fd, NULL, 0), 0);
    none = (co_dgram){0};
    ck_assert_int_eq(co_dgram_send_many(fd, &none, 1), -EDESTADDRREQ);
    ck_assert_int_eq(co_dgram_recv_many(-1, &none, 1), -EBADF);
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(nobody_there_is_an_error_of_the_next_call)
{
    int gone = udp("127.0.0.1:0"), client = co_udp_dial(at(gone));
    char got[4];

    ck_assert_int_eq(co_close(gone), 0);
    ck_assert_int_eq(co_send(client, "x", 1, 0), 1);
    ck_assert_int_eq(co_recv(client, got, sizeof(got), 0), -ECONNREFUSED);
    ck_assert_int_eq(co_close(client), 0);
}

CO_TASK_TEST(unix_datagrams_have_names)
{
    const char *name = own_name("dgram"), *other = own_name("dgram2");
    int server = co_unix_dgram_bind(name), client;
    co_dgram one = {.data = "hello", .len = 5};
    char got[8];

    ck_assert_int_ge(server, 0);
    client = co_unix_dgram_dial(name, other);
    ck_assert_int_ge(client, 0);
    ck_assert_int_eq(co_send(client, "x", 1, 0), 1);
    ck_assert_int_eq(co_recv(server, got, sizeof(got), 0), 1);
    ck_assert_int_eq(co_addr_unix(other, &one.addr), 0);
    ck_assert_int_eq(co_dgram_send_many(server, &one, 1), 1);
    ck_assert_int_eq(co_recv(client, got, sizeof(got), 0), 5);
    ck_assert_int_eq(co_close(client), 0);
    ck_assert_int_eq(co_dgram_send_many(server, &one, 1), -ECONNREFUSED);
    ck_assert_int_eq(co_close(server), 0);
}

/* ---- multicast ----------------------------------------------------------- */

CO_TASK_TEST(member_receives_and_who_has_left_does_not)
{
    static const char *const groups[] = {"239.7.7.7", "ff11::7:7"};

    for (int i = 0; i < 2; i++) {
        int member = udp(i ? "[::]:0" : "0.0.0.0:0");
        int sender = udp(i ? "[::1]:0" : "127.0.0.1:0");
        int port = atoi(strrchr(at(member), ':') + 1);
        char text[64], got[8];
        co_addr to;
        int r;

        snprintf(text, sizeof(text), i ? "[%s]:%d" : "%s:%d", groups[i], port);
        ck_assert_int_eq(co_addr_tcp(text, &to), 0);
        r = co_udp_join(member, groups[i], "lo");
        ck_assert_int_eq(r, 0);
        ck_assert_int_eq(co_udp_join(member, groups[i], "lo"), -EADDRINUSE);
        ck_assert_int_eq(co_udp_multicast(sender, "lo", 0, 1), 0);
        /* Not every machine has a route for IPv6's from its loopback. */
        r = (int)co_sendto(sender, "news", 4, 0, &to.as.any, to.len);
        ck_assert(r == 4 || (i == 1 && r == -ENETUNREACH));
        if (r == 4)
            ck_assert_int_eq(co_recv(member, got, sizeof(got), 0), 4);
        ck_assert_int_eq(co_udp_leave(member, groups[i], "lo"), 0);
        ck_assert_int_eq(co_udp_leave(member, groups[i], "lo"), -EADDRNOTAVAIL);
        ck_assert_int_eq(co_udp_multicast(sender, NULL, -1, 0), 0);
        ck_assert_int_eq(co_close(member), 0);
        ck_assert_int_eq(co_close(sender), 0);
    }
}

CO_TASK_TEST(bad_groups_are_refused)
{
    int fd = udp("0.0.0.0:0");

    ck_assert_int_eq(co_udp_join(fd, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_udp_join(fd, "nonsense", NULL), -EINVAL);
    ck_assert_int_eq(co_udp_join(fd, "192.0.2.1", "lo"), -EINVAL);
    ck_assert_int_eq(co_udp_join(fd, "239.7.7.7", "no-such-one"), -ENODEV);
    ck_assert_int_eq(co_udp_join(fd, "239.7.7.7", "0"), -ENODEV);
    ck_assert_int_eq(co_udp_join(-1, "239.7.7.7", "lo"), -EBADF);
    ck_assert_int_eq(co_udp_multicast(fd, "no-such-one", -1, -1), -ENODEV);
    ck_assert_int_eq(co_udp_multicast(fd, NULL, 256, -1), -EINVAL);
    ck_assert_int_eq(co_udp_multicast(fd, NULL, -1, 2), -EINVAL);
    ck_assert_int_eq(co_udp_multicast(-1, NULL, -1, -1), -EBADF);
    ck_assert_int_eq(co_close(fd), 0);
}

/* ---- several at once ----------------------------------------------------- */

CO_TASK_TEST(many_are_sent_and_received_at_once)
{
    int server = udp("127.0.0.1:0"), client = udp("127.0.0.1:0");
    struct many many;
    char from[CO_ADDR_TEXT_MAX], text[CO_ADDR_TEXT_MAX];

    strcpy(from, at(client));
    number(&many, at(server));
    ck_assert_int_eq(co_dgram_send_many(client, many.list, MANY), MANY);
    make_room(&many);
    many.list[5].room = 2;
    ck_assert_int_eq(co_dgram_recv_many(server, many.list, MANY), MANY);
    for (int i = 0; i < MANY; i++) {
        const co_dgram *dgram = &many.list[i];

        ck_assert_uint_eq(dgram->len, i == 5 ? 2 : (size_t)i);
        ck_assert_int_eq(dgram->truncated, i == 5);
        if (i)
            ck_assert_int_eq(many.data[i][0], '0' + i);
        co_addr_format(&dgram->addr.as.any, dgram->addr.len, text,
                       sizeof(text));
        ck_assert_str_eq(text, from);
    }
    ck_assert_int_eq(co_close(client), 0);
    ck_assert_int_eq(co_close(server), 0);
}

CO_TASK_TEST(more_than_a_batch_is_cut)
{
    int server = udp("127.0.0.1:0"), client = co_udp_dial(at(server));
    static co_dgram list[CO_DGRAM_BATCH + 1];

    for (int i = 0; i <= CO_DGRAM_BATCH; i++)
        list[i] = (co_dgram){.data = "x", .len = 1};
    ck_assert_int_eq(co_dgram_send_many(client, list, CO_DGRAM_BATCH + 1),
                     CO_DGRAM_BATCH);
    ck_assert_int_eq(co_close(client), 0);
    ck_assert_int_eq(co_close(server), 0);
}

static struct many received;
static int receive_many(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_dgram_recv_many(call->fd, received.list, MANY));
}

static int send_many(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_dgram_send_many(call->fd, received.list, MANY));
}

CO_TASK_TEST(receiver_waits_and_what_came_before_the_cancel_is_kept)
{
    int server = udp("127.0.0.1:0"), client = co_udp_dial(at(server));
    struct call call = {.fd = server};

    make_room(&received);
    call_start(&call, receive_many);
    ck_assert(call_waits(&call));
    ck_assert_int_eq(co_cancel(call.task), 1);
    ck_assert_int_eq(call_result(&call), -ECANCELED);
    call_start(&call, receive_many);
    ck_assert_int_eq(co_send(client, "x", 1, 0), 1);
    wake_by_event(&call);
    ck_assert_int_eq(co_cancel(call.task), 1);
    ck_assert_int_eq(call_result(&call), 1);
    ck_assert_int_eq(call.after, -ECANCELED);
    call_start(&call, receive_many);
    ck_assert_int_eq(co_close(server), 0);
    ck_assert_int_eq(call_result(&call), -EBADF);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_dgram_recv_many(client, received.list, MANY),
                         -ETIMEDOUT);
    }
    ck_assert_int_eq(co_close(client), 0);
}

CO_TASK_TEST(sender_waits_for_room_at_the_peer)
{
    const char *name = own_name("dgram");
    int server = co_unix_dgram_bind(name);
    struct call call = {.fd = co_unix_dgram_bind(NULL)};
    char got[16];
    int total = 0;

    number(&received, NULL);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(co_addr_unix(name, &received.list[i].addr), 0);
    do {
        call_start(&call, send_many);
        if (!call_waits(&call))
            total += (int)call_result(&call);
    } while (total < 10000 && call.result != 12345);
    ck_assert_int_eq(call.result, 12345);
    for (int i = 0; i < total; i++)
        ck_assert_int_ge(co_recv(server, got, sizeof(got), 0), 0);
    ck_assert_int_ge(call_result(&call), 1);
    ck_assert_int_eq(co_close(call.fd), 0);
    ck_assert_int_eq(co_close(server), 0);
}

START_TEST(thread_without_a_loop_waits_itself)
{
    int server = udp("127.0.0.1:0"), client = co_udp_dial(at(server));
    struct many many;

    number(&many, NULL);
    ck_assert_int_eq(co_dgram_send_many(client, many.list, MANY), MANY);
    make_room(&many);
    ck_assert_int_eq(co_dgram_recv_many(server, many.list, 3), 3);
    ck_assert_int_eq(co_dgram_recv_many(server, many.list, MANY), MANY - 3);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_dgram_recv_many(server, many.list, MANY),
                         -ETIMEDOUT);
    }
    ck_assert_int_eq(co_close(client), 0);
    ck_assert_int_eq(co_close(server), 0);
}
END_TEST

START_TEST(systems_without_the_calls_loop)
{
    int server = udp("127.0.0.1:0"), client = co_udp_dial(at(server));
    struct co__mmsg list[3];
    struct iovec part = {.iov_base = "ab", .iov_len = 2};
    char got[2];

    memset(list, 0, sizeof(list));
    for (int i = 0; i < 3; i++) {
        list[i].head.msg_iov = &part;
        list[i].head.msg_iovlen = 1;
    }
    ck_assert_int_eq(loop_send(client, list, 2, MSG_DONTWAIT), 2);
    part.iov_base = got;
    ck_assert_int_eq(loop_receive(server, list, 3, MSG_DONTWAIT), 2);
    ck_assert_uint_eq(list[1].len, 2);
    ck_assert_int_eq(loop_receive(server, list, 3, MSG_DONTWAIT), -EAGAIN);
    ck_assert_int_eq(loop_receive(server, list, 0, MSG_DONTWAIT), 0);
    ck_assert_int_eq(loop_send(-1, list, 1, MSG_DONTWAIT), -EBADF);
    ck_assert_int_eq(co_close(client), 0);
    ck_assert_int_eq(co_close(server), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("io.dgram");
    TCase *tc = tcase_create("sockets");

    co_test_check_fds(tc);
    tcase_add_test(tc, datagrams_go_both_ways);
    tcase_add_test(tc, any_address_takes_both_families);
    tcase_add_test(tc, options_are_heeded);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, nobody_there_is_an_error_of_the_next_call);
    tcase_add_test(tc, unix_datagrams_have_names);
    suite_add_tcase(s, tc);

    tc = tcase_create("multicast");
    co_test_check_fds(tc);
    /* qemu's user mode does not know MCAST_JOIN_GROUP. */
    if (!CO_TEST_EMULATED)
        tcase_add_test(tc, member_receives_and_who_has_left_does_not);
    if (!CO_TEST_EMULATED)
        tcase_add_test(tc, bad_groups_are_refused);
    suite_add_tcase(s, tc);

    tc = tcase_create("several at once");
    co_test_check_fds(tc);
    tcase_add_test(tc, many_are_sent_and_received_at_once);
    tcase_add_test(tc, more_than_a_batch_is_cut);
    tcase_add_test(tc, receiver_waits_and_what_came_before_the_cancel_is_kept);
    tcase_add_test(tc, sender_waits_for_room_at_the_peer);
    tcase_add_test(tc, thread_without_a_loop_waits_itself);
    tcase_add_test(tc, systems_without_the_calls_loop);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
