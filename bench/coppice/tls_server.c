/* SPDX-License-Identifier: MIT */
/* A server of one file over TLS, read as nginx reads it: from the page cache,
 * without waiting. */
#include "net.h"
#include "run.h"

#include <coppice/tls.h>

#define CHUNK (64 * 1024)

static int body;
static off_t body_len;

static int send_body(co_stream *stream)
{
    char head[64];
    char *chunk = malloc(CHUNK);
    off_t at = 0;
    int len = snprintf(head, sizeof(head),
                       "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n",
                       (long long)body_len);
    int r = chunk ? co_stream_write(stream, head, (size_t)len, NULL) : -ENOMEM;

    while (r == 0 && at < body_len) {
        ssize_t n = pread(body, chunk, CHUNK, at);

        r = n > 0 ? co_stream_write(stream, chunk, (size_t)n, NULL) : -EIO;
        at += n;
    }
    free(chunk);
    return r;
}

static int serve(co_stream *stream, void *arg)
{
    const void *head;
    ssize_t n;
    int r = 0;

    (void)arg;
    while (r == 0 && (n = co_stream_find(stream, "\r\n\r\n", 4, &head)) > 0) {
        r = co_stream_skip(stream, (size_t)n);
        if (r == 0)
            r = send_body(stream);
    }
    return r;
}

static int run(void *arg)
{
    char **argv = arg;
    char address[32], certificate[256], key[256];
    const char *addresses[] = {address};
    co_tls_options tls = {
        .size = sizeof(tls), .certificate_file = certificate, .key_file = key};
    co_server_options options = {
        .size = sizeof(options), .wrap = co_tls_wrap, .backlog = NET_BACKLOG};
    co_server *server;

    snprintf(address, sizeof(address), "127.0.0.1:%s", argv[1]);
    snprintf(certificate, sizeof(certificate), "%s/certificate.pem", argv[2]);
    snprintf(key, sizeof(key), "%s/key.pem", argv[2]);
    options.wrap_arg = co_tls_server_new(&tls);
    if (!options.wrap_arg)
        bench_die(co_tls_error_text());
    server = co_server_start(addresses, 1, serve, NULL, &options);
    if (!server)
        bench_die("co_server_start");
    return co_server_wait_closed(server);
}

int main(int argc, char **argv)
{
    char path[256];

    if (argc != 3) {
        fprintf(stderr, "usage: %s PORT FOLDER\n", argv[0]);
        return 2;
    }
    net_init(2, argv);
    snprintf(path, sizeof(path), "%s/body", argv[2]);
    body = open(path, O_RDONLY | O_CLOEXEC);
    if (body < 0)
        bench_die(path);
    body_len = lseek(body, 0, SEEK_END);
    run_loop(run, argv);
    return 0;
}
