/* SPDX-License-Identifier: MIT */
/* Any text is refused with a line's number, or is records that print and read back equal. */
#include "core/jit/ir_text.h"
#include "fuzz.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bp_ir record[RECORDS], again[RECORDS];
	uint32_t count, n;
	char error[128] = "";
	const char *broken = NULL;
	GString *text = g_string_new(NULL);
	if (ir_read((const char *)data, size, record, RECORDS, &count, error, sizeof(error))) {
		ir_print(text, record, count);
		if (!ir_read(text->str, text->len, again, RECORDS, &n, error, sizeof(error)) ||
			n != count || (n && memcmp(again, record, n * sizeof(*again)) != 0))
			broken = "What was read and printed does not read back equal.";
	} else if (strncmp(error, "line ", 5) != 0) {
		broken = "Text was refused without a line's number.";
	}
	g_string_free(text, TRUE);
	if (broken) {
		fprintf(stderr, "%s\n", broken);
		abort();
	}
	return 0;
}
