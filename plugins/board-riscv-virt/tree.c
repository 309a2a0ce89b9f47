/* SPDX-License-Identifier: MIT */
/* A node is known by its path: libfdt moves nodes when others grow. What does not fit is noted once
 * and told at the end. */
#include "tree.h"
#include <backplane/fdt.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { TREE_BYTES = 2 << 20, PATH = 256, HANDLES = 8192, WIRES = 8192, WINDOWS = 16, SEED = 32 };

struct tree {
	void *fdt;
	const struct bp_machine *machine;
	struct handle { /* phandle = index + 1 */
		const void *object;
		char path[PATH]; /* of the node that bears it */
	} * handle;
	uint32_t handles;
	const bp_space *space;
	int failed;
};

struct node {
	struct tree *t;
	char path[PATH];
};

static int at(struct node *n)
{
	return fdt_path_offset(n->t->fdt, n->path);
}

static void set(struct node *n, const char *name, const void *value, size_t len)
{
	if (len > TREE_BYTES || fdt_setprop(n->t->fdt, at(n), name, value, (int)len) != 0)
		n->t->failed = 1;
}

static void set_u32s(void *node, const char *name, const uint32_t *cells, unsigned count)
{
	fdt32_t *out = calloc(count ? count : 1, sizeof(*out));
	for (unsigned i = 0; out && i < count; i++)
		out[i] = cpu_to_fdt32(cells[i]);
	if (out)
		set(node, name, out, count * sizeof(*out));
	else
		((struct node *)node)->t->failed = 1;
	free(out);
}

static void set_u64(void *node, const char *name, uint64_t value)
{
	fdt64_t v = cpu_to_fdt64(value);
	set(node, name, &v, sizeof(v));
}

static void set_string(void *node, const char *name, const char *text)
{
	set(node, name, text, strlen(text) + 1);
}

static void set_strings(void *node, const char *name, const char *const *list, unsigned count)
{
	struct node *n = node;
	set(n, name, NULL, 0);
	for (unsigned i = 0; i < count; i++)
		if (fdt_appendprop_string(n->t->fdt, at(n), name, list[i]) != 0)
			n->t->failed = 1;
}

static void set_empty(void *node, const char *name)
{
	set(node, name, NULL, 0);
}

static void set_u32(struct node *n, const char *name, uint32_t value)
{
	set_u32s(n, name, &value, 1);
}

static uint32_t handle_of(struct tree *t, const void *object)
{
	for (uint32_t i = 0; i < t->handles; i++)
		if (t->handle[i].object == object)
			return i + 1;
	if (t->handles == HANDLES) {
		t->failed = 1;
		return 0;
	}
	t->handle[t->handles] = (struct handle){ .object = object };
	return ++t->handles;
}

static uint32_t phandle(void *node, void *object)
{
	return handle_of(((struct node *)node)->t, object);
}

static void represent(void *node, void *object)
{
	struct node *n = node;
	uint32_t h = handle_of(n->t, object);
	if (h)
		snprintf(n->t->handle[h - 1].path, PATH, "%s", n->path);
}

static void add(struct node *parent, const char *name, struct node *out)
{
	out->t = parent->t;
	int n = snprintf(
		out->path, PATH, "%s/%s", strcmp(parent->path, "/") ? parent->path : "", name);
	if (n >= PATH || fdt_add_subnode(parent->t->fdt, at(parent), name) < 0)
		parent->t->failed = 1;
}

static void *child_of(struct node *parent, const char *name)
{
	/* Freed by end_child. Memory for so little is always there or the whole program ends. */
	struct node *n = calloc(1, sizeof(*n));
	if (!n)
		abort();
	add(parent, name, n);
	return n;
}

static void *child(void *node, const char *name)
{
	return child_of(node, name);
}

static void *root_child(void *node, const char *name)
{
	struct node root = { ((struct node *)node)->t, "/" };
	return child_of(&root, name);
}

static const struct bp_fdt_writer writer = {
	.size = sizeof(writer),
	.u32s = set_u32s,
	.u64 = set_u64,
	.string = set_string,
	.strings = set_strings,
	.empty = set_empty,
	.phandle = phandle,
	.represent = represent,
	.child = child,
	.root_child = root_child,
	.end_child = free,
};

/* libfdt puts a new node in front of its brothers: who wants them in order begins with the last. */
static unsigned objects(const struct tree *t, const void *self)
{
	unsigned n = 0;
	while (t->machine->object(self, n))
		n++;
	return n;
}

/* ---- devices ---- */

/* The object's windows in the CPUs' space, as cells of `reg` behind the `count` that are there. */
static unsigned windows(const struct tree *t, const void *object, uint32_t cells[4 * WINDOWS],
	unsigned count, uint64_t *first)
{
	struct bp_placement p;
	for (unsigned i = 0; t->machine->placement(object, i, &p) == 0; i++) {
		if (p.space != t->space || count == 4 * WINDOWS)
			continue;
		if (!count)
			*first = p.base;
		cells[count++] = (uint32_t)(p.base >> 32);
		cells[count++] = (uint32_t)p.base;
		cells[count++] = (uint32_t)(p.length >> 32);
		cells[count++] = (uint32_t)p.length;
	}
	return count;
}

static int by_index(const void *a, const void *b)
{
	const struct bp_wire *x = a, *y = b;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* The caller frees it; NULL when no memory is left. */
static struct bp_wire *wires_of(
	const struct bp_machine *machine, const void *object, unsigned *count)
{
	struct bp_wire one, *all;
	for (*count = 0; *count < WIRES && machine->wire(object, *count, &one) == 0;)
		++*count;
	all = calloc(*count + 1, sizeof(*all));
	for (unsigned i = 0; all && i < *count; i++)
		machine->wire(object, i, &all[i]);
	return all;
}

/* Wires to interrupt controllers: all with their controller (interrupts-extended), or the numbers
 * under one parent. */
static void set_interrupts(struct node *n, const void *object, int extended)
{
	unsigned wires, count = 0;
	struct bp_wire *wire = wires_of(n->t->machine, object, &wires);
	uint32_t *cells = calloc(wires + 1, 5 * sizeof(*cells)), parent = 0;
	if (!wire || !cells) {
		n->t->failed = 1;
		wires = 0;
	}
	/* One index after the other, and inside it the order of the pins. */
	if (extended && wires) {
		for (unsigned i = 1; i < wires; i++)
			for (unsigned k = i; k && by_index(&wire[k - 1], &wire[k]) > 0; k--) {
				struct bp_wire t = wire[k];
				wire[k] = wire[k - 1];
				wire[k - 1] = t;
			}
	}
	for (unsigned i = 0; i < wires; i++) {
		const struct bp_fdt_node *to =
			n->t->machine->interface_of(wire[i].target, "bp.fdt-node/1");
		uint32_t numbers[4];
		if (!to || !to->interrupt)
			continue;
		unsigned many = to->interrupt(
			wire[i].target, wire[i].target_pin, wire[i].target_index, numbers);
		parent = handle_of(n->t, wire[i].target);
		if (extended)
			cells[count++] = parent;
		for (unsigned k = 0; k < many && k < 4; k++)
			cells[count++] = numbers[k];
	}
	if (count && !extended)
		set_u32(n, "interrupt-parent", parent);
	if (count)
		set_u32s(n, extended ? "interrupts-extended" : "interrupts", cells, count);
	free(wire);
	free(cells);
}

/* Banks: an instance of the same type whose window begins at `base`, or ends there. */
static void *bank_at(
	const struct tree *t, const void *self, const void *object, uint64_t base, int ends)
{
	struct bp_placement p;
	void *other;
	for (unsigned i = 0; (other = t->machine->object(self, i)); i++)
		if (other != object && !strcmp(t->machine->type(object), t->machine->type(other)) &&
			t->machine->placement(other, 0, &p) == 0 && p.space == t->space &&
			(ends ? p.base + p.length : p.base) == base)
			return other;
	return NULL;
}

/* Cells of the object's windows and of its further banks'. */
static unsigned all_windows(const struct tree *t, const void *self, const void *object,
	const struct bp_fdt_node *d, uint32_t cells[4 * WINDOWS], uint64_t *first)
{
	struct bp_placement p;
	unsigned count = windows(t, object, cells, 0, first);
	if (d->flags & BP_FDT_FIRST_WINDOW)
		return count ? 4 : 0;
	if (!(d->flags & BP_FDT_BANKS))
		return count;
	while (object && count < 4 * WINDOWS && t->machine->placement(object, 0, &p) == 0) {
		object = bank_at(t, self, object, p.base + p.length, 0);
		if (object)
			count = windows(t, object, cells, count, first);
	}
	return count;
}

static int is_further_bank(
	const struct tree *t, const void *self, const void *object, const struct bp_fdt_node *d)
{
	struct bp_placement p;
	return d->flags & BP_FDT_BANKS && t->machine->placement(object, 0, &p) == 0 && p.base &&
		bank_at(t, self, object, p.base, 1);
}

static void add_device(
	struct node *parent, const void *self, void *object, const struct bp_fdt_node *d)
{
	char name[64];
	uint32_t cells[4 * WINDOWS];
	uint64_t base = 0;
	unsigned strings = 0, count = all_windows(parent->t, self, object, d, cells, &base);
	struct node n;
	snprintf(name, sizeof(name), count ? "%s@%" PRIx64 : "%s", d->name, base);
	add(parent, name, &n);
	while (d->compatible && d->compatible[strings])
		strings++;
	if (strings)
		set_strings(&n, "compatible", d->compatible, strings);
	if (count)
		set_u32s(&n, "reg", cells, count);
	if (d->interrupt_cells) {
		set_u32(&n, "#interrupt-cells", d->interrupt_cells);
		set_empty(&n, "interrupt-controller");
	}
	if (!(d->flags & BP_FDT_MAPS_INTERRUPTS))
		set_interrupts(&n, object, d->flags & BP_FDT_INTERRUPTS_EXTENDED);
	represent(&n, object);
	if (d->describe)
		d->describe(object, &writer, &n);
}

static void add_devices(struct tree *t, struct node *root, const void *self)
{
	struct node soc;
	void *object;
	add(root, "soc", &soc);
	set_u32(&soc, "#address-cells", 2);
	set_u32(&soc, "#size-cells", 2);
	set_string(&soc, "compatible", "simple-bus");
	set_empty(&soc, "ranges");
	for (unsigned i = objects(t, self); i-- > 0;) {
		object = t->machine->object(self, i);
		const struct bp_fdt_node *d = t->machine->interface_of(object, "bp.fdt-node/1");
		if (d && d->name && t->machine->kind(object) != BP_KIND_CPU &&
			!is_further_bank(t, self, object, d))
			add_device(d->flags & BP_FDT_ROOT ? root : &soc, self, object, d);
	}
}

/* ---- CPUs ---- */

static void add_cpus(struct tree *t, struct node *root, const void *self, uint64_t timebase)
{
	struct node cpus, map, cluster, n, core;
	uint32_t hart = 0;
	void *object;
	char name[32];
	add(root, "cpus", &cpus);
	set_u32(&cpus, "#address-cells", 1);
	set_u32(&cpus, "#size-cells", 0);
	set_u32(&cpus, "timebase-frequency", (uint32_t)timebase);
	add(&cpus, "cpu-map", &map);
	add(&map, "cluster0", &cluster);
	/* CPUs that have no place in this tree are counted too. */
	for (unsigned i = 0; (object = t->machine->object(self, i)); i++)
		hart += t->machine->kind(object) == BP_KIND_CPU;
	for (unsigned i = objects(t, self); i-- > 0;) {
		object = t->machine->object(self, i);
		const struct bp_fdt_node *d = t->machine->interface_of(object, "bp.fdt-node/1");
		if (t->machine->kind(object) != BP_KIND_CPU)
			continue;
		hart--;
		if (!d || !d->compatible)
			continue;
		snprintf(name, sizeof(name), "cpu@%x", hart);
		add(&cpus, name, &n);
		set_string(&n, "compatible", d->compatible[0]);
		set_u32(&n, "reg", hart);
		set_string(&n, "status", "okay");
		if (d->describe)
			d->describe(object, &writer, &n);
		/* The CPU's own phandle; its interrupt controller represents the object. */
		represent(&n, (char *)object + 1);
		snprintf(name, sizeof(name), "core%u", hart);
		add(&cluster, name, &core);
		set_u32(&core, "cpu", handle_of(t, (const char *)object + 1));
	}
}

/* ---- the rest ---- */

static void set_boot(struct node *chosen, const struct tree_options *o)
{
	if (o->bootargs)
		set_string(chosen, "bootargs", o->bootargs);
	if (o->initrd_end) {
		set_u64(chosen, "linux,initrd-start", o->initrd);
		set_u64(chosen, "linux,initrd-end", o->initrd_end);
	}
}

/* Serial lines, whose nodes are there already. */
static void add_aliases(struct tree *t, struct node *root, struct node *chosen, const void *self)
{
	struct node aliases;
	void *object;
	unsigned serial = 0;
	add(root, "aliases", &aliases);
	for (unsigned i = 0; (object = t->machine->object(self, i)); i++) {
		const struct bp_fdt_node *d = t->machine->interface_of(object, "bp.fdt-node/1");
		char alias[32];
		if (!d || !d->name || strcmp(d->name, "serial"))
			continue;
		uint32_t h = handle_of(t, object);
		if (!h)
			return;
		const char *path = t->handle[h - 1].path;
		snprintf(alias, sizeof(alias), "serial%u", serial);
		set_string(&aliases, alias, path);
		if (!serial++)
			set_string(chosen, "stdout-path", path);
	}
}

static void add_memory(struct node *root, const struct tree_options *o)
{
	struct node n;
	char name[32];
	uint32_t cells[4 * WINDOWS];
	uint64_t base = o->ram_base;
	snprintf(name, sizeof(name), "memory@%" PRIx64, base);
	add(root, name, &n);
	set_string(&n, "device_type", "memory");
	set_u32s(&n, "reg", cells, windows(root->t, o->ram, cells, 0, &base));
}

static void fill(struct tree *t, const void *self, const struct tree_options *o)
{
	static const uint8_t no_seed[SEED];
	struct node root = { t, "/" }, chosen;
	set_u32(&root, "#address-cells", 2);
	set_u32(&root, "#size-cells", 2);
	set_string(&root, "compatible", "riscv-virtio");
	set_string(&root, "model", "riscv-virtio,backplane");
	add(&root, "chosen", &chosen);
	set(&chosen, "rng-seed", no_seed, sizeof(no_seed));
	set_boot(&chosen, o);
	add_memory(&root, o);
	add_cpus(t, &root, self, o->timebase);
	add_devices(t, &root, self);
	add_aliases(t, &root, &chosen, self);
	for (uint32_t i = 0; i < t->handles; i++) {
		struct node n = { t, "" };
		memcpy(n.path, t->handle[i].path, PATH);
		if (n.path[0])
			set_u32(&n, "phandle", i + 1);
	}
}

static void *finish(struct tree *t, size_t *size)
{
	free(t->handle);
	if (t->failed || fdt_pack(t->fdt) != 0) {
		free(t->fdt);
		return NULL;
	}
	*size = fdt_totalsize(t->fdt);
	return t->fdt;
}

/* An empty tree with room to grow. libfdt would clear all of the room. */
static int start(void *fdt)
{
	uint64_t small[32];
	int failed = fdt_create_empty_tree(small, sizeof(small));
	return failed ? failed : fdt_open_into(small, fdt, TREE_BYTES);
}

void *tree_make(const struct bp_machine *machine, const void *self, const struct tree_options *o,
	size_t *size)
{
	struct tree t = { .fdt = malloc(TREE_BYTES),
		.machine = machine,
		.space = o->space,
		.handle = calloc(HANDLES, sizeof(struct handle)) };
	t.failed = !t.fdt || !t.handle || start(t.fdt) != 0;
	if (!t.failed)
		fill(&t, self, o);
	return finish(&t, size);
}

void *tree_adopt(const void *bytes, size_t len, const struct tree_options *o, size_t *size)
{
	struct tree t = { 0 };
	struct node root = { &t, "/" }, chosen = { &t, "/chosen" };
	if (len < sizeof(struct fdt_header) || len > TREE_BYTES || fdt_check_full(bytes, len) != 0)
		return NULL;
	t.fdt = malloc(len + TREE_BYTES);
	t.failed = !t.fdt || fdt_open_into(bytes, t.fdt, (int)len + TREE_BYTES) != 0;
	if (!t.failed && at(&chosen) < 0)
		add(&root, "chosen", &chosen);
	if (!t.failed)
		set_boot(&chosen, o);
	return finish(&t, size);
}

void tree_seed(void *tree, const struct bp_host *host, void *self)
{
	int len, chosen = fdt_path_offset(tree, "/chosen");
	uint8_t seed[SEED];
	if (!fdt_getprop(tree, chosen, "rng-seed", &len) || len != SEED)
		return;
	if (BP_HAS(host, random))
		host->random(self, seed, sizeof(seed));
	else if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		memset(seed, 0, sizeof(seed));
	fdt_setprop_inplace(tree, chosen, "rng-seed", seed, sizeof(seed));
}
