/* SPDX-License-Identifier: MIT */
#include "types.h"

static const struct bp_type types[] = {
	{ "chr-pty", "byte stream through a pseudo-terminal", BP_KIND_CHR, 0, &chr_pty, NULL },
	{ "chr-socket", "byte stream through a unix or TCP socket", BP_KIND_CHR, 0, &chr_socket,
		NULL },
	{ "chr-unix", "byte stream through a unix socket", BP_KIND_CHR, 0, &chr_unix, NULL },
	{ "chr-tcp", "byte stream through a TCP socket", BP_KIND_CHR, 0, &chr_tcp, NULL },
	{ 0 },
};

BP_PLUGIN(chr_stream) = {
	BP_PLUGIN_HEAD,
	.name = "chr-stream",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
