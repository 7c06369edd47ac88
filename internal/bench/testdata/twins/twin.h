/* What the twins share: the helpers that they call, how this kernel's memory is read,
 * and the record that ktrap's emit sends. types.h, made of the kernel's BTF, has its
 * structs and the ids of their types. */

#define NULL ((void *)0)
#define INLINE static inline __attribute__((always_inline))
/* The program of a handler, by its name. */
#define PROGRAM(name) __attribute__((section("handler." #name), used)) int handler_##name(context *ctx)

typedef unsigned char u8;
typedef signed char s8;
typedef unsigned short u16;
typedef short s16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long u64;
typedef long s64;
typedef _Bool bool;

#include "types.h"

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*map_delete)(void *map, const void *key) = (void *)3;
static u64 (*ktime)(void) = (void *)5;
static u32 (*cpu)(void) = (void *)8;
static u64 (*pid_tgid)(void) = (void *)14;
static u64 (*uid_gid)(void) = (void *)15;
static long (*get_comm)(void *to, u32 size) = (void *)16;
static void *(*current_task)(void) = (void *)35;
static long (*get_stack)(void *ctx, void *to, u32 size, u64 flags) = (void *)67;
static long (*probe_read)(void *to, u32 size, const void *from) = (void *)113;
static long (*probe_read_str)(void *to, u32 size, const void *from) = (void *)115;
static void *(*reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*submit)(void *record, u64 flags) = (void *)132;
static struct task_struct *(*current_task_btf)(void) = (void *)158;

#define NOEXIST 1
#define NO_WAKEUP 1

struct map;
struct task_struct;

/* A map of the handler file, by its name. */
#define MAP(name) extern struct map name

/* Those that are ktrap's own. */
#define VARS __asm__("ktrap.vars")
extern struct map ring __asm__("ktrap.ring");

#ifdef DIRECT /* a trampoline, whose arguments the verifier knows the types of */

typedef u64 context;
extern void *bpf_rdonly_cast(void *p, u32 type);

#define ARG(n) ctx[n]
#define RETVAL ctx[ARGUMENTS]
#define READ(field) (field)
#define BITS(p, field) ((p)->field)
#define CAST(tag, p) ((struct tag *)bpf_rdonly_cast((void *)(p), id_##tag))
#define CURRENT current_task_btf()

#else /* a kprobe, which reads by a helper */

typedef struct { u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di; } context;

#define ARG(n) ARG##n
#define ARG0 ctx->di
#define ARG1 ctx->si
#define ARG2 ctx->dx
#define ARG3 ctx->cx
#define RETVAL ctx->ax
#define READ(field) ({ __typeof__(field) v_; probe_read(&v_, sizeof(v_), &(field)); v_; })
/* A bitfield is read as the word that it lies in. */
#define BITS(p, field) (READ((p)->field##_word) >> field##_shift & ((1 << field##_bits) - 1))
#define CAST(tag, p) ((struct tag *)(p))
#define CURRENT ((struct task_struct *)current_task())

#endif

/* header is what every record begins with. The point's number and what was lost
 * are those of a program that serves one point without a ledger. */
struct header {
	u64 time, pid_tgid;
	u32 probe, cpu;
	u64 lost;
	char comm[16];
	u64 site;
};

INLINE void fill(struct header *h, u64 site)
{
	h->time = ktime();
	h->pid_tgid = pid_tgid();
	h->probe = 0;
	h->cpu = cpu();
	h->lost = 0;
	get_comm(h->comm, sizeof(h->comm));
	h->site = site;
}

/* sum is m[k] += n, exact on any number of CPUs; what finds no room adds up in over. */
INLINE void sum(void *map, const void *key, u64 n, u64 *over)
{
	u64 *entry = map_lookup(map, key);
	if (!entry) {
		u64 first = n;
		if (!map_update(map, key, &first, NOEXIST))
			return;
		entry = map_lookup(map, key);
		if (!entry)
			entry = over;
	}
	__sync_fetch_and_add(entry, n);
}

/* bits is how many bits x has. */
INLINE u64 bits(u64 x)
{
	u64 n = 0;
	if (x >> 32) { n += 32; x >>= 32; }
	if (x >> 16) { n += 16; x >>= 16; }
	if (x >> 8) { n += 8; x >>= 8; }
	if (x >> 4) { n += 4; x >>= 4; }
	if (x >> 2) { n += 2; x >>= 2; }
	if (x >> 1) { n += 1; x >>= 1; }
	return n + x;
}

/* count is h.add(x) of a histogram of powers of two. */
INLINE void count(void *map, u64 x)
{
	u32 bucket = bits(x);
	u64 *n = map_lookup(map, &bucket);
	if (n)
		__sync_fetch_and_add(n, 1);
}
