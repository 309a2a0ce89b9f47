/* SPDX-License-Identifier: MIT */
/* Structs of asm-generic's headers for 32 bits, with times of 64. */
#include "members.h"

static const struct member epoll_event32[] = {
	U(struct epoll_event, events, 0, 4),
	U(struct epoll_event, data, 8, 8),
	{ 0 },
};
static const struct member iovec32[] = {
	P(struct iovec, iov_base, 0, 4),
	U(struct iovec, iov_len, 4, 4),
	{ 0 },
};
/* The name, the control data and the vectors: who copies the vectors sets them anew. */
static const struct member msghdr32[] = {
	P(struct msghdr, msg_name, 0, 4),
	U(struct msghdr, msg_namelen, 4, 4),
	P(struct msghdr, msg_iov, 8, 4),
	U(struct msghdr, msg_iovlen, 12, 4),
	P(struct msghdr, msg_control, 16, 4),
	U(struct msghdr, msg_controllen, 20, 4),
	U(struct msghdr, msg_flags, 24, 4),
	{ 0 },
};
static const struct member mmsghdr32[] = {
	U(struct mmsghdr, msg_len, 28, 4),
	{ 0 },
};
static const struct member cmsghdr32[] = {
	U(struct cmsghdr, cmsg_len, 0, 4),
	S(struct cmsghdr, cmsg_level, 4, 4),
	S(struct cmsghdr, cmsg_type, 8, 4),
	{ 0 },
};
static const struct member sigaction32[] = {
	U(struct host_action, handler, 0, 4),
	U(struct host_action, flags, 4, 4),
	U(struct host_action, mask, 8, 8),
	{ 0 },
};
static const struct member stack32[] = {
	U(stack_t, ss_sp, 0, 4),
	U(stack_t, ss_flags, 4, 4),
	U(stack_t, ss_size, 8, 4),
	{ 0 },
};
static const struct member ucontext32[] = {
	U(struct guest_context, flags, 0, 4),
	U(struct guest_context, link, 4, 4),
	U(struct guest_context, stack, 8, 4),
	U(struct guest_context, stack_flags, 12, 4),
	U(struct guest_context, size, 16, 4),
	U(struct guest_context, mask, 20, 8),
	{ 0 },
};
static const struct member word_pair32[] = {
	P(struct word_pair, first, 0, 4),
	U(struct word_pair, second, 4, 4),
	{ 0 },
};
static const struct member info_kill32[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	S(siginfo_t, si_pid, 12, 4),
	U(siginfo_t, si_uid, 16, 4),
	{ 0 },
};
static const struct member info_timer32[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	S(siginfo_t, si_timerid, 12, 4),
	S(siginfo_t, si_overrun, 16, 4),
	U(siginfo_t, si_value, 20, 4),
	{ 0 },
};
static const struct member info_value32[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	S(siginfo_t, si_pid, 12, 4),
	U(siginfo_t, si_uid, 16, 4),
	U(siginfo_t, si_value, 20, 4),
	{ 0 },
};
static const struct member info_child32[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	S(siginfo_t, si_pid, 12, 4),
	U(siginfo_t, si_uid, 16, 4),
	S(siginfo_t, si_status, 20, 4),
	S(siginfo_t, si_utime, 24, 4),
	S(siginfo_t, si_stime, 28, 4),
	{ 0 },
};
static const struct member info_fault32[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	U(siginfo_t, si_addr, 12, 4),
	U(siginfo_t, si_addr_lsb, 16, 2),
	{ 0 },
};
static const struct member info_poll32[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	S(siginfo_t, si_band, 12, 4),
	S(siginfo_t, si_fd, 16, 4),
	{ 0 },
};
static const struct member info_call32[] = {
	S(siginfo_t, si_signo, 0, 4),
	S(siginfo_t, si_errno, 4, 4),
	S(siginfo_t, si_code, 8, 4),
	U(siginfo_t, si_call_addr, 12, 4),
	S(siginfo_t, si_syscall, 16, 4),
	U(siginfo_t, si_arch, 20, 4),
	{ 0 },
};
static const struct member sigevent32[] = {
	U(struct sigevent, sigev_value, 0, 4),
	S(struct sigevent, sigev_signo, 4, 4),
	S(struct sigevent, sigev_notify, 8, 4),
	S(struct sigevent, _sigev_un._tid, 12, 4),
	{ 0 },
};
/* Behind tv_nsec are 4 bytes that a program need not have set. */
static const struct member timespec32[] = {
	S(struct timespec, tv_sec, 0, 8),
	S(struct timespec, tv_nsec, 8, 4),
	{ 0 },
};
struct timespecs {
	struct timespec a, b;
};
static const struct member timespec_pair32[] = {
	S(struct timespecs, a.tv_sec, 0, 8),
	S(struct timespecs, a.tv_nsec, 8, 4),
	S(struct timespecs, b.tv_sec, 16, 8),
	S(struct timespecs, b.tv_nsec, 24, 4),
	{ 0 },
};
static const struct member itimerspec32[] = {
	S(struct itimerspec, it_interval.tv_sec, 0, 8),
	S(struct itimerspec, it_interval.tv_nsec, 8, 4),
	S(struct itimerspec, it_value.tv_sec, 16, 8),
	S(struct itimerspec, it_value.tv_nsec, 24, 4),
	{ 0 },
};
static const struct member itimerval32[] = {
	S(struct itimerval, it_interval.tv_sec, 0, 4),
	S(struct itimerval, it_interval.tv_usec, 4, 4),
	S(struct itimerval, it_value.tv_sec, 8, 4),
	S(struct itimerval, it_value.tv_usec, 12, 4),
	{ 0 },
};
static const struct member rusage32[] = {
	S(struct rusage, ru_utime.tv_sec, 0, 4),
	S(struct rusage, ru_utime.tv_usec, 4, 4),
	S(struct rusage, ru_stime.tv_sec, 8, 4),
	S(struct rusage, ru_stime.tv_usec, 12, 4),
	S(struct rusage, ru_maxrss, 16, 4),
	S(struct rusage, ru_ixrss, 20, 4),
	S(struct rusage, ru_idrss, 24, 4),
	S(struct rusage, ru_isrss, 28, 4),
	S(struct rusage, ru_minflt, 32, 4),
	S(struct rusage, ru_majflt, 36, 4),
	S(struct rusage, ru_nswap, 40, 4),
	S(struct rusage, ru_inblock, 44, 4),
	S(struct rusage, ru_oublock, 48, 4),
	S(struct rusage, ru_msgsnd, 52, 4),
	S(struct rusage, ru_msgrcv, 56, 4),
	S(struct rusage, ru_nsignals, 60, 4),
	S(struct rusage, ru_nvcsw, 64, 4),
	S(struct rusage, ru_nivcsw, 68, 4),
	{ 0 },
};
static const struct member tms32[] = {
	S(struct tms, tms_utime, 0, 4),
	S(struct tms, tms_stime, 4, 4),
	S(struct tms, tms_cutime, 8, 4),
	S(struct tms, tms_cstime, 12, 4),
	{ 0 },
};
static const struct member sysinfo32[] = {
	S(struct sysinfo, uptime, 0, 4),
	U(struct sysinfo, loads[0], 4, 4),
	U(struct sysinfo, loads[1], 8, 4),
	U(struct sysinfo, loads[2], 12, 4),
	U(struct sysinfo, totalram, 16, 4),
	U(struct sysinfo, freeram, 20, 4),
	U(struct sysinfo, sharedram, 24, 4),
	U(struct sysinfo, bufferram, 28, 4),
	U(struct sysinfo, totalswap, 32, 4),
	U(struct sysinfo, freeswap, 36, 4),
	U(struct sysinfo, procs, 40, 2),
	U(struct sysinfo, totalhigh, 44, 4),
	U(struct sysinfo, freehigh, 48, 4),
	U(struct sysinfo, mem_unit, 52, 4),
	{ 0 },
};
static const struct member statfs32[] = {
	U(struct statfs, f_type, 0, 4),
	U(struct statfs, f_bsize, 4, 4),
	U(struct statfs, f_blocks, 8, 8),
	U(struct statfs, f_bfree, 16, 8),
	U(struct statfs, f_bavail, 24, 8),
	U(struct statfs, f_files, 32, 8),
	U(struct statfs, f_ffree, 40, 8),
	B(struct statfs, f_fsid, 48, 8),
	U(struct statfs, f_namelen, 56, 4),
	U(struct statfs, f_frsize, 60, 4),
	U(struct statfs, f_flags, 64, 4),
	{ 0 },
};
static const struct member mq_attr32[] = {
	S(struct mq_attr, mq_flags, 0, 4),
	S(struct mq_attr, mq_maxmsg, 4, 4),
	S(struct mq_attr, mq_msgsize, 8, 4),
	S(struct mq_attr, mq_curmsgs, 12, 4),
	{ 0 },
};
static const struct member filter32[] = {
	U(struct sock_fprog, len, 0, 2),
	P(struct sock_fprog, filter, 4, 4),
	{ 0 },
};
/* The host's has room for a map of 64 bits behind. */
struct ifreq32 {
	char bytes[32], room[8];
};
static const struct member ifreq32[] = {
	B(struct ifreq32, bytes, 0, 32),
	{ 0 },
};
static const struct member long32[] = {
	S(struct word_pair, first, 0, 4),
	{ 0 },
};
static const struct member robust32[] = {
	U(struct robust_head, list, 0, 4),
	S(struct robust_head, offset, 4, 4),
	U(struct robust_head, pending, 8, 4),
	{ 0 },
};
static const struct member elf_header32[] = {
	B(Elf64_Ehdr, e_ident, 0, 16),
	U(Elf64_Ehdr, e_type, 16, 2),
	U(Elf64_Ehdr, e_machine, 18, 2),
	U(Elf64_Ehdr, e_version, 20, 4),
	U(Elf64_Ehdr, e_entry, 24, 4),
	U(Elf64_Ehdr, e_phoff, 28, 4),
	U(Elf64_Ehdr, e_shoff, 32, 4),
	U(Elf64_Ehdr, e_flags, 36, 4),
	U(Elf64_Ehdr, e_ehsize, 40, 2),
	U(Elf64_Ehdr, e_phentsize, 42, 2),
	U(Elf64_Ehdr, e_phnum, 44, 2),
	U(Elf64_Ehdr, e_shentsize, 46, 2),
	U(Elf64_Ehdr, e_shnum, 48, 2),
	U(Elf64_Ehdr, e_shstrndx, 50, 2),
	{ 0 },
};
static const struct member elf_part32[] = {
	U(Elf64_Phdr, p_type, 0, 4),
	U(Elf64_Phdr, p_flags, 24, 4),
	U(Elf64_Phdr, p_offset, 4, 4),
	U(Elf64_Phdr, p_vaddr, 8, 4),
	U(Elf64_Phdr, p_paddr, 12, 4),
	U(Elf64_Phdr, p_filesz, 16, 4),
	U(Elf64_Phdr, p_memsz, 20, 4),
	U(Elf64_Phdr, p_align, 28, 4),
	{ 0 },
};
static const struct member elf_symbol32[] = {
	U(Elf64_Sym, st_name, 0, 4),
	U(Elf64_Sym, st_info, 12, 1),
	U(Elf64_Sym, st_other, 13, 1),
	U(Elf64_Sym, st_shndx, 14, 2),
	U(Elf64_Sym, st_value, 4, 4),
	U(Elf64_Sym, st_size, 8, 4),
	{ 0 },
};
static const struct member elf_dynamic32[] = {
	S(Elf64_Dyn, d_tag, 0, 4),
	U(Elf64_Dyn, d_un.d_val, 4, 4),
	{ 0 },
};
static const struct member core_status32[] = {
	S(struct core_status, signal, 0, 4),
	S(struct core_status, code, 4, 4),
	S(struct core_status, error, 8, 4),
	U(struct core_status, cursig, 12, 2),
	U(struct core_status, pending, 16, 4),
	U(struct core_status, held, 20, 4),
	U(struct core_status, pid, 24, 4),
	U(struct core_status, ppid, 28, 4),
	U(struct core_status, pgrp, 32, 4),
	U(struct core_status, sid, 36, 4),
	U(struct core_status, seconds, 40, 4),
	U(struct core_status, microseconds, 44, 4),
	{ 0 },
};
static const struct member core_info32[] = {
	U(struct core_info, state, 0, 1),
	U(struct core_info, state_letter, 1, 1),
	U(struct core_info, zombie, 2, 1),
	U(struct core_info, nice, 3, 1),
	U(struct core_info, flags, 4, 4),
	U(struct core_info, uid, 8, 4),
	U(struct core_info, gid, 12, 4),
	U(struct core_info, pid, 16, 4),
	U(struct core_info, ppid, 20, 4),
	U(struct core_info, pgrp, 24, 4),
	U(struct core_info, sid, 28, 4),
	{ 0 },
};

const struct description descriptions_generic32[S_COUNT] = {
	[S_EPOLL_EVENT] = IS(struct epoll_event, 16, epoll_event32),
	[S_IOVEC] = IS(struct iovec, 8, iovec32),
	[S_MSGHDR] = IS(struct msghdr, 28, msghdr32),
	[S_MMSGHDR] = IS(struct mmsghdr, 32, mmsghdr32),
	[S_CMSGHDR] = IS(struct cmsghdr, 12, cmsghdr32),
	[S_SIGACTION] = IS(struct host_action, 16, sigaction32),
	[S_STACK] = IS(stack_t, 12, stack32),
	[S_UCONTEXT] = IS(struct guest_context, 148, ucontext32),
	[S_SIGSET_AT] = IS(struct word_pair, 8, word_pair32),
	[S_INFO_KILL] = IS(siginfo_t, INFO_BYTES, info_kill32),
	[S_INFO_TIMER] = IS(siginfo_t, INFO_BYTES, info_timer32),
	[S_INFO_VALUE] = IS(siginfo_t, INFO_BYTES, info_value32),
	[S_INFO_CHILD] = IS(siginfo_t, INFO_BYTES, info_child32),
	[S_INFO_FAULT] = IS(siginfo_t, INFO_BYTES, info_fault32),
	[S_INFO_POLL] = IS(siginfo_t, INFO_BYTES, info_poll32),
	[S_INFO_CALL] = IS(siginfo_t, INFO_BYTES, info_call32),
	[S_SIGEVENT] = IS(struct sigevent, 64, sigevent32),
	[S_TIMESPEC] = IS(struct timespec, 16, timespec32),
	[S_TIMESPEC_PAIR] = IS(struct timespecs, 32, timespec_pair32),
	[S_ITIMERSPEC] = IS(struct itimerspec, 32, itimerspec32),
	[S_ITIMERVAL] = IS(struct itimerval, 16, itimerval32),
	[S_RUSAGE] = IS(struct rusage, 72, rusage32),
	[S_TMS] = IS(struct tms, 16, tms32),
	[S_SYSINFO] = IS(struct sysinfo, 64, sysinfo32),
	[S_STATFS] = IS(struct statfs, 88, statfs32),
	[S_MQ_ATTR] = IS(struct mq_attr, 32, mq_attr32),
	[S_FILTER] = IS(struct sock_fprog, 8, filter32),
	[S_IFREQ] = IS(struct ifreq32, 32, ifreq32),
	[S_LONG] = IS(struct word_pair, 4, long32),
	[S_ROBUST] = IS(struct robust_head, 12, robust32),
	[S_ELF_HEADER] = IS(Elf64_Ehdr, 52, elf_header32),
	[S_ELF_PART] = IS(Elf64_Phdr, 32, elf_part32),
	[S_ELF_SYMBOL] = IS(Elf64_Sym, 16, elf_symbol32),
	[S_ELF_DYNAMIC] = IS(Elf64_Dyn, 8, elf_dynamic32),
	[S_CORE_STATUS] = IS(struct core_status, 72, core_status32),
	[S_CORE_INFO] = IS(struct core_info, 128, core_info32),
};
