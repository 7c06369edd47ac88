#include "twin.h"

MAP(bytes);
extern struct { u64 _, bytes; } vars VARS;

struct flow {
	u32 from, to;
	u16 port, peer, family;
	u8 mark;
};

PROGRAM(send)
{
	struct sock *sk = (void *)ARG(0);
	u64 size = ARG(2);
	if (READ(sk->__sk_common.skc_family) != 2)
		return 0;
	struct flow f;
	__builtin_memset(&f, 0, sizeof(f));
	f.from = READ(sk->__sk_common.skc_rcv_saddr);
	f.to = READ(sk->__sk_common.skc_daddr);
	f.port = READ(sk->__sk_common.skc_num);
	f.peer = READ(sk->__sk_common.skc_dport);
	f.family = 2;
	f.mark = READ(sk->__sk_common.skc_state);
	sum(&bytes, &f, size, &vars.bytes);
	return 0;
}
