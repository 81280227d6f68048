/* SPDX-License-Identifier: MIT */
/* Addresses to text and back. */
#include <coppice/addr.h>

#include "support/check_main.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static const char *round_trip(const char *text)
{
    static char out[CO_ADDR_TEXT_MAX];
    co_addr addr;

    ck_assert_int_eq(co_addr_tcp(text, &addr), 0);
    ck_assert_int_eq(co_addr_format(&addr.as.any, addr.len, out, sizeof(out)),
                     (int)strlen(out));
    return out;
}

START_TEST(tcp_addresses_are_parsed_and_written)
{
    static const char *const same[] = {
        "127.0.0.1:80",     "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80",
        "[2001:db8::ff]:1", "[::]:443",  "[::ffff:10.0.0.1]:80",
    };

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        ck_assert_str_eq(round_trip(same[i]), same[i]);
    ck_assert_str_eq(round_trip(":80"), "[::]:80");
    ck_assert_str_eq(round_trip("*:80"), "[::]:80");
    ck_assert_str_eq(round_trip("[0:0::0:1]:0080"), "[::1]:80");
}
END_TEST

START_TEST(tcp_address_is_what_the_kernel_reads)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    co_addr addr;

    ck_assert_int_eq(co_addr_tcp("1.2.3.4:258", &addr), 0);
    ck_assert_uint_eq(addr.len, sizeof(in));
    memcpy(&in, &addr.as, sizeof(in));
    ck_assert_int_eq(in.sin_family, AF_INET);
    ck_assert_uint_eq(ntohl(in.sin_addr.s_addr), 0x01020304);
    ck_assert_uint_eq(ntohs(in.sin_port), 258);

    ck_assert_int_eq(co_addr_tcp("[::1]:258", &addr), 0);
    ck_assert_uint_eq(addr.len, sizeof(in6));
    memcpy(&in6, &addr.as, sizeof(in6));
    ck_assert_int_eq(in6.sin6_family, AF_INET6);
    ck_assert(IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr));
    ck_assert_uint_eq(ntohs(in6.sin6_port), 258);
    ck_assert_uint_eq(in6.sin6_scope_id, 0);
}
END_TEST

START_TEST(zone_is_a_name_or_a_number)
{
    struct sockaddr_in6 in6;
    char text[CO_ADDR_TEXT_MAX], name[IF_NAMESIZE];
    char out[CO_ADDR_TEXT_MAX];
    unsigned lo = if_nametoindex("lo");
    co_addr addr;

    ck_assert_uint_ne(lo, 0);
    ck_assert_int_eq(co_addr_tcp("[fe80::1%lo]:80", &addr), 0);
    memcpy(&in6, &addr.as, sizeof(in6));
    ck_assert_uint_eq(in6.sin6_scope_id, lo);
    ck_assert_int_gt(co_addr_format(&addr.as.any, addr.len, out, sizeof(out)),
                     0);
    ck_assert_str_eq(out, "[fe80::1%lo]:80");

    snprintf(text, sizeof(text), "[fe80::1%%%u]:80", lo);
    ck_assert_int_eq(co_addr_tcp(text, &addr), 0);
    memcpy(&in6, &addr.as, sizeof(in6));
    ck_assert_uint_eq(in6.sin6_scope_id, lo);

    /* An interface that is not there stays a number. */
    ck_assert_ptr_null(if_indextoname(987654321, name));
    ck_assert_str_eq(round_trip("[fe80::1%987654321]:80"),
                     "[fe80::1%987654321]:80");
}
END_TEST

START_TEST(what_is_not_a_tcp_address_is_refused)
{
    static const char *const bad[] = {
        "",
        "80",
        "localhost:80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1: 80",
        "127.0.0.1:80 ",
        "127.0.0.1:+80",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        "127.0.0.1:99999999999999999999999999",
        "127.0.0.1:0x50",
        "127.0.0:80",
        "127.0.0.256:80",
        "1.2.3.4.5:80",
        " 127.0.0.1:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[127.0.0.1]:80",
        "[::1%]:80",
        "[::g]:80",
        "[[::1]]:80",
        "**:80",
        "[:80",
        "]:80",
    };
    char lengthy[4096];
    co_addr addr;

    memset(&addr, 0x5a, sizeof(addr));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(co_addr_tcp(bad[i], &addr) == -EINVAL, "\"%s\"", bad[i]);
    memset(lengthy, '1', sizeof(lengthy));
    strcpy(lengthy + sizeof(lengthy) - 4, ":80");
    ck_assert_int_eq(co_addr_tcp(lengthy, &addr), -EINVAL);
    ck_assert_int_eq(co_addr_tcp(NULL, &addr), -EINVAL);
    ck_assert_int_eq(co_addr_tcp(":80", NULL), -EINVAL);
    ck_assert_int_eq(co_addr_tcp("[fe80::1%nowhere]:80", &addr), -ENODEV);
    ck_assert_int_eq(co_addr_tcp("[fe80::1%0]:80", &addr), -ENODEV);
    /* A failure writes nothing. */
    ck_assert_uint_eq(addr.len, 0x5a5a5a5a);
}
END_TEST

START_TEST(unix_addresses_are_parsed_and_written)
{
    char longest[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
    char text[CO_ADDR_TEXT_MAX];
    struct sockaddr_un un;
    co_addr addr;

    ck_assert_int_eq(co_addr_unix("/tmp/x", &addr), 0);
    ck_assert_uint_eq(addr.len, offsetof(struct sockaddr_un, sun_path) + 7);
    ck_assert_int_eq(co_addr_format(&addr.as.any, addr.len, text, sizeof(text)),
                     6);
    ck_assert_str_eq(text, "/tmp/x");

    ck_assert_int_eq(co_addr_unix("@name", &addr), 0);
    ck_assert_uint_eq(addr.len, offsetof(struct sockaddr_un, sun_path) + 5);
    memcpy(&un, &addr.as, sizeof(un));
    ck_assert_mem_eq(un.sun_path, "\0name", 5);
    ck_assert_int_eq(co_addr_format(&addr.as.any, addr.len, text, sizeof(text)),
                     5);
    ck_assert_str_eq(text, "@name");

    for (char first = '/'; first <= '@'; first += '@' - '/') {
        memset(longest, 'x', sizeof(longest));
        longest[0] = first;
        longest[sizeof(longest) - 2] = '\0';
        ck_assert_int_eq(co_addr_unix(longest, &addr), 0);
        ck_assert_int_eq(co_addr_format(&addr.as.any, addr.len, text,
                                        sizeof(text)),
                         (int)strlen(longest));
        ck_assert_str_eq(text, longest);
        longest[sizeof(longest) - 2] = 'x';
        longest[sizeof(longest) - 1] = '\0';
        ck_assert_int_eq(co_addr_unix(longest, &addr), -ENAMETOOLONG);
    }
    ck_assert_int_eq(co_addr_unix("", &addr), -EINVAL);
    ck_assert_int_eq(co_addr_unix("@", &addr), -EINVAL);
    ck_assert_int_eq(co_addr_unix(NULL, &addr), -EINVAL);
    ck_assert_int_eq(co_addr_unix("/x", NULL), -EINVAL);
}
END_TEST

START_TEST(format_refuses_what_is_no_address)
{
    struct sockaddr_storage other = {.ss_family = AF_NETLINK};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char text[CO_ADDR_TEXT_MAX];
    co_addr addr;

    ck_assert_int_eq(co_addr_tcp("127.0.0.1:80", &addr), 0);
    ck_assert_int_eq(co_addr_format(NULL, addr.len, text, 10), -EINVAL);
    ck_assert_int_eq(co_addr_format(&addr.as.any, addr.len, NULL, 10), -EINVAL);
    for (socklen_t len = 0; len < addr.len; len++)
        ck_assert_int_eq(co_addr_format(&addr.as.any, len, text, 10), -EINVAL);
    for (size_t room = 0; room < 13; room++)
        ck_assert_int_eq(co_addr_format(&addr.as.any, addr.len, text, room),
                         -ENOSPC);
    ck_assert_int_eq(co_addr_format(&addr.as.any, addr.len, text, 13), 12);
    ck_assert_int_eq(co_addr_format((struct sockaddr *)&other, sizeof(other),
                                    text, sizeof(text)),
                     -EAFNOSUPPORT);
    /* A socket that is not bound has no name. */
    ck_assert_int_eq(co_addr_format((struct sockaddr *)&un,
                                    offsetof(struct sockaddr_un, sun_path),
                                    text, sizeof(text)),
                     0);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(co_addr_format((struct sockaddr *)&un, sizeof(un) + 1,
                                    text, sizeof(text)),
                     -EINVAL);
    /* A path that fills its field has no NUL. */
    memset(un.sun_path, 'p', sizeof(un.sun_path));
    ck_assert_int_eq(co_addr_format((struct sockaddr *)&un, sizeof(un), text,
                                    sizeof(text)),
                     (int)sizeof(un.sun_path));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("addr");
    TCase *tc = tcase_create("addr");

    tcase_add_test(tc, tcp_addresses_are_parsed_and_written);
    tcase_add_test(tc, tcp_address_is_what_the_kernel_reads);
    tcase_add_test(tc, zone_is_a_name_or_a_number);
    tcase_add_test(tc, what_is_not_a_tcp_address_is_refused);
    tcase_add_test(tc, unix_addresses_are_parsed_and_written);
    tcase_add_test(tc, format_refuses_what_is_no_address);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
