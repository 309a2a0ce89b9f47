/* SPDX-License-Identifier: MIT */
/* System calls of asm-generic/unistd.h for 32 bits, where they are not as for 64: of those with times the ones of
 * 64 bits alone, under their names of 64-bit systems. */
#include "calls.h"

/* clang-format off */
static const struct call rows[] = {
	GONE(4, io_getevents), F(43, statfs, "Pnp", sys_statfs64),
	F(44, fstatfs, "fnp", sys_fstatfs64), C(45, truncate, "Pq"), C(46, ftruncate, "fq"),
	C(47, fallocate, "fxqq"), F(62, lseek, "fxxpd", sys_llseek), C(67, pread64, "fpnq"),
	C(68, pwrite64, "fbnq"), F(69, preadv, "fpdq", sys_preadv),
	F(70, pwritev, "fpdq", sys_pwritev), GONE(72, pselect6), GONE(73, ppoll),
	GONE(79, newfstatat), GONE(80, fstat), C(84, sync_file_range, "fqqx"),
	GONE(86, timerfd_settime), GONE(87, timerfd_gettime), GONE(88, utimensat),
	F(95, waitid, "ddpxp", sys_waitid32), GONE(98, futex), GONE(101, nanosleep),
	C(102, getitimer, "d7"), C(103, setitimer, "d67"), C(107, timer_create, "d8p"),
	GONE(108, timer_gettime), GONE(110, timer_settime), GONE(112, clock_settime),
	GONE(113, clock_gettime), GONE(114, clock_getres), GONE(115, clock_nanosleep),
	GONE(127, sched_rr_get_interval), GONE(137, rt_sigtimedwait),
	F(138, rt_sigqueueinfo, "dSp", sys_rt_sigqueueinfo32), C(153, times, "C"),
	GONE(163, getrlimit), GONE(164, setrlimit), C(165, getrusage, "dB"),
	GONE(169, gettimeofday), GONE(170, settimeofday), GONE(171, adjtimex),
	F(179, sysinfo, "p", sys_sysinfo32), C(180, mq_open, "sxo9"), GONE(182, mq_timedsend),
	GONE(183, mq_timedreceive), C(185, mq_getsetattr, "f9A"), NONE(187, msgctl, "ddp"),
	NONE(188, msgrcv, "dpndx"), NONE(189, msgsnd, "dpnx"), NONE(191, semctl, "dddp"),
	GONE(192, semtimedop), NONE(195, shmctl, "ddp"), C(213, readahead, "fqn"),
	F(222, mmap, "xnxxfx", sys_mmap2), C(223, fadvise64, "fqqd"),
	F(240, rt_tgsigqueueinfo, "ddSp", sys_rt_tgsigqueueinfo32), GONE(243, recvmmsg),
	GONE(260, wait4), C(263, fanotify_mark, "fxqaP"), GONE(266, clock_adjtime),
	F(286, preadv2, "fpdq-x", sys_preadv2), F(287, pwritev2, "fpdq-x", sys_pwritev2),
	GONE(292, io_pgetevents), C(403, clock_gettime, "d1"), C(404, clock_settime, "d0"),
	C(405, clock_adjtime, "dp"), C(406, clock_getres, "d1"), C(407, clock_nanosleep, "dx01"),
	C(408, timer_gettime, "d5"), C(409, timer_settime, "dx45"), C(410, timerfd_gettime, "f5"),
	C(411, timerfd_settime, "fx45"), C(412, utimensat, "aP3x"),
	F(413, pselect6, "dppppp", sys_select32), C(414, ppoll, "pd2pn"),
	NONE(416, io_pgetevents, "pddppp"), F(417, recvmmsg, "fpdxp", sys_recvmmsg),
	C(418, mq_timedsend, "fbnd0"), C(419, mq_timedreceive, "fpnp0"), C(420, semtimedop, "dpn0"),
	F(421, rt_sigtimedwait, "pppn", sys_sigtimedwait32), F(422, futex, "pddppd", sys_futex),
	C(423, sched_rr_get_interval, "d1"),
	F(424, pidfd_send_signal, "fSpx", sys_pidfd_send_signal32),
};
/* clang-format on */
const struct calls calls_generic32 = { rows, sizeof(rows) / sizeof(rows[0]), &calls_generic64 };
