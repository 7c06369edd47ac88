package disasm

// Texts are the instructions of a function in words. It sees what a single Text
// can't: on arm64 an address comes in two instructions, of which the first has
// the page and the second the offset.
//
//	adrp x0, 0xffff800082a51000
//	add x0, x0, #0x340            # 0xffff800082a51340 <init_task>
func (c Context) Texts(insts []Inst) []Text {
	texts := make([]Text, len(insts))
	targets := targets(insts)
	var known pages
	for i, in := range insts {
		texts[i] = in.Text(c)
		if in.Arch != ARM64 {
			continue
		}
		if targets[in.Addr] {
			known = pages{} // there is another way to here
		}
		if addr, ok := known.step(in); ok {
			texts[i].Refs = append(texts[i].Refs, c.ref(addr))
		}
	}
	return texts
}

// targets are the addresses that the instructions jump to.
func targets(insts []Inst) map[uint64]bool {
	set := map[uint64]bool{}
	for _, in := range insts {
		if in.Arch != ARM64 {
			break
		}
		if f := in.Flow(nil); f.Kind == Jump || f.Kind == CondJump {
			set[f.Target] = true
		}
	}
	return set
}

// pages are the registers of arm64 that hold the address of a page.
type pages [32]struct {
	addr  uint64
	valid bool
}

// step follows one instruction. It returns the address that the instruction makes
// or uses of a page and an offset.
func (p *pages) step(in Inst) (addr uint64, ok bool) {
	w := in.word()
	page := p[w>>5&31]
	offset, uses := pageOffset(w)
	p.forget(in, w)
	if w&0x9f000000 == 0x90000000 { // adrp
		distance := int64(int32(w>>5<<13)>>11) | int64(w>>29&3)
		p[w&31].addr, p[w&31].valid = in.Addr&^(1<<12-1)+uint64(distance<<12), true
	}
	return page.addr + offset, uses && page.valid
}

// pageOffset is what an add, a load or a store adds to its base register.
func pageOffset(w uint32) (uint64, bool) {
	imm := uint64(w >> 10 & 0xfff)
	switch {
	case w&0xffc00000 == 0x91000000: // add, without shift
		return imm, true
	case w&0x3b000000 == 0x39000000: // ldr and str, counted in their own width
		scale := w >> 30
		if w&0x04800000 == 0x04800000 { // of 16 bytes
			scale = 4
		}
		return imm << scale, true
	}
	return 0, false
}

// forget drops the registers that the instruction may write, and some more.
func (p *pages) forget(in Inst, w uint32) {
	p[w&31].valid = false
	switch {
	case in.Flow(nil).Kind == Call || in.Flow(nil).Kind == IndirectCall:
		*p = pages{}
	case w&0x3a000000 == 0x28000000: // ldp, stp: two registers, and their base
		p[w>>10&31].valid = false
		p[w>>5&31].valid = false
	case w&0x3b200400 == 0x38000400: // ldr, str that move their base
		p[w>>5&31].valid = false
	}
}
