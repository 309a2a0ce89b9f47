/* SPDX-License-Identifier: MIT */
/* The goldfish real-time clock: nanoseconds since 1970 in two halves, and one alarm. Register map as
 * the binding "google,goldfish-rtc" and its driver contract give it: TIME_LOW latches TIME_HIGH, the
 * alarm is set by writing ALARM_HIGH, then ALARM_LOW. */
#include <backplane/fdt.h>
#include <backplane/plugin.h>
#include <string.h>

enum {
	TIME_LOW = 0x00,
	TIME_HIGH = 0x04,
	ALARM_LOW = 0x08,
	ALARM_HIGH = 0x0c,
	IRQ_ENABLED = 0x10,
	CLEAR_ALARM = 0x14,
	ALARM_STATUS = 0x18,
	CLEAR_INTERRUPT = 0x1c,
	SIZE = 0x24
};

struct rtc {
	const struct bp_host *host;
	bp_line *irq[1];
	bp_timer *alarm;
	int64_t offset; /* what the guest added to the host's clock by setting the time */
	uint32_t time_high; /* latched by a read of TIME_LOW */
	uint32_t alarm_high;
	uint64_t alarm_ns;
	uint32_t irq_enabled, irq_pending, alarm_armed;
};

static int64_t now(const struct rtc *r)
{
	return r->host->now(r, BP_CLOCK_REALTIME) + r->offset;
}

static void update_irq(struct rtc *r)
{
	r->host->line_set(r->irq[0], r->irq_pending && r->irq_enabled);
}

static void alarm_fired(void *self, uint64_t arg)
{
	struct rtc *r = self;
	(void)arg;
	r->alarm_armed = 0;
	r->irq_pending = 1;
	update_irq(r);
}

static void set_alarm(struct rtc *r)
{
	if (r->alarm_ns <= (uint64_t)now(r)) {
		alarm_fired(r, 0);
		return;
	}
	r->alarm_armed = 1;
	r->host->timer_at(r->alarm, (int64_t)(r->alarm_ns - (uint64_t)r->offset));
}

static uint64_t read_time_low(void *self, unsigned n, uint64_t stored)
{
	struct rtc *r = self;
	uint64_t t = (uint64_t)now(r);
	(void)n;
	(void)stored;
	r->time_high = (uint32_t)(t >> 32);
	return (uint32_t)t;
}

/* Setting the time: the high half first, taken over with the low one. */
static void write_time_low(void *self, unsigned n, uint64_t was, uint64_t stored, uint64_t raw)
{
	struct rtc *r = self;
	(void)n;
	(void)was;
	(void)stored;
	uint64_t wanted = (uint64_t)r->time_high << 32 | (uint32_t)raw;
	r->offset = (int64_t)(wanted - (uint64_t)r->host->now(r, BP_CLOCK_REALTIME));
	if (r->alarm_armed)
		set_alarm(r);
}

static uint64_t read_alarm_low(void *self, unsigned n, uint64_t stored)
{
	(void)n;
	(void)stored;
	return (uint32_t)((struct rtc *)self)->alarm_ns;
}

static void write_alarm_low(void *self, unsigned n, uint64_t was, uint64_t stored, uint64_t raw)
{
	struct rtc *r = self;
	(void)n;
	(void)was;
	(void)stored;
	r->alarm_ns = (uint64_t)r->alarm_high << 32 | (uint32_t)raw;
	set_alarm(r);
}

static void write_irq_enabled(void *self, unsigned n, uint64_t was, uint64_t stored, uint64_t raw)
{
	(void)n;
	(void)was;
	(void)stored;
	(void)raw;
	update_irq(self);
}

static void write_clear_alarm(void *self, unsigned n, uint64_t was, uint64_t stored, uint64_t raw)
{
	struct rtc *r = self;
	(void)n;
	(void)was;
	(void)stored;
	(void)raw;
	r->alarm_armed = 0;
	r->host->timer_cancel(r->alarm);
}

static void write_clear_interrupt(
	void *self, unsigned n, uint64_t was, uint64_t stored, uint64_t raw)
{
	struct rtc *r = self;
	(void)n;
	(void)was;
	(void)stored;
	(void)raw;
	r->irq_pending = 0;
	update_irq(r);
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct rtc *r = self;
	(void)err;
	r->host = host;
	r->alarm = host->timer_new(r, BP_CLOCK_REALTIME, alarm_fired, 0);
	return 0;
}

/* A battery keeps the time: reset clears the alarm and the interrupt, not the clock. */
static void reset(void *self, int step)
{
	struct rtc *r = self;
	if (step == BP_RESET_ENTER) {
		r->alarm_armed = r->irq_pending = r->irq_enabled = 0;
		r->alarm_ns = 0;
		r->host->timer_cancel(r->alarm);
	} else if (step == BP_RESET_LEAVE) {
		update_irq(r);
	}
}

#define FIELD(m)    (uint32_t) offsetof(struct rtc, m)
#define REG(n, off) .name = (n), .offset = (off), .bytes = 4
static const struct bp_reg regs[] = {
	{ REG("TIME_LOW", TIME_LOW), .help = "time, low half; a read latches the high one",
		.field = BP_REG_NO_FIELD, .read = read_time_low, .write = write_time_low },
	{ REG("TIME_HIGH", TIME_HIGH), .help = "time, high half as latched",
		.field = FIELD(time_high), .writable = UINT32_MAX },
	{ REG("ALARM_LOW", ALARM_LOW), .help = "alarm time, low half; a write arms it",
		.field = BP_REG_NO_FIELD, .read = read_alarm_low, .write = write_alarm_low },
	{ REG("ALARM_HIGH", ALARM_HIGH), .help = "alarm time, high half",
		.field = FIELD(alarm_high), .writable = UINT32_MAX },
	{ REG("IRQ_ENABLED", IRQ_ENABLED), .help = "bit 0: the alarm interrupts",
		.field = FIELD(irq_enabled), .writable = 1, .write = write_irq_enabled },
	{ REG("CLEAR_ALARM", CLEAR_ALARM), .help = "any write disarms the alarm",
		.flags = BP_REG_WRITE_ONLY, .field = BP_REG_NO_FIELD, .write = write_clear_alarm },
	{ REG("ALARM_STATUS", ALARM_STATUS), .help = "1: the alarm is armed",
		.flags = BP_REG_READ_ONLY, .field = FIELD(alarm_armed) },
	{ REG("CLEAR_INTERRUPT", CLEAR_INTERRUPT), .help = "any write takes the interrupt back",
		.flags = BP_REG_WRITE_ONLY, .field = BP_REG_NO_FIELD,
		.write = write_clear_interrupt },
	{ 0 },
};

static const struct bp_region regions[] = {
	{ .name = "regs", .size = SIZE, .min_access = 4, .max_access = 4, .regs = regs },
	{ 0 },
};
static const struct bp_pin out[] = { { .name = "irq", .offset = FIELD(irq), .count = 1 }, { 0 } };
static const struct bp_field state[] = {
	{ BP_FIELD(struct rtc, offset, BP_S64) },
	{ BP_FIELD(struct rtc, alarm_ns, BP_U64) },
	{ BP_FIELD(struct rtc, time_high, BP_U32) },
	{ BP_FIELD(struct rtc, alarm_high, BP_U32) },
	{ BP_FIELD(struct rtc, irq_enabled, BP_U32) },
	{ BP_FIELD(struct rtc, irq_pending, BP_U32) },
	{ BP_FIELD(struct rtc, alarm_armed, BP_U32) },
	{ BP_FIELD(struct rtc, alarm, BP_TIMER) },
	{ 0 },
};

static const char *const compatible[] = { "google,goldfish-rtc", NULL };
static const struct bp_fdt_node fdt_node = {
	.size = sizeof(fdt_node),
	.name = "rtc",
	.compatible = compatible,
};

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &fdt_node;
}

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct rtc),
	.state_version = 1,
	.state_oldest = 1,
	.state = state,
	.regions = regions,
	.out = out,
	.create = create,
	.reset = reset,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "google,goldfish-rtc", "goldfish real-time clock", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_goldfish) = {
	BP_PLUGIN_HEAD,
	.name = "dev-goldfish",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
