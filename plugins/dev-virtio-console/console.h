/* SPDX-License-Identifier: MIT */
/* Virtio console (Virtio 1.2, section 5.3): what the device (console.c) and its ports (port.c) share. */
#ifndef DEV_VIRTIO_CONSOLE_H
#define DEV_VIRTIO_CONSOLE_H
#include <backplane/chr.h>
#include <backplane/plugin.h>
#include <backplane/virtio.h>

enum { PORTS = 31, QUEUE_SIZE = 128, BURST = 256 };
enum { F_SIZE, F_MULTIPORT, F_EMERG_WRITE }; /* feature bits (5.3.3) */

/* What the driver is still to be told of a port, in the order of telling. Each is one bit: what it
 * says is looked up when there is a buffer for it, so little memory holds any backlog. */
enum tell {
	TELL_REMOVE = 1,
	TELL_ADD = 2,
	TELL_CONSOLE = 4,
	TELL_NAME = 8,
	TELL_OPEN = 16,
	TELL_RESIZE = 32,
	TELL_ALL = 63
};

struct port {
	const struct bp_host *host;
	struct console *console; /* NULL: attached to none */
	bp_chr *chr;
	const char *name;
	uint8_t is_console, plugged; /* properties */
	uint32_t number;

	uint8_t host_open; /* somebody is at the other end of chr */
	uint8_t added, ready,
		guest_open; /* told to the driver; set up by it; opened by a program */
	uint32_t tell; /* enum tell */
	uint32_t cols, rows;
	/* A chain that the guest gave to be filled, and one whose bytes the back end has yet to take. */
	uint32_t in_held, out_held;
	uint32_t in_head, out_head;
	uint64_t out_done;
	struct bp_virtio_request *in, *out; /* one piece of memory */
};

struct console {
	struct port
		own; /* first: the console is its own port 0, unless another one has that slot */
	const struct bp_virtio_transport *ops;
	void *transport;
	struct port *port[PORTS]; /* by number; NULL: there is none */
	uint32_t ports; /* beyond the highest number */
	uint32_t attached; /* objects */
	uint32_t ready; /* the driver said DEVICE_READY */
	struct bp_virtio_request *control;
	struct bp_virtio_device device;
};

/* ---- port.c ---- */

extern const struct bp_field port_state[];
extern const struct bp_chr_front port_front; /* self: a port */
extern const struct bp_object virtio_console_port;
extern const char port_link[]; /* what the interface of a port of this plugin points to */
#define PORT_INTERFACE "bp.virtio-console-port/1"

/* Its queues, after a kick: what can move does. */
void port_send(struct port *p);
void port_room(struct port *p);
/* Let go of held chains; 1: of its receive queue, 2: of its transmit queue. */
void port_release(struct port *p, unsigned queues);
/* Look who is at the other end, and how large the window is. */
void port_look(struct port *p);
int port_loaded(struct port *p, bp_error *err);
/* Its requests: 0, or -1 after host->fail. */
int port_init(struct port *p, bp_error *err);
void port_finish(struct port *p);

/* ---- console.c ---- */

int console_is_multiport(const struct console *c);
/* The driver is to be told; what cannot be told now waits for buffers. */
void console_tell(struct port *p, uint32_t what);
void console_resized(struct port *p);
void console_plugged(struct port *p);

#endif
