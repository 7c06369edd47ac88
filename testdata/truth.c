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
#include <linux/uaccess.h>
#define INCLUDE_VERMAGIC /* as modpost says */
#include <linux/vermagic.h>
#include <linux/vmalloc.h>

#define MOST_PROBES 512
#define MOST_RECORDS (1 << 17)

struct record {
	u64 addr, post;
	u64 regs[18]; /* as instructions number them, then ip and flags */
};

static struct kprobe probes[MOST_PROBES];
static s64 errors[MOST_PROBES];
static size_t count;
static pid_t thread;
static struct record *records;
static atomic_t used;
static struct dentry *file;
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
	*to = (struct record){ (unsigned long)p->addr, post,
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

static const struct file_operations operations = { .owner = THIS_MODULE, .write = arm, .read = tell };

int init_module(void);
int init_module(void)
{
	records = vzalloc(MOST_RECORDS * sizeof(*records));
	if (!records)
		return -ENOMEM;
	file = debugfs_create_file("ktrap_truth", 0600, NULL, NULL, &operations);
	return 0;
}

void cleanup_module(void);
void cleanup_module(void)
{
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
