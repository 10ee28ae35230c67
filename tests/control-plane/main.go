// Command test-control-plane runs a real Kubernetes control plane on loopback
// addresses, for tests and benchmarks: an embedded etcd, the stock
// kube-apiserver, and the upstream garbage collector, namespace and service
// account controllers.
//
// One binary, three processes. The parent runs etcd inside itself, makes a
// throw-away PKI and supervises two children, which are this same binary with
// the subcommands "kube-apiserver" and "controllers". Children hold one end of
// a pipe (see lifeline.go), so none of them outlives its parent.
//
// Called through a link named "etcd" or "kube-apiserver" it is that stock
// program, so a folder with two such links serves as KUBEBUILDER_ASSETS.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const usage = `usage: test-control-plane [up] [flags]           run a control plane until it is stopped
       test-control-plane etcd [flags]           the stock etcd
       test-control-plane kube-apiserver [flags] the stock kube-apiserver
       test-control-plane controllers [flags]    garbage collector, namespaces, service accounts
"test-control-plane up -h" lists the flags.`

func main() {
	command, args := subcommand(os.Args)
	if err := run(command, args); err != nil {
		fmt.Fprintf(os.Stderr, "test-control-plane %s: %v\n", command, err)
		os.Exit(1)
	}
}

// subcommand reads the subcommand from the program's name, else from the first
// argument; a leading flag means "up".
func subcommand(argv []string) (string, []string) {
	if name := filepath.Base(argv[0]); name == "etcd" || name == "kube-apiserver" {
		return name, argv[1:]
	}
	if len(argv) < 2 || strings.HasPrefix(argv[1], "-") {
		return "up", argv[1:]
	}
	return argv[1], argv[2:]
}

func run(command string, args []string) error {
	if err := followLifeline(); err != nil {
		return err
	}
	switch command {
	case "up":
		return runUp(args)
	case "etcd":
		return runEtcd(args)
	case "kube-apiserver":
		return runAPIServer(args)
	case "controllers":
		return runControllers(args)
	case "help":
		fmt.Println(usage)
		return nil
	default:
		return fmt.Errorf("unknown subcommand\n%s", usage)
	}
}
