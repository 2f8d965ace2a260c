// Command cluster is the Kubernetes control plane that Paddock's demo and tests run against: etcd, the real API server,
// controller manager and scheduler, kubectl, and KWOK for simulated nodes, each as a subcommand of one binary (their feature
// gates and metrics are process-global, so every part still runs as a process of its own).
//
// It also carries `lint-chart` and `render-chart`, so that checking the Helm chart needs no second large build.
package main

import (
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	kubectl "k8s.io/kubectl/pkg/cmd"
)

const usage = `usage: cluster PART [FLAG ...]

parts: etcd  kube-apiserver  kube-controller-manager  kube-scheduler  kwok  kubectl  lint-chart  render-chart`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	part := os.Args[1]
	// Each part parses os.Args itself: it must look as if it had been started under its own name.
	os.Args = append([]string{part}, os.Args[2:]...)
	switch part {
	case "etcd":
		exit(runEtcd(os.Args[1:]))
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "kwok":
		exit(runKwok())
	case "kubectl":
		os.Exit(cli.Run(kubectl.NewDefaultKubectlCommand()))
	case "lint-chart":
		exit(lintChart(os.Args[1:]))
	case "render-chart":
		exit(renderChart(os.Args[1:]))
	default:
		fmt.Fprintf(os.Stderr, "cluster: no part called %q\n%s\n", part, usage)
		os.Exit(2)
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}
