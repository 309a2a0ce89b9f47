/* SPDX-License-Identifier: MIT */
#include "toy.h"

struct toy_raw toy_raw[4];

#define R(n)  ((uint32_t)(offsetof(struct toy_state, r) + 8u * ((n)&15u)))
#define NPC   ((uint32_t)offsetof(struct toy_state, npc))
#define MEMOP ((uint32_t)BP_MEM_64)

static void toy_branch(struct bp_insn *in, struct bp_ir_cursor *c, uint32_t d, uint32_t a,
	int32_t imm, bool delayed)
{
	unsigned x = bp_ir_get(c, BP_T_I64, R(d)), y = bp_ir_get(c, BP_T_I64, R(a));
	unsigned ne = bp_ir_op2(c, BP_IR_NE, BP_T_I64, x, y);
	unsigned yes = bp_ir_pcrel(c, 4 * imm, 0, 0), no = bp_ir_pcrel(c, delayed ? 8 : 4, 0, 0);
	unsigned to = bp_ir_select(c, BP_T_I64, ne, yes, no);
	if (delayed) {
		bp_ir_put(c, BP_T_I64, NPC, to);
		in->next_key = in->key | TOY_SLOT;
	} else {
		bp_ir_jump(c, to, BP_HINT_PLAIN, 0, 0);
	}
}

static void toy_putld(struct bp_ir_cursor *c, uint32_t d, uint32_t a, int32_t imm)
{
	bp_ir_put(c, BP_T_I64, R(d), bp_ir_const(c, BP_T_I64, 77));
	unsigned v = bp_ir_load(c, BP_T_I64, bp_ir_get(c, BP_T_I64, R(a)), imm, MEMOP);
	bp_ir_put(c, BP_T_I64, R(d + 1), v);
}

static void toy_commit(struct bp_ir_cursor *c, uint32_t d, uint32_t a, int32_t imm)
{
	bp_ir_put(c, BP_T_I64, R(d), bp_ir_const(c, BP_T_I64, 1));
	bp_ir_emit(c, BP_IR_COMMIT, 0, 0, 0, 0, 0, 0, 0);
	bp_ir_put(c, BP_T_I64, R(d), bp_ir_const(c, BP_T_I64, 2));
	bp_ir_store(c, BP_T_I64, bp_ir_get(c, BP_T_I64, R(a)), imm, bp_ir_get(c, BP_T_I64, R(d)),
		MEMOP);
	bp_ir_put(c, BP_T_I64, R(d), bp_ir_const(c, BP_T_I64, 3));
}

static int toy_translate(const void *config, struct bp_insn *in, struct bp_ir_cursor *c)
{
	const uint8_t *bytes = in->fetch(in, 0, 4);
	uint32_t w, w2;
	(void)config;
	if (!bytes)
		return BP_TR_FETCH;
	memcpy(&w, bytes, 4);
	uint32_t d = w >> 8 & 15, a = w >> 12 & 15;
	int32_t imm = (int16_t)(w >> 16);
	in->length = 4;
	switch (w & 0xff) {
	case TOY_ADDI:
		bp_ir_put(c, BP_T_I64, R(d),
			bp_ir_op2i(c, BP_IR_ADD, BP_T_I64, bp_ir_get(c, BP_T_I64, R(a)), imm));
		break;
	case TOY_ADD: {
		unsigned x = bp_ir_get(c, BP_T_I64, R(a)), y = bp_ir_get(c, BP_T_I64, R(imm));
		bp_ir_put(c, BP_T_I64, R(d), bp_ir_op2(c, BP_IR_ADD, BP_T_I64, x, y));
		break;
	}
	case TOY_LD:
		bp_ir_put(c, BP_T_I64, R(d),
			bp_ir_load(c, BP_T_I64, bp_ir_get(c, BP_T_I64, R(a)), imm, MEMOP));
		break;
	case TOY_ST: {
		unsigned x = bp_ir_get(c, BP_T_I64, R(a)), y = bp_ir_get(c, BP_T_I64, R(d));
		bp_ir_store(c, BP_T_I64, x, imm, y, MEMOP);
		break;
	}
	case TOY_BNE: toy_branch(in, c, d, a, imm, false); break;
	case TOY_DBNE: toy_branch(in, c, d, a, imm, true); break;
	case TOY_JALR: {
		unsigned to = bp_ir_get(c, BP_T_I64, R(a));
		bp_ir_put(c, BP_T_I64, R(d), bp_ir_pcrel(c, 4, 0, 0));
		bp_ir_jump(c, to, BP_HINT_PLAIN, 0, 0);
		break;
	}
	case TOY_KEY: in->next_key = (uint64_t)imm; break;
	case TOY_HALT: bp_ir_emit(c, BP_IR_HALT, 0, 0, 0, 0, 0, 0, 0); break;
	case TOY_PUTLD: toy_putld(c, d, a, imm); break;
	case TOY_CALL: {
		unsigned x = bp_ir_get(c, BP_T_I64, R(a)), y = bp_ir_get(c, BP_T_I64, R(d));
		bp_ir_put(
			c, BP_T_I64, R(d), bp_ir_emit(c, BP_IR_CALL, BP_T_I64, 0, imm, x, y, 0, 0));
		break;
	}
	case TOY_RAW:
		for (unsigned i = 1; i < toy_raw[imm & 3].count && c->count < c->limit; i++)
			c->record[c->count++] = toy_raw[imm & 3].rec[i];
		break;
	case TOY_RESYNC: bp_ir_emit(c, BP_IR_RESYNC, 0, 0, 0, 0, 0, 0, 0); break;
	case TOY_LONG:
		bytes = in->fetch(in, 4, 4);
		if (!bytes)
			return BP_TR_FETCH;
		memcpy(&w2, bytes, 4);
		in->length = 8;
		bp_ir_put(c, BP_T_I64, R(d), bp_ir_const(c, BP_T_I64, w2));
		break;
	case TOY_COMMIT: toy_commit(c, d, a, imm); break;
	case TOY_BAD: bp_ir_put(c, BP_T_I64, R(d), 999); break;
	case TOY_ABSOLUTE: bp_ir_put(c, BP_T_I64, R(d), bp_ir_const(c, BP_T_I64, in->pc)); break;
	default: bp_ir_emit(c, BP_IR_RAISE, 0, 0, 2, 0, 0, 0, 0); break;
	}
	if (in->key & TOY_SLOT) {
		unsigned key = bp_ir_const(c, BP_T_I64, in->key & ~(uint64_t)TOY_SLOT);
		bp_ir_jump(c, bp_ir_get(c, BP_T_I64, NPC), BP_HINT_PLAIN, key, 0);
	}
	return BP_TR_OK;
}

static unsigned toy_fetch_regime(const void *config, uint64_t key)
{
	(void)config;
	(void)key;
	return 0;
}

static void toy_exception(void *cpu, uint32_t cause, uint64_t value)
{
	struct toy_state *s = cpu;
	s->cause = cause;
	s->value = value;
	s->fault_pc = s->head.pc;
	s->fault_icount = s->head.icount;
	s->count++;
	s->head.pc = TOY_BASE;
	s->head.key = 0;
}

static int toy_helper(void *cpu, uint64_t *args) /* sums; counts in r[15] */
{
	struct toy_state *s = cpu;
	args[0] += args[1];
	s->r[15]++;
	return BP_H_OK;
}

static int toy_helper_raise(void *cpu, uint64_t *args)
{
	struct toy_state *s = cpu;
	struct jit_cpu *jit = s->head.core;
	jit->host->raise(jit, 9, args[0]);
	return BP_H_RAISED;
}

static int toy_helper_leave(void *cpu, uint64_t *args)
{
	(void)cpu;
	args[0] = 5;
	return BP_H_LEAVE;
}

static int toy_helper_pc(void *cpu, uint64_t *args)
{
	struct toy_state *s = cpu;
	args[0] = s->head.pc << 32 | s->head.icount;
	return BP_H_OK;
}

static int toy_helper_key(void *cpu, uint64_t *args)
{
	struct toy_state *s = cpu;
	s->head.key = args[0];
	return BP_H_OK;
}

static const struct bp_reg_range toy_sum_writes[] = { { offsetof(struct toy_state, r) + 15 * 8, 8 },
	{ 0, 0 } };
static const struct bp_helper toy_helpers[] = { { "sum", toy_helper, 2, 1, { 0 }, 0, NULL,
							toy_sum_writes },
	{ "raise", toy_helper_raise, 2, 1, { 0 }, BP_HELPER_RAISES, NULL, NULL },
	{ "leave", toy_helper_leave, 2, 1, { 0 }, 0, NULL, NULL },
	{ "pc", toy_helper_pc, 2, 1, { 0 }, BP_HELPER_PC | BP_HELPER_COUNT, NULL, NULL },
	{ "key", toy_helper_key, 2, 1, { 0 }, BP_HELPER_KEY, NULL, NULL },
	{ NULL, NULL, 0, 0, { 0 }, 0, NULL, NULL } };
static const struct bp_fp_env toy_envs[] = {
	{ sizeof(struct bp_fp_env), BP_ROUND_DYNAMIC, BP_NAN_CANONICAL, BP_FP_TINY_AFTER,
		offsetof(struct toy_state, rounding), offsetof(struct toy_state, fflags) },
	{ 0, 0, 0, 0, 0, 0 }
};
static const struct bp_regime toy_regimes[] = { { "flat", 1, 0 }, { NULL, 0, 0 } };
static const struct bp_cpu_reg toy_regs[] = {
	{ "pc", "general", offsetof(struct toy_state, head.pc), BP_T_I64, BP_REG_PC, { 0 }, 0, 0 },
	{ "r", "general", offsetof(struct toy_state, r), BP_T_I64, 0, { 0 }, 16, 8 },
	{ "npc", "general", offsetof(struct toy_state, npc), BP_T_I64, BP_REG_HIDDEN, { 0 }, 0, 0 },
	{ "fflags", "float", offsetof(struct toy_state, fflags), BP_T_I32, 0, { 0 }, 0, 0 },
	{ "v", "vector", offsetof(struct toy_state, v), BP_T_V512, 0, { 0 }, 16, 64 },
	{ NULL, NULL, 0, 0, 0, { 0 }, 0, 0 }
};

const struct bp_cpu toy_type = {
	.size = sizeof(struct bp_cpu),
	.ir_level = BP_IR_LEVEL,
	.isa_name = "toy",
	.address_bits = 64,
	.page_bits = 12,
	.insn_align = 4,
	.insn_max = 8,
	.regs = toy_regs,
	.helpers = toy_helpers,
	.fp_envs = toy_envs,
	.regimes = toy_regimes,
	.translate = toy_translate,
	.fetch_regime = toy_fetch_regime,
	.exception = toy_exception,
};

/* ---- struct jit_host ---- */

static uint8_t *toy_ram(struct toy *t, uint64_t addr, unsigned size)
{
	if (addr < TOY_BASE || size > TOY_RAM || addr - TOY_BASE > TOY_RAM - size)
		return NULL;
	if (t->unmapped && (addr & t->jit.page_mask) == t->unmapped)
		return NULL;
	return t->ram + (addr - TOY_BASE);
}

static int toy_fault(struct toy *t, uint64_t addr, uint32_t cause)
{
	t->fault_addr = addr;
	t->fault_cause = cause;
	return BP_H_RAISED;
}

static void toy_fill(struct toy *t, uint64_t addr)
{
	struct tlb_entry *e = tlb_entry_of(t->tlb, t->jit.tlb_mask[0], addr, 12);
	uint64_t page = addr & t->jit.page_mask;
	bool code = t->code[(page - TOY_BASE) / TOY_PAGE];
	e->tag[BP_ACC_READ] = e->tag[BP_ACC_EXEC] = page;
	e->tag[BP_ACC_WRITE] = code ? page | TLB_SLOW : page;
	e->addend = (uintptr_t)t->ram - TOY_BASE;
}

static void toy_order(uint8_t *b, unsigned size, uint32_t memop)
{
	for (unsigned i = 0; memop & BP_MEM_BIG_ENDIAN && i < size / 2; i++) {
		uint8_t x = b[i];
		b[i] = b[size - 1 - i];
		b[size - 1 - i] = x;
	}
}

static int toy_load(struct jit_cpu *j, uint64_t addr, uint32_t memop, uint64_t value[8])
{
	struct toy *t = (struct toy *)j;
	unsigned size = 1u << (memop & BP_MEM_SIZE);
	uint8_t *p = toy_ram(t, addr, size);
	t->loads++;
	if ((addr & j->page_mask) == TOY_DEVICE) {
		value[0] = addr;
		return BP_H_OK;
	}
	if (!p)
		return toy_fault(t, addr, 5);
	memset(value, 0, size < 8 ? 8 : size);
	memcpy(value, p, size);
	toy_order((uint8_t *)value, size, memop);
	toy_fill(t, addr);
	return BP_H_OK;
}

static int toy_store(struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t value[8])
{
	struct toy *t = (struct toy *)j;
	unsigned size = 1u << (memop & BP_MEM_SIZE);
	uint8_t *p = toy_ram(t, addr, size);
	if ((addr & j->page_mask) == TOY_DEVICE) {
		t->device_stores++;
		return t->leave_on_device ? BP_H_LEAVE : BP_H_OK;
	}
	if (!p)
		return toy_fault(t, addr, 7);
	memcpy(p, value, size);
	toy_order(p, size, memop);
	toy_fill(t, addr);
	if (t->code[(addr - TOY_BASE) / TOY_PAGE] &&
		code_cache_invalidate(t->ram, addr - TOY_BASE, size))
		return BP_H_LEAVE;
	return BP_H_OK;
}

static int toy_store_pair(
	struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t a[8], const uint64_t b[8])
{
	unsigned size = 1u << (memop & BP_MEM_SIZE);
	if (!toy_ram((struct toy *)j, addr, 2 * size))
		return toy_fault((struct toy *)j, addr, 7);
	toy_store(j, addr, memop, a);
	return toy_store(j, addr + size, memop, b);
}

static int toy_rmw(struct jit_cpu *j, uint64_t addr, uint32_t memop, unsigned op,
	const uint64_t operand[2], uint64_t old[2])
{
	uint64_t v[8] = { 0 };
	if (toy_load(j, addr, memop, v) != BP_H_OK)
		return BP_H_RAISED;
	memcpy(old, v, 16);
	v[0] = op == BP_RMW_ADD ? v[0] + operand[0] : operand[0];
	v[1] = operand[1];
	return toy_store(j, addr, memop, v);
}

static int toy_cas(struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t expected[2],
	const uint64_t desired[2], uint64_t old[2])
{
	uint64_t v[8] = { 0 };
	unsigned size = 1u << (memop & BP_MEM_SIZE);
	if (toy_load(j, addr, memop, v) != BP_H_OK)
		return BP_H_RAISED;
	memcpy(old, v, 16);
	if (memcmp(v, expected, size) != 0)
		return BP_H_OK;
	memset(v, 0, sizeof(v));
	memcpy(v, desired, size);
	return toy_store(j, addr, memop, v);
}

static int toy_ll(struct jit_cpu *j, uint64_t addr, uint32_t memop, uint64_t value[2])
{
	struct toy *t = (struct toy *)j;
	uint64_t v[8] = { 0 };
	if (toy_load(j, addr, memop, v) != BP_H_OK)
		return BP_H_RAISED;
	memcpy(value, v, 16);
	t->watch = addr;
	t->watching = true;
	return BP_H_OK;
}

static int toy_sc(
	struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t value[2], uint64_t *failed)
{
	struct toy *t = (struct toy *)j;
	uint64_t v[8] = { value[0], value[1] };
	*failed = !(t->watching && t->watch == addr);
	t->watching = false;
	return *failed ? BP_H_OK : toy_store(j, addr, memop, v);
}

static int toy_probe(
	struct jit_cpu *j, uint64_t addr, uint64_t len, unsigned access, uint32_t memop)
{
	(void)memop;
	return toy_ram((struct toy *)j, addr, (unsigned)len)
		? BP_H_OK
		: toy_fault((struct toy *)j, addr, access == BP_ACC_WRITE ? 7 : 5);
}

static int toy_fetch(struct jit_cpu *j, uint64_t pc, uint64_t key, struct jit_code *out)
{
	struct toy *t = (struct toy *)j;
	uint8_t *p = toy_ram(t, pc, 4);
	(void)key;
	t->fetches++;
	if (t->moves) {
		t->moves--;
		j->space_epoch++;
	}
	if (!p)
		return toy_fault(t, pc, 1);
	unsigned page = (unsigned)(pc - TOY_BASE) / TOY_PAGE;
	t->device_fetches += t->device && (pc & t->jit.page_mask) == t->device;
	if (!t->code[page])
		memset(t->tlb, 0xff, sizeof(t->tlb));
	t->code[page] = true;
	bool device = t->device && (pc & t->jit.page_mask) == t->device;
	*out = (struct jit_code){ device ? NULL : t->ram, pc - TOY_BASE, p,
		(uint32_t)(TOY_PAGE - (pc & (TOY_PAGE - 1))) };
	return BP_H_OK;
}

static void toy_raise(struct jit_cpu *j, uint32_t cause, uint64_t value)
{
	toy_fault((struct toy *)j, value, cause);
}

static void toy_deliver(struct jit_cpu *j)
{
	struct toy *t = (struct toy *)j;
	toy_exception(t->s, t->fault_cause, t->fault_addr);
}

static int64_t toy_time(struct jit_cpu *j)
{
	(void)j;
	return 123456789;
}

static bool toy_breakpoint(struct jit_cpu *j, uint64_t pc)
{
	return ((struct toy *)j)->breakpoint == pc;
}

static const struct jit_host toy_host = {
	.load = toy_load,
	.store = toy_store,
	.store_pair = toy_store_pair,
	.rmw = toy_rmw,
	.cas = toy_cas,
	.ll = toy_ll,
	.sc = toy_sc,
	.probe = toy_probe,
	.fetch = toy_fetch,
	.deliver = toy_deliver,
	.raise = toy_raise,
	.time = toy_time,
	.breakpoint = toy_breakpoint,
};

bool toy_native(void)
{
	const char *engine = g_getenv("BACKPLANE_ENGINE");
	return engine && strcmp(engine, "jit") == 0 && native_available();
}

bool toy_keeps(void)
{
	const char *mode = g_getenv("BACKPLANE_JIT");
	return !toy_native() || !mode || !strstr(mode, "evict");
}

struct toy *toy_create(void)
{
	return toy_create_with(toy_native());
}

struct toy *toy_create_with(bool native)
{
	struct toy *t = g_new0(struct toy, 1);
	t->native = native;
	size_t frame = OBJECT_FRAME(sizeof(struct toy_state));
	t->s = aligned_alloc(64, frame + TOY_FRAME_SIZE);
	memset(t->s, 0, frame + TOY_FRAME_SIZE);
	t->ram = g_malloc0(TOY_RAM);
	memset(t->tlb, 0xff, sizeof(t->tlb));
	t->jit.head = &t->s->head;
	t->jit.type = &toy_type;
	t->jit.host = &toy_host;
	t->jit.helpers = toy_helpers;
	t->jit.page_bits = 12;
	t->jit.page_mask = ~(uint64_t)(TOY_PAGE - 1);
	for (unsigned i = 0; i < TLB_REGIMES; i++)
		t->jit.tlb[i] = t->tlb, t->jit.tlb_mask[i] = sizeof(t->tlb) - sizeof(t->tlb[0]);
	t->s->head.core = t;
	if (native)
		native_init(&t->jit, (uint32_t)frame);
	else
		interp_init(&t->jit, (uint32_t)frame);
	return t;
}

void toy_destroy(struct toy *t)
{
	if (t->native)
		native_finish(&t->jit);
	else
		interp_finish(&t->jit);
	g_free(t->ram);
	free(t->s);
	g_free(t);
}

void toy_code(struct toy *t, uint64_t addr, const uint32_t *words, unsigned n)
{
	memcpy(t->ram + (addr - TOY_BASE), words, 4 * (size_t)n);
	code_cache_invalidate(t->ram, addr - TOY_BASE, 4 * (uint64_t)n);
}

int toy_run(struct toy *t, uint64_t pc, uint64_t budget)
{
	t->s->head.pc = pc;
	atomic_store(&t->jit.kick, 0);
	return t->native ? native_run(&t->jit, budget) : interp_run(&t->jit, budget);
}
