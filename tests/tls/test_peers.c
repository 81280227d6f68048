/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* Others that speak TLS: openssl s_client and curl with our server, our client
 * with nginx. Each test is left out where its program is not installed. */
#include "tls_support.h"

#include <coppice/server.h>
#include <coppice/tls_dial.h>

#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

/* ---- programs ------------------------------------------------------------ */

struct program {
    pid_t pid;
    int in, out; /* what it reads, and says */
};

static int installed(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/usr/bin/%s", name);
    if (access(path, X_OK) == 0)
        return 1;
    snprintf(path, sizeof(path), "/usr/sbin/%s", name);
    if (access(path, X_OK) == 0)
        return 1;
    fprintf(stderr, "%s is not installed: left out\n", name);
    return 0;
}

/* By the shell, which becomes the program. */
static struct program start(const char *command)
{
    char line[1024];
    char *argv[] = {(char *)"sh", (char *)"-c", line, NULL};
    struct program program;
    posix_spawn_file_actions_t actions;
    int in[2], out[2];

    snprintf(line, sizeof(line), "PATH=$PATH:/usr/sbin; exec %s", command);
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    ck_assert_int_eq(
        posix_spawn(&program.pid, "/bin/sh", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    program.in = in[1];
    program.out = out[0];
    return program;
}

/* Its status; all that it says goes to text. */
static int finish(struct program *program, char *text, size_t room)
{
    size_t len = 0;
    ssize_t n = 1;
    int status;

    while (n > 0 && len < room - 1) {
        n = co_read(program->out, text + len, room - 1 - len);
        if (n > 0)
            len += (size_t)n;
    }
    text[len] = '\0';
    close(program->in);
    close(program->out);
    ck_assert_int_eq(waitpid(program->pid, &status, 0), program->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- our server ---------------------------------------------------------- */

static const char *const answer = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n"
                                  "Connection: close\r\n\r\nhello\n";

/* A line comes back; but for a request, which has an answer. */
static int serve(co_stream *stream, void *arg)
{
    char line[256];
    ssize_t n;
    int request = 0, r = 0;

    (void)arg;
    while (r == 0 &&
           (n = co_stream_read_line(stream, line, sizeof(line) - 1)) > 0) {
        if (strncmp(line, "GET ", 4) == 0)
            request = 1;
        line[n] = '\n';
        if (!request)
            r = co_stream_write(stream, line, (size_t)n + 1, NULL);
    }
    if (request && r == 0)
        r = co_stream_write(stream, answer, strlen(answer), NULL);
    return r;
}

static co_tls_context *its_context;

/* Its port. */
static int start_server(const char *certificate, co_server **out)
{
    static const char *const address = "127.0.0.1:0";
    co_addr at;
    co_server_options options = {.size = sizeof(options), .wrap = co_tls_wrap};

    options.wrap_arg = its_context =
        server_context(TLS_OPTIONS(.certificate_file = cert_file(certificate)));
    *out = co_server_start(&address, 1, serve, NULL, &options);
    ck_assert_ptr_nonnull(*out);
    ck_assert_int_eq(co_server_address(*out, 0, &at), 0);
    return ntohs(((struct sockaddr_in *)&at.as)->sin_port);
}

static void stop_server(co_server *it)
{
    ck_assert_int_eq(co_server_close(it, CO_SEC), 0);
    co_tls_context_free(its_context);
}

static void talk_to_s_client(int port, const char *version)
{
    char command[512], text[8192];
    struct program program;

    snprintf(command, sizeof(command),
             "openssl s_client -connect 127.0.0.1:%d -servername localhost "
             "-CAfile %s -verify_return_error -verify_hostname localhost %s "
             "-brief 2>&1",
             port, cert_file("ca"), version);
    program = start(command);
    ck_assert_int_eq(co_write(program.in, "a word\n\n", 8), 8);
    ck_assert_int_eq(finish(&program, text, sizeof(text)), 0);
    ck_assert_ptr_nonnull(strstr(text, "Verification: OK"));
    ck_assert_ptr_nonnull(strstr(text, "a word\n"));
}

CO_TASK_TEST(s_client_talks_to_our_server)
{
    co_server *it;
    int port;

    if (!installed("openssl"))
        return;
    port = start_server("good", &it);
    talk_to_s_client(port, "-tls1_2");
    talk_to_s_client(port, "-tls1_3");
    stop_server(it);
}

static int curl(int port, const char *more, char *text, size_t room)
{
    char command[512];
    struct program program;

    snprintf(command, sizeof(command),
             "curl -s --noproxy '*' --cacert %s %s "
             "--resolve localhost:%d:127.0.0.1 https://localhost:%d/",
             cert_file("ca"), more, port, port);
    program = start(command);
    return finish(&program, text, room);
}

CO_TASK_TEST(curl_talks_to_our_server)
{
    co_server *it;
    char text[1024];
    int port;

    if (!installed("curl"))
        return;
    port = start_server("good", &it);
    ck_assert_int_eq(curl(port, "--tls-max 1.2", text, sizeof(text)), 0);
    ck_assert_str_eq(text, "hello\n");
    ck_assert_int_eq(curl(port, "--tlsv1.3", text, sizeof(text)), 0);
    ck_assert_str_eq(text, "hello\n");
    stop_server(it);

    /* It refuses what is to be refused, and the server goes on. */
    port = start_server("expired", &it);
    ck_assert_int_eq(curl(port, "", text, sizeof(text)), 60);
    ck_assert_int_eq(curl(port, "-k", text, sizeof(text)), 0);
    stop_server(it);
}

/* ---- our client ---------------------------------------------------------- */

static struct program start_nginx(int *port)
{
    char command[128];
    FILE *file = fopen(cert_file("nginx"), "w");

    *port = co_test_port();
    ck_assert_ptr_nonnull(file);
    fprintf(file,
            "daemon off; master_process off; pid %s/nginx.pid;\n"
            "error_log /dev/null;\nevents {}\nhttp {\n"
            "client_body_temp_path %s/t1; proxy_temp_path %s/t2;\n"
            "fastcgi_temp_path %s/t3; uwsgi_temp_path %s/t4;\n"
            "scgi_temp_path %s/t5; access_log off;\n"
            "server { listen 127.0.0.1:%d ssl; ssl_certificate %s;\n"
            "ssl_certificate_key %s; ssl_protocols TLSv1.2 TLSv1.3;\n"
            "location / { return 200 \"hello from nginx\\n\"; } } }\n",
            cert_folder, cert_folder, cert_folder, cert_folder, cert_folder,
            cert_folder, *port, cert_file("good"), cert_file("good"));
    fclose(file);
    snprintf(command, sizeof(command), "nginx -e /dev/null -c %s",
             cert_file("nginx"));
    return start(command);
}

/* It takes a moment to listen. */
static co_stream *dial(int port)
{
    char address[32];
    int fd = -ECONNREFUSED;

    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    for (int i = 0; i < 1000 && fd == -ECONNREFUSED; i++) {
        fd = co_tcp_dial(address);
        if (fd == -ECONNREFUSED)
            ck_assert_int_eq(co_sleep(10 * CO_MS), 0);
    }
    ck_assert_int_ge(fd, 0);
    return plain_of(fd);
}

static void ask_nginx(co_tls_context *context, int port, const char *version,
                      int resumed)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    co_stream *stream = co_tls_connect(dial(port), context, "localhost", NULL);
    char line[256], last[256] = "";
    ssize_t n;

    ck_assert_msg(stream != NULL, "%s", co_tls_error_text());
    ck_assert_str_eq(info_of(stream).version, version);
    ck_assert_int_eq(info_of(stream).resumed, resumed);
    ck_assert_int_eq(
        co_stream_write(stream, request, sizeof(request) - 1, NULL), 0);
    while ((n = co_stream_read_line(stream, line, sizeof(line))) >= 0)
        memcpy(last, line, sizeof(line));
    ck_assert_int_eq(n, -ENODATA); /* with a goodbye */
    ck_assert_str_eq(last, "hello from nginx");
    ck_assert_int_eq(co_stream_close(stream), 0);
}

static void refuse_nginx(int port)
{
    co_tls_context *context = good_client();
    co_stream *plain = dial(port);

    ck_assert_ptr_null(co_tls_connect(plain, context, "example.com", NULL));
    ck_assert_int_eq(errno, EREMCHG);
    ck_assert_int_eq(co_stream_close(plain), 0);
    co_tls_context_free(context);
}

CO_TASK_TEST(our_client_talks_to_nginx)
{
    struct program nginx;
    char text[256], rest[64];
    int port;

    if (!installed("nginx"))
        return;
    nginx = start_nginx(&port);
    for (int version = CO_TLS_1_2; version <= CO_TLS_1_3; version++) {
        co_tls_context *context = client_context(
            TLS_OPTIONS(.ca_file = cert_file("ca"), .version_max = version));
        const char *name = version == CO_TLS_1_2 ? "TLSv1.2" : "TLSv1.3";

        ask_nginx(context, port, name, 0);
        ask_nginx(context, port, name, 1);
        co_tls_context_free(context);
    }
    refuse_nginx(port);
    kill(nginx.pid, SIGTERM);
    (void)finish(&nginx, text, sizeof(text));
    for (int i = 1; i <= 5; i++) {
        snprintf(rest, sizeof(rest), "%s/t%d", cert_folder, i);
        rmdir(rest);
    }
    snprintf(rest, sizeof(rest), "%s/nginx.pid", cert_folder);
    unlink(rest);
    unlink(cert_file("nginx"));
}

/* By URL, once it listens. */
static void dial_s_server(const char *certificate, const char *version,
                          int error)
{
    co_tls_context *context = good_client();
    co_stream *stream = NULL;
    char command[256], url[64], line[64];
    struct program program;
    int port = co_test_port(), r = -ECONNREFUSED, status;

    snprintf(command, sizeof(command),
             "openssl s_server -accept 127.0.0.1:%d -cert %s -rev %s "
             ">/dev/null 2>&1",
             port, cert_file(certificate), version);
    program = start(command);
    snprintf(url, sizeof(url), "tls://127.0.0.1:%d", port);
    for (int i = 0; i < 1000 && r == -ECONNREFUSED; i++) {
        r = co_tls_dial(url, context, NULL, &stream);
        if (r == -ECONNREFUSED)
            ck_assert_int_eq(co_sleep(10 * CO_MS), 0);
    }
    ck_assert_int_eq(r, error);
    if (stream) {
        ck_assert_int_eq(co_stream_write(stream, "a word\n", 7, NULL), 0);
        ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)), 6);
        ck_assert_str_eq(line, "drow a");
        ck_assert_int_eq(co_stream_close(stream), 0);
    }
    kill(program.pid, SIGKILL);
    close(program.in);
    close(program.out);
    ck_assert_int_eq(waitpid(program.pid, &status, 0), program.pid);
    co_tls_context_free(context);
}

CO_TASK_TEST(our_dial_reaches_s_server)
{
    if (!installed("openssl"))
        return;
    dial_s_server("good", "-tls1_2", 0);
    dial_s_server("good", "-tls1_3", 0);
    dial_s_server("expired", "-tls1_3", -EKEYEXPIRED);
}

static Suite *suite(void)
{
    Suite *s = suite_create("peers");
    TCase *tc = tcase_create("peers");

    tcase_add_unchecked_fixture(tc, cert_make_all, cert_remove_all);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, s_client_talks_to_our_server);
    tcase_add_test(tc, curl_talks_to_our_server);
    tcase_add_test(tc, our_client_talks_to_nginx);
    tcase_add_test(tc, our_dial_reaches_s_server);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
