/* SPDX-License-Identifier: MIT */
/* Page tables that one hart changes while all use them (privileged manual, 4.2.1). Hart 0 points a page
 * elsewhere, takes it away, or changes what it permits, and asks the others by IPI to fence; when all have
 * acknowledged, nobody may see the old frame any more: it is filled with poison, and must keep it. */
#include "harts.h"

#define VA     0x20000000ul
#define FRAMES 0x80800000ul
#define POISON 0xdeadul

enum { PAGES = 8, FRAME_COUNT = 24, WORDS = 512, CODE_AT = 0x800, LOOPS = 300, ASIDS = 20 };

/* A frame: its page's number + 1 in the words 0 to 3, what each hart stores in 8 + hart, code at CODE_AT. */
static struct {
	volatile ulong frame; /* index; PAGES of them are in use */
	volatile ulong flags; /* PTE_R ... as the page stands; V missing: not mapped */
	volatile ulong turn; /* odd: being changed */
} pages[PAGES];
static ulong free_frames[FRAME_COUNT], free_count;

static volatile ulong turn, acknowledged[HARTS], fence_addr; /* 0: all */
static volatile bool stop;
static volatile ulong errors[HARTS], faults[HARTS], loops[HARTS], last_error[HARTS];
static ulong changes;

static ulong frame_at(ulong n)
{
	return FRAMES + n * 4096;
}

static void error(ulong hart, ulong what)
{
	errors[hart] = errors[hart] + 1;
	last_error[hart] = what;
}

/* ---- every hart, in S: ---- */

/* In S, translated. a0: the hart, a1: a random number; what is wrong, or 0. A page fault ends it too. */
static ulong use_pages(ulong hart, ulong r)
{
	for (int i = 0; i < LOOPS; i++) {
		r = r * 6364136223846793005ul + 1442695040888963407ul;
		ulong page = r >> 40 & (PAGES - 1), base = VA + page * 4096;
		ulong got;
		switch (r >> 60) {
		case 0 ... 5:
			got = *(volatile ulong *)(base + (r >> 50 & 3) * 8);
			if (got != page + 1)
				return got << 16 | page << 8 | 1;
			break;
		case 6 ... 8: *(volatile ulong *)(base + 64 + 8 * hart) = r >> 20; break;
		case 9:
			__asm__ volatile("amoadd.d %0, %1, (%2)"
					 : "=r"(got)
					 : "r"(1), "r"(base + 128)
					 : "memory");
			break;
		default:
			got = ((ulong(*)(void))(base + CODE_AT))();
			if (got != page + 1)
				return got << 16 | page << 8 | 2;
		}
	}
	return 0;
}

static void fence_now(ulong hart)
{
	ulong addr = fence_addr;
	switch (addr ? random_below(hart, 3) : 0) {
	case 0: __asm__ volatile("sfence.vma" ::: "memory"); break;
	case 1: __asm__ volatile("sfence.vma %0, x0" ::"r"(addr) : "memory"); break;
	default:
		for (ulong asid = 0; asid < ASIDS; asid++)
			__asm__ volatile("sfence.vma %0, %1" ::"r"(addr), "r"(asid) : "memory");
	}
	__asm__ volatile("fence.i" ::: "memory");
}

void on_ipi(ulong hart)
{
	ulong now = turn;
	if (acknowledged[hart] == now)
		return;
	fence_now(hart);
	publish(&acknowledged[hart], now);
}

/* A page fault is right if the page did not permit the access at some time since it began. */
static void check_fault(ulong hart, struct trap t, const ulong *before)
{
	ulong page = (t.tval - VA) / 4096;
	ulong needs = t.cause == C_FETCH_PAGE ? PTE_X : t.cause == C_LOAD_PAGE ? PTE_R : PTE_W;
	faults[hart] = faults[hart] + 1;
	if (page >= PAGES || t.cause < C_FETCH_PAGE || t.cause > C_STORE_PAGE) {
		error(hart, t.cause << 8 | 3);
		return;
	}
	fence();
	ulong flags = pages[page].flags;
	fence();
	bool steady = pages[page].turn == before[page] && !(before[page] & 1);
	if (steady && (flags & (PTE_V | needs)) == (PTE_V | needs))
		error(hart, t.cause << 16 | page << 8 | 4);
}

static void use_some(ulong hart)
{
	ulong before[PAGES];
	for (int p = 0; p < PAGES; p++)
		before[p] = pages[p].turn;
	fence();
	if (random_below(hart, 4) == 0)
		vm_on_asid(random_below(hart, ASIDS));
	struct trap t = run_in(S, (code *)use_pages, hart, random(hart));
	loops[hart] = loops[hart] + 1;
	if (t.cause == (C_IRQ | MSI))
		return; /* wait_change() or the next look at mip takes it */
	if (t.cause != C_NONE)
		check_fault(hart, t, before);
	else if (t.value)
		error(hart, t.value);
}

static void look(ulong hart)
{
	if (csr_read("mip") & BIT(MSI)) {
		set32(CLINT + 4 * hart, 0);
		fence();
		on_ipi(hart);
	}
}

static void worker(ulong hart)
{
	vm_on_asid(hart);
	vm_flush();
	while (!stop) {
		use_some(hart);
		look(hart);
	}
	csr_write("satp", 0);
	vm_flush();
}

/* ---- hart 0 ---- */

static void fill_frame(ulong n, ulong value)
{
	volatile ulong *at = (ulong *)frame_at(n);
	for (int i = 0; i < 4; i++)
		at[i] = value;
	for (int i = 8; i < 17; i++)
		at[i] = value;
	*(volatile uint32_t *)(frame_at(n) + CODE_AT) =
		(uint32_t)(value & 0x7ff) << 20 | 10 << 7 | 0x13;
	*(volatile uint32_t *)(frame_at(n) + CODE_AT + 4) = 0x00008067;
}

static bool frame_kept(ulong n)
{
	volatile ulong *at = (ulong *)frame_at(n);
	for (int i = 8; i < 17; i++)
		if (at[i] != POISON)
			return false;
	return true;
}

static void shoot_down(ulong addr)
{
	fence_addr = addr;
	turn = turn + 1;
	fence_now(0);
	for (ulong h = 1; h < HARTS; h++)
		ipi(h);
	for (ulong h = 1; h < HARTS; h++)
		wait_for(&acknowledged[h], turn);
}

static void set_page(ulong page, ulong frame, ulong flags)
{
	vm_map(VA + page * 4096, frame_at(frame), flags, 0);
	if (!(flags & PTE_V))
		*vm_entry(VA + page * 4096, 0) = 0;
}

static ulong take_frame(ulong page)
{
	/* the one that has been free for longest */
	ulong frame = free_frames[0];
	if (!frame_kept(frame))
		error(0, frame << 8 | 5);
	for (ulong n = 1; n < free_count; n++)
		free_frames[n - 1] = free_frames[n];
	free_count--;
	fill_frame(frame, page + 1);
	return frame;
}

static void give_frame(ulong frame)
{
	fill_frame(frame, POISON);
	free_frames[free_count++] = frame;
}

static ulong permission(void)
{
	static const ulong rare[] = { PTE_V | PTE_RW, PTE_V | PTE_R | PTE_X | PTE_A | PTE_D,
		PTE_V | PTE_X | PTE_A, 0 };
	return random_below(0, 40) ? PTE_V | PTE_RWX : rare[random_below(0, 4)];
}

/* Some pages at once; then what was before may not be seen any more. */
static void change(void)
{
	ulong first = random_below(0, PAGES), n = 1 + random_below(0, 3), old[PAGES];
	for (ulong i = 0; i < n; i++) {
		ulong page = (first + i) % PAGES;
		bool move = random_below(0, 4) != 0;
		old[i] = move ? pages[page].frame : FRAME_COUNT;
		pages[page].turn = pages[page].turn + 1;
		fence();
		if (move)
			pages[page].frame = take_frame(page);
		pages[page].flags = permission();
		set_page(page, pages[page].frame, pages[page].flags);
	}
	shoot_down(n == 1 ? VA + first * 4096 : 0);
	for (ulong i = 0; i < n; i++) {
		ulong page = (first + i) % PAGES;
		pages[page].turn = pages[page].turn + 1;
		if (old[i] < FRAME_COUNT)
			give_frame(old[i]);
	}
	fence();
	changes += n;
}

static void leader(void)
{
	vm_on_asid(0);
	vm_flush();
	while (time_left()) {
		change();
		if (random_below(0, 3) == 0)
			use_some(0);
	}
	for (ulong n = 0; n < free_count; n++)
		if (!frame_kept(free_frames[n]))
			error(0, 6);
	stop = true;
	csr_write("satp", 0);
	vm_flush();
}

static void part(ulong hart)
{
	if (hart)
		worker(hart);
	else
		leader();
}

void run(void)
{
	vm_start(VM_SV39);
	for (ulong p = 0; p < PAGES; p++) {
		fill_frame(p, p + 1);
		pages[p].frame = p;
		pages[p].flags = PTE_V | PTE_RWX;
		set_page(p, p, PTE_V | PTE_RWX);
	}
	for (ulong n = PAGES; n < FRAME_COUNT; n++) {
		fill_frame(n, POISON);
		free_frames[free_count++] = n;
	}
	everywhere(part);
	put_number("# ", changes);
	put_string(" changes");
	for (int h = 0; h < HARTS; h++) {
		put_number("; hart ", (ulong)h);
		put_number(": ", loops[h]);
		put_number(" runs, ", faults[h]);
		put_number(" page faults, ", errors[h]);
		put_string(" errors ");
		put_hex(last_error[h]);
	}
	put_char('\n');
	result(!errors[0], "a frame that was taken away is not written");
	result(!errors[1] && !errors[2] && !errors[3],
		"no hart sees an old translation after it has acknowledged");
	result(faults[1] + faults[2] + faults[3] && changes > 20,
		"pages were changed, and faults taken");
}
