/* SPDX-License-Identifier: MIT */
/*
 * line_server.c - a server in the style of callbacks: each line comes back in
 * capitals, "bye" ends the connection. `line_server PORT` (0: any); try it with
 * nc. A client that sends much and reads little is read from no more until it
 * has read, so that it cannot fill our memory.
 *
 * The protocol is fed with pieces as they come and waits for nothing. Compare
 * echo_server.c, which says the same in fewer words.
 */
#include <coppice.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 1024

struct client {
    size_t len; /* of what has come of a line */
    char line[LINE_MAX_BYTES];
};

static void answer(co_transport *transport, const char *line, size_t len)
{
    if (len == 4 && memcmp(line, "BYE\n", 4) == 0)
        co_transport_close(transport);
    else if (co_transport_write(transport, line, len) < 0)
        co_transport_abort(transport);
}

static void data_received(co_transport *transport, void *arg, const void *data,
                          size_t len)
{
    struct client *client = arg;
    for (size_t i = 0; i < len && !co_transport_is_closing(transport); i++) {
        int byte = ((const unsigned char *)data)[i];
        client->line[client->len++] = (char)toupper(byte);
        if (byte == '\n') {
            answer(transport, client->line, client->len);
            client->len = 0;
        } else if (client->len == sizeof(client->line)) {
            co_transport_abort(transport);
        }
    }
}

static void pause_writing(co_transport *transport, void *arg)
{
    (void)arg;
    co_transport_pause_reading(transport);
}

static void resume_writing(co_transport *transport, void *arg)
{
    (void)arg;
    co_transport_resume_reading(transport);
}

static void connection_lost(co_transport *transport, void *arg, int error)
{
    (void)transport;
    if (error < 0)
        fprintf(stderr, "lost: %s\n", co_error_name(error));
    free(arg);
}

static const co_protocol capitals = {
    .size = sizeof(capitals),
    .data_received = data_received,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
    .connection_lost = connection_lost,
};

static void start(int fd)
{
    struct client *client = calloc(1, sizeof(*client));
    co_stream *stream = client ? co_stream_new(fd, NULL) : NULL;
    if (stream && co_transport_start(stream, &capitals, client))
        return;
    free(client); /* no memory: this one has to come again */
    if (stream)
        co_stream_abort(stream);
    else
        co_close(fd);
}

static int serve(void *address)
{
    int fd = 0, listener = co_tcp_listen(address, 0);
    if (listener < 0)
        return listener;
    char text[CO_ADDR_TEXT_MAX] = "?";
    co_addr at = {.len = sizeof(at.as)};
    getsockname(listener, &at.as.any, &at.len);
    co_addr_format(&at.as.any, at.len, text, sizeof(text));
    printf("listening on %s\n", text);
    fflush(stdout);
    while ((fd = co_accept(listener, NULL, NULL)) != -ECANCELED)
        if (fd >= 0)
            start(fd);
        else if (co_sleep(10 * CO_MS) < 0) /* out of descriptors, say */
            break;
    co_close(listener);
    return fd;
}

int main(int argc, char **argv)
{
    char address[CO_ADDR_TEXT_MAX];
    const char *port = argc > 1 ? argv[1] : "7777";
    snprintf(address, sizeof(address), "127.0.0.1:%s", port);
    fprintf(stderr, "%s\n", co_error_name(co_run(serve, address)));
    return 1;
}
