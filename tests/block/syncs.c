/* SPDX-License-Identifier: MIT */
/* A guest's writes and flushes, and for whoever traces this process what the guest knows: it writes
 * "begin ID OPERATION" before it submits a request and "end ID" when it was told that it is done.
 *
 *     syncs FORMAT FILE CACHE SEED PLUGINS TEST_PLUGINS */
#include "bus/bus.h"
#include "find_types.h"
#include "machine/internal.h"
#include "machine/machine.h"
#include "test_disk.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DISK = 4 << 20, UNIT = 4096, SLOTS = 8, REQUESTS = 400 };

static struct slot {
	struct bp_blk_request req;
	struct bp_blk_iov iov;
	uint64_t id; /* 0: free */
} slot[SLOTS];
static int marks = -1;
static unsigned failed;

static void mark(const char *word, uint64_t id, const char *what)
{
	char line[64];
	int n = g_snprintf(line, sizeof(line), "%s %" G_GUINT64_FORMAT " %s\n", word, id, what);
	failed += write(marks, line, (size_t)n) != n;
}

static void done(void *owner, struct bp_blk_request *r, int result)
{
	(void)owner;
	mark("end", slot[r->tag].id, "");
	slot[r->tag].id = 0;
	failed += result != 0;
}

/* Four of ten are flushes, one is a write that is to be durable by itself. */
static void fill(struct slot *s, GRand *random, uint64_t id, uint8_t *memory)
{
	unsigned what = (unsigned)g_rand_int_range(random, 0, 10);
	s->id = id;
	s->iov = (struct bp_blk_iov){ memory, UNIT << g_rand_int_range(random, 0, 4) };
	s->req = (struct bp_blk_request){ .size = sizeof(s->req),
		.op = what < 4 ? BP_BLK_FLUSH : BP_BLK_WRITE,
		.flags = what == 4 ? BP_BLK_FUA : 0,
		.done = done,
		.tag = (uint64_t)(s - slot) };
	if (what >= 4) {
		s->req.iov = &s->iov;
		s->req.iov_count = 1;
		s->req.len = s->iov.len;
		s->req.offset = UNIT *
			(uint64_t)g_rand_int_range(
				random, 0, (gint32)((DISK - s->iov.len) / UNIT) + 1);
	}
	mark("begin", id, what < 4 ? "flush" : what == 4 ? "fua" : "write");
}

static void guest(struct object *o, GRand *random)
{
	const struct device *d = o->instance;
	const struct bp_blk *blk = d->blk->ops;
	uint8_t *memory = blk_memory(DISK);
	memset(memory, 0x5a, DISK);
	for (uint64_t id = 1; id <= REQUESTS;) {
		g_assert_true(domain_enter(o->domain));
		for (unsigned n = 0; n < SLOTS && id <= REQUESTS; n++)
			if (!slot[n].id) {
				struct bp_blk_request *r = &slot[n].req;
				fill(&slot[n], random, id++, memory);
				blk->submit(d->blk->self, &r, 1);
			}
		if (id > REQUESTS || !g_rand_int_range(random, 0, 4))
			blk->drain(d->blk->self, NULL);
		domain_leave(o->domain);
		g_usleep(200);
	}
	blk_memory_free(memory, DISK);
}

int main(int argc, char **argv)
{
	struct error_list errors = { 0 };
	const struct type *type;
	if (argc < 7)
		return 2;
	find_types(argc - 4, argv + 4, device_types);
	blk_format(argv[1], &type, &errors);
	char *text = g_strdup_printf(
		"[disk]\ntype = \"drive\"\nfile = \"%s\"\nformat = \"%s\"\ncache = \"%s\"\n"
		"aio = \"threads\"\n[dev]\ntype = \"test-disk\"\nblk = \"disk\"\nwrites = true\n",
		argv[2], argv[1], argv[3]);
	struct toml_value *desc = toml_parse("test", text, strlen(text), &errors);
	struct machine *m = desc ? machine_plan(desc, &errors) : NULL;
	marks = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (!m || marks < 0 || machine_build(m, &errors) != 0) {
		error_list_print(&errors, stderr);
		return 1;
	}
	GRand *random = g_rand_new_with_seed((guint32)atoi(argv[4]));
	guest(instance_find(m, "dev")->object, random);
	g_rand_free(random);
	machine_destroy(m);
	toml_destroy(desc);
	g_free(text);
	return failed != 0;
}
