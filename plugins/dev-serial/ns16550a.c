/* SPDX-License-Identifier: MIT */
/* 16550A UART: National Semiconductor PC16550D data sheet (SNLS378). A character is sent as soon as
 * the stream takes it; what it does not take stays in the transmit FIFO. Section numbers are the data
 * sheet's chapter 8, "Registers". */
#include <backplane/chr.h>
#include <backplane/fdt.h>
#include <backplane/plugin.h>
#include <string.h>

enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR, REGISTERS };
enum { IER_RDA = 1, IER_THRE = 2, IER_RLS = 4, IER_MSR = 8 };
enum {
	IIR_MSR = 0,
	IIR_NONE = 1,
	IIR_THRE = 2,
	IIR_RDA = 4,
	IIR_RLS = 6,
	IIR_TIMEOUT = 12,
	IIR_FIFO = 0xc0
};
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4, FCR_KEPT = 0xc9, FCR_TRIGGER_SHIFT = 6 };
enum { LCR_STOP = 4, LCR_PARITY = 8, LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16, MCR_KEPT = 0x1f };
enum {
	LSR_DR = 1,
	LSR_OE = 2,
	LSR_PE = 4,
	LSR_FE = 8,
	LSR_BI = 16,
	LSR_THRE = 32,
	LSR_TEMT = 64,
	LSR_FIFO_ERROR = 128
};
enum { MSR_TERI = 4, MSR_CTS = 16, MSR_DSR = 32, MSR_RI = 64, MSR_DCD = 128 };
enum { DEPTH = 16, WINDOW = 0x100 };

struct fifo {
	uint8_t data[DEPTH], error[DEPTH]; /* LSR_PE, _FE, _BI of each character */
	uint8_t at, count;
};

struct uart {
	const struct bp_host *host;
	bp_chr *chr;
	bp_line *irq[1];
	bp_timer *timeout;
	uint32_t clock_hz, reg_shift, reg_io_width;

	uint8_t ier, fcr, lcr, mcr, scr;
	uint8_t overrun; /* LSR_OE or 0 */
	uint8_t modem; /* MSR: its upper half is the lines as last seen */
	uint8_t thre_pending, timeout_pending;
	uint16_t divisor;
	struct fifo rx, tx;
};

/* ---- FIFOs; with FIFOs off they are one character deep ---- */

static unsigned depth(const struct uart *u)
{
	return u->fcr & FCR_ENABLE ? DEPTH : 1;
}

static void fifo_put(struct fifo *f, uint8_t data, uint8_t error)
{
	unsigned slot = (f->at + f->count++) % DEPTH;
	f->data[slot] = data;
	f->error[slot] = error;
}

static uint8_t fifo_get(struct fifo *f)
{
	uint8_t data = f->data[f->at];
	f->at = (f->at + 1) % DEPTH;
	f->count--;
	return data;
}

static void fifo_clear(struct fifo *f)
{
	f->at = f->count = 0;
}

/* ---- interrupts (8.5) ---- */

static uint8_t line_errors(const struct uart *u)
{
	return u->overrun | (u->rx.count ? u->rx.error[u->rx.at] : 0);
}

static int triggered(const struct uart *u)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };
	return u->rx.count >= (u->fcr & FCR_ENABLE ? levels[u->fcr >> FCR_TRIGGER_SHIFT] : 1);
}

static uint8_t interrupt_id(const struct uart *u)
{
	if (u->ier & IER_RLS && line_errors(u))
		return IIR_RLS;
	if (u->ier & IER_RDA && triggered(u))
		return IIR_RDA;
	if (u->ier & IER_RDA && u->timeout_pending)
		return IIR_TIMEOUT;
	if (u->ier & IER_THRE && u->thre_pending)
		return IIR_THRE;
	if (u->ier & IER_MSR && u->modem & 0x0f)
		return IIR_MSR;
	return IIR_NONE;
}

static void update_irq(struct uart *u)
{
	u->host->line_set(u->irq[0], interrupt_id(u) != IIR_NONE);
}

/* ---- receiver ---- */

/* Four character times without the FIFO being filled or read (8.5, "time-out interrupt"). */
static void restart_timeout(struct uart *u)
{
	u->timeout_pending = 0;
	if (!(u->fcr & FCR_ENABLE) || !u->rx.count) {
		u->host->timer_cancel(u->timeout);
		return;
	}
	unsigned bits = 1 + 5 + (u->lcr & 3) + !!(u->lcr & LCR_PARITY) + 1 + !!(u->lcr & LCR_STOP);
	uint64_t clocks = UINT64_C(4) * bits * 16 * (u->divisor ? u->divisor : 1);
	u->host->timer_at(u->timeout,
		u->host->now(u, BP_CLOCK_VIRTUAL) + (int64_t)(clocks * 1000000000 / u->clock_hz));
}

static void timed_out(void *self, uint64_t arg)
{
	struct uart *u = self;
	(void)arg;
	u->timeout_pending = u->rx.count != 0;
	update_irq(u);
}

/* The caller updates interrupts. */
static void receive_one(struct uart *u, uint8_t data, uint8_t error)
{
	if (u->rx.count == depth(u)) {
		u->overrun = LSR_OE;
		/* Without FIFOs the new character replaces the old one (8.4, bit 1). */
		if (depth(u) == 1)
			u->rx.data[u->rx.at] = data;
		return;
	}
	fifo_put(&u->rx, data, error);
	restart_timeout(u);
}

static size_t can_receive(void *self)
{
	const struct uart *u = self;
	/* In a loop the input is disconnected: let it wait. */
	return u->mcr & MCR_LOOP ? 0 : depth(u) - u->rx.count;
}

static void receive(void *self, const uint8_t *buf, size_t len)
{
	struct uart *u = self;
	for (size_t i = 0; i < len; i++)
		receive_one(u, buf[i], 0);
	update_irq(u);
}

static uint8_t read_rbr(struct uart *u)
{
	uint8_t data = u->rx.data[u->rx.at];
	if (!u->rx.count)
		return data;
	fifo_get(&u->rx);
	restart_timeout(u);
	update_irq(u);
	u->host->chr_ready(u->chr);
	return data;
}

/* ---- transmitter ---- */

static void transmit(struct uart *u)
{
	if (!u->tx.count)
		return;
	while (u->tx.count) {
		/* All eight bits, whatever LCR says: programs that never set the word length are
		 * common, and the other end is no wire with a frame of its own. */
		uint8_t byte = u->tx.data[u->tx.at];
		if (u->mcr & MCR_LOOP)
			receive_one(u, byte, 0);
		else if (!u->host->chr_write(u->chr, &byte, 1))
			break; /* BP_CHR_WRITABLE follows */
		fifo_get(&u->tx);
	}
	if (!u->tx.count)
		u->thre_pending = 1;
	update_irq(u);
}

static void write_thr(struct uart *u, uint8_t byte)
{
	u->thre_pending = 0;
	/* Nothing is waiting, and the other end takes it: it never was in the FIFO. */
	if (!u->tx.count && !(u->mcr & MCR_LOOP) && u->host->chr_write(u->chr, &byte, 1)) {
		u->thre_pending = 1;
		update_irq(u);
		return;
	}
	if (u->tx.count < depth(u))
		fifo_put(&u->tx, byte, 0);
	else if (depth(u) == 1)
		u->tx.data[u->tx.at] = byte;
	transmit(u);
}

static void event(void *self, int event)
{
	struct uart *u = self;
	if (event == BP_CHR_WRITABLE) {
		transmit(u);
	} else if (event == BP_CHR_BREAK && !(u->mcr & MCR_LOOP)) {
		receive_one(u, 0, LSR_BI | LSR_FE);
		update_irq(u);
	}
}

static const struct bp_chr_front front = {
	.size = sizeof(front),
	.can_receive = can_receive,
	.receive = receive,
	.event = event,
};

/* ---- modem lines (8.7, 8.8) ---- */

static void update_modem(struct uart *u)
{
	static const struct {
		uint8_t mcr, msr;
	} loop[] = { { MCR_RTS, MSR_CTS }, { MCR_DTR, MSR_DSR }, { MCR_OUT1, MSR_RI },
		{ MCR_OUT2, MSR_DCD } };
	/* Nobody hangs up on the other side of a byte stream. */
	uint8_t now = MSR_CTS | MSR_DSR | MSR_DCD;
	if (u->mcr & MCR_LOOP) {
		now = 0;
		for (unsigned i = 0; i < sizeof(loop) / sizeof(loop[0]); i++)
			now |= u->mcr & loop[i].mcr ? loop[i].msr : 0;
	}
	uint8_t was = u->modem & 0xf0, changed = was ^ now;
	if (now & MSR_RI)
		changed &= (uint8_t)~MSR_RI; /* only the trailing edge counts */
	u->modem = (uint8_t)(now | (u->modem & 0x0f) | changed >> 4);
	update_irq(u);
}

/* ---- registers ---- */

static void write_fcr(struct uart *u, uint8_t value)
{
	uint8_t changed = u->fcr ^ value;
	if (!(value & FCR_ENABLE))
		value = 0; /* other bits are not programmed (8.6, bit 0) */
	u->fcr = value & FCR_KEPT;
	if (changed & FCR_ENABLE || value & FCR_CLEAR_RX)
		fifo_clear(&u->rx);
	if ((changed & FCR_ENABLE || value & FCR_CLEAR_TX) && u->tx.count) {
		fifo_clear(&u->tx);
		u->thre_pending = 1;
	}
	restart_timeout(u);
	update_irq(u);
	u->host->chr_ready(u->chr);
}

static void write_ier(struct uart *u, uint8_t value)
{
	/* Enabled while the transmitter is empty, it interrupts at once. */
	if (value & ~u->ier & IER_THRE && !u->tx.count)
		u->thre_pending = 1;
	u->ier = value & 0x0f;
	update_irq(u);
}

static void write_mcr(struct uart *u, uint8_t value)
{
	uint8_t changed = u->mcr ^ value;
	u->mcr = value & MCR_KEPT;
	update_modem(u);
	if (changed & MCR_LOOP) {
		transmit(u);
		u->host->chr_ready(u->chr);
	}
}

static uint8_t read_lsr(struct uart *u, int look)
{
	uint8_t value = (u->rx.count ? LSR_DR : 0) | line_errors(u) |
		(u->tx.count ? 0 : LSR_THRE | LSR_TEMT);
	for (unsigned i = 0; u->fcr & FCR_ENABLE && i < u->rx.count; i++)
		if (u->rx.error[(u->rx.at + i) % DEPTH])
			value |= LSR_FIFO_ERROR;
	if (look)
		return value;
	u->overrun = 0;
	if (u->rx.count)
		u->rx.error[u->rx.at] = 0;
	update_irq(u);
	return value;
}

static uint8_t read_iir(struct uart *u, int look)
{
	uint8_t id = interrupt_id(u);
	if (id == IIR_THRE && !look) {
		u->thre_pending = 0;
		update_irq(u);
	}
	return id | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint8_t read_msr(struct uart *u, int look)
{
	uint8_t value = u->modem;
	if (!look) {
		u->modem &= 0xf0;
		update_irq(u);
	}
	return value;
}

/* look: without side effects. */
static uint8_t read_register(struct uart *u, unsigned reg, int look)
{
	int dlab = u->lcr & LCR_DLAB;
	switch (reg) {
	case RBR_THR:
		if (dlab)
			return (uint8_t)u->divisor;
		return look ? u->rx.data[u->rx.at] : read_rbr(u);
	case IER: return dlab ? (uint8_t)(u->divisor >> 8) : u->ier;
	case IIR_FCR: return read_iir(u, look);
	case LCR: return u->lcr;
	case MCR: return u->mcr;
	case LSR: return read_lsr(u, look);
	case MSR: return read_msr(u, look);
	default: return u->scr;
	}
}

/* Registers lie 1 << reg_shift bytes apart; nothing answers between them. */
static int is_register(const struct uart *u, uint64_t offset)
{
	return !(offset & ((UINT64_C(1) << u->reg_shift) - 1)) &&
		offset >> u->reg_shift < REGISTERS;
}

static int uart_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct uart *u = self;
	(void)bytes;
	*value = is_register(u, offset)
		? read_register(u, (unsigned)(offset >> u->reg_shift), how->flags & BP_ACCESS_DEBUG)
		: 0;
	return BP_OK;
}

static int uart_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct uart *u = self;
	uint8_t byte = (uint8_t)value;
	int dlab = u->lcr & LCR_DLAB;
	(void)bytes;
	if (!is_register(u, offset) || how->flags & BP_ACCESS_DEBUG)
		return BP_OK;
	switch (offset >> u->reg_shift) {
	case RBR_THR:
		if (dlab)
			u->divisor = (uint16_t)((u->divisor & 0xff00) | byte);
		else
			write_thr(u, byte);
		break;
	case IER:
		if (dlab)
			u->divisor = (uint16_t)((u->divisor & 0xff) | byte << 8);
		else
			write_ier(u, byte);
		break;
	case IIR_FCR: write_fcr(u, byte); break;
	case LCR: u->lcr = byte; break;
	case MCR: write_mcr(u, byte); break;
	case SCR: u->scr = byte; break;
	default: break; /* LSR and MSR are for reading */
	}
	return BP_OK;
}

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct uart *u = self;
	u->host = host;
	if (u->reg_io_width != 1 && u->reg_io_width != 2 && u->reg_io_width != 4)
		return host->fail(err, "reg-io-width is %u; it can be 1, 2 or 4", u->reg_io_width);
	u->timeout = host->timer_new(u, BP_CLOCK_VIRTUAL, timed_out, 0);
	host->chr_attach(u, u->chr, &front);
	return 0;
}

static void reset(void *self, int step)
{
	struct uart *u = self;
	if (step == BP_RESET_ENTER) {
		u->ier = u->fcr = u->lcr = u->mcr = u->scr = 0;
		u->overrun = u->thre_pending = u->timeout_pending = 0;
		u->divisor = 0;
		memset(&u->rx, 0, sizeof(u->rx));
		memset(&u->tx, 0, sizeof(u->tx));
		u->modem = MSR_CTS | MSR_DSR | MSR_DCD;
		u->host->timer_cancel(u->timeout);
	} else if (step == BP_RESET_LEAVE) {
		update_irq(u);
		u->host->chr_ready(u->chr);
	}
}

static void send_again(void *self, uint64_t arg)
{
	(void)arg;
	transmit(self);
}

/* Counts index arrays, so a foreign snapshot is not believed. */
static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct uart *u = self;
	(void)from_version;
	if (u->rx.count > depth(u) || u->tx.count > depth(u) || u->rx.at >= DEPTH ||
		u->tx.at >= DEPTH)
		return u->host->fail(err, "the saved FIFOs hold %u and %u characters of %u",
			u->rx.count, u->tx.count, depth(u));
	if (u->tx.count)
		u->host->post(u, send_again, 0);
	return 0;
}

/* ---- tables ---- */

static const char *const chr_link[] = { "bp.chr/1", NULL };
static const struct bp_field props[] = {
	{ BP_PROP(struct uart, chr, BP_LINK, "chr"), .names = chr_link,
		.help = "the byte stream on its line" },
	{ BP_PROP(struct uart, clock_hz, BP_U32, "clock-frequency"), .flags = BP_F_RANGE,
		.def = 3686400, .min = 1, .max = UINT32_MAX,
		.help = "input clock in Hz, 16 times the fastest bit rate" },
	{ BP_PROP(struct uart, reg_shift, BP_U32, "reg-shift"), .flags = BP_F_RANGE, .max = 5,
		.help = "registers lie 1 << reg-shift bytes apart" },
	{ BP_PROP(struct uart, reg_io_width, BP_U32, "reg-io-width"), .flags = BP_F_RANGE, .def = 1,
		.min = 1, .max = 4, .help = "bytes that a driver uses for an access: 1, 2 or 4" },
	{ 0 },
};

static const struct bp_field fifo_state[] = {
	{ BP_FIELD(struct fifo, data, BP_BYTES), .count = DEPTH, .flags = BP_F_WHOLE },
	{ BP_FIELD(struct fifo, error, BP_BYTES), .count = DEPTH, .flags = BP_F_WHOLE },
	{ BP_FIELD(struct fifo, at, BP_U8) },
	{ BP_FIELD(struct fifo, count, BP_U8) },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct uart, ier, BP_U8) },
	{ BP_FIELD(struct uart, fcr, BP_U8) },
	{ BP_FIELD(struct uart, lcr, BP_U8) },
	{ BP_FIELD(struct uart, mcr, BP_U8) },
	{ BP_FIELD(struct uart, scr, BP_U8) },
	{ BP_FIELD(struct uart, overrun, BP_U8) },
	{ BP_FIELD(struct uart, modem, BP_U8) },
	{ BP_FIELD(struct uart, thre_pending, BP_U8) },
	{ BP_FIELD(struct uart, timeout_pending, BP_U8) },
	{ BP_FIELD(struct uart, divisor, BP_U16) },
	{ BP_FIELD(struct uart, rx, BP_STRUCT), .sub = fifo_state,
		.sub_size = sizeof(struct fifo) },
	{ BP_FIELD(struct uart, tx, BP_STRUCT), .sub = fifo_state,
		.sub_size = sizeof(struct fifo) },
	{ BP_FIELD(struct uart, timeout, BP_TIMER) },
	{ 0 },
};

static const struct bp_region regions[] = {
	{ .name = "regs",
		.size = WINDOW,
		.min_access = 1,
		.max_access = 1,
		.read = uart_read,
		.write = uart_write },
	{ 0 },
};
static const struct bp_pin out[] = {
	{ .name = "irq", .offset = offsetof(struct uart, irq), .count = 1 },
	{ 0 },
};

static void describe(void *self, const struct bp_fdt_writer *w, void *node)
{
	const struct uart *u = self;
	w->u32s(node, "clock-frequency", &u->clock_hz, 1);
	if (u->reg_shift)
		w->u32s(node, "reg-shift", &u->reg_shift, 1);
	if (u->reg_io_width != 1)
		w->u32s(node, "reg-io-width", &u->reg_io_width, 1);
}

static const char *const compatible[] = { "ns16550a", NULL };
static const struct bp_fdt_node fdt_node = {
	.size = sizeof(fdt_node),
	.name = "serial",
	.compatible = compatible,
	.describe = describe,
};

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &fdt_node;
}

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct uart),
	.threads = BP_SERIAL_DEVICE,
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.regions = regions,
	.out = out,
	.create = create,
	.reset = reset,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "ns16550a", "16550A UART", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_serial) = {
	BP_PLUGIN_HEAD,
	.name = "dev-serial",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
