/* SPDX-License-Identifier: MIT */
/* Structs of asm-generic's headers for 64 bits: what differs from x86's and AArch64's, or holds pointers. */
#include "members.h"

static const struct member stat_generic64[] = {
	U(struct stat, st_dev, 0, 8),
	U(struct stat, st_ino, 8, 8),
	U(struct stat, st_mode, 16, 4),
	U(struct stat, st_nlink, 20, 4),
	U(struct stat, st_uid, 24, 4),
	U(struct stat, st_gid, 28, 4),
	U(struct stat, st_rdev, 32, 8),
	S(struct stat, st_size, 48, 8),
	S(struct stat, st_blksize, 56, 4),
	S(struct stat, st_blocks, 64, 8),
	S(struct stat, st_atim.tv_sec, 72, 8),
	S(struct stat, st_atim.tv_nsec, 80, 8),
	S(struct stat, st_mtim.tv_sec, 88, 8),
	S(struct stat, st_mtim.tv_nsec, 96, 8),
	S(struct stat, st_ctim.tv_sec, 104, 8),
	S(struct stat, st_ctim.tv_nsec, 112, 8),
	{ 0 },
};
static const struct member epoll_event64[] = {
	U(struct epoll_event, events, 0, 4),
	U(struct epoll_event, data, 8, 8),
	{ 0 },
};
static const struct member iovec64[] = {
	P(struct iovec, iov_base, 0, 8),
	U(struct iovec, iov_len, 8, 8),
	{ 0 },
};
/* The name, the control data and the vectors: who copies the vectors sets them anew. */
static const struct member msghdr64[] = {
	P(struct msghdr, msg_name, 0, 8),
	U(struct msghdr, msg_namelen, 8, 4),
	P(struct msghdr, msg_iov, 16, 8),
	U(struct msghdr, msg_iovlen, 24, 8),
	P(struct msghdr, msg_control, 32, 8),
	U(struct msghdr, msg_controllen, 40, 8),
	U(struct msghdr, msg_flags, 48, 4),
	{ 0 },
};
static const struct member sigaction64[] = {
	U(struct host_action, handler, 0, 8),
	U(struct host_action, flags, 8, 8),
	U(struct host_action, mask, 16, 8),
	{ 0 },
};
static const struct member stack64[] = {
	U(stack_t, ss_sp, 0, 8),
	U(stack_t, ss_flags, 8, 4),
	U(stack_t, ss_size, 16, 8),
	{ 0 },
};

static const struct member core_status64[] = {
	S(struct core_status, signal, 0, 4),
	S(struct core_status, code, 4, 4),
	S(struct core_status, error, 8, 4),
	U(struct core_status, cursig, 12, 2),
	U(struct core_status, pending, 16, 8),
	U(struct core_status, held, 24, 8),
	U(struct core_status, pid, 32, 4),
	U(struct core_status, ppid, 36, 4),
	U(struct core_status, pgrp, 40, 4),
	U(struct core_status, sid, 44, 4),
	U(struct core_status, seconds, 48, 8),
	U(struct core_status, microseconds, 56, 8),
	{ 0 },
};
static const struct member core_info64[] = {
	U(struct core_info, state, 0, 1),
	U(struct core_info, state_letter, 1, 1),
	U(struct core_info, zombie, 2, 1),
	U(struct core_info, nice, 3, 1),
	U(struct core_info, flags, 8, 8),
	U(struct core_info, uid, 16, 4),
	U(struct core_info, gid, 20, 4),
	U(struct core_info, pid, 24, 4),
	U(struct core_info, ppid, 28, 4),
	U(struct core_info, pgrp, 32, 4),
	U(struct core_info, sid, 36, 4),
	{ 0 },
};
static const struct member mmsghdr64[] = {
	/* the header stands in front */
	U(struct mmsghdr, msg_len, 56, 4),
	{ 0 },
};
static const struct member cmsghdr64[] = {
	U(struct cmsghdr, cmsg_len, 0, 8),
	S(struct cmsghdr, cmsg_level, 8, 4),
	S(struct cmsghdr, cmsg_type, 12, 4),
	{ 0 },
};
static const struct member ucontext64[] = {
	U(struct guest_context, flags, 0, 8),
	U(struct guest_context, link, 8, 8),
	U(struct guest_context, stack, 16, 8),
	U(struct guest_context, stack_flags, 24, 4),
	U(struct guest_context, size, 32, 8),
	U(struct guest_context, mask, 40, 8),
	{ 0 },
};
static const struct member word_pair64[] = {
	P(struct word_pair, first, 0, 8),
	U(struct word_pair, second, 8, 8),
	{ 0 },
};
static const struct member sigevent64[] = {
	U(struct sigevent, sigev_value, 0, 8),
	S(struct sigevent, sigev_signo, 8, 4),
	S(struct sigevent, sigev_notify, 12, 4),
	S(struct sigevent, _sigev_un._tid, 16, 4),
	{ 0 },
};
static const struct member timespec64[] = {
	S(struct timespec, tv_sec, 0, 8),
	S(struct timespec, tv_nsec, 8, 8),
	{ 0 },
};
static const struct member filter64[] = {
	U(struct sock_fprog, len, 0, 2),
	P(struct sock_fprog, filter, 8, 8),
	{ 0 },
};
static const struct member ifconf64[] = {
	S(struct ifconf, ifc_len, 0, 4),
	P(struct ifconf, ifc_buf, 8, 8),
	{ 0 },
};
static const struct member robust64[] = {
	U(struct robust_head, list, 0, 8),
	S(struct robust_head, offset, 8, 8),
	U(struct robust_head, pending, 16, 8),
	{ 0 },
};
static const struct member info_kill64[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	S(siginfo_t, si_pid, 16, 4),
	U(siginfo_t, si_uid, 20, 4),
	{ 0 },
};
static const struct member info_timer64[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	S(siginfo_t, si_timerid, 16, 4),
	S(siginfo_t, si_overrun, 20, 4),
	U(siginfo_t, si_value, 24, 8),
	{ 0 },
};
static const struct member info_value64[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	S(siginfo_t, si_pid, 16, 4),
	U(siginfo_t, si_uid, 20, 4),
	U(siginfo_t, si_value, 24, 8),
	{ 0 },
};
static const struct member info_child64[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	S(siginfo_t, si_pid, 16, 4),
	U(siginfo_t, si_uid, 20, 4),
	S(siginfo_t, si_status, 24, 4),
	S(siginfo_t, si_utime, 32, 8),
	S(siginfo_t, si_stime, 40, 8),
	{ 0 },
};
static const struct member info_fault64[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	U(siginfo_t, si_addr, 16, 8),
	U(siginfo_t, si_addr_lsb, 24, 2),
	{ 0 },
};
static const struct member info_poll64[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	S(siginfo_t, si_band, 16, 8),
	S(siginfo_t, si_fd, 24, 4),
	{ 0 },
};
static const struct member info_call64[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	U(siginfo_t, si_call_addr, 16, 8),
	S(siginfo_t, si_syscall, 24, 4),
	U(siginfo_t, si_arch, 28, 4),
	{ 0 },
};
static const struct member elf_header64[] = {
	B(Elf64_Ehdr, e_ident, 0, 16),
	U(Elf64_Ehdr, e_type, 16, 2),
	U(Elf64_Ehdr, e_machine, 18, 2),
	U(Elf64_Ehdr, e_version, 20, 4),
	U(Elf64_Ehdr, e_entry, 24, 8),
	U(Elf64_Ehdr, e_phoff, 32, 8),
	U(Elf64_Ehdr, e_shoff, 40, 8),
	U(Elf64_Ehdr, e_flags, 48, 4),
	U(Elf64_Ehdr, e_ehsize, 52, 2),
	U(Elf64_Ehdr, e_phentsize, 54, 2),
	U(Elf64_Ehdr, e_phnum, 56, 2),
	U(Elf64_Ehdr, e_shentsize, 58, 2),
	U(Elf64_Ehdr, e_shnum, 60, 2),
	U(Elf64_Ehdr, e_shstrndx, 62, 2),
	{ 0 },
};
static const struct member elf_part64[] = {
	U(Elf64_Phdr, p_type, 0, 4),
	U(Elf64_Phdr, p_flags, 4, 4),
	U(Elf64_Phdr, p_offset, 8, 8),
	U(Elf64_Phdr, p_vaddr, 16, 8),
	U(Elf64_Phdr, p_paddr, 24, 8),
	U(Elf64_Phdr, p_filesz, 32, 8),
	U(Elf64_Phdr, p_memsz, 40, 8),
	U(Elf64_Phdr, p_align, 48, 8),
	{ 0 },
};
static const struct member elf_symbol64[] = {
	U(Elf64_Sym, st_name, 0, 4),
	U(Elf64_Sym, st_info, 4, 1),
	U(Elf64_Sym, st_other, 5, 1),
	U(Elf64_Sym, st_shndx, 6, 2),
	U(Elf64_Sym, st_value, 8, 8),
	U(Elf64_Sym, st_size, 16, 8),
	{ 0 },
};
static const struct member elf_dynamic64[] = {
	S(Elf64_Dyn, d_tag, 0, 8),
	U(Elf64_Dyn, d_un.d_val, 8, 8),
	{ 0 },
};

const struct description descriptions_generic64[S_COUNT] = {
	[S_STAT] = IS(struct stat, 128, stat_generic64),
	[S_EPOLL_EVENT] = IS(struct epoll_event, 16, epoll_event64),
	[S_IOVEC] = IS(struct iovec, 16, iovec64),
	[S_MSGHDR] = IS(struct msghdr, 56, msghdr64),
	[S_MMSGHDR] = IS(struct mmsghdr, 64, mmsghdr64),
	[S_CMSGHDR] = IS(struct cmsghdr, 16, cmsghdr64),
	[S_SIGACTION] = IS(struct host_action, 24, sigaction64),
	[S_STACK] = IS(stack_t, 24, stack64),
	[S_UCONTEXT] = IS(struct guest_context, 168, ucontext64),
	[S_SIGSET_AT] = IS(struct word_pair, 16, word_pair64),
	[S_INFO_KILL] = IS(siginfo_t, INFO_BYTES, info_kill64),
	[S_INFO_TIMER] = IS(siginfo_t, INFO_BYTES, info_timer64),
	[S_INFO_VALUE] = IS(siginfo_t, INFO_BYTES, info_value64),
	[S_INFO_CHILD] = IS(siginfo_t, INFO_BYTES, info_child64),
	[S_INFO_FAULT] = IS(siginfo_t, INFO_BYTES, info_fault64),
	[S_INFO_POLL] = IS(siginfo_t, INFO_BYTES, info_poll64),
	[S_INFO_CALL] = IS(siginfo_t, INFO_BYTES, info_call64),
	[S_SIGEVENT] = IS(struct sigevent, 64, sigevent64),
	[S_TIMESPEC] = IS(struct timespec, 16, timespec64),
	[S_FILTER] = IS(struct sock_fprog, 16, filter64),
	[S_IFCONF] = IS(struct ifconf, 16, ifconf64),
	[S_ROBUST] = IS(struct robust_head, 24, robust64),
	[S_ELF_HEADER] = IS(Elf64_Ehdr, 64, elf_header64),
	[S_ELF_PART] = IS(Elf64_Phdr, 56, elf_part64),
	[S_ELF_SYMBOL] = IS(Elf64_Sym, 24, elf_symbol64),
	[S_ELF_DYNAMIC] = IS(Elf64_Dyn, 16, elf_dynamic64),
	[S_CORE_STATUS] = IS(struct core_status, 112, core_status64),
	[S_CORE_INFO] = IS(struct core_info, 136, core_info64),
};
