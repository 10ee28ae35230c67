package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	// tailBytesMax bounds what is read from the end of a log.
	tailBytesMax = 16 << 10
	// tailLinesMax bounds what of it is shown.
	tailLinesMax = 20
)

// tail returns the last lines of a log file, or a sentence saying why it can't.
func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	defer file.Close()
	if size, err := file.Seek(0, io.SeekEnd); err == nil {
		_, _ = file.Seek(max(0, size-tailBytesMax), io.SeekStart)
	}
	content, err := io.ReadAll(io.LimitReader(file, tailBytesMax))
	if err != nil {
		return fmt.Sprintf("(the log can't be read: %v)", err)
	}
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	if len(lines) > tailLinesMax {
		lines = lines[len(lines)-tailLinesMax:]
	}
	return strings.Join(lines, "\n")
}
