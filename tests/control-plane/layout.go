package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// layout is the folder of one control plane. It holds kubeconfig, server,
// token, ca.crt, admin.{crt,key}, kube-apiserver.log, controllers.log,
// etcd.log and etcd's store.
type layout struct {
	folder    string
	temporary bool
}

// newLayout uses the given folder (made if missing, kept afterwards) or, for
// "", a new temporary one.
func newLayout(folder string) (layout, error) {
	if folder == "" {
		temporary, err := os.MkdirTemp("", "test-control-plane-")
		if err != nil {
			return layout{}, fmt.Errorf("make a temporary folder (is TMPDIR writable?): %w", err)
		}
		return layout{folder: temporary, temporary: true}, nil
	}
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return layout{}, fmt.Errorf("resolve --dir %s: %w", folder, err)
	}
	if err := os.MkdirAll(absolute, 0o700); err != nil {
		return layout{}, fmt.Errorf("make --dir: %w", err)
	}
	return layout{folder: absolute}, nil
}

func (l layout) path(name string) string {
	return filepath.Join(l.folder, name)
}

// write stores a file that only this user may read.
func (l layout) write(name string, content []byte) error {
	if err := os.WriteFile(l.path(name), content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// remove deletes a temporary folder and leaves a given one alone.
func (l layout) remove() {
	if l.temporary {
		_ = os.RemoveAll(l.folder)
	}
}
