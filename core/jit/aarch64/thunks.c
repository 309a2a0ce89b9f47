/* SPDX-License-Identifier: MIT */
/* The code that all blocks share, as far as it is the host's own (codegen_thunks.c). Calls follow AAPCS64,
 * section 6; thunks.slow take memop in X16 and jit_native.site in W17. And the caches: what is written by one mapping is run from another. */
#include "native.h"
#include <sys/auxv.h>

/* Those that C functions keep come last, and X18 is the platform's. */
const uint8_t host_general[GENERAL] = { X0, X1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, X15,
	X23, 24, 25, 26, 27, 28 };
/* Here they come first; the others are for values and short-lived slots. */
const uint8_t host_pinned[PINNED_GENERAL] = { X23, 24, 25, 26, 27, 28, X15, 14, 13, 12, 11, 10, 9,
	8 };

bool have_lse;

enum {
	HWCAP_LSE = 1 << 8, /* Linux, Documentation/arch/arm64/elf_hwcaps.rst: HWCAP_ATOMICS */
	FPCR_DN = 1 << 25,
	KEPT = 12 * 8 + 8 * 8, /* X19 to X30, D8 to D15 */
	ENTER_BYTES = KEPT + 16, /* and FPCR */
	GENERAL_BYTES = 16 * 8, /* X0 to X15 */
	FP_REGS = 31 - 8, /* V0 to V7, V16 to V30: a function keeps the low half of V8 to V15 */
	FP_BYTES = (FP_REGS + 1) * 8
};

/* ---- caches ---- */

/* Arm ARM, B2.4.4: clean data to the point of unification by the address that was written, then
 * invalidate instructions by the address that is run, on all CPUs. CTR_EL0 (D19.2.34) has the sizes of
 * lines as log2 of words, and says which of the two the host does by itself. */
void code_publish(const uint8_t *write, size_t size)
{
	uint64_t ctr;
	__asm__ volatile("mrs %0, ctr_el0" : "=r"(ctr));
	uintptr_t data_line = (uintptr_t)4 << (ctr >> 16 & 15),
		  code_line = (uintptr_t)4 << (ctr & 15);
	uintptr_t at = (uintptr_t)write, end = at + size;
	if (!(ctr >> 28 & 1))
		for (uintptr_t p = at & ~(data_line - 1); p < end; p += data_line)
			__asm__ volatile("dc cvau, %0" : : "r"(p) : "memory");
	__asm__ volatile("dsb ish" : : : "memory");
	at += (uintptr_t)code_memory_to_execute();
	end += (uintptr_t)code_memory_to_execute();
	if (!(ctr >> 29 & 1)) {
		for (uintptr_t p = at & ~(code_line - 1); p < end; p += code_line)
			__asm__ volatile("ic ivau, %0" : : "r"(p) : "memory");
		__asm__ volatile("dsb ish" : : : "memory");
	}
	__asm__ volatile("isb" : : : "memory");
}

/* ---- entering and leaving ---- */

/* What a function keeps, to or from [SP]. */
static void kept(struct emit *e, bool store)
{
	for (unsigned i = 0; i < 6; i++)
		emit_pair(e, store ? (uint32_t)A64_STP : (uint32_t)A64_LDP, X19 + 2 * i,
			X20 + 2 * i, SP, (int32_t)(16 * i));
	for (unsigned i = 0; i < 4; i++)
		emit_pair(e, store ? A64_STP_D : A64_LDP_D, 8 + 2 * i, 9 + 2 * i, SP,
			(int32_t)(96 + 16 * i));
}

void call_absolute(struct emit *e, const void *fn)
{
	emit_const(e, X16, (uintptr_t)fn);
	emit(e, (uint32_t)A64_BLR | X16 << 5);
}

static void make_enter(struct emit *e)
{
	emit_add_i(e, true, false, SP, SP, -ENTER_BYTES);
	kept(e, true);
	emit(e, (uint32_t)A64_MRS_FPCR | X16);
	emit_mem(e, A_STORE, 3, X16, SP, KEPT);
	emit_const(e, X16, FPCR_DN);
	emit(e, (uint32_t)A64_MSR_FPCR | X16);
	emit_mov(e, true, CPU, X0);
	emit_add_i(e, true, false, X16, SP, 0);
	emit_mem(e, A_STORE, 3, X16, CPU, CPU_AT(native.stack));
	emit_mem(e, A_LOAD, 3, BASE, CPU, CPU_AT(head));
	emit_mem(e, A_LOAD, 3, PC, CPU, CPU_AT(native.pc));
	emit_mem(e, A_LOAD, 3, LEFT, CPU, CPU_AT(native.left));
	emit(e, (uint32_t)A64_BR | X1 << 5);
}

static void make_exit(struct emit *e)
{
	thunks.exit_link = to_be_run(e);
	emit_mem(e, A_STORE, 3, X16, CPU, CPU_AT(native.link));
	emit_const(e, X0, NATIVE_LOOKUP);
	thunks.exit = to_be_run(e);
	save_position(e);
	emit_mem(e, A_LOAD, 3, X16, CPU, CPU_AT(native.stack));
	emit_add_i(e, true, false, SP, X16, 0);
	emit_mem(e, A_LOAD, 3, X16, SP, KEPT);
	emit(e, (uint32_t)A64_MSR_FPCR | X16);
	kept(e, false);
	emit_add_i(e, true, false, SP, SP, ENTER_BYTES);
	emit(e, (uint32_t)A64_RET);
}

const void *make_entry(struct emit *e)
{
	const void *at = to_be_run(e);
	make_enter(e);
	make_exit(e);
	return at;
}

void emit_link(struct emit *e, struct link *l)
{
	/* B may be changed while others run it (Arm ARM, B2.2.5); it reaches all code memory. */
	l->patch = emit_jmp(e);
	emit_here(e, l->patch);
	/* not linked: behind it */
	emit(e, A64_LDR_LITERAL | 8 / 4 << 5 | X16);
	emit_jmp_to(e, thunks.exit_link);
	emit64(e, 0);
}

/* ---- the next block ---- */

void emit_lookup(struct emit *e)
{
	_Static_assert(sizeof(struct jit_jump) == 32, "the index is shifted by 5");
	_Static_assert(offsetof(struct jit_jump, key) == offsetof(struct jit_jump, pc) + 8 &&
			offsetof(struct jit_jump, block) == offsetof(struct jit_jump, epoch) + 8,
		"they are loaded as pairs");
	emit_shift(e, true, SH_LSR, X16, PC, 1);
	emit_3s(e, A64_EOR, true, X16, X16, PC, SH_LSR, JIT_JUMP_CACHE_BITS + 1);
	emit_logic_i(e, A64_AND_I, true, X16, X16, (1 << JIT_JUMP_CACHE_BITS) - 1);
	emit_mem(e, A_LOAD, 3, X17, CPU, CPU_AT(native.jumps));
	emit_3s(e, A64_ADD, true, X16, X17, X16, SH_LSL, 5);
	emit_pair(e, (uint32_t)A64_LDP, X17, LR, X16, offsetof(struct jit_jump, pc));
	emit_3(e, A64_SUBS, true, XZR, X17, PC);
	emit_mem(e, A_LOAD, 3, X17, BASE, AT(offsetof(struct bp_cpu_head, key)));
	emit_3(e, A64_CCMP | CC_EQ << 12, true, 0, X17, LR);
	emit_pair(e, (uint32_t)A64_LDP, X17, LR, X16, offsetof(struct jit_jump, epoch));
	emit_mem(e, A_LOAD, 3, X16, CPU, CPU_AT(space_epoch));
	emit_3(e, A64_CCMP | CC_EQ << 12, true, 0, X17, X16);
	uint8_t *miss = emit_jcc(e, CC_NE);
	emit_mem(e, A_LOAD, 3, X16, LR, offsetof(struct block, entry));
	emit(e, (uint32_t)A64_BR | X16 << 5);
	emit_here(e, miss);
	emit_jmp_to(e, thunks.miss);
}

void make_more(struct emit *e)
{
	thunks.resync = to_be_run(e);
	emit_mem(e, A_LOAD, 2, X16, BASE, AT(offsetof(struct bp_cpu_head, pending)));
	emit_mem(e, A_LOAD, 2, X17, CPU, CPU_AT(kick));
	emit_3(e, A64_ORR, false, X16, X16, X17);
	emit_to(emit_cbz(e, false, true, X16), (const uint8_t *)thunks.miss - e->to_execute);
	emit_jmp_to(e, thunks.lookup);
}

/* ---- calling C ---- */

/* The registers that C may change and blocks use, to or from [SP]. */
static void volatiles(struct emit *e, bool store, bool fp)
{
	uint32_t general = store ? (uint32_t)A64_STP : (uint32_t)A64_LDP;
	uint32_t floating = store ? A64_STP_D : A64_LDP_D;
	for (unsigned i = 0; i < 8; i++)
		emit_pair(e, general, 2 * i, 2 * i + 1, SP, (int32_t)(16 * i));
	for (unsigned i = 0; fp && i < 12; i++) {
		unsigned reg = i < 4 ? 2 * i : 2 * i + 8;
		emit_pair(e, floating, reg, reg + 1, SP, (int32_t)(GENERAL_BYTES + 16 * i));
	}
}

const void *make_keeping(struct emit *e, const void *fn, bool fp, bool access)
{
	const void *at = to_be_run(e);
	int32_t bytes = GENERAL_BYTES + (fp ? FP_BYTES : 0);
	emit_add_i(e, true, false, SP, SP, -(bytes + 16));
	emit_mem(e, A_STORE, 3, LR, SP, bytes);
	volatiles(e, true, fp);
	if (access) {
		emit_mem(e, A_STORE, 2, X16, CPU, CPU_AT(native.memop));
		emit_mem(e, A_STORE, 2, X17, CPU, CPU_AT(native.site));
	}
	save_position(e);
	emit_first_cpu(e);
	emit_mov(e, true, SECOND, X16);
	call_absolute(e, fn);
	check_status(e);
	/* nothing from here on changes the flags */
	volatiles(e, false, fp);
	emit_mem(e, A_LOAD, 3, LR, SP, bytes);
	emit_add_i(e, true, false, SP, SP, bytes + 16);
	emit(e, (uint32_t)A64_RET);
	return at;
}

const void *make_call(struct emit *e, const void *fn)
{
	const void *at = to_be_run(e);
	emit_add_i(e, true, false, SP, SP, -16);
	emit_mem(e, A_STORE, 3, LR, SP, 0);
	save_position(e);
	emit_first_cpu(e);
	emit_mov(e, true, SECOND, X16);
	call_absolute(e, fn);
	emit_mem(e, A_LOAD, 3, LR, SP, 0);
	emit_add_i(e, true, false, SP, SP, 16);
	check_status(e);
	emit(e, (uint32_t)A64_RET);
	return at;
}

void host_features(void)
{
	have_lse = getauxval(AT_HWCAP) & HWCAP_LSE;
}

/* Flat memory is reached by the slow way, which needs nothing of the host. */
bool native_fault(void *context)
{
	(void)context;
	return false;
}

void native_flat(const uint8_t *flat)
{
	(void)flat;
}

void patch_link(uint8_t *jump, const uint8_t *target)
{
	uint32_t word = A64_B | ((uint32_t)((target - jump) / 4) & 0x03ffffff);
	__atomic_store_n((uint32_t *)(void *)jump, word, __ATOMIC_RELEASE);
	code_publish(jump, sizeof(word));
}
