package main

import (
	"fmt"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics, as upstream's main has them
	_ "k8s.io/component-base/metrics/prometheus/version"  // the version metric, likewise
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// runAPIServer is the stock kube-apiserver with the given flags.
func runAPIServer(args []string) error {
	command := app.NewAPIServerCommand()
	command.SetArgs(args)
	return cli.RunNoErrOutput(command)
}

// apiServerArguments are the flags of a kube-apiserver that keeps its state in
// the etcd at etcdURL and its credentials in layout.
func apiServerArguments(layout layout, etcdURL string, port int, extra []string) []string {
	return append([]string{
		"--etcd-servers=" + etcdURL,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--cert-dir=" + layout.path("apiserver"),
		"--tls-cert-file=" + layout.path("apiserver.crt"),
		"--tls-private-key-file=" + layout.path("apiserver.key"),
		"--client-ca-file=" + layout.path("ca.crt"),
		"--token-auth-file=" + layout.path("tokens.csv"),
		"--service-account-key-file=" + layout.path("sa.pub"),
		"--service-account-signing-key-file=" + layout.path("sa.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		"--shutdown-delay-duration=0s",
	}, extra...)
}
