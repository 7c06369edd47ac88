// A kernel module that records what kprobes' own pre- and post-handlers are given,
// of one thread: tests hold ktrap's post-handlers against it.
//
// Its file in debugfs takes the thread's id and the addresses of probes, as 64-bit
// words, and replaces the probes that were there; it is read as words, too: the
// errors of registering, one an address, and then the records.
#include <linux/module.h>
#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#define INCLUDE_VERMAGIC /* as modpost says */
#include <linux/vermagic.h>
#include <linux/vmalloc.h>

#define MOST_PROBES 512
#define MOST_RECORDS (1 << 17)

struct record {
	u64 addr, post, time; /* as bpf_ktime_get_ns has it */
	u64 regs[18]; /* as instructions number them, then ip and flags */
};

static struct kprobe probes[MOST_PROBES];
static s64 errors[MOST_PROBES];
static size_t count;
static pid_t thread;
static struct record *records;
static atomic_t used;
static struct dentry *file, *instructions;
static DEFINE_MUTEX(one_at_a_time);

static void note(struct kprobe *p, struct pt_regs *r, u64 post)
{
	struct record *to;
	int i;

	if (current->pid != thread)
		return;
	i = atomic_inc_return(&used) - 1;
	if (i >= MOST_RECORDS)
		return;
	to = &records[i];
	*to = (struct record){ (unsigned long)p->addr, post, ktime_get_mono_fast_ns(),
		{ r->ax, r->cx, r->dx, r->bx, r->sp, r->bp, r->si, r->di, r->r8, r->r9, r->r10, r->r11,
		  r->r12, r->r13, r->r14, r->r15, r->ip, r->flags } };
}

static int pre(struct kprobe *p, struct pt_regs *regs)
{
	note(p, regs, 0);
	return 0;
}

static void post(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
	note(p, regs, 1);
}

static void disarm(void)
{
	struct kprobe *armed[MOST_PROBES / 8];
	size_t i = 0;

	while (i < count) {
		int n = 0;

		for (; i < count && n < MOST_PROBES / 8; i++)
			if (!errors[i])
				armed[n++] = &probes[i];
		if (n)
			unregister_kprobes(armed, n);
	}
	count = 0;
}

static ssize_t arm(struct file *f, const char __user *from, size_t size, loff_t *at)
{
	u64 *words;
	size_t i, n = size / 8;

	if (n < 1 || n > MOST_PROBES + 1)
		return -EINVAL;
	words = memdup_user(from, size);
	if (IS_ERR(words))
		return PTR_ERR(words);
	mutex_lock(&one_at_a_time);
	disarm();
	atomic_set(&used, 0);
	thread = words[0];
	count = n - 1;
	for (i = 0; i < count; i++) {
		probes[i] = (struct kprobe){ .addr = (void *)(unsigned long)words[i + 1], .pre_handler = pre, .post_handler = post };
		errors[i] = register_kprobe(&probes[i]);
	}
	mutex_unlock(&one_at_a_time);
	kfree(words);
	return size;
}

static ssize_t tell(struct file *f, char __user *to, size_t size, loff_t *at)
{
	size_t first = count * sizeof(errors[0]);

	if (*at < first)
		return simple_read_from_buffer(to, size, at, errors, first);
	*at -= first;
	{
		ssize_t n = simple_read_from_buffer(to, size, at, records,
			min(atomic_read(&used), MOST_RECORDS) * sizeof(*records));
		*at += first;
		return n;
	}
}

// every_kind has an instruction of each kind that kprobes allow and that a compiler
// seldom or never makes.
static noinline void every_kind(void)
{
	static u64 memory[64];
	void *to = memory, *from = memory + 32;

	asm volatile(
		"	mov $3, %%ecx\n"
		"	push %%rdi\n	push %%rsi\n"
		"	rep stosb\n	mov $5, %%ecx\n	rep movsq\n	movsb\n	stosl\n	lodsq\n	scasb\n"
		"	mov $4, %%ecx\n	repe cmpsb\n	mov $3, %%ecx\n	repne scasb\n	rep lodsb\n"
		"	pop %%rsi\n	pop %%rdi\n"
		"	xor %%ecx, %%ecx\n	jrcxz 1f\n	nop\n"
		"1:	inc %%ecx\n	jrcxz 2f\n	.byte 0x67\n	jrcxz 2f\n"
		"2:	ror $16, %%rcx\n	jrcxz 3f\n	.byte 0x67\n	jrcxz 3f\n	nop\n"
		"3:	lea 4f(%%rip), %%rax\n	call *%%rax\n	jmp 5f\n"
		"4:	ret\n"
		"5:	lea 6f(%%rip), %%r11\n	jmp *%%r11\n	nop\n"
		"6:	lea 7f(%%rip), %%r10\n	push %%r10\n	ret\n	nop\n"
		"7:	push %%rbp\n	mov %%rsp, %%rbp\n	sub $0x40, %%rsp\n	leave\n"
		"	push %%rsp\n	pop %%rax\n	push $-1\n	pushq (%%rdi)\n	popq (%%rdi)\n	pop %%rdx\n"
		"	lea -8(%%rsp), %%rsp\n	inc %%rsp\n	dec %%rsp\n	add $8, %%rsp\n"
		"	pushfq\n	cli\n	nop\n	popfq\n	pushfq\n	cli\n	sti\n	nop\n	popfq\n"
		"	stc\n	cmc\n	std\n	cld\n	clc\n	lahf\n	sahf\n	cltq\n	cqto\n	cwtl\n"
		"	mov $7, %%eax\n	mul %%ecx\n	mov $9, %%edx\n	imul $5, %%rdx, %%rax\n	xor %%edx, %%edx\n	mov $3, %%ecx\n	div %%rcx\n"
		"	shl %%cl, %%rax\n	shld $3, %%rax, %%rdx\n	rcr $1, %%rdx\n	sar $2, %%edx\n	bswap %%rax\n	bsr %%rcx, %%rax\n	bt %%rax, %%rdx\n	btsl $3, (%%rdi)\n"
		"	cmp %%rax, %%rdx\n	cmovb %%rdx, %%rax\n	setg %%al\n	sbb %%rcx, %%rcx\n	neg %%ecx\n	not %%rdx\n"
		"	lock xaddq %%rax, (%%rdi)\n	xchg %%rdx, (%%rdi)\n	lock cmpxchgq %%rdx, (%%rdi)\n	cmpxchg8b (%%rdi)\n	lock decl (%%rdi)\n"
		"	movzbl (%%rdi), %%eax\n	movslq (%%rdi), %%rcx\n	testb $1, (%%rdi)\n"
		"	xor %%eax, %%eax\n	cpuid\n	rdtsc\n	mov %%cr0, %%rax\n	mov %%ds, %%edx\n	smsw %%ecx\n	sgdt 16(%%rdi)\n	pause\n	lfence\n	prefetcht0 (%%rdi)\n"
		: "+D"(to), "+S"(from)
		:
		: "rax", "rbx", "rcx", "rdx", "r10", "r11", "memory", "cc");
}

// turns are those that a loop of three makes.
noinline u64 truth_turns(void);
noinline u64 truth_turns(void)
{
	u64 n = 0, of = 3;

	asm volatile("1:	inc %0\n	loop 1b\n" : "+r"(n), "+c"(of));
	return n;
}

// left_over is what a return that takes an argument from the stack leaves of it.
noinline u64 truth_left_over(void);
noinline u64 truth_left_over(void)
{
	u64 n;

	asm volatile(
		"	mov %%rsp, %%rbx\n	push $0\n	call 1f\n	jmp 2f\n"
		"1:	ret $8\n"
		"2:	mov %%rbx, %0\n	sub %%rsp, %0\n	mov %%rbx, %%rsp\n"
		: "=a"(n) : : "rbx", "memory", "cc");
	return n;
}

static ssize_t run(struct file *f, char __user *to, size_t size, loff_t *at)
{
	u64 did[2];

	every_kind();
	did[0] = truth_turns();
	did[1] = truth_left_over();
	return simple_read_from_buffer(to, size, at, did, sizeof(did));
}

static const struct file_operations running = { .owner = THIS_MODULE, .read = run };
static const struct file_operations operations = { .owner = THIS_MODULE, .write = arm, .read = tell };

int init_module(void);
int init_module(void)
{
	records = vzalloc(MOST_RECORDS * sizeof(*records));
	if (!records)
		return -ENOMEM;
	file = debugfs_create_file("ktrap_truth", 0600, NULL, NULL, &operations);
	instructions = debugfs_create_file("ktrap_truth_instructions", 0600, NULL, NULL, &running);
	return 0;
}

void cleanup_module(void);
void cleanup_module(void)
{
	debugfs_remove(instructions);
	debugfs_remove(file);
	disarm();
	vfree(records);
}

/* What modpost would write; there are no versions of symbols in it. */
struct module __this_module __section(".gnu.linkonce.this_module") = {
	.name = "truth", .init = init_module, .exit = cleanup_module, .arch = MODULE_ARCH_INIT,
};
MODULE_INFO(vermagic, VERMAGIC_STRING);
MODULE_INFO(name, "truth");
MODULE_INFO(retpoline, "Y");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("what kprobes' own handlers are given");
