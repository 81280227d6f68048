/* SPDX-License-Identifier: MIT */
/*
 * A chain of BIOs: a buffer, TLS if wanted, the connection. The buffer lets a
 * frame of several pieces leave by one write, and the server's come by few
 * reads; a read from it comes back when all that was asked for is there.
 *
 * Whatever is not as RFC 6455 has it ends the connection, with the code that
 * the RFC has for it. What a frame claims as its length is not believed: room
 * is made as the bytes come.
 */
#include "websocket.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/http.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MESSAGE_MAX 0x100000 /* unless told otherwise */
#define URL_MAX     2000     /* the request fits the buffer */
#define HEADER_MAX  16384    /* all lines of the answer */
#define CONTROL_MAX 125
#define MASK_BYTES  4
#define PIECE       16384 /* by which a message grows, at least */

/* More frames: what none but the client itself sends. */
enum {
    CLOSE = 8,
    PING = 9,
    PONG = 10,
    LAST = 0x80, /* the bit of a message's last frame */
    MASKED = 0x80
};

enum {
    BREACH = 1002, /* of the protocol */
    NO_CODE = 1005,
    LOST = 1006,
    NOT_TEXT = 1007,
    TOO_BIG = 1009
};

/* ---- errors -------------------------------------------------------------- */

static int say(struct websocket *ws, const char *what, const char *why)
{
    if (!ws->failed)
        snprintf(ws->error, sizeof(ws->error), "%s%s%.100s", what,
                 why[0] ? ": " : "", why);
    ws->failed = 1;
    if (!ws->code)
        ws->code = LOST;
    return -1;
}

/* A call of OpenSSL's has failed. What it was told by the system is in its
 * queue, or, of reads and writes, in errno. */
static int broken(struct websocket *ws, const char *what)
{
    int system = errno;
    unsigned long error = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(error))
        system = ERR_GET_REASON(error);
    else if (error)
        return say(ws, what, ERR_reason_error_string(error));
    return say(ws, what, system ? strerror(system) : "the server has gone");
}

/* Whether to make a call again that has returned this. 0 is the end: errno is
 * of something else. */
static int is_interrupted(struct websocket *ws, long result)
{
    if (result == 0)
        errno = 0;
    return BIO_should_retry(ws->bio) && errno == EINTR;
}

static void forget_errors(void)
{
    ERR_clear_error();
    errno = 0;
}

/* ---- bytes --------------------------------------------------------------- */

static int take(struct websocket *ws, void *data, size_t len)
{
    unsigned char *at = data;
    while (len > 0) {
        forget_errors();
        int n = BIO_read(ws->bio, at, len < INT_MAX ? (int)len : INT_MAX);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        } else if (!is_interrupted(ws, n)) {
            return broken(ws, "cannot read");
        }
    }
    return 0;
}

static int put(struct websocket *ws, const void *data, size_t len)
{
    const unsigned char *at = data;
    while (len > 0) {
        forget_errors();
        int n = BIO_write(ws->bio, at, len < INT_MAX ? (int)len : INT_MAX);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        } else if (!is_interrupted(ws, n)) {
            return broken(ws, "cannot write");
        }
    }
    return 0;
}

static int flush(struct websocket *ws)
{
    long done;
    do {
        forget_errors();
        done = BIO_flush(ws->bio);
    } while (done <= 0 && is_interrupted(ws, done));
    return done > 0 ? 0 : broken(ws, "cannot write");
}

/* ---- frames, outwards ---------------------------------------------------- */

/* The mask is new for each, and nobody can guess it: who chooses the data
 * cannot choose what is on the wire. */
static int send_frame(struct websocket *ws, int first, const void *data,
                      size_t len)
{
    const unsigned char *at = data;
    unsigned char head[10 + MASK_BYTES], piece[1024], *mask;
    size_t bytes = len < 126 ? 0 : len <= 0xffff ? 2 : 8;
    head[0] = (unsigned char)first;
    head[1] = (unsigned char)(MASKED | (bytes == 0   ? len
                                        : bytes == 2 ? 126
                                                     : 127));
    for (size_t i = 0; i < bytes; i++)
        head[2 + i] = (unsigned char)((uint64_t)len >> 8 * (bytes - 1 - i));
    mask = head + 2 + bytes;
    forget_errors();
    if (RAND_bytes(mask, MASK_BYTES) != 1)
        return broken(ws, "no random bytes");
    if (put(ws, head, 2 + bytes + MASK_BYTES) < 0)
        return -1;
    /* A piece is a multiple of the mask. */
    while (len > 0) {
        size_t step = len < sizeof(piece) ? len : sizeof(piece);
        for (size_t i = 0; i < step; i++)
            piece[i] = at[i] ^ mask[i % MASK_BYTES];
        if (put(ws, piece, step) < 0)
            return -1;
        at += step;
        len -= step;
    }
    return flush(ws);
}

static int send_close(struct websocket *ws, int code, const char *reason)
{
    unsigned char data[CONTROL_MAX + 1] = {(unsigned char)(code >> 8),
                                           (unsigned char)code};
    size_t len = strlen(reason);
    memcpy(data + 2, reason, len + 1);
    ws->said_close = 1;
    return send_frame(ws, LAST | CLOSE, data, code == NO_CODE ? 0 : len + 2);
}

/* What the server has done is not to be borne: it is told why. */
static int refuse(struct websocket *ws, int code, const char *what)
{
    say(ws, "the server has sent", what);
    if (!ws->said_close)
        send_close(ws, code, "");
    return -1;
}

static int is_open(struct websocket *ws)
{
    if (ws->failed)
        return 0;
    if (ws->bio && !ws->said_close && !ws->heard_close)
        return 1;
    say(ws, "the connection is not open", "");
    return 0;
}

int websocket_send(struct websocket *ws, int type, const void *data, size_t len)
{
    int is_last = !(type & WEBSOCKET_MORE);
    type &= ~WEBSOCKET_MORE;
    if (!is_open(ws))
        return -1;
    if (type < 0 || type > WEBSOCKET_BINARY || ws->sending == !!type)
        return say(ws, "this is not what can be sent now", "");
    ws->sending = !is_last;
    return send_frame(ws, type | (is_last ? LAST : 0), data, len);
}

int websocket_ping(struct websocket *ws, const void *data, size_t len)
{
    if (!is_open(ws))
        return -1;
    if (len > CONTROL_MAX)
        return say(ws, "a ping is of 125 bytes at most", "");
    return send_frame(ws, LAST | PING, data, len);
}

/* ---- frames, inwards ----------------------------------------------------- */

struct frame {
    int type;
    int is_last;
    uint64_t len;
};

static int take_length(struct websocket *ws, struct frame *frame)
{
    unsigned char data[8];
    size_t bytes = frame->len < 126 ? 0 : frame->len == 126 ? 2 : 8;
    if (bytes == 0)
        return 0;
    if (take(ws, data, bytes) < 0)
        return -1;
    frame->len = 0;
    for (size_t i = 0; i < bytes; i++)
        frame->len = frame->len << 8 | data[i];
    if (frame->len < (bytes == 2 ? 126 : 0x10000) || frame->len >> 63)
        return refuse(ws, BREACH, "a length in a wrong form");
    return 0;
}

static int take_head(struct websocket *ws, struct frame *frame)
{
    unsigned char head[2];
    if (take(ws, head, sizeof(head)) < 0)
        return -1;
    frame->is_last = (head[0] & LAST) != 0;
    frame->type = head[0] & 0x0f;
    frame->len = head[1] & 0x7f;
    if (head[0] & 0x70)
        return refuse(ws, BREACH, "a frame with a bit that means nothing");
    if (head[1] & MASKED)
        return refuse(ws, BREACH, "a masked frame");
    if (frame->type > PONG ||
        (frame->type > WEBSOCKET_BINARY && frame->type < CLOSE))
        return refuse(ws, BREACH, "a frame of no known type");
    if (frame->type >= CLOSE)
        return frame->is_last && frame->len <= CONTROL_MAX
                   ? 0
                   : refuse(ws, BREACH,
                            "a control frame in parts, or too long");
    if ((ws->type == 0) != (frame->type != WEBSOCKET_CONTINUATION))
        return refuse(ws, BREACH, "parts of a message out of turn");
    if (take_length(ws, frame) < 0)
        return -1;
    if (frame->len > ws->message_max - ws->len)
        return refuse(ws, TOO_BIG, "a message that is too long");
    return 0;
}

/* Room for so much, and for a zero behind it. */
static int reserve(struct websocket *ws, size_t len)
{
    if (ws->room > len)
        return 0;
    size_t room = ws->room + ws->room / 2 + PIECE;
    if (room <= len)
        room = len + 1;
    unsigned char *message = realloc(ws->message, room);
    if (!message)
        return say(ws, "no memory", "");
    ws->message = message;
    ws->room = room;
    return 0;
}

static int take_data(struct websocket *ws, uint64_t len)
{
    do {
        size_t step = len < PIECE ? (size_t)len : PIECE;
        if (reserve(ws, ws->len + step) < 0 ||
            take(ws, ws->message + ws->len, step) < 0)
            return -1;
        ws->len += step;
        len -= step;
    } while (len > 0);
    ws->message[ws->len] = 0;
    return 0;
}

static int is_text(const unsigned char *at, size_t len)
{
    while (len > 0) {
        unsigned long value;
        int n = UTF8_getc(at, len < 4 ? (int)len : 4, &value);
        if (n <= 0 || value > 0x10ffff)
            return 0;
        at += n;
        len -= (size_t)n;
    }
    return 1;
}

/* That may be on the wire: RFC 6455, 7.4, and what was registered since. */
static int is_close_code(int code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != NO_CODE &&
            code != LOST) ||
           (code >= 3000 && code <= 4999);
}

static int take_close(struct websocket *ws, const unsigned char *data,
                      size_t len)
{
    int code = len == 0 ? NO_CODE : len == 1 ? 0 : data[0] << 8 | data[1];
    if (code != NO_CODE || len > 0) {
        if (!is_close_code(code))
            return refuse(ws, BREACH, "a goodbye with a wrong code");
        if (!is_text(data + 2, len - 2))
            return refuse(ws, NOT_TEXT, "a goodbye that is no UTF-8");
        memcpy(ws->reason, data + 2, len - 2);
    }
    ws->code = code;
    ws->heard_close = 1;
    return ws->said_close ? 0 : send_close(ws, code, "");
}

static int take_control(struct websocket *ws, const struct frame *frame)
{
    unsigned char data[CONTROL_MAX];
    size_t len = (size_t)frame->len;
    if (take(ws, data, len) < 0)
        return -1;
    if (frame->type == CLOSE)
        return take_close(ws, data, len);
    ws->pongs += frame->type == PONG;
    return frame->type == PONG || ws->said_close
               ? 0
               : send_frame(ws, LAST | PONG, data, len);
}

/* The next part of a message: 1 if it was the last. */
static int take_part(struct websocket *ws)
{
    struct frame frame;
    if (take_head(ws, &frame) < 0)
        return -1;
    if (frame.type >= CLOSE)
        return take_control(ws, &frame);
    if (frame.type != WEBSOCKET_CONTINUATION)
        ws->type = frame.type;
    if (take_data(ws, frame.len) < 0)
        return -1;
    return frame.is_last;
}

int websocket_receive(struct websocket *ws)
{
    int r = 0;
    ws->len = 0;
    if (!ws->failed && !ws->bio)
        return say(ws, "the connection is not open", "");
    while (r == 0) {
        if (ws->failed || ws->heard_close)
            return ws->failed ? -1 : 0;
        r = take_part(ws);
    }
    if (r < 0)
        return -1;
    r = ws->type;
    ws->type = 0;
    if (r == WEBSOCKET_TEXT && !is_text(ws->message, ws->len))
        return refuse(ws, NOT_TEXT, "a text that is no UTF-8");
    return r;
}

int websocket_close(struct websocket *ws, int code, const char *reason)
{
    size_t dropped = 0;
    int r;
    if (ws->heard_close && !ws->failed)
        return 0; /* the server was first */
    if (!is_open(ws))
        return -1;
    if (!is_close_code(code) || strlen(reason) > CONTROL_MAX - 2)
        return say(ws, "this is no way to say goodbye", "");
    if (send_close(ws, code, reason) < 0)
        return -1;
    while ((r = websocket_receive(ws)) > 0) {
        dropped += ws->len + 1;
        if (dropped > ws->message_max)
            return say(ws, "the server goes on and on", "");
    }
    return r;
}

/* ---- the handshake ------------------------------------------------------- */

/* The proof that the server has understood: RFC 6455, 4.2.2. */
static int proof(const char *key, char *accept)
{
    char text[64];
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len;
    snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    if (!EVP_Digest(text, strlen(text), hash, &len, EVP_sha1(), NULL))
        return -1;
    return EVP_EncodeBlock((unsigned char *)accept, hash, (int)len);
}

/* Whether a word is one of those that are in a list with commas. */
static int has_word(char *list, const char *word)
{
    char *rest;
    for (char *each = strtok_r(list, ", \t", &rest); each;
         each = strtok_r(NULL, ", \t", &rest))
        if (strcasecmp(each, word) == 0)
            return 1;
    return 0;
}

struct answer {
    char accept[EVP_MAX_MD_SIZE * 2];  /* what it has to be */
    int upgrade, connection, accepted; /* how often it was said, and right */
    int strange; /* what was not asked for, or not right */
};

static void take_header(struct answer *answer, const char *name, char *value)
{
    if (strcasecmp(name, "Upgrade") == 0)
        answer->upgrade += has_word(value, "websocket");
    else if (strcasecmp(name, "Connection") == 0)
        answer->connection += has_word(value, "Upgrade");
    else if (strcasecmp(name, "Sec-WebSocket-Accept") == 0)
        answer->accepted += strcmp(value, answer->accept) == 0 ? 1 : 2;
    else if (strcasecmp(name, "Sec-WebSocket-Extensions") == 0 ||
             strcasecmp(name, "Sec-WebSocket-Protocol") == 0)
        answer->strange++;
}

/* A line without its end; its length, or -1. */
static int take_line(struct websocket *ws, char *line, int size, size_t *total)
{
    int len;
    do {
        forget_errors();
        len = BIO_gets(ws->bio, line, size);
    } while (len <= 0 && is_interrupted(ws, len));
    if (len <= 0)
        return broken(ws, "cannot read");
    *total += (size_t)len;
    if (memchr(line, 0, (size_t)len) || *total > HEADER_MAX ||
        (line[len - 1] != '\n' && len == size - 1))
        return say(ws, "the server's answer is not HTTP, or too long", "");
    if (line[len - 1] != '\n')
        return say(ws, "cannot read", "the server has gone");
    len -= len > 1 && line[len - 2] == '\r' ? 2 : 1;
    line[len] = 0;
    return len;
}

static int take_answer(struct websocket *ws, struct answer *answer)
{
    char line[1024];
    size_t total = 0;
    int len = take_line(ws, line, sizeof(line), &total);
    if (len < 0)
        return -1;
    if (strncmp(line, "HTTP/1.1 101", 12) != 0 || (line[12] && line[12] != ' '))
        return say(ws, "the server has refused", line);
    while ((len = take_line(ws, line, sizeof(line), &total)) > 0) {
        char *colon = strchr(line, ':');
        if (!colon)
            return say(ws, "the server's answer is not HTTP", "");
        char *value = colon + 1 + strspn(colon + 1, " \t");
        for (char *end = line + len;
             end > value && (end[-1] == ' ' || end[-1] == '\t');)
            *--end = 0;
        *colon = 0;
        take_header(answer, line, value);
    }
    if (len < 0)
        return -1;
    if (!answer->upgrade || !answer->connection || answer->accepted != 1 ||
        answer->strange)
        return say(ws, "the server does not speak WebSocket", "");
    return 0;
}

/* ---- opening ------------------------------------------------------------- */

struct url {
    char *scheme, *user, *host, *path, *query, *fragment;
    int port; /* 0: the scheme's */
    int is_tls;
};

static void url_free(struct url *url)
{
    OPENSSL_free(url->scheme);
    OPENSSL_free(url->user);
    OPENSSL_free(url->host);
    OPENSSL_free(url->path);
    OPENSSL_free(url->query);
    OPENSSL_free(url->fragment);
}

/* A URL goes into the request as it is: nothing in it may end the line. */
static int url_parse(struct url *url, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return -1;
    if (len > URL_MAX ||
        !OSSL_parse_url(text, &url->scheme, &url->user, &url->host, NULL,
                        &url->port, &url->path, &url->query, &url->fragment))
        return -1;
    url->is_tls = strcasecmp(url->scheme, "wss") == 0;
    if ((!url->is_tls && strcasecmp(url->scheme, "ws") != 0) || *url->user ||
        *url->fragment || !*url->host || strchr(text, '#'))
        return -1;
    return 0;
}

/* Who is at the other end has to have a certificate of that host. */
static int expect(SSL *ssl, const char *host)
{
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host))
        return 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
}

static SSL_CTX *system_trust(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls && SSL_CTX_set_default_verify_paths(tls) &&
        SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION))
        return tls;
    SSL_CTX_free(tls);
    return NULL;
}

static int push(struct websocket *ws, BIO *bio)
{
    if (!bio)
        return broken(ws, "no memory");
    ws->bio = BIO_push(bio, ws->bio);
    return 0;
}

static int secure(struct websocket *ws, const char *host, SSL_CTX *tls)
{
    char name[256];
    SSL *ssl = NULL;
    size_t len = strlen(host);
    long done;
    /* An address of IPv6 is in brackets. */
    snprintf(name, sizeof(name), "%.*s", (int)(len - 2 * (host[0] == '[')),
             host + (host[0] == '['));
    if (tls)
        SSL_CTX_up_ref(tls);
    else if (!(tls = system_trust()))
        return broken(ws, "no TLS");
    int r = push(ws, BIO_new_ssl(tls, 1));
    SSL_CTX_free(tls); /* ssl has its own reference */
    if (r < 0)
        return -1;
    BIO_get_ssl(ws->bio, &ssl);
    if (!expect(ssl, name))
        return broken(ws, "the host's name");
    do {
        forget_errors();
        done = BIO_do_handshake(ws->bio);
    } while (done <= 0 && is_interrupted(ws, done));
    long why = SSL_get_verify_result(ssl);
    if (why != X509_V_OK)
        return say(ws, "the certificate", X509_verify_cert_error_string(why));
    return done > 0 ? 0 : broken(ws, "no TLS");
}

/* "host:port": for connecting, and for the server, which is not told the port
 * that all have. */
static int dial(struct websocket *ws, const struct url *url, char *host,
                size_t size)
{
    int usual = url->is_tls ? 443 : 80;
    long done;
    snprintf(host, size, "%s:%d", url->host, url->port ? url->port : usual);
    forget_errors();
    if (push(ws, BIO_new(BIO_s_connect())) < 0)
        return -1;
    if (BIO_set_conn_hostname(ws->bio, host) <= 0)
        return broken(ws, "no memory");
    BIO_set_conn_mode(ws->bio, BIO_SOCK_NODELAY);
    do {
        forget_errors();
        done = BIO_do_connect(ws->bio);
    } while (done <= 0 && is_interrupted(ws, done));
    if (done <= 0)
        return broken(ws, "cannot connect");
    if (url->port == 0 || url->port == usual)
        snprintf(host, size, "%s", url->host);
    return 0;
}

static int shake_hands(struct websocket *ws, const struct url *url,
                       const char *host)
{
    struct answer answer = {0};
    unsigned char nonce[16];
    char key[25];
    forget_errors();
    if (RAND_bytes(nonce, sizeof(nonce)) != 1)
        return broken(ws, "no random bytes");
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof(nonce));
    if (proof(key, answer.accept) < 0)
        return broken(ws, "no SHA-1");
    if (BIO_printf(ws->bio,
                   "GET %s%s%s HTTP/1.1\r\n"
                   "Host: %s\r\n"
                   "Upgrade: websocket\r\n"
                   "Connection: Upgrade\r\n"
                   "Sec-WebSocket-Key: %s\r\n"
                   "Sec-WebSocket-Version: 13\r\n\r\n",
                   url->path, *url->query ? "?" : "", url->query, host,
                   key) <= 0)
        return broken(ws, "cannot write");
    return flush(ws) < 0 ? -1 : take_answer(ws, &answer);
}

int websocket_open(struct websocket *ws, const char *url, SSL_CTX *tls)
{
    struct url parts = {0};
    char host[URL_MAX + 8];
    int r = -1;
    if (!ws->message_max)
        ws->message_max = MESSAGE_MAX;
    forget_errors();
    if (url_parse(&parts, url) < 0)
        say(ws, "not a URL of WebSocket", url);
    else if (dial(ws, &parts, host, sizeof(host)) == 0 &&
             (!parts.is_tls || secure(ws, parts.host, tls) == 0) &&
             push(ws, BIO_new(BIO_f_buffer())) == 0)
        r = shake_hands(ws, &parts, host);
    url_free(&parts);
    return r;
}

void websocket_free(struct websocket *ws)
{
    SSL *ssl = NULL;
    if (ws->bio)
        BIO_get_ssl(ws->bio, &ssl);
    /* The end of a broken connection is not announced: that could wait. */
    if (ssl && !ws->heard_close)
        SSL_set_quiet_shutdown(ssl, 1);
    BIO_free_all(ws->bio);
    free(ws->message);
    memset(ws, 0, sizeof(*ws));
}
