/* SPDX-License-Identifier: MIT */
/* list and describe: what the manifests and tables say. */
#include "plugin/field.h"
#include "tools.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t kind; /* 0: every kind */
} lists[] = { { "types", 0 }, { "cpus", BP_KIND_CPU }, { "boards", BP_KIND_BOARD },
	{ "devices", BP_KIND_DEVICE }, { "chrs", BP_KIND_CHR }, { "buses", BP_KIND_BUS },
	{ "tracers", BP_KIND_TOOL }, { "services", BP_KIND_SERVICE }, { "formats", BP_KIND_FORMAT },
	{ "nets", BP_KIND_NET }, { "uis", BP_KIND_UI } };

static int list_machines(void)
{
	char **names = desc_list();
	for (unsigned i = 0; names[i]; i++) {
		char *summary = desc_summary(names[i]);
		printf("%-22s %s\n", names[i], summary ? summary : "");
		g_free(summary);
	}
	g_strfreev(names);
	return EXIT_GOOD;
}

static int list_plugins(void)
{
	GHashTable *seen = g_hash_table_new(NULL, NULL);
	const struct type_entry *e;
	for (unsigned n = 0; (e = type_at(n)); n++) {
		if (!e->manifest->module[0] || !g_hash_table_add(seen, e->manifest))
			continue;
		printf("%-24s %s\n", e->manifest->package ? e->manifest->package : "-",
			e->manifest->module);
	}
	g_hash_table_destroy(seen);
	return EXIT_GOOD;
}

static void list_type(const struct type_entry *e, bool conflicts)
{
	printf("%-22s %-14s %s\n", e->id, kind_name(e->kind), e->summary ? e->summary : "");
	for (const struct type_entry *h = e->hides; conflicts && h; h = h->hides)
		printf("  hidden: the same type in %s\n", h->manifest->path);
}

int tool_list(struct options *o)
{
	const char *what = o->first ? o->first : "types";
	if (!strcmp(what, "machines"))
		return list_machines();
	if (!strcmp(what, "plugins"))
		return list_plugins();
	for (unsigned i = 0; i < G_N_ELEMENTS(lists); i++) {
		const struct type_entry *e;
		if (strcmp(lists[i].name, what))
			continue;
		for (unsigned n = 0; (e = type_at(n)); n++)
			if (!lists[i].kind || lists[i].kind == e->kind)
				list_type(e, o->conflicts);
		return EXIT_GOOD;
	}
	fprintf(stderr,
		"backplane: list %s: types, cpus, boards, devices, chrs, buses, tracers, "
		"services, machines or plugins is expected\n",
		what);
	return EXIT_USAGE;
}

/* ---- describe ---- */

static char *size_text(uint64_t bytes)
{
	static const char units[] = " KMGTPE";
	unsigned u = 0;
	while (bytes && bytes % 1024 == 0 && u < sizeof(units) - 2)
		bytes /= 1024, u++;
	return u ? g_strdup_printf("%" PRIu64 "%c", bytes, units[u])
		 : g_strdup_printf("%" PRIu64, bytes);
}

static void describe_default(const struct bp_field *f)
{
	char *size = f->type == BP_SIZE ? size_text(f->def) : NULL;
	if (f->type == BP_STR && f->def_str)
		printf(" [\"%s\"]", f->def_str);
	else if (f->type == BP_BOOL)
		printf(" [%s]", f->def ? "true" : "false");
	else if (f->type == BP_ENUM)
		printf(" [%s]", f->names[f->def]);
	else if (size && f->def)
		printf(" [%s]", size);
	else if ((f->type == BP_S32 || f->type == BP_S64) && f->def)
		printf(" [%" PRId64 "]", (int64_t)f->def);
	else if (f->type >= BP_U8 && f->type <= BP_U64 && f->def)
		printf(" [%" PRIu64 "]", f->def);
	if (f->flags & BP_F_REQUIRED)
		printf(" (required)");
	g_free(size);
}

static void describe_values(const struct bp_field *f)
{
	char *words = f->type == BP_ENUM ? g_strjoinv("|", (char **)f->names) : NULL;
	if (f->type == BP_LINK || f->type == BP_LINKS)
		printf(" (%s)", f->names[0]);
	if (words)
		printf(" (%s)", words);
	if (f->flags & BP_F_RANGE)
		printf(" (%" PRIu64 " to %" PRIu64 ")", f->min, f->max);
	g_free(words);
}

static void describe_props(const struct type *t)
{
	static const char *const core[] = { "memory",
		"the address space that it works in (bp.space/1)", "block-limit",
		"most instructions translated together; 0: the engine decides [0]", "check-ir",
		"verify every translation, at two addresses [false]", "engine",
		"what executes it: jit or interp [jit where the host has it]", NULL };
	const struct bp_field *f;
	unsigned n = 0;
	for (; (f = field_at(t->object->props, t->field_size, n)); n++) {
		printf("%s  %-20s %s", n ? "" : "properties:\n", f->name,
			f->help ? f->help : field_type_text(f));
		describe_values(f);
		describe_default(f);
		printf("\n");
	}
	for (unsigned i = 0; t->kind == BP_KIND_CPU && core[i]; i += 2)
		if (!field_find(t->object->props, t->field_size, core[i]))
			printf("%s  %-20s %s\n", n++ ? "" : "properties:\n", core[i], core[i + 1]);
}

/* Architectural registers, a line for each of the debugger's groups. */
static void describe_cpu(const struct type *t)
{
	const struct bp_cpu *cpu = t->ext;
	const char *group = NULL;
	for (unsigned n = 0; cpu->regs; n++) {
		const struct bp_cpu_reg *r = TABLE_AT(cpu->regs, t->cpu_reg_size, n);
		if (!r->name)
			break;
		if (r->flags & BP_REG_HIDDEN)
			continue;
		if (!group)
			printf("architectural registers (%s):", cpu->isa_name);
		if (!group || (r->group && strcmp(group, r->group) != 0))
			printf("\n  %-20s", r->group ? r->group : "");
		group = r->group ? r->group : "";
		if (r->count > 1)
			printf(" %s0..%s%u", r->name, r->name, r->count - 1);
		else
			printf(" %s", r->name);
	}
	if (group)
		printf("\n");
}

static void describe_regs(const struct type *t, const struct bp_region *r)
{
	for (unsigned n = 0; r->regs; n++) {
		const struct bp_reg *reg = TABLE_AT(r->regs, t->reg_size, n);
		if (!reg->name)
			return;
		printf("    0x%03x %u bit%s %-18s %s\n", reg->offset, 8u * reg->bytes,
			reg->count > 1 ? " bank" : "", reg->name, reg->help ? reg->help : "");
	}
}

static void describe_regions(const struct type *t)
{
	for (unsigned n = 0; t->object->regions; n++) {
		const struct bp_region *r = TABLE_AT(t->object->regions, t->region_size, n);
		if (!r->name)
			return;
		printf("%s  %-20s ", n ? "" : "windows:\n", r->name);
		char *size = size_text(r->size);
		if (r->size)
			printf("%s bytes\n", size);
		else
			printf("size from a property\n");
		g_free(size);
		describe_regs(t, r);
	}
}

static void describe_pins(const struct type *t, const struct bp_pin *pins, const char *title)
{
	for (unsigned n = 0; pins; n++) {
		const struct bp_pin *p = TABLE_AT(pins, t->pin_size, n);
		if (!p->name)
			return;
		printf("%s%s  %-20s", n ? "" : title, n ? "" : ":\n", p->name);
		if (p->flags & BP_PIN_COUNT_FROM_LINKS)
			printf(" as many as are connected\n");
		else if (p->count_offset)
			printf(" number from a property\n");
		else
			printf(" %u\n", p->count ? p->count : 1);
	}
}

static void describe_state(const struct type *t)
{
	const struct bp_field *f;
	for (unsigned n = 0; (f = field_at(t->object->state, t->field_size, n)); n++)
		n ? printf(", %s", f->name)
		  : printf("state, version %u:\n  %s", t->object->state_version, f->name);
	if (field_at(t->object->state, t->field_size, 0))
		printf("\n");
}

int tool_describe(struct options *o)
{
	struct error_list errors = { 0 };
	struct type_entry *e = o->first ? type_find(o->first) : NULL;
	if (!e) {
		const char *near = o->first ? type_nearest(o->first) : NULL;
		fprintf(stderr, "backplane: there is no type \"%s\"%s%s%s\n",
			o->first ? o->first : "", near ? "; did you mean \"" : "",
			near ? near : "; `backplane list` names those there are",
			near ? "\"?" : "");
		return EXIT_USAGE;
	}
	const struct type *t = type_load(e, NULL, &errors);
	if (!t) {
		error_list_print(&errors, stderr);
		error_list_finish(&errors);
		return EXIT_USAGE;
	}
	printf("%s: %s\n", e->id, t->summary ? t->summary : "");
	printf("kind %s, package %s, plugin %s\n", kind_name(t->kind),
		e->manifest->package ? e->manifest->package : "-",
		e->manifest->module[0]        ? e->manifest->module
			: e->manifest->plugin ? "linked in"
					      : "the core itself");
	for (unsigned i = 0; e->compatible && e->compatible[i]; i++)
		printf("%s%s", i ? ", " : "compatible: ", e->compatible[i]);
	if (e->compatible && e->compatible[0])
		printf("\n");
	describe_props(t);
	describe_regions(t);
	if (t->kind == BP_KIND_CPU)
		describe_cpu(t);
	describe_pins(t, t->object->out, "outputs");
	describe_pins(t, t->object->in, "inputs");
	describe_state(t);
	error_list_finish(&errors);
	return EXIT_GOOD;
}
