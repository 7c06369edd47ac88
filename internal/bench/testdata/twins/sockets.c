#include "twin.h"

MAP(states);
extern struct {
	struct { u32 least, most; bool seen; } window;
	u64 states;
} vars VARS;

struct record {
	struct header h;
	char comm[16];
	u32 una, nxt, flight;
};

PROGRAM(poll)
{
	struct file *file = (void *)ARG(0);
	struct socket *s = CAST(socket, READ(file->private_data));
	struct sock *sk = READ(s->sk);
	struct tcp_sock *tp = CAST(tcp_sock, sk);
	u8 state = READ(sk->__sk_common.skc_state);
	sum(&states, &state, 1, &vars.states);
	if (state != 1)
		return 0;
	u32 n = READ(tp->snd_wnd), least = n, most = n;
	if (vars.window.seen) {
		if (vars.window.least < n)
			least = vars.window.least;
		if (vars.window.most > n)
			most = vars.window.most;
	}
	vars.window.least = least;
	vars.window.most = most;
	vars.window.seen = 1;
	struct record *r = reserve(&ring, (sizeof(*r) + 7) & ~7, 0);
	if (!r)
		return 0;
	fill(&r->h, 0);
	get_comm(r->comm, sizeof(r->comm));
	u32 una = READ(tp->snd_una), nxt = READ(tp->snd_nxt);
	r->una = una;
	r->nxt = nxt;
	r->flight = nxt - una;
	submit(r, NO_WAKEUP);
	return 0;
}
