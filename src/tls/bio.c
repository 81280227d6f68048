/* SPDX-License-Identifier: MIT */
/* What OpenSSL reads from and writes to: bytes in memory, which never wait. */
#include "tls/tls.h"

#include <openssl/bio.h>
#include <stdlib.h>
#include <string.h>

static int bio_read(BIO *bio, char *data, int len)
{
    struct co__tls_conn *conn = BIO_get_data(bio);
    size_t n = conn->window_len - conn->window_used;

    BIO_clear_retry_flags(bio);
    if (n == 0 && conn->ended)
        return 0;
    if (n == 0) {
        conn->hungry = 1;
        BIO_set_retry_read(bio);
        return -1;
    }
    if (n > (size_t)len)
        n = (size_t)len;
    memcpy(data, conn->window + conn->window_used, n);
    conn->window_used += n;
    return (int)n;
}

int co__tls_make_room(struct co__tls_buffer *buffer, size_t len)
{
    size_t room = buffer->room ? 2 * buffer->room : 512;
    char *bytes;

    if (buffer->count + len <= buffer->room)
        return 0;
    if (room < buffer->count + len)
        room = buffer->count + len;
    bytes = realloc(buffer->bytes, room);
    if (!bytes)
        return -ENOMEM;
    buffer->bytes = bytes;
    buffer->room = room;
    return 0;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct co__tls_conn *conn = BIO_get_data(bio);
    struct co__tls_buffer *fresh = &conn->fresh;

    BIO_clear_retry_flags(bio);
    if (co__tls_make_room(fresh, (size_t)len) < 0) {
        conn->no_memory = 1;
        return -1;
    }
    memcpy(fresh->bytes + fresh->count, data, (size_t)len);
    fresh->count += (size_t)len;
    return len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    struct co__tls_conn *conn = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return conn->ended && conn->window_used == conn->window_len;
    default:
        return 0;
    }
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    BIO_METHOD *made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "coppice");

    if (!made || !BIO_meth_set_read(made, bio_read) ||
        !BIO_meth_set_write(made, bio_write) ||
        !BIO_meth_set_ctrl(made, bio_ctrl)) {
        BIO_meth_free(made);
        return;
    }
    method = made;
}

BIO *co__tls_bio_new(struct co__tls_conn *conn)
{
    BIO *bio;

    if (pthread_once(&method_once, make_method) != 0 || !method)
        return NULL;
    bio = BIO_new(method);
    if (bio) {
        BIO_set_data(bio, conn);
        BIO_set_init(bio, 1);
    }
    return bio;
}
