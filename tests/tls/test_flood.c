/* SPDX-License-Identifier: MIT */
/*
 * A client that makes the server answer, and reads no answer.
 *
 * In TLS 1.2 each request to negotiate anew is refused by an alert. OpenSSL has
 * no call to ask a thousand times, so the records are made here: without
 * encryption, which makes them what is said and a MAC.
 */
#include "tls_support.h"

#include "tls/tls.h"

#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>

#define CIPHERS "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"
#define MAC     20
#define RECORD  (5 + 4 + MAC)
#define RECORDS 64
#define FLOOD   ((size_t)8 << 20)

static unsigned char mac_key[MAC]; /* of what the client says */
static uint64_t sequence;

/* The first part of the keys, RFC 5246, 6.3. */
static void derive_mac_key(SSL *ssl)
{
    unsigned char master[48], seed[13 + 2 * SSL3_RANDOM_SIZE];
    size_t len = 13;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[4];

    ck_assert_uint_eq(SSL_SESSION_get_master_key(SSL_get0_session(ssl), master,
                                                 sizeof(master)),
                      sizeof(master));
    memcpy(seed, "key expansion", len);
    len += SSL_get_server_random(ssl, seed + len, SSL3_RANDOM_SIZE);
    len += SSL_get_client_random(ssl, seed + len, SSL3_RANDOM_SIZE);
    ck_assert_uint_eq(len, sizeof(seed));
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                                 (char *)"SHA256", 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master,
                                                  sizeof(master));
    params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed,
                                                  sizeof(seed));
    params[3] = OSSL_PARAM_construct_end();
    ck_assert_int_eq(EVP_KDF_derive(ctx, mac_key, sizeof(mac_key), params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

/* A handshake record with the head of a client's hello. */
static void make_record(unsigned char *record)
{
    unsigned char text[8 + 5 + 4];

    for (int i = 0; i < 8; i++)
        text[i] = (unsigned char)(sequence >> (56 - 8 * i));
    sequence++;
    memcpy(text + 8, "\x16\x03\x03\x00\x04\x01\x00\x00\x00", 9);
    memcpy(record, text + 8, 9);
    record[4] += MAC;
    ck_assert_ptr_nonnull(
        HMAC(EVP_sha1(), mac_key, MAC, text, sizeof(text), record + 9, NULL));
}

static size_t flooded;

static int flood(void *arg)
{
    unsigned char records[RECORDS * RECORD];
    int r = 0;

    (void)arg;
    while (r == 0 && flooded < FLOOD) {
        for (int i = 0; i < RECORDS; i++)
            make_record(records + (size_t)i * RECORD);
        r = co_stream_write(client.plain, records, sizeof(records), NULL);
        flooded += sizeof(records);
    }
    return r;
}

static int write_for_ever(void *stream)
{
    static char data[65536];
    int r = 0;

    while (r == 0)
        r = co_stream_write(stream, data, sizeof(data), NULL);
    return r;
}

static int read_for_ever(void *stream)
{
    char data[4096];
    ssize_t n = 1;

    while (n > 0)
        n = co_stream_read(stream, data, sizeof(data));
    return (int)n;
}

static void connect_without_encryption(void)
{
    co_tls_context *for_server = server_context(
        TLS_OPTIONS(.certificate_file = cert_file("good"),
                    .version_max = CO_TLS_1_2, .ciphers = CIPHERS));
    co_tls_context *for_client = client_context(
        TLS_OPTIONS(.ca_file = cert_file("ca"), .version_max = CO_TLS_1_2,
                    .ciphers = CIPHERS));
    struct co__tls_conn *conn;

    small_buffers = 1;
    ck_assert_int_eq(shake(for_client, for_server, "localhost"), 0);
    conn = co_stream_behind(client.stream, &co__tls_ops);
    derive_mac_key(conn->ssl);
    sequence = 1; /* after Finished */
    co_tls_context_free(for_server);
    co_tls_context_free(for_client);
}

/* The writer waits for the client to read, and so must the reader then. */
CO_TASK_TEST(answers_that_nobody_reads_are_not_heaped_up)
{
    struct co__tls_conn *conn;
    co_task *writer, *reader, *flooder;

    connect_without_encryption();
    conn = co_stream_behind(server.stream, &co__tls_ops);
    writer = co_test_spawn(write_for_ever, server.stream);
    while (writer->state != CO__TASK_PARKED)
        co_test_yield();
    reader = co_test_spawn(read_for_ever, server.stream);
    flooder = co_test_spawn(flood, NULL);
    while (reader->reason != CO__WAIT_MUTEX ||
           reader->state != CO__TASK_PARKED) {
        ck_assert_uint_lt(flooded, FLOOD);
        ck_assert_uint_lt(conn->fresh.count, (size_t)512 * 1024);
        co_test_yield();
    }
    ck_assert_uint_gt(conn->fresh.count, 0);
    (void)co_cancel(flooder);
    ck_assert_int_eq(co_test_result(flooder), -ECANCELED);
    co_stream_abort(client.stream);
    client.stream = NULL;
    ck_assert_int_lt(co_test_result(writer), 0);
    ck_assert_int_lt(co_test_result(reader), 0);
    ends_close();
}

static Suite *suite(void)
{
    Suite *s = suite_create("tls.flood");
    TCase *tc = tcase_create("flood");

    tcase_add_unchecked_fixture(tc, cert_make_all, cert_remove_all);
    co_test_check_fds(tc);
    tcase_add_test(tc, answers_that_nobody_reads_are_not_heaped_up);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
