/* SPDX-License-Identifier: MIT */
/* Fields of control and status registers that more than one file needs (priv 3.1.6, 3.1.18). */
#ifndef CPU_RISCV_CSR_H
#define CPU_RISCV_CSR_H

#define MSTATUS_SIE  (UINT64_C(1) << 1)
#define MSTATUS_MIE  (UINT64_C(1) << 3)
#define MSTATUS_SPIE (UINT64_C(1) << 5)
#define MSTATUS_MPIE (UINT64_C(1) << 7)
#define MSTATUS_SPP  (UINT64_C(1) << 8)
#define MSTATUS_VS   (UINT64_C(3) << 9)
#define MSTATUS_MPP  (UINT64_C(3) << 11)
#define MSTATUS_FS   (UINT64_C(3) << 13)
#define MSTATUS_MPRV (UINT64_C(1) << 17)
#define MSTATUS_SUM  (UINT64_C(1) << 18)
#define MSTATUS_MXR  (UINT64_C(1) << 19)
#define MSTATUS_TVM  (UINT64_C(1) << 20)
#define MSTATUS_TW   (UINT64_C(1) << 21)
#define MSTATUS_TSR  (UINT64_C(1) << 22)
enum { MSTATUS_VS_SHIFT = 9, MSTATUS_MPP_SHIFT = 11, MSTATUS_FS_SHIFT = 13 };

#define MENVCFG_CBIE  (UINT64_C(3) << 4)
#define MENVCFG_CBCFE (UINT64_C(1) << 6)
#define MENVCFG_CBZE  (UINT64_C(1) << 7)
#define MENVCFG_ADUE  (UINT64_C(1) << 61)
#define MENVCFG_PBMTE (UINT64_C(1) << 62)
#define MENVCFG_STCE  (UINT64_C(1) << 63)

#endif
