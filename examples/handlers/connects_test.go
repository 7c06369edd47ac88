package handlers

import "testing"

func TestAConnectionIsTimedFromItsBeginning(t *testing.T) {
	kt.reset()
	sk := &sock{__sk_common: sock_common{skc_dport: 0x5000, skc_daddr: 0x0100007f}}
	handshakes[80] = kt.stat()

	kt.comm, kt.nsecs = "curl", 1_000_000
	connectBegins(sk)
	kt.comm, kt.nsecs = "ksoftirqd/0", 1_250_000 // the answer comes in an interrupt
	connectEnds(sk)

	want := "curl to 127.0.0.1 port 80: 250 us"
	if len(kt.printed) != 1 || kt.printed[0] != want {
		t.Errorf("printed %q, want %q", kt.printed, want)
	}
	if got := handshakes[80].values; len(got) != 1 || got[0] != 250 {
		t.Errorf("the handshakes took %d, want 250", got)
	}
	if len(attempts) != 0 {
		t.Errorf("%d attempts are kept", len(attempts))
	}
}

func TestAConnectionWhoseBeginningWasNotSeenIsNoConnection(t *testing.T) {
	kt.reset()
	connectEnds(&sock{})
	if kt.printed != nil {
		t.Errorf("printed %q", kt.printed)
	}
}
