/* SPDX-License-Identifier: MIT */
/* ioctl: what the third argument is, by request. Unknown ones are refused: the kernel could take a number
 * of the guest's for an address of this process. */
#include "linux.h"
#include <errno.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>

enum argument { NUMBER, POINTER, CONFIGURATION };

static const struct {
	uint32_t request;
	uint8_t argument;
} known[] = {
	/* terminals (asm-generic/ioctls.h) */
	{ TCGETS, POINTER },
	{ TCSETS, POINTER },
	{ TCSETSW, POINTER },
	{ TCSETSF, POINTER },
	{ TCGETA, POINTER },
	{ TCSETA, POINTER },
	{ TCSETAW, POINTER },
	{ TCSETAF, POINTER },
	{ TCSBRK, NUMBER },
	{ TCXONC, NUMBER },
	{ TCFLSH, NUMBER },
	{ TIOCEXCL, NUMBER },
	{ TIOCNXCL, NUMBER },
	{ TIOCSCTTY, NUMBER },
	{ TIOCGPGRP, POINTER },
	{ TIOCSPGRP, POINTER },
	{ TIOCOUTQ, POINTER },
	{ TIOCSTI, POINTER },
	{ TIOCGWINSZ, POINTER },
	{ TIOCSWINSZ, POINTER },
	{ TIOCMGET, POINTER },
	{ TIOCMBIS, POINTER },
	{ TIOCMBIC, POINTER },
	{ TIOCMSET, POINTER },
	{ TIOCGSOFTCAR, POINTER },
	{ TIOCSSOFTCAR, POINTER },
	{ FIONREAD, POINTER },
	{ TIOCCONS, NUMBER },
	{ TIOCPKT, POINTER },
	{ FIONBIO, POINTER },
	{ TIOCNOTTY, NUMBER },
	{ TIOCSETD, POINTER },
	{ TIOCGETD, POINTER },
	{ TCSBRKP, NUMBER },
	{ TIOCSBRK, NUMBER },
	{ TIOCCBRK, NUMBER },
	{ TIOCGSID, POINTER },
	{ TIOCGPTN, POINTER },
	{ TIOCSPTLCK, POINTER },
	{ TIOCGDEV, POINTER },
	{ TIOCSIG, NUMBER },
	{ TIOCVHANGUP, NUMBER },
	{ TIOCGPKT, POINTER },
	{ TIOCGPTLCK, POINTER },
	{ TIOCGEXCL, POINTER },
	{ TIOCGPTPEER, NUMBER },
	{ FIONCLEX, NUMBER },
	{ FIOCLEX, NUMBER },
	{ FIOASYNC, POINTER },
	{ FIOQSIZE, POINTER },
	{ 0x802c542a, POINTER /* TCGETS2 */ },
	{ 0x402c542b, POINTER /* TCSETS2 */ },
	{ 0x402c542c, POINTER },
	{ 0x402c542d, POINTER },
	/* sockets (linux/sockios.h) */
	{ SIOCATMARK, POINTER },
	{ SIOCGIFNAME, POINTER },
	{ SIOCGIFCONF, CONFIGURATION },
	{ SIOCGIFFLAGS, POINTER },
	{ SIOCSIFFLAGS, POINTER },
	{ SIOCGIFADDR, POINTER },
	{ SIOCSIFADDR, POINTER },
	{ SIOCGIFDSTADDR, POINTER },
	{ SIOCGIFBRDADDR, POINTER },
	{ SIOCGIFNETMASK, POINTER },
	{ SIOCSIFNETMASK, POINTER },
	{ SIOCGIFMETRIC, POINTER },
	{ SIOCGIFMTU, POINTER },
	{ SIOCSIFMTU, POINTER },
	{ SIOCGIFHWADDR, POINTER },
	{ SIOCGIFINDEX, POINTER },
	{ SIOCGIFTXQLEN, POINTER },
	{ SIOCSPGRP, POINTER },
	{ SIOCGPGRP, POINTER },
	{ FIOSETOWN, POINTER },
	{ FIOGETOWN, POINTER },
	{ SIOCGSTAMP, POINTER },
	{ SIOCGSTAMPNS, POINTER },
	/* block devices and files (linux/fs.h) */
	{ BLKROSET, POINTER },
	{ BLKROGET, POINTER },
	{ BLKRRPART, NUMBER },
	{ BLKGETSIZE, POINTER },
	{ BLKFLSBUF, NUMBER },
	{ BLKRASET, NUMBER },
	{ BLKRAGET, POINTER },
	{ BLKSSZGET, POINTER },
	{ BLKBSZGET, POINTER },
	{ BLKBSZSET, POINTER },
	{ BLKGETSIZE64, POINTER },
	{ BLKDISCARD, POINTER },
	{ BLKIOMIN, POINTER },
	{ BLKIOOPT, POINTER },
	{ BLKALIGNOFF, POINTER },
	{ BLKPBSZGET, POINTER },
	{ BLKDISCARDZEROES, POINTER },
	{ BLKSECDISCARD, POINTER },
	{ BLKROTATIONAL, POINTER },
	{ BLKZEROOUT, POINTER },
	{ FIBMAP, POINTER },
	{ FIGETBSZ, POINTER },
	{ FIFREEZE, NUMBER },
	{ FITHAW, NUMBER },
	{ FITRIM, POINTER },
	{ FICLONE, NUMBER },
	{ FICLONERANGE, POINTER },
	{ FS_IOC_GETFLAGS, POINTER },
	{ FS_IOC_SETFLAGS, POINTER },
	{ FS_IOC_GETVERSION, POINTER },
	{ FS_IOC_FSGETXATTR, POINTER },
	{ FS_IOC_FSSETXATTR, POINTER },
	{ FS_IOC_GETFSLABEL, POINTER },
	{ FS_IOC_SETFSLABEL, POINTER },
	/* loop devices (linux/loop.h) */
	{ LOOP_SET_FD, NUMBER },
	{ LOOP_CLR_FD, NUMBER },
	{ LOOP_GET_STATUS64, POINTER },
	{ LOOP_SET_STATUS64, POINTER },
	{ LOOP_CHANGE_FD, NUMBER },
	{ LOOP_SET_CAPACITY, NUMBER },
	{ LOOP_SET_DIRECT_IO, NUMBER },
	{ LOOP_SET_BLOCK_SIZE, NUMBER },
	{ LOOP_CONFIGURE, POINTER },
	{ LOOP_CTL_ADD, NUMBER },
	{ LOOP_CTL_REMOVE, NUMBER },
	{ LOOP_CTL_GET_FREE, NUMBER },
	/* random numbers, clocks */
	{ RNDGETENTCNT, POINTER },
	{ RNDADDTOENTCNT, POINTER },
	{ RNDADDENTROPY, POINTER },
	{ RTC_RD_TIME, POINTER },
	{ RTC_SET_TIME, POINTER },
	/* namespaces */
	{ 0xb701, NUMBER /* NS_GET_USERNS */ },
	{ 0xb702, NUMBER },
	{ 0xb703, NUMBER },
	{ 0xb704, POINTER },
};

/* What is otherwise with 32 bits: numbers have the size of a long in them, structs have longs. */
static const struct {
	uint32_t request, host;
	uint8_t which; /* enum structure, or S_COUNT: what the host's has */
} narrow[] = {
	{ BLKRAGET, BLKRAGET, S_LONG },
	{ BLKGETSIZE, BLKGETSIZE, S_LONG },
	{ 0x80041270, BLKBSZGET, S_COUNT },
	{ 0x40041271, BLKBSZSET, S_COUNT },
	{ 0x80041272, BLKGETSIZE64, S_COUNT },
	{ 0x80046601, FS_IOC_GETFLAGS, S_COUNT },
	{ 0x40046602, FS_IOC_SETFLAGS, S_COUNT },
	{ 0x80047601, FS_IOC_GETVERSION, S_COUNT },
	{ SIOCGIFNAME, SIOCGIFNAME, S_IFREQ },
	{ SIOCGIFFLAGS, SIOCGIFFLAGS, S_IFREQ },
	{ SIOCSIFFLAGS, SIOCSIFFLAGS, S_IFREQ },
	{ SIOCGIFADDR, SIOCGIFADDR, S_IFREQ },
	{ SIOCSIFADDR, SIOCSIFADDR, S_IFREQ },
	{ SIOCGIFDSTADDR, SIOCGIFDSTADDR, S_IFREQ },
	{ SIOCGIFBRDADDR, SIOCGIFBRDADDR, S_IFREQ },
	{ SIOCGIFNETMASK, SIOCGIFNETMASK, S_IFREQ },
	{ SIOCSIFNETMASK, SIOCSIFNETMASK, S_IFREQ },
	{ SIOCGIFMETRIC, SIOCGIFMETRIC, S_IFREQ },
	{ SIOCGIFMTU, SIOCGIFMTU, S_IFREQ },
	{ SIOCSIFMTU, SIOCSIFMTU, S_IFREQ },
	{ SIOCGIFHWADDR, SIOCGIFHWADDR, S_IFREQ },
	{ SIOCGIFINDEX, SIOCGIFINDEX, S_IFREQ },
	{ SIOCGIFTXQLEN, SIOCGIFTXQLEN, S_IFREQ },
};

static int64_t narrow_call(struct thread *t, const uint64_t a[6], unsigned row)
{
	uint64_t bytes[STRUCT_MAX / 8] = { 0 };
	unsigned which = narrow[row].which;
	if (which == S_COUNT)
		return SAFE(t, SYS_ioctl, (int64_t)a[0], narrow[row].host, HOST(host_ptr(t, a[2])));
	if (struct_in(t, which, bytes, a[2]) != 0)
		return -EFAULT;
	int64_t r = SAFE(t, SYS_ioctl, (int64_t)a[0], narrow[row].host, HOST(bytes));
	return r >= 0 && struct_out(t, which, a[2], bytes) != 0 ? -EFAULT : r;
}

/* struct ifconf: a length and a pointer to as many bytes. Rows behind it are struct ifreq, of another
 * size in 32 bits: not there then. */
static int64_t configuration(struct thread *t, const uint64_t a[6])
{
	struct ifconf host;
	if (t->os->layout->word == 4)
		return -ENOTTY;
	if (struct_in(t, S_IFCONF, &host, a[2]) != 0)
		return -EFAULT;
	int64_t r = SAFE(t, SYS_ioctl, (int64_t)a[0], (int64_t)a[1], HOST(&host));
	int32_t length = host.ifc_len;
	return r >= 0 && copy_out(t, a[2], &length, sizeof(length)) != 0 ? -EFAULT : r;
}

int64_t sys_ioctl(struct thread *t, const uint64_t a[6])
{
	uint32_t request = (uint32_t)a[1];
	bool is_narrow = t->os->layout->word == 4;
	for (unsigned i = 0; is_narrow && i < sizeof(narrow) / sizeof(narrow[0]); i++)
		if (narrow[i].request == request)
			return narrow_call(t, a, i);
	if (is_narrow && (request == SIOCGSTAMP || request == SIOCGSTAMPNS)) /* times of 32 bits */
		return -ENOTTY;
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].request != request)
			continue;
		if (known[i].argument == CONFIGURATION)
			return configuration(t, a);
		return SAFE(t, SYS_ioctl, (int64_t)a[0], request,
			known[i].argument == POINTER ? HOST(host_ptr(t, a[2])) : (int64_t)a[2]);
	}
	t->os->host->log(NULL, BP_LOG_GUEST, "ioctl 0x%x is unknown: ENOTTY", request);
	return -ENOTTY;
}
