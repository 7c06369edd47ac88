package ktrap

import "slices"

// neverReturns tells whether a call of that function is the end of a path. The
// compiler knows from the declarations; these are the ones that occur in code
// that is probed, on 5.10 to 7.3.
func neverReturns(name string) bool { return slices.Contains(noReturn, name) }

var noReturn = []string{
	"__module_put_and_exit", "__module_put_and_kthread_exit", "__reiserfs_panic", "__stack_chk_fail",
	"arch_cpu_idle_dead", "complete_and_exit", "cpu_startup_entry", "do_exit", "do_group_exit",
	"do_task_dead", "ex_handler_msr_mce", "fortify_panic", "__fortify_panic", "kthread_complete_and_exit",
	"kthread_exit", "machine_real_restart", "make_task_dead", "mpt_halt_firmware", "nmi_panic_self_stop",
	"panic", "panic_smp_self_stop", "rewind_stack_and_make_dead", "rewind_stack_do_exit", "stop_this_cpu",
	"usercopy_abort", "x86_64_start_kernel", "x86_64_start_reservations", "xen_start_kernel",
}
