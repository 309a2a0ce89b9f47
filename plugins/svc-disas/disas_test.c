/* SPDX-License-Identifier: MIT */
/* The service as its users call it. What is expected comes from the manuals' examples and from GNU
 * objdump. */
#include <backplane/disas.h>
#include <backplane/plugin.h>
#include <glib.h>
#include <string.h>

extern const struct bp_plugin bp_plugin_1_svc_disas;

static const struct bp_object *type(void)
{
	return bp_plugin_1_svc_disas.types[0].object;
}

static void *start(void)
{
	void *self = g_malloc0(type()->instance_size);
	g_assert_cmpint(type()->create(self, NULL, NULL), ==, 0);
	return self;
}

static void stop(void *self)
{
	type()->destroy(self);
	g_free(self);
}

static const struct bp_disassembler *service(void *self)
{
	return type()->interface(self, "bp.disassembler/1");
}

static const struct row {
	const char *isa;
	unsigned length;
	uint8_t bytes[8];
	const char *text; /* at 0x1000 */
} rows[] = {
	{ "riscv64", 4, { 0x13, 0x01, 0x01, 0xff }, "addi sp, sp, -16" },
	{ "riscv64", 2, { 0x41, 0x11 }, "addi sp, sp, -16" },
	{ "riscv64", 2, { 0x06, 0xe4 }, "sd ra, 8(sp)" },
	{ "riscv32", 2, { 0x05, 0x20 }, "jal ra, 0x1020" },
	{ "riscv64", 2, { 0x85, 0x20 }, "addiw ra, ra, 1" },
	{ "riscv64", 2, { 0x82, 0x80 }, "jalr zero, 0(ra)" },
	{ "riscv64", 4, { 0x97, 0x02, 0x00, 0x80 }, "auipc t0, 0x80000" },
	{ "riscv64", 4, { 0xe3, 0x1e, 0xb5, 0xfe }, "bne a0, a1, 0xffc" },
	{ "riscv64", 4, { 0x73, 0x25, 0x40, 0xf1 }, "csrrs a0, mhartid, zero" },
	{ "riscv64", 4, { 0xf3, 0x22, 0x00, 0x3b }, "csrrs t0, pmpaddr0, zero" },
	{ "riscv64", 4, { 0x73, 0x25, 0x00, 0x7c }, "csrrs a0, 0x7c0, zero" },
	{ "riscv64", 4, { 0x0f, 0x00, 0xf0, 0x0f }, "fence iorw, iorw" },
	{ "riscv64", 4, { 0x0f, 0x00, 0x30, 0x83 }, "fence.tso rw, rw" },
	{ "riscv64", 4, { 0x0f, 0x10, 0x00, 0x00 }, "fence.i" },
	{ "riscv64", 4, { 0x73, 0x00, 0x50, 0x10 }, "wfi" },
	{ "riscv64", 4, { 0x2f, 0x25, 0xb6, 0x06 }, "amoadd.w.aqrl a0, a1, (a2)" },
	{ "riscv64", 4, { 0xaf, 0x27, 0x05, 0x14 }, "lr.w.aq a5, (a0)" },
	{ "riscv64", 4, { 0xd3, 0x87, 0xe7, 0x00 }, "fadd.s fa5, fa5, fa4, rne" },
	{ "riscv64", 4, { 0xd3, 0xf7, 0xe7, 0x00 }, "fadd.s fa5, fa5, fa4" },
	{ "riscv64", 4, { 0x57, 0x75, 0x05, 0x0d }, "vsetvli a0, a0, e32, m1, ta, ma" },
	{ "riscv64", 4, { 0x57, 0x75, 0x45, 0x00 }, "vsetvli a0, a0, 0x4" },
	{ "riscv64", 4, { 0xd7, 0x00, 0x22, 0x00 }, "vadd.vv v1, v2, v4, v0.t" },
	{ "riscv64", 4, { 0xd7, 0xa0, 0x21, 0xb6 }, "vmacc.vv v1, v3, v2" },
	{ "riscv64", 4, { 0x07, 0x04, 0x05, 0x42 }, "vlseg3e8.v v8, (a0)" },
	{ "riscv64", 4, { 0xd7, 0x80, 0x21, 0x40 }, "vadc.vvm v1, v2, v3, v0" },
	{ "riscv64", 0, { 0x00, 0x00 }, "" },
	{ "riscv64", 0, { 0xff, 0xff, 0xff, 0xff }, "" },
	{ "riscv32", 0, { 0x03, 0x35, 0x05, 0x00 }, "" }, /* ld */
	{ "aarch64", 4, { 0xfd, 0x7b, 0xbf, 0xa9 }, "stp x29, x30, [sp, #-0x10]!" },
	{ "arm", 4, { 0x1e, 0xff, 0x2f, 0xe1 }, "bx lr" },
	{ "thumb", 2, { 0x70, 0x47 }, "bx lr" },
	{ "x86_64", 3, { 0x48, 0x89, 0xe5 }, "mov rbp, rsp" },
	{ "i386", 5, { 0xe8, 0x00, 0x00, 0x00, 0x00 }, "call 0x1005" },
	{ "i8086", 3, { 0xb8, 0x34, 0x12 }, "mov ax, 0x1234" },
	{ "mips", 4, { 0x03, 0xe0, 0x00, 0x08 }, "jr $ra" },
	{ "mips64el", 4, { 0x08, 0x00, 0xe0, 0x03 }, "jr $ra" },
	{ "ppc", 4, { 0x4e, 0x80, 0x00, 0x20 }, "blr" },
	{ "ppc64le", 4, { 0x20, 0x00, 0x80, 0x4e }, "blr" },
	{ "sparc", 4, { 0x01, 0x00, 0x00, 0x00 }, "nop" },
	{ "s390x", 2, { 0x07, 0xfe }, "br %r14" },
	{ "m68k", 2, { 0x4e, 0x75 }, "rts" },
	{ "no-such-isa", 0, { 0x90 }, "" },
	{ "", 0, { 0x90 }, "" },
};

static void check(void *self, const struct row *r)
{
	char text[160] = "left over";
	unsigned n = service(self)->disassemble(
		self, r->isa, 0x1000, r->bytes, sizeof(r->bytes), text, sizeof(text));
	if (n != r->length || strcmp(text, r->text) != 0)
		g_error("%s: \"%s\", %u bytes; wanted \"%s\", %u", r->isa, text, n, r->text,
			r->length);
}

static void test_text(void)
{
	void *self = start();
	g_assert_null(type()->interface(self, "bp.chr-back/1"));
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		check(self, &rows[i]);
	stop(self);
}

/* Neither cut-off bytes nor a small text buffer lead anywhere. */
static void test_borders(void)
{
	void *self = start();
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		const struct row *r = &rows[i];
		for (size_t room = 0; room <= 32; room++) {
			char *text = g_malloc(room + 1);
			text[room] = 'x';
			g_assert_cmpuint(service(self)->disassemble(self, r->isa, 0x1000, r->bytes,
						 sizeof(r->bytes), text, room),
				==, r->length);
			g_assert_cmpint(text[room], ==, 'x');
			if (room) {
				g_assert_cmpuint(strlen(text), <, room);
				g_assert_true(g_str_has_prefix(r->text, text));
			}
			g_free(text);
		}
		for (size_t len = 0; len < r->length; len++) {
			uint8_t *bytes = g_memdup2(r->bytes, len ? len : 1);
			char text[64];
			unsigned n = service(self)->disassemble(
				self, r->isa, 0x1000, bytes, len, text, sizeof(text));
			g_assert_cmpuint(n, <=, len);
			g_free(bytes);
		}
	}
	stop(self);
}

static void test_random(void)
{
	GRand *random = g_rand_new_with_seed(3);
	void *self = start();
	for (unsigned i = 0; i < 200000; i++) {
		const char *isa = rows[g_rand_int(random) % G_N_ELEMENTS(rows)].isa;
		uint64_t pc = (uint64_t)g_rand_int(random) << 32 | g_rand_int(random);
		uint32_t bytes[4];
		char text[64];
		for (unsigned n = 0; n < 4; n++)
			bytes[n] = g_rand_int(random);
		unsigned n = service(self)->disassemble(self, isa, pc, (const uint8_t *)bytes,
			g_rand_int(random) % 17, text, sizeof(text));
		g_assert_cmpuint(n, <=, 16);
		g_assert_true(n || !*text);
	}
	stop(self);
	g_rand_free(random);
}

static void *one_thread(void *self)
{
	for (unsigned round = 0; round < 300; round++)
		for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
			check(self, &rows[i]);
	return NULL;
}

static void test_threads(void)
{
	GThread *thread[4];
	void *self = start();
	for (unsigned i = 0; i < G_N_ELEMENTS(thread); i++)
		thread[i] = g_thread_new("disassemble", one_thread, self);
	for (unsigned i = 0; i < G_N_ELEMENTS(thread); i++)
		g_thread_join(thread[i]);
	stop(self);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/disas/text", test_text);
	g_test_add_func("/disas/borders", test_borders);
	g_test_add_func("/disas/random", test_random);
	g_test_add_func("/disas/threads", test_threads);
	return g_test_run();
}
