/* SPDX-License-Identifier: MIT */
/* National Semiconductor 16550A, PC16550D data sheet SNLS378C: section numbers are its. */
#include <backplane/chr.h>
#include <backplane/fdt.h>
#include <backplane/plugin.h>
#include <string.h>

/* Table 2; which register an offset is depends on LCR's divisor latch access bit. */
enum { RBR_THR_DLL = 0, IER_DLM = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };
enum { LCR_DLAB = 0x80, LCR_BREAK = 0x40 };
enum { IER_RDA = 1, IER_THRE = 2, IER_RLS = 4, IER_MS = 8 };
enum { /* 8.6, in the order of their priority */
	IIR_NONE = 0x01,
	IIR_RLS = 0x06,
	IIR_RDA = 0x04,
	IIR_TIMEOUT = 0x0c,
	IIR_THRE = 0x02,
	IIR_MS = 0x00,
	IIR_FIFOS = 0xc0
};
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4 };
enum { LSR_DR = 1, LSR_OE = 2, LSR_BI = 0x10, LSR_THRE = 0x20, LSR_TEMT = 0x40 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 0x10 };
enum {
	MSR_DCTS = 1,
	MSR_DDSR = 2,
	MSR_TERI = 4,
	MSR_DDCD = 8,
	MSR_CTS = 0x10,
	MSR_DSR = 0x20,
	MSR_RI = 0x40,
	MSR_DCD = 0x80
};
enum { FIFO = 16 };

struct fifo {
	uint8_t byte[FIFO];
	uint32_t head, count;
};

struct uart {
	const struct bp_host *host;
	bp_chr *chr;
	bp_line *irq[1];
	bp_timer *timeout;
	uint64_t clock;
	uint32_t reg_shift;
	uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
	uint8_t thre_pending; /* the THR-empty interrupt is due until IIR is read or THR written */
	uint8_t timed_out; /* received bytes have waited for four characters' time */
	uint16_t divisor;
	struct fifo rx, tx;
};

static void put(struct fifo *f, uint8_t byte)
{
	f->byte[(f->head + f->count++) % FIFO] = byte;
}

static uint8_t take(struct fifo *f)
{
	uint8_t byte = f->byte[f->head % FIFO];
	f->head = (f->head + 1) % FIFO;
	f->count--;
	return byte;
}

static unsigned depth(const struct uart *u)
{
	return u->fcr & FCR_ENABLE ? FIFO : 1;
}

static unsigned trigger(const struct uart *u)
{
	static const uint8_t level[] = { 1, 4, 8, 14 };
	return u->fcr & FCR_ENABLE ? level[u->fcr >> 6] : 1;
}

/* The most urgent interrupt that is enabled and due (8.6, table 4). */
static uint8_t cause(const struct uart *u)
{
	if (u->ier & IER_RLS && u->lsr & (LSR_OE | LSR_BI))
		return IIR_RLS;
	if (u->ier & IER_RDA && u->rx.count >= trigger(u))
		return IIR_RDA;
	if (u->ier & IER_RDA && u->timed_out)
		return IIR_TIMEOUT;
	if (u->ier & IER_THRE && u->thre_pending)
		return IIR_THRE;
	if (u->ier & IER_MS && u->msr & (MSR_DCTS | MSR_DDSR | MSR_TERI | MSR_DDCD))
		return IIR_MS;
	return IIR_NONE;
}

static void update_irq(struct uart *u)
{
	u->host->line_set(u->irq[0], cause(u) != IIR_NONE);
}

/* Four characters' time at the programmed rate: 16 clocks a bit, about ten bits each (8.11). */
static void start_timeout(struct uart *u)
{
	uint64_t divisor = u->divisor ? u->divisor : 1;
	uint64_t ns = 4 * 10 * 16 * divisor * UINT64_C(1000000000) / u->clock;
	u->timed_out = 0;
	if (u->rx.count && u->fcr & FCR_ENABLE)
		u->host->timer_at(u->timeout, u->host->now(u, BP_CLOCK_VIRTUAL) + (int64_t)ns);
	else
		u->host->timer_cancel(u->timeout);
}

static void timed_out(void *self, uint64_t arg)
{
	struct uart *u = self;
	(void)arg;
	u->timed_out = u->rx.count != 0;
	update_irq(u);
}

static void received(struct uart *u, uint8_t byte)
{
	if (u->rx.count >= depth(u)) {
		u->lsr |= LSR_OE;
		return;
	}
	put(&u->rx, byte);
	u->lsr |= LSR_DR;
}

/* Send what waits. What the back end does not take stays; BP_CHR_WRITABLE brings us back. */
static void transmit(struct uart *u)
{
	while (u->tx.count) {
		uint8_t byte = u->tx.byte[u->tx.head % FIFO];
		if (!u->host->chr_write(u->chr, &byte, 1))
			break;
		take(&u->tx);
	}
	if (!u->tx.count) {
		if (!(u->lsr & LSR_THRE))
			u->thre_pending = 1;
		u->lsr |= LSR_THRE | LSR_TEMT;
	}
}

static void write_thr(struct uart *u, uint8_t byte)
{
	u->thre_pending = 0;
	if (u->mcr & MCR_LOOP) {
		received(u, byte);
		start_timeout(u);
		u->thre_pending = 1;
		return;
	}
	if (u->tx.count >= depth(u))
		take(&u->tx); /* written into a full register: the older byte is lost (8.1) */
	put(&u->tx, byte);
	u->lsr &= (uint8_t) ~(LSR_THRE | LSR_TEMT);
	transmit(u);
}

static uint8_t read_rbr(struct uart *u)
{
	uint8_t byte = u->rx.count ? take(&u->rx) : 0;
	if (!u->rx.count)
		u->lsr &= (uint8_t)~LSR_DR;
	start_timeout(u);
	if (!(u->mcr & MCR_LOOP))
		u->host->chr_ready(u->chr);
	return byte;
}

static uint8_t read_iir(struct uart *u, int debug)
{
	uint8_t why = cause(u);
	if (why == IIR_THRE && !debug)
		u->thre_pending = 0;
	return why | (u->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static void write_fcr(struct uart *u, uint8_t value)
{
	/* Turning the FIFOs on or off empties them (8.5). */
	int change = (value ^ u->fcr) & FCR_ENABLE;
	if (change || value & FCR_CLEAR_RX) {
		u->rx.count = 0;
		u->lsr &= (uint8_t) ~(LSR_DR | LSR_BI);
		u->timed_out = 0;
	}
	if (change || value & FCR_CLEAR_TX) {
		u->tx.count = 0;
		u->lsr |= LSR_THRE | LSR_TEMT;
		u->thre_pending = 1;
	}
	u->fcr = value & (0xc0 | FCR_ENABLE | 8);
	if (!(u->fcr & FCR_ENABLE))
		u->fcr = 0;
	u->host->chr_ready(u->chr);
}

static uint8_t modem_inputs(const struct uart *u)
{
	/* Looped back, outputs are the inputs (8.8); else a null modem with somebody there. */
	if (u->mcr & MCR_LOOP)
		return (u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
			(u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0);
	return MSR_CTS | MSR_DSR | MSR_DCD;
}

static void update_msr(struct uart *u)
{
	uint8_t now = modem_inputs(u), changed = (uint8_t)((now ^ u->msr) & 0xf0);
	uint8_t delta = u->msr & 0x0f;
	delta |= (changed & MSR_CTS ? MSR_DCTS : 0) | (changed & MSR_DSR ? MSR_DDSR : 0) |
		(changed & MSR_RI && !(now & MSR_RI) ? MSR_TERI : 0) |
		(changed & MSR_DCD ? MSR_DDCD : 0);
	u->msr = now | delta;
}

static void write_mcr(struct uart *u, uint8_t value)
{
	u->mcr = value & 0x1f;
	update_msr(u);
}

static int uart_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct uart *u = self;
	int dlab = u->lcr & LCR_DLAB, debug = how && how->flags & BP_ACCESS_DEBUG;
	(void)bytes;
	*value = 0;
	switch (offset >> u->reg_shift) {
	case RBR_THR_DLL:
		if (dlab)
			*value = u->divisor & 0xff;
		else
			*value = debug ? u->rx.byte[u->rx.head % FIFO] : read_rbr(u);
		break;
	case IER_DLM: *value = dlab ? u->divisor >> 8 : u->ier; break;
	case IIR_FCR: *value = read_iir(u, debug); break;
	case LCR: *value = u->lcr; break;
	case MCR: *value = u->mcr; break;
	case LSR:
		*value = u->lsr;
		if (!debug)
			u->lsr &= (uint8_t) ~(LSR_OE | LSR_BI);
		break;
	case MSR:
		*value = u->msr;
		if (!debug)
			u->msr &= 0xf0;
		break;
	case SCR: *value = u->scr; break;
	default: return BP_OK;
	}
	if (!debug)
		update_irq(u);
	return BP_OK;
}

static int uart_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct uart *u = self;
	uint8_t byte = (uint8_t)value;
	int dlab = u->lcr & LCR_DLAB;
	(void)bytes;
	(void)how;
	switch (offset >> u->reg_shift) {
	case RBR_THR_DLL:
		if (dlab)
			u->divisor = (uint16_t)((u->divisor & 0xff00) | byte);
		else
			write_thr(u, byte);
		break;
	case IER_DLM:
		if (dlab) {
			u->divisor = (uint16_t)((u->divisor & 0xff) | byte << 8);
			break;
		}
		/* Enabling the THR-empty interrupt with an empty register raises it at once. */
		if (byte & IER_THRE && !(u->ier & IER_THRE) && u->lsr & LSR_THRE)
			u->thre_pending = 1;
		u->ier = byte & 0x0f;
		break;
	case IIR_FCR: write_fcr(u, byte); break;
	case LCR: u->lcr = byte; break;
	case MCR: write_mcr(u, byte); break;
	case SCR: u->scr = byte; break;
	default: return BP_OK;
	}
	update_irq(u);
	return BP_OK;
}

/* ---- the other end ---- */

static size_t can_receive(void *self)
{
	const struct uart *u = self;
	return u->mcr & MCR_LOOP ? 0 : depth(u) - u->rx.count;
}

static void receive(void *self, const uint8_t *buf, size_t len)
{
	struct uart *u = self;
	for (size_t i = 0; i < len; i++)
		received(u, buf[i]);
	start_timeout(u);
	update_irq(u);
}

static void event(void *self, int what)
{
	struct uart *u = self;
	if (what == BP_CHR_WRITABLE)
		transmit(u);
	if (what == BP_CHR_BREAK) {
		received(u, 0);
		u->lsr |= LSR_BI;
	}
	update_irq(u);
}

static const struct bp_chr_front front = {
	.size = sizeof(front),
	.can_receive = can_receive,
	.receive = receive,
	.event = event,
};

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct uart *u = self;
	u->host = host;
	if (!u->clock)
		return host->fail(err, "clock-frequency is 0; 3686400 is usual");
	u->timeout = host->timer_new(u, BP_CLOCK_VIRTUAL, timed_out, 0);
	host->chr_attach(u, u->chr, &front);
	return 0;
}

static void reset(void *self, int step)
{
	struct uart *u = self;
	if (step == BP_RESET_LEAVE) {
		update_irq(u);
		u->host->chr_ready(u->chr);
	}
	if (step != BP_RESET_ENTER)
		return;
	u->ier = u->fcr = u->lcr = u->mcr = u->scr = 0;
	u->thre_pending = u->timed_out = 0;
	u->divisor = 12;
	u->lsr = LSR_THRE | LSR_TEMT;
	u->rx = u->tx = (struct fifo){ 0 };
	u->msr = modem_inputs(u);
	u->host->timer_cancel(u->timeout);
}

static void describe(void *self, const struct bp_fdt_writer *w, void *node)
{
	const struct uart *u = self;
	const uint32_t clock = (uint32_t)u->clock;
	w->u32s(node, "clock-frequency", &clock, 1);
	if (u->reg_shift)
		w->u32s(node, "reg-shift", &u->reg_shift, 1);
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

#define FIELD(m) (uint32_t) offsetof(struct uart, m)
static const char *const chr_link[] = { "bp.chr/1", NULL };
static const struct bp_field props[] = {
	{ "chr", "where bytes go to and come from", FIELD(chr), BP_LINK, .names = chr_link },
	{ "clock-frequency", "Hz of the crystal", FIELD(clock), BP_U64, .def = 3686400 },
	{ "reg-shift", "registers lie 1 << this many bytes apart", FIELD(reg_shift), BP_U32,
		BP_F_RANGE, .max = 3 },
	{ 0 },
};
static const struct bp_field fifo_state[] = {
	{ .name = "byte", .offset = offsetof(struct fifo, byte), .type = BP_BYTES, .count = FIFO },
	{ BP_FIELD(struct fifo, head, BP_U32) },
	{ BP_FIELD(struct fifo, count, BP_U32) },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct uart, ier, BP_U8) },
	{ BP_FIELD(struct uart, fcr, BP_U8) },
	{ BP_FIELD(struct uart, lcr, BP_U8) },
	{ BP_FIELD(struct uart, mcr, BP_U8) },
	{ BP_FIELD(struct uart, lsr, BP_U8) },
	{ BP_FIELD(struct uart, msr, BP_U8) },
	{ BP_FIELD(struct uart, scr, BP_U8) },
	{ BP_FIELD(struct uart, thre_pending, BP_U8) },
	{ BP_FIELD(struct uart, timed_out, BP_U8) },
	{ BP_FIELD(struct uart, divisor, BP_U16) },
	{ .name = "rx",
		.offset = FIELD(rx),
		.type = BP_STRUCT,
		.sub = fifo_state,
		.sub_size = sizeof(struct fifo) },
	{ .name = "tx",
		.offset = FIELD(tx),
		.type = BP_STRUCT,
		.sub = fifo_state,
		.sub_size = sizeof(struct fifo) },
	{ BP_FIELD(struct uart, timeout, BP_TIMER) },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "regs",
		.size = 0x100,
		.min_access = 1,
		.max_access = 1,
		.read = uart_read,
		.write = uart_write },
	{ 0 },
};
static const struct bp_pin out[] = { { .name = "irq", .offset = FIELD(irq), .count = 1 }, { 0 } };

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct uart),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.regions = regions,
	.out = out,
	.create = create,
	.reset = reset,
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
