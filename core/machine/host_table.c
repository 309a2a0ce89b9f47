/* SPDX-License-Identifier: MIT */
/* The services handed to plugins: which room does what. */
#include "host/work.h"
#include "internal.h"
#include <backplane/machine.h>
#include <stdatomic.h>

#ifndef BACKPLANE_VERSION
#define BACKPLANE_VERSION "unknown"
#endif

const struct bp_host *machine_host(void)
{
	return &host_table;
}

static struct machine *current; /* one machine a process */

void host_set_machine(struct machine *m)
{
	current = m;
}

static void log_line(const void *self, int level, const char *fmt, ...) BP_PRINTF(3, 4);

/* Guests can cause lines at will: a hundred of them in a run, then silence. */
static bool rate_limited(int level)
{
	enum { GUEST_LINES = 100 };
	static _Atomic(int) guest_lines;
	if (level != BP_LOG_GUEST)
		return false;
	int n = atomic_fetch_add(&guest_lines, 1);
	if (n == GUEST_LINES)
		g_printerr("backplane: the guest causes many messages; no more of them\n");
	return n >= GUEST_LINES;
}

static void log_line(const void *self, int level, const char *fmt, ...)
{
	va_list args;
	if (level >= BP_LOG_DEBUG || rate_limited(level))
		return;
	va_start(args, fmt);
	char *text = g_strdup_vprintf(fmt, args);
	va_end(args);
	g_printerr(
		"backplane: %s%s%s\n", self ? object_of(self)->name : "", self ? ": " : "", text);
	g_free(text);
}

static const char *name_of(const void *self)
{
	return object_of(self)->name;
}

/* A thread that is inside some domain already stays there: its leave answers the enter that did
 * nothing. */
static __thread unsigned not_entered;

static void enter(void *self)
{
	if (not_entered || !domain_enter(object_of(self)->domain))
		not_entered++;
}

static void leave(void *self)
{
	if (not_entered)
		not_entered--;
	else
		domain_leave(object_of(self)->domain);
}

/* ---- nobody acts while states are loaded ---- */

static bool loading;
static unsigned acts;
static const char *first_act;

void host_loading_begin(void)
{
	loading = true;
	acts = 0;
	first_act = "";
}

unsigned host_loading_end(const char **what)
{
	loading = false;
	*what = first_act;
	return acts;
}

static bool forbidden(const char *what)
{
	if (loading && !acts++)
		first_act = what;
	return loading;
}

static void host_line_set(bp_line *line, int level)
{
	if (!loading)
		line_set(line, level);
	else if (line && line_get(line) != (level != 0))
		forbidden("changed a wire");
}

static void host_request(const void *self, int request, int code)
{
	if (!forbidden("asked for a reset or the like"))
		sched_request(self, request, code);
}

static int host_dma_write(bp_dma *dma, uint64_t addr, const void *buf, uint64_t len)
{
	return forbidden("wrote to memory") ? BP_BUS_ERROR : dma_write(dma, addr, buf, len);
}

static void host_work_drain(void *self)
{
	work_drain(object_of(self));
}

static int host_space_access(bp_space *space, uint64_t addr, void *buf, uint64_t len, int write,
	const struct bp_access *how)
{
	return write && forbidden("wrote to an address space")
		? BP_BUS_ERROR
		: space_access(space, addr, buf, len, write, how);
}

/* ---- "bp.machine/1" ---- */

static void *machine_object(const void *self, unsigned n)
{
	(void)self;
	if (!current || n >= current->instances->len)
		return NULL;
	return ((struct instance *)g_ptr_array_index(current->instances, n))->object->instance;
}

static void *machine_find(const void *self, const char *name)
{
	(void)self;
	struct instance *in = current ? instance_find(current, name) : NULL;
	char *first = g_strdup_printf("%s.0", name);
	if (!in && current)
		in = instance_find(current, first);
	g_free(first);
	return in ? in->object->instance : NULL;
}

static const char *type_of(const void *object)
{
	return object_of(object)->type->id;
}

static int kind_of(const void *object)
{
	return (int)object_of(object)->type->kind;
}

static const void *interface_of(void *object, const char *id)
{
	return object_interface(object_of(object), id);
}

static int placement(const void *object, unsigned n, struct bp_placement *out)
{
	struct bus_place p;
	struct bus_space *space;
	if (!bus_object_place(object_of(object), n, &p, &space))
		return -1;
	*out = (struct bp_placement){ .size = sizeof(*out),
		.region = p.name,
		.base = p.base,
		.length = p.last - p.base + 1,
		.space = bus_space_handle(space),
		.space_name = space->name };
	return 0;
}

static int wire(const void *object, unsigned n, struct bp_wire *out)
{
	struct line_wire w;
	if (!line_wire_at(object_of(object), n, &w))
		return -1;
	*out = (struct bp_wire){ .size = sizeof(*out),
		.index = w.index,
		.target_index = w.target_index,
		.pin = w.pin,
		.target_pin = w.target_pin,
		.target = w.target->instance };
	return 0;
}

static const struct bp_field *prop_of(const void *object, const char *name)
{
	const struct type *t = object_of(object)->type;
	return field_find(t->object->props, t->field_size, name);
}

static int get_number(const void *object, const char *prop, uint64_t *out)
{
	const struct bp_field *f = prop_of(object, prop);
	if (!f)
		return -1;
	*out = field_get_number(f, object);
	return 0;
}

static const char *get_string(const void *object, const char *prop)
{
	const struct bp_field *f = prop_of(object, prop);
	return f ? field_get_string(f, object) : NULL;
}

static void *get_link(const void *object, const char *prop)
{
	/* What the machine file says, so that links of every kind are found alike. */
	const struct object *o = object_of(object);
	struct instance *in = current ? instance_find(current, o->name) : NULL;
	const struct toml_value *v = in ? toml_get(in->entry->value, prop) : NULL;
	if (!v || v->type != TOML_STRING)
		return NULL;
	uint64_t work = current->work; /* bounded while a file is read, not while a machine runs */
	struct error_list ignored = { 0 };
	GArray *targets = targets_expand(current, in, prop, v->string.bytes, v->pos, &ignored);
	error_list_finish(&ignored);
	current->work = work;
	void *found = NULL;
	if (targets && targets->len)
		found = g_array_index(
			targets, struct target, targets->len == in->count ? in->index : 0)
				.instance->object->instance;
	targets_free(targets);
	return found;
}

static const char *command(const void *self, const char *line)
{
	(void)self;
	return current ? machine_command(current, line) : "";
}

static const struct bp_machine machine_services = {
	.size = sizeof(machine_services),
	.object = machine_object,
	.find = machine_find,
	.name = name_of,
	.type = type_of,
	.kind = kind_of,
	.interface_of = interface_of,
	.placement = placement,
	.wire = wire,
	.get_number = get_number,
	.get_string = get_string,
	.get_link = get_link,
	.command = command,
};

static const void *service(const char *id)
{
	static const struct {
		const char *id;
		const void *ops;
	} services[] = { { "bp.machine/1", &machine_services }, { "bp.cpu-core/1", &vcpu_services },
		{ "bp.float/1", &jit_float }, { "bp.blk-layer/1", &blk_layer },
		{ "bp.user/1", &user_services } };
	for (unsigned i = 0; i < G_N_ELEMENTS(services); i++)
		if (!strcmp(services[i].id, id))
			return services[i].ops;
	return NULL;
}

const struct bp_host host_table = {
	.size = sizeof(host_table),
	.abi_minor = BP_ABI_MINOR,
	.name = "backplane",
	.version = BACKPLANE_VERSION,
	.fail = object_fail,
	.log = log_line,
	.name_of = name_of,
	.interface = service,
	.enter = enter,
	.leave = leave,
	.post = sched_post,
	.request = host_request,
	.line_set = host_line_set,
	.line_get = line_get,
	.now = sched_host_now,
	.timer_new = sched_timer_new,
	.timer_at = sched_timer_at,
	.timer_cancel = sched_timer_cancel,
	.watch_new = sched_watch_new,
	.watch_set = sched_watch_set,
	.watch_free = sched_watch_free,
	.dma_read = dma_read,
	.dma_write = host_dma_write,
	.dma_map = dma_map,
	.dma_unmap = dma_unmap,
	.space_access = host_space_access,
	.transaction_begin = transaction_begin,
	.transaction_commit = transaction_commit,
	.region_enable = region_enable,
	.region_move = region_move,
	.region_memory = region_memory,
	.region_dirty = region_dirty,
	.region_direct = region_direct,
	.chr_attach = chr_attach,
	.chr_write = chr_write,
	.chr_ready = chr_ready,
	.chr_receive = chr_receive,
	.chr_event = chr_event,
	.chr_attached = chr_attached,
	.chr_info = chr_info,
	.random = sched_random,
	.window_new = window_new,
	.window_free = window_free,
	.window_show = window_show,
	.window_bytes = window_bytes,
	.dma_new = dma_behind,
	.dma_requester = dma_requester,
	.dma_free = dma_free,
	.dma_discard = dma_discard,
	.work = work_begin,
	.work_drain = host_work_drain,
};
