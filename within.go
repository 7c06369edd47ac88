package ktrap

import (
	"fmt"
	"regexp"
	"sync"

	"ktrap/internal/plan"
)

// within matches the functions that our programs run themselves: some while they
// hold the ring buffer's lock, or a map's. A program that is called there wants the
// same lock, and waits for itself: measured on 6.12, where a trampoline's program
// was hit by a kprobe in __bpf_ringbuf_reserve. Before 5.12 (ca06f55b9002) one at
// such a function's entry also calls itself until the stack ends: seen on 5.10.
//
// A kprobe's program keeps all others of kprobes out; so where such a function is
// probed, there are no trampolines.
var within = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(__)?(bpf_|htab_|array_map_|percpu_array_|stack_map_|trie_|pcpu_freelist_|lookup_(nulls_)?elem_raw|alloc_htab_elem|` +
		`_?raw_spin_|_raw_read_|_raw_write_|native_queued_spin_lock|pv_queued_spin_lock|queued_spin_lock|resilient_|rqspinlock|irq_work_|arch_irq_work_|` +
		`x2apic_|native_apic_|native_send_|apic_|default_send_IPI|ktime_get|copy_from_(kernel|user)_nofault|probe_kernel_|strncpy_from_|strnlen_user|` +
		`strscpy|strncpy|strlcpy|strlen|strnlen|memcpy|memset|memcmp|memmove|rcu_read_|migrate_|preempt_count_|get_perf_callchain|perf_callchain|` +
		`(get|put)_callchain_entry|unwind_|orc_find|stack_access_ok|get_stack_info|in_\w*_stack|kernel_text_address|is_bpf_text|` +
		`cgroup_id|task_cgroup|get_user_pages_fast_only|find_vma|btf_)`)
})

// keepOut has kprobes in place of trampolines where programs could run within each
// other. What is attached already can't be changed.
func (p *prepared) keepOut(s *Session) error {
	inner := innerOf(p.regs)
	if inner == nil {
		inner = innerOf(s.regs)
	} else if t := trampolineOf(s.regs); t != nil {
		return fmt.Errorf("%s: programs run %s themselves, and %s is by %s, whose program must not be interrupted there: register them together, or this one first",
			inner.Place(), inner.sym.Name, t.Place(), t.Mechanism())
	}
	if inner == nil {
		return nil
	}
	for i := range p.points {
		p.points[i].FuncID, p.points[i].NoFunc = 0, "programs run "+inner.sym.Name+" themselves: only kprobes keep each other out there"
	}
	return nil
}

func innerOf(regs []*Registration) *Registration {
	before := "" // the function of the one before
	return first(regs, func(r *Registration) bool {
		if r.sym.Name == before {
			return false
		}
		before = r.sym.Name
		return within().MatchString(before)
	})
}

func trampolineOf(regs []*Registration) *Registration {
	return first(regs, func(r *Registration) bool {
		return r.step.Mechanism == plan.Fentry || r.step.Mechanism == plan.Fexit
	})
}

// first is the first of what is registered that fits, or nil.
func first(regs []*Registration, fits func(*Registration) bool) *Registration {
	for _, r := range regs {
		if !r.gone && fits(r) {
			return r
		}
	}
	return nil
}
