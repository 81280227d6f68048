/* SPDX-License-Identifier: MIT */
/*
 * load.c - the demo's ten thousand clients, one task each, in one process on
 * one thread, like the server. All connect; when the server has accepted every
 * one of them, all talk at the same time, each sending its next message when
 * the last one has come back as it was.
 *
 *     demo_load --server PID --port PORT [--connections N] [--messages M]
 *
 * Returns 0 if every message came back.
 */
#include "report.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIALLERS    128
#define PAYLOAD_MIN 32
#define PAYLOAD_MAX 512
#define PATIENCE    (60 * CO_SEC)
/* Connections from one address: fewer than the ports that it has. */
#define PER_ADDRESS 20000

struct message {
    uint32_t payload_bytes;
    uint32_t checksum; /* of the id and the payload */
    uint64_t id;
    unsigned char payload[PAYLOAD_MAX];
};
#define HEAD_BYTES offsetof(struct message, payload)

struct client {
    struct load *load;
    co_task *task;
    uint32_t number;
    int fd;
};

struct load {
    long server, port, connections, messages; /* as asked for */
    struct client *clients;
    const char *doing;
    long dialled, connected;
    uint64_t answered, errors;
    struct histogram times;
    struct server before, idle, after; /* the server at three moments */
    co_time talked;                    /* how long all messages took */
};

static void fail(struct load *load, const char *what, int error)
{
    if (load->errors++ == 0) {
        progress_end();
        printf("first error: %s: %s\n", what, co_error_name(error));
    }
}

/* ---- a message ----------------------------------------------------------- */

/* FNV-1a. */
static uint32_t checksum(const struct message *message)
{
    uint32_t hash = 2166136261u ^ (uint32_t)message->id;

    for (uint32_t i = 0; i < message->payload_bytes; i++)
        hash = (hash ^ message->payload[i]) * 16777619u;
    return hash ^ (uint32_t)(message->id >> 32);
}

static size_t compose(struct message *message, uint64_t id)
{
    uint64_t random = (id + 1) * 0x9e3779b97f4a7c15u;

    message->id = id;
    message->payload_bytes =
        PAYLOAD_MIN +
        (uint32_t)((random >> 40) % (PAYLOAD_MAX - PAYLOAD_MIN + 1));
    for (uint32_t i = 0; i < message->payload_bytes; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        message->payload[i] = (unsigned char)(random >> 56);
    }
    message->checksum = checksum(message);
    return HEAD_BYTES + message->payload_bytes;
}

/* Send one message and have it back. Returns 0, or a negative errno. */
static int exchange(int fd, uint64_t id)
{
    struct message message;
    size_t bytes = compose(&message, id);
    int r = co_write_all(fd, &message, bytes, NULL);
    if (r < 0)
        return r;

    memset(&message, 0, sizeof(message));
    r = co_read_full(fd, &message, bytes, NULL);
    if (r < 0)
        return r;
    if (message.id != id || HEAD_BYTES + message.payload_bytes != bytes ||
        message.checksum != checksum(&message))
        return -EBADMSG;
    return 0;
}

/* ---- the clients --------------------------------------------------------- */

static int dial(const struct load *load, uint32_t number)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number / PER_ADDRESS);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)load->port);

    int fd = co_socket(AF_INET, SOCK_STREAM, 0), on = 1, r = 0;
    if (fd < 0)
        return fd;
    if (number >= PER_ADDRESS && /* else the system chooses */
        (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) <
             0 ||
         bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0))
        r = -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (r == 0)
        r = co_connect(fd, (struct sockaddr *)&to, sizeof(to));
    if (r < 0)
        co_close(fd);
    return r < 0 ? r : fd;
}

static int dialler(void *arg)
{
    struct load *load = arg;

    while (load->dialled < load->connections) {
        struct client *client = &load->clients[load->dialled++];
        co_timeout(PATIENCE) {
            client->fd = dial(load, client->number);
        }
        if (client->fd < 0)
            fail(load, "connect", client->fd);
        else
            load->connected++;
    }
    return 0;
}

static int talker(void *arg)
{
    struct client *client = arg;
    struct load *load = client->load;

    for (long i = 0; i < load->messages; i++) {
        co_time start = co_now();
        int r = 0;
        co_timeout(PATIENCE) {
            r = exchange(client->fd,
                         (uint64_t)client->number << 32 | (uint32_t)i);
        }
        if (r < 0) {
            fail(load, "message", r);
            return r;
        }
        histogram_add(&load->times, co_now() - start);
        load->answered++;
    }
    return 0;
}

/* ---- the whole ----------------------------------------------------------- */

static int reporter(void *arg)
{
    const struct load *load = arg;
    struct server server = {0};
    uint64_t before = 0;
    co_time then = co_now();

    while (co_sleep(progress_period()) == 0) {
        co_time now = co_now();
        double rate = (double)(load->answered - before) * (double)CO_SEC /
                      (double)(now - then);
        (void)server_look((int)load->server, &server);
        progress_show("%-10s connections %ld/%ld  messages %llu/%llu (%.0f/s)  "
                      "errors %llu  server %.1f MiB",
                      load->doing, load->connected, load->connections,
                      (unsigned long long)load->answered,
                      (unsigned long long)(load->connections * load->messages),
                      rate, (unsigned long long)load->errors,
                      (double)server.rss_kib / 1024);
        before = load->answered;
        then = now;
    }
    return 0;
}

static int connect_all(struct load *load)
{
    co_task *tasks[DIALLERS];
    int before = server_descriptors((int)load->server), r = 0;

    for (int i = 0; i < DIALLERS; i++) {
        if (!(tasks[i] = co_spawn(dialler, load)))
            return -errno;
    }
    for (int i = 0; i < DIALLERS && r == 0; i++)
        r = co_join(tasks[i], NULL);

    /* Connected is not accepted yet: that is when the server has them open. */
    co_timeout(PATIENCE) {
        int open = before;
        while (r == 0 && open < before + (int)load->connected) {
            r = co_sleep(20 * CO_MS);
            open = server_descriptors((int)load->server);
            if (open < 0)
                r = open;
        }
    }
    return r < 0 ? r : co_sleep(200 * CO_MS); /* and waits for the first byte */
}

static int talk_all(struct load *load)
{
    int r = 0;

    for (long i = 0; i < load->connections; i++) {
        struct client *client = &load->clients[i];
        client->task = client->fd < 0 ? NULL : co_spawn(talker, client);
        if (client->fd >= 0 && !client->task)
            return -errno;
    }
    for (long i = 0; i < load->connections && r == 0; i++) {
        if (load->clients[i].task)
            r = co_join(load->clients[i].task, NULL);
    }
    return r;
}

/* Everything between the first connection and the last. */
static int measure(struct load *load)
{
    int pid = (int)load->server;
    int r = server_look(pid, &load->before);
    if (r < 0)
        return r;

    load->doing = "connecting";
    r = connect_all(load);
    if (r < 0 || (r = server_look(pid, &load->idle)) < 0)
        return r;

    load->doing = "talking";
    co_time start = co_now();
    r = talk_all(load);
    load->talked = co_now() - start;
    return r < 0 ? r : server_look(pid, &load->after);
}

static int run(void *arg)
{
    struct load *load = arg;
    co_task *task = co_spawn(reporter, load);
    int r = task ? measure(load) : -errno;

    for (long i = 0; i < load->connections; i++) {
        if (load->clients[i].fd >= 0)
            co_close(load->clients[i].fd);
    }
    if (task && co_cancel(task) >= 0 && co_join(task, NULL) < 0)
        return -EINVAL; /* cannot be: nobody else joins it */
    progress_end();
    return r;
}

static double mib(long kib)
{
    return (double)kib / 1024;
}

static void print_result(const struct load *load)
{
    /* The greater of before and after talking: nothing is hidden. */
    const struct server *most =
        load->after.rss_kib > load->idle.rss_kib ? &load->after : &load->idle;
    double seconds = (double)load->talked / (double)CO_SEC;
    long connected = load->connected > 0 ? load->connected : 1;

    printf("server: pid %ld, %ld thread%s, RSS %.1f MiB before the first "
           "connection, %.1f when all were idle, %.1f when all had talked; "
           "page tables %.1f MiB more\n",
           load->server, most->threads, most->threads == 1 ? "" : "s",
           mib(load->before.rss_kib), mib(load->idle.rss_kib),
           mib(load->after.rss_kib),
           mib(most->tables_kib - load->before.tables_kib));
    printf("connections %ld  messages %llu  errors %llu\n", load->connected,
           (unsigned long long)load->answered,
           (unsigned long long)load->errors);
    printf("messages/s %.0f  p50 %.0f us  p99 %.0f us  server RSS %.1f MiB  "
           "bytes/connection %ld\n",
           seconds > 0 ? (double)load->answered / seconds : 0,
           (double)histogram_quantile(&load->times, 0.50) / (double)CO_US,
           (double)histogram_quantile(&load->times, 0.99) / (double)CO_US,
           mib(most->rss_kib),
           (most->rss_kib - load->before.rss_kib) * 1024 / connected);
}

static int parse(struct load *load, int argc, char **argv)
{
    const struct {
        const char *name;
        long *value;
        long min, max;
    } options[] = {
        {"--server", &load->server, 1, INT32_MAX},
        {"--port", &load->port, 1, UINT16_MAX},
        {"--connections", &load->connections, 1, 1000000},
        {"--messages", &load->messages, 0, 1000000000},
    };

    for (int i = 1; i < argc; i += 2) {
        int known = 0;
        for (size_t o = 0; o < sizeof(options) / sizeof(*options); o++) {
            char *end = NULL;
            if (strcmp(argv[i], options[o].name) != 0 || i + 1 == argc)
                continue;
            long value = strtol(argv[i + 1], &end, 10);
            known = *argv[i + 1] && !*end && value >= options[o].min &&
                    value <= options[o].max;
            *options[o].value = value;
        }
        if (!known)
            return -EINVAL;
    }
    return load->server && load->port ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
    static struct load load = {.connections = 10000, .messages = 20};

    if (parse(&load, argc, argv) < 0) {
        fprintf(stderr, "usage: demo_load --server PID --port PORT "
                        "[--connections N] [--messages M]\n");
        return 2;
    }
    load.clients = calloc((size_t)load.connections, sizeof(*load.clients));
    if (!load.clients)
        return 1;
    for (long i = 0; i < load.connections; i++) {
        load.clients[i] =
            (struct client){.load = &load, .number = (uint32_t)i, .fd = -1};
    }

    int r = co_run(run, &load);
    if (r < 0)
        fail(&load, "the run", r);
    if (load.after.threads != 1)
        fail(&load, "the server has not one thread", -EDOM);
    print_result(&load);
    free(load.clients);
    return load.errors > 0;
}
