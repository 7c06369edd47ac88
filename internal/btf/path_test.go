package btf

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func roots(t testing.TB, s *Spec) []Param {
	t.Helper()
	p, err := s.Proto(one(t, s, "tcp_connect", Func))
	if err != nil {
		t.Fatal(err)
	}
	return p.Params
}

func TestAPathLeadsToItsMember(t *testing.T) {
	data, _ := sample(t)
	s := parse(t, data, nil)
	for path, want := range map[string]string{
		"sk":                           "0 [0] struct sock *",
		"port":                         "2 [0] struct port",
		"port.number":                  "2 [0] int",
		"sk.__sk_common":               "0 [0 0] struct sock_common",
		"sk->__sk_common.skc_dport":    "0 [0 12] __be16",
		"sk.__sk_common.skc_addrpair":  "0 [0 0] long unsigned int",
		"sk.__sk_common.skc_rcv_saddr": "0 [0 4] int",
		"sk.__sk_common.skc_ipv6only":  "0 [0 8] unsigned char, bit 5 width 1",
		"sk.sk_prot":                   "0 [0 16] struct proto *const",
		"sk->sk_prot->close":           "0 [0 16 0] void (*)(struct sock *)",
		"sk.sk_prot.name[31]":          "0 [0 16 39] char",
		"sk.sk_ports[3].number":        "0 [0 36] int",
		"sk.sk_tail[0x10].number":      "0 [0 128] int",
		"sk[2].sk_protocol":            "0 [0 176] u8",
	} {
		p, err := s.Resolve(roots(t, s), path)
		got := fmt.Sprintf("%d %v %s", p.Root, p.Offsets, s.TypeString(p.Type))
		if p.Bits != 0 {
			got += fmt.Sprintf(", bit %d width %d", p.Shift, p.Bits)
		}
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestAMistakeInAPathIsNamedWhereItIs(t *testing.T) {
	data, _ := sample(t)
	s := parse(t, data, nil)
	for path, want := range map[string]string{
		"":                              "0 expected the name of a parameter",
		"skk":                           "0 the function has no parameter skk (did you mean sk?)",
		"socket":                        "0 the function has no parameter socket (it has sk, port, state, arg1, f)",
		"sk.sk_protocl":                 "3 struct sock has no member sk_protocl (did you mean sk_protocol?)",
		"sk.port":                       "3 struct sock has no member port (did you mean sk_ports?)",
		"sk.__sk_common.daddr":          "15 struct sock_common has no member daddr (did you mean skc_daddr?)",
		"sk.x":                          "3 struct sock has no member x (it has sk_prot, sk_user, sk_tail, sk_ports, __sk_common, sk_protocol)",
		"arg1.x":                        "5 volatile size_t is not a struct",
		"sk.sk_user.name":               "11 struct user is declared but not described in this kernel's BTF",
		"sk.sk_prot.close.x":            "17 void (struct sock *) is not a struct",
		"sk.sk_ports[4]":                "11 index 4 is outside struct port[4]",
		"sk.sk_ports[-1]":               `11 index "-1" is not a number`,
		"sk.sk_ports[1":                 "11 [ without ]",
		"arg1[0]":                       "4 volatile size_t is not an array",
		"sk.":                           "3 expected the name of a member",
		"sk+1":                          `2 expected . or -> or [ before "+1"`,
		"sk.sk_tail[2000000000]":        "22 2 GiB or more from the start of its object",
		"sk.__sk_common.skc_ipv6only.x": "27 a bitfield has no members",
		"sk.sk_prot.close[0]":           "16 void (struct sock *) has no size",
	} {
		_, err := s.Resolve(roots(t, s), path)
		var mistake *PathError
		if !errors.As(err, &mistake) {
			t.Errorf("%s: got %v, want a PathError", path, err)
			continue
		}
		got := fmt.Sprint(mistake.Offset, " ", err.Error()[len(path)+2:])
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestEditsAreCounted(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"", "abc"}: 3, {"abc", ""}: 3, {"abc", "abc"}: 0,
		{"abc", "abd"}: 1, {"abc", "ac"}: 1, {"kitten", "sitting"}: 3, {"ab", "ba"}: 2,
	} {
		if got := edits(pair[0], pair[1]); got != want {
			t.Errorf("%q: got %d, want %d", pair, got, want)
		}
	}
}
