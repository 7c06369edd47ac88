#include "twin.h"

struct record {
	struct header h;
	u32 daddr, saddr;
	u16 dport, num, family;
	u8 state, reuse, ipv6only, userlocks;
	u16 type, protocol;
};

PROGRAM(connect)
{
	struct sock *sk = (void *)ARG(0);
	struct record *r = reserve(&ring, (sizeof(*r) + 7) & ~7, 0);
	if (!r)
		return 0;
	fill(&r->h, 0);
	r->daddr = READ(sk->__sk_common.skc_daddr);
	r->saddr = READ(sk->__sk_common.skc_rcv_saddr);
	r->dport = READ(sk->__sk_common.skc_dport);
	r->num = READ(sk->__sk_common.skc_num);
	r->family = READ(sk->__sk_common.skc_family);
	r->state = READ(sk->__sk_common.skc_state);
	r->reuse = BITS(&sk->__sk_common, skc_reuse);
	r->ipv6only = BITS(&sk->__sk_common, skc_ipv6only);
	r->userlocks = BITS(sk, sk_userlocks);
	r->type = READ(sk->sk_type);
	r->protocol = READ(sk->sk_protocol);
	submit(r, NO_WAKEUP);
	return 0;
}
