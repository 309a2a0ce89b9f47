/* SPDX-License-Identifier: MIT */
/* "bp.input/1": keys, pointers and other controls between a source (the host's devices, a script, a
 * window) and the devices that show them to the guest.
 *
 *     input-evdev, input-text  <--bp.input/1--  virtio-input
 *
 * A BP_LINK property of interface "bp.input/1" of the device gives a struct bp_link: its `self` is
 * `source` here, its `ops` struct bp_input. The device attaches in create and detaches in destroy; what
 * attach returns is its port. A source may serve several devices; each event goes to the first one, in
 * the order of attaching, that takes it.
 *
 * Events are those of Linux: type, code and value as <linux/input-event-codes.h> numbers them (key 1
 * down, 0 up; relative axes in steps; absolute ones in the axis's own units). What a device takes is a
 * table of bits, one for each code of each type (Virtio 1.2, section 5.8.2, says the same in its
 * configuration).
 *
 * A report is one update of a device, taken whole (BP_INPUT_TAKEN) or not at all (BP_INPUT_FULL): then it
 * stays with the source, which keeps it or forgets it; the device says ready() once it is worth trying
 * again. A device that no driver uses takes reports and loses them.
 *
 * Threads. Both sides are of BP_SERIAL_MACHINE and call each other freely: every function here but attach
 * and detach is [owner] of the machine's domain. ready is never called inside report. */
#ifndef BACKPLANE_INPUT_H
#define BACKPLANE_INPUT_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

enum {
	BP_INPUT_TYPES = 32, /* EV_CNT */
	BP_INPUT_CODES = 768, /* KEY_CNT, the most of any type */
	BP_INPUT_AXES = 64, /* ABS_CNT */
	BP_INPUT_PROPS = 32, /* INPUT_PROP_CNT */
	BP_INPUT_NAME_MAX = 128, /* bytes of a name or a serial number */
	BP_INPUT_REPORT_MAX = 32 /* events */
};

enum bp_input_result { BP_INPUT_FULL = 0, BP_INPUT_TAKEN = 1 };

struct bp_input_event {
	uint16_t type, code;
	int32_t value;
};

struct bp_input_axis { /* an absolute one; resolution in units per millimetre, or per radian */
	int32_t min, max, fuzz, flat, resolution;
};

struct bp_input_about { /* what a device is. Bits: code n is bit n % 8 of byte n / 8 */
	uint32_t size, reserved;
	const char *name, *serial; /* serial: NULL if there is none */
	uint16_t bus, vendor, product, version; /* BUS_USB and such, and the bus's ids */
	uint8_t props[BP_INPUT_PROPS / 8];
	uint8_t reserved2[4];
	uint8_t bits[BP_INPUT_TYPES][BP_INPUT_CODES / 8]; /* of EV_SYN: none */
	struct bp_input_axis axis[BP_INPUT_AXES]; /* where bits[EV_ABS] says so */
};

struct bp_input_sink { /* the device */
	uint32_t size, reserved;
	/* What it takes: constant from attach on. */
	const struct bp_input_about *(*about)(void *owner);
	/* 1 to BP_INPUT_REPORT_MAX events that it takes, without the SYN_REPORT that ends them. */
	int (*report)(void *owner, const struct bp_input_event *event, uint32_t count);
};

struct bp_input { /* the source */
	uint32_t size, reserved;
	/* The device that it is itself, constant from create on; NULL: it sends what its devices take. */
	const struct bp_input_about *(*about)(void *source);
	/* The port, or NULL after an error. [main] */
	void *(*attach)(void *source, void *owner, const struct bp_input_sink *sink, bp_error *err);
	void (*detach)(void *port); /* [main] */
	void (*ready)(void *port); /* after a report that gave BP_INPUT_FULL */
	/* What the guest sets: a light (EV_LED) or a sound (EV_SND). Optional */
	void (*status)(void *port, const struct bp_input_event *event);
};

#ifdef __cplusplus
}
#endif
#endif
