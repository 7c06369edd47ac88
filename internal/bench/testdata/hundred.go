// What a server does, from six functions of the kernel: a handler file of a hundred
// lines, to see how long such a one takes to compile.
package trap

type flow struct {
	comm string
	peer uint16
}

type sides struct {
	calls, bytes uint64
	most         uint32
}

var (
	least   uint64
	sends   map[flow]uint64
	systems map[string]uint64
	by      map[uint32]sides
	begun   map[uint32]uint64
	states  map[uint8]uint64
	kinds   [4]uint64
	sizes   hist
	micros  hist
	fails   uint64
)

// A filter, a count by program and port, and a record with the kernel's stack.
//
//ktrap:pre tcp_sendmsg
func send(sk *sock, size uint64) {
	sizes.add(size)
	if size > least && sk.__sk_common.skc_family == 2 {
		sends[flow{comm(), sk.__sk_common.skc_dport}]++
		emit(pid(), size, sk.sk_rcvbuf, kstack())
	}
}

// Chains of pointers from a file and from the thread.
//
//ktrap:pre vfs_read
func read(file *file, count uint64) {
	begun[tid()] = nsecs()
	d := file.f_path.dentry
	systems[str(d.d_sb.s_type.name, 16)]++
	t := current()
	if t.tgid != t.real_parent.tgid && count > 1<<20 {
		emit(t.tgid, t.real_parent.tgid, d.d_inode.i_ino, d.d_inode.i_size, str(d.d_name.name, 32))
	}
}

//ktrap:ret vfs_read
func end(n int64) {
	if t, ok := begun[tid()]; ok {
		micros.add((nsecs() - t) / 1000)
		delete(begun, tid())
	}
	if n < 0 {
		fails++
	}
}

// Two sums and a greatest by user, and what kind of file it is.
//
//ktrap:pre vfs_write
func write(file *file, count uint64) {
	s := by[uid()]
	s.calls++
	s.bytes += count
	s.most = max(s.most, uint32(count))
	by[uid()] = s
	kind := 3
	switch file.f_inode.i_mode & 0xf000 {
	case 0x8000:
		kind = 0
	case 0x1000:
		kind = 1
	case 0xc000:
		kind = 2
	}
	kinds[kind]++
}

// A socket behind a file, by casts, and a printed line.
//
//ktrap:pre sock_poll
func poll(file *file) {
	s := (*socket)(file.private_data)
	states[s.sk.__sk_common.skc_state]++
	if tp := cast[tcp_sock](s.sk); s.sk.__sk_common.skc_state == TCP_ESTABLISHED {
		printf("%s has %d bytes in flight", comm(), tp.snd_nxt-tp.snd_una)
	}
}

// Fields of a socket: bitfields, anonymous unions, a nested struct.
//
//ktrap:pre tcp_connect
func connect(sk *sock) {
	emit(
		sk.__sk_common.skc_daddr, sk.__sk_common.skc_dport, sk.__sk_common.skc_num,
		sk.__sk_common.skc_reuse, sk.sk_userlocks, sk.sk_type, sk.sk_protocol,
	)
}
