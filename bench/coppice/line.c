/* SPDX-License-Identifier: MIT */
/* A task a connection, which sends back each line that it reads. */
#include "net.h"
#include "run.h"

static int serve(co_stream *stream, void *unused)
{
    char line[1024];
    ssize_t n;
    int r = 0;

    (void)unused;
    while (r == 0 &&
           (n = co_stream_read_line(stream, line, sizeof(line))) >= 0) {
        line[n] = '\n';
        r = co_stream_write(stream, line, (size_t)n + 1, NULL);
    }
    return r;
}

static int run(void *arg)
{
    char text[32];
    const char *address = text;
    co_stream_options buffered = {.size = sizeof(buffered),
                                  .write_buffer = NET_BUFFER};
    co_server_options options = {
        .size = sizeof(options), .backlog = NET_BACKLOG, .stream = &buffered};
    co_server *server;

    snprintf(text, sizeof(text), "127.0.0.1:%d", *(int *)arg);
    server = co_server_start(&address, 1, serve, NULL, &options);
    if (!server)
        bench_die("co_server_start");
    return co_server_wait_closed(server);
}

int main(int argc, char **argv)
{
    int port = net_init(argc, argv);

    run_loop(run, &port);
    return 0;
}
