/* SPDX-License-Identifier: MIT */
/*
 * chat.c - a room where each says a line and all the others read it:
 * `chat PORT` (7778; 0: any); try it with nc. The first line is one's name.
 *
 * Everything is one thread's, so the list of guests needs no lock: it changes
 * between two calls that wait, and never within a loop over it that does not.
 */
#include <coppice.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 512
#define QUEUE_MAX  64 /* lines that a guest may be behind */

struct guest {
    struct guest *next;
    char name[32];
    co_stream *stream;
    co_chan *lines; /* for this guest: of char *, which the reader frees */
};

static struct guest *guests;

/* Who is too far behind misses a line. Nobody waits for anybody. */
static void tell(struct guest *guest, const char *format, const char *who,
                 const char *text)
{
    char *line = malloc(LINE_BYTES + 64);
    if (!line)
        return;
    snprintf(line, LINE_BYTES + 64, format, who, text);
    if (co_chan_try_send(guest->lines, &line) != 0)
        free(line);
}

static void tell_others(const struct guest *sender, const char *format,
                        const char *text)
{
    for (struct guest *g = guests; g; g = g->next)
        if (g != sender)
            tell(g, format, sender->name, text);
}

static int write_lines(void *arg)
{
    struct guest *guest = arg;
    char *line;
    int r = 0;
    while (r == 0 && co_chan_recv(guest->lines, &line) == 1) {
        r = co_stream_write(guest->stream, line, strlen(line), NULL);
        free(line);
    }
    return r;
}

static int read_lines(void *arg)
{
    struct guest *guest = arg;
    char line[LINE_BYTES];
    ssize_t n;
    while ((n = co_stream_read_line(guest->stream, line, sizeof(line))) >= 0)
        tell_others(guest, "%s: %s\n", line);
    co_chan_close(guest->lines); /* and so the writer ends */
    return n == -ENODATA ? 0 : (int)n;
}

static void leave(struct guest *guest)
{
    char *line;
    struct guest **link = &guests;
    while (*link != guest)
        link = &(*link)->next;
    *link = guest->next;
    tell_others(guest, "%s has left%s\n", "");
    while (co_chan_try_recv(guest->lines, &line) == 1)
        free(line);
}

static int visit(co_stream *stream, void *arg)
{
    struct guest guest = {.stream = stream};
    co_group both = {0};
    ssize_t n = -1;
    (void)arg;
    co_timeout(60 * CO_SEC)
        n = co_stream_read_line(stream, guest.name, sizeof(guest.name));
    if (n < 0)
        return (int)n;
    guest.lines = co_chan_new(sizeof(char *), QUEUE_MAX);
    if (!guest.lines)
        return -ENOMEM;
    guest.next = guests;
    guests = &guest;
    tell(&guest, "welcome, %s%s\n", guest.name, "");
    tell_others(&guest, "%s is here%s\n", "");
    if (!co_group_spawn(&both, write_lines, &guest) ||
        !co_group_spawn(&both, read_lines, &guest))
        co_group_cancel(&both);
    n = co_group_wait(&both);
    leave(&guest);
    co_chan_free(guest.lines);
    return (int)n;
}

static int run(void *arg)
{
    char text[CO_ADDR_TEXT_MAX];
    const char *address = text;
    snprintf(text, sizeof(text), "127.0.0.1:%s", (const char *)arg);
    co_server *room = co_server_start(&address, 1, visit, NULL, NULL);
    co_addr at;
    if (!room || co_server_address(room, 0, &at) < 0)
        return -errno;
    co_addr_format(&at.as.any, at.len, text, sizeof(text));
    printf("listening on %s\n", text);
    fflush(stdout);
    int r = co_server_wait_closed(room);
    co_server_close(room, CO_SEC);
    return r;
}

int main(int argc, char **argv)
{
    char *port = argc > 1 ? argv[1] : "7778";
    fprintf(stderr, "%s\n", co_error_name(co_run(run, port)));
    return 1;
}
