/* SPDX-License-Identifier: MIT */
/*
 * base/text.h - text, made without the C library's formatting: nothing here
 * allocates, takes a lock or needs a large stack, so a signal handler on a
 * small stack may use it. Text is collected in the caller's buffer and written
 * out when that is full, and at the end.
 */
#ifndef CO_BASE_TEXT_H
#define CO_BASE_TEXT_H

#include <coppice/base.h>

struct co__text {
    int fd;
    int error;   /* the first negative errno of write(2), or 0; it stays */
    size_t len;  /* bytes collected */
    size_t size; /* of the buffer */
    char *buffer;
};

/* Begin a text that goes to a descriptor. */
void co__text_init(struct co__text *text, int fd, char *buffer, size_t size);

/* Write what was collected, all of it. Returns 0 or the text's error. After an
 * error nothing more is written. */
int co__text_flush(struct co__text *text);

void co__text_char(struct co__text *text, char c);
void co__text_string(struct co__text *text, const char *string);
/* What follows the last slash of a path. */
void co__text_base_name(struct co__text *text, const char *path);
void co__text_decimal(struct co__text *text, uint64_t number);
/* With "0x" before it. */
void co__text_hex(struct co__text *text, uint64_t number);
void co__text_spaces(struct co__text *text, unsigned count);
/* A duration, rounded down to a unit that leaves a few digits: "12 ms". */
void co__text_duration(struct co__text *text, co_time ns);

#endif
