/* SPDX-License-Identifier: MIT */
/* The order of a load: the file is read once for its checksums alone, so that nothing is changed by a
 * damaged one; then the machine is compared, and all fields, lines and memory are set; only then does
 * each object hear of it. */
#include "bus/line.h"
#include "internal.h"
#include "plugin/field.h"
#include "sched/sched.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct load {
	const struct state_machine *m;
	struct in in;
	bool compared, timed; /* those sections were there */
	bool *seen; /* objects */
	uint32_t *version; /* theirs */
	struct bus_ram *ram; /* what PAGES belong to */
	unsigned rams; /* blocks that were there, in their order */
	uint64_t next;
	struct progress progress;
};

static enum state_result damaged(struct load *l, const char *format, ...) G_GNUC_PRINTF(2, 3);
static enum state_result damaged(struct load *l, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *why = g_strdup_vprintf(format, args);
	va_end(args);
	error_list_add(l->in.errors, l->in.path, "the snapshot is damaged: %s", why);
	g_free(why);
	return STATE_BAD;
}

/* Of a section whose contents gave `result`: one fault, one sentence. */
static enum state_result section_end_result(
	struct load *l, enum state_result result, unsigned errors_before)
{
	if (result != STATE_GOOD && l->in.errors->total != errors_before)
		return result;
	return in_consumed(&l->in) ? result : STATE_BAD;
}

static enum state_result take_machine(struct load *l)
{
	const char *saved = take_text(&l->in);
	if (!in_consumed(&l->in))
		return STATE_BAD;
	char *own = identity(l->m);
	enum state_result result = identity_compare(&l->in, saved, own);
	g_free(own);
	l->compared = true;
	/* Who is in no section of random numbers took none, or is of an older snapshot. */
	for (unsigned n = 0; result == STATE_GOOD && n < l->m->count; n++)
		l->m->objects[n]->random = 0;
	return result;
}

static enum state_result take_time(struct load *l)
{
	struct sched_state s = { 0 };
	const struct record r = { sched_state_fields, sizeof(struct bp_field), &s, "time" };
	enum state_result result = take_fields(&l->in, &r);
	if (result == STATE_OTHER)
		return result;
	if (!in_consumed(&l->in))
		return STATE_BAD;
	if (l->timed)
		return damaged(l, "its time is there twice");
	l->timed = true;
	sched_state_set(&s);
	return STATE_GOOD;
}

static bp_line *find_line(const struct object *o, const char *pin, uint64_t index)
{
	const char *name;
	unsigned number;
	bp_line *line;
	for (unsigned n = 0; (line = line_at(o, n, &name, &number)); n++)
		if (number == index && strcmp(name, pin) == 0)
			return line;
	return NULL;
}

/* Machines are the same, so all of them are there in the same order; a search is the exception. */
static enum state_result take_lines(struct load *l, const struct object *o)
{
	uint64_t count = take_number(&l->in, 4);
	for (uint64_t n = 0; n < count && !l->in.bad; n++) {
		const char *own = "", *pin = take_text(&l->in);
		unsigned number = 0;
		uint64_t index = take_number(&l->in, 4), level = take_number(&l->in, 1);
		bp_line *line = line_at(o, (unsigned)n, &own, &number);
		if (!line || number != index || strcmp(own, pin) != 0)
			line = find_line(o, pin, index);
		if (!l->in.bad && (!line || level > 1))
			return damaged(l, "%s has no output %s:%" PRIu64 " with level %" PRIu64,
				o->name, pin, index, level);
		if (!l->in.bad)
			line_restore(line, (int)level);
	}
	return STATE_GOOD;
}

static enum state_result take_cpu(struct load *l, struct object *o)
{
	struct state_cpu cpu = { 0 };
	const struct record r = { state_cpu_fields, sizeof(struct bp_field), &cpu, o->name };
	const char *region;
	unsigned n = (unsigned)take_number(&l->in, 4);
	enum state_result result = take_fields(&l->in, &r);
	if (result != STATE_GOOD)
		return result;
	if (cpu.watching) {
		cpu.watch_ram = ram_at(l->m, n, &region);
		if (!cpu.watch_ram || !cpu.watch_size || cpu.watch_size > 16 ||
			cpu.watch_size & (cpu.watch_size - 1) ||
			cpu.watch_offset % cpu.watch_size ||
			cpu.watch_offset >= cpu.watch_ram->size)
			return damaged(l, "%s watches no memory", o->name);
	}
	l->m->cpu->set(o, &cpu);
	return STATE_GOOD;
}

static enum state_result take_state(struct load *l, struct object *o, unsigned index)
{
	const struct type *t = o->type;
	const struct record r = { t->object->state, t->field_size, o->instance, o->name };
	uint32_t version = (uint32_t)take_number(&l->in, 4);
	if (version < t->object->state_oldest || version > t->object->state_version) {
		error_list_add(l->in.errors, l->in.path,
			"%s: the snapshot has version %u of the state of %s; this plugin reads %u "
			"to %u",
			o->name, version, t->id, t->object->state_oldest, t->object->state_version);
		return STATE_OTHER;
	}
	l->version[index] = version;
	enum state_result result = take_fields(&l->in, &r);
	if (result == STATE_GOOD)
		result = take_lines(l, o);
	if (result == STATE_GOOD && t->kind == BP_KIND_CPU && l->m->cpu)
		result = take_cpu(l, o);
	return result;
}

/* The number of a saved object; that of all when there is none. */
static unsigned find_object(const struct load *l, const char *name)
{
	unsigned n = 0;
	while (n < l->m->count &&
		(!is_saved(l->m->objects[n]) || strcmp(l->m->objects[n]->name, name) != 0))
		n++;
	return n;
}

static enum state_result take_object(struct load *l)
{
	const char *name = take_text(&l->in), *type = take_text(&l->in);
	unsigned n = find_object(l, name);
	if (n == l->m->count || strcmp(l->m->objects[n]->type->id, type) != 0) {
		error_list_add(l->in.errors, l->in.path,
			"the snapshot has an object %s of type %s, which this machine has not",
			name, type);
		return STATE_OTHER;
	}
	if (l->seen[n])
		return damaged(l, "%s is there twice", name);
	l->seen[n] = true;
	unsigned before = l->in.errors->total;
	return section_end_result(l, take_state(l, l->m->objects[n], n), before);
}

static enum state_result take_random(struct load *l)
{
	const char *name = take_text(&l->in);
	unsigned n = find_object(l, name);
	if (n == l->m->count)
		return damaged(l, "it has random numbers of %s, which it has not", name);
	unsigned before = l->in.errors->total;
	struct record r = { sched_random_fields, sizeof(struct bp_field), l->m->objects[n], name };
	return section_end_result(l, take_fields(&l->in, &r), before);
}

static void end_ram(struct load *l)
{
	if (!l->ram)
		return;
	progress_step(&l->progress, l->ram->mapped - l->next);
	ram_loaded(l->ram, l->next);
	l->ram = NULL;
}

static enum state_result take_memory(struct load *l)
{
	const char *object = take_text(&l->in), *name = take_text(&l->in), *region = "";
	uint64_t size = take_number(&l->in, 8), fill = take_number(&l->in, 1);
	end_ram(l);
	struct bus_ram *ram = ram_at(l->m, l->rams++, &region);
	if (!in_consumed(&l->in))
		return STATE_BAD;
	if (!ram || strcmp(ram->owner->name, object) != 0 || strcmp(region, name) != 0 ||
		ram->mapped != size || ram->fill != fill) {
		error_list_add(l->in.errors, l->in.path,
			"the snapshot has a memory %s:%s of 0x%" PRIx64
			" bytes, which this machine has not",
			object, name, size);
		return STATE_OTHER;
	}
	l->ram = ram;
	l->next = 0;
	return STATE_GOOD;
}

static enum state_result take_section(struct load *l)
{
	uint64_t was = l->next;
	switch (l->in.kind) {
	case SECTION_DESCRIPTION:
		take_text(&l->in);
		return in_consumed(&l->in) ? STATE_GOOD : STATE_BAD;
	case SECTION_TIME: return take_time(l);
	case SECTION_OBJECT: return take_object(l);
	case SECTION_RANDOM: return take_random(l);
	case SECTION_MEMORY: return take_memory(l);
	case SECTION_PAGES:
		if (take_pages(&l->in, l->ram, &l->next) != 0)
			return STATE_BAD;
		progress_step(&l->progress, l->next - was);
		return STATE_GOOD;
	default: return damaged(l, "it has a section 0x%08" PRIx32 " that is unknown", l->in.kind);
	}
}

static enum state_result check_all_there(struct load *l)
{
	const char *region;
	if (!l->compared || !l->timed)
		return damaged(l, "it has no machine or no time");
	for (unsigned i = 0; i < l->m->count; i++)
		if (is_saved(l->m->objects[i]) && !l->seen[i])
			return damaged(l, "it has no %s", l->m->objects[i]->name);
	if (ram_at(l->m, l->rams, &region))
		return damaged(l, "it has too little memory");
	return STATE_GOOD;
}

static enum state_result take_all(struct load *l)
{
	enum state_result result = STATE_GOOD;
	int r = in_rewind(&l->in);
	if (r != 0)
		return STATE_BAD;
	while (result == STATE_GOOD && (r = in_next(&l->in)) == 1) {
		/* Nothing is set before it is known whose it is. */
		if (l->in.kind == SECTION_MACHINE && !l->compared)
			result = take_machine(l);
		else if (!l->compared)
			result = damaged(l, "it does not begin with a machine");
		else
			result = take_section(l);
	}
	end_ram(l);
	if (result != STATE_GOOD)
		return result;
	return r == 0 ? check_all_there(l) : STATE_BAD;
}

static enum state_result tell(struct load *l)
{
	enum state_result result = STATE_GOOD;
	for (unsigned i = 0; i < l->m->count && result == STATE_GOOD; i++) {
		struct object *o = l->m->objects[i];
		bp_error err = { l->in.errors, o };
		unsigned before = l->in.errors->total;
		if (!l->seen[i] || !o->type->object->loaded)
			continue;
		bool entered = o->domain && domain_enter(o->domain);
		if (o->type->object->loaded(o->instance, l->version[i], &err) != 0) {
			result = STATE_OTHER;
			if (l->in.errors->total == before)
				object_fail(&err, "it refuses its state and does not say why");
		}
		if (entered)
			domain_leave(o->domain);
	}
	return result;
}

enum state_result load_from(const struct state_machine *m, int fd, const char *path, bool trusting,
	struct error_list *errors)
{
	struct load l = { .m = m, .progress = { .what = "restoring" } };
	const struct bus_ram *ram;
	const char *region;
	int r;
	in_begin(&l.in, fd, path, errors);
	l.in.trusting = trusting;
	for (unsigned n = 0; (ram = ram_at(m, n, &region)); n++)
		l.progress.total += ram->mapped;
	l.seen = g_new0(bool, m->count + 1);
	l.version = g_new0(uint32_t, m->count + 1);
	r = trusting ? 0 : in_rewind(&l.in);
	if (!trusting && r == 0)
		do
			r = in_next(&l.in);
		while (r == 1);
	enum state_result result = r < 0 ? STATE_BAD : take_all(&l);
	if (result == STATE_GOOD)
		result = tell(&l);
	in_end(&l.in);
	g_free(l.seen);
	g_free(l.version);
	return result;
}

enum state_result state_load(
	const struct state_machine *m, const char *path, struct error_list *errors)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		error_list_add(errors, path, "it cannot be opened: %s", g_strerror(errno));
		return STATE_BAD;
	}
	enum state_result result = STATE_BAD;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		error_list_add(errors, path, "it is no regular file; name a snapshot");
	else
		result = load_from(m, fd, path, false, errors);
	close(fd);
	return result;
}
