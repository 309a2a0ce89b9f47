/* SPDX-License-Identifier: MIT */
#ifndef CHR_STREAM_TYPES_H
#define CHR_STREAM_TYPES_H
#include <backplane/plugin.h>

extern const struct bp_object chr_pty, chr_socket, chr_tcp, chr_unix;

#endif
