/* SPDX-License-Identifier: MIT */
/*
 * limits.c - what libraries make of a limit's end, of their own timeouts and of
 * waiting that is not for an answer: `limits LIBRARY SERVER`; status 0: as it
 * has to be.
 */
#include "../../examples/libraries/websocket.h"

#include <coppice.h>
#include <coppice/hook.h>

#include <curl/curl.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <mongoc/mongoc.h>
#include <mysql.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#define SOON (50 * CO_MS)

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "line %d: not %s\n", __LINE__, #condition);        \
            return -1;                                                         \
        }                                                                      \
    } while (0)

static const char *server;

/* ---- PostgreSQL ---------------------------------------------------------- */

static int a_query_ends_with_its_scope(void)
{
    PGconn *pg = PQconnectdb(server);
    PGresult *result = NULL;
    co_time began = co_now();
    co_timeout(SOON)
        result = PQexec(pg, "SELECT pg_sleep(30)");
    CHECK(PQresultStatus(result) == PGRES_FATAL_ERROR);
    CHECK(co_now() - began < 20 * CO_SEC);
    PQclear(result);
    PQfinish(pg);
    return 0;
}

static int listen_for(void *word)
{
    PGconn *pg = PQconnectdb(server);
    PQclear(PQexec(pg, "LISTEN words"));
    co_event_set(word);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(PQsocket(pg), &set);
    CHECK(select(PQsocket(pg) + 1, &set, NULL, NULL, NULL) == 1);
    CHECK(PQconsumeInput(pg) == 1);
    PGnotify *notify = PQnotifies(pg);
    CHECK(notify && strcmp(notify->extra, "hello") == 0);
    PQfreemem(notify);
    PQfinish(pg);
    return 0;
}

static int select_waits_for_what_another_task_notifies(void)
{
    co_event listening = {0};
    int result = -1;
    co_task *listener = co_spawn(listen_for, &listening);
    CHECK(listener && co_event_wait(&listening) == 0);
    PGconn *pg = PQconnectdb(server);
    PQclear(PQexec(pg, "NOTIFY words, 'hello'"));
    PQfinish(pg);
    CHECK(co_join(listener, &result) == 0 && result == 0);
    return 0;
}

static int libpq(void)
{
    int r = a_query_ends_with_its_scope();
    return r < 0 ? r : select_waits_for_what_another_task_notifies();
}

/* ---- Redis --------------------------------------------------------------- */

static int hiredis(void)
{
    int port = atoi(strrchr(server, ':') + 1);
    redisContext *redis = redisConnect("127.0.0.1", port);
    redisReply *reply = NULL;
    co_timeout(SOON)
        reply = redisCommand(redis, "BLPOP nothing 30");
    CHECK(!reply && strcmp(redis->errstr, "Connection timed out") == 0);
    redisFree(redis);

    struct timeval own = {.tv_usec = 50000}; /* SO_RCVTIMEO */
    redis = redisConnect("127.0.0.1", port);
    redisSetTimeout(redis, own);
    reply = redisCommand(redis, "BLPOP nothing 30");
    CHECK(!reply && redis->err == REDIS_ERR_IO);
    redisFree(redis);
    return 0;
}

/* ---- HTTP ---------------------------------------------------------------- */

static int libcurl(void)
{
    /* Whom the kernel connects, and who never says anything. */
    int silent = co_tcp_listen("127.0.0.1:0", 8);
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    char url[64];
    CHECK(silent >= 0 &&
          getsockname(silent, (struct sockaddr *)&at, &len) == 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(at.sin_port));

    CURLcode code = CURLE_OK;
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    co_timeout(SOON)
        code = curl_easy_perform(curl);
    CHECK(code == CURLE_BAD_FUNCTION_ARGUMENT);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 30L);
    CHECK(curl_easy_perform(curl) == CURLE_OPERATION_TIMEDOUT);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 0L);
    curl_easy_setopt(curl, CURLOPT_URL, server);
    CHECK(curl_easy_perform(curl) == CURLE_OK);
    curl_easy_cleanup(curl);
    co_close(silent);
    return 0;
}

/* ---- MariaDB ------------------------------------------------------------- */

static int libmariadb(void)
{
    MYSQL *db = mysql_init(NULL);
    int failed = 0;
    mysql_options(db, MYSQL_READ_DEFAULT_FILE, server);
    CHECK(mysql_real_connect(db, NULL, NULL, NULL, NULL, 0, NULL, 0));
    co_timeout(SOON)
        failed = mysql_query(db, "SELECT SLEEP(30)");
    CHECK(failed && strstr(mysql_error(db), "Lost connection"));
    mysql_close(db);
    return 0;
}

/* ---- MongoDB: clients that wait for one of a pool, on a condition -------- */

static int ping(void *pool)
{
    bson_t command = BSON_INITIALIZER;
    BSON_APPEND_INT32(&command, "ping", 1);
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    CHECK(mongoc_client_command_simple(client, "admin", &command, NULL, NULL,
                                       NULL));
    mongoc_client_pool_push(pool, client);
    bson_destroy(&command);
    return 0;
}

static int libmongoc(void)
{
    mongoc_init();
    mongoc_uri_t *uri = mongoc_uri_new(server);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, 3);
    mongoc_client_pool_t *pool = mongoc_client_pool_new(uri);
    co_group group = {0};
    for (int i = 0; i < 12; i++)
        CHECK(co_group_spawn(&group, ping, pool));
    CHECK(co_group_wait(&group) == 0);
    mongoc_client_pool_destroy(pool);
    mongoc_uri_destroy(uri);
    return 0;
}

/* ---- WebSocket: what a server that is not ours makes of the client ------- */

static int open_at(struct websocket *ws, const char *path)
{
    char url[256];
    snprintf(url, sizeof(url), "%s%s", server, path);
    memset(ws, 0, sizeof(*ws));
    ws->message_max = 4 << 20;
    int r = websocket_open(ws, url, NULL);
    if (r < 0)
        fprintf(stderr, "%s\n", ws->error);
    return r;
}

/* In one part, and in two. */
static int echoes_are_right(const char *path, const char *data, size_t len)
{
    struct websocket ws;
    CHECK(open_at(&ws, path) == 0);
    for (size_t i = 0; i < 2; i++) {
        if (i == 1)
            CHECK(websocket_send(&ws, WEBSOCKET_BINARY | WEBSOCKET_MORE, data,
                                 len / 3) == 0);
        size_t sent = i * (len / 3);
        CHECK(websocket_send(&ws,
                             i == 0 ? WEBSOCKET_BINARY : WEBSOCKET_CONTINUATION,
                             data + sent, len - sent) == 0);
        CHECK(websocket_receive(&ws) == WEBSOCKET_BINARY);
        CHECK(ws.len == len && memcmp(ws.message, data, len) == 0);
    }
    CHECK(websocket_ping(&ws, "now", 3) == 0);
    CHECK(websocket_close(&ws, 1000, "done") == 0);
    CHECK(ws.code == 1000 && ws.pongs == 1);
    websocket_free(&ws);
    return 0;
}

static int the_server_says_goodbye(void)
{
    struct websocket ws;
    CHECK(open_at(&ws, "/bye") == 0);
    CHECK(websocket_send(&ws, WEBSOCKET_TEXT, "enough", 6) == 0);
    CHECK(websocket_receive(&ws) == 0);
    CHECK(ws.code == 4000 && strcmp(ws.reason, "enough") == 0);
    websocket_free(&ws);
    return 0;
}

static int websocket(void)
{
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536, 1 << 20};
    static char data[1 << 20];
    struct websocket ws;
    int r = 0;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths) && r == 0; i++)
        r = echoes_are_right("/echo", data, lengths[i]);
    if (r == 0)
        r = echoes_are_right("/parts", data, 1000);
    if (r == 0)
        r = the_server_says_goodbye();
    if (r < 0)
        return r;

    CHECK(open_at(&ws, "/late") == 0);
    CHECK(websocket_send(&ws, WEBSOCKET_TEXT, "x", 1) == 0);
    co_timeout(SOON)
        r = websocket_receive(&ws);
    CHECK(r == -1);
    CHECK(strcmp(ws.error, "cannot read: Connection timed out") == 0);
    websocket_free(&ws);
    return 0;
}

/* -------------------------------------------------------------------------- */

static int run(void *name)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } all[] = {{"libpq", libpq},         {"hiredis", hiredis},
               {"libcurl", libcurl},     {"libmariadb", libmariadb},
               {"libmongoc", libmongoc}, {"websocket", websocket}};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (strcmp(name, all[i].name) == 0)
            return all[i].run();
    return -EINVAL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    server = argv[2];
    if (co_hook_enable(CO_HOOK_ALL) < 0) {
        fprintf(stderr, "%s\n", co_hook_problem());
        return 1;
    }
    return co_run(run, argv[1]) < 0;
}
