/* SPDX-License-Identifier: MIT */
/* Running operations: threaded code, one handler after the other.
 *
 * A handler's name is its label; handlers is where the table of their addresses is made. While
 * operations run, head.pc and head.icount are stale: pc here is the block's entry, budget what was
 * left there. Whoever calls out of here (a slow access, a helper) makes them right first (settle). */
#include "find.h"
#include "plugin/object.h"
#include "trace/hub.h"
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>

/* Labels as values are an extension that both compilers have and that this file is about. */
#pragma GCC diagnostic ignored "-Wpedantic"

struct run { /* one interp_run() */
	struct interp *in;
	struct jit_cpu *cpu;
	uint64_t pc; /* of the block's first instruction */
	uint64_t budget; /* left at the block's entry */
	uint64_t icount_end; /* icount when the budget is used up */
	struct block *block;
	const struct op *code; /* the block's operations, or the copy in in->tail */
	struct link *link; /* the exit taken, when it may be linked to what comes next */
};

/* ---- instructions of a block ---- */

static const struct mark *mark_at(const struct run *r, const struct op *op)
{
	uint32_t at = (uint32_t)(op - r->code), low = 0, high = r->block->insns;
	while (high - low > 1) {
		uint32_t mid = (low + high) / 2;
		if (r->block->mark[mid].op <= at)
			low = mid;
		else
			high = mid;
	}
	return &r->block->mark[low];
}

/* Make head.pc and head.icount those of op's instruction. */
static const struct mark *settle(const struct run *r, const struct op *op)
{
	const struct mark *m = mark_at(r, op);
	r->cpu->head->pc = (r->pc + m->offset) & r->in->pc_mask;
	r->cpu->head->icount = r->icount_end - r->budget + (uint64_t)(m - r->block->mark);
	return m;
}

/* The first n instructions of the block, then a stop: in a copy of its operations, at the same
 * places. Returns the copy. */
static const struct op *cut(struct run *r, uint32_t n)
{
	struct interp *in = r->in;
	uint32_t end = r->block->mark[n].op;
	if (in->tail_ops < end + 1) {
		bool inside = r->code == in->tail;
		in->tail_ops = 2 * (end + 1);
		in->tail = g_renew(struct op, in->tail, in->tail_ops);
		if (inside)
			r->code = in->tail;
	}
	memcpy(in->tail, r->block->op, end * sizeof(struct op));
	in->tail[end] = (struct op){
		.go = interp_labels()[OP_STOP], .d = n, .imm = r->block->mark[n].offset
	};
	return in->tail;
}

/* Go on behind op, but leave when its instruction is done. */
static const struct op *leave_after(struct run *r, const struct op *op)
{
	size_t at = (size_t)(op - r->code);
	uint32_t n = (uint32_t)(mark_at(r, op) - r->block->mark) + 1;
	atomic_store_explicit(&r->cpu->kick, 1, memory_order_relaxed);
	r->code = cut(r, n);
	return r->code + at + 1;
}

/* The instruction at op raised, and the exception is recorded: the state at its mark, enter it. */
static void fault(struct run *r, const struct op *op)
{
	uint8_t *base = (uint8_t *)r->cpu->head;
	const struct mark *m = settle(r, op);
	uint64_t before = (uint64_t)(m - r->block->mark);
	for (uint32_t i = 0; i < m->undos; i++) {
		const struct undo *u = &r->block->undo[m->undo + i];
		memcpy(base + u->offset, base + u->save, u->len);
	}
	r->cpu->host->deliver(r->cpu);
	r->budget -= before + 1;
	r->cpu->head->icount = r->icount_end - r->budget;
}

/* ---- slow accesses, helpers ---- */

static int slow_load(struct run *r, const struct op *op, uint64_t addr, uint64_t *value)
{
	uint64_t v[8] = { 0 };
	const uint8_t *p = unaligned(r->cpu, addr, op->b, BP_ACC_READ);
	if (p) {
		memcpy(v, p, 1u << (op->b & BP_MEM_SIZE));
		*value = v[0];
		return BP_H_OK;
	}
	settle(r, op);
	int status = r->cpu->host->load(r->cpu, addr, op->b, v);
	*value = v[0];
	return status;
}

static int slow_rmw(
	struct run *r, const struct op *op, uint64_t addr, uint64_t value, uint64_t *old)
{
	uint64_t operand[2] = { value, 0 }, found[2] = { 0, 0 };
	settle(r, op);
	int status = r->cpu->host->rmw(
		r->cpu, addr, (uint32_t)op->imm, (unsigned)(op->imm >> 32), operand, found);
	*old = found[0];
	return status;
}

int interp_call(struct bp_cpu_head *head, const struct call *call)
{
	uint8_t *base = (uint8_t *)head;
	uint64_t args[2 * CALL_ARGS + 2 * CALL_RESULTS];
	unsigned at = 0;
	for (unsigned i = 0; i < call->args; i++) {
		const struct call_slot *s = &call->arg[i];
		if (G_LIKELY(s->bytes == 8)) {
			memcpy(&args[at++], base + s->offset, 8);
			continue;
		}
		args[at] = args[at + 1] = 0;
		memcpy(&args[at], base + s->offset, s->bytes);
		at += s->bytes > 8 ? 2 : 1;
	}
	int status = call->helper->fn(base, args);
	if (status == BP_H_RAISED)
		return status;
	at = 0;
	for (unsigned i = 0; i < call->results; i++) {
		if (G_LIKELY(call->result[i].bytes == 8))
			memcpy(base + call->result[i].offset, &args[at], 8);
		else if (call->result[i].bytes)
			memcpy(base + call->result[i].offset, &args[at], call->result[i].bytes);
		at += call->result_words[i];
	}
	return status;
}

static void trace_exec(struct run *r, const struct op *op)
{
	const struct mark *m = settle(r, op);
	struct bp_trace_exec e = { .size = sizeof(e),
		.cpu = r->cpu->head->index,
		.pc = r->cpu->head->pc,
		.bytes = r->block->code + m->offset,
		.length = m->bytes,
		.icount = r->cpu->head->icount,
		.isa = r->cpu->type->isa_name };
	hub_exec(&e);
}

static void trace_memory(struct run *r, const struct op *op)
{
	const struct trace_mem *t = op->ptr;
	const uint8_t *base = (const uint8_t *)r->cpu->head;
	struct bp_trace_memory e = {
		.size = sizeof(e), .cpu = r->cpu->head->index, .bytes = t->bytes, .write = t->write
	};
	if (t->failed && base[t->failed])
		return;
	settle(r, op);
	e.pc = r->cpu->head->pc;
	memcpy(&e.addr, base + t->addr, 8);
	e.addr = (e.addr + (uint64_t)(int64_t)t->disp) & t->addr_mask;
	memcpy(e.value, base + t->value, t->value_bytes);
	hub_memory(&e);
}

/* ---- finding the next block ---- */

static void trace_block(const struct jit_cpu *cpu, const struct ir_block *ir)
{
	struct bp_trace_block e = { .size = sizeof(e),
		.cpu = cpu->head->index,
		.pc = ir->pc,
		.key = ir->key,
		.insns = ir->insns,
		.bytes = ir->bytes };
	if (hub_on(BP_TRACE_BLOCK))
		hub_block(&e);
}

static enum found translate(
	struct finder *f, const struct cache_key *key, struct jit_given *given, uint64_t prepared)
{
	struct interp *in = f->in;
	struct jit_cpu *cpu = in->cpu;
	char error[256];
	switch (build_block(cpu, cpu->head->pc, key->key, given, key->limit, false, in->ir)) {
	case BUILD_FAULT: return FOUND_FAULT;
	case BUILD_ERROR: fprintf(stderr, "backplane: %s\n", in->ir->error); return FOUND_ERROR;
	default: break;
	}
	f->block = compile(in->compiler, in->ir, error, sizeof(error));
	if (!f->block) {
		fprintf(stderr, "backplane: %s\n", error);
		return FOUND_ERROR;
	}
	trace_block(cpu, in->ir);
	f->block->limit = key->limit;
	if (!given->code[0].ram || (f->block->crosses && !f->block->ram2)) {
		cache_transient(f->block);
		return FOUND;
	}
	cache_insert(f->block, prepared);
	return FOUND;
}

static enum found find(struct run *r)
{
	struct jit_cpu *cpu = r->cpu;
	struct finder f = { .in = r->in, .jumps = cpu->jumps, .translate = translate };
	if (cpu->have_breakpoints && cpu->host->breakpoint(cpu, r->pc))
		return FOUND_BREAKPOINT;
	enum found found = find_block(&f);
	r->block = f.block;
	return found;
}

static void link_exit(struct run *r)
{
	struct link *l = r->link;
	r->link = NULL;
	/* In the same page of RAM, to be sure: a helper may have changed the mapping on the way. */
	if (l && l->near && !r->block->crosses && !r->cpu->have_breakpoints &&
		!((l->from->offset ^ r->block->offset) & r->cpu->page_mask))
		cache_link(l, r->block);
}

/* ---- the handlers ---- */

/* clang-format off */

#define AT(T, off)	 (*(T *)(void *)(base + (off)))
#define NEXT		 do { op++; goto *op->go; } while (0)
#define EACH(M, N, E)	 M(N##_8, uint8_t, int8_t, 8, E) M(N##_16, uint16_t, int16_t, 16, E)           \
	M(N##_32, uint32_t, int32_t, 32, E) M(N##_64, uint64_t, int64_t, 64, E)
/* x, y: operands as T, unsigned; sx, sy: the same as S, signed; W: the width. */
#define BINARY(L, T, S, W, E)                                                                      \
	L_##L: { enum { width = W }; const T x = AT(T, op->a), y = AT(T, op->b);                       \
		const S sx = (S)x, sy = (S)y; (void)sx; (void)sy; (void)width;                             \
		AT(T, op->d) = (T)(E); NEXT; }
#define BINARY_I(L, T, S, W, E)                                                                    \
	L_##L: { enum { width = W }; const T x = AT(T, op->a), y = (T)op->imm;                         \
		const S sx = (S)x, sy = (S)y; (void)sx; (void)sy; (void)width;                             \
		AT(T, op->d) = (T)(E); NEXT; }
#define COMPARE(L, T, S, W, E)                                                                     \
	L_##L: { const T x = AT(T, op->a), y = AT(T, op->b); const S sx = (S)x, sy = (S)y;             \
		(void)sx; (void)sy; AT(uint8_t, op->d) = (E); NEXT; }
#define COMPARE_I(L, T, S, W, E)                                                                   \
	L_##L: { const T x = AT(T, op->a), y = (T)op->imm; const S sx = (S)x, sy = (S)y;               \
		(void)sx; (void)sy; AT(uint8_t, op->d) = (E); NEXT; }
#define UNARY(L, T, S, W, E)                                                                       \
	L_##L: { enum { width = W }; const T x = AT(T, op->a); const S sx = (S)x; (void)sx;            \
		(void)width; AT(T, op->d) = (T)(E); NEXT; }
#define BOTH(N, E)	EACH(BINARY, N, E) EACH(BINARY_I, N##I, E)
#define COMPARES(N, E)	EACH(COMPARE, N, E) EACH(COMPARE_I, N##I, E)
#define EXTEND(L, FROM, TO) L_##L: AT(TO, op->d) = (TO)AT(FROM, op->a); NEXT;

/* The inline TLB lookup of `size` bytes for access `acc`. */
#define LOOKUP(addr, size, acc)                                                                    \
	(entry = tlb_entry_of(cpu->tlb[op->c], cpu->tlb_mask[op->c], addr, page_bits),                 \
		(addr & (page_mask | (size - 1))) == entry->tag[acc])
#define HOST(T, addr)	((T *)(uintptr_t)(addr + entry->addend))
#define LOAD(L, T, X, TO)                                                                          \
	L_##L: {                                                                                       \
		const uint64_t addr = AT(uint64_t, op->a) + (uint64_t)op->imm;                             \
		if (G_LIKELY(LOOKUP(addr, sizeof(T), BP_ACC_READ))) {                                      \
			AT(TO, op->d) = (TO)(X)__atomic_load_n(HOST(T, addr), __ATOMIC_RELAXED);               \
			NEXT;                                                                                  \
		}                                                                                          \
		status = slow_load(&run, op, addr, &value);                                                \
		if (status != BP_H_RAISED)                                                                 \
			AT(TO, op->d) = (TO)(X)(T)value;                                                       \
		goto accessed;                                                                             \
	}
#define STORE(L, T)                                                                                \
	L_##L: {                                                                                       \
		const uint64_t addr = AT(uint64_t, op->a) + (uint64_t)op->imm;                             \
		if (G_LIKELY(LOOKUP(addr, sizeof(T), BP_ACC_WRITE))) {                                     \
			__atomic_store_n(HOST(T, addr), AT(T, op->b), __ATOMIC_RELAXED);                       \
			NEXT;                                                                                  \
		}                                                                                          \
		uint8_t *const place = unaligned(cpu, addr, op->d, BP_ACC_WRITE);                          \
		if (place) {                                                                               \
			memcpy(place, base + op->b, sizeof(T));                                                \
			NEXT;                                                                                  \
		}                                                                                          \
		settle(&run, op);                                                                          \
		const uint64_t stored[8] = { AT(T, op->b) };                                               \
		status = cpu->host->store(cpu, addr, op->d, stored);                                       \
		goto accessed;                                                                             \
	}
#define RMW(L, T, S)                                                                               \
	L_##L: {                                                                                       \
		const uint64_t addr = AT(uint64_t, op->a);                                                 \
		const T y = AT(T, op->b);                                                                  \
		const unsigned kind = (unsigned)(op->imm >> 32);                                           \
		if (LOOKUP(addr, sizeof(T), BP_ACC_WRITE) && entry->tag[0] == entry->tag[1]) {             \
			T *p = HOST(T, addr), x, z;                                                            \
			switch (kind) {                                                                        \
			case BP_RMW_SWAP: x = __atomic_exchange_n(p, y, __ATOMIC_SEQ_CST); break;              \
			case BP_RMW_ADD: x = __atomic_fetch_add(p, y, __ATOMIC_SEQ_CST); break;                \
			case BP_RMW_AND: x = __atomic_fetch_and(p, y, __ATOMIC_SEQ_CST); break;                \
			case BP_RMW_OR: x = __atomic_fetch_or(p, y, __ATOMIC_SEQ_CST); break;                  \
			case BP_RMW_XOR: x = __atomic_fetch_xor(p, y, __ATOMIC_SEQ_CST); break;                \
			default:                                                                               \
				x = __atomic_load_n(p, __ATOMIC_RELAXED);                                          \
				do                                                                                 \
					z = kind == BP_RMW_MINS ? ((S)x < (S)y ? x : y)                                \
						: kind == BP_RMW_MAXS ? ((S)x > (S)y ? x : y)                              \
						: kind == BP_RMW_MINU ? (x < y ? x : y) : x > y ? x : y;                   \
				while (!__atomic_compare_exchange_n(p, &x, z, false, __ATOMIC_SEQ_CST,             \
					__ATOMIC_SEQ_CST));                                                            \
			}                                                                                      \
			AT(T, op->d) = x;                                                                      \
			NEXT;                                                                                  \
		}                                                                                          \
		status = slow_rmw(&run, op, addr, y, &value);                                              \
		if (status != BP_H_RAISED)                                                                 \
			AT(T, op->d) = (T)value;                                                               \
		goto accessed;                                                                             \
	}
#define SKIP_UNLESS(L, T, S, Y, E)                                                                 \
	L_##L: { const T x = AT(T, op->a), y = Y; const S sx = (S)x, sy = (S)y; (void)sx; (void)sy;    \
		op += (E) ? 1 : op->imm; goto *op->go; }
#define TWO_WAY(L, T, S, Y, E)                                                                     \
	L_##L: { const T x = AT(T, op->a), y = Y; const S sx = (S)x, sy = (S)y; (void)sx; (void)sy;    \
		link = (struct link *)(uintptr_t)op->ptr + !(E); goto follow; }
#define BRANCHES(M, N, E)                                                                          \
	M(N##_32, uint32_t, int32_t, AT(uint32_t, op->b), E)                                           \
	M(N##_64, uint64_t, int64_t, AT(uint64_t, op->b), E)                                           \
	M(N##I_32, uint32_t, int32_t, (uint32_t)op->c, E)                                              \
	M(N##I_64, uint64_t, int64_t, (uint64_t)(int64_t)(int32_t)op->c, E)
#define ROTATE(x, n) ((n) % width ? (x) << (n) % width | (x) >> (width - (n) % width) : (x))

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

static const void *const *labels_table;

/* Runs until there is a reason to come back. With r NULL: only fills labels_table. */
static int execute(struct run *r0)
{
	static const void *const handlers[OP_COUNT] = {
#define X(n) &&L_##n,
		INTERP_OPS(X)
#undef X
	};
	if (!r0) {
		labels_table = handlers;
		return 0;
	}
	struct run run = *r0;
	struct jit_cpu *const cpu = run.cpu;
	struct bp_cpu_head *const head = cpu->head;
	uint8_t *const base = (uint8_t *)head;
	const uint64_t page_mask = cpu->page_mask;
	const unsigned page_bits = cpu->page_bits;
	const struct tlb_entry *entry;
	const struct op *op;
	struct link *link;
	uint64_t value;
	int status;

	goto enter;

	/* moving */
	EACH(UNARY, MOV, x)
L_MOVN: memmove(base + op->d, base + op->a, (size_t)op->imm); NEXT;
L_CONST_8: AT(uint8_t, op->d) = (uint8_t)op->imm; NEXT;
L_CONST_16: AT(uint16_t, op->d) = (uint16_t)op->imm; NEXT;
L_CONST_32: AT(uint32_t, op->d) = (uint32_t)op->imm; NEXT;
L_CONST_64: AT(uint64_t, op->d) = (uint64_t)op->imm; NEXT;
L_CONSTN:
	memset(base + op->d, 0, op->b);
	AT(uint64_t, op->d) = (uint64_t)op->imm;
	NEXT;
L_PCREL: AT(uint64_t, op->d) = run.pc + (uint64_t)op->imm; NEXT;
L_PCRELM:
	value = (run.pc + op->c) & run.in->pc_mask;
	value &= op->a >= 64 ? 0 : ~((UINT64_C(1) << op->a) - 1);
	value += (uint64_t)op->imm;
	value &= op->b && op->b < 64 ? (UINT64_C(1) << op->b) - 1 : UINT64_MAX;
	AT(uint64_t, op->d) = value;
	NEXT;

	/* two operands */
	BOTH(ADD, x + y)
	BOTH(SUB, x - y)
	BOTH(MUL, (uint64_t)x * y)
	BOTH(AND, x & y)
	BOTH(OR, x | y)
	BOTH(XOR, x ^ y)
	BOTH(SHL, y >= width ? 0 : (uint64_t)x << y)
	BOTH(SHR, y >= width ? 0 : x >> y)
	BOTH(SAR, sx >> (y >= width ? width - 1 : y))
	BOTH(ROL, ROTATE(x, y))
	BOTH(ROR, ROTATE(x, (width - y % width)))
	BOTH(MULHS, (s128)sx * sy >> width)
	BOTH(MULHU, (u128)x * y >> width)
	BOTH(MULHSU, (s128)sx * (s128)y >> width)
	BOTH(DIVS, y == 0 ? UINT64_MAX : sy == -1 ? 0 - (uint64_t)x : (uint64_t)(sx / sy))
	BOTH(DIVU, y == 0 ? UINT64_MAX : x / y)
	BOTH(REMS, y == 0 ? sx : sy == -1 ? 0 : sx % sy)
	BOTH(REMU, y == 0 ? x : x % y)
	BOTH(MINS, sx < sy ? sx : sy)
	BOTH(MAXS, sx > sy ? sx : sy)
	BOTH(MINU, x < y ? x : y)
	BOTH(MAXU, x > y ? x : y)
	COMPARES(EQ, x == y)
	COMPARES(NE, x != y)
	COMPARES(LTS, sx < sy)
	COMPARES(LES, sx <= sy)
	COMPARES(LTU, x < y)
	COMPARES(LEU, x <= y)

	/* one operand */
	EACH(UNARY, NEG, 0 - x)
	EACH(UNARY, NOT, ~x)
	EACH(UNARY, CLZ, x ? __builtin_clzll(x) - (64 - width) : width)
	EACH(UNARY, CTZ, x ? __builtin_ctzll(x) : width)
	EACH(UNARY, POPCNT, __builtin_popcountll(x))
L_BSWAP_8: AT(uint8_t, op->d) = AT(uint8_t, op->a); NEXT;
L_BSWAP_16: AT(uint16_t, op->d) = __builtin_bswap16(AT(uint16_t, op->a)); NEXT;
L_BSWAP_32: AT(uint32_t, op->d) = __builtin_bswap32(AT(uint32_t, op->a)); NEXT;
L_BSWAP_64: AT(uint64_t, op->d) = __builtin_bswap64(AT(uint64_t, op->a)); NEXT;
L_NOT1: AT(uint8_t, op->d) = !AT(uint8_t, op->a); NEXT;
	EXTEND(SEXT_8_16, int8_t, int16_t)
	EXTEND(SEXT_8_32, int8_t, int32_t)
	EXTEND(SEXT_8_64, int8_t, int64_t)
	EXTEND(SEXT_16_32, int16_t, int32_t)
	EXTEND(SEXT_16_64, int16_t, int64_t)
	EXTEND(SEXT_32_64, int32_t, int64_t)
	EXTEND(ZEXT_8_16, uint8_t, uint16_t)
	EXTEND(ZEXT_8_32, uint8_t, uint32_t)
	EXTEND(ZEXT_8_64, uint8_t, uint64_t)
	EXTEND(ZEXT_16_32, uint16_t, uint32_t)
	EXTEND(ZEXT_16_64, uint16_t, uint64_t)
	EXTEND(ZEXT_32_64, uint32_t, uint64_t)
L_UBITS_32: AT(uint32_t, op->d) = AT(uint32_t, op->a) << op->b >> op->c; NEXT;
L_UBITS_64: AT(uint64_t, op->d) = AT(uint64_t, op->a) << op->b >> op->c; NEXT;
L_SBITS_32: AT(int32_t, op->d) = (int32_t)(AT(uint32_t, op->a) << op->b) >> op->c; NEXT;
L_SBITS_64: AT(int64_t, op->d) = (int64_t)(AT(uint64_t, op->a) << op->b) >> op->c; NEXT;
L_SELECT_8: AT(uint8_t, op->d) = AT(uint8_t, AT(uint8_t, op->a) ? op->b : op->c); NEXT;
L_SELECT_16: AT(uint16_t, op->d) = AT(uint16_t, AT(uint8_t, op->a) ? op->b : op->c); NEXT;
L_SELECT_32: AT(uint32_t, op->d) = AT(uint32_t, AT(uint8_t, op->a) ? op->b : op->c); NEXT;
L_SELECT_64: AT(uint64_t, op->d) = AT(uint64_t, AT(uint8_t, op->a) ? op->b : op->c); NEXT;

	/* memory */
	LOAD(LD_U8_64, uint8_t, uint8_t, uint64_t)
	LOAD(LD_S8_64, uint8_t, int8_t, uint64_t)
	LOAD(LD_U16_64, uint16_t, uint16_t, uint64_t)
	LOAD(LD_S16_64, uint16_t, int16_t, uint64_t)
	LOAD(LD_U32_64, uint32_t, uint32_t, uint64_t)
	LOAD(LD_S32_64, uint32_t, int32_t, uint64_t)
	LOAD(LD_U64_64, uint64_t, uint64_t, uint64_t)
	LOAD(LD_U8_32, uint8_t, uint8_t, uint32_t)
	LOAD(LD_S8_32, uint8_t, int8_t, uint32_t)
	LOAD(LD_U16_32, uint16_t, uint16_t, uint32_t)
	LOAD(LD_S16_32, uint16_t, int16_t, uint32_t)
	LOAD(LD_U32_32, uint32_t, uint32_t, uint32_t)
	STORE(ST_8, uint8_t)
	STORE(ST_16, uint16_t)
	STORE(ST_32, uint32_t)
	STORE(ST_64, uint64_t)
	RMW(RMW_32, uint32_t, int32_t)
	RMW(RMW_64, uint64_t, int64_t)
L_MEM:
	settle(&run, op);
	status = generic_memory(cpu, base, op->ptr);
accessed:
	if (G_UNLIKELY(status == BP_H_RAISED))
		goto raised;
	if (G_UNLIKELY(status != BP_H_OK || cpu->leave_after)) {
		cpu->leave_after = false;
		op = leave_after(&run, op);
		goto *op->go;
	}
	NEXT;
L_FENCE:
	switch (op->imm) {
	case 0: __atomic_thread_fence(__ATOMIC_ACQUIRE); break;
	case 1: __atomic_thread_fence(__ATOMIC_RELEASE); break;
	case 2: __atomic_thread_fence(__ATOMIC_ACQ_REL); break;
	default: __atomic_thread_fence(__ATOMIC_SEQ_CST); break;
	}
	NEXT;

	/* calls */
L_GEN:
	((const struct gen *)op->ptr)->fn(cpu, base, op->ptr);
	NEXT;
L_CALL:
	settle(&run, op);
	status = interp_call(head, op->ptr);
	goto accessed;
L_TRACE_EXEC: trace_exec(&run, op); NEXT;
L_TRACE_MEM: trace_memory(&run, op); NEXT;

	/* control inside an instruction */
L_JF: op += AT(uint8_t, op->a) ? 1 : op->imm; goto *op->go;
L_GOTO: op += op->imm; goto *op->go;
	BRANCHES(SKIP_UNLESS, JN_EQ, x == y)
	BRANCHES(SKIP_UNLESS, JN_NE, x != y)
	BRANCHES(SKIP_UNLESS, JN_LTS, sx < sy)
	BRANCHES(SKIP_UNLESS, JN_LES, sx <= sy)
	BRANCHES(SKIP_UNLESS, JN_LTU, x < y)
	BRANCHES(SKIP_UNLESS, JN_LEU, x <= y)

	/* leaving */
	BRANCHES(TWO_WAY, X2_EQ, x == y)
	BRANCHES(TWO_WAY, X2_NE, x != y)
	BRANCHES(TWO_WAY, X2_LTS, sx < sy)
	BRANCHES(TWO_WAY, X2_LES, sx <= sy)
	BRANCHES(TWO_WAY, X2_LTU, x < y)
	BRANCHES(TWO_WAY, X2_LEU, x <= y)
L_EXIT2:
	link = (struct link *)(uintptr_t)op->ptr + !AT(uint8_t, op->a);
	goto follow;
L_EXIT:
	link = (struct link *)(uintptr_t)op->ptr;
follow:
	run.budget -= op->d;
	if (link->set_key)
		head->key = link->key;
	if (G_LIKELY(link->local)) {
		run.pc += link->delta;
	} else {
		value = ((((run.pc + link->mark) & run.in->pc_mask & link->and) + (uint64_t)link->imm) &
			link->keep);
		status = !((value ^ run.pc) & page_mask);
		run.pc = value;
		if (!link->near || !status) {
			link = NULL;
			goto lookup;
		}
	}
	struct block *to = atomic_load_explicit(&link->to, memory_order_acquire);
	if (G_LIKELY(to && to->insns <= run.budget && !must_leave(cpu))) {
		run.block = to;
		run.code = op = to->op;
		goto *op->go;
	}
	run.link = link;
	goto leave;

L_JUMPK:
	head->key = AT(uint64_t, op->b);
L_JUMP:
	run.budget -= op->d;
	run.pc = AT(uint64_t, op->a) & run.in->pc_mask;
lookup: {
	const struct jit_jump *slot = jump_slot(cpu->jumps, run.pc);
	if (G_LIKELY(jump_hit(slot, cpu, run.pc) && slot->block->insns <= run.budget &&
		    !must_leave(cpu) && !cpu->have_breakpoints)) {
		run.block = slot->block;
		run.code = op = run.block->op;
		goto *op->go;
	}
	goto leave;
}
L_RESYNC_TO:
	value = AT(uint64_t, op->a);
	goto resync;
L_RESYNC:
	value = run.pc + (uint64_t)op->imm;
resync:
	run.budget -= op->d;
	run.pc = value & run.in->pc_mask;
	goto leave;
L_STOP:
	run.budget -= op->d;
	run.pc = (run.pc + (uint64_t)op->imm) & run.in->pc_mask;
	goto leave;
L_HALT:
	run.budget -= op->d;
	head->pc = (run.pc + (uint64_t)op->imm) & run.in->pc_mask;
	head->icount = run.icount_end - run.budget;
	return BP_EXIT_HALT;
L_RAISE:
	settle(&run, op);
	cpu->host->raise(cpu, (uint32_t)op->imm, op->b ? AT(uint64_t, op->a) : 0);
raised:
	fault(&run, op);
	cpu->leave_after = false;
	goto enter;

	/* between blocks */
leave:
	head->pc = run.pc;
	head->icount = run.icount_end - run.budget;
enter:
	if (!run.budget)
		return BP_EXIT_BUDGET;
	if (must_leave(cpu) && !run.in->given.count)
		return BP_EXIT_PENDING;
	if (cache_safepoint(run.in))
		jumps_clear(cpu), run.link = NULL;
	run.pc = head->pc;
	switch (find(&run)) {
	case FOUND: break;
	case FOUND_FAULT:
		cpu->host->deliver(cpu);
		run.budget--;
		head->icount = run.icount_end - run.budget;
		run.link = NULL;
		goto enter;
	case FOUND_BREAKPOINT: return BP_EXIT_BREAKPOINT;
	default: return BP_EXIT_ERROR;
	}
	if (run.link)
		link_exit(&run);
	run.code = run.block->op;
	if (run.block->insns > run.budget)
		run.code = cut(&run, (uint32_t)run.budget);
	op = run.code;
	goto *op->go;
}

/* clang-format on */

const void *const *interp_labels(void)
{
	if (!labels_table)
		execute(NULL);
	return labels_table;
}

int interp_run(struct jit_cpu *cpu, uint64_t budget)
{
	struct interp *in = cpu->engine;
	struct run run = {
		.in = in, .cpu = cpu, .budget = budget, .icount_end = cpu->head->icount + budget
	};
	if (cache_enter(in))
		jumps_clear(cpu);
	cpu->leave_after = false;
	int why = execute(&run);
	cache_leave(in);
	return why;
}
