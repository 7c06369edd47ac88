package lab

import (
	"encoding/json"
	"io"
	"time"

	"github.com/hashicorp/yamux"
)

// order asks the guest to run a command: the first message of a control stream.
type order struct {
	Args []string
	Env  []string
	Dir  string
}

// verdict is how a command ended: the last message of a control stream.
type verdict struct {
	Exit  int
	Error string // why there is no exit code
}

// hello is what the guest writes once it is ready for orders.
const hello = '!'

// boxPath holds the machine's own settings in its initramfs.
const boxPath = "/ktrap-lab.json"

// box is what the host tells the guest's init.
type box struct {
	Modules []string // paths, in the order of loading
}

// wireConfig bounds how long the other side may be silent. A kernel that is
// stuck answers no ping: the host takes it for hung after these two together.
func wireConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.KeepAliveInterval = 15 * time.Second
	c.ConnectionWriteTimeout = 90 * time.Second
	c.MaxStreamWindowSize = 1 << 20
	c.StreamCloseTimeout = time.Second
	c.LogOutput = io.Discard
	return c
}

func send(w io.Writer, message any) error { return json.NewEncoder(w).Encode(message) }
