/* SPDX-License-Identifier: MIT */
/* Linux programs of another ISA, by the host's own system calls. What belongs where:
 *
 *   main.c     the plugin, the first CPU, the loop of a thread
 *   elf.c      program files: headers, segments, interpreters, "#!"
 *   stack.c    the first stack: arguments, environment, auxiliary vector
 *   vdso.c     an ELF image made of the CPU's pieces of code
 *   mem.c      mmap and its family, brk
 *   thread.c   clone, fork, vfork, exec, futexes, the end of a thread
 *   fork.c     a fork with flags
 *   signal.c   the host's signals come in, the guest's handlers are entered
 *   calls.c    what most system calls have in common
 *   files.c    paths (--sysroot, /proc/self), stat, poll, epoll, ioctl, fcntl
 *   sockets.c  messages with their buffers and control data
 *   dump.c     core files
 *   convert.c  structs, from descriptions; layout64.c, layout32.c: these, one for each struct and layout
 *   table.c    system calls; table32.c, compat.c: those that differ for 32 bits, and their handlers
 *   rseq.c     restartable sequences
 *   trace.c    --trace sys
 *
 * Guest pointers. A guest address becomes the host's by host_ptr: 0 stays NULL, what lies outside the
 * guest's address space becomes one that is the kernel's own, so that it says EFAULT by itself, or EINVAL
 * where an address is to be a multiple of something. Structs that hold pointers are copied and rewritten; C code here reads guest memory through
 * copy_in and copy_out alone.
 *
 * Signals. The host's mask of a thread is the guest's (but for SIGSEGV and SIGBUS, which the JIT needs),
 * the host's actions are the guest's, with one handler in place of the guest's ones: pending sets,
 * queues, signalfd and sigtimedwait are the kernel's. The handler keeps the one signal, blocks all
 * others and makes the thread look; the guest's handler is entered between two instructions. */
#ifndef OS_LINUX_LINUX_H
#define OS_LINUX_LINUX_H
#include <backplane/linux.h>
#include <backplane/os.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE = 4096, SIGNALS = 64, RESTART = 512, AUXV_MAX = 32 };

struct action { /* of the guest */
	uint64_t handler, flags, mask;
};

struct image { /* a program file as it was mapped */
	uint64_t base; /* what is added to its addresses */
	uint64_t entry, headers; /* headers: where the program headers lie, 0: nowhere */
	uint64_t low, end; /* its first and behind its last address */
	uint16_t header_size, header_count;
	bool moves; /* ET_DYN */
	bool stack_code; /* it executes code on its stack */
	char *interpreter; /* NULL: none */
};

struct os {
	const struct bp_host *host;
	const struct bp_user *user;
	const struct bp_linux_abi *abi;
	const struct bp_os_start *start;
	const struct layout *layout; /* of structs, and the table of system calls */
	uint8_t *base; /* of guest addresses */
	uint64_t limit; /* behind the last */
	const char *cpu_type;
	char **argv; /* of the program; of a script: its interpreter and so on */
	char *exe; /* the program's path, as /proc/self/exe gives it */
	int self_fd; /* this emulator, for exec */

	pthread_mutex_t memory; /* mappings */
	uint64_t brk_start, brk, mmap_top, stack_low, stack_top, vdso, sigreturn;
	uint64_t argv_low, argv_end; /* of the strings on the stack, for /proc/self/cmdline */
	uint64_t auxv[2 * AUXV_MAX];
	unsigned auxv_words;

	pthread_mutex_t threads; /* the list, and signal actions */
	struct thread *thread;
	unsigned thread_count;
	struct action action[SIGNALS + 1];
	bool trace;
};

struct thread {
	struct os *os;
	void *cpu;
	struct thread *next, **prev;
	int tid;
	bool first; /* the process's first host thread */
	bool vforked; /* a process in its parent's memory */
	bool ending; /* by `exit` */
	int status;
	uint64_t clear_tid, robust;
	uint64_t rseq; /* 0: not registered */
	uint32_t rseq_signature;
	int32_t rseq_cpu; /* what the thread is told, and no other one: -1: none was free */
	uint64_t mask; /* the guest's */
	uint64_t alt_stack, alt_size;
	uint32_t alt_flags;
	_Atomic(uint32_t) pending; /* a signal waits in info */
	siginfo_t info;
	bool no_result; /* the call set the registers itself */
	uint64_t vfork_sp;
};

extern __thread struct thread *current;

/* ---- main.c ---- */
/* Until the thread or the process ends; the exit status of a thread that ended by `exit`. */
void thread_loop(struct thread *t);
_Noreturn void die_by(struct thread *t, const siginfo_t *info);

/* ---- thread.c ---- */
/* The robust locks of all threads, at the end of the process. */
void threads_release(struct os *os);

/* ---- fork.c ---- */
/* As clone3 without CLONE_VM, and the child's C library is as after fork(). With signals blocked and
 * os->threads held. The number, 0 in the child, or -1 and errno. */
struct clone_args;
long fork_with(const struct clone_args *how);

/* ---- guest memory ---- */
static inline void *host_ptr(const struct thread *t, uint64_t addr)
{
	const struct os *os = t->os;
	if (addr >= os->limit)
		return (void *)(uintptr_t)(UINT64_MAX << 12 | (addr & (PAGE - 1)));
	return addr ? os->base + addr : NULL;
}
static inline int copy_in(const struct thread *t, void *to, uint64_t addr, size_t len)
{
	return t->os->user->copy_in(to, addr, len);
}
static inline int copy_out(const struct thread *t, uint64_t addr, const void *from, size_t len)
{
	return t->os->user->copy_out(addr, from, len);
}
/* A string of at most size - 1 bytes; its length, or -EFAULT or -ENAMETOOLONG. */
long string_in(const struct thread *t, char *to, uint64_t addr, size_t size);

/* ---- elf.c ---- */
/* Which file is to be run, and its arguments: os->argv, through scripts to their interpreters. 0, or -1
 * after host->fail. */
int program_resolve(struct thread *t, bp_error *err);
/* Load the program that argv names, with its interpreter, build the stack, and start the CPU. 0, or
 * -1 after host->fail. */
int program_load(struct thread *t, bp_error *err);
/* The kind of program that the file is ("elf64-little-243"), "#!" for a script, or NULL. For the
 * choice of a CPU, and by exec. */
char *program_kind(const char *path, char buf[32]);

/* ---- stack.c, vdso.c ---- */
struct stack_words {
	char **argv, **envp;
	const char *execfn;
	const struct image *program, *interpreter;
};
/* The stack pointer, or 0: there was no room. */
uint64_t stack_build(struct thread *t, const struct stack_words *w);
/* Map the vDSO; 0 or -1. */
int vdso_map(struct thread *t);

/* ---- mem.c ---- */
enum { MAP_ANY = 0 };
/* As mmap; addresses are the guest's. A negative errno when it fails. */
int64_t mem_map(
	struct os *os, uint64_t addr, uint64_t len, int prot, int flags, int fd, int64_t offset);
int64_t mem_unmap(struct os *os, uint64_t addr, uint64_t len);
int64_t mem_protect(struct os *os, uint64_t addr, uint64_t len, int prot);

/* ---- signal.c ---- */
void signals_init(struct os *os);
void signal_arrived(int signal, siginfo_t *info, void *context); /* the host's handler */
void signals_clear(struct os *os);
void thread_mask(struct thread *t, uint64_t mask); /* the guest's mask is from now on... */
void signals_deliver(struct thread *t);
/* A fault or trap of the guest's own instruction. */
void signal_force(struct thread *t, int signal, int code, uint64_t addr);
void signals_block(uint64_t *before);
void signals_restore(uint64_t mask);

/* ---- calls.c ---- */
struct call; /* a row of the table */
typedef int64_t call_fn(struct thread *t, const uint64_t args[6]);
struct call {
	uint16_t number; /* the guest's */
	int16_t host; /* the host's, or -1 */
	const char *name; /* NULL: the call is not there */
	/* One letter an argument, for the trace and for what the host gets:
	 *   d decimal  x hexadecimal  o octal  f descriptor  a folder's descriptor  n size  S signal
	 *   p pointer  s string  b bytes, as many as the next argument or the result says
	 *   P path, looked up with --sysroot
	 *   q 64 bits: of a 32-bit guest two registers, the lower half first
	 *   - zero, no register of the guest's
	 *   0...9, A...C  a pointer to a struct (call_structs in calls.c) */
	const char *args;
	call_fn *fn; /* NULL: the host does it */
};
void call_enter(struct thread *t);
const struct call *call_find(const struct os *os, uint64_t number);
/* The host's call by row, pointers and paths as its letters say. */
int64_t call_host(struct thread *t, const struct call *row, const uint64_t args[6]);
/* A host's system call that a signal interrupts or keeps from starting; -RESTART: to be done again. */
int64_t safe_call(struct thread *t, long number, const int64_t args[6]);
#define SAFE(t, number, ...) safe_call(t, number, (const int64_t[6]){ __VA_ARGS__ })
#define HOST(p)              ((int64_t)(uintptr_t)(p))
struct calls { /* of an ABI, by number */
	const struct call *row;
	unsigned count;
	const struct calls *others; /* numbers that have no row here; NULL: there are none */
};
extern const struct calls calls_generic64, calls_generic32;

/* ---- files.c ---- */
enum { PATH_SIZE = 4096 };
struct mapping { /* as the guest has it */
	uint64_t low, high, offset, inode;
	unsigned what; /* enum bp_user_page */
	bool private, unlinked;
	bool changed; /* private, and no longer what the file has */
	char dev[32], name[PATH_SIZE];
};
typedef void mapping_fn(void *self, const struct mapping *m);
void mappings_each(const struct os *os, bool with_changes, mapping_fn *fn, void *self);
/* Where a path of the guest lies: itself, or below the sysroot. */
const char *path_find(const struct os *os, const char *path, char out[2 * PATH_SIZE]);

/* ---- trace.c ---- */
void trace_enter(
	const struct thread *t, const struct call *row, uint64_t number, const uint64_t args[6]);
void trace_leave(const struct thread *t, const struct call *row, uint64_t number,
	const uint64_t args[6], int64_t result);

/* ---- dump.c ---- */
bool dump_signal(int signal); /* one that leaves a core */
/* The core file of a thread that this signal ends, if there is to be one. */
void dump_core(struct thread *t, const siginfo_t *info);
struct core_status { /* what NT_PRSTATUS has in front of the registers */
	int32_t signal, code, error;
	uint16_t cursig;
	uint64_t pending, held;
	uint32_t pid, ppid, pgrp, sid;
	uint64_t seconds, microseconds;
};
struct core_info { /* NT_PRPSINFO */
	uint8_t state, state_letter, zombie, nice;
	uint64_t flags;
	uint32_t uid, gid, pid, ppid, pgrp, sid;
	char name[16];
};

/* ---- convert.c ---- */
enum { STRUCT_MAX = 256 };
struct member { /* of a struct, on the host and in the guest; table ends with size 0 */
	uint16_t host, host_size, guest, guest_size;
	uint8_t kind; /* enum member_kind */
};
enum member_kind {
	MEMBER_UNSIGNED,
	MEMBER_SIGNED,
	MEMBER_POINTER,
	MEMBER_BYTES /* as they are, whatever the byte order; as many here as there */
};
struct description {
	uint16_t host_size, guest_size;
	const struct member *member;
};
enum structure {
	S_STAT,
	S_EPOLL_EVENT,
	S_IOVEC,
	S_MSGHDR,
	S_MMSGHDR,
	S_CMSGHDR,
	S_SIGACTION,
	S_STACK,
	S_UCONTEXT,
	S_SIGSET_AT, /* of pselect6: where a set is, and its size */
	S_INFO_KILL, /* siginfo_t, by what its union holds */
	S_INFO_TIMER,
	S_INFO_VALUE,
	S_INFO_CHILD,
	S_INFO_FAULT,
	S_INFO_POLL,
	S_INFO_CALL,
	S_SIGEVENT,
	S_TIMESPEC,
	S_TIMESPEC_PAIR,
	S_ITIMERSPEC,
	S_ITIMERVAL,
	S_RUSAGE,
	S_TMS,
	S_SYSINFO,
	S_STATFS,
	S_MQ_ATTR,
	S_FILTER,
	S_IFCONF,
	S_IFREQ,
	S_LONG,
	S_ROBUST,
	S_ELF_HEADER,
	S_ELF_PART,
	S_ELF_SYMBOL,
	S_ELF_DYNAMIC,
	S_CORE_STATUS,
	S_CORE_INFO,
	S_COUNT
};
struct layout {
	uint8_t elf_class, elf_data, calls, layout; /* as in struct bp_linux_abi */
	uint8_t word; /* bytes of a pointer, and of a long */
	const struct description *descriptions; /* S_COUNT of them */
	const struct calls *table;
};
const struct layout *layout_find(const struct bp_linux_abi *abi); /* or NULL */
extern const struct description descriptions_generic64[S_COUNT], descriptions_generic32[S_COUNT];

/* By a description: pointers stay what they are. */
void members_load(const struct description *d, bool big, void *host, const uint8_t *guest);
void members_store(const struct description *d, bool big, uint8_t *guest, const void *host);

/* Between guest memory and a host struct; pointers become the host's on the way in. 0, or -EFAULT. */
int struct_in(const struct thread *t, enum structure which, void *host, uint64_t addr);
int struct_out(const struct thread *t, enum structure which, uint64_t addr, const void *host);
/* The same with bytes, which are the guest's by other ways; pointers stay what they are. */
void struct_load(const struct os *os, enum structure which, void *host, const uint8_t *guest);
void struct_store(const struct os *os, enum structure which, uint8_t *guest, const void *host);
size_t struct_size(const struct os *os, enum structure which); /* the guest's */
/* Words: pointers and longs of the guest's. */
int words_copy_in(const struct thread *t, uint64_t *words, size_t count, uint64_t addr);
void words_store(const struct os *os, uint8_t *guest, const uint64_t *words, size_t count);
/* The guest's siginfo_t has these many bytes on every layout. */
enum { INFO_BYTES = 128 };
void info_store(const struct os *os, uint8_t guest[INFO_BYTES], const siginfo_t *info);
void info_load(const struct os *os, siginfo_t *info, const uint8_t guest[INFO_BYTES]);
struct guest_context { /* ucontext in front of the CPU's */
	uint64_t flags, link, stack, size, mask;
	uint32_t stack_flags;
};
struct robust_head {
	uint64_t list, offset, pending;
};
struct host_action { /* what rt_sigaction takes on this host */
	uint64_t handler, flags, restorer, mask;
};
struct word_pair {
	uint64_t first, second;
};

/* ---- rseq.c ---- */
void rseq_forget(struct thread *t); /* it ends, or becomes another program */
void rseq_alone(const struct thread *t); /* in the child of a fork */
void rseq_refresh(struct thread *t); /* after a system call */
/* A signal is about to be delivered: leave a critical section. -1: the section is none. */
int rseq_abort(struct thread *t);

/* Handlers, by file. */
call_fn sys_mmap, sys_munmap, sys_mprotect, sys_mremap, sys_brk, sys_shmat, sys_shmdt, sys_madvise;
call_fn sys_clone, sys_clone3, sys_execve, sys_execveat, sys_exit, sys_exit_group, sys_futex,
	sys_set_tid_address, sys_set_robust_list, sys_get_robust_list, sys_prctl, sys_ptrace,
	sys_uname;
call_fn sys_rt_sigaction, sys_rt_sigprocmask, sys_rt_sigreturn, sys_sigaltstack, sys_rt_sigsuspend;
call_fn sys_openat, sys_openat2, sys_readlinkat, sys_newfstatat, sys_fstat, sys_ioctl, sys_fcntl,
	sys_epoll_ctl, sys_epoll_pwait, sys_epoll_pwait2, sys_pselect6, sys_faccessat, sys_chdir,
	sys_statx, sys_fchmodat;
call_fn sys_readv, sys_writev, sys_preadv, sys_pwritev, sys_preadv2, sys_pwritev2, sys_vmsplice;
call_fn sys_sendmsg, sys_recvmsg, sys_sendmmsg, sys_recvmmsg, sys_setsockopt;
call_fn sys_getsockopt, sys_close_range, sys_close, sys_mq_notify, sys_semctl;
call_fn sys_rseq, sys_membarrier;
call_fn sys_llseek, sys_mmap2, sys_statfs64, sys_fstatfs64, sys_sysinfo32, sys_waitid32,
	sys_select32, sys_rt_sigqueueinfo32, sys_rt_tgsigqueueinfo32, sys_pidfd_send_signal32,
	sys_sigtimedwait32;

#endif
