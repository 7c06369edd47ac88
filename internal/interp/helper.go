package interp

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

// argument kinds of helpers.
type arg uint8

const (
	argAny    arg = iota // something
	argMap               // a map of keys
	argRing              // a ring
	argTraces            // a map of stacks
	argKey               // memory of a key of the map in R1
	argValue             // memory of a value of that map
	argIn                // memory that is read, as long as the next register says
	argOut               // memory that is written, as long as the next register says
	argSize              // a size that is not zero
	argLength            // a size
	argCtx               // the context
)

// helper is a function of the kernel: what it takes and what it does. Its
// arguments were checked when do is called.
type helper struct {
	args []arg
	do   func(r *run) value
}

var helpers = map[asm.BuiltinFunc]*helper{
	asm.FnMapLookupElem: {[]arg{argMap, argKey}, mapLookup},
	asm.FnMapUpdateElem: {[]arg{argMap, argKey, argValue, argAny}, mapUpdate},
	asm.FnMapDeleteElem: {[]arg{argMap, argKey}, mapDelete},

	asm.FnRingbufReserve: {[]arg{argRing, argAny, argAny}, ringReserve},
	asm.FnRingbufSubmit:  {[]arg{argAny, argAny}, ringSubmit},
	asm.FnRingbufDiscard: {[]arg{argAny, argAny}, ringDiscard},
	asm.FnRingbufOutput:  {[]arg{argRing, argIn, argLength, argAny}, ringOutput},

	asm.FnProbeReadKernel:    {[]arg{argOut, argLength, argAny}, func(r *run) value { return r.probeRead(kernelMemory, false) }},
	asm.FnProbeReadKernelStr: {[]arg{argOut, argLength, argAny}, func(r *run) value { return r.probeRead(kernelMemory, true) }},
	asm.FnProbeReadUser:      {[]arg{argOut, argLength, argAny}, func(r *run) value { return r.probeRead(userMemory, false) }},
	asm.FnProbeReadUserStr:   {[]arg{argOut, argLength, argAny}, func(r *run) value { return r.probeRead(userMemory, true) }},

	asm.FnGetStack:   {[]arg{argCtx, argOut, argLength, argAny}, getStack},
	asm.FnGetStackid: {[]arg{argCtx, argTraces, argAny}, getStackID},

	asm.FnGetCurrentComm:     {[]arg{argOut, argSize}, getComm},
	asm.FnGetAttachCookie:    {[]arg{argCtx}, func(r *run) value { return number(r.env.Cookie) }},
	asm.FnGetFuncIp:          {[]arg{argCtx}, func(r *run) value { return number(r.env.FuncIP) }},
	asm.FnKtimeGetNs:         {nil, ktime},
	asm.FnKtimeGetBootNs:     {nil, ktime},
	asm.FnGetCurrentPidTgid:  {nil, func(r *run) value { return number(r.env.PidTgid) }},
	asm.FnGetCurrentUidGid:   {nil, func(r *run) value { return number(r.env.UIDGID) }},
	asm.FnGetSmpProcessorId:  {nil, func(r *run) value { return number(uint64(r.env.CPU)) }},
	asm.FnGetCurrentCgroupId: {nil, func(r *run) value { return number(r.env.Cgroup) }},
	asm.FnGetCurrentTask:     {nil, func(r *run) value { return number(r.env.Task) }},
	asm.FnGetCurrentTaskBtf:  {nil, func(r *run) value { return value{kind: kernel, bits: r.env.Task} }},
}

func errno(n int) value { return number(uint64(-int64(n))) }

// callHelper checks the arguments, calls, and destroys R1 to R5 as a call does.
func callHelper(r *run, in *inst) {
	for i, a := range in.call.args {
		r.checkArg(asm.R1+asm.Register(i), a)
		if r.stopped {
			return
		}
	}
	result := in.call.do(r)
	r.regs[asm.R0] = result
	for reg := asm.R1; reg <= asm.R5; reg++ {
		r.regs[reg] = value{}
	}
}

func (r *run) checkArg(reg asm.Register, a arg) {
	v := r.read(reg)
	if r.stopped {
		return
	}
	switch a {
	case argMap:
		r.checkMap(v, v.kind == mapping && (v.m.isArray() || v.m.isHash()), reg)
	case argRing:
		r.checkMap(v, v.kind == mapping && v.m.Kind == Ring, reg)
	case argTraces:
		r.checkMap(v, v.kind == mapping && v.m.Kind == StackTrace, reg)
	case argKey:
		r.checkKey(v, r.regs[asm.R1].m.KeySize)
	case argValue:
		r.input(v, r.regs[asm.R1].m.ValueSize, "reads")
	case argIn:
		if n, ok := r.length(reg + 1); ok {
			r.input(v, n, "reads")
		}
	case argOut:
		if n, ok := r.length(reg + 1); ok {
			r.output(v, n, "writes")
		}
	case argSize:
		if v.bits == 0 {
			r.fault(diag.VerifierRange, "R%d is a size and zero", reg)
		}
	case argCtx:
		if v.kind != context || v.bits != contextBase {
			r.fault(diag.VerifierArgument, "R%d is %s, and must be the context as it was given", reg, v.kind)
		}
	}
}

func (r *run) checkMap(v value, fits bool, reg asm.Register) {
	if !fits {
		r.fault(diag.VerifierArgument, "R%d is %s, and must be a map that this helper takes", reg, v.kind)
	}
}

// checkKey refuses keys in records: older verifiers take them from the stack and
// from map values only.
func (r *run) checkKey(v value, size int) {
	r.input(v, size, "reads a key")
	if v.mem != nil && v.mem.what == record {
		r.fault(diag.VerifierArgument, "a key lies in a record")
	}
}

// length is a size argument. Sizes of 512 MB and more are refused by the kernel.
func (r *run) length(reg asm.Register) (int, bool) {
	v := r.read(reg).plain()
	if v.kind != scalar || v.bits >= 1<<29 {
		r.fault(diag.VerifierRange, "R%d is a size and %s, %#x", reg, v.kind, v.bits)
		return 0, false
	}
	return int(v.bits), true
}

func (r *run) bytes(reg asm.Register, n int) []byte {
	v := r.regs[reg]
	at := v.bits - v.mem.base
	return v.mem.data[at : at+uint64(n)]
}

func mapLookup(r *run) value {
	m := r.regs[asm.R1].m
	mem := m.value(r.bytes(asm.R2, m.KeySize), r.env.CPU)
	r.ids++
	if mem == nil {
		return value{kind: maybe, id: r.ids}
	}
	return value{kind: maybe, id: r.ids, bits: mem.base, mem: mem}
}

func mapUpdate(r *run) value {
	m := r.regs[asm.R1].m
	return errno(m.update(r.bytes(asm.R2, m.KeySize), r.bytes(asm.R3, m.ValueSize), r.regs[asm.R4].bits, r.env.CPU))
}

func mapDelete(r *run) value {
	m := r.regs[asm.R1].m
	switch {
	case m.isArray():
		return errno(errInvalid)
	case !m.remove(string(r.bytes(asm.R2, m.KeySize))):
		return errno(errNoEntry)
	}
	return number(0)
}

func ktime(r *run) value {
	r.env.Time++
	return number(r.env.Time)
}

// getComm cuts at the buffer's size and always ends with a NUL.
// getComm leaves what is behind the name's NUL as it was, as 6.1 does.
func getComm(r *run) value {
	p := r.bytes(asm.R1, int(r.regs[asm.R2].bits))
	p[copy(p[:min(len(p)-1, 15)], r.env.Comm)] = 0
	return number(0)
}

func getStack(r *run) value {
	size, flags := int(r.regs[asm.R3].bits), r.regs[asm.R4].bits
	if flags&^(0xff|1<<8|1<<11) != 0 || flags&(1<<11) != 0 || size%8 != 0 {
		return errno(errInvalid)
	}
	frames := r.env.Stack
	if flags&(1<<8) != 0 {
		frames = r.env.UserStack
	}
	if skip := int(flags & 0xff); skip < len(frames) {
		frames = frames[skip:]
	} else {
		return errno(errFault)
	}
	p := r.bytes(asm.R2, size)
	clear(p)
	frames = frames[:min(len(frames), size/8)]
	for i, f := range frames {
		le.PutUint64(p[8*i:], f)
	}
	return number(uint64(8 * len(frames)))
}

// getStackID numbers stacks by their content; the kernel by a hash of it.
func getStackID(r *run) value {
	m, flags := r.regs[asm.R2].m, r.regs[asm.R3].bits
	frames := r.env.Stack
	if flags&(1<<8) != 0 {
		frames = r.env.UserStack
	}
	if skip := int(flags & 0xff); skip >= len(frames) {
		return errno(errFault)
	} else {
		frames = frames[skip:]
	}
	data := make([]byte, m.ValueSize)
	copy(data, bytesOf(frames))
	for _, e := range m.elements {
		if string(e.values[0].data) == string(data) {
			return number(uint64(le.Uint32([]byte(e.key))))
		}
	}
	if len(m.elements) >= m.MaxEntries {
		return errno(errExist)
	}
	id := len(m.elements)
	copy(m.create(string(le.AppendUint32(nil, uint32(id)))).values[0].data, data)
	return number(uint64(id))
}

// callKfunc knows one function: bpf_rdonly_cast, which makes of any number an
// address that may be loaded from (6.2: a35b9af4ec2c).
func callKfunc(r *run, in *inst) {
	if r.env.RdonlyCast == 0 || in.imm != uint64(r.env.RdonlyCast) {
		r.fault(diag.VerifierHelper, "calls the kernel function %d, which is not interpreted", in.imm)
		return
	}
	p, id := r.read(asm.R1), r.read(asm.R2)
	if r.stopped {
		return
	}
	if id.kind != scalar {
		r.fault(diag.VerifierArgument, "R2 is %s, and must be the id of a type", id.kind)
		return
	}
	for reg := asm.R1; reg <= asm.R5; reg++ {
		r.regs[reg] = value{}
	}
	r.regs[asm.R0] = value{kind: kernel, bits: p.bits}
}
