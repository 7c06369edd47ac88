package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// writeFile lets write fill the file of that name, or stdout if it is empty. A
// file appears whole or not at all; what is there before stays until then. A
// reader that goes away early is no error.
func writeFile(ctx context.Context, name string, stdout io.Writer, write func(io.Writer) error) error {
	if name == "" {
		return writeTo(ctx, stdout, write)
	}
	// A link keeps leading to what is written.
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	var err error
	if info, missing := os.Stat(name); missing == nil && !info.Mode().IsRegular() {
		err = writeDevice(ctx, name, write)
	} else {
		err = writeWhole(ctx, name, write)
	}
	return outputError(name, err)
}

// outputError names the file that was asked for, not one beside it.
func outputError(name string, err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("write %s: %w", name, path.Err)
	}
	return err
}

func writeDevice(ctx context.Context, name string, write func(io.Writer) error) error {
	f, err := openFile(ctx, name)
	if err != nil {
		return err
	}
	return errors.Join(writeTo(ctx, f, write), f.Close())
}

// writeWhole writes beside the file and then renames.
func writeWhole(ctx context.Context, name string, write func(io.Writer) error) error {
	temporary := fmt.Sprintf("%s.%d.new", name, os.Getpid())
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	if err := errors.Join(writeTo(ctx, f, write), f.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, name)
}

func writeTo(ctx context.Context, w io.Writer, write func(io.Writer) error) error {
	buffered := bufio.NewWriterSize(interruptible{ctx, w}, outputBuffer)
	err := write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// interruptible writes until its context ends.
type interruptible struct {
	ctx context.Context
	w   io.Writer
}

func (i interruptible) Write(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.w.Write(p)
}
