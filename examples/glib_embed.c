/* SPDX-License-Identifier: MIT */
/*
 * glib_embed.c - a Coppice loop inside a GLib main loop: a GSource that waits
 * for the loop's descriptor and its next deadline, and then turns the loop.
 */
#include <coppice.h>

#include <glib.h>

struct source {
    GSource base;
    co_loop *loop;
    GMainLoop *main;
};

static gboolean dispatch(GSource *base, GSourceFunc fn, gpointer data)
{
    struct source *source = (struct source *)base;
    (void)fn, (void)data;
    if (co_loop_turn(source->loop, 0) <= 0) { /* no tasks are left */
        g_main_loop_quit(source->main);
        return G_SOURCE_REMOVE;
    }
    co_time next = co_loop_next_deadline(source->loop);
    g_source_set_ready_time(base, (next - 1) / CO_US + 1); /* rounded up */
    return G_SOURCE_CONTINUE;
}

static int count(void *who)
{
    int r = 0;
    for (int i = 1; i <= 3 && (r = co_sleep(100 * CO_MS)) == 0; i++)
        g_print("%s %d\n", (const char *)who, i);
    return r;
}

static gboolean tick(gpointer data)
{
    g_print("%s\n", (const char *)data);
    return G_SOURCE_REMOVE;
}

int main(void)
{
    static GSourceFuncs fns = {.dispatch = dispatch};
    struct source *source = (void *)g_source_new(&fns, sizeof(*source));
    source->main = g_main_loop_new(NULL, FALSE);
    source->loop = co_loop_new(NULL);
    if (!co_loop_spawn(source->loop, count, "coppice"))
        return 1;
    g_source_add_unix_fd(&source->base, co_loop_fd(source->loop), G_IO_IN);
    g_source_set_ready_time(&source->base, 0);
    g_source_attach(&source->base, NULL);
    g_timeout_add(150, tick, "glib");
    g_main_loop_run(source->main);
    co_loop_free(source->loop);
    g_main_loop_unref(source->main);
    g_source_unref(&source->base);
}
