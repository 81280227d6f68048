/* SPDX-License-Identifier: MIT */
/* io/care.h - which kind of descriptor this is, when we take it into care. */
#ifndef CO_IO_CARE_H
#define CO_IO_CARE_H

#include "io/fdtable.h"

/* CO__FD_SOCKET, with CO__FD_DRAIN if the drain rule (io.h) holds for it. */
unsigned co__fd_kind_of_socket(int fd);

#endif
