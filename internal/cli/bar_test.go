package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestABarIsDrawnOnTerminalsOnly(t *testing.T) {
	var to, terminal bytes.Buffer
	b := newBar(&to, &terminal, 3<<20)
	data := bytes.Repeat([]byte("x"), 3<<20)
	if n, err := b.Write(data); n != len(data) || err != nil || !bytes.Equal(to.Bytes(), data) || terminal.Len() > 0 {
		t.Errorf("wrote %d, %v, %q", n, err, &terminal)
	}
	b = &bar{to: &to, terminal: &terminal, total: 3 << 20}
	b.Write(data)
	b.end()
	if text := terminal.String(); !strings.Contains(text, "\r["+strings.Repeat("=", 40)+"] 3 of 3 MB") || !strings.HasSuffix(text, "\r\x1b[K") {
		t.Errorf("drawn is %q", text)
	}
}

func TestABarPassesAnErrorOn(t *testing.T) {
	full := errors.New("full")
	b := newBar(writerFunc(func(p []byte) (int, error) { return 5, full }), nil, 10)
	if n, err := b.Write(make([]byte, 10)); n != 5 || err != full {
		t.Errorf("wrote %d, %v", n, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
