/* SPDX-License-Identifier: MIT */
/*
 * mariadb_many.c - MariaDB or MySQL by libmariadb: SERVER is an option file,
 * whose section [client] has host, port, user and, for TLS, ssl-ca.
 */
#include "library.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>

static void *open_connection(const char *server)
{
    MYSQL *db = mysql_init(NULL);
    mysql_options(db, MYSQL_READ_DEFAULT_FILE, server);
    if (mysql_real_connect(db, NULL, NULL, NULL, NULL, 0, NULL, 0))
        return db;
    fprintf(stderr, "libmariadb: %s\n", mysql_error(db));
    mysql_close(db);
    return NULL;
}

static int ask(void *connection, int number)
{
    char query[64];
    int right = 0;
    snprintf(query, sizeof(query), "SELECT %d, SLEEP(0.1)", number);
    if (mysql_query(connection, query) == 0) {
        MYSQL_RES *result = mysql_store_result(connection);
        MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
        right = row && atoi(row[0]) == number;
        mysql_free_result(result);
    }
    if (!right)
        fprintf(stderr, "libmariadb: %s\n", mysql_error(connection));
    return right;
}

static void close_connection(void *connection)
{
    mysql_close(connection);
}

const struct library libmariadb = {"libmariadb", open_connection, ask,
                                   close_connection};
