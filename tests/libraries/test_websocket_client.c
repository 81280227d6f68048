/* SPDX-License-Identifier: MIT */
/*
 * The client of examples/libraries/websocket.h and servers that are not as
 * they should be. A task shakes hands for the server; after that the test
 * itself puts into the connection what the server says, and looks what the
 * client has said.
 */
#include "../../examples/libraries/websocket.h"

#include "tests/hook/hook_support.h"
#include "tests/tls/certificates.h"

#include <openssl/evp.h>

/* ---- the other end ------------------------------------------------------- */

struct peer {
    int listener, fd;
    char url[64];
    const char *answer; /* to the request, '$' is the proof; NULL: the right
                         * one; and after another one nothing more is said */
    char request[2048];
    const char *certificate; /* NULL: without TLS */
    SSL *tls;
    co_task *task;
};

/* The client's key, from the request, made the proof that belongs to it. */
static void peer_proof(const struct peer *peer, char *proof)
{
    const char *key = strstr(peer->request, "Sec-WebSocket-Key: ");
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len;
    char text[64];

    ck_assert_ptr_nonnull(key);
    snprintf(text, sizeof(text), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
             key + 19);
    ck_assert_int_eq(EVP_Digest(text, 60, hash, &len, EVP_sha1(), NULL), 1);
    EVP_EncodeBlock((unsigned char *)proof, hash, (int)len);
}

static void peer_put(struct peer *peer, const void *data, size_t len)
{
    if (peer->tls)
        ck_assert_int_eq(SSL_write(peer->tls, data, (int)len), len);
    else
        ck_assert_int_eq(write(peer->fd, data, len), len);
}

/* So many bytes; fewer only at the end. */
static size_t peer_take(struct peer *peer, void *data, size_t len)
{
    size_t got = 0;
    ssize_t n = 1;

    while (got < len && n > 0) {
        n = peer->tls
                ? SSL_read(peer->tls, (char *)data + got, (int)(len - got))
                : read(peer->fd, (char *)data + got, len - got);
        got += n > 0 ? (size_t)n : 0;
    }
    return got;
}

#define RIGHT                                                                  \
    "HTTP/1.1 101 Switching Protocols\r\n"                                     \
    "Upgrade: websocket\r\n"                                                   \
    "Connection: Upgrade\r\n"

static SSL *peer_tls(const char *name, int fd)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL *tls;

    ck_assert_int_eq(SSL_CTX_use_certificate_file(ctx, cert_file(name),
                                                  SSL_FILETYPE_PEM),
                     1);
    ck_assert_int_eq(
        SSL_CTX_use_PrivateKey_file(ctx, cert_file(name), SSL_FILETYPE_PEM), 1);
    tls = SSL_new(ctx);
    SSL_CTX_free(ctx);
    ck_assert_int_eq(SSL_set_fd(tls, fd), 1);
    return tls;
}

/* The answer, with the proof for '$'. */
static void peer_answers(struct peer *peer, const char *answer)
{
    char proof[64];

    peer_proof(peer, proof);
    while (*answer) {
        size_t len = strcspn(answer, "$");

        peer_put(peer, answer, len);
        answer += len;
        if (*answer == '$') {
            peer_put(peer, proof, strlen(proof));
            answer++;
        }
    }
}

static int peer_shakes_hands(void *arg)
{
    struct peer *peer = arg;
    size_t got = 0;

    peer->fd = accept(peer->listener, NULL, NULL);
    if (peer->fd < 0)
        return -errno;
    if (peer->certificate) {
        peer->tls = peer_tls(peer->certificate, peer->fd);
        if (SSL_accept(peer->tls) != 1)
            return -EPROTO; /* the client does not want it */
    }
    while (!strstr(peer->request, "\r\n\r\n")) {
        if (peer_take(peer, peer->request + got, 1) == 0)
            return -ECONNRESET;
        got++;
        ck_assert_uint_lt(got, sizeof(peer->request));
    }
    if (!peer->answer) {
        peer_answers(peer, RIGHT "Sec-WebSocket-Accept: $\r\n\r\n");
    } else {
        peer_answers(peer, peer->answer);
        shutdown(peer->fd, SHUT_WR); /* and not a word more */
    }
    return 0;
}

static void peer_begin(struct peer *peer, co_task_fn fn)
{
    struct sockaddr_in addr;

    peer->fd = -1;
    hook_listen(&peer->listener, &addr);
    snprintf(peer->url, sizeof(peer->url), "%s://127.0.0.1:%d/chat?room=7",
             peer->certificate ? "wss" : "ws", ntohs(addr.sin_port));
    peer->task = co_test_spawn(fn, peer);
}

static void peer_close(struct peer *peer)
{
    SSL_free(peer->tls);
    peer->tls = NULL;
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

static void peer_end(struct peer *peer)
{
    peer_close(peer);
    close(peer->listener);
}

static void opened(struct peer *peer, struct websocket *ws, SSL_CTX *tls)
{
    peer_begin(peer, peer_shakes_hands);
    ck_assert_msg(websocket_open(ws, peer->url, tls) == 0, "%s", ws->error);
    ck_assert_int_eq(co_test_result(peer->task), 0);
}

static void ended(struct peer *peer, struct websocket *ws)
{
    websocket_free(ws);
    peer_end(peer);
}

/* ---- frames -------------------------------------------------------------- */

/* As a server sends it: `first` is the type, and 0x80 for the last one. */
static void peer_says(struct peer *peer, int first, const char *data,
                      size_t len)
{
    unsigned char head[10] = {(unsigned char)first, (unsigned char)len};
    size_t bytes = 2;

    if (len > 0xffff) {
        head[1] = 127;
        for (int i = 0; i < 8; i++)
            head[bytes++] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
    } else if (len > 125) {
        head[1] = 126;
        head[bytes++] = (unsigned char)(len >> 8);
        head[bytes++] = (unsigned char)len;
    }
    peer_put(peer, head, bytes);
    peer_put(peer, data, len);
}

static void peer_says_text(struct peer *peer, const char *text)
{
    peer_says(peer, 0x81, text, strlen(text));
}

/* What a client sends, its mask taken off. */
struct heard {
    int first;
    size_t len;
    unsigned char mask[4];
    unsigned char *data;
};

static struct heard peer_hears_any(struct peer *peer)
{
    struct heard heard = {0};
    unsigned char head[8];
    size_t bytes;

    ck_assert_uint_eq(peer_take(peer, head, 2), 2);
    heard.first = head[0];
    ck_assert_msg(head[1] & 0x80, "not masked");
    heard.len = head[1] & 0x7f;
    bytes = heard.len == 127 ? 8 : heard.len == 126 ? 2 : 0;
    ck_assert_uint_eq(peer_take(peer, head, bytes), bytes);
    for (size_t i = 0; i < bytes; i++)
        heard.len = (i == 0 ? 0 : heard.len << 8) | head[i];
    ck_assert_msg(bytes == 0 || heard.len > (bytes == 2 ? 125 : 0xffff),
                  "a length in a longer form than it needs");
    ck_assert_uint_eq(peer_take(peer, heard.mask, 4), 4);
    heard.data = malloc(heard.len + 1);
    ck_assert_ptr_nonnull(heard.data);
    ck_assert_uint_eq(peer_take(peer, heard.data, heard.len), heard.len);
    for (size_t i = 0; i < heard.len; i++)
        heard.data[i] ^= heard.mask[i % 4];
    return heard;
}

static void peer_hears(struct peer *peer, int first, const void *data,
                       size_t len)
{
    struct heard heard = peer_hears_any(peer);

    ck_assert_int_eq(heard.first, first);
    ck_assert_uint_eq(heard.len, len);
    ck_assert_mem_eq(heard.data, data, len);
    free(heard.data);
}

/* A goodbye of that code; 1005: of none. */
static void peer_hears_close(struct peer *peer, int code)
{
    unsigned char wanted[2] = {(unsigned char)(code >> 8), (unsigned char)code};

    peer_hears(peer, 0x88, wanted, code == 1005 ? 0 : 2);
}

static void is_text(struct websocket *ws, const char *text)
{
    int type = websocket_receive(ws);

    ck_assert_msg(type == WEBSOCKET_TEXT, "%d: %s", type, ws->error);
    ck_assert_str_eq((char *)ws->message, text);
    ck_assert_uint_eq(ws->len, strlen(text));
}

/* ---- the client in a task ------------------------------------------------ */

struct client {
    struct websocket ws;
    const void *data; /* to be sent */
    size_t len;
    int result; /* of the call */
};

static int receive_one(void *arg)
{
    struct client *client = arg;

    client->result = websocket_receive(&client->ws);
    return 0;
}

static int send_one(void *arg)
{
    struct client *client = arg;

    client->result = websocket_send(&client->ws, WEBSOCKET_BINARY, client->data,
                                    client->len);
    return 0;
}

/* It has begun, and waits. */
static co_task *receiving(struct client *client)
{
    co_task *task = co_test_spawn(receive_one, client);

    co_test_yield();
    ck_assert_int_eq(task->state, CO__TASK_PARKED);
    return task;
}

/* The same data to the server and back. */
static void is_exchanged(struct client *client, struct peer *peer)
{
    co_task *task = co_test_spawn(send_one, client);

    peer_hears(peer, 0x82, client->data, client->len);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(client->result, 0);
    task = receiving(client);
    peer_says(peer, 0x82, client->data, client->len);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(client->result, WEBSOCKET_BINARY);
    ck_assert_uint_eq(client->ws.len, client->len);
    ck_assert_mem_eq(client->ws.message, client->data, client->len);
}

/* ---- opening ------------------------------------------------------------- */

CO_TASK_TEST(the_request_is_as_the_standard_has_it)
{
    struct peer peer = {0};
    struct websocket ws = {0};
    char host[64];
    const char *key;
    unsigned char nonce[32];

    opened(&peer, &ws, NULL);
    snprintf(host, sizeof(host), "\r\nHost: %.*s\r\n",
             (int)strcspn(peer.url + 5, "/"), peer.url + 5);
    ck_assert_ptr_eq(strstr(peer.request, "GET /chat?room=7 HTTP/1.1\r\n"),
                     peer.request);
    ck_assert_ptr_nonnull(strstr(peer.request, host));
    ck_assert_ptr_nonnull(strstr(peer.request, "\r\nUpgrade: websocket\r\n"));
    ck_assert_ptr_nonnull(strstr(peer.request, "\r\nConnection: Upgrade\r\n"));
    ck_assert_ptr_nonnull(
        strstr(peer.request, "\r\nSec-WebSocket-Version: 13\r\n"));
    key = strstr(peer.request, "Sec-WebSocket-Key: ");
    ck_assert_int_eq(
        EVP_DecodeBlock(nonce, (const unsigned char *)key + 19, 24), 18);
    ck_assert_int_eq(memcmp(key + 19 + 22, "==\r\n", 4), 0);
    ended(&peer, &ws);
}

#define PROOF "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"

static const struct {
    const char *answer, *error;
} answers[] = {
    {RIGHT PROOF "\r\n", "does not speak"},
    {RIGHT "\r\n", "does not speak"},
    {RIGHT "Sec-WebSocket-Accept:\r\n\r\n", "does not speak"},
    {"HTTP/1.1 200 OK\r\n\r\n", "refused: HTTP/1.1 200 OK"},
    {"HTTP/1.1 403 Forbidden\r\n\r\n", "refused: HTTP/1.1 403 Forbidden"},
    {"HTTP/1.0 101 Old\r\n\r\n", "refused: HTTP/1.0 101 Old"},
    {"HTTP/1.1 1010\r\n\r\n", "refused: HTTP/1.1 1010"},
    {"220 mail.example ESMTP\r\n", "refused: 220 mail.example ESMTP"},
    {"\r\n", "refused"},
    {"HTTP/1.1 101\r\nno colon\r\n\r\n", "not HTTP"},
    {RIGHT "Connec", "cannot read: the server has gone"},
    {"HTTP/1.1 101", "cannot read: the server has gone"},
    {"", "cannot read: the server has gone"},
    {RIGHT PROOF, "cannot read: the server has gone"},
};

EACH_TEST(what_is_no_handshake_is_refused)
{
    struct peer peer = {.answer = answers[i].answer};
    struct websocket ws = {0};

    peer_begin(&peer, peer_shakes_hands);
    ck_assert_int_eq(websocket_open(&ws, peer.url, NULL), -1);
    ck_assert_msg(strstr(ws.error, answers[i].error) != NULL, "%s", ws.error);
    ck_assert_int_eq(co_test_result(peer.task), 0);
    ck_assert_int_eq(websocket_receive(&ws), -1);
    ck_assert_int_eq(websocket_send(&ws, WEBSOCKET_TEXT, "x", 1), -1);
    ck_assert_int_eq(websocket_close(&ws, 1000, ""), -1);
    ended(&peer, &ws);
}

static const struct {
    const char *answer;
    int r;
} lines[] = {
    {"HTTP/1.1 101\r\nupgrade: WebSocket\r\nCONNECTION:keep-alive,  upgrade"
     "\r\nServer: x\r\nsec-websocket-accept:   $  \r\n\r\n",
     0},
    {"HTTP/1.1 101 Yes\nUpgrade: websocket\nConnection: Upgrade\n"
     "Sec-WebSocket-Accept: $\n\n",
     0},
    {"HTTP/1.1 101\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: $\r\n\r\n",
     -1},
    {"HTTP/1.1 101\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept: $\r\n\r\n",
     -1},
    {"HTTP/1.1 101\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: $\r\n\r\n",
     -1},
    {"HTTP/1.1 101\r\nUpgrade: websocket\r\nConnection: close\r\n"
     "Sec-WebSocket-Accept: $\r\n\r\n",
     -1},
    {RIGHT "Sec-WebSocket-Accept: $\r\nSec-WebSocket-Accept: $\r\n\r\n", -1},
    {RIGHT "Sec-WebSocket-Accept: x$\r\n\r\n", -1},
    {RIGHT "Sec-WebSocket-Accept: $x\r\n\r\n", -1},
    {RIGHT "Sec-WebSocket-Extensions: permessage-deflate\r\n"
           "Sec-WebSocket-Accept: $\r\n\r\n",
     -1},
    {RIGHT "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: $\r\n\r\n",
     -1},
};

EACH_TEST(every_line_of_the_answer_matters)
{
    struct peer peer = {.answer = lines[i].answer};
    struct websocket ws = {0};

    peer_begin(&peer, peer_shakes_hands);
    ck_assert_msg(websocket_open(&ws, peer.url, NULL) == lines[i].r, "%s",
                  ws.error);
    ck_assert_int_eq(co_test_result(peer.task), 0);
    ended(&peer, &ws);
}

/* One line without an end, or lines without an end. */
EACH_TEST(an_answer_without_an_end_is_refused)
{
    static char answer[20000];
    struct peer peer = {.answer = answer};
    struct websocket ws = {0};
    size_t len = strlen(RIGHT);

    memcpy(answer, RIGHT, len);
    memset(answer + len, 'x', sizeof(answer) - 1 - len);
    for (size_t at = len; i == 1 && at < sizeof(answer) - 10; at += 10)
        memcpy(answer + at, "name: ab\r\n", 10);
    peer_begin(&peer, peer_shakes_hands);
    ck_assert_int_eq(websocket_open(&ws, peer.url, NULL), -1);
    ck_assert_msg(strstr(ws.error, "too long") != NULL, "%s", ws.error);
    ck_assert_int_eq(co_test_result(peer.task), 0);
    ended(&peer, &ws);
}

static const char *const not_urls[] = {
    "",
    "localhost",
    "http://localhost/",
    "ws:localhost",
    "ws://",
    "ws:///path",
    "ws://user@localhost/",
    "ws://localhost/#here",
    "ws://localhost/a b",
    "ws://localhost/\r\nHost: other.example",
    "ws://local\thost/",
    "ws://localhost/\xc3\xa9",
    "ws://localhost:70000/",
    "ws://localhost:-1/",
    "ws://localhost:http/",
    "ws://[::1/",
};

EACH_TEST(what_is_no_url_is_refused)
{
    struct websocket ws = {0};

    ck_assert_int_eq(websocket_open(&ws, not_urls[i], NULL), -1);
    ck_assert_msg(strstr(ws.error, "not a URL") != NULL, "%s", ws.error);
    websocket_free(&ws);
}

CO_TASK_TEST(a_url_that_is_too_long_is_refused)
{
    struct websocket ws = {0};
    char url[4000];

    memset(url, 'x', sizeof(url) - 1);
    url[sizeof(url) - 1] = 0;
    memcpy(url, "ws://localhost/", 15);
    ck_assert_int_eq(websocket_open(&ws, url, NULL), -1);
    ck_assert_msg(strstr(ws.error, "not a URL") != NULL, "%s", ws.error);
    websocket_free(&ws);
}

CO_TASK_TEST(where_nobody_listens_nothing_is_opened)
{
    struct websocket ws = {0};
    struct sockaddr_in addr;
    char url[64];
    int fd;

    hook_listen(&fd, &addr);
    close(fd);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d/", ntohs(addr.sin_port));
    ck_assert_int_eq(websocket_open(&ws, url, NULL), -1);
    ck_assert_str_eq(ws.error, "cannot connect: Connection refused");
    websocket_free(&ws);
}

CO_TASK_TEST(an_address_in_brackets_is_one_of_ipv6)
{
    struct websocket ws = {0};
    struct sockaddr_in6 addr = {.sin6_family = AF_INET6,
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof(addr);
    struct peer peer = {.fd = -1};

    peer.listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer.listener < 0 ||
        bind(peer.listener, (struct sockaddr *)&addr, len) < 0) {
        close(peer.listener);
        return; /* a system without */
    }
    ck_assert_int_eq(listen(peer.listener, 1), 0);
    getsockname(peer.listener, (struct sockaddr *)&addr, &len);
    snprintf(peer.url, sizeof(peer.url), "ws://[::1]:%d/",
             ntohs(addr.sin6_port));
    peer.task = co_test_spawn(peer_shakes_hands, &peer);
    ck_assert_msg(websocket_open(&ws, peer.url, NULL) == 0, "%s", ws.error);
    ck_assert_int_eq(co_test_result(peer.task), 0);
    ck_assert_ptr_nonnull(strstr(peer.request, "\r\nHost: [::1]:"));
    ended(&peer, &ws);
}

/* ---- messages ------------------------------------------------------------ */

CO_TASK_TEST(messages_of_all_lengths_arrive)
{
    static const size_t lengths[] = {0,     1,     125,   126,   127,
                                     1023,  1024,  1025,  16384, 16385,
                                     65535, 65536, 70001, 300000};
    static char data[300000];
    struct peer peer = {0};
    struct client client = {.data = data};

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7 + i / 251);
    opened(&peer, &client.ws, NULL);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        client.len = lengths[i];
        is_exchanged(&client, &peer);
    }
    ended(&peer, &client.ws);
}

CO_TASK_TEST(no_two_frames_have_the_same_mask)
{
    struct peer peer = {0};
    struct websocket ws = {0};
    unsigned char before[4] = {0};

    opened(&peer, &ws, NULL);
    for (int i = 0; i < 3; i++) {
        struct heard heard;

        ck_assert_int_eq(websocket_send(&ws, WEBSOCKET_TEXT, "abc", 3), 0);
        heard = peer_hears_any(&peer);
        ck_assert_mem_ne(heard.mask, before, 4);
        ck_assert_mem_eq(heard.data, "abc", 3);
        memcpy(before, heard.mask, 4);
        free(heard.data);
    }
    ended(&peer, &ws);
}

CO_TASK_TEST(a_message_in_parts_with_pings_between_is_one)
{
    struct peer peer = {0};
    struct websocket ws = {0};

    opened(&peer, &ws, NULL);
    peer_says(&peer, 0x01, "hel", 3);
    peer_says(&peer, 0x89, "alive?", 6);
    peer_says(&peer, 0x00, "", 0);
    peer_says(&peer, 0x8a, "unasked", 7);
    peer_says(&peer, 0x89, "", 0);
    peer_says(&peer, 0x80, "lo", 2);
    is_text(&ws, "hello");
    ck_assert_uint_eq(ws.pongs, 1);
    peer_hears(&peer, 0x8a, "alive?", 6);
    peer_hears(&peer, 0x8a, "", 0);
    ended(&peer, &ws);
}

/* Each byte by itself; and letters that are cut in two. */
CO_TASK_TEST(a_message_may_come_in_any_pieces)
{
    static const char text[] =
        "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\x8b";
    struct peer peer = {0};
    struct websocket ws = {0};

    opened(&peer, &ws, NULL);
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        peer_says(&peer, (i == 0) | (i == sizeof(text) - 2 ? 0x80 : 0),
                  text + i, 1);
    is_text(&ws, text);
    ended(&peer, &ws);
}

CO_TASK_TEST(parts_and_pings_are_sent)
{
    struct peer peer = {0};
    struct websocket ws = {0};

    opened(&peer, &ws, NULL);
    ck_assert_int_eq(
        websocket_send(&ws, WEBSOCKET_TEXT | WEBSOCKET_MORE, "a", 1), 0);
    ck_assert_int_eq(websocket_ping(&ws, "now", 3), 0);
    ck_assert_int_eq(
        websocket_send(&ws, WEBSOCKET_CONTINUATION | WEBSOCKET_MORE, "", 0), 0);
    ck_assert_int_eq(websocket_send(&ws, WEBSOCKET_CONTINUATION, "b", 1), 0);
    peer_hears(&peer, 0x01, "a", 1);
    peer_hears(&peer, 0x89, "now", 3);
    peer_hears(&peer, 0x00, "", 0);
    peer_hears(&peer, 0x80, "b", 1);
    peer_says(&peer, 0x8a, "now", 3);
    peer_says_text(&peer, "x");
    is_text(&ws, "x");
    ck_assert_uint_eq(ws.pongs, 1);
    ended(&peer, &ws);
}

/* What is not allowed now. */
EACH_TEST(what_cannot_be_sent_is_refused)
{
    static const struct {
        int before, type;
    } wrong[] = {
        {-1, WEBSOCKET_CONTINUATION},
        {-1, WEBSOCKET_CONTINUATION | WEBSOCKET_MORE},
        {-1, 3},
        {-1, 8},
        {-1, -1},
        {WEBSOCKET_TEXT | WEBSOCKET_MORE, WEBSOCKET_TEXT},
        {WEBSOCKET_BINARY | WEBSOCKET_MORE, WEBSOCKET_BINARY | WEBSOCKET_MORE},
    };
    struct peer peer = {0};
    struct websocket ws = {0};

    ck_assert_int_lt(i, (int)(sizeof(wrong) / sizeof(*wrong)));
    opened(&peer, &ws, NULL);
    if (wrong[i].before >= 0)
        ck_assert_int_eq(websocket_send(&ws, wrong[i].before, "x", 1), 0);
    ck_assert_int_eq(websocket_send(&ws, wrong[i].type, "x", 1), -1);
    ended(&peer, &ws);
}

CO_TASK_TEST(a_connection_that_was_not_opened_is_of_no_use)
{
    struct websocket ws = {0};

    ck_assert_int_eq(websocket_receive(&ws), -1);
    ck_assert_int_eq(websocket_send(&ws, WEBSOCKET_TEXT, "", 0), -1);
    ck_assert_int_eq(websocket_ping(&ws, "", 0), -1);
    ck_assert_int_eq(websocket_close(&ws, 1000, ""), -1);
    ck_assert_str_eq(ws.error, "the connection is not open");
    websocket_free(&ws);
    websocket_free(&ws);
}

/* ---- what no server may send --------------------------------------------- */

#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *data;
    size_t len;
    int code; /* that the server is told */
    const char *error;
} breaches[] = {
    {BYTES("\x81\x85"
           "abcdhello"),
     1002, "masked"},
    {BYTES("\x8a\x80"
           "abcd"),
     1002, "masked"},
    {BYTES("\xc1\x01x"), 1002, "a bit"},
    {BYTES("\xa1\x01x"), 1002, "a bit"},
    {BYTES("\x91\x01x"), 1002, "a bit"},
    {BYTES("\x83\x01x"), 1002, "no known type"},
    {BYTES("\x87\x01x"), 1002, "no known type"},
    {BYTES("\x8b\x01x"), 1002, "no known type"},
    {BYTES("\x8f\x00"), 1002, "no known type"},
    {BYTES("\x09\x01x"), 1002, "a control frame"},
    {BYTES("\x08\x00"), 1002, "a control frame"},
    {BYTES("\x89\x7e\x00\x7e"), 1002, "a control frame"},
    {BYTES("\x88\x7f"), 1002, "a control frame"},
    {BYTES("\x80\x01x"), 1002, "out of turn"},
    {BYTES("\x00\x01x"), 1002, "out of turn"},
    {BYTES("\x01\x01x\x81\x01y"), 1002, "out of turn"},
    {BYTES("\x02\x00\x02\x00"), 1002, "out of turn"},
    {BYTES("\x81\x01x\x80\x00"), 1002, "out of turn"},
    {BYTES("\x82\x7e\x00\x7d"), 1002, "wrong form"},
    {BYTES("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), 1002, "wrong form"},
    {BYTES("\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00"), 1002, "wrong form"},
    {BYTES("\x82\x7e\x04\x01"), 1009, "too long"},
    {BYTES("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), 1009, "too long"},
    {BYTES("\x02\x01x\x80\x7e\x04\x00"), 1009, "too long"},
    {BYTES("\x81\x01\xff"), 1007, "no UTF-8"},
    {BYTES("\x81\x02\xc0\x80"), 1007, "no UTF-8"},
    {BYTES("\x81\x03\xed\xa0\x80"), 1007, "no UTF-8"},
    {BYTES("\x81\x04\xf4\x90\x80\x80"), 1007, "no UTF-8"},
    {BYTES("\x81\x05\xf8\x88\x80\x80\x80"), 1007, "no UTF-8"},
    {BYTES("\x81\x02\xe2\x82"), 1007, "no UTF-8"},
    {BYTES("\x01\x02\xe2\x82\x80\x01x"), 1007, "no UTF-8"},
    {BYTES("\x88\x01\x03"), 1002, "wrong code"},
    {BYTES("\x88\x02\x00\x00"), 1002, "wrong code"},
    {BYTES("\x88\x02\x03\xe7"), 1002, "wrong code"},
    {BYTES("\x88\x02\x03\xec"), 1002, "wrong code"},
    {BYTES("\x88\x02\x03\xed"), 1002, "wrong code"},
    {BYTES("\x88\x02\x03\xee"), 1002, "wrong code"},
    {BYTES("\x88\x02\x03\xf7"), 1002, "wrong code"},
    {BYTES("\x88\x02\x0b\xb7"), 1002, "wrong code"},
    {BYTES("\x88\x02\x13\x88"), 1002, "wrong code"},
    {BYTES("\x88\x02\xff\xff"), 1002, "wrong code"},
    {BYTES("\x88\x03\x03\xe8\xff"), 1007, "no UTF-8"},
};

EACH_TEST(what_breaks_the_protocol_ends_the_connection)
{
    struct peer peer = {0};
    struct websocket ws = {.message_max = 1024};
    int r;

    opened(&peer, &ws, NULL);
    peer_put(&peer, breaches[i].data, breaches[i].len);
    while ((r = websocket_receive(&ws)) > 0)
        continue;
    ck_assert_int_eq(r, -1);
    ck_assert_msg(strstr(ws.error, breaches[i].error) != NULL, "%s", ws.error);
    ck_assert_int_eq(ws.code, 1006);
    peer_hears_close(&peer, breaches[i].code);
    ck_assert_int_eq(websocket_receive(&ws), -1);
    ck_assert_int_eq(websocket_close(&ws, 1000, ""), -1);
    websocket_free(&ws);
    ck_assert_uint_eq(peer_take(&peer, &r, 1), 0);
    ended(&peer, &ws);
}

CO_TASK_TEST(a_message_of_the_greatest_length_is_taken)
{
    static char data[1024];
    struct peer peer = {0};
    struct websocket ws = {.message_max = sizeof(data)};

    opened(&peer, &ws, NULL);
    peer_says(&peer, 0x02, data, 1000);
    peer_says(&peer, 0x80, data, 24);
    peer_says(&peer, 0x82, data, sizeof(data));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(websocket_receive(&ws), WEBSOCKET_BINARY);
        ck_assert_uint_eq(ws.len, sizeof(data));
    }
    ended(&peer, &ws);
}

/* A length is a claim, and no reason to take memory. */
CO_TASK_TEST(room_is_made_as_the_bytes_come)
{
    struct peer peer = {0};
    struct websocket ws = {.message_max = (size_t)1 << 40};

    opened(&peer, &ws, NULL);
    peer_put(&peer, BYTES("\x82\x7f\x00\x00\x00\xff\xff\xff\xff\xff"
                          "some"));
    peer_close(&peer);
    ck_assert_int_eq(websocket_receive(&ws), -1);
    ck_assert_str_eq(ws.error, "cannot read: the server has gone");
    ck_assert_uint_lt(ws.room, 100000);
    ended(&peer, &ws);
}

static const struct {
    const char *data;
    size_t len;
} halves[] = {
    {BYTES("")},
    {BYTES("\x81")},
    {BYTES("\x81\x05")},
    {BYTES("\x81\x05hell")},
    {BYTES("\x81\x7e\x01")},
    {BYTES("\x82\x7f\x00\x00\x00\x00")},
    {BYTES("\x01\x05hello")},
    {BYTES("\x01\x05hello\x80")},
    {BYTES("\x89\x05hell")},
    {BYTES("\x88\x02\x03")},
};

EACH_TEST(a_server_that_goes_half_way_is_an_error)
{
    struct peer peer = {0};
    struct websocket ws = {0};

    opened(&peer, &ws, NULL);
    peer_put(&peer, halves[i].data, halves[i].len);
    peer_close(&peer);
    ck_assert_int_eq(websocket_receive(&ws), -1);
    ck_assert_str_eq(ws.error, "cannot read: the server has gone");
    ck_assert_int_eq(ws.code, 1006);
    ended(&peer, &ws);
}

CO_TASK_TEST(a_reset_is_an_error_and_no_signal)
{
    struct linger at_once = {1, 0};
    struct peer peer = {0};
    struct websocket ws = {0};
    int r = 0;

    opened(&peer, &ws, NULL);
    ck_assert_int_eq(setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &at_once,
                                sizeof(at_once)),
                     0);
    peer_close(&peer);
    for (int i = 0; i < 3 && r == 0; i++)
        r = websocket_send(&ws, WEBSOCKET_TEXT, "x", 1);
    ck_assert_int_eq(r, -1);
    ck_assert_ptr_nonnull(strstr(ws.error, "cannot write: "));
    ended(&peer, &ws);
}

/* ---- goodbye ------------------------------------------------------------- */

CO_TASK_TEST(a_goodbye_of_the_server_is_returned)
{
    struct peer peer = {0};
    struct websocket ws = {0};

    opened(&peer, &ws, NULL);
    peer_says_text(&peer, "last");
    peer_says(&peer, 0x88, BYTES("\x0f\xa0later"));
    peer_says_text(&peer, "not to be heard");
    is_text(&ws, "last");
    ck_assert_int_eq(websocket_receive(&ws), 0);
    ck_assert_int_eq(ws.code, 4000);
    ck_assert_str_eq(ws.reason, "later");
    peer_hears_close(&peer, 4000);
    ck_assert_int_eq(websocket_receive(&ws), 0);
    ck_assert_int_eq(websocket_close(&ws, 1000, ""), 0);
    ck_assert_int_eq(websocket_send(&ws, WEBSOCKET_TEXT, "x", 1), -1);
    ended(&peer, &ws);
}

CO_TASK_TEST(a_goodbye_without_a_code_is_answered_without)
{
    struct peer peer = {0};
    struct websocket ws = {0};

    opened(&peer, &ws, NULL);
    peer_says(&peer, 0x88, "", 0);
    ck_assert_int_eq(websocket_receive(&ws), 0);
    ck_assert_int_eq(ws.code, 1005);
    ck_assert_str_eq(ws.reason, "");
    peer_hears_close(&peer, 1005);
    ended(&peer, &ws);
}

CO_TASK_TEST(the_longest_reason_is_taken_and_sent)
{
    char reason[124];
    char data[125] = "\x03\xe8";
    struct peer peer = {0};
    struct websocket ws = {0};

    memset(reason, 'r', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = 0;
    memcpy(data + 2, reason, sizeof(reason) - 1);
    opened(&peer, &ws, NULL);
    peer_says(&peer, 0x88, data, sizeof(data));
    ck_assert_int_eq(websocket_close(&ws, 1000, reason), 0);
    ck_assert_str_eq(ws.reason, reason);
    peer_hears(&peer, 0x88, data, sizeof(data));
    ended(&peer, &ws);
}

CO_TASK_TEST(what_comes_before_the_servers_goodbye_is_dropped)
{
    struct peer peer = {0};
    struct websocket ws = {0};

    opened(&peer, &ws, NULL);
    peer_says_text(&peer, "one");
    peer_says(&peer, 0x01, "tw", 2);
    peer_says(&peer, 0x89, "?", 1);
    peer_says(&peer, 0x80, "o", 1);
    peer_says(&peer, 0x88, BYTES("\x03\xe8"));
    ck_assert_int_eq(websocket_close(&ws, 1000, "done"), 0);
    ck_assert_int_eq(ws.code, 1000);
    peer_hears(&peer, 0x88,
               BYTES("\x03\xe8"
                     "done")); /* and no pong behind it */
    websocket_free(&ws);
    ck_assert_uint_eq(peer_take(&peer, peer.url, 1), 0);
    ended(&peer, &ws);
}

CO_TASK_TEST(a_server_that_goes_on_after_goodbye_is_left)
{
    static char data[1000];
    struct peer peer = {0};
    struct websocket ws = {.message_max = 4096};

    opened(&peer, &ws, NULL);
    for (int i = 0; i < 5; i++)
        peer_says(&peer, 0x82, data, sizeof(data));
    ck_assert_int_eq(websocket_close(&ws, 1000, ""), -1);
    ck_assert_str_eq(ws.error, "the server goes on and on");
    ended(&peer, &ws);
}

CO_TASK_TEST(no_other_goodbye_can_be_said)
{
    static const int codes[] = {0, 999, 1004, 1005, 1006, 1015, 2999, 5000};
    char reason[125];

    memset(reason, 'r', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = 0;
    for (size_t i = 0; i <= sizeof(codes) / sizeof(*codes); i++) {
        struct peer peer = {0};
        struct websocket ws = {0};
        int is_code = i < sizeof(codes) / sizeof(*codes);

        opened(&peer, &ws, NULL);
        ck_assert_int_eq(websocket_close(&ws, is_code ? codes[i] : 1000,
                                         is_code ? "" : reason),
                         -1);
        ended(&peer, &ws);
    }
}

/* ---- limits and cancelling ----------------------------------------------- */

CO_TASK_TEST(a_cancel_ends_a_receive)
{
    struct peer peer = {0};
    struct client client = {0};
    co_task *task;

    opened(&peer, &client.ws, NULL);
    peer_put(&peer, "\x81\x05hel", 5);
    task = receiving(&client);
    co_cancel(task);
    peer_put(&peer, "lo", 2); /* in the same turn, but later */
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(client.result, -1);
    ck_assert_str_eq(client.ws.error, "cannot read: Operation canceled");
    /* Nobody knows what it is in the midst of. */
    ck_assert_int_eq(websocket_receive(&client.ws), -1);
    ck_assert_int_eq(websocket_close(&client.ws, 1000, ""), -1);
    ended(&peer, &client.ws);
}

/* All of it is in the buffer: the cancel is the next call's. */
CO_TASK_TEST(what_has_come_before_a_cancel_is_received)
{
    struct peer peer = {0};
    struct websocket ws = {0};

    opened(&peer, &ws, NULL);
    peer_put(&peer, BYTES("\x81\x01x\x81\x01y"));
    is_text(&ws, "x");
    co_cancel(co_self());
    is_text(&ws, "y");
    ck_assert_int_eq(websocket_receive(&ws), -1);
    co_uncancel(co_self());
    ck_assert_int_eq(websocket_receive(&ws), -1);
    ended(&peer, &ws);
}

CO_TASK_TEST(the_end_of_a_scope_ends_a_receive)
{
    struct peer peer = {0};
    struct websocket ws = {0};
    int r = 0;

    opened(&peer, &ws, NULL);
    co_timeout(10 * CO_MS)
        r = websocket_receive(&ws);
    ck_assert_int_eq(r, -1);
    ck_assert_str_eq(ws.error, "cannot read: Connection timed out");
    peer_says_text(&peer, "late");
    ck_assert_int_eq(websocket_receive(&ws), -1);
    ended(&peer, &ws);
}

CO_TASK_TEST(a_server_that_never_says_goodbye_is_left_in_time)
{
    struct peer peer = {0};
    struct websocket ws = {0};
    int r = 0;

    opened(&peer, &ws, NULL);
    co_timeout(10 * CO_MS)
        r = websocket_close(&ws, 1000, "");
    ck_assert_int_eq(r, -1);
    ck_assert_str_eq(ws.error, "cannot read: Connection timed out");
    peer_hears_close(&peer, 1000);
    ended(&peer, &ws);
}

/* Its listener has a backlog, but nobody who answers. */
CO_TASK_TEST(the_end_of_a_scope_ends_an_opening)
{
    struct websocket ws = {0};
    struct sockaddr_in addr;
    char url[64];
    int fd, r = 0;

    hook_listen(&fd, &addr);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d/", ntohs(addr.sin_port));
    co_timeout(10 * CO_MS)
        r = websocket_open(&ws, url, NULL);
    ck_assert_int_eq(r, -1);
    ck_assert_msg(strstr(ws.error, "Connection timed out") != NULL, "%s",
                  ws.error); /* connecting, or reading the answer */
    websocket_free(&ws);
    close(fd);
}

CO_TASK_TEST(the_end_of_a_scope_ends_a_send_that_nobody_reads)
{
    static char data[1 << 20];
    struct peer peer = {0};
    struct websocket ws = {0};
    int r = 0;

    opened(&peer, &ws, NULL);
    co_timeout(50 * CO_MS)
        for (int i = 0; i < 100 && r == 0; i++)
            r = websocket_send(&ws, WEBSOCKET_BINARY, data, sizeof(data));
    ck_assert_int_eq(r, -1);
    ck_assert_str_eq(ws.error, "cannot write: Connection timed out");
    ended(&peer, &ws);
}

/* ---- TLS ----------------------------------------------------------------- */

static SSL_CTX *trusting(const char *name)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    ck_assert_int_eq(SSL_CTX_load_verify_file(tls, cert_file(name)), 1);
    return tls;
}

CO_TASK_TEST(messages_go_through_tls)
{
    static char data[100000];
    struct peer peer = {.certificate = "good"};
    struct client client = {.data = data, .len = sizeof(data)};
    SSL_CTX *tls = trusting("ca");

    opened(&peer, &client.ws, tls);
    SSL_CTX_free(tls);
    is_exchanged(&client, &peer);
    peer_says(&peer, 0x88, BYTES("\x03\xe8"));
    ck_assert_int_eq(websocket_close(&client.ws, 1000, ""), 0);
    ended(&peer, &client.ws);
}

/* Its certificate, who is trusted, and what is wrong with that. */
EACH_TEST(a_server_that_is_not_trusted_is_refused)
{
    static const struct {
        const char *certificate, *trusted, *error;
    } cases[] = {
        {"strays", "ca", "local issuer"},
        {"other", "ca", "IP address mismatch"},
        {"expired", "ca", "has expired"},
        {"future", "ca", "not yet valid"},
        {"good", NULL, "local issuer"},
    };
    struct peer peer = {.certificate = cases[i].certificate};
    struct websocket ws = {0};
    SSL_CTX *tls = cases[i].trusted ? trusting(cases[i].trusted) : NULL;

    peer_begin(&peer, peer_shakes_hands);
    ck_assert_int_eq(websocket_open(&ws, peer.url, tls), -1);
    ck_assert_msg(strstr(ws.error, cases[i].error) != NULL, "%s", ws.error);
    SSL_CTX_free(tls);
    websocket_free(&ws);
    co_test_result(peer.task);
    peer_end(&peer);
}

CO_TASK_TEST(the_name_of_the_host_is_checked)
{
    static const struct {
        const char *certificate;
        int r;
    } cases[] = {{"good", 0}, {"other", -1}};

    for (size_t i = 0; i < 2; i++) {
        struct peer peer = {.certificate = cases[i].certificate};
        struct websocket ws = {0};
        SSL_CTX *tls = trusting("ca");
        char url[64];

        peer_begin(&peer, peer_shakes_hands);
        snprintf(url, sizeof(url), "wss://localhost:%s",
                 strrchr(peer.url, ':') + 1);
        ck_assert_msg(websocket_open(&ws, url, tls) == cases[i].r, "%s",
                      ws.error);
        if (cases[i].r < 0)
            ck_assert_str_eq(ws.error, "the certificate: hostname mismatch");
        SSL_CTX_free(tls);
        co_test_result(peer.task);
        ended(&peer, &ws);
    }
}

/* The end of the connection is not the end of TLS: somebody may have cut it. */
CO_TASK_TEST(tls_that_is_cut_is_an_error)
{
    struct peer peer = {.certificate = "good"};
    struct websocket ws = {0};
    SSL_CTX *tls = trusting("ca");

    opened(&peer, &ws, tls);
    SSL_CTX_free(tls);
    peer_says(&peer, 0x01, "hello", 5);
    SSL_set_quiet_shutdown(peer.tls, 1);
    peer_close(&peer);
    ck_assert_int_eq(websocket_receive(&ws), -1);
    ck_assert_ptr_nonnull(strstr(ws.error, "unexpected eof"));
    ended(&peer, &ws);
}

static int peer_talks_plainly(void *arg)
{
    struct peer *peer = arg;

    peer->fd = accept(peer->listener, NULL, NULL);
    peer_put(peer, BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"));
    return 0;
}

CO_TASK_TEST(a_server_without_tls_is_refused)
{
    struct peer peer = {.certificate = "good"};
    struct websocket ws = {0};
    SSL_CTX *tls = trusting("ca");

    peer_begin(&peer, peer_talks_plainly);
    ck_assert_int_eq(websocket_open(&ws, peer.url, tls), -1);
    ck_assert_str_eq(ws.error, "no TLS: wrong version number");
    SSL_CTX_free(tls);
    ck_assert_int_eq(co_test_result(peer.task), 0);
    ended(&peer, &ws);
}

/* ---- anything ------------------------------------------------------------ */

/* Sequences of frames, right ones, with a few bytes changed: whatever comes, a
 * receive ends, and ends well or with an error that is told. */
CO_TASK_TEST(no_stream_of_bytes_breaks_the_client)
{
    static const char frames[] =
        "\x81\x02hi\x01\x01x\x89\x01?\x80\x01y"
        "\x82\x7e\x00\x80................................"
        "................................................"
        "................................................"
        "\x8a\x00\x88\x04\x03\xe8ok";
    int rounds = co_test_scale(400, 100);
    uint32_t seed = 1;

    for (int i = 0; i < rounds; i++) {
        struct peer peer = {0};
        struct websocket ws = {.message_max = 300};
        char data[sizeof(frames) - 1];
        int r;

        memcpy(data, frames, sizeof(data));
        for (int changes = i % 4; changes > 0; changes--) {
            seed = seed * 1103515245 + 12345;
            data[(seed >> 16) % sizeof(data)] = (char)(seed >> 8);
        }
        opened(&peer, &ws, NULL);
        peer_put(&peer, data, sizeof(data));
        shutdown(peer.fd, SHUT_WR);
        while ((r = websocket_receive(&ws)) > 0)
            ck_assert_uint_le(ws.len, 300);
        ck_assert_int_eq(r == 0, ws.error[0] == 0);
        ck_assert_msg(i % 4 > 0 || r == 0, "%s", ws.error);
        ended(&peer, &ws);
    }
}

/* -------------------------------------------------------------------------- */

#define COUNT(array) ((int)(sizeof(array) / sizeof(*(array))))

static void cases_of_opening(Suite *s)
{
    TCase *tc = hook_case(s, "opening");

    tcase_add_test(tc, the_request_is_as_the_standard_has_it);
    tcase_add_loop_test(tc, what_is_no_handshake_is_refused, 0, COUNT(answers));
    tcase_add_loop_test(tc, every_line_of_the_answer_matters, 0, COUNT(lines));
    tcase_add_loop_test(tc, an_answer_without_an_end_is_refused, 0, 2);
    tcase_add_loop_test(tc, what_is_no_url_is_refused, 0, COUNT(not_urls));
    tcase_add_test(tc, a_url_that_is_too_long_is_refused);
    tcase_add_test(tc, where_nobody_listens_nothing_is_opened);
    tcase_add_test(tc, an_address_in_brackets_is_one_of_ipv6);
}

static void cases_of_messages(Suite *s)
{
    TCase *tc = hook_case(s, "messages");

    tcase_add_test(tc, messages_of_all_lengths_arrive);
    tcase_add_test(tc, no_two_frames_have_the_same_mask);
    tcase_add_test(tc, a_message_in_parts_with_pings_between_is_one);
    tcase_add_test(tc, a_message_may_come_in_any_pieces);
    tcase_add_test(tc, parts_and_pings_are_sent);
    tcase_add_loop_test(tc, what_cannot_be_sent_is_refused, 0, 7);
    tcase_add_test(tc, a_connection_that_was_not_opened_is_of_no_use);
    tcase_add_loop_test(tc, what_breaks_the_protocol_ends_the_connection, 0,
                        COUNT(breaches));
    tcase_add_test(tc, a_message_of_the_greatest_length_is_taken);
    tcase_add_test(tc, room_is_made_as_the_bytes_come);
    tcase_add_loop_test(tc, a_server_that_goes_half_way_is_an_error, 0,
                        COUNT(halves));
    tcase_add_test(tc, a_reset_is_an_error_and_no_signal);
    tcase_add_test(tc, no_stream_of_bytes_breaks_the_client);
}

static void cases_of_the_end(Suite *s)
{
    TCase *tc = hook_case(s, "goodbye");

    tcase_add_test(tc, a_goodbye_of_the_server_is_returned);
    tcase_add_test(tc, a_goodbye_without_a_code_is_answered_without);
    tcase_add_test(tc, the_longest_reason_is_taken_and_sent);
    tcase_add_test(tc, what_comes_before_the_servers_goodbye_is_dropped);
    tcase_add_test(tc, a_server_that_goes_on_after_goodbye_is_left);
    tcase_add_test(tc, no_other_goodbye_can_be_said);

    tc = hook_case(s, "limits");
    tcase_add_test(tc, a_cancel_ends_a_receive);
    tcase_add_test(tc, what_has_come_before_a_cancel_is_received);
    tcase_add_test(tc, the_end_of_a_scope_ends_a_receive);
    tcase_add_test(tc, a_server_that_never_says_goodbye_is_left_in_time);
    tcase_add_test(tc, the_end_of_a_scope_ends_an_opening);
    tcase_add_test(tc, the_end_of_a_scope_ends_a_send_that_nobody_reads);
}

static Suite *suite(void)
{
    Suite *s = suite_create("websocket");
    TCase *tc;

    cases_of_opening(s);
    cases_of_messages(s);
    cases_of_the_end(s);
    tc = hook_case(s, "tls");
    tcase_add_unchecked_fixture(tc, cert_make_all, cert_remove_all);
    tcase_add_test(tc, messages_go_through_tls);
    tcase_add_loop_test(tc, a_server_that_is_not_trusted_is_refused, 0, 5);
    tcase_add_test(tc, the_name_of_the_host_is_checked);
    tcase_add_test(tc, tls_that_is_cut_is_an_error);
    tcase_add_test(tc, a_server_without_tls_is_refused);
    return s;
}

CO_TEST_MAIN(suite)
