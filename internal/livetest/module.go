package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ktrap/lab"
)

// moduleVariable tells tests where the kernel module of testdata/truth.c is.
const moduleVariable = "KTRAP_MODULE"

// module compiles testdata/truth.c for a kernel, into dir, with the kernel's
// headers. The programs of a kernel's own build need not run on this machine; so
// the compiler is called alone, and the module brings along what they would add.
func module(ctx context.Context, kernel, dir string) (string, error) {
	k, err := lab.FindKernel(ctx, kernel, "", os.Stderr)
	if err != nil {
		return "", err
	}
	src, err := lab.Headers(ctx, k, os.Stderr)
	if err != nil {
		return "", err
	}
	common, err := filepath.Glob(filepath.Join(src, "linux-headers-*-common"))
	if err != nil || len(common) != 1 {
		return "", err
	}
	own := filepath.Join(src, "linux-headers-"+k.Release)
	builtin, err := output(exec.CommandContext(ctx, "gcc", "-print-file-name=include"))
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, "truth-"+kernel+".ko")
	args := append(strings.Fields(moduleFlags), "-isystem", strings.TrimSpace(string(builtin)), "-o", to, "testdata/truth.c")
	for _, folder := range []string{
		common[0] + "/arch/x86/include", own + "/arch/x86/include/generated", common[0] + "/include", own + "/include",
		common[0] + "/arch/x86/include/uapi", own + "/arch/x86/include/generated/uapi", common[0] + "/include/uapi", own + "/include/generated/uapi",
	} {
		args = append(args, "-I"+folder)
	}
	for _, name := range []string{"compiler-version.h", "kconfig.h", "compiler_types.h"} {
		header := common[0] + "/include/linux/" + name
		if _, err := os.Stat(header); err == nil { // 5.10 has no compiler-version.h
			args = append(args, "-include", header)
		}
	}
	_, err = output(exec.CommandContext(ctx, "gcc", args...))
	return to, err
}

// moduleFlags are those of the kernel that change what code means.
const moduleFlags = `-c -nostdinc -D__KERNEL__ -DMODULE -DKBUILD_MODNAME="truth" -DKBUILD_BASENAME="truth" -DKBUILD_MODFILE="truth"
	-D__KBUILD_MODNAME=truth -DCC_USING_FENTRY -pg -mfentry -mrecord-mcount -O2 -w -std=gnu11 -ffreestanding -fms-extensions -fno-strict-aliasing -fno-common
	-fshort-wchar -fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -m64 -mno-sse -mno-mmx
	-mno-red-zone -mcmodel=kernel -mindirect-branch=thunk-extern -mindirect-branch-register`
