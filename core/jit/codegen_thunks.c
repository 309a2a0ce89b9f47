/* SPDX-License-Identifier: MIT */
/* The code that all blocks share: leaving, finding the next block, calling C. What needs the host's own
 * instructions is in its thunks.c. */
#include "codegen.h"

struct thunks thunks;

typedef int enter_fn(struct jit_cpu *cpu, const void *entry);
static enter_fn *enter;

void save_position(struct emit *e)
{
	emit_store(e, PC, 8, CPU, CPU_AT(native.pc));
	emit_store(e, LEFT, 8, CPU, CPU_AT(native.left));
}

void emit_exit(struct emit *e, enum native_exit why)
{
	if (why == NATIVE_LOOKUP) {
		emit_jmp_to(e, thunks.resync);
	} else if (why == NATIVE_LEAVE && thunks.leave) {
		emit_jmp_to(e, thunks.leave);
	} else {
		emit_const(e, RESULT, why);
		emit_jmp_to(e, thunks.exit);
	}
}

void emit_raise(struct emit *e, uint32_t cause)
{
	emit_const(e, SECOND, cause);
	emit_jmp_to(e, thunks.raise);
}

void check_status(struct emit *e)
{
	_Static_assert(BP_H_OK == 0 && BP_H_RAISED == 1, "tested here");
	emit_cmp_i(e, false, RESULT, BP_H_RAISED);
	uint8_t *fine = emit_jcc(e, CC_NE);
	emit_exit(e, NATIVE_RAISED);
	emit_here(e, fine);
	emit_leave_flag(e);
}

static void make_lookup(struct emit *e)
{
	thunks.miss = to_be_run(e);
	emit_const(e, INFO, 0);
	emit_jmp_to(e, thunks.exit_link);
	thunks.lookup = to_be_run(e);
	emit_lookup(e);
}

#define FN(f) ((const void *)(uintptr_t)(f))

static void make_raise(struct emit *e)
{
	thunks.raise = to_be_run(e);
	save_position(e);
	emit_first_cpu(e);
	call_absolute(e, FN(native_raise));
	emit_exit(e, NATIVE_RAISED);
}

static size_t make_all(uint8_t *write, ptrdiff_t to_execute)
{
	const void *const slow[] = { [COLD_LOAD] = FN(native_slow_load),
		[COLD_STORE] = FN(native_slow_store),
		[COLD_RMW] = FN(native_slow_rmw) };
	struct emit e = { .at = write, .end = write + CODE_CHUNK_SIZE, .to_execute = to_execute };
	const void *at = make_entry(&e);
	memcpy(&enter, &at, sizeof(enter));
	make_lookup(&e);
	make_more(&e);
	for (unsigned fp = 0; fp < 2; fp++)
		for (unsigned kind = 0; kind <= COLD_RMW; kind++)
			thunks.slow[fp][kind] = make_keeping(&e, slow[kind], fp, true);
	thunks.generic_keep = make_keeping(&e, FN(native_generic), true, false);
	thunks.memory = make_call(&e, FN(native_memory));
	thunks.call = make_call(&e, FN(native_call));
	thunks.generic = make_call(&e, FN(native_generic));
	make_raise(&e);
	/* code_memory_to_execute() is not known yet: by the compiler's own function, for both mappings */
	__builtin___clear_cache((char *)write, (char *)e.at);
	__builtin___clear_cache((char *)write + to_execute, (char *)e.at + to_execute);
	return (size_t)(e.at - write);
}

bool native_host_init(void)
{
	host_features();
	return code_memory_init(make_all);
}

int native_host_enter(struct jit_cpu *cpu, const void *entry)
{
	code_fetch_anew();
	return enter(cpu, entry);
}

void native_private(void)
{
	code_memory_private();
}

const void *native_dead_entry(void)
{
	return thunks.miss;
}

static void patch(const struct link *link, const void *to)
{
	code_chunk_write(link->from->chunk);
	patch_link(link->patch, (const uint8_t *)to - code_memory_to_execute());
}

void native_patch(const struct link *link, const struct block *to)
{
	/* Behind the jump is what it does when it leads nowhere. */
	patch(link, to ? to->entry : link->patch + 4 + code_memory_to_execute());
}

void native_patch_lookup(const struct link *link)
{
	patch(link, thunks.lookup);
}
