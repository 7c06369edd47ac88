//go:build live

package ktrap_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// trials has one for each handler of the corpus.
var trials = map[string]trial{
	"ancestors": {do: times(3, func(*testing.T) { unix.Umask(0o22) }), want: want{`i=0 tgid=* comm="*"`: exactly(3)}},
	"bits": {do: times(5, connectTCP), want: want{
		`skc_daddr=16777343 skc_dport=* skc_num=* skc_reuse=0 skc_ipv6only=0 skc_state=2 *sk_type=1 sk_protocol=6 name="TCP"`: exactly(5)}},
	"busy":    {do: sendTCP(4096, 1, 2000, 999), want: want{`count[{.comm="corpus", *}]`: exactly(2), "total": exactly(4096 + 1 + 2000 + 999), "bytes[13]": exactly(1), "bytes[11]": exactly(1), "pid=* size=4096 *tcp_sendmsg*": exactly(1)}},
	"cast":    {do: times(4, pollSocket), want: want{"_type=1 state=3 *": exactly(4)}},
	"chain":   {do: readFile("chained", 10, 100), want: want{`reads[{.fs="tmpfs", .name="chained"}]`: exactly(1000)}},
	"execs":   {do: times(2, execNothing), want: want{`runs["/proc/self/exe"]`: exactly(2)}},
	"latency": {do: times(20, writeNull), want: want{"micros[*]": atLeast(20)}},
	"name":    {do: sendTCP(1, 2, 3), want: want{"tcp": exactly(3)}},
	"names": {do: times(3, func(*testing.T) { unix.Umask(0o22) }), want: want{
		"counts[1]": exactly(3), "state[1]": exactly(3), "out[1]": exactly(3), "unarmed[1]": exactly(3), "done[1]": exactly(3), "ring": exactly(3), "n[1]": exactly(3), "n_other[2]": exactly(3)}},
	"opens":     {do: times(3, openMissing), want: want{`pid=* comm="corpus" filename="/no/such file" flags=32768 mode=0`: exactly(3)}},
	"readsize":  {do: both(readFile("read", 7, 1000), times(3, readDirectory)), want: want{"sizes[10]": atLeast(7), "errors[21]": exactly(3)}},
	"registers": {do: readFile("registers", 5, 10), want: want{"at[*]": atLeast(15), "dx=10": atLeast(15)}},
	"signed":    {do: readDirectory, want: want{"last": exactly(1<<64 - 3), "tenth": exactly(1<<64 - 2), "rest": exactly(1<<64 - 1)}},
	"stacks":    {do: times(6, fsync), want: want{"callers[*]": exactly(6), "both[*]": exactly(6)}},

	"capable":    {do: times(7, func(t *testing.T) { must(t, unix.Chroot("/")) }), want: want{`asked[{.comm="corpus", .cap=18}]`: exactly(7), "denied[*]": exactly(0), "pending[*]": exactly(0)}},
	"dcsnoop":    {do: both(createAndRemove("one"), createAndRemove("two")), want: want{"one in corpus*": atLeast(1), "two in corpus*": atLeast(1)}},
	"dcstat":     {do: createAndRemove("one"), want: want{"missing": atLeast(1), "found": atLeast(1)}},
	"exitsnoop":  {do: both(child(0, unix.SYS_EXIT_GROUP, 3), child(unix.SIGKILL, unix.SYS_PAUSE, 0)), want: want{"exit code 3, signal 0, child of *": exactly(1), "exit code 0, signal 9, child of *": exactly(1), "lives[*]": exactly(2)}},
	"killsnoop":  {do: times(3, func(t *testing.T) { must(t, unix.Kill(os.Getpid(), 0)) }), want: want{"corpus sends 0 to *": exactly(3)}},
	"mountsnoop": {do: mountAndUnmount, want: want{`corpus mounts nowhere on corpus* as tmpfs, flags 0x6`: exactly(1)}},
	"naptime":    {do: times(3, func(t *testing.T) { nap(t, 5*time.Millisecond) }), want: want{"millis[3]": atLeast(3), "total": between(15e6, 30e6)}},
	"pidpersec":  {do: times(4, child(0, unix.SYS_EXIT_GROUP, 0)), want: want{`processes["corpus"]`: exactly(4)}},
	"setuids":    {do: times(2, setUser), want: want{"corpus setuid 0": exactly(2), "corpus setresuid -1 -1 -1": exactly(2)}},
	"signals":    {do: times(5, signalSelf), want: want{"toThread[28]": exactly(5), "toProcess[28]": exactly(5)}},
	"statsnoop":  {do: times(9, statFile("looked at")), want: want{`looked["looked at"]`: exactly(9)}},
	"syncsnoop":  {do: both(times(1, func(*testing.T) { unix.Sync() }), times(3, mountAndUnmount)), want: want{`syncs["corpus"]`: exactly(1), `syncs["tmpfs"]`: exactly(3)}},
	"vfscount":   {do: times(11, fsync), want: want{`calls["corpus"]`: exactly(11)}},
	"vfsstat": {do: both(times(2, createAndRemove("counted")), times(4, fsync), times(5, writeNull), times(6, readDirectory)), want: want{
		"creates": exactly(2 + 4), "fsyncs": exactly(4), "writes": exactly(5), "reads": exactly(6), "opens": atLeast(2 + 4)}},

	"aggregates": {do: readFile("added up", 10, 100), want: want{
		`calls[{.comm="corpus", .at=*vfs_read*}]`: exactly(10), `bytes["corpus"].count`: exactly(10), `bytes["corpus"].sum`: exactly(1000), `bytes["corpus"].max`: exactly(100),
		"all.count": atLeast(20), "sizes[*] bucket 7": atLeast(20), "coarse[*] bucket 1": atLeast(10), "steps[11]": atLeast(20), "place=vfs_read count=100": atLeast(10)}},
	"bindsnoop":   {do: listenTCP, want: want{"corpus binds TCP port 7011, reuse 0": atLeast(1)}},
	"chmods":      {do: changeFile, want: want{"changed: mode 0640, was 0600": exactly(1), "changed: owner -1, group 7": exactly(1)}},
	"directories": {do: times(3, listDirectory), want: want{`listed["corpus*"]`: exactly(6), "from[0]": exactly(3)}},
	"fileslower":  {do: both(readFile("fast", 5, 10), readSlowly), want: want{"* of fast": exactly(0), "corpus read 3 of 10 bytes of ": exactly(1)}},
	"filetop":     {do: readFile("top", 7, 100), want: want{`reads[{.pid=*, .comm="corpus", .name="top"}].count`: exactly(7), `reads[{.pid=*, .comm="corpus", .name="top"}].sum`: exactly(700), `writes[{.pid=*, .comm="corpus", .name="top"}].max`: exactly(700)}},
	"locks":       {do: lockFile, want: want{"locked: command 6, type 1, 20 bytes at 10": exactly(1)}},
	"path":        {do: createAndRemove("leaf"), want: want{`depth=0 str="leaf"`: exactly(1), `depth=1 str="corpus*"`: exactly(1), `depth=2 str="tmp"`: atLeast(1), `depth=3 str="/"`: atLeast(1)}},
	"sockets":     {do: both(times(3, connectTCP), sendUDP), want: want{"made[2][1]": exactly(3 * 2), "made[2][2]": exactly(2)}},
	"solisten":    {do: listenTCP, want: want{"corpus listens at port 7011, state 1, backlog 8": exactly(1)}},
	"tcpaccept":   {do: times(4, connectTCP), want: want{"corpus accepts at port *, state 1": exactly(4)}},
	"tcpconnect":  {do: connectTo7011, want: want{"corpus to 127.0.0.1 port 7011": exactly(1)}},
	"tcplife":     {do: sendTCP(100, 200), want: want{"port * received 30* and sent 0 bytes": exactly(1), "port * received 0 and sent 30*": exactly(1), "millis[*]": exactly(2), "lives[*]": exactly(0)}},
	"tcpretrans":  {do: connectInVain, want: want{"port *, state 2, * segments": atLeast(1)}},
	"tcprtt":      {do: sendTCP(1, 2, 3), want: want{"micros[16777343]": atLeast(3)}},
	"tcpstates":   {do: times(3, connectTCP), want: want{"changes[{.from=7, .to=2}]": exactly(3), "changes[{.from=2, .to=1}]": exactly(3), "changes[{.from=3, .to=1}]": exactly(3), "established": exactly(6)}},
	"tcpsynbl":    {do: times(5, connectTCP), want: want{"backlog[8]": exactly(5), "backlog[8] bucket 0": exactly(5)}},
	"tcptop":      {do: sendAndReceiveTCP(5000), want: want{`bytes["corpus"].sent`: exactly(5000), `bytes["corpus"].received`: exactly(5000)}},
	"truncates":   {do: changeFile, want: want{`sizes["changed"]`: exactly(4101), "changed: mode 1, 8192 bytes at 4096": exactly(1)}},
	"udpconnect":  {do: sendUDP, want: want{"corpus to port 7012, type 2": exactly(1), "sizes[7]": exactly(4)}},
	"unixnames":   {do: sendUnix, want: want{"corpus to /tmp/corpus.socket, 21 bytes": exactly(1), "7 bytes to /tmp/corpus.socket": exactly(1)}},
	"unlinks": {do: moveFiles, want: want{"corpus makes corpus.d, mode 0750": exactly(1), "corpus links corpus.l to elsewhere": exactly(1),
		"corpus renames corpus.l to corpus.m": exactly(1), "corpus removes corpus.m": exactly(1)}},
	"xattrs":          {do: changeFile, want: want{"changed: trusted.corpus, 5 bytes": exactly(1)}},
	"affinities":      {do: pinThread, want: want{"corpus: mask 0x1": exactly(1)}},
	"anonpipes":       {do: writePipe, want: want{`sizes["corpus"]`: exactly(6), `sizes["corpus"] bucket 10`: exactly(6)}, lacks: before73("the function has the name pipe_write")},
	"bpfmaps":         {do: makeMap, want: want{"7 values of 16 bytes, flags 0x0": exactly(1)}},
	"cachestat":       {do: fillRamfs, want: want{`added["ramfs"]`: exactly(4)}, lacks: map[string]string{"5.10": "there are no folios"}},
	"cgroups":         {do: makeCgroup, want: want{"corpus, mode 0755, by cgroup *": exactly(1)}},
	"classes":         {do: writeSizes, want: want{"classes[0]": exactly(1), "classes[1]": exactly(2), "classes[3]": exactly(2)}},
	"clones":          {do: times(3, child(0, unix.SYS_EXIT_GROUP, 0)), want: want{`made["processes"]`: between(3, 6)}},
	"epolls":          {do: useEpoll, want: want{"done[1]": exactly(2), "done[2]": exactly(1), "done[3]": exactly(1), "operation 9 on *": exactly(1)}},
	"eventfds":        {do: useEventfd, want: want{"total": exactly(12 + 30)}},
	"execsnoop":       {do: execNothing, want: want{"/proc/self/exe": exactly(1), "argument 0 is corpus": exactly(1), "argument 1 is -test.run=^$": exactly(1), "argument 2*": exactly(0)}},
	"extremes":        {do: writeSizes, want: want{"writes.least": exactly(10), "writes.most": exactly(5000)}},
	"futexes":         {do: useFutex, want: want{"operations[1]": between(3*5, 3*5+5)}},
	"hostnames":       {do: nameHost, want: want{"corpus: corpus": exactly(1)}},
	"inotifies":       {do: watchDirectory, want: want{"created watched": exactly(1)}},
	"itimers":         {do: setTimer, want: want{"corpus sets timer 1 to 3600.000007000 s, every 5 s": exactly(1)}},
	"keys":            {do: addKey, want: want{"user key corpus": exactly(1)}},
	"kmallocs":        {do: readVectors, want: want{"sizes[10]": atLeast(10), "bytes[*]": atLeast(10 * 640)}, lacks: map[string]string{"6.12": noprof, "7.3": noprof}},
	"kmallocs_noprof": {do: readVectors, want: want{"sizes[10]": atLeast(10), "bytes[*]": atLeast(10 * 640)}, lacks: map[string]string{"5.10": noprofYet, "6.1": noprofYet}},
	"loopback":        {do: sendUDP, want: want{"packets[{.protocol=2048, *}]": atLeast(4), `bytes["lo"].count`: atLeast(4), `bytes["lo"].sum`: atLeast(4 * 142)}},
	"madvises":        {do: useMemory, want: want{"pages[4]": exactly(3)}},
	"may":             {do: nameHost, want: want{`yes["corpus"]`: atLeast(2), `no["corpus"]`: exactly(0)}},
	"mmaps":           {do: useMemory, want: want{`bytes[{.name="", .prot=3}]`: exactly(8 * 4096)}},
	"module":          {do: sendDummy, want: want{`lengths["dummy0"] bucket 10`: exactly(5)}},
	"moduletypes":     {do: sendDummy, want: want{"600 bytes over dummy0": exactly(5)}, lacks: map[string]string{"5.10": "modules don't describe their types (36e68442d1af)"}},
	"mprotects":       {do: useMemory, want: want{"8192 bytes r--": exactly(1)}},
	"nices":           {do: beNice, want: want{"corpus of corpus: 0 to 7": exactly(1)}},
	"oomkill":         {do: invokeOOM, want: want{"*: corpus, adjusted by 1000": exactly(1)}},
	"pagefaults":      {do: useMemory, want: want{`faults[{.comm="corpus", .write=true, .instruction=false}]`: between(4, 40)}},
	"pipes":           {do: writePipe, want: want{`sizes["corpus"]`: exactly(6), `sizes["corpus"] bucket 10`: exactly(6)}, lacks: map[string]string{"7.3": "the function has the name anon_pipe_write"}},
	"sendfiles":       {do: sendFile, want: want{"300 bytes of sent to to": exactly(1)}},
	"shmsnoop":        {do: useSharedMemory, want: want{"shmget 0x0, 12345 bytes, flags 01600": exactly(1), "shmget returns true": exactly(1), "shmat flags 010000": exactly(1)}},
	"ttysnoop":        {do: writeTerminal, want: want{"5 bytes: hello": exactly(1)}},
	"unshares":        {do: leaveNamespaces, want: want{`left["files"]`: exactly(1), `left["filesystem"]`: exactly(1), `left["mounts"]`: exactly(1), `left["other"]`: exactly(0)}},
	"waits":           {do: both(times(2, child(0, unix.SYS_EXIT_GROUP, 0)), waitForAny), want: want{"millis[false]": atLeast(2), "millis[true]": atLeast(1), "since[*]": exactly(0)}},
	"badreads":        {do: times(4, func(*testing.T) { unix.Umask(0o22) }), want: want{"traps[14]": exactly(4)}},
	"swaps":           {do: times(4, func(*testing.T) { unix.Umask(0o22) }), want: want{"swaps": exactly(4), "others": exactly(0)}},
	"who":             {do: times(4, func(*testing.T) { unix.Umask(0o22) }), want: want{`calls[{.uid=0, .gid=0, .comm="corpus"}]`: exactly(4), "byCPU[*]": atLeast(4)}},
	"works":           {do: writeTerminal, want: want{`queued["events_unbound"]`: atLeast(1)}},
}

const (
	noprof    = "the function is called __kmalloc_noprof"
	noprofYet = "the function is called __kmalloc"
)

func before73(why string) map[string]string {
	return map[string]string{"5.10": why, "6.1": why, "6.12": why}
}

// What is done. Each takes a test, runs on the thread that is called corpus, and
// makes no other calls of the kind that is counted.

func times(n int, do func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		for range n {
			do(t)
		}
	}
}

func both(all ...func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		for _, do := range all {
			do(t)
		}
	}
}

// pairTCP connects over 127.0.0.1 by raw calls, which stay on this thread.
func pairTCP(t *testing.T) (client, server int, close func()) {
	l := socketTCP(t)
	must(t, unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Listen(l, 8))
	at, err := unix.Getsockname(l)
	must(t, err)
	client = socketTCP(t)
	must(t, unix.Connect(client, at))
	server, _, err = unix.Accept(l)
	must(t, err)
	return client, server, func() {
		for _, fd := range []int{client, server, l} {
			unix.Close(fd)
		}
	}
}

func socketTCP(t *testing.T) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(t, err)
	return fd
}

func connectTCP(t *testing.T) {
	_, _, end := pairTCP(t)
	end()
}

func sendTCP(sizes ...int) func(*testing.T) {
	return func(t *testing.T) {
		client, _, end := pairTCP(t)
		defer end()
		for _, n := range sizes {
			_, err := unix.Write(client, make([]byte, n))
			must(t, err)
		}
	}
}

func pollSocket(t *testing.T) {
	client, _, end := pairTCP(t)
	defer end()
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(client), Events: unix.POLLOUT}}, 0)
	must(t, err)
}

// readFile reads a file of a tmpfs, n times size bytes.
func readFile(name string, n, size int) func(*testing.T) {
	return func(t *testing.T) {
		path := filepath.Join("/dev/shm", name)
		must(t, os.WriteFile(path, make([]byte, n*size), 0o600))
		defer os.Remove(path)
		fd, err := unix.Open(path, unix.O_RDONLY, 0)
		must(t, err)
		defer unix.Close(fd)
		for range n {
			_, err := unix.Read(fd, make([]byte, size))
			must(t, err)
		}
	}
}

func readDirectory(t *testing.T) {
	fd, err := unix.Open("/", unix.O_RDONLY, 0)
	must(t, err)
	defer unix.Close(fd)
	if _, err := unix.Read(fd, make([]byte, 10)); !errors.Is(err, unix.EISDIR) {
		t.Errorf("reading a directory: %v", err)
	}
}

func writeNull(t *testing.T) {
	fd, err := unix.Open("/dev/null", unix.O_WRONLY, 0)
	must(t, err)
	defer unix.Close(fd)
	_, err = unix.Write(fd, make([]byte, 10))
	must(t, err)
}

func openMissing(t *testing.T) {
	if _, err := unix.Open("/no/such file", unix.O_RDONLY|unix.O_LARGEFILE, 0); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
}

// fsync has a page of a mapped file written back; the system call fsync calls
// no function that could be probed on 7.3.
func fsync(t *testing.T) {
	fd := file(t, "synced")
	defer unix.Close(fd)
	must(t, unix.Ftruncate(fd, 4096))
	page, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	must(t, unix.Msync(page, unix.MS_SYNC))
	must(t, unix.Munmap(page))
}

// file creates an empty one, which is gone when it is closed.
func file(t *testing.T, name string) int {
	path := filepath.Join("/dev/shm", name)
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR, 0o600)
	must(t, err)
	must(t, unix.Unlink(path))
	return fd
}

// createAndRemove does so in a new directory, whose name begins with corpus.
func createAndRemove(name string) func(*testing.T) {
	return func(t *testing.T) {
		dir, err := os.MkdirTemp("", "corpus")
		must(t, err)
		path := filepath.Join(dir, name)
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR, 0o600)
		must(t, err)
		unix.Close(fd)
		must(t, unix.Unlink(path))
		must(t, unix.Rmdir(dir))
	}
}

func statFile(name string) func(*testing.T) {
	path := filepath.Join("/dev/shm", name)
	return func(t *testing.T) {
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR, 0o600)
		must(t, err)
		var st unix.Stat_t
		must(t, unix.Stat(path, &st))
		unix.Close(fd)
		must(t, unix.Unlink(path))
	}
}

func mountAndUnmount(t *testing.T) {
	dir, err := os.MkdirTemp("", "corpus")
	must(t, err)
	must(t, unix.Mount("nowhere", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, ""))
	must(t, unix.Unmount(dir, 0))
	must(t, unix.Rmdir(dir))
}

func nap(t *testing.T, d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	for errors.Is(unix.Nanosleep(&ts, nil), unix.EINTR) { // by the signal with which Go preempts
	}
}

// setUser changes nothing, and by plain calls only this thread.
func setUser(t *testing.T) {
	for _, call := range [][4]uintptr{{unix.SYS_SETUID, 0}, {unix.SYS_SETRESUID, ^uintptr(0), ^uintptr(0), ^uintptr(0)}} {
		if _, _, err := unix.RawSyscall(call[0], call[1], call[2], call[3]); err != 0 {
			t.Error(err)
		}
	}
}

// signalSelf sends what Go ignores: to this thread, and to the process.
func signalSelf(t *testing.T) {
	must(t, unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGWINCH))
	must(t, unix.Kill(os.Getpid(), unix.SIGWINCH))
}

// execNothing runs the kernel's answer to /proc/self/exe with a flag at which it ends.
func execNothing(t *testing.T) {
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"corpus", "-test.run=^$"}, &syscall.ProcAttr{})
	must(t, err)
	_, err = unix.Wait4(pid, nil, 0, nil)
	must(t, err)
}

// child forks one that makes one system call; if sig is not 0 it is killed by that.
func child(sig unix.Signal, call, arg uintptr) func(*testing.T) {
	return func(t *testing.T) {
		pid := fork(call, arg)
		if sig != 0 {
			must(t, unix.Kill(pid, sig))
		}
		_, err := unix.Wait4(pid, nil, 0, nil)
		must(t, err)
	}
}

// fork's child has of Go's threads but this one, and so none of Go's runtime: a
// function that asks whether its stack is to grow might wait there forever.
//
//go:nosplit
//go:norace
func fork(call, arg uintptr) int {
	pid, _, _ := unix.RawSyscall(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0)
	for pid == 0 {
		unix.RawSyscall(call, arg, 0, 0)
	}
	return int(pid)
}

func connectTo7011(t *testing.T) {
	fd := socketTCP(t)
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 7011}); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connect where nobody listens: %v", err)
	}
}

func listenTCP(t *testing.T) {
	fd := socketTCP(t)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 7011}))
	must(t, unix.Listen(fd, 8))
}

// connectInVain fills the queue of a socket that listens, so that who connects
// then must ask again, after a second.
func connectInVain(t *testing.T) {
	l := socketTCP(t)
	defer unix.Close(l)
	must(t, unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Listen(l, 0))
	at, err := unix.Getsockname(l)
	must(t, err)
	for range 3 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		must(t, err)
		defer unix.Close(fd)
		if err := unix.Connect(fd, at); !errors.Is(err, unix.EINPROGRESS) {
			must(t, err)
		}
	}
	time.Sleep(1300 * time.Millisecond)
}

func sendAndReceiveTCP(n int) func(*testing.T) {
	return func(t *testing.T) {
		client, server, end := pairTCP(t)
		defer end()
		_, err := unix.Write(client, make([]byte, n))
		must(t, err)
		for n > 0 {
			got, err := unix.Read(server, make([]byte, n))
			must(t, err)
			n -= max(got, 1)
		}
	}
}

func sendUDP(t *testing.T) {
	var fds [2]int
	for i := range fds {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		must(t, err)
		defer unix.Close(fd)
		fds[i] = fd
	}
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 7012}
	must(t, unix.Bind(fds[0], to))
	must(t, unix.Connect(fds[1], to))
	for range 4 {
		_, err := unix.Write(fds[1], make([]byte, 100))
		must(t, err)
	}
}

func sendUnix(t *testing.T) {
	const path = "/tmp/corpus.socket"
	var fds [2]int
	for i := range fds {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(t, err)
		defer unix.Close(fd)
		fds[i] = fd
	}
	must(t, unix.Bind(fds[0], &unix.SockaddrUnix{Name: path}))
	defer os.Remove(path)
	must(t, unix.Listen(fds[0], 1))
	must(t, unix.Connect(fds[1], &unix.SockaddrUnix{Name: path}))
	_, err := unix.Write(fds[1], make([]byte, 7))
	must(t, err)
}

func moveFiles(t *testing.T) {
	must(t, unix.Mkdir("/dev/shm/corpus.d", 0o750))
	must(t, unix.Rmdir("/dev/shm/corpus.d"))
	must(t, unix.Symlink("elsewhere", "/dev/shm/corpus.l"))
	must(t, unix.Rename("/dev/shm/corpus.l", "/dev/shm/corpus.m"))
	must(t, unix.Unlink("/dev/shm/corpus.m"))
}

func changeFile(t *testing.T) {
	fd := file(t, "changed")
	defer unix.Close(fd)
	must(t, unix.Ftruncate(fd, 4101))
	must(t, unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 4096, 8192))
	must(t, unix.Fchmod(fd, 0o640))
	must(t, unix.Fchown(fd, -1, 7))
	must(t, unix.Fsetxattr(fd, "trusted.corpus", []byte("value"), 0))
}

func lockFile(t *testing.T) {
	fd := file(t, "locked")
	defer unix.Close(fd)
	must(t, unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 10, Len: 20}))
}

// listDirectory asks twice: the second time there is nothing left.
func listDirectory(t *testing.T) {
	dir, err := os.MkdirTemp("", "corpus")
	must(t, err)
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	for range 2 {
		_, err = unix.Getdents(fd, make([]byte, 4096))
		must(t, err)
	}
	unix.Close(fd)
	must(t, unix.Rmdir(dir))
}

// readSlowly reads from a pipe that is written to after a while.
func readSlowly(t *testing.T) {
	var fds [2]int
	must(t, unix.Pipe(fds[:]))
	var writing sync.WaitGroup
	writing.Go(func() {
		time.Sleep(50 * time.Millisecond)
		_, err := unix.Write(fds[1], make([]byte, 3))
		must(t, err)
	})
	_, err := unix.Read(fds[0], make([]byte, 10))
	must(t, err)
	writing.Wait()
	unix.Close(fds[0])
	unix.Close(fds[1])
}

func pinThread(t *testing.T) {
	var one unix.CPUSet
	one.Set(0)
	must(t, unix.SchedSetaffinity(0, &one))
}

func writePipe(t *testing.T) {
	var fds [2]int
	must(t, unix.Pipe(fds[:]))
	for range 6 {
		_, err := unix.Write(fds[1], make([]byte, 600))
		must(t, err)
	}
	unix.Close(fds[0])
	unix.Close(fds[1])
}

func makeMap(t *testing.T) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 7})
	if err != nil {
		t.Error(err)
		return
	}
	m.Close()
}

// fillRamfs writes four pages, which is all that the kernel keeps there.
func fillRamfs(t *testing.T) {
	dir, err := os.MkdirTemp("", "corpus")
	must(t, err)
	must(t, unix.Mount("none", dir, "ramfs", 0, ""))
	must(t, os.WriteFile(filepath.Join(dir, "file"), make([]byte, 4*4096), 0o600))
	must(t, unix.Unmount(dir, 0))
	must(t, unix.Rmdir(dir))
}

func makeCgroup(t *testing.T) {
	must(t, unix.Mkdir("/sys/fs/cgroup/corpus", 0o755))
	must(t, unix.Rmdir("/sys/fs/cgroup/corpus"))
}

func writeSizes(t *testing.T) {
	fd, err := unix.Open("/dev/null", unix.O_WRONLY, 0)
	must(t, err)
	defer unix.Close(fd)
	for _, n := range []int{10, 17, 64, 4096, 5000} {
		_, err := unix.Write(fd, make([]byte, n))
		must(t, err)
	}
}

func useEpoll(t *testing.T) {
	var fds [2]int
	must(t, unix.Pipe(fds[:]))
	set, err := unix.EpollCreate1(0)
	must(t, err)
	var ev unix.EpollEvent
	must(t, unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fds[0], &ev))
	must(t, unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fds[1], &ev))
	must(t, unix.EpollCtl(set, unix.EPOLL_CTL_MOD, fds[0], &ev))
	must(t, unix.EpollCtl(set, unix.EPOLL_CTL_DEL, fds[0], &ev))
	if err := unix.EpollCtl(set, 9, fds[0], &ev); !errors.Is(err, unix.EINVAL) {
		t.Errorf("operation 9: %v", err)
	}
	for _, fd := range []int{set, fds[0], fds[1]} {
		unix.Close(fd)
	}
}

func useEventfd(t *testing.T) {
	fd, err := unix.Eventfd(0, 0)
	must(t, err)
	defer unix.Close(fd)
	for _, n := range []uint64{12, 30} {
		_, err := unix.Write(fd, binary.LittleEndian.AppendUint64(nil, n))
		must(t, err)
	}
}

func useFutex(t *testing.T) {
	var word uint32
	for range 3 { // wake 5 who wait for it: there are none
		unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), 1|128, 5, 0, 0, 0)
	}
}

func nameHost(t *testing.T) {
	var was unix.Utsname
	must(t, unix.Uname(&was))
	must(t, unix.Sethostname([]byte("corpus\x00")[:6]))
	must(t, unix.Sethostname([]byte(unix.ByteSliceToString(was.Nodename[:]))))
}

func watchDirectory(t *testing.T) {
	dir, err := os.MkdirTemp("", "corpus")
	must(t, err)
	fd, err := unix.InotifyInit1(0)
	must(t, err)
	defer unix.Close(fd)
	_, err = unix.InotifyAddWatch(fd, dir, unix.IN_CREATE)
	must(t, err)
	must(t, unix.Mkdir(filepath.Join(dir, "watched"), 0o700))
	must(t, os.RemoveAll(dir))
}

func setTimer(t *testing.T) {
	set := func(v unix.Itimerval) {
		_, err := unix.Setitimer(unix.ITIMER_VIRTUAL, v)
		must(t, err)
	}
	set(unix.Itimerval{Value: unix.Timeval{Sec: 3600, Usec: 7}, Interval: unix.Timeval{Sec: 5}})
	set(unix.Itimerval{})
}

func addKey(t *testing.T) {
	_, err := unix.AddKey("user", "corpus", []byte("payload"), unix.KEY_SPEC_THREAD_KEYRING)
	must(t, err)
}

// readVectors gives the kernel lists of 40 pieces, for which it must find room.
func readVectors(t *testing.T) {
	fd, err := unix.Open("/dev/zero", unix.O_RDONLY, 0)
	must(t, err)
	defer unix.Close(fd)
	for range 10 {
		pieces := make([][]byte, 40)
		for i := range pieces {
			pieces[i] = make([]byte, 1)
		}
		_, err := unix.Readv(fd, pieces)
		must(t, err)
	}
}

func useMemory(t *testing.T) {
	pages, err := unix.Mmap(-1, 0, 8*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	must(t, err)
	must(t, unix.Madvise(pages, unix.MADV_NOHUGEPAGE))
	for i := range 4 {
		pages[i*4096] = 1
	}
	must(t, unix.Madvise(pages[:3*4096], unix.MADV_DONTNEED))
	must(t, unix.Mprotect(pages[:2*4096], unix.PROT_READ))
	must(t, unix.Munmap(pages))
}

// sendDummy sends raw packets over the interface of the module dummy.
func sendDummy(t *testing.T) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("dummy0")
	must(t, err)
	must(t, unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr))
	ifr.SetUint16(ifr.Uint16() | unix.IFF_UP)
	must(t, unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr))
	must(t, unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr))
	for range 5 {
		must(t, unix.Sendto(fd, make([]byte, 600), 0, &unix.SockaddrLinklayer{Ifindex: int(ifr.Uint32())}))
	}
}

func beNice(t *testing.T) { must(t, unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 7)) }

// invokeOOM has the kernel kill whom it likes to kill most.
func invokeOOM(t *testing.T) {
	pid := fork(unix.SYS_PAUSE, 0)
	must(t, os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("1000"), 0))
	must(t, os.WriteFile("/proc/sysrq-trigger", []byte("f"), 0))
	_, err := unix.Wait4(pid, nil, 0, nil)
	must(t, err)
}

func sendFile(t *testing.T) {
	from, to := file(t, "sent"), file(t, "to")
	defer unix.Close(from)
	defer unix.Close(to)
	_, err := unix.Write(from, make([]byte, 300))
	must(t, err)
	var at int64
	_, err = unix.Sendfile(to, from, &at, 300)
	must(t, err)
}

func useSharedMemory(t *testing.T) {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 12345, unix.IPC_CREAT|0o600)
	must(t, err)
	memory, err := unix.SysvShmAttach(id, 0, unix.SHM_RDONLY)
	must(t, err)
	must(t, unix.SysvShmDetach(memory))
	_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	must(t, err)
}

func writeTerminal(t *testing.T) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	must(t, err)
	other, err := unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	defer unix.Close(other)
	_, err = unix.Write(fd, []byte("hello"))
	must(t, err)
}

// leaveNamespaces is of this thread only, which ends soon.
func leaveNamespaces(t *testing.T) {
	must(t, unix.Unshare(unix.CLONE_FILES|unix.CLONE_FS))
	must(t, unix.Unshare(unix.CLONE_NEWNS))
}

func waitForAny(t *testing.T) {
	fork(unix.SYS_EXIT_GROUP, 0)
	_, err := unix.Wait4(-1, nil, 0, nil)
	must(t, err)
}
