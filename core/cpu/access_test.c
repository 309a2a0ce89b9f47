/* SPDX-License-Identifier: MIT */
/* Words for devices: the straight way from the TLB's entry must do what the general way does, and must
 * never follow an entry that a changed memory map has made false. The first access to a page after a
 * flush takes the general way and fills the entry, the next one the straight way. */
#include "bus/test_support.h"
#include "internal.h"
#include "jit/cache.h"
#include <pthread.h>

enum { PAGE = 0x1000, INDEX = 3 };

/* ---- a device that writes down how it was accessed ---- */

struct probe {
	GString *log; /* NULL: only count */
	uint8_t bytes[2 * PAGE];
	uint32_t reg; /* the declared register */
	unsigned calls;
};

static int answer; /* enum bp_status of all devices */
static void (*effect)(void); /* of any access, or NULL */

static void note(
	struct probe *p, char what, uint64_t offset, unsigned bytes, const struct bp_access *how)
{
	p->calls++;
	g_assert_cmpuint(how->requester, ==, INDEX);
	g_assert_cmpuint(how->is_cpu, ==, 1);
	g_assert_cmpuint(how->flags, ==, 0);
	g_assert_cmpuint(how->pasid, ==, UINT32_MAX);
	g_assert_true(domain_inside(object_of(p)->domain));
	if (p->log)
		g_string_append_printf(
			p->log, " %s.%c%x:%u", object_of(p)->name, what, (unsigned)offset, bytes);
	if (effect)
		effect();
}

static int probe_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct probe *p = self;
	note(p, 'r', offset, bytes, how);
	*value = image_load(p->bytes + offset % PAGE, bytes, false) |
		(bytes < 8 ? ~0ull << 8 * bytes : 0);
	return answer;
}

static int probe_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct probe *p = self;
	note(p, 'w', offset, bytes, how);
	g_assert_true(bytes == 8 || value >> 8 * bytes == 0);
	image_store(p->bytes + offset % PAGE, bytes, false, value);
	return answer;
}

/* ---- a CPU whose addresses are physical, without an engine ---- */

static struct vcpu cpu;
static struct bp_cpu_head head;
static struct bus_space memory, other;
static struct domain *machine, *parallel;
static uint32_t allowed; /* enum bp_walk_flags */
static struct bus_space *walk_space; /* NULL: memory */

static int translate(
	void *self, unsigned regime, uint64_t addr, unsigned access, int debug, struct bp_walk *out)
{
	(void)self;
	(void)regime;
	(void)debug;
	out->flags = allowed;
	out->phys = addr;
	out->length_log2 = 12;
	out->space = walk_space ? bus_space_handle(walk_space) : NULL;
	return allowed >> access & 1 ? 0 : -1;
}

static void map_changed(void *arg)
{
	atomic_store(&((struct vcpu *)arg)->flush_wanted, true);
}

/* What the run loop does at a safepoint. */
static void safepoint(void)
{
	if (atomic_exchange(&cpu.flush_wanted, false))
		tlb_flush_all(&cpu);
	cpu.jit.leave_after = false;
}

static void cpu_start(void)
{
	static const struct bp_regime regimes[] = { { "flat", 1, 0 }, { NULL, 0, 0 } };
	static const struct bp_cpu type = { .size = sizeof(type),
		.address_bits = 64,
		.page_bits = 12,
		.regimes = regimes,
		.translate_address = translate };
	cpu = (struct vcpu){ .type = &type, .cpu = &head, .memory = &memory };
	head = (struct bp_cpu_head){ .core = &cpu, .index = INDEX };
	cpu.jit.head = &head;
	cpu.jit.page_bits = 12;
	cpu.jit.page_mask = ~(uint64_t)(PAGE - 1);
	allowed = BP_WALK_READ | BP_WALK_WRITE;
	walk_space = NULL;
	answer = BP_OK;
	bus_space_init(&memory, "memory", BUS_UNMAPPED_ERROR);
	bus_space_init(&other, "other", BUS_UNMAPPED_ERROR);
	tlb_init(&cpu);
	bus_on_change(&memory, map_changed, &cpu);
}

static void cpu_stop(void)
{
	bus_off_change(&memory, map_changed, &cpu);
	tlb_finish(&cpu);
	bus_space_finish(&memory);
	bus_space_finish(&other);
}

static int store(uint64_t addr, uint32_t memop, uint64_t value)
{
	const uint64_t v[8] = { value };
	return access_store(&cpu.jit, addr, memop, v);
}

static int load(uint64_t addr, uint32_t memop, uint64_t *value)
{
	uint64_t v[8] = { 0xeeeeeeeeeeeeeeee };
	int r = access_load(&cpu.jit, addr, memop, v);
	*value = v[0];
	return r;
}

static bool straight(uint64_t addr, unsigned size, unsigned access)
{
	uint64_t offset;
	return tlb_device(&cpu, 0, addr, size, access, &offset) != NULL;
}

/* ---- devices ---- */

static const struct bp_reg chip_regs[] = {
	{ .name = "reg",
		.offset = 8,
		.bytes = 4,
		.writable = 0xffff,
		.field = offsetof(struct probe, reg) },
	{ 0 },
};

#define FUNCTIONS .read = probe_read, .write = probe_write
static const struct kind {
	const char *name;
	uint64_t base;
	struct bp_region region[2];
} kinds[] = {
	{ "plain", 0x10000, { { .name = "r", .size = 0x100, .max_access = 4, FUNCTIONS } } },
	{ "second", 0x10100, { { .name = "r", .size = 0x100, .max_access = 8, FUNCTIONS } } },
	{ "wide", 0x11000, { { .name = "r", .size = 2 * PAGE, .max_access = 8, FUNCTIONS } } },
	{ "big", 0x13000,
		{ { .name = "r",
			.size = PAGE,
			.min_access = 4,
			.max_access = 4,
			.flags = BP_REGION_BIG_ENDIAN,
			FUNCTIONS } } },
	{ "bytes", 0x14000, { { .name = "r", .size = PAGE, .max_access = 1, FUNCTIONS } } },
	{ "strict", 0x15000,
		{ { .name = "r",
			.size = PAGE,
			.min_access = 4,
			.max_access = 4,
			.flags = BP_REGION_STRICT,
			FUNCTIONS } } },
	{ "mute", 0x16000, { { .name = "r", .size = PAGE, .max_access = 4, .read = probe_read } } },
	{ "chip", 0x17000, { { .name = "r", .size = 0x100, .regs = chip_regs } } },
};
enum { KINDS = G_N_ELEMENTS(kinds) };

static struct board {
	struct test_type type[KINDS];
	struct object *object[KINDS];
	GString *log;
} board;

static struct object *device_new(struct test_type *t, const struct kind *k)
{
	test_type_init(t, k->name, sizeof(struct probe));
	t->object.regions = k->region;
	struct object *o = test_object(t, k->name, machine);
	g_assert_cmpint(bus_object_init(o, &test_error), ==, 0);
	return o;
}

static struct probe *probe_of(const char *name)
{
	unsigned i = 0;
	while (strcmp(kinds[i].name, name) != 0)
		i++;
	return board.object[i]->instance;
}

static void board_start(void)
{
	cpu_start();
	board.log = g_string_new("");
	for (unsigned i = 0; i < KINDS; i++) {
		board.object[i] = device_new(&board.type[i], &kinds[i]);
		((struct probe *)board.object[i]->instance)->log = board.log;
		g_assert_cmpint(bus_object_map(board.object[i], 0, &memory, kinds[i].base, 0, 0, 0,
					&test_error),
			==, 0);
	}
	safepoint();
}

static void board_stop(void)
{
	for (unsigned i = 0; i < KINDS; i++)
		test_object_free(board.object[i]);
	g_string_free(board.log, TRUE);
	cpu_stop();
}

/* ---- one access, both ways ---- */

struct outcome {
	int result;
	struct bp_fault fault;
	uint64_t value;
	bool leave;
	char log[256];
};

static struct outcome once(uint64_t addr, uint32_t memop, bool write, uint64_t value)
{
	struct outcome o = { .value = value };
	g_string_truncate(board.log, 0);
	cpu.fault = (struct bp_fault){ 0 };
	cpu.jit.leave_after = false;
	o.result = write ? store(addr, memop, value) : load(addr, memop, &o.value);
	o.leave = cpu.jit.leave_after;
	o.fault = cpu.fault;
	if (o.result != BP_H_OK)
		o.value = 0;
	g_strlcpy(o.log, board.log->str, sizeof(o.log));
	return o;
}

static struct outcome both(uint64_t addr, uint32_t memop, bool write, uint64_t value)
{
	tlb_flush_all(&cpu);
	struct outcome a = once(addr, memop, write, value), b = once(addr, memop, write, value);
	g_assert_cmpint(a.result, ==, b.result);
	g_assert_cmpstr(a.log, ==, b.log);
	g_assert_cmphex(a.value, ==, b.value);
	g_assert_cmpint(a.leave, ==, b.leave);
	g_assert_cmpmem(&a.fault, sizeof(a.fault), &b.fault, sizeof(b.fault));
	return b;
}

enum { BE = BP_MEM_BIG_ENDIAN };
static const struct row {
	uint64_t addr;
	uint32_t memop;
	bool write, straight; /* straight: the entry names the device */
	int status; /* enum bp_status of the fault, or BP_OK */
	const char *log;
} rows[] = {
	{ 0x10008, BP_MEM_32, 1, 1, BP_OK, " plain.w8:4" },
	{ 0x10008, BP_MEM_32, 0, 1, BP_OK, " plain.r8:4" },
	{ 0x1000b, BP_MEM_8, 1, 1, BP_OK, " plain.wb:1" },
	{ 0x10008, BP_MEM_64, 1, 1, BP_OK, " plain.w8:4 plain.wc:4" },
	{ 0x10001, BP_MEM_32, 1, 1, BP_OK, " plain.w1:1 plain.w2:2 plain.w4:1" },
	{ 0x10008, BP_MEM_32 | BE, 1, 1, BP_OK, " plain.w8:4" },
	{ 0x100fc, BP_MEM_64, 0, 0, BP_OK, " plain.rfc:4 second.r0:4" },
	{ 0x10100, BP_MEM_64, 1, 0, BP_OK, " second.w0:8" },
	{ 0x101f8, BP_MEM_64, 0, 0, BP_OK, " second.rf8:8" },
	{ 0x10200, BP_MEM_8, 1, 0, BP_BUS_ERROR, "" },
	{ 0x12ff8, BP_MEM_64, 1, 1, BP_OK, " wide.w1ff8:8" },
	{ 0x12ff0, BP_MEM_128, 1, 1, BP_OK, " wide.w1ff0:8 wide.w1ff8:8" },
	{ 0x13004, BP_MEM_32, 1, 1, BP_OK, " big.w4:4" },
	{ 0x13004, BP_MEM_16, 1, 1, BP_OK, " big.r4:4 big.w4:4" },
	{ 0x14004, BP_MEM_16, 1, 1, BP_OK, " bytes.w4:1 bytes.w5:1" },
	{ 0x15004, BP_MEM_32, 1, 1, BP_OK, " strict.w4:4" },
	{ 0x15004, BP_MEM_16, 1, 1, BP_BAD_SIZE, "" },
	{ 0x15004, BP_MEM_64, 0, 1, BP_BAD_SIZE, "" },
	{ 0x16004, BP_MEM_32, 0, 1, BP_OK, " mute.r4:4" },
	{ 0x16004, BP_MEM_32, 1, 1, BP_BUS_ERROR, "" },
	{ 0x17008, BP_MEM_32, 1, 1, BP_OK, "" },
};

static void test_rows(void)
{
	board_start();
	for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
		const struct row *r = &rows[i];
		unsigned size = 1u << (r->memop & BP_MEM_SIZE);
		struct outcome o = both(r->addr, r->memop, r->write, 0x8877665544332211);
		if (strcmp(o.log, r->log) != 0)
			g_error("row %u: %s, expected %s", i, o.log, r->log);
		g_assert_cmpint(o.result, ==, r->status == BP_OK ? BP_H_OK : BP_H_RAISED);
		g_assert_false(o.leave);
		if (r->status != BP_OK) {
			g_assert_cmpuint(o.fault.kind, ==, BP_FAULT_BUS);
			g_assert_cmpuint(o.fault.status, ==, (uint32_t)r->status);
			g_assert_cmphex(o.fault.addr, ==, r->addr);
			g_assert_cmpuint(o.fault.access, ==, r->write ? BP_ACC_WRITE : BP_ACC_READ);
		}
		g_assert_cmpint(straight(r->addr, size, r->write ? BP_ACC_WRITE : BP_ACC_READ), ==,
			r->straight);
	}
	g_assert_cmphex(((struct probe *)probe_of("chip"))->reg, ==, 0x2211);
	board_stop();
}

/* Any access, any answer, in either domain. */
static void test_random(void)
{
	static const int answers[] = { BP_OK, BP_OK, BP_OK, BP_BUS_ERROR, BP_BAD_SIZE };
	board_start();
	for (unsigned n = 0; n < 20000; n++) {
		uint64_t value = (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
		uint64_t addr = 0x10000 + (uint64_t)g_test_rand_int_range(0, 8 * PAGE);
		uint32_t memop = (uint32_t)g_test_rand_int_range(BP_MEM_8, BP_MEM_128 + 1);
		addr &= g_test_rand_bit() ? ~UINT64_C(0) : ~((UINT64_C(1) << memop) - 1);
		addr &= g_test_rand_bit() ? ~UINT64_C(0) : ~UINT64_C(0xe00);
		memop |= g_test_rand_bit() ? BE : 0;
		memop |= g_test_rand_bit() ? BP_MEM_ALIGNED : 0;
		answer = answers[g_test_rand_int_range(0, G_N_ELEMENTS(answers))];
		for (unsigned i = 0; i < KINDS; i++)
			board.object[i]->domain = g_test_rand_bit() ? machine : parallel;
		both(addr, memop, g_test_rand_bit(), value);
	}
	for (unsigned i = 0; i < KINDS; i++)
		board.object[i]->domain = machine;
	board_stop();
}

/* A load's value in both byte orders; what a device sets beyond the width is cut off. */
static void test_values(void)
{
	board_start();
	memcpy(probe_of("plain")->bytes, "\x01\x02\x83\x04\x05\x06\x07\x08", 8);
	memcpy(probe_of("big")->bytes, "\x01\x02\x83\x04", 4);
	g_assert_cmphex(both(0x10000, BP_MEM_32, false, 0).value, ==, 0x04830201);
	g_assert_cmphex(both(0x10000, BP_MEM_32 | BE, false, 0).value, ==, 0x01028304);
	g_assert_cmphex(both(0x10002, BP_MEM_8, false, 0).value, ==, 0x83);
	g_assert_cmphex(both(0x13000, BP_MEM_32, false, 0).value, ==, 0x01028304);
	g_assert_cmphex(both(0x13000, BP_MEM_32 | BE, false, 0).value, ==, 0x04830201);
	both(0x10010, BP_MEM_16 | BE, true, 0x1234);
	g_assert_cmphex(probe_of("plain")->bytes[0x10], ==, 0x12);
	board_stop();
}

/* What the page permits, what is watched, and a thread that is inside a device already. */
static void test_refused(void)
{
	board_start();
	allowed = BP_WALK_READ;
	g_assert_cmpint(both(0x10000, BP_MEM_32, false, 0).result, ==, BP_H_OK);
	g_assert_cmpint(once(0x10000, BP_MEM_32, true, 0).result, ==, BP_H_RAISED);
	g_assert_cmpuint(cpu.fault.kind, ==, BP_FAULT_WALK);
	g_assert_cmpint(once(0x10000, BP_MEM_32 | BP_MEM_EXEC_PERMISSION, false, 0).result, ==,
		BP_H_RAISED);
	allowed |= BP_WALK_WRITE;
	tlb_flush_all(&cpu);
	g_assert_cmpint(vcpu_watchpoint(0x10004, 4, 1u << BP_ACC_WRITE, true), ==, 0);
	g_assert_false(both(0x10000, BP_MEM_32, true, 0).leave);
	g_assert_false(cpu.stopped_by_watch);
	g_assert_true(both(0x10004, BP_MEM_32, true, 0).leave);
	g_assert_true(cpu.stopped_by_watch);
	g_assert_cmphex(cpu.stop_addr, ==, 0x10004);
	g_assert_cmpint(vcpu_watchpoint(0x10004, 4, 1u << BP_ACC_WRITE, false), ==, 0);

	g_assert_true(domain_enter(machine));
	struct outcome o = both(0x10000, BP_MEM_32, true, 0);
	domain_leave(machine);
	g_assert_cmpint(o.result, ==, BP_H_RAISED);
	g_assert_cmpuint(o.fault.status, ==, BP_BUSY);
	board_stop();
}

static void interrupts(void)
{
	head.pending = 1;
}

static void stops(void)
{
	atomic_store(&cpu.jit.kick, 1);
}

static void writes_code(void)
{
	code_cache_invalidate(&cpu, 0, 1);
}

static void moves_memory(void)
{
	struct bus_region *r = bus_object_region(board.object[0], 0);
	bus_unmap(bus_map(memory.root, r, 0x90000, 0, 0xff, 0));
}

/* The engine goes on behind an access unless the device did something that it must see. */
static void test_effects(void)
{
	void (*const effects[])(void) = { interrupts, stops, writes_code, moves_memory };
	board_start();
	for (unsigned i = 0; i < G_N_ELEMENTS(effects); i++)
		for (unsigned write = 0; write < 2; write++) {
			g_assert_false(both(0x10008, BP_MEM_32, write, 0).leave);
			effect = effects[i];
			g_assert_true(both(0x10008, BP_MEM_32, write, 0).leave);
			effect = NULL;
			head.pending = 0;
			atomic_store(&cpu.jit.kick, 0);
			safepoint();
		}
	board_stop();
}

static int through(void *self, const struct bp_access *how, uint64_t offset, bool write,
	struct bp_iommu_result *result)
{
	(void)write;
	++*(unsigned *)self;
	g_assert_cmpuint(how->requester, ==, INDEX);
	result->addr = 0x10000 + offset;
	result->length = PAGE;
	return BP_OK;
}

/* What stands between the address and the device: nothing may be skipped, nothing be out of date. */
static void test_between(void)
{
	unsigned asked = 0;
	board_start();
	struct bus_space *behind = &other;
	struct bus_region *iommu = bus_translated_new("iommu", PAGE - 1, behind, through, &asked);
	struct bus_region *bank = bus_alias_new("bank", PAGE - 1);
	bus_map(memory.root, iommu, 0x20000, 0, PAGE - 1, 0);
	bus_map(memory.root, bank, 0x21000, 0, PAGE - 1, 0);
	g_assert_cmpint(
		bus_object_map(board.object[0], 0, &other, 0x10000, 0, 0, 0, &test_error), ==, 0);
	safepoint();
	g_assert_cmpstr(both(0x20008, BP_MEM_32, true, 1).log, ==, " plain.w8:4");
	g_assert_cmpuint(asked, ==, 2);

	bus_alias_point(bank, bus_object_region(board.object[2], 0), 0x10);
	safepoint();
	g_assert_cmpstr(both(0x21008, BP_MEM_32, true, 1).log, ==, " wide.w18:4");
	g_assert_true(straight(0x21008, 4, BP_ACC_WRITE));
	bus_alias_point(bank, bus_object_region(board.object[0], 0), 0);
	g_assert_cmpstr(once(0x21008, BP_MEM_32, true, 1).log, ==, " plain.w8:4");
	bus_alias_point(bank, NULL, 0);
	g_assert_cmpint(once(0x21008, BP_MEM_32, true, 1).result, ==, BP_H_RAISED);
	safepoint();
	g_assert_cmpint(both(0x21008, BP_MEM_32, true, 1).result, ==, BP_H_RAISED);

	/* A space that is not the CPU's own does not tell of its changes. */
	walk_space = &other;
	g_assert_cmpstr(both(0x10008, BP_MEM_32, true, 1).log, ==, " plain.w8:4");
	g_assert_false(straight(0x10008, 4, BP_ACC_WRITE));
	struct bus_region *cover = bus_object_region(board.object[2], 0);
	bus_map(other.root, cover, 0x10000, 0, PAGE - 1, 1);
	g_assert_cmpstr(once(0x10008, BP_MEM_32, true, 1).log, ==, " wide.w8:4");
	bus_region_free(iommu);
	bus_region_free(bank);
	board_stop();
}

/* The map changes while an entry stands: before the safepoint and after it. */
static void test_changes(void)
{
	board_start();
	const struct kind *k = &kinds[2];
	struct object *wide = board.object[2];
	struct bus_region *r = bus_object_region(wide, 0);
	struct bus_window *w = bus_map(memory.root, r, 0x30000, 0, PAGE - 1, 0);
	safepoint();
	g_assert_cmpstr(both(0x30008, BP_MEM_64, true, 1).log, ==, " wide.w8:8");
	g_assert_true(straight(0x30008, 8, BP_ACC_WRITE));
	g_assert_cmpint(bus_window_move(w, 0x40000), ==, 0);
	g_assert_cmpint(once(0x30008, BP_MEM_64, true, 1).result, ==, BP_H_RAISED);
	g_assert_cmpstr(once(0x40008, BP_MEM_64, true, 1).log, ==, " wide.w8:8");
	safepoint();
	g_assert_cmpint(both(0x30008, BP_MEM_64, true, 1).result, ==, BP_H_RAISED);
	g_assert_cmpstr(both(0x40008, BP_MEM_64, true, 1).log, ==, " wide.w8:8");
	/* another device comes to lie above */
	struct bus_window *above =
		bus_map(memory.root, bus_object_region(board.object[0], 0), 0x40000, 0, 0xff, 1);
	g_assert_cmpstr(once(0x40008, BP_MEM_32, true, 1).log, ==, " plain.w8:4");
	safepoint();
	g_assert_cmpstr(both(0x40008, BP_MEM_32, true, 1).log, ==, " plain.w8:4");
	g_assert_cmpstr(both(0x40108, BP_MEM_32, true, 1).log, ==, " wide.w108:4");
	bus_unmap(above);
	safepoint();
	/* the region is freed under the entry */
	both(0x40008, BP_MEM_64, true, 1);
	bus_object_finish(wide);
	g_assert_cmpint(once(0x40008, BP_MEM_64, true, 1).result, ==, BP_H_RAISED);
	g_assert_cmpint(once(k->base, BP_MEM_64, false, 1).result, ==, BP_H_RAISED);
	safepoint();
	g_assert_cmpint(both(0x40008, BP_MEM_64, true, 1).result, ==, BP_H_RAISED);
	g_assert_cmpint(bus_object_init(wide, &test_error), ==, 0);
	board_stop();
}

/* ---- regions come and go on another thread while the CPU stores ---- */

static _Atomic(bool) stop;

static void *changer(void *arg)
{
	struct object *o = arg;
	for (unsigned i = 0; i < 3000; i++) {
		g_assert_cmpint(
			bus_object_map(o, 0, &memory, 0x50000, 0, 0, 0, &test_error), ==, 0);
		for (unsigned n = 0; n < i % 64; n++)
			g_thread_yield();
		bus_object_finish(o);
		g_assert_cmpint(bus_object_init(o, &test_error), ==, 0);
	}
	atomic_store(&stop, true);
	return NULL;
}

static void test_threads(void)
{
	static const struct kind k = { "brief", 0x50000,
		{ { .name = "r", .size = PAGE, .max_access = 8, FUNCTIONS } } };
	struct test_type t;
	pthread_t thread;
	uint64_t value;
	unsigned good = 0, bad = 0;
	cpu_start();
	struct object *o = device_new(&t, &k);
	atomic_store(&stop, false);
	pthread_create(&thread, NULL, changer, o);
	while (!atomic_load(&stop)) {
		for (unsigned n = 0; n < 100; n++) {
			int r = n & 1 ? store(0x50008, BP_MEM_64, n)
				      : load(0x50008, BP_MEM_64, &value);
			*(r == BP_H_OK ? &good : &bad) += 1;
		}
		safepoint();
	}
	pthread_join(thread, NULL);
	g_assert_cmpuint(((struct probe *)o->instance)->calls, ==, good);
	g_test_message("%u accesses were answered, %u not", good, bad);
	test_object_free(o);
	cpu_stop();
}

/* ---- figures: printed, not asserted ---- */

static int nothing_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	(void)self;
	(void)offset;
	(void)bytes;
	(void)how;
	*value = 0;
	return BP_OK;
}

static int nothing_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	(void)self;
	(void)offset;
	(void)bytes;
	(void)value;
	(void)how;
	return BP_OK;
}

static double time_of(bool write, uint64_t addr)
{
	unsigned rounds = g_test_perf() ? 10000000 : 10000;
	uint64_t value;
	gint64 start = g_get_monotonic_time();
	for (unsigned i = 0; i < rounds; i++)
		g_assert_true((write ? store(addr, BP_MEM_32, i) : load(addr, BP_MEM_32, &value)) ==
			BP_H_OK);
	return (double)(g_get_monotonic_time() - start) * 1000 / rounds;
}

static void test_speed(void)
{
	static const struct kind k = { "quick", 0,
		{ { .name = "r",
			.size = 0x100,
			.max_access = 4,
			.read = nothing_read,
			.write = nothing_write } } };
	struct test_type t;
	cpu_start();
	struct object *o = device_new(&t, &k);
	for (unsigned i = 0; i < 21; i++)
		g_assert_cmpint(
			bus_object_map(o, 0, &memory, 0x10000 + i * PAGE + (i == 20) * 0x100, 0, 0,
				0, &test_error),
			==, 0);
	safepoint();
	for (unsigned i = 0; i < 2; i++) {
		o->domain = i ? parallel : machine;
		const char *lock = i ? "parallel" : "locked";
		g_test_message("store, %s, straight: %.1f ns", lock, time_of(true, 0x10000));
		g_test_message("load, %s, straight: %.1f ns", lock, time_of(false, 0x10000));
		g_test_message("store, %s, general: %.1f ns", lock, time_of(true, 0x24100));
		g_test_message("load, %s, general: %.1f ns", lock, time_of(false, 0x24100));
	}
	test_object_free(o);
	cpu_stop();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	machine = domain_new("machine", false);
	parallel = domain_new("parallel", true);
	g_test_add_func("/cpu/device/rows", test_rows);
	g_test_add_func("/cpu/device/random", test_random);
	g_test_add_func("/cpu/device/values", test_values);
	g_test_add_func("/cpu/device/refused", test_refused);
	g_test_add_func("/cpu/device/effects", test_effects);
	g_test_add_func("/cpu/device/between", test_between);
	g_test_add_func("/cpu/device/changes", test_changes);
	g_test_add_func("/cpu/device/threads", test_threads);
	g_test_add_func("/cpu/device/speed", test_speed);
	int failed = g_test_run();
	domain_free(machine);
	domain_free(parallel);
	return failed;
}
