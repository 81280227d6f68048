/* SPDX-License-Identifier: MIT */
/*
 * curl_many.c - web pages by libcurl: SERVER is a URL without its path, say
 * "https://127.0.0.1:8443". The server answers with the path.
 */
#include "library.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct client {
    CURL *curl;
    const char *server;
    char page[64];
    size_t bytes;
};

static size_t take(char *data, size_t size, size_t count, void *arg)
{
    struct client *client = arg;
    if (size * count > sizeof(client->page) - client->bytes)
        return 0;
    memcpy(client->page + client->bytes, data, size * count);
    client->bytes += size * count;
    return size * count;
}

static void *open_client(const char *server)
{
    struct client *client = calloc(1, sizeof(*client));
    if (!client)
        return NULL;
    client->server = server;
    client->curl = curl_easy_init();
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_PROXY, "");
    /* The tests' server has signed its certificate itself. */
    curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYHOST, 0L);
    return client;
}

static int ask(void *arg, int number)
{
    struct client *client = arg;
    char url[512], wanted[32];
    int bytes = snprintf(wanted, sizeof(wanted), "/page/%d", number);
    snprintf(url, sizeof(url), "%s%s", client->server, wanted);
    curl_easy_setopt(client->curl, CURLOPT_URL, url);
    client->bytes = 0;
    CURLcode code = curl_easy_perform(client->curl);
    if (code != CURLE_OK)
        fprintf(stderr, "libcurl: %s\n", curl_easy_strerror(code));
    return code == CURLE_OK && client->bytes == (size_t)bytes &&
           memcmp(client->page, wanted, client->bytes) == 0;
}

static void close_client(void *arg)
{
    struct client *client = arg;
    curl_easy_cleanup(client->curl);
    free(client);
}

const struct library libcurl = {"libcurl", open_client, ask, close_client};
