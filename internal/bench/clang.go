package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/btf"
	"ktrap/internal/object"
)

// clang compiles a twin's C and returns its programs by name. What they refer to has
// the names of ktrap's own maps.
func clang(ctx context.Context, name string, t form) (map[string]asm.Instructions, error) {
	object, err := clangObject(ctx, name, t)
	if err != nil {
		return nil, err
	}
	return programs(object, t.cast)
}

func clangObject(ctx context.Context, name string, t form) ([]byte, error) {
	dir, err := os.MkdirTemp("", "ktrap-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source, err := twins.ReadFile("testdata/twins/" + name + ".c")
	if err != nil {
		return nil, err
	}
	header, err := twins.ReadFile("testdata/twins/twin.h")
	if err != nil {
		return nil, err
	}
	kernel, err := cTypes(t.spec, string(source))
	if err != nil {
		return nil, fmt.Errorf("the kernel's types for %s.c: %w", name, err)
	}
	for file, text := range map[string][]byte{name + ".c": source, "twin.h": header, "types.h": []byte(kernel)} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			return nil, err
		}
	}
	args := []string{"-target", "bpf", "-mcpu=v3", "-O2", "-Wall", "-Werror", "-Wno-unused", "-c", name + ".c", "-o", "out.o"}
	if t.direct {
		args = append(args, "-DDIRECT")
	}
	if n, ok := t.arguments(string(source)); ok {
		args = append(args, fmt.Sprintf("-DARGUMENTS=%d", n))
	}
	cmd := exec.CommandContext(ctx, "clang", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("clang %s.c: %w\n%s\n%s", name, err, out, kernel)
	}
	return os.ReadFile(filepath.Join(dir, "out.o"))
}

// programs are an object file's, by symbol.
func programs(file []byte, cast btf.ID) (map[string]asm.Instructions, error) {
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	found := map[string]asm.Instructions{}
	for i, s := range f.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_EXECINSTR == 0 || s.Size == 0 {
			continue
		}
		code, err := s.Data()
		if err != nil {
			return nil, err
		}
		insns, err := asm.AppendInstructions(nil, bytes.NewReader(code), binary.LittleEndian, "linux")
		if err != nil {
			return nil, err
		}
		for _, r := range f.Sections {
			if r.Type != elf.SHT_REL || int(r.Info) != i {
				continue
			}
			rel, err := r.Data()
			if err != nil {
				return nil, err
			}
			if err := relocate(insns, rel, symbols, cast); err != nil {
				return nil, err
			}
		}
		found[strings.TrimPrefix(s.Name, "handler.")] = insns
	}
	if len(found) == 0 {
		return nil, errors.New("no programs")
	}
	return found, nil
}

// relocate names what instructions refer to: maps, the file's variables, and the one
// kernel function.
func relocate(insns asm.Instructions, rel []byte, symbols []elf.Symbol, cast btf.ID) error {
	at := map[uint64]*asm.Instruction{}
	offset := uint64(0)
	for i := range insns {
		at[offset] = &insns[i]
		offset += insns[i].Size()
	}
	for ; len(rel) >= 16; rel = rel[16:] {
		in := at[binary.LittleEndian.Uint64(rel)]
		symbol := symbols[binary.LittleEndian.Uint32(rel[12:])-1]
		switch {
		case in == nil:
			return fmt.Errorf("a relocation of %s at no instruction", symbol.Name)
		case in.OpCode.IsDWordLoad() && symbol.Name == object.Vars:
			in.Src, in.Constant = asm.PseudoMapValue, in.Constant<<32
			*in = in.WithReference(symbol.Name)
		case in.OpCode.IsDWordLoad():
			in.Src, in.Constant = asm.PseudoMapFD, 0
			*in = in.WithReference(symbol.Name)
		case symbol.Name == "bpf_rdonly_cast":
			in.Src, in.Constant = asm.PseudoKfuncCall, int64(cast)
			*in = in.WithReference("")
		default:
			return fmt.Errorf("a relocation of %s, which is neither a map nor known", symbol.Name)
		}
	}
	return nil
}

// slots is how many instructions of 8 bytes a program takes.
func slots(insns asm.Instructions) (n int) {
	for i := range insns {
		n += int(insns[i].Size() / asm.InstructionSize)
	}
	return n
}
