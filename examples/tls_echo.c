/* SPDX-License-Identifier: MIT */
/*
 * tls_echo.c - an echo server of TLS: `tls_echo CERTIFICATE [PORT]`, a PEM file
 * with the certificate and its key. Talk to it with
 *
 *     openssl s_client -connect 127.0.0.1:7777 -quiet
 *
 * It is a server like any other, whose connections shake hands first. SIGHUP
 * has it load the file again: connections go on, new ones get the new one.
 */
#include <coppice.h>
#include <coppice/tls.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct program {
    const char *certificate;
    char address[CO_ADDR_TEXT_MAX];
    co_tls_context *context;
};

static int echo(co_stream *stream, void *arg)
{
    const void *data;
    ssize_t n;
    (void)arg;

    while ((n = co_stream_peek(stream, 1, &data)) > 0) {
        int r = co_stream_write(stream, data, (size_t)n, NULL);
        if (r < 0)
            return r;
        co_stream_skip(stream, (size_t)n);
    }
    return (int)n;
}

static int serve(void *arg)
{
    struct program *program = arg;
    const char *address = program->address;
    char text[CO_ADDR_TEXT_MAX] = "?";
    co_addr at;
    co_server_options options = {
        .size = sizeof(options),
        .wrap = co_tls_wrap,
        .wrap_arg = program->context,
    };
    co_server *server = co_server_start(&address, 1, echo, NULL, &options);

    int hup = SIGHUP;
    co_signal *signal = co_signal_open(&hup, 1);

    if (!server || !signal || co_server_address(server, 0, &at) < 0)
        return -1;
    co_addr_format(&at.as.any, at.len, text, sizeof(text));
    printf("listening on %s\n", text);
    fflush(stdout);
    while (co_signal_wait(signal) > 0) {
        if (co_tls_reload(program->context, program->certificate, NULL) < 0) {
            fprintf(stderr, "%s\n", co_tls_error_text());
            continue;
        }
        printf("loaded %s again\n", program->certificate);
        fflush(stdout);
    }
    co_signal_close(signal);
    return co_server_close(server, CO_SEC);
}

int main(int argc, char **argv)
{
    struct program program = {.certificate = argc > 1 ? argv[1] : ""};
    co_tls_options options = {
        .size = sizeof(options),
        .certificate_file = program.certificate,
    };

    snprintf(program.address, sizeof(program.address), "127.0.0.1:%s",
             argc > 2 ? argv[2] : "7777");
    program.context = co_tls_server_new(&options);
    if (!program.context || co_run(serve, &program) < 0) {
        perror(co_tls_error_text());
        return 1;
    }
    return 0;
}
