/* SPDX-License-Identifier: MIT */
/* What every public header builds on: integer types, the way structs grow, thread tags.
 *
 * Growing. A struct that crosses between the core and a plugin begins with its own size, or is an
 * element of a table whose owner states the element size. Members and numbers are only ever added,
 * at the end. BP_HAS tells whether the other side knows a member.
 *
 * Threads. Each function in these headers carries one of these tags:
 *   [main]  the control thread, with no vCPU running or the machine lock held; may block
 *   [cpu]   a vCPU thread inside an access, holding the lock that the type asked for
 *   [owner] any thread that is inside the object's domain (its lock is held)
 *   [any]   any thread, no lock assumed; does not block
 *
 * Strings are UTF-8 and live as long as the plugin unless said otherwise. Functions that can fail
 * return 0, or -1 after reporting through host->fail exactly once. */
#ifndef BACKPLANE_BASE_H
#define BACKPLANE_BASE_H
#include <stddef.h>
#include <stdint.h>

/* Handles that belong to the host. */
typedef struct bp_error bp_error; /* collects what went wrong; printed with file:line:column */
typedef struct bp_line bp_line; /* one output wire: interrupt, GPIO, reset */
typedef struct bp_timer bp_timer; /* one shot on a clock */
typedef struct bp_watch bp_watch; /* a watched file descriptor */
typedef struct bp_space bp_space; /* an address space */
typedef struct bp_dma bp_dma; /* a space as seen by one bus master, IOMMU included */
typedef struct bp_window bp_window; /* where a bus shows a card's region */
typedef struct bp_chr bp_chr; /* a byte stream between a device and a back end */

#define BP_ABI_MAJOR 1
#define BP_ABI_MINOR 0

/* True if the struct behind p, which may come from an older build, has the member and it is set. */
#define BP_HAS(p, member)                                                                          \
	((p)->size >= offsetof(__typeof__(*(p)), member) + sizeof((p)->member) && (p)->member)

#if defined(__GNUC__)
#define BP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define BP_PRINTF(fmt, args)
#endif

#endif
