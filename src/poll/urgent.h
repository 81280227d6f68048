/* SPDX-License-Identifier: MIT */
/*
 * poll/urgent.h - which filter of kqueue tells that urgent data has come. One
 * file a system says. Where there is none, every event of a socket may mean it,
 * and the drain rule of io/io.h does without what it saves.
 */
#ifndef CO_POLL_URGENT_H
#define CO_POLL_URGENT_H

extern const short co__urgent_filter; /* 0: none */
extern const unsigned co__urgent_note;

#endif
