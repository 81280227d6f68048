/* SPDX-License-Identifier: MIT */
/*
 * A connection: what is behind a stream of TLS. OpenSSL is called, and then
 * what it wrote is sent, and what it lacks is waited for, with no call of it on
 * the stack. So a reader and a writer may take turns with one SSL object.
 *
 * Readers send, too (answers to key updates, alerts), hence the lock. What was
 * encrypted has to be sent in order and cannot be taken back: it counts as
 * written, and a call that is interrupted leaves it to the next one that sends.
 *
 * The stream below may be closed, by a close of ours or by who accepted it,
 * while a task waits in it. It then gets -EBADF, and looks at `below` no more.
 */
#include "tls/tls.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define RECORD    ((size_t)16 * 1024)
#define WRITE_MAX (4 * RECORD) /* encrypted before it is sent */
#define OVERHEAD  128          /* by which a record grows, at most */
#define OWED_MAX  RECORD       /* answers that may wait while another sends */

/* ---- life ---------------------------------------------------------------- */

struct co__tls_conn *co__tls_conn_new(co_tls_context *context, co_stream *below)
{
    struct co__tls_conn *conn = calloc(1, sizeof(*conn));
    BIO *bio;

    if (!conn)
        return NULL;
    co__tls_errors_begin();
    conn->ssl = SSL_new(context->ssl);
    bio = conn->ssl ? co__tls_bio_new(conn) : NULL;
    co__tls_errors_end();
    if (!bio) {
        SSL_free(conn->ssl);
        free(conn);
        return NULL;
    }
    SSL_set_bio(conn->ssl, bio, bio);
    SSL_set_app_data(conn->ssl, conn);
    co__tls_context_ref(context);
    conn->context = context;
    conn->below = below;
    return conn;
}

void co__tls_conn_free(struct co__tls_conn *conn)
{
    SSL_free(conn->ssl);
    co_tls_context_free(conn->context);
    co_mutex_fini(&conn->sending);
    free(conn->fresh.bytes);
    free(conn->going.bytes);
    free(conn->host);
    free(conn->alpn);
    free(conn->subject);
    free(conn);
}

/* ---- bytes from and to the stream below ---------------------------------- */

static size_t left(const struct co__tls_conn *conn)
{
    return conn->window_len - conn->window_used;
}

/* What was used up is not the stream's any more. */
static void use_up(struct co__tls_conn *conn)
{
    if (conn->window_used)
        (void)co_stream_skip(conn->below, conn->window_used);
    conn->window_len = conn->window_used = 0;
}

/* The window is empty: wait for more. 0, also at the end; or an error. */
static int more(struct co__tls_conn *conn)
{
    const void *data;
    ssize_t n;

    if (conn->ended)
        return 0;
    if (!conn->below)
        return -EBADF;
    use_up(conn);
    n = co_stream_peek(conn->below, 1, &data);
    if (n < 0)
        return (int)n;
    conn->window = data;
    conn->window_len = (size_t)n;
    conn->ended = n == 0;
    return 0;
}

static void empty(struct co__tls_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct co__tls_buffer){0};
}

static int send_all(struct co__tls_conn *conn)
{
    struct co__tls_buffer *going = &conn->going;

    while (conn->below) {
        size_t done;
        int r;

        if (!going->count) {
            empty(going);
            if (!conn->fresh.count)
                return 0;
            *going = conn->fresh;
            conn->fresh = (struct co__tls_buffer){0};
            conn->owed = 0;
        }
        r = co_stream_write(conn->below, going->bytes + going->head,
                            going->count, &done);
        going->head += done;
        going->count -= done;
        if (r < 0)
            return r;
    }
    return -EBADF;
}

static int held_back(const struct co__tls_conn *conn)
{
    return conn->fresh.count || conn->going.count;
}

/* Send what is encrypted: 0, or an error. */
static int send_out(struct co__tls_conn *conn)
{
    int r;

    if (!held_back(conn) && !co_mutex_is_locked(&conn->sending))
        return 0;
    r = co_mutex_lock(&conn->sending);
    if (r < 0)
        return r;
    r = send_all(conn);
    co_mutex_unlock(&conn->sending);
    return r;
}

/* ---- calls of OpenSSL ---------------------------------------------------- */

/* What a call that returned `result` came to, `code` being what is new in the
 * error queue: its result, -EAGAIN (it needs more), or an error. */
static int outcome(struct co__tls_conn *conn, int result, unsigned long code)
{
    int hungry = conn->hungry;

    conn->hungry = 0;
    if (result > 0)
        return result;
    if (code)
        conn->failed = co__tls_error_of(conn->ssl, code);
    else if (conn->no_memory)
        conn->failed = co__tls_fail(-ENOMEM, "");
    else if (SSL_get_shutdown(conn->ssl) & SSL_RECEIVED_SHUTDOWN)
        return 0;
    else if (hungry)
        return -EAGAIN;
    else
        conn->failed = co__tls_fail(conn->ended ? -ECONNABORTED : -EPROTO, "");
    return conn->failed;
}

int co__tls_conn_handshake(struct co__tls_conn *conn)
{
    int r, sent;

    for (;;) {
        co__tls_errors_begin();
        r = SSL_do_handshake(conn->ssl);
        r = outcome(conn, r, co__tls_errors_end());
        sent = send_out(conn); /* also the alert that says what is wrong */
        if (r == 0)
            r = conn->failed = co__tls_fail(-EPROTO, "");
        if (r == -EAGAIN)
            r = sent < 0 ? sent : more(conn);
        else
            break;
        if (r < 0)
            return r;
    }
    conn->owes_ticket =
        conn->context->is_server && !conn->context->no_resumption;
    return r < 0 ? r : sent;
}

/* ---- reading ------------------------------------------------------------- */

/* Read what there is: as outcome(). */
static ssize_t read_now(struct co__tls_conn *conn, void *buffer, size_t len)
{
    size_t before = conn->fresh.count;
    int r;

    if (conn->failed)
        return conn->failed;
    co__tls_errors_begin();
    r = SSL_read(conn->ssl, buffer, len < INT_MAX ? (int)len : INT_MAX);
    conn->owed += conn->fresh.count - before;
    return outcome(conn, r, co__tls_errors_end());
}

/* As above; and answer what had to be, or leave it to who is sending. But a
 * peer that asks for more and more answers, and reads none, has to wait for
 * them. What a writer has encrypted does not count: two that only write at
 * first would wait for each other. If sending fails, who writes is told. */
static ssize_t try_read(void *arg, void *buffer, size_t len)
{
    struct co__tls_conn *conn = arg;
    ssize_t n = read_now(conn, buffer, len);

    if (conn->owed > OWED_MAX ||
        (conn->fresh.count && !co_mutex_is_locked(&conn->sending)))
        (void)send_out(conn);
    return n;
}

static int wait_for_more(void *arg)
{
    struct co__tls_conn *conn = arg;

    if (left(conn) || conn->ended || conn->failed ||
        SSL_pending(conn->ssl) > 0 ||
        SSL_get_shutdown(conn->ssl) & SSL_RECEIVED_SHUTDOWN)
        return 0;
    return more(conn);
}

static ssize_t read_some(void *arg, void *buffer, size_t len)
{
    struct co__tls_conn *conn = arg;

    for (;;) {
        ssize_t n = try_read(conn, buffer, len);
        int r;

        if (n != -EAGAIN)
            return n;
        r = more(conn);
        if (r < 0)
            return r;
    }
}

/* ---- writing ------------------------------------------------------------- */

/*
 * Have a ticket sent before what is written first, for the client to resume. By
 * default it comes with the end of the handshake: a client that only writes
 * would leave it unread when it closes, and the kernel would reset the
 * connection, with what it wrote.
 */
static void give_ticket(struct co__tls_conn *conn)
{
    conn->owes_ticket = 0;
    SSL_new_session_ticket(conn->ssl); /* not in TLS 1.2 */
}

/* Encrypt, a record at most, with room for all: how many bytes, or an error. */
static ssize_t encrypt(struct co__tls_conn *conn, const void *data, size_t len)
{
    int r;

    if (conn->failed)
        return conn->failed;
    if (SSL_get_shutdown(conn->ssl) & SSL_SENT_SHUTDOWN)
        return -EPIPE;
    if (co__tls_make_room(&conn->fresh, len + (len / RECORD + 1) * OVERHEAD))
        return -ENOMEM;
    co__tls_errors_begin();
    if (conn->owes_ticket)
        give_ticket(conn);
    r = SSL_write(conn->ssl, data, len < INT_MAX ? (int)len : INT_MAX);
    r = outcome(conn, r, co__tls_errors_end());
    return r == 0 || r == -EAGAIN ? -EPROTO : r;
}

/* Small pieces make one record. */
static ssize_t encrypt_together(struct co__tls_conn *conn,
                                const struct iovec *iov, int iov_count)
{
    char *together = malloc(RECORD);
    size_t len = 0;
    ssize_t n;

    if (!together)
        return -ENOMEM;
    for (int i = 0; i < iov_count && len < RECORD; i++) {
        size_t part = iov[i].iov_len;

        if (part > RECORD - len)
            part = RECORD - len;
        if (part)
            memcpy(together + len, iov[i].iov_base, part);
        len += part;
    }
    n = encrypt(conn, together, len);
    free(together);
    return n;
}

/* Encrypt the first bytes of a vector: how many, or an error if none. */
static ssize_t encrypt_some(struct co__tls_conn *conn, const struct iovec *iov,
                            int iov_count)
{
    const char *data;
    size_t done = 0, len;

    while (iov_count > 1 && !iov->iov_len) {
        iov++;
        iov_count--;
    }
    data = iov->iov_base;
    len = iov->iov_len;
    if (iov_count > 1 && len < RECORD)
        return encrypt_together(conn, iov, iov_count);
    if (len > WRITE_MAX)
        len = WRITE_MAX;
    while (done < len) {
        ssize_t n = encrypt(conn, data + done, len - done);

        if (n < 0)
            return done ? (ssize_t)done : n;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static int flush(void *arg)
{
    struct co__tls_conn *conn = arg;

    return conn->failed ? conn->failed : send_out(conn);
}

static ssize_t writev_some(void *arg, const struct iovec *iov, int iov_count)
{
    struct co__tls_conn *conn = arg;
    int r = flush(conn); /* what an earlier call has left */
    ssize_t n;

    if (r < 0)
        return r;
    n = encrypt_some(conn, iov, iov_count);
    (void)send_out(conn); /* it is taken; the next call says what went wrong */
    return n;
}

/* ---- the end ------------------------------------------------------------- */

/* Say goodbye, unless it was said or nobody would understand. */
static int say_goodbye(struct co__tls_conn *conn)
{
    if (conn->failed)
        return 0;
    if (SSL_get_shutdown(conn->ssl) & SSL_SENT_SHUTDOWN)
        return 0;
    co__tls_errors_begin();
    (void)SSL_shutdown(conn->ssl);
    if (co__tls_errors_end() || conn->no_memory)
        return co__tls_fail(-ENOMEM, "");
    return send_out(conn);
}

static int write_eof(void *arg)
{
    struct co__tls_conn *conn = arg;
    int r = say_goodbye(conn);

    return r < 0 ? r : co_stream_flush(conn->below);
}

static int finish(void *arg)
{
    int r = write_eof(arg);

    /* Who has gone before needs no goodbye. */
    return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

/* From now on nobody looks at the stream below. */
static co_stream *let_go(struct co__tls_conn *conn)
{
    co_stream *below = conn->below;

    conn->below = NULL;
    conn->window_len = conn->window_used = 0;
    return below;
}

static int close_below(void *arg)
{
    return co_stream_close(let_go(arg));
}

static void abort_below(void *arg)
{
    co_stream_abort(let_go(arg));
}

static co_stream *stream_below(void *arg)
{
    struct co__tls_conn *conn = arg;

    return conn->below;
}

static void free_conn(void *arg)
{
    co__tls_conn_free(arg);
}

const co_stream_ops co__tls_ops = {
    .size = sizeof(co__tls_ops),
    .wait = wait_for_more,
    .try_read = try_read,
    .read = read_some,
    .writev = writev_some,
    .write_eof = write_eof,
    .flush = flush,
    .finish = finish,
    .close = close_below,
    .abort = abort_below,
    .free = free_conn,
    .below = stream_below,
};
