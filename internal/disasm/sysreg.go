package disasm

import (
	"fmt"
	"strings"
)

// systemRegisters are the registers of arm64 that kernels name: those that 6.12
// reads or writes, by all but the last number of their encoding (s3_0_c13_c0_4 is
// tpidr_el1), which counts the words.
var systemRegisters = map[string]string{
	"s2_0_c0_c2":   "mdccint_el1 - mdscr_el1",
	"s2_0_c1_c0":   "- - - - oslar_el1",
	"s2_0_c1_c1":   "- - - - oslsr_el1",
	"s2_0_c1_c3":   "- - - - osdlr_el1",
	"s2_0_c7_c14":  "- - - - - - dbgauthstatus_el1",
	"s2_4_c0_c7":   "dbgvcr32_el2",
	"s3_0_c0_c0":   "midr_el1 - - - - mpidr_el1 revidr_el1",
	"s3_0_c0_c1":   "id_pfr0_el1 id_pfr1_el1 id_dfr0_el1 - id_mmfr0_el1 id_mmfr1_el1 id_mmfr2_el1 id_mmfr3_el1",
	"s3_0_c0_c2":   "id_isar0_el1 id_isar1_el1 id_isar2_el1 id_isar3_el1 id_isar4_el1 id_isar5_el1 id_mmfr4_el1 id_isar6_el1",
	"s3_0_c0_c3":   "mvfr0_el1 mvfr1_el1 mvfr2_el1 - id_pfr2_el1 id_dfr1_el1 id_mmfr5_el1",
	"s3_0_c0_c4":   "id_aa64pfr0_el1 id_aa64pfr1_el1 - - id_aa64zfr0_el1 id_aa64smfr0_el1",
	"s3_0_c0_c5":   "id_aa64dfr0_el1 id_aa64dfr1_el1",
	"s3_0_c0_c6":   "id_aa64isar0_el1 id_aa64isar1_el1 id_aa64isar2_el1",
	"s3_0_c0_c7":   "id_aa64mmfr0_el1 id_aa64mmfr1_el1 id_aa64mmfr2_el1",
	"s3_0_c1_c0":   "sctlr_el1 actlr_el1 cpacr_el1 - - rgsr_el1 gcr_el1",
	"s3_0_c1_c2":   "zcr_el1",
	"s3_0_c2_c0":   "ttbr0_el1 ttbr1_el1 tcr_el1",
	"s3_0_c2_c1":   "apiakeylo_el1 apiakeyhi_el1 apibkeylo_el1 apibkeyhi_el1",
	"s3_0_c2_c2":   "apdakeylo_el1 apdakeyhi_el1 apdbkeylo_el1 apdbkeyhi_el1",
	"s3_0_c2_c3":   "apgakeylo_el1 apgakeyhi_el1",
	"s3_0_c4_c0":   "spsr_el1 elr_el1",
	"s3_0_c4_c1":   "sp_el0",
	"s3_0_c4_c2":   "spsel - currentel pan uao",
	"s3_0_c4_c6":   "icc_pmr_el1",
	"s3_0_c5_c2":   "esr_el1",
	"s3_0_c5_c6":   "tfsr_el1 tfsre0_el1",
	"s3_0_c6_c0":   "far_el1",
	"s3_0_c7_c4":   "par_el1",
	"s3_0_c9_c10":  "- - - - - - - pmbidr_el1",
	"s3_0_c9_c11":  "- - - - - - - trbidr_el1",
	"s3_0_c9_c14":  "- pmintenset_el1 pmintenclr_el1 - - - pmmir_el1",
	"s3_0_c10_c2":  "mair_el1",
	"s3_0_c10_c3":  "amair_el1",
	"s3_0_c12_c0":  "vbar_el1",
	"s3_0_c12_c1":  "isr_el1 disr_el1",
	"s3_0_c12_c8":  "- - - - icc_ap0r0_el1 icc_ap0r1_el1 icc_ap0r2_el1 icc_ap0r3_el1",
	"s3_0_c12_c9":  "icc_ap1r0_el1 icc_ap1r1_el1 icc_ap1r2_el1 icc_ap1r3_el1",
	"s3_0_c12_c11": "- icc_dir_el1 - - - icc_sgi1r_el1",
	"s3_0_c12_c12": "icc_iar1_el1 icc_eoir1_el1 - icc_bpr1_el1 icc_ctlr_el1 icc_sre_el1 - icc_igrpen1_el1",
	"s3_0_c13_c0":  "- contextidr_el1 - - tpidr_el1",
	"s3_0_c14_c1":  "cntkctl_el1",
	"s3_1_c0_c0":   "- clidr_el1 - - gmid_el1 - smidr_el1 aidr_el1",
	"s3_3_c0_c0":   "- ctr_el0 - - - - - dczid_el0",
	"s3_3_c2_c4":   "rndr rndrrs",
	"s3_3_c4_c2":   "nzcv daif",
	"s3_3_c4_c4":   "fpcr fpsr",
	"s3_3_c9_c12":  "pmcr_el0 pmcntenset_el0 pmcntenclr_el0 pmovsclr_el0 - pmselr_el0 pmceid0_el0 pmceid1_el0",
	"s3_3_c9_c13":  "pmccntr_el0",
	"s3_3_c9_c14":  "pmuserenr_el0",
	"s3_3_c13_c0":  "- - tpidr_el0 tpidrro_el0",
	"s3_3_c13_c2":  "- - - amuserenr_el0",
	"s3_3_c13_c4":  "amevcntr00_el0 amevcntr01_el0",
	"s3_3_c14_c0":  "cntfrq_el0 cntpct_el0 cntvct_el0 - - cntpctss_el0 cntvctss_el0",
	"s3_3_c14_c2":  "- cntp_ctl_el0 cntp_cval_el0",
	"s3_3_c14_c3":  "- cntv_ctl_el0 cntv_cval_el0",
	"s3_3_c14_c15": "- - - - - - - pmccfiltr_el0",
	"s3_4_c0_c0":   "- - - - - vmpidr_el2",
	"s3_4_c1_c1":   "hcr_el2 mdcr_el2 - hstr_el2 hfgrtr_el2 hfgwtr_el2 hfgitr_el2",
	"s3_4_c1_c2":   "zcr_el2 - hcrx_el2",
	"s3_4_c2_c1":   "vttbr_el2 - vtcr_el2",
	"s3_4_c2_c2":   "vncr_el2",
	"s3_4_c3_c0":   "dacr32_el2",
	"s3_4_c3_c1":   "- - - - hdfgrtr_el2 hdfgwtr_el2 hafgrtr_el2",
	"s3_4_c4_c0":   "spsr_el2 elr_el2",
	"s3_4_c4_c1":   "sp_el1",
	"s3_4_c4_c3":   "spsr_irq spsr_abt spsr_und spsr_fiq",
	"s3_4_c5_c0":   "- ifsr32_el2",
	"s3_4_c5_c2":   "esr_el2 - - vsesr_el2",
	"s3_4_c5_c3":   "fpexc32_el2",
	"s3_4_c6_c0":   "- - - - hpfar_el2",
	"s3_4_c12_c0":  "vbar_el2",
	"s3_4_c12_c1":  "- vdisr_el2",
	"s3_4_c12_c8":  "ich_ap0r0_el2 ich_ap0r1_el2 ich_ap0r2_el2 ich_ap0r3_el2",
	"s3_4_c12_c9":  "ich_ap1r0_el2 ich_ap1r1_el2 ich_ap1r2_el2 ich_ap1r3_el2 - icc_sre_el2",
	"s3_4_c12_c11": "ich_hcr_el2 ich_vtr_el2 - - - ich_elrsr_el2 - ich_vmcr_el2",
	"s3_4_c13_c0":  "- - tpidr_el2",
	"s3_4_c14_c0":  "- - - cntvoff_el2 - - cntpoff_el2",
	"s3_4_c14_c1":  "cnthctl_el2",
	"s3_5_c1_c0":   "sctlr_el12 - cpacr_el12",
	"s3_5_c1_c2":   "zcr_el12",
	"s3_5_c2_c0":   "ttbr0_el12 ttbr1_el12 tcr_el12",
	"s3_5_c4_c0":   "spsr_el12 elr_el12",
	"s3_5_c5_c1":   "afsr0_el12 afsr1_el12",
	"s3_5_c5_c2":   "esr_el12",
	"s3_5_c5_c6":   "tfsr_el12",
	"s3_5_c6_c0":   "far_el12",
	"s3_5_c10_c2":  "mair_el12",
	"s3_5_c10_c3":  "amair_el12",
	"s3_5_c12_c0":  "vbar_el12",
	"s3_5_c13_c0":  "- contextidr_el12",
	"s3_5_c14_c1":  "cntkctl_el12",
	"s3_5_c14_c2":  "- cntp_ctl_el02 cntp_cval_el02",
	"s3_5_c14_c3":  "- cntv_ctl_el02 cntv_cval_el02",
}

// systemRegister is the register of an mrs or msr.
func systemRegister(w uint32) string {
	op0, op1, cn, cm, op2 := 2+(w>>19&1), w>>16&7, w>>12&15, w>>8&15, w>>5&7
	key := fmt.Sprintf("s%d_%d_c%d_c%d", op0, op1, cn, cm)
	names := strings.Fields(systemRegisters[key])
	switch {
	case int(op2) < len(names) && names[op2] != "-":
		return names[op2]
	case op0 == 2 && op1 == 0 && cn == 0 && op2 >= 4:
		return fmt.Sprintf("dbg%s%d_el1", [4]string{"bvr", "bcr", "wvr", "wcr"}[op2-4], cm)
	case op0 == 3 && op1 == 3 && cn == 14 && cm >= 8:
		return fmt.Sprintf("pmev%s%d_el0", [2]string{"cntr", "typer"}[cm>>2&1], cm&3<<3|op2)
	case op0 == 3 && op1 == 4 && cn == 12 && cm>>1 == 6:
		return fmt.Sprintf("ich_lr%d_el2", cm&1<<3|op2)
	}
	return fmt.Sprintf("%s_%d", key, op2)
}

// stateFields are the fields of the processor's state that an msr with a constant
// writes, by op1 and op2.
var stateFields = map[[2]uint32]string{
	{0, 3}: "uao", {0, 4}: "pan", {0, 5}: "spsel",
	{3, 1}: "ssbs", {3, 2}: "dit", {3, 4}: "tco", {3, 6}: "daifset", {3, 7}: "daifclr",
}

// systemOperations are those of sys that have a name, by op1, CRn, CRm and op2.
var systemOperations = map[[4]uint32]string{
	{0, 7, 1, 0}: "ic ialluis", {0, 7, 5, 0}: "ic iallu", {3, 7, 5, 1}: "ic ivau",
	{0, 7, 8, 0}: "at s1e1r", {0, 7, 8, 1}: "at s1e1w", {0, 7, 8, 2}: "at s1e0r", {0, 7, 8, 3}: "at s1e0w",
	{0, 7, 9, 0}: "at s1e1rp", {0, 7, 9, 1}: "at s1e1wp",
	{4, 7, 8, 0}: "at s1e2r", {4, 7, 8, 1}: "at s1e2w",
	{4, 7, 8, 4}: "at s12e1r", {4, 7, 8, 5}: "at s12e1w", {4, 7, 8, 6}: "at s12e0r", {4, 7, 8, 7}: "at s12e0w",
}
