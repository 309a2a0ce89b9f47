/* SPDX-License-Identifier: MIT */
/* Message signalled interrupts (PCI 3.0, 6.8): a write of the function to an address that the guest
 * chose. */
#include "pci.h"

enum { MSI_CONTROL = 2, MSI_ADDRESS = 4, MSI_DATA = 12, MSI_MASK = 16, MSI_PENDING = 20 };
enum { MSI_ENABLE = 1, MSIX_ENABLE = 0x8000, MSIX_MASK_ALL = 0x4000 };
enum { ENTRY_DATA = 8, ENTRY_CONTROL = 12, ENTRY_MASKED = 1 };

int message_mode(const struct function *f)
{
	if (f->msix && config_get(f, f->msix + MSI_CONTROL, 2) & MSIX_ENABLE)
		return 2;
	return f->msi && config_get(f, f->msi + MSI_CONTROL, 2) & MSI_ENABLE ? 1 : 0;
}

static uint64_t little(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

static void send(struct function *f, uint64_t addr, uint32_t data)
{
	uint8_t b[4] = { (uint8_t)data, (uint8_t)(data >> 8), (uint8_t)(data >> 16),
		(uint8_t)(data >> 24) };
	/* Nobody there: the message is lost, as on a real bus. */
	f->host->dma_write(f->dma, addr, b, sizeof(b));
}

static void msix_send(struct function *f, unsigned n)
{
	const uint8_t *entry = &f->vectors[n * VECTOR_BYTES];
	if (entry[ENTRY_CONTROL] & ENTRY_MASKED ||
		config_get(f, f->msix + MSI_CONTROL, 2) & MSIX_MASK_ALL) {
		f->pending[n / 8] |= (uint8_t)(1u << n % 8);
		return;
	}
	f->pending[n / 8] &= (uint8_t) ~(1u << n % 8);
	send(f, little(entry, 8) & ~UINT64_C(3), (uint32_t)little(entry + ENTRY_DATA, 4));
}

/* The guest may allow fewer vectors than there are: the low bits of the data tell them apart. */
static void msi_send(struct function *f, unsigned n)
{
	unsigned allowed = 1u << (config_get(f, f->msi + MSI_CONTROL, 2) >> 4 & 7);
	uint32_t waiting = config_get(f, f->msi + MSI_PENDING, 4);
	allowed = allowed < f->dev->msi_vectors ? allowed : f->dev->msi_vectors;
	n &= allowed - 1;
	if (config_get(f, f->msi + MSI_MASK, 4) >> n & 1) {
		config_set(f, f->msi + MSI_PENDING, 4, waiting | UINT32_C(1) << n);
		return;
	}
	config_set(f, f->msi + MSI_PENDING, 4, waiting & ~(UINT32_C(1) << n));
	uint64_t addr = config_get(f, f->msi + MSI_ADDRESS, 4) |
		(uint64_t)config_get(f, f->msi + MSI_ADDRESS + 4, 4) << 32;
	send(f, addr, (config_get(f, f->msi + MSI_DATA, 2) & ~(allowed - 1)) | n);
}

int message_send(struct function *f, unsigned n)
{
	int mode = f->power_on ? message_mode(f) : 0;
	if (mode == 2 && n < f->dev->msix.vectors)
		msix_send(f, n);
	else if (mode == 1)
		msi_send(f, n);
	return mode != 0;
}

void message_unmasked(struct function *f)
{
	int mode = message_mode(f);
	for (unsigned n = 0; mode == 2 && n < f->dev->msix.vectors; n++)
		if (f->pending[n / 8] >> n % 8 & 1)
			msix_send(f, n);
	for (unsigned n = 0; mode == 1 && n < f->dev->msi_vectors; n++)
		if (config_get(f, f->msi + MSI_PENDING, 4) >> n & 1)
			msi_send(f, n);
}

uint64_t msix_read(struct function *f, unsigned offset, unsigned bytes)
{
	unsigned table = f->dev->msix.vectors * VECTOR_BYTES,
		 bits = (f->dev->msix.vectors + 7u) / 8;
	if (offset + bytes <= table)
		return little(&f->vectors[offset], bytes);
	uint64_t v = 0;
	for (unsigned i = 0; i < bytes; i++)
		if (offset + i >= MSIX_PENDING && offset + i - MSIX_PENDING < bits)
			v |= (uint64_t)f->pending[offset + i - MSIX_PENDING] << 8 * i;
	return v;
}

void msix_write(struct function *f, unsigned offset, unsigned bytes, uint64_t value)
{
	if (offset + bytes > f->dev->msix.vectors * VECTOR_BYTES)
		return;
	for (unsigned i = 0; i < bytes; i++) {
		unsigned at = offset + i, field = at % VECTOR_BYTES;
		uint8_t keep = field == ENTRY_CONTROL ? ENTRY_MASKED
			: field < ENTRY_CONTROL       ? 0xff
						      : 0;
		f->vectors[at] = (uint8_t)(value >> 8 * i) & keep;
	}
	unsigned n = offset / VECTOR_BYTES;
	if (message_mode(f) == 2 && f->pending[n / 8] >> n % 8 & 1)
		msix_send(f, n);
}
