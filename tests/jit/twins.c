/* SPDX-License-Identifier: MIT */
/* twins MACHINE PLUGINS [WORD=VALUE...]: native code does what the interpreter does.
 *
 * The machine has two CPUs, each with memory and a device of its own. Both run the same random code
 * (code.c) from the same random state in slices of the same length; between slices interrupts are
 * raised, code is poked, pages change. After each slice everything a guest can see must be the same:
 * registers, memory, the device, the count of instructions, LR's reservation.
 *
 *   seed=N      of the first case (0: a new one)    count=N    instructions in all
 *   case=N      that case alone                     xlen=32    the 32-bit CPU
 *   stats=1     one instruction at a time, counted by encoding and cause of traps
 *   OBJECT.PROPERTY=VALUE  of the machine           slices=N   at most so many of a case
 *
 * A slice that differs is run again from its start, cut shorter as long as it still differs, and
 * printed. */
#include "code.h"
#include "core/bus/bus.h"
#include "core/cpu/internal.h"
#include "core/machine/internal.h"
#include "core/machine/machine.h"
#include "plugins/cpu-riscv/state.h"
#include <backplane/fp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { SLICE_MOST = 800, STUCK = 1 << 20, SHOWN = 48, SPACES = 4 };

/* ---- the device: what a word of it does is its number ---- */

struct device {
	const struct bp_host *host;
	bp_line *msip, *meip, *ssip;
	uint64_t count, sum, extra_off;
};

static int device_touched(struct device *d, uint64_t offset, uint64_t value)
{
	d->count++;
	d->sum = d->sum * 31 + value + offset;
	switch (offset >> 3 & 15) {
	case 8: d->host->line_set(d->msip, 1); break;
	case 9: d->host->line_set(d->msip, 0); break;
	case 10: d->host->line_set(d->meip, 1); break;
	case 11: d->host->line_set(d->meip, 0); break;
	case 12:
		d->host->line_set(d->ssip, 1);
		d->host->line_set(d->ssip, 0);
		break;
	case 13: return BP_BUS_ERROR;
	case 14:
		if (d->count & 3)
			break;
		d->extra_off ^= 1;
		d->host->region_enable(d, 1, !d->extra_off);
		break;
	default: break;
	}
	return BP_OK;
}

static int device_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct device *d = self;
	(void)how;
	*value = (d->sum ^ d->count * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - 8 * bytes);
	return device_touched(d, offset, bytes);
}

static int device_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	(void)how;
	(void)bytes;
	return device_touched(self, offset, value);
}

static int device_create(void *self, const struct bp_host *host, bp_error *err)
{
	(void)err;
	((struct device *)self)->host = host;
	return 0;
}

static const struct bp_region device_regions[] = {
	{ .name = "regs", .size = 0x1000, .read = device_read, .write = device_write },
	{ .name = "extra", .size = 0x1000, .read = device_read, .write = device_write },
	{ 0 },
};
static const struct bp_pin device_pins[] = {
	{ .name = "msip", .offset = offsetof(struct device, msip), .count = 1 },
	{ .name = "meip", .offset = offsetof(struct device, meip), .count = 1 },
	{ .name = "ssip", .offset = offsetof(struct device, ssip), .count = 1 },
	{ 0 },
};
static const struct bp_object device_object = {
	.size = sizeof(struct bp_object),
	.instance_size = sizeof(struct device),
	.threads = BP_PARALLEL,
	.regions = device_regions,
	.out = device_pins,
	.create = device_create,
};
static const struct bp_type device_types[] = {
	{ "test,device", "a device that pulls at the CPU", BP_KIND_DEVICE, 0, &device_object,
		NULL },
	{ 0 },
};

/* ---- one of the two ---- */

struct side {
	struct object *cpu, *device_object;
	struct rv_cpu *rv;
	struct vcpu *v;
	struct device *device;
	struct bus_ram *ram, *tables;
};
static struct side left, right;
static unsigned xlen = 64;

struct moment { /* all that a side is, at a slice's start */
	struct rv_cpu rv;
	struct device device;
	uint8_t ram[RAM_SIZE];
	int64_t watch;
	uint64_t watch_value[2];
	unsigned watch_size;
};

static int64_t watch_of(const struct side *s)
{
	return s->v->watch_host ? s->v->watch_host - s->ram->host : -1;
}

static void wrote(struct bus_ram *ram, uint64_t at, const void *bytes, size_t len)
{
	memcpy(ram->host + at, bytes, len);
	bus_ram_written(ram, at, len);
}

static void wire(struct side *s, const char *name, int level)
{
	for (const struct bp_pin *p = s->cpu->type->object->in; p->name; p++)
		if (!strcmp(p->name, name))
			p->set(s->rv, 0, level);
}

/* What follows from the state is derived anew, as after a restored snapshot. */
static bool settle(struct side *s)
{
	tlb_flush_all(s->v);
	s->rv->head.pending = 0;
	return s->cpu->type->object->loaded(s->rv, 1, NULL) == 0;
}

static void extra_region(struct side *s, uint64_t off)
{
	if (s->device->extra_off != off)
		s->device->host->region_enable(s->device, 1, !off);
	s->device->extra_off = off;
}

static void moment_take(const struct side *s, struct moment *m)
{
	m->rv = *s->rv;
	m->device = *s->device;
	memcpy(m->ram, s->ram->host, RAM_SIZE);
	m->watch = watch_of(s);
	memcpy(m->watch_value, s->v->watch_value, sizeof(m->watch_value));
	m->watch_size = s->v->watch_size;
}

static void copy_guest(struct rv_cpu *to, const struct rv_cpu *from)
{
	to->head.pc = from->head.pc;
	to->head.icount = from->head.icount;
	memcpy(to->x, from->x, offsetof(struct rv_cpu, reset_pc) - offsetof(struct rv_cpu, x));
}

static void moment_return(struct side *s, const struct moment *m)
{
	copy_guest(s->rv, &m->rv);
	s->device->count = m->device.count;
	s->device->sum = m->device.sum;
	extra_region(s, m->device.extra_off);
	wrote(s->ram, 0, m->ram, RAM_SIZE);
	s->v->watch_host = m->watch < 0 ? NULL : s->ram->host + m->watch;
	memcpy(s->v->watch_value, m->watch_value, sizeof(m->watch_value));
	s->v->watch_size = m->watch_size;
	settle(s);
}

/* stats=1: what runs is counted, one instruction at a time. */
static struct {
	GHashTable *names; /* of encodings: how often */
	uint64_t traps[64];
} stats;

static uint32_t word_at(const struct side *s, uint64_t pc)
{
	uint32_t word = 0, at = (uint32_t)pc & (RAM_SIZE - 1);
	if ((pc >> 28 == RAM_AT >> 28 || pc >> 28 == ALIAS_AT >> 28) && at < RAM_SIZE - 4)
		memcpy(&word, s->ram->host + at, 4);
	return word;
}

static void count_one(const struct side *s)
{
	unsigned length;
	const char *name = code_name(word_at(s, s->rv->head.pc), xlen, &length);
	uint64_t n = (uintptr_t)g_hash_table_lookup(stats.names, name) + 1;
	g_hash_table_insert(stats.names, (gpointer)(uintptr_t)name, (gpointer)(uintptr_t)n);
	if (s->rv->head.pc == RAM_AT + HANDLERS)
		stats.traps[s->rv->mcause & 31]++;
	if (s->rv->head.pc == RAM_AT + HANDLER_S)
		stats.traps[32 + (s->rv->scause & 31)]++;
}

/* As the scheduler does it, on this thread. False: the CPU goes nowhere. */
static bool run(struct side *s, uint64_t budget)
{
	uint64_t end = s->rv->head.icount + budget;
	unsigned stuck = 0;
	while (s->rv->head.icount < end) {
		uint64_t before = s->rv->head.icount;
		atomic_store(&s->v->jit.kick, 0);
		atomic_store(&s->v->stop, false);
		if (atomic_exchange(&s->v->flush_wanted, false))
			tlb_flush_all(s->v);
		if (__atomic_exchange_n(&s->rv->head.pending, 0, __ATOMIC_SEQ_CST))
			s->v->type->interrupt(s->rv);
		if (stats.names && s == &left)
			count_one(s);
		if (s->v->engine->run(s->v->engine_cpu, stats.names ? 1 : end - before) ==
			BP_EXIT_ERROR)
			return false;
		stuck = s->rv->head.icount == before ? stuck + 1 : 0;
		if (stuck == STUCK)
			return false;
	}
	return s->rv->head.icount == end;
}

/* ---- comparing ---- */

static bool same(void)
{
	struct rv_cpu *a = left.rv, *b = right.rv;
	/* Not the guest's: engines may note subnormal operands there, or not. */
	a->fflags &= ~(uint32_t)BP_FP_DENORMAL;
	b->fflags &= ~(uint32_t)BP_FP_DENORMAL;
	return a->head.pc == b->head.pc && a->head.key == b->head.key &&
		a->head.icount == b->head.icount &&
		!memcmp(a->x, b->x,
			offsetof(struct rv_cpu, reset_pc) - offsetof(struct rv_cpu, x)) &&
		!memcmp(left.ram->host, right.ram->host, RAM_SIZE) &&
		left.device->count == right.device->count &&
		left.device->sum == right.device->sum && watch_of(&left) == watch_of(&right);
}

static void show(const char *name, int n, uint64_t a, uint64_t b)
{
	char text[32];
	snprintf(text, sizeof(text), n < 0 ? "%s" : "%s%d", name, n);
	if (a != b)
		printf("  %-12s interpreter %016" PRIx64 "  native %016" PRIx64 "\n", text, a, b);
}

static void show_differences(void)
{
	static const struct {
		const char *name;
		size_t offset, bytes, count;
	} fields[] = {
#define FIELD(name, count)                                                                         \
	{ #name, offsetof(struct rv_cpu, name), sizeof(left.rv->name) / (count), count }
		FIELD(head.pc, 1),
		FIELD(head.key, 1),
		FIELD(head.icount, 1),
		FIELD(x, 32),
		FIELD(f, 32),
		FIELD(v, 32 * RV_VLEN_MAX / 64),
		FIELD(fflags, 1),
		FIELD(frm, 1),
		FIELD(rounding, 1),
		FIELD(vxrm, 1),
		FIELD(vxsat, 1),
		FIELD(vstart, 1),
		FIELD(vl, 1),
		FIELD(vtype, 1),
		FIELD(vill, 1),
		FIELD(next_pc, 1),
		FIELD(priv, 1),
		FIELD(mstatus, 1),
		FIELD(mie, 1),
		FIELD(mip, 1),
		FIELD(wires, 1),
		FIELD(mepc, 1),
		FIELD(mcause, 1),
		FIELD(mtval, 1),
		FIELD(mscratch, 1),
		FIELD(sepc, 1),
		FIELD(scause, 1),
		FIELD(stval, 1),
		FIELD(sscratch, 1),
		FIELD(satp, 1),
		FIELD(minstret_offset, 1),
		FIELD(mcycle_offset, 1),
#undef FIELD
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		for (size_t n = 0; n < fields[i].count; n++) {
			uint64_t a = 0, b = 0;
			size_t at = fields[i].offset + n * fields[i].bytes;
			memcpy(&a, (const char *)left.rv + at, fields[i].bytes);
			memcpy(&b, (const char *)right.rv + at, fields[i].bytes);
			show(fields[i].name, fields[i].count == 1 ? -1 : (int)n, a, b);
		}
	for (unsigned at = 0, shown = 0; at < RAM_SIZE && shown < 8; at += 8)
		if (memcmp(left.ram->host + at, right.ram->host + at, 8)) {
			uint64_t a, b;
			memcpy(&a, left.ram->host + at, 8);
			memcpy(&b, right.ram->host + at, 8);
			show("RAM+", (int)at, a, b);
			shown++;
		}
	show("device.count", -1, left.device->count, right.device->count);
	show("device.sum", -1, left.device->sum, right.device->sum);
	show("reservation", -1, (uint64_t)watch_of(&left), (uint64_t)watch_of(&right));
}

/* ---- a slice that differs ---- */

static struct moment start; /* of both: they were the same */

/* From there `first` instructions by the interpreter for both sides, then up to `count` by each its
 * own engine. Whether they differ. */
static bool again(uint64_t first, uint64_t count)
{
	static struct moment middle;
	moment_return(&left, &start);
	bool ended = run(&left, first);
	moment_take(&left, &middle);
	moment_return(&left, &middle);
	moment_return(&right, &middle);
	ended &= run(&left, count - first);
	ended &= run(&right, count - first);
	return !ended || !same();
}

static void disassemble(uint64_t first, uint64_t count)
{
	moment_return(&left, &start);
	run(&left, first);
	for (uint64_t n = first; n < count; n++) {
		uint64_t pc = left.rv->head.pc;
		unsigned length;
		uint32_t word = word_at(&left, pc);
		const char *name = code_name(word, xlen, &length);
		if (count - n <= SHOWN)
			printf("  %6" PRIu64 " %016" PRIx64 "  %0*x%*s %s\n", n, pc,
				2 * (int)length, length == 2 ? word & 0xffff : word,
				length == 2 ? 4 : 0, "", name);
		run(&left, 1);
	}
}

/* The shortest slice that differs still: its end, then its start. */
static void shrink(uint64_t count)
{
	uint64_t first = 0;
	if (!again(0, count)) {
		printf("  from the slice's start alone it does not differ: code that was there "
		       "before "
		       "matters\n");
		return;
	}
	for (uint64_t step = count; step; step /= 2)
		while (count > step && again(0, count - step))
			count -= step;
	for (uint64_t step = count; step; step /= 2)
		while (first + step < count && again(first + step, count))
			first += step;
	printf("  %" PRIu64 " instructions differ, behind %" PRIu64 " of the slice:\n",
		count - first, first);
	disassemble(first, count);
	again(first, count);
	show_differences();
}

/* ---- a case: random state, then slices ---- */

static const uint64_t PTE_ALL = 0xcf; /* V R W X A D */

/* Sv39 and Sv32 alike: a table of tables, and one of 4 KiB pages each for the device, RAM, and RAM a
 * second time with other permissions. */
static void make_tables(struct rng *r)
{
	enum { ROOT, DEVICE_1, RAM_1, DEVICE_0, RAM_0, ALIAS_0, PAGES };
	static uint8_t bytes[PAGES << 12];
	const unsigned width = xlen / 8;
	memset(bytes, 0, sizeof(bytes));
#define ENTRY(table, index, value)                                                                 \
	do {                                                                                       \
		uint64_t entry = (value);                                                          \
		memcpy(bytes + ((table) << 12) + (index)*width, &entry, width);                    \
	} while (0)
#define TABLE(n) ((TABLES_AT >> 12) + (n)) << 10 | 1
	if (xlen == 64) {
		ENTRY(ROOT, 0, TABLE(DEVICE_1));
		ENTRY(ROOT, 1, TABLE(RAM_1));
		ENTRY(DEVICE_1, 128, TABLE(DEVICE_0));
		ENTRY(RAM_1, 0, TABLE(RAM_0));
		ENTRY(RAM_1, (ALIAS_AT - RAM_AT) >> 21, TABLE(ALIAS_0));
	} else {
		ENTRY(ROOT, DEVICE_AT >> 22, TABLE(DEVICE_0));
		ENTRY(ROOT, RAM_AT >> 22, TABLE(RAM_0));
		ENTRY(ROOT, ALIAS_AT >> 22, TABLE(ALIAS_0));
	}
	bool user = rng_one_in(r, 2);
	for (unsigned i = 0; i < 2; i++)
		ENTRY(DEVICE_0, i,
			(((uint64_t)DEVICE_AT >> 12) + i) << 10 | PTE_ALL | (user ? 16 : 0));
	for (unsigned i = 0; i < RAM_SIZE >> 12; i++) {
		uint64_t page = (((uint64_t)RAM_AT >> 12) + i) << 10, pte = page | PTE_ALL;
		/* Page 0 has S's handler; the rest is mostly for who runs. */
		pte |= i && user != rng_one_in(r, 24) ? 16 : 0;
		pte |= rng_one_in(r, 3) ? 32 : 0;
		if (i && rng_one_in(r, 8))
			pte &= ~(UINT64_C(1) << rng_below(r, 8));
		ENTRY(RAM_0, i, pte);
		/* The second time: another page now and then. */
		if (rng_one_in(r, 6))
			pte = (page + (1 << 10)) | PTE_ALL | (user ? 16 : 0);
		ENTRY(ALIAS_0, i, pte);
	}
#undef TABLE
#undef ENTRY
	memcpy(left.tables->host, bytes, sizeof(bytes));
	memcpy(right.tables->host, bytes, sizeof(bytes));
}

static uint64_t code_address(struct rng *r)
{
	return RAM_AT + CODE + (rng_below(r, CODE_SIZE) & ~3u);
}

static uint64_t data_address(struct rng *r)
{
	uint64_t at = RAM_AT + DATA + (rng_below(r, DATA_SIZE) & ~7u);
	if (rng_one_in(r, 3))
		at = (at & ~UINT64_C(0xfff)) + 0x1000 - rng_below(r, 9) * 8;
	if (rng_one_in(r, 6))
		at += rng_below(r, 8);
	return at;
}

static void pointers(struct rng *r, struct rv_cpu *c)
{
	bool alias = c->satp && rng_one_in(r, 3);
	uint64_t move = alias ? ALIAS_AT - RAM_AT : 0;
	c->x[REG_SP] = data_address(r) + move;
	c->x[REG_DATA] = data_address(r);
	c->x[REG_DATA2] = rng_one_in(r, 8) ? code_address(r) : data_address(r) + move;
	c->x[REG_CODE] = code_address(r) + move;
	c->x[REG_DEVICE] = DEVICE_AT + (rng_one_in(r, 8) ? 0x1000 : 0);
	c->head.pc = code_address(r) + move;
}

static void random_registers(struct rng *r, struct rv_cpu *c)
{
	for (unsigned i = 1; i < 32; i++) {
		c->x[i] = xlen == 32 ? (uint32_t)rng_value(r) : rng_value(r);
		c->f[i] = rng_one_in(r, 2) ? rng_value(r) | 0xffffffff00000000u : rng_value(r);
	}
	for (unsigned i = 0; i < sizeof(c->v); i += 8) {
		uint64_t value = rng_value(r);
		memcpy(c->v + i, &value, 8);
	}
	c->frm = rng_one_in(r, 12) ? rng_below(r, 8) : rng_below(r, 5);
	c->fflags = rng_below(r, 2) * rng_below(r, 32);
	c->vxrm = rng_below(r, 4);
}

/* Interrupts of many kinds may come, and traps go to M or to S. */
static void random_interrupts(struct rng *r, struct rv_cpu *c)
{
	c->mie = rng_next(r) & 0xaaa;
	c->mideleg = rng_next(r) & 0x222;
	c->mstatus &= ~UINT64_C(0xaa);
	c->mstatus |= rng_next(r) & 0xaa;
}

static void random_state(struct rng *r, struct rv_cpu *c)
{
	static const uint8_t privs[] = { RV_M, RV_M, RV_S, RV_U };
	memset(c->x, 0, offsetof(struct rv_cpu, reset_pc) - offsetof(struct rv_cpu, x));
	c->head.icount = 0;
	random_registers(r, c);
	c->vill = 1;
	c->stimecmp = UINT64_MAX;
	c->priv = privs[rng_below(r, 4)];
	c->mstatus = 0;
	c->mstatus |= rng_one_in(r, 16) ? 0 : UINT64_C(3) << 13; /* FS */
	c->mstatus |= rng_one_in(r, 16) ? 0 : UINT64_C(3) << 9; /* VS */
	c->mstatus |= rng_next(r) & 0xc0000; /* SUM, MXR */
	c->mstatus |= rng_one_in(r, 8) ? 0x20000 : 0; /* MPRV */
	random_interrupts(r, c);
	c->medeleg = rng_one_in(r, 2) ? 0xb1ff : rng_next(r) & 0xb1ff;
	c->mtvec = RAM_AT + HANDLERS;
	c->stvec = RAM_AT + HANDLER_S;
	c->mepc = c->sepc = code_address(r);
	c->mcounteren = c->scounteren = 7;
	c->menvcfg = c->senvcfg = 0xf0;
	c->mscratch = rng_value(r) >> (64 - xlen);
	c->pmpaddr[RV_PMP_COUNT - 1] = xlen == 64 ? UINT64_MAX >> 10 : UINT32_MAX;
	c->pmpcfg[RV_PMP_COUNT - 1] = 0x1f;
	if (rng_one_in(r, 6)) { /* some of RAM under another verdict */
		c->pmpaddr[0] = (RAM_AT + DATA + rng_below(r, DATA_SIZE)) >> 2;
		c->pmpcfg[0] = (uint8_t)(0x18 | rng_below(r, 8));
	}
	if (rng_below(r, 3))
		c->satp = xlen == 64
			? UINT64_C(8) << 60 | (uint64_t)rng_below(r, SPACES) << 44 | TABLES_AT >> 12
			: 1u << 31 | rng_below(r, SPACES) << 22 | TABLES_AT >> 12;
	pointers(r, c);
}

static bool case_start(struct rng *r)
{
	static uint8_t ram[RAM_SIZE];
	static struct rv_cpu fresh;
	uint64_t word;
	for (unsigned i = 0; i < RAM_SIZE; i += 8) {
		word = rng_next(r);
		memcpy(ram + i, &word, 8);
	}
	code_fill(r, ram + CODE, xlen);
	code_handlers(r, ram);
	make_tables(r);
	random_state(r, &fresh);
	struct side *sides[] = { &left, &right };
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = sides[i];
		wire(s, "msip", 0);
		wire(s, "mtip", 0);
		wire(s, "seip", 0);
		wire(s, "meip", 0);
		wrote(s->ram, 0, ram, RAM_SIZE);
		copy_guest(s->rv, &fresh);
		s->device->count = s->device->sum = 0;
		s->device->host->line_set(s->device->msip, 0);
		s->device->host->line_set(s->device->meip, 0);
		extra_region(s, 0);
		s->v->watch_host = NULL;
		s->rv->wires = s->rv->hartid = 0; /* each is alone in its world */
		if (!settle(s))
			return false;
	}
	return true;
}

/* What comes from outside between two slices; the same for both. */
static bool disturb(struct rng *r)
{
	static const char *const pins[] = { "msip", "mtip", "meip", "seip", "ssip" };
	struct side *sides[] = { &left, &right };
	unsigned what = rng_below(r, 8), pin = rng_below(r, 5), from = rng_below(r, CODE_SIZE - 64),
		 to = rng_below(r, CODE_SIZE - 64) & ~1u;
	bool level = rng_below(r, 2), jump = rng_one_in(r, 2);
	uint8_t bytes[64];
	memcpy(bytes, left.ram->host + CODE + from, sizeof(bytes));
	struct rv_cpu next = *left.rv;
	if (jump)
		pointers(r, &next);
	if (what == 1)
		random_interrupts(r, &next);
	if (what == 2)
		random_registers(r, &next);
	if (what == 3)
		make_tables(r);
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = sides[i];
		if (what == 0)
			wrote(s->ram, CODE + to, bytes, sizeof(bytes));
		if (jump || what == 1 || what == 2 || what == 3) {
			copy_guest(s->rv, &next);
			if (!settle(s))
				return false;
		}
		if (what >= 4)
			wire(s, pins[pin], level);
	}
	return true;
}

/* A guest that moves its tables and does not say so (SFENCE.VMA) may be shown old translations or new
 * ones (priv 4.2.1), and what an engine remembers of a page decides which. */
static bool may_be_stale(const struct rv_cpu *c)
{
	uint64_t mask = xlen == 64 ? (UINT64_C(1) << 44) - 1 : 0x3fffff;
	return c->satp >> (xlen - 4) && (c->satp & mask) != TABLES_AT >> 12;
}

static uint64_t stale_cases;

static uint64_t slices_most = 30;

/* Returns the instructions that ran, 0 after a difference. */
static uint64_t run_case(uint64_t seed)
{
	struct rng r = { seed };
	if (!case_start(&r))
		return 0;
	unsigned slices = 2 + rng_below(&r, (unsigned)slices_most);
	for (unsigned n = 0; n < slices; n++) {
		if (n && !disturb(&r)) {
			/* A state that no hart is in: the guest had made it, both sides alike. */
			return left.rv->head.icount + 1;
		}
		uint64_t budget = 1 + rng_below(&r, rng_one_in(&r, 4) ? 40 : SLICE_MOST);
		moment_take(&left, &start);
		bool ended = run(&left, budget);
		ended &= run(&right, budget);
		if (ended && same())
			continue;
		if (ended && (may_be_stale(left.rv) || may_be_stale(right.rv))) {
			stale_cases++;
			return start.rv.head.icount + 1;
		}
		printf("case %" PRIu64 ", slice %u of %" PRIu64
		       " instructions: the engines differ%s\n",
			seed, n, budget, ended ? "" : " (one did not come to the end)");
		show_differences();
		shrink(budget);
		return 0;
	}
	return left.rv->head.icount;
}

/* ---- the program ---- */

static bool find_side(struct machine *m, const char *name, struct side *s)
{
	for (unsigned i = 0; i < m->instances->len; i++) {
		const struct instance *in = g_ptr_array_index(m->instances, i);
		const char *part = in->name + strlen(name);
		if (!g_str_has_prefix(in->name, name))
			continue;
		if (!*part) {
			s->cpu = in->object;
			s->rv = in->object->instance;
			s->v = in->object->vcpu;
		} else if (!strcmp(part, "-ram")) {
			s->ram = bus_object_ram(in->object, 0);
		} else if (!strcmp(part, "-tables")) {
			s->tables = bus_object_ram(in->object, 0);
		} else if (!strcmp(part, "-device")) {
			s->device = in->object->instance;
		}
	}
	return s->rv && s->ram && s->tables && s->device;
}

static uint64_t new_seed(void)
{
	uint64_t seed = 0;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		abort();
	return seed >> 16;
}

static gint by_count(gconstpointer a, gconstpointer b, gpointer names)
{
	uintptr_t x = (uintptr_t)g_hash_table_lookup(names, a),
		  y = (uintptr_t)g_hash_table_lookup(names, b);
	return x < y ? 1 : x > y ? -1 : 0;
}

static void show_stats(void)
{
	GList *names =
		g_list_sort_with_data(g_hash_table_get_keys(stats.names), by_count, stats.names);
	for (const GList *at = names; at; at = at->next)
		printf("%8zu %s\n", (size_t)g_hash_table_lookup(stats.names, at->data),
			(const char *)at->data);
	for (unsigned i = 0; i < 64; i++)
		if (stats.traps[i])
			printf("%8" PRIu64 " %c trap %u\n", stats.traps[i], i < 32 ? 'M' : 'S',
				i & 31);
	g_list_free(names);
	g_hash_table_destroy(stats.names);
}

static int compare(uint64_t seed, uint64_t count, const char *one)
{
	uint64_t done = 0, cases = 0;
	int64_t started = g_get_monotonic_time();
	if (!seed)
		seed = new_seed();
	printf("seed=%" PRIu64 " xlen=%u\n", seed, xlen);
	fflush(stdout);
	if (one)
		return run_case(strtoull(one, NULL, 0)) == 0;
	while (done < count) {
		uint64_t ran = run_case(seed + cases++);
		if (!ran)
			return 1;
		done += ran;
	}
	if (stats.names)
		show_stats();
	printf("%" PRIu64 " instructions of %" PRIu64 " cases, none differs (%" PRIu64
	       " ended early, by stale translations), %.1f s\n",
		done, cases, stale_cases, (double)(g_get_monotonic_time() - started) / 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	struct error_list errors = { 0 };
	uint64_t seed = 1, count = 100000;
	const char *one = NULL;
	int code = 2;
	if (argc < 3)
		return 2;
	types_add_path(argv[2]);
	types_add_builtin(bus_types);
	types_add_builtin(device_types);
	types_scan(&errors);
	struct toml_value *desc = desc_load(argv[1], &errors);
	for (int i = 3; desc && i < argc; i++) {
		const char *value = strchr(argv[i], '=');
		value = value ? value + 1 : "";
		if (strchr(argv[i], '.'))
			desc_set(desc, argv[i], (unsigned)i, &errors);
		else if (g_str_has_prefix(argv[i], "seed="))
			seed = strtoull(value, NULL, 0);
		else if (g_str_has_prefix(argv[i], "count="))
			count = strtoull(value, NULL, 0);
		else if (g_str_has_prefix(argv[i], "slices="))
			slices_most = strtoull(value, NULL, 0);
		else if (!strcmp(argv[i], "stats=1"))
			stats.names = g_hash_table_new(NULL, NULL);
		else if (g_str_has_prefix(argv[i], "case="))
			one = value;
		else if (!strcmp(argv[i], "xlen=32")) {
			xlen = 32;
			desc_set(desc, "left.type=riscv32", (unsigned)i, &errors);
			desc_set(desc, "right.type=riscv32", (unsigned)i, &errors);
		} else if (strcmp(argv[i], "xlen=64"))
			return 2;
	}
	struct machine *machine = desc && !errors.total ? machine_plan(desc, &errors) : NULL;
	if (machine && machine_build(machine, &errors) == 0 && find_side(machine, "left", &left) &&
		find_side(machine, "right", &right))
		code = compare(seed, count, one);
	error_list_print(&errors, stderr);
	error_list_finish(&errors);
	machine_destroy(machine);
	toml_destroy(desc);
	types_finish();
	return code;
}
