/* SPDX-License-Identifier: MIT */
/*
 * http_slow.c - the far end of fetch.c: three HTTP endpoints, each of which
 * takes its time. `http_slow [MILLISECONDS]` (300).
 */
#include <coppice.h>

#include <stdio.h>
#include <stdlib.h>

static int answer(co_stream *stream, void *delay)
{
    static const char reply[] = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n"
                                "Connection: close\r\n\r\nslow\n";
    char line[1024];
    ssize_t n;
    int r;
    CO_TIMEOUT(10 * CO_SEC + *(co_time *)delay);
    while ((n = co_stream_read_line(stream, line, sizeof(line))) > 0)
        continue; /* whatever was asked for */
    if (n < 0)
        return (int)n;
    r = co_sleep(*(co_time *)delay);
    return r < 0 ? r : co_stream_write(stream, reply, sizeof(reply) - 1, NULL);
}

static int serve(void *delay)
{
    const char *const any[] = {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"};
    co_server *server = co_server_start(any, 3, answer, delay, NULL);
    if (!server)
        return -errno;
    printf("listening on");
    for (size_t i = 0; i < 3; i++) {
        char text[CO_ADDR_TEXT_MAX] = "?";
        co_addr at;
        if (co_server_address(server, i, &at) == 0)
            co_addr_format(&at.as.any, at.len, text, sizeof(text));
        printf(" http://%s/", text);
    }
    printf("\n");
    fflush(stdout);
    int r = co_server_wait_closed(server);
    co_server_close(server, CO_SEC);
    return r;
}

int main(int argc, char **argv)
{
    co_time delay = (argc > 1 ? atoi(argv[1]) : 300) * CO_MS;
    fprintf(stderr, "%s\n", co_error_name(co_run(serve, &delay)));
    return 1;
}
