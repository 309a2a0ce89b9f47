/* SPDX-License-Identifier: MIT */
/* The code that all blocks share, as far as it is the host's own (codegen_thunks.c). Calls follow the System V
 * ABI for AMD64, section 3.2; thunks.slow take jit_native.site, then memop from the stack. */
#include "native.h"
#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

const uint8_t host_general[GENERAL] = { RAX, RDX, RDI, RCX, RSI, R8, R9, R10, R11, RBX, R14 };
/* The others are for values and short-lived slots. */
const uint8_t host_pinned[PINNED_GENERAL] = { RBX, R14, R8, R9, R10, R11, RSI };

struct own_thunks own_thunks;
bool have_bmi2, have_fma, have_sse42, have_avx, have_avx2, have_lzcnt, have_popcnt;

/* Kept by a function that is called: pushed at entry. */
static const uint8_t preserved[] = { RBX, RBP, R12, R13, R14, R15 };
/* Not kept, and used by blocks. */
static const uint8_t volatiles[] = { RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11 };
enum { XMM_BYTES = 16 * 16 };

static void ret(struct emit *e)
{
	emit_head(e, 0xc3, false, false, 0, 0, 0);
}

static void ret_drop(struct emit *e, unsigned bytes)
{
	emit_head(e, 0xc2, false, false, 0, 0, 0);
	emit8(e, (uint8_t)bytes);
	emit8(e, (uint8_t)(bytes >> 8));
}

void call_absolute(struct emit *e, const void *fn)
{
	emit_const(e, RAX, (uintptr_t)fn);
	emit_rr(e, OP_GROUP5, false, 2, RAX);
}

static void make_enter(struct emit *e)
{
	for (unsigned i = 0; i < sizeof(preserved); i++)
		emit_push(e, preserved[i]);
	emit_group1(e, true, G1_SUB, RSP, 8);
	emit_rm(e, OP_LEA, true, CPU, RDI, CPU_BIAS);
	emit_rm(e, OP_MOV_MR, true, RSP, CPU, CPU_AT(native.stack));
	emit_rm(e, OP_MOV_RM, true, BASE, CPU, CPU_AT(head));
	emit_group1(e, true, G1_ADD, BASE, BIAS);
	emit_rm(e, OP_MOV_RM, true, PC, CPU, CPU_AT(native.pc));
	emit_rm(e, OP_MOV_RM, true, LEFT, CPU, CPU_AT(native.left));
	emit_rr(e, OP_GROUP5, false, 4, RSI);
}

static void make_exit(struct emit *e)
{
	thunks.leave = to_be_run(e);
	emit_const(e, RAX, NATIVE_LEAVE);
	uint8_t *over = emit_jmp(e);
	thunks.exit_link = to_be_run(e);
	emit_rm(e, OP_MOV_MR, true, RAX, CPU, CPU_AT(native.link));
	emit_const(e, RAX, NATIVE_LOOKUP);
	thunks.exit = to_be_run(e);
	emit_here(e, over);
	save_position(e);
	emit_rm(e, OP_MOV_RM, true, RSP, CPU, CPU_AT(native.stack));
	emit_group1(e, true, G1_ADD, RSP, 8);
	for (unsigned i = sizeof(preserved); i-- > 0;)
		emit_pop(e, preserved[i]);
	ret(e);
}

const void *make_entry(struct emit *e)
{
	const void *at = to_be_run(e);
	make_enter(e);
	make_exit(e);
	return at;
}

void emit_lookup(struct emit *e)
{
	uint8_t *miss[3];
	_Static_assert(sizeof(struct jit_jump) == 32, "the index is shifted by 5");
	emit_mov(e, true, RAX, PC);
	emit_mov(e, true, RCX, PC);
	emit_shift(e, true, SH_SHR, RAX, 1);
	emit_shift(e, true, SH_SHR, RCX, JIT_JUMP_CACHE_BITS + 1);
	emit_rr(e, OP_XOR_RM, false, RAX, RCX);
	emit_group1(e, false, G1_AND, RAX, (1 << JIT_JUMP_CACHE_BITS) - 1);
	emit_shift(e, false, SH_SHL, RAX, 5);
	emit_rm(e, OP_ADD_RM, true, RAX, CPU, CPU_AT(native.jumps));
	emit_rm(e, OP_MOV_RM, true, RCX, BASE, AT(offsetof(struct bp_cpu_head, key)));
	emit_rm(e, OP_CMP_RM, true, PC, RAX, offsetof(struct jit_jump, pc));
	miss[0] = emit_jcc(e, CC_NE);
	emit_rm(e, OP_CMP_RM, true, RCX, RAX, offsetof(struct jit_jump, key));
	miss[1] = emit_jcc(e, CC_NE);
	emit_rm(e, OP_MOV_RM, true, RCX, CPU, CPU_AT(space_epoch));
	emit_rm(e, OP_CMP_RM, true, RCX, RAX, offsetof(struct jit_jump, epoch));
	miss[2] = emit_jcc(e, CC_NE);
	emit_rm(e, OP_MOV_RM, true, RAX, RAX, offsetof(struct jit_jump, block));
	emit_rm(e, OP_GROUP5, false, 4, RAX, offsetof(struct block, entry));
	for (unsigned i = 0; i < 3; i++)
		emit_to(miss[i], (const uint8_t *)thunks.miss - e->to_execute);
}

void emit_link(struct emit *e, struct link *l)
{
	/* The distance is written while others run this: it must not straddle. */
	while (((uintptr_t)e->at + 1) & 3)
		emit_nop(e);
	l->patch = emit_jmp(e);
	/* not linked: behind it */
	emit_head(e, 0xb8 | RAX, true, false, 0, 0, RAX);
	emit64(e, 0);
	emit_jmp_to(e, thunks.exit_link);
}

static void make_resync(struct emit *e)
{
	thunks.resync = to_be_run(e);
	emit_rm(e, OP_GROUP1_I8, false, G1_CMP, BASE, AT(offsetof(struct bp_cpu_head, pending)));
	emit8(e, 0);
	emit_to(emit_jcc(e, CC_NE), (const uint8_t *)thunks.miss - e->to_execute);
	emit_rm(e, OP_GROUP1_I8, false, G1_CMP, CPU, CPU_AT(kick));
	emit8(e, 0);
	emit_to(emit_jcc(e, CC_NE), (const uint8_t *)thunks.miss - e->to_execute);
	emit_jmp_to(e, thunks.lookup);
}

static void make_flags(struct emit *e)
{
	own_thunks.flags = to_be_run(e);
	for (unsigned csr = 0; csr < 64; csr++) {
		unsigned flags = 0;
		for (unsigned i = 0; i < sizeof(float_flag_bits); i++)
			flags |= csr >> i & 1 ? float_flag_bits[i] : 0u;
		emit8(e, flags);
	}
}

const void *make_keeping(struct emit *e, const void *fn, bool fp, bool access)
{
	enum { PUSHED = 8 * (sizeof(volatiles) + 1) };
	const void *at = to_be_run(e);
	for (unsigned i = 0; i < sizeof(volatiles); i++)
		emit_push(e, volatiles[i]);
	if (access) {
		emit_rm(e, OP_MOV_RM, false, RAX, RSP, PUSHED);
		emit_rm(e, OP_MOV_MR, false, RAX, CPU, CPU_AT(native.memop));
		emit_rm(e, OP_MOV_RM, false, RAX, RSP, PUSHED + 8);
		emit_rm(e, OP_MOV_MR, false, RAX, CPU, CPU_AT(native.site));
	}
	if (fp) {
		emit_group1(e, true, G1_SUB, RSP, XMM_BYTES);
		for (unsigned i = 0; i < 16; i++)
			emit_rm(e, OP_MOVUPS_MX, false, XMM0 + i, RSP, (int32_t)(16 * i));
	}
	save_position(e);
	emit_first_cpu(e);
	emit_mov(e, true, SECOND, RAX);
	call_absolute(e, fn);
	check_status(e);
	/* nothing from here on changes the carry flag */
	if (fp) {
		for (unsigned i = 0; i < 16; i++)
			emit_rm(e, OP_MOVUPS_XM, false, XMM0 + i, RSP, (int32_t)(16 * i));
		emit_rm(e, OP_LEA, true, RSP, RSP, XMM_BYTES);
	}
	for (unsigned i = sizeof(volatiles); i-- > 0;)
		emit_pop(e, volatiles[i]);
	if (access)
		ret_drop(e, 16);
	else
		ret(e);
	return at;
}

static void make_memo_fill(struct emit *e)
{
	enum { WORD = 32, MASKED = 40, ADDRESS = 48 }; /* behind three registers and the way back */
	_Static_assert(sizeof(struct tlb_memo) == 16, "the index is doubled, and scaled by 8");
	_Static_assert(offsetof(struct tlb_entry, tag) == 0, "indexed");
	own_thunks.memo_fill = to_be_run(e);
	emit_push(e, RAX);
	emit_push(e, RCX);
	emit_push(e, RDX);
	emit_rm(e, OP_MOV_RM, true, RAX, RSP, ADDRESS);
	emit_rm(e, OP_MOV_RM, false, RCX, CPU, CPU_AT(page_bits));
	emit_group1(e, false, G1_SUB, RCX, TLB_ENTRY_BITS);
	emit_rr(e, OP_SHIFT_CL, true, SH_SHR, RAX);
	emit_rm(e, OP_MOVZX8, false, RDX, RSP, WORD);
	emit_rx(e, OP_AND_RM, false, false, RAX, CPU, RDX, 2, CPU_AT(tlb_mask));
	emit_rx(e, OP_ADD_RM, true, false, RAX, CPU, RDX, 3, CPU_AT(tlb));
	emit_rm(e, OP_MOVZX8, false, RDX, RSP, WORD + 1);
	emit_rm(e, OP_MOV_RM, true, RCX, RSP, MASKED);
	emit_rx(e, OP_CMP_RM, true, false, RCX, RAX, RDX, 3, 0);
	uint8_t *miss = emit_jcc(e, CC_NE);
	emit_rm(e, OP_MOVZX8, false, RDX, RSP, WORD + 2);
	emit_rx(e, OP_MOV_MR, true, false, RCX, CPU, RDX, 3, CPU_AT(memo[0].tag));
	emit_rm(e, OP_MOV_RM, true, RCX, RAX, offsetof(struct tlb_entry, addend));
	emit_rx(e, OP_MOV_MR, true, false, RCX, CPU, RDX, 3, CPU_AT(memo[0].addend));
	emit_rr(e, OP_TEST, false, RAX, RAX); /* no carry */
	uint8_t *over = emit_jmp(e);
	emit_here(e, miss);
	emit_head(e, 0xf9, false, false, 0, 0, 0); /* carry */
	emit_here(e, over);
	emit_pop(e, RDX);
	emit_pop(e, RCX);
	emit_pop(e, RAX);
	ret_drop(e, 24);
}

const void *make_call(struct emit *e, const void *fn)
{
	const void *at = to_be_run(e);
	emit_group1(e, true, G1_SUB, RSP, 8);
	save_position(e);
	emit_first_cpu(e);
	emit_mov(e, true, SECOND, RAX);
	call_absolute(e, fn);
	emit_group1(e, true, G1_ADD, RSP, 8);
	check_status(e);
	ret(e);
	return at;
}

void make_more(struct emit *e)
{
	make_resync(e);
	make_flags(e);
	make_memo_fill(e);
	own_thunks.memory_keep =
		make_keeping(e, (const void *)(uintptr_t)native_memory, true, false);
}

void host_features(void)
{
	unsigned a, b, c, d;
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		have_bmi2 = b >> 8 & 1, have_avx2 = b >> 5 & 1;
	if (__get_cpuid(1, &a, &b, &c, &d)) {
		/* AVX state must be enabled by the kernel too (SDM volume 1, 14.3). */
		bool saved = c >> 27 & 1;
		if (saved) {
			uint32_t low, high;
			__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
			saved = (low & 6) == 6;
		}
		have_avx = saved && (c >> 28 & 1);
		have_fma = have_avx && (c >> 12 & 1);
		have_popcnt = c >> 23 & 1;
		have_sse42 = c >> 20 & 1;
		have_bmi2 = have_bmi2 && have_avx;
		have_avx2 = have_avx2 && have_avx;
	}
	if (__get_cpuid(0x80000001, &a, &b, &c, &d))
		have_lzcnt = c >> 5 & 1;
}

bool native_fault(void *context)
{
	ucontext_t *u = context;
	uintptr_t slow = code_slow_way((uintptr_t)u->uc_mcontext.gregs[REG_RIP]);
	if (slow)
		u->uc_mcontext.gregs[REG_RIP] = (greg_t)slow;
	return slow != 0;
}

void native_flat(const uint8_t *flat)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, flat);
}

void patch_link(uint8_t *jump, const uint8_t *target)
{
	int32_t distance = (int32_t)(target - (jump + 4));
	__atomic_store_n((int32_t *)(void *)jump, distance, __ATOMIC_RELEASE);
}
