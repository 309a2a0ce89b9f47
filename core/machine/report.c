/* SPDX-License-Identifier: MIT */
/* What came of a run, as text: two runs of a deterministic machine give the same. */
#include "internal.h"
#include "jit/ir_table.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static void report_register(FILE *out, const struct object *o, const struct bp_cpu_reg *r)
{
	unsigned count = r->count ? r->count : 1, bytes = ir_types[r->type].bytes;
	for (unsigned i = 0; i < count && !(r->flags & BP_REG_HIDDEN); i++) {
		const uint8_t *at =
			(const uint8_t *)o->instance + r->offset + (size_t)i * r->stride;
		fprintf(out, "%s %s", o->name, r->name);
		if (r->count)
			fprintf(out, "%u", i);
		fputs(" 0x", out);
		for (unsigned b = bytes; b-- > 0;)
			fprintf(out, "%02x", at[b]);
		fputc('\n', out);
	}
}

static void report_cpu(FILE *out, const struct object *o)
{
	const struct bp_cpu *type = o->type->ext;
	const struct bp_cpu_head *head = o->instance;
	fprintf(out, "%s instructions %" PRIu64 "\n%s pc 0x%" PRIx64 "\n", o->name, head->icount,
		o->name, head->pc);
	for (unsigned i = 0; type->regs; i++) {
		const struct bp_cpu_reg *r = TABLE_AT(type->regs, o->type->cpu_reg_size, i);
		if (!r->name)
			break;
		report_register(out, o, r);
	}
}

/* By words: this is about finding a difference, fast, not about somebody who hides one. */
static void report_memory(void *arg, struct bus_ram *ram)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325), word;
	for (uint64_t at = 0; at + 8 <= ram->mapped; at += 8) {
		memcpy(&word, ram->host + at, 8);
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
		sum ^= sum >> 29;
	}
	fprintf(arg, "%s %s bytes %" PRIu64 " checksum %016" PRIx64 "\n",
		ram->owner ? ram->owner->name : "-", ram->name ? ram->name : "-", ram->size, sum);
}

int machine_report(struct machine *m, const char *path, struct error_list *errors)
{
	FILE *out = fopen(path, "we");
	if (out) {
		fprintf(out, "time %" PRIi64 "\n", sched_now(BP_CLOCK_VIRTUAL));
		for (unsigned i = 0; i < m->instances->len; i++) {
			const struct instance *in = g_ptr_array_index(m->instances, i);
			if (in->object->type->kind == BP_KIND_CPU)
				report_cpu(out, in->object);
		}
		bus_ram_each(report_memory, out);
	}
	bool bad = !out || ferror(out);
	if ((out && fclose(out) != 0) || bad) {
		error_list_add(errors, NULL, "the report cannot be written to %s: %s", path,
			strerror(errno));
		return -1;
	}
	return 0;
}
