/* SPDX-License-Identifier: MIT */
/* "bp.linux-abi/1": how Linux programs use a CPU. A CPU plugin offers it; an os plugin runs programs
 * by it and names no ISA. All functions are [cpu], by the thread whose CPU it is, between runs. */
#ifndef BACKPLANE_LINUX_H
#define BACKPLANE_LINUX_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

enum bp_linux_data { BP_LINUX_LITTLE = 1, BP_LINUX_BIG = 2 }; /* as in ELF's EI_DATA */

/* Numbers of system calls: which table of the kernel's. */
enum bp_linux_calls {
	BP_LINUX_CALLS_GENERIC = 1, /* asm-generic/unistd.h, 64 bits */
	BP_LINUX_CALLS_GENERIC_TIME64 /* the same for 32 bits, without calls that have 32-bit times */
};

/* Layouts of structs that are not the same everywhere: which headers of the kernel's. */
enum bp_linux_layout { BP_LINUX_LAYOUT_GENERIC = 1 /* asm-generic */ };

enum bp_linux_flags {
	/* What executes sees stores without being told; else a program asks for that by an instruction
	 * or a call. */
	BP_LINUX_COHERENT_CODE = 1
};

enum bp_linux_trap { /* what an exception of the CPU is to a program */
	BP_LINUX_TRAP_CALL = 1, /* a system call */
	BP_LINUX_TRAP_SIGNAL, /* signal, code, addr */
	BP_LINUX_TRAP_NONE /* nothing that a program can cause */
};
struct bp_linux_trap_info {
	uint32_t size, kind;
	int32_t signal, code; /* numbers of the host's <signal.h>: SIGILL, ILL_ILLOPC */
	uint64_t addr;
};

/* Calls that one CPU alone has: the os plugin does what is asked here. */
enum bp_linux_own { BP_LINUX_OWN_FLUSH_ICACHE = 1, BP_LINUX_OWN_ANSWER };
struct bp_linux_call { /* table ends with a NULL name */
	uint32_t number, kind; /* enum bp_linux_own */
	const char *name;
	/* BP_LINUX_OWN_ANSWER: rows of `bytes` each, at most 1 << 16 in all, are read from guest address
	 * args[0] (args[1] of them), handed to `answer`, and written back; its result is the call's. */
	uint32_t bytes, reserved;
	int64_t (*answer)(void *cpu, void *rows, const uint64_t args[6]);
};

struct bp_linux_code { /* a function of the vDSO; table ends with a NULL name */
	const char *name, *version; /* as the dynamic symbol and its version */
	const void *bytes;
	uint32_t length, reserved;
};

struct bp_linux_abi {
	uint32_t size, flags; /* enum bp_linux_flags */
	const char *machine; /* uname's */
	const char *platform; /* AT_PLATFORM, or NULL */
	uint32_t elf_class, elf_data, elf_machine; /* 1 or 2 (32 or 64 bits); enum bp_linux_data */
	uint32_t calls, layout; /* enum bp_linux_calls, bp_linux_layout */
	uint32_t page_bits, address_bits; /* of what programs can have */
	uint32_t stack_align;
	uint32_t minimum_stack; /* AT_MINSIGSTKSZ */
	uint32_t context_size, context_align; /* of the signal frame's machine context */
	/* Between a signal frame's start and its siginfo; behind the ucontext comes the context. */
	uint32_t frame_head;

	uint64_t (*hwcap)(void *cpu, unsigned which); /* 0: AT_HWCAP, 1: AT_HWCAP2 */
	/* All registers as a program finds them at its start. */
	void (*start)(void *cpu, uint64_t pc, uint64_t sp);
	/* What an exception is; `CALL`: the pc is still that of the instruction. */
	void (*trap)(void *cpu, uint32_t cause, uint64_t value, struct bp_linux_trap_info *out);
	void (*call_get)(void *cpu, uint64_t *number, uint64_t args[6]);
	/* The call is done: its result, and the pc behind it. A call that shall be done again later is
	 * left as it was. */
	void (*call_done)(void *cpu, int64_t result);
	uint64_t (*stack_pointer)(void *cpu);
	/* `child` becomes a copy, but for the stack pointer (0: the same) and, with `tls_set`, the
	 * thread pointer. */
	void (*clone)(void *child, const void *parent, uint64_t sp, int tls_set, uint64_t tls);
	/* The machine context of a signal frame. load: 0, or -1 when it is none. */
	void (*context_save)(void *cpu, void *context);
	int (*context_load)(void *cpu, const void *context);
	/* Enter a handler: as a function of (signal, info, context) that returns to `ret`. */
	void (*handler)(void *cpu, uint64_t pc, uint64_t sp, int signal, uint64_t info,
		uint64_t context, uint64_t ret);
	const struct bp_linux_code
		*vdso; /* the one named in sigreturn is where handlers return to */
	const char *sigreturn;
	const struct bp_linux_call *own_calls; /* or NULL */
	/* For core files: registers as in NT_PRSTATUS (elf_gregset_t) and NT_FPREGSET. */
	uint32_t general_size, floating_size; /* at most 1 KiB each */
	uint32_t elf_flags, reserved; /* e_flags */
	void (*registers)(void *cpu, void *general, void *floating);
	/* Processor `number` in /proc/cpuinfo: lines, and an empty one. */
	void (*describe)(void *cpu, unsigned number, char *text, size_t size);
	/* The pc alone: for what leads a program elsewhere between two instructions. */
	uint64_t (*pc)(void *cpu);
	void (*jump)(void *cpu, uint64_t pc);
};

#ifdef __cplusplus
}
#endif
#endif
