/* SPDX-License-Identifier: MIT */
/*
 * bench/tls/load.c - what a handshake, or a KiB that is sent, costs each of
 * several servers of TLS, as echo/phases.h says.
 *
 * The client decides for all what is spoken: TLS 1.3, X25519,
 * TLS_AES_128_GCM_SHA256, a certificate of P-256; and it resumes nothing, so
 * that each handshake is a full one. It looks that it got all that.
 *
 * usage: tls_load [-r rounds] [-t seconds a phase] row name:port:pid ...
 */
#include "phases.h"

#include <openssl/ssl.h>

#define CIPHER     "TLS_AES_128_GCM_SHA256"
#define GROUP      "X25519"
#define SIGNATURE  "ECDSA+SHA256"
#define REQUEST    "GET /body HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define HEAD_MAX   4096
#define BUFFER     (256 * 1024)
#define HANDSHAKES 16 /* the least that a phase has */

static SSL_CTX *context;

static void prepare(void)
{
    context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, CIPHER) ||
        !SSL_CTX_set1_groups_list(context, GROUP) ||
        !SSL_CTX_set1_sigalgs_list(context, SIGNATURE))
        bench_die("OpenSSL");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL); /* the load's matter */
}

static SSL *connect_to(const struct server *server)
{
    SSL *ssl = SSL_new(context);

    if (!ssl || !SSL_set_fd(ssl, dial(server)))
        bench_die("OpenSSL");
    if (SSL_connect(ssl) != 1)
        fail(server, "does not shake hands");
    if (SSL_session_reused(ssl) ||
        strcmp(SSL_get_cipher_name(ssl), CIPHER) != 0 ||
        EVP_PKEY_get_bits(X509_get0_pubkey(SSL_get0_peer_certificate(ssl))) !=
            256)
        fail(server, "does not speak as the others do");
    return ssl;
}

/* Until the server has gone, too. */
static void hang_up(const struct server *server, SSL *ssl)
{
    int fd = SSL_get_fd(ssl);
    char byte;

    if (SSL_shutdown(ssl) < 0)
        fail(server, "hung up first");
    if (SSL_read(ssl, &byte, 1) > 0)
        fail(server, "has sent something");
    SSL_free(ssl);
    close(fd);
}

static void shake_hands(struct server *server, long handshakes)
{
    while (handshakes--)
        hang_up(server, connect_to(server));
}

/* The rest of the head, from what was read; how many bytes of the body have
 * come with it. */
static long behind_head(const struct server *server, SSL *ssl, char *head,
                        long *body_len)
{
    const char *length, *end = NULL;
    int len = 0;

    while (!end) {
        int n = SSL_read(ssl, head + len, HEAD_MAX - 1 - len);

        if (n <= 0)
            fail(server, "does not answer");
        len += n;
        head[len] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    length = strstr(head, "Content-Length: ");
    if (strncmp(head, "HTTP/1.1 200", 12) != 0 || !length)
        fail(server, "answers otherwise");
    *body_len = atol(length + 16);
    return head + len - (end + 4);
}

/* The body, as often as it takes. */
static void transfer(struct server *server, long kib)
{
    static char buffer[BUFFER];
    long len, done;

    if (!server->own)
        server->own = connect_to(server);
    for (long left = kib * 1024; left > 0; left -= len) {
        if (SSL_write(server->own, REQUEST, sizeof(REQUEST) - 1) <= 0)
            fail(server, "does not listen");
        done = behind_head(server, server->own, buffer, &len);
        if (len <= 0 || len > left)
            fail(server, "has another body");
        while (done < len) {
            int n = SSL_read(server->own, buffer, sizeof(buffer));

            if (n <= 0)
                fail(server, "ended the body");
            done += n;
        }
        if (done != len)
            fail(server, "has sent too much");
    }
}

/* How many KiB there are in a body: the same for all. */
static long body_kib(const struct server *server)
{
    static char head[HEAD_MAX];
    SSL *ssl = connect_to(server);
    long len;

    if (SSL_write(ssl, REQUEST, sizeof(REQUEST) - 1) <= 0)
        fail(server, "does not listen");
    (void)behind_head(server, ssl, head, &len);
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
    return len / 1024;
}

int main(int argc, char **argv)
{
    static struct server servers[SERVERS_MAX];
    char *init[] = {argv[0], "0", NULL};
    int count = 0, option, rounds = 7;
    double seconds = 0.35;
    const char *row;

    while ((option = getopt(argc, argv, "r:t:")) != -1) {
        switch (option) {
        case 'r':
            rounds = atoi(optarg);
            break;
        case 't':
            seconds = atof(optarg);
            break;
        default:
            return 2;
        }
    }
    if (optind + 1 >= argc)
        return 2;
    net_init(2, init);
    prepare();
    row = argv[optind++];
    for (; optind < argc && count < SERVERS_MAX; optind++)
        parse_server(&servers[count++], argv[optind]);
    if (strcmp(row, "tls_handshake") == 0)
        phases_measure(servers, count, rounds, seconds, HANDSHAKES,
                       shake_hands);
    else
        phases_measure(servers, count, rounds, seconds, body_kib(&servers[0]),
                       transfer);
    return 0;
}
