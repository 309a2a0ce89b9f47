/* SPDX-License-Identifier: MIT */
/* The slow way of every guest access: TLB misses, devices, unaligned and page-crossing accesses,
 * watched pages, pages that hold translated code. Values are raw memory, byte order applied, zero-
 * extended; who asked extends the sign. */
#include "internal.h"
#include "jit/atomic128.h"
#include "jit/cache.h"
#include "trace/hub.h"
#include <string.h>

int access_fault(struct vcpu *v, unsigned kind, unsigned access, unsigned regime, uint64_t addr,
	unsigned status)
{
	v->is_fault = true;
	v->fault = (struct bp_fault){ .size = sizeof(v->fault),
		.kind = kind,
		.access = access,
		.regime = regime,
		.addr = addr,
		.status = status };
	return BP_H_RAISED;
}

struct request { /* a memop taken apart */
	unsigned size, regime;
	unsigned want; /* permission asked of the page */
	unsigned as; /* how a fault is reported */
};

static struct request request_of(uint32_t memop, unsigned access)
{
	struct request q = { .size = 1u << (memop & BP_MEM_SIZE),
		.regime = (memop & BP_MEM_REGIME) >> BP_MEM_REGIME_SHIFT,
		.want = access,
		.as = access };
	if (access == BP_ACC_READ && memop & BP_MEM_EXEC_PERMISSION)
		q.want = BP_ACC_EXEC;
	if (memop & BP_MEM_WRITE_INTENT)
		q.as = BP_ACC_WRITE;
	return q;
}

static int check_alignment(struct vcpu *v, const struct request *q, uint64_t addr, uint32_t memop)
{
	if (!(addr & (q->size - 1)))
		return BP_H_OK;
	if (memop & BP_MEM_ALIGNED)
		return access_fault(v, BP_FAULT_ALIGN, q->as, q->regime, addr, 0);
	if (memop & BP_MEM_ALIGNED_ATOMIC)
		return access_fault(v, BP_FAULT_ALIGN_ACCESS, q->as, q->regime, addr, 0);
	return BP_H_OK;
}

/* Aligned accesses of up to 8 bytes are one copy; the rest may tear. */
static void copy(uint8_t *to, const uint8_t *from, unsigned size, bool aligned)
{
	if (aligned && size == 8)
		__atomic_store_n((uint64_t *)(void *)to,
			__atomic_load_n((const uint64_t *)(const void *)from, __ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
	else if (aligned && size == 4)
		__atomic_store_n((uint32_t *)(void *)to,
			__atomic_load_n((const uint32_t *)(const void *)from, __ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
	else if (aligned && size == 2)
		__atomic_store_n((uint16_t *)(void *)to,
			__atomic_load_n((const uint16_t *)(const void *)from, __ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
	else
		memcpy(to, from, size);
}

static const struct bp_access by_cpu = { .size = sizeof(by_cpu), .pasid = UINT32_MAX, .is_cpu = 1 };

/* What a device said. It may have raised an interrupt, moved memory, asked this CPU to stop, or written
 * to code (`written`: cache_prepare() of before): only then must the engine leave here. */
static int device_done(
	struct vcpu *v, const struct request *q, uint64_t addr, int status, uint64_t written)
{
	if (status != BP_OK)
		return access_fault(v, BP_FAULT_BUS, q->as, q->regime, addr, (unsigned)status);
	if (v->jit.head->pending || atomic_load(&v->flush_wanted) || atomic_load(&v->jit.kick) ||
		cache_prepare() != written)
		v->jit.leave_after = true;
	return BP_H_OK;
}

static int bus_bytes(struct vcpu *v, const struct request *q, const struct place *p, uint64_t addr,
	void *buf, unsigned len, bool write)
{
	struct bp_access how = by_cpu;
	how.requester = v->jit.head->index;
	uint64_t written = cache_prepare();
	int status = bus_access(p->space, p->phys, buf, len, write, &how);
	return device_done(v, q, addr, status, written);
}

/* Look up len bytes inside one page. Where one verdict ends sooner, each part is asked for, and a
 * naturally aligned access that no single verdict covers is refused. */
static int look(struct vcpu *v, const struct request *q, uint64_t addr, unsigned want, unsigned len,
	struct place *p)
{
	if (tlb_lookup(v, q->regime, addr, want, q->as, p) != BP_H_OK)
		return BP_H_RAISED;
	if (p->length >= len)
		return BP_H_OK;
	if (len == q->size && !(addr & (len - 1)))
		return access_fault(v, BP_FAULT_BUS, q->as, q->regime, addr, BP_BUS_ERROR);
	struct place next = *p;
	for (uint64_t done = p->length; done < len; done += next.length) {
		if (tlb_lookup(v, q->regime, addr + done, want, q->as, &next) != BP_H_OK)
			return BP_H_RAISED;
		if (next.verdict != p->verdict)
			return access_fault(v, BP_FAULT_BUS, q->as, q->regime, addr, BP_BUS_ERROR);
	}
	return BP_H_OK;
}

/* len bytes inside one page; buf has alignment for copy() when addr has. */
static int read_piece(
	struct vcpu *v, const struct request *q, uint64_t addr, void *buf, unsigned len)
{
	struct place p;
	if (look(v, q, addr, q->want, len, &p) != BP_H_OK)
		return BP_H_RAISED;
	if (!p.host)
		return bus_bytes(v, q, &p, addr, buf, len, false);
	copy(buf, p.host, len, !(addr & (len - 1)));
	return BP_H_OK;
}

static int write_piece(struct vcpu *v, const struct request *q, const struct place *p,
	uint64_t addr, const void *buf, unsigned len)
{
	if (!p->writable) {
		uint8_t bytes[64];
		memcpy(bytes, buf, len);
		return bus_bytes(v, q, p, addr, bytes, len, true);
	}
	copy(p->host, buf, len, !(addr & (len - 1)));
	bus_ram_dirty(p->ram, p->offset, len);
	if (code_written(v, p->ram, p->offset, len))
		v->jit.leave_after = true;
	return BP_H_OK;
}

static unsigned first_piece(const struct vcpu *v, uint64_t addr, unsigned len)
{
	uint64_t left = page_left(v, addr);
	return left < len ? (unsigned)left : len;
}

static uint64_t wrap(const struct vcpu *v, uint64_t addr)
{
	return v->type->address_bits == 32 ? (uint32_t)addr : addr;
}

static int read_bytes(
	struct vcpu *v, const struct request *q, uint64_t addr, void *buf, unsigned len)
{
	unsigned first = first_piece(v, addr, len);
	int r = read_piece(v, q, addr, buf, first);
	if (r == BP_H_OK && first < len)
		r = read_piece(v, q, wrap(v, addr + first), (uint8_t *)buf + first, len - first);
	if (r == BP_H_OK)
		code_check_watch(v, addr, len, BP_ACC_READ);
	return r;
}

/* Whether anything at all answers a store there; what a device then says comes too late to undo. */
static bool answered(const struct place *p)
{
	struct bus_target t;
	return p->writable || bus_resolve(p->space, p->phys, &t) == BP_OK;
}

/* All or nothing: both pages are looked up before the first byte is written. */
static int write_bytes(
	struct vcpu *v, const struct request *q, uint64_t addr, const void *buf, unsigned len)
{
	unsigned first = first_piece(v, addr, len);
	uint64_t second = wrap(v, addr + first);
	struct place a, b;
	if (look(v, q, addr, BP_ACC_WRITE, first, &a) != BP_H_OK)
		return BP_H_RAISED;
	if (first < len && look(v, q, second, BP_ACC_WRITE, len - first, &b) != BP_H_OK)
		return BP_H_RAISED;
	if (first < len && (!answered(&a) || !answered(&b)))
		return access_fault(v, BP_FAULT_BUS, q->as, q->regime, answered(&a) ? second : addr,
			BP_BUS_ERROR);
	int r = write_piece(v, q, &a, addr, buf, first);
	if (r == BP_H_OK && first < len)
		r = write_piece(v, q, &b, second, (const uint8_t *)buf + first, len - first);
	if (r == BP_H_OK)
		code_check_watch(v, addr, len, BP_ACC_WRITE);
	return r;
}

static void swap_bytes(void *buf, unsigned len)
{
	uint8_t *p = buf;
	for (unsigned i = 0; i < len / 2; i++) {
		uint8_t t = p[i];
		p[i] = p[len - 1 - i];
		p[len - 1 - i] = t;
	}
}

/* An aligned word for one device needs none of the rest: no borders, no splitting. Not NULL: inside
 * bus_reader_begin(), and the caller ends it. */
static struct bus_region *one_device(
	struct vcpu *v, const struct request *q, uint64_t addr, uint32_t memop, uint64_t *offset)
{
	if (q->size > 8 || addr & (q->size - 1) || memop & BP_MEM_BIG_ENDIAN)
		return NULL;
	struct bus_region *r = tlb_device(v, q->regime, addr, q->size, q->want, offset);
	if (!r)
		return NULL;
	/* From here on nothing that the map shows is freed, and whoever changed it before has asked
	 * for a flush: then the entry may lie, and the map itself is asked. */
	bus_reader_begin();
	if (!atomic_load(&v->flush_wanted))
		return r;
	bus_reader_end();
	return NULL;
}

int access_load(struct jit_cpu *j, uint64_t addr, uint32_t memop, uint64_t value[8])
{
	struct vcpu *v = (struct vcpu *)j;
	struct request q = request_of(memop, BP_ACC_READ);
	uint64_t offset;
	struct bus_region *device = one_device(v, &q, addr, memop, &offset);
	if (device) {
		struct bp_access how = by_cpu;
		how.requester = j->head->index;
		uint64_t written = cache_prepare();
		int status = bus_device_read(device, offset, q.size, value, &how);
		bus_reader_end();
		if (status != BUS_GENERAL)
			return device_done(v, &q, addr, status, written);
	}
	if (check_alignment(v, &q, addr, memop) != BP_H_OK)
		return BP_H_RAISED;
	memset(value, 0, q.size < 8 ? 8 : q.size);
	int r = read_bytes(v, &q, addr, value, q.size);
	if (r == BP_H_OK && memop & BP_MEM_BIG_ENDIAN)
		swap_bytes(value, q.size);
	return r;
}

int access_store(struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t value[8])
{
	struct vcpu *v = (struct vcpu *)j;
	struct request q = request_of(memop, BP_ACC_WRITE);
	uint64_t bytes[8], offset;
	struct bus_region *device = one_device(v, &q, addr, memop, &offset);
	if (device) {
		struct bp_access how = by_cpu;
		how.requester = j->head->index;
		uint64_t written = cache_prepare();
		int status = bus_device_write(device, offset, q.size, value[0], &how);
		bus_reader_end();
		if (status != BUS_GENERAL)
			return device_done(v, &q, addr, status, written);
	}
	if (check_alignment(v, &q, addr, memop) != BP_H_OK)
		return BP_H_RAISED;
	memcpy(bytes, value, q.size);
	if (memop & BP_MEM_BIG_ENDIAN)
		swap_bytes(bytes, q.size);
	return write_bytes(v, &q, addr, bytes, q.size);
}

int access_store_pair(
	struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t a[8], const uint64_t b[8])
{
	struct vcpu *v = (struct vcpu *)j;
	struct request q = request_of(memop, BP_ACC_WRITE);
	uint8_t bytes[64];
	if (check_alignment(v, &q, addr, memop) != BP_H_OK)
		return BP_H_RAISED;
	if (q.size > sizeof(bytes) / 2)
		return access_fault(v, BP_FAULT_BUS, q.as, q.regime, addr, BP_BAD_SIZE);
	memcpy(bytes, a, q.size);
	memcpy(bytes + q.size, b, q.size);
	if (memop & BP_MEM_BIG_ENDIAN) {
		swap_bytes(bytes, q.size);
		swap_bytes(bytes + q.size, q.size);
	}
	return write_bytes(v, &q, addr, bytes, 2 * q.size);
}

/* ---- atomics ---- */

/* The place of a read-modify-write: RAM, naturally aligned, or a fault: devices have no atomics. */
static int atomic_place(struct vcpu *v, const struct request *q, uint64_t addr, struct place *p)
{
	if (addr & (q->size - 1))
		return access_fault(v, BP_FAULT_ALIGN, q->as, q->regime, addr, 0);
	if (q->size > 16)
		return access_fault(v, BP_FAULT_BUS, q->as, q->regime, addr, BP_BAD_SIZE);
	if (look(v, q, addr, q->want, q->size, p) != BP_H_OK)
		return BP_H_RAISED;
	if (q->want == BP_ACC_WRITE ? !p->writable : !p->host)
		return access_fault(v, BP_FAULT_BUS, q->as, q->regime, addr, BP_BUS_ERROR);
	return BP_H_OK;
}

static int atomic_done(
	struct vcpu *v, const struct request *q, const struct place *p, uint64_t addr, bool wrote)
{
	if (wrote) {
		bus_ram_dirty(p->ram, p->offset, q->size);
		if (code_written(v, p->ram, p->offset, q->size))
			v->jit.leave_after = true;
	}
	code_check_watch(v, addr, q->size, wrote ? BP_ACC_WRITE : BP_ACC_READ);
	return BP_H_OK;
}

/* Compare and swap of size bytes; *expected becomes what was found. */
static bool cas(uint8_t *host, unsigned size, uint64_t expected[2], const uint64_t desired[2])
{
	if (size == 16)
		return atomic128_cas(host, expected, desired);
	bool ok;
	switch (size) {
	case 1: {
		uint8_t e = (uint8_t)expected[0];
		ok = __atomic_compare_exchange_n(
			host, &e, (uint8_t)desired[0], false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		expected[0] = e;
		break;
	}
	case 2: {
		uint16_t e = (uint16_t)expected[0];
		ok = __atomic_compare_exchange_n((uint16_t *)(void *)host, &e, (uint16_t)desired[0],
			false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		expected[0] = e;
		break;
	}
	case 4: {
		uint32_t e = (uint32_t)expected[0];
		ok = __atomic_compare_exchange_n((uint32_t *)(void *)host, &e, (uint32_t)desired[0],
			false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		expected[0] = e;
		break;
	}
	default: {
		uint64_t e = expected[0];
		ok = __atomic_compare_exchange_n((uint64_t *)(void *)host, &e, desired[0], false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		expected[0] = e;
		break;
	}
	}
	return ok;
}

static uint64_t extend(uint64_t value, unsigned size, bool sign)
{
	unsigned shift = 64 - 8 * size;
	return sign ? (uint64_t)((int64_t)(value << shift) >> shift) : value << shift >> shift;
}

static uint64_t combine(unsigned op, uint64_t old, uint64_t x, unsigned size)
{
	int64_t so = (int64_t)extend(old, size, true), sx = (int64_t)extend(x, size, true);
	uint64_t uo = extend(old, size, false), ux = extend(x, size, false);
	switch (op) {
	case BP_RMW_ADD: return uo + ux;
	case BP_RMW_AND: return uo & ux;
	case BP_RMW_OR: return uo | ux;
	case BP_RMW_XOR: return uo ^ ux;
	case BP_RMW_MINS: return so < sx ? uo : ux;
	case BP_RMW_MAXS: return so > sx ? uo : ux;
	case BP_RMW_MINU: return uo < ux ? uo : ux;
	case BP_RMW_MAXU: return uo > ux ? uo : ux;
	default: return ux; /* BP_RMW_SWAP */
	}
}

static void order(uint64_t value[2], unsigned size, uint32_t memop)
{
	if (memop & BP_MEM_BIG_ENDIAN)
		swap_bytes(value, size);
}

int access_rmw(struct jit_cpu *j, uint64_t addr, uint32_t memop, unsigned op,
	const uint64_t operand[2], uint64_t old[2])
{
	struct vcpu *v = (struct vcpu *)j;
	struct request q = request_of(memop, BP_ACC_WRITE);
	struct place p;
	if (q.size > 8 && op != BP_RMW_SWAP)
		return access_fault(v, BP_FAULT_BUS, q.as, q.regime, addr, BP_BAD_SIZE);
	if (check_alignment(v, &q, addr, memop) != BP_H_OK ||
		atomic_place(v, &q, addr, &p) != BP_H_OK)
		return BP_H_RAISED;
	uint64_t found[2] = { 0, 0 }, desired[2];
	memcpy(found, p.host, q.size);
	do {
		memcpy(old, found, sizeof(found));
		order(old, q.size, memop);
		memcpy(desired, operand, sizeof(desired));
		if (q.size <= 8)
			desired[0] = extend(combine(op, old[0], operand[0], q.size), q.size, false);
		order(desired, q.size, memop);
	} while (!cas(p.host, q.size, found, desired));
	return atomic_done(v, &q, &p, addr, true);
}

int access_cas(struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t expected[2],
	const uint64_t desired[2], uint64_t old[2])
{
	struct vcpu *v = (struct vcpu *)j;
	struct request q = request_of(memop, BP_ACC_WRITE);
	struct place p;
	if (check_alignment(v, &q, addr, memop) != BP_H_OK ||
		atomic_place(v, &q, addr, &p) != BP_H_OK)
		return BP_H_RAISED;
	uint64_t found[2] = { expected[0], expected[1] }, fresh[2] = { desired[0], desired[1] };
	if (q.size < 8)
		found[0] = extend(found[0], q.size, false);
	order(found, q.size, memop);
	order(fresh, q.size, memop);
	bool wrote = cas(p.host, q.size, found, fresh);
	order(found, q.size, memop);
	old[0] = found[0];
	old[1] = q.size == 16 ? found[1] : 0;
	return atomic_done(v, &q, &p, addr, wrote);
}

int access_ll(struct jit_cpu *j, uint64_t addr, uint32_t memop, uint64_t value[2])
{
	struct vcpu *v = (struct vcpu *)j;
	struct request q = request_of(memop, BP_ACC_READ);
	struct place p;
	if (check_alignment(v, &q, addr, memop) != BP_H_OK ||
		atomic_place(v, &q, addr, &p) != BP_H_OK)
		return BP_H_RAISED;
	value[0] = value[1] = 0;
	v->watch_turn = atomic_load(bus_ram_conditionals(p.ram, p.offset));
	if (q.size == 16)
		atomic128_load(p.host, value);
	else
		copy((uint8_t *)value, p.host, q.size, true);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	v->watch_host = p.host;
	v->watch_size = q.size;
	v->watch_value[0] = value[0];
	v->watch_value[1] = value[1];
	order(value, q.size, memop);
	return atomic_done(v, &q, &p, addr, false);
}

int access_sc(
	struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t value[2], uint64_t *failed)
{
	struct vcpu *v = (struct vcpu *)j;
	struct request q = request_of(memop, BP_ACC_WRITE);
	struct place p;
	uint8_t *watched = v->watch_host;
	v->watch_host = NULL;
	if (check_alignment(v, &q, addr, memop) != BP_H_OK ||
		atomic_place(v, &q, addr, &p) != BP_H_OK)
		return BP_H_RAISED;
	*failed = 1;
	if (watched != p.host || v->watch_size != q.size)
		return BP_H_OK;
	/* No store-conditional succeeded there since, and what was loaded is still there: nobody stored
	 * anything else. What plain stores took away and brought back is taken for unchanged. */
	_Atomic(uint32_t) *turn = bus_ram_conditionals(p.ram, p.offset);
	uint32_t now = v->watch_turn;
	if (now & 1 || !atomic_compare_exchange_strong(turn, &now, now + 1))
		return BP_H_OK;
	uint64_t fresh[2] = { value[0], value[1] };
	order(fresh, q.size, memop);
	v->turn_held = turn;
	bool stored = cas(p.host, q.size, v->watch_value, fresh);
	v->turn_held = NULL;
	atomic_store(turn, stored ? now + 2 : now);
	if (!stored)
		return BP_H_OK;
	*failed = 0;
	return atomic_done(v, &q, &p, addr, true);
}

int access_probe(struct jit_cpu *j, uint64_t addr, uint64_t len, unsigned access, uint32_t memop)
{
	struct vcpu *v = (struct vcpu *)j;
	struct request q = request_of(memop, access);
	struct place p;
	for (uint64_t done = 0; done < len;) {
		uint64_t at = wrap(v, addr + done);
		if (tlb_lookup(v, q.regime, at, q.want, q.as, &p) != BP_H_OK)
			return BP_H_RAISED;
		done += page_left(v, at);
	}
	return BP_H_OK;
}

int access_bytes(struct vcpu *v, uint64_t addr, void *buf, uint32_t len, uint32_t memop, bool write)
{
	struct request q = request_of(memop, write ? BP_ACC_WRITE : BP_ACC_READ);
	uint8_t *bytes = buf;
	if (write && access_probe(&v->jit, addr, len, BP_ACC_WRITE, memop) != BP_H_OK)
		return BP_H_RAISED;
	for (uint32_t done = 0; done < len;) {
		uint64_t at = wrap(v, addr + done);
		unsigned n = first_piece(v, at, len - done < 64 ? len - done : 64);
		int r = write ? write_bytes(v, &q, at, bytes + done, n)
			      : read_bytes(v, &q, at, bytes + done, n);
		if (r != BP_H_OK)
			return r;
		done += n;
	}
	return BP_H_OK;
}
